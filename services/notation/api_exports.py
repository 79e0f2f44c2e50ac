"""Notation's routes for what a score can be taken away as."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from libs.common.errors import Invalid, NotFound, Unauthorized, problem_responses
from libs.common.tokens import CurrentCaller
from services.notation import kits, scores
from services.notation.api import Sessions, TheScribe
from services.notation.domain.document import SCHEMA_PATH
from services.notation.domain.exports import FORMATS
from services.notation.domain.kit import Kit
from services.notation.domain.score import ScoreError
from services.notation.scribe import Scribe

router = APIRouter(prefix="/notation", tags=["notation"])


@router.get("/schema")
async def score_schema(_caller: CurrentCaller) -> dict[str, Any]:
    """The JSON Schema of `notation_json`."""
    schema: dict[str, Any] = json.loads(SCHEMA_PATH.read_text())
    return schema


class OptionRead(BaseModel):
    """One wish that a format takes, as a query parameter of the export."""

    name: str
    description: str
    kind: Literal["choice", "integer", "boolean"]
    default: str | int | bool
    choices: list[str] = Field(description="Of a choice.")
    low: int | None = Field(description="Of an integer.")
    high: int | None


class FormatRead(BaseModel):
    """A kind of file."""

    format: str
    description: str
    media_type: str
    ending: str
    uses_kit: bool = Field(description="Whether another kit changes what is in the file.")
    options: list[OptionRead]


@router.get("/formats", response_model=list[FormatRead], responses=problem_responses(Unauthorized))
async def export_formats(_caller: CurrentCaller) -> list[FormatRead]:
    """What a score can be exported as, with each format's options."""
    return [
        FormatRead(
            format=kind.name,
            description=kind.description,
            media_type=kind.media_type,
            ending=kind.ending,
            uses_kit=kind.uses_kit,
            options=[
                OptionRead(
                    name=name,
                    description=option.description,
                    kind=option.kind,
                    default=option.default,
                    choices=list(option.choices),
                    low=option.low,
                    high=option.high,
                )
                for name, option in kind.options.items()
            ],
        )
        for kind in FORMATS.values()
    ]


EXPORT_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file",
        "content": {kind.media_type.partition(";")[0]: {} for kind in FORMATS.values()},
    },
    **problem_responses(NotFound),
}


@dataclass
class ExportWishes:
    """A format and its options, as query parameters."""

    kind: Annotated[
        str, Query(alias="format", max_length=20, description="See GET /notation/formats.")
    ] = "musicxml"
    page: Annotated[int | None, Query(ge=1, le=10_000, description="svg, png")] = None
    width_px: Annotated[int | None, Query(ge=100, le=6000, description="png")] = None
    width: Annotated[int | None, Query(ge=20, le=1000, description="tab: characters")] = None
    schema: Annotated[
        Literal["4.0", "3.1"] | None, Query(description="musicxml, mxl: MusicXML's version")
    ] = None
    mode: Annotated[
        Literal["written", "performed"] | None, Query(description="midi: as written or played")
    ] = None
    click: Annotated[bool | None, Query(description="midi: with a click track")] = None
    repeats: Annotated[
        Literal["written", "signs"] | None,
        Query(description="Write bars that return out, or show repeat signs."),
    ] = None
    legend: Annotated[bool | None, Query(description="Show what the kit's notes mean.")] = None
    kit: Annotated[
        str | None,
        Query(max_length=64, description="A kit table, see GET /notation/kits. Null: the score's."),
    ] = None

    @property
    def given(self) -> dict[str, Any]:
        """The options that were named."""
        options = {
            "page": self.page,
            "width_px": self.width_px,
            "width": self.width,
            "schema": self.schema,
            "mode": self.mode,
            "click": self.click,
            "repeats": self.repeats,
            "legend": self.legend,
        }
        return {name: value for name, value in options.items() if value is not None}


@router.get("/{notation_id}/export", response_class=Response, responses=EXPORT_RESPONSES)
async def export_notation(
    notation_id: UUID,
    caller: CurrentCaller,
    sessions: Sessions,
    scribe: TheScribe,
    wishes: Annotated[ExportWishes, Depends()],
    version: Annotated[int | None, Query(ge=1, description="Null: the current one.")] = None,
) -> Response:
    """A score as a file. GET /notation/formats lists the formats, and which options each takes."""
    async with sessions() as session:
        notation = await scores.get(session, caller.user_id, notation_id)
        kept = await scores.kept(session, notation.id, version or notation.version)
        table = await kits.wanted(session, caller.user_id, wishes.kit or kept.kit, "query.kit")
    return await made_export(scribe, kept, table, wishes)


async def made_export(
    scribe: Scribe,
    kept: scores.Kept,
    kit: Kit,
    wishes: ExportWishes,
    headers: Mapping[str, str] | None = None,
    *,
    guest: bool = False,
) -> Response:
    """The file, made without a database connection."""
    try:
        made = await scribe.export(
            kept.document, wishes.kind.lower(), kit, wishes.given, guest=guest
        )
    except ScoreError as error:
        raise Invalid(error.message, code="invalid-export", field=f"query.{error.field}") from error
    return Response(
        made.data,
        media_type=made.media_type,
        headers={
            "Content-Disposition": f'attachment; filename="{made.file_name}"',
            "ETag": f'"{kept.version}"',
            **(headers or {}),
        },
    )
