"""Notation's routes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.database import SessionMaker, new_id, open_session
from libs.common.drums import Beat, DrumPiece, Hit
from libs.common.errors import (
    Conflict,
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
from libs.common.steps import (
    DETAIL_HELP,
    GRID_HELP,
    SWING_HELP,
    Grid,
    NotationOptions,
    Tempo,
    TimeSignature,
)
from libs.common.storage import Storage
from libs.common.tokens import CurrentCaller
from services.notation import fusion, pipeline, scores
from services.notation.domain.document import FORMAT, upgraded
from services.notation.models import Heard, KnownVideo, Notation
from services.notation.scribe import Scribe

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


class BeatIn(BaseModel):
    """One beat; position 1 is the downbeat."""

    model_config = ConfigDict(extra="forbid")

    time_seconds: float = Field(ge=-60, le=12 * 3600 + 60, allow_inf_nan=False)
    position: int = Field(ge=1, le=32)


class FromEvents(BaseModel):
    """What to write a score from: a video that was listened to, or events of your own."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "video_id": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
                    "tempo": 120,
                    "time_signature": "4/4",
                }
            ]
        },
    )

    video_id: UUID | None = None
    events: list[EventIn] | None = Field(None, min_length=1, max_length=MAX_EVENTS)
    beats: list[BeatIn] | None = Field(
        None,
        max_length=MAX_EVENTS,
        description="Where the beats of your events fell. Null: found from the events.",
    )
    tempo: Tempo | None = Field(None, description="Beats a minute. Null: as heard.")
    time_signature: TimeSignature | None = Field(None, description="Null: as heard.")
    grid: Grid = Field("auto", description=GRID_HELP)
    swing: Literal["auto", "written"] = Field("auto", description=SWING_HELP)
    detail: Literal["full", "teaching"] = Field("full", description=DETAIL_HELP)
    title: str | None = Field(None, max_length=200)

    @model_validator(mode="after")
    def _something_to_write(self) -> FromEvents:
        if self.video_id is None and self.events is None:
            raise ValueError("give a video_id or events")
        if self.beats is not None and self.events is None:
            raise ValueError("beats go with events")
        return self

    def options(self) -> NotationOptions:
        """As the pipeline's step takes them."""
        return NotationOptions(
            tempo=self.tempo,
            time_signature=self.time_signature,
            grid=self.grid,
            swing=self.swing,
            detail=self.detail,
            title=self.title,
        )


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


Prefer = Annotated[
    str | None,
    Header(
        max_length=1000,
        description="`return=minimal`: the answer goes without `notation_json` (RFC 7240).",
    ),
]


def wants_little(prefer: str | None) -> bool:
    """RFC 7240, 4.2; of several the first counts."""
    for one in (prefer or "").lower().split(","):
        name, _, value = one.partition(";")[0].partition("=")
        if name.strip() == "return":
            return value.strip().strip('"') == "minimal"
    return False


def detail(
    row: Notation | dict[str, Any],
    version: int,
    document: bytes | None,
    headers: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    """A score as NotationDetail, or as NotationRead where its document is left out. That is JSON
    already, and is not read only to be written again."""
    head = NotationRead.model_validate(row).model_dump_json().encode()
    return Response(
        head if document is None else with_document(head, document),
        status,
        {"ETag": f'"{version}"', **(headers or {})},
        "application/json",
    )


def with_document(head: bytes, document: bytes) -> bytes:
    """A JSON object with one more member."""
    return head[:-1] + b',"notation_json":' + document + b"}"


async def newest(session: AsyncSession, notation_id: UUID, version: int) -> bytes:
    """A kept document in the newest format, whichever it was kept in."""
    kept = await scores.kept(session, notation_id, version)
    if kept.format == FORMAT:
        return kept.document
    return json.dumps(upgraded(json.loads(kept.document)), separators=(",", ":")).encode()


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
    session: Session,
    scribe: TheScribe,
    idempotency_key: IdempotencyKey = None,
) -> Any:
    """Write a score: from what was heard in a video, or from events of your own."""

    performance, title, hits_key = await performance_for(body, request, caller.user_id)
    options = body.options()
    document = await scribe.write_now(performance, options, title)
    look_id = None
    if body.video_id is not None and hits_key is not None:
        sessions: SessionMaker = request.app.state.sessions
        storage: Storage = request.app.state.storage
        seen = await fusion.newest(sessions, storage, body.video_id, hits_key)
        document, look_id = await fusion.given(scribe, document, seen)

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
            hits_key=hits_key,
            look_id=look_id,
        )
        return {"id": str(notation.id)}

    fingerprint = fingerprint_of("from-events", body.model_dump(mode="json"))
    kept = await once(session, caller.user_id, idempotency_key, fingerprint, write)
    return await created(session, caller.user_id, UUID(kept["id"]))


