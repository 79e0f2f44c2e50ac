"""Live job changes: one database connection listens, the streams of this process wake by it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import select

from libs.common.database import SessionMaker, plain_url
from libs.common.messaging.event import utc_now
from services.media.jobs import CHANNEL, OPEN
from services.media.models import ProcessingJob

log = logging.getLogger(__name__)

POLL_S = 2.0
"""A notification that was lost (the database restarted) is made up for this soon."""
RESUME_OVERLAP = timedelta(seconds=10)
"""Revisions are drawn before they commit, so a client that resumes may have seen a later one
first; what changed this lately is told again."""


class JobFeed:
    """Wakes whoever watches a video's jobs."""

    def __init__(self, database_url: str) -> None:
        self.url = plain_url(database_url)
        self.watching: dict[str, set[asyncio.Event]] = {}

    async def run(self) -> None:
        """Listen until cancelled, reconnecting."""
        while True:
            try:
                connection = await asyncpg.connect(self.url, timeout=10)
                lost = asyncio.Event()
                connection.add_termination_listener(lambda _c, lost=lost: lost.set())
                try:
                    await connection.add_listener(CHANNEL, self._notified)
                    await lost.wait()
                finally:
                    with contextlib.suppress(Exception):
                        await connection.close(timeout=5)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("job feed lost", exc_info=error)
            await asyncio.sleep(1.0)

    def _notified(self, _connection: Any, _pid: int, _channel: str, payload: object) -> None:
        for wake in self.watching.get(str(payload), ()):
            wake.set()

    @contextlib.contextmanager
    def watch(self, video_id: UUID) -> Iterator[asyncio.Event]:
        """An event that is set whenever a job of the video changed."""
        wake = asyncio.Event()
        mine = self.watching.setdefault(str(video_id), set())
        mine.add(wake)
        try:
            yield wake
        finally:
            mine.discard(wake)
            if not mine:
                self.watching.pop(str(video_id), None)

    async def changes(
        self, sessions: SessionMaker, video_id: UUID, job_id: UUID | None, after: int
    ) -> AsyncIterator[ProcessingJob]:
        """The jobs of a video (or one of them) as they stand, then each change; ends when all
        have ended. `after` is the last revision that the client has seen."""
        sent: dict[UUID, int] = {}
        resumed_at = utc_now()
        with self.watch(video_id) as wake:
            while True:
                wake.clear()
                rows = select(ProcessingJob).where(ProcessingJob.video_id == video_id)
                if job_id is not None:
                    rows = rows.where(ProcessingJob.id == job_id)
                async with sessions() as session:
                    found = (await session.scalars(rows.order_by(ProcessingJob.revision))).all()
                for job in found:
                    seen = sent.get(job.id)
                    known = seen is None and job.revision <= after
                    if known and job.updated_at < resumed_at - RESUME_OVERLAP:
                        sent[job.id] = job.revision
                        continue
                    if seen is None or job.revision > seen:
                        sent[job.id] = job.revision
                        yield job
                if all(job.status not in OPEN for job in found):
                    return
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(wake.wait(), POLL_S)
