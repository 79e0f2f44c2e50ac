"""What the media service tells."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from pydantic import Field

from libs.common.messaging.event import Event


class VideoEvent(Event):
    """About one video; the video is the subject."""

    video_id: UUID
    user_id: UUID

    @property
    def subject(self) -> str:
        """The video."""
        return str(self.video_id)


class VideoUploaded(VideoEvent):
    """A video lies in storage, whole and probed; `jobs` are the pipeline's, by job type."""

    type: ClassVar[str] = "media.video-uploaded.v1"

    filename: str
    storage_key: str
    size_bytes: int
    duration_s: float | None = None
    has_video: bool = True
    jobs: dict[str, UUID] = Field(default_factory=dict)
    enhance: str | None = None
    """What its enrichment job is to say, where it has one."""


class VideoDeleted(VideoEvent):
    """The video is gone; whatever came of it goes too."""

    type: ClassVar[str] = "media.video-deleted.v1"


class JobRequested(VideoEvent):
    """Somebody asks for one step, new or again. With `jobs` the pipeline goes on from it."""

    type: ClassVar[str] = "media.job-requested.v1"

    job_id: UUID
    job_type: str
    generation: int = 1
    """How often the job was asked for; the same for the later `jobs` of the run."""
    options: dict[str, Any] = Field(default_factory=dict)
    jobs: dict[str, UUID] = Field(default_factory=dict)
    enhance: str | None = None
    """What the later enrichment job is to say, where `jobs` has one."""


class JobCancelled(VideoEvent):
    """The step is no longer wanted."""

    type: ClassVar[str] = "media.job-cancelled.v1"

    job_id: UUID
    job_type: str
    generation: int = 1
