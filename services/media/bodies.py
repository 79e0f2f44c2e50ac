"""Bodies of requests that are refused."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect

DRAINED_BYTES = 64_000_000
"""Of a refused upload this much is still read, so that the client comes to read the answer
instead of seeing its connection reset."""


async def drain(body: AsyncIterator[bytes]) -> None:
    """Read on for a while and forget it."""
    left = DRAINED_BYTES
    # Starlette's own complaint: the stream was read to its end, or to its break.
    with contextlib.suppress(TimeoutError, ClientDisconnect, RuntimeError):
        async with asyncio.timeout(20):
            async for piece in body:
                left -= len(piece)
                if left < 0:
                    return
