"""Notation's routes for editing a score, and for its versions."""

from __future__ import annotations

import contextlib
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.database import SessionMaker
from libs.common.errors import NotFound, Unauthorized, problem_responses
from libs.common.idempotency import IdempotencyKey
from libs.common.steps import DETAIL_HELP, GRID_HELP, SWING_HELP, Grid, Tempo, TimeSignature
from libs.common.tokens import CurrentCaller
from services.notation import history, kits, scores
from services.notation.api import (
    WRITE_PROBLEMS,
    IfMatch,
    NotationDetail,
    NotationRead,
    Prefer,
    Session,
    Sessions,
    TheScribe,
    detail,
    expected_version,
    newest,
    wants_little,
    with_document,
)
from services.notation.domain.edits import MAX_OPERATIONS, OPERATIONS
from services.notation.domain.score import ScoreError
from services.notation.edit_once import Edit, Made
from services.notation.latest import Latest
from services.notation.models import Notation, NotationVersion
from services.notation.scribe import Scribe, invalid
from services.notation.writing import Changed, Known, NotKnown

router = APIRouter(prefix="/notation", tags=["notation"])


ANEW = ("tempo", "time_signature", "grid", "swing", "detail")
"""What writes the performance anew."""


class NotationUpdate(BaseModel):
    """A change, of one kind: `notation_json` replaces the document; `operations` change it a little
    (see GET /notation/operations); tempo, time signature, grid, swing and detail write the same
    performance anew. The title may go with any, or alone."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"operations": [{"op": "set-piece", "ids": ["ev-000012"], "piece": "ride"}]},
                {"time_signature": "6/8"},
                {"title": "Verse groove"},
            ]
        },
    )

    title: str | None = Field(None, min_length=1, max_length=200)
    tempo: Tempo | None = None
    time_signature: TimeSignature | None = None
    grid: Grid | None = Field(None, description=GRID_HELP)
    swing: Literal["auto", "written"] | None = Field(None, description=SWING_HELP)
    detail: Literal["full", "teaching"] | None = Field(None, description=DETAIL_HELP)
    operations: list[dict[str, Any]] | None = Field(
        None, min_length=1, max_length=MAX_OPERATIONS, description="All are done, or none."
    )
    notation_json: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _one_kind_of_change(self) -> NotationUpdate:
        anew = any(getattr(self, name) is not None for name in ANEW)
        kinds = (self.notation_json is not None) + (self.operations is not None) + anew
        if kinds > 1:
            raise ValueError(
                "give one of notation_json, operations, or tempo, time_signature, grid, swing and "
                "detail"
            )
        if not kinds and self.title is None:
            raise ValueError("nothing to change")
        return self


class OperationRead(BaseModel):
    """A small change that a score takes."""

    op: str
    about: str
    required: list[str]
    optional: list[str]


class VersionRead(BaseModel):
    """A version of a score."""

    model_config = ConfigDict(from_attributes=True)

    version: int
    title: str
    change: str
    changed_by: UUID
    author: Literal["user", "vision"] = Field(
        description="vision: the eye told which hand played what; changed_by owns the score."
    )
    created_at: datetime


class VersionDetail(VersionRead):
    """A version with its document."""

    notation_json: dict[str, Any]


@router.get(
    "/operations", response_model=list[OperationRead], responses=problem_responses(Unauthorized)
)
async def list_operations(_caller: CurrentCaller) -> list[dict[str, Any]]:
    """The small changes that `PUT /notation/{id}` takes in `operations`. Bars go by their number,
    places are parts of a whole note from the bar line ("3/8"), notes go by their ids."""
    return [
        {
            "op": name,
            "about": operation.help,
            "required": list(operation.required),
            "optional": list(operation.optional),
        }
        for name, operation in OPERATIONS.items()
    ]


def latest_of(request: Request) -> Latest:
    """What was edited last."""
    latest: Latest = request.app.state.latest
    return latest


TheLatest = Annotated[Latest, Depends(latest_of)]
Answer = NotationDetail | NotationRead


@router.put("/{notation_id}", response_model=Answer, responses=WRITE_PROBLEMS)
async def update_notation(
    notation_id: UUID,
    body: NotationUpdate,
    caller: CurrentCaller,
    sessions: Sessions,
    scribe: TheScribe,
    latest: TheLatest,
    if_match: IfMatch = None,
    idempotency_key: IdempotencyKey = None,
    prefer: Prefer = None,
) -> Response:
    """Edit a score; the version before stays readable."""
    expected = expected_version(if_match)
    change = body.model_dump(exclude_none=True)
    edit = Edit(caller.user_id, notation_id, idempotency_key, ("put", expected, change))
    made_before = await edit.answered(sessions)
    if made_before is not None:
        async with sessions() as session:
            return await answer(session, made_before, notation_id, prefer)
    async with sessions() as session:
        notation = await scores.get(session, caller.user_id, notation_id)
        await scores.check_version(session, notation, expected)
    anew = {name: change[name] for name in ANEW if name in change}
    if anew:
        # What was chosen before and is not named now stays.
        anew = {name: notation.options[name] for name in ANEW if name in notation.options} | anew
        change = change | anew
    try:
        changed = await _changed(sessions, scribe, latest.digest(notation), notation, change)
    except ScoreError as error:
        prefix = "body.notation_json" if body.notation_json is not None else "body"
        raise invalid(error, prefix) from error

    async def write(session: AsyncSession) -> Notation:
        if changed.now.kit != changed.kit_before:
            await kits.wanted(session, caller.user_id, changed.now.kit, "body")
        notation = await scores.get(session, caller.user_id, notation_id, lock=True)
        await scores.replace(session, caller.user_id, notation, expected, changed.now, changed.what)
        if anew:
            notation.options = notation.options | anew
            await session.flush()
        return notation

    async with sessions.begin() as session:
        made = await edit.done(session, write, changed.now.document)
        told = await answer(session, made, notation_id, prefer)
    if made.document is changed.now.document and isinstance(made.row, Notation):
        latest.keep(made.row, changed.now.digest)
    return told


async def _changed(
    sessions: SessionMaker,
    scribe: Scribe,
    digest: str | None,
    notation: Notation,
    change: dict[str, Any],
) -> Changed:
    """The change made, on what the editing process holds if it does, without a connection."""
    if digest is not None:
        with contextlib.suppress(NotKnown):
            return await scribe.change(Known(digest), change)
    async with sessions() as session:
        kept = await scores.kept(session, notation.id, notation.version)
    return await scribe.change(kept.document, change)


async def answer(
    session: AsyncSession, made: Made, notation_id: UUID, prefer: str | None
) -> Response:
    """The score, its version as ETag; without its document for who has no use for it."""
    if wants_little(prefer):
        return detail(made.row, made.version, None, {"Preference-Applied": "return=minimal"})
    document = made.document or await newest(session, notation_id, made.version)
    return detail(made.row, made.version, document)


@router.get(
    "/{notation_id}/versions",
    response_model=list[VersionRead],
    responses=problem_responses(NotFound),
)
async def list_versions(
    notation_id: UUID, caller: CurrentCaller, session: Session
) -> list[NotationVersion]:
    """A score's versions, newest first: who changed what, and when."""
    notation = await scores.get(session, caller.user_id, notation_id)
    return await history.versions(session, notation)


