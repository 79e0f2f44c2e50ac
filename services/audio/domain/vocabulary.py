"""What the network tells apart, in the order of its outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from libs.common.drums import DrumPiece

PIECES: Final[tuple[DrumPiece, ...]] = (
    DrumPiece.KICK,
    DrumPiece.SNARE,
    DrumPiece.CROSS_STICK,
    DrumPiece.HAT_CLOSED,
    DrumPiece.HAT_HALF_OPEN,
    DrumPiece.HAT_OPEN,
    DrumPiece.HAT_PEDAL,
    DrumPiece.TOM_HIGH,
    DrumPiece.TOM_MID,
    DrumPiece.TOM_FLOOR,
    DrumPiece.CRASH,
    DrumPiece.SPLASH,
    DrumPiece.CHINA,
    DrumPiece.RIDE,
    DrumPiece.RIDE_BELL,
    DrumPiece.COWBELL,
    DrumPiece.TAMBOURINE,
)
"""One onset activation each. A rimshot is heard as a snare, a second crash as a crash."""

FAMILIES: Final[Mapping[str, tuple[DrumPiece, ...]]] = {
    "kick": (DrumPiece.KICK,),
    "snare": (DrumPiece.SNARE,),
    "cross-stick": (DrumPiece.CROSS_STICK,),
    "hat": (
        DrumPiece.HAT_CLOSED,
        DrumPiece.HAT_HALF_OPEN,
        DrumPiece.HAT_OPEN,
        DrumPiece.HAT_PEDAL,
    ),
    "tom": (DrumPiece.TOM_HIGH, DrumPiece.TOM_MID, DrumPiece.TOM_FLOOR),
    "cymbal": (
        DrumPiece.CRASH,
        DrumPiece.SPLASH,
        DrumPiece.CHINA,
        DrumPiece.RIDE,
        DrumPiece.RIDE_BELL,
    ),
    "percussion": (DrumPiece.COWBELL, DrumPiece.TAMBOURINE),
}
"""Whether something of a family is struck is easier to hear than which piece of it, so that a
family has its own onset activation, and the pieces' activations name the stroke. Velocity is told
per family too."""

ONSET_OUTPUTS: Final = len(PIECES) + len(FAMILIES)
OUTPUTS: Final = ONSET_OUTPUTS + len(FAMILIES)
"""Pieces' onsets, families' onsets (logits), families' velocities (logits of 0 to 1)."""

FAMILY_OF: Final[Mapping[DrumPiece, str]] = {
    piece: family for family, pieces in FAMILIES.items() for piece in pieces
}
