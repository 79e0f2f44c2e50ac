"""Databases, brokers and storage for tests.

`BACKBEAT_TEST_DATABASE_URL` and `BACKBEAT_TEST_BROKER_URL` say where PostgreSQL and RabbitMQ are;
without the former the embedded PostgreSQL serves, without the latter the tests that need it are
skipped, loudly, or fail where `BACKBEAT_REQUIRE_SERVICES=1` is set.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import aio_pika
import asyncpg
import pytest
from aio_pika.exceptions import AMQPError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from backbeat import postgres
from libs.common.database import SessionMaker, make_engine, make_sessions
from libs.common.events import DURABLE, TRANSIENT
from libs.common.messaging import rabbit
from libs.common.messaging.postgres import PostgresTransport
from libs.common.messaging.rabbit import RabbitTransport
from libs.common.messaging.transport import Transport
from libs.common.migrate import BACKENDS, ROOT, migrate
from libs.common.storage import Storage

DATABASE_URL = os.environ.get(
    "BACKBEAT_TEST_DATABASE_URL", "postgresql://postgres@127.0.0.1:5432/postgres"
)
BROKER_URL = os.environ.get("BACKBEAT_TEST_BROKER_URL", "amqp://guest:guest@127.0.0.1:5672/")
REQUIRED = os.environ.get("BACKBEAT_REQUIRE_SERVICES") == "1"

Subscribers = Mapping[str, Sequence[str]]
MakeTransport = Callable[..., Awaitable[Transport]]
SessionsOf = Callable[[str], SessionMaker]

without_rabbitmq: list[str] = []


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "rabbitmq: needs a RabbitMQ at BACKBEAT_TEST_BROKER_URL")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    needing = [item for item in items if item.get_closest_marker("rabbitmq")]
    if needing and not asyncio.run(rabbitmq_answers()):
        without_rabbitmq.extend(item.nodeid for item in needing)
        if not REQUIRED:
            for item in needing:
                item.add_marker(pytest.mark.skip(reason=f"no RabbitMQ at {BROKER_URL}"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    if REQUIRED and item.nodeid in without_rabbitmq:
        pytest.fail(f"no RabbitMQ at {BROKER_URL}", pytrace=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if without_rabbitmq:
        terminalreporter.section("RABBITMQ WAS NOT TESTED", sep="!", red=True, bold=True)
        became = "FAILED" if REQUIRED else "WERE SKIPPED"
        terminalreporter.line(
            f"{len(without_rabbitmq)} TESTS {became}: NO RABBITMQ ANSWERS AT {BROKER_URL}"
        )
        terminalreporter.line(
            "GIVE THEM ONE: `docker compose -f deploy/compose.test.yml up --detach`, "
            "OR SET BACKBEAT_TEST_BROKER_URL."
        )


async def rabbitmq_answers() -> bool:
    try:
        connection = await aio_pika.connect(BROKER_URL, timeout=5)
    except (OSError, AMQPError):
        return False
    await connection.close()
    return True


def with_database(url: str, name: str) -> str:
    """`url` with another database."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"/{name}"))


@pytest.fixture(scope="session")
async def server_url() -> AsyncIterator[str]:
    """A PostgreSQL server that may create databases."""
    try:
        connection = await asyncpg.connect(DATABASE_URL, timeout=5)
    except (OSError, asyncpg.PostgresError) as error:
        if REQUIRED:
            pytest.fail(f"no PostgreSQL at {DATABASE_URL}: {error}")
    else:
        await connection.close()
        yield DATABASE_URL
        return
    with tempfile.TemporaryDirectory(prefix="backbeat-pg-") as folder:
        server = await asyncio.to_thread(postgres.start, Path(folder) / "data")
        try:
            yield server.get_uri()
        finally:
            await asyncio.to_thread(server.cleanup)


async def fresh_database(server_url: str) -> AsyncIterator[str]:
    name = f"backbeat_test_{uuid4().hex}"
    connection = await asyncpg.connect(server_url)
    try:
        await connection.execute(f'CREATE DATABASE "{name}"')
        yield with_database(server_url, name)
        await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await connection.close()


@pytest.fixture
async def empty_database_url(server_url: str) -> AsyncIterator[str]:
    """A database of the test's own, with nothing in it."""
    async for url in fresh_database(server_url):
        yield url


@pytest.fixture(scope="session")
async def database_url(server_url: str) -> AsyncIterator[str]:
    """The session's database, with every service's schema. Tables that a test used through
    `sessions` are emptied after it."""
    async for url in fresh_database(server_url):
        for service in BACKENDS:
            versions = ROOT / "services" / service / "migrations" / "versions"
            if list(versions.glob("0*.py")):
                await migrate(url, service)
        yield url


