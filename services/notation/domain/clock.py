"""When each place of a score fell in the recording, and where in the score each moment lies.

A place is exact, in whole notes from the beginning of the first bar.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Protocol

from libs.common.meter import Meter
from services.notation.domain.document import ScoreDocument
from services.notation.domain.score import (
    Bar,
    ScoreError,
    TempoMark,
    Timeline,
    TimelineBeat,
    VoiceEvent,
)


class HasLength(Protocol):
    """A bar, or the frame of one."""

    @property
    def length(self) -> Fraction: ...


def bar_starts(bars: Iterable[HasLength]) -> list[Fraction]:
    """Each bar's start in whole notes from the first, and the end of the last."""
    return list(accumulate((bar.length for bar in bars), initial=Fraction(0)))


def tempo_place(mark: TempoMark, bar: Bar) -> Fraction:
    """From the bar line; a mark on a beat that a pickup leaves out stands at its beginning."""
    return max(Fraction(0), (mark.beat - 1) * bar.meter.beat_unit - bar.missing)


def beat_places(bar: Bar) -> Iterable[tuple[int, Fraction]]:
    """(number, place from its bar line) of a bar's beats; a pickup has its meter's last ones, and
    none where it is shorter than a beat."""
    unit = bar.meter.beat_unit
    for number in range(math.ceil(bar.missing / unit), math.ceil(bar.meter.length / unit)):
        yield number + 1, number * unit - bar.missing


def sounding_start(bar: Bar, event: VoiceEvent, timeline: Timeline) -> Fraction:
    """From the bar line, where what is written at the event's start sounds: swing bends it, but no
    pair in which somebody plays something finer, for that is played as it stands."""
    swing = timeline.swing_at(bar.number)
    if swing is None or event.tuplet:
        return event.start
    at = event.start + bar.missing
    bent = swing.sounding(at)
    if bent == at:
        return event.start
    first = at - swing.unit
    finer = any(
        other.notes and first < other.start + bar.missing < first + 2 * swing.unit
        and other.start != event.start
        and not other.tuplet
        for voice in bar.voices
        for other in voice.events
    )  # fmt: skip
    return event.start if finer else bent - bar.missing


class Line:
    """Seconds of places, straight from one known point to the next, and beyond the outermost as
    beside them. At least two points."""

    def __init__(self, places: Sequence[Fraction], times_s: Sequence[float]) -> None:
        self.places = places
        self.times_s = times_s
        # Fractions take a dozen times as long to compare.
        self._rough = [float(place) for place in places]

    def time_s(self, place: Fraction) -> float:
        """The second at which this place fell."""
        index = self._between(self._rough, float(place))
        before, after = self.places[index], self.places[index + 1]
        if place == before:
            return self.times_s[index]
        # The same number as by Fractions, in a tenth of the time.
        over, under = before.denominator, after.denominator
        gone = place.numerator * over - before.numerator * place.denominator
        whole = after.numerator * over - before.numerator * under
        part = (gone * under) / (whole * place.denominator)
        return self.times_s[index] + part * (self.times_s[index + 1] - self.times_s[index])

    def place(self, time_s: float) -> float:
        """Where the score was at this second."""
        index = self._between(self.times_s, time_s)
        before, after = self.times_s[index], self.times_s[index + 1]
        part = (time_s - before) / (after - before)
        return float(self.places[index]) + part * float(self.places[index + 1] - self.places[index])

    @staticmethod
    def _between(points: Sequence[float], at: float) -> int:
        return max(0, min(bisect_right(points, at) - 1, len(points) - 2))


class Clock(Line):
    """A document's beats: between them time runs evenly."""

    def __init__(self, document: ScoreDocument) -> None:
        bars = document.score.bars
        self.starts = bar_starts(bars)
        self._starts = {bar.number: start for bar, start in zip(bars, self.starts, strict=False)}
        places = list(self._places(bars, document.timeline.beats))
        if any(b <= a for a, b in pairwise(places)):
            raise ScoreError("timeline.beats", "are not in the order of the score's bars")
        super().__init__(places, [beat.time_s for beat in document.timeline.beats])

    @property
    def runs(self) -> bool:
        """Whether there are beats enough to tell anything."""
        return len(self.places) > 1

    def start_of(self, bar: int) -> Fraction:
        """The place of its bar line."""
        return self._starts[bar]

    def _places(self, bars: Sequence[Bar], beats: Iterable[TimelineBeat]) -> Iterable[Fraction]:
        by_number = {bar.number: bar for bar in bars}
        counts = self._beat_counts(by_number, beats)
        units = {meter: meter.length / count for meter, count in counts.items()}
        for beat in beats:
            bar = by_number.get(beat.bar)
            if bar is None:
                raise ScoreError("timeline.beats", "are in bars that the score does not have")
            unit = units[bar.meter]
            yield self._starts[beat.bar] + (beat.beat - 1) * unit - bar.missing

    @staticmethod
    def _beat_counts(by_number: dict[int, Bar], beats: Iterable[TimelineBeat]) -> dict[Meter, int]:
        """How many beats a whole bar of each meter is counted in: a recording may end inside one,
        so a single bar is believed only where its meter agrees."""
        highest: dict[Meter, int] = defaultdict(int)
        seen: Counter[Meter] = Counter()
        for beat in beats:
            if bar := by_number.get(beat.bar):
                highest[bar.meter] = max(highest[bar.meter], beat.beat)
                seen[bar.meter] += beat.beat == 1
        counts = {}
        for meter, most in highest.items():
            likely = [int(meter.length / meter.beat_unit), meter.numerator]
            counts[meter] = (
                most if seen[meter] > 1 else min((n for n in likely if n >= most), default=most)
            )
        return counts
