"""What every variation is held to, whoever made it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Final

from libs.common.drums import Articulation, DrumPiece
from libs.common.part import Part, PartBar
from services.ai.domain.difficulty import MOVED, difficulty
from services.ai.domain.limbs import problems
from services.ai.domain.variations.excerpt import content_of, excerpt_of
from services.ai.domain.variations.kinds import (
    MAX_BARS,
    NATURAL,
    Direction,
    VariationKind,
    VariationRequest,
)

TIMEKEEPERS: Final = frozenset(
    {
        DrumPiece.HAT_CLOSED, DrumPiece.HAT_HALF_OPEN, DrumPiece.HAT_OPEN, DrumPiece.RIDE,
        DrumPiece.RIDE_BELL,
    }
)  # fmt: skip
_GRACED = {0: set[Articulation](), 1: {Articulation.FLAM}, 2: {Articulation.DRAG}}


def _strokes_of(part: Part) -> Counter[tuple[DrumPiece, bool]]:
    return Counter(
        (one.piece, Articulation.GHOST in one.marks) for bar in part.bars for one in bar.strokes
    )


def _is_linear(_: Part, proposed: Part) -> bool:
    return all(len({one.at for one in bar.strokes}) == len(bar.strokes) for bar in proposed.bars)


def _is_simpler(base: Part, proposed: Part) -> bool:
    ours, theirs = (_strokes_of(part).total() / len(part.bars) for part in (base, proposed))
    return theirs < ours


def _has_thinner_hats(base: Part, proposed: Part) -> bool:
    def rates(part: Part) -> tuple[float, float]:
        counts = _strokes_of(part)
        time = sum(count for (piece, _), count in counts.items() if piece in TIMEKEEPERS)
        return time / len(part.bars), (counts.total() - time) / len(part.bars)

    (time, others), (less, kept) = rates(base), rates(proposed)
    return less < time and kept == others


def _has_more_ghosts(base: Part, proposed: Part) -> bool:
    def rates(part: Part) -> tuple[float, float]:
        counts = _strokes_of(part)
        ghosts = sum(count for (_, ghost), count in counts.items() if ghost)
        return ghosts / len(part.bars), (counts.total() - ghosts) / len(part.bars)

    (ghosts, others), (more, kept) = rates(base), rates(proposed)
    return more > ghosts and kept == others


CHECKED_KINDS: Final[dict[VariationKind, Callable[[Part, Part], bool]]] = {
    VariationKind.SIMPLIFY: _is_simpler,
    VariationKind.THIN_HATS: _has_thinner_hats,
    VariationKind.ADD_GHOSTS: _has_more_ghosts,
    VariationKind.LINEAR: _is_linear,
}
"""Kinds that can be told from the strokes alone, whoever made them."""


def conforms(original: Part, proposed: Part, request: VariationRequest) -> list[str]:
    """Why this is no variation of `original` as requested: sentences, none if it is one.

    CannotVary where the request's bars give nothing to vary.
    """
    excerpt = excerpt_of(original, request.bars)
    base = excerpt.part()
    said = unsound(proposed)
    if said:
        return said
    meters = {bar.meter for bar in base.bars}
    foreign = sorted({str(bar.meter) for bar in proposed.bars if bar.meter not in meters})
    if foreign:
        said.append(f"The meter is changed to {', '.join(foreign)}.")
    if is_same(base, proposed):
        said.append("It is the same as the original.")
    said += unplayable(proposed)
    allowed = wanted(request)
    before, after = difficulty(base).value, difficulty(proposed).value
    moved = direction_of(before, after)
    if moved not in allowed:
        asked = " or ".join(one.value for one in Direction if one in allowed)
        said.append(
            f"It should be {asked}, and its difficulty goes from {before:.1f} to {after:.1f}."
        )
    return said


def wanted(request: VariationRequest) -> Collection[Direction]:
    """What a request's variations may do to the difficulty."""
    if request.difficulty:
        return {request.difficulty}
    return NATURAL[request.kind] if request.kind else set(Direction)


def direction_of(before: float, after: float) -> Direction:
    """Where it moved; less than `MOVED` is nowhere."""
    if abs(after - before) < MOVED:
        return Direction.SAME
    return Direction.HARDER if after > before else Direction.EASIER


def unsound(part: Part) -> list[str]:
    """What makes it no part at all."""
    said = []
    if len(part.bars) > MAX_BARS:
        said.append(f"It has {len(part.bars)} bars; {MAX_BARS} is the most.")
    if not any(bar.strokes for bar in part.bars):
        said.append("It is empty.")
    if [bar.number for bar in part.bars] != list(range(1, len(part.bars) + 1)):
        said.append("Its bars are not numbered from 1.")
    for bar in part.bars:
        said += _unsound_bar(bar)
    known = range(1, len(part.bars) + 1)
    marks = [tempo.bar for tempo in part.tempos]
    marks += [swing.bar for swing in part.swing] + [section.bar for section in part.sections]
    if not all(bar in known for bar in marks):
        said.append("A tempo, swing or section stands in a bar that it does not have.")
    if not all(20 <= mark.quarters_per_minute <= 400 for mark in part.tempos):
        said.append("A tempo is not between 20 and 400 quarters a minute.")
    return said


def _unsound_bar(bar: PartBar) -> list[str]:
    said = []
    where = f"Bar {bar.number}"
    if bar.length != bar.meter.length:
        said.append(f"{where} is not whole.")
    if not all(0 <= one.at < bar.length for one in bar.strokes):
        said.append(f"{where} has a stroke outside its lines.")
    if not all(1 <= velocity <= 127 for one in bar.strokes
               for velocity in (one.velocity, *one.graces)):  # fmt: skip
        said.append(f"{where} has a velocity that is not between 1 and 127.")
    if len({(one.at, one.piece) for one in bar.strokes}) < len(bar.strokes):
        said.append(f"{where} strikes the same piece twice at once.")
    both = {Articulation.FLAM, Articulation.DRAG}
    if any(both.intersection(one.marks) != _GRACED.get(len(one.graces), both)
           for one in bar.strokes):  # fmt: skip
        said.append(f"{where} has a flam without its one grace, or a drag without its two.")
    return said


def unplayable(part: Part) -> list[str]:
    """The first three places that nobody can play."""
    return [f"Bar {one.bar}, {one.at}: {one.sentence}" for one in problems(part)[:3]]


def is_same(base: Part, other: Part) -> bool:
    """Whether it only plays the same bars over and over, at the same tempo."""
    if tempos_of(base) != tempos_of(other):
        return False
    ours = [content_of(bar) for bar in base.bars]
    return all(
        content_of(bar) == ours[nth % len(ours)] for nth, bar in enumerate(other.bars)
    )  # fmt: skip


def tempos_of(part: Part) -> Sequence[tuple[int, int, float]]:
    """Its marks, comparable."""
    return [(one.bar, one.beat, one.quarters_per_minute) for one in part.tempos]
