"""Stems and enhanced copies: what is asked for by events, done in a worker process, and kept."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import numpy as np
import pytest
import soundfile
from sqlalchemy import select

from libs.common.database import SessionMaker
from libs.common.errors import Conflict
from libs.common.events import (
    AudioEnhanced,
    AudioWorkFailed,
    JobCancelled,
    JobRequested,
    StemsSeparated,
    VideoDeleted,
)
from libs.common.messaging.outbox import OutboxMessage
from libs.common.messaging.transport import Transport
from libs.common.settings import SettingsProblem
from libs.common.steps import HearingOptions, JobType, SeparationOptions
from libs.common.storage import Storage
from libs.common.work import Cancelled, Control, Refused, WorkItem
from services.audio import stems, steps
from services.audio.models import Enhancement, Sound, Stem
from services.audio.settings import AudioSettings
from services.audio.transcribe import Transcriber
from services.audio.wiring import check_demucs
from tests.conftest import SessionsOf
from tests.demucs_weights import SOURCES, make_checkpoint
from tests.synth import SAMPLE_RATE, groove

ALICE = uuid4()


class Quiet:
    """A transport that only keeps how far work said it was."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    async def publish_transient(self, message: Any) -> None:
        self.told.append(message)


@pytest.fixture
def audio(sessions: SessionsOf) -> SessionMaker:
    return sessions("audio")


def settings_with(storage_folder: Path, **values: Any) -> AudioSettings:
    return AudioSettings(
        database_url="postgresql://",
        broker_url="amqp://",
        storage_url=str(storage_folder),
        jwks_url="http://",
        **values,
    )


@pytest.fixture
def plain(storage_folder: Path) -> AudioSettings:
    """Without weights."""
    return settings_with(storage_folder)


@pytest.fixture
def weighted(storage_folder: Path, tmp_path: Path) -> AudioSettings:
    """With weights by chance."""
    weights = make_checkpoint(tmp_path / "tiny.th")
    return settings_with(storage_folder, demucs_weights=str(weights))


@pytest.fixture
async def sound(audio: SessionMaker, storage: Storage) -> Sound:
    """Two bars, extracted."""
    samples, _ = groove(bars=1)
    data = io.BytesIO()
    soundfile.write(data, samples * 0.5, SAMPLE_RATE, format="FLAC")
    video_id = uuid4()
    one = Sound(
        id=uuid4(),
        video_id=video_id,
        user_id=ALICE,
        title="one bar",
        audio_key=f"audio/{video_id}/a.flac",
        options={},
        sample_rate=SAMPLE_RATE,
        channels=1,
        duration_s=len(samples) / SAMPLE_RATE,
        peak=0.45,
        decode_errors=0,
    )
    await storage.write(one.audio_key, data.getvalue())
    async with audio.begin() as session:
        session.add(one)
    return one


def wanted(sound: Sound, job_type: JobType, generation: int = 1, **options: Any) -> JobRequested:
    return JobRequested(
        video_id=sound.video_id,
        user_id=ALICE,
        job_id=uuid4(),
        job_type=job_type,
        generation=generation,
        options=options,
    )


async def ask(sessions: SessionMaker, asked: JobRequested, settings: AudioSettings) -> None:
    async with sessions.begin() as session:
        await steps.requested(session, asked, settings)


async def item_of(sessions: SessionMaker, asked: JobRequested) -> WorkItem:
    async with sessions() as session:
        return await session.get_one(WorkItem, asked.job_id)


async def do(
    sessions: SessionMaker, settings: AudioSettings, storage: Storage, asked: JobRequested
) -> Quiet:
    """The asked work, in a real worker process."""
    transport = Quiet()
    transcriber = Transcriber(settings, storage, cast(Transport, transport))
    try:
        item = await item_of(sessions, asked)
        finish = await transcriber.handlers()[item.kind](item, Control())
        async with sessions.begin() as session:
            await finish(session)
    finally:
        transcriber.close()
    return transport


async def told(sessions: SessionMaker, kind: type[Any]) -> list[Any]:
    async with sessions() as session:
        rows = await session.scalars(select(OutboxMessage).where(OutboxMessage.type == kind.type))
        return [kind.model_validate_json(row.body) for row in rows]


async def all_of(sessions: SessionMaker, model: type[Any]) -> list[Any]:
    async with sessions() as session:
        return list(await session.scalars(select(model)))


