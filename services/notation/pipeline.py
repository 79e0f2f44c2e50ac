"""What notation does with what it hears: scores of the pipeline, deletions."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import work
from libs.common.database import SessionMaker
from libs.common.errors import Invalid
from libs.common.events import (
    EventsDetected,
    JobCancelled,
    JobRequested,
    NotationWorkFailed,
    UserDeleted,
    VideoDeleted,
    VideoUploaded,
)
from libs.common.messaging import announce, first_time
from libs.common.messaging.event import utc_now
from libs.common.offload import ChildDied, TookTooLong
from libs.common.steps import JobType, NotationOptions, read_options, step_id
from libs.common.storage import MissingObject, Storage
from services.notation import fusion, kits
from services.notation.domain.score import ScoreError
from services.notation.models import Heard, KnownVideo, Look, Notation
from services.notation.scores import create, remove, tell_created
from services.notation.scribe import Scribe

HITS_MAY_COME_WITHIN = timedelta(seconds=30)


class NotHeardYet(Exception):
    """The request overtook the hits that it is about; delivered again, it will find them."""


async def latest_heard(session: AsyncSession, video_id: UUID) -> Heard | None:
    """What audio found last in a video."""
    return await session.scalar(
        select(Heard)
        .where(Heard.video_id == video_id)
        .order_by(Heard.created_at.desc(), Heard.id)
        .limit(1)
    )


async def own_video(session: AsyncSession, user_id: UUID, video_id: UUID) -> KnownVideo | None:
    """One's own live video."""
    video = await session.get(KnownVideo, video_id)
    if video is None or video.user_id != user_id or video.deleted_at is not None:
        return None
    return video


async def uploaded(session: AsyncSession, event: VideoUploaded) -> None:
    """Keep whose the video is."""
    if await first_time(session, event):
        await session.execute(
            insert(KnownVideo)
            .values(video_id=event.video_id, user_id=event.user_id)
            .on_conflict_do_nothing()
        )


async def heard(
    sessions: SessionMaker, storage: Storage, scribe: Scribe, event: EventsDetected
) -> None:
    """Keep where the hits lie; in the pipeline, write the score."""
    job_id = event.jobs.get(JobType.NOTATION)
    async with sessions.begin() as session:
        # Every delivery may do this; the inbox is signed with the score.
        await session.execute(
            insert(Heard)
            .values(
                id=event.event_id,
                video_id=event.video_id,
                user_id=event.user_id,
                audio_id=event.audio_id,
                hits_key=event.hits_key,
                title=event.title,
            )
            .on_conflict_do_nothing()
        )
    if job_id is not None:
        await _write_for_job(
            sessions, storage, scribe, event, job_id, NotationOptions(), event.hits_key, event.title
        )


async def requested(
    sessions: SessionMaker, storage: Storage, scribe: Scribe, event: JobRequested
) -> None:
    """A score is asked for, for the first time or again."""
    if event.job_type != JobType.NOTATION:
        return
    async with sessions() as session:
        last = await latest_heard(session, event.video_id)
    try:
        options = NotationOptions.model_validate(
            read_options(JobType.NOTATION, event.options, "options")
        )
    except Invalid as error:
        await _fail(sessions, event, event.job_id, error.code, error.detail)
        return
    if last is None:
        if utc_now() - event.occurred_at < HITS_MAY_COME_WITHIN:
            raise NotHeardYet
        await _fail(
            sessions,
            event,
            event.job_id,
            "not-analysed",
            "Nothing has been heard in this video yet. Do the detection first.",
        )
        return
    await _write_for_job(
        sessions, storage, scribe, event, event.job_id, options, last.hits_key, last.title
    )


