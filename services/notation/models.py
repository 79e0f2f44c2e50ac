"""Notation's tables."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, MetaData, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from libs.common.database import COLUMN_TYPES, NAMING


class Base(DeclarativeBase):
    """Notation's own tables."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = COLUMN_TYPES


class KnownVideo(Base):
    """Whose a video is. Deleted ones stay as a mark, since events may overtake each other."""

    __tablename__ = "known_videos"

    video_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    deleted_at: Mapped[datetime | None]


class Heard(Base):
    """The hits that audio found in a video; the newest counts."""

    __tablename__ = "heard"
    __table_args__ = (Index("ix_heard_video_id_created_at", "video_id", "created_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    """The event's."""
    video_id: Mapped[UUID]
    user_id: Mapped[UUID]
    audio_id: Mapped[UUID]
    hits_key: Mapped[str]
    title: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Look(Base):
    """What vision saw of the hits of one performance file; the newest look counts."""

    __tablename__ = "looks"

    video_id: Mapped[UUID] = mapped_column(primary_key=True)
    hits_key: Mapped[str] = mapped_column(primary_key=True)
    look_id: Mapped[UUID]
    """The event's."""
    analysis_id: Mapped[UUID]
    sight_key: Mapped[str]
    usable: Mapped[bool]
    occurred_at: Mapped[datetime]


class Notation(Base):
    """A score. `notation_json` is its document (format `backbeat-score/2`; older rows may hold 1,
    which is read as 2)."""

    __tablename__ = "notations"
    __table_args__ = (
        Index("ix_notations_user_id_created_at_id", "user_id", "created_at", "id"),
        Index("ix_notations_video_id", "video_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    video_id: Mapped[UUID | None]
    user_id: Mapped[UUID]
    title: Mapped[str]
    tempo: Mapped[int | None]
    """Quarter notes a minute at the start, rounded."""
    time_signature: Mapped[str | None]
    bar_count: Mapped[int]
    note_count: Mapped[int]
    options: Mapped[dict[str, Any]]
    """How it was written from the hits."""
    hits_key: Mapped[str | None]
    """The performance file that it was written from; null where it was not, or nobody knows."""
    look_id: Mapped[UUID | None]
    """The last look whose hands it was given; one that is undone is not given again."""
    version: Mapped[int]
    # Megabytes for a long recording; lists do without.
    notation_json: Mapped[dict[str, Any]] = mapped_column(JSONB, deferred=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class PublishedPart(Base):
    """Where a score's part lies for other services. It outlives its score until the file is
    gone."""

    __tablename__ = "published_parts"

    notation_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    part_key: Mapped[str]


class UserKit(Base):
    """A kit table of a user's own."""

    __tablename__ = "user_kits"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    """Its id, as exports ask for it."""
    table: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class NotationVersion(Base):
    """A score as it once was, or is."""

    __tablename__ = "notation_versions"

    notation_id: Mapped[UUID] = mapped_column(
        ForeignKey("notations.id", ondelete="CASCADE"), primary_key=True
    )
    version: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    notation_json: Mapped[dict[str, Any]] = mapped_column(JSONB, deferred=True)
    changed_by: Mapped[UUID]
    author: Mapped[str] = mapped_column(server_default="user")
    """`user`, or `vision` where `changed_by` only owns the score."""
    change: Mapped[str]
    """What was done, in words."""
    before: Mapped[int | None]
    """The version that it was made from; null for the first, and for those older than this."""
    source: Mapped[int | None]
    """The version whose document it brought back."""
    redo: Mapped[list[int]] = mapped_column(JSONB, server_default="[]")
    """What was undone to get here, and may be done again."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ShareLink(Base):
    """Whoever knows its token may read the score, until it ends. It goes with the score."""

    __tablename__ = "share_links"
    __table_args__ = (
        Index("ix_share_links_notation_id_created_at_id", "notation_id", "created_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    notation_id: Mapped[UUID] = mapped_column(ForeignKey("notations.id", ondelete="CASCADE"))
    user_id: Mapped[UUID]
    token_hash: Mapped[str] = mapped_column(unique=True)
    """SHA-256 of the token in hex; the token itself is told once and not kept."""
    name: Mapped[str]
    with_video: Mapped[bool]
    views: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    last_seen_at: Mapped[datetime | None]


class PracticeSession(Base):
    """Somebody practised some bars for a while. It goes with the score."""

    __tablename__ = "practice_sessions"
    __table_args__ = (
        Index("ix_practice_sessions_notation_id_created_at_id", "notation_id", "created_at", "id"),
    )

    notation_id: Mapped[UUID] = mapped_column(
        ForeignKey("notations.id", ondelete="CASCADE"), primary_key=True
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    """The client's own."""
    user_id: Mapped[UUID]
    from_bar: Mapped[int]
    to_bar: Mapped[int]
    speed: Mapped[float]
    """1 as recorded, 0.5 half as fast."""
    loops: Mapped[int]
    """How many times the bars were played through."""
    seconds: Mapped[float]
    started_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
