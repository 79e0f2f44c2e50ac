"""Idempotent consumer: the id of a handled event commits with the handler's effects."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from libs.common.database import CommonBase
from libs.common.messaging.event import Event


class InboxMessage(CommonBase):
    """An event that a consumer of this service has handled."""

    __tablename__ = "inbox"

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    consumer: Mapped[str] = mapped_column(primary_key=True)
    handled_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)


async def first_time(session: AsyncSession, event: Event, consumer: str = "") -> bool:
    """Whether this is the first delivery of `event`; a second one waits for the first's
    transaction and then gets False."""
    inserted = await session.execute(
        insert(InboxMessage)
        .values(event_id=event.event_id, consumer=consumer)
        .on_conflict_do_nothing()
        .returning(InboxMessage.event_id)
    )
    return inserted.first() is not None
