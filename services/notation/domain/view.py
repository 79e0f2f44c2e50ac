"""A score to be drawn and followed on a screen: every line of music as a picture, and when each
note and bar belongs, in one JSON. docs/score-format.md describes it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, Final

from services.notation.domain.clock import Clock, beat_places
from services.notation.domain.document import ScoreDocument
from services.notation.domain.doubt import UNSURE_BELOW, is_unsure
from services.notation.domain.inline import Inliner, Stroke
from services.notation.domain.kit import kit_called
from services.notation.domain.musicxml import bar_id
from services.notation.domain.pictures import Look, to_lines
from services.notation.domain.score import (
    Bar,
    Chooser,
    Grace,
    Note,
    PlayedEvent,
    ScoreError,
    VoiceEvent,
)
from services.notation.domain.stats import summary
from services.notation.domain.sticking import hidden
from services.notation.domain.timemap import NoteTime, note_times

FORMAT: Final = "backbeat-view/1"
WIDTHS_MM: Final = (60, 600)


def to_view(
    document: ScoreDocument,
    *,
    width_mm: int = 210,
    look: Look | None = None,
    about: Mapping[str, Any] | None = None,
) -> bytes:
    """`about` is what the document does not know of itself: its id, version, video."""
    if not WIDTHS_MM[0] <= width_mm <= WIDTHS_MM[1]:
        raise ScoreError("width_mm", f"must be {WIDTHS_MM[0]} to {WIDTHS_MM[1]}")
    look = look or Look()
    score, timeline, performance = document.score, document.timeline, document.performance
    played = {event.id: event for event in performance.events}
    numbers = {bar_id(bar.number): bar.number for bar in score.bars}
    inliner = Inliner({name: Stroke() for name in numbers} | drawn_strokes(document, played))
    drawn = to_lines(document, width_mm, look) if score.bars else []
    lines = [inliner.line(one) for one in drawn]
    clock = Clock(document)
    tempo = timeline.tempo_map[0] if timeline.tempo_map else None
    view = {
        "format": FORMAT,
        **(about or {}),
        "title": score.title,
        "remark": score.remark,
        "tempo": round(tempo.quarters_per_minute) if tempo else None,
        "time_signature": summary(document).meter,
        "kit": (look.kit or kit_called(score.kit)).id,
        "duration_s": performance.duration_s,
        "width_mm": width_mm,
        "unsure_below": UNSURE_BELOW,
        "sticking_shown": score.sticking_shown.value,
        "defs": inliner.glyphs,
        "systems": [
            {
                "svg": line.svg,
                "width": line.width,
                "height": line.height,
                "bars": [numbers[name] for name in line.bars],
            }
            for line in lines
        ],
        "bars": [_bar(bar, clock) for bar in score.bars],
        "notes": list(_notes(document, played)),
        "unwritten": list(_unwritten(document)),
        "swing": [
            {"bar": mark.bar, "unit": str(mark.unit), "ratio": mark.ratio}
            for mark in timeline.swing
        ],
        "sections": [{"bar": part.bar, "name": part.name} for part in score.sections],
        "alternatives": [
            {"factor": str(other.factor), "bpm": other.bpm, "chance": other.chance}
            for other in timeline.alternatives
        ],
    }
    return json.dumps(view, separators=(",", ":"), ensure_ascii=False).encode()


def drawn_strokes(document: ScoreDocument, played: Mapping[str, PlayedEvent]) -> dict[str, Stroke]:
    """Notes and graces by id."""
    return {
        name: Stroke(note.piece.value, is_unsure(note, played.get(name)))
        for _, _, note in document.score.notes()
        for name in (note.id, *(grace.id for grace in note.graces))
    }


def _bar(bar: Bar, clock: Clock) -> dict[str, Any]:
    start = clock.start_of(bar.number)

    def second(place: Fraction) -> float | None:
        return round(clock.time_s(start + place), 4) if clock.runs else None

    return {
        "bar": bar.number,
        "id": bar_id(bar.number),
        "start_s": second(Fraction(0)),
        "end_s": second(bar.length),
        "length": str(bar.length),
        "meter": str(bar.meter),
        "beats": [second(at) for _, at in beat_places(bar)] if clock.runs else None,
    }


def _notes(document: ScoreDocument, played: Mapping[str, PlayedEvent]) -> Iterable[dict[str, Any]]:
    """In order of time; where nothing is known of that, of bar, voice and start."""
    times = {time.id: time for time in note_times(document)}
    unshown = hidden(document.score)
    found = [
        _stroke(bar, number, event, note, stroke, times.get(stroke.id), played.get(stroke.id))
        | ({} if isinstance(stroke, Grace) else _seen(note, played.get(note.id), unshown))
        for bar, number, event, note in _written(document)
        for stroke in _strokes(note)
    ]
    if times:
        found.sort(key=lambda stroke: (times[stroke["id"]].written_s, stroke["id"]))
    return found


def _written(document: ScoreDocument) -> Iterable[tuple[Bar, int, VoiceEvent, Note]]:
    for bar in document.score.bars:
        for voice in bar.voices:
            for event in voice.events:
                for note in event.notes:
                    yield bar, voice.number, event, note


def _strokes(note: Note) -> tuple[Note | Grace, ...]:
    return (*note.graces, note)


def _stroke(
    bar: Bar,
    voice: int,
    event: VoiceEvent,
    note: Note,
    stroke: Note | Grace,
    time: NoteTime | None,
    played: PlayedEvent | None,
) -> dict[str, Any]:
    is_grace = isinstance(stroke, Grace)
    told: dict[str, Any] = {
        "id": stroke.id,
        "bar": bar.number,
        "start": str(event.start),
        "voice": voice,
        "piece": note.piece.value,
        "velocity": stroke.velocity,
        "confidence": played.confidence if played else None,
        "articulations": [] if is_grace else [mark.value for mark in note.articulations],
        "sticking": note.sticking.value if note.sticking and not is_grace else None,
        "written_s": round(time.written_s, 4) if time else None,
        "duration_s": round(time.duration_s, 4) if time else None,
    }
    if played:
        told["played_s"] = played.onset_s
    if is_unsure(note, played):
        told["unsure"] = True
    if is_grace:
        told["grace"] = True
    return told


def _seen(note: Note, played: PlayedEvent | None, unshown: frozenset[str]) -> dict[str, Any]:
    """Who told a note's hand and what it was struck on, where that was not the ear."""
    told: dict[str, Any] = {}
    if note.sticking_source:
        told["sticking_source"] = note.sticking_source.value
    if note.sticking_confidence is not None:
        told["sticking_confidence"] = note.sticking_confidence
    if note.id in unshown:
        told["sticking_hidden"] = True
    if note.piece_source is Chooser.VISION and played:
        confidence = played.seen.confidence if played.seen else None
        told["moved"] = {"heard": played.piece.value, "confidence": confidence}
    return told


def _unwritten(document: ScoreDocument) -> Iterable[dict[str, Any]]:
    """What was heard and is not on the page, in order of time."""
    reasons = {lost.id: lost.reason for lost in document.performance.dropped}
    written = {name for _, event, _ in document.score.notes() for name in event.stroke_ids()}
    for event in document.performance.events:
        if event.id not in written:
            yield {
                "id": event.id,
                "onset_s": event.onset_s,
                "piece": event.piece.value,
                "velocity": event.velocity,
                "confidence": event.confidence,
                "reason": reasons.get(event.id, ""),
            }
