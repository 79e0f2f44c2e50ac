"""Transactional outbox: an event is a row of the publisher's own database until it is sent.

Source of the pattern: Richardson, *Microservices Patterns*, ch. 3.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index, LargeBinary, func, text
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, Session, mapped_column

from libs.common.database import CommonBase
from libs.common.messaging.event import Event, Message

COMMITTED: set[Any] = set()
"""Callables that relays of this process register: called when an outbox row was committed, so
that it leaves at once and not at the next poll."""


class OutboxMessage(CommonBase):
    """An event not yet, or lately, published. `position` orders the events of a subject."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_waiting", "position", postgresql_where=text("published_at IS NULL")),
    )

    position: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    id: Mapped[UUID] = mapped_column(unique=True)
    type: Mapped[str]
    source: Mapped[str]
    subject: Mapped[str]
    time: Mapped[datetime]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    headers: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    published_at: Mapped[datetime | None]

    def message(self) -> Message:
        """The row as it travels."""
        return Message(
            id=self.id,
            type=self.type,
            source=self.source,
            subject=self.subject,
            time=self.time,
            body=self.body,
            headers=self.headers,
        )


def announce(session: AsyncSession, event: Event) -> None:
    """Publish `event` if and when the session commits."""
    message = Message.of(event)
    session.add(
        OutboxMessage(
            id=message.id,
            type=message.type,
            source=message.source,
            subject=message.subject,
            time=message.time,
            body=message.body,
            headers=message.headers,
        )
    )
    session.info["announced"] = True


@sqlalchemy_event.listens_for(Session, "after_commit")
def _wake_relays(session: Session) -> None:
    if session.info.pop("announced", False):
        for wake in COMMITTED:
            wake()
