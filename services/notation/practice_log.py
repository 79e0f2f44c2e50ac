"""What was practised: kept as a client tells it, and summed up."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.database import SessionMaker
from libs.common.errors import Conflict, Invalid
from libs.common.messaging.event import utc_now
from libs.common.paging import page_of
from services.notation import scores
from services.notation.domain.practice import PracticeSummary, Practised, practice_summary
from services.notation.models import PracticeSession

MOST: Final = 10_000


async def keep(
    session: AsyncSession, user_id: UUID, notation_id: UUID, session_id: UUID, told: Practised
) -> PracticeSession:
    """Keep a session, or what it has become; the last that is told counts."""
    # Locked, so that two requests cannot both make the last one.
    notation = await scores.get(session, user_id, notation_id, lock=True)
    if told.to_bar - told.from_bar > notation.bar_count:
        raise Invalid(
            f"The score has {notation.bar_count} bars, and not so many as from_bar to to_bar.",
            field="body.to_bar",
        )
    there = await session.scalar(
        select(func.count())
        .select_from(PracticeSession)
        .where(PracticeSession.notation_id == notation_id, PracticeSession.id != session_id)
    )
    if (there or 0) >= MOST:
        raise Conflict(
            f"{MOST} sessions are kept of a notation, and no more.", code="too-many-sessions"
        )
    values = asdict(told)
    row: PracticeSession | None = await session.scalar(
        insert(PracticeSession)
        .values(notation_id=notation_id, id=session_id, user_id=user_id, **values)
        .on_conflict_do_update(
            index_elements=[PracticeSession.notation_id, PracticeSession.id], set_=values
        )
        .returning(PracticeSession)
    )
    assert row is not None
    return row


async def page(
    session: AsyncSession, user_id: UUID, notation_id: UUID, limit: int, cursor: str | None
) -> tuple[list[PracticeSession], str | None]:
    """A score's sessions, the one that was told of last first."""
    await scores.get(session, user_id, notation_id)
    rows = select(PracticeSession).where(PracticeSession.notation_id == notation_id)
    return await page_of(
        session, rows, PracticeSession.created_at, PracticeSession.id, limit=limit, cursor=cursor
    )


async def summary(
    sessions: SessionMaker, user_id: UUID, notation_id: UUID, utc_offset: timedelta
) -> PracticeSummary:
    """What they add up to, without a connection and beside the event loop."""
    async with sessions() as session:
        await scores.get(session, user_id, notation_id)
        rows = await session.execute(
            select(
                PracticeSession.from_bar,
                PracticeSession.to_bar,
                PracticeSession.speed,
                PracticeSession.loops,
                PracticeSession.seconds,
                PracticeSession.started_at,
            ).where(PracticeSession.notation_id == notation_id)
        )
        practised = [Practised(*row) for row in rows]
    return await asyncio.to_thread(
        practice_summary, practised, now=utc_now(), utc_offset=utc_offset
    )
