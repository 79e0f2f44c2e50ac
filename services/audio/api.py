"""Audio's routes."""

from __future__ import annotations

import csv
import io
import json
import statistics
import tempfile
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Select, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.containers import DEMUXERS
from libs.common.database import SessionMaker, new_id, open_session
from libs.common.drums import GM_NOTE, DrumPiece
from libs.common.errors import (
    Conflict,
    Invalid,
    NotFound,
    Unauthorized,
    Unavailable,
    problem_responses,
)
from libs.common.eventual import eventually
from libs.common.offload import ChildDied, Offload, TookTooLong
from libs.common.paging import Cursor, Limit, Page
from libs.common.performance import BeatUnit, Performance
from libs.common.ranges import part_of
from libs.common.steps import (
    EnhancementOptions,
    ExtractionOptions,
    HearingOptions,
    JobType,
    SeparationOptions,
)
from libs.common.storage import MissingObject, Storage
from libs.common.tokens import CurrentCaller
from services.audio import derived, steps
from services.audio.derived import Recommendation
from services.audio.domain.hear import hearers
from services.audio.domain.network import Card
from services.audio.models import AudioAnalysis, DrumEvent, Sound, Source
from services.audio.settings import AudioSettings

ResultT = TypeVar("ResultT")

Session = Annotated[AsyncSession, Depends(open_session, scope="function")]
router = APIRouter(prefix="/audio", tags=["audio"])


def audio_settings(request: Request) -> AudioSettings:
    """The running service's settings."""
    settings: AudioSettings = request.app.state.settings
    return settings


def object_storage(request: Request) -> Storage:
    """The running service's storage."""
    storage: Storage = request.app.state.storage
    return storage


Settings = Annotated[AudioSettings, Depends(audio_settings)]
Store = Annotated[Storage, Depends(object_storage)]


class StepAccepted(BaseModel):
    """Long work was taken on. Asked for twice with the same options, it is the same job."""

    job_id: UUID = Field(description="Watch it at GET /jobs/{job_id} or …/events.")
    audio_id: UUID = Field(description="The sound that is made or listened to.")
    job_type: str
    status: Literal["pending", "running", "completed"]
    options: dict[str, Any]


class SoundRead(BaseModel):
    """A video's sound."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    video_id: UUID
    title: str
    options: dict[str, Any]
    sample_rate: int
    channels: int
    duration_seconds: float = Field(validation_alias="duration_s")
    peak: float = Field(description="Largest absolute sample, 0 to 1.")
    decode_errors: int = Field(description="Packets of the video that could not be decoded.")
    created_at: datetime


class HitRead(BaseModel):
    """One stroke."""

    id: str = Field(description="Its name; the score's note has the same.")
    time_seconds: float
    instrument: DrumPiece
    gm_note: int
    velocity: float = Field(description="1 to 127.")
    confidence: float = Field(description="0 to 1.")
    model_version: str


class BeatRead(BaseModel):
    """One beat."""

    time_seconds: float
    position: int = Field(description="1 is the downbeat.")


class AnalysisRead(BaseModel):
    """What was heard."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    audio_file_id: UUID
    video_id: UUID
    options: dict[str, Any]
    model_version: str
    hit_count: int
    beat_count: int
    tempo_bpm: float | None = Field(description="Null when no steady pulse was found.")
    tempo_confidence: float
    created_at: datetime


METER = 'Of most bars, as written: "4/4", "6/8". Null when it is not known.'
BEAT_UNIT = "What a beat is as a note, and what the tempo counts: dotted quarters in 6/8 and 12/8."
SWING = "Long to short of a beat's eighths, 1 when straight. Null when too few are played."


class PieceCount(BaseModel):
    """How often a piece was struck, and how."""

    instrument: DrumPiece
    hits: int
    mean_velocity: float
    mean_confidence: float


class AnalysisDetail(AnalysisRead):
    """What was heard, counted."""

    sound: SoundRead
    pieces: list[PieceCount]
    hits_per_second: float
    mean_confidence: float
    meter: str | None = Field(description=METER)
    beat_unit: BeatUnit = Field(description=BEAT_UNIT)
    swing_ratio: float | None = Field(description=SWING)


class TempoPoint(BaseModel):
    """The tempo from a moment on."""

    time_seconds: float
    bpm: float


