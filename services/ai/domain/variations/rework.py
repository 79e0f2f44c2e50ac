"""Made anew on the groove's frame: linear, paradiddle, fill."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import cycle, islice
from random import Random
from typing import Final

from libs.common.drums import FEET, Hand
from libs.common.drums import DrumPiece as P
from libs.common.meter import Meter
from libs.common.part import PartBar, Stroke, ordered
from services.ai.domain.variations.excerpt import (
    CRASHES,
    HATS,
    RIDES,
    SNARES,
    Excerpt,
    Strokes,
    accent,
    backbeats,
    ghost,
    plain,
    unstuck,
)
from services.ai.domain.variations.kinds import MAX_BARS, CannotVary, Draft
from services.ai.domain.variations.touch import grid_of

F = Fraction
_HAND: Final = {"R": Hand.RIGHT, "L": Hand.LEFT}


# Linear


def linear(excerpt: Excerpt, random: Random) -> Iterator[Draft]:
    """No two limbs at once: backbeat before kick before the rest, and the gaps filled by hands."""
    ways = ["full", "full", "hats", "eighths", "bare"]
    random.shuffle(ways)
    for way in dict.fromkeys(ways):
        yield Draft(
            label="linear",
            change=_LINEAR[way],
            why="One line instead of layers: every stroke has to stand by itself, and the time "
            "between limbs gets exact.",
            steps=(
                "Sing the line as one melody before you play it.",
                "Play it slowly with all strokes equally loud, then bring out the backbeats.",
                "Listen for flams between limbs: there must be none, as nothing falls together.",
            ),
            bars=excerpt.each(partial(_in_line, excerpt, way)),
        )


_LINEAR: Final = {
    "full": "No two limbs strike at once: backbeats and kick stay, hi-hat and ghost notes in turn "
    "fill what is between.",
    "hats": "No two limbs strike at once: backbeats and kick stay, and the hi-hat fills every gap "
    "but those right after a backbeat.",
    "eighths": "No two limbs strike at once: backbeats and kick stay, and the hi-hat plays the "
    "eighths that they leave free.",
    "bare": "No two limbs strike at once: where kick or snare strikes, the other hand is silent.",
}


def _rank(stroke: Stroke, loud: Sequence[Stroke]) -> tuple[int, int]:
    """What stays of strokes that fall together; the lowest."""
    if stroke in loud:
        return 0, 0
    if stroke.piece is P.KICK:
        return 1, 0
    if stroke.piece in CRASHES:
        return 2, 0
    return (3 if stroke.piece not in HATS | RIDES else 4), -stroke.velocity


def _in_line(excerpt: Excerpt, way: str, bar: PartBar) -> list[Stroke]:
    loud = backbeats(bar)
    kept: dict[Fraction, Stroke] = {}
    for one in sorted(bar.strokes, key=lambda one: (_rank(one, loud), one.piece)):
        if one.piece is not P.HAT_PEDAL:
            kept.setdefault(one.at, one)
    if way != "bare":
        step = grid_of(excerpt, bar) if way != "eighths" else F(1, 8)
        loud_at = {one.at for one in loud}
        for nth in range(int(bar.length / step)):
            at = nth * step
            if at not in kept and not (way == "hats" and at - step in loud_at):
                # A ghost follows a hat, unless a backbeat is next.
                before = kept.get(at - step)
                soft = way == "full" and before is not None and before.piece in HATS
                kept[at] = ghost(at) if soft and at + step not in loud_at else plain(
                    at, P.HAT_CLOSED
                )  # fmt: skip
    made = []
    for one in unstuck(kept.values()):
        hand = None
        if one.piece in HATS:
            hand = Hand.RIGHT
        elif one.piece in SNARES:
            hand = Hand.LEFT
        made.append(Stroke(one.at, one.piece, one.velocity, one.marks, one.graces, hand))
    return made


# Paradiddle

_STRAIGHT: Final = (
    ("single paradiddle", "RLRRLRLL"),
    ("single paradiddle", "RLRRLRLL"),
    ("inverted paradiddle", "RLLRLRRL"),
    ("reverse paradiddle", "RRLRLLRL"),
    ("double paradiddle", "RLRLRRLRLRLL"),
)
_THREES: Final = (
    ("paradiddle-diddle", "RLRRLL"),
    ("double paradiddle", "RLRLRRLRLRLL"),
    ("single paradiddle", "RLRRLRLL"),
)


def paradiddle(excerpt: Excerpt, random: Random) -> Iterator[Draft]:
    """Right on the cymbal, left on the snare, backbeats as accents, the groove's kick."""
    if not any(backbeats(bar) for bar in excerpt.bars):
        raise CannotVary("no-backbeat", "Without a snare there is nothing to accent.")
    threes = excerpt.ternary or excerpt.bars[0].meter.is_compound
    patterns = list(_THREES if threes else _STRAIGHT)
    random.shuffle(patterns)
    right = P.RIDE if excerpt.stream and excerpt.stream <= RIDES else P.HAT_CLOSED
    where = "ride" if right is P.RIDE else "hi-hat"
    for fine in (True, False):
        for name, sticking in dict.fromkeys(patterns):
            steps = {bar.meter: _paradiddle_step(excerpt, bar, fine=fine) for bar in excerpt.bars}
            yield Draft(
                label=name,
                change=f"A {name} in {_NAMES[steps[excerpt.bars[0].meter]]}, right hand on the "
                f"{where}, left on the snare, begins anew in every bar; the backbeats are its "
                "accents and the kick is the groove's.",
                why="Sticking shapes the sound: doubles and singles alternate without the groove "
                "giving way.",
                steps=(
                    f"The sticking {sticking} on one drum, accents where the backbeats are.",
                    "Spread the hands over the two sounds, ghosts low, accents from the shoulder.",
                    "Then the kick: first with the beats, then as it is written.",
                ),
                bars=excerpt.each(partial(_diddled, sticking, steps, right)),
            )


