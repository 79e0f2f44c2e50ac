"""Long work as rows of the service's own database: claimed under a lease, fair between users.

An event handler or a route only writes the row, so that no broker delivery stays open for
minutes (RabbitMQ closes those), a killed worker's item is taken up by another when its lease
ends, and a result counts once: it commits together with the proof that the lease still holds.
See docs/adr/0003.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID, uuid4

from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy import Index, delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, aliased, mapped_column

from libs.common.database import DATABASE_AWAY, CommonBase, SessionMaker
from libs.common.events.work import WorkFailed, WorkStarted
from libs.common.messaging import announce

log = logging.getLogger(__name__)

ENDED = Counter("backbeat_work_ended_total", "Work by outcome.", ["service", "kind", "outcome"])
TOOK_S = Histogram(
    "backbeat_work_seconds",
    "Time of work that was done.",
    ["service", "kind"],
    buckets=(0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600),
)
QUEUED = Gauge("backbeat_work_queued", "Work not yet begun.", ["service"])

LEASE_S = 30.0
HEARTBEAT_S = 1.0
POLL_S = 0.5
MAX_ATTEMPTS = 5
RETRY_DELAYS_S = (2.0, 10.0, 60.0, 300.0)


class WorkItem(CommonBase):
    """One piece of long work. `id` is the job's."""

    __tablename__ = "work"
    __table_args__ = (
        Index("ix_work_claimable", "created_at", postgresql_where=text("state = 'queued'")),
        Index("ix_work_leases", "lease_until", postgresql_where=text("state = 'running'")),
        Index("ix_work_turns", "user_id", "started_at"),
        Index(
            "uq_work_dedupe_key",
            "dedupe_key",
            unique=True,
            postgresql_where=text("state IN ('queued', 'running', 'done')"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    video_id: Mapped[UUID] = mapped_column(index=True)
    user_id: Mapped[UUID]
    params: Mapped[dict[str, Any]]
    dedupe_key: Mapped[str]
    """Equal for equal work: asked for twice, it is done once."""
    generation: Mapped[int] = mapped_column(server_default="1")
    """How often the job was asked for. Events may overtake each other: a cancellation only
    reaches its own generation and those before, and only a later one revives."""
    state: Mapped[str] = mapped_column(server_default="queued")
    """queued, running, done, failed or cancelled."""
    attempts: Mapped[int] = mapped_column(server_default="0")
    not_before: Mapped[datetime] = mapped_column(server_default=func.now())
    lease_until: Mapped[datetime | None]
    worker: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class Refused(Exception):
    """The work cannot be done, and that is an answer: a stable code, and a message that says
    what to do."""

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable

    def __reduce__(self) -> tuple[Any, ...]:
        # It crosses from worker processes; the default forgets keyword arguments.
        return _refused, (self.code, self.message, self.retryable)


def _refused(code: str, message: str, retryable: bool) -> Refused:
    return Refused(code, message, retryable=retryable)


class Cancelled(Exception):
    """The item was cancelled, or its lease went to another worker."""


async def submit(
    session: AsyncSession,
    *,
    job_id: UUID,
    kind: str,
    video_id: UUID,
    user_id: UUID,
    params: dict[str, Any],
    dedupe_key: str,
    generation: int = 1,
) -> tuple[WorkItem, bool]:
    """Queue work, unless equal work is queued, running or done; the item, and whether it is new.

    An item of the same id stays as it is, cancelled or not, unless this is a later generation.
    """
    values = {
        "kind": kind,
        "video_id": video_id,
        "user_id": user_id,
        "params": params,
        "dedupe_key": dedupe_key,
        "generation": generation,
        "state": "queued",
        "attempts": 0,
        "not_before": func.now(),
        "lease_until": None,
        "worker": None,
        "finished_at": None,
    }
    # Serialised per key: two equal requests at once must find each other.
    await session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 1))"), {"key": dedupe_key}
    )
    equal = await session.scalar(
        select(WorkItem).where(
            WorkItem.dedupe_key == dedupe_key,
            WorkItem.state.in_(["queued", "running", "done"]),
        )
    )
    if equal is not None:
        return equal, False
    item = await session.scalar(
        insert(WorkItem)
        .values(id=job_id, **values)
        .on_conflict_do_update(
            index_elements=[WorkItem.id],
            set_=values,
            where=WorkItem.generation < generation,
        )
        .returning(WorkItem)
        .execution_options(populate_existing=True)
    )
    if item is None:
        found = await session.get(WorkItem, job_id)
        assert found is not None
        return found, False
    return item, True


