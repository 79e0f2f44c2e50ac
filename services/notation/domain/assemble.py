"""What another program's file says, as a document: places and tempos in, bars and seconds out."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Final

from services.notation.domain.clock import beat_places
from services.notation.domain.document import ScoreDocument
from services.notation.domain.score import (
    REMARK_LENGTH,
    TITLE_LENGTH,
    Bar,
    Dropped,
    Dynamic,
    Hairpin,
    Note,
    PerformanceLayer,
    PlayedEvent,
    Score,
    Source,
    Swing,
    TempoMark,
    Timeline,
)
from services.notation.domain.sheet import Frame, Sheet

MIN_QPM: Final = 4.0
MAX_QPM: Final = 2000.0


@dataclass(frozen=True, slots=True)
class Tempo:
    """From a place on (whole notes), so many quarters a minute."""

    at: Fraction
    quarters_per_minute: float
    mark: TempoMark | None = None
    """As it was written, where it was."""

    def moved(self, by: Fraction) -> Tempo:
        return replace(self, at=max(Fraction(0), self.at + by))


class TempoMap:
    """Seconds of places, with the first at 0; `tempos` are in order and begin at or before 0."""

    def __init__(self, tempos: Sequence[Tempo]) -> None:
        self._tempos = tempos
        self._places = [tempo.at for tempo in tempos]
        self._seconds = [0.0]
        for before, after in pairwise(tempos):
            took_s = float(after.at - before.at) * 240 / before.quarters_per_minute
            self._seconds.append(self._seconds[-1] + took_s)

    def time_s(self, place: Fraction) -> float:
        """When this place sounds."""
        index = max(0, bisect_right(self._places, place) - 1)
        tempo = self._tempos[index]
        inside_s = float(place - tempo.at) * 240 / tempo.quarters_per_minute
        return self._seconds[index] + inside_s


def anchors_of(
    frames: Sequence[Frame], time_s: Callable[[Fraction], float]
) -> list[tuple[Fraction, float]]:
    """The seconds of every beat, and of the end."""
    anchors: list[tuple[Fraction, float]] = []
    at = Fraction(0)
    for frame in frames:
        for _, inside in beat_places(Bar(0, frame.meter, (), frame.length)):
            anchors.append((at + inside, time_s(at + inside)))
        at += frame.length
    anchors.append((at, time_s(at)))
    return anchors


def played_exactly(
    notes: Mapping[str, tuple[Fraction, Note]],
    clock: TempoMap,
    swings: Sequence[tuple[Fraction, Swing]],
    frames: Sequence[Frame],
) -> Iterable[PlayedEvent]:
    """The performance that the page asks for; `swings` by place, in order."""
    pickup = frames[0].meter.length - frames[0].length
    swung = [at for at, _ in swings]
    for place, note in notes.values():
        index = bisect_right(swung, place)
        swing = swings[index - 1][1] if index else None
        sounds = swing.sounding(place + pickup) - pickup if swing else place
        time_s = round(max(0.0, clock.time_s(sounds)), 6)
        yield PlayedEvent(note.id, note.piece, time_s, note.velocity, 1.0, Source.SCORE)
        for back, grace in enumerate(reversed(note.graces), start=1):
            at_s = round(max(0.0, time_s - 0.03 * back), 6)
            yield PlayedEvent(grace.id, note.piece, at_s, grace.velocity, 1.0, Source.SCORE)


def assemble(
    *,
    title: str,
    kit: str,
    events: Sequence[PlayedEvent],
    dropped: Sequence[Dropped],
    frames: Sequence[Frame],
    notes: Mapping[str, tuple[Fraction, Note]],
    tempos: Sequence[Tempo],
    anchors: Sequence[tuple[Fraction, float]],
    swings: Sequence[tuple[Fraction, Swing]] = (),
    sections: Sequence[tuple[Fraction, str]] = (),
    dynamics: Sequence[tuple[Fraction, Dynamic]] = (),
    hairpins: Sequence[tuple[Fraction, Fraction, Hairpin]] = (),
    remark: str = "",
    source: str = "",
) -> ScoreDocument:
    """A checked document."""
    base = ScoreDocument(
        performance=PerformanceLayer(
            duration_s=max(0.0, anchors[-1][1], *(event.onset_s for event in events)),
            events=tuple(sorted(events, key=lambda event: event.onset_s)),
            model_version=source,
        ),
        timeline=Timeline(),
        score=Score(
            title=title.strip()[:TITLE_LENGTH],
            kit=kit,
            bars=(),
            remark=remark.strip()[:REMARK_LENGTH],
        ),
    )
    unit = frames[0].meter.beat_unit
    marks: list[tuple[Fraction, TempoMark]] = []
    for tempo in tempos:
        mark = tempo.mark
        if mark is None:
            bpm = min(MAX_QPM, max(MIN_QPM, tempo.quarters_per_minute)) / float(unit * 4)
            mark = TempoMark(0, round(bpm, 2), 1, unit)
            if marks and abs(mark.bpm / marks[-1][1].bpm - 1) < 0.0005:
                continue
            # A tempo for every beat is how a performance is written into a file.
            if marks and abs(mark.bpm / _shown(marks).bpm - 1) < 0.06:
                mark = replace(mark, hidden=True)
        marks.append((tempo.at, mark))
    sheet = Sheet(
        base=base,
        frames=list(frames),
        notes=dict(notes),
        anchors=list(anchors),
        tempos=marks,
        swings=list(swings),
        sections=list(sections),
        dynamics=list(dynamics),
        hairpins=list(hairpins),
        dropped=list(dropped),
    )
    return sheet.document()


def _shown(marks: Sequence[tuple[Fraction, TempoMark]]) -> TempoMark:
    return next((mark for _, mark in reversed(marks) if not mark.hidden), marks[0][1])
