"""What media hears."""

from __future__ import annotations

from libs.common.database import SessionMaker
from libs.common.events import (
    AiWorkFailed,
    AiWorkStarted,
    AudioEnhanced,
    AudioExtracted,
    AudioWorkAccepted,
    AudioWorkFailed,
    AudioWorkProgressed,
    AudioWorkStarted,
    EventsDetected,
    NotationCreated,
    NotationDeleted,
    NotationEnriched,
    NotationShared,
    NotationWorkFailed,
    ShareRevoked,
    StemsSeparated,
    StrokesDetected,
    UserDeleted,
    VisionWorkAccepted,
    VisionWorkFailed,
    VisionWorkProgressed,
    VisionWorkStarted,
)
from libs.common.messaging import Consumers
from libs.common.storage import Storage
from services.media import jobs, links, uploads, videos

consumers = Consumers("media")


@consumers.on(AudioWorkAccepted)
async def on_accepted(event: AudioWorkAccepted, sessions: SessionMaker) -> None:
    """Show the job."""
    async with sessions.begin() as session:
        await jobs.accepted(session, event)


@consumers.on(AudioWorkStarted)
async def on_started(event: AudioWorkStarted, sessions: SessionMaker) -> None:
    """Show that it runs."""
    async with sessions.begin() as session:
        await jobs.started(session, event)


@consumers.on(AudioWorkProgressed)
async def on_progressed(event: AudioWorkProgressed, sessions: SessionMaker) -> None:
    """Show how far it is."""
    async with sessions.begin() as session:
        await jobs.progressed(session, event)


@consumers.on(AudioExtracted)
async def on_extracted(event: AudioExtracted, sessions: SessionMaker) -> None:
    """Keep the audio file; the job has completed."""
    async with sessions.begin() as session:
        await jobs.extracted(session, event)


@consumers.on(EventsDetected)
async def on_heard(event: EventsDetected, sessions: SessionMaker) -> None:
    """The job has completed."""
    async with sessions.begin() as session:
        await jobs.heard(session, event)


@consumers.on(StemsSeparated)
async def on_separated(event: StemsSeparated, sessions: SessionMaker) -> None:
    """The job has completed."""
    async with sessions.begin() as session:
        await jobs.separated(session, event)


@consumers.on(AudioEnhanced)
async def on_enhanced(event: AudioEnhanced, sessions: SessionMaker) -> None:
    """The job has completed."""
    async with sessions.begin() as session:
        await jobs.enhanced(session, event)


@consumers.on(NotationCreated)
async def on_written(event: NotationCreated, sessions: SessionMaker) -> None:
    """The job has completed."""
    async with sessions.begin() as session:
        await jobs.written(session, event)


@consumers.on(NotationDeleted)
async def on_unwritten(event: NotationDeleted, sessions: SessionMaker) -> None:
    """No job and no link leads to a score that is gone."""
    async with sessions.begin() as session:
        await jobs.unwritten(session, event)
        await links.unshared(session, event)


@consumers.on(NotationShared)
async def on_shared(event: NotationShared, sessions: SessionMaker) -> None:
    """Whoever has the link may watch, if the video is shared, too."""
    async with sessions.begin() as session:
        await links.shared(session, event)


@consumers.on(ShareRevoked)
async def on_share_revoked(event: ShareRevoked, sessions: SessionMaker) -> None:
    """The link ends."""
    async with sessions.begin() as session:
        await links.revoked(session, event)


@consumers.on(AudioWorkFailed)
async def on_audio_failed(event: AudioWorkFailed, sessions: SessionMaker) -> None:
    """The job has failed."""
    async with sessions.begin() as session:
        await jobs.failed(session, event)


@consumers.on(NotationWorkFailed)
async def on_notation_failed(event: NotationWorkFailed, sessions: SessionMaker) -> None:
    """The job has failed."""
    async with sessions.begin() as session:
        await jobs.failed(session, event)


@consumers.on(UserDeleted)
async def on_user_deleted(event: UserDeleted, sessions: SessionMaker, storage: Storage) -> None:
    """The user's videos and uploads go."""
    async with sessions.begin() as session:
        removed = await videos.remove_all_of(session, event)
    await videos.remove_files(storage, removed)
    await uploads.remove_all_of(sessions, storage, event)


@consumers.on(AiWorkStarted)
async def on_ai_started(event: AiWorkStarted, sessions: SessionMaker) -> None:
    """Show that it runs."""
    async with sessions.begin() as session:
        await jobs.started(session, event)


@consumers.on(AiWorkFailed)
async def on_ai_failed(event: AiWorkFailed, sessions: SessionMaker) -> None:
    """The job has failed."""
    async with sessions.begin() as session:
        await jobs.failed(session, event)


@consumers.on(NotationEnriched)
async def on_enriched(event: NotationEnriched, sessions: SessionMaker) -> None:
    """The job has completed, if it was one."""
    async with sessions.begin() as session:
        await jobs.enriched(session, event)


@consumers.on(VisionWorkAccepted)
async def on_vision_accepted(event: VisionWorkAccepted, sessions: SessionMaker) -> None:
    """Show the job."""
    async with sessions.begin() as session:
        await jobs.accepted(session, event)


@consumers.on(VisionWorkStarted)
async def on_vision_started(event: VisionWorkStarted, sessions: SessionMaker) -> None:
    """Show that it runs."""
    async with sessions.begin() as session:
        await jobs.started(session, event)


@consumers.on(VisionWorkProgressed)
async def on_vision_progressed(event: VisionWorkProgressed, sessions: SessionMaker) -> None:
    """Show how far it is."""
    async with sessions.begin() as session:
        await jobs.progressed(session, event)


@consumers.on(VisionWorkFailed)
async def on_vision_failed(event: VisionWorkFailed, sessions: SessionMaker) -> None:
    """The job has failed."""
    async with sessions.begin() as session:
        await jobs.failed(session, event)


@consumers.on(StrokesDetected)
async def on_seen(event: StrokesDetected, sessions: SessionMaker) -> None:
    """The job has completed."""
    async with sessions.begin() as session:
        await jobs.seen(session, event)
