"""Jobs: what is asked for, how far it is, and what came of it. Media keeps them from events.

Events of different types travel in different queues, so they may arrive in any order: a status
only moves forward (pending, running, ended), and a job unknown so far is made from the event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.database import new_id
from libs.common.errors import Conflict, NotFound
from libs.common.events import (
    AudioEnhanced,
    AudioExtracted,
    EventsDetected,
    JobCancelled,
    JobRequested,
    NotationCreated,
    NotationDeleted,
    NotationEnriched,
    StemsSeparated,
    StrokesDetected,
)
from libs.common.events.work import (
    WorkAccepted,
    WorkEvent,
    WorkFailed,
    WorkProgressed,
    WorkStarted,
)
from libs.common.messaging import announce, first_time
from libs.common.paging import page_of
from libs.common.steps import PIPELINE, SEEN_AFTER, JobType, read_options
from services.media.models import AudioFile, ProcessingJob, Video, revisions

OPEN = ("pending", "running")
CHANNEL = "media_jobs"
SKIPPED = "skipped"


def plan(
    session: AsyncSession,
    video: Video,
    steps: Sequence[str],
    options: Mapping[str, dict[str, Any]] = MappingProxyType({}),
) -> dict[str, UUID]:
    """Pending jobs for the steps of a new run; their ids by type. `options` of those that have
    any."""
    run_id = new_id()
    ids = {step: new_id() for step in steps}
    for position, (step, job_id) in enumerate(ids.items()):
        session.add(
            ProcessingJob(
                id=job_id,
                video_id=video.id,
                user_id=video.user_id,
                run_id=run_id,
                position=position,
                job_type=step,
                options=options.get(step, {}),
                result={},
            )
        )
    return ids


async def find(session: AsyncSession, user_id: UUID, job_id: UUID) -> ProcessingJob | None:
    """One's own job on a live video."""
    return await session.scalar(
        select(ProcessingJob)
        .join(Video, Video.id == ProcessingJob.video_id)
        .where(
            ProcessingJob.id == job_id,
            ProcessingJob.user_id == user_id,
            Video.deleted_at.is_(None),
        )
    )


async def get(session: AsyncSession, user_id: UUID, job_id: UUID) -> ProcessingJob:
    """One's own job, or NotFound."""
    job = await find(session, user_id, job_id)
    if job is None:
        raise NotFound("There is no such job.", code="job-not-found")
    return job


async def of_video(session: AsyncSession, video_id: UUID) -> list[ProcessingJob]:
    """A video's jobs, oldest run first and in the run's order."""
    rows = await session.scalars(
        select(ProcessingJob)
        .where(ProcessingJob.video_id == video_id)
        .order_by(ProcessingJob.created_at, ProcessingJob.position, ProcessingJob.id)
    )
    return list(rows)


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of a video, in one line."""

    status: str = "stored"
    """stored, processing, ready, failed or cancelled."""
    progress: float = 0.0
    """0 to 1, over the steps of the run."""
    message: str | None = None
    error_code: str | None = None
    notation_id: UUID | None = None


async def summaries(session: AsyncSession, video_ids: Sequence[UUID]) -> dict[UUID, Summary]:
    """Each video's newest pipeline run in one line, and its newest score."""
    if not video_ids:
        return {}
    newest = (
        select(ProcessingJob.run_id)
        .where(ProcessingJob.video_id.in_(video_ids), ProcessingJob.job_type.in_(PIPELINE))
        .order_by(ProcessingJob.video_id, ProcessingJob.created_at.desc(), ProcessingJob.run_id)
        .ext(distinct_on(ProcessingJob.video_id))
    )
    rows = await session.scalars(
        select(ProcessingJob)
        .where(
            ProcessingJob.video_id.in_(video_ids),
            ProcessingJob.run_id.in_(newest),
            # A score without its explanation or its hands is ready all the same.
            ProcessingJob.job_type.in_(PIPELINE),
        )
        .order_by(ProcessingJob.position)
    )
    runs: dict[UUID, list[ProcessingJob]] = {video_id: [] for video_id in video_ids}
    for job in rows:
        runs[job.video_id].append(job)
    notation_id = ProcessingJob.result["notation_id"].astext
    scores = await session.execute(
        select(ProcessingJob.video_id, notation_id)
        .where(
            ProcessingJob.video_id.in_(video_ids),
            ProcessingJob.status == "completed",
            notation_id.is_not(None),
        )
        .order_by(ProcessingJob.video_id, ProcessingJob.finished_at.desc(), ProcessingJob.id)
        .ext(distinct_on(ProcessingJob.video_id))
    )
    score_of = {video_id: UUID(score) for video_id, score in scores}
    return {video_id: summary_of(run, score_of.get(video_id)) for video_id, run in runs.items()}


