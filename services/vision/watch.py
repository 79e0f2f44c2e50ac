"""The work itself: what a video shows, into storage and into rows."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from sqlalchemy import delete, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.database import SessionMaker, new_id
from libs.common.events import VisionWorkProgressed
from libs.common.messaging.event import Message
from libs.common.messaging.transport import Transport
from libs.common.offload import Offload, Stopped, TookTooLong
from libs.common.options import VisionOptions
from libs.common.performance import Performance
from libs.common.sight import Shot, Sight, Stroke
from libs.common.storage import MissingObject, Storage
from libs.common.work import Cancelled, Control, Finish, Handler, Refused, WorkItem
from services.vision import steps
from services.vision.domain.errors import SeeingError
from services.vision.models import SeenRegion, SeenStroke, VideoAnalysis
from services.vision.settings import VisionSettings

if TYPE_CHECKING:
    from services.vision.domain.see import Seen

PROGRESS_EVERY_S = 0.25
ROWS_AT_ONCE = 2_000


class Look(Protocol):
    """What is run in the worker process; raises Refused."""

    def __call__(
        self,
        storage_url: str,
        storage_key: str,
        hits: Path | None,
        watched: Path | None,
        folder: Path,
        options: dict[str, Any],
        models: Path,
        max_duration_s: float,
        threads: int,
        *,
        progress: Callable[[float], None],
    ) -> Seen:
        """What a stored video shows; its files in `folder`."""


def look_at(
    storage_url: str,
    storage_key: str,
    hits: Path | None,
    watched: Path | None,
    folder: Path,
    options: dict[str, Any],
    models: Path,
    max_duration_s: float,
    threads: int,
    *,
    progress: Callable[[float], None],
) -> Seen:
    """In the worker process: what a stored video shows; its files in `folder`."""
    # Here, so that the service itself does without OpenCV.
    from services.vision import weights
    from services.vision.domain.see import see

    heard = Performance.from_json(hits.read_bytes()) if hits is not None else None
    with Storage.open(storage_url).open_reader(storage_key) as reader:
        try:
            return see(
                reader,
                heard,
                folder,
                VisionOptions.model_validate(options),
                weights=weights.pose_folder(models) if weights.state(models) == "whole" else None,
                watched=watched,
                max_duration_s=max_duration_s,
                threads=threads,
                progress=progress,
            )
        except SeeingError as error:
            # What the video is at fault for is an answer, not an error.
            raise Refused(error.code, str(error)) from error


class Watcher:
    """Does vision's work, one child process per work slot."""

    def __init__(
        self,
        settings: VisionSettings,
        sessions: SessionMaker,
        storage: Storage,
        transport: Transport,
        look: Look = look_at,
    ) -> None:
        self.settings = settings
        self.sessions = sessions
        self.storage = storage
        self.transport = transport
        self.look = look
        self.idle: list[Offload] = [Offload() for _ in range(max(settings.workers, 1))]

    def handlers(self) -> dict[str, Handler]:
        """By kind of work."""
        return {steps.KIND: self.watch}

    def close(self) -> None:
        """End the child processes."""
        for offload in self.idle:
            offload.kill()

    async def watch(self, item: WorkItem, control: Control) -> Finish:
        """What the video shows, into storage and into rows."""
        analysis_id = UUID(item.params["analysis_id"])
        async with self.sessions() as session:
            seen_before = await session.get(VideoAnalysis, analysis_id)
            last = await steps.find_latest(session, item.video_id)
        if seen_before is not None:
            # Equal work under another job was quicker.
            return self._tell_again(item, analysis_id)
        # A key of this try's own: what it discards must not be what another try has kept.
        prefix = f"sight/{item.video_id}/{analysis_id}/{new_id()}"
        with tempfile.TemporaryDirectory(prefix="backbeat-") as name:
            folder = Path(name)
            watched = await self._fetched(last.watched_key if last else "", folder / "before.npz")
            hits = folder / "hits.json" if item.params["hits_key"] else None
            if hits is not None:
                await self.storage.fetch(item.params["hits_key"], hits)
            seen = await self._look(item, control, hits, watched, folder)
            control.discard.append(lambda: self._forget(prefix))
            sight = replace(seen.sight, hits_key=item.params["hits_key"])
            kept = await self._keep(prefix, seen, sight)
            if watched is not None and seen.watched == watched and last is not None:
                kept["watched_key"] = last.watched_key
            else:
                kept["watched_key"] = f"{prefix}/watched.npz"
                await self.storage.write_file(kept["watched_key"], seen.watched)

        async def finish(session: AsyncSession) -> None:
            if await steps.live_source(session, item.video_id) is None:
                raise Cancelled
            await session.execute(delete(VideoAnalysis).where(VideoAnalysis.id == analysis_id))
            analysis = VideoAnalysis(
                **steps.rows_of(item), **kept, **columns(sight), asked_at=func.clock_timestamp()
            )
            session.add(analysis)
            await session.flush()
            await add_rows(session, analysis_id, sight)
            steps.tell(session, analysis, job_id=item.id, generation=item.generation)

        return finish

    def _tell_again(self, item: WorkItem, analysis_id: UUID) -> Finish:
        async def finish(session: AsyncSession) -> None:
            analysis = await session.get(VideoAnalysis, analysis_id)
            if analysis is None:
                raise Cancelled
            steps.tell_again(session, analysis, job_id=item.id, generation=item.generation)

        return finish

    async def _fetched(self, key: str, path: Path) -> Path | None:
        """A file that saves time, where there is one."""
        if not key:
            return None
        try:
            await self.storage.fetch(key, path)
        except MissingObject:
            return None
        return path

    async def _look(
        self,
        item: WorkItem,
        control: Control,
        hits: Path | None,
        watched: Path | None,
        folder: Path,
    ) -> Seen:
        try:
            return await self._in_child(
                item,
                control,
                self.settings.storage_url,
                item.params["storage_key"],
                hits,
                watched,
                folder,
                item.params["options"],
                self.settings.models,
                self.settings.max_duration_s,
                self.settings.threads,
            )
        except FileNotFoundError as error:
            raise MissingObject(item.params["storage_key"]) from error

    async def _in_child(self, item: WorkItem, control: Control, *args: Any) -> Seen:
        """Look in a child, with progress told on the way and cancellation heeded."""
        loop = asyncio.get_running_loop()
        told_at_s = 0.0
        telling: set[asyncio.Task[None]] = set()

        def on_progress(fraction: float) -> None:
            nonlocal told_at_s
            if loop.time() - told_at_s < PROGRESS_EVERY_S:
                return
            told_at_s = loop.time()
            event = VisionWorkProgressed(
                video_id=item.video_id,
                user_id=item.user_id,
                job_id=item.id,
                job_type=item.params["job_type"],
                generation=item.generation,
                fraction=fraction,
                message="Watching the hands",
            )
            task = asyncio.create_task(self.transport.publish_transient(Message.of(event)))
            telling.add(task)
            task.add_done_callback(telling.discard)

        offload = self.idle.pop()
        try:
            return await offload.run(
                self.look,
                *args,
                on_progress=on_progress,
                stop=control.cancelled,
                timeout_s=self.settings.time_limit_s,
            )
        except Stopped as error:
            raise Cancelled from error
        except TookTooLong as error:
            raise Refused(
                "took-too-long",
                "Looking at this video took longer than the time limit. Cut it into shorter parts.",
            ) from error
        finally:
            self.idle.append(offload)

    async def _keep(self, prefix: str, seen: Seen, sight: Sight) -> dict[str, Any]:
        """Sight, film and pictures into storage; their keys as columns."""
        sight_key = f"{prefix}/sight.json"
        await self.storage.write(sight_key, sight.to_json())
        clip_key = None
        if seen.clip is not None:
            clip_key = f"{prefix}/preview.mp4"
            await self.storage.write_file(clip_key, seen.clip)
        still_keys = []
        for number, still in enumerate(seen.stills, 1):
            still_keys.append(f"{prefix}/still-{number}.jpg")
            await self.storage.write_file(still_keys[-1], still)
        return {"sight_key": sight_key, "clip_key": clip_key, "still_keys": still_keys}

    async def _forget(self, prefix: str) -> None:
        await self.storage.delete_all(prefix)


