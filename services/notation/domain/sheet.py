"""A score laid out on one line, so that bar lines can move under its notes.

Places are exact, in whole notes from the beginning of the first bar; seconds hang on them. Whatever
is done to a sheet, `document` writes it in bars again and checks it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Final, TypeVar

from libs.common.meter import Meter
from services.notation.domain import engrave, form
from services.notation.domain.bars import alternatives
from services.notation.domain.clock import Clock, Line, bar_starts, beat_places, tempo_place
from services.notation.domain.document import ScoreDocument, check
from services.notation.domain.score import (
    MAX_BARS,
    Bar,
    Dropped,
    Dynamic,
    Hairpin,
    MeterMark,
    Note,
    PlayedEvent,
    Score,
    ScoreError,
    Section,
    Swing,
    TempoMark,
    Timeline,
    TimelineBeat,
)

_NEAR: Final = 1e-9
"""Of a whole note: wider than what floats miss, narrower than any two places lie apart."""

K = TypeVar("K", int, Fraction)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Frame:
    """One bar without its notes; a pickup is shorter than its meter."""

    meter: Meter
    length: Fraction


@dataclass
class Sheet:
    """All of a score by place. `notes` maps ids to place and note."""

    base: ScoreDocument
    frames: list[Frame]
    notes: dict[str, tuple[Fraction, Note]]
    anchors: list[tuple[Fraction, float]]
    """Place and second of each beat, in order; empty where nothing is known."""
    tempos: list[tuple[Fraction, TempoMark]]
    swings: list[tuple[Fraction, Swing]]
    sections: list[tuple[Fraction, str]]
    dynamics: list[tuple[Fraction, Dynamic]]
    hairpins: list[tuple[Fraction, Fraction, Hairpin]]
    dropped: list[Dropped]
    written: tuple[Mapping[str, tuple[Fraction, Note]], Sequence[Frame]] | None = None
    """The notes and frames that `base` has, where `engrave` would write its bars just as they are:
    a bar whose notes stay need not be written again."""

    @classmethod
    def of(cls, document: ScoreDocument, *, engraved: bool = False) -> Sheet:
        """Lay a score out. `engraved` is true of what `document` wrote, and checked."""
        bars, timeline, score = document.score.bars, document.timeline, document.score
        starts = dict(zip((bar.number for bar in bars), bar_starts(bars), strict=False))
        clock = Clock(document)
        by_number = {bar.number: bar for bar in bars}
        notes: dict[str, tuple[Fraction, Note]] = {}
        for bar in bars:
            for voice in bar.voices:
                for event in voice.events:
                    place = starts[bar.number] + event.start
                    notes |= {note.id: (place, note) for note in event.notes}
        frames = [Frame(bar.meter, bar.length) for bar in bars]
        return cls(
            base=document,
            frames=frames,
            notes=notes,
            anchors=list(zip(clock.places, clock.times_s, strict=True)),
            tempos=[
                (starts[m.bar] + tempo_place(m, by_number[m.bar]), m) for m in timeline.tempo_map
            ],
            swings=[(starts[mark.bar], mark) for mark in timeline.swing],
            sections=[(starts[part.bar], part.name) for part in score.sections],
            dynamics=[(starts[mark.bar] + mark.start, mark) for mark in score.dynamics],
            hairpins=[
                (starts[pin.bar] + pin.start, starts[pin.end_bar] + pin.end, pin)
                for pin in score.hairpins
            ],
            dropped=list(document.performance.dropped),
            written=(notes.copy(), frames.copy()) if engraved else None,
        )

    @cached_property
    def played(self) -> Mapping[str, PlayedEvent]:
        """Every played event by its id."""
        return {event.id: event for event in self.base.performance.events}

    def confirm(self, strokes: Collection[str]) -> None:
        """Be sure of what was heard, under these ids."""
        performance = self.base.performance
        events = tuple(
            replace(event, confidence=1.0) if event.id in strokes else event
            for event in performance.events
        )
        self.base = replace(self.base, performance=replace(performance, events=events))
        self.__dict__.pop("played", None)

    def swing_at(self, place: Fraction) -> Swing | None:
        """What holds there; None where it is straight."""
        last = next((mark for at, mark in reversed(self.swings) if at <= place), None)
        return last if last and last.ratio != 1 else None

    @property
    def first_number(self) -> int:
        """0 where the first bar is a pickup."""
        return 0 if self.frames and self.frames[0].length < self.frames[0].meter.length else 1

    def starts(self) -> list[Fraction]:
        """Each bar's start, and the end of the last."""
        return bar_starts(self.frames)

    def index_of(self, number: int, field: str) -> int:
        """A bar's place in `frames`; ScoreError where there is none."""
        index = number - self.number_of(0)
        if not 0 <= index < len(self.frames):
            raise ScoreError(field, f"there is no bar {number}")
        return index

    def number_of(self, index: int) -> int:
        """The number of a frame; a score may begin its count where it likes."""
        bars = self.base.score.bars
        first = bars[0].number if bars else 1
        if self.first_number == 0 or first == 0:
            first = self.first_number
        return first + index

    def place_of(self, number: int, start: Fraction, field: str) -> Fraction:
        """A place in a bar, as a place on the sheet."""
        index = self.index_of(number, f"{field}.bar")
        if not 0 <= start < self.frames[index].length:
            raise ScoreError(f"{field}.start", f"lies outside bar {number}")
        return self.starts()[index] + start

    def line(self) -> Line:
        """The seconds of its places; for a sheet of two known beats or more."""
        return Line([at for at, _ in self.anchors], [time_s for _, time_s in self.anchors])

    def move_all(self, by: Fraction, factor: Fraction = Fraction(1)) -> None:
        """Shift, then stretch, everything that hangs on a place."""

        def moved(place: Fraction) -> Fraction:
            return (place + by) * factor

        self.notes = {i: (moved(at), note) for i, (at, note) in self.notes.items()}
        self.anchors = [(moved(at), time_s) for at, time_s in self.anchors]
        self.tempos = [(max(Fraction(0), moved(at)), mark) for at, mark in self.tempos]
        self.swings = [(max(Fraction(0), moved(at)), mark) for at, mark in self.swings]
        self.sections = [(max(Fraction(0), moved(at)), name) for at, name in self.sections]
        self.dynamics = [(max(Fraction(0), moved(at)), mark) for at, mark in self.dynamics]
        self.hairpins = [(max(Fraction(0), moved(a)), moved(b), pin) for a, b, pin in self.hairpins]

    def cover(self) -> None:
        """Add bars until the last note is inside one."""
        last = max((at for at, _ in self.notes.values()), default=Fraction(0))
        end = sum((frame.length for frame in self.frames), Fraction(0))
        while end <= last:
            meter = self.frames[-1].meter
            self.frames.append(Frame(meter, meter.length))
            end += meter.length
            if len(self.frames) > MAX_BARS:
                raise ScoreError("score.bars", f"more than {MAX_BARS}")

    def document(self) -> ScoreDocument:
        """The score in its bars again; ScoreError where that breaks a rule."""
        self.cover()
        starts = self.starts()
        numbers = [self.number_of(index) for index in range(len(self.frames))]
        rough = [float(start) for start in starts]

        def bar_of(place: Fraction) -> int:
            # Fractions take a dozen times as long to compare: only the nearest line is asked.
            index = bisect_right(rough, float(place) + _NEAR) - 1
            index -= place < starts[index]
            return max(0, min(len(numbers) - 1, index))

        kept = self._kept(bar_of, numbers)
        by_bar: dict[int, list[engrave.Placed]] = defaultdict(list)
        for place, note in self.notes.values():
            index = bar_of(place)
            if index not in kept:
                by_bar[index].append((place - starts[index], note))
        bars = tuple(
            kept.get(index)
            or engrave.write_bar(numbers[index], frame.meter, by_bar.get(index, ()), frame.length)
            for index, frame in enumerate(self.frames)
        )
        timeline = self._timeline(bars, starts)
        score = Score(
            title=self.base.score.title,
            remark=self.base.score.remark,
            kit=self.base.score.kit,
            sticking_shown=self.base.score.sticking_shown,
            bars=bars,
            sections=tuple(
                Section(numbers[index], name)
                for index, name in _last_each(
                    (_line_of(starts, at), name) for at, name in self.sections
                )
            ),
            dynamics=tuple(
                replace(mark, bar=numbers[bar_of(at)], start=at - starts[bar_of(at)])
                for at, mark in _last_each(self.dynamics)
            ),
            hairpins=tuple(self._hairpins(starts, numbers)),
            repeats=form.find_repeats(bars),
        )
        performance = replace(self.base.performance, dropped=tuple(self.dropped))
        like = self.base if self.written else None
        return check(ScoreDocument(performance, timeline, score), like)

    def _kept(self, bar_of: Callable[[Fraction], int], numbers: Sequence[int]) -> Mapping[int, Bar]:
        """The bars, by index, that have their notes still."""
        if self.written is None or self.written[1] != self.frames:
            return {}
        bars, before, now = self.base.score.bars, self.written[0], self.notes
        if [bar.number for bar in bars] != list(numbers):
            return {}
        changed = {
            bar_of(placed[0])
            for one, other in ((before, now), (now, before))
            for name, placed in one.items()
            if other.get(name) is not placed
        }
        return {index: bar for index, bar in enumerate(bars) if index not in changed}

    def _timeline(self, bars: Sequence[Bar], starts: Sequence[Fraction]) -> Timeline:
        beats: list[TimelineBeat] = []
        if len(self.anchors) > 1:
            line = self.line()
            for bar, start in zip(bars, starts, strict=False):
                for number, at in beat_places(bar):
                    time_s = line.time_s(start + at)
                    beats.append(TimelineBeat(round(time_s, 6), bar.number, number))
        tempos: dict[tuple[int, int], TempoMark] = {}
        for place, mark in self.tempos:
            index = max(0, min(len(bars) - 1, bisect_right(starts, place) - 1))
            bar = bars[index]
            beat = 1 + int((place - starts[index] + bar.missing) / bar.meter.beat_unit)
            own = replace(mark, bar=bar.number, beat=beat)
            before = tempos.get((bar.number, beat))
            if before is not None:
                # Marks are on beats: of two on one, words and shown numbers outlive hidden steps.
                own = before if own.hidden and not before.hidden else own
                own = replace(own, text=own.text or before.text)
            tempos[bar.number, beat] = own
        swings = _last_each((_line_of(starts, at), mark) for at, mark in self.swings)
        marks = tuple(tempos[key] for key in sorted(tempos))
        return Timeline(
            beats=tuple(beats),
            meters=tuple(
                MeterMark(bar.number, bar.meter)
                for index, bar in enumerate(bars)
                if not index or bar.meter != bars[index - 1].meter
            ),
            tempo_map=marks,
            swing=tuple(replace(mark, bar=bars[index].number) for index, mark in swings),
            alternatives=alternatives(marks[0]) if marks else (),
        )

    def _hairpins(self, starts: Sequence[Fraction], numbers: Sequence[int]) -> Iterable[Hairpin]:
        end = starts[-1]
        for begin, wanted, pin in sorted(self.hairpins, key=lambda item: item[0]):
            stop = min(wanted, end)
            if begin >= stop:
                continue
            first = bisect_right(starts, begin) - 1
            # One that ends on a bar line ends in the bar before it.
            last = max(first, bisect_right(starts, stop) - 1)
            if starts[last] == stop:
                last -= 1
            yield replace(
                pin,
                bar=numbers[first],
                start=begin - starts[first],
                end_bar=numbers[last],
                end=stop - starts[last],
            )


def _line_of(starts: Sequence[Fraction], place: Fraction) -> int:
    """The bar whose line is nearest: what begins with a bar goes along when its line moves."""
    index = max(0, min(len(starts) - 2, bisect_right(starts, place) - 1))
    nearer_next = index + 2 < len(starts) and starts[index + 1] - place <= place - starts[index]
    return index + 1 if nearer_next else index


def _last_each(marks: Iterable[tuple[K, V]]) -> list[tuple[K, V]]:
    """In order of place; of several in one place the last."""
    kept = dict(marks)
    return [(key, kept[key]) for key in sorted(kept)]
