"""Notation's routes for what was practised."""

from __future__ import annotations

import datetime as dates
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

from libs.common.errors import Conflict, NotFound, problem_responses
from libs.common.paging import Cursor, Limit, Page
from libs.common.tokens import CurrentCaller
from services.notation import practice_log
from services.notation.api import Session, Sessions
from services.notation.domain.practice import PracticeSummary, Practised
from services.notation.domain.score import MAX_BARS
from services.notation.models import PracticeSession

router = APIRouter(prefix="/notation", tags=["notation"])

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
FAST_CLOCK = timedelta(days=1)


class PracticeIn(BaseModel):
    """A while of practising some bars."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "from_bar": 5,
                    "to_bar": 8,
                    "speed": 0.75,
                    "loops": 6,
                    "seconds": 64,
                    "started_at": "2026-11-23T18:30:00Z",
                }
            ]
        },
    )

    from_bar: int = Field(ge=0, le=MAX_BARS)
    to_bar: int = Field(ge=0, le=MAX_BARS)
    speed: float = Field(1.0, ge=0.25, le=2, description="1 as recorded.", allow_inf_nan=False)
    loops: int = Field(0, ge=0, le=100_000, description="How often they were played through.")
    seconds: float = Field(ge=0, le=86_400, allow_inf_nan=False)
    started_at: AwareDatetime

    @field_validator("started_at")
    @classmethod
    def _this_century(cls, moment: datetime) -> datetime:
        if not EARLIEST <= moment <= datetime.now(UTC) + FAST_CLOCK:
            raise ValueError("lies before the year 2000, or in the future")
        return moment.astimezone(UTC)

    @model_validator(mode="after")
    def _forwards(self) -> PracticeIn:
        if self.to_bar < self.from_bar:
            raise ValueError("to_bar comes before from_bar")
        return self


class PracticeRead(BaseModel):
    """A while of practising some bars."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    from_bar: int
    to_bar: int
    speed: float
    loops: int
    seconds: float
    started_at: datetime


class BarPracticeRead(BaseModel):
    """A bar's share of the time."""

    model_config = ConfigDict(from_attributes=True)

    bar: int
    seconds: float
    best_speed: float | None = Field(description="Fastest that it was played through, if it was.")


class DayPracticeRead(BaseModel):
    """One day's sessions."""

    model_config = ConfigDict(from_attributes=True)

    date: dates.date
    seconds: float


class PracticeSummaryRead(BaseModel):
    """What it adds up to."""

    model_config = ConfigDict(from_attributes=True)

    total_seconds: float
    sessions: int
    last_at: datetime | None
    bars: list[BarPracticeRead] = Field(description="Those that were practised, in order.")
    days: list[DayPracticeRead] = Field(
        description="Of the last 60 those with any practice, the latest first."
    )


@router.put(
    "/{notation_id}/practice/{session_id}",
    response_model=PracticeRead,
    responses=problem_responses(NotFound, Conflict),
)
async def keep_practice(
    notation_id: UUID, session_id: UUID, body: PracticeIn, caller: CurrentCaller, session: Session
) -> PracticeSession:
    """Tell of a session, under an id of your own: while it lasts as often as you like, or again
    where the answer was lost. The last counts."""
    told = Practised(**body.model_dump())
    return await practice_log.keep(session, caller.user_id, notation_id, session_id, told)


@router.get(
    "/{notation_id}/practice",
    response_model=Page[PracticeRead],
    responses=problem_responses(NotFound),
)
async def list_practice(
    notation_id: UUID,
    caller: CurrentCaller,
    session: Session,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """What you practised of a score, newest first."""
    items, next_cursor = await practice_log.page(
        session, caller.user_id, notation_id, limit, cursor
    )
    return {"items": items, "next_cursor": next_cursor}


@router.get(
    "/{notation_id}/practice/summary",
    response_model=PracticeSummaryRead,
    responses=problem_responses(NotFound),
)
async def summarise_practice(
    notation_id: UUID,
    caller: CurrentCaller,
    sessions: Sessions,
    utc_offset_minutes: Annotated[
        int, Query(ge=-840, le=840, description="How far ahead of UTC your days begin.")
    ] = 0,
) -> PracticeSummary:
    """What your practising of a score adds up to, by bar and by day."""
    offset = timedelta(minutes=utc_offset_minutes)
    return await practice_log.summary(sessions, caller.user_id, notation_id, offset)
