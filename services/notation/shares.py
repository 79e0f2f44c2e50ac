"""Links by which a score is shown to somebody without an account."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.database import new_id
from libs.common.errors import Conflict, NotFound
from libs.common.events import NotationShared, ShareRevoked
from libs.common.messaging import announce
from libs.common.paging import page_of
from libs.common.tokens import digest_of
from services.notation import scores
from services.notation.models import Notation, ShareLink

MOST: Final = 50
_LIVE: Final = (ShareLink.revoked_at.is_(None), ShareLink.expires_at > func.now())


async def share(
    session: AsyncSession,
    user_id: UUID,
    notation_id: UUID,
    *,
    days: int,
    with_video: bool,
    name: str,
) -> tuple[ShareLink, str]:
    """A new link and its token, which nobody is told again; Conflict where there are too many."""
    # Locked, so that two requests cannot both make the last one.
    notation = await scores.get(session, user_id, notation_id, lock=True)
    live = await session.scalar(
        select(func.count())
        .select_from(ShareLink)
        .where(ShareLink.notation_id == notation_id, *_LIVE)
    )
    if (live or 0) >= MOST:
        raise Conflict(
            f"This notation has {MOST} links, which is the most. Revoke one.",
            code="too-many-shares",
        )
    now = await session.scalar(select(func.now()))
    assert now is not None
    token = secrets.token_urlsafe(32)
    link = ShareLink(
        id=new_id(),
        notation_id=notation_id,
        user_id=user_id,
        token_hash=digest_of(token),
        name=name,
        with_video=with_video and notation.video_id is not None,
        created_at=now,
        expires_at=now + timedelta(days=days),
        views=0,
    )
    session.add(link)
    if notation.video_id is not None:
        announce(
            session,
            NotationShared(
                video_id=notation.video_id,
                user_id=user_id,
                notation_id=notation_id,
                version=notation.version,
                share_id=link.id,
                token_hash=link.token_hash,
                with_video=link.with_video,
                expires_at=link.expires_at,
            ),
        )
    await session.flush()
    return link, token


async def page(
    session: AsyncSession, user_id: UUID, notation_id: UUID, limit: int, cursor: str | None
) -> tuple[list[ShareLink], str | None]:
    """A score's links, newest first, those that have ended among them."""
    await scores.get(session, user_id, notation_id)
    rows = select(ShareLink).where(ShareLink.notation_id == notation_id)
    return await page_of(
        session, rows, ShareLink.created_at, ShareLink.id, limit=limit, cursor=cursor
    )


async def revoke(session: AsyncSession, user_id: UUID, notation_id: UUID, share_id: UUID) -> None:
    """End a link now; once more changes nothing. NotFound where there is none."""
    notation = await scores.get(session, user_id, notation_id, lock=True)
    link = await session.get(ShareLink, share_id, with_for_update=True)
    if link is None or link.notation_id != notation_id:
        raise NotFound("There is no such link.", code="share-not-found")
    if link.revoked_at is not None:
        return
    link.revoked_at = await session.scalar(select(func.clock_timestamp()))
    if notation.video_id is not None:
        announce(
            session,
            ShareRevoked(
                video_id=notation.video_id,
                user_id=user_id,
                notation_id=notation_id,
                version=notation.version,
                share_id=link.id,
            ),
        )


async def shown(session: AsyncSession, token: str) -> tuple[ShareLink, Notation]:
    """What a token leads to, without the document. An unknown one, one that has ended and one
    whose score is gone answer alike."""
    row = (
        await session.execute(
            select(ShareLink, Notation)
            .join(Notation, Notation.id == ShareLink.notation_id)
            .where(ShareLink.token_hash == digest_of(token), *_LIVE)
        )
    ).one_or_none()
    if row is None:
        raise NotFound("This link leads nowhere, or no longer.", code="share-not-found")
    return row[0], row[1]


async def count_view(session: AsyncSession, link: ShareLink) -> None:
    """Somebody has opened it."""
    await session.execute(
        update(ShareLink)
        .where(ShareLink.id == link.id)
        .values(views=ShareLink.views + 1, last_seen_at=func.now())
        .execution_options(synchronize_session=False)
    )
