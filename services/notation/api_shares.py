"""Notation's routes for sharing a score by link: the owner's, and those that need no account."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from libs.common.errors import Conflict, NotFound, Unavailable, problem_responses
from libs.common.paging import Cursor, Limit, Page
from libs.common.tokens import CurrentCaller
from services.notation import kits, scores, shares
from services.notation.api import Session, Sessions, TheScribe
from services.notation.api_exports import EXPORT_RESPONSES, ExportWishes, made_export
from services.notation.api_views import (
    NOT_MODIFIED,
    Encodings,
    Known,
    Legend,
    SharedViewRead,
    TheViews,
    Width,
    knows,
    zipped,
)
from services.notation.views import Wish, drawn, order_of

router = APIRouter(prefix="/notation", tags=["notation"])
public = APIRouter(prefix="/shared", tags=["shared"])

NOT_KEPT = {"Cache-Control": "private, no-store", "Referrer-Policy": "no-referrer"}
"""A copy would outlive the link; and the address is the key."""


class ShareIn(BaseModel):
    """A link to make."""

    model_config = ConfigDict(extra="forbid")

    expires_in_days: int = Field(30, ge=1, le=365)
    with_video: bool = Field(True, description="Show the video as well, where there is one.")
    name: str = Field("", max_length=100, description="For yourself; guests do not see it.")


class ShareRead(BaseModel):
    """A link, without its token."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    with_video: bool
    views: int
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_seen_at: datetime | None


class ShareMade(ShareRead):
    """A link with its token, which is told this once."""

    token: str
    url: str = Field(description="The page to hand on.")
    embed_url: str = Field(description="The page to put into another.")


class SharedRead(BaseModel):
    """What a guest may know of a score."""

    title: str
    tempo: int | None
    time_signature: str | None
    bar_count: int
    note_count: int
    version: int
    with_video: bool
    expires_at: datetime


@router.post(
    "/{notation_id}/shares",
    status_code=201,
    response_model=ShareMade,
    responses=problem_responses(NotFound, Conflict),
)
async def share_notation(
    notation_id: UUID, body: ShareIn, caller: CurrentCaller, session: Session
) -> dict[str, Any]:
    """Make a link by which anybody can see this score. Its token is not told again."""
    link, token = await shares.share(
        session,
        caller.user_id,
        notation_id,
        days=body.expires_in_days,
        with_video=body.with_video,
        name=body.name,
    )
    told = ShareRead.model_validate(link).model_dump()
    return told | {"token": token, "url": f"/s/{token}", "embed_url": f"/embed/{token}"}


@router.get(
    "/{notation_id}/shares",
    response_model=Page[ShareRead],
    responses=problem_responses(NotFound),
)
async def list_shares(
    notation_id: UUID,
    caller: CurrentCaller,
    session: Session,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """A score's links, newest first, those that have ended among them."""
    items, next_cursor = await shares.page(session, caller.user_id, notation_id, limit, cursor)
    return {"items": items, "next_cursor": next_cursor}


@router.delete(
    "/{notation_id}/shares/{share_id}", status_code=204, responses=problem_responses(NotFound)
)
async def revoke_share(
    notation_id: UUID, share_id: UUID, caller: CurrentCaller, session: Session
) -> Response:
    """End a link, at once."""
    await shares.revoke(session, caller.user_id, notation_id, share_id)
    return Response(status_code=204)


Token = Annotated[str, Path(max_length=200, description="As the link was made with.")]


@public.get("/{token}", response_model=SharedRead, responses=problem_responses(NotFound))
async def get_shared(token: Token, session: Session, response: Response) -> dict[str, Any]:
    """What a link leads to. Needs no account."""
    link, notation = await shares.shown(session, token)
    await shares.count_view(session, link)
    response.headers.update(NOT_KEPT)
    return {
        "title": notation.title,
        "tempo": notation.tempo,
        "time_signature": notation.time_signature,
        "bar_count": notation.bar_count,
        "note_count": notation.note_count,
        "version": notation.version,
        "with_video": link.with_video,
        "expires_at": link.expires_at,
    }


@public.get(
    "/{token}/view",
    response_class=Response,
    responses={200: {"model": SharedViewRead}}
    | NOT_MODIFIED
    | problem_responses(NotFound, Unavailable),
)
async def view_shared(
    token: Token,
    sessions: Sessions,
    scribe: TheScribe,
    views: TheViews,
    width_mm: Width = 210,
    legend: Legend = True,
    if_none_match: Known = None,
    accept_encoding: Encodings = None,
) -> Response:
    """A shared score as GET /notation/{notation_id}/view shows it, by its own kit and with repeats
    written out. Needs no account."""
    wish = Wish(width_mm, legend=legend, shared=True)
    async with sessions() as session:
        _, notation = await shares.shown(session, token)
        order = await order_of(session, notation.user_id, notation.id, wish)
    headers = NOT_KEPT | {"ETag": order.tag}
    if knows(if_none_match, order.tag):
        return Response(status_code=304, headers=headers | {"Vary": "Accept-Encoding"})
    return await zipped(await drawn(sessions, scribe, views, order), accept_encoding, headers)


@public.get(
    "/{token}/export",
    response_class=Response,
    responses=EXPORT_RESPONSES | problem_responses(Unavailable),
)
async def export_shared(
    token: Token,
    sessions: Sessions,
    scribe: TheScribe,
    wishes: Annotated[ExportWishes, Depends()],
) -> Response:
    """A shared score as a file, in any of the formats. Needs no account."""
    async with sessions() as session:
        _, shown = await shares.shown(session, token)
        kept = await scores.kept(session, shown.id, shown.version)
        if wishes.kit is not None:
            table = kits.ours(wishes.kit, "query.kit")
        else:
            table = await kits.wanted(session, shown.user_id, kept.kit, "query.kit")
    return await made_export(scribe, kept, table, wishes, NOT_KEPT, guest=True)