_NAMES: Final = {
    F(1, 4): "quarters", F(1, 8): "eighths", F(1, 16): "16ths", F(1, 12): "triplets",
    F(1, 24): "sextuplets",
}  # fmt: skip


def _paradiddle_step(excerpt: Excerpt, bar: PartBar, *, fine: bool) -> Fraction:
    if bar.meter.is_compound:
        return F(1, 16) if fine else F(1, 8)
    if excerpt.ternary:
        return F(1, 12)
    return F(1, 16) if fine and not excerpt.swung_eighths else F(1, 8)


def _diddled(
    sticking: str, steps: Mapping[Meter, Fraction], right: P, bar: PartBar
) -> list[Stroke]:
    step = steps[bar.meter]
    loud = {one.at: one for one in backbeats(bar)}
    made = [one for one in bar.strokes if one.piece is P.KICK]
    for nth, letter in zip(range(int(bar.length / step)), cycle(sticking), strict=False):
        at, hand = nth * step, _HAND[letter]
        if at in loud:
            piece = P.SNARE if loud[at].piece is P.CROSS_STICK else loud[at].piece
            made.append(accent(at, piece, hand))
        else:
            made.append(plain(at, right, hand) if hand is Hand.RIGHT else ghost(at, hand))
    return made


# Fill


@dataclass(frozen=True, slots=True)
class _Figure:
    """How a fill goes round: for each place of a cycle a limb, `K` the kick; and how its hands
    travel."""

    name: str
    limbs: str
    steps: tuple[Fraction, ...]
    """The grids that suit it."""
    way: str


_FIGURES: Final = (
    _Figure("single strokes down the toms", "RL", (F(1, 8), F(1, 12), F(1, 16), F(1, 24)), "down"),
    _Figure("single strokes on the snare, accents on the beats", "RL", (F(1, 16), F(1, 12)),
            "snare"),
    _Figure("right hand on the toms, left on the snare", "RL", (F(1, 16), F(1, 12)), "split"),
    _Figure("double strokes down the toms", "RRLL", (F(1, 16), F(1, 24)), "down"),
    _Figure("paradiddles, the right hand on the toms", "RLRRLRLL", (F(1, 16),), "split"),
    _Figure("six-stroke rolls, their accents on the toms", "RLLRRL", (F(1, 24),), "roll"),
    _Figure("right, left, foot", "RLK", (F(1, 12), F(1, 24)), "down"),
    _Figure("two hands, two feet", "RLKK", (F(1, 16),), "down"),
    _Figure("snare and floor tom struck together", "R", (F(1, 4), F(1, 8)), "hits"),
)  # fmt: skip
_TOMS: Final = (P.SNARE, P.TOM_HIGH, P.TOM_MID, P.TOM_FLOOR)
_SOONEST_S: Final = 0.07
"""No fill has its strokes closer."""


