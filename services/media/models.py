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
