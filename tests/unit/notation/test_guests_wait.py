"""Guests' drawings wait for one another, not too many of them, and hold up nobody else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from libs.common.errors import Unavailable
from libs.common.offload import ChildDied
from services.notation import writing
from services.notation.domain.kit import kit_called
from services.notation.scribe import MAX_GUESTS_WAITING, Scribe
from services.notation.settings import NotationSettings

KIT = kit_called("backbeat-standard")
DRAWING = writing.Drawing(210, "written", True, KIT.to_dict(), {})


class Slow:
    """A child that answers once it may."""

    def __init__(self) -> None:
        self.may = asyncio.Event()
        self.fails = False

    async def run(self, *_: Any, timeout_s: float) -> bytes:
        await self.may.wait()
        if self.fails:
            raise ChildDied
        return b"drawn"


@pytest.fixture
def scribe() -> Scribe:
    made = Scribe(NotationSettings.model_construct(time_limit_s=5.0))
    made.drawer, made.guest_drawer = Slow(), Slow()  # type: ignore[assignment]
    return made


async def asked(scribe: Scribe, count: int) -> list[asyncio.Task[Any]]:
    """Guests who wait, for views and files in turn."""
    waiting = [
        asyncio.create_task(
            scribe.export(b"", "midi", KIT, {}, guest=True)
            if number % 2
            else scribe.view(b"", DRAWING, guest=True)
        )
        for number in range(count)
    ]
    await asyncio.sleep(0)
    return waiting


async def test_guests_wait_up_to_a_number_and_nobody_else_waits_for_them(scribe: Scribe) -> None:
    waiting = await asked(scribe, 1 + MAX_GUESTS_WAITING)
    for refused in await asyncio.gather(*await asked(scribe, 2), return_exceptions=True):
        assert isinstance(refused, Unavailable)
        assert (refused.status, refused.code) == (503, "too-many-guests")
        assert refused.headers == {"Retry-After": "5"}
    scribe.drawer.may.set()  # type: ignore[attr-defined]
    assert await scribe.view(b"", DRAWING) == b"drawn"
    assert await scribe.export(b"", "midi", KIT, {}) == b"drawn"
    assert not any(task.done() for task in waiting)
    scribe.guest_drawer.may.set()  # type: ignore[attr-defined]
    assert await asyncio.gather(*waiting) == [b"drawn"] * len(waiting)


@pytest.mark.parametrize("how", ["failed", "gave up"])
async def test_who_failed_or_gave_up_makes_room(scribe: Scribe, how: str) -> None:
    waiting = await asked(scribe, 1 + MAX_GUESTS_WAITING)
    if how == "gave up":
        for task in waiting:
            task.cancel()
    scribe.guest_drawer.fails = True  # type: ignore[attr-defined]
    scribe.guest_drawer.may.set()  # type: ignore[attr-defined]
    await asyncio.gather(*waiting, return_exceptions=True)
    scribe.guest_drawer.fails = False  # type: ignore[attr-defined]
    assert await scribe.view(b"", DRAWING, guest=True) == b"drawn"
