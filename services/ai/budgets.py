"""How much of a model a user may use a day: reserved before the question, settled after it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import UUID

from sqlalchemy import func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.database import SessionMaker
from services.ai.models import Spending
from services.ai.settings import AiSettings

LARGER = frozenset({"premium", "admin"})


def limit_of(settings: AiSettings, roles: frozenset[str]) -> int:
    """Tokens a day."""
    return settings.daily_tokens_premium if roles & LARGER else settings.daily_tokens_user


def today() -> date:
    """Days begin at midnight UTC."""
    return datetime.now(UTC).date()


async def reserve(
    sessions: SessionMaker, user_id: UUID, day: date, tokens: int, limit: int
) -> bool:
    """Whether so many tokens are left; then they are taken. Two at once cannot both take the
    last."""
    if tokens > limit:
        return False
    async with sessions.begin() as session:
        taken = await session.execute(
            insert(Spending)
            .values(user_id=user_id, day=day, tokens=tokens, questions=1)
            .on_conflict_do_update(
                index_elements=[Spending.user_id, Spending.day],
                set_={
                    "tokens": Spending.tokens + tokens,
                    "questions": Spending.questions + 1,
                },
                where=Spending.tokens + tokens <= literal(limit),
            )
            .returning(Spending.tokens)
        )
        return taken.first() is not None


async def settle(
    sessions: SessionMaker, user_id: UUID, day: date, reserved: int, used: int
) -> None:
    """Give back what was reserved and not used."""
    async with sessions.begin() as session:
        await session.execute(
            update(Spending)
            .where(Spending.user_id == user_id, Spending.day == day)
            .values(tokens=func.greatest(0, Spending.tokens - reserved + used))
        )


async def spent(session: AsyncSession, user_id: UUID) -> tuple[int, int]:
    """Today's tokens and questions."""
    row = (
        await session.execute(
            select(Spending.tokens, Spending.questions).where(
                Spending.user_id == user_id, Spending.day == today()
            )
        )
    ).one_or_none()
    return (row[0], row[1]) if row else (0, 0)
