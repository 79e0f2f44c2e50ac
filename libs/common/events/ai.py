"""What the ai service tells, apart from how its work goes (work.py)."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from libs.common.events.notation import ScoreEvent


class NotationEnriched(ScoreEvent):
    """A score was explained; what was said is read at `GET /notation/{id}/with-enhancements`.
    `job_id` is None when it was asked for directly."""

    type: ClassVar[str] = "ai.notation-enriched.v1"

    version: int
    enhancement_type: str
    source: str
    """`rules`, or `model`."""
    video_id: UUID | None = None
    job_id: UUID | None = None
    generation: int = 1


class ComposedPart(BaseModel):
    """A part in storage that is to become a score, under the id that it brings."""

    model_config = ConfigDict(frozen=True)

    notation_id: UUID
    part_key: str
    title: str
    kind: str
    change: str
    """What was changed, for the score's first version."""


class VariationsCreated(ScoreEvent):
    """Practice versions of a score were composed; notation writes them down."""

    type: ClassVar[str] = "ai.variations-created.v1"

    version: int
    """Of the score that they vary."""
    variations: tuple[ComposedPart, ...]
