"""The pulse that a score is written on: when its beats fell, and which of them begin bars.

The beats that were heard, doubled or halved where a tempo is asked for; without beats, a grid at
the tempo asked for, or at one guessed from the gaps between hits, that follows the hits as they
drift.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from statistics import median
from typing import Final

from libs.common.drums import DrumPiece, Hit
from libs.common.meter import Meter
from libs.common.performance import Performance
from services.notation.domain.score import MAX_DURATION_S, ScoreError, read_meter

MAX_BEATS: Final = 300_000
# Beats nearer than this are one beat heard twice.
MIN_BEAT_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Pulse:
    """Beats in seconds; beat 0 is the first of the list, earlier ones are negative."""

    times_s: Sequence[float]
    downbeats: Sequence[int]
    """Indices of beats that begin a bar, growing, at least one."""
    unit: Fraction
    """The beat's length in whole notes."""
    meter: Meter

    def period_s(self, beat: int) -> float:
        """From this beat to the next; at the ends, the mean of the nearest few goes on."""
        if 0 <= beat < len(self.times_s) - 1:
            return self.times_s[beat + 1] - self.times_s[beat]
        edge = self.times_s[:5] if beat < 0 else self.times_s[-5:]
        return (edge[-1] - edge[0]) / (len(edge) - 1)

    def time_s(self, beat: int) -> float:
        """Of any beat, also before the first and after the last."""
        last = len(self.times_s) - 1
        if beat < 0:
            return self.times_s[0] + beat * self.period_s(-1)
        if beat > last:
            return self.times_s[last] + (beat - last) * self.period_s(last)
        return self.times_s[beat]

    def locate(self, time_s: float) -> tuple[int, float]:
        """The beat that this moment falls in, and how far into it, 0 to 1."""
        last = len(self.times_s) - 1
        if time_s < self.times_s[0]:
            place = (time_s - self.times_s[0]) / self.period_s(-1)
        elif time_s >= self.times_s[last]:
            place = last + (time_s - self.times_s[last]) / self.period_s(last)
        else:
            beat = bisect_right(self.times_s, time_s) - 1
            return beat, (time_s - self.times_s[beat]) / self.period_s(beat)
        return math.floor(place), place - math.floor(place)


def find_pulse(
    performance: Performance, hits: Sequence[Hit], tempo_bpm: float | None, meter: Meter | None
) -> Pulse:
    beats: list[tuple[float, int]] = []
    for index, beat in enumerate(performance.beats):
        if not -60 <= beat.time_s <= MAX_DURATION_S + 60:
            raise ScoreError(f"beats[{index}].time_s", "is not a moment of the recording")
        beats.append((beat.time_s, beat.position))
    beats.sort()
    beats = [
        beat
        for index, beat in enumerate(beats)
        if not index or beat[0] - beats[index - 1][0] > MIN_BEAT_S
    ]
    if len(beats) < 2:
        return _even_pulse(hits, tempo_bpm, meter or Meter(4, 4))
    times_s = [time_s for time_s, _ in beats]
    downbeats = [index for index, (_, position) in enumerate(beats) if position == 1]
    counted = _beats_a_bar(downbeats)
    heard_bpm = 60 / median(b - a for a, b in pairwise(times_s))
    if tempo_bpm is not None:
        ratio = tempo_bpm / heard_bpm
        close = [factor for factor in (1.0, 2.0, 0.5) if abs(ratio / factor - 1) < 0.08]
        if not close:
            return _even_pulse(hits, tempo_bpm, meter or _guess_meter(counted, tempo_bpm))
        if close[0] != 1:
            times_s, downbeats = _regroup(times_s, downbeats, counted, double=close[0] == 2)
            heard_bpm *= close[0]
    if meter is None:
        meter = _guess_meter(counted, heard_bpm)
        if performance.meter is not None:
            heard = read_meter(performance.meter)
            # Dotted quarters are told from quarters by the ear alone, whatever their tempo.
            dotted = heard.is_compound and heard.numerator == 3 * counted
            other = heard.denominator != 4 and heard.numerator == counted
            meter = heard if dotted or other else meter
        return Pulse(times_s, downbeats or [0], _unit(meter, counted, heard_bpm), meter)
    odd = meter.denominator == 8 and not meter.is_compound and counted != meter.numerator
    if odd and heard_bpm < 180:
        # A bar of 7/8 is no whole number of the quarters that were heard.
        times_s, downbeats = _regroup(times_s, downbeats, counted, double=True)
        heard_bpm *= 2
    unit = _unit(meter, counted, heard_bpm)
    every = int(meter.length / unit)
    if counted != every or not downbeats:
        votes = Counter(index % every for index in downbeats)
        phase = min(votes, key=lambda p: (-votes[p], p)) if votes else 0
        downbeats = list(range(phase, len(times_s), every)) or [0]
    return Pulse(times_s, downbeats, unit, meter)