@pytest.fixture
async def sessions(database_url: str) -> AsyncIterator[SessionsOf]:
    """Session factories by service."""
    engines: dict[str, AsyncEngine] = {}

    def of(service: str) -> SessionMaker:
        if service not in engines:
            engines[service] = make_engine(database_url, service)
        return make_sessions(engines[service])

    yield of
    for service, engine in engines.items():
        async with engine.begin() as connection:
            rows = await connection.scalars(
                text(
                    "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = :schema "
                    "AND tablename NOT IN ('alembic_version', 'roles')"
                ),
                {"schema": service},
            )
            await connection.execute(text(f"TRUNCATE {', '.join(rows)} CASCADE"))
        await engine.dispose()


@pytest.fixture
def storage_folder(tmp_path: Path) -> Path:
    return tmp_path / "storage"


@pytest.fixture
def storage(storage_folder: Path) -> Storage:
    """A folder."""
    return Storage.open(str(storage_folder))


@pytest.fixture(scope="session")
def broker_url() -> str:
    """RabbitMQ; for tests marked `rabbitmq`."""
    return BROKER_URL


@pytest.fixture
def rabbit_prefix() -> str:
    return f"test-{uuid4().hex[:12]}."


async def remove_topology(url: str, transport: RabbitTransport) -> None:
    """Delete every queue and exchange that `transport` declares."""
    services = {who for hearers in transport.subscribers.values() for who in hearers}
    queues = [rabbit.dead_queue_name(service) for service in services]
    queues += [
        rabbit.queue_name(service, event_type)
        for heard in (transport.subscribers, transport.transient)
        for event_type, hearers in heard.items()
        for service in hearers
    ]
    retries = [rabbit.retry_name(delay_s) for delay_s in rabbit.RETRY_DELAYS_S]
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel()
        for queue in [*queues, *retries]:
            await channel.queue_delete(transport.prefix + queue)
        for exchange in [rabbit.EXCHANGE, *retries]:
            await channel.exchange_delete(transport.prefix + exchange)


@pytest.fixture
async def make_rabbit(broker_url: str, rabbit_prefix: str) -> AsyncIterator[MakeTransport]:
    """Makes RabbitTransports on queues of the test's own, removed after it."""
    made: list[RabbitTransport] = []

    async def make(
        durable: Subscribers = DURABLE, transient: Subscribers = TRANSIENT, url: str = broker_url
    ) -> Transport:
        made.append(RabbitTransport(url, durable, transient, prefix=rabbit_prefix))
        await made[-1].start()
        return made[-1]

    yield make
    for transport in made:
        await transport.close()
    for transport in made[:1]:
        await remove_topology(broker_url, transport)


@pytest.fixture
async def make_postgres(empty_database_url: str) -> AsyncIterator[MakeTransport]:
    """Makes PostgresTransports on a database of the test's own."""
    made: list[PostgresTransport] = []

    async def make(
        durable: Subscribers = DURABLE,
        transient: Subscribers = TRANSIENT,
        url: str = empty_database_url,
    ) -> Transport:
        made.append(PostgresTransport(url, durable))
        await made[-1].start()
        return made[-1]

    yield make
    for transport in made:
        await transport.close()


@pytest.fixture
async def rabbit_transport(make_rabbit: MakeTransport) -> Transport:
    return await make_rabbit()


@pytest.fixture
async def postgres_transport(make_postgres: MakeTransport) -> Transport:
    return await make_postgres()


BOTH = [pytest.param("rabbitmq", marks=pytest.mark.rabbitmq), pytest.param("postgres")]


@pytest.fixture(params=BOTH)
def transport_kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def make_transport(request: pytest.FixtureRequest, transport_kind: str) -> MakeTransport:
    """`make_rabbit` and `make_postgres` in turn: the same test on both."""
    name = "make_rabbit" if transport_kind == "rabbitmq" else "make_postgres"
    make: MakeTransport = request.getfixturevalue(name)
    return make


@pytest.fixture
async def transport(make_transport: MakeTransport) -> Transport:
    """Both transports in turn, with the house's events."""
    return await make_transport()


@pytest.fixture
def backend_url(transport_kind: str, broker_url: str, request: pytest.FixtureRequest) -> str:
    """Where the transport's server is, for a proxy in front of it."""
    if transport_kind == "rabbitmq":
        return broker_url
    url: str = request.getfixturevalue("empty_database_url")
    return url


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A developer's own environment must not change what a test sees."""
    for name in list(os.environ):
        if name.startswith(("AUTH_", "MEDIA_", "AUDIO_", "NOTATION_", "GATEWAY_")) or name in (
            "SECRET_KEY",
            "ALGORITHM",
            "MAX_FILE_SIZE",
        ):
            monkeypatch.delenv(name)
    yield
