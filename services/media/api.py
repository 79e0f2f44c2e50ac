"""Media's routes: videos, audio files, jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import ClientDisconnect

from libs.common.database import SessionMaker, open_session
from libs.common.errors import (
    Conflict,
    Invalid,
    NotFound,
    Problem,
    TooLarge,
    Unauthorized,
    UnsupportedMedia,
    problem_responses,
)
from libs.common.eventual import eventually
from libs.common.idempotency import IdempotencyKey, IdempotentAnswer, fingerprint_of, once
from libs.common.offload import Offload
from libs.common.paging import Cursor, Limit, Page
from libs.common.steps import JobType
from libs.common.storage import Storage
from libs.common.teaching import EnhancementType
from libs.common.tokens import CurrentCaller
from services.media import ingest, jobs, videos
from services.media.bodies import drain
from services.media.domain.multipart import BadForm, FileForm
from services.media.feed import JobFeed
from services.media.models import AudioFile, ProcessingJob, Video
from services.media.settings import MediaSettings

Session = Annotated[AsyncSession, Depends(open_session, scope="function")]


class VideoRead(BaseModel):
    """A video."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    filename: str
    content_type: str
    size_bytes: int
    sha256: str
    duration_seconds: float | None
    container: str | None
    has_video: bool
    has_audio: bool
    width: int | None
    height: int | None
    frame_rate: float | None
    video_codec: str | None = Field(None, description="As FFmpeg names it, `h264` for one.")
    audio_codec: str | None = None
    browser_playable: bool = Field(
        description="Whether current browsers play container and codecs; else play the sound."
    )
    created_at: datetime
    status: Literal["stored", "processing", "ready", "failed", "cancelled"] = Field(
        description="Of the newest pipeline run; `stored` when there was none."
    )
    progress: float = Field(description="0 to 1, over the run's steps.")
    message: str | None = Field(description="What was last said of the run, or what went wrong.")
    error_code: str | None = Field(description="Of the step that failed; stable.")
    notation_id: UUID | None = Field(description="The newest score of this video.")


class JobRead(BaseModel):
    """A job: one step for one video."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    video_id: UUID
    run_id: UUID = Field(description="The same for all steps of one pipeline run.")
    job_type: str
    options: dict[str, Any]
    status: Literal["pending", "running", "completed", "failed", "cancelled"]
    progress: float = Field(description="0 to 1.")
    message: str | None
    error_code: str | None = Field(description="Stable; for programs.")
    error_message: str | None = Field(description="What went wrong and what to do; for people.")
    retryable: bool
    result: dict[str, Any] = Field(description="Ids and counts of what came out.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    updated_at: datetime


VIDEO_FIELDS = frozenset(VideoRead.model_fields) & frozenset(Video.__table__.columns.keys())


class VideoDetail(VideoRead):
    """A video and what is being done with it."""

    jobs: list[JobRead]


class AudioFileRead(BaseModel):
    """Sound extracted from a video; its id is what `/audio/…` routes take."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    video_id: UUID
    sample_rate: int
    channels: int
    duration_seconds: float | None
    created_at: datetime


class JobCreate(BaseModel):
    """A step to do."""

    video_id: UUID
    job_type: JobType
    options: dict[str, Any] = Field(default_factory=dict, description="As at the step's own route.")
    follow: bool = Field(False, description="Go on with the steps after it.")


def media_settings(request: Request) -> MediaSettings:
    """The running service's settings."""
    settings: MediaSettings = request.app.state.settings
    return settings


def object_storage(request: Request) -> Storage:
    """The running service's storage."""
    storage: Storage = request.app.state.storage
    return storage


Settings = Annotated[MediaSettings, Depends(media_settings)]
Store = Annotated[Storage, Depends(object_storage)]

media = APIRouter(prefix="/media", tags=["media"])

UPLOAD_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "A video (MP4, MOV, MKV, WebM, …) or audio file.",
                        }
                    },
                }
            }
        },
    }
}


async def detail(session: AsyncSession, video: Video) -> VideoDetail:
    """A video with its jobs."""
    rows = await jobs.of_video(session, video.id)
    (read,) = await summarised(session, [video])
    return VideoDetail(**read.model_dump(), jobs=[JobRead.model_validate(row) for row in rows])


async def summarised(session: AsyncSession, found: Sequence[Video]) -> list[VideoRead]:
    """Videos with what became of them, in two queries however many they are."""
    told = await jobs.summaries(session, [video.id for video in found])
    return [
        VideoRead.model_validate(
            {name: getattr(video, name) for name in VIDEO_FIELDS}
            | {"browser_playable": videos.is_browser_playable(video)}
            | asdict(told[video.id])
        )
        for video in found
    ]


def only_stored(enhance: EnhancementType | None) -> Invalid:
    """What is asked for needs a score, or strokes, of which there will be none."""
    if enhance:
        return Invalid(
            "A video that is only stored has no score to explain: leave out `enhance`, or have it "
            "processed.",
            code="nothing-to-enhance",
            field="query.enhance",
        )
    return Invalid(
        "A video that is only stored has no strokes to tell the hands of: leave out `watch`, or "
        "have it processed.",
        code="nothing-to-watch",
        field="query.watch",
    )


