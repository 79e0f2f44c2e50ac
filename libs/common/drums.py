"""The words that every service shares: drum pieces, hits, and their General MIDI notes.

Standard library only, so that a client may import it without a framework.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class DrumPiece(StrEnum):
    """What was struck, and how, as far as one hit tells by its sound alone.

    Ghosts, accents and flams are no pieces: they follow from velocity and timing.
    """

    KICK = "kick"
    SNARE = "snare"
    CROSS_STICK = "cross-stick"
    RIMSHOT = "rimshot"
    HAT_CLOSED = "hat-closed"
    HAT_HALF_OPEN = "hat-half-open"
    HAT_OPEN = "hat-open"
    HAT_PEDAL = "hat-pedal"
    TOM_HIGH = "tom-high"
    TOM_MID = "tom-mid"
    TOM_FLOOR = "tom-floor"
    CRASH = "crash"
    CRASH_2 = "crash-2"
    SPLASH = "splash"
    CHINA = "china"
    RIDE = "ride"
    RIDE_BELL = "ride-bell"
    COWBELL = "cowbell"
    TAMBOURINE = "tambourine"


class Articulation(StrEnum):
    """How a note is played. A flam has one grace, a drag two."""

    ACCENT = "accent"
    STRONG_ACCENT = "strong-accent"
    GHOST = "ghost"
    FLAM = "flam"
    DRAG = "drag"
    BUZZ = "buzz"
    CHOKE = "choke"


class Hand(StrEnum):
    """Sticking; B is both at once."""

    RIGHT = "R"
    LEFT = "L"
    BOTH = "B"


FEET: Final = frozenset({DrumPiece.KICK, DrumPiece.HAT_PEDAL})
"""What is played with a foot; all else takes a hand."""


# General MIDI 1, percussion key map. Half-open has no key of its own: it is 46, played softer.
GM_NOTE: Final[dict[DrumPiece, int]] = {
    DrumPiece.KICK: 36,
    DrumPiece.SNARE: 38,
    DrumPiece.CROSS_STICK: 37,
    DrumPiece.RIMSHOT: 40,
    DrumPiece.HAT_CLOSED: 42,
    DrumPiece.HAT_HALF_OPEN: 46,
    DrumPiece.HAT_OPEN: 46,
    DrumPiece.HAT_PEDAL: 44,
    DrumPiece.TOM_HIGH: 50,
    DrumPiece.TOM_MID: 47,
    DrumPiece.TOM_FLOOR: 43,
    DrumPiece.CRASH: 49,
    DrumPiece.CRASH_2: 57,
    DrumPiece.SPLASH: 55,
    DrumPiece.CHINA: 52,
    DrumPiece.RIDE: 51,
    DrumPiece.RIDE_BELL: 53,
    DrumPiece.COWBELL: 56,
    DrumPiece.TAMBOURINE: 54,
}


@dataclass(frozen=True, slots=True, order=True)
class Hit:
    """One stroke: when, on what, how hard, and how sure the ear is."""

    onset_s: float
    piece: DrumPiece
    velocity: int = 90
    """MIDI velocity, 1 to 127."""
    confidence: float = 1.0
    """0 to 1: the ear's own estimate that this hit is there and on this piece."""
    id: str = ""
    """Stable name of the hit, `ev-` and a number; kept on the note that it becomes."""


@dataclass(frozen=True, slots=True, order=True)
class Beat:
    """One beat of the pulse; `position` counts from 1 (the downbeat) inside its bar."""

    time_s: float
    position: int
