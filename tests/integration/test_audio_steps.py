"""Audio's steps where events and tries come in an order that nobody wished for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from libs.common.database import SessionMaker
from libs.common.events import JobRequested, VideoDeleted, VideoUploaded
from libs.common.messaging.inbox import InboxMessage
from libs.common.messaging.transport import Transport
from libs.common.steps import ExtractionOptions
from libs.common.storage import Storage
from libs.common.work import Control, WorkItem
from services.audio import steps
from services.audio.models import Sound, Source
from services.audio.settings import AudioSettings
from services.audio.transcribe import Transcriber
from tests.conftest import SessionsOf

ALICE = uuid4()


@pytest.fixture
def audio(sessions: SessionsOf) -> SessionMaker:
    return sessions("audio")


@pytest.fixture
def settings(storage_folder: Path) -> AudioSettings:
    return AudioSettings(
        database_url="postgresql://",
        broker_url="amqp://",
        storage_url=str(storage_folder),
        jwks_url="http://",
    )


def wanted(video_id: UUID) -> JobRequested:
    return JobRequested(video_id=video_id, user_id=ALICE, job_id=uuid4(), job_type=steps.EXTRACTION)


async def works(sessions: SessionMaker, video_id: UUID) -> list[UUID]:
    async with sessions() as session:
        rows = await session.scalars(select(WorkItem.id).where(WorkItem.video_id == video_id))
        return list(rows)


async def test_a_step_asked_for_before_its_video_was_told_of_is_done_once_it_was(
    audio: SessionMaker, settings: AudioSettings
) -> None:
    video_id = uuid4()
    asked = wanted(video_id)
    with pytest.raises(steps.NotToldYet):
        async with audio.begin() as session:
            await steps.requested(session, asked, settings)
    told = VideoUploaded(
        video_id=video_id, user_id=ALICE, filename="a.mp4", storage_key="videos/a", size_bytes=1
    )
    async with audio.begin() as session:
        await steps.uploaded(session, told)
    async with audio.begin() as session:
        await steps.requested(session, asked, settings)
    assert await works(audio, video_id) == [asked.job_id]


async def test_a_step_asked_for_on_a_deleted_video_is_dropped(
    audio: SessionMaker, settings: AudioSettings, storage: Storage
) -> None:
    video_id = uuid4()
    asked = wanted(video_id)
    await steps.deleted(audio, storage, VideoDeleted(video_id=video_id, user_id=ALICE))
    async with audio.begin() as session:
        await steps.requested(session, asked, settings)
    assert await works(audio, video_id) == []
    async with audio() as session:
        assert await session.get(InboxMessage, (asked.event_id, "")) is not None


class Still(Transcriber):
    """Extracts without listening."""

    async def _in_child(
        self,
        item: WorkItem,
        control: Control,
        message: str,
        function: Callable[..., Any],
        *args: Any,
    ) -> Any:
        target: Path = args[2]
        target.write_bytes(b"fLaC")
        return SimpleNamespace(
            sample_rate=44_100, channels=1, duration_s=1.0, peak=0.5, decode_errors=0
        )


async def test_a_try_that_does_not_count_takes_nothing_of_the_one_that_does(
    audio: SessionMaker, settings: AudioSettings, storage: Storage
) -> None:
    transcriber = Still(settings, storage, cast(Transport, None))
    source = Source(video_id=uuid4(), user_id=ALICE, storage_key="videos/a", filename="a.mp4")
    async with audio.begin() as session:
        item, _ = await steps.submit_extraction(
            session, source, ExtractionOptions(), job_id=uuid4(), jobs={}
        )
    late = Control()
    await transcriber.extract(item, late)
    finish = await transcriber.extract(item, Control())
    async with audio.begin() as session:
        await finish(session)
    for discard in late.discard:
        await discard()
    async with audio() as session:
        [sound] = (await session.scalars(select(Sound))).all()
    assert await storage.read(sound.audio_key) == b"fLaC"
    assert await storage.keys("audio") == [sound.audio_key]