async def created(session: AsyncSession, user_id: UUID, notation_id: UUID) -> Response:
    """A score that was made just now, or when this was asked first."""
    notation = await scores.get(session, user_id, notation_id)
    document = await newest(session, notation_id, notation.version)
    where = {"Location": f"/notation/{notation_id}"}
    return detail(notation, notation.version, document, where, 201)


async def performance_for(
    body: FromEvents, request: Request, user_id: UUID
) -> tuple[bytes, str, str | None]:
    """The performance file that a request means, a title for its score, and the file's key where
    it was heard in a video."""
    sessions: SessionMaker = request.app.state.sessions
    storage: Storage = request.app.state.storage
    title = ""
    if body.video_id is not None:
        video_id = body.video_id

        async def find() -> KnownVideo | None:
            async with sessions() as looking:
                return await pipeline.own_video(looking, user_id, video_id)

        if await eventually(find) is None:
            raise NotFound("There is no such video.", code="video-not-found", field="body.video_id")

        async def find_heard() -> Heard | None:
            async with sessions() as looking:
                return await pipeline.latest_heard(looking, video_id)

        heard = await eventually(find_heard, within_s=HEARD_WAIT_S if body.events is None else 0)
        if body.events is None:
            if heard is None:
                raise Conflict(
                    "Nothing has been heard in this video yet. Wait for its jobs, or ask with "
                    "POST /audio/detect-onsets/{audio_id}.",
                    code="not-analysed",
                    headers={"Retry-After": "5"},
                )
            return await storage.read(heard.hits_key), heard.title, heard.hits_key
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
        beats=tuple(
            Beat(beat.time_seconds, beat.position)
            for beat in sorted(body.beats or (), key=lambda beat: beat.time_seconds)
        ),
        model_version="given",
    )
    return performance.to_json(), title, None


@router.get("/", response_model=Page[NotationRead], responses=problem_responses(Unauthorized))
async def list_notations(
    caller: CurrentCaller,
    session: Session,
    video_id: UUID | None = None,
    without_video: Annotated[
        bool, Query(description="Only scores that were written or read in without a video.")
    ] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Your scores, newest first."""
    items, next_cursor = await scores.page(
        session, caller.user_id, video_id, limit, cursor, without_video=without_video
    )
    return {"items": items, "next_cursor": next_cursor}


@router.get("/stats/overview", response_model=Overview)
async def stats_overview(caller: CurrentCaller, session: Session) -> dict[str, Any]:
    """Your scores in numbers."""
    return await scores.overview(session, caller.user_id)


@router.get("/{notation_id}", response_model=NotationDetail, responses=problem_responses(NotFound))
async def get_notation(notation_id: UUID, caller: CurrentCaller, session: Session) -> Response:
    """A score. Its ETag is what an edit sends as `If-Match`."""
    notation = await scores.get(session, caller.user_id, notation_id)
    document = await newest(session, notation_id, notation.version)
    return detail(notation, notation.version, document)


@router.delete("/{notation_id}", status_code=204, responses=problem_responses(NotFound))
async def delete_notation(notation_id: UUID, caller: CurrentCaller, session: Session) -> Response:
    """Delete a score with all its versions."""
    await scores.remove(session, await scores.get(session, caller.user_id, notation_id, lock=True))
    return Response(status_code=204)