async def test_demucs_makes_four_stems_as_long_as_the_sound(
    audio: SessionMaker, weighted: AudioSettings, storage: Storage, sound: Sound
) -> None:
    asked = wanted(sound, JobType.SEPARATION, method="auto", stems="all")
    await ask(audio, asked, weighted)
    transport = await do(audio, weighted, storage, asked)
    rows = await all_of(audio, Stem)
    assert [row.name for row in sorted(rows, key=lambda row: str(row.audio_key))] == SOURCES
    for row in rows:
        assert (row.method, row.model_version, row.channels) == ("demucs", "demucs-tiny", 1)
        samples, rate = soundfile.read(io.BytesIO(await storage.read(row.audio_key)))
        assert rate == row.sample_rate == SAMPLE_RATE
        assert len(samples) == round(sound.duration_s * SAMPLE_RATE)
        assert np.abs(samples).max() > 0
    [event] = await told(audio, StemsSeparated)
    assert (event.job_id, event.method, list(event.stems)) == (asked.job_id, "demucs", SOURCES)
    assert transport.told
    # Asked for once more, what there is answers at once.
    again = wanted(sound, JobType.SEPARATION, method="demucs", stems="all")
    await ask(audio, again, weighted)
    assert [event.job_id for event in await told(audio, StemsSeparated)] == [
        asked.job_id,
        again.job_id,
    ]
    assert len(await all_of(audio, WorkItem)) == 1


async def test_auto_without_weights_is_hpss_and_never_called_drums(
    audio: SessionMaker, plain: AudioSettings, storage: Storage, sound: Sound
) -> None:
    asked = wanted(sound, JobType.SEPARATION)
    await ask(audio, asked, plain)
    assert (await item_of(audio, asked)).params["options"] == {"method": "hpss", "stems": "drums"}
    await do(audio, plain, storage, asked)
    [row] = await all_of(audio, Stem)
    assert (row.name, row.method, row.model_version) == ("percussive", "hpss", "hpss-1")
    async with audio() as session:
        with pytest.raises(Conflict, match="no drum stem"):
            await steps.what_is_heard(session, sound, HearingOptions(source="drums"))


async def test_demucs_without_weights_fails_and_says_how_to_get_them(
    audio: SessionMaker, plain: AudioSettings, sound: Sound
) -> None:
    await ask(audio, wanted(sound, JobType.SEPARATION, method="demucs"), plain)
    [failure] = await told(audio, AudioWorkFailed)
    assert failure.code == "demucs-weights-missing"
    assert "AUDIO_DEMUCS_WEIGHTS" in failure.message
    assert await all_of(audio, WorkItem) == []


@pytest.mark.parametrize(
    ("data", "code", "retryable"),
    [(None, "demucs-weights-unavailable", True), (b"x", "demucs-weights-broken", False)],
)
async def test_weights_that_cannot_be_used_end_the_job_with_a_reason(
    audio: SessionMaker,
    storage: Storage,
    storage_folder: Path,
    sound: Sound,
    tmp_path: Path,
    data: bytes | None,
    code: str,
    retryable: bool,
) -> None:
    path = tmp_path / "gone.th"
    if data is not None:
        path.write_bytes(data)
    settings = settings_with(storage_folder, demucs_weights=str(path))
    asked = wanted(sound, JobType.SEPARATION)
    await ask(audio, asked, settings)
    with pytest.raises(Refused) as refused:
        await do(audio, settings, storage, asked)
    assert (refused.value.code, refused.value.retryable) == (code, retryable)


def test_settings_that_cannot_work_are_refused_at_the_start(storage_folder: Path) -> None:
    check_demucs(settings_with(storage_folder))
    check_demucs(settings_with(storage_folder, demucs_weights="https://example.org/a.th"))
    with pytest.raises(SettingsProblem, match="no such file"):
        check_demucs(settings_with(storage_folder, demucs_weights="/nowhere/a.th"))


async def test_hearing_can_be_asked_for_on_the_drum_stem(
    audio: SessionMaker, weighted: AudioSettings, storage: Storage, sound: Sound
) -> None:
    separation = wanted(sound, JobType.SEPARATION)
    await ask(audio, separation, weighted)
    await do(audio, weighted, storage, separation)
    [stem] = await all_of(audio, Stem)
    hearing = wanted(sound, JobType.ONSET, source="drums")
    await ask(audio, hearing, weighted)
    item = await item_of(audio, hearing)
    assert item.params["audio_key"] == stem.audio_key
    assert item.params["options"]["source"] == "drums"
    mix = wanted(sound, JobType.ONSET)
    await ask(audio, mix, weighted)
    other = await item_of(audio, mix)
    assert other.params["audio_key"] == sound.audio_key
    assert other.params["analysis_id"] != item.params["analysis_id"]


async def test_other_weights_make_other_stems(
    weighted: AudioSettings, storage_folder: Path, tmp_path: Path, sound: Sound
) -> None:
    options = SeparationOptions(method="demucs")
    other = settings_with(storage_folder, demucs_weights=str(tmp_path / "other.th"))
    assert stems.separation_id(weighted, sound, options) != stems.separation_id(
        other, sound, options
    )


