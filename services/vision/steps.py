"""Which videos are to be looked at, for whom: from events and routes to work, and from results to
events.

Looking begins when the hits are heard, since hearing is a hundred times faster than seeing, and
the hits say which frames matter. See docs/adr/0015.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import work
from libs.common.database import SessionMaker
from libs.common.errors import Invalid, NotFound
from libs.common.events import (
    EventsDetected,
    JobCancelled,
    JobRequested,
    StrokesDetected,
    VideoDeleted,
    VideoUploaded,
    VisionWorkAccepted,
    VisionWorkFailed,
)
from libs.common.messaging import announce, first_time
from libs.common.messaging.event import utc_now
from libs.common.options import VisionOptions
from libs.common.steps import JobType, read_options, step_id
from libs.common.storage import Storage
from libs.common.work import WorkItem
from services.vision.models import Hearing, Source, VideoAnalysis
from services.vision.settings import VisionSettings

KIND = "vision"
"""The one kind of work."""
JUDGEMENT: Final = "1"
"""Another one whenever the domain tells otherwise of the same frames: what is asked for again is
then looked at anew."""
VIDEO_MAY_COME_WITHIN = timedelta(seconds=30)


class NotToldYet(Exception):
    """An event has overtaken the one that it builds on: the transport brings it again."""


def eye_of(models: Path) -> str:
    """What looks, as the manifests beside the weights say: with other weights it is another eye,
    and what it sees another analysis. Empty without any."""
    manifests = [path.read_bytes() for path in sorted(models.glob("*/origin.json"))]
    return hashlib.sha256(b"".join(manifests)).hexdigest() if manifests else ""


def look_id(
    settings: VisionSettings, video_id: UUID, hits_key: str, options: VisionOptions
) -> UUID:
    """The analysis of a video, whoever asks for it."""
    chosen = sorted(options.chosen().items())
    return step_id(video_id, KIND, hits_key, chosen, JUDGEMENT, eye_of(settings.models))


async def hits_of(session: AsyncSession, video_id: UUID) -> str:
    """The key of the newest hits; empty where nothing has been heard."""
    hearing = await session.get(Hearing, video_id)
    return hearing.hits_key if hearing is not None else ""


async def live_source(session: AsyncSession, video_id: UUID) -> Source | None:
    """The video, unless it is unknown or gone."""
    source = await session.get(Source, video_id)
    return source if source is not None and source.deleted_at is None else None


async def submit(
    session: AsyncSession,
    settings: VisionSettings,
    source: Source,
    options: VisionOptions,
    *,
    job_id: UUID,
    dedupe: str = "",
    generation: int = 1,
) -> tuple[WorkItem, bool]:
    """Queue a look at a video, with the hits that are known now."""
    hits_key = await hits_of(session, source.video_id)
    analysis_id = look_id(settings, source.video_id, hits_key, options)
    return await work.submit(
        session,
        job_id=job_id,
        kind=KIND,
        video_id=source.video_id,
        user_id=source.user_id,
        params={
            "job_type": JobType.VISION.value,
            "analysis_id": str(analysis_id),
            "storage_key": source.storage_key,
            "hits_key": hits_key,
            "options": options.chosen(),
        },
        dedupe_key=f"{analysis_id}{dedupe}",
        generation=generation,
    )


def tell(session: AsyncSession, analysis: VideoAnalysis, *, job_id: UUID, generation: int) -> None:
    """What was seen lies there."""
    announce(
        session,
        StrokesDetected(
            video_id=analysis.video_id,
            user_id=analysis.user_id,
            job_id=job_id,
            job_type=JobType.VISION,
            generation=generation,
            analysis_id=analysis.id,
            sight_key=analysis.sight_key,
            hits_key=analysis.hits_key,
            usable=analysis.usable,
            reason=analysis.reason,
            words=analysis.words,
            stroke_count=analysis.stroke_count,
            marked_count=analysis.marked_count,
            offset_s=analysis.offset_seconds,
            model_version=analysis.model_version,
        ),
    )


def tell_again(
    session: AsyncSession, analysis: VideoAnalysis, *, job_id: UUID, generation: int
) -> None:
    """What was seen before is what counts now."""
    analysis.asked_at = func.clock_timestamp()
    tell(session, analysis, job_id=job_id, generation=generation)


async def uploaded(session: AsyncSession, event: VideoUploaded) -> None:
    """Keep whose the video is and where it lies."""
    if await first_time(session, event):
        await session.execute(
            insert(Source)
            .values(video_id=event.video_id, user_id=event.user_id, storage_key=event.storage_key)
            .on_conflict_do_nothing()
        )


async def heard(session: AsyncSession, event: EventsDetected, settings: VisionSettings) -> None:
    """Keep where the hits lie; in the pipeline, begin to look."""
    if not await first_time(session, event):
        return
    job_id = event.jobs.get(JobType.VISION)
    source = await _source_of(session, event, job_id)
    if source is None:
        return
    hearing = insert(Hearing).values(
        video_id=event.video_id,
        audio_id=event.audio_id,
        hits_key=event.hits_key,
        told_at=event.occurred_at,
    )
    await session.execute(
        hearing.on_conflict_do_update(
            index_elements=[Hearing.video_id],
            set_={name: hearing.excluded[name] for name in ("audio_id", "hits_key", "told_at")},
            where=Hearing.told_at < event.occurred_at,
        )
    )
    if job_id is not None:
        await _begin(session, settings, source, VisionOptions(), job_id, event.generation)


async def requested(session: AsyncSession, event: JobRequested, settings: VisionSettings) -> None:
    """A look is asked for, for the first time or again."""
    if event.job_type != JobType.VISION or not await first_time(session, event):
        return
    try:
        options = VisionOptions.model_validate(
            read_options(JobType.VISION, event.options, "options")
        )
    except Invalid as error:
        _refuse(session, event, event.job_id, error.code, error.detail)
        return
    source = await _source_of(session, event, event.job_id)
    if source is not None:
        await _begin(session, settings, source, options, event.job_id, event.generation)


async def _source_of(
    session: AsyncSession, event: EventsDetected | JobRequested, job_id: UUID | None
) -> Source | None:
    """The video; None when it is gone, or was uploaded before there was this service, which then
    ends the job."""
    source = await session.get(Source, event.video_id)
    if source is None:
        if utc_now() - event.occurred_at < VIDEO_MAY_COME_WITHIN:
            raise NotToldYet(f"VideoUploaded of {event.video_id} is still on its way")
        if job_id is not None:
            _refuse(
                session,
                event,
                job_id,
                "video-not-known",
                "This video was uploaded before there was anything that looks at videos. Upload "
                "it again to have it looked at.",
            )
        return None
    return source if source.deleted_at is None else None


def _refuse(
    session: AsyncSession,
    event: EventsDetected | JobRequested,
    job_id: UUID,
    code: str,
    why: str,
) -> None:
    announce(
        session,
        VisionWorkFailed(
            video_id=event.video_id,
            user_id=event.user_id,
            job_id=job_id,
            job_type=JobType.VISION,
            generation=event.generation,
            code=code,
            message=why,
        ),
    )


async def _begin(
    session: AsyncSession,
    settings: VisionSettings,
    source: Source,
    options: VisionOptions,
    job_id: UUID,
    generation: int,
) -> None:
    hits_key = await hits_of(session, source.video_id)
    analysis = await session.get(
        VideoAnalysis, look_id(settings, source.video_id, hits_key, options)
    )
    if analysis is not None:
        tell_again(session, analysis, job_id=job_id, generation=generation)
        return
    # Each job ends on its own, also when equal work is under way: whoever comes second finds
    # what the first has seen.
    await submit(
        session,
        settings,
        source,
        options,
        job_id=job_id,
        dedupe=f"/{job_id}",
        generation=generation,
    )


async def cancelled(session: AsyncSession, event: JobCancelled) -> None:
    """The look is no longer wanted."""
    if event.job_type == JobType.VISION and await first_time(session, event):
        await work.cancel(
            session,
            job_id=event.job_id,
            kind=KIND,
            video_id=event.video_id,
            user_id=event.user_id,
            generation=event.generation,
        )


async def deleted(sessions: SessionMaker, storage: Storage, event: VideoDeleted) -> None:
    """Forget the video: rows first, then files, and only then is the event done with, so that a
    crash in between repeats what is left."""
    async with sessions.begin() as session:
        await session.execute(
            insert(Source)
            .values(
                video_id=event.video_id,
                user_id=event.user_id,
                storage_key="",
                deleted_at=func.now(),
            )
            .on_conflict_do_update(
                index_elements=[Source.video_id],
                set_={"deleted_at": func.now(), "storage_key": ""},
            )
        )
        await work.forget_video(session, event.video_id)
        for kept in (VideoAnalysis, Hearing):
            await session.execute(delete(kept).where(kept.video_id == event.video_id))
    await storage.delete_all(f"sight/{event.video_id}")
    async with sessions.begin() as session:
        await first_time(session, event)


async def accept(
    session: AsyncSession,
    settings: VisionSettings,
    source: Source,
    options: VisionOptions,
    job_id: UUID,
) -> WorkItem:
    """A look that was asked for here. What has been seen before is there at once, under the job
    that saw it; media is told of a new one."""
    hits_key = await hits_of(session, source.video_id)
    analysis_id = look_id(settings, source.video_id, hits_key, options)
    done = await session.scalar(
        select(WorkItem)
        .where(
            WorkItem.video_id == source.video_id,
            WorkItem.state == "done",
            WorkItem.params["analysis_id"].astext == str(analysis_id),
        )
        .order_by(WorkItem.created_at)
        .limit(1)
    )
    analysis = await session.get(VideoAnalysis, analysis_id)
    if done is not None and analysis is not None:
        if await find_latest(session, source.video_id) is not analysis:
            tell_again(session, analysis, job_id=done.id, generation=done.generation)
        return done
    item, is_new = await submit(session, settings, source, options, job_id=job_id)
    if is_new:
        announce(
            session,
            VisionWorkAccepted(
                video_id=item.video_id,
                user_id=item.user_id,
                job_id=item.id,
                job_type=item.params["job_type"],
                options=item.params["options"],
            ),
        )
    return item


async def own_source(session: AsyncSession, user_id: UUID, video_id: UUID) -> Source:
    """One's own live video, or NotFound."""
    source = await live_source(session, video_id)
    if source is None or source.user_id != user_id:
        raise video_not_found()
    return source


def video_not_found() -> NotFound:
    """For others' videos, too."""
    return NotFound("There is no such video.", code="video-not-found")


async def find_latest(session: AsyncSession, video_id: UUID) -> VideoAnalysis | None:
    """What was asked for last."""
    return await session.scalar(
        select(VideoAnalysis)
        .where(VideoAnalysis.video_id == video_id)
        .order_by(VideoAnalysis.asked_at.desc(), VideoAnalysis.id)
        .limit(1)
    )


async def latest_analysis(session: AsyncSession, user_id: UUID, video_id: UUID) -> VideoAnalysis:
    """What was seen last in one's own video, or NotFound."""
    await own_source(session, user_id, video_id)
    analysis = await find_latest(session, video_id)
    if analysis is None:
        raise NotFound(
            f"This video has not been looked at yet. Ask with POST /vision/analyze/{video_id}, or "
            "wait for its job.",
            code="not-seen-yet",
        )
    return analysis


def rows_of(item: WorkItem) -> dict[str, Any]:
    """The columns of an analysis that its work item brings."""
    return {
        "id": UUID(item.params["analysis_id"]),
        "video_id": item.video_id,
        "user_id": item.user_id,
        "hits_key": item.params["hits_key"],
        "options": item.params["options"],
    }
