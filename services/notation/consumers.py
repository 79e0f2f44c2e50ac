"""What notation hears."""

from __future__ import annotations

from libs.common.database import SessionMaker
from libs.common.events import (
    EventsDetected,
    JobCancelled,
    JobRequested,
    ScoreKept,
    ScoreRemoved,
    StrokesDetected,
    UserDeleted,
    VariationsCreated,
    VideoDeleted,
    VideoUploaded,
)
from libs.common.messaging import Consumers
from libs.common.storage import Storage
from services.notation import fusion, parts, pipeline
from services.notation.scribe import Scribe

consumers = Consumers("notation")


@consumers.on(VideoUploaded)
async def on_video_uploaded(event: VideoUploaded, sessions: SessionMaker) -> None:
    """Keep whose it is."""
    async with sessions.begin() as session:
        await pipeline.uploaded(session, event)


@consumers.on(EventsDetected)
async def on_heard(
    event: EventsDetected, sessions: SessionMaker, storage: Storage, scribe: Scribe
) -> None:
    """Write the score."""
    await pipeline.heard(sessions, storage, scribe, event)


@consumers.on(JobRequested)
async def on_job_requested(
    event: JobRequested, sessions: SessionMaker, storage: Storage, scribe: Scribe
) -> None:
    """Write a score, or write it again."""
    await pipeline.requested(sessions, storage, scribe, event)


@consumers.on(JobCancelled)
async def on_job_cancelled(event: JobCancelled, sessions: SessionMaker) -> None:
    """Do not write it."""
    async with sessions.begin() as session:
        await pipeline.cancelled(session, event)


@consumers.on(VideoDeleted)
async def on_video_deleted(event: VideoDeleted, sessions: SessionMaker) -> None:
    """Forget a video."""
    async with sessions.begin() as session:
        await pipeline.video_deleted(session, event)


@consumers.on(UserDeleted)
async def on_user_deleted(event: UserDeleted, sessions: SessionMaker) -> None:
    """Forget a user."""
    async with sessions.begin() as session:
        await pipeline.user_deleted(session, event)


@consumers.on(ScoreKept)
async def on_score_kept(
    event: ScoreKept, sessions: SessionMaker, storage: Storage, scribe: Scribe
) -> None:
    """Publish its part; look whether its hands were seen while it was written."""
    await parts.publish(sessions, storage, scribe, event)
    await fusion.catch_up(sessions, storage, scribe, event.notation_id)


@consumers.on(StrokesDetected)
async def on_strokes_detected(
    event: StrokesDetected, sessions: SessionMaker, storage: Storage, scribe: Scribe
) -> None:
    """Put hands on notes."""
    await fusion.seen(sessions, storage, scribe, event)


@consumers.on(ScoreRemoved)
async def on_score_removed(event: ScoreRemoved, sessions: SessionMaker, storage: Storage) -> None:
    """Take its files."""
    await parts.removed(sessions, storage, event)


@consumers.on(VariationsCreated)
async def on_variations_created(
    event: VariationsCreated, sessions: SessionMaker, storage: Storage, scribe: Scribe
) -> None:
    """Write them down."""
    await parts.write_variations(sessions, storage, scribe, event)