class TempoRead(BaseModel):
    """Tempo and meter."""

    tempo_bpm: float | None = Field(description="Null when no steady pulse was found.")
    confidence: float
    beats_per_bar: int | None
    meter: str | None = Field(description=METER)
    beat_unit: BeatUnit = Field(description=BEAT_UNIT)
    swing_ratio: float | None = Field(description=SWING)
    tempo_map: list[TempoPoint] = Field(description="A point for each bar.")
    tempo_changes: list[TempoPoint] = Field(
        description="The tempo of the beginning, and where it leaves the last for good. Empty for "
        "what was heard before tempo changes were told."
    )


class BeatsRead(BaseModel):
    """Beats in time."""

    meter: str | None = Field(description=METER)
    beat_unit: BeatUnit = Field(description=BEAT_UNIT)
    beats: list[BeatRead]


Peak = Annotated[list[float], Field(min_length=2, max_length=2)]


class WaveformRead(BaseModel):
    """Least and greatest sample of equal spans of time."""

    duration_seconds: float
    peaks: list[Peak]


class LoudnessRead(BaseModel):
    """How loud the sound is (ITU-R BS.1770-4)."""

    integrated_lufs: float | None = Field(description="Null when all of it is below the gate.")
    peak_dbfs: float | None
    rms_dbfs: float | None


class ModelRead(BaseModel):
    """A hearer that can be chosen."""

    name: str
    version: str
    default: bool
    kind: str
    hears: list[DrumPiece]
    card: Card = Field(description="What it was made from, how good it is, where it fails.")


class FormatsRead(BaseModel):
    """What can be read."""

    containers: list[str]
    extraction: dict[str, Any] = Field(description="The options of POST /audio/extract.")
    hearing: dict[str, Any] = Field(description="The options of POST /audio/detect-onsets.")
    separation: dict[str, Any] = Field(description="The options of POST /audio/separate-sources.")
    enhancement: dict[str, Any] = Field(description="The options of POST /audio/enhance.")


STATES = {"queued": "pending", "running": "running", "done": "completed"}


def step_answer(item: Any, response: Response) -> StepAccepted:
    """202, and where to watch."""
    response.headers["Location"] = f"/jobs/{item.id}"
    return StepAccepted(
        job_id=item.id,
        audio_id=item.params["audio_id"],
        job_type=item.params["job_type"],
        status=STATES[item.state],
        options=item.params["options"],
    )


@router.post(
    "/extract/{video_id}",
    status_code=202,
    responses=problem_responses(Unauthorized, NotFound),
)
async def extract_audio(
    video_id: UUID,
    caller: CurrentCaller,
    request: Request,
    session: Session,
    response: Response,
    options: Annotated[ExtractionOptions | None, Body()] = None,
) -> StepAccepted:
    """Take the sound out of a video. The automatic pipeline has done so with the default
    options; asking again with the same ones gives the same audio file."""
    sessions: SessionMaker = request.app.state.sessions

    async def find() -> Source | None:
        async with sessions() as looking:
            found = await steps.live_source(looking, video_id)
            return found if found is not None and found.user_id == caller.user_id else None

    source = await eventually(find)
    if source is None:
        raise NotFound("There is no such video.", code="video-not-found")
    item, is_new = await steps.submit_extraction(
        session, source, options or ExtractionOptions(), job_id=new_id(), jobs={}
    )
    await steps.accept(session, item, is_new)
    return step_answer(item, response)


SOUND_WAIT_S = 10.0
"""A short recording's sound is there within seconds of its upload: a script that goes on at once
need not ask twice."""


async def sound_when_told(request: Request, user_id: UUID, audio_id: UUID) -> Sound:
    """One's own sound, waited for a while when it is being extracted; 409 after that."""
    sessions: SessionMaker = request.app.state.sessions
    under_way: UUID | None = None

    async def find() -> Sound | Literal[False] | None:
        nonlocal under_way
        async with sessions() as session:
            under_way = await derived.extraction_under_way(session, user_id, audio_id)
            # Looked for second: it may have been finished in between.
            sound = await steps.own_sound(session, user_id, audio_id)
        return sound or (None if under_way else False)

    sound = await eventually(find, within_s=SOUND_WAIT_S)
    if isinstance(sound, Sound):
        return sound
    if under_way is not None:
        raise Conflict(
            "The sound is still being extracted. Ask again when its job has completed.",
            code="audio-not-ready",
            headers={"Retry-After": "5", "Link": f'</jobs/{under_way}>; rel="monitor"'},
        )
    raise NotFound(
        "There is no such audio file. GET /media/audio-files/ lists yours.", code="audio-not-found"
    )


