"""What vision hears."""

from __future__ import annotations

from libs.common.database import SessionMaker
from libs.common.events import (
    EventsDetected,
    JobCancelled,
    JobRequested,
    VideoDeleted,
    VideoUploaded,
)
from libs.common.messaging import Consumers
from libs.common.storage import Storage
from services.vision import steps
from services.vision.settings import VisionSettings

consumers = Consumers("vision")


@consumers.on(VideoUploaded)
async def on_video_uploaded(event: VideoUploaded, sessions: SessionMaker) -> None:
    """Know the video."""
    async with sessions.begin() as session:
        await steps.uploaded(session, event)


@consumers.on(EventsDetected)
async def on_events_detected(
    event: EventsDetected, sessions: SessionMaker, settings: VisionSettings
) -> None:
    """Know the hits; begin to look, where the pipeline goes on to that."""
    async with sessions.begin() as session:
        await steps.heard(session, event, settings)


@consumers.on(JobRequested)
async def on_job_requested(
    event: JobRequested, sessions: SessionMaker, settings: VisionSettings
) -> None:
    """Look, or look again."""
    async with sessions.begin() as session:
        await steps.requested(session, event, settings)


@consumers.on(JobCancelled)
async def on_job_cancelled(event: JobCancelled, sessions: SessionMaker) -> None:
    """Stop looking."""
    async with sessions.begin() as session:
        await steps.cancelled(session, event)


@consumers.on(VideoDeleted)
async def on_video_deleted(event: VideoDeleted, sessions: SessionMaker, storage: Storage) -> None:
    """Forget a video."""
    await steps.deleted(sessions, storage, event)
