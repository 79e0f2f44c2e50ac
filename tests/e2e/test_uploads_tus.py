"""Resumable uploads (tus) through the gateway: over connections that break, and to their end."""

from __future__ import annotations

import asyncio
import base64
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import psutil
import pytest

from libs.common.storage import Storage, StorageAway
from services.media import uploads
from tests.e2e.conftest import System, User
from tests.integration.waiting import until

TUS = {"Tus-Resumable": "1.0.0"}
BODY = {"Content-Type": "application/offset+octet-stream"}
MB = 1024 * 1024


def metadata(**values: str) -> str:
    return ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in values.items())


def code_of(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["type"].rpartition("/")[2]


def wav(size_bytes: int) -> bytes:
    """Silence, mono, 16 bits at 44.1 kHz."""
    data = size_bytes - 44
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", data + 36, b"WAVE", b"fmt ", 16, 1, 1, 44_100,
                       88_200, 2, 16)  # fmt: skip
    return head + struct.pack("<4sI", b"data", data) + bytes(data)


async def begin(user: User, size_bytes: int, **meta: str) -> str:
    """A new upload's address."""
    headers = TUS | {"Upload-Length": str(size_bytes)}
    if meta:
        headers["Upload-Metadata"] = metadata(**meta)
    answer = await user.http.post("/media/uploads/", headers=headers)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Tus-Resumable"] == "1.0.0"
    assert answer.headers["Upload-Expires"].endswith(" GMT")
    address = answer.headers["Location"]
    assert address.startswith("/media/uploads/")
    return address


async def send(user: User, address: str, offset: int, data: Any, **more: str) -> httpx.Response:
    headers = TUS | BODY | {"Upload-Offset": str(offset)} | more
    return await user.http.patch(address, content=data, headers=headers)


async def offset_of(user: User, address: str) -> int:
    answer = await user.http.head(address, headers=TUS)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    return int(answer.headers["Upload-Offset"])


async def stands_at(user: User, address: str, offset: int) -> None:
    """Wait until so much is kept."""

    async def there() -> bool:
        return await offset_of(user, address) == offset

    await until(there)


async def outcome(user: User, address: str) -> dict[str, Any]:
    answer = await user.http.get(address)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def broken_off(
    user: User, address: str, offset: int, declared: int, data: bytes
) -> asyncio.StreamWriter:
    """Begin a PATCH on a socket of its own and send less than was declared."""
    url = user.http.base_url
    _, writer = await asyncio.open_connection(url.host, url.port)
    head = (
        f"PATCH {address} HTTP/1.1\r\nHost: x\r\nContent-Length: {declared}\r\n"
        f"Authorization: {user.http.headers['Authorization']}\r\n"
        "Tus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream\r\n"
        f"Upload-Offset: {offset}\r\n\r\n"
    )
    writer.write(head.encode() + data)
    await writer.drain()
    return writer


async def events_of(system: System, video_id: str) -> list[str]:
    connection = await asyncpg.connect(system.database_url)
    try:
        rows = await connection.fetch(
            "SELECT type FROM media.outbox WHERE subject = $1 ORDER BY position", video_id
        )
        return [row["type"] for row in rows]
    finally:
        await connection.close()


async def execute(system: System, sql: str, *args: Any) -> None:
    connection = await asyncpg.connect(system.database_url)
    try:
        await connection.execute(sql, *args)
    finally:
        await connection.close()


@pytest.fixture
async def other(embedded_system: System) -> AsyncIterator[User]:
    one = await embedded_system.user()
    yield one
    await one.http.aclose()


async def test_a_file_in_parts_becomes_a_video_as_one_in_a_form_does(
    user: User, system: System, groove_video: Path
) -> None:
    content = groove_video.read_bytes()
    address = await begin(user, len(content), filename="four bars.mp4", filetype="video/mp4")
    third = len(content) // 3
    for start in range(0, len(content), third):
        answer = await send(user, address, start, content[start : start + third])
        assert answer.status_code == 204, answer.text
        assert answer.headers["Upload-Offset"] == str(min(start + third, len(content)))
    told = await outcome(user, address)
    assert (told["state"], told["received_bytes"]) == ("accepted", len(content))
    assert told["problem"] is None
    jobs = await user.jobs_after(told["video_id"])
    assert [job["status"] for job in jobs.values()] == ["completed"] * 4
    video = (await user.http.get(f"/media/videos/{told['video_id']}")).json()
    form = await user.upload(groove_video, process=False)
    for field in ("sha256", "size_bytes", "content_type", "filename", "duration_seconds"):
        assert video[field] == form[field], field
    played = await user.http.get(f"/media/videos/{told['video_id']}/content")
    assert played.content == content
    types = await events_of(system, told["video_id"])
    assert types.count("media.video-uploaded.v1") == 1
    assert await system.storage.keys(f"uploads/{told['id']}") == []