def summary_of(run: Sequence[ProcessingJob], notation_id: UUID | None) -> Summary:
    """A run, in its steps' order, in one line."""
    if not run:
        return Summary(notation_id=notation_id)
    statuses = {job.status for job in run}
    failed_job = next((job for job in run if job.status == "failed"), None)
    told = [job for job in run if job.message]
    if failed_job is not None:
        status, message = "failed", failed_job.error_message
    elif statuses & set(OPEN):
        # The last step that has said something is where the run is.
        status, message = "processing", told[-1].message if told else None
    elif "cancelled" in statuses:
        ended = next(job for job in run if job.status == "cancelled")
        status, message = "cancelled", ended.error_message
    else:
        status, message = "ready", told[-1].message if told else None
    return Summary(
        status=status,
        progress=sum(job.progress for job in run) / len(run),
        message=message,
        error_code=failed_job.error_code if failed_job is not None else None,
        notation_id=notation_id,
    )


async def page(
    session: AsyncSession,
    user_id: UUID,
    *,
    video_id: UUID | None,
    status: str | None,
    job_type: str | None,
    limit: int,
    cursor: str | None,
) -> tuple[list[ProcessingJob], str | None]:
    """One's own jobs, newest first."""
    rows = (
        select(ProcessingJob)
        .join(Video, Video.id == ProcessingJob.video_id)
        .where(ProcessingJob.user_id == user_id, Video.deleted_at.is_(None))
    )
    if video_id is not None:
        rows = rows.where(ProcessingJob.video_id == video_id)
    if status is not None:
        rows = rows.where(ProcessingJob.status == status)
    if job_type is not None:
        rows = rows.where(ProcessingJob.job_type == job_type)
    return await page_of(
        session, rows, ProcessingJob.created_at, ProcessingJob.id, limit=limit, cursor=cursor
    )


async def _changed(session: AsyncSession, job: ProcessingJob, **values: Any) -> None:
    """Set values, move the revision, and wake the streams once it is committed."""
    await session.execute(
        update(ProcessingJob)
        .where(ProcessingJob.id == job.id)
        .values(revision=revisions.next_value(), updated_at=func.now(), **values)
    )
    await session.execute(
        text("SELECT pg_notify(:channel, :video)"),
        {"channel": CHANNEL, "video": str(job.video_id)},
    )
    await session.refresh(job)


async def request(
    session: AsyncSession,
    video: Video,
    job_type: JobType,
    options: dict[str, Any],
    *,
    follow: bool,
    watch: bool = False,
) -> ProcessingJob:
    """Ask for one step; with `follow` the rest of the pipeline comes after it, and with `watch`
    what is heard anew is looked at anew."""
    checked = read_options(job_type, options, "body.options")
    steps: Sequence[str] = (job_type,)
    if follow and job_type in PIPELINE:
        steps = PIPELINE[PIPELINE.index(job_type) :]
        if watch and video.has_video and job_type in SEEN_AFTER:
            steps = (*steps, JobType.VISION)
    ids = plan(session, video, steps)
    await session.flush()
    job = await session.get_one(ProcessingJob, ids[job_type])
    await _changed(session, job, options=checked)
    announce(
        session,
        JobRequested(
            video_id=video.id,
            user_id=video.user_id,
            job_id=job.id,
            job_type=job_type,
            options=checked,
            jobs=ids,
        ),
    )
    return job


async def _waiting_for(session: AsyncSession, job: ProcessingJob) -> list[ProcessingJob]:
    """The later steps of its run that need what it makes, locked."""
    rows = await session.scalars(
        select(ProcessingJob)
        .where(ProcessingJob.run_id == job.run_id, ProcessingJob.position > job.position)
        .order_by(ProcessingJob.position)
        .with_for_update()
    )
    return [
        later for later in rows if later.job_type != JobType.VISION or job.job_type in SEEN_AFTER
    ]


async def stop(session: AsyncSession, job: ProcessingJob, reason: str) -> None:
    """Cancel one open job and tell who may be working on it."""
    await _changed(
        session,
        job,
        status="cancelled",
        error_code="cancelled",
        error_message=reason,
        retryable=True,
        finished_at=func.now(),
    )
    announce(
        session,
        JobCancelled(
            video_id=job.video_id,
            user_id=job.user_id,
            job_id=job.id,
            job_type=job.job_type,
            generation=job.generation,
        ),
    )


async def _locked(session: AsyncSession, job: ProcessingJob) -> ProcessingJob:
    await session.refresh(job, with_for_update=True)
    return job


async def cancel(session: AsyncSession, job: ProcessingJob) -> ProcessingJob:
    """Stop a job and the steps that wait for it. Cancelling twice is fine; what has ended stays
    so."""
    await _locked(session, job)
    if job.status == "cancelled":
        return job
    if job.status not in OPEN:
        raise Conflict(f"The job has {job.status} already.", code="job-ended")
    await stop(session, job, "You cancelled it.")
    for later in await _waiting_for(session, job):
        if later.status in OPEN:
            await stop(session, later, "The step before it was cancelled.")
    return job


