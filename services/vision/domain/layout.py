"""Which way round the kit stands, by where its pieces are struck."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from libs.common.drums import DrumPiece
from libs.common.sight import Side
from services.vision.domain.sticking import Hands, Sticking

_HATS: Final = (DrumPiece.HAT_CLOSED, DrumPiece.HAT_HALF_OPEN, DrumPiece.HAT_OPEN)
_FAR_SIDE: Final = (DrumPiece.RIDE, DrumPiece.RIDE_BELL, DrumPiece.TOM_FLOOR)
_FEWEST: Final = 5
_APART: Final = 0.5
"""Shoulder widths, on the average, between where the hats and the ride or floor tom are struck."""


def layout_of(shots: Sequence[tuple[Sticking, Hands]]) -> Side | None:
    """Which way the kit stands in the picture; None: too little was struck to say.

    right has the hi-hat on the side that the picture shows as the player's left, and ride and floor
    tom on the other.
    """
    apart = 0.0
    strokes = 0.0
    for told, hands in shots:
        hats = [
            (place, count) for piece, (place, _, count) in told.places.items() if piece in _HATS
        ]
        far = [
            (place, count) for piece, (place, _, count) in told.places.items() if piece in _FAR_SIDE
        ]
        hat_count, far_count = sum(c for _, c in hats), sum(c for _, c in far)
        if hat_count < _FEWEST or far_count < _FEWEST:
            continue
        hat = sum(place @ hands.rightward * count for place, count in hats) / hat_count
        other = sum(place @ hands.rightward * count for place, count in far) / far_count
        weight = min(hat_count, far_count)
        apart += weight * float(other - hat)
        strokes += weight
    if not strokes or abs(apart / strokes) < _APART:
        return None
    return "right" if apart > 0 else "left"
