"""Takes laid beside their targets: measured, kept, and listed, so that practice shows."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.database import SessionMaker
from libs.common.errors import Invalid
from libs.common.paging import page_of
from libs.common.part import Part
from libs.common.steps import step_id
from services.ai.domain.advice import advice
from services.ai.domain.takes import CannotCompare, Comparison, compare
from services.ai.known import still_there
from services.ai.models import KeptComparison, KnownScore
from services.ai.scholar import Progress, Scholar

Bars = tuple[int, int] | None


def compare_parts(
    target: bytes, take: bytes, bars: Bars, *, progress: Progress
) -> Comparison | CannotCompare:
    """For the child process."""
    del progress
    try:
        return compare(Part.from_json(target), Part.from_json(take), bars)
    except CannotCompare as reason:
        return reason


async def listen(
    sessions: SessionMaker, scholar: Scholar, target: KnownScore, take: KnownScore, bars: Bars
) -> KeptComparison:
    """How the take went; Invalid where they cannot be laid side by side. Kept in place of what was
    found of the same before."""
    found = await scholar.run(
        compare_parts, await scholar.part(target.part_key), await scholar.part(take.part_key), bars
    )
    if isinstance(found, CannotCompare):
        field = "body.from_bar" if found.code == "no-bars" else "body.take_id"
        raise Invalid(found.sentence, code=f"cannot-compare-{found.code}", field=field)
    values: dict[str, Any] = {
        "version": target.version,
        "take_title": take.title,
        "result": found.to_dict() | {"advice": list(advice(found))},
        "created_at": func.now(),
    }
    async with sessions.begin() as session:
        await still_there(session, target.notation_id)
        await still_there(session, take.notation_id)
        row: KeptComparison | None = await session.scalar(
            insert(KeptComparison)
            .values(
                id=step_id("comparison", target.notation_id, take.notation_id, bars),
                notation_id=target.notation_id,
                take_id=take.notation_id,
                user_id=target.user_id,
                from_bar=bars[0] if bars else None,
                to_bar=bars[1] if bars else None,
                **values,
            )
            .on_conflict_do_update(index_elements=[KeptComparison.id], set_=values)
            .returning(KeptComparison)
        )
        assert row is not None
        return row


async def page(
    session: AsyncSession, user_id: UUID, notation_id: UUID, limit: int, cursor: str | None
) -> tuple[list[KeptComparison], str | None]:
    """A score's takes, the one that was heard last first."""
    rows = select(KeptComparison).where(
        KeptComparison.notation_id == notation_id, KeptComparison.user_id == user_id
    )
    return await page_of(
        session, rows, KeptComparison.created_at, KeptComparison.id, limit=limit, cursor=cursor
    )
