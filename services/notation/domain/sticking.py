"""Which letters stand under the notes, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from libs.common.drums import FEET, Hand
from services.notation.domain.document import ScoreDocument
from services.notation.domain.kit import Kit
from services.notation.domain.score import (
    Bar,
    Chooser,
    Note,
    Score,
    StickingShown,
    VoiceEvent,
)

PASSAGE_BARS: Final = 8
"""How long a passage is where no section says."""
LEAST_SHARE: Final = 0.5
"""Of a passage's strokes of the hands, whose hand has to be known for seen ones to be shown."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter under a chord, and the notes that it is for."""

    text: str
    notes: tuple[Note, ...]


def letters(notes: Sequence[Note], kit: Kit) -> list[Letter]:
    """What stands under notes struck together, the upper note's first; the same hand once."""
    if not any(note.sticking for note in notes):
        return []
    found: dict[str, tuple[Note, ...]] = {}
    for note in sorted(notes, key=lambda note: -kit.entries[note.piece].height):
        if note.sticking:
            text = kit.sticking(note.sticking)
            found[text] = (*found.get(text, ()), note)
    return [Letter(text, struck) for text, struck in found.items()]


def passages(score: Score) -> Iterator[Sequence[Bar]]:
    """The document's sections, with what comes before the first; else runs of 8 bars."""
    bars = score.bars
    if not score.sections:
        yield from (
            bars[start : start + PASSAGE_BARS] for start in range(0, len(bars), PASSAGE_BARS)
        )
        return
    numbers = {part.bar for part in score.sections}
    lines = [index for index, bar in enumerate(bars) if bar.number in numbers]
    for start, end in zip([0, *lines], [*lines, len(bars)], strict=True):
        if start < end:
            yield bars[start:end]


def hidden(score: Score) -> frozenset[str]:
    """Ids of the notes whose hand is known and not shown."""
    if score.sticking_shown is StickingShown.ALL:
        return frozenset()
    if score.sticking_shown is StickingShown.NONE:
        return frozenset(note.id for note in _notes(score.bars) if note.sticking)
    unshown: list[str] = []
    for bars in passages(score):
        seen = [note.id for note in _notes(bars) if _is_seen(note)]
        if seen:
            hands = [note.sticking for note in _notes(bars) if note.piece not in FEET]
            if sum(hand is not None for hand in hands) < LEAST_SHARE * len(hands):
                unshown += seen
    return frozenset(unshown)


def _is_seen(note: Note) -> bool:
    return note.sticking is not None and note.sticking_source is Chooser.VISION


def _notes(bars: Iterable[Bar]) -> Iterator[Note]:
    for bar in bars:
        for voice in bar.voices:
            for event in voice.events:
                yield from event.notes


def as_shown(document: ScoreDocument) -> ScoreDocument:
    """The document as it is written and drawn: without the hands that are not shown."""
    names = hidden(document.score)
    if not names:
        return document
    bars = tuple(
        replace(
            bar,
            voices=tuple(
                replace(voice, events=tuple(_bared(event, names) for event in voice.events))
                for voice in bar.voices
            ),
        )
        for bar in document.score.bars
    )
    return replace(document, score=replace(document.score, bars=bars))


def _bared(event: VoiceEvent, names: frozenset[str]) -> VoiceEvent:
    if not any(note.id in names for note in event.notes):
        return event
    notes = (replace(note, sticking=None) if note.id in names else note for note in event.notes)
    return replace(event, notes=tuple(notes))


def repeats_alike(score: Score) -> dict[int, int]:
    """The number of each bar that begins a repeat, and of how many bars, where no other letters
    stand under them than under those before: a sign would hide that."""
    bars = {bar.number: bar for bar in score.bars}
    return {
        again.bar: again.bars
        for again in score.repeats
        if not any(
            _hands_differ(bars[number], bars[number - again.bars])
            for number in range(again.bar, again.bar + again.bars)
        )
    }


def _hands_differ(bar: Bar, other: Bar) -> bool:
    """Whether bars that are written alike are played with other hands, so far as these are
    known."""
    return any(
        one is not None and two is not None and one is not two
        for one, two in zip(_hands(bar), _hands(other), strict=True)
    )


def _hands(bar: Bar) -> list[Hand | None]:
    return [
        note.sticking
        for voice in bar.voices
        for event in voice.events
        for note in sorted(event.notes, key=lambda note: note.piece)
    ]
