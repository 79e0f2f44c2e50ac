"""The pulse under the hits: tempo, beats, bars, meter, swing.

A small network (`net`) says how likely each moment is a beat and a downbeat, and a decoder
(`decode`) finds the walk through them that a drummer could have counted. Then the beats are
put onto the hits that they were found from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import reduce
from typing import Final

import numpy as np
from numpy.typing import NDArray

from libs.common.drums import Beat, DrumPiece, Hit
from libs.common.performance import Performance
from libs.common.pulse.decode import (
    Indices,
    chances_at,
    count_bars,
    other_pulses,
    repeats,
    walk_beats,
)
from libs.common.pulse.net import (
    FAMILY,
    FRAMES_PER_S,
    PLACES,
    Rows,
    Strokes,
    Values,
    bar_logits,
    beat_chances,
    by_beat,
    loudness,
)

_LEAST_HITS: Final = 6
_LEAST_SPAN_S: Final = 1.0
_LEAST_CONFIDENCE: Final = 0.15
"""Beats less believed are no pulse."""
_SILENCE_S: Final = 12.0
"""After so long without a hit, counting begins anew."""
_MARGIN_S: Final = 1.0
_NEAR_S: Final = 0.045
_FIRM: Final = frozenset({0, 1, 4})
"""Families whose hits tell best where the beat is: kick, snare, crash."""
_STEADY: Final = 0.06
_COMPOUND_BELOW_BPM: Final = 100.0
_AS_FOUND: Final = 2.0
"""How much, as a logit, the walk's own pulse is believed before its halves and doubles."""
_HEARD_WEIGHT: Final = 2.0
"""Of the first network's mean log chance, beside the second's logit, in choosing a pulse."""
_FLOOR: Final = 0.004
_SURE: Final = (4.06, 2.96, 0.38, -1.17)
"""A logistic curve: where it lies, and how it goes by log chance, by lead and by hits to a beat."""
_FAR: Final = 6.0
_STARTED_S: Final = 0.25
"""A recording whose first hit comes later has its beginning in it; an excerpt has not."""
_OPENING: Final = 12.0
"""As a logit (`count_bars` believes a quarter of it): most people begin on a one; of Groove MIDI's
drummers seven in ten, the others on any beat."""
_HALVES: Final = 1.0
"""As a logit for or against more downbeats."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """The beats, and how far to believe them; no beats and no tempo when there is no pulse."""

    beats: list[Beat]
    """From the first hit to the last; those before the first position 1 are a pickup."""
    tempo_bpm: float | None
    """The middle one, of beats; in 6/8 and 12/8 these are dotted quarters."""
    confidence: float
    """0 to 1: about the share of beats that are right."""
    beats_per_bar: int | None
    """Of most bars."""
    meter: tuple[int, int] | None = None
    """As written, (6, 8) for two beats of three eighths."""
    swing_ratio: float | None = None
    """Long to short of a beat's eighths, 1 when straight; None where too few are played."""
    tempi: list[tuple[float, float]] = field(default_factory=list)
    """(from when in seconds, bpm): more than one where the tempo leaves the last by 6 %."""


NO_PULSE: Final = Pulse([], None, 0.0, None)


def find_beats(hits: Sequence[Hit]) -> Pulse:
    """Beats from hits in order of time."""
    found = [each for part in _split(hits) if _enough(part) and (each := _part(part)) is not None]
    if not found:
        return NO_PULSE
    whole = reduce(_join, found)
    times_s, positions = whole.times_s, whole.positions
    span = min(8, len(times_s) - 1)
    tempo_bpm = 60 * span / float(np.median(times_s[span:] - times_s[:-span]))
    beats_per_bar = int(np.bincount(whole.lengths).argmax())
    compound = float(np.average(whole.compound)) > 0.5
    return Pulse(
        beats=[
            Beat(float(at), int(position)) for at, position in zip(times_s, positions, strict=True)
        ],
        tempo_bpm=round(tempo_bpm, 2),
        confidence=round(float(whole.sure.mean()), 3),
        beats_per_bar=beats_per_bar,
        meter=(3 * beats_per_bar, 8) if compound else (beats_per_bar, 4),
        swing_ratio=None if compound else _Inside.of(times_s, hits).swing_ratio(),
        tempi=_tempi(times_s, positions),
    )


