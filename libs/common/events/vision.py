"""What the vision service tells, apart from how its work goes (work.py)."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from libs.common.events.work import WorkEvent


class StrokesDetected(WorkEvent):
    """What was seen lies in storage as a sight file (libs/common/sight.py). A video without a
    usable view ends here, too: `usable` is false, and `reason` says why."""

    type: ClassVar[str] = "vision.strokes-detected.v1"

    analysis_id: UUID
    sight_key: str
    hits_key: str
    """The performance file whose hits were looked at; empty when nothing was heard."""
    usable: bool
    reason: str | None = None
    words: str = ""
    stroke_count: int
    marked_count: int
    """Strokes whose hand is told."""
    offset_s: float | None = None
    """How far the sound lies after the picture; None where that is not sure."""
    model_version: str
