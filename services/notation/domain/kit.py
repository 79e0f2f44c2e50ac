"""Kit tables: where each piece stands on the staff, with which head and which sound.

Another house's style is another table here; nothing else knows of positions and heads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from libs.common.drums import GM_NOTE, DrumPiece
from services.notation.domain.score import ScoreError


@dataclass(frozen=True, slots=True)
class KitEntry:
    """How one piece is drawn; `head` and `mark` are MusicXML's own words."""

    name: str
    step: str
    octave: int
    head: str = "normal"
    mark: str = ""
    """`open-string`, a technical mark above; or, after `words:`, text above."""
    gm_note: int = 0

    @property
    def height(self) -> int:
        """Staff steps above C0, to put the notes of a chord in order."""
        return self.octave * 7 + "CDEFGAB".index(self.step)


@dataclass(frozen=True, slots=True)
class Kit:
    """A table for all pieces."""

    id: str
    name: str
    entries: Mapping[DrumPiece, KitEntry]

    def instrument_id(self, piece: DrumPiece) -> str:
        """One for each piece, so that none has two heads: MuseScore takes the head from it."""
        return f"P1-{piece.value}"


def _kit(kit_id: str, name: str, entries: Mapping[DrumPiece, KitEntry]) -> Kit:
    filled = {
        piece: KitEntry(e.name, e.step, e.octave, e.head, e.mark, e.gm_note or GM_NOTE[piece])
        for piece, e in entries.items()
    }
    return Kit(kit_id, name, filled)


# Weinberg, Guidelines for Drumset Notation; the PAS standard.
STANDARD: Final = _kit(
    "backbeat-standard",
    "Drumset",
    {
        DrumPiece.KICK: KitEntry("Bass Drum", "F", 4),
        DrumPiece.SNARE: KitEntry("Snare", "C", 5),
        DrumPiece.CROSS_STICK: KitEntry("Cross Stick", "C", 5, "x"),
        DrumPiece.RIMSHOT: KitEntry("Rimshot", "C", 5, "circle-x"),
        DrumPiece.HAT_CLOSED: KitEntry("Closed Hi-Hat", "G", 5, "x"),
        DrumPiece.HAT_HALF_OPEN: KitEntry("Half-open Hi-Hat", "G", 5, "x", "words:ø"),
        DrumPiece.HAT_OPEN: KitEntry("Open Hi-Hat", "G", 5, "x", "open-string"),
        DrumPiece.HAT_PEDAL: KitEntry("Pedal Hi-Hat", "D", 4, "x"),
        DrumPiece.TOM_HIGH: KitEntry("High Tom", "E", 5),
        DrumPiece.TOM_MID: KitEntry("Mid Tom", "D", 5),
        DrumPiece.TOM_FLOOR: KitEntry("Floor Tom", "A", 4),
        DrumPiece.CRASH: KitEntry("Crash Cymbal", "A", 5, "x"),
        DrumPiece.CRASH_2: KitEntry("Crash Cymbal 2", "B", 5, "x"),
        DrumPiece.SPLASH: KitEntry("Splash Cymbal", "B", 5, "x"),
        DrumPiece.CHINA: KitEntry("China Cymbal", "C", 6, "x"),
        DrumPiece.RIDE: KitEntry("Ride Cymbal", "F", 5, "x"),
        DrumPiece.RIDE_BELL: KitEntry("Ride Bell", "F", 5, "diamond"),
        DrumPiece.COWBELL: KitEntry("Cowbell", "E", 5, "triangle"),
        DrumPiece.TAMBOURINE: KitEntry("Tambourine", "D", 5, "triangle"),
    },
)

KITS: Final[Mapping[str, Kit]] = {STANDARD.id: STANDARD}


def kit_called(kit_id: str) -> Kit:
    """The table of that id; ScoreError listing what there is."""
    if kit_id not in KITS:
        raise ScoreError("score.kit", f"no kit {kit_id!r}; there are {', '.join(KITS)}")
    return KITS[kit_id]
