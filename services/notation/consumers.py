"""What notation hears."""

from __future__ import annotations

from libs.common.database import SessionMaker
from libs.common.events import (
    EventsDetected,
    JobCancelled,
    JobRequested,
    UserDeleted,
    VideoDeleted,
    VideoUploaded,
)
from libs.common.messaging import Consumers
from libs.common.storage import Storage
from services.notation import scores
from services.notation.scores import Scribe

consumers = Consumers("notation")


@consumers.on(VideoUploaded)
async def on_video_uploaded(event: VideoUploaded, sessions: SessionMaker) -> None:
    """Keep whose it is."""
    async with sessions.begin() as session:
        await scores.uploaded(session, event)


@consumers.on(EventsDetected)
async def on_heard(
    event: EventsDetected, sessions: SessionMaker, storage: Storage, scribe: Scribe
) -> None:
    """Write the score."""
    await scores.heard(sessions, storage, scribe, event)


@consumers.on(JobRequested)
async def on_job_requested(
    event: JobRequested, sessions: SessionMaker, storage: Storage, scribe: Scribe
) -> None:
    """Write a score, or write it again."""
    await scores.requested(sessions, storage, scribe, event)


@consumers.on(JobCancelled)
async def on_job_cancelled(event: JobCancelled, sessions: SessionMaker) -> None:
    """Do not write it."""
    async with sessions.begin() as session:
        await scores.cancelled(session, event)


@consumers.on(VideoDeleted)
async def on_video_deleted(event: VideoDeleted, sessions: SessionMaker) -> None:
    """Forget a video."""
    async with sessions.begin() as session:
        await scores.video_deleted(session, event)


@consumers.on(UserDeleted)
async def on_user_deleted(event: UserDeleted, sessions: SessionMaker) -> None:
    """Forget a user."""
    async with sessions.begin() as session:
        await scores.user_deleted(session, event)
