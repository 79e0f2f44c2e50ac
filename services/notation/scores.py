"""Scores: written from hits, found, edited, deleted."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Text, cast, func, insert, literal, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.errors import NotFound, PreconditionFailed
from libs.common.events import (
    NotationCreated,
    NotationDeleted,
    NotationRevised,
    ScoreKept,
    ScoreRemoved,
)
from libs.common.messaging import announce
from libs.common.paging import page_of
from services.notation.domain.written import Written
from services.notation.models import Notation, NotationVersion

Author = Literal["user", "vision"]


@dataclass(frozen=True, slots=True)
class Kept:
    """A version's document, as text: a megabyte is not read on the way to whoever reads it."""

    version: int
    kit: str
    format: str
    document: bytes


async def kept(session: AsyncSession, notation_id: UUID, version: int) -> Kept:
    """One version's document, or NotFound."""
    told = NotationVersion.notation_json
    rows = select(told["score"]["kit"].astext, told["format"].astext, cast(told, Text)).where(
        NotationVersion.notation_id == notation_id, NotationVersion.version == version
    )
    found = (await session.execute(rows)).one_or_none()
    if found is None:
        raise no_version()
    return Kept(version, str(found[0]), str(found[1]), str(found[2]).encode())


def no_version() -> NotFound:
    """What a version that is not there answers."""
    return NotFound("There is no such version.", code="version-not-found")


async def written(session: AsyncSession, notation_id: UUID, version: int) -> Written:
    """One version's document, read: for those that are brought back."""
    found = await kept(session, notation_id, version)
    return await asyncio.to_thread(Written.read, found.document)


def _facts(made: Written) -> dict[str, Any]:
    """The columns that a document fills, but for itself."""
    return {
        "title": made.title,
        "tempo": made.tempo,
        "time_signature": made.time_signature,
        "bar_count": made.bar_count,
        "note_count": made.note_count,
    }


def _as_json(made: Written) -> Any:
    """The document on its way into its column, as it is."""
    return cast(literal(made.document.decode(), Text), JSONB)


async def create(
    session: AsyncSession,
    *,
    notation_id: UUID,
    user_id: UUID,
    video_id: UUID | None,
    job_id: UUID | None,
    generation: int = 1,
    document: bytes,
    options: dict[str, Any],
    change: str,
    hits_key: str | None = None,
    look_id: UUID | None = None,
) -> Notation:
    """Keep a new score as version 1, and tell."""
    made = await asyncio.to_thread(Written.read, document)
    notation = Notation(
        id=notation_id,
        video_id=video_id,
        user_id=user_id,
        options=options,
        hits_key=hits_key,
        look_id=look_id,
        version=1,
        notation_json=_as_json(made),
        **_facts(made),
    )
    session.add(notation)
    await session.flush()
    await _keep_version(session, notation, user_id, change)
    tell_created(session, notation, job_id, generation)
    _tell_kept(session, notation)
    await session.flush()
    return notation


def tell_created(
    session: AsyncSession, notation: Notation, job_id: UUID | None, generation: int
) -> None:
    if notation.video_id is not None:
        announce(
            session,
            NotationCreated(
                video_id=notation.video_id,
                user_id=notation.user_id,
                notation_id=notation.id,
                job_id=job_id,
                generation=generation,
                tempo=notation.tempo,
                time_signature=notation.time_signature or "4/4",
                bar_count=notation.bar_count,
                note_count=notation.note_count,
            ),
        )


async def _keep_version(
    session: AsyncSession,
    notation: Notation,
    user_id: UUID,
    change: str,
    before: int | None = None,
    source: int | None = None,
    redo: list[int] | None = None,
    author: Author = "user",
) -> None:
    document = select(Notation.notation_json).where(Notation.id == notation.id)
    await session.execute(
        insert(NotationVersion).values(
            notation_id=notation.id,
            version=notation.version,
            title=notation.title,
            # From row to row: it crosses to the database once.
            notation_json=document.scalar_subquery(),
            changed_by=user_id,
            author=author,
            change=change,
            before=before,
            source=source,
            redo=redo or [],
        )
    )


async def get(
    session: AsyncSession,
    user_id: UUID,
    notation_id: UUID,
    *,
    lock: bool = False,
) -> Notation:
    """One's own score, without its document, for which see `kept`; or NotFound."""
    rows = select(Notation).where(Notation.id == notation_id, Notation.user_id == user_id)
    notation = await session.scalar(rows.with_for_update() if lock else rows)
    if notation is None:
        raise NotFound("There is no such notation.", code="notation-not-found")
    return notation


