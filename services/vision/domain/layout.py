"""Which way round the kit stands, by where its pieces are struck."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from libs.common.drums import DrumPiece
from libs.common.sight import Side
from services.vision.domain.sticking import SURE, Hands, Sticking

_NEAR: Final = (
    DrumPiece.HAT_CLOSED,
    DrumPiece.HAT_HALF_OPEN,
    DrumPiece.HAT_OPEN,
    DrumPiece.SNARE,
    DrumPiece.RIMSHOT,
    DrumPiece.CROSS_STICK,
)
"""Hats and snare: crossed hands strike them from about the same place."""
_FAR_SIDE: Final = (DrumPiece.RIDE, DrumPiece.RIDE_BELL, DrumPiece.TOM_FLOOR)
_TIME: Final = (
    DrumPiece.HAT_CLOSED,
    DrumPiece.HAT_HALF_OPEN,
    DrumPiece.HAT_OPEN,
    DrumPiece.RIDE,
    DrumPiece.RIDE_BELL,
)
_FEWEST_OF_TIME: Final = 8
_LEADS: Final = 0.85
_FEWEST: Final = 5
_FRONTAL: Final = 0.6
"""Shoulder widths between the shoulders in the picture: from the side, left and right are depth."""
_APART: Final = 0.5
"""Shoulder widths between hats and snare and ride and floor tom, on the average."""


def layout_of(shots: Sequence[tuple[Sticking, Hands]]) -> Side | None:
    """Which way the kit stands in the picture; None: too little was struck to say.

    right has the hi-hat on the side that the picture shows as the player's left, and ride and floor
    tom on the other.
    """
    apart = 0.0
    strokes = 0.0
    for told, hands in shots:
        near = [place for place in told.places if place.piece in _NEAR]
        far = [place for place in told.places if place.piece in _FAR_SIDE]
        near_count, far_count = (sum(place.strokes for place in side) for side in (near, far))
        across = float(np.linalg.norm(hands.rightward))
        if near_count < _FEWEST or far_count < _FEWEST or across < _FRONTAL:
            continue
        right = hands.rightward / across
        close = sum(float(place.mean @ right) * place.strokes for place in near) / near_count
        other = sum(float(place.mean @ right) * place.strokes for place in far) / far_count
        weight = min(near_count, far_count)
        apart += weight * (other - close)
        strokes += weight
    if not strokes or abs(apart / strokes) < _APART:
        return None
    return "right" if apart > 0 else "left"


def left_leads(shots: Sequence[Sticking]) -> bool:
    """Whether the hand that the picture shows as the left one keeps time on hats or ride: in a
    mirror's picture, or with a left-handed or open-handed player."""
    right = left = 0
    for shot in shots:
        for told in shot.told:
            if told.hit.piece in _TIME:
                right += told.right >= SURE
                left += told.left >= SURE
    return right + left >= _FEWEST_OF_TIME and left >= _LEADS * (right + left)
