"""From takes to what the network practises on: restructured, at another pace, badly heard.

Everything is drawn from one generator, so that a seed tells all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from libs.common.drums import DrumPiece, Hit
from libs.common.pulse.net import FAMILY, FRAMES_PER_S, loudness, rasterise
from training.pulse.grooves import Rng, make_fill, make_groove
from training.pulse.takes import INDEX, PIECES, Indices, Take, Values

FAMILY_OF: Final = np.array([FAMILY[piece] for piece in PIECES])
_OTHER_METERS: Final[dict[int, list[tuple[int, ...]]]] = {
    2: [(0, 1), (2, 3)],
    3: [(0, 1, 2), (0, 1, 3), (0, 2, 3)],
    5: [(0, 1, 2, 3, 3), (0, 1, 2, 3, 2), (0, 1, 2, 2, 3), (0, 1, 2, 3, 1), (0, 1, 1, 2, 3)],
    6: [(0, 1, 2, 3, 2, 3), (0, 1, 2, 3, 3, 3), (0, 1, 2, 1, 2, 3), (0, 1, 2, 2, 3, 3)],
    7: [(0, 1, 2, 3, 0, 1, 2), (0, 1, 2, 3, 1, 2, 3), (0, 1, 2, 3, 2, 2, 3), (0, 1, 2, 2, 3, 2, 3)],
}
_MEMBERS: Final = [
    [INDEX[piece] for piece in PIECES if FAMILY[piece] == family] for family in range(6)
]
_CLICKERS: Final = (
    DrumPiece.CROSS_STICK, DrumPiece.HAT_CLOSED, DrumPiece.HAT_PEDAL, DrumPiece.COWBELL,
    DrumPiece.RIDE,
)  # fmt: skip
# What a transcriber takes a family for, when it errs.
_CONFUSED: Final = {0: [3], 1: [3, 2, 1], 2: [5, 4, 1], 3: [0, 1, 3], 4: [5, 2], 5: [2, 4]}


@dataclass(frozen=True)
class Played:
    """A performance in seconds with its truth."""

    onsets_s: Values
    piece: Indices
    velocity: Values
    confidence: Values
    beats_s: Values
    positions: Indices
    """Of each beat inside its bar, from 1."""
    duration_s: float
    meter: int = 0
    compound: bool = False
    name: str = ""

    def hits(self) -> list[Hit]:
        """As a hearer gives them."""
        return sorted(
            Hit(float(at), PIECES[piece], int(np.clip(round(velocity), 1, 127)), float(sure))
            for at, piece, velocity, sure in zip(
                self.onsets_s, self.piece, self.velocity, self.confidence, strict=True
            )
        )

    def rows(self, frames: int) -> np.ndarray:
        """What the network sees."""
        return rasterise(
            self.onsets_s,
            FAMILY_OF[self.piece],
            self.confidence * loudness(self.velocity),
            frames,
        )

    def targets(self, frames: int) -> np.ndarray:
        """(2, frames) of beats and downbeats, spread as the hits are, and half beside them."""
        out = np.zeros((2, frames), np.float32)
        for row, times_s in enumerate((self.beats_s, self.beats_s[self.positions == 1])):
            places = np.rint(times_s * FRAMES_PER_S).astype(int)
            for away, value in ((-1, 0.5), (1, 0.5), (0, 1.0)):
                near = places + away
                near = near[(near >= 0) & (near < frames)]
                out[row, near] = np.maximum(out[row, near], value)
        return out


def in_meter(take: Take, meter: int, rng: Rng) -> Take:
    """A take in four, its beats cut or doubled alike in every bar."""
    options = _OTHER_METERS[meter]
    keep = options[int(rng.integers(len(options)))]
    beat = np.floor(take.at + 0.12).astype(int)
    at, piece, velocity = [], [], []
    for place, source in enumerate(keep):
        chosen = beat % 4 == source
        at.append(take.at[chosen] - beat[chosen] + beat[chosen] // 4 * meter + place)
        piece.append(take.piece[chosen])
        velocity.append(take.velocity[chosen])
    onsets = np.concatenate(at)
    order = np.argsort(onsets, kind="stable")
    return replace(
        take, at=onsets[order], piece=np.concatenate(piece)[order],
        velocity=np.concatenate(velocity)[order], bars=np.full(len(take.bars), meter),
    )  # fmt: skip


def with_lead(take: Take, rng: Rng) -> Take:
    """With a count-in of clicks, or a pickup of strokes, before its first bar."""
    meter = int(take.bars[0])
    if rng.random() < 0.55:
        clicker = rng.choice(_CLICKERS, p=[0.4, 0.3, 0.1, 0.1, 0.1])
        lead = meter if rng.random() < 0.7 else max(1, meter - int(rng.integers(1, 3)))
        at = np.arange(-lead, 0, dtype=float)
        if lead == 4 and rng.random() < 0.2:
            at, lead = np.array([-8.0, -6, -4, -3, -2, -1]), 8
        piece = np.full(len(at), INDEX[DrumPiece(str(clicker))])
        velocity = np.full(len(at), rng.uniform(50, 110))
    else:
        length = float(rng.choice([0.5, 1, 1, 2, 2, 3]))
        length = min(length, meter - 0.5)
        lead = int(np.ceil(length))
        strokes = make_fill(rng, -length, 0.0, 3 if take.compound else 4, take.bpm)
        at = np.array([stroke[0] for stroke in strokes])
        piece = np.array([INDEX[stroke[1]] for stroke in strokes])
        velocity = np.array([stroke[2] for stroke in strokes])
    keep = take.at > -0.2
    return replace(
        take, at=np.concatenate([at, take.at[keep]]), lead=lead,
        piece=np.concatenate([piece, take.piece[keep]]),
        velocity=np.concatenate([velocity, take.velocity[keep]]),
    )  # fmt: skip


def play(take: Take, rng: Rng, *, steady: bool = False, start_s: float | None = None) -> Played:
    """In seconds: at its own tempo if `steady`, else at a tempo near it that may move."""
    bpm = take.bpm if steady else _tempo(take, rng)
    count = int(take.bars.sum())
    beats = np.arange(-take.lead, count + 1)
    tempos = np.full(len(beats) - 1, bpm) if steady else _tempo_curve(rng, bpm, len(beats) - 1)
    times_s = np.concatenate([[0.0], np.cumsum(60 / tempos)])
    times_s += rng.uniform(0.2, 2.0) if start_s is None else start_s
    inside = np.clip(take.at, beats[0] - 0.5, None)
    onsets_s = np.interp(inside, beats, times_s)
    # np.interp holds the ends; what lies beyond goes on at their pace.
    early, late = inside < beats[0], inside > beats[-1]
    onsets_s[early] = times_s[0] + (inside[early] - beats[0]) * 60 / tempos[0]
    onsets_s[late] = times_s[-1] + (inside[late] - beats[-1]) * 60 / tempos[-1]
    starts = np.concatenate([[0], np.cumsum(take.bars)])
    meter = int(take.bars[0])
    bar = np.searchsorted(starts, beats[:-1], side="right") - 1
    positions = np.where(
        beats[:-1] >= 0, beats[:-1] - starts[np.maximum(bar, 0)], beats[:-1] % meter
    )
    duration_s = float(times_s[-1])
    return Played(
        onsets_s, take.piece, take.velocity, np.ones(len(onsets_s)), times_s[:-1],
        positions.astype(np.int64) + 1, duration_s, meter, take.compound, take.name,
    )  # fmt: skip


def _tempo(take: Take, rng: Rng) -> float:
    """Near the take's own, and such that hands can still play it."""
    if take.compound:
        return float(np.clip(take.bpm * np.exp(rng.normal(0, 0.1)), 36, 100))
    bpm = take.bpm * np.exp(rng.normal(0, 0.2))
    gaps = np.diff(take.at[take.at > 0])
    gaps = gaps[gaps > 0.06]
    if len(gaps):
        shortest = float(np.percentile(gaps, 15))
        bpm = min(bpm, max(take.bpm, 60 * shortest / 0.085))
    return float(np.clip(bpm, 55, 215))


