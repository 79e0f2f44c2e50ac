"""Media's tables."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Enum, Float, ForeignKey, Index, MetaData, Sequence, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from libs.common.database import COLUMN_TYPES, NAMING


class Base(DeclarativeBase):
    """Media's own tables."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = COLUMN_TYPES


class Video(Base):
    """An uploaded recording."""

    __tablename__ = "videos"
    __table_args__ = (Index("ix_videos_user_id_created_at_id", "user_id", "created_at", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    user_id: Mapped[UUID]
    filename: Mapped[str]
    storage_path: Mapped[str]
    content_type: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    duration_seconds: Mapped[float | None] = mapped_column(Float)
    container: Mapped[str | None]
    has_video: Mapped[bool]
    has_audio: Mapped[bool]
    width: Mapped[int | None]
    height: Mapped[int | None]
    frame_rate: Mapped[float | None] = mapped_column(Float)
    video_codec: Mapped[str | None]
    """FFmpeg's name, as h264. Unknown (None) for what was uploaded before it was asked."""
    audio_codec: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    deleted_at: Mapped[datetime | None]


class AudioFile(Base):
    """Sound that audio extracted; kept from its events."""

    __tablename__ = "audio_files"
    __table_args__ = (Index("ix_audio_files_user_id_created_at_id", "user_id", "created_at", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    video_id: Mapped[UUID] = mapped_column(ForeignKey("videos.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[UUID]
    sample_rate: Mapped[int]
    channels: Mapped[int]
    duration_seconds: Mapped[float | None] = mapped_column(Float)
    storage_path: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


JOB_STATUSES = ("pending", "running", "completed", "failed", "cancelled")
revisions = Sequence("job_revisions", metadata=Base.metadata)


class ProcessingJob(Base):
    """One step for one video. `run_id` joins the steps of one pipeline run; `revision` grows
    with every change, for clients that resume a stream."""

    __tablename__ = "processing_jobs"
    __table_args__ = (
        Index("ix_processing_jobs_user_id_created_at_id", "user_id", "created_at", "id"),
        Index("ix_processing_jobs_video_id_revision", "video_id", "revision"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    video_id: Mapped[UUID] = mapped_column(ForeignKey("videos.id", ondelete="CASCADE"))
    user_id: Mapped[UUID]
    run_id: Mapped[UUID] = mapped_column(index=True)
    position: Mapped[int] = mapped_column(server_default="0")
    """Its place in the run."""
    job_type: Mapped[str]
    generation: Mapped[int] = mapped_column(server_default="1")
    """How often it was asked for: one more with each retry."""
    options: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(
        Enum(*JOB_STATUSES, name="job_status"), server_default="pending"
    )
    progress: Mapped[float] = mapped_column(Float, server_default="0")
    message: Mapped[str | None]
    """What is being done, or what was found."""
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    retryable: Mapped[bool] = mapped_column(server_default="false")
    result: Mapped[dict[str, Any]]
    """Ids and counts of what came out."""
    revision: Mapped[int] = mapped_column(BigInteger, server_default=revisions.next_value())
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Upload(Base):
    """A file that comes in pieces (tus): what has arrived so far, and what became of it."""

    __tablename__ = "uploads"
    __table_args__ = (Index("ix_uploads_user_id_created_at_id", "user_id", "created_at", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    user_id: Mapped[UUID]
    filename: Mapped[str]
    filetype: Mapped[str]
    """As the client says; told back to it and believed by nobody."""
    process: Mapped[bool]
    """Whether the pipeline is to run."""
    enhance: Mapped[str | None]
    """What the teacher is to say at its end."""
    watch: Mapped[bool | None]
    """Whether the hands are to be watched; None: as the service does."""
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    received_bytes: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """What lies in storage, from byte 0 and without a gap."""
    state: Mapped[str] = mapped_column(server_default="receiving")
    """receiving, accepted (a video) or refused (a problem)."""
    writer: Mapped[UUID | None]
    """The request that may add to it: the last one that began at the right offset."""
    lease: Mapped[UUID | None]
    """Who is making a video of it, until `lease_until`."""
    lease_until: Mapped[datetime | None]
    video_id: Mapped[UUID | None]
    problem: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(index=True)


class UploadPiece(Base):
    """Bytes of an upload that lie in storage."""

    __tablename__ = "upload_pieces"

    upload_id: Mapped[UUID] = mapped_column(
        ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True
    )
    start_byte: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    storage_path: Mapped[str]


class PlayTicket(Base):
    """A link that plays one video for a while, without a header. `token_hash` is its SHA-256."""

    __tablename__ = "play_tickets"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    video_id: Mapped[UUID] = mapped_column(ForeignKey("videos.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(index=True)


class SharedVideo(Base):
    """A score's share link, as far as its video goes; kept from notation's events. A revocation
    that overtook its share has no token yet."""

    __tablename__ = "shared_videos"

    share_id: Mapped[UUID] = mapped_column(primary_key=True)
    token_hash: Mapped[str | None] = mapped_column(unique=True)
    video_id: Mapped[UUID]
    notation_id: Mapped[UUID] = mapped_column(index=True)
    expires_at: Mapped[datetime | None]
    with_video: Mapped[bool] = mapped_column(server_default="false")
    revoked_at: Mapped[datetime | None]


class DeletedNotation(Base):
    """A score that is gone: a share of it that is told of later leads nowhere."""

    __tablename__ = "deleted_notations"

    notation_id: Mapped[UUID] = mapped_column(primary_key=True)
    deleted_at: Mapped[datetime] = mapped_column(server_default=func.now())