async def retry(session: AsyncSession, job: ProcessingJob) -> ProcessingJob:
    """Do a failed or cancelled job again, and the steps that waited for it."""
    await _locked(session, job)
    if job.status in OPEN:
        return job
    if job.status == "completed":
        raise Conflict("The job has completed; there is nothing to retry.", code="job-ended")
    ids = {job.job_type: job.id}
    waiting = [j for j in await _waiting_for(session, job) if j.status in ("failed", "cancelled")]
    again: dict[str, Any] = {
        "generation": max(j.generation for j in (job, *waiting)) + 1,
        "status": "pending",
        "progress": 0,
        "message": None,
        "error_code": None,
        "error_message": None,
        "retryable": False,
        "started_at": None,
        "finished_at": None,
    }
    await _changed(session, job, **again)
    enhance = None
    for later in waiting:
        await _changed(session, later, **again)
        ids[later.job_type] = later.id
        enhance = later.options.get("enhancement_type", enhance)
    announce(
        session,
        JobRequested(
            video_id=job.video_id,
            user_id=job.user_id,
            job_id=job.id,
            job_type=job.job_type,
            generation=job.generation,
            options=job.options,
            jobs=ids,
            enhance=enhance,
        ),
    )
    return job


async def _job_of(session: AsyncSession, event: WorkEvent) -> ProcessingJob | None:
    """The event's job, locked; made from the event when it is new; None when its video is gone."""
    video = await session.get(Video, event.video_id)
    if video is None or video.deleted_at is not None or video.user_id != event.user_id:
        return None
    await session.execute(
        insert(ProcessingJob)
        .values(
            id=event.job_id,
            video_id=event.video_id,
            user_id=event.user_id,
            run_id=event.job_id,
            job_type=event.job_type,
            options=event.options if isinstance(event, WorkAccepted) else {},
            result={},
        )
        .on_conflict_do_nothing()
    )
    return await session.scalar(
        select(ProcessingJob).where(ProcessingJob.id == event.job_id).with_for_update()
    )


async def accepted(session: AsyncSession, event: WorkAccepted) -> None:
    """A step was asked for at its own service."""
    if await first_time(session, event):
        job = await _job_of(session, event)
        if job is not None:
            await _changed(session, job, options=event.options)


async def started(session: AsyncSession, event: WorkStarted) -> None:
    """A worker has the job."""
    if await first_time(session, event):
        job = await _job_of(session, event)
        if job is not None and job.status == "pending" and event.generation >= job.generation:
            await _changed(session, job, status="running", started_at=func.now())


async def progressed(session: AsyncSession, event: WorkProgressed) -> None:
    """How far it is; never backwards."""
    job = await session.get(ProcessingJob, event.job_id, with_for_update=True)
    if job is None or job.status not in OPEN or event.fraction <= job.progress:
        return
    if event.generation < job.generation:
        return
    values: dict[str, Any] = {"progress": min(event.fraction, 0.99)}
    if event.message:
        values["message"] = event.message
    if job.status == "pending":
        values |= {"status": "running", "started_at": func.now()}
    await _changed(session, job, **values)


async def _completed(
    session: AsyncSession, job: ProcessingJob, generation: int, message: str, result: dict[str, Any]
) -> None:
    # A retry tells of its own end, also when the result was there already.
    if job.status in OPEN and generation >= job.generation:
        await _changed(
            session,
            job,
            status="completed",
            progress=1,
            message=message,
            result=result,
            started_at=func.coalesce(ProcessingJob.started_at, func.now()),
            finished_at=func.now(),
        )


async def extracted(session: AsyncSession, event: AudioExtracted) -> None:
    """The sound is there."""
    if not await first_time(session, event):
        return
    job = await _job_of(session, event)
    if job is None:
        return
    await session.execute(
        insert(AudioFile)
        .values(
            id=event.audio_id,
            video_id=event.video_id,
            user_id=event.user_id,
            sample_rate=event.sample_rate,
            channels=event.channels,
            duration_seconds=event.duration_s,
            storage_path=event.audio_key,
        )
        .on_conflict_do_nothing()
    )
    await _completed(
        session,
        job,
        event.generation,
        f"{event.duration_s:.1f} s of sound",
        {"audio_id": str(event.audio_id), "duration_seconds": event.duration_s},
    )