def columns(sight: Sight) -> dict[str, Any]:
    """What a row tells of a sight without opening its file."""
    sync = sight.sync
    return {
        "usable": sight.usable,
        "reason": sight.reason,
        "words": sight.words,
        "offset_seconds": sync.offset_s if sync else None,
        "offset_significance": sync.significance if sync else None,
        "offset_source": sync.source if sync else None,
        "width": sight.width,
        "height": sight.height,
        "fps": sight.fps,
        "duration_seconds": sight.duration_s,
        "frames": sight.frames,
        "decode_errors": sight.decode_errors,
        "mirrored": sight.mirrored,
        "handed": sight.handed,
        "layout": sight.layout,
        "missing": list(sight.missing),
        "model_version": sight.model_version,
        "shots": [asdict(shot) for shot in sight.shots],
        "opinions": [asdict(opinion) for opinion in sight.opinions],
        "stroke_count": len(sight.strokes),
        "marked_count": sight.marked,
    }


async def add_rows(session: AsyncSession, analysis_id: UUID, sight: Sight) -> None:
    """The strokes and regions."""
    shots = {shot.index: shot for shot in sight.shots}
    strokes = [
        {
            "analysis_id": analysis_id,
            "position": position,
            "name": stroke.hit,
            "time_seconds": stroke.onset_s,
            "picture_seconds": picture_s(sight, shots, stroke),
            "instrument": stroke.piece.value,
            "hand": stroke.hand.value if stroke.hand else None,
            "confidence": stroke.confidence,
            "shot": stroke.shot,
            "x": stroke.x,
            "y": stroke.y,
        }
        for position, stroke in enumerate(sight.strokes)
    ]
    for start in range(0, len(strokes), ROWS_AT_ONCE):
        await session.execute(insert(SeenStroke), strokes[start : start + ROWS_AT_ONCE])
    regions = [
        asdict(region)
        | {
            "analysis_id": analysis_id,
            "position": position,
            "instrument": region.piece.value if region.piece else None,
        }
        for position, region in enumerate(sight.regions)
    ]
    for region in regions:
        del region["piece"]
    if regions:
        await session.execute(insert(SeenRegion), regions)


def picture_s(sight: Sight, shots: dict[int, Shot], stroke: Stroke) -> float | None:
    """When the stroke is seen, by its shot's offset or else by the video's."""
    shot = shots.get(stroke.shot) if stroke.shot is not None else None
    sync = (shot.sync if shot else None) or sight.sync
    return stroke.onset_s - sync.offset_s if sync else None
