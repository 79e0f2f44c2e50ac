"""Less to play: simplify, thin hats."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from random import Random
from typing import Final

from libs.common.drums import FEET
from libs.common.drums import DrumPiece as P
from libs.common.part import PartBar, Stroke
from services.ai.domain.difficulty import is_ghost
from services.ai.domain.variations.excerpt import HATS, SNARES, Excerpt, Strokes, backbeats
from services.ai.domain.variations.kinds import CannotVary, Draft

_EIGHTH: Final = Fraction(1, 8)
_STEPS: Final = (
    "Play it until the time feels settled, eight rounds without a stop.",
    "Take the tempo up by five beats a minute, then put back one layer of the original at a time.",
)
_WHY: Final = "What is left is the frame of the groove; with it secure, the rest has a place to go."

_Step = tuple[str, Callable[[Excerpt, PartBar], Iterable[Stroke]]]


def simplify(excerpt: Excerpt, random: Random) -> Iterator[Draft]:
    """Layer after layer comes off; the seed says with how many it begins."""
    drafts = []
    bars: Sequence[PartBar] = excerpt.bars
    said: list[str] = []
    for phrase, keep in _LAYERS:
        thinned = [replace(bar, strokes=tuple(keep(excerpt, bar))) for bar in bars]
        if [bar.strokes for bar in thinned] == [bar.strokes for bar in bars]:
            continue
        bars = thinned
        said.append(phrase)
        drafts.append(
            Draft(
                label="simplified",
                change=f"{'; '.join(said).capitalize()}.",
                why=_WHY,
                steps=_STEPS,
                bars=tuple(bar.strokes for bar in bars) * excerpt.times,
            )
        )
    if not drafts:
        raise CannotVary("already-simple", "There is nothing left that could be left out.")
    start = random.randrange(min(3, len(drafts)))
    yield from drafts[start:]
    yield from reversed(drafts[:start])


def _plain_strokes(_: Excerpt, bar: PartBar) -> Strokes:
    kept = [one for one in bar.strokes if not is_ghost(one)]
    graced = {"flam", "drag", "buzz"}
    return tuple(
        replace(one, graces=(), marks=tuple(m for m in one.marks if m.value not in graced))
        for one in kept
    )


def _coarse(excerpt: Excerpt, bar: PartBar, at: Fraction) -> bool:
    """Whether the place is of the plain eighths, or of a shuffle's first and last triplets."""
    if excerpt.ternary and not bar.meter.is_compound:
        return at % Fraction(1, 4) in (0, Fraction(1, 6), _EIGHTH)
    return at % _EIGHTH == 0


def _feet_on_eighths(excerpt: Excerpt, bar: PartBar) -> Strokes:
    return tuple(
        one for one in bar.strokes if one.piece not in FEET or _coarse(excerpt, bar, one.at)
    )


def _hands_on_eighths(excerpt: Excerpt, bar: PartBar) -> Strokes:
    return tuple(one for one in bar.strokes if one.piece in FEET or _coarse(excerpt, bar, one.at))


def _closed(_: Excerpt, bar: PartBar) -> Strokes:
    return tuple(
        replace(one, piece=P.HAT_CLOSED) if one.piece in HATS else one for one in bar.strokes
    )


def _frame(excerpt: Excerpt, bar: PartBar) -> Strokes:
    loud = set(backbeats(bar))
    return tuple(
        one
        for one in bar.strokes
        if one.piece is P.KICK or one.piece in excerpt.stream or one in loud
    )


def _kicks_on_beats(_: Excerpt, bar: PartBar) -> Strokes:
    unit = bar.meter.beat_unit
    return tuple(one for one in bar.strokes if one.piece is not P.KICK or one.at % unit == 0)


def _stream_on_beats(excerpt: Excerpt, bar: PartBar) -> Strokes:
    unit = bar.meter.beat_unit
    return tuple(
        one for one in bar.strokes if one.piece not in excerpt.stream or one.at % unit == 0
    )


def _snares_on_beats(_: Excerpt, bar: PartBar) -> Strokes:
    loud = set(backbeats(bar))
    return tuple(one for one in bar.strokes if one.piece not in SNARES or one in loud)


_LAYERS: Final[Sequence[_Step]] = (
    ("ghost notes and ornaments are left out", _plain_strokes),
    ("the feet play nothing finer than eighths", _feet_on_eighths),
    ("the hands play nothing finer than eighths", _hands_on_eighths),
    ("the hi-hat stays closed", _closed),
    ("of the snares only the backbeat stays", _snares_on_beats),
    ("only kick, backbeat and the time-keeping hand stay", _frame),
    ("the kick plays on beats only", _kicks_on_beats),
    ("the time-keeping hand plays the beats only", _stream_on_beats),
)


def thin_hats(excerpt: Excerpt, random: Random) -> Iterator[Draft]:
    """Some of the time-keeping hand's strokes are left out, by one rule for all bars."""
    if not excerpt.stream:
        raise CannotVary("no-stream", "No hi-hat or ride keeps time here that could be thinned.")
    name = stream_name(excerpt)
    rules = list(_THINNINGS)
    random.shuffle(rules)
    for phrase, kept in rules:
        bars = excerpt.each(partial(_thinned, excerpt, kept))
        left = sum(one.piece in excerpt.stream for bar in bars for one in bar)
        if left < len(bars):
            continue
        yield Draft(
            label=f"thinner {name}",
            change=f"{phrase.format(name=name)} in every bar; kick and snare stay.",
            why="With fewer strokes between them, kick and snare have to find their places alone.",
            steps=(
                f"Count the {name} strokes that are missing aloud.",
                "Loop it with a metronome, then with the metronome on 2 and 4 only.",
                "Go back to the full groove and keep the feeling of space.",
            ),
            bars=bars,
        )


_Kept = Callable[[PartBar, int, Fraction], bool]
_THINNINGS: Final[Sequence[tuple[str, _Kept]]] = (
    ("Every second {name} stroke is left out", lambda bar, nth, at: nth % 2 == 0),
    ("The {name} plays the beats only", lambda bar, nth, at: at % bar.meter.beat_unit == 0),
    (
        "The {name} plays every second beat only",
        lambda bar, nth, at: at % (2 * bar.meter.beat_unit) == 0,
    ),
    (
        "The {name} plays with the backbeat only",
        lambda bar, nth, at: at in {one.at for one in backbeats(bar)},
    ),
)  # fmt: skip


def _thinned(excerpt: Excerpt, kept: _Kept, bar: PartBar) -> list[Stroke]:
    places = sorted({one.at for one in bar.strokes if one.piece in excerpt.stream})
    nth = {at: index for index, at in enumerate(places)}
    return [
        one
        for one in bar.strokes
        if one.piece not in excerpt.stream or kept(bar, nth[one.at], one.at)
    ]


def stream_name(excerpt: Excerpt) -> str:
    """What a drummer calls the piece that keeps time."""
    first = min(excerpt.stream) if excerpt.stream else P.HAT_CLOSED
    if first in HATS:
        return "hi-hat"
    return {P.COWBELL: "cowbell", P.TOM_FLOOR: "floor tom", P.RIDE: "ride"}.get(first, "crash")
