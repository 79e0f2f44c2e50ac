"""From places in a bar to what a drummer reads: voices, durations, rests, tuplets, beams.

Works from exact places alone, so that a bar can be written anew after any edit. Drums ring as
they like; a written duration only says when the next stroke comes. So each stroke lasts until
the next one in its voice, and at most to the end of its beat: no ties.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import lcm
from typing import Final

from libs.common.drums import DrumPiece
from libs.common.meter import Meter
from services.notation.domain.score import (
    Bar,
    Note,
    ScoreError,
    Tuplet,
    TupletPart,
    Voice,
    VoiceEvent,
    value_of,
)

HANDS: Final = 1
FEET: Final = 2
FEET_PIECES: Final = frozenset({DrumPiece.KICK, DrumPiece.HAT_PEDAL})

# Parts of a span that are no plain note values: so many in the time of so many.
TUPLETS: Final[Mapping[int, int]] = {3: 2, 5: 4, 6: 4, 7: 4, 9: 8}

Placed = tuple[Fraction, Note]
"""A note and its start, in whole notes from the bar line."""


def voice_of(piece: DrumPiece) -> int:
    """1 for what hands play, 2 for what feet play."""
    return FEET if piece in FEET_PIECES else HANDS


def beats_of(meter: Meter) -> list[Fraction]:
    """The lengths of a bar's beats in whole notes: what is beamed together, no note crosses.

    Quarters in simple meters, dotted values in compound ones; an odd count of short notes
    goes in twos with a three at the end (7/8 = 2 + 2 + 3).
    """
    unit = Fraction(1, meter.denominator)
    if meter.denominator <= 4:
        return [Fraction(1, 4)] * int(meter.length * 4)
    if meter.is_compound:
        return [3 * unit] * (meter.numerator // 3)
    if meter.numerator <= 3:
        return [meter.length]
    pairs, odd = divmod(meter.numerator, 2)
    return [2 * unit] * (pairs - odd) + [3 * unit] * odd


def beat_spans(bar: Bar) -> list[tuple[Fraction, Fraction]]:
    """(start, length) of each beat of this bar; a pickup has the last ones of its meter."""
    return _spans(bar.meter, bar.missing)


@lru_cache(maxsize=256)
def _spans(meter: Meter, missing: Fraction) -> list[tuple[Fraction, Fraction]]:
    spans = []
    at = -missing
    for length in beats_of(meter):
        end = at + length
        if end > 0:
            start = max(at, Fraction(0))
            spans.append((start, end - start))
        at = end
    return spans


def write_bar(
    number: int, meter: Meter, notes: Iterable[Placed], length: Fraction | None = None
) -> Bar:
    """A bar with its voices filled; ScoreError for a place outside it or beyond any tuplet."""
    bar = Bar(number=number, meter=meter, voices=(), length=length or meter.length)
    struck: dict[int, dict[Fraction, list[Note]]] = {HANDS: {}, FEET: {}}
    for start, note in notes:
        if not 0 <= start < bar.length:
            raise ScoreError(f"bars[{number}]", f"{note.id} at {start} lies outside the bar")
        struck[voice_of(note.piece)].setdefault(start, []).append(note)
    voices = [_write_voice(bar, HANDS, struck[HANDS])]
    if struck[FEET]:
        voices.append(_write_voice(bar, FEET, struck[FEET]))
    return Bar(number=number, meter=meter, voices=tuple(voices), length=bar.length)


def placed_notes(bar: Bar) -> list[Placed]:
    """The way back: what `write_bar` needs to write the same bar."""
    return [
        (event.start, note)
        for voice in bar.voices
        for event in voice.events
        for note in event.notes
    ]


def _write_voice(bar: Bar, number: int, struck: Mapping[Fraction, list[Note]]) -> Voice:
    if not struck:
        return Voice(number, (VoiceEvent(Fraction(0), bar.length),))
    by_beat: list[list[VoiceEvent]] = []
    order = sorted(struck, key=float)
    at = 0
    for start, length in beat_spans(bar):
        end, first = start + length, at
        while at < len(order) and order[at] < end:
            at += 1
        shape = _shape_of(length, tuple(place - start for place in order[first:at]))
        by_beat.append(
            [
                VoiceEvent(
                    start + inside,
                    duration,
                    tuple(struck[start + inside]) if is_note else (),
                    tuplet,
                )
                for inside, duration, is_note, tuplet in shape
            ]
        )
    return Voice(number, tuple(_join_rests(bar, by_beat)))


Shape = tuple[tuple[Fraction, Fraction, bool, Tuplet | None], ...]
"""Start, duration, whether it is a note, tuplet; of a beat that begins at 0."""


@lru_cache(maxsize=4096)
def _shape_of(length: Fraction, starts: tuple[Fraction, ...]) -> Shape:
    """A beat with strokes at these places, written. Grooves use few of them over and over."""
    return tuple(_write_span(Fraction(0), length, starts))


def _write_span(
    start: Fraction, length: Fraction, starts: Sequence[Fraction], depth: int = 0
) -> Iterable[tuple[Fraction, Fraction, bool, Tuplet | None]]:
    """One beat, or a part of one, with as plain a division as its strokes allow."""
    slots = lcm(*(((at - start) / length).denominator for at in starts))
    plain = value_of(length / slots) is not None and (slots == 1 or _is_plain(length, slots))
    halves = _halves(length)
    if plain or slots in TUPLETS:
        if not plain and depth < 2 and _is_better_split(start, length, starts, halves):
            yield from _write_parts(start, halves, starts, depth)
            return
        normal = slots if plain else TUPLETS[slots]
        value = value_of(length / normal)
        if value and (plain or not value[1]):
            yield from _fill(_Span(start, length, slots, normal), starts)
            return
    if depth > 4 or length <= Fraction(1, 64):
        raise ScoreError("score", f"no note values for the places {', '.join(map(str, starts))}")
    yield from _write_parts(start, halves, starts, depth)


def _is_plain(length: Fraction, slots: int) -> bool:
    """Whether the slots are notes that need no tuplet: halves of a quarter, thirds of a dotted."""
    return all(value_of(length / slots * n) is not None for n in (1, 2))


def _halves(length: Fraction) -> list[Fraction]:
    """The parts in which a beat falls: two, or three where it is dotted."""
    parts = 3 if length.numerator % 3 == 0 else 2
    return [length / parts] * parts


def _is_better_split(
    start: Fraction, length: Fraction, starts: Sequence[Fraction], halves: Sequence[Fraction]
) -> bool:
    """An eighth and a 16th triplet read better than a sextuplet with a long note in it."""
    if len(halves) != 2:
        return False
    half = length / 2
    inner = [at - start for at in starts]
    busy = [any(0 < at < half for at in inner), any(at > half for at in inner)]
    return half in inner and busy.count(True) == 1


def _write_parts(
    start: Fraction, parts: Sequence[Fraction], starts: Sequence[Fraction], depth: int
) -> Iterable[tuple[Fraction, Fraction, bool, Tuplet | None]]:
    for length in parts:
        inside = [at for at in starts if start <= at < start + length]
        yield from _write_span(start, length, inside, depth + 1)
        start += length


@dataclass(frozen=True, slots=True)
class _Span:
    """A stretch cut into `slots` equal parts, written as if they were `normal`."""

    start: Fraction
    length: Fraction
    slots: int
    normal: int

    @property
    def unit(self) -> Fraction:
        """The written length of one slot."""
        return self.length / self.normal


def _fill(
    span: _Span, starts: Sequence[Fraction]
) -> list[tuple[Fraction, Fraction, bool, Tuplet | None]]:
    """Notes and rests for one span, slot by slot."""
    slot_length = span.length / span.slots
    onsets = [int((at - span.start) / slot_length) for at in starts]
    pieces: list[tuple[int, int, bool]] = []  # slot, slots long, is a note
    at = 0
    for onset, following in zip(onsets, [*onsets[1:], span.slots], strict=False):
        pieces += [(slot, size, False) for slot, size in _rests(span, at, onset)]
        size = _note_size(span, onset, following)
        pieces.append((onset, size, True))
        at = onset + size
    pieces += [(slot, size, False) for slot, size in _rests(span, at, span.slots)]
    events = []
    for index, (slot, size, is_note) in enumerate(pieces):
        start = span.start + slot * slot_length
        part = (
            TupletPart.START
            if index == 0
            else TupletPart.STOP
            if index == len(pieces) - 1
            else TupletPart.MIDDLE
        )
        tuplet = None if span.slots == span.normal else Tuplet(span.slots, span.normal, part)
        events.append((start, size * slot_length, is_note, tuplet))
    return events


def _note_size(span: _Span, onset: int, following: int) -> int:
    """How many slots a note lasts: to the next stroke if one note, dotted at most once, can."""
    size = following - onset
    value = value_of(span.unit * size)
    if value and value[1] <= 1 and not _crosses_middle(span, onset, size, value[1]):
        return size
    return _aligned_size(span, onset, size)


def _crosses_middle(span: _Span, onset: int, size: int, dots: int) -> bool:
    """A dotted note that hides the middle of the beat in its inside is hard to read."""
    middle = Fraction(span.slots, 2)
    inside = onset < middle < onset + size
    return bool(dots) and inside and onset != 0 and onset + size != span.slots


def _aligned_size(span: _Span, at: int, most: int) -> int:
    """The longest undotted note that starts at a multiple of its own length."""
    size = 1
    while at % (2 * size) == 0 and 2 * size <= most:
        value = value_of(span.unit * 2 * size)
        if value is None or value[1]:
            break
        size *= 2
    return size


def _rests(span: _Span, at: int, end: int) -> Iterable[tuple[int, int]]:
    """(slot, size) of the rests that fill a gap, the long ones on the strong places."""
    if at == 0 and end == span.slots:
        yield 0, end
        return
    while at < end:
        size = _aligned_size(span, at, end - at)
        yield at, size
        at += size


def _join_rests(bar: Bar, by_beat: Sequence[Sequence[VoiceEvent]]) -> Iterable[VoiceEvent]:
    """Two silent quarters that are the first or second half of a 4/4 bar become a half rest."""
    joins = str(bar.meter) == "4/4" and not bar.missing
    index = 0
    while index < len(by_beat):
        pair = by_beat[index : index + 2]
        if joins and index % 2 == 0 and all(_is_silent(events) for events in pair):
            yield VoiceEvent(pair[0][0].start, Fraction(1, 2))
            index += 2
            continue
        yield from by_beat[index]
        index += 1


def _is_silent(events: Sequence[VoiceEvent]) -> bool:
    return len(events) == 1 and events[0].is_rest


# Beams

BEAMED: Final[Mapping[str, int]] = {"eighth": 1, "16th": 2, "32nd": 3, "64th": 4, "128th": 5}


def beams(bar: Bar, voice: Voice) -> list[tuple[str, ...]]:
    """For each event of the voice its beams from the outermost in: begin, continue, end, hooks.

    Beams join the notes of one beat and stop at rests. An empty tuple: a flag, or no flag.
    """
    result: list[tuple[str, ...]] = [()] * len(voice.events)
    for group in _beam_groups(bar, voice):
        if len(group) < 2:
            continue
        levels = [_beam_count(voice.events[index]) for index in group]
        for place, index in enumerate(group):
            result[index] = tuple(
                _beam(levels, place, level, _leans_back(bar, voice, group, place))
                for level in range(1, levels[place] + 1)
            )
    return result


def _beam_count(event: VoiceEvent) -> int:
    value = value_of(event.written)
    return BEAMED.get(value[0], 0) if value and not event.is_rest else 0


def _beam_groups(bar: Bar, voice: Voice) -> Iterable[list[int]]:
    spans = beat_spans(bar)
    beat = 0
    group: list[int] = []
    for index, event in enumerate(voice.events):
        while beat + 1 < len(spans) and event.start >= spans[beat + 1][0]:
            beat += 1
            yield group
            group = []
        if _beam_count(event):
            group.append(index)
        else:
            yield group
            group = []
    yield group


def _leans_back(bar: Bar, voice: Voice, group: Sequence[int], place: int) -> bool:
    """Whether a lone short note's hook points at the note before it."""
    if place == 0:
        return False
    if place == len(group) - 1:
        return True
    event, before = voice.events[group[place]], voice.events[group[place - 1]]
    # It completes what the note before began: dotted eighth + 16th.
    return (before.end - bar.length).denominator >= event.end.denominator


def _beam(levels: Sequence[int], place: int, level: int, leans_back: bool) -> str:
    before = place > 0 and levels[place - 1] >= level
    after = place + 1 < len(levels) and levels[place + 1] >= level
    if before and after:
        return "continue"
    if before or after:
        return "end" if before else "begin"
    return "backward hook" if leans_back else "forward hook"
