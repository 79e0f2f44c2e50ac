"""Media's routes that show a video: its bytes, its thumbnail, and links that need no header."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from libs.common.database import SessionMaker
from libs.common.errors import NotFound, RangeNotSatisfiable, problem_responses
from libs.common.offload import Offload
from libs.common.ranges import part_of
from libs.common.storage import MissingObject, Storage
from libs.common.tokens import CurrentCaller
from services.media import links, thumbnails, videos
from services.media.api import Session, Settings, Store
from services.media.models import Video

Range = Annotated[str | None, Header(alias="Range", max_length=200)]
IfNoneMatch = Annotated[str | None, Header(max_length=200)]
ThumbnailWidth = Annotated[
    thumbnails.Width,
    Query(description="At most so many pixels wide; a smaller picture is not enlarged."),
]
Token = Annotated[str, Path(max_length=200, description="The last part of the link.")]

FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"video/*": {}}, "description": "The file"},
    206: {"content": {"video/*": {}}, "description": "The asked part"},
    **problem_responses(NotFound, RangeNotSatisfiable),
}
PICTURE: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
        "description": "The picture",
    },
    **problem_responses(NotFound),
}

NOT_KEPT: Final = "private, no-store"
"""For what a link leads to: a browser's copy would play on when the link has ended."""

play = APIRouter(prefix="/media", tags=["media"])
shared = APIRouter(prefix="/shared", tags=["shared"])


class PlayTicketRead(BaseModel):
    """A link that plays a video."""

    url: str = Field(description="A path on this host, for `<video src>`; takes `Range`.")
    expires_at: datetime


async def content(
    video: Video,
    storage: Storage,
    range_header: str | None,
    if_none_match: str | None,
    kept: str = "private, max-age=3600",
) -> Response:
    """A video's file, or the asked part of it."""
    etag = f'"{video.sha256[:32]}"'
    headers = {
        "ETag": etag,
        "Cache-Control": kept,
        # The type is ours, from the content; a browser must not guess another.
        "X-Content-Type-Options": "nosniff",
        "Content-Disposition": f"inline; filename*=UTF-8''{quote(video.filename)}",
    }
    if if_none_match == etag:
        return Response(status_code=304, headers=headers | {"Accept-Ranges": "bytes"})
    part = part_of(range_header, video.size_bytes)
    try:
        if await storage.size(video.storage_path) != video.size_bytes:
            raise MissingObject(video.storage_path)
    except MissingObject:
        raise NotFound("The video's file is gone.", code="video-file-missing") from None
    return StreamingResponse(
        storage.read_stream(video.storage_path, part.start, part.length),
        status_code=part.status,
        media_type=video.content_type,
        headers=headers | part.headers,
    )


async def picture(
    request: Request,
    video: Video,
    width: thumbnails.Width,
    if_none_match: str | None,
    kept: str = "private, max-age=86400",
) -> Response:
    """A video's thumbnail."""
    state = request.app.state
    thumbnailer: Offload = state.thumbnailer
    etag = f'"{video.sha256[:24]}-{width}"'
    headers = {"ETag": etag, "Cache-Control": kept}
    if if_none_match == etag:
        return Response(status_code=304, headers=headers)
    jpeg = await thumbnails.read(state.storage, thumbnailer, state.settings, video, width)
    return Response(jpeg, media_type="image/jpeg", headers=headers)


@play.get("/videos/{video_id}/content", response_class=StreamingResponse, responses=FILE)
async def play_video(
    video_id: UUID,
    caller: CurrentCaller,
    session: Session,
    storage: Store,
    range_header: Range = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The file as it was uploaded; takes `Range`, so that players can seek."""
    video = await videos.find(session, caller.user_id, video_id)
    return await content(video, storage, range_header, if_none_match)


@play.get("/videos/{video_id}/thumbnail", response_class=Response, responses=PICTURE)
async def show_thumbnail(
    video_id: UUID,
    caller: CurrentCaller,
    request: Request,
    width: ThumbnailWidth = thumbnails.Width.MEDIUM,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """A still from the video, as a JPEG."""
    # Not the route's own session: drawing may take seconds.
    sessions: SessionMaker = request.app.state.sessions
    async with sessions() as session:
        video = await videos.find(session, caller.user_id, video_id)
    return await picture(request, video, width, if_none_match)


@play.post("/videos/{video_id}/ticket", status_code=201, responses=problem_responses(NotFound))
async def issue_ticket(
    video_id: UUID, caller: CurrentCaller, session: Session, settings: Settings
) -> PlayTicketRead:
    """A link that plays one of your videos for some hours without a header, for `<video src>`.
    Whoever has the link can watch."""
    video = await videos.find(session, caller.user_id, video_id)
    token, expires_at = await links.issue(session, video, settings.ticket_lifetime_s)
    return PlayTicketRead(url=f"/media/play/{token}", expires_at=expires_at)


@play.get("/play/{token}", response_class=StreamingResponse, responses=FILE)
async def play_by_ticket(
    token: Token,
    session: Session,
    storage: Store,
    range_header: Range = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The file that a ticket plays, to whoever has its link; takes `Range`."""
    video = await links.video_of_ticket(session, token)
    return await content(video, storage, range_header, if_none_match, NOT_KEPT)


@shared.get("/{token}/video", response_class=StreamingResponse, responses=FILE)
async def play_shared(
    token: Token,
    request: Request,
    storage: Store,
    range_header: Range = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The video of a shared score, where its owner shares that, too; takes `Range`."""
    video = await links.video_of_share(request.app.state.sessions, token)
    return await content(video, storage, range_header, if_none_match, NOT_KEPT)


@shared.get("/{token}/thumbnail", response_class=Response, responses=PICTURE)
async def show_shared_thumbnail(
    token: Token,
    request: Request,
    width: ThumbnailWidth = thumbnails.Width.MEDIUM,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """A still from a shared score's video, as a JPEG."""
    video = await links.video_of_share(request.app.state.sessions, token)
    return await picture(request, video, width, if_none_match, NOT_KEPT)
