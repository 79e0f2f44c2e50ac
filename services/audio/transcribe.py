"""The work itself: sound out of a video; hits, stems and a clearer copy out of sound."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import delete, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.database import new_id
from libs.common.events import AudioWorkProgressed
from libs.common.messaging.event import Message
from libs.common.messaging.transport import Transport
from libs.common.offload import Offload, Stopped, TookTooLong
from libs.common.performance import Performance
from libs.common.storage import MissingObject, Storage
from libs.common.work import Cancelled, Control, Finish, Handler, Refused, WorkItem
from services.audio import stems, steps
from services.audio.domain import demucs
from services.audio.domain.decode import Extracted, extract_audio
from services.audio.domain.enhance import Enhanced, enhance
from services.audio.domain.errors import HearingError
from services.audio.domain.hear import hear_performance, hearers
from services.audio.domain.separate import HPSS_STEMS, StemFile, separate_hpss
from services.audio.domain.weights import WeightsBroken, WeightsUnavailable, local_weights
from services.audio.models import AudioAnalysis, DrumEvent, Enhancement, Sound, Stem
from services.audio.settings import AudioSettings

ResultT = TypeVar("ResultT")

PROGRESS_EVERY_S = 0.25
ROWS_AT_ONCE = 2_000
FETCHING_SHARE = 0.1
"""How much of a separation's progress is fetching the weights, which is done once."""


def extract_stored(
    storage_url: str,
    key: str,
    target: Path,
    options: dict[str, Any],
    max_duration_s: float,
    *,
    progress: Callable[[float], None],
) -> Extracted:
    """In the worker process: a stored video's sound into a local FLAC."""
    with Storage.open(storage_url).open_reader(key) as reader:
        return _answering(
            lambda: extract_audio(
                reader,
                target,
                sample_rate=options["sample_rate"],
                channels=options["channels"],
                max_duration_s=max_duration_s,
                progress=progress,
            )
        )


def hear_local(
    path: Path, options: dict[str, Any], *, progress: Callable[[float], None]
) -> Performance:
    """In the worker process: a local FLAC's hits and beats."""
    if options["model"] not in hearers():
        # Asked for before an upgrade that took the model away.
        raise Refused(
            "unknown-model",
            f"There is no model {options['model']!r} any more. Ask again with one of "
            f"{', '.join(hearers())}.",
        )
    return _answering(
        lambda: hear_performance(
            path, progress, model=options["model"], sensitivity=options["sensitivity"]
        )
    )


def separate_local(
    path: Path,
    folder: Path,
    options: dict[str, Any],
    weights: str,
    cache: Path,
    sha256: str,
    *,
    progress: Callable[[float], None],
) -> list[StemFile]:
    """In the worker process: a local FLAC's stems into `folder`."""
    drums_alone = options["stems"] == "drums"
    if options["method"] == "hpss":
        names = HPSS_STEMS[:1] if drums_alone else HPSS_STEMS
        return _answering(lambda: separate_hpss(path, folder, names, progress))
    try:
        file = local_weights(
            weights, cache, sha256 or None, lambda part: progress(part * FETCHING_SHARE)
        )
        model = demucs.load_model(file)
    except WeightsUnavailable as error:
        raise Refused(
            "demucs-weights-unavailable",
            f"The weights for Demucs could not be had ({error}). Try again later, or ask for "
            "method hpss.",
            retryable=True,
        ) from error
    except WeightsBroken as error:
        raise Refused(
            "demucs-weights-broken",
            f"The weights for Demucs cannot be used: {error} Whoever runs the service must set "
            "AUDIO_DEMUCS_WEIGHTS to others; until then ask for method hpss.",
        ) from error
    return _answering(
        lambda: demucs.separate_demucs(
            model,
            path,
            folder,
            (demucs.DRUMS,) if drums_alone else None,
            lambda part: progress(FETCHING_SHARE + (1 - FETCHING_SHARE) * part),
        )
    )


def enhance_local(
    path: Path, target: Path, options: dict[str, Any], *, progress: Callable[[float], None]
) -> Enhanced:
    """In the worker process: a clearer copy of a local FLAC."""
    return _answering(lambda: enhance(path, target, **options, progress=progress))


def _answering(do: Callable[[], ResultT]) -> ResultT:
    """What the recording is at fault for is an answer, not an error."""
    try:
        return do()
    except HearingError as error:
        raise Refused(error.code, str(error)) from error


