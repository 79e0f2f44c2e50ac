"""Notation's routes."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.database import SessionMaker, new_id, open_session
from libs.common.drums import DrumPiece, Hit
from libs.common.errors import (
    Conflict,
    Invalid,
    NotFound,
    PreconditionFailed,
    PreconditionRequired,
    Unauthorized,
    problem_responses,
)
from libs.common.eventual import eventually
from libs.common.idempotency import IdempotencyKey, fingerprint_of, once
from libs.common.paging import Cursor, Limit, Page
from libs.common.performance import Performance
from libs.common.steps import NotationOptions, Tempo, TimeSignature
from libs.common.storage import Storage
from libs.common.tokens import CurrentCaller
from services.notation import scores
from services.notation.domain.exports import FORMATS
from services.notation.domain.score import SCHEMA_PATH, ScoreDocument, ScoreError
from services.notation.models import Heard, KnownVideo, Notation, NotationVersion
from services.notation.scores import Scribe

Session = Annotated[AsyncSession, Depends(open_session, scope="function")]
router = APIRouter(prefix="/notation", tags=["notation"])

MAX_EVENTS = 200_000
HEARD_WAIT_S = 10.0
"""A short recording is heard within seconds of its upload: a script that goes on at once need not
ask twice."""


def scribe_of(request: Request) -> Scribe:
    """The running service's scribe."""
    scribe: Scribe = request.app.state.scribe
    return scribe


def session_maker(request: Request) -> SessionMaker:
    """For routes whose slow part must not hold a database connection."""
    sessions: SessionMaker = request.app.state.sessions
    return sessions


Sessions = Annotated[SessionMaker, Depends(session_maker)]
TheScribe = Annotated[Scribe, Depends(scribe_of)]


class EventIn(BaseModel):
    """One stroke."""

    model_config = ConfigDict(extra="forbid")

    time_seconds: float = Field(ge=0, le=12 * 3600, allow_inf_nan=False)
    instrument: DrumPiece
    velocity: float = Field(90, ge=1, le=127, allow_inf_nan=False)
    confidence: float = Field(1.0, ge=0, le=1, allow_inf_nan=False)


class FromEvents(BaseModel):
    """What to write a score from: a video that was listened to, or events of your own."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "video_id": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
                    "tempo": 120,
                    "time_signature": "4/4",
                }
            ]
        }
    )

    video_id: UUID | None = None
    events: list[EventIn] | None = Field(None, min_length=1, max_length=MAX_EVENTS)
    tempo: Tempo | None = Field(None, description="Beats a minute. Null: as heard.")
    time_signature: TimeSignature | None = Field(None, description="Null: as heard.")
    grid: Literal["auto", "straight", "triplet"] = "auto"
    title: str | None = Field(None, max_length=200)

    @model_validator(mode="after")
    def _something_to_write(self) -> FromEvents:
        if self.video_id is None and self.events is None:
            raise ValueError("give a video_id or events")
        return self

    def options(self) -> NotationOptions:
        """As the pipeline's step takes them."""
        return NotationOptions(
            tempo=self.tempo, time_signature=self.time_signature, grid=self.grid, title=self.title
        )


class NotationUpdate(BaseModel):
    """A change. `notation_json` replaces the document; tempo, time signature and grid write the
    same performance anew; the title alone changes only the title."""

    model_config = ConfigDict(extra="forbid")

    title: str | None = Field(None, min_length=1, max_length=200)
    tempo: Tempo | None = None
    time_signature: TimeSignature | None = None
    grid: Literal["auto", "straight", "triplet"] | None = None
    notation_json: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _one_kind_of_change(self) -> NotationUpdate:
        anew = (self.tempo, self.time_signature, self.grid) != (None, None, None)
        if self.notation_json is not None and anew:
            raise ValueError(
                "give either notation_json or tempo, time_signature and grid, not both"
            )
        if self.notation_json is None and not anew and self.title is None:
            raise ValueError("nothing to change")
        return self


