"""Links that play a video without a header: one's own tickets, and what notation's shares allow.

Only digests of tokens are kept. Events of a share may arrive in any order: a revocation, or the
deletion of its score, counts whenever it comes.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.database import SessionMaker
from libs.common.errors import NotFound
from libs.common.events import NotationDeleted, NotationShared, ShareRevoked
from libs.common.eventual import eventually
from libs.common.messaging import first_time
from libs.common.messaging.event import utc_now
from libs.common.tokens import digest_of
from services.media.models import DeletedNotation, PlayTicket, SharedVideo, Video

TOKEN_BYTES: Final = 32
TOLD_WITHIN_S: Final = 1.0
"""So long a share is waited for. Anybody may ask, so not for longer."""
TOMBSTONES_KEPT: Final = timedelta(days=30)
"""Longer than any event is under way."""


async def issue(session: AsyncSession, video: Video, lives_s: float) -> tuple[str, datetime]:
    """A new ticket for a video: its token, which is told once, and when it ends."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    expires_at = utc_now() + timedelta(seconds=lives_s)
    session.add(PlayTicket(token_hash=digest_of(token), video_id=video.id, expires_at=expires_at))
    return token, expires_at


async def video_of_ticket(session: AsyncSession, token: str) -> Video:
    """The ticket's video, or NotFound when the ticket is unknown or over or the video is gone."""
    video = await session.scalar(
        select(Video)
        .join(PlayTicket, PlayTicket.video_id == Video.id)
        .where(
            PlayTicket.token_hash == digest_of(token),
            PlayTicket.expires_at > func.now(),
            Video.deleted_at.is_(None),
        )
    )
    if video is None:
        raise NotFound(
            "This link has ended. Ask for another at POST /media/videos/{id}/ticket.",
            code="ticket-expired",
        )
    return video


async def shared(session: AsyncSession, event: NotationShared) -> None:
    """A score was shared, perhaps with its video."""
    if not await first_time(session, event):
        return
    told = {
        "token_hash": event.token_hash,
        "expires_at": event.expires_at,
        "with_video": event.with_video,
    }
    await session.execute(
        insert(SharedVideo)
        .values(
            share_id=event.share_id,
            video_id=event.video_id,
            notation_id=event.notation_id,
            **told,
        )
        # A revocation that came before stays.
        .on_conflict_do_update(index_elements=[SharedVideo.share_id], set_=told)
    )


async def revoked(session: AsyncSession, event: ShareRevoked) -> None:
    """A share ended, also one that is not known yet."""
    if not await first_time(session, event):
        return
    await session.execute(
        insert(SharedVideo)
        .values(
            share_id=event.share_id,
            video_id=event.video_id,
            notation_id=event.notation_id,
            revoked_at=func.now(),
        )
        .on_conflict_do_update(
            index_elements=[SharedVideo.share_id], set_={"revoked_at": func.now()}
        )
    )


async def unshared(session: AsyncSession, event: NotationDeleted) -> None:
    """A score is gone, and with it its shares, known and yet to be told of."""
    if not await first_time(session, event, consumer="links"):
        return
    await session.execute(
        insert(DeletedNotation).values(notation_id=event.notation_id).on_conflict_do_nothing()
    )
    await session.execute(
        update(SharedVideo)
        .where(SharedVideo.notation_id == event.notation_id, SharedVideo.revoked_at.is_(None))
        .values(revoked_at=func.now())
    )


async def video_of_share(sessions: SessionMaker, token: str) -> Video:
    """The video that a share shows, or NotFound; a share made an instant ago is waited for."""
    token_hash = digest_of(token)

    async def known() -> SharedVideo | None:
        async with sessions() as session:
            return await session.scalar(
                select(SharedVideo).where(SharedVideo.token_hash == token_hash)
            )

    share = await eventually(known, within_s=TOLD_WITHIN_S)
    video = None
    if share is not None and share.with_video:
        async with sessions() as session:
            video = await session.scalar(
                select(Video)
                .join(SharedVideo, SharedVideo.video_id == Video.id)
                .where(
                    SharedVideo.share_id == share.share_id,
                    SharedVideo.revoked_at.is_(None),
                    SharedVideo.expires_at > func.now(),
                    ~exists().where(DeletedNotation.notation_id == SharedVideo.notation_id),
                    Video.deleted_at.is_(None),
                )
            )
    if video is None:
        raise NotFound(
            "This link leads to no video: it has ended, was revoked, or shows the score alone.",
            code="share-not-found",
        )
    return video


async def drop(session: AsyncSession, video_id: UUID) -> None:
    """End all links to a video that is being deleted."""
    await session.execute(delete(PlayTicket).where(PlayTicket.video_id == video_id))
    await session.execute(
        update(SharedVideo)
        .where(SharedVideo.video_id == video_id, SharedVideo.revoked_at.is_(None))
        .values(revoked_at=func.now())
    )


async def sweep(sessions: SessionMaker) -> int:
    """Forget tickets and shares that are over; how many."""
    async with sessions.begin() as session:
        gone = [
            *await session.scalars(
                delete(PlayTicket)
                .where(PlayTicket.expires_at < func.now())
                .returning(PlayTicket.token_hash)
            ),
            *await session.scalars(
                delete(SharedVideo)
                .where(SharedVideo.expires_at < func.now())
                .returning(SharedVideo.share_id)
            ),
        ]
        await session.execute(
            delete(DeletedNotation).where(DeletedNotation.deleted_at < utc_now() - TOMBSTONES_KEPT)
        )
    return len(gone)