async def hear(
    request: Request,
    session: AsyncSession,
    caller_id: UUID,
    audio_id: UUID,
    options: HearingOptions | None,
    job_type: JobType,
    response: Response,
) -> StepAccepted:
    """Queue a hearing."""
    sound = await sound_when_told(request, caller_id, audio_id)
    chosen = steps.hearing_options(request.app.state.settings, options or HearingOptions())
    item, is_new = await steps.submit_hearing(
        session, sound, chosen, job_id=new_id(), job_type=job_type, jobs={}
    )
    await steps.accept(session, item, is_new)
    return step_answer(item, response)


HEARING_PROBLEMS = problem_responses(Unauthorized, NotFound, Conflict)


@router.post("/detect-onsets/{audio_id}", status_code=202, responses=HEARING_PROBLEMS)
async def detect_onsets(
    audio_id: UUID,
    caller: CurrentCaller,
    request: Request,
    session: Session,
    response: Response,
    options: Annotated[HearingOptions | None, Body()] = None,
) -> StepAccepted:
    """Find the strokes in a sound, name their drums, and find the beats."""
    return await hear(request, session, caller.user_id, audio_id, options, JobType.ONSET, response)


@router.post("/classify-drums/{audio_id}", status_code=202, responses=HEARING_PROBLEMS)
async def classify_drums(
    audio_id: UUID,
    caller: CurrentCaller,
    request: Request,
    session: Session,
    response: Response,
    options: Annotated[HearingOptions | None, Body()] = None,
) -> StepAccepted:
    """Name the drums of a sound, with another model or sensitivity than before."""
    return await hear(
        request, session, caller.user_id, audio_id, options, JobType.CLASSIFICATION, response
    )


@router.get("/files/{audio_id}", response_model=SoundRead, responses=problem_responses(NotFound))
async def get_audio_file(audio_id: UUID, caller: CurrentCaller, session: Session) -> Sound:
    """An extracted sound."""
    return await steps.get_sound(session, caller.user_id, audio_id)


PLAYED: dict[int | str, dict[str, Any]] = {
    200: {"content": {"audio/flac": {}}, "description": "The sound"},
    206: {"content": {"audio/flac": {}}, "description": "The asked part"},
    **problem_responses(NotFound),
}
RangeHeader = Annotated[str | None, Header(alias="Range", max_length=200)]


async def play(storage: Storage, key: str, range_header: str | None) -> Response:
    """A stored FLAC, whole or the asked part."""
    part = part_of(range_header, await storage.size(key))
    return StreamingResponse(
        storage.read_stream(key, part.start, part.length),
        status_code=part.status,
        media_type="audio/flac",
        headers={"Cache-Control": "private, max-age=3600"} | part.headers,
    )


@router.get("/files/{audio_id}/content", response_class=StreamingResponse, responses=PLAYED)
async def play_audio_file(
    audio_id: UUID,
    caller: CurrentCaller,
    session: Session,
    storage: Store,
    range_header: RangeHeader = None,
) -> Response:
    """An extracted sound as FLAC; takes `Range`."""
    sound = await steps.get_sound(session, caller.user_id, audio_id)
    return await play(storage, sound.audio_key, range_header)


async def count_pieces(session: AsyncSession, analysis: AudioAnalysis) -> list[PieceCount]:
    """Hits by piece, most struck first."""
    rows = await session.execute(
        select(
            DrumEvent.instrument,
            func.count(),
            func.avg(DrumEvent.velocity),
            func.avg(DrumEvent.confidence),
        )
        .where(DrumEvent.analysis_id == analysis.id)
        .group_by(DrumEvent.instrument)
        .order_by(func.count().desc(), DrumEvent.instrument)
    )
    return [
        PieceCount(
            instrument=DrumPiece(piece),
            hits=hits,
            mean_velocity=round(velocity, 1),
            mean_confidence=round(confidence, 3),
        )
        for piece, hits, velocity, confidence in rows
    ]


