"""`Idempotency-Key`: a write sent twice happens once, and both get the same answer.

Shape of the IETF draft `draft-ietf-httpapi-idempotency-key-header`: same key and same request,
the kept answer; same key and another request, 422; same key while the first still runs, 409.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Header
from sqlalchemy import func, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from libs.common.database import CommonBase, SessionMaker
from libs.common.errors import Conflict, Invalid

IdempotencyKey = Annotated[
    str | None,
    Header(
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Any text of your own, the same for a write and its repeats.",
    ),
]


class IdempotentAnswer(CommonBase):
    """What a keyed write was answered with."""

    __tablename__ = "idempotent_answers"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    answer: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)


def fingerprint_of(*parts: Any) -> str:
    """The request's meaning in a digest."""
    text_ = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text_.encode()).hexdigest()


async def answered(
    sessions: SessionMaker, user_id: UUID, key: str | None, fingerprint: str
) -> dict[str, Any] | None:
    """What this request was answered with before, for those whose work is dear; `once` decides."""
    if key is None:
        return None
    async with sessions() as session:
        kept = await session.get(IdempotentAnswer, (user_id, key))
    return _checked(kept, fingerprint) if kept is not None else None


def _checked(kept: IdempotentAnswer, fingerprint: str) -> dict[str, Any]:
    if kept.fingerprint != fingerprint:
        raise Invalid(
            "This Idempotency-Key was used for another request. Take a new one.",
            code="idempotency-key-reused",
            field="header.Idempotency-Key",
        )
    return kept.answer


async def once(
    session: AsyncSession,
    user_id: UUID,
    key: str | None,
    fingerprint: str,
    write: Callable[[], Awaitable[dict[str, Any]]],
) -> dict[str, Any]:
    """Do `write` unless this key was answered before; its JSON answer either way. The answer
    commits with the write's own rows."""
    if key is None:
        return await write()
    locked = await session.scalar(
        text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))"),
        {"name": f"idempotency:{user_id}:{key}"},
    )
    if not locked:
        raise Conflict(
            "A request with this Idempotency-Key is still running. Wait for it.",
            code="idempotency-key-in-use",
            headers={"Retry-After": "1"},
        )
    kept = await session.get(IdempotentAnswer, (user_id, key))
    if kept is not None:
        return _checked(kept, fingerprint)
    answer = await write()
    await session.execute(
        insert(IdempotentAnswer).values(
            user_id=user_id, key=key, fingerprint=fingerprint, answer=answer
        )
    )
    return answer
