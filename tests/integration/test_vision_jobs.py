"""Media's side of watching the hands: planned, skipped, told, and never in a score's way."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from libs.common.containers import MediaInfo
from libs.common.database import SessionMaker
from libs.common.errors import Invalid
from libs.common.events import (
    AudioWorkFailed,
    JobCancelled,
    JobRequested,
    NotationWorkFailed,
    StrokesDetected,
    VideoUploaded,
    VisionWorkAccepted,
    VisionWorkFailed,
    VisionWorkProgressed,
    VisionWorkStarted,
)
from libs.common.messaging.outbox import OutboxMessage
from libs.common.steps import JobType
from services.media import ingest, jobs
from services.media.ingest import Received
from services.media.models import ProcessingJob, Video
from services.media.uploads import watch_asked
from tests.conftest import SessionsOf

ALICE = uuid4()
STEPS = ["extraction", "onset", "notation", "vision"]


@pytest.fixture
def media(sessions: SessionsOf) -> SessionMaker:
    return sessions("media")


async def upload(
    sessions: SessionMaker,
    *,
    has_video: bool = True,
    process: bool = True,
    enhance: str | None = None,
    watch: bool = True,
) -> UUID:
    info = MediaInfo(
        duration_s=6.0,
        container="mp4",
        has_video=has_video,
        has_audio=True,
        width=640,
        height=360,
        frame_rate=30.0,
        video_codec="h264",
        audio_codec="aac",
    )
    received = Received(
        video_id=uuid4(),
        key="videos/a",
        filename="a.mp4",
        content_type="video/mp4",
        size_bytes=9,
        sha256="0" * 64,
        info=info,
    )
    async with sessions.begin() as session:
        video = await ingest.accept(
            session, ALICE, received, process=process, enhance=enhance, watch=watch
        )
        return video.id


async def jobs_of(sessions: SessionMaker, video_id: UUID) -> dict[str, ProcessingJob]:
    async with sessions() as session:
        return {job.job_type: job for job in await jobs.of_video(session, video_id)}


async def told(sessions: SessionMaker, kind: type[Any]) -> list[Any]:
    async with sessions() as session:
        rows = await session.scalars(
            select(OutboxMessage)
            .where(OutboxMessage.type == kind.type)
            .order_by(OutboxMessage.position)
        )
        return [kind.model_validate_json(row.body) for row in rows]


def about(job: ProcessingJob) -> dict[str, Any]:
    return {
        "video_id": job.video_id,
        "user_id": job.user_id,
        "job_id": job.id,
        "job_type": job.job_type,
        "generation": job.generation,
    }


def strokes(job: ProcessingJob, **other: Any) -> StrokesDetected:
    given: dict[str, Any] = {
        "analysis_id": uuid4(),
        "sight_key": "sight/a.json",
        "hits_key": "hits/a.json",
        "usable": True,
        "stroke_count": 230,
        "marked_count": 212,
        "offset_s": 0.084,
        "model_version": "eye-1",
    }
    return StrokesDetected(**about(job), **given | other)


async def statuses(sessions: SessionMaker, video_id: UUID) -> dict[str, str]:
    return {step: job.status for step, job in (await jobs_of(sessions, video_id)).items()}


async def fail(sessions: SessionMaker, kind: type[Any], job: ProcessingJob) -> None:
    async with sessions.begin() as session:
        await jobs.failed(session, kind(**about(job), code="broken", message="It is broken."))


@pytest.mark.parametrize(
    ("given", "planned"),
    [
        ({}, STEPS),
        ({"watch": False}, STEPS[:3]),
        ({"has_video": False}, STEPS[:3]),
        ({"process": False}, []),
        ({"enhance": "full_analysis"}, [*STEPS[:3], "enrichment", "vision"]),
    ],
)
async def test_the_hands_are_watched_where_there_is_a_picture_and_nobody_minds(
    media: SessionMaker, given: dict[str, Any], planned: list[str]
) -> None:
    video_id = await upload(media, **given)
    assert list(await jobs_of(media, video_id)) == planned
    [event] = await told(media, VideoUploaded)
    assert sorted(event.jobs) == sorted(planned)


async def test_told_hands_complete_the_job_in_words(media: SessionMaker) -> None:
    video_id = await upload(media)
    job = (await jobs_of(media, video_id))["vision"]
    async with media.begin() as session:
        await jobs.started(session, VisionWorkStarted(**about(job)))
        await jobs.progressed(
            session,
            VisionWorkProgressed(**about(job), fraction=0.5, message="Watching the hands"),
        )
    job = (await jobs_of(media, video_id))["vision"]
    assert (job.status, job.progress, job.message) == ("running", 0.5, "Watching the hands")
    event = strokes(job)
    for _ in range(2):
        async with media.begin() as session:
            await jobs.seen(session, event)
    job = (await jobs_of(media, video_id))["vision"]
    assert (job.status, job.message) == ("completed", "Hands told for 212 of 230 strokes")
    assert job.result == {
        "analysis_id": str(event.analysis_id),
        "usable": True,
        "reason": None,
        "marked_count": 212,
        "stroke_count": 230,
        "offset_s": 0.084,
    }


async def test_no_usable_view_completes_the_job_with_the_reasons_words(
    media: SessionMaker,
) -> None:
    video_id = await upload(media)
    job = (await jobs_of(media, video_id))["vision"]
    async with media.begin() as session:
        await jobs.seen(
            session,
            strokes(
                job, usable=False, reason="too-far", words="Too far away.", marked_count=0,
                offset_s=None,
            ),
        )  # fmt: skip
    job = (await jobs_of(media, video_id))["vision"]
    assert (job.status, job.message) == ("completed", "Too far away.")
    assert (job.result["usable"], job.result["reason"]) == (False, "too-far")


@pytest.mark.parametrize("step", ["extraction", "onset"])
async def test_where_nothing_is_heard_nobody_watches(media: SessionMaker, step: str) -> None:
    video_id = await upload(media)
    planned = await jobs_of(media, video_id)
    await fail(media, AudioWorkFailed, planned[step])
    job = (await jobs_of(media, video_id))["vision"]
    assert (job.status, job.error_code) == ("cancelled", "skipped")
    assert [event.job_id for event in await told(media, JobCancelled)] == [job.id]


async def test_a_score_that_fails_and_hands_that_fail_leave_each_other_alone(
    media: SessionMaker,
) -> None:
    video_id = await upload(media, enhance="full_analysis")
    planned = await jobs_of(media, video_id)
    await fail(media, NotationWorkFailed, planned["notation"])
    assert await statuses(media, video_id) == {
        "extraction": "pending",
        "onset": "pending",
        "notation": "failed",
        "enrichment": "cancelled",
        "vision": "pending",
    }
    await fail(media, VisionWorkFailed, planned["vision"])
    # The score's retry takes up what waited for it, and not the hands.
    async with media.begin() as session:
        await jobs.retry(session, await session.get_one(ProcessingJob, planned["notation"].id))
    [again] = await told(media, JobRequested)
    assert set(again.jobs) == {"notation", "enrichment"}
    async with media.begin() as session:
        await jobs.retry(session, await session.get_one(ProcessingJob, planned["vision"].id))
    [_, again] = await told(media, JobRequested)
    assert (again.job_type, again.generation, set(again.jobs)) == ("vision", 2, {"vision"})


async def test_a_cancelled_score_goes_on_being_watched_and_a_cancelled_hearing_does_not(
    media: SessionMaker,
) -> None:
    video_id = await upload(media)
    planned = await jobs_of(media, video_id)
    async with media.begin() as session:
        await jobs.cancel(session, await session.get_one(ProcessingJob, planned["notation"].id))
    assert (await statuses(media, video_id))["vision"] == "pending"
    async with media.begin() as session:
        await jobs.cancel(session, await session.get_one(ProcessingJob, planned["onset"].id))
    assert (await statuses(media, video_id))["vision"] == "cancelled"
    async with media.begin() as session:
        await jobs.retry(session, await session.get_one(ProcessingJob, planned["onset"].id))
    [again] = await told(media, JobRequested)
    assert set(again.jobs) == {"onset", "notation", "vision"}


async def test_a_score_without_hands_is_ready(media: SessionMaker) -> None:
    video_id = await upload(media)
    planned = await jobs_of(media, video_id)
    async with media.begin() as session:
        for step in STEPS[:3]:
            job = await session.get_one(ProcessingJob, planned[step].id)
            job.status, job.progress = "completed", 1.0
    await fail(media, VisionWorkFailed, planned["vision"])
    async with media() as session:
        told_of = await jobs.summaries(session, [video_id])
    assert (told_of[video_id].status, told_of[video_id].progress) == ("ready", 1.0)


@pytest.mark.parametrize(
    ("step", "watch", "planned"),
    [
        (JobType.ONSET, True, {"onset", "notation", "vision"}),
        (JobType.EXTRACTION, True, {"extraction", "onset", "notation", "vision"}),
        (JobType.ONSET, False, {"onset", "notation"}),
        (JobType.NOTATION, True, {"notation"}),
        (JobType.VISION, True, {"vision"}),
    ],
)
async def test_what_is_heard_anew_is_watched_anew(
    media: SessionMaker, step: JobType, watch: bool, planned: set[str]
) -> None:
    video_id = await upload(media, process=False)
    async with media.begin() as session:
        video = await session.get_one(Video, video_id)
        await jobs.request(session, video, step, {}, follow=True, watch=watch)
    [event] = await told(media, JobRequested)
    assert set(event.jobs) == planned


async def test_a_look_that_vision_took_on_itself_is_shown_as_a_job(media: SessionMaker) -> None:
    video_id = await upload(media, process=False)
    job_id = uuid4()
    event = VisionWorkAccepted(
        video_id=video_id,
        user_id=ALICE,
        job_id=job_id,
        job_type="vision",
        options={"mirrored": True},
    )
    async with media.begin() as session:
        await jobs.accepted(session, event)
    job = (await jobs_of(media, video_id))["vision"]
    assert (job.id, job.status, job.options) == (job_id, "pending", {"mirrored": True})


def test_a_resumable_upload_says_whether_it_is_watched() -> None:
    assert [watch_asked({"watch": given}) for given in ("true", " FALSE ", "")] == [
        True,
        False,
        None,
    ]
    assert watch_asked({}) is None
    assert watch_asked({"watch": "true", "process": "false"}) is None
    with pytest.raises(Invalid):
        watch_asked({"watch": "maybe"})
