"""What audio hears."""

from __future__ import annotations

from libs.common.database import SessionMaker
from libs.common.events import (
    AudioExtracted,
    JobCancelled,
    JobRequested,
    VideoDeleted,
    VideoUploaded,
)
from libs.common.messaging import Consumers
from libs.common.storage import Storage
from services.audio import steps
from services.audio.settings import AudioSettings

consumers = Consumers("audio")


@consumers.on(VideoUploaded)
async def on_video_uploaded(event: VideoUploaded, sessions: SessionMaker) -> None:
    """Begin the pipeline."""
    async with sessions.begin() as session:
        await steps.uploaded(session, event)


@consumers.on(AudioExtracted)
async def on_audio_extracted(
    event: AudioExtracted, sessions: SessionMaker, settings: AudioSettings
) -> None:
    """Go on to hearing."""
    async with sessions.begin() as session:
        await steps.extracted(session, event, settings)


@consumers.on(JobRequested)
async def on_job_requested(
    event: JobRequested, sessions: SessionMaker, settings: AudioSettings
) -> None:
    """Do a step, or do it again."""
    async with sessions.begin() as session:
        await steps.requested(session, event, settings)


@consumers.on(JobCancelled)
async def on_job_cancelled(event: JobCancelled, sessions: SessionMaker) -> None:
    """Stop a step."""
    async with sessions.begin() as session:
        await steps.cancelled(session, event)


@consumers.on(VideoDeleted)
async def on_video_deleted(event: VideoDeleted, sessions: SessionMaker, storage: Storage) -> None:
    """Forget a video."""
    await steps.deleted(sessions, storage, event)
