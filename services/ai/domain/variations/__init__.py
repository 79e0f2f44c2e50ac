"""Exercises made of a groove: eleven kinds, each held to what it promises before it is shown.

A variation is a part of its own: bars from 1, whole, in the original's meters, playable, different
from the original and from its neighbours, its difficulty moved where the kind or the request says.
The same part, request and seed give the same variations.
"""

from services.ai.domain.variations.checks import conforms
from services.ai.domain.variations.kinds import (
    MAX_BARS,
    NATURAL,
    CannotVary,
    Direction,
    LeftOut,
    Variation,
    VariationKind,
    VariationRequest,
)
from services.ai.domain.variations.propose import MAX_COUNT, propose, propose_all

__all__ = [
    "MAX_BARS",
    "MAX_COUNT",
    "NATURAL",
    "CannotVary",
    "Direction",
    "LeftOut",
    "Variation",
    "VariationKind",
    "VariationRequest",
    "conforms",
    "propose",
    "propose_all",
]
