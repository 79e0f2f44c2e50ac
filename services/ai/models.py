"""The ai service's tables."""

from __future__ import annotations

import datetime as dates
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, MetaData, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from libs.common.database import COLUMN_TYPES, NAMING


class Base(DeclarativeBase):
    """The ai service's own tables."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = COLUMN_TYPES


class KnownScore(Base):
    """Where a score's part lies. Removed ones stay as a mark, since events may overtake each
    other."""

    __tablename__ = "known_scores"
    __table_args__ = (Index("ix_known_scores_video_id", "video_id"),)

    notation_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(index=True)
    video_id: Mapped[UUID | None]
    version: Mapped[int]
    title: Mapped[str]
    part_key: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    removed_at: Mapped[datetime | None]


class Enrichment(Base):
    """What was said of a score. Equal questions have equal hashes, whoever asked them."""

    __tablename__ = "openai_enrichments"
    __table_args__ = (
        Index("ix_openai_enrichments_notation_id_created_at", "notation_id", "created_at"),
        Index("ix_openai_enrichments_prompt_hash", "prompt_hash"),
        Index(
            "uq_openai_enrichments_notation_id_prompt_hash",
            "notation_id",
            "prompt_hash",
            unique=True,
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    notation_id: Mapped[UUID]
    user_id: Mapped[UUID] = mapped_column(index=True)
    version: Mapped[int]
    """Of the score."""
    enhancement_type: Mapped[str]
    prompt_hash: Mapped[str]
    model: Mapped[str]
    """The rules' version, where the rules spoke."""
    source: Mapped[str]
    """`rules`, or `model`."""
    note: Mapped[str | None]
    """Why the rules spoke although there is a model; which claims were left out."""
    input_json: Mapped[dict[str, Any]] = mapped_column(JSONB)
    output_json: Mapped[dict[str, Any]] = mapped_column(JSONB)
    prompt_tokens: Mapped[int] = mapped_column(server_default="0")
    completion_tokens: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Question(Base):
    """A question that some process is putting to the model: whoever has the same waits for it."""

    __tablename__ = "questions"

    prompt_hash: Mapped[str] = mapped_column(primary_key=True)
    asker: Mapped[UUID]
    lease_until: Mapped[datetime]


class Spending(Base):
    """What a user has had a model use on a day, reserved or spent."""

    __tablename__ = "spendings"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[dates.date] = mapped_column(primary_key=True)
    tokens: Mapped[int] = mapped_column(BigInteger)
    questions: Mapped[int]


class Wanted(Base):
    """A score of this video is to be explained once it is written."""

    __tablename__ = "wanted"

    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    video_id: Mapped[UUID] = mapped_column(index=True)
    user_id: Mapped[UUID]
    generation: Mapped[int]
    enhancement_type: Mapped[str]


class Variation(Base):
    """A practice version: a notation of its own once notation has written it."""

    __tablename__ = "variations"
    __table_args__ = (
        Index("ix_variations_of_notation_id_created_at_id", "of_notation_id", "created_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    """The notation's that it is."""
    of_notation_id: Mapped[UUID]
    of_version: Mapped[int]
    user_id: Mapped[UUID] = mapped_column(index=True)
    title: Mapped[str]
    kind: Mapped[str]
    change: Mapped[str]
    why: Mapped[str]
    steps: Mapped[list[Any]] = mapped_column(JSONB)
    direction: Mapped[str]
    difficulty_before: Mapped[float]
    difficulty_after: Mapped[float]
    source: Mapped[str]
    """`rules`, or `model`."""
    written_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class KeptComparison(Base):
    """A take as it was laid beside a score: asked for again, it is measured anew."""

    __tablename__ = "comparisons"
    __table_args__ = (
        Index("ix_comparisons_notation_id_created_at_id", "notation_id", "created_at", "id"),
        Index("ix_comparisons_take_id", "take_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    """The same for the same score, take and bars."""
    notation_id: Mapped[UUID]
    version: Mapped[int]
    take_id: Mapped[UUID]
    take_title: Mapped[str]
    user_id: Mapped[UUID] = mapped_column(index=True)
    from_bar: Mapped[int | None]
    to_bar: Mapped[int | None]
    result: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
