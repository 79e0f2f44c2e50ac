"""An edit that is sent again after its answer was lost is done once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.database import SessionMaker
from libs.common.idempotency import fingerprint_of, once
from services.notation import history, scores
from services.notation.models import Notation

Row = Notation | dict[str, Any]
"""A score as it is, or as it was when the edit was done first."""


@dataclass(frozen=True, slots=True)
class Made:
    """What an edit made, or has made before."""

    row: Row
    version: int
    document: bytes | None = None
    """Where it was at hand."""


class _NotYet(Exception):
    """The edit has not been answered."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Of whose score, under which key, and what: the same for an edit and its repeats. `what` has
    the version that it was based on, so that a repeat is known although that has passed."""

    user_id: UUID
    notation_id: UUID
    key: str | None
    what: tuple[Any, ...]

    async def answered(self, sessions: SessionMaker) -> Made | None:
        """What it made, where it was done before."""

        async def not_yet() -> dict[str, Any]:
            raise _NotYet

        if self.key is None:
            return None
        async with sessions() as session:
            try:
                kept = await once(session, self.user_id, self.key, self._fingerprint(), not_yet)
            except _NotYet:
                return None
            return await self._made(session, kept["version"])

    async def done(
        self,
        session: AsyncSession,
        write: Callable[[AsyncSession], Awaitable[Notation]],
        document: bytes | None = None,
    ) -> Made:
        """What it makes, or has made before; `document` is what it writes, where that is known."""
        written: list[Notation] = []

        async def first_time() -> dict[str, Any]:
            written.append(await write(session))
            return {"version": written[0].version}

        kept = await once(session, self.user_id, self.key, self._fingerprint(), first_time)
        if written:
            return Made(written[0], written[0].version, document)
        return await self._made(session, kept["version"])

    def _fingerprint(self) -> str:
        # A whole document takes its time, and without a key nobody asks.
        return "" if self.key is None else fingerprint_of("edit", self.notation_id, self.what)

    async def _made(self, session: AsyncSession, version: int) -> Made:
        notation = await scores.get(session, self.user_id, self.notation_id)
        if notation.version == version:
            return Made(notation, version)
        then = await history.version(session, notation, version)
        written = await scores.written(session, notation.id, version)
        return Made(scores.as_made(notation, then, written), version, written.document)
