"""Scores as far as the teacher knows them: where their parts lie, and whose they are."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import work
from libs.common.database import SessionMaker
from libs.common.errors import Conflict, NotFound
from libs.common.events import PartPublished, ScoreRemoved, UserDeleted, VideoDeleted
from libs.common.eventual import eventually
from libs.common.messaging import first_time
from libs.common.storage import Storage
from services.ai.models import Enrichment, KeptComparison, KnownScore, Spending, Variation, Wanted

NEWER_WAIT_S = 5.0
"""A version that was saved just now has its part published within that."""


async def published(session: AsyncSession, event: PartPublished) -> bool:
    """Keep where the part lies; a later version replaces it. Whether the score was new."""
    new = await session.get(KnownScore, event.notation_id) is None
    values = {
        "user_id": event.user_id,
        "video_id": event.video_id,
        "version": event.version,
        "title": event.title,
        "part_key": event.part_key,
    }
    await session.execute(
        insert(KnownScore)
        .values(notation_id=event.notation_id, **values)
        .on_conflict_do_update(
            index_elements=[KnownScore.notation_id],
            set_=values,
            where=(KnownScore.version < event.version) & KnownScore.removed_at.is_(None),
        )
    )
    await session.execute(
        update(Variation)
        .where(Variation.id == event.notation_id, Variation.written_at.is_(None))
        .values(written_at=func.now())
    )
    return new


async def removed(sessions: SessionMaker, storage: Storage, event: ScoreRemoved) -> None:
    """Forget a score, what was said of it, and, where it was a variation, what was composed."""
    await storage.delete(composed_key(event.notation_id))
    async with sessions.begin() as session:
        if await first_time(session, event):
            await _forget(session, event)


def composed_key(notation_id: UUID) -> str:
    """Where a variation's part lies until notation has written it."""
    return f"variations/{notation_id}.json"


async def _forget(session: AsyncSession, event: ScoreRemoved) -> None:
    """The mark stays: its part may be told of later."""
    await session.execute(
        insert(KnownScore)
        .values(
            notation_id=event.notation_id,
            user_id=event.user_id,
            version=0,
            title="",
            part_key="",
            removed_at=func.now(),
        )
        .on_conflict_do_update(
            index_elements=[KnownScore.notation_id],
            set_={"removed_at": func.now(), "title": "", "part_key": ""},
        )
    )
    await session.execute(delete(Enrichment).where(Enrichment.notation_id == event.notation_id))
    await session.execute(delete(Variation).where(Variation.id == event.notation_id))
    await session.execute(
        delete(KeptComparison).where(
            or_(
                KeptComparison.notation_id == event.notation_id,
                KeptComparison.take_id == event.notation_id,
            )
        )
    )


async def video_deleted(session: AsyncSession, event: VideoDeleted) -> None:
    """Nothing more is wanted of it; its scores tell of their removal themselves."""
    if await first_time(session, event):
        await session.execute(delete(Wanted).where(Wanted.video_id == event.video_id))
        await work.forget_video(session, event.video_id)


async def user_deleted(sessions: SessionMaker, storage: Storage, event: UserDeleted) -> None:
    """Forget a user: questions and answers, budgets, what was composed."""
    async with sessions() as session:
        ids = (
            await session.scalars(select(Variation.id).where(Variation.user_id == event.user_id))
        ).all()
    for notation_id in ids:
        await storage.delete(composed_key(notation_id))
    async with sessions.begin() as session:
        if not await first_time(session, event):
            return
        for table in (Enrichment, Spending, Wanted, Variation, KeptComparison):
            await session.execute(delete(table).where(table.user_id == event.user_id))
        await session.execute(
            update(KnownScore)
            .where(KnownScore.user_id == event.user_id)
            .values(removed_at=func.now(), title="", part_key="")
        )


def not_there() -> NotFound:
    """What a score that is gone, or another's, answers."""
    return NotFound("There is no such notation.", code="notation-not-found")


async def still_there(session: AsyncSession, notation_id: UUID) -> None:
    """NotFound where a score was deleted meanwhile; else its deletion waits for this transaction,
    and takes along what it keeps."""
    there = await session.scalar(
        select(KnownScore.notation_id)
        .where(KnownScore.notation_id == notation_id, KnownScore.removed_at.is_(None))
        .with_for_update(read=True)
    )
    if there is None:
        raise not_there()


async def find(
    sessions: SessionMaker,
    user_id: UUID,
    notation_id: UUID,
    version: int | None = None,
    *,
    field: str = "body.version",
) -> KnownScore:
    """One's own score, of `version` at least where one is given. NotFound; Conflict where the
    version does not come, which names the `field` that asked for it."""

    async def look() -> KnownScore | None:
        async with sessions() as session:
            found = await session.get(KnownScore, notation_id)
        return found if found is not None and found.user_id == user_id else None

    found = await eventually(look)
    if found is None or found.removed_at is not None:
        raise not_there()
    if version is None or found.version >= version:
        return found

    async def look_again() -> KnownScore | None:
        again = await look()
        return again if again is not None and again.version >= version else None

    newer = await eventually(look_again, within_s=NEWER_WAIT_S)
    if newer is None:
        raise Conflict(
            f"The teacher knows version {found.version} of this score, and no version {version} "
            "yet. Ask again in a moment, or leave `version` out.",
            code="version-not-known-yet",
            field=field,
            headers={"Retry-After": "2"},
        )
    return newer