@media.post(
    "/videos/",
    status_code=201,
    response_model=VideoDetail,
    responses=problem_responses(Unauthorized, TooLarge, UnsupportedMedia, Conflict),
    openapi_extra=UPLOAD_FORM,
)
async def upload_video(
    request: Request,
    caller: CurrentCaller,
    settings: Settings,
    storage: Store,
    process: Annotated[
        bool, Query(description="Run the pipeline; false only stores the video.")
    ] = True,
    enhance: Annotated[
        EnhancementType | None,
        Query(description="Have the teacher explain the score as soon as it is written."),
    ] = None,
    watch: Annotated[
        bool | None,
        Query(
            description="Have the hands watched; without it, as the service is set up (it does)."
        ),
    ] = None,
    idempotency_key: IdempotencyKey = None,
) -> Any:
    """Upload a drum video. The pipeline starts by itself; its jobs are in the answer, and
    `GET /media/videos/{id}/events` streams their progress."""
    sessions: SessionMaker = request.app.state.sessions
    offload: Offload = request.app.state.offload
    if not process and (enhance or watch):
        await drain(request.stream())
        raise only_stored(enhance)
    # An upload without them keeps the fingerprint that it had before there was a teacher.
    asked = [*([enhance] if enhance else []), *([] if watch is None else [{"watch": watch}])]
    fingerprint = fingerprint_of("upload", process, *asked)
    if idempotency_key is not None:
        async with sessions() as session:
            kept = await session.get(IdempotentAnswer, (caller.user_id, idempotency_key))
        if kept is not None and kept.fingerprint == fingerprint:
            await drain(request.stream())
            return kept.answer
    declared = request.headers.get("content-length", "")
    # Some slack for the form around the file.
    if declared.isdigit() and int(declared) > settings.max_file_size + 1_000_000:
        await drain(request.stream())
        raise ingest.too_large(settings)
    body = request.stream()
    try:
        try:
            form = FileForm(request.headers.get("content-type", ""), body, "file")
            await form.open()
            received = await ingest.receive(
                storage, offload, settings, form.file_name, form.chunks()
            )
            try:
                await form.finish()
            except BaseException:
                await storage.delete(received.key)
                raise
        except BadForm as error:
            raise Invalid(str(error), code="bad-form", field="body.file") from error
    except Problem:
        await drain(body)
        raise
    except ClientDisconnect:
        # Nobody reads this answer.
        raise Invalid("The upload was cut off.", code="upload-cut-off") from None
    kept_video = False

    async def write() -> dict[str, Any]:
        nonlocal kept_video
        video = await ingest.accept(
            session,
            caller.user_id,
            received,
            process=process,
            enhance=enhance,
            watch=settings.watch if watch is None else watch,
        )
        kept_video = True
        return (await detail(session, video)).model_dump(mode="json")

    try:
        async with sessions.begin() as session:
            answer = await once(
                session,
                caller.user_id,
                idempotency_key,
                fingerprint,
                write,
            )
    except BaseException:
        await storage.delete(received.key)
        raise
    if not kept_video:
        await storage.delete(received.key)
    return answer


@media.get("/videos/", responses=problem_responses(Unauthorized))
async def list_videos(
    caller: CurrentCaller, session: Session, limit: Limit = 50, cursor: Cursor = None
) -> Page[VideoRead]:
    """Your videos, newest first, with what became of them."""
    found, next_cursor = await videos.page(session, caller.user_id, limit, cursor)
    return Page(items=await summarised(session, found), next_cursor=next_cursor)


@media.get("/videos/{video_id}", responses=problem_responses(NotFound))
async def get_video(video_id: UUID, caller: CurrentCaller, session: Session) -> VideoDetail:
    """A video and its jobs."""
    return await detail(session, await videos.find(session, caller.user_id, video_id))


@media.delete("/videos/{video_id}", status_code=204, responses=problem_responses(NotFound))
async def delete_video(
    video_id: UUID, caller: CurrentCaller, request: Request, storage: Store
) -> Response:
    """Delete a video and all that came of it: sound, hits, scores."""
    sessions: SessionMaker = request.app.state.sessions
    async with sessions.begin() as session:
        video = await videos.find(session, caller.user_id, video_id)
        await videos.remove(session, video)
    await videos.remove_files(storage, [video.id])
    return Response(status_code=204)


LastEventId = Annotated[
    str | None, Header(max_length=20, description="Resume after this event (browsers send it).")
]

EVENT_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "`event: job` with a job as data, whenever one changes; `event: end` when "
        "all have ended.",
        "content": {"text/event-stream": {}},
    },
    **problem_responses(NotFound),
}


