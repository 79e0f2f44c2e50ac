"""What was seen, told of what was heard: hands on notes, and pieces that the eye knows better.

The performance keeps what was seen of each hit, so that it outlives a rewriting; `settle` puts it
on the notes. What somebody has set by hand is never touched. A later look replaces an earlier one,
also with nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from libs.common.drums import FEET, DrumPiece
from libs.common.sight import SecondOpinion, Sight, Stroke
from services.notation.domain import form
from services.notation.domain.document import ScoreDocument, check
from services.notation.domain.score import (
    Bar,
    Chooser,
    Note,
    PlayedEvent,
    Seen,
    Source,
    VoiceEvent,
)

MOVES_PIECES: Final = True
"""Whether a note goes to where its stroke was seen."""
OPINION_LEAST: Final = 0.9
"""How sure the eye has to be of that."""
_SAME_S: Final = 0.002
"""Ids are counted anew in each performance file: the hit of a stroke is where it says, too."""
_SKINS: Final = frozenset(
    {
        DrumPiece.SNARE,
        DrumPiece.RIMSHOT,
        DrumPiece.TOM_HIGH,
        DrumPiece.TOM_MID,
        DrumPiece.TOM_FLOOR,
    }
)
_RINGING: Final = frozenset({DrumPiece.HAT_OPEN, DrumPiece.HAT_HALF_OPEN})

UNSEEN: Final = Sight(
    usable=False,
    reason="unseen",
    words="",
    width=0,
    height=0,
    fps=0.0,
    duration_s=0.0,
    frames=0,
    model_version="",
)
"""A look in which nothing was seen."""

Events = Mapping[str, PlayedEvent]


def fuse(document: ScoreDocument, sight: Sight) -> ScoreDocument:
    """The score with the hands of this look in place of any earlier one's; the very same document
    where nothing changes."""
    strokes = {stroke.hit: stroke for stroke in sight.strokes} if sight.usable else {}
    opinions = {one.hit: one for one in sight.opinions} if sight.usable else {}
    told = tuple(
        _told(event, strokes.get(event.id), opinions.get(event.id))
        for event in document.performance.events
    )
    return _settled(document, told)


def keep_seen(before: ScoreDocument, after: ScoreDocument) -> ScoreDocument:
    """`after` is the performance of `before` written anew: what was seen of it holds, and so do the
    hands that somebody wrote on the notes that are still there."""
    known = {event.id: event for event in before.performance.events}
    told = tuple(_as_seen(event, known.get(event.id)) for event in after.performance.events)
    hands = {
        note.id: note
        for _, _, note in before.score.notes()
        if note.sticking_source is Chooser.USER or (note.sticking and not note.sticking_source)
    }

    def handed(note: Note) -> Note:
        old = hands.get(note.id)
        if old is None or note.piece in FEET:
            return note
        return replace(note, sticking=old.sticking, sticking_source=old.sticking_source)

    shown = before.score.sticking_shown
    bars = after.score.bars
    if hands:
        bars = _each_event(bars, lambda event: _with_notes(event, [handed(n) for n in event.notes]))
    score = replace(after.score, bars=bars, sticking_shown=shown)
    if hands:
        score = replace(score, repeats=form.find_repeats(bars))
    return _settled(replace(after, score=score), told)


def _as_seen(event: PlayedEvent, before: PlayedEvent | None) -> PlayedEvent:
    if before is None or before.onset_s != event.onset_s or not (before.hand or before.seen):
        return event
    return replace(
        event, hand=before.hand, hand_confidence=before.hand_confidence, seen=before.seen
    )


def seen_hand(note: Note, event: PlayedEvent | None) -> Note:
    """The note with the hand that was seen, or with none where none was; one that somebody set
    stays."""
    if note.sticking_source is Chooser.USER or (note.sticking and not note.sticking_source):
        return note
    if event is None or event.hand_confidence is None or note.piece in FEET:
        if note.sticking_source is None:
            return note
        return replace(note, sticking=None, sticking_source=None, sticking_confidence=None)
    if note.sticking is event.hand and note.sticking_confidence == event.hand_confidence:
        return note
    return replace(
        note,
        sticking=event.hand,
        sticking_source=Chooser.VISION,
        sticking_confidence=event.hand_confidence,
    )


def _told(event: PlayedEvent, stroke: Stroke | None, opinion: SecondOpinion | None) -> PlayedEvent:
    if event.source is not Source.AUDIO or event.piece in FEET:
        return event
    hand, confidence, seen = event.hand, event.hand_confidence, None
    if hand is None or confidence is not None:
        hand = confidence = None
        if stroke and stroke.hand and _is_of(stroke, event):
            hand, confidence = stroke.hand, min(1.0, max(0.0, stroke.confidence))
    if opinion and stroke and _is_of(stroke, event) and _counts(opinion, event):
        seen = Seen(opinion.seen, min(1.0, opinion.confidence))
    if (hand, confidence, seen) == (event.hand, event.hand_confidence, event.seen):
        return event
    return replace(event, hand=hand, hand_confidence=confidence, seen=seen)


def _is_of(stroke: Stroke, event: PlayedEvent) -> bool:
    return abs(stroke.onset_s - event.onset_s) <= _SAME_S


def _counts(opinion: SecondOpinion, event: PlayedEvent) -> bool:
    return (
        opinion.confidence >= OPINION_LEAST
        and opinion.heard is event.piece
        and opinion.seen is not event.piece
        and opinion.seen not in FEET
    )


def _settled(document: ScoreDocument, told: tuple[PlayedEvent, ...]) -> ScoreDocument:
    """The document with these events, and its notes by them; checked where it changed."""
    played = document.performance
    same = all(one is other for one, other in zip(told, played.events, strict=True))
    by_id = {event.id: event for event in told}
    bars = _each_event(document.score.bars, lambda event: _settled_event(event, by_id))
    score = document.score
    if bars is not score.bars:
        pairs = zip(_pieces(score.bars), _pieces(bars), strict=True)
        score = replace(score, bars=bars)
        if any(one is not other for one, other in pairs):
            score = replace(score, repeats=form.find_repeats(bars))
    if same and score is document.score:
        return document
    if not same:
        played = replace(played, events=told)
    return check(replace(document, performance=played, score=score), document)


def _pieces(bars: tuple[Bar, ...]) -> list[DrumPiece]:
    return [note.piece for bar in bars for v in bar.voices for e in v.events for note in e.notes]


def _each_event(
    bars: tuple[Bar, ...], change: Callable[[VoiceEvent], VoiceEvent]
) -> tuple[Bar, ...]:
    """The bars with every event changed; those that stay as they are are the very same."""
    changed = []
    for bar in bars:
        voices = []
        for voice in bar.voices:
            events = tuple(change(event) for event in voice.events)
            stays = all(one is other for one, other in zip(events, voice.events, strict=True))
            voices.append(voice if stays else replace(voice, events=events))
        stays = all(one is other for one, other in zip(voices, bar.voices, strict=True))
        changed.append(bar if stays else replace(bar, voices=tuple(voices)))
    if all(one is other for one, other in zip(changed, bars, strict=True)):
        return bars
    return tuple(changed)


def _with_notes(event: VoiceEvent, notes: list[Note]) -> VoiceEvent:
    if all(one is other for one, other in zip(notes, event.notes, strict=True)):
        return event
    return replace(event, notes=tuple(notes))


def _settled_event(event: VoiceEvent, events: Events) -> VoiceEvent:
    if not event.notes:
        return event
    notes = list(event.notes)
    # A note may wait for the place that another one leaves: until nothing moves any more.
    for _ in notes:
        before = list(notes)
        for index, note in enumerate(notes):
            others = {other.piece for other in notes if other is not note}
            notes[index] = _moved(note, events.get(note.id), others)
        if notes == before:
            break
    return _with_notes(event, [seen_hand(note, events.get(note.id)) for note in notes])


def _moved(note: Note, heard: PlayedEvent | None, others: set[DrumPiece]) -> Note:
    """The note on the piece that it was seen on; back where it was heard when it is not any more.
    Who has said or confirmed what was struck has the last word."""
    was_moved = note.piece_source is Chooser.VISION
    if heard is None or note.piece_source is Chooser.USER or heard.confidence >= 1:
        return note
    if not was_moved and note.piece is not heard.piece:
        return note
    wanted = heard.piece
    if MOVES_PIECES and heard.seen:
        wanted = heard.seen.piece
    if wanted is note.piece or wanted in others:
        return note
    if note.graces and wanted not in _SKINS:
        return note
    return replace(
        note,
        piece=wanted,
        ring=note.ring if wanted in _RINGING else None,
        piece_source=None if wanted is heard.piece else Chooser.VISION,
    )