async def heard(session: AsyncSession, event: EventsDetected) -> None:
    """The hits are there."""
    if not await first_time(session, event):
        return
    job = await _job_of(session, event)
    if job is not None:
        tempo = f" at {event.tempo_bpm:.0f} bpm" if event.tempo_bpm else ""
        await _completed(
            session,
            job,
            event.generation,
            f"{event.hit_count} hits{tempo}",
            {
                "audio_id": str(event.audio_id),
                "hit_count": event.hit_count,
                "beat_count": event.beat_count,
                "tempo_bpm": event.tempo_bpm,
                "model_version": event.model_version,
            },
        )


async def separated(session: AsyncSession, event: StemsSeparated) -> None:
    """The stems are there."""
    if not await first_time(session, event):
        return
    job = await _job_of(session, event)
    if job is not None:
        await _completed(
            session,
            job,
            event.generation,
            f"{' and '.join(event.stems)} by {event.method}",
            {
                "audio_id": str(event.audio_id),
                "method": event.method,
                "model_version": event.model_version,
                "stems": list(event.stems),
            },
        )


async def enhanced(session: AsyncSession, event: AudioEnhanced) -> None:
    """The enhanced sound is there."""
    if not await first_time(session, event):
        return
    job = await _job_of(session, event)
    if job is not None:
        loudness = event.loudness_after_lufs
        await _completed(
            session,
            job,
            event.generation,
            "Enhanced" if loudness is None else f"Enhanced, {loudness:.1f} LUFS",
            {
                "audio_id": str(event.audio_id),
                "enhancement_id": str(event.enhancement_id),
                "loudness_before_lufs": event.loudness_before_lufs,
                "loudness_after_lufs": loudness,
            },
        )


async def written(session: AsyncSession, event: NotationCreated) -> None:
    """The score is there."""
    if not await first_time(session, event) or event.job_id is None:
        return
    job = await session.get(ProcessingJob, event.job_id, with_for_update=True)
    if job is not None:
        await _completed(
            session,
            job,
            event.generation,
            f"{event.bar_count} bars, {event.note_count} notes",
            {
                "notation_id": str(event.notation_id),
                "tempo": event.tempo,
                "time_signature": event.time_signature,
                "bar_count": event.bar_count,
                "note_count": event.note_count,
            },
        )


async def enriched(session: AsyncSession, event: NotationEnriched) -> None:
    """The teacher has spoken."""
    if not await first_time(session, event) or event.job_id is None:
        return
    job = await session.get(ProcessingJob, event.job_id, with_for_update=True)
    if job is not None:
        await _completed(
            session,
            job,
            event.generation,
            "Explained by rules" if event.source == "rules" else "Explained",
            {
                "enriched_notation_id": str(event.notation_id),
                "version": event.version,
                "enhancement_type": event.enhancement_type,
                "source": event.source,
            },
        )


async def seen(session: AsyncSession, event: StrokesDetected) -> None:
    """The hands are told, or it is told why not."""
    if not await first_time(session, event):
        return
    job = await _job_of(session, event)
    if job is not None:
        told = f"Hands told for {event.marked_count} of {event.stroke_count} strokes"
        await _completed(
            session,
            job,
            event.generation,
            told if event.usable else event.words or "No view in which hands can be told",
            {
                "analysis_id": str(event.analysis_id),
                "usable": event.usable,
                "reason": event.reason,
                "marked_count": event.marked_count,
                "stroke_count": event.stroke_count,
                "offset_s": event.offset_s,
            },
        )


async def unwritten(session: AsyncSession, event: NotationDeleted) -> None:
    """A score was deleted: jobs that led to it lead there no more."""
    if not await first_time(session, event):
        return
    rows = await session.scalars(
        select(ProcessingJob)
        .where(
            ProcessingJob.video_id == event.video_id,
            ProcessingJob.result["notation_id"].astext == str(event.notation_id),
        )
        .with_for_update()
    )
    for job in rows:
        await _changed(session, job, result={}, message="The score was deleted.")


async def failed(session: AsyncSession, event: WorkFailed) -> None:
    """A step ended without a result; the steps that waited for it are skipped."""
    if not await first_time(session, event):
        return
    job = await _job_of(session, event)
    if job is None or job.status not in OPEN or event.generation < job.generation:
        return
    await _changed(
        session,
        job,
        status="failed",
        error_code=event.code,
        error_message=event.message,
        retryable=event.retryable,
        finished_at=func.now(),
    )
    for later in await _waiting_for(session, job):
        if later.status in OPEN:
            await _changed(
                session,
                later,
                status="cancelled",
                error_code=SKIPPED,
                error_message=f"Skipped: the step before it ({job.job_type}) failed.",
                finished_at=func.now(),
            )
            if later.job_type in (JobType.ENRICHMENT, JobType.VISION):
                # It waits for a score or for hits by itself, which may come in another way.
                announce(
                    session,
                    JobCancelled(
                        video_id=later.video_id,
                        user_id=later.user_id,
                        job_id=later.id,
                        job_type=later.job_type,
                        generation=later.generation,
                    ),
                )
