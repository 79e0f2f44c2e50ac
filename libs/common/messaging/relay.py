"""From the outbox to the transport: at least once, in order per subject, however long it takes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import timedelta

from prometheus_client import Counter, Gauge
from sqlalchemy import delete, func, select, text, update

from libs.common.database import SessionMaker
from libs.common.idempotency import IdempotentAnswer
from libs.common.messaging.event import utc_now
from libs.common.messaging.inbox import InboxMessage
from libs.common.messaging.outbox import COMMITTED, OutboxMessage
from libs.common.messaging.transport import Transport

log = logging.getLogger(__name__)

PUBLISHED = Counter("backbeat_events_published_total", "Events sent.", ["service"])
WAITING = Gauge("backbeat_outbox_waiting", "Events not yet sent.", ["service"])

BATCH = 200
POLL_S = 0.5
KEPT_FOR = timedelta(days=7)
"""Sent and handled events stay this long, so that a late redelivery is still recognised."""


class Relay:
    """One per process. Relays of one schema take turns by an advisory lock, since two at once
    could overtake each other."""

    def __init__(self, service: str, sessions: SessionMaker, transport: Transport) -> None:
        self.service = service
        self.sessions = sessions
        self.transport = transport
        self.wake = asyncio.Event()

    async def run(self) -> None:
        """Publish until cancelled. A broker or database that is away is tried again, ever
        slower up to 10 s."""
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(self.wake.set)

        COMMITTED.add(wake)
        pause_s = POLL_S
        next_purge_s = 0.0
        try:
            while True:
                self.wake.clear()
                try:
                    sent = await self.publish_batch()
                    pause_s = POLL_S
                    if loop.time() >= next_purge_s:
                        next_purge_s = loop.time() + 3600
                        await self.purge()
                    if sent == BATCH:
                        continue
                except Exception as error:
                    # Not lost and not passed over: the rows stay and are sent when it heals.
                    pause_s = min(pause_s * 2, 10.0)
                    log.warning("relay waits", extra={"pause_s": pause_s}, exc_info=error)
                    await asyncio.sleep(pause_s)
                    continue
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.wake.wait(), POLL_S)
        finally:
            COMMITTED.discard(wake)

    async def publish_batch(self) -> int:
        """Send up to a batch of waiting events; how many."""
        async with self.sessions.begin() as session:
            locked = await session.scalar(
                text("SELECT pg_try_advisory_xact_lock(hashtext(current_schema() || '/relay'))")
            )
            if not locked:
                return 0
            rows = (
                await session.scalars(
                    select(OutboxMessage)
                    .where(OutboxMessage.published_at.is_(None))
                    .order_by(OutboxMessage.position)
                    .limit(BATCH)
                )
            ).all()
            WAITING.labels(self.service).set(len(rows))
            if not rows:
                return 0
            await self.transport.publish([row.message() for row in rows])
            await session.execute(
                update(OutboxMessage)
                .where(OutboxMessage.position.in_([row.position for row in rows]))
                .values(published_at=func.now())
            )
        PUBLISHED.labels(self.service).inc(len(rows))
        return len(rows)

    async def purge(self) -> None:
        """Forget what was sent, handled and answered long ago."""
        limit = utc_now() - KEPT_FOR
        async with self.sessions.begin() as session:
            await session.execute(delete(OutboxMessage).where(OutboxMessage.published_at < limit))
            await session.execute(delete(InboxMessage).where(InboxMessage.handled_at < limit))
            await session.execute(
                delete(IdempotentAnswer).where(IdempotentAnswer.created_at < limit)
            )