@router.get(
    "/{notation_id}/versions/{version}",
    response_model=VersionDetail,
    responses=problem_responses(NotFound),
)
async def get_version(
    notation_id: UUID, version: int, caller: CurrentCaller, session: Session
) -> Response:
    """A score as it once was."""
    notation = await scores.get(session, caller.user_id, notation_id)
    found = await history.version(session, notation, version)
    head = VersionRead.model_validate(found).model_dump_json().encode()
    document = await newest(session, notation_id, version)
    return Response(with_document(head, document), media_type="application/json")


@router.post(
    "/{notation_id}/versions/{version}/restore",
    response_model=Answer,
    responses=WRITE_PROBLEMS,
)
async def restore_version(
    notation_id: UUID,
    version: int,
    caller: CurrentCaller,
    session: Session,
    if_match: IfMatch = None,
    idempotency_key: IdempotencyKey = None,
    prefer: Prefer = None,
) -> Response:
    """Make an earlier version the current one (as a new version, so that this can be undone)."""
    expected = expected_version(if_match)

    async def write(session: AsyncSession) -> Notation:
        notation = await scores.get(session, caller.user_id, notation_id, lock=True)
        return await history.restore(session, caller.user_id, notation, expected, version)

    what = ("restore", expected, version)
    edit = Edit(caller.user_id, notation_id, idempotency_key, what)
    return await answer(session, await edit.done(session, write), notation_id, prefer)


@router.post("/{notation_id}/undo", response_model=Answer, responses=WRITE_PROBLEMS)
async def undo(
    notation_id: UUID,
    caller: CurrentCaller,
    session: Session,
    if_match: IfMatch = None,
    idempotency_key: IdempotencyKey = None,
    prefer: Prefer = None,
) -> Response:
    """Take the last change back, and the one before it when asked again; 409 at the first."""
    edit = Edit(caller.user_id, notation_id, idempotency_key, ("undo", expected_version(if_match)))
    return await answer(session, await _step(edit, session, if_match, "undo"), notation_id, prefer)


@router.post("/{notation_id}/redo", response_model=Answer, responses=WRITE_PROBLEMS)
async def redo(
    notation_id: UUID,
    caller: CurrentCaller,
    session: Session,
    if_match: IfMatch = None,
    idempotency_key: IdempotencyKey = None,
    prefer: Prefer = None,
) -> Response:
    """Do again what was undone last; a change in between forgets it, and then this is a 409."""
    edit = Edit(caller.user_id, notation_id, idempotency_key, ("redo", expected_version(if_match)))
    return await answer(session, await _step(edit, session, if_match, "redo"), notation_id, prefer)


async def _step(edit: Edit, session: AsyncSession, if_match: str | None, way: history.Way) -> Made:
    expected = expected_version(if_match)

    async def write(session: AsyncSession) -> Notation:
        notation = await scores.get(session, edit.user_id, edit.notation_id, lock=True)
        return await history.step(session, edit.user_id, notation, expected, way)

    return await edit.done(session, write)
