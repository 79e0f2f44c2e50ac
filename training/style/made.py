"""Textbook grooves, as a method book would print them, to practise on beside what was recorded.

Groove MIDI has one highlife take and three of reggae: what a style is shows in none of its takes
alone. A row is a piece and its bar, sixteen characters (or twelve: triplets): X accented, x
struck, o softer, g ghost, `.` nothing; two bars follow one another. Every variation is the seed's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import count
from typing import Final

import numpy as np

from libs.common.drums import Articulation, DrumPiece
from libs.common.meter import Meter
from libs.common.part import Part, PartBar, PartSwing, PartTempo, Stroke, ordered
from services.ai.domain.styles.features import lay_out, swung

_PIECES: Final = {
    "K": DrumPiece.KICK, "S": DrumPiece.SNARE, "X": DrumPiece.CROSS_STICK,
    "H": DrumPiece.HAT_CLOSED, "O": DrumPiece.HAT_OPEN, "P": DrumPiece.HAT_PEDAL,
    "R": DrumPiece.RIDE, "B": DrumPiece.RIDE_BELL, "1": DrumPiece.TOM_HIGH,
    "2": DrumPiece.TOM_MID, "3": DrumPiece.TOM_FLOOR, "C": DrumPiece.CRASH,
    "W": DrumPiece.COWBELL, "h": DrumPiece.HAT_HALF_OPEN,
}  # fmt: skip
_LOUD: Final = {"X": 112, "x": 92, "o": 66, "g": 26}
_FOUR: Final = Meter(4, 4)


@dataclass(frozen=True)
class Pattern:
    """One groove and how fast it is played."""

    style: str
    slowest: float
    fastest: float
    rows: str
    swing: tuple[float, float] = (1.0, 1.0)
    unit: Fraction = Fraction(1, 8)


_JAZZ: Final = (1.5, 2.3)
_SHUFFLE: Final = (1.7, 2.3)
_HALF: Final = Fraction(1, 16)
PATTERNS: Final = (
    Pattern("rock", 76, 150, "H x.o.x.o.x.o.x.o.|S ....X.......X...|K x.......x......."),
    Pattern("rock", 76, 140, "H x.o.x.o.x.o.x.o.|S ....X.......X...|K x.......x.x....."),
    Pattern("rock", 80, 150, "R x.x.x.x.x.x.x.x.|S ....X.......X...|K x.....x.x......."),
    Pattern("rock", 90, 160, "h x.x.x.x.x.x.x.x.|S ....X.......X...|K x.x.....x.x....."),
    Pattern("rock", 60, 90, "H xoxoxoxoxoxoxoxo|S ....X.......X...|K x.........x....."),
    Pattern("rock", 120, 160, "h x...x...x...x...|S ........X.......|K x.....x.......x."),
    Pattern("rock", 90, 140, "3 x.x.x.x.x.x.x.x.|S ....X.......X...|K x.......x......."),
    Pattern("pop", 90, 130, "H x.x.x.x.x.x.x.x.|S ....x.......x...|K x.....x...x....."),
    Pattern("pop", 60, 90, "H x.o.x.o.x.o.x.o.|X ....x.......x...|K x......xx......."),
    Pattern("pop", 100, 132, "H xoxoxoxoxoxoxoxo|S ....x.......x...|K x...x...x...x..."),
    Pattern("pop", 70, 110, "H x.o.x.o.x.o.x.o.|S ....x.......x...|K x..x....x.x....."),
    Pattern("funk", 88, 118, "H xoxoxoxoxoxoxoxo|S .g..X..g.g..X..g|K x.x...x...x..x.."),
    Pattern("funk", 92, 116, "H x.x.x.x.x.x.x.x.|S ....X..g.g.gX..g|K x.x.......x..x.."),
    Pattern("funk", 90, 120, "H x.x.x.xx.x.x.x.x|S .g.gX..g.gX..g.X|K x..x..x..x.x...."),
    Pattern("funk", 84, 112,
            "H xoxoxox.xoxoxoxo|O .......x........|S ....X..g.g..X...|K x..x..x...x..x.."),
    Pattern("funk", 96, 138, "H x.x.x.x.x.x.x.x.|S ....X..g.g..X...|K x..x......x..x.."),
    Pattern("soul", 84, 116, "H x.o.x.o.x.o.x.o.|S ....x.......x...|K x.....x.x.....x."),
    Pattern("soul", 100, 135, "H x.o.x.o.x.o.x.o.|S x...x...x...x...|K x.....x.x.....x."),
    Pattern("soul", 76, 104, "H x.o.x.o.x.o.x.o.|S ....x..g....x..g|K x.x.......x....."),
    Pattern("soul", 84, 110, "H x.o.x.o.x.o.x.o.|S ....x.......x...|K x......xx......."),
    Pattern("soul", 76, 100, "H x.o.x.o.x.o.x.o.|X ....x.......x...|K x.....xx..x....."),
    Pattern("soul", 60, 84, "H xooxooxooxoo|S ...x.....x..|K x....xx....."),
    Pattern("hiphop", 80, 102, "H x.o.x.o.x.o.x.o.|S ....X.......X...|K x......x.xx.....",
            (1.15, 1.6), _HALF),
    Pattern("hiphop", 78, 100, "H x.o.x.o.x.o.x.o.|S ....X..g.g..X...|K x.x....x.x......",
            (1.1, 1.6), _HALF),
    Pattern("hiphop", 65, 98, "H x.x.x.x.x.x.x.x.|S ....X.......X...|K x..x...x..x....."),
    Pattern("hiphop", 80, 100, "H x...x...x...x...|S ....X.......X...|K x.....xx..x....."),
    Pattern("jazz", 110, 240, "R x...x.x.x...x.x.|P ....x.......x...", _JAZZ),
    Pattern("jazz", 110, 220,
            "R x...x.x.x...x.x.|P ....x.......x...|S ......g.......o.|K o...o...o...o...",
            _JAZZ),
    Pattern("jazz", 100, 200,
            "R x...x.x.x...x.x.|P ....x.......x...|S ..o.......o.....|K ......o.........",
            _JAZZ),
    Pattern("jazz", 120, 220, "R x...x.x.x...x.x.|P ....x.......x...|X ............x...", _JAZZ),
    Pattern("jazz", 80, 150, "O x.......x.......|H ....x.x.....x.x.|K o.......o.......", _JAZZ),
    Pattern("latin", 110, 150,
            "H x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.|X x.....x.....x.......x.....x.....|"
            "K x.....x.x.....x.x.....x.x.....x."),
    Pattern("latin", 92, 124,
            "R xoxxxoxxxoxxxoxx|S g.g..g.gg.g..g.g|K x..xx..xx..xx..x|P ....x.......x..."),
    Pattern("latin", 90, 120, "H xoxoxoxoxoxoxoxo|S ...x..x....x..x.|K x..x....x..x...."),
    Pattern("latin", 80, 110, "S xooXooXoxooXooXo|K x.......x......."),
    Pattern("latin", 160, 220,
            "R x.x.xx.xx.x.x.x.|X ....x.......x...|K ......x.......x.|1 ............x.x."),
    Pattern("latin", 100, 140,
            "W x...x...x...x...|X ....x...........|1 ............x.x.|K ......x.....x..."),
    Pattern("afrocuban", 95, 130,
            "W x...x.x.xx.x.x.xx...x.xx.x.xx.x.|X x.....x.......x.....x...x.......|"
            "K ......x.........x.....x........."),
    Pattern("afrocuban", 95, 130, "B x.xx.xx.xx.x|X ...x.....x..|K x..x..x..x..|P ...x.....x.."),
    Pattern("afrocuban", 100, 130, "R x.x.xxx.xxx.|S ..g..x..g..x|K x....xx....x|1 ....x.....x."),
    Pattern("afrocuban", 160, 210,
            "R x...x...xx..xx..x...xx..x...x...|X x.....x.....x.......x...x.......|"
            "K ......x.....x.........x.....x...|P ....x.......x.......x.......x..."),
    Pattern("punk", 150, 210, "H x...x...x...x...|S ....X.......X...|K x.....x.x......."),
    Pattern("punk", 140, 200, "R x.x.x.x.x.x.x.x.|S ..X...X...X...X.|K x...x...x...x..."),
    Pattern("punk", 150, 210, "h x.x.x.x.x.x.x.x.|S ....X.......X...|K x.x...x.x.x....."),
    Pattern("neworleans", 80, 112, "S XooXooXooXoXoXoo|K x..x..x...x.x...|P ....x.......x...",
            (1.1, 1.6), _HALF),
    Pattern("neworleans", 80, 110, "S ooXooXooXooXXoXo|K x.....x.....x...|P ....x.......x...",
            (1.1, 1.6), _HALF),
    Pattern("neworleans", 84, 108, "H x.x.x.xx.xx.x.x.|S .g.Xg.Xg.gXg.X.g|K x..x..x.....x...",
            (1.05, 1.5), _HALF),
    Pattern("country", 90, 130, "S ooXoooXoooXoooXo|K x...x...x...x..."),
    Pattern("country", 120, 220, "H x.x.x.x.x.x.x.x.|X ....x.......x...|K x.......x......."),
    Pattern("country", 85, 125, "H x..ox..ox..ox..o|X ....x.......x...|K x.......x.......",
            (1.3, 2.0), _HALF),
    Pattern("reggae", 66, 90, "H x.o.x.o.x.o.x.o.|X ........X.......|K ........X.......",
            (1.0, 1.6)),
    Pattern("reggae", 66, 90, "H x.o.x.o.x.o.x.o.|X ........X.......|K x.......X......."),
    Pattern("reggae", 120, 160, "H x.x.x.x.x.x.x.x.|X ....x.......x...|K ....X.......X...",
            (1.0, 1.7)),
    Pattern("reggae", 66, 88, "H x.o.x.o.x.o.x.o.|X ........X.......|K X...X...X...X..."),
    Pattern("gospel", 100, 145, "H x.x.x.x.x.x.x.x.|S ....X..o....X.o.|K x..x..x.x..x...."),
    Pattern("gospel", 60, 84, "H xooxooxooxoo|S ...X.....X..|K x.x..xx.x..x|3 ...........x"),
    Pattern("gospel", 120, 170, "R x.x.x.x.x.x.x.x.|S ..X...X...X...X.|K x...x..xx...x..x"),
    Pattern("afrobeat", 92, 118, "H x.xxx.xxx.xxx.xx|S ...g..X..g..X..g|K x.....x.x..x...."),
    Pattern("afrobeat", 95, 116, "H x.x.x.x.x.x.x.x.|S ..g..gX..g.g.X.g|K x..x..x...x....x"),
    Pattern("dance", 115, 132, "H ..x...x...x...x.|S ....x.......x...|K X...X...X...X..."),
    Pattern("dance", 112, 130,
            "H x.......x.......|O ..x...x...x...x.|S ....X.......X...|K X...X...X...X..."),
    Pattern("dance", 116, 130, "H xoxoxoxoxoxoxoxo|S ....X.......X...|K X...X...X...X..."),
    Pattern("blues", 60, 140, "H x.o.x.o.x.o.x.o.|S ....X.......X...|K x.......x.......", _SHUFFLE),
    Pattern("blues", 50, 80, "H xooxooxooxoo|S ...X.....X..|K x....xx....."),
    Pattern("blues", 80, 140, "R x.o.x.o.x.o.x.o.|S ....X.......X...|K x.....x.x.......", _SHUFFLE),
    Pattern("middleeastern", 90, 130, "K x.......x.......|S ..X...X.....X...|H x.x.x.x.x.x.x.x."),
    Pattern("middleeastern", 80, 120, "K x.......x.......|S ..x...x.....x.oo|3 ..............x."),
    Pattern("middleeastern", 80, 120, "K x.x.....x.......|1 ......x.....x.oo|S ...oo.....oo...."),
    Pattern("highlife", 110, 140, "H ..x...x...x...x.|X x.....x.....x...|K x...x...x...x..."),
    Pattern("highlife", 105, 135, "H x.xxx.xxx.xxx.xx|X ...x..x...x.x...|K x...x...x...x..."),
)  # fmt: skip


@dataclass(frozen=True)
class Made:
    """A part and what it is an example of."""

    name: str
    style: str
    part: Part


def make_parts(each: int, seed: int) -> Iterator[Made]:
    """So many variations of every pattern."""
    rng = np.random.default_rng(seed)
    for number, pattern in enumerate(PATTERNS):
        for turn in range(each):
            name = f"made:{number}:{turn}"
            yield Made(name, pattern.style, _vary(name, pattern, rng))


def plain(pattern: Pattern, bars: int = 4) -> Part:
    """As printed: the middle tempo, nobody playing."""
    swing = sum(pattern.swing) / 2
    return _lay(
        pattern.style, _strokes(pattern), bars, (pattern.slowest + pattern.fastest) / 2,
        swing, pattern.unit,
    )  # fmt: skip


def _strokes(pattern: Pattern) -> list[tuple[Fraction, DrumPiece, str]]:
    """(from the pattern's beginning in bars, piece, how loud)."""
    found = []
    for row in pattern.rows.split("|"):
        piece, marks = row.split(" ")
        per_bar = 12 if len(marks) % 16 else 16
        found += [
            (Fraction(step, per_bar), _PIECES[piece], mark)
            for step, mark in enumerate(marks)
            if mark != "."
        ]
    return found


def _lay(
    title: str, strokes: list[tuple[Fraction, DrumPiece, str]], bars: int, bpm: float,
    swing: float, unit: Fraction,
) -> Part:  # fmt: skip
    length = 2 if any(at >= 1 for at, _, _ in strokes) else 1
    return Part(
        title=title,
        bars=tuple(
            PartBar(
                number,
                _FOUR,
                ordered(
                    [
                        Stroke(
                            at % 1, piece, _LOUD[mark],
                            (Articulation.GHOST,) if mark == "g" else (),
                        )
                        for at, piece, mark in strokes
                        if int(at) == (number - 1) % length
                    ]
                ),
            )
            for number in range(1, bars + 1)
        ),
        tempos=(PartTempo(1, bpm),),
        swing=(PartSwing(1, unit, swing),) if swing > 1.05 else (),
    )  # fmt: skip


def _vary(name: str, pattern: Pattern, rng: np.random.Generator) -> Part:
    """Another drummer's: tempo, touch, a few strokes more or less, now and then only printed."""
    bpm = float(np.exp(rng.uniform(np.log(pattern.slowest), np.log(pattern.fastest))))
    bars = int(rng.choice([1, 2, 4, 8]))
    straight = rng.random() < 0.15 and pattern.unit == _HALF
    swing = 1.0 if straight else float(rng.uniform(*pattern.swing))
    part = _lay(name, _strokes(pattern), max(2, bars), bpm, swing, pattern.unit)
    gain, spread = rng.normal(0, 10), rng.uniform(2, 12)
    loud = {piece: rng.normal(0, 7) for piece in DrumPiece}
    ride = rng.random() < 0.15
    loose_s = rng.uniform(0.003, 0.012)
    played = rng.random() < 0.7
    beat_s = 60 / bpm
    ids = count()
    bars_ = []
    for bar in part.bars:
        start_s = (bar.number - 1) * 4 * beat_s
        strokes = []
        for stroke in bar.strokes:
            if rng.random() < 0.04 or (stroke.velocity < 40 and rng.random() < 0.25):
                continue
            piece = stroke.piece
            if ride and piece is DrumPiece.HAT_CLOSED:
                piece = DrumPiece.RIDE
            velocity = round(
                float(np.clip(stroke.velocity + gain + loud[piece] + rng.normal(0, spread), 8, 127))
            )
            strokes.append(
                Stroke(
                    stroke.at, piece, velocity, stroke.marks, id=f"n{next(ids)}",
                )
            )  # fmt: skip
        if bar.number == 1 and rng.random() < 0.2:
            strokes.append(Stroke(Fraction(0), DrumPiece.CRASH, 105))
        bars_.append(
            PartBar(bar.number, bar.meter, ordered(strokes), start_s=start_s,
                    end_s=start_s + 4 * beat_s)
        )  # fmt: skip
    laid = Part(part.title, tuple(bars_), part.tempos, part.swing)
    return _play(laid, loose_s, rng) if played else laid


def _play(part: Part, loose_s: float, rng: np.random.Generator) -> Part:
    """With when it was played."""
    times = {(one.bar, one.beat, one.piece): one.time_s for one in lay_out(part).strokes}
    bars = []
    for index, bar in enumerate(part.bars):
        swing = part.swing_at(bar.number)
        own = []
        for stroke in bar.strokes:
            at = _sounding(stroke.at, swing)
            written_s = times[index, at, stroke.piece]
            own.append(
                replace(stroke, written_s=written_s,
                        played_s=written_s + float(rng.normal(0, loose_s)))
            )  # fmt: skip
        bars.append(replace(bar, strokes=tuple(own)))
    return replace(part, bars=tuple(bars))


def _sounding(at: Fraction, swing: PartSwing | None) -> float:
    """In beats of a quarter."""
    beat = float(at) / 0.25
    return swung(beat, float(swing.unit) / 0.25, swing.ratio) if swing else beat