@router.get("/analysis/{audio_id}", responses=problem_responses(NotFound))
async def get_analysis(
    audio_id: UUID, caller: CurrentCaller, session: Session, storage: Store
) -> AnalysisDetail:
    """What was heard last in a sound: counts by piece, tempo, meter, and how sure it is."""
    sound = await steps.get_sound(session, caller.user_id, audio_id)
    analysis = await steps.latest_analysis(session, sound)
    heard = Performance.from_json(await storage.read(analysis.hits_key))
    pieces = await count_pieces(session, analysis)
    total = sum(piece.hits for piece in pieces)
    sure = sum(piece.mean_confidence * piece.hits for piece in pieces)
    return AnalysisDetail(
        **AnalysisRead.model_validate(analysis).model_dump(),
        sound=SoundRead.model_validate(sound),
        pieces=pieces,
        hits_per_second=round(total / sound.duration_s, 3) if sound.duration_s else 0.0,
        mean_confidence=round(sure / total, 3) if total else 0.0,
        meter=heard.meter,
        beat_unit=heard.beat_unit,
        swing_ratio=heard.swing_ratio,
    )


@router.get(
    "/analyses/{audio_id}",
    response_model=list[AnalysisRead],
    responses=problem_responses(NotFound),
)
async def list_analyses(audio_id: UUID, caller: CurrentCaller, session: Session) -> Any:
    """All that was heard in a sound, with each model and options, newest first."""
    sound = await steps.get_sound(session, caller.user_id, audio_id)
    rows = await session.scalars(
        select(AudioAnalysis)
        .where(AudioAnalysis.audio_file_id == sound.id)
        .order_by(AudioAnalysis.created_at.desc(), AudioAnalysis.id)
        .limit(200)
    )
    return rows.all()


def hit_rows(
    analysis: AudioAnalysis,
    instruments: list[DrumPiece] | None,
    min_confidence: float,
    start_s: float,
    end_s: float | None,
) -> Select[Any]:
    """The hits that a filter leaves, in order of time."""
    rows = select(DrumEvent).where(
        DrumEvent.analysis_id == analysis.id,
        DrumEvent.confidence >= min_confidence,
        DrumEvent.time_seconds >= start_s,
    )
    if end_s is not None:
        rows = rows.where(DrumEvent.time_seconds < end_s)
    if instruments:
        rows = rows.where(DrumEvent.instrument.in_([piece.value for piece in instruments]))
    return rows.order_by(DrumEvent.time_seconds, DrumEvent.name)


def read_hit(row: DrumEvent) -> HitRead:
    """A row as the API shows it."""
    piece = DrumPiece(row.instrument)
    return HitRead(
        id=row.name,
        time_seconds=row.time_seconds,
        instrument=piece,
        gm_note=GM_NOTE[piece],
        velocity=row.velocity or 0,
        confidence=row.confidence or 0,
        model_version=row.model_version or "",
    )


Seconds = Annotated[float, Query(ge=0, allow_inf_nan=False)]