def with_beats(performance: Performance) -> Performance:
    """The same hits with the beats found under them, and what else the pulse tells."""
    pulse = find_beats(performance.hits)
    return replace(
        performance,
        beats=tuple(pulse.beats),
        tempo_bpm=pulse.tempo_bpm,
        tempo_confidence=pulse.confidence,
        meter=f"{pulse.meter[0]}/{pulse.meter[1]}" if pulse.meter else None,
        beat_unit="dotted-quarter" if pulse.meter and pulse.meter[1] == 8 else "quarter",
        swing_ratio=pulse.swing_ratio,
        tempo_map=tuple(pulse.tempi),
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """The beats of one stretch; every array has one value a beat."""

    times_s: Values
    positions: Indices
    lengths: Indices
    """Of their bars, in beats."""
    sure: Values
    compound: NDArray[np.bool_]


def _split(hits: Sequence[Hit]) -> list[Sequence[Hit]]:
    cuts = [
        index
        for index in range(1, len(hits))
        if hits[index].onset_s - hits[index - 1].onset_s > _SILENCE_S
    ]
    return [hits[a:b] for a, b in zip([0, *cuts], [*cuts, len(hits)], strict=True)]


def _enough(hits: Sequence[Hit]) -> bool:
    return len(hits) >= _LEAST_HITS and hits[-1].onset_s - hits[0].onset_s >= _LEAST_SPAN_S


def _part(hits: Sequence[Hit]) -> _Found | None:
    start_s = hits[0].onset_s - _MARGIN_S
    last_s = hits[-1].onset_s - start_s
    strokes = Strokes.of(hits)
    chances = beat_chances(strokes, start_s, int((last_s + _MARGIN_S) * FRAMES_PER_S) + 1)
    rough_s = walk_beats(chances, _MARGIN_S, last_s)
    if len(rough_s) < 3:
        return None
    times_s, ones, confidence = _counted(rough_s, hits, strokes, chances, start_s)
    if confidence < _LEAST_CONFIDENCE:
        return None
    # Quicker, three to a beat are a shuffle's.
    slow = 60 / float(np.median(np.diff(times_s))) < _COMPOUND_BELOW_BPM
    compound = slow and _Inside.of(times_s, hits).is_compound()
    if compound:
        # Nothing but this tells a bar of 6/8 from half a bar of 12/8.
        ones = ones + (_HALVES if _halves_alike(strokes, times_s) else -_HALVES)
    if hits[0].onset_s >= _STARTED_S:
        ones[int(np.abs(times_s - hits[0].onset_s).argmin())] += _OPENING
    positions, lengths = count_bars(ones, compound, repeats(_backbone(strokes, times_s)))
    count = len(times_s)
    return _Found(
        times_s, positions, lengths,
        np.full(count, confidence), np.full(count, compound),
    )  # fmt: skip


def _counted(
    rough_s: Values, hits: Sequence[Hit], strokes: Strokes, chances: Values, start_s: float
) -> tuple[Values, Values, float]:
    """The beats that a drummer would count, the logit of each to be a one, and the confidence in
    them all. `rough_s` and `chances` begin at `start_s`."""
    first_s, last_s = hits[0].onset_s, hits[-1].onset_s
    pulses = other_pulses(_smooth(*_refine(rough_s + start_s, hits)))

    def judge(beats_s: Values) -> tuple[Values, float, float]:
        ones, right = bar_logits(strokes, beats_s)
        heard = np.log(np.maximum(chances_at(chances, beats_s - start_s), _FLOOR))
        return ones, float(right.mean()), float(heard.mean())

    scores = []
    for beats_s in pulses:
        _, right, heard = judge(_cover(beats_s, first_s, last_s))
        scores.append(right + _HEARD_WEIGHT * heard)
    scores[0] += _AS_FOUND
    chosen = int(np.argmax(scores))
    chosen_s = pulses[chosen]
    # How far it is before the next best.
    lead = scores[chosen] - max((*scores[:chosen], *scores[chosen + 1 :]), default=-math.inf)
    times_s = _cover(_smooth(*_refine(chosen_s, hits)), first_s, last_s)
    ones, _, heard = judge(times_s)
    return times_s, ones, _confidence(heard, lead, len(hits) / len(times_s))


def _backbone(strokes: Strokes, times_s: Values) -> Rows:
    """(24, beats): the kicks and snares of each."""
    rows = by_beat(strokes.onsets_s, strokes.families, strokes.strengths, times_s)
    return rows[: 2 * PLACES]


def _halves_alike(strokes: Strokes, times_s: Values) -> bool:
    """Whether kicks and snares repeat as well after two beats as after four."""
    rows = _backbone(strokes, times_s)
    if len(times_s) < 8:
        return True
    after_two, after_four = (float(np.abs(rows[:, lag:] - rows[:, :-lag]).mean()) for lag in (2, 4))
    return after_four > 0.7 * after_two


def _confidence(heard: float, lead: float, density: float) -> float:
    """The chance that nine beats in ten are right: of the first network's mean log chance, of how
    far the pulse is before its halves, doubles and offbeats, and of hits to a beat (many speak for
    half the tempo). Fitted on performances held out from training and on strokes at random;
    docs/models/pulse-1.md says how near it comes."""
    even, by_heard, by_lead, by_density = _SURE
    odds = even + by_heard * heard + by_lead * min(lead, _FAR) + by_density * math.log(density)
    return 1 / (1 + math.exp(-odds))


def _refine(times_s: Values, hits: Sequence[Hit]) -> tuple[Values, Values]:
    """Beats on the hits near them, between frames of the grid; and the weight of those hits."""
    onsets_s = np.array([hit.onset_s for hit in hits])
    firm = np.array([FAMILY[hit.piece] in _FIRM for hit in hits])
    weights = np.array([hit.confidence for hit in hits])
    weights *= loudness(np.array([hit.velocity for hit in hits], np.float64))
    weights *= np.where(firm, 1.0, 0.4)
    refined, held = times_s.copy(), np.full(len(times_s), 0.05)
    near_s = min(_NEAR_S, 0.12 * float(np.median(np.diff(times_s))))
    firsts = np.searchsorted(onsets_s, times_s - near_s)
    pasts = np.searchsorted(onsets_s, times_s + near_s)
    for index in np.flatnonzero(pasts > firsts):
        near = slice(firsts[index], pasts[index])
        held[index] += weights[near].sum()
        refined[index] = np.average(onsets_s[near], weights=weights[near] + 1e-6)
    return refined, held


def _smooth(times_s: Values, weights: Values) -> Values:
    """Each beat on the line through the five around it: a hand's jitter is no change of tempo."""
    count = len(times_s)
    reach = min(5, count)
    at = np.arange(count)
    near = np.clip(at - 2, 0, count - reach)[:, None] + np.arange(reach)
    x, weight = near - at[:, None], np.minimum(weights[near], 1)
    y = times_s[near] - times_s[:, None]
    total = weight.sum(axis=1)
    mean_x, mean_y = (weight * x).sum(axis=1) / total, (weight * y).sum(axis=1) / total
    spread = (weight * (x - mean_x[:, None]) ** 2).sum(axis=1)
    slope = (weight * (x - mean_x[:, None]) * (y - mean_y[:, None])).sum(axis=1) / spread
    return np.asarray(times_s + mean_y - slope * mean_x)


def _cover(times_s: Values, first_s: float, last_s: float) -> Values:
    """Carried on, at the pace of the ends, over the first and last hit. None lies before 0 s."""
    ends = min(4, len(times_s) - 1)
    lead_s = (times_s[ends] - times_s[0]) / ends
    trail_s = (times_s[-1] - times_s[-1 - ends]) / ends
    before = max(0, math.ceil((times_s[0] - first_s - 0.03) / lead_s))
    before = min(before, math.floor((times_s[0] + 0.03) / lead_s))
    after = max(0, math.ceil((last_s - 0.03 - times_s[-1]) / trail_s))
    covered_s = np.concatenate(
        [
            times_s[0] - lead_s * np.arange(before, 0, -1),
            times_s,
            times_s[-1] + trail_s * np.arange(1, after + 1),
        ]
    )
    return np.asarray(np.maximum(covered_s, 0))


def _join(one: _Found, other: _Found) -> _Found:
    """Two stretches as one: over the silence between them the count goes on."""
    gap_s = other.times_s[0] - one.times_s[-1]
    paces_s = np.concatenate([np.diff(one.times_s)[-8:], np.diff(other.times_s)[:8]])
    length = int(one.lengths[-1])
    count = max(0, round(gap_s / float(np.median(paces_s))) - 1)
    # A few beats more or fewer, so that the bar before the next stretch is full.
    wanted = int(other.positions[0] - one.positions[-1] - 1) % length
    count = max(0, count + (wanted - count + length // 2) % length - length // 2)
    steps = np.arange(1, count + 1)
    between = _Found(
        times_s=one.times_s[-1] + gap_s * steps / (count + 1),
        positions=(one.positions[-1] - 1 + steps) % length + 1,
        lengths=np.full(count, length),
        sure=np.full(count, min(one.sure[-1], other.sure[0])),
        compound=np.full(count, one.compound[-1]),
    )
    return _Found(
        *(
            np.concatenate([getattr(each, part.name) for each in (one, between, other)])
            for part in fields(_Found)
        )
    )


def _tempi(times_s: Values, positions: Indices) -> list[tuple[float, float]]:
    """Where the tempo leaves the last by 6 % for two bars on end."""
    starts = np.flatnonzero(positions == 1)
    if len(starts) < 3:
        starts = np.arange(0, len(times_s), 4)
    if len(starts) < 3:
        starts = np.array([0, len(times_s) - 1])
    bpms = 60 * np.diff(starts) / np.diff(times_s[starts])
    current = float(np.median(bpms[:4]))
    tempi = [(float(times_s[0]), round(current, 2))]
    for index in range(1, len(bpms) - 1):
        if np.all(np.abs(bpms[index : index + 2] / current - 1) > _STEADY):
            # The bar in which it changes is between the two.
            current = float(np.median(bpms[index + 1 : index + 5]))
            tempi.append((float(times_s[starts[index]]), round(current, 2)))
    return tempi


@dataclass(frozen=True, slots=True)
class _Inside:
    """Where between beats the hits lie."""

    beat: Indices
    phase: Values
    count: int
    """Of beats."""

    @staticmethod
    def of(times_s: Values, hits: Sequence[Hit]) -> _Inside:
        # A ghost or a doubtful hit may be anywhere; what keeps time is played on purpose.
        onsets_s = np.array([
            hit.onset_s for hit in hits
            if hit.confidence >= 0.25 and not (hit.piece is DrumPiece.SNARE and hit.velocity < 40)
        ])  # fmt: skip
        onsets_s = onsets_s[(onsets_s >= times_s[0]) & (onsets_s < times_s[-1])]
        beat = np.searchsorted(times_s, onsets_s, side="right") - 1
        phase = (onsets_s - times_s[beat]) / (times_s[beat + 1] - times_s[beat])
        inside = (phase > 0.12) & (phase < 0.88)
        return _Inside(beat[inside], phase[inside], len(times_s) - 1)

    def _beats_with(self, low: float, high: float) -> NDArray[np.bool_]:
        there = np.zeros(self.count, bool)
        there[self.beat[(self.phase >= low) & (self.phase < high)]] = True
        return there

    def is_compound(self) -> bool:
        """Whether beats are of three: strokes lie on thirds, and many beats have both."""
        if not len(self.phase):
            return False
        first, second = np.abs(self.phase - 1 / 3) < 0.07, np.abs(self.phase - 2 / 3) < 0.07
        both = np.intersect1d(self.beat[first], self.beat[second])
        divided = np.unique(self.beat)
        return bool((first | second).mean() >= 0.8 and len(both) >= max(4, 0.2 * len(divided)))

    def swing_ratio(self) -> float | None:
        """From beats whose one stroke (or several at once) is an offbeat eighth."""
        early = self._beats_with(0.12, 0.42)
        offbeats = []
        for beat in np.unique(self.beat):
            phases = self.phase[self.beat == beat]
            if not early[beat] and np.ptp(phases) < 0.1:
                offbeats.append(float(np.median(phases)))
        if len(offbeats) < max(4, 0.15 * self.count):
            return None
        middle = float(np.median(offbeats))
        alike = np.abs(np.array(offbeats) - middle) < 0.07
        # Later than 3:1 it is a dotted eighth; and where all is mixed there is no ratio.
        if middle > 0.73 or alike.mean() < 0.6:
            return None
        middle = float(np.mean(np.array(offbeats)[alike]))
        return round(middle / (1 - middle), 2)
