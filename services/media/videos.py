"""Videos and audio files: find, list, delete, play."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.errors import NotFound
from libs.common.events import UserDeleted, VideoDeleted
from libs.common.messaging import announce, first_time
from libs.common.paging import page_of
from libs.common.storage import Storage
from services.media import jobs, links
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
    await links.drop(session, video.id)
    announce(session, VideoDeleted(video_id=video.id, user_id=video.user_id))


async def remove_files(storage: Storage, video_ids: Sequence[UUID]) -> None:
    """Remove what lies in storage of deleted videos: the originals and their thumbnails."""
    for video_id in video_ids:
        await storage.delete_all(f"videos/{video_id}")


async def remove_all_of(session: AsyncSession, gone: UserDeleted) -> list[UUID]:
    """Delete a user's videos; those whose files are to be removed once that is committed."""
    if not await first_time(session, gone):
        return []
    rows = await session.scalars(
        select(Video).where(Video.user_id == gone.user_id, Video.deleted_at.is_(None))
    )
    removed = []
    for video in rows:
        removed.append(video.id)
        await remove(session, video)
    return removed


PLAYED: Final[dict[str, tuple[frozenset[str], frozenset[str]]]] = {
    "video/mp4": (frozenset({"h264", "av1", "vp9"}), frozenset({"aac", "mp3", "opus", "flac"})),
    "video/webm": (frozenset({"vp8", "vp9", "av1"}), frozenset({"opus", "vorbis"})),
    "audio/mp4": (frozenset(), frozenset({"aac", "mp3", "opus", "flac"})),
    "audio/mpeg": (frozenset(), frozenset({"mp3", "aac"})),
    "audio/ogg": (frozenset(), frozenset({"vorbis", "opus", "flac"})),
    "audio/flac": (frozenset(), frozenset({"flac"})),
    "audio/wav": (frozenset(), frozenset({"pcm_s16le", "pcm_u8", "pcm_s24le", "pcm_f32le"})),
}
"""Video and audio codecs by media type that the current Chrome, Firefox and Safari all play, as
MDN's guide to media containers and codecs has it. HEVC is none: that depends on the machine."""


def is_browser_playable(video: Video) -> bool:
    """Whether a browser can be expected to play the file as it is. QuickTime is MP4 by another
    name, which most browsers play when they are given it; files of unknown codecs (uploaded
    before those were kept) are judged by their container."""
    content_type = "video/mp4" if video.content_type == "video/quicktime" else video.content_type
    if content_type not in PLAYED:
        return False
    pictures, sounds = PLAYED[content_type]
    return (video.video_codec is None or video.video_codec in pictures) and (
        video.audio_codec is None or video.audio_codec in sounds
    )
