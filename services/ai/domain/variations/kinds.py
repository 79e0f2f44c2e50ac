"""The words of variations: what is asked for, what comes of it, and why nothing does."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Final

from libs.common.part import Part, Stroke


class VariationKind(StrEnum):
    """What is done to the groove."""

    SIMPLIFY = "simplify"
    THIN_HATS = "thin-hats"
    ADD_GHOSTS = "add-ghosts"
    DISPLACE = "displace"
    ORCHESTRATE = "orchestrate"
    LINEAR = "linear"
    OPEN_HANDED = "open-handed"
    PARADIDDLE = "paradiddle"
    FILL = "fill"
    METRIC_MODULATION = "metric-modulation"
    TEMPO_LADDER = "tempo-ladder"


class Direction(StrEnum):
    """Where the difficulty moves."""

    EASIER = "easier"
    SAME = "same"
    HARDER = "harder"


_ANY: Final = frozenset(Direction)
_NOT_EASIER: Final = frozenset({Direction.SAME, Direction.HARDER})
NATURAL: Final[dict[VariationKind, frozenset[Direction]]] = {
    VariationKind.SIMPLIFY: frozenset({Direction.EASIER}),
    VariationKind.THIN_HATS: frozenset({Direction.EASIER}),
    VariationKind.ADD_GHOSTS: frozenset({Direction.HARDER}),
    VariationKind.DISPLACE: _NOT_EASIER,
    VariationKind.ORCHESTRATE: _NOT_EASIER,
    VariationKind.LINEAR: _ANY,
    VariationKind.OPEN_HANDED: _NOT_EASIER,
    VariationKind.PARADIDDLE: _ANY,
    VariationKind.FILL: _NOT_EASIER,
    VariationKind.METRIC_MODULATION: _ANY,
    VariationKind.TEMPO_LADDER: frozenset({Direction.SAME}),
}
"""Where a kind goes when nobody says where."""

MAX_BARS: Final = 64


class CannotVary(Exception):
    """Nothing can be made of this; `code` for programs, the sentence for people."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class VariationRequest:
    """What to make; None leaves it to us."""

    kind: VariationKind | None = None
    difficulty: Direction | None = None
    bars: tuple[int, int] | None = None
    """First and last by their numbers; None takes the groove's most typical one to four."""
    seed: int = 0
    fill_beats: int | None = None
    """As the metronome counts them; at most two bars."""
    count: int = 1


@dataclass(frozen=True, slots=True)
class Variation:
    """An exercise made of a part."""

    part: Part
    kind: VariationKind
    label: str
    change: str
    """What is different, in a sentence."""
    why: str
    """What practising it is good for."""
    steps: tuple[str, ...]
    """How to practise it."""
    bars: tuple[int, int]
    """First and last of the bars that it was made of."""
    before: float
    """Difficulty of those bars."""
    after: float
    direction: Direction
    seed: int
    """A request for this kind with this seed begins with this variation."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A kind that could not be made."""

    kind: VariationKind
    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Draft:
    """What a maker offers, before it is checked."""

    label: str
    change: str
    why: str
    steps: tuple[str, ...]
    bars: tuple[tuple[Stroke, ...], ...]
    """Each of the meter of the excerpt's bar at its turn."""
    tempos: tuple[tuple[int, float], ...] = ()
    """(bar, quarters a minute); empty keeps the excerpt's."""


def whole(length: Fraction) -> str:
    """A length in whole notes as a drummer calls it."""
    names = {
        Fraction(1, 4): "a quarter", Fraction(3, 8): "a dotted quarter",
        Fraction(1, 8): "an eighth",
        Fraction(1, 16): "a 16th", Fraction(1, 12): "a triplet eighth", Fraction(1, 2): "a half",
    }  # fmt: skip
    return names.get(length, f"{length} of a whole note")