def stream(
    request: Request, video_id: UUID, job_id: UUID | None, last_event_id: str | None
) -> EventSourceResponse:
    """A job stream as Server-Sent Events."""
    feed: JobFeed = request.app.state.feed
    sessions: SessionMaker = request.app.state.sessions
    after = int(last_event_id) if last_event_id and last_event_id.isdecimal() else 0

    async def events() -> AsyncIterator[ServerSentEvent]:
        async for job in feed.changes(sessions, video_id, job_id, after):
            data = JobRead.model_validate(job).model_dump_json()
            yield ServerSentEvent(data, event="job", id=str(job.revision), retry=2000)
        yield ServerSentEvent("{}", event="end")

    return EventSourceResponse(events(), ping=15, headers={"X-Accel-Buffering": "no"})


@media.get("/videos/{video_id}/events", response_class=EventSourceResponse, responses=EVENT_STREAM)
async def watch_video(
    video_id: UUID,
    caller: CurrentCaller,
    request: Request,
    session: Session,
    last_event_id: LastEventId = None,
) -> EventSourceResponse:
    """A video's jobs, live, as Server-Sent Events."""
    await videos.find(session, caller.user_id, video_id)
    return stream(request, video_id, None, last_event_id)


@media.get("/audio-files/", response_model=Page[AudioFileRead])
async def list_audio_files(
    caller: CurrentCaller,
    session: Session,
    video_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """The sounds extracted from your videos, newest first."""
    items: list[AudioFile]
    items, next_cursor = await videos.audio_page(session, caller.user_id, video_id, limit, cursor)
    return {"items": items, "next_cursor": next_cursor}


job_routes = APIRouter(prefix="/jobs", tags=["jobs"])


@job_routes.post(
    "/", status_code=202, response_model=JobRead, responses=problem_responses(NotFound, Conflict)
)
async def create_job(
    body: JobCreate,
    caller: CurrentCaller,
    settings: Settings,
    session: Session,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> dict[str, Any]:
    """Ask for one step of the pipeline for one of your videos."""

    async def write() -> dict[str, Any]:
        video = await videos.find(session, caller.user_id, body.video_id)
        job = await jobs.request(
            session,
            video,
            body.job_type,
            body.options,
            follow=body.follow,
            watch=settings.watch,
        )
        return JobRead.model_validate(job).model_dump(mode="json")

    answer = await once(
        session,
        caller.user_id,
        idempotency_key,
        fingerprint_of("job", body.model_dump(mode="json")),
        write,
    )
    response.headers["Location"] = f"/jobs/{answer['id']}"
    return answer


@job_routes.get("/", response_model=Page[JobRead])
async def list_jobs(
    caller: CurrentCaller,
    session: Session,
    video_id: UUID | None = None,
    status: Literal["pending", "running", "completed", "failed", "cancelled"] | None = None,
    job_type: JobType | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Your jobs, newest first."""
    items, next_cursor = await jobs.page(
        session,
        caller.user_id,
        video_id=video_id,
        status=status,
        job_type=job_type,
        limit=limit,
        cursor=cursor,
    )
    return {"items": items, "next_cursor": next_cursor}


async def job_when_told(request: Request, user_id: UUID, job_id: UUID) -> ProcessingJob:
    """The job; one that another service has just accepted may be an instant away."""
    sessions: SessionMaker = request.app.state.sessions

    async def find() -> ProcessingJob | None:
        async with sessions() as session:
            return await jobs.find(session, user_id, job_id)

    job = await eventually(find)
    if job is None:
        raise NotFound("There is no such job.", code="job-not-found")
    return job


@job_routes.get("/{job_id}", response_model=JobRead, responses=problem_responses(NotFound))
async def get_job(job_id: UUID, caller: CurrentCaller, request: Request) -> ProcessingJob:
    """One job."""
    return await job_when_told(request, caller.user_id, job_id)


@job_routes.delete(
    "/{job_id}", response_model=JobRead, responses=problem_responses(NotFound, Conflict)
)
async def cancel_job(job_id: UUID, caller: CurrentCaller, session: Session) -> ProcessingJob:
    """Cancel a job and the steps that wait for it. Running work stops within a second or two."""
    return await jobs.cancel(session, await jobs.get(session, caller.user_id, job_id))


@job_routes.post(
    "/{job_id}/retry",
    status_code=202,
    response_model=JobRead,
    responses=problem_responses(NotFound, Conflict),
)
async def retry_job(job_id: UUID, caller: CurrentCaller, session: Session) -> ProcessingJob:
    """Do a failed or cancelled job again, with the steps that waited for it."""
    return await jobs.retry(session, await jobs.get(session, caller.user_id, job_id))


@job_routes.get("/{job_id}/events", response_class=EventSourceResponse, responses=EVENT_STREAM)
async def watch_job(
    job_id: UUID,
    caller: CurrentCaller,
    request: Request,
    last_event_id: LastEventId = None,
) -> EventSourceResponse:
    """One job, live, as Server-Sent Events."""
    job = await job_when_told(request, caller.user_id, job_id)
    return stream(request, job.video_id, job.id, last_event_id)
