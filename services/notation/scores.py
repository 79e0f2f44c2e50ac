"""Scores: written from hits, found, edited in versions, deleted."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

from libs.common import work
from libs.common.database import SessionMaker
from libs.common.errors import Invalid, NotFound, PreconditionFailed, Unavailable
from libs.common.events import (
    EventsDetected,
    JobCancelled,
    JobRequested,
    NotationCreated,
    NotationDeleted,
    NotationRevised,
    NotationWorkFailed,
    UserDeleted,
    VideoDeleted,
    VideoUploaded,
)
from libs.common.messaging import announce, first_time
from libs.common.messaging.event import utc_now
from libs.common.offload import ChildDied, Offload, TookTooLong
from libs.common.paging import page_of
from libs.common.steps import JobType, NotationOptions, read_options, step_id
from libs.common.storage import MissingObject, Storage
from services.notation import writing
from services.notation.domain.quantise import Options
from services.notation.domain.score import ScoreDocument, ScoreError
from services.notation.domain.stats import summary
from services.notation.models import Heard, KnownVideo, Notation, NotationVersion
from services.notation.settings import NotationSettings

HITS_MAY_COME_WITHIN = timedelta(seconds=30)


class NotHeardYet(Exception):
    """The request overtook the hits that it is about; delivered again, it will find them."""


class Scribe:
    """Writes and draws scores in child processes, one for each, so that a long drawing does
    not hold up the pipeline."""

    def __init__(self, settings: NotationSettings) -> None:
        self.settings = settings
        self.writer = Offload()
        self.drawer = Offload()

    async def write(self, performance: bytes, options: NotationOptions, title: str) -> bytes:
        """A score document; ScoreError when there is nothing to write."""
        return await self.writer.run(
            writing.write_score,
            performance,
            Options(
                title=(options.title or title)[:200],
                tempo_bpm=options.tempo,
                time_signature=options.time_signature,
                grid=options.grid,
            ),
            timeout_s=self.settings.time_limit_s,
        )

    async def export(self, document: bytes, kind: str, options: dict[str, Any]) -> Any:
        """A file made of a score."""
        try:
            return await self.drawer.run(
                writing.make_export,
                document,
                kind,
                options,
                timeout_s=self.settings.time_limit_s,
            )
        except (TookTooLong, ChildDied) as error:
            raise Unavailable(
                "Making this file took too long. Try MusicXML or MIDI, which are quicker.",
                headers={"Retry-After": "10"},
            ) from error

    async def close(self) -> None:
        """End the child processes."""
        self.writer.kill()
        self.drawer.kill()


def invalid(error: ScoreError, prefix: str = "body") -> Invalid:
    """A broken rule of scores, as a problem."""
    return Invalid(error.message, code="invalid-score", field=f"{prefix}.{error.field}")


def _facts(document: ScoreDocument) -> dict[str, Any]:
    """The columns that a document fills."""
    found = summary(document)
    marks = document.timeline.tempo_map
    return {
        "title": document.score.title,
        "tempo": round(marks[0].quarters_per_minute) if marks else None,
        "time_signature": found.meter,
        "bar_count": found.bars,
        "note_count": found.notes,
        "notation_json": document.to_dict(),
    }


async def create(
    session: AsyncSession,
    *,
    notation_id: UUID,
    user_id: UUID,
    video_id: UUID | None,
    job_id: UUID | None,
    generation: int = 1,
    document: bytes,
    options: dict[str, Any],
    change: str,
) -> Notation:
    """Keep a new score as version 1, and tell."""
    read = ScoreDocument.from_json(document)
    notation = Notation(
        id=notation_id,
        video_id=video_id,
        user_id=user_id,
        options=options,
        version=1,
        **_facts(read),
    )
    session.add(notation)
    await session.flush()
    _keep_version(session, notation, user_id, change)
    _tell_created(session, notation, job_id, generation)
    await session.flush()
    await session.refresh(notation)
    return notation


def _tell_created(
    session: AsyncSession, notation: Notation, job_id: UUID | None, generation: int
) -> None:
    if notation.video_id is not None:
        announce(
            session,
            NotationCreated(
                video_id=notation.video_id,
                user_id=notation.user_id,
                notation_id=notation.id,
                job_id=job_id,
                generation=generation,
                tempo=notation.tempo,
                time_signature=notation.time_signature or "4/4",
                bar_count=notation.bar_count,
                note_count=notation.note_count,
            ),
        )


def _keep_version(session: AsyncSession, notation: Notation, user_id: UUID, change: str) -> None:
    session.add(
        NotationVersion(
            notation_id=notation.id,
            version=notation.version,
            title=notation.title,
            notation_json=notation.notation_json,
            changed_by=user_id,
            change=change,
        )
    )


async def get(
    session: AsyncSession, user_id: UUID, notation_id: UUID, *, lock: bool = False
) -> Notation:
    """One's own score with its document, or NotFound."""
    rows = (
        select(Notation)
        .where(Notation.id == notation_id, Notation.user_id == user_id)
        .options(undefer(Notation.notation_json))
    )
    notation = await session.scalar(rows.with_for_update() if lock else rows)
    if notation is None:
        raise NotFound("There is no such notation.", code="notation-not-found")
    return notation


async def page(
    session: AsyncSession, user_id: UUID, video_id: UUID | None, limit: int, cursor: str | None
) -> tuple[list[Notation], str | None]:
    """One's own scores, newest first."""
    rows = select(Notation).where(Notation.user_id == user_id)
    if video_id is not None:
        rows = rows.where(Notation.video_id == video_id)
    return await page_of(
        session, rows, Notation.created_at, Notation.id, limit=limit, cursor=cursor
    )


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


