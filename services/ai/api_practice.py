"""The teacher's routes for practising: what to do, and how it went."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from libs.common.errors import (
    Conflict,
    NotFound,
    Unauthorized,
    problem_responses,
)
from libs.common.paging import Cursor, Limit, Page
from libs.common.part import Part
from libs.common.tokens import CurrentCaller
from services.ai import known, listen
from services.ai.api import PROBLEMS, VERSION_HELP, BarRange, Session, Sessions, TheScholar, Version
from services.ai.domain.facts import Facts
from services.ai.domain.plan import DEFAULT_DAYS, MAX_DAYS, MINUTES, Plan, practice_plan
from services.ai.models import KeptComparison

router = APIRouter(tags=["ai"])


class LoopRead(BaseModel):
    """Bars to play round and round."""

    model_config = ConfigDict(from_attributes=True)

    from_bar: int
    to_bar: int
    repeats: int = Field(description="Without a fault, before the next tempo.")
    ladder_bpm: list[int] = Field(description="In the meter's beats a minute.")
    why: str


class DayRead(BaseModel):
    """One day's work."""

    model_config = ConfigDict(from_attributes=True)

    day: int
    warm_up_minutes: int
    loop_minutes: int
    whole_minutes: int = Field(description="For the whole part.")
    loop: int = Field(description="Which of the loops, from 0.")
    start_bpm: int
    goal_bpm: int
    focus: str


class PlanRead(BaseModel):
    """What to practise, and when."""

    model_config = ConfigDict(from_attributes=True)

    notation_id: UUID
    version: int
    target_bpm: int
    start_bpm: int
    minutes_a_day: int
    loops: list[LoopRead]
    days: list[DayRead]
    focus: list[str] = Field(description="The most pressing first.")


@router.get("/notation/{notation_id}/practice-plan", response_model=PlanRead, responses=PROBLEMS)
async def practice_plan_of(
    notation_id: UUID,
    caller: CurrentCaller,
    sessions: Sessions,
    scholar: TheScholar,
    days: Annotated[int, Query(ge=1, le=MAX_DAYS)] = DEFAULT_DAYS,
    minutes: Annotated[int, Query(ge=MINUTES[0], le=MINUTES[1], description="A day.")] = 20,
    target_bpm: Annotated[
        float | None,
        Query(ge=20, le=400, description="In the meter's beats a minute. Null: as written."),
    ] = None,
    version: Version = None,
) -> dict[str, Any]:
    """A plan: the hardest bars in loops, tempos that climb, days that add up."""
    score = await known.find(sessions, caller.user_id, notation_id, version, field="query.version")
    study = await scholar.study(score.part_key)
    if not study.facts.hardest:
        raise Conflict(
            "Nothing is struck in this score, so there is nothing to practise.",
            code="nothing-to-practise",
        )
    data = await scholar.part(score.part_key)
    plan = await asyncio.to_thread(_plan, data, study.facts, days, minutes, target_bpm)
    return {"notation_id": notation_id, "version": score.version} | plan.to_dict()


def _plan(data: bytes, facts: Facts, days: int, minutes: int, target_bpm: float | None) -> Plan:
    return practice_plan(
        Part.from_json(data), facts, days=days, minutes=minutes, target_bpm=target_bpm
    )


class CompareIn(BarRange):
    """A take of yours: a score that was written from a recording of you playing this one."""

    take_id: UUID = Field(description="The take's notation: upload the recording and wait for it.")
    from_bar: int | None = Field(
        None, ge=0, description="With to_bar: the bars that you practised. Null: all."
    )
    version: int | None = Field(None, ge=1, description=VERSION_HELP)


class LimbResultRead(BaseModel):
    """One limb over all rounds."""

    limb: str
    strokes: int = Field(description="The target's.")
    hit: int
    missed: int
    extra: int
    early: int
    late: int
    too_loud: int
    too_soft: int
    mean_ms: float | None = Field(description="Above 0 late.")
    spread_ms: float | None


class BarResultRead(BaseModel):
    """One of the target's bars over all rounds."""

    bar: int
    strokes: int
    hit: int
    mean_off_ms: float | None


class StrokeResultRead(BaseModel):
    """One of the target's strokes over all rounds."""

    bar: int
    at: str = Field(description="In whole notes from its bar line.")
    limb: str
    rounds: int
    hit: int
    mean_ms: float | None


class ComparisonRead(BaseModel):
    """A take beside its target."""

    notation_id: UUID
    version: int = Field(description="Of the target.")
    take_id: UUID
    take_title: str
    from_bar: int | None = Field(description="The target's bars that were compared; null: all.")
    to_bar: int | None
    created_at: datetime
    rounds: int = Field(description="How often the target was played through.")
    from_s: float = Field(description="Of the take, in seconds.")
    to_s: float
    take_bpm: float
    target_bpm: float | None
    accuracy: float = Field(description="1 where all was hit and nothing was added.")
    strokes: int
    hit: int
    missed: int
    extra: int
    early: int = Field(description="Hit, and more than 10 ms before the take's own beat asks.")
    late: int
    too_loud: int
    too_soft: int
    mean_off_ms: float | None
    limbs: list[LimbResultRead]
    bars: list[BarResultRead]
    hardest: list[StrokeResultRead]
    advice: list[str]

    @model_validator(mode="before")
    @classmethod
    def _from_row(cls, row: Any) -> Any:
        if not isinstance(row, KeptComparison):
            return row
        names = ("notation_id", "version", "take_id", "take_title", "from_bar", "to_bar",
                 "created_at")  # fmt: skip
        return row.result | {name: getattr(row, name) for name in names}


@router.post("/notation/{notation_id}/compare", response_model=ComparisonRead, responses=PROBLEMS)
async def compare_take(
    notation_id: UUID,
    body: CompareIn,
    caller: CurrentCaller,
    sessions: Sessions,
    scholar: TheScholar,
) -> KeptComparison:
    """Lay a take over this score: what was hit, missed, early, late, too loud, limb by limb. It is
    kept, so that `comparisons` shows how practice goes."""
    target = await known.find(sessions, caller.user_id, notation_id, body.version)
    try:
        take = await known.find(sessions, caller.user_id, body.take_id)
    except NotFound as error:
        raise NotFound(
            "There is no such take: upload a recording and give its notation's id.",
            code="take-not-found",
            field="body.take_id",
        ) from error
    return await listen.listen(sessions, scholar, target, take, body.bars)


@router.get(
    "/notation/{notation_id}/comparisons",
    response_model=Page[ComparisonRead],
    responses=problem_responses(Unauthorized, NotFound),
)
async def list_comparisons(
    notation_id: UUID,
    caller: CurrentCaller,
    sessions: Sessions,
    session: Session,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Your takes of a score, the one that was compared last first."""
    await known.find(sessions, caller.user_id, notation_id)
    items, next_cursor = await listen.page(session, caller.user_id, notation_id, limit, cursor)
    return {"items": items, "next_cursor": next_cursor}