async def cancel(
    session: AsyncSession,
    *,
    job_id: UUID,
    kind: str,
    video_id: UUID,
    user_id: UUID,
    generation: int = 1,
) -> None:
    """Stop the item, running or not. One that has not come yet is kept as cancelled, since the
    event that would bring it may be on its way."""
    await session.execute(
        insert(WorkItem)
        .values(
            id=job_id,
            kind=kind,
            video_id=video_id,
            user_id=user_id,
            params={},
            dedupe_key=f"cancelled/{job_id}",
            generation=generation,
            state="cancelled",
            finished_at=func.now(),
        )
        .on_conflict_do_update(
            index_elements=[WorkItem.id],
            set_={
                "state": "cancelled",
                "generation": generation,
                "finished_at": func.now(),
            },
            where=or_(
                (WorkItem.generation <= generation)
                & WorkItem.state.in_(["queued", "running", "cancelled"]),
                # It overtook the retry of an item that had failed.
                (WorkItem.generation < generation) & (WorkItem.state == "failed"),
            ),
        )
    )


async def was_cancelled(session: AsyncSession, job_id: UUID, generation: int) -> bool:
    """Whether this generation of the job was cancelled, before or after it came."""
    found = await session.scalar(
        select(WorkItem.id).where(
            WorkItem.id == job_id,
            WorkItem.state == "cancelled",
            WorkItem.generation >= generation,
        )
    )
    return found is not None


async def forget_video(session: AsyncSession, video_id: UUID) -> None:
    """Remove all work on a video; workers that hold some notice within a heartbeat."""
    await session.execute(delete(WorkItem).where(WorkItem.video_id == video_id))


@dataclass
class Control:
    """What a handler may do while it works."""

    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    discard: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    """Called when the result does not count, to remove what was written to storage."""

    def check(self) -> None:
        """Raise when the item is no longer wanted."""
        if self.cancelled.is_set():
            raise Cancelled


Finish = Callable[[AsyncSession], Awaitable[None]]
Handler = Callable[[WorkItem, Control], Awaitable[Finish]]


class Announcer(Protocol):
    """Tells other services how work goes; joins the given transaction."""

    def started(self, session: AsyncSession, item: WorkItem) -> None:
        """A worker has it."""

    def failed(self, session: AsyncSession, item: WorkItem, refusal: Refused) -> None:
        """It ended without a result."""


@dataclass(frozen=True)
class EventAnnouncer:
    """Tells it in the service's own events. Items have their job's type among their params."""

    started_event: type[WorkStarted]
    failed_event: type[WorkFailed]

    def started(self, session: AsyncSession, item: WorkItem) -> None:
        """A worker has it."""
        announce(session, self.started_event(**_about(item)))

    def failed(self, session: AsyncSession, item: WorkItem, refusal: Refused) -> None:
        """It ended without a result."""
        announce(
            session,
            self.failed_event(
                **_about(item),
                code=refusal.code,
                message=refusal.message,
                retryable=refusal.retryable,
            ),
        )


def _about(item: WorkItem) -> dict[str, Any]:
    return {
        "video_id": item.video_id,
        "user_id": item.user_id,
        "job_id": item.id,
        "job_type": item.params["job_type"],
        "generation": item.generation,
    }


