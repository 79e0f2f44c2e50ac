"""Vision's tables."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Float, ForeignKey, Index, MetaData, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from libs.common.database import COLUMN_TYPES, NAMING


class Base(DeclarativeBase):
    """Vision's own tables."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = COLUMN_TYPES


class Source(Base):
    """A video as media told of it. Deleted ones stay as a mark, since events may overtake each
    other."""

    __tablename__ = "sources"

    video_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    storage_key: Mapped[str]
    deleted_at: Mapped[datetime | None]


class Hearing(Base):
    """Where the newest hits of a video lie."""

    __tablename__ = "hearings"

    video_id: Mapped[UUID] = mapped_column(primary_key=True)
    audio_id: Mapped[UUID]
    hits_key: Mapped[str]
    told_at: Mapped[datetime]
    """When audio told of them: what it told before counts no more."""


class VideoAnalysis(Base):
    """What was seen in a video with some options. The one that was asked for last counts."""

    __tablename__ = "video_analyses"
    __table_args__ = (Index("ix_video_analyses_video_id_asked_at", "video_id", "asked_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    video_id: Mapped[UUID]
    user_id: Mapped[UUID]
    hits_key: Mapped[str]
    """Empty where nothing had been heard."""
    options: Mapped[dict[str, Any]]
    usable: Mapped[bool]
    reason: Mapped[str | None]
    words: Mapped[str]
    offset_seconds: Mapped[float | None] = mapped_column(Float)
    offset_significance: Mapped[float | None] = mapped_column(Float)
    offset_source: Mapped[str | None]
    width: Mapped[int]
    height: Mapped[int]
    fps: Mapped[float] = mapped_column(Float)
    duration_seconds: Mapped[float] = mapped_column(Float)
    frames: Mapped[int]
    decode_errors: Mapped[int]
    mirrored: Mapped[bool | None]
    handed: Mapped[str | None]
    layout: Mapped[str | None]
    missing: Mapped[list[Any]]
    model_version: Mapped[str]
    shots: Mapped[list[Any]]
    opinions: Mapped[list[Any]]
    stroke_count: Mapped[int]
    marked_count: Mapped[int]
    sight_key: Mapped[str]
    watched_key: Mapped[str]
    clip_key: Mapped[str | None]
    still_keys: Mapped[list[Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    asked_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SeenStroke(Base):
    """A heard hit as it was seen."""

    __tablename__ = "strokes"

    analysis_id: Mapped[UUID] = mapped_column(
        ForeignKey("video_analyses.id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True)
    """Its place in the order of time, from 0."""
    name: Mapped[str]
    """`ev-000001`, as in the performance file and on the score's note."""
    time_seconds: Mapped[float] = mapped_column(Float)
    """In the sound."""
    picture_seconds: Mapped[float | None] = mapped_column(Float)
    """In the picture; None where the offset is not sure."""
    instrument: Mapped[str]
    hand: Mapped[str | None]
    """R, L or B; None where it is not sure."""
    confidence: Mapped[float] = mapped_column(Float)
    shot: Mapped[int | None]
    x: Mapped[float | None] = mapped_column(Float)
    y: Mapped[float | None] = mapped_column(Float)


class SeenRegion(Base):
    """Where a piece is struck, or the rim of a drum head."""

    __tablename__ = "regions"

    analysis_id: Mapped[UUID] = mapped_column(
        ForeignKey("video_analyses.id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    shot: Mapped[int]
    instrument: Mapped[str | None]
    x: Mapped[float] = mapped_column(Float)
    y: Mapped[float] = mapped_column(Float)
    rx: Mapped[float] = mapped_column(Float)
    ry: Mapped[float] = mapped_column(Float)
    angle_deg: Mapped[float] = mapped_column(Float)
    strokes: Mapped[int]
    confidence: Mapped[float] = mapped_column(Float)
