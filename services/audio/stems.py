"""Which stems and enhanced copies of a sound are to be made, and which there are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import work
from libs.common.errors import Conflict, NotFound
from libs.common.events import AudioEnhanced, StemsSeparated
from libs.common.messaging import announce
from libs.common.steps import EnhancementOptions, JobType, SeparationOptions, step_id
from libs.common.work import WorkItem
from services.audio.domain import demucs
from services.audio.domain.separate import HPSS_VERSION
from services.audio.domain.weights import file_name
from services.audio.models import Enhancement, Sound, Stem
from services.audio.settings import AudioSettings

SEPARATION = "separation"
ENHANCEMENT = "enhancement"

ABOUT_METHOD = {
    "demucs": "Separated by Demucs: each stem is an instrument's own sound, as far as the network "
    "can tell.",
    "hpss": "Separated by harmonic-percussive separation: what is struck from what sustains, of "
    "all instruments together. This is no drum stem: every instrument's attacks are in the "
    "percussive part, and the ring of toms and cymbals is partly in the harmonic one.",
}
GET_WEIGHTS = (
    "Demucs has no weights here. Whoever runs the service installs `backbeat[separation]`, sets "
    "AUDIO_DEMUCS_WEIGHTS to a path or an https address (such as "
    "https://dl.fbaipublicfiles.com/demucs/hybrid_transformer/955717e8-8726e21a.th, some 80 MB, "
    "trained for research on MUSDB HQ and 800 more songs; read their licence first), and restarts "
    "audio. Until then ask for method hpss, which is no drum stem, or leave the method to auto."
)


def separation_options(settings: AudioSettings, options: SeparationOptions) -> SeparationOptions:
    """With the method settled; Conflict for Demucs without weights."""
    if options.method == "auto":
        return options.model_copy(
            update={"method": "demucs" if settings.demucs_weights else "hpss"}
        )
    if options.method == "demucs" and not settings.demucs_weights:
        raise Conflict(GET_WEIGHTS, code="demucs-weights-missing", field="body.method")
    return options


def model_version(settings: AudioSettings, method: str) -> str:
    """What makes the stems: other weights make others."""
    if method == "hpss":
        return HPSS_VERSION
    return f"demucs-{PurePath(file_name(settings.demucs_weights)).stem}"


def separation_id(settings: AudioSettings, sound: Sound, options: SeparationOptions) -> UUID:
    """The same for the same sound, options and weights."""
    version = model_version(settings, options.method)
    return step_id(sound.id, SEPARATION, version, options.stems)


async def submit_separation(
    session: AsyncSession,
    settings: AudioSettings,
    sound: Sound,
    options: SeparationOptions,
    *,
    job_id: UUID,
    dedupe: str = "",
    generation: int = 1,
) -> tuple[WorkItem, bool]:
    """Queue the separation of a sound; `options` as from `separation_options`."""
    made_id = separation_id(settings, sound, options)
    params = {
        "job_type": JobType.SEPARATION,
        "separation_id": str(made_id),
        "options": options.chosen(),
    }
    return await _submit(
        session,
        sound,
        SEPARATION,
        params,
        f"{made_id}{dedupe}",
        job_id=job_id,
        generation=generation,
    )


async def _submit(
    session: AsyncSession,
    sound: Sound,
    kind: str,
    params: dict[str, Any],
    dedupe_key: str,
    *,
    job_id: UUID,
    generation: int,
) -> tuple[WorkItem, bool]:
    """Queue work on a kept sound."""
    return await work.submit(
        session,
        job_id=job_id,
        kind=kind,
        video_id=sound.video_id,
        user_id=sound.user_id,
        params={"audio_id": str(sound.id), "audio_key": sound.audio_key, **params},
        dedupe_key=dedupe_key,
        generation=generation,
    )


async def separated(session: AsyncSession, separation: UUID) -> list[Stem]:
    """What a separation made; nothing when it was not done."""
    rows = await session.scalars(
        select(Stem).where(Stem.separation_id == separation).order_by(Stem.audio_key)
    )
    return list(rows)


def tell_separated(
    session: AsyncSession, sound: Sound, stems: Sequence[Stem], *, job_id: UUID, generation: int
) -> None:
    """The stems are there."""
    announce(
        session,
        StemsSeparated(
            video_id=sound.video_id,
            user_id=sound.user_id,
            job_id=job_id,
            job_type=JobType.SEPARATION,
            generation=generation,
            audio_id=sound.id,
            method=stems[0].method,
            model_version=stems[0].model_version,
            stems={stem.name: stem.audio_key for stem in stems},
            sample_rate=stems[0].sample_rate,
            duration_s=stems[0].duration_s,
        ),
    )


async def drum_stem(session: AsyncSession, sound: Sound) -> Stem:
    """The newest drum stem, or Conflict."""
    stem = await session.scalar(
        select(Stem)
        .where(Stem.audio_file_id == sound.id, Stem.name == demucs.DRUMS)
        .order_by(Stem.created_at.desc())
        .limit(1)
    )
    if stem is None:
        raise Conflict(
            f"This sound has no drum stem yet. Ask with POST /audio/separate-sources/{sound.id}, "
            "method demucs, and wait for its job; or hear the mix.",
            code="stem-missing",
            field="body.source",
        )
    return stem


async def stems_of(session: AsyncSession, sound: Sound) -> list[Stem]:
    """All stems of a sound, newest separation first."""
    rows = await session.scalars(
        select(Stem)
        .where(Stem.audio_file_id == sound.id)
        .order_by(Stem.created_at.desc(), Stem.separation_id, Stem.audio_key)
        .limit(200)
    )
    return list(rows)


async def get_stem(session: AsyncSession, sound: Sound, stem_id: UUID) -> Stem:
    """A stem of this sound, or NotFound."""
    stem = await session.get(Stem, stem_id)
    if stem is None or stem.audio_file_id != sound.id:
        raise NotFound(
            f"There is no such stem. GET /audio/stems/{sound.id} lists those that there are.",
            code="stem-not-found",
        )
    return stem


def enhancement_id(sound: Sound, options: EnhancementOptions) -> UUID:
    """The same for the same sound and options."""
    return step_id(sound.id, ENHANCEMENT, sorted(options.chosen().items()))


async def submit_enhancement(
    session: AsyncSession,
    sound: Sound,
    options: EnhancementOptions,
    *,
    job_id: UUID,
    dedupe: str = "",
    generation: int = 1,
) -> tuple[WorkItem, bool]:
    """Queue the enhancement of a sound."""
    made_id = enhancement_id(sound, options)
    params = {
        "job_type": JobType.ENHANCEMENT,
        "enhancement_id": str(made_id),
        "options": options.chosen(),
    }
    return await _submit(
        session,
        sound,
        ENHANCEMENT,
        params,
        f"{made_id}{dedupe}",
        job_id=job_id,
        generation=generation,
    )


def tell_enhanced(
    session: AsyncSession, sound: Sound, made: Enhancement, *, job_id: UUID, generation: int
) -> None:
    """The enhanced copy is there."""
    announce(
        session,
        AudioEnhanced(
            video_id=sound.video_id,
            user_id=sound.user_id,
            job_id=job_id,
            job_type=JobType.ENHANCEMENT,
            generation=generation,
            audio_id=sound.id,
            enhancement_id=made.id,
            audio_key=made.audio_key,
            loudness_before_lufs=made.loudness_before_lufs,
            loudness_after_lufs=made.loudness_after_lufs,
        ),
    )


async def enhancements_of(session: AsyncSession, sound: Sound) -> list[Enhancement]:
    """All enhanced copies of a sound, newest first."""
    rows = await session.scalars(
        select(Enhancement)
        .where(Enhancement.audio_file_id == sound.id)
        .order_by(Enhancement.created_at.desc(), Enhancement.id)
        .limit(200)
    )
    return list(rows)


async def get_enhancement(session: AsyncSession, sound: Sound, made_id: UUID) -> Enhancement:
    """An enhanced copy of this sound, or NotFound."""
    made = await session.get(Enhancement, made_id)
    if made is None or made.audio_file_id != sound.id:
        raise NotFound(
            f"There is no such copy. GET /audio/enhanced/{sound.id} lists those that there are.",
            code="enhancement-not-found",
        )
    return made