async def page(
    session: AsyncSession,
    user_id: UUID,
    video_id: UUID | None,
    limit: int,
    cursor: str | None,
    *,
    without_video: bool = False,
) -> tuple[list[Notation], str | None]:
    """One's own scores, newest first."""
    rows = select(Notation).where(Notation.user_id == user_id)
    if video_id is not None:
        rows = rows.where(Notation.video_id == video_id)
    if without_video:
        rows = rows.where(Notation.video_id.is_(None))
    return await page_of(
        session, rows, Notation.created_at, Notation.id, limit=limit, cursor=cursor
    )


async def replace(
    session: AsyncSession,
    user_id: UUID,
    notation: Notation,
    expected_version: int,
    made: Written,
    change: str,
    *,
    source: int | None = None,
    redo: list[int] | None = None,
    author: Author = "user",
) -> Notation:
    """A new version; PreconditionFailed when another has come since the one that was read.

    `source` is the earlier version that this one brings back, `redo` what was undone to get there.
    """
    await check_version(session, notation, expected_version)
    before = notation.version
    now = await session.scalar(select(func.clock_timestamp()))
    assert now is not None
    for name, value in _facts(made).items():
        setattr(notation, name, value)
    notation.notation_json = _as_json(made)
    notation.version += 1
    notation.updated_at = now
    await session.flush()
    await _keep_version(session, notation, user_id, change, before, source, redo, author)
    if notation.video_id is not None:
        announce(
            session,
            NotationRevised(
                video_id=notation.video_id,
                user_id=user_id,
                notation_id=notation.id,
                version=notation.version,
            ),
        )
    _tell_kept(session, notation)
    await session.flush()
    return notation


def _tell_kept(session: AsyncSession, notation: Notation) -> None:
    announce(
        session,
        ScoreKept(notation_id=notation.id, user_id=notation.user_id, version=notation.version),
    )


async def check_version(session: AsyncSession, notation: Notation, expected_version: int) -> None:
    """PreconditionFailed unless the score still has the version that the caller has read; it says
    what came in between."""
    if notation.version == expected_version:
        return
    last = await session.get(NotationVersion, (notation.id, notation.version))
    came = f" ({last.change})" if last else ""
    raise PreconditionFailed(
        f"The notation is at version {notation.version} by now{came}, yours is "
        f"{expected_version}. Read it again, and make your change on that.",
        headers={"ETag": f'"{notation.version}"'},
        current_version=notation.version,
        changed_by=str(last.changed_by) if last else None,
        author=last.author if last else None,
        change=last.change if last else None,
    )


def as_made(notation: Notation, version: NotationVersion, made: Written) -> dict[str, Any]:
    """A score as it was when this version of it was made, for who asks again."""
    return {
        "id": notation.id,
        "video_id": notation.video_id,
        "version": version.version,
        "options": notation.options,
        "created_at": notation.created_at,
        "updated_at": version.created_at,
        **_facts(made),
    }


async def remove(session: AsyncSession, notation: Notation) -> None:
    """Delete a score with its versions."""
    await session.delete(notation)
    _tell_deleted(session, notation)
    announce(session, ScoreRemoved(notation_id=notation.id, user_id=notation.user_id))


def _tell_deleted(session: AsyncSession, notation: Notation) -> None:
    if notation.video_id is not None:
        announce(
            session,
            NotationDeleted(
                video_id=notation.video_id,
                user_id=notation.user_id,
                notation_id=notation.id,
                version=notation.version,
            ),
        )


async def overview(session: AsyncSession, user_id: UUID) -> dict[str, Any]:
    """Counts over one's own scores."""
    row = (
        await session.execute(
            select(
                func.count(),
                func.coalesce(func.sum(Notation.bar_count), 0),
                func.coalesce(func.sum(Notation.note_count), 0),
                func.avg(Notation.tempo),
                func.min(Notation.tempo),
                func.max(Notation.tempo),
                func.count(func.distinct(Notation.video_id)),
                func.max(Notation.updated_at),
            ).where(Notation.user_id == user_id)
        )
    ).one()
    meters = await session.execute(
        select(Notation.time_signature, func.count())
        .where(Notation.user_id == user_id)
        .group_by(Notation.time_signature)
        .order_by(func.count().desc(), Notation.time_signature)
    )
    return {
        "notations": row[0],
        "videos": row[6],
        "bars": row[1],
        "notes": row[2],
        "mean_tempo": None if row[3] is None else round(float(row[3]), 1),
        "slowest_tempo": row[4],
        "fastest_tempo": row[5],
        "time_signatures": {str(meter): count for meter, count in meters},
        "last_change": row[7],
    }
