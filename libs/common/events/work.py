"""How every service that works tells of it; each publishes its own types of these."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from pydantic import Field

from libs.common.events.media import VideoEvent


class WorkEvent(VideoEvent):
    """About one job."""

    job_id: UUID
    job_type: str
    generation: int = 1
    """How often the job was asked for; what is told of an earlier time is stale."""


class WorkAccepted(WorkEvent):
    """A step was asked for at the service itself; media shows it as a job."""

    options: dict[str, Any] = Field(default_factory=dict)


class WorkStarted(WorkEvent):
    """A worker has taken the job."""


class WorkFailed(WorkEvent):
    """The step ended without a result. `code` is stable, `message` says what to do."""

    code: str
    message: str
    retryable: bool = False


class WorkProgressed(WorkEvent):
    """How far a running job is; at most a few a second, may be lost."""

    transient: ClassVar[bool] = True

    fraction: float
    """0 to 1."""
    message: str = ""


class AudioWorkAccepted(WorkAccepted):
    """From audio."""

    type: ClassVar[str] = "audio.work-accepted.v1"


class AudioWorkStarted(WorkStarted):
    """From audio."""

    type: ClassVar[str] = "audio.work-started.v1"


class AudioWorkFailed(WorkFailed):
    """From audio."""

    type: ClassVar[str] = "audio.work-failed.v1"


class AudioWorkProgressed(WorkProgressed):
    """From audio."""

    type: ClassVar[str] = "audio.work-progressed.v1"


class NotationWorkFailed(WorkFailed):
    """From notation."""

    type: ClassVar[str] = "notation.work-failed.v1"


class AiWorkStarted(WorkStarted):
    """From ai."""

    type: ClassVar[str] = "ai.work-started.v1"


class AiWorkFailed(WorkFailed):
    """From ai."""

    type: ClassVar[str] = "ai.work-failed.v1"


class VisionWorkAccepted(WorkAccepted):
    """From vision."""

    type: ClassVar[str] = "vision.work-accepted.v1"


class VisionWorkStarted(WorkStarted):
    """From vision."""

    type: ClassVar[str] = "vision.work-started.v1"


class VisionWorkFailed(WorkFailed):
    """From vision."""

    type: ClassVar[str] = "vision.work-failed.v1"


class VisionWorkProgressed(WorkProgressed):
    """From vision."""

    type: ClassVar[str] = "vision.work-progressed.v1"
