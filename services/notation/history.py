"""A score's versions: read, brought back, undone and done again.

Nothing is ever lost: undoing makes a new version with an earlier one's document. A version knows
the one it was made from (`before`), the one that an undo brought back (`source`), and what may
be done again (`redo`, the last undone at the end).
"""

from __future__ import annotations

from typing import Final, Literal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.errors import Conflict
from services.notation.models import Notation, NotationVersion
from services.notation.scores import check_version, no_version, replace, written

Way = Literal["undo", "redo"]
MOST_REDO: Final = 1000


async def versions(session: AsyncSession, notation: Notation) -> list[NotationVersion]:
    """All versions, newest first, without their documents."""
    rows = await session.scalars(
        select(NotationVersion)
        .where(NotationVersion.notation_id == notation.id)
        .order_by(NotationVersion.version.desc())
    )
    return list(rows)


async def version(session: AsyncSession, notation: Notation, number: int) -> NotationVersion:
    """One version without its document, or NotFound."""
    found = await session.get(NotationVersion, (notation.id, number))
    if found is None:
        raise no_version()
    return found


async def restore(
    session: AsyncSession, user_id: UUID, notation: Notation, expected: int, number: int
) -> Notation:
    """Make an earlier version the current one, as a new version."""
    await check_version(session, notation, expected)
    former = await version(session, notation, number)
    return await replace(
        session,
        user_id,
        notation,
        expected,
        await written(session, notation.id, former.version),
        f"Version {number} restored",
    )


async def step(
    session: AsyncSession, user_id: UUID, notation: Notation, expected: int, way: Way
) -> Notation:
    """Undo the last change, or do again what was undone last; Conflict where there is nothing."""
    await check_version(session, notation, expected)
    now = await version(session, notation, notation.version)
    # Whose document this is: an undone version stands for an earlier one.
    shown = now if now.source is None else await version(session, notation, now.source)
    if way == "undo":
        if shown.version == 1:
            raise Conflict("There is nothing to undo.", code="nothing-to-undo")
        target = await _behind(session, notation, shown)
        redo = [*now.redo, shown.version][-MOST_REDO:]
        change = f"Undone: {shown.change}"
    else:
        if not now.redo:
            raise Conflict("There is nothing to do again.", code="nothing-to-redo")
        *redo, number = now.redo
        target = await version(session, notation, number)
        change = f"Done again: {target.change}"
    return await replace(
        session,
        user_id,
        notation,
        expected,
        await written(session, notation.id, target.version),
        change,
        source=target.version,
        redo=redo,
    )


async def _behind(
    session: AsyncSession, notation: Notation, shown: NotationVersion
) -> NotationVersion:
    """The version that a change was made on, or whose document that one showed."""
    before = await version(session, notation, shown.before or shown.version - 1)
    return before if before.source is None else await version(session, notation, before.source)
