"""What ai hears."""

from __future__ import annotations

from libs.common.database import SessionMaker
from libs.common.events import (
    JobCancelled,
    JobRequested,
    PartPublished,
    ScoreRemoved,
    UserDeleted,
    VideoDeleted,
    VideoUploaded,
)
from libs.common.messaging import Consumers
from libs.common.storage import Storage
from services.ai import known, steps

consumers = Consumers("ai")


@consumers.on(VideoUploaded)
async def on_video_uploaded(event: VideoUploaded, sessions: SessionMaker) -> None:
    """Wait for its score, if that is to be explained."""
    async with sessions.begin() as session:
        await steps.uploaded(session, event)


@consumers.on(PartPublished)
async def on_part_published(event: PartPublished, sessions: SessionMaker) -> None:
    """Know the score; explain it, if somebody waits for that."""
    async with sessions.begin() as session:
        await steps.published(session, event)


@consumers.on(ScoreRemoved)
async def on_score_removed(event: ScoreRemoved, sessions: SessionMaker, storage: Storage) -> None:
    """Forget a score."""
    await known.removed(sessions, storage, event)


@consumers.on(JobRequested)
async def on_job_requested(event: JobRequested, sessions: SessionMaker) -> None:
    """Explain a score, or explain it again."""
    async with sessions.begin() as session:
        await steps.requested(session, event)


@consumers.on(JobCancelled)
async def on_job_cancelled(event: JobCancelled, sessions: SessionMaker) -> None:
    """Do not explain it."""
    async with sessions.begin() as session:
        await steps.cancelled(session, event)


@consumers.on(VideoDeleted)
async def on_video_deleted(event: VideoDeleted, sessions: SessionMaker) -> None:
    """Nothing more is wanted of it."""
    async with sessions.begin() as session:
        await known.video_deleted(session, event)


@consumers.on(UserDeleted)
async def on_user_deleted(event: UserDeleted, sessions: SessionMaker, storage: Storage) -> None:
    """Forget a user."""
    await known.user_deleted(sessions, storage, event)
