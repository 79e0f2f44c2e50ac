"""Which beats make which bar, and when: bar lines, pickup, changes of meter, tempo marks."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from statistics import median
from typing import Final

from libs.common.meter import Meter
from services.notation.domain.pulse import MAX_BEATS, Pulse
from services.notation.domain.score import (
    MAX_BARS,
    Alternative,
    Bar,
    MeterMark,
    ScoreError,
    Swing,
    TempoMark,
    Timeline,
    TimelineBeat,
)


@dataclass(frozen=True, slots=True)
class Layout:
    """Which beats make which bar."""

    pulse: Pulse
    bars: Sequence[tuple[int, Meter, Fraction]]
    """Number, meter, length."""
    starts: Sequence[int]
    """The first beat of each bar, and at the end the beat after the last."""

    def locate(self, place: Fraction) -> tuple[int, Fraction]:
        """A place in beats -> bar number, and start in whole notes from its bar line."""
        # Whole beats compare quicker than fractions.
        index = bisect_right(self.starts, place.numerator // place.denominator) - 1
        return self.bars[index][0], (place - self.starts[index]) * self.pulse.unit


def lay_bars(pulse: Pulse, slots: Sequence[Fraction]) -> Layout:
    """Bars from the one with the first hit to the one with the last.

    What comes before the first downbeat and fills at most half a bar is a pickup, number 0.
    """
    first, last = math.floor(min(slots)), math.floor(max(slots))
    every = max(1, int(pulse.meter.length / pulse.unit))
    lines = _bar_lines(pulse.downbeats, every, first, last)
    pickup = first - lines[0]
    number = 1
    if pickup > 0 and 2 * (lines[1] - first) <= lines[1] - lines[0] and len(lines) > 2:
        lines[0], number = first, 0
    bars = []
    for index, (start, end) in enumerate(pairwise(lines)):
        length = (end - start) * pulse.unit
        is_pickup = number == 0 and index == 0
        meter = pulse.meter if is_pickup or length == pulse.meter.length else _meter_of(length)
        bars.append((number + index, meter, length if is_pickup else meter.length))
    return Layout(pulse, bars, lines)


def _bar_lines(downbeats: Sequence[int], every: int, first: int, last: int) -> list[int]:
    """First beats of all bars that hold beats `first` to `last`, and the line after them."""
    if last - first > MAX_BEATS:
        raise ScoreError("beats", f"the hits span more than {MAX_BEATS} beats")
    ahead = max(0, -((first - downbeats[0]) // every))
    lines = [downbeats[0] - bars * every for bars in range(ahead, 0, -1)] + list(downbeats)
    lines += range(lines[-1] + every, last + every + 1, every)
    start = bisect_right(lines, first) - 1
    end = bisect_right(lines, last)
    # A downbeat missed or heard once too often: no bar is longer than its neighbours twice over.
    result = [lines[start]]
    for line in lines[start + 1 : end + 1]:
        while line - result[-1] >= 2 * every:
            result.append(result[-1] + every)
        if line > result[-1]:
            result.append(line)
    if len(result) - 1 > MAX_BARS:
        raise ScoreError("bars", f"the hits span more than {MAX_BARS} bars")
    return result


def _meter_of(length: Fraction) -> Meter:
    """For a bar of another length than the rest."""
    meter = Meter.of(length)
    if meter is None:
        raise ScoreError("beats", f"a bar of {length} has no time signature")
    return meter


# The timeline


def timeline_of(layout: Layout, bars: Sequence[Bar], swing: Sequence[Swing]) -> Timeline:
    """When all that fell, in seconds."""
    pulse = layout.pulse
    beats = []
    for index, bar in enumerate(bars):
        start, end = layout.starts[index], layout.starts[index + 1]
        missing = int(bar.missing / pulse.unit)
        beats += [
            TimelineBeat(round(pulse.time_s(beat), 6), bar.number, 1 + missing + offset)
            for offset, beat in enumerate(range(start, end))
        ]
    meters = [
        MeterMark(bar.number, bar.meter)
        for index, bar in enumerate(bars)
        if not index or bar.meter != bars[index - 1].meter
    ]
    marks = _tempo_map(layout, bars)
    return Timeline(tuple(beats), tuple(meters), tuple(marks), tuple(swing), alternatives(marks[0]))


_TEMPO_CHANGE: Final = 0.06
_SLOWING: Final = 0.93
_SLOWING_BARS: Final = 4


def _tempo_map(layout: Layout, bars: Sequence[Bar]) -> list[TempoMark]:
    """One mark where the tempo holds; more only where it leaves it by 6 % for two bars on end.
    Where the end slows down, "rit." and the tempo of each beat, played and not shown."""
    pulse = layout.pulse
    bpms = [
        60 * (end - start) / (pulse.time_s(end) - pulse.time_s(start))
        for start, end in pairwise(layout.starts)
    ]
    shown = pulse.meter.beat_unit
    # In 6/8 heard in eighths a reader still wants the dotted quarter.
    scale = float(pulse.unit / shown)

    def mark(index: int, bpm: float) -> TempoMark:
        beat = 1 + int(bars[index].missing / shown)
        return TempoMark(bars[index].number, round(bpm * scale, 2), beat, shown)

    slowing = _slowing(bpms)
    steady = bpms[:slowing] or bpms
    middle = median(steady)
    if sum(abs(bpm / middle - 1) < _TEMPO_CHANGE for bpm in steady) >= 0.95 * len(steady):
        marks = [mark(0, middle)]
    else:
        current = median(steady[:4])
        marks = [mark(0, current)]
        for index in range(1, len(steady)):
            ahead = steady[index : index + 2]
            if all(abs(bpm / current - 1) > _TEMPO_CHANGE for bpm in ahead):
                current = median(steady[index : index + 4])
                marks.append(mark(index, current))
    per_beat = int(shown / pulse.unit)
    if slowing < len(bpms) and per_beat == 1:
        for beat in range(layout.starts[slowing], layout.starts[-1]):
            index = bisect_right(layout.starts, beat) - 1
            text = "rit." if beat == layout.starts[slowing] else ""
            place = beat - layout.starts[index] + 1
            bpm = round(60 / pulse.period_s(beat) * scale, 2)
            marks.append(TempoMark(bars[index].number, bpm, place, shown, text, hidden=True))
    return marks


def _slowing(bpms: Sequence[float]) -> int:
    """The bar from which the end grows slower and slower; the number of bars where it does not."""
    count = len(bpms)
    start = count
    while start > max(1, count - _SLOWING_BARS) and bpms[start - 1] < 0.985 * bpms[start - 2]:
        start -= 1
    if start == count or count < 4 or bpms[-1] > _SLOWING * bpms[start - 1]:
        return count
    return start


def alternatives(mark: TempoMark) -> tuple[Alternative, ...]:
    """Half and double time, with how usual such a count would be beside this one: a bell over the
    logarithm of the tempo, round 110 with a spread of two thirds of an octave (drummers' charts
    rarely leave 60 to 200), and a handicap, since the ear has heard the other first."""

    def usual(bpm: float) -> float:
        return math.exp(-((math.log2(bpm / 110) / 0.66) ** 2) / 2)

    weights = {
        Fraction(1): 4 * usual(mark.bpm),
        Fraction(1, 2): usual(mark.bpm / 2),
        Fraction(2): usual(mark.bpm * 2),
    }
    total = sum(weights.values())
    return tuple(
        Alternative(factor, round(float(mark.bpm * factor), 2), round(weights[factor] / total, 3))
        for factor in (Fraction(1, 2), Fraction(2))
        if total and 20 <= mark.bpm * factor <= 400
    )
