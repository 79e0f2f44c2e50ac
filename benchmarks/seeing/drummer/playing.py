"""Performances whose hands are known: grooves, fills and exercises with a drummer's looseness."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from libs.common.drums import FEET, DrumPiece, Hand, Hit

_PIECES: Final = {
    "k": DrumPiece.KICK,
    "p": DrumPiece.HAT_PEDAL,
    "s": DrumPiece.SNARE,
    "h": DrumPiece.HAT_CLOSED,
    "o": DrumPiece.HAT_OPEN,
    "r": DrumPiece.RIDE,
    "c": DrumPiece.CRASH,
    "1": DrumPiece.TOM_HIGH,
    "2": DrumPiece.TOM_MID,
    "3": DrumPiece.TOM_FLOOR,
}

# One bar each. A row is a limb: R, L and F(eet); a character a place of the grid, `.` rests. Upper
# case is an accent.
_GROOVES: Final[dict[str, tuple[str, str, str]]] = {
    "rock": ("h.h.h.h.h.h.h.h.", "....S.......S...", "k.......k.k....."),
    "rock-ghosts": ("h.h.h.h.h.h.h.h.", "....S..s.s..S...", "k.....k.k......."),
    "sixteenths": ("h.h.S.h.h.h.S.h.", ".h.h.h.h.h.h.h.h", "k.......k.k....."),
    "ride": ("r.r.r.r.r.r.r.r.", "....S.......S..s", "k..k....k.k....."),
    "four-floor": ("..o...o...o...o.", "....S.......S...", "k...k...k...k..."),
    "jazz": ("r...r..r....r..r", ".s.......s....s.", "....p.......p..."),
    "singles": ("s.s.s.s.s.s.s.s.", ".s.s.s.s.s.s.s.s", "k...k...k...k..."),
    "paradiddle": ("S.ss.s..S.ss.s..", ".s..S.ss.s..S.ss", "k...k...k...k..."),
    "toms": ("3...3.1.3...3.2.", "..3...1...3...2.", "k..k..k.k..k..k."),
    "eighths": ("s...s...s...s...", "..s...s...s...s.", "k.......k......."),
    "open-hand": ("....S.......S...", "h.h.h.h.h.h.h.h.", "k.....k.k......."),
    "half-time": ("h...h...h...h...", "........S.......", "k.........k....."),
}
_FILLS: Final[tuple[tuple[str, str, str], ...]] = (
    ("S.s.1.1.2.2.3.3.", ".s.s.1.1.2.2.3.3", "k...k...k...k..."),
    ("h.h.h.h.S.1.2.3.", "....S....s.1.2.3", "k.......k......."),
    ("C...h.h.h.h.S.s.", "....S........s.s", "k.....k.k......."),
)
GROOVES: Final = tuple(_GROOVES)


@dataclass(frozen=True, slots=True)
class Played:
    """One stroke with the limb that played it; `hand` None is a foot."""

    hit: Hit
    hand: Hand | None


def played(
    rng: np.random.Generator,
    duration_s: float,
    *,
    groove: str | None = None,
    tempo_bpm: float | None = None,
    looseness_s: float = 0.007,
    left_handed: bool = False,
    lead_in_s: float = 0.6,
) -> list[Played]:
    """A performance of `duration_s` from `lead_in_s` on: one groove, a fill now and then."""
    name = groove or str(rng.choice(GROOVES))
    tempo = tempo_bpm or float(rng.uniform(75, 150))
    step_s = 60.0 / tempo / 4
    bars = int(np.ceil(duration_s / (16 * step_s)))
    strokes: list[tuple[float, DrumPiece, int, Hand | None]] = []
    for bar in range(bars):
        fill = bar % 4 == 3 and bool(rng.random() < 0.7)
        rows = _FILLS[int(rng.integers(len(_FILLS)))] if fill else _GROOVES[name]
        for place, piece, accent, hand in _read(rows):
            at_s = lead_in_s + (bar * 16 + place) * step_s + float(rng.normal(0, looseness_s))
            base = 105 if accent else 78 if piece is not DrumPiece.SNARE or fill else 60
            velocity = int(np.clip(rng.normal(base, 9), 12, 127))
            strokes.append((at_s, piece, velocity, _other(hand) if left_handed else hand))
    strokes = sorted(s for s in strokes if 0 < s[0] < lead_in_s + duration_s - 0.3)
    return [
        Played(Hit(at_s, piece, velocity, id=f"ev-{number:06d}"), hand)
        for number, (at_s, piece, velocity, hand) in enumerate(strokes, 1)
    ]


def _read(rows: tuple[str, str, str]) -> Iterator[tuple[int, DrumPiece, bool, Hand | None]]:
    for row, hand in zip(rows, (Hand.RIGHT, Hand.LEFT, None), strict=True):
        for place, letter in enumerate(row):
            if letter == ".":
                continue
            piece = _PIECES[letter.lower()]
            yield place, piece, letter.isupper(), None if piece in FEET else hand


def _other(hand: Hand | None) -> Hand | None:
    return {Hand.RIGHT: Hand.LEFT, Hand.LEFT: Hand.RIGHT}.get(hand) if hand else None