async def test_options_tell_what_is_spoken_to_anybody(embedded_system: System) -> None:
    async with httpx.AsyncClient(base_url=embedded_system.url) as anonymous:
        answer = await anonymous.options("/media/uploads/")
        assert (await anonymous.post("/media/uploads/")).status_code == 401
    assert answer.status_code == 204
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert answer.headers["Tus-Extension"] == "creation,expiration,termination"
    assert answer.headers["Tus-Max-Size"] == "100000000"


async def test_a_broken_connection_keeps_what_came_and_the_upload_goes_on(drummer: User) -> None:
    content = wav(11 * MB + 12_344)
    address = await begin(drummer, len(content), filename="take.wav", process="false")
    came = 5 * MB + 777
    writer = await broken_off(drummer, address, 0, len(content), content[:came])
    # Full pieces count while the rest is on its way.
    await stands_at(drummer, address, 4 * MB)
    writer.close()
    await stands_at(drummer, address, came)
    listed = (await drummer.http.get("/media/uploads/")).json()["items"]
    assert [(one["id"], one["state"], one["received_bytes"]) for one in listed] == [
        (address.rpartition("/")[2], "receiving", came)
    ]
    stale = await send(drummer, address, 0, content)
    assert code_of(stale) == (409, "upload-offset-conflict")
    assert (await send(drummer, address, came, content[came:])).status_code == 204
    told = await outcome(drummer, address)
    played = await drummer.http.get(f"/media/videos/{told['video_id']}/content")
    assert played.content == content
    assert (await drummer.http.get("/media/uploads/")).json()["items"] == []
    video = (await drummer.http.get(f"/media/videos/{told['video_id']}")).json()
    assert (video["jobs"], video["status"], video["filename"]) == ([], "stored", "take.wav")


async def test_a_connection_that_died_unnoticed_does_not_hold_the_upload_up(drummer: User) -> None:
    content = wav(6 * MB)
    address = await begin(drummer, len(content), process="false")
    hanging = await broken_off(drummer, address, 0, len(content), content[:1000])
    await asyncio.sleep(0.3)
    assert await offset_of(drummer, address) == 0
    assert (await send(drummer, address, 0, content)).status_code == 204
    hanging.close()
    told = await outcome(drummer, address)
    played = await drummer.http.get(f"/media/videos/{told['video_id']}/content")
    assert played.content == content


async def test_two_at_once_leave_the_bytes_of_one(drummer: User, embedded_system: System) -> None:
    content = wav(9 * MB)
    address = await begin(drummer, len(content), process="false")
    answers = await asyncio.gather(*[send(drummer, address, 0, content) for _ in range(4)])
    statuses = sorted(answer.status_code for answer in answers)
    assert set(statuses) <= {204, 409}
    assert 204 in statuses
    told = await outcome(drummer, address)
    played = await drummer.http.get(f"/media/videos/{told['video_id']}/content")
    assert played.content == content
    types = await events_of(embedded_system, told["video_id"])
    assert types.count("media.video-uploaded.v1") == 1
    assert len((await drummer.http.get("/media/videos/")).json()["items"]) == 1


async def test_a_last_answer_that_was_lost_is_told_again(drummer: User, mute_video: Path) -> None:
    content = mute_video.read_bytes()
    address = await begin(drummer, len(content), process="false")
    writer = await broken_off(drummer, address, 0, len(content), content)
    await stands_at(drummer, address, len(content))
    writer.close()
    again = await send(drummer, address, len(content), b"")
    assert (again.status_code, again.headers["Upload-Offset"]) == (204, str(len(content)))
    asked = await asyncio.gather(*[outcome(drummer, address) for _ in range(4)])
    assert {one["state"] for one in asked} == {"accepted"}
    listed = (await drummer.http.get("/media/videos/")).json()["items"]
    assert [video["id"] for video in listed] == [asked[0]["video_id"]]


