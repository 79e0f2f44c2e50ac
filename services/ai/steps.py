"""Explaining as a step of the pipeline, or as a job of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import work
from libs.common.database import SessionMaker
from libs.common.errors import Invalid, NotFound, Unavailable
from libs.common.events import (
    AiWorkFailed,
    JobCancelled,
    JobRequested,
    NotationEnriched,
    PartPublished,
    VideoUploaded,
)
from libs.common.messaging import announce, first_time
from libs.common.messaging.event import utc_now
from libs.common.steps import EnrichmentOptions, JobType, read_options
from libs.common.teaching import EnhancementType
from libs.common.work import Control, Finish, Refused, WorkItem
from services.ai import known
from services.ai.models import KnownScore, Wanted
from services.ai.scholar import BUSY
from services.ai.teach import Said, Teacher

KIND = "enrichment"
SCORE_MAY_COME_WITHIN = timedelta(seconds=30)
JOB_WAIT_S = 600.0
"""For the model: nobody waits for a job with a hand on the phone."""


class NoScoreYet(Exception):
    """The request overtook the score that it is about; delivered again, it will find it."""


async def uploaded(session: AsyncSession, event: VideoUploaded) -> None:
    """Where the pipeline is to end with an explanation, wait for the score."""
    job_id = event.jobs.get(JobType.ENRICHMENT)
    if job_id is None or not await first_time(session, event):
        return
    kind = EnhancementType(event.enhance or EnhancementType.FULL_ANALYSIS)
    await _one_at_a_time(session, event.video_id)
    score = await _newest(session, event.video_id, event.user_id)
    if score is not None:
        # Its score overtook this.
        ids = (event.video_id, event.user_id, job_id)
        await _submit(session, score.notation_id, *ids, 1, kind)
        return
    await _want(session, event.video_id, event.user_id, job_id, 1, kind)


async def _one_at_a_time(session: AsyncSession, video_id: UUID) -> None:
    """Who wants a video's score and who brings it see each other."""
    await session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:video, 2))"), {"video": str(video_id)}
    )


async def _newest(
    session: AsyncSession, video_id: UUID, user_id: UUID, since: datetime | None = None
) -> KnownScore | None:
    rows = select(KnownScore).where(
        KnownScore.video_id == video_id,
        KnownScore.user_id == user_id,
        KnownScore.removed_at.is_(None),
    )
    if since is not None:
        rows = rows.where(KnownScore.created_at >= since)
    found: KnownScore | None = await session.scalar(
        rows.order_by(KnownScore.created_at.desc(), KnownScore.notation_id).limit(1)
    )
    return found


async def _want(
    session: AsyncSession,
    video_id: UUID,
    user_id: UUID,
    job_id: UUID,
    generation: int,
    kind: EnhancementType,
) -> None:
    values = {"generation": generation, "enhancement_type": kind.value}
    await session.execute(
        insert(Wanted)
        .values(job_id=job_id, video_id=video_id, user_id=user_id, **values)
        .on_conflict_do_update(
            index_elements=[Wanted.job_id],
            set_=values,
            # The upload itself may be told of after a retry.
            where=Wanted.generation < generation,
        )
    )


async def published(session: AsyncSession, event: PartPublished) -> None:
    """A score is there, or has changed; whoever waited for a new one has it explained now."""
    if not await first_time(session, event):
        return
    if event.video_id is not None:
        await _one_at_a_time(session, event.video_id)
    new = await known.published(session, event)
    if event.video_id is None or not new:
        return
    wanted = await session.scalars(
        delete(Wanted)
        .where(Wanted.video_id == event.video_id, Wanted.user_id == event.user_id)
        .returning(Wanted)
    )
    for one in wanted.all():
        await _submit(
            session,
            event.notation_id,
            one.video_id,
            one.user_id,
            one.job_id,
            one.generation,
            EnhancementType(one.enhancement_type),
        )


async def _submit(
    session: AsyncSession,
    notation_id: UUID,
    video_id: UUID,
    user_id: UUID,
    job_id: UUID,
    generation: int,
    kind: EnhancementType,
) -> None:
    await work.submit(
        session,
        job_id=job_id,
        kind=KIND,
        video_id=video_id,
        user_id=user_id,
        params={
            "job_type": JobType.ENRICHMENT.value,
            "notation_id": str(notation_id),
            "enhancement_type": kind.value,
        },
        # Every job has its own answer: what was said before is found in the cache.
        dedupe_key=f"{job_id}/{generation}",
        generation=generation,
    )


