"""Kit tables: ours, and a user's own."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.errors import Conflict, Invalid, NotFound
from services.notation.domain.kit import KITS, Kit
from services.notation.domain.score import ScoreError
from services.notation.models import UserKit

MOST: Final = 100


async def find(session: AsyncSession, user_id: UUID, name: str) -> Kit | None:
    """The table of that id, ours or the user's."""
    if name in KITS:
        return KITS[name]
    row = await session.get(UserKit, (user_id, name))
    return None if row is None else Kit.from_dict(row.table)


async def wanted(session: AsyncSession, user_id: UUID, name: str, field: str) -> Kit:
    """The same for somebody who names it in `field`: Invalid where there is none."""
    kit = await find(session, user_id, name)
    if kit is None:
        raise Invalid(
            f"No kit is called {name!r}. GET /notation/kits lists them.",
            code="unknown-kit",
            field=field,
        )
    return kit


def ours(name: str, field: str) -> Kit:
    """One of Backbeat's own, for a guest: Invalid where there is none."""
    if name not in KITS:
        raise Invalid(f"No kit is called {name!r}.", code="unknown-kit", field=field)
    return KITS[name]


async def tables(session: AsyncSession, user_id: UUID) -> list[tuple[Kit, bool]]:
    """All that a user can use, ours first; whether each is the user's own."""
    rows = await session.scalars(
        select(UserKit).where(UserKit.user_id == user_id).order_by(UserKit.name)
    )
    own = [(Kit.from_dict(row.table), True) for row in rows]
    return [(kit, False) for kit in KITS.values()] + own


async def keep(session: AsyncSession, user_id: UUID, name: str, table: dict[str, Any]) -> Kit:
    """Make or replace a table of the user's own; Invalid for a broken one, Conflict for a name
    of ours."""
    if name in KITS:
        raise Conflict(f"{name} is a kit of Backbeat's; choose another name.", code="kit-is-ours")
    try:
        kit = Kit.from_dict({**table, "id": name})
    except ScoreError as error:
        raise Invalid(error.message, code="invalid-kit", field=f"body.{error.field}") from error
    there = await session.scalar(
        select(func.count())
        .select_from(UserKit)
        .where(UserKit.user_id == user_id, UserKit.name != name)
    )
    if (there or 0) >= MOST:
        raise Conflict(
            f"You have {MOST} kits, which is the most. Delete one.", code="too-many-kits"
        )
    await session.execute(
        insert(UserKit)
        .values(user_id=user_id, name=name, table=kit.to_dict())
        .on_conflict_do_update(
            index_elements=[UserKit.user_id, UserKit.name],
            set_={"table": kit.to_dict(), "updated_at": func.now()},
        )
    )
    return kit


async def remove(session: AsyncSession, user_id: UUID, name: str) -> None:
    """Delete a table of the user's own, or NotFound. Scores that name it need another."""
    if name in KITS:
        raise Conflict(f"{name} is a kit of Backbeat's and stays.", code="kit-is-ours")
    gone = await session.execute(
        delete(UserKit)
        .where(UserKit.user_id == user_id, UserKit.name == name)
        .returning(UserKit.name)
    )
    if gone.first() is None:
        raise NotFound("There is no such kit.", code="kit-not-found")


async def forget(session: AsyncSession, user_id: UUID) -> None:
    """All of a user's."""
    await session.execute(delete(UserKit).where(UserKit.user_id == user_id))
