"""Which steps are to be done, for whom: from events and routes to work, and from results to
events."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import work
from libs.common.database import SessionMaker
from libs.common.errors import Conflict, Invalid, NotFound
from libs.common.events import (
    AudioExtracted,
    AudioWorkAccepted,
    AudioWorkFailed,
    EventsDetected,
    JobCancelled,
    JobRequested,
    VideoDeleted,
    VideoUploaded,
)
from libs.common.messaging import announce, first_time
from libs.common.steps import (
    EnhancementOptions,
    ExtractionOptions,
    HearingOptions,
    JobType,
    SeparationOptions,
    read_options,
    step_id,
)
from libs.common.storage import Storage
from libs.common.work import Refused, WorkItem
from services.audio import stems
from services.audio.domain.hear import hearers
from services.audio.models import AudioAnalysis, Enhancement, Sound, Source
from services.audio.settings import AudioSettings

EXTRACTION = "extraction"
HEARING = "hearing"
KINDS: dict[str, str] = {
    JobType.EXTRACTION: EXTRACTION,
    JobType.ONSET: HEARING,
    JobType.CLASSIFICATION: HEARING,
    JobType.SEPARATION: stems.SEPARATION,
    JobType.ENHANCEMENT: stems.ENHANCEMENT,
}
"""The kind of work of each job that is audio's."""

Jobs = dict[str, UUID]


class NotToldYet(Exception):
    """An event has overtaken the one that it builds on: the transport brings it again."""


def hearing_options(settings: AudioSettings, options: HearingOptions) -> HearingOptions:
    """With the model filled in; Invalid for one that is not there."""
    model = options.model or settings.model
    if model not in hearers():
        raise Invalid(
            f"There is no model {model!r}; there are {', '.join(hearers())}.",
            code="unknown-model",
            field="body.model",
        )
    return options.model_copy(update={"model": model})


async def submit_extraction(
    session: AsyncSession,
    source: Source,
    options: ExtractionOptions,
    *,
    job_id: UUID,
    jobs: Jobs,
    dedupe: str = "",
    generation: int = 1,
) -> tuple[WorkItem, bool]:
    """Queue the extraction of a video's sound."""
    chosen = options.chosen()
    audio_id = step_id(source.video_id, EXTRACTION, sorted(chosen.items()))
    return await work.submit(
        session,
        job_id=job_id,
        kind=EXTRACTION,
        video_id=source.video_id,
        user_id=source.user_id,
        params={
            "job_type": EXTRACTION,
            "audio_id": str(audio_id),
            "storage_key": source.storage_key,
            "title": title_of(source.filename),
            "options": chosen,
            "jobs": {step: str(i) for step, i in jobs.items()},
        },
        dedupe_key=f"{audio_id}{dedupe}",
        generation=generation,
    )


async def submit_hearing(
    session: AsyncSession,
    sound: Sound,
    options: HearingOptions,
    *,
    job_id: UUID,
    job_type: str,
    jobs: Jobs,
    dedupe: str = "",
    generation: int = 1,
) -> tuple[WorkItem, bool]:
    """Queue the hearing of a sound."""
    chosen = options.chosen()
    analysis_id, audio_key = await what_is_heard(session, sound, options)
    return await work.submit(
        session,
        job_id=job_id,
        kind=HEARING,
        video_id=sound.video_id,
        user_id=sound.user_id,
        params={
            "job_type": job_type,
            "audio_id": str(sound.id),
            "audio_key": audio_key,
            "analysis_id": str(analysis_id),
            "title": sound.title,
            "options": chosen,
            "jobs": {step: str(i) for step, i in jobs.items()},
        },
        dedupe_key=f"{analysis_id}/{job_type}{dedupe}",
        generation=generation,
    )


async def what_is_heard(
    session: AsyncSession, sound: Sound, options: HearingOptions
) -> tuple[UUID, str]:
    """The analysis' id, and the key of the sound to listen to; Conflict without the stem."""
    chosen = sorted(options.chosen().items())
    if options.source == "mix":
        return step_id(sound.id, HEARING, chosen), sound.audio_key
    stem = await stems.drum_stem(session, sound)
    return step_id(sound.id, HEARING, chosen, stem.id), stem.audio_key


def title_of(filename: str) -> str:
    """A title for a score from a file's name."""
    stem = filename.rpartition(".")[0] or filename
    return " ".join(stem.replace("_", " ").split())


def jobs_of(params: dict[str, Any]) -> Jobs:
    """The pipeline's jobs, out of a work item."""
    return {step: UUID(i) for step, i in params["jobs"].items()}