def _tempo_curve(rng: Rng, bpm: float, count: int) -> Values:
    """Beats a minute for every beat."""
    kind = rng.random()
    moved = np.zeros(count)
    if kind < 0.5:
        moved += np.cumsum(rng.normal(0, rng.choice([0.0, 0.002, 0.004]), count))
    elif kind < 0.68:
        steps = rng.normal(0, rng.uniform(0.005, 0.02), count)
        for index in range(1, count):
            moved[index] = 0.9 * moved[index - 1] + steps[index]
    elif kind < 0.8:
        moved += np.linspace(0, rng.uniform(-0.3, 0.3), count)
    elif kind < 0.88:
        waves = rng.uniform(8, 40)
        moved += rng.uniform(0.02, 0.07) * np.sin(np.arange(count) * 2 * np.pi / waves)
    elif kind < 0.95 and count > 24:
        at = int(rng.integers(8, count - 8)) // 4 * 4
        moved[at:] += rng.choice([-1, 1]) * rng.uniform(0.06, 0.35)
    elif count > 8:
        slow = int(rng.integers(2, 6))
        moved[-slow:] -= np.linspace(0.05, 0.4, slow)
    return np.clip(bpm * np.exp(np.clip(moved, -0.5, 0.5)), 36, 235)


def mishear(played: Played, rng: Rng, amount: float = 1.0) -> Played:
    """As a transcriber of middling skill would give it; `amount` 0 leaves all as it was."""
    if amount == 0 or not len(played.onsets_s):
        return played
    onsets_s, piece = played.onsets_s.copy(), played.piece.copy()
    velocity = played.velocity.copy()
    count = len(onsets_s)
    family = FAMILY_OF[piece]
    # Missed: the soft more than the loud, hats most, and what lies under a louder stroke.
    base = np.array([0.02, 0.03, 0.12, 0.12, 0.1, 0.12]) * rng.uniform(0, 2, 6) * amount
    missed = base[family] * (1.7 - 1.2 * velocity / 127)
    missed += rng.uniform(0, 0.7) * amount * (velocity < 40) * (rng.random() < 0.7)
    keep = rng.random(count) > missed
    # Called by a neighbour's name: some of all, or nearly all of one family.
    rates = np.array([0.01, 0.02, 0.05, 0.15, 0.12, 0.12]) * rng.uniform(0, 2, 6) * amount
    if rng.random() < 0.12 * amount:
        rates[rng.integers(2, 6)] = rng.uniform(0.4, 1.0)
    for at in np.flatnonzero(rng.random(count) < rates[family]):
        other = _CONFUSED[int(family[at])]
        piece[at] = rng.choice(_MEMBERS[other[int(rng.integers(len(other)))]])
    # Loudness as heard: compressed, each family with its own level.
    curve = rng.uniform(0.3, 1.4)
    level = rng.uniform(0.6, 1.1, 6)
    velocity = 127 * (velocity / 127) ** curve * level[family] + rng.normal(0, 8, count)
    surest = rng.uniform(0.7, 1.0)
    confidence = np.clip(surest - np.abs(rng.normal(0, 0.15, count)) * amount, 0.15, 1)
    onsets_s = onsets_s + rng.normal(0, rng.uniform(0, 0.012) * amount, count)
    # Heard where nothing was: by itself, or beside a true stroke.
    alone = rng.poisson(rng.exponential(0.15) * amount * played.duration_s)
    beside = rng.random(count) < rng.exponential(0.03) * amount
    false_s = np.concatenate([rng.uniform(0, played.duration_s, alone), onsets_s[beside]])
    false_family = rng.choice(6, len(false_s), p=[0.1, 0.2, 0.3, 0.15, 0.1, 0.15])
    false_piece = np.array([rng.choice(_MEMBERS[each]) for each in false_family], np.int64)
    onsets_s = np.concatenate([onsets_s[keep], false_s])
    order = np.argsort(onsets_s, kind="stable")
    return replace(
        played,
        onsets_s=np.maximum(onsets_s[order], 0),
        piece=np.concatenate([piece[keep], false_piece])[order],
        velocity=np.clip(
            np.concatenate([velocity[keep], rng.uniform(10, 90, len(false_s))])[order], 1, 127
        ),
        confidence=np.concatenate([confidence[keep], rng.uniform(0.1, 0.7, len(false_s))])[order],
    )


