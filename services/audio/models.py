"""Audio's tables."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Float, ForeignKey, Index, MetaData, UniqueConstraint, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from libs.common.database import COLUMN_TYPES, NAMING


class Base(DeclarativeBase):
    """Audio's own tables."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = COLUMN_TYPES


class Source(Base):
    """A video as media told of it. Deleted ones stay as a mark, since events may overtake each
    other."""

    __tablename__ = "sources"

    video_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    storage_key: Mapped[str]
    filename: Mapped[str]
    deleted_at: Mapped[datetime | None]


class Sound(Base):
    """A video's sound, extracted with some options."""

    __tablename__ = "sounds"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    video_id: Mapped[UUID] = mapped_column(index=True)
    user_id: Mapped[UUID]
    title: Mapped[str]
    audio_key: Mapped[str]
    options: Mapped[dict[str, Any]]
    sample_rate: Mapped[int]
    channels: Mapped[int]
    duration_s: Mapped[float] = mapped_column(Float)
    peak: Mapped[float] = mapped_column(Float)
    decode_errors: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class AudioAnalysis(Base):
    """What was heard in a sound with some options. The newest counts."""

    __tablename__ = "audio_analyses"
    __table_args__ = (
        Index("ix_audio_analyses_audio_file_id_created_at", "audio_file_id", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    audio_file_id: Mapped[UUID] = mapped_column(ForeignKey("sounds.id", ondelete="CASCADE"))
    video_id: Mapped[UUID] = mapped_column(index=True)
    options: Mapped[dict[str, Any]]
    model_version: Mapped[str]
    hits_key: Mapped[str]
    hit_count: Mapped[int]
    beat_count: Mapped[int]
    tempo_bpm: Mapped[float | None] = mapped_column(Float)
    tempo_confidence: Mapped[float] = mapped_column(Float)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class DrumEvent(Base):
    """A hit."""

    __tablename__ = "drum_events"
    __table_args__ = (
        Index("ix_drum_events_analysis_id_time_seconds", "analysis_id", "time_seconds"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    analysis_id: Mapped[UUID] = mapped_column(ForeignKey("audio_analyses.id", ondelete="CASCADE"))
    audio_file_id: Mapped[UUID]
    name: Mapped[str]
    """`ev-000001`, as in the performance file and on the score's note."""
    time_seconds: Mapped[float] = mapped_column(Float)
    instrument: Mapped[str]
    velocity: Mapped[float | None] = mapped_column(Float)
    confidence: Mapped[float | None] = mapped_column(Float)
    model_version: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Stem(Base):
    """A part of a sound, by itself."""

    __tablename__ = "stems"
    __table_args__ = (
        UniqueConstraint("separation_id", "name"),
        Index("ix_stems_audio_file_id_created_at", "audio_file_id", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    separation_id: Mapped[UUID]
    """The same for all that one separation made."""
    audio_file_id: Mapped[UUID] = mapped_column(ForeignKey("sounds.id", ondelete="CASCADE"))
    video_id: Mapped[UUID] = mapped_column(index=True)
    name: Mapped[str]
    method: Mapped[str]
    """demucs or hpss. A stem of hpss is percussive or harmonic, never drums."""
    model_version: Mapped[str]
    audio_key: Mapped[str]
    sample_rate: Mapped[int]
    channels: Mapped[int]
    duration_s: Mapped[float] = mapped_column(Float)
    peak: Mapped[float] = mapped_column(Float)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Enhancement(Base):
    """A clearer copy of a sound."""

    __tablename__ = "enhancements"
    __table_args__ = (
        Index("ix_enhancements_audio_file_id_created_at", "audio_file_id", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    audio_file_id: Mapped[UUID] = mapped_column(ForeignKey("sounds.id", ondelete="CASCADE"))
    video_id: Mapped[UUID] = mapped_column(index=True)
    options: Mapped[dict[str, Any]]
    audio_key: Mapped[str]
    sample_rate: Mapped[int]
    channels: Mapped[int]
    duration_s: Mapped[float] = mapped_column(Float)
    loudness_before_lufs: Mapped[float | None] = mapped_column(Float)
    loudness_after_lufs: Mapped[float | None] = mapped_column(Float)
    true_peak_before_dbtp: Mapped[float | None] = mapped_column(Float)
    true_peak_after_dbtp: Mapped[float | None] = mapped_column(Float)
    noise_floor_dbfs: Mapped[float | None] = mapped_column(Float)
    gain_db: Mapped[float] = mapped_column(Float)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