async def test_an_enhanced_copy_is_kept_with_its_measures(
    audio: SessionMaker, plain: AudioSettings, storage: Storage, sound: Sound
) -> None:
    asked = wanted(sound, JobType.ENHANCEMENT, emphasis=["snare", "kick"], loudness_lufs=-20)
    await ask(audio, asked, plain)
    await do(audio, plain, storage, asked)
    [row] = await all_of(audio, Enhancement)
    assert row.options["emphasis"] == ["kick", "snare"]
    assert row.loudness_after_lufs == pytest.approx(-20, abs=0.5)
    samples, rate = soundfile.read(io.BytesIO(await storage.read(row.audio_key)))
    assert len(samples) / rate == row.duration_s == pytest.approx(sound.duration_s)
    [event] = await told(audio, AudioEnhanced)
    assert (event.enhancement_id, event.audio_key) == (row.id, row.audio_key)
    again = wanted(sound, JobType.ENHANCEMENT, emphasis=["kick", "snare"], loudness_lufs=-20.0)
    await ask(audio, again, plain)
    assert [event.job_id for event in await told(audio, AudioEnhanced)] == [
        asked.job_id,
        again.job_id,
    ]


async def test_a_cancellation_kills_a_separation_that_runs(
    audio: SessionMaker, weighted: AudioSettings, storage: Storage, sound: Sound
) -> None:
    asked = wanted(sound, JobType.SEPARATION)
    await ask(audio, asked, weighted)
    item = await item_of(audio, asked)
    transcriber = Transcriber(weighted, storage, cast(Transport, Quiet()))
    control = Control()
    running = asyncio.create_task(transcriber.separate(item, control))
    await asyncio.sleep(0.5)
    control.cancelled.set()
    with pytest.raises(Cancelled):
        await asyncio.wait_for(running, 20)
    transcriber.close()
    assert await storage.keys("stems") == []
    async with audio.begin() as session:
        await steps.cancelled(
            session,
            JobCancelled(
                video_id=sound.video_id,
                user_id=ALICE,
                job_id=asked.job_id,
                job_type=JobType.SEPARATION,
            ),
        )
    assert (await item_of(audio, asked)).state == "cancelled"


async def test_what_does_not_count_is_taken_out_of_storage(
    audio: SessionMaker, plain: AudioSettings, storage: Storage, sound: Sound
) -> None:
    transcriber = Transcriber(plain, storage, cast(Transport, Quiet()))
    control = Control()
    for job_type in (JobType.SEPARATION, JobType.ENHANCEMENT):
        asked = wanted(sound, job_type)
        await ask(audio, asked, plain)
        item = await item_of(audio, asked)
        await transcriber.handlers()[item.kind](item, control)
    assert len(await storage.keys("stems") + await storage.keys("enhanced")) == 2
    for discard in control.discard:
        await discard()
    assert await storage.keys("stems") + await storage.keys("enhanced") == []
    transcriber.close()


async def test_with_the_video_go_its_stems_and_copies(
    audio: SessionMaker, plain: AudioSettings, storage: Storage, sound: Sound
) -> None:
    for job_type in (JobType.SEPARATION, JobType.ENHANCEMENT):
        asked = wanted(sound, job_type)
        await ask(audio, asked, plain)
        await do(audio, plain, storage, asked)
    await steps.deleted(audio, storage, VideoDeleted(video_id=sound.video_id, user_id=ALICE))
    assert await storage.keys() == []
    for model in (Stem, Enhancement, Sound, WorkItem):
        assert await all_of(audio, model) == []


async def test_a_sound_that_went_meanwhile_gets_no_stems(
    audio: SessionMaker, plain: AudioSettings, storage: Storage, sound: Sound
) -> None:
    asked = wanted(sound, JobType.SEPARATION)
    await ask(audio, asked, plain)
    item = await item_of(audio, asked)
    transcriber = Transcriber(plain, storage, cast(Transport, Quiet()))
    finish = await transcriber.separate(item, Control())
    transcriber.close()
    await steps.deleted(audio, storage, VideoDeleted(video_id=sound.video_id, user_id=ALICE))
    with pytest.raises(Cancelled):
        async with audio.begin() as session:
            await finish(session)


async def test_the_same_is_asked_for_at_the_route_and_by_an_event_under_ids_of_their_own(
    audio: SessionMaker, plain: AudioSettings, sound: Sound
) -> None:
    options = stems.separation_options(plain, SeparationOptions())
    ids: list[UUID] = []
    for _ in range(2):
        async with audio.begin() as session:
            item, _ = await stems.submit_separation(session, plain, sound, options, job_id=uuid4())
            ids.append(item.id)
    assert ids[0] == ids[1]
    asked = wanted(sound, JobType.SEPARATION)
    await ask(audio, asked, plain)
    assert (await item_of(audio, asked)).id == asked.job_id
