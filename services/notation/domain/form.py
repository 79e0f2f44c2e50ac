"""What a reader sees from afar: sections, how loud they are, and bars that return exactly."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import median
from typing import Final

from libs.common.drums import Articulation, DrumPiece
from services.notation.domain.document import writing_of
from services.notation.domain.score import (
    Bar,
    Dynamic,
    DynamicMark,
    Hairpin,
    HairpinKind,
    Repeat,
    Section,
)


@dataclass(frozen=True, slots=True)
class Form:
    """Marks for a score."""

    sections: tuple[Section, ...]
    dynamics: tuple[Dynamic, ...]
    hairpins: tuple[Hairpin, ...]
    repeats: tuple[Repeat, ...]


def find(bars: Sequence[Bar]) -> Form:
    """All marks that the written bars bear."""
    sections = find_sections(bars)
    dynamics, hairpins = find_dynamics(bars)
    return Form(sections, dynamics, hairpins, find_repeats(bars))


# Repeats


def find_repeats(bars: Sequence[Bar]) -> tuple[Repeat, ...]:
    """Bars written exactly like the 1, 2 or 4 before them; empty bars have no sign."""
    found: list[Repeat] = []
    writings = [writing_of(bar) for bar in bars]
    silent = [all(e.is_rest for v in bar.voices for e in v.events) for bar in bars]
    free = 0
    index = 1
    while index < len(bars):
        for size in (1, 2, 4):
            # A sign points at bars; a reader does not follow it to the sign before the sign.
            if index < size or (size > 1 and index - size < free):
                continue
            if (
                index + size <= len(bars)
                and writings[index : index + size] == writings[index - size : index]
                and not all(silent[index : index + size])
            ):
                found.append(Repeat(bars[index].number, size))
                index += size
                free = index - size if size > 1 else index
                break
        else:
            index += 1
    return tuple(found)


# Sections

_LEAST_BARS: Final = 4
_ALIKE: Final = 0.72
_FAMILY: Final[dict[DrumPiece, str]] = {
    DrumPiece.KICK: "kick",
    DrumPiece.SNARE: "snare",
    DrumPiece.RIMSHOT: "snare",
    DrumPiece.CROSS_STICK: "stick",
    DrumPiece.HAT_CLOSED: "hat",
    DrumPiece.HAT_HALF_OPEN: "hat",
    DrumPiece.HAT_OPEN: "hat",
    DrumPiece.HAT_PEDAL: "foot",
    DrumPiece.RIDE: "ride",
    DrumPiece.RIDE_BELL: "ride",
    DrumPiece.TOM_HIGH: "tom",
    DrumPiece.TOM_MID: "tom",
    DrumPiece.TOM_FLOOR: "tom",
}


def find_sections(bars: Sequence[Bar]) -> tuple[Section, ...]:
    """Where the groove turns into another for four bars or more, called A, B, … by likeness.

    A bar is the multiset of what is struck at which eighth, ghosts left out; two bars are alike by
    the Dice index of theirs. A take that keeps one groove has no sections to show.
    """
    if len(bars) < 2 * _LEAST_BARS:
        return ()
    looks = [_look(bar) for bar in bars]
    borders = [0]
    for index in range(_LEAST_BARS, len(bars) - _LEAST_BARS + 1):
        if index - borders[-1] < _LEAST_BARS:
            continue
        before = _typical(looks[max(borders[-1], index - 8) : index])
        after = _typical(looks[index : index + _LEAST_BARS])
        # All four bars to come, and not just a fill, are nearer to each other than to before.
        if _alike(before, after) < _ALIKE and all(
            _alike(look, after) > _alike(look, before) for look in looks[index : index + 3]
        ):
            borders.append(index)
    if len(borders) == 1:
        return ()
    sections: list[Section] = []
    letters: list[tuple[str, Counter[tuple[str, int]]]] = []
    for start, end in zip(borders, [*borders[1:], len(bars)], strict=True):
        look = _typical(looks[start:end])
        name = next((n for n, other in letters if _alike(look, other) >= _ALIKE), None)
        if name is None:
            name = _letter(len(letters))
            letters.append((name, look))
        if not sections or sections[-1].name != name:
            sections.append(Section(bars[start].number, name))
    return tuple(sections) if len(sections) > 1 else ()


def _look(bar: Bar) -> Counter[tuple[str, int]]:
    return Counter(
        (_FAMILY.get(note.piece, "cymbal"), math.floor(event.start * 8))
        for voice in bar.voices
        for event in voice.events
        for note in event.notes
        if Articulation.GHOST not in note.articulations
    )


def _typical(looks: Sequence[Counter[tuple[str, int]]]) -> Counter[tuple[str, int]]:
    """What is struck in half of the bars or more."""
    uses = Counter(key for look in looks for key in look)
    return Counter({key: 1 for key, times in uses.items() if 2 * times >= len(looks)})


def _alike(one: Counter[tuple[str, int]], other: Counter[tuple[str, int]]) -> float:
    total = sum(one.values()) + sum(other.values())
    return 2 * sum((one & other).values()) / total if total else 1.0


def _letter(index: int) -> str:
    """A to Z, then A2 …"""
    again, place = divmod(index, 26)
    return chr(ord("A") + place) + (str(again + 1) if again else "")


# Dynamics

# The middle velocity of each mark's strokes, as notation programs play them (MuseScore's table).
_VELOCITY: Final[dict[DynamicMark, int]] = {
    DynamicMark.PPP: 16,
    DynamicMark.PP: 33,
    DynamicMark.P: 49,
    DynamicMark.MP: 64,
    DynamicMark.MF: 80,
    DynamicMark.F: 96,
    DynamicMark.FF: 112,
    DynamicMark.FFF: 126,
}
_CHANGE: Final = 20.0
"""Velocity steps by which a passage must differ to be marked anew."""
_HAIRPIN_BARS: Final = 4


def find_dynamics(bars: Sequence[Bar]) -> tuple[tuple[Dynamic, ...], tuple[Hairpin, ...]]:
    """A mark at the beginning, and where four bars differ clearly from what was marked; a hairpin
    where the way there was gradual."""
    levels = [_level(bar) for bar in bars]
    heard = [(index, level) for index, level in enumerate(levels) if level is not None]
    if not heard:
        return (), ()
    first = heard[0][0]
    current = median([level for _, level in heard[:4]])
    dynamics = [Dynamic(bars[first].number, _first_start(bars[first]), _mark(current))]
    hairpins: list[Hairpin] = []
    for place in range(1, len(heard)):
        ahead = [level for _, level in heard[place : place + 4]]
        aim = median(ahead)
        if len(ahead) < 3 or not all(abs(level - current) > _CHANGE for level in ahead):
            continue
        mark = _mark(aim)
        index = heard[place][0]
        if mark == dynamics[-1].mark:
            continue
        begin = _gradual(heard, place, current, aim)
        if begin is not None and bars[begin].number > dynamics[-1].bar:
            kind = HairpinKind.CRESCENDO if aim > current else HairpinKind.DIMINUENDO
            hairpins.append(
                Hairpin(
                    bars[begin].number, Fraction(0), bars[index - 1].number,
                    bars[index - 1].length, kind,
                )
            )  # fmt: skip
        dynamics.append(Dynamic(bars[index].number, Fraction(0), mark))
        current = aim
    return tuple(dynamics), tuple(hairpins)


def _level(bar: Bar) -> float | None:
    """The middle velocity of a bar's plain strokes."""
    plain = [
        note.velocity
        for voice in bar.voices
        for event in voice.events
        for note in event.notes
        if not {Articulation.GHOST, Articulation.ACCENT, Articulation.STRONG_ACCENT}
        & set(note.articulations)
    ]
    return median(plain) if plain else None


def _first_start(bar: Bar) -> Fraction:
    return min(event.start for voice in bar.voices for event in voice.events if event.notes)


def _mark(level: float) -> DynamicMark:
    return min(_VELOCITY, key=lambda mark: abs(_VELOCITY[mark] - level))


def _gradual(
    heard: Sequence[tuple[int, float]], place: int, current: float, aim: float
) -> int | None:
    """The bar from which the level went steadily from one to the other; None for a jump."""
    sign = 1 if aim > current else -1
    begin = place
    while begin > max(1, place - _HAIRPIN_BARS):
        step = sign * (heard[begin][1] - heard[begin - 1][1])
        if step < 3:
            break
        begin -= 1
    return heard[begin][0] if place - begin >= 2 else None
