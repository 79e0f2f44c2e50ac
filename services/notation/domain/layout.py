"""Which bars share a line of the page, and which rests one sign can say."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from fractions import Fraction
from typing import Final

from services.notation.domain.score import Bar

BARS_A_LINE: Final = 4
# More columns than this do not fit on a line of A4 without crowding.
COLUMNS_A_LINE: Final = 56
_NARROWEST: Final = 4


def line_breaks(bars: Iterable[Bar], signs: Collection[int] = ()) -> set[int]:
    """Indices of bars that begin a line: four to a line where they fit, else two, else one.

    A pickup shares the first line with four more. `signs` are numbers of bars drawn as a sign.
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
        size = BARS_A_LINE + (1 if begin == 0 and bars[0].missing else 0)
        while size > 1 and sum(columns[begin : begin + size]) > COLUMNS_A_LINE:
            size = 2 if size > 2 else 1
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