async def test_what_a_killed_process_left_whole_is_finished_by_who_asks(
    drummer: User, embedded_system: System, mute_video: Path
) -> None:
    content = mute_video.read_bytes()
    address = await begin(drummer, len(content), process="false")
    half = len(content) // 2
    assert (await send(drummer, address, 0, content[:half])).status_code == 204
    # As though the process had died after the last byte's commit, and in the middle of accepting.
    upload_id = address.rpartition("/")[2]
    key = f"uploads/{upload_id}/{half:015d}-rest"
    await embedded_system.storage.write(key, content[half:])
    await execute(
        embedded_system,
        "INSERT INTO media.upload_pieces VALUES ($1, $2, $3, $4)",
        upload_id, half, len(content) - half, key,
    )  # fmt: skip
    await execute(
        embedded_system,
        "UPDATE media.uploads SET received_bytes = size_bytes, lease = gen_random_uuid(), "
        "lease_until = now() - interval '1 second' WHERE id = $1",
        upload_id,
    )
    assert await offset_of(drummer, address) == len(content)
    told = await outcome(drummer, address)
    assert told["state"] == "accepted"
    played = await drummer.http.get(f"/media/videos/{told['video_id']}/content")
    assert played.content == content


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"This is a text.\n" * 400, 415, "not-a-media-file"),
        (b"\x00\x00\x00\x18ftypmp42" + b"nothing" * 900, 422, "media-unreadable"),
    ],
)
async def test_a_refused_file_is_refused_as_in_a_form_and_stays_so(
    drummer: User, embedded_system: System, content: bytes, status: int, code: str
) -> None:
    address = await begin(drummer, len(content), filename="text.mp4")
    answer = await send(drummer, address, 0, content)
    assert code_of(answer) == (status, code)
    again = await send(drummer, address, len(content), b"")
    assert code_of(again) == (status, code)
    assert again.json()["detail"] == answer.json()["detail"]
    told = await outcome(drummer, address)
    assert (told["state"], told["video_id"]) == ("refused", None)
    assert (told["problem"]["status"], told["problem"]["type"]) == (status, answer.json()["type"])
    assert await embedded_system.storage.keys(f"uploads/{told['id']}") == []


async def test_anothers_upload_is_not_there(drummer: User, other: User) -> None:
    address = await begin(drummer, 100)
    for answer in (
        await other.http.get(address),
        await send(other, address, 0, b"x" * 100),
        await other.http.delete(address, headers=TUS),
    ):
        assert code_of(answer) == (404, "upload-not-found")
    assert (await other.http.head(address, headers=TUS)).status_code == 404
    assert (await other.http.get("/media/uploads/")).json()["items"] == []
    assert await offset_of(drummer, address) == 0


async def test_lengths_are_held_against_limit_and_declaration(drummer: User) -> None:
    for length, expected in (
        ("100000001", (413, "file-too-large")),
        ("0", (422, "file-empty")),
        (None, (422, "upload-length-missing")),
        ("-5", (422, "invalid")),
        ("9" * 30, (422, "invalid")),
    ):
        given = TUS | ({"Upload-Length": length} if length else {})
        answer = await drummer.http.post("/media/uploads/", headers=given)
        assert code_of(answer) == expected
    address = await begin(drummer, 1000)
    assert code_of(await send(drummer, address, 0, bytes(1001))) == (413, "upload-too-long")

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield bytes(300)

    undeclared = await send(drummer, address, 0, endless())
    assert undeclared.status_code in (413, 422)
    assert await offset_of(drummer, address) <= 1000


async def test_what_the_protocol_asks_for_is_asked_for(drummer: User) -> None:
    address = await begin(drummer, 1000)
    wrong_version = await drummer.http.post(
        "/media/uploads/", headers={"Upload-Length": "5", "Tus-Resumable": "0.2.2"}
    )
    assert code_of(wrong_version) == (412, "tus-version-unsupported")
    assert wrong_version.headers["Tus-Version"] == "1.0.0"
    without = await drummer.http.patch(address, content=b"x", headers=BODY | {"Upload-Offset": "0"})
    assert code_of(without) == (412, "tus-version-unsupported")
    untyped = await drummer.http.patch(address, content=b"x", headers=TUS | {"Upload-Offset": "0"})
    assert code_of(untyped) == (415, "upload-body-type")
    unplaced = await drummer.http.patch(address, content=b"x", headers=TUS | BODY)
    assert code_of(unplaced) == (422, "upload-offset-missing")
    for header in ({"Upload-Concat": "partial"}, {"Upload-Defer-Length": "1"}):
        answer = await drummer.http.post(
            "/media/uploads/", headers=TUS | {"Upload-Length": "5"} | header
        )
        assert code_of(answer) == (422, "tus-extension-unsupported")
    at_once = await drummer.http.post(
        "/media/uploads/", content=b"12345", headers=TUS | BODY | {"Upload-Length": "5"}
    )
    assert code_of(at_once) == (422, "upload-body-with-creation")
    nobodys = await drummer.http.get(f"/media/uploads/{uuid4()}")
    assert code_of(nobodys) == (404, "upload-not-found")