async def _write_for_job(
    sessions: SessionMaker,
    storage: Storage,
    scribe: Scribe,
    event: EventsDetected | JobRequested,
    job_id: UUID,
    options: NotationOptions,
    hits_key: str,
    title: str,
) -> None:
    try:
        performance = await storage.read(hits_key)
        seen = await fusion.newest(sessions, storage, event.video_id, hits_key)
        sight = seen.sight if seen else None
        document = await scribe.write(performance, options, title, sight)
    except ScoreError as error:
        await _fail(sessions, event, job_id, error.field, f"No score can be written: {error}")
        return
    except MissingObject:
        async with sessions() as session:
            video = await session.get(KnownVideo, event.video_id)
        if video is not None and video.deleted_at is not None:
            return
        raise
    except TookTooLong:
        await _fail(
            sessions,
            event,
            job_id,
            "took-too-long",
            "Writing this score took longer than the time limit. Cut the recording.",
        )
        return
    except ChildDied:
        await _fail(
            sessions,
            event,
            job_id,
            "worker-crashed",
            "The writing of this score crashed. Try again; if it stays, cut the recording.",
            retryable=True,
        )
        return
    look_id = seen.look_id if seen else None
    await _keep_for_job(sessions, event, job_id, options, document, hits_key, look_id)


async def _keep_for_job(
    sessions: SessionMaker,
    event: EventsDetected | JobRequested,
    job_id: UUID,
    options: NotationOptions,
    document: bytes,
    hits_key: str,
    look_id: UUID | None,
) -> None:
    async with sessions.begin() as session:
        if not await first_time(session, event):
            return
        video = await session.get(KnownVideo, event.video_id, with_for_update=True)
        gone = video is not None and video.deleted_at is not None
        if gone or await work.was_cancelled(session, job_id, event.generation):
            return
        notation_id = step_id("notation", job_id)
        written = await session.get(Notation, notation_id)
        if written is not None:
            # An earlier generation of the job got here before its cancellation did.
            tell_created(session, written, job_id, event.generation)
            return
        await create(
            session,
            notation_id=notation_id,
            user_id=event.user_id,
            video_id=event.video_id,
            job_id=job_id,
            generation=event.generation,
            document=document,
            options=options.chosen(),
            change="Written from the recording",
            hits_key=hits_key,
            look_id=look_id,
        )


async def _fail(
    sessions: SessionMaker,
    event: EventsDetected | JobRequested,
    job_id: UUID,
    code: str,
    why: str,
    *,
    retryable: bool = False,
) -> None:
    async with sessions.begin() as session:
        if await first_time(session, event):
            announce(
                session,
                NotationWorkFailed(
                    video_id=event.video_id,
                    user_id=event.user_id,
                    job_id=job_id,
                    job_type=JobType.NOTATION,
                    generation=event.generation,
                    code=code,
                    message=why,
                    retryable=retryable,
                ),
            )


async def cancelled(session: AsyncSession, event: JobCancelled) -> None:
    """The score is no longer wanted; its hits may still be on their way."""
    if event.job_type == JobType.NOTATION and await first_time(session, event):
        await work.cancel(
            session,
            job_id=event.job_id,
            kind="notation",
            video_id=event.video_id,
            user_id=event.user_id,
            generation=event.generation,
        )


async def video_deleted(session: AsyncSession, event: VideoDeleted) -> None:
    """Forget the video and the scores written from it."""
    if not await first_time(session, event):
        return
    await session.execute(
        insert(KnownVideo)
        .values(video_id=event.video_id, user_id=event.user_id, deleted_at=func.now())
        .on_conflict_do_update(
            index_elements=[KnownVideo.video_id], set_={"deleted_at": func.now()}
        )
    )
    await session.execute(delete(Heard).where(Heard.video_id == event.video_id))
    await session.execute(delete(Look).where(Look.video_id == event.video_id))
    await work.forget_video(session, event.video_id)
    rows = await session.scalars(select(Notation).where(Notation.video_id == event.video_id))
    for notation in rows.all():
        await remove(session, notation)


async def user_deleted(session: AsyncSession, event: UserDeleted) -> None:
    """Forget a user's scores and kits."""
    if await first_time(session, event):
        rows = await session.scalars(select(Notation).where(Notation.user_id == event.user_id))
        for notation in rows.all():
            await remove(session, notation)
        await kits.forget(session, event.user_id)
