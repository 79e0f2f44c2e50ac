"""Heads of requests that are too large, too slow, or meant for two servers at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from libs.common.heads import BoundedHeads
from libs.common.service import Running, bind, make_app, serving
from libs.common.settings import ServiceSettings

Address = tuple[str, int]


@pytest.fixture
async def address() -> AsyncIterator[Address]:
    app = make_app("test", "Test")
    listening = bind("127.0.0.1", 0)
    running = Running("test", app, ServiceSettings.model_construct(stop_grace_s=1.0))
    async with serving(running, listening):
        yield listening.getsockname()[:2]


async def answer_to(address: Address, *pieces: bytes) -> bytes:
    """All that comes back until the server hangs up."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        async with asyncio.timeout(10):
            try:
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                return await reader.read()
            except ConnectionError:
                return b""
    finally:
        writer.close()


GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


async def test_a_usual_head_is_served(address: Address) -> None:
    answer = await answer_to(
        address, GET + b"Connection: close\r\nX-A: " + b"a" * 20_000 + b"\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "endless",
    [
        GET + b"X-A: " + b"a" * 4_000_000,
        GET + b"X-A: a\r\n" * 500_000,
        b"GET /" + b"a" * 4_000_000,
        b"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"1;" + b"x" * 4_000_000,
        b"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
        + b"X-A: " + b"a" * 4_000_000,
    ],
    ids=["header", "headers", "path", "chunk", "trailer"],
)  # fmt: skip
async def test_a_head_without_end_is_cut_off(address: Address, endless: bytes) -> None:
    # The server hangs up (or this times out); the answer may be lost with the connection.
    pieces = [endless[start : start + 16_384] for start in range(0, len(endless), 16_384)]
    answer = await answer_to(address, *pieces)
    assert b"HTTP/1.1 200" not in answer


async def test_a_head_that_does_not_come_is_not_awaited_for_ever(
    address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedHeads, "head_timeout_s", 0.3)
    for begun in (b"", b"GET /hea", GET):
        assert await answer_to(address, begun) == b""


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Content-Length: 2\r\nContent-Length: 3\r\n",
        b"Content-Length: +2\r\n",
        b"X-A : b\r\n",
        b"X-A: b\r\n folded\r\n",
    ],
)
async def test_a_request_that_two_servers_may_cut_in_two_ways_is_refused(
    address: Address, head: bytes
) -> None:
    request = b"POST /healthz HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n0\r\n\r\n" + GET + b"\r\n"
    answer = await answer_to(address, request)
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.count(b"HTTP/1.1") == 1