def thin(played: Played, rng: Rng) -> Played:
    """Without some of what was played: a family, all but one, or a stretch of silence."""
    keep = np.ones(len(played.onsets_s), bool)
    family = FAMILY_OF[played.piece]
    kind = rng.random()
    if kind < 0.12:
        keep &= family != rng.integers(6)
    elif kind < 0.2:
        keep &= family != 4
    elif kind < 0.23:
        keep &= (family == 2) | (family == 5)
    elif kind < 0.26:
        keep &= family <= 1
    elif kind < 0.28:
        keep &= family == 0
    if rng.random() < 0.15 and len(played.beats_s) > 20:
        first = int(rng.integers(4, len(played.beats_s) - 10))
        past = first + int(rng.choice([1, 2, 4, 4, 8]))
        start_s, stop_s = (
            played.beats_s[first] - 0.05,
            played.beats_s[min(past, len(played.beats_s) - 1)],
        )
        inside = (played.onsets_s > start_s) & (played.onsets_s < stop_s - 0.05)
        keep &= ~inside | ((family == rng.integers(6)) & (rng.random() < 0.4))
    return replace(
        played, onsets_s=played.onsets_s[keep], piece=played.piece[keep],
        velocity=played.velocity[keep], confidence=played.confidence[keep],
    )  # fmt: skip


