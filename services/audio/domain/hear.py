"""From a sound file to hits, and to a whole performance with its beats."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from libs.common.drums import DrumPiece, Hit
from libs.common.performance import Performance
from services.audio.domain.beats import find_beats
from services.audio.domain.blocks import mono_blocks
from services.audio.domain.classify import (
    CONTEXT_FRAMES,
    FAMILIES,
    LABELS,
    Weights,
    fitted_weights,
    measure,
    probabilities,
)
from services.audio.domain.errors import NoDrumsHeard, SilentAudio
from services.audio.domain.features import (
    BANDS,
    FRAMES_PER_S,
    SAMPLE_RATE,
    BandMeter,
    Bands,
    LevelMeter,
    Levels,
    compress,
)
from services.audio.domain.onsets import candidate_frames, group_strengths, rises

MODEL_VERSION: Final = "dsp-1"

_SILENT_PEAK: Final = 10 ** (-60 / 20)
# The first look at the levels is a small part of the work.
_LEVELS_SHARE: Final = 0.4
_STEP_FRAMES: Final = 2000
_MARGIN_FRAMES: Final = 80
# What is struck dies away; of a pad or an organ the ear may take a beginning for a stroke, but it
# goes on. Under music a stroke's fall is often covered, so few need to show it.
_LEAST_FALL_DB: Final = 3.0
_LEAST_FALLING_SHARE: Final = 0.1
# A drummer's single stroke on one piece is never repeated faster; what is nearer is one stroke.
_APART_S: Final = 0.04


@dataclass(frozen=True, slots=True)
class Heard:
    """What a hearer found."""

    hits: list[Hit]
    """By onset, then piece; ids `ev-000001` on."""
    envelope: NDArray[np.float32]
    """Onset strength, at least 0, `envelope_rate` values a second from 0 s."""
    envelope_rate: float
    duration_s: float


class Hearer(Protocol):
    """The seam between hearing and everything after it: rules today, a network tomorrow."""

    @property
    def version(self) -> str:
        """Kept with every performance that it made."""

    @property
    def kind(self) -> str:
        """How it works, in a few words."""

    @property
    def pieces(self) -> frozenset[DrumPiece]:
        """What it can name."""

    @property
    def about(self) -> str:
        """What a user should know of it: how good it is, and where it fails."""

    def hear(
        self,
        path: Path,
        progress: Callable[[float], None] | None = None,
        *,
        sensitivity: float = 0.5,
        pieces: Collection[DrumPiece] | None = None,
    ) -> Heard:
        """Hear a FLAC or WAV of any length in constant memory (hits and envelope aside).

        `sensitivity` 0 (only what is sure) to 1 (everything that may be a hit); `pieces` are
        those that may be heard, None all. Raises SilentAudio, NoDrumsHeard, EmptyAudio or
        UnreadableMedia, ValueError for a sensitivity outside 0..1, and whatever `progress` raises.
        """


class DspHearer:
    """Onsets from spectral flux in band groups, named by measurements around each."""

    version: Final = MODEL_VERSION
    kind: Final = "signal processing, with a small classifier fitted on rendered performances"
    pieces: Final = frozenset(piece for members in FAMILIES.values() for piece in members)
    about: Final = (
        "A first hearer. On six real drum stems about .8 of the hits are right (5 classes, 50 ms), "
        "with music over the drums about .6. Soft hats under loud strokes are missed, tom heights "
        "and open against closed hats are often mixed up; splash, china, cowbell and tambourine "
        "are never named."
    )

    def hear(
        self,
        path: Path,
        progress: Callable[[float], None] | None = None,
        *,
        sensitivity: float = 0.5,
        pieces: Collection[DrumPiece] | None = None,
    ) -> Heard:
        """See `Hearer.hear`."""
        if not 0 <= sensitivity <= 1:
            raise ValueError(f"sensitivity {sensitivity} is outside 0 to 1")
        tell = progress or (lambda fraction: None)
        levels, duration_s = _measure_levels(path, lambda done: tell(done * _LEVELS_SHARE))
        judge = _Judge(levels, fitted_weights(), sensitivity, frozenset(pieces or DrumPiece))
        meter = BandMeter()
        window = np.zeros((_MARGIN_FRAMES, BANDS), np.float32)
        for samples, done in mono_blocks(path, SAMPLE_RATE):
            window = judge.take(np.concatenate([window, compress(meter.push(samples), levels)]))
            tell(_LEVELS_SHARE + done * (1 - _LEVELS_SHARE))
        rest = compress(meter.finish(), levels)
        end = np.zeros((_MARGIN_FRAMES, BANDS), np.float32)
        judge.take(np.concatenate([window, rest, end]), last=True)
        hits = judge.hits(duration_s)
        if not hits:
            raise NoDrumsHeard
        return Heard(hits, np.concatenate(judge.envelope), FRAMES_PER_S, duration_s)


def hearers() -> Mapping[str, Hearer]:
    """Every hearer that can be chosen, by the name to choose it with."""
    return {MODEL_VERSION: DspHearer()}


def hear_performance(
    path: Path,
    progress: Callable[[float], None] | None = None,
    *,
    model: str = MODEL_VERSION,
    sensitivity: float = 0.5,
    pieces: Collection[DrumPiece] | None = None,
) -> Performance:
    """Hits, beats and tempo of a sound file; errors as `Hearer.hear`, and KeyError for a `model`
    that `hearers` has not."""
    hearer = hearers()[model]
    heard = hearer.hear(path, progress, sensitivity=sensitivity, pieces=pieces)
    pulse = find_beats(heard.hits, heard.envelope, heard.envelope_rate)
    return Performance(
        duration_s=heard.duration_s,
        hits=tuple(heard.hits),
        beats=tuple(pulse.beats),
        tempo_bpm=pulse.tempo_bpm,
        tempo_confidence=pulse.confidence,
        model_version=hearer.version,
    )


def _measure_levels(path: Path, progress: Callable[[float], None]) -> tuple[Levels, float]:
    meter, level = BandMeter(), LevelMeter()
    peak, count = 0.0, 0
    for samples, done in mono_blocks(path, SAMPLE_RATE):
        peak = max(peak, float(np.abs(samples).max(initial=0.0)))
        count += len(samples)
        level.push(meter.push(samples))
        progress(done)
    level.push(meter.finish())
    if peak < _SILENT_PEAK:
        raise SilentAudio
    return level.levels(), count / SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class _Stroke:
    onset_s: float
    piece: DrumPiece
    chance: float
    confidence: float
    strength_db: float
    fall_db: float
    """How much its bands had fallen a quarter of a second later."""


# Where each family sounds; its stroke's strength is how much these bands grew.
_OWN_BANDS: Final[Mapping[str, slice]] = {
    "kick": slice(0, 5),
    "snare": slice(6, 20),
    "cross-stick": slice(10, 20),
    "hat": slice(18, BANDS),
    "tom": slice(1, 9),
    "cymbal": slice(14, BANDS),
}


class _Judge:
    """Takes frames as they come, keeps the strokes found in them and the onset envelope."""

    def __init__(
        self, levels: Levels, weights: Weights, sensitivity: float, pieces: frozenset[DrumPiece]
    ) -> None:
        self._levels = levels
        self._weights = weights
        self._pieces = pieces
        # Half a unit of sensitivity is as much as odds of seven to one.
        self._logit_shift = (sensitivity - 0.5) * 4
        self._strokes: list[_Stroke] = []
        self._first_frame = 0
        self.envelope: list[NDArray[np.float32]] = []

    def take(self, logs: Bands, last: bool = False) -> Bands:
        """Judge all frames that have their surroundings; return what the next call begins with."""
        while len(logs) - 2 * _MARGIN_FRAMES >= (1 if last else _STEP_FRAMES):
            inside = min(_STEP_FRAMES, len(logs) - 2 * _MARGIN_FRAMES)
            self._judge(logs[: inside + 2 * _MARGIN_FRAMES], inside)
            self._first_frame += inside
            logs = logs[inside:]
        return logs

    def _judge(self, logs: Bands, inside: int) -> None:
        assert _MARGIN_FRAMES >= CONTEXT_FRAMES
        grown = rises(logs)
        strengths = group_strengths(grown)
        self.envelope.append(strengths[_MARGIN_FRAMES : _MARGIN_FRAMES + inside, -1].copy())
        frames = candidate_frames(strengths)
        frames = frames[(frames >= _MARGIN_FRAMES) & (frames < _MARGIN_FRAMES + inside)]
        if not len(frames):
            return
        measured = measure(logs, grown, strengths, frames, self._levels)
        chances = probabilities(measured, self._weights)
        times_s = (frames - _MARGIN_FRAMES + self._first_frame) / FRAMES_PER_S + self._weights.lag_s
        for row, frame in enumerate(frames):
            self._name(chances[row], logs, int(frame), float(times_s[row]))

    def _name(self, chances: NDArray[np.float32], logs: Bands, frame: int, at_s: float) -> None:
        for index, (family, members) in enumerate(FAMILIES.items()):
            allowed = [piece for piece in members if piece in self._pieces]
            if not allowed:
                continue
            threshold = float(self._weights.thresholds[index])
            margin = _logit(float(chances[index])) - _logit(threshold) + self._logit_shift
            if margin <= 0:
                continue
            weights = [
                float(chances[LABELS.index(piece)]) if len(members) > 1 else 1.0
                for piece in allowed
            ]
            best = int(np.argmax(weights))
            sure = weights[best] / max(sum(weights), 1e-6)
            around = logs[frame - 1 : frame + 7, _OWN_BANDS[family]].max(axis=0)
            later = logs[frame + 40 : frame + 56, _OWN_BANDS[family]].mean(axis=0)
            strength_db = _mean_db(around)
            self._strokes.append(
                _Stroke(
                    onset_s=max(0.0, at_s),
                    piece=allowed[best],
                    chance=float(chances[index]),
                    confidence=float(chances[index]) * (0.5 + 0.5 * sure),
                    strength_db=strength_db,
                    fall_db=strength_db - _mean_db(later),
                )
            )

    def hits(self, duration_s: float) -> list[Hit]:
        """All strokes as hits, in order, none twice; none if what began only ever went on."""
        falling = sum(stroke.fall_db > _LEAST_FALL_DB for stroke in self._strokes)
        if falling < _LEAST_FALLING_SHARE * len(self._strokes):
            return []
        by_piece: dict[DrumPiece, list[_Stroke]] = defaultdict(list)
        for stroke in self._strokes:
            kept = by_piece[stroke.piece]
            if kept and stroke.onset_s - kept[-1].onset_s < _APART_S:
                if stroke.chance > kept[-1].chance:
                    kept[-1] = stroke
            else:
                kept.append(stroke)
        found: list[Hit] = []
        for piece, strokes in by_piece.items():
            loud_db = float(np.percentile([stroke.strength_db for stroke in strokes], 90))
            for stroke in strokes:
                # Sampled kits and drum modules alike put loudness near the square of velocity.
                velocity = 105 * 10 ** ((stroke.strength_db - loud_db) / 40)
                found.append(
                    Hit(
                        onset_s=min(stroke.onset_s, duration_s),
                        piece=piece,
                        velocity=int(np.clip(round(velocity), 1, 127)),
                        confidence=min(1.0, stroke.confidence),
                    )
                )
        found.sort(key=lambda hit: (hit.onset_s, hit.piece))
        return [replace(hit, id=f"ev-{number:06d}") for number, hit in enumerate(found, start=1)]


def _mean_db(logs: NDArray[np.float32]) -> float:
    return 10 * float(np.log10(np.mean(10**logs)))


def _logit(chance: float) -> float:
    chance = min(max(chance, 1e-6), 1 - 1e-6)
    return float(np.log(chance / (1 - chance)))
