"""Scores: written from hits, found, edited, deleted."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

from libs.common.errors import NotFound, PreconditionFailed
from libs.common.events import NotationCreated, NotationDeleted, NotationRevised
from libs.common.messaging import announce
from libs.common.paging import page_of
from services.notation.domain.document import ScoreDocument
from services.notation.domain.stats import summary
from services.notation.models import Notation, NotationVersion


def _facts(document: ScoreDocument) -> dict[str, Any]:
    """The columns that a document fills."""
    found = summary(document)
    marks = document.timeline.tempo_map
    return {
        "title": document.score.title,
        "tempo": round(marks[0].quarters_per_minute) if marks else None,
        "time_signature": found.meter,
        "bar_count": found.bars,
        "note_count": found.notes,
        "notation_json": document.to_dict(),
    }


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
) -> Notation:
    """Keep a new score as version 1, and tell."""
    read = ScoreDocument.from_json(document)
    notation = Notation(
        id=notation_id,
        video_id=video_id,
        user_id=user_id,
        options=options,
        version=1,
        **_facts(read),
    )
    session.add(notation)
    await session.flush()
    _keep_version(session, notation, user_id, change)
    tell_created(session, notation, job_id, generation)
    await session.flush()
    await session.refresh(notation)
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


def _keep_version(
    session: AsyncSession,
    notation: Notation,
    user_id: UUID,
    change: str,
    before: int | None = None,
    source: int | None = None,
    redo: list[int] | None = None,
) -> None:
    session.add(
        NotationVersion(
            notation_id=notation.id,
            version=notation.version,
            title=notation.title,
            notation_json=notation.notation_json,
            changed_by=user_id,
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
    document: bool = True,
) -> Notation:
    """One's own score, with its document unless that is not wanted; or NotFound."""
    rows = select(Notation).where(Notation.id == notation_id, Notation.user_id == user_id)
    if document:
        rows = rows.options(undefer(Notation.notation_json))
    notation = await session.scalar(rows.with_for_update() if lock else rows)
    if notation is None:
        raise NotFound("There is no such notation.", code="notation-not-found")
    return notation


async def page(
    session: AsyncSession, user_id: UUID, video_id: UUID | None, limit: int, cursor: str | None
) -> tuple[list[Notation], str | None]:
    """One's own scores, newest first."""
    rows = select(Notation).where(Notation.user_id == user_id)
    if video_id is not None:
        rows = rows.where(Notation.video_id == video_id)
    return await page_of(
        session, rows, Notation.created_at, Notation.id, limit=limit, cursor=cursor
    )


async def replace(
    session: AsyncSession,
    user_id: UUID,
    notation: Notation,
    expected_version: int,
    document: ScoreDocument,
    change: str,
    *,
    source: int | None = None,
    redo: list[int] | None = None,
) -> Notation:
    """A new version; PreconditionFailed when another has come since the one that was read.

    `source` is the earlier version that this one brings back, `redo` what was undone to get there.
    """
    await check_version(session, notation, expected_version)
    before = notation.version
    for name, value in _facts(document).items():
        setattr(notation, name, value)
    notation.version += 1
    now = await session.scalar(select(func.clock_timestamp()))
    assert now is not None
    notation.updated_at = now
    _keep_version(session, notation, user_id, change, before, source, redo)
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
    await session.flush()
    return notation


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
        change=last.change if last else None,
    )


def as_made(notation: Notation, made: NotationVersion) -> dict[str, Any]:
    """A score as it was when this version of it was made, for who asks again."""
    facts = _facts(ScoreDocument.from_dict(made.notation_json))
    return {
        "id": notation.id,
        "video_id": notation.video_id,
        "version": made.version,
        "options": notation.options,
        "created_at": notation.created_at,
        "updated_at": made.created_at,
        **facts,
    }


async def remove(session: AsyncSession, notation: Notation) -> None:
    """Delete a score with its versions."""
    await session.delete(notation)
    _tell_deleted(session, notation)


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


def as_bytes(notation: Notation | NotationVersion) -> bytes:
    """A kept document, for the worker process."""
    return json.dumps(notation.notation_json).encode()