@router.get(
    "/hits/{audio_id}",
    response_model=Page[HitRead],
    responses={
        200: {"content": {"text/csv": {}}, "description": "The hits; all of them as CSV"},
        **problem_responses(NotFound),
    },
)
async def list_hits(
    audio_id: UUID,
    caller: CurrentCaller,
    session: Session,
    instrument: Annotated[list[DrumPiece] | None, Query(description="Only these.")] = None,
    min_confidence: Annotated[float, Query(ge=0, le=1)] = 0.0,
    start_s: Seconds = 0.0,
    end_s: Annotated[float | None, Query(ge=0, allow_inf_nan=False)] = None,
    format: Literal["json", "csv"] = "json",  # noqa: A002 - the query parameter's name
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Any:
    """The strokes heard last in a sound, in order of time; paged as JSON, whole as CSV."""
    sound = await steps.get_sound(session, caller.user_id, audio_id)
    analysis = await steps.latest_analysis(session, sound)
    rows = hit_rows(analysis, instrument, min_confidence, start_s, end_s)
    if format == "csv":
        found = (await session.scalars(rows)).all()
        lines = (csv_line(row) for row in found)
        return Response(
            "id,time_seconds,instrument,gm_note,velocity,confidence\r\n" + "".join(lines),
            media_type="text/csv",
            headers={"Content-Disposition": f'attachment; filename="hits-{audio_id}.csv"'},
        )
    if cursor is not None:
        try:
            after_s, _, name = cursor.partition("~")
            rows = rows.where(
                tuple_(DrumEvent.time_seconds, DrumEvent.name) > (float(after_s), name)
            )
        except ValueError:
            raise Invalid(
                "The cursor is not one that a page gave out.", field="query.cursor"
            ) from None
    found = (await session.scalars(rows.limit(limit + 1))).all()
    page = found[:limit]
    more = len(found) > limit
    return {
        "items": [read_hit(row) for row in page],
        "next_cursor": f"{page[-1].time_seconds!r}~{page[-1].name}" if more else None,
    }


def csv_line(row: DrumEvent) -> str:
    """A hit as a line of CSV."""
    out = io.StringIO()
    hit = read_hit(row)
    csv.writer(out).writerow(
        [hit.id, hit.time_seconds, hit.instrument, hit.gm_note, hit.velocity, hit.confidence]
    )
    return out.getvalue()


async def performance_of(
    session: AsyncSession, storage: Storage, user_id: UUID, audio_id: UUID
) -> Performance:
    """The performance file of what was heard last."""
    sound = await steps.get_sound(session, user_id, audio_id)
    analysis = await steps.latest_analysis(session, sound)
    return Performance.from_json(await storage.read(analysis.hits_key))


@router.get("/beats/{audio_id}", responses=problem_responses(NotFound))
async def get_beats(
    audio_id: UUID, caller: CurrentCaller, session: Session, storage: Store
) -> BeatsRead:
    """The beats, in order of time; none when no steady pulse was found."""
    heard = await performance_of(session, storage, caller.user_id, audio_id)
    return BeatsRead(
        meter=heard.meter,
        beat_unit=heard.beat_unit,
        beats=[BeatRead(time_seconds=beat.time_s, position=beat.position) for beat in heard.beats],
    )


@router.get("/tempo/{audio_id}", responses=problem_responses(NotFound))
async def get_tempo(
    audio_id: UUID, caller: CurrentCaller, session: Session, storage: Store
) -> TempoRead:
    """The tempo, and how it moves from bar to bar."""
    heard = await performance_of(session, storage, caller.user_id, audio_id)
    downbeats = [i for i, beat in enumerate(heard.beats) if beat.position == 1]
    points = []
    for begin, end in pairwise(downbeats):
        span_s = heard.beats[end].time_s - heard.beats[begin].time_s
        if span_s > 0:
            bpm = round(60 * (end - begin) / span_s, 2)
            points.append(TempoPoint(time_seconds=heard.beats[begin].time_s, bpm=bpm))
    lengths = Counter(end - begin for begin, end in pairwise(downbeats))
    return TempoRead(
        tempo_bpm=heard.tempo_bpm,
        confidence=heard.tempo_confidence,
        beats_per_bar=lengths.most_common(1)[0][0] if lengths else None,
        meter=heard.meter,
        beat_unit=heard.beat_unit,
        swing_ratio=heard.swing_ratio,
        tempo_map=points,
        tempo_changes=[TempoPoint(time_seconds=at_s, bpm=bpm) for at_s, bpm in heard.tempo_map],
    )


async def on_local_copy(
    request: Request, sound: Sound, function: Callable[..., ResultT], *args: Any
) -> ResultT:
    """Run `function(path, *args)` over the sound in the pictures' child process."""
    offload: Offload = request.app.state.offload
    storage: Storage = request.app.state.storage
    settings: AudioSettings = request.app.state.settings
    try:
        with tempfile.TemporaryDirectory(prefix="backbeat-") as folder:
            path = Path(folder) / "sound.flac"
            await storage.fetch(sound.audio_key, path)
            return await offload.run(function, path, *args, timeout_s=settings.picture_timeout_s)
    except (TookTooLong, ChildDied) as error:
        raise Unavailable(
            "Drawing this took too long. Try a shorter part.", headers={"Retry-After": "10"}
        ) from error


async def cached(
    request: Request,
    session: AsyncSession,
    sound: Sound,
    name: str,
    function: Callable[..., bytes],
    *args: Any,
) -> bytes:
    """What was made once from a sound is kept beside it. Ends the session."""
    # Drawings wait for each other: they must not hold the connections that work is done with.
    await session.commit()
    storage: Storage = request.app.state.storage
    key = f"derived/{sound.video_id}/{sound.id}/{name}"
    try:
        return await storage.read(key)
    except MissingObject:
        made = await on_local_copy(request, sound, function, *args)
        await storage.write(key, made)
        return made


@router.get("/waveform/{audio_id}", responses=problem_responses(NotFound))
async def get_waveform(
    audio_id: UUID,
    caller: CurrentCaller,
    session: Session,
    request: Request,
    buckets: Annotated[int, Query(ge=1, le=20_000, description="Spans of time.")] = 1_000,
) -> WaveformRead:
    """The waveform's outline, for drawing."""
    sound = await steps.get_sound(session, caller.user_id, audio_id)
    data = await cached(
        request, session, sound, f"peaks-{buckets}.json", derived.peaks_json, buckets
    )
    return WaveformRead(duration_seconds=sound.duration_s, peaks=json.loads(data))


@router.get(
    "/spectrogram/{audio_id}",
    response_class=Response,
    responses={
        200: {"content": {"image/png": {}}, "description": "The picture"},
        **problem_responses(NotFound),
    },
)
async def get_spectrogram(
    audio_id: UUID,
    caller: CurrentCaller,
    session: Session,
    request: Request,
    width: Annotated[int, Query(ge=16, le=4096)] = 1024,
    height: Annotated[int, Query(ge=16, le=1024)] = 256,
    start_s: Seconds = 0.0,
    end_s: Annotated[float | None, Query(ge=0, allow_inf_nan=False)] = None,
) -> Response:
    """A log-mel spectrogram as PNG, of all or a part of the sound."""
    sound = await steps.get_sound(session, caller.user_id, audio_id)
    end = min(end_s if end_s is not None else sound.duration_s, sound.duration_s)
    if start_s >= end:
        raise Invalid("The part is empty: end_s must be after start_s.", field="query.end_s")
    name = f"spectrogram-{width}x{height}-{start_s:.3f}-{end:.3f}.png"
    data = await cached(
        request, session, sound, name, derived.spectrogram, width, height, start_s, end
    )
    return Response(data, media_type="image/png")


@router.get("/loudness/{audio_id}", responses=problem_responses(NotFound))
async def get_loudness(
    audio_id: UUID, caller: CurrentCaller, session: Session, request: Request
) -> LoudnessRead:
    """How loud the sound is: integrated loudness, peak and mean level."""
    sound = await steps.get_sound(session, caller.user_id, audio_id)
    data = await cached(request, session, sound, "loudness.json", derived.loudness_json)
    return LoudnessRead.model_validate_json(data)


@router.get("/models")
async def list_models(_caller: CurrentCaller, settings: Settings) -> list[ModelRead]:
    """The hearers that can be chosen."""
    return [
        ModelRead(
            name=name,
            version=hearer.version,
            default=name == settings.model,
            kind=hearer.kind,
            hears=sorted(hearer.pieces),
            card=hearer.card,
        )
        for name, hearer in hearers().items()
    ]


@router.get("/formats")
async def list_formats(_caller: CurrentCaller) -> FormatsRead:
    """The containers that can be read, and the options of each step."""
    return FormatsRead(
        containers=sorted(set(DEMUXERS.values())),
        extraction=ExtractionOptions.model_json_schema(),
        hearing=HearingOptions.model_json_schema(),
        separation=SeparationOptions.model_json_schema(),
        enhancement=EnhancementOptions.model_json_schema(),
    )


@router.get("/recommended-settings/{audio_id}", responses=problem_responses(NotFound))
async def recommend_settings(
    audio_id: UUID, caller: CurrentCaller, session: Session, request: Request
) -> Recommendation:
    """Settings that suit this sound, from its level and from how sure the last hearing was."""
    sound = await steps.get_sound(session, caller.user_id, audio_id)
    analysis = await session.scalar(
        select(AudioAnalysis)
        .where(AudioAnalysis.audio_file_id == sound.id)
        .order_by(AudioAnalysis.created_at.desc())
        .limit(1)
    )
    confidences: list[float] = []
    if analysis is not None:
        rows = await session.scalars(
            select(DrumEvent.confidence).where(DrumEvent.analysis_id == analysis.id)
        )
        confidences = [value for value in rows if value is not None]
    loudness = LoudnessRead.model_validate_json(
        await cached(request, session, sound, "loudness.json", derived.loudness_json)
    )
    return derived.recommend(
        request.app.state.settings.model,
        loudness.integrated_lufs,
        loudness.peak_dbfs,
        statistics.median(confidences) if confidences else None,
        analysis.options["sensitivity"] if analysis is not None else 0.5,
    )