def _beats_a_bar(downbeats: Sequence[int]) -> int:
    """The most usual count between downbeats; 4 where there are too few to tell."""
    gaps = Counter(b - a for a, b in pairwise(downbeats))
    return min(gaps, key=lambda gap: (-gaps[gap], gap)) if gaps else 4


def _guess_meter(counted: int, bpm: float) -> Meter:
    """Beats are quarters, except quick ones in counts that are usual for eighths."""
    counted = min(counted, 32)
    eighths = counted in (5, 6, 7, 9, 11, 12) and bpm >= 180
    return Meter(counted, 8 if eighths else 4)


def _unit(meter: Meter, counted: int, bpm: float) -> Fraction:
    """What one heard beat is in this meter, in whole notes."""
    unit = Fraction(1, meter.denominator)
    if meter.is_compound:
        return unit if counted == meter.numerator or bpm > 180 else 3 * unit
    if meter.denominator <= 2 and counted == 2 * meter.numerator:
        return unit / 2
    return unit


def _regroup(
    times_s: list[float], downbeats: list[int], counted: int, *, double: bool
) -> tuple[list[float], list[int]]:
    """Twice or half as many beats, in bars of as many beats as before."""
    first = downbeats[0] if downbeats else 0
    if double:
        middles = [(a + b) / 2 for a, b in pairwise(times_s)]
        times_s = sorted([*times_s, *middles])
        first *= 2
    else:
        times_s = times_s[first % 2 :: 2]
        first //= 2
    return times_s, list(range(first % counted, len(times_s), counted)) or [0]


# An even pulse, where no beats were heard. How likely a piece starts a bar, or falls on a beat.

_BINS = 24  # to the beat: divisible by 2, 3, 4, 6, 8
_ON_DOWNBEAT: Final[Mapping[DrumPiece, float]] = {
    DrumPiece.KICK: 2.0,
    DrumPiece.CRASH: 3.0,
    DrumPiece.CRASH_2: 2.0,
    DrumPiece.SNARE: -1.0,
}
_ON_BACKBEAT: Final[Mapping[DrumPiece, float]] = {
    DrumPiece.SNARE: 3.0,
    DrumPiece.HAT_PEDAL: 1.0,
    DrumPiece.KICK: -1.0,
}


def _even_pulse(hits: Sequence[Hit], tempo_bpm: float | None, meter: Meter) -> Pulse:
    """A grid whose phase puts kicks on downbeats, snares on backbeats, most strokes on beats.

    At a tempo asked for it is even; otherwise it goes along with the hits.
    """
    period_s = 60 / tempo_bpm if tempo_bpm else _guess_period_s(hits)
    every = int(meter.length / meter.beat_unit)
    _, start_s = _best_phase(hits, period_s, every)
    if not tempo_bpm:
        # Gaps alone tell a tempo from its double badly; where kicks and snares fall tells more.
        likely = {
            factor * period_s: _best_phase(hits, factor * period_s, every)
            for factor in (1.0, 2.0, 0.5)
            if 0.29 <= factor * period_s <= 1.05
        }
        period_s = max(likely, key=lambda p: likely[p][0] * _usual(60 / p), default=period_s)
        start_s = likely[period_s][1] if period_s in likely else start_s
    last_s = max(hits[-1].onset_s, start_s + period_s)
    # A pulse that goes along may end up faster than it began.
    if (last_s - start_s) / period_s * (1.0 if tempo_bpm else 1.5) > MAX_BEATS:
        raise ScoreError("tempo", f"would take more than {MAX_BEATS} beats")
    if tempo_bpm:
        count = math.ceil((last_s - start_s) / period_s) + 2
        times_s = [start_s + index * period_s for index in range(count)]
    else:
        times_s = _smoothed(_followed(hits, start_s, period_s), period_s)
    return Pulse(times_s, list(range(0, len(times_s), every)), meter.beat_unit, meter)


_FOLLOW_PHASE: Final = 0.35
_FOLLOW_PERIOD: Final = 0.12
_SMOOTH_BEATS: Final = 6


def _followed(hits: Sequence[Hit], start_s: float, period_s: float) -> list[float]:
    """Beats up to the last hit: a phase-locked loop on the hits near each beat and its half."""
    onsets_s = [hit.onset_s for hit in hits]
    times_s: list[float] = []
    at_s, local_s = start_s, period_s
    while at_s < onsets_s[-1] + local_s and len(times_s) <= MAX_BEATS:
        errors = []
        for place in (0.0, 0.5):
            aim_s, window_s = at_s + place * local_s, 0.15 * local_s
            first = bisect_left(onsets_s, aim_s - window_s)
            for hit in hits[first : bisect_right(onsets_s, aim_s + window_s)]:
                errors.append((hit.onset_s - aim_s, hit.velocity * (1.0 - place)))
        error_s = sum(e * w for e, w in errors) / sum(w for _, w in errors) if errors else 0.0
        times_s.append(at_s + _FOLLOW_PHASE * error_s)
        # Never far from what was found at first: half of it, or its double, is another pulse.
        local_s = min(1.3 * period_s, max(period_s / 1.3, local_s + _FOLLOW_PERIOD * error_s))
        at_s = times_s[-1] + local_s
    return times_s if len(times_s) > 1 else [*times_s, at_s]


