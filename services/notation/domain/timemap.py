"""Which second of the recording each written note belongs to: JSON for a player that follows."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from services.notation.domain.clock import Clock, sounding_start
from services.notation.domain.document import ScoreDocument
from services.notation.domain.kit import Kit
from services.notation.domain.musicxml import bar_id

FORMAT = "backbeat-timemap/1"


@dataclass(frozen=True, slots=True)
class NoteTime:
    """One written stroke; a grace stands where its note does."""

    id: str
    bar: int
    start: Fraction
    written_s: float
    """Where the score puts it, swung where it swings; between the beats that were heard."""
    duration_s: float
    """How long its written value lasts; 0 for a grace."""
    grace: bool = False


def note_times(document: ScoreDocument) -> Iterable[NoteTime]:
    """In order of bar, voice, start; nothing where the document has fewer than two beats."""
    clock = Clock(document)
    if not clock.runs:
        return
    for bar in document.score.bars:
        line = clock.start_of(bar.number)
        for voice in bar.voices:
            for event in voice.events:
                if event.is_rest:
                    continue
                begin_s = clock.time_s(line + sounding_start(bar, event, document.timeline))
                end_s = clock.time_s(line + event.end)
                for note in event.notes:
                    for grace in note.graces:
                        yield NoteTime(grace.id, bar.number, event.start, begin_s, 0.0, grace=True)
                    length_s = max(0.0, end_s - begin_s)
                    yield NoteTime(note.id, bar.number, event.start, begin_s, length_s)


def to_timemap(document: ScoreDocument, kit: Kit | None = None) -> bytes:
    """`{"format", "bars": [{bar, id, start_s, end_s}], "notes": [{id, bar, start, written_s,
    played_s, duration_s}]}`, notes in order of `written_s`. `played_s` is missing for a note that
    nobody played; a bar's and a note's `id` are those in SVG and MusicXML."""
    del kit
    clock = Clock(document)
    onsets = {event.id: event.onset_s for event in document.performance.events}
    notes = []
    for time in sorted(note_times(document), key=lambda time: (time.written_s, time.id)):
        entry: dict[str, Any] = {
            "id": time.id,
            "bar": time.bar,
            "start": str(time.start),
            "written_s": round(time.written_s, 4),
            "duration_s": round(time.duration_s, 4),
        }
        if time.grace:
            entry["grace"] = True
        if time.id in onsets:
            entry["played_s"] = onsets[time.id]
        notes.append(entry)
    bars = [
        {
            "bar": bar.number,
            "id": bar_id(bar.number),
            "start_s": round(clock.time_s(start), 4),
            "end_s": round(clock.time_s(start + bar.length), 4),
        }
        for bar, start in zip(document.score.bars, clock.starts, strict=False)
        if clock.runs
    ]
    return json.dumps(
        {"format": FORMAT, "bars": bars, "notes": notes}, separators=(",", ":")
    ).encode()