class Worker:
    """Claims and does work, `concurrency` items at a time.

    Whose turn it is: the user who was served longest ago comes first, so that a thousand jobs
    of one user do not hold up the single job of another.
    """

    def __init__(
        self,
        service: str,
        sessions: SessionMaker,
        handlers: dict[str, Handler],
        announcer: Announcer,
        *,
        concurrency: int = 1,
        grace_s: float = 20.0,
        lease_s: float = LEASE_S,
    ) -> None:
        self.service = service
        self.sessions = sessions
        self.handlers = handlers
        self.announcer = announcer
        self.concurrency = concurrency
        self.grace_s = grace_s
        self.lease_s = lease_s

    async def run(self) -> None:
        """Work until cancelled; then finish what runs within the grace, or hand it back."""
        stopping = asyncio.Event()
        loops = [asyncio.create_task(self._loop(stopping)) for _ in range(self.concurrency)]
        try:
            # Not gather: cancelling that would cancel the loops before their grace.
            ended, _ = await asyncio.wait(loops, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            stopping.set()
            _, late = await asyncio.wait(loops, timeout=self.grace_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*loops, return_exceptions=True)

    async def _loop(self, stopping: asyncio.Event) -> None:
        token = uuid4()
        while not stopping.is_set():
            try:
                item = await self._claim(token)
            except DATABASE_AWAY as error:
                log.warning("no work can be claimed", exc_info=error)
                item = None
                await asyncio.sleep(1.0)
            if item is None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), POLL_S)
                continue
            await self._work(item, token)

    async def _claim(self, token: UUID) -> WorkItem | None:
        async with self.sessions.begin() as session:
            QUEUED.labels(self.service).set(
                await session.scalar(select(func.count()).where(WorkItem.state == "queued")) or 0
            )
            other = aliased(WorkItem)
            last_turn = (
                select(func.max(other.started_at))
                .where(other.user_id == WorkItem.user_id)
                .scalar_subquery()
            )
            free = or_(
                (WorkItem.state == "queued") & (WorkItem.not_before <= func.now()),
                (WorkItem.state == "running") & (WorkItem.lease_until < func.now()),
            )
            item = await session.scalar(
                select(WorkItem)
                .where(free, WorkItem.kind.in_(list(self.handlers)))
                .order_by(last_turn.asc().nulls_first(), WorkItem.created_at, WorkItem.id)
                .limit(1)
                .with_for_update(skip_locked=True, of=WorkItem)
            )
            if item is None:
                return None
            if item.attempts >= MAX_ATTEMPTS:
                # It took its workers down with it; one more would not be the better for it.
                await self._fail(
                    session,
                    item,
                    Refused(
                        "worker-crashed",
                        "The processing of this recording crashed several times. The file may be "
                        "damaged; convert it to MP4 with another program and upload it again.",
                        retryable=True,
                    ),
                )
                return None
            now = await session.scalar(select(func.now()))
            assert now is not None
            item.state = "running"
            item.worker = token
            item.attempts += 1
            item.started_at = now
            item.lease_until = now + timedelta(seconds=self.lease_s)
            self.announcer.started(session, item)
            return item

    async def _work(self, item: WorkItem, token: UUID) -> None:
        control = Control()
        heart = asyncio.create_task(self._heartbeat(item, token, control))
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        outcome = "done"
        try:
            try:
                finish = await self.handlers[item.kind](item, control)
                control.check()
                await self._settle(item, token, finish)
                TOOK_S.labels(self.service, item.kind).observe(loop.time() - began_s)
            except Refused as refusal:
                outcome = "refused"
                error = refusal

                async def fail(session: AsyncSession) -> None:
                    self.announcer.failed(session, item, error)

                await self._discard(control)
                with contextlib.suppress(Cancelled):
                    await self._settle(item, token, fail, state="failed")
            except Cancelled:
                outcome = "cancelled"
                await self._discard(control)
            except asyncio.CancelledError:
                outcome = "handed-back"
                await asyncio.shield(asyncio.ensure_future(self._hand_back(item, token)))
                raise
            except Exception as error:
                outcome = "error"
                log.error("work failed", extra={"job_id": str(item.id)}, exc_info=error)
                await self._again(item, token)
                # A connection that breaks during the commit does not tell whether it counted.
                if not await self._counted(item, token):
                    await self._discard(control)
        except DATABASE_AWAY as error:
            # The database is away: the lease runs out and the item is taken up again.
            outcome = "lost"
            log.warning("work not settled", extra={"job_id": str(item.id)}, exc_info=error)
        finally:
            heart.cancel()
            ENDED.labels(self.service, item.kind, outcome).inc()

    async def _heartbeat(self, item: WorkItem, token: UUID, control: Control) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            try:
                async with self.sessions.begin() as session:
                    kept = await session.execute(
                        update(WorkItem)
                        .where(
                            WorkItem.id == item.id,
                            WorkItem.worker == token,
                            WorkItem.state == "running",
                        )
                        .values(lease_until=func.now() + timedelta(seconds=self.lease_s))
                        .returning(WorkItem.id)
                    )
                    if kept.first() is None:
                        control.cancelled.set()
                        return
            except DATABASE_AWAY as error:
                log.warning("heartbeat missed", extra={"job_id": str(item.id)}, exc_info=error)

    async def _held(self, session: AsyncSession, item: WorkItem, token: UUID) -> WorkItem | None:
        return await session.scalar(
            select(WorkItem)
            .where(WorkItem.id == item.id, WorkItem.worker == token, WorkItem.state == "running")
            .with_for_update()
        )

    async def _settle(
        self, item: WorkItem, token: UUID, finish: Finish, *, state: str = "done"
    ) -> None:
        async with self.sessions.begin() as session:
            held = await self._held(session, item, token)
            if held is None:
                raise Cancelled
            await finish(session)
            held.state = state
            held.finished_at = await session.scalar(select(func.now()))
            held.lease_until = None

    async def _counted(self, item: WorkItem, token: UUID) -> bool:
        async with self.sessions() as session:
            found = await session.scalar(
                select(WorkItem.id).where(
                    WorkItem.id == item.id, WorkItem.worker == token, WorkItem.state == "done"
                )
            )
        return found is not None

    async def _again(self, item: WorkItem, token: UUID) -> None:
        async with self.sessions.begin() as session:
            held = await self._held(session, item, token)
            if held is None:
                return
            if held.attempts >= MAX_ATTEMPTS:
                await self._fail(
                    session,
                    held,
                    Refused(
                        "internal-error",
                        "Something went wrong on our side, several times. Try again later; if it "
                        "stays, report the job's id.",
                        retryable=True,
                    ),
                )
                return
            delay_s = RETRY_DELAYS_S[min(held.attempts, len(RETRY_DELAYS_S)) - 1]
            now = await session.scalar(select(func.now()))
            assert now is not None
            held.state = "queued"
            held.worker = None
            held.lease_until = None
            held.not_before = now + timedelta(seconds=delay_s)

    async def _hand_back(self, item: WorkItem, token: UUID) -> None:
        async with self.sessions.begin() as session:
            held = await self._held(session, item, token)
            if held is not None:
                held.state = "queued"
                held.worker = None
                held.lease_until = None
                # Stopping a worker is no failed try.
                held.attempts -= 1

    async def _fail(self, session: AsyncSession, item: WorkItem, refusal: Refused) -> None:
        item.state = "failed"
        item.finished_at = await session.scalar(select(func.now()))
        item.lease_until = None
        self.announcer.failed(session, item, refusal)

    async def _discard(self, control: Control) -> None:
        for remove in control.discard:
            try:
                await remove()
            except Exception as error:
                # Left-over bytes are a smaller harm than a worker that ends.
                log.warning("a result that does not count was not removed", exc_info=error)