def _smoothed(times_s: Sequence[float], period_s: float) -> list[float]:
    """A straight line through each beat's neighbours: a loop lags behind a changing tempo, and
    swings about a steady one."""
    result: list[float] = []
    for index in range(len(times_s)):
        near = range(max(0, index - _SMOOTH_BEATS), min(len(times_s), index + _SMOOTH_BEATS + 1))
        middle = sum(near) / len(near)
        mean_s = sum(times_s[i] for i in near) / len(near)
        spread = sum((i - middle) ** 2 for i in near)
        slope_s = sum((i - middle) * times_s[i] for i in near) / spread if spread else period_s
        aim_s = mean_s + (index - middle) * slope_s
        result.append(max(aim_s, result[-1] + MIN_BEAT_S) if result else aim_s)
    return result


def _guess_period_s(hits: Sequence[Hit]) -> float:
    """The beat that explains most gaps between a hit and the next few, nearest to 110 bpm.

    Each tempo from 60 to 200 is scored by how many gaps are 1/4, 1/3, 1/2 .. 4 of its beats,
    with a bell over log tempo as the prior; 0.5 s where there are too few gaps.
    """
    onsets_s = [hits[0].onset_s]
    onsets_s += [h.onset_s for i, h in enumerate(hits[1:]) if h.onset_s - hits[i].onset_s > 0.03]
    gaps = Counter(
        round((later - now) * 200)
        for index, now in enumerate(onsets_s)
        for later in onsets_s[index + 1 : index + 9]
        if later - now < 2.5
    )
    if not gaps:
        return 0.5
    multiples = {0.25: 0.5, 1 / 3: 0.4, 0.5: 0.8, 2 / 3: 0.3, 0.75: 0.3, 1: 1.5, 2: 1.0, 4: 0.8}

    def explained(bpm: float) -> float:
        period_s = 60 / bpm
        total = 0.0
        for gap, times in gaps.items():
            beats = gap / 200 / period_s
            total += times * max(
                weight * math.exp(-(((beats - multiple) * period_s / 0.012) ** 2) / 2)
                for multiple, weight in multiples.items()
            )
        return total * _usual(bpm)

    return 60 / max((60 + step / 2 for step in range(281)), key=explained)


def _usual(bpm: float) -> float:
    """How usual a tempo is, 0 to 1: a bell over its logarithm, round 110."""
    return math.exp(-((math.log2(bpm / 110) / 0.8) ** 2) / 2)


def _best_phase(hits: Sequence[Hit], period_s: float, every: int) -> tuple[float, float]:
    """How well the hits fit a bar at its best phase, per hit; and the moment of the first
    downbeat at or before about the first hit."""
    size = every * _BINS
    first_s = hits[0].onset_s
    # Only the start decides: an even grid of a guessed tempo drifts from a played one.
    near = [hit for hit in hits if hit.onset_s - first_s <= 32 * period_s]
    places = Counter(
        (round((hit.onset_s - first_s) / period_s * _BINS) % size, hit.piece) for hit in near
    )

    def fits(offset: int) -> float:
        total = 0.0
        for (place, piece), times in places.items():
            bin_ = (place - offset) % size
            total += times * _likely(bin_, piece, every)
        return total + 0.01 * (offset == 0)

    # A few hits show no bar: it begins with the first.
    offset = max(range(size), key=fits) if len(near) >= 4 else 0
    start_s = first_s + offset / _BINS * period_s
    residuals = []
    for hit in near:
        beats = (hit.onset_s - start_s) / period_s * 2
        if abs(beats - round(beats)) < 0.15:
            residuals.append((beats - round(beats)) / 2 * period_s)
    start_s += sum(residuals) / len(residuals) if residuals else 0.0
    if start_s - first_s > 0.5 * period_s:
        start_s -= every * period_s
    return fits(offset) / len(near), start_s


def _likely(bin_: int, piece: DrumPiece, every: int) -> float:
    near = (bin_ + 1) % (every * _BINS)
    if near % _BINS <= 2:  # within a bin of a beat
        beat = near // _BINS
        if beat == 0:
            return 1.0 + _ON_DOWNBEAT.get(piece, 0.3)
        if beat % 2:
            return 1.0 + _ON_BACKBEAT.get(piece, 0.0)
        return 1.0 + 0.4 * _ON_DOWNBEAT.get(piece, 0.0)
    return 0.5 if (near - _BINS // 2) % _BINS <= 2 else 0.0
