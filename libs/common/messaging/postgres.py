"""The embedded transport: PgQueuer jobs, one per message and hearing service.

Same promises as RabbitMQ's: durable, at least once, growing retries, dead letters. Transient
events go by NOTIFY. One process runs all services, so one connection listens for all of them.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import asyncpg
from pgqueuer.db import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.errors import RetryRequested
from pgqueuer.models import Job
from pgqueuer.qm import QueueManager
from pgqueuer.queries import Queries
from pgqueuer.types import JobId

from libs.common.database import plain_url
from libs.common.messaging.consumers import Again, Consumers, Dead, Permanent
from libs.common.messaging.event import Message
from libs.common.messaging.transport import DeadLetter

log = logging.getLogger(__name__)

SCHEMA = "messaging"
TRANSIENT = "backbeat_transient"
FINISH_WITHIN_S = 20.0
STALE_AFTER_S = 30.0
"""A job whose worker has not been heard of for so long is given to another."""
CONCURRENCY = 32
NOTIFY_LIMIT = 7_900
"""PostgreSQL refuses payloads of 8,000 bytes and more."""


def entrypoint_name(service: str, event_type: str) -> str:
    """PgQueuer's name for one event in one service."""
    return f"{service}:{event_type}"


def pack(message: Message) -> bytes:
    """A message as a job's payload."""
    body = base64.b64encode(message.body).decode()
    return json.dumps({"attributes": message.attributes(), "body": body}).encode()


def unpack(payload: bytes | str) -> Message:
    """`pack`, read back."""
    document = json.loads(payload)
    return Message.from_attributes(document["attributes"], base64.b64decode(document["body"]))


