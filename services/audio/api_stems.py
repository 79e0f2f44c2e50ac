"""Audio's routes for stems and enhanced copies."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from libs.common.database import new_id
from libs.common.errors import Conflict, NotFound, Unauthorized, problem_responses
from libs.common.steps import EnhancementOptions, SeparationOptions
from libs.common.tokens import CurrentCaller
from services.audio import stems, steps
from services.audio.api import (
    PLAYED,
    RangeHeader,
    Session,
    Settings,
    StepAccepted,
    Store,
    play,
    sound_when_told,
    step_answer,
)
from services.audio.models import Enhancement

router = APIRouter(prefix="/audio", tags=["audio"])

Method = Literal["demucs", "hpss"]


class SeparationAccepted(StepAccepted):
    """A separation was taken on."""

    method: Method = Field(description="What auto has become.")
    about: str = Field(description="What the stems will be, and what not.")


class StemRead(BaseModel):
    """A part of a sound."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    audio_file_id: UUID
    separation_id: UUID = Field(description="The same for all that one separation made.")
    name: str = Field(description="drums, bass, …; with hpss percussive or harmonic.")
    method: Method
    about: str = Field(description="What the method's stems are, and what not.")
    model_version: str
    sample_rate: int
    channels: int
    duration_seconds: float
    peak: float = Field(description="Largest sample; above 1 it was cut off at full scale.")
    content: str = Field(description="Where the sound is.")
    created_at: datetime


class EnhancementRead(BaseModel):
    """A clearer copy of a sound, and what was measured. Null: there was nothing to measure."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    audio_file_id: UUID
    options: dict[str, Any]
    sample_rate: int
    channels: int
    duration_seconds: float
    loudness_before_lufs: float | None
    loudness_after_lufs: float | None
    true_peak_before_dbtp: float | None
    true_peak_after_dbtp: float | None
    noise_floor_dbfs: float | None = Field(description="Of the sound as it came.")
    gain_db: float = Field(description="By which the loudness was moved, before the limiter.")
    content: str = Field(description="Where the sound is.")
    created_at: datetime


PROBLEMS = problem_responses(Unauthorized, NotFound, Conflict)


@router.post("/separate-sources/{audio_id}", status_code=202, responses=PROBLEMS)
async def separate_sources(
    audio_id: UUID,
    caller: CurrentCaller,
    request: Request,
    session: Session,
    settings: Settings,
    response: Response,
    options: Annotated[SeparationOptions | None, Body()] = None,
) -> SeparationAccepted:
    """Take a sound apart: the drums alone, or all stems. Without weights for Demucs `auto`
    becomes hpss, which is no drum stem, and the answer says so."""
    sound = await sound_when_told(request, caller.user_id, audio_id)
    chosen = stems.separation_options(settings, options or SeparationOptions())
    item, is_new = await stems.submit_separation(session, settings, sound, chosen, job_id=new_id())
    await steps.accept(session, item, is_new)
    answer = step_answer(item, response)
    return SeparationAccepted(
        **answer.model_dump(), method=chosen.method, about=stems.ABOUT_METHOD[chosen.method]
    )


@router.get("/stems/{audio_id}", responses=problem_responses(NotFound))
async def list_stems(audio_id: UUID, caller: CurrentCaller, session: Session) -> list[StemRead]:
    """The stems of a sound, those of the newest separation first."""
    sound = await steps.get_sound(session, caller.user_id, audio_id)
    return [
        StemRead(
            id=stem.id,
            audio_file_id=stem.audio_file_id,
            separation_id=stem.separation_id,
            name=stem.name,
            method=stem.method,
            about=stems.ABOUT_METHOD[stem.method],
            model_version=stem.model_version,
            sample_rate=stem.sample_rate,
            channels=stem.channels,
            duration_seconds=stem.duration_s,
            peak=stem.peak,
            content=f"/audio/stems/{audio_id}/{stem.id}/content",
            created_at=stem.created_at,
        )
        for stem in await stems.stems_of(session, sound)
    ]


@router.get(
    "/stems/{audio_id}/{stem_id}/content", response_class=StreamingResponse, responses=PLAYED
)
async def play_stem(
    audio_id: UUID,
    stem_id: UUID,
    caller: CurrentCaller,
    session: Session,
    storage: Store,
    range_header: RangeHeader = None,
) -> Response:
    """A stem as FLAC; takes `Range`."""
    sound = await steps.get_sound(session, caller.user_id, audio_id)
    stem = await stems.get_stem(session, sound, stem_id)
    return await play(storage, stem.audio_key, range_header)


@router.post("/enhance/{audio_id}", status_code=202, responses=PROBLEMS)
async def enhance_audio(
    audio_id: UUID,
    caller: CurrentCaller,
    request: Request,
    session: Session,
    response: Response,
    options: Annotated[EnhancementOptions | None, Body()] = None,
) -> StepAccepted:
    """Make a clearer copy of a sound: less noise, chosen drums brought forward, an even
    loudness."""
    sound = await sound_when_told(request, caller.user_id, audio_id)
    item, is_new = await stems.submit_enhancement(
        session, sound, options or EnhancementOptions(), job_id=new_id()
    )
    await steps.accept(session, item, is_new)
    return step_answer(item, response)


def read_enhancement(made: Enhancement) -> EnhancementRead:
    """A row as the API shows it."""
    return EnhancementRead(
        id=made.id,
        audio_file_id=made.audio_file_id,
        options=made.options,
        sample_rate=made.sample_rate,
        channels=made.channels,
        duration_seconds=made.duration_s,
        loudness_before_lufs=made.loudness_before_lufs,
        loudness_after_lufs=made.loudness_after_lufs,
        true_peak_before_dbtp=made.true_peak_before_dbtp,
        true_peak_after_dbtp=made.true_peak_after_dbtp,
        noise_floor_dbfs=made.noise_floor_dbfs,
        gain_db=made.gain_db,
        content=f"/audio/enhanced/{made.audio_file_id}/{made.id}/content",
        created_at=made.created_at,
    )


@router.get("/enhanced/{audio_id}", responses=problem_responses(NotFound))
async def list_enhanced(
    audio_id: UUID, caller: CurrentCaller, session: Session
) -> list[EnhancementRead]:
    """The enhanced copies of a sound, newest first."""
    sound = await steps.get_sound(session, caller.user_id, audio_id)
    return [read_enhancement(made) for made in await stems.enhancements_of(session, sound)]


@router.get(
    "/enhanced/{audio_id}/{enhancement_id}/content",
    response_class=StreamingResponse,
    responses=PLAYED,
)
async def play_enhanced(
    audio_id: UUID,
    enhancement_id: UUID,
    caller: CurrentCaller,
    session: Session,
    storage: Store,
    range_header: RangeHeader = None,
) -> Response:
    """An enhanced copy as FLAC; takes `Range`."""
    sound = await steps.get_sound(session, caller.user_id, audio_id)
    made = await stems.get_enhancement(session, sound, enhancement_id)
    return await play(storage, made.audio_key, range_header)