async def test_a_storage_that_is_away_keeps_nothing_and_says_so(
    drummer: User, monkeypatch: pytest.MonkeyPatch, mute_video: Path
) -> None:
    content = mute_video.read_bytes()
    address = await begin(drummer, len(content), process="false")

    async def away(*_: Any) -> None:
        raise StorageAway("nobody answers")

    with monkeypatch.context() as patched:
        patched.setattr(Storage, "write", away)
        answer = await send(drummer, address, 0, content)
        assert code_of(answer) == (503, "unavailable")
    assert await offset_of(drummer, address) == 0
    with monkeypatch.context() as patched:
        patched.setattr(Storage, "write_stream", away)
        answer = await send(drummer, address, 0, content)
        assert code_of(answer) == (503, "unavailable")
        assert (await drummer.http.head(address, headers=TUS)).status_code == 503
    assert (await outcome(drummer, address))["state"] == "accepted"


async def test_an_upload_that_is_given_up_leaves_nothing(
    drummer: User, embedded_system: System
) -> None:
    address = await begin(drummer, 5 * MB)
    assert (await send(drummer, address, 0, bytes(MB))).status_code == 204
    upload_id = address.rpartition("/")[2]
    assert len(await embedded_system.storage.keys(f"uploads/{upload_id}")) == 1
    assert (await drummer.http.delete(address, headers=TUS)).status_code == 204
    assert await embedded_system.storage.keys(f"uploads/{upload_id}") == []
    assert code_of(await send(drummer, address, MB, bytes(MB))) == (404, "upload-not-found")
    assert (await drummer.http.delete(address, headers=TUS)).status_code == 404


async def test_an_expired_upload_is_gone(drummer: User, embedded_system: System) -> None:
    address = await begin(drummer, 100)
    await execute(
        embedded_system,
        "UPDATE media.uploads SET expires_at = now() - interval '1 second' WHERE id = $1",
        address.rpartition("/")[2],
    )
    assert code_of(await send(drummer, address, 0, bytes(10))) == (410, "upload-expired")
    assert code_of(await drummer.http.get(address)) == (410, "upload-expired")
    assert (await drummer.http.get("/media/uploads/")).json()["items"] == []


async def test_nobody_fills_the_storage_with_beginnings(
    drummer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MAX_UNFINISHED", 2)
    first = await begin(drummer, 10)
    await begin(drummer, 10)
    headers = TUS | {"Upload-Length": "10"}
    refused = await drummer.http.post("/media/uploads/", headers=headers)
    assert code_of(refused) == (403, "too-many-uploads")
    assert (await drummer.http.delete(first, headers=TUS)).status_code == 204
    answers = await asyncio.gather(
        *(drummer.http.post("/media/uploads/", headers=headers) for _ in range(8))
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [403] * 7


async def test_uploads_go_with_their_user(embedded_system: System) -> None:
    leaving = await embedded_system.user()
    address = await begin(leaving, 5 * MB)
    assert (await send(leaving, address, 0, bytes(MB))).status_code == 204
    upload_id = address.rpartition("/")[2]
    assert (await leaving.http.delete(f"/users/{leaving.id}")).status_code < 300

    async def nothing_left() -> bool:
        return await embedded_system.storage.keys(f"uploads/{upload_id}") == []

    await until(nothing_left)
    await leaving.http.aclose()


async def test_a_long_body_passes_in_constant_memory(drummer: User) -> None:
    content = wav(80 * MB)
    address = await begin(drummer, len(content), filename="long.wav", process="false")
    process = psutil.Process()
    before = peak = process.memory_info().rss

    async def body() -> AsyncIterator[bytes]:
        nonlocal peak
        for start in range(0, len(content), 64 * 1024):
            peak = max(peak, process.memory_info().rss)
            yield content[start : start + 64 * 1024]

    answer = await send(drummer, address, 0, body(), **{"Content-Length": str(len(content))})
    peak = max(peak, process.memory_info().rss)
    assert answer.status_code == 204, answer.text
    assert peak - before < 60_000_000
    assert (await outcome(drummer, address))["state"] == "accepted"