class NotationRead(BaseModel):
    """A score, without its document."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    video_id: UUID | None
    title: str
    tempo: int | None = Field(description="Quarter notes a minute at the start, rounded.")
    time_signature: str | None
    bar_count: int
    note_count: int
    version: int
    options: dict[str, Any]
    created_at: datetime
    updated_at: datetime


class NotationDetail(NotationRead):
    """A score."""

    notation_json: dict[str, Any] = Field(description="See GET /notation/schema.")


class VersionRead(BaseModel):
    """A version of a score."""

    model_config = ConfigDict(from_attributes=True)

    version: int
    title: str
    change: str
    changed_by: UUID
    created_at: datetime


class VersionDetail(VersionRead):
    """A version with its document."""

    notation_json: dict[str, Any]


class Overview(BaseModel):
    """Your scores in numbers."""

    notations: int
    videos: int
    bars: int
    notes: int
    mean_tempo: float | None
    slowest_tempo: int | None
    fastest_tempo: int | None
    time_signatures: dict[str, int]
    last_change: datetime | None


IfMatch = Annotated[
    str | None,
    Header(max_length=100, description="The ETag of the version that you have read."),
]


def expected_version(if_match: str | None) -> int:
    """The version that an edit is based on."""
    if if_match is None:
        raise PreconditionRequired(
            'Send `If-Match` with the ETag that you read, such as `If-Match: "3"`, so that '
            "nobody's change is overwritten unseen."
        )
    text = if_match.strip().removeprefix("W/").strip('"')
    if not text.isdecimal() or len(text) > 9:
        raise PreconditionFailed("If-Match names no version of this notation.")
    return int(text)


def etag(response: Response, notation: Notation) -> None:
    """The version as ETag."""
    response.headers["ETag"] = f'"{notation.version}"'


WRITE_PROBLEMS = problem_responses(
    Unauthorized, NotFound, Conflict, PreconditionFailed, PreconditionRequired
)


@router.post(
    "/from-events",
    status_code=201,
    response_model=NotationDetail,
    responses=problem_responses(Unauthorized, NotFound, Conflict),
)
async def from_events(
    body: FromEvents,
    caller: CurrentCaller,
    request: Request,
    response: Response,
    session: Session,
    scribe: TheScribe,
    idempotency_key: IdempotencyKey = None,
) -> Any:
    """Write a score: from what was heard in a video, or from events of your own."""

    performance, title = await performance_for(body, request, caller.user_id)
    options = body.options()
    document = await scores.written(scribe, performance, title, options)

    async def write() -> dict[str, Any]:
        notation = await scores.create(
            session,
            notation_id=new_id(),
            user_id=caller.user_id,
            video_id=body.video_id,
            job_id=None,
            document=document,
            options=options.chosen(),
            change="Written from events",
        )
        return {"id": str(notation.id)}

    fingerprint = fingerprint_of("from-events", body.model_dump(mode="json"))
    kept = await once(session, caller.user_id, idempotency_key, fingerprint, write)
    notation = await scores.get(session, caller.user_id, UUID(kept["id"]))
    etag(response, notation)
    response.headers["Location"] = f"/notation/{notation.id}"
    return notation


async def performance_for(body: FromEvents, request: Request, user_id: UUID) -> tuple[bytes, str]:
    """The performance file that a request means, and a title for its score."""
    sessions: SessionMaker = request.app.state.sessions
    storage: Storage = request.app.state.storage
    title = ""
    if body.video_id is not None:
        video_id = body.video_id

        async def find() -> KnownVideo | None:
            async with sessions() as looking:
                return await scores.own_video(looking, user_id, video_id)

        if await eventually(find) is None:
            raise NotFound("There is no such video.", code="video-not-found", field="body.video_id")

        async def find_heard() -> Heard | None:
            async with sessions() as looking:
                return await scores.latest_heard(looking, video_id)

        heard = await eventually(find_heard, within_s=HEARD_WAIT_S if body.events is None else 0)
        if body.events is None:
            if heard is None:
                raise Conflict(
                    "Nothing has been heard in this video yet. Wait for its jobs, or ask with "
                    "POST /audio/detect-onsets/{audio_id}.",
                    code="not-analysed",
                    headers={"Retry-After": "5"},
                )
            return await storage.read(heard.hits_key), heard.title
        title = heard.title if heard is not None else ""
    assert body.events is not None
    ordered = sorted(body.events, key=lambda event: (event.time_seconds, event.instrument))
    performance = Performance(
        duration_s=ordered[-1].time_seconds,
        hits=tuple(
            Hit(
                event.time_seconds,
                event.instrument,
                round(event.velocity),
                event.confidence,
                f"ev-{number:06d}",
            )
            for number, event in enumerate(ordered, start=1)
        ),
        model_version="given",
    )
    return performance.to_json(), title


@router.get("/", response_model=Page[NotationRead], responses=problem_responses(Unauthorized))
async def list_notations(
    caller: CurrentCaller,
    session: Session,
    video_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Your scores, newest first."""
    items, next_cursor = await scores.page(session, caller.user_id, video_id, limit, cursor)
    return {"items": items, "next_cursor": next_cursor}


@router.get("/stats/overview", response_model=Overview)
async def stats_overview(caller: CurrentCaller, session: Session) -> dict[str, Any]:
    """Your scores in numbers."""
    return await scores.overview(session, caller.user_id)


@router.get("/schema")
async def score_schema(_caller: CurrentCaller) -> dict[str, Any]:
    """The JSON Schema of `notation_json`."""
    schema: dict[str, Any] = json.loads(SCHEMA_PATH.read_text())
    return schema


@router.get("/formats")
async def export_formats(_caller: CurrentCaller) -> list[dict[str, Any]]:
    """What a score can be exported as, with each format's options."""
    return [
        {"format": name, "media_type": kind.media_type, "options": sorted(kind.options)}
        for name, kind in FORMATS.items()
    ]


@router.get("/{notation_id}", response_model=NotationDetail, responses=problem_responses(NotFound))
async def get_notation(
    notation_id: UUID, caller: CurrentCaller, session: Session, response: Response
) -> Notation:
    """A score. Its ETag is what an edit sends as `If-Match`."""
    notation = await scores.get(session, caller.user_id, notation_id)
    etag(response, notation)
    return notation