def tell_extracted(
    session: AsyncSession, sound: Sound, *, job_id: UUID, generation: int, jobs: Jobs
) -> None:
    """The sound is there."""
    announce(
        session,
        AudioExtracted(
            video_id=sound.video_id,
            user_id=sound.user_id,
            job_id=job_id,
            job_type=EXTRACTION,
            generation=generation,
            audio_id=sound.id,
            audio_key=sound.audio_key,
            sample_rate=sound.sample_rate,
            channels=sound.channels,
            duration_s=sound.duration_s,
            title=sound.title,
            jobs=jobs,
        ),
    )


def tell_heard(
    session: AsyncSession,
    sound: Sound,
    analysis: AudioAnalysis,
    *,
    job_id: UUID,
    job_type: str,
    generation: int,
    jobs: Jobs,
) -> None:
    """The hits are there."""
    announce(
        session,
        EventsDetected(
            video_id=sound.video_id,
            user_id=sound.user_id,
            job_id=job_id,
            job_type=job_type,
            generation=generation,
            audio_id=sound.id,
            hits_key=analysis.hits_key,
            hit_count=analysis.hit_count,
            beat_count=analysis.beat_count,
            duration_s=sound.duration_s,
            tempo_bpm=analysis.tempo_bpm,
            model_version=analysis.model_version,
            title=sound.title,
            jobs=jobs,
        ),
    )


async def live_source(session: AsyncSession, video_id: UUID) -> Source | None:
    """The video, unless it is unknown or gone."""
    source = await session.get(Source, video_id)
    return source if source is not None and source.deleted_at is None else None


async def uploaded(session: AsyncSession, event: VideoUploaded) -> None:
    """Keep who owns the video; begin the pipeline when it is to run."""
    if not await first_time(session, event):
        return
    await session.execute(
        insert(Source)
        .values(
            video_id=event.video_id,
            user_id=event.user_id,
            storage_key=event.storage_key,
            filename=event.filename,
        )
        .on_conflict_do_nothing()
    )
    source = await live_source(session, event.video_id)
    if source is not None and EXTRACTION in event.jobs:
        await submit_extraction(
            session,
            source,
            ExtractionOptions(),
            job_id=event.jobs[EXTRACTION],
            jobs=event.jobs,
        )


async def extracted(session: AsyncSession, event: AudioExtracted, settings: AudioSettings) -> None:
    """The pipeline goes on to hearing."""
    if not await first_time(session, event, consumer="audio"):
        return
    sound = await session.get(Sound, event.audio_id)
    if sound is not None and JobType.ONSET in event.jobs:
        job_id = event.jobs[JobType.ONSET]
        # The pipeline's job is done under its own id, also when equal work was asked for at the
        # route before it.
        for dedupe in ("", f"/{job_id}"):
            item, _ = await submit_hearing(
                session,
                sound,
                hearing_options(settings, HearingOptions()),
                job_id=job_id,
                job_type=JobType.ONSET,
                jobs=event.jobs,
                dedupe=dedupe,
                generation=event.generation,
            )
            if item.id == job_id:
                break


async def requested(session: AsyncSession, event: JobRequested, settings: AudioSettings) -> None:
    """A step is asked for, for the first time or again."""
    if event.job_type not in KINDS or not await first_time(session, event):
        return
    try:
        await _begin(session, event, settings)
    except (Refused, Invalid, Conflict) as error:
        announce(
            session,
            AudioWorkFailed(
                video_id=event.video_id,
                user_id=event.user_id,
                job_id=event.job_id,
                job_type=event.job_type,
                generation=event.generation,
                code=error.code,
                message=str(error),
            ),
        )


async def _begin(session: AsyncSession, event: JobRequested, settings: AudioSettings) -> None:
    job_type = JobType(event.job_type)
    chosen = read_options(job_type, event.options, "options")
    later = {step: i for step, i in event.jobs.items() if step != job_type}
    # Equal work that is done answers at once, under this job's name; otherwise it is done, even
    # when equal work is under way, so that each job ends on its own.
    dedupe = f"/{event.job_id}"
    if job_type is JobType.EXTRACTION:
        source = await session.get(Source, event.video_id)
        if source is None:
            raise NotToldYet(f"VideoUploaded of {event.video_id} is still on its way")
        if source.deleted_at is not None:
            return
        options = ExtractionOptions.model_validate(chosen)
        sound = await session.get(
            Sound, step_id(source.video_id, EXTRACTION, sorted(chosen.items()))
        )
        if sound is not None:
            tell_extracted(
                session, sound, job_id=event.job_id, generation=event.generation, jobs=later
            )
        else:
            await submit_extraction(
                session,
                source,
                options,
                job_id=event.job_id,
                jobs=later,
                dedupe=dedupe,
                generation=event.generation,
            )
        return
    sound = await session.scalar(
        select(Sound)
        .where(Sound.video_id == event.video_id)
        .order_by(Sound.created_at.desc())
        .limit(1)
    )
    if sound is None:
        raise Refused(
            "audio-not-extracted",
            "The video's sound has not been extracted yet. Do the extraction first.",
            retryable=True,
        )
    if job_type is JobType.SEPARATION:
        await _begin_separation(session, event, settings, sound, chosen)
        return
    if job_type is JobType.ENHANCEMENT:
        await _begin_enhancement(session, event, sound, chosen)
        return
    hearing = hearing_options(settings, HearingOptions.model_validate(chosen))
    analysis_id, _ = await what_is_heard(session, sound, hearing)
    analysis = await session.get(AudioAnalysis, analysis_id)
    if analysis is not None:
        tell_heard(
            session,
            sound,
            analysis,
            job_id=event.job_id,
            job_type=job_type,
            generation=event.generation,
            jobs=later,
        )
        return
    await submit_hearing(
        session,
        sound,
        hearing,
        job_id=event.job_id,
        job_type=job_type,
        jobs=later,
        dedupe=dedupe,
        generation=event.generation,
    )