class PostgresTransport:
    """`subscribers` says for each event type which services hear it."""

    def __init__(self, url: str, subscribers: Mapping[str, Sequence[str]]) -> None:
        self.url = plain_url(url)
        self.subscribers = subscribers
        self._pool: asyncpg.Pool | None = None
        self._connecting = asyncio.Lock()

    async def start(self) -> None:
        """Create PgQueuer's tables when they are not there, or bring them up to date."""
        connection = await self._connect()
        try:
            await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            queries = Queries(AsyncpgDriver(connection))
            if await queries.schema_is_installed():
                await queries.upgrade()
            else:
                await queries.install()
        finally:
            await connection.close()

    async def _connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(self.url, server_settings={"search_path": SCHEMA}, timeout=10)

    async def _queries(self) -> Queries:
        # The relays of all services begin at once, and must not make a pool each.
        async with self._connecting:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self.url, min_size=1, max_size=3, server_settings={"search_path": SCHEMA}
                )
        return Queries(AsyncpgPoolDriver(self._pool))

    async def publish(self, messages: Sequence[Message]) -> None:
        """One statement for all, so that all are taken or none."""
        jobs = [
            (entrypoint_name(service, message.type), pack(message))
            for message in messages
            for service in self.subscribers.get(message.type, ())
        ]
        if jobs:
            queries = await self._queries()
            await queries.enqueue(
                [name for name, _ in jobs], [payload for _, payload in jobs], [0] * len(jobs)
            )

    async def publish_transient(self, message: Message) -> None:
        """By NOTIFY, which reaches those who listen now."""
        payload = pack(message).decode()
        if len(payload) > NOTIFY_LIMIT:
            return
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            queries = await self._queries()
            await queries.driver.execute("SELECT pg_notify($1, $2)", TRANSIENT, payload)

    async def consume(self, consumers: Sequence[Consumers]) -> None:
        """One queue manager for all services of the process."""
        pause_s = 0.5
        while True:
            try:
                await self._consume_once(consumers)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, RuntimeError) as error:
                log.warning("database lost", extra={"pause_s": pause_s}, exc_info=error)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, 5.0)

    async def _consume_once(self, consumers: Sequence[Consumers]) -> None:
        connection = await self._connect()
        listening = await self._connect()
        lost = asyncio.Event()
        background: set[asyncio.Task[Any]] = set()
        try:
            manager = QueueManager(Queries(AsyncpgDriver(connection)))
            hearers: dict[str, list[Consumers]] = {}
            for mine in consumers:
                for event_type in mine.durable_types():
                    name = entrypoint_name(mine.service, event_type)
                    manager.entrypoint(name, on_failure="hold", accepts_context=False)(
                        self._executor(mine)
                    )
                for event_type in mine.transient_types():
                    hearers.setdefault(event_type, []).append(mine)

            def on_notify(_c: Any, _pid: int, _channel: str, payload: object) -> None:
                message = unpack(str(payload))
                for mine in hearers.get(message.type, ()):
                    task = asyncio.ensure_future(mine.deliver(message, attempt=0))
                    background.add(task)
                    task.add_done_callback(background.discard)

            listening.add_termination_listener(lambda _c: lost.set())
            connection.add_termination_listener(lambda _c: lost.set())
            await listening.add_listener(TRANSIENT, on_notify)
            running = asyncio.ensure_future(
                manager.run(
                    dequeue_timeout=timedelta(seconds=5),
                    batch_size=CONCURRENCY // 2,
                    # A backlog of thousands must not ask for as many database connections.
                    max_concurrent_tasks=CONCURRENCY,
                    heartbeat_timeout=timedelta(seconds=STALE_AFTER_S),
                )
            )
            waiting = asyncio.ensure_future(lost.wait())
            try:
                await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
                if lost.is_set():
                    raise ConnectionError("the database closed the connection")
                await running
            finally:
                waiting.cancel()
                manager.shutdown.set()
                if not lost.is_set():
                    # On SIGTERM the handlers that run may end.
                    await asyncio.wait({running}, timeout=FINISH_WITHIN_S)
                # PgQueuer writes a job that is cut short down as cancelled, which ends it. With
                # the connection gone it cannot: the job grows stale and another worker has it.
                connection.terminate()
                running.cancel()
                await asyncio.wait({running})
        finally:
            for held in (connection, listening):
                with contextlib.suppress(Exception):
                    await held.close(timeout=5)

    def _executor(self, mine: Consumers) -> Any:
        async def execute(job: Job) -> None:
            assert job.payload is not None
            try:
                message = unpack(job.payload)
            except (KeyError, TypeError, ValueError) as error:
                raise Permanent(f"not a message of ours: {error!r}") from error
            outcome = await mine.deliver(message, job.attempts)
            if isinstance(outcome, Again):
                delay = timedelta(seconds=outcome.delay_s)
                raise RetryRequested(delay=delay, reason=outcome.reason)
            if isinstance(outcome, Dead):
                raise Permanent(outcome.reason)

        return execute

    async def ready(self) -> bool:
        """The database answers."""
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            queries = await self._queries()
            await queries.driver.fetch("SELECT 1")
            return True
        return False

    async def _failed(self, service: str) -> list[Any]:
        queries = await self._queries()
        return await queries.driver.fetch(
            "SELECT id, entrypoint, payload, attempts, updated, "
            "(SELECT traceback ->> 'exception_message' FROM pgqueuer_log l "
            " WHERE l.job_id = q.id AND l.traceback IS NOT NULL ORDER BY l.id DESC LIMIT 1) "
            "AS reason FROM pgqueuer q WHERE status = 'failed' AND entrypoint LIKE $1 "
            "ORDER BY id",
            f"{service}:%",
        )

    async def dead_letters(self, service: str, limit: int = 100) -> list[DeadLetter]:
        """PgQueuer's held jobs."""
        return [dead_letter(service, row) for row in (await self._failed(service))[:limit]]

    async def _job_ids(self, service: str, ids: Sequence[str] | None) -> list[JobId]:
        return [
            JobId(row["id"])
            for row in await self._failed(service)
            if ids is None or dead_letter(service, row).id in ids
        ]

    async def replay(self, service: str, ids: Sequence[str] | None) -> int:
        """Back into the queue."""
        job_ids = await self._job_ids(service, ids)
        if job_ids:
            await (await self._queries()).requeue_jobs(job_ids)
        return len(job_ids)

    async def drop(self, service: str, ids: Sequence[str] | None) -> int:
        """Gone for good."""
        job_ids = await self._job_ids(service, ids)
        if job_ids:
            queries = await self._queries()
            await queries.driver.execute("DELETE FROM pgqueuer WHERE id = ANY($1)", job_ids)
        return len(job_ids)

    async def close(self) -> None:
        """Close the publishing pool."""
        if self._pool is not None:
            await self._pool.close()
            self._pool = None


def dead_letter(service: str, row: Mapping[str, Any]) -> DeadLetter:
    """A held job as an operator reads it."""
    payload = bytes(row["payload"])
    try:
        message = unpack(payload)
        letter_id, body = str(message.id), message.body
    except (KeyError, TypeError, ValueError):
        letter_id, body = f"job-{row['id']}", payload
    return DeadLetter(
        id=letter_id,
        service=service,
        type=str(row["entrypoint"]).removeprefix(f"{service}:"),
        reason=row["reason"] or "",
        attempts=row["attempts"],
        died_at=row["updated"],
        body=body.decode(errors="replace"),
    )
