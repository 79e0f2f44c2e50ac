"""Reading what another service has just written: its event may be milliseconds away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

FoundT = TypeVar("FoundT")


async def eventually(
    find: Callable[[], Awaitable[FoundT | None]], *, within_s: float = 2.0
) -> FoundT | None:
    """What `find` finds, asking again for a while before it is taken as not there."""
    deadline = asyncio.get_running_loop().time() + within_s
    pause_s = 0.02
    while (found := await find()) is None:
        if asyncio.get_running_loop().time() + pause_s > deadline:
            return None
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, 0.3)
    return found