async def requested(session: AsyncSession, event: JobRequested) -> None:
    """Explain a video's newest score; where the pipeline goes on to it, once that is written."""
    later = event.jobs.get(JobType.ENRICHMENT)
    if event.job_type != JobType.ENRICHMENT:
        if later is not None and await first_time(session, event):
            kind = EnhancementType(event.enhance or EnhancementType.FULL_ANALYSIS)
            await _one_at_a_time(session, event.video_id)
            ids = (event.video_id, event.user_id, later, event.generation, kind)
            written = await _newest(session, event.video_id, event.user_id, event.occurred_at)
            if written is not None:
                await _submit(session, written.notation_id, *ids)
            else:
                await _want(session, *ids)
        return
    try:
        options = EnrichmentOptions.model_validate(
            read_options(JobType.ENRICHMENT, event.options, "options")
        )
    except Invalid as error:
        await _refuse(session, event, error.code, error.detail, retryable=False)
        return
    score = await _newest(session, event.video_id, event.user_id)
    if score is None:
        if utc_now() - event.occurred_at < SCORE_MAY_COME_WITHIN:
            raise NoScoreYet
        await _refuse(
            session,
            event,
            "not-written",
            "There is no score of this video yet. Have it written first.",
            retryable=True,
        )
        return
    if await first_time(session, event):
        await _submit(
            session,
            score.notation_id,
            event.video_id,
            event.user_id,
            event.job_id,
            event.generation,
            options.enhancement_type,
        )


async def _refuse(
    session: AsyncSession, event: JobRequested, code: str, why: str, *, retryable: bool
) -> None:
    if await first_time(session, event):
        announce(
            session,
            AiWorkFailed(
                video_id=event.video_id,
                user_id=event.user_id,
                job_id=event.job_id,
                job_type=event.job_type,
                generation=event.generation,
                code=code,
                message=why,
                retryable=retryable,
            ),
        )


async def cancelled(session: AsyncSession, event: JobCancelled) -> None:
    """It is no longer wanted, waiting or begun."""
    if event.job_type == JobType.ENRICHMENT and await first_time(session, event):
        await session.execute(
            delete(Wanted).where(
                Wanted.job_id == event.job_id, Wanted.generation <= event.generation
            )
        )
        await work.cancel(
            session,
            job_id=event.job_id,
            kind=KIND,
            video_id=event.video_id,
            user_id=event.user_id,
            generation=event.generation,
        )


class Enricher:
    """Does the jobs."""

    def __init__(self, sessions: SessionMaker, teacher: Teacher) -> None:
        self._sessions = sessions
        self._teacher = teacher

    async def enrich(self, item: WorkItem, control: Control) -> Finish:
        """Explain the score of a work item. Whose roles nobody knows here has a user's budget."""
        async with self._sessions() as session:
            score = await session.get(KnownScore, UUID(item.params["notation_id"]))
        if score is None or score.removed_at is not None:
            raise Refused("score-deleted", "The score was deleted.")
        kind = EnhancementType(item.params["enhancement_type"])
        said = await self._unless_cancelled(
            self._teacher.explain(score, kind, frozenset(), wait_s=JOB_WAIT_S), control
        )

        async def finish(session: AsyncSession) -> None:
            announce(
                session,
                NotationEnriched(
                    notation_id=score.notation_id,
                    user_id=score.user_id,
                    version=score.version,
                    enhancement_type=kind.value,
                    source=said.row.source,
                    video_id=item.video_id,
                    job_id=item.id,
                    generation=item.generation,
                ),
            )

        return finish

    async def _unless_cancelled(
        self, explaining: Coroutine[Any, Any, Said], control: Control
    ) -> Said:
        """What is said; Cancelled at once where nobody wants it any more. What cannot be explained
        is an answer, and not tried again."""
        said = asyncio.ensure_future(explaining)
        stopped = asyncio.ensure_future(control.cancelled.wait())
        try:
            await asyncio.wait({said, stopped}, return_when=asyncio.FIRST_COMPLETED)
            control.check()
            return said.result()
        except Unavailable as problem:
            if problem.code == BUSY:
                raise  # The worker tries again later.
            raise Refused(problem.code, problem.detail, retryable=True) from problem
        except NotFound as problem:
            raise Refused("score-deleted", "The score was deleted.") from problem
        finally:
            for task in (said, stopped):
                task.cancel()
            await asyncio.gather(said, stopped, return_exceptions=True)