class Transcriber:
    """Does audio's work, one child process per work slot."""

    def __init__(self, settings: AudioSettings, storage: Storage, transport: Transport) -> None:
        self.settings = settings
        self.storage = storage
        self.transport = transport
        self.idle: list[Offload] = [Offload() for _ in range(max(settings.workers, 1))]

    def handlers(self) -> dict[str, Handler]:
        """By kind of work."""
        return {
            steps.EXTRACTION: self.extract,
            steps.HEARING: self.hear,
            stems.SEPARATION: self.separate,
            stems.ENHANCEMENT: self.enhance,
        }

    def close(self) -> None:
        """End the child processes."""
        for offload in self.idle:
            offload.kill()

    async def _in_child(
        self,
        item: WorkItem,
        control: Control,
        message: str,
        function: Callable[..., ResultT],
        *args: Any,
        timeout_s: float | None = None,
    ) -> ResultT:
        """Run in a child, with progress told on the way and cancellation heeded."""
        loop = asyncio.get_running_loop()
        told_at_s = 0.0
        telling: set[asyncio.Task[None]] = set()

        def on_progress(fraction: float) -> None:
            nonlocal told_at_s
            if loop.time() - told_at_s < PROGRESS_EVERY_S:
                return
            told_at_s = loop.time()
            event = AudioWorkProgressed(
                video_id=item.video_id,
                user_id=item.user_id,
                job_id=item.id,
                job_type=item.params["job_type"],
                generation=item.generation,
                fraction=fraction,
                message=message,
            )
            task = asyncio.create_task(self.transport.publish_transient(Message.of(event)))
            telling.add(task)
            task.add_done_callback(telling.discard)

        offload = self.idle.pop()
        try:
            return await offload.run(
                function,
                *args,
                on_progress=on_progress,
                stop=control.cancelled,
                timeout_s=timeout_s or self.settings.time_limit_s,
            )
        except Stopped as error:
            raise Cancelled from error
        except TookTooLong as error:
            raise Refused(
                "took-too-long",
                "This recording took longer than the time limit. Cut it into shorter parts.",
            ) from error
        finally:
            self.idle.append(offload)

    async def extract(self, item: WorkItem, control: Control) -> Finish:
        """The video's sound into storage."""
        audio_id = UUID(item.params["audio_id"])
        # A key of this try's own: what it discards must not be what another try has kept.
        audio_key = f"audio/{item.video_id}/{audio_id}/{new_id()}.flac"
        with tempfile.TemporaryDirectory(prefix="backbeat-") as folder:
            target = Path(folder) / "sound.flac"
            try:
                found = await self._in_child(
                    item,
                    control,
                    "Extracting the sound",
                    extract_stored,
                    self.settings.storage_url,
                    item.params["storage_key"],
                    target,
                    item.params["options"],
                    self.settings.max_duration_s,
                )
            except FileNotFoundError as error:
                raise MissingObject(item.params["storage_key"]) from error
            control.discard.append(lambda: self.storage.delete(audio_key))
            await self.storage.write_file(audio_key, target)

        async def finish(session: AsyncSession) -> None:
            sound = await session.merge(
                Sound(
                    id=audio_id,
                    video_id=item.video_id,
                    user_id=item.user_id,
                    title=item.params["title"],
                    audio_key=audio_key,
                    options=item.params["options"],
                    sample_rate=found.sample_rate,
                    channels=found.channels,
                    duration_s=found.duration_s,
                    peak=found.peak,
                    decode_errors=found.decode_errors,
                )
            )
            steps.tell_extracted(
                session,
                sound,
                job_id=item.id,
                generation=item.generation,
                jobs=steps.jobs_of(item.params),
            )

        return finish

    async def hear(self, item: WorkItem, control: Control) -> Finish:
        """The sound's hits and beats into storage and into rows."""
        audio_id = UUID(item.params["audio_id"])
        analysis_id = UUID(item.params["analysis_id"])
        hits_key = f"hits/{item.video_id}/{analysis_id}/{new_id()}.json"
        with tempfile.TemporaryDirectory(prefix="backbeat-") as folder:
            path = Path(folder) / "sound.flac"
            await self.storage.fetch(item.params["audio_key"], path)
            heard = await self._in_child(
                item,
                control,
                "Listening for the drums",
                hear_local,
                path,
                item.params["options"],
            )
        control.discard.append(lambda: self.storage.delete(hits_key))
        await self.storage.write(hits_key, heard.to_json())

        async def finish(session: AsyncSession) -> None:
            sound = await session.get(Sound, audio_id)
            if sound is None:
                raise Cancelled
            await session.execute(delete(AudioAnalysis).where(AudioAnalysis.id == analysis_id))
            analysis = AudioAnalysis(
                id=analysis_id,
                audio_file_id=audio_id,
                video_id=item.video_id,
                options=item.params["options"],
                model_version=heard.model_version,
                hits_key=hits_key,
                hit_count=len(heard.hits),
                beat_count=len(heard.beats),
                tempo_bpm=heard.tempo_bpm,
                tempo_confidence=heard.tempo_confidence,
                created_at=func.now(),
            )
            session.add(analysis)
            await session.flush()
            for start in range(0, len(heard.hits), ROWS_AT_ONCE):
                await session.execute(
                    insert(DrumEvent),
                    [
                        {
                            "analysis_id": analysis_id,
                            "audio_file_id": audio_id,
                            "name": hit.id,
                            "time_seconds": hit.onset_s,
                            "instrument": hit.piece.value,
                            "velocity": hit.velocity,
                            "confidence": hit.confidence,
                            "model_version": heard.model_version,
                        }
                        for hit in heard.hits[start : start + ROWS_AT_ONCE]
                    ],
                )
            steps.tell_heard(
                session,
                sound,
                analysis,
                job_id=item.id,
                job_type=item.params["job_type"],
                generation=item.generation,
                jobs=steps.jobs_of(item.params),
            )

        return finish

    async def separate(self, item: WorkItem, control: Control) -> Finish:
        """The sound's stems into storage."""
        audio_id = UUID(item.params["audio_id"])
        separation_id = UUID(item.params["separation_id"])
        options = item.params["options"]
        prefix = f"stems/{item.video_id}/{audio_id}/{new_id()}"
        with tempfile.TemporaryDirectory(prefix="backbeat-") as folder:
            path = Path(folder) / "sound.flac"
            await self.storage.fetch(item.params["audio_key"], path)
            made = await self._in_child(
                item,
                control,
                f"Separating by {options['method']}",
                separate_local,
                path,
                Path(folder),
                options,
                self.settings.demucs_weights,
                self.settings.weights_cache,
                self.settings.demucs_sha256,
                timeout_s=self.settings.separation_time_limit_s,
            )
            control.discard.append(lambda: self._forget(prefix))
            for stem in made:
                await self.storage.write_file(f"{prefix}/{stem.path.name}", stem.path)
        version = stems.model_version(self.settings, options["method"])

        async def finish(session: AsyncSession) -> None:
            sound = await session.get(Sound, audio_id)
            if sound is None:
                raise Cancelled
            await session.execute(delete(Stem).where(Stem.separation_id == separation_id))
            rows = [
                Stem(
                    id=new_id(),
                    separation_id=separation_id,
                    audio_file_id=audio_id,
                    video_id=item.video_id,
                    name=stem.name,
                    method=options["method"],
                    model_version=version,
                    audio_key=f"{prefix}/{stem.path.name}",
                    sample_rate=stem.sample_rate,
                    channels=stem.channels,
                    duration_s=stem.duration_s,
                    peak=stem.peak,
                )
                for stem in made
            ]
            session.add_all(rows)
            stems.tell_separated(session, sound, rows, job_id=item.id, generation=item.generation)

        return finish

    async def enhance(self, item: WorkItem, control: Control) -> Finish:
        """A clearer copy of the sound into storage."""
        audio_id = UUID(item.params["audio_id"])
        enhancement_id = UUID(item.params["enhancement_id"])
        audio_key = f"enhanced/{item.video_id}/{audio_id}/{new_id()}.flac"
        with tempfile.TemporaryDirectory(prefix="backbeat-") as folder:
            path, target = Path(folder) / "sound.flac", Path(folder) / "enhanced.flac"
            await self.storage.fetch(item.params["audio_key"], path)
            made = await self._in_child(
                item,
                control,
                "Enhancing the sound",
                enhance_local,
                path,
                target,
                item.params["options"],
            )
            control.discard.append(lambda: self.storage.delete(audio_key))
            await self.storage.write_file(audio_key, target)

        async def finish(session: AsyncSession) -> None:
            sound = await session.get(Sound, audio_id)
            if sound is None:
                raise Cancelled
            await session.execute(delete(Enhancement).where(Enhancement.id == enhancement_id))
            row = Enhancement(
                id=enhancement_id,
                audio_file_id=audio_id,
                video_id=item.video_id,
                options=item.params["options"],
                audio_key=audio_key,
                **asdict(made),
            )
            session.add(row)
            stems.tell_enhanced(session, sound, row, job_id=item.id, generation=item.generation)

        return finish

    async def _forget(self, prefix: str) -> None:
        await self.storage.delete_all(prefix)
