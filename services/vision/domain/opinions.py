"""What the place of a stroke says where the ear is unsure: a weak second opinion."""

from __future__ import annotations

from typing import Final

import numpy as np

from libs.common.drums import DrumPiece
from libs.common.sight import SecondOpinion
from services.vision.domain.sticking import Array, Sticking

UNSURE: Final = 0.6
"""The ear's confidence below which it may be asked again."""
_HEARD: Final = 0.6
"""How much the ear's own word counts before the place is looked at."""
_TELL: Final = 0.8
_HAND: Final = 0.8
"""How sure it must be whose wrist it is."""
_FEWEST: Final = 3
_CONFUSED: Final[tuple[frozenset[DrumPiece], ...]] = (
    frozenset({DrumPiece.TOM_HIGH, DrumPiece.TOM_MID, DrumPiece.TOM_FLOOR}),
    frozenset(
        {
            DrumPiece.CRASH,
            DrumPiece.CRASH_2,
            DrumPiece.SPLASH,
            DrumPiece.CHINA,
            DrumPiece.RIDE,
            DrumPiece.HAT_OPEN,
        }
    ),
)
"""What the ear takes for one another, and the eye does not."""


def second_opinions(told: Sticking) -> list[SecondOpinion]:
    """For hits that the ear is unsure of, and whose wrist was where another piece is struck."""
    known = _places(told)
    everywhere = [one.where for one in told.told if one.where is not None]
    if not known or len(everywhere) < _FEWEST:
        return []
    # A piece that the ear was never sure of may stand anywhere among the others.
    anywhere = (np.mean(everywhere, axis=0), np.std(everywhere, axis=0) + 0.3)
    out: list[SecondOpinion] = []
    for one in told.told:
        hit = one.hit
        family = next((f for f in _CONFUSED if hit.piece in f), None)
        if hit.confidence >= UNSURE or one.where is None or family is None:
            continue
        if max(one.right, one.left) < _HAND:
            continue
        choices = sorted(piece for piece in family if piece in known or piece is hit.piece)
        if len(choices) < 2:
            continue
        others = (1 - _HEARD) / (len(choices) - 1)
        prior = np.array([_HEARD if piece is hit.piece else others for piece in choices])
        near = np.array([_near(one.where, *known.get(piece, anywhere)) for piece in choices])
        weight = prior * np.exp(near - near.max())
        weight /= weight.sum()
        best = int(np.argmax(weight))
        if choices[best] is not hit.piece and weight[best] >= _TELL:
            out.append(SecondOpinion(hit.id, hit.piece, choices[best], float(weight[best])))
    return out


def _places(told: Sticking) -> dict[DrumPiece, tuple[Array, Array]]:
    """Where the pieces that the ear was sure of are struck."""
    points: dict[DrumPiece, list[Array]] = {}
    for one in told.told:
        if (
            one.where is not None
            and one.hit.confidence >= UNSURE
            and max(one.right, one.left) >= _HAND
        ):
            points.setdefault(one.hit.piece, []).append(one.where)
    return {
        piece: (np.mean(found, axis=0), np.hypot(np.std(found, axis=0), 0.08))
        for piece, found in points.items()
        if len(found) >= _FEWEST
    }


def _near(point: Array, mean: Array, spread: Array) -> float:
    """Log-density of Student's t with four degrees of freedom along each axis, tempered: a wrist's
    place is a weak witness."""
    z = (point - mean) / spread
    return float(0.9 * (-2.5 * np.log1p(z**2 / 4) - np.log(spread)).sum())