def fill(excerpt: Excerpt, random: Random) -> Iterator[Draft]:
    """Groove, then a fill up to the bar line, then crash and kick on the next one."""
    first = excerpt.bars[0].meter
    unit = first.beat_unit
    in_bar = int(first.length / unit)
    lengths = [1, 2, in_bar, 2 * in_bar] if unit >= F(1, 4) else [2, 4, in_bar, 2 * in_bar]
    lengths = [beats for beats in dict.fromkeys(lengths) if beats <= 2 * in_bar]
    random.shuffle(lengths)
    if excerpt.fill_beats is not None:
        lengths = [excerpt.fill_beats]
    if not 1 <= lengths[0] <= 2 * in_bar:
        raise CannotVary("fill-length", f"A fill is 1 to {2 * in_bar} beats of {first} long.")
    if len(excerpt.bars) >= MAX_BARS:
        raise CannotVary("too-long", f"With the bar after the fill it passes {MAX_BARS} bars.")
    ways = [
        (beats, figure, step)
        for beats in lengths
        for figure in _FIGURES
        for step in figure.steps
        if _suits(excerpt, step, beats * unit)
    ]
    random.shuffle(ways)
    # Its length is the first thing heard of a fill, so the seed's own goes before the others.
    ways.sort(key=lambda way: lengths.index(way[0]))
    for beats, figure, step in ways:
        bars = _filled(excerpt, beats * unit, figure, step)
        long = f"{beats} beat{'s' * (beats > 1)}" if beats % in_bar else (
            f"{beats // in_bar} bar{'s' * (beats > in_bar)}"
        )  # fmt: skip
        yield Draft(
            label="with a fill",
            change=f"A fill of {long}, {figure.name}, in {_NAMES[step]}, ends bar "
            f"{len(bars) - 1} and resolves to crash and kick on the next one.",
            why="A fill is only good if the groove before and after it does not notice: the one "
            "must come in time.",
            steps=(
                f"The fill alone, looped: it lasts exactly {long}.",
                "Groove and fill, and stop on the crash; check that it falls on the click.",
                "The whole exercise in a loop, without speeding up in the fill.",
            ),
            bars=bars,
        )


def _suits(excerpt: Excerpt, step: Fraction, length: Fraction) -> bool:
    seconds = float(step) * 240 / excerpt.qpm
    if (length / step).denominator != 1 or seconds < _SOONEST_S or length / step < 2:
        return False
    ternary = step.denominator % 3 == 0
    compound = excerpt.bars[0].meter.is_compound
    if compound:
        return not ternary and step <= F(1, 8)
    if excerpt.ternary:
        return ternary or step >= F(1, 4)
    return not excerpt.swung_eighths or ternary or step >= F(1, 8)


def _filled(
    excerpt: Excerpt, length: Fraction, figure: _Figure, step: Fraction
) -> tuple[Strokes, ...]:
    """The exercise: three bars or the chosen ones, the last of them ending in the fill, and one
    more to land in."""
    own = [bar.strokes for bar in excerpt.bars]
    count = len(own) if excerpt.chosen else max(3, len(own))
    if length > excerpt.bars[0].length:
        count = max(count, 3)
    frames = [excerpt.bars[nth % len(own)] for nth in range(count)]
    total = sum((frame.length for frame in frames), F(0))
    start = total - length
    made: list[list[Stroke]] = []
    line = F(0)
    struck = _fill_strokes(length, figure, step, frames[-1].meter.beat_unit)
    for frame in frames:
        kept = [one for one in frame.strokes if line + one.at < start]
        # What the hands of the fill strike is theirs, so nobody else's sticking is kept.
        bar = unstuck(kept) if kept and len(kept) < len(frame.strokes) else list(kept)
        bar += [
            Stroke(place - line, one.piece, one.velocity, one.marks, one.graces, one.hand)
            for one in struck
            for place in (start + one.at,)
            if line <= place < line + frame.length
        ]
        made.append(bar)
        line += frame.length
    landing = [
        one
        for one in unstuck(frames[count % len(own)].strokes if count < len(own) else own[0])
        if one.at or one.piece in FEET - {P.KICK}
    ]
    landing += [accent(F(0), P.CRASH), plain(F(0), P.KICK)]
    return tuple(ordered(bar) for bar in [*made, landing])


def _fill_strokes(
    length: Fraction, figure: _Figure, step: Fraction, unit: Fraction
) -> list[Stroke]:
    """From the fill's beginning."""
    made = []
    count = int(length / step)
    for nth, limb in enumerate(islice(cycle(figure.limbs), count)):
        at = nth * step
        on_beat = at % unit == 0
        if figure.way == "hits":
            made += [accent(at, P.SNARE, Hand.LEFT), accent(at, P.TOM_FLOOR, Hand.RIGHT)]
            continue
        if limb == "K":
            made.append(plain(at, P.KICK))
            continue
        hand = _HAND[limb]
        piece = _TOMS[min(3, nth * 4 // count)]
        if figure.way == "snare" or (figure.way == "split" and hand is Hand.LEFT):
            piece = P.SNARE
        elif figure.way == "split":
            piece = _TOMS[1:][min(2, nth * 3 // count)]
        elif figure.way == "roll":
            # The first and the last of six are its accents.
            first, last = nth % 6 == 0, nth % 6 == 5
            piece = P.TOM_FLOOR if first else P.TOM_HIGH if last else P.SNARE
            on_beat = first or last
        made.append(accent(at, piece, hand) if on_beat else plain(at, piece, hand))
    return made
