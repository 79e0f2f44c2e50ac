"""The teacher's routes for practice versions."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from libs.common.errors import (
    NotFound,
    Problem,
    Unauthorized,
    problem_responses,
)
from libs.common.idempotency import IdempotencyKey, answered, fingerprint_of, once
from libs.common.paging import Cursor, Limit, Page
from libs.common.storage import Storage
from libs.common.tokens import CurrentCaller
from services.ai import known, vary
from services.ai.api import PROBLEMS, VERSION_HELP, BarRange, Session, Sessions, TheTeacher
from services.ai.domain.variations import MAX_BARS, Direction, VariationKind, VariationRequest
from services.ai.models import Variation

router = APIRouter(tags=["ai"])

MOST_AT_ONCE = 12


class VariationsIn(BarRange):
    """What to make of a score; all of it may be left out."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"kind": "linear", "difficulty": "harder", "count": 2}]},
    )

    kind: VariationKind | None = Field(None, description="Null: several, as they fit.")
    difficulty: Direction | None = Field(
        None, description="Beside the bars that it is made of. Null: as the kind goes by nature."
    )
    from_bar: int | None = Field(
        None, ge=0, description="With to_bar: the bars to vary. Null: the most typical one to four."
    )
    count: int = Field(3, ge=1, le=MOST_AT_ONCE)
    fill_beats: int | None = Field(None, ge=1, le=32, description="For fills, at most two bars.")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Another one gives other variations.")
    proposed_by: Literal["rules", "model"] = Field(
        "rules",
        description="model: a language model proposes, where there is one, and is held to the "
        "same rules.",
    )
    version: int | None = Field(None, ge=1, description=VERSION_HELP)

    @model_validator(mode="after")
    def _not_too_many(self) -> VariationsIn:
        if self.bars is not None and self.bars[1] - self.bars[0] >= MAX_BARS:
            raise ValueError(f"at most {MAX_BARS} bars are varied at once")
        return self

    def request(self) -> VariationRequest:
        """For the domain."""
        return VariationRequest(
            self.kind, self.difficulty, self.bars, self.seed, self.fill_beats, self.count
        )


class VariationRead(BaseModel):
    """A practice version: a notation of its own."""

    model_config = ConfigDict(from_attributes=True)

    notation_id: UUID = Field(validation_alias="id")
    of_notation_id: UUID
    of_version: int
    title: str
    kind: str = Field(description="free where a model chose for itself.")
    description: str = Field(validation_alias="change", description="What was changed.")
    why: str = Field(description="What practising it is good for.")
    steps: list[str] = Field(description="How to practise it.")
    direction: Direction
    difficulty_before: float = Field(description="Of the bars that it was made of, 1 to 10.")
    difficulty_after: float
    source: Literal["rules", "model"]
    status: Literal["written", "pending"] = Field(
        description="pending: notation has not written it down yet; it will in a moment."
    )
    created_at: datetime

    @model_validator(mode="before")
    @classmethod
    def _from_row(cls, row: Any) -> Any:
        if not isinstance(row, Variation):
            return row
        names = {column.name for column in Variation.__table__.columns}
        status = "written" if row.written_at else "pending"
        return {name: getattr(row, name) for name in names} | {"status": status}


class VariationsMade(BaseModel):
    """What was made."""

    variations: list[VariationRead]
    left_out: list[vary.LeftOut]
    note: str | None


@router.post(
    "/notation/{notation_id}/variations",
    status_code=201,
    response_model=VariationsMade,
    responses=PROBLEMS | {202: {"model": VariationsMade, "description": "Not written down yet"}},
)
async def make_variations(
    notation_id: UUID,
    caller: CurrentCaller,
    sessions: Sessions,
    teacher: TheTeacher,
    request: Request,
    response: Response,
    body: VariationsIn | None = None,
    idempotency_key: IdempotencyKey = None,
) -> dict[str, Any]:
    """Make practice versions. Each becomes a notation of its own, which is read, edited and
    exported like any other."""
    asked = body or VariationsIn()
    storage: Storage = request.app.state.storage
    fingerprint = fingerprint_of("variations", str(notation_id), asked.model_dump(mode="json"))
    kept = await answered(sessions, caller.user_id, idempotency_key, fingerprint)
    if kept is None:
        score = await known.find(sessions, caller.user_id, notation_id, asked.version)
        composed = await vary.make(
            teacher, score, asked.request(), by=asked.proposed_by, roles=caller.roles
        )
        ids = await vary.store(storage, composed.made)

        async def write() -> dict[str, Any]:
            vary.keep(session, score, ids, composed.made)
            return {
                "ids": [str(one) for one in ids],
                "left_out": [one.model_dump() for one in composed.left_out],
                "note": composed.note,
            }

        try:
            async with sessions.begin() as session:
                kept = await once(session, caller.user_id, idempotency_key, fingerprint, write)
        except Problem:
            # Refused before anything was written.
            await vary.forget(storage, ids)
            raise
        if kept["ids"] != [str(one) for one in ids]:
            await vary.forget(storage, ids)
    rows = await vary.written(sessions, [UUID(one) for one in kept["ids"]])
    if not all(row.written_at for row in rows):
        response.status_code = 202
        response.headers["Retry-After"] = "2"
    return {"variations": rows, "left_out": kept["left_out"], "note": kept["note"]}


@router.get(
    "/notation/{notation_id}/variations",
    response_model=Page[VariationRead],
    responses=problem_responses(Unauthorized, NotFound),
)
async def list_variations(
    notation_id: UUID,
    caller: CurrentCaller,
    sessions: Sessions,
    session: Session,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """A score's practice versions, newest first."""
    await known.find(sessions, caller.user_id, notation_id)
    items, next_cursor = await vary.page(session, caller.user_id, notation_id, limit, cursor)
    return {"items": items, "next_cursor": next_cursor}