def excerpt(played: Played, rng: Rng, length_s: float) -> Played:
    """A stretch; now and then from the very beginning."""
    spare_s = played.duration_s - length_s
    if spare_s <= 0 or rng.random() < 0.35:
        from_s = 0.0
    else:
        from_s = float(rng.uniform(0, spare_s + min(10.0, length_s / 3)))
    # Begun in the middle: silence first, then whatever comes.
    lead_s = 0.0 if from_s == 0 else float(rng.uniform(0.2, 1.5))
    hits = (played.onsets_s >= from_s) & (played.onsets_s < from_s + length_s)
    beats = (played.beats_s >= from_s - 0.03) & (played.beats_s < from_s + length_s)
    return replace(
        played, onsets_s=played.onsets_s[hits] - from_s + lead_s, piece=played.piece[hits],
        velocity=played.velocity[hits], confidence=played.confidence[hits],
        beats_s=np.maximum(played.beats_s[beats] - from_s + lead_s, 0),
        positions=played.positions[beats],
        duration_s=min(length_s, played.duration_s - from_s + lead_s),
    )  # fmt: skip


def without_pulse(rng: Rng, length_s: float) -> Played:
    """Strokes at random, and no beats."""
    count = rng.poisson(rng.uniform(0.3, 4) * length_s)
    onsets_s = np.sort(rng.uniform(0, length_s, count))
    return Played(
        onsets_s, rng.integers(len(PIECES), size=count), rng.uniform(10, 127, count),
        rng.uniform(0.1, 1, count), np.zeros(0), np.zeros(0, np.int64), length_s,
    )  # fmt: skip


def practise(takes: list[Take], weights: Values, rng: Rng, length_s: float) -> Played:
    """One excerpt of the kind that the network is to understand."""
    kind = rng.random()
    if kind < 0.02:
        return without_pulse(rng, length_s)
    if kind < 0.38:
        take = make_groove(rng)
    else:
        take = takes[int(rng.choice(len(takes), p=weights))]
        if take.bars[0] == 4 and rng.random() < 0.25:
            take = in_meter(
                take, int(rng.choice([2, 3, 5, 6, 7], p=[0.03, 0.42, 0.2, 0.15, 0.2])), rng
            )
    if rng.random() < 0.2:
        take = with_lead(take, rng)
    played = thin(play(take, rng), rng)
    return excerpt(
        mishear(played, rng, float(rng.choice([0.0, 0.5, 1.0, 1.0, 1.5]))), rng, length_s
    )
