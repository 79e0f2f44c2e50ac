"""Which bars share a line of the page, and which rests one sign can say."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from services.notation.domain.score import Bar

BARS_A_LINE: Final = 4
# More columns than this do not fit on a line of A4 without crowding.
COLUMNS_A_LINE: Final = 56
_NARROWEST: Final = 4


@dataclass(frozen=True, slots=True)
class Room:
    """What a line takes; as set here, one of A4."""

    bars: int = BARS_A_LINE
    columns: int = COLUMNS_A_LINE


A4: Final = Room()
_A4_MM: Final = 194.0


def room_on(width_mm: float) -> Room:
    """What a line of so much music takes: eight bars instead of four where the page is as wide as
    two of A4."""
    columns = max(1, int(width_mm / _A4_MM * COLUMNS_A_LINE))
    return Room(BARS_A_LINE * (2 if columns >= 2 * COLUMNS_A_LINE else 1), columns)


def line_breaks(bars: Iterable[Bar], signs: Collection[int] = (), room: Room = A4) -> set[int]:
    """Indices of bars that begin a line: as many to a line as it has room for, else half as many,
    down to one.

    A pickup shares the first line with as many more. `signs` are numbers of bars drawn as a sign.
    """
    bars = list(bars)
    columns = [
        _NARROWEST
        if bar.number in signs
        else max(_NARROWEST, len({e.start for v in bar.voices for e in v.events}))
        for bar in bars
    ]
    breaks = set()
    begin = 0
    while begin < len(bars):
        fewer = room.bars
        size = fewer + (1 if begin == 0 and bars[0].missing else 0)
        while size > 1 and sum(columns[begin : begin + size]) > room.columns:
            size = fewer = max(1, fewer // 2)
        if begin:
            breaks.add(begin)
        begin += size
    return breaks


def doubled_rests(bar: Bar) -> frozenset[Fraction]:
    """Where the feet rest just as the hands do: one rest says it for both."""
    hands = {
        (event.start, event.duration)
        for event in bar.voices[0].events
        if event.is_rest and event.tuplet is None
    }
    return frozenset(
        event.start
        for event in bar.voices[-1].events
        if event.is_rest and event.tuplet is None and (event.start, event.duration) in hands
    )
