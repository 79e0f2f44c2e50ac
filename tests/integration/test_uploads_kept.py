"""Uploads' bytes and rows, on a folder and on S3: what counts, once, whoever writes when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from libs.common.database import SessionMaker
from libs.common.errors import Conflict, TooLarge
from libs.common.messaging.event import utc_now
from libs.common.messaging.outbox import OutboxMessage
from libs.common.offload import ChildDied, Offload
from libs.common.storage import Storage
from services.media import uploads as module
from services.media.models import Upload, Video
from services.media.settings import MediaSettings
from services.media.uploads import PIECE_BYTES, Uploads
from tests.conftest import SessionsOf
from tests.integration.test_storage import no_proxy, s3_endpoint, s3_url  # noqa: F401
from tests.videos import make_video

ALICE = uuid4()


@pytest.fixture(params=["folder", "s3"])
def storage_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "storage")
    return str(request.getfixturevalue("s3_url"))


@pytest.fixture
def media(sessions: SessionsOf) -> SessionMaker:
    return sessions("media")


@pytest.fixture
async def cases(media: SessionMaker, storage_url: str) -> AsyncIterator[Uploads]:
    settings = MediaSettings(
        database_url="postgresql://",
        broker_url="amqp://",
        storage_url=storage_url,
        jwks_url="http://",
    )
    offload = Offload()
    yield Uploads(media, Storage.open(storage_url), offload, settings)
    offload.kill()


def content_of(folder: Path) -> bytes:
    """A video, made longer than a piece by bytes that its container does not count."""
    video = make_video(folder / "in.mp4", None).read_bytes()
    free = PIECE_BYTES + 100
    return video + (free + 8).to_bytes(4, "big") + b"free" + bytes(free)


async def put(cases: Uploads, upload_id: UUID, start: int, data: bytes) -> None:
    part = await cases.take(upload_id, start)
    for at in range(0, len(data), 100_000):
        await cases.add(part, data[at : at + 100_000])
    await cases.flush(part)


async def row(cases: Uploads, upload_id: UUID) -> Upload:
    found = await cases.get(upload_id)
    assert found is not None
    return found


async def test_pieces_become_one_video_once(
    cases: Uploads, media: SessionMaker, tmp_path: Path
) -> None:
    content = content_of(tmp_path)
    upload_id = await cases.begin(ALICE, len(content), {"filename": "in.mp4"})
    await put(cases, upload_id, 0, content[:1000])
    await put(cases, upload_id, 1000, content[1000:])
    again = Uploads(media, cases.storage, cases.offload, cases.settings)
    ended = await asyncio.gather(
        cases.accept(upload_id), again.accept(upload_id), cases.accept(upload_id), again.finish()
    )
    assert {one.state for one in ended[:3] if one is not None} == {"accepted"}
    async with media() as session:
        videos = list(await session.scalars(select(Video)))
        types = list(await session.scalars(select(OutboxMessage.type)))
    assert len(videos) == 1
    assert types == ["media.video-uploaded.v1"]
    assert await cases.storage.read(videos[0].storage_path) == content
    assert await cases.storage.keys() == [videos[0].storage_path]


async def test_the_last_to_begin_at_the_offset_writes_and_the_others_count_nothing(
    cases: Uploads,
) -> None:
    upload_id = await cases.begin(ALICE, 1000, {})
    first = await cases.take(upload_id, 0)
    await cases.add(first, b"a" * 500)
    second = await cases.take(upload_id, 0)
    stale = await cases.take(upload_id, 7)
    await cases.add(stale, b"c" * 10)
    with pytest.raises(Conflict):
        await cases.flush(stale)
    with pytest.raises(Conflict):
        await cases.flush(first)
    await cases.add(second, b"b" * 300)
    await cases.flush(second)
    assert (await row(cases, upload_id)).received_bytes == 300
    (key,) = await cases.storage.keys()
    assert await cases.storage.read(key) == b"b" * 300


async def test_more_than_was_declared_does_not_count(cases: Uploads) -> None:
    upload_id = await cases.begin(ALICE, 100, {})
    part = await cases.take(upload_id, 0)
    await cases.add(part, bytes(101))
    with pytest.raises(Conflict):
        await cases.flush(part)
    assert (await row(cases, upload_id)).received_bytes == 0
    assert await cases.storage.keys() == []


async def test_a_file_in_crumbs_is_refused(cases: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SMALL_PIECES", 3)
    upload_id = await cases.begin(ALICE, 1000, {})
    for start in range(3):
        await put(cases, upload_id, start, b"x")
    with pytest.raises(TooLarge):
        await put(cases, upload_id, 3, b"x")
    assert (await row(cases, upload_id)).received_bytes == 3


async def test_a_worker_that_is_killed_once_does_not_refuse_the_file(
    cases: Uploads, tmp_path: Path
) -> None:
    content = content_of(tmp_path)
    upload_id = await cases.begin(ALICE, len(content), {})
    await put(cases, upload_id, 0, content)
    run, killed = cases.offload.run, []

    async def dies_first(*args: Any, **given: Any) -> Any:
        if not killed:
            killed.append(True)
            raise ChildDied("killed from outside")
        return await run(*args, **given)

    cases.offload.run = dies_first  # type: ignore[method-assign]
    assert (await cases.accept(upload_id)).state == "accepted"


async def test_a_lease_is_waited_for_and_taken_over_when_it_ends(
    cases: Uploads, media: SessionMaker, tmp_path: Path
) -> None:
    content = content_of(tmp_path)
    upload_id = await cases.begin(ALICE, len(content), {})
    await put(cases, upload_id, 0, content)
    # As a process left it that was killed while it was accepting.
    async with media.begin() as session:
        await session.execute(
            update(Upload).values(lease=uuid4(), lease_until=utc_now() + timedelta(seconds=1))
        )
    await cases.finish()
    assert (await row(cases, upload_id)).state == "receiving"
    assert (await cases.accept(upload_id)).state == "accepted"


async def test_the_sweep_removes_what_is_over_and_what_nobody_counts(
    cases: Uploads, media: SessionMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = await cases.begin(ALICE, 1000, {})
    live = await cases.begin(ALICE, 1000, {})
    for upload_id in (over, live):
        await put(cases, upload_id, 0, b"x" * 10)
    await cases.storage.write(f"uploads/{live}/000000000000010-late", b"late")
    async with media.begin() as session:
        await session.execute(update(Upload).where(Upload.id == over).values(expires_at=utc_now()))
    assert await cases.sweep() == 1
    assert await cases.get(over) is None
    # Young, so perhaps about to be counted.
    assert len(await cases.storage.keys()) == 2
    keys_older_than = cases.storage.keys_older_than

    async def all_keys(prefix: str, age_s: float) -> list[str]:
        return await keys_older_than(prefix, -age_s)

    monkeypatch.setattr(cases.storage, "keys_older_than", all_keys)
    assert await cases.sweep() == 0
    (kept,) = await cases.storage.keys()
    assert not kept.endswith("late")
    assert (await row(cases, live)).received_bytes == 10
