"""Notation's route for scores that other programs wrote."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from libs.common.database import new_id
from libs.common.errors import (
    Conflict,
    Invalid,
    TooLarge,
    Unauthorized,
    UnsupportedMedia,
    problem_responses,
)
from libs.common.idempotency import IdempotencyKey, fingerprint_of, once
from libs.common.tokens import CurrentCaller
from services.notation import kits, scores
from services.notation.api import NotationDetail, Session, Sessions, TheScribe, created
from services.notation.domain.score import ScoreError
from services.notation.writing import Source

router = APIRouter(prefix="/notation", tags=["notation"])

FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.post(
    "/import",
    status_code=201,
    response_model=NotationDetail,
    responses=problem_responses(Unauthorized, Conflict, TooLarge, UnsupportedMedia),
    openapi_extra=FILE,
)
async def import_notation(
    request: Request,
    caller: CurrentCaller,
    sessions: Sessions,
    session: Session,
    scribe: TheScribe,
    file_name: Annotated[
        str, Query(max_length=255, description="Its name; its title, if it has no other.")
    ] = "",
    title: Annotated[str | None, Query(max_length=200)] = None,
    kit: Annotated[
        str,
        Query(
            max_length=64, description="By which its MIDI notes are read, see GET /notation/kits."
        ),
    ] = "backbeat-standard",
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Make a notation of a file: MusicXML, compressed MusicXML, MIDI, or Backbeat's JSON, as the
    whole body. Its kind is told by its content."""
    data = await request.body()
    if not data:
        raise Invalid("The body is empty; send the file as the body.", field="body")
    async with sessions() as looking:
        table = await kits.wanted(looking, caller.user_id, kit, "query.kit")
    source = Source(file_name=file_name, title=title or "", kit=table.to_dict())
    try:
        document = await scribe.read_in(data, source)
    except ScoreError as error:
        if error.field == "format":
            raise UnsupportedMedia(error.message, code="unknown-score-file") from error
        raise Invalid(error.message, code="invalid-score", field=f"body.{error.field}") from error

    async def write() -> dict[str, Any]:
        notation = await scores.create(
            session,
            notation_id=new_id(),
            user_id=caller.user_id,
            video_id=None,
            job_id=None,
            document=document,
            options={},
            change="Imported" + (f" from {file_name}" if file_name else ""),
        )
        return {"id": str(notation.id)}

    fingerprint = fingerprint_of(
        "import", {"sha256": hashlib.sha256(data).hexdigest(), "title": title, "kit": kit}
    )
    kept = await once(session, caller.user_id, idempotency_key, fingerprint, write)
    return await created(session, caller.user_id, UUID(kept["id"]))