@router.put("/{notation_id}", response_model=NotationDetail, responses=WRITE_PROBLEMS)
async def update_notation(
    notation_id: UUID,
    body: NotationUpdate,
    caller: CurrentCaller,
    sessions: Sessions,
    response: Response,
    scribe: TheScribe,
    if_match: IfMatch = None,
) -> Notation:
    """Edit a score; the version before stays readable."""
    expected = expected_version(if_match)
    async with sessions() as session:
        notation = await scores.get(session, caller.user_id, notation_id)
    scores.check_version(notation, expected)
    try:
        if body.notation_json is not None:
            document = ScoreDocument.from_dict(body.notation_json)
            change = "Replaced"
        else:
            document = ScoreDocument.from_dict(notation.notation_json)
            change = "Renamed"
        if (body.tempo, body.time_signature, body.grid) != (None, None, None):
            options = NotationOptions(
                tempo=body.tempo,
                time_signature=body.time_signature,
                grid=body.grid or "auto",
                title=body.title,
            )
            document = await scores.requantise(scribe, document, options)
            chosen = options.model_dump(exclude_none=True)
            change = "Written anew: " + ", ".join(f"{k} {v}" for k, v in chosen.items())
        if body.title is not None:
            renamed = document.to_dict()
            renamed["score"]["title"] = body.title
            document = ScoreDocument.from_dict(renamed)
    except ScoreError as error:
        prefix = "body.notation_json" if body.notation_json is not None else "body"
        raise scores.invalid(error, prefix) from error
    async with sessions.begin() as session:
        notation = await scores.get(session, caller.user_id, notation_id, lock=True)
        await scores.replace(session, caller.user_id, notation, expected, document, change)
    etag(response, notation)
    return notation


@router.delete("/{notation_id}", status_code=204, responses=problem_responses(NotFound))
async def delete_notation(notation_id: UUID, caller: CurrentCaller, session: Session) -> Response:
    """Delete a score with all its versions."""
    await scores.remove(session, await scores.get(session, caller.user_id, notation_id, lock=True))
    return Response(status_code=204)


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
    return await scores.versions(session, notation)


@router.get(
    "/{notation_id}/versions/{version}",
    response_model=VersionDetail,
    responses=problem_responses(NotFound),
)
async def get_version(
    notation_id: UUID, version: int, caller: CurrentCaller, session: Session
) -> NotationVersion:
    """A score as it once was."""
    notation = await scores.get(session, caller.user_id, notation_id)
    return await scores.version(session, notation, version)


@router.post(
    "/{notation_id}/versions/{version}/restore",
    response_model=NotationDetail,
    responses=WRITE_PROBLEMS,
)
async def restore_version(
    notation_id: UUID,
    version: int,
    caller: CurrentCaller,
    session: Session,
    response: Response,
    if_match: IfMatch = None,
) -> Notation:
    """Make an earlier version the current one (as a new version, so that this can be undone)."""
    expected = expected_version(if_match)
    notation = await scores.get(session, caller.user_id, notation_id, lock=True)
    former = await scores.version(session, notation, version)
    document = ScoreDocument.from_dict(former.notation_json)
    notation = await scores.replace(
        session, caller.user_id, notation, expected, document, f"Version {version} restored"
    )
    etag(response, notation)
    return notation


EXPORT_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file",
        "content": {kind.media_type.partition(";")[0]: {} for kind in FORMATS.values()},
    },
    **problem_responses(NotFound),
}


@router.get("/{notation_id}/export", response_class=Response, responses=EXPORT_RESPONSES)
async def export_notation(
    notation_id: UUID,
    caller: CurrentCaller,
    sessions: Sessions,
    scribe: TheScribe,
    kind: Annotated[
        str, Query(alias="format", max_length=20, description="See GET /notation/formats.")
    ] = "musicxml",
    page: Annotated[int | None, Query(ge=1, le=10_000, description="svg, png")] = None,
    width_px: Annotated[int | None, Query(ge=100, le=6000, description="png")] = None,
    mode: Annotated[
        Literal["written", "performed"] | None, Query(description="midi: as written or played")
    ] = None,
) -> Response:
    """A score as a file: MusicXML, compressed MusicXML, MIDI, JSON, PDF, SVG, PNG, CSV."""
    async with sessions() as session:
        notation = await scores.get(session, caller.user_id, notation_id)
    options = {"page": page, "width_px": width_px, "mode": mode}
    given = {name: value for name, value in options.items() if value is not None}
    try:
        made = await scribe.export(scores.as_bytes(notation), kind.lower(), given)
    except ScoreError as error:
        raise Invalid(error.message, code="invalid-export", field=f"query.{error.field}") from error
    return Response(
        made.data,
        media_type=made.media_type,
        headers={
            "Content-Disposition": f'attachment; filename="{made.file_name}"',
            "ETag": f'"{notation.version}"',
        },
    )
