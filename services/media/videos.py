"""Videos and audio files: find, list, delete, play."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.errors import NotFound
from libs.common.events import UserDeleted, VideoDeleted
from libs.common.messaging import announce, first_time
from libs.common.paging import page_of
from services.media import jobs
from services.media.models import AudioFile, Video


async def find(session: AsyncSession, user_id: UUID, video_id: UUID) -> Video:
    """One's own live video, or NotFound."""
    video = await session.get(Video, video_id)
    if video is None or video.user_id != user_id or video.deleted_at is not None:
        raise NotFound("There is no such video.", code="video-not-found")
    return video


async def page(
    session: AsyncSession, user_id: UUID, limit: int, cursor: str | None
) -> tuple[list[Video], str | None]:
    """One's own videos, newest first."""
    rows = select(Video).where(Video.user_id == user_id, Video.deleted_at.is_(None))
    return await page_of(session, rows, Video.created_at, Video.id, limit=limit, cursor=cursor)


async def audio_page(
    session: AsyncSession, user_id: UUID, video_id: UUID | None, limit: int, cursor: str | None
) -> tuple[list[AudioFile], str | None]:
    """One's own extracted sounds, newest first."""
    rows = (
        select(AudioFile)
        .join(Video, Video.id == AudioFile.video_id)
        .where(AudioFile.user_id == user_id, Video.deleted_at.is_(None))
    )
    if video_id is not None:
        rows = rows.where(AudioFile.video_id == video_id)
    return await page_of(
        session, rows, AudioFile.created_at, AudioFile.id, limit=limit, cursor=cursor
    )


async def remove(session: AsyncSession, video: Video) -> None:
    """Delete a video: its row now, its files and all that came of it by event."""
    video.deleted_at = await session.scalar(select(func.now()))
    for job in await jobs.of_video(session, video.id):
        if job.status in jobs.OPEN:
            await jobs.stop(session, job, "The video was deleted.")
    announce(session, VideoDeleted(video_id=video.id, user_id=video.user_id))


async def remove_all_of(session: AsyncSession, gone: UserDeleted) -> list[str]:
    """Delete a user's videos; the storage keys to remove once that is committed."""
    if not await first_time(session, gone):
        return []
    rows = await session.scalars(
        select(Video).where(Video.user_id == gone.user_id, Video.deleted_at.is_(None))
    )
    keys = []
    for video in rows:
        keys.append(video.storage_path)
        await remove(session, video)
    return keys
