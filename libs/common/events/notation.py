"""What the notation service tells, apart from how its work goes (work.py)."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from libs.common.events.media import VideoEvent
from libs.common.messaging.event import Event


class NotationEvent(VideoEvent):
    """About one notation."""

    notation_id: UUID
    version: int = 1


class NotationCreated(NotationEvent):
    """A score was written. `job_id` is None when it was asked for directly."""

    type: ClassVar[str] = "notation.notation-created.v1"

    job_id: UUID | None = None
    generation: int = 1
    tempo: int | None = None
    time_signature: str
    bar_count: int
    note_count: int


class NotationRevised(NotationEvent):
    """A score has a new version."""

    type: ClassVar[str] = "notation.notation-revised.v1"


class NotationDeleted(NotationEvent):
    """A score is gone."""

    type: ClassVar[str] = "notation.notation-deleted.v1"


class NotationShared(NotationEvent):
    """Whoever has the link may read a score until `expires_at`; with `with_video`, watch its
    video, too. The token itself is told to nobody: `token_hash` is its SHA-256 in hex."""

    type: ClassVar[str] = "notation.notation-shared.v1"

    share_id: UUID
    token_hash: str
    with_video: bool
    expires_at: datetime


class ShareRevoked(NotationEvent):
    """A link leads nowhere any more."""

    type: ClassVar[str] = "notation.share-revoked.v1"

    share_id: UUID


class ScoreEvent(Event):
    """About one score, whether it has a video or not."""

    notation_id: UUID
    user_id: UUID

    @property
    def subject(self) -> str:
        """The score."""
        return str(self.notation_id)


class ScoreKept(ScoreEvent):
    """A score has a new version, its first among them. Notation itself hears it, and publishes
    the part: whoever writes or edits does not wait for that."""

    type: ClassVar[str] = "notation.score-kept.v1"

    version: int


class PartPublished(ScoreEvent):
    """The score's part (`libs.common.part`) lies in storage. A later version replaces it, and
    then the file of this one goes."""

    type: ClassVar[str] = "notation.part-published.v1"

    version: int
    video_id: UUID | None = None
    title: str = ""
    part_key: str


class ScoreRemoved(ScoreEvent):
    """A score is gone, and so is its part."""

    type: ClassVar[str] = "notation.score-removed.v1"
