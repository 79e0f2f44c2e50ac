"""The whole system in the test's process, on both transports, and users of its public API."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from backbeat.embedded import Embedded, on_postgres
from libs.common.events import DURABLE, TRANSIENT
from libs.common.messaging.rabbit import RabbitTransport
from libs.common.service import bind
from libs.common.storage import Storage
from tests.conftest import BOTH, BROKER_URL, fresh_database, remove_topology
from tests.synth import groove, tone
from tests.videos import make_video

PASSWORD = "a long phrase for a test"
ENDED = ("completed", "failed", "cancelled")
STEPS = ("extraction", "onset", "notation", "vision")
"""What is done with a video that is uploaded, in the order of its jobs."""

# Cheap hashes: the tests sign up hundreds of users. Limits must not come in their way.
os.environ["AUTH_BCRYPT_ROUNDS"] = "4"
for limit in ("USER", "ADDRESS", "LOGIN"):
    os.environ[f"GATEWAY_RATE_LIMIT_{limit}"] = ""


@dataclass
class System:
    """A running system under test."""

    url: str
    database_url: str
    storage: Storage
    files: Path
    embedded: Embedded

    async def user(self) -> User:
        """A new user, signed in."""
        http = httpx.AsyncClient(base_url=self.url, timeout=60)
        email = f"{uuid4().hex}@backbeat.dev"
        credentials = {"email": email, "password": PASSWORD}
        registered = await http.post("/auth/register", json=credentials)
        assert registered.status_code == 201, registered.text
        user = User(http, email, registered.json()["id"])
        await user.sign_in()
        return user


@dataclass
class User:
    """A user of the public API."""

    http: httpx.AsyncClient
    email: str
    id: str
    refresh_token: str = field(default="", repr=False)

    async def sign_in(self) -> None:
        credentials = {"email": self.email, "password": PASSWORD}
        answer = await self.http.post("/auth/login", json=credentials)
        assert answer.status_code == 200, answer.text
        self.refresh_token = answer.json()["refresh_token"]
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    async def upload(self, path: Path, **params: Any) -> dict[str, Any]:
        """Upload a file that must be taken; the video."""
        answer = await self.try_upload(path, **params)
        assert answer.status_code == 201, answer.text
        video: dict[str, Any] = answer.json()
        return video

    async def try_upload(
        self, path: Path, *, name: str | None = None, headers: Any = None, **params: Any
    ) -> httpx.Response:
        """Upload a file; the answer, whatever it is."""
        files = {"file": (name or path.name, path.read_bytes(), "video/mp4")}
        return await self.http.post("/media/videos/", files=files, params=params, headers=headers)

    async def jobs_after(self, video_id: str) -> dict[str, dict[str, Any]]:
        """The video's jobs by type, once all have ended."""
        async with asyncio.timeout(120):
            while True:
                video = (await self.http.get(f"/media/videos/{video_id}")).json()
                if all(job["status"] in ENDED for job in video["jobs"]):
                    return {job["job_type"]: job for job in video["jobs"]}
                await asyncio.sleep(0.1)

    async def job_after(self, job_id: str) -> dict[str, Any]:
        """The job, once it has ended."""
        async with asyncio.timeout(120):
            while True:
                answer = await self.http.get(f"/jobs/{job_id}")
                assert answer.status_code == 200, answer.text
                job: dict[str, Any] = answer.json()
                if job["status"] in ENDED:
                    return job
                await asyncio.sleep(0.1)

    async def transcribed(self, path: Path, *, watch: bool = False) -> Transcribed:
        """A video whose pipeline has completed; looked at, too, with `watch`, which takes longer
        than all the rest."""
        video = await self.upload(path, watch="true" if watch else "false")
        jobs = await self.jobs_after(video["id"])
        found = {step: job["status"] for step, job in jobs.items()}
        wanted = STEPS if watch else STEPS[:3]
        assert found == dict.fromkeys(wanted, "completed"), jobs
        return Transcribed(
            video_id=video["id"],
            audio_id=jobs["extraction"]["result"]["audio_id"],
            notation_id=jobs["notation"]["result"]["notation_id"],
            jobs=jobs,
        )

    async def events(self, path: str, headers: Any = None) -> list[tuple[str, str, Any]]:
        """A stream's events (kind, id, data), to its end."""
        told: list[tuple[str, str, Any]] = []
        kind = event_id = ""
        async with self.http.stream("GET", path, headers=headers) as answer:
            assert answer.status_code == 200
            async for line in answer.aiter_lines():
                name, _, value = line.partition(": ")
                if name == "event":
                    kind = value
                elif name == "id":
                    event_id = value
                elif name == "data":
                    told.append((kind, event_id, json.loads(value)))
        return told


@dataclass(frozen=True)
class Transcribed:
    """A video with its score."""

    video_id: str
    audio_id: str
    notation_id: str
    jobs: dict[str, dict[str, Any]]


async def run_system(server_url: str, folder: Path, kind: str) -> AsyncIterator[System]:
    async for database_url in fresh_database(server_url):
        transport = None
        if kind == "rabbitmq":
            prefix = f"test-{uuid4().hex[:12]}."
            transport = RabbitTransport(BROKER_URL, DURABLE, TRANSIENT, prefix=prefix)
        listening = bind("127.0.0.1", 0)
        async with on_postgres(folder, database_url, listening, transport) as embedded:
            one = System(
                url=embedded.url,
                database_url=database_url,
                storage=Storage.open(str(folder / "files")),
                files=folder / "files",
                embedded=embedded,
            )
            # The first account is the admin, who may not be deleted.
            admin = await one.user()
            yield one
            await admin.http.aclose()
        if transport is not None:
            await remove_topology(BROKER_URL, transport)


@pytest.fixture(scope="session", params=BOTH)
async def system(
    request: pytest.FixtureRequest, server_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    """The system, once on each transport."""
    async for one in run_system(server_url, tmp_path_factory.mktemp("system"), request.param):
        yield one


@pytest.fixture(scope="session")
async def embedded_system(
    server_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    """The system on the embedded transport, for what does not depend on it."""
    async for one in run_system(server_url, tmp_path_factory.mktemp("embedded"), "postgres"):
        yield one


@pytest.fixture
async def user(system: System) -> AsyncIterator[User]:
    one = await system.user()
    yield one
    await one.http.aclose()


@pytest.fixture
async def drummer(embedded_system: System) -> AsyncIterator[User]:
    """A user of the embedded system."""
    one = await embedded_system.user()
    yield one
    await one.http.aclose()


@pytest.fixture(scope="session")
def groove_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four bars of rock at 120."""
    samples, _ = groove(bars=4, tempo_bpm=120)
    return make_video(tmp_path_factory.mktemp("videos") / "four bars.mp4", samples)


@pytest.fixture(scope="session")
def mute_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture without a sound track."""
    return make_video(tmp_path_factory.mktemp("videos") / "mute.mp4", None)


@pytest.fixture(scope="session")
def silent_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound track of silence."""
    return make_video(tmp_path_factory.mktemp("videos") / "silent.mp4", tone(level=0.0))


@pytest.fixture(scope="session")
def humming_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sound without drums."""
    return make_video(tmp_path_factory.mktemp("videos") / "hum.mp4", tone(220.0))
