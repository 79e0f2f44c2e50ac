"""Which notes somebody should look at."""

from __future__ import annotations

from typing import Final

from services.notation.domain.score import Note, PlayedEvent

UNSURE_BELOW: Final = 0.6
"""Of the hits less sure than this, one in two was right on real recordings, and nine in ten of the
others (docs/results.md)."""


def is_unsure(note: Note, played: PlayedEvent | None) -> bool:
    """Whether the ear doubted a note, or a grace of it, and nobody has said since what was
    struck."""
    return played is not None and played.confidence < UNSURE_BELOW and played.piece is note.piece