async def _begin_separation(
    session: AsyncSession,
    event: JobRequested,
    settings: AudioSettings,
    sound: Sound,
    chosen: dict[str, Any],
) -> None:
    options = stems.separation_options(settings, SeparationOptions.model_validate(chosen))
    made = await stems.separated(session, stems.separation_id(settings, sound, options))
    if made:
        stems.tell_separated(session, sound, made, job_id=event.job_id, generation=event.generation)
        return
    await stems.submit_separation(
        session,
        settings,
        sound,
        options,
        job_id=event.job_id,
        dedupe=f"/{event.job_id}",
        generation=event.generation,
    )


async def _begin_enhancement(
    session: AsyncSession, event: JobRequested, sound: Sound, chosen: dict[str, Any]
) -> None:
    options = EnhancementOptions.model_validate(chosen)
    made = await session.get(Enhancement, stems.enhancement_id(sound, options))
    if made is not None:
        stems.tell_enhanced(session, sound, made, job_id=event.job_id, generation=event.generation)
        return
    await stems.submit_enhancement(
        session,
        sound,
        options,
        job_id=event.job_id,
        dedupe=f"/{event.job_id}",
        generation=event.generation,
    )


async def cancelled(session: AsyncSession, event: JobCancelled) -> None:
    """The step is no longer wanted."""
    if event.job_type in KINDS and await first_time(session, event):
        await work.cancel(
            session,
            job_id=event.job_id,
            kind=KINDS[event.job_type],
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
                filename="",
                deleted_at=func.now(),
            )
            .on_conflict_do_update(
                index_elements=[Source.video_id],
                set_={"deleted_at": func.now(), "filename": "", "storage_key": ""},
            )
        )
        await work.forget_video(session, event.video_id)
        await session.execute(delete(Sound).where(Sound.video_id == event.video_id))
    for folder in ("audio", "hits", "derived", "stems", "enhanced"):
        await storage.delete_all(f"{folder}/{event.video_id}")
    async with sessions.begin() as session:
        await first_time(session, event)


async def accept(session: AsyncSession, item: WorkItem, is_new: bool) -> None:
    """Tell media of a step that was asked for here."""
    if is_new:
        announce(
            session,
            AudioWorkAccepted(
                video_id=item.video_id,
                user_id=item.user_id,
                job_id=item.id,
                job_type=item.params["job_type"],
                options=item.params["options"],
            ),
        )


async def own_sound(session: AsyncSession, user_id: UUID, audio_id: UUID) -> Sound | None:
    """One's own extracted sound."""
    sound = await session.get(Sound, audio_id)
    return sound if sound is not None and sound.user_id == user_id else None


async def get_sound(session: AsyncSession, user_id: UUID, audio_id: UUID) -> Sound:
    """One's own extracted sound, or NotFound."""
    sound = await own_sound(session, user_id, audio_id)
    if sound is None:
        raise NotFound(
            "There is no such audio file. GET /media/audio-files/ lists yours.",
            code="audio-not-found",
        )
    return sound


async def latest_analysis(session: AsyncSession, sound: Sound) -> AudioAnalysis:
    """What was heard last, or NotFound."""
    analysis = await session.scalar(
        select(AudioAnalysis)
        .where(AudioAnalysis.audio_file_id == sound.id)
        .order_by(AudioAnalysis.created_at.desc())
        .limit(1)
    )
    if analysis is None:
        raise NotFound(
            "Nothing has been heard in this sound yet. Ask with POST /audio/detect-onsets/"
            f"{sound.id}, or wait for its job.",
            code="not-analysed",
        )
    return analysis
