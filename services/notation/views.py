"""Views of scores: drawn once for each version and wish, and kept while there is room."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.database import SessionMaker
from libs.common.errors import Invalid
from services.notation import kits, scores
from services.notation.domain.kit import Kit
from services.notation.domain.musicxml import Repeats
from services.notation.domain.score import ScoreError
from services.notation.domain.view import FORMAT
from services.notation.models import NotationVersion
from services.notation.scribe import Scribe
from services.notation.writing import Drawing

MAX_BYTES: Final = 32_000_000
STEP_MM: Final = 10
"""Each width is another drawing, and a millimetre more shows nobody anything."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How somebody wants to see a score."""

    width_mm: int
    repeats: Repeats = "written"
    legend: bool = True
    kit: str | None = None
    version: int | None = None
    shared: bool = False
    """Whether it is for somebody else, whom the score's id and video do not concern."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be drawn, and its tag."""

    notation_id: UUID
    version: int
    drawing: Drawing
    tag: str
    for_guest: bool = False


class Views:
    """The views that were asked for last, zipped, up to so many bytes."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._drawing: dict[str, asyncio.Task[bytes]] = {}

    async def drawn(self, tag: str, draw: Callable[[], Coroutine[Any, Any, bytes]]) -> bytes:
        """A view that is there, or is being drawn, or else is drawn now."""
        kept = self.get(tag)
        if kept is not None:
            return kept
        drawing = self._drawing.get(tag)
        if drawing is None:
            drawing = self._drawing[tag] = asyncio.create_task(draw())
            drawing.add_done_callback(lambda done: self._ended(tag, done))
        # Who goes away does not take it from the others.
        return await asyncio.shield(drawing)

    def _ended(self, tag: str, drawing: asyncio.Task[bytes]) -> None:
        del self._drawing[tag]
        if not drawing.cancelled() and drawing.exception() is None:
            self.keep(tag, drawing.result())

    def get(self, tag: str) -> bytes | None:
        """A view that is still there."""
        if tag in self._kept:
            self._kept.move_to_end(tag)
        return self._kept.get(tag)

    def keep(self, tag: str, view: bytes) -> None:
        """Keep it in place of those that nobody has asked for the longest."""
        self._bytes += len(view) - len(self._kept.pop(tag, b""))
        self._kept[tag] = view
        while self._bytes > self._max_bytes:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= len(dropped)


async def order_of(session: AsyncSession, user_id: UUID, notation_id: UUID, wish: Wish) -> Order:
    """What one's own score would be drawn from, without reading its document."""
    notation = await scores.get(session, user_id, notation_id)
    version = notation.version if wish.version is None else wish.version
    kit = await _kit(session, user_id, notation_id, version, wish)
    about: dict[str, Any] = {"version": version}
    if not wish.shared:
        video_id = str(notation.video_id) if notation.video_id else None
        about = {"notation_id": str(notation_id), "version": version, "video_id": video_id}
    width_mm = wish.width_mm - wish.width_mm % STEP_MM
    drawing = Drawing(width_mm, wish.repeats, wish.legend, kit.to_dict(), about)
    told = [FORMAT, str(notation_id), width_mm, wish.repeats, wish.legend, drawing.kit, about]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:24]
    return Order(notation_id, version, drawing, f'W/"{version}-{digest}"', wish.shared)


async def _kit(
    session: AsyncSession, user_id: UUID, notation_id: UUID, version: int, wish: Wish
) -> Kit:
    named = await session.scalar(
        select(NotationVersion.notation_json["score"]["kit"].astext).where(
            NotationVersion.notation_id == notation_id, NotationVersion.version == version
        )
    )
    if named is None:
        raise scores.no_version()
    return await kits.wanted(session, user_id, wish.kit or str(named), "query.kit")


async def drawn(sessions: SessionMaker, scribe: Scribe, views: Views, order: Order) -> bytes:
    """The view, zipped. No connection is held while it is drawn."""

    async def draw() -> bytes:
        async with sessions() as session:
            kept = await scores.kept(session, order.notation_id, order.version)
        return await scribe.view(kept.document, order.drawing, guest=order.for_guest)

    try:
        return await views.drawn(order.tag, draw)
    except ScoreError as error:
        raise Invalid(error.message, code="invalid-view", field=f"query.{error.field}") from error
