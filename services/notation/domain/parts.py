"""A score as a part, and a part as a score."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import count
from typing import Final

from libs.common.drums import FEET, Hand
from libs.common.part import (
    Part,
    PartBar,
    PartBeat,
    PartSection,
    PartSwing,
    PartTempo,
    Stroke,
    ordered,
)
from services.notation.domain.assemble import Tempo, TempoMap, anchors_of, assemble, played_exactly
from services.notation.domain.clock import Clock, bar_starts, tempo_place
from services.notation.domain.document import ScoreDocument
from services.notation.domain.score import (
    Bar,
    Chooser,
    Grace,
    Note,
    PlayedEvent,
    ScoreError,
    Source,
    Swing,
    TempoMark,
)
from services.notation.domain.sheet import Frame
from services.notation.domain.timemap import note_times

_USUAL_QPM: Final = 100.0


def part_of(document: ScoreDocument) -> Part:
    """What is written, and when it was played. Linear in the notes."""
    timeline, score = document.timeline, document.score
    played = {event.id: event for event in document.performance.events}
    written_s = {time.id: time.written_s for time in note_times(document) if not time.grace}
    clock = Clock(document)

    def stroke_of(at: Fraction, note: Note) -> Stroke:
        heard = played.get(note.id)
        return Stroke(
            at=at,
            piece=note.piece,
            velocity=note.velocity,
            marks=note.articulations,
            graces=tuple(grace.velocity for grace in note.graces),
            hand=_hand(note, heard),
            id=note.id,
            written_s=written_s.get(note.id),
            # A stroke that a file or a score put there was played by nobody.
            played_s=heard.onset_s if heard and heard.source in _PLAYED else None,
            confidence=heard.confidence if heard else 1.0,
        )

    def bar_of(bar: Bar, start: Fraction) -> PartBar:
        return PartBar(
            number=bar.number,
            meter=bar.meter,
            length=bar.length,
            strokes=ordered(
                [
                    stroke_of(event.start, note)
                    for voice in bar.voices
                    for event in voice.events
                    for note in event.notes
                ]
            ),
            start_s=clock.time_s(start) if clock.runs else None,
            end_s=clock.time_s(start + bar.length) if clock.runs else None,
        )

    return Part(
        title=score.title,
        kit=score.kit,
        remark=score.remark,
        bars=tuple(map(bar_of, score.bars, bar_starts(score.bars))),
        tempos=tuple(
            PartTempo(mark.bar, mark.bpm, mark.beat, mark.unit) for mark in timeline.tempo_map
        ),
        swing=tuple(PartSwing(mark.bar, mark.unit, mark.ratio) for mark in timeline.swing),
        sections=tuple(PartSection(section.bar, section.name) for section in score.sections),
        beats=tuple(PartBeat(beat.time_s, beat.bar, beat.beat) for beat in timeline.beats),
    )


def _hand(note: Note, heard: PlayedEvent | None) -> Hand | None:
    """As the note says, shown or not; where nobody has said, as its hit was played."""
    if note.sticking or note.sticking_source is Chooser.USER or note.piece in FEET:
        return note.sticking
    return heard.hand if heard else None


_PLAYED: Final = frozenset({Source.AUDIO, Source.MIDI})


def document_of(part: Part) -> ScoreDocument:
    """A composed part, written down; ScoreError where it breaks a rule. Its performance is the
    score played exactly, from second 0 on; without a tempo at 100 quarters a minute."""
    frames = [Frame(bar.meter, bar.length) for bar in part.bars]
    if not frames:
        raise ScoreError("bars", "a part has at least one bar")
    lines = dict(zip((bar.number for bar in part.bars), bar_starts(frames), strict=False))
    _check_numbers(part)
    by_number = {bar.number: Bar(bar.number, bar.meter, (), bar.length) for bar in part.bars}
    tempos = []
    for one in part.tempos:
        mark = TempoMark(one.bar, one.bpm, one.beat, one.unit)
        place = lines[one.bar] + tempo_place(mark, by_number[one.bar])
        tempos.append(Tempo(place, one.quarters_per_minute, mark))
    if not tempos:
        tempos.append(Tempo(Fraction(0), _USUAL_QPM))
    # The first mark holds from the beginning, wherever it stands.
    clock = TempoMap([replace(tempos[0], at=Fraction(0)), *tempos[1:]])
    swings = [(lines[one.bar], Swing(one.bar, one.unit, one.ratio)) for one in part.swing]
    notes: dict[str, tuple[Fraction, Note]] = {}
    names = (f"n-{number}" for number in count(1))
    for bar, stroke in part.strokes():
        if not 0 <= stroke.at < bar.length:
            raise ScoreError("bars", f"a stroke lies outside bar {bar.number}")
        note = Note(
            id=next(names),
            piece=stroke.piece,
            velocity=stroke.velocity,
            articulations=stroke.marks,
            graces=tuple(Grace(next(names), velocity) for velocity in stroke.graces),
            sticking=stroke.hand,
        )
        notes[note.id] = (lines[bar.number] + stroke.at, note)
    return assemble(
        title=part.title,
        kit=part.kit,
        remark=part.remark,
        events=list(played_exactly(notes, clock, swings, frames)),
        dropped=(),
        frames=frames,
        notes=notes,
        tempos=tempos,
        anchors=anchors_of(frames, clock.time_s),
        swings=swings,
        sections=[(lines[one.bar], one.name) for one in part.sections],
        source="composed",
    )


def _check_numbers(part: Part) -> None:
    first = 0 if part.bars[0].length < part.bars[0].meter.length else 1
    numbers = range(first, first + len(part.bars))
    if [bar.number for bar in part.bars] != list(numbers):
        raise ScoreError("bars", "are not numbered 1, 2, 3 and so on, with a pickup as 0")
    known = set(numbers)
    for field, bars in (
        ("tempos", [one.bar for one in part.tempos]),
        ("swing", [one.bar for one in part.swing]),
        ("sections", [one.bar for one in part.sections]),
    ):
        if not known.issuperset(bars):
            raise ScoreError(field, "are in bars that the part does not have")