async def replace(
    session: AsyncSession,
    user_id: UUID,
    notation: Notation,
    expected_version: int,
    document: ScoreDocument,
    change: str,
) -> Notation:
    """A new version; PreconditionFailed when another has come since the one that was read."""
    check_version(notation, expected_version)
    for name, value in _facts(document).items():
        setattr(notation, name, value)
    notation.version += 1
    now = await session.scalar(select(func.clock_timestamp()))
    assert now is not None
    notation.updated_at = now
    _keep_version(session, notation, user_id, change)
    if notation.video_id is not None:
        announce(
            session,
            NotationRevised(
                video_id=notation.video_id,
                user_id=user_id,
                notation_id=notation.id,
                version=notation.version,
            ),
        )
    await session.flush()
    return notation


def check_version(notation: Notation, expected_version: int) -> None:
    """PreconditionFailed unless the score still has the version that the caller has read."""
    if notation.version != expected_version:
        raise PreconditionFailed(
            f"The notation is at version {notation.version} by now, yours is {expected_version}. "
            "Read it again, and make your change on that.",
            headers={"ETag": f'"{notation.version}"'},
            current_version=notation.version,
        )


async def requantise(
    scribe: Scribe, document: ScoreDocument, options: NotationOptions
) -> ScoreDocument:
    """The score's own performance, written anew."""
    performance = writing.performance_in(document).to_json()
    try:
        written = await scribe.write(performance, options, document.score.title)
    except (TookTooLong, ChildDied) as error:
        raise Unavailable("Writing this score anew took too long.") from error
    return ScoreDocument.from_json(written)


async def remove(session: AsyncSession, notation: Notation) -> None:
    """Delete a score with its versions."""
    await session.delete(notation)
    _tell_deleted(session, notation)


def _tell_deleted(session: AsyncSession, notation: Notation) -> None:
    if notation.video_id is not None:
        announce(
            session,
            NotationDeleted(
                video_id=notation.video_id,
                user_id=notation.user_id,
                notation_id=notation.id,
                version=notation.version,
            ),
        )


async def versions(session: AsyncSession, notation: Notation) -> list[NotationVersion]:
    """All versions, newest first, without their documents."""
    rows = await session.scalars(
        select(NotationVersion)
        .where(NotationVersion.notation_id == notation.id)
        .order_by(NotationVersion.version.desc())
    )
    return list(rows)


async def version(session: AsyncSession, notation: Notation, number: int) -> NotationVersion:
    """One version with its document, or NotFound."""
    found = await session.scalar(
        select(NotationVersion)
        .where(NotationVersion.notation_id == notation.id, NotationVersion.version == number)
        .options(undefer(NotationVersion.notation_json))
    )
    if found is None:
        raise NotFound("There is no such version.", code="version-not-found")
    return found


async def overview(session: AsyncSession, user_id: UUID) -> dict[str, Any]:
    """Counts over one's own scores."""
    row = (
        await session.execute(
            select(
                func.count(),
                func.coalesce(func.sum(Notation.bar_count), 0),
                func.coalesce(func.sum(Notation.note_count), 0),
                func.avg(Notation.tempo),
                func.min(Notation.tempo),
                func.max(Notation.tempo),
                func.count(func.distinct(Notation.video_id)),
                func.max(Notation.updated_at),
            ).where(Notation.user_id == user_id)
        )
    ).one()
    meters = await session.execute(
        select(Notation.time_signature, func.count())
        .where(Notation.user_id == user_id)
        .group_by(Notation.time_signature)
        .order_by(func.count().desc(), Notation.time_signature)
    )
    return {
        "notations": row[0],
        "videos": row[6],
        "bars": row[1],
        "notes": row[2],
        "mean_tempo": None if row[3] is None else round(float(row[3]), 1),
        "slowest_tempo": row[4],
        "fastest_tempo": row[5],
        "time_signatures": {str(meter): count for meter, count in meters},
        "last_change": row[7],
    }


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
        document = await scribe.write(await storage.read(hits_key), options, title)
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
    await _keep_for_job(sessions, event, job_id, options, document)


async def _keep_for_job(
    sessions: SessionMaker,
    event: EventsDetected | JobRequested,
    job_id: UUID,
    options: NotationOptions,
    document: bytes,
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
            _tell_created(session, written, job_id, event.generation)
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
    await work.forget_video(session, event.video_id)
    rows = await session.scalars(select(Notation).where(Notation.video_id == event.video_id))
    for notation in rows.all():
        await remove(session, notation)


async def user_deleted(session: AsyncSession, event: UserDeleted) -> None:
    """Forget a user's scores."""
    if await first_time(session, event):
        rows = await session.scalars(select(Notation).where(Notation.user_id == event.user_id))
        for notation in rows.all():
            await remove(session, notation)


async def written(
    scribe: Scribe, performance: bytes, title: str, options: NotationOptions
) -> bytes:
    """A score's document, at once, from given hits."""
    try:
        return await scribe.write(performance, options, title)
    except ScoreError as error:
        raise invalid(error) from error
    except (TookTooLong, ChildDied) as error:
        raise Unavailable("Writing this score took too long. Send fewer events.") from error


def as_bytes(notation: Notation | NotationVersion) -> bytes:
    """A kept document, for the worker process."""
    return json.dumps(notation.notation_json).encode()
