"""Notation's routes for kit tables."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from libs.common.errors import Conflict, NotFound, Unauthorized, problem_responses
from libs.common.tokens import CurrentCaller
from services.notation import kits
from services.notation.api import Session
from services.notation.domain.kit import SCHEMA_PATH, Kit

router = APIRouter(prefix="/notation/kits", tags=["notation"])

Name = Annotated[str, Path(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,63}$", description="The kit's id.")]


class KitRead(BaseModel):
    """A kit table."""

    id: str
    name: str
    own: bool = Field(description="Whether it is yours, to change and to delete.")
    source: str = Field(description="Where its facts come from.")
    table: dict[str, Any] = Field(description="See GET /notation/kits/schema.")


def _read(kit: Kit, own: bool) -> KitRead:
    return KitRead(id=kit.id, name=kit.name, own=own, source=kit.source, table=kit.to_dict())


@router.get("/", response_model=list[KitRead], responses=problem_responses(Unauthorized))
async def list_kits(caller: CurrentCaller, session: Session) -> list[KitRead]:
    """Every kit table that you can use: notation styles, e-drum modules, your own."""
    return [_read(kit, own) for kit, own in await kits.tables(session, caller.user_id)]


@router.get("/schema", responses=problem_responses(Unauthorized))
async def kit_schema(_caller: CurrentCaller) -> dict[str, Any]:
    """The JSON Schema of a kit table."""
    schema: dict[str, Any] = json.loads(SCHEMA_PATH.read_text())
    return schema


@router.get("/{name}", response_model=KitRead, responses=problem_responses(Unauthorized, NotFound))
async def get_kit(name: Name, caller: CurrentCaller, session: Session) -> KitRead:
    """One kit table."""
    for kit, own in await kits.tables(session, caller.user_id):
        if kit.id == name:
            return _read(kit, own)
    raise NotFound("There is no such kit.", code="kit-not-found")


@router.put("/{name}", response_model=KitRead, responses=problem_responses(Unauthorized, Conflict))
async def put_kit(
    name: Name, table: dict[str, Any], caller: CurrentCaller, session: Session
) -> KitRead:
    """Make a kit table of your own, or replace it. With a `base` only what differs need be there:
    `{"format": "backbeat-kit/1", "name": "My kit", "base": "backbeat-standard", "pieces": {"ride":
    {"step": "E"}}}`."""
    return _read(await kits.keep(session, caller.user_id, name, table), own=True)


@router.delete(
    "/{name}", status_code=204, responses=problem_responses(Unauthorized, NotFound, Conflict)
)
async def delete_kit(name: Name, caller: CurrentCaller, session: Session) -> Response:
    """Delete a kit table of your own. Scores that name it can be exported with another."""
    await kits.remove(session, caller.user_id, name)
    return Response(status_code=204)
