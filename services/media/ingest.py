"""A video comes in: streamed to storage while its size and kind are checked, then probed."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.containers import MediaInfo, UnreadableContainer, probe
from libs.common.database import SessionMaker, new_id
from libs.common.errors import Invalid, TooLarge, Unavailable, UnsupportedMedia
from libs.common.events import VideoUploaded
from libs.common.messaging import announce
from libs.common.offload import ChildDied, Offload, TookTooLong
from libs.common.steps import PIPELINE, JobType
from libs.common.storage import Storage
from services.media import jobs
from services.media.domain.sniff import HEAD_BYTES, display_name, media_type
from services.media.models import Video
from services.media.settings import MediaSettings

log = logging.getLogger(__name__)

SWEPT_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Received:
    """A file that lies in storage and was looked into, not yet anybody's video."""

    video_id: UUID
    key: str
    filename: str
    content_type: str
    size_bytes: int
    sha256: str
    info: MediaInfo


def original_key(video_id: UUID) -> str:
    """Where a video's file lies."""
    return f"videos/{video_id}/original"


def probe_stored(storage_url: str, key: str, *, progress: Callable[[float], None]) -> MediaInfo:
    """Look into a stored file. Runs in the worker process: the file is a stranger's."""
    del progress
    reader = Storage.open(storage_url).open_reader(key)
    with contextlib.closing(reader):
        return probe(reader)


async def receive(
    storage: Storage,
    offload: Offload,
    settings: MediaSettings,
    filename: str | None,
    chunks: AsyncIterator[bytes],
) -> Received:
    """Store and check a file; on any failure nothing stays behind.

    TooLarge, UnsupportedMedia (not audio or video by its first bytes) or Invalid (empty,
    unreadable, too big a picture, too long)."""
    video_id = new_id()
    key = original_key(video_id)
    digest = hashlib.sha256()
    size_bytes = 0
    kind: str | None = None

    async def checked() -> AsyncIterator[bytes]:
        nonlocal size_bytes, kind
        head = b""
        async for chunk in chunks:
            size_bytes += len(chunk)
            if size_bytes > settings.max_file_size:
                raise too_large(settings)
            digest.update(chunk)
            if kind is None:
                # Nothing is written before the first bytes say what it is.
                head += chunk
                if len(head) < HEAD_BYTES:
                    continue
                kind = known_type(head)
                yield head
            else:
                yield chunk
        if kind is None:
            kind = known_type(head)
            yield head

    try:
        await storage.write_stream(key, checked())
        assert kind is not None
        info = await look_into(offload, settings, key)
    except BaseException:
        with contextlib.suppress(OSError):
            await storage.delete(key)
        raise
    return Received(
        video_id=video_id,
        key=key,
        filename=display_name(filename),
        content_type=kind,
        size_bytes=size_bytes,
        sha256=digest.hexdigest(),
        info=info,
    )


def too_large(settings: MediaSettings) -> TooLarge:
    """The answer to more bytes than the limit."""
    limit_mb = settings.max_file_size / 1_000_000
    return TooLarge(
        f"The file is over the limit of {limit_mb:g} MB. Cut it, or lower its resolution.",
        code="file-too-large",
        field="body.file",
    )


def known_type(head: bytes) -> str:
    """The media type, or the reason that there is none."""
    if not head:
        raise Invalid("The file is empty.", code="file-empty", field="body.file")
    kind = media_type(head)
    if kind is None:
        raise UnsupportedMedia(
            "This is no audio or video file (its content was looked at, not its name). Send "
            "MP4, MOV, MKV, WebM, AVI, MPEG, WAV, FLAC, MP3, AAC or Ogg.",
            code="not-a-media-file",
            field="body.file",
        )
    return kind


async def probed(offload: Offload, settings: MediaSettings, key: str) -> MediaInfo:
    """What the file holds. A process that died is no proof against the file: a stop of the whole
    service kills it, too, and a resumable upload's refusal stays. Only a second death is."""
    ask = partial(
        offload.run, probe_stored, settings.storage_url, key, timeout_s=settings.probe_timeout_s
    )
    try:
        return await ask()
    except ChildDied:
        return await ask()


async def look_into(offload: Offload, settings: MediaSettings, key: str) -> MediaInfo:
    """Probe, and hold the result against the limits."""
    try:
        info = await probed(offload, settings, key)
    except (UnreadableContainer, TookTooLong, ChildDied) as error:
        log.info("upload cannot be read", extra={"reason": str(error)})
        raise Invalid(
            "The file begins like audio or video but cannot be read: it is damaged or was cut "
            "off. Export it again, or convert it to MP4 with another program.",
            code="media-unreadable",
            field="body.file",
        ) from error
    except OSError as error:
        raise Unavailable(
            "The storage does not answer. Try again in a moment.", headers={"Retry-After": "5"}
        ) from error
    if max(info.width or 0, info.height or 0) > settings.max_dimension:
        raise Invalid(
            f"The picture is {info.width} × {info.height}; at most {settings.max_dimension} "
            "pixels a side are taken. Scale it down.",
            code="dimensions-too-large",
            field="body.file",
        )
    if not info.has_audio and not info.has_video:
        raise Invalid(
            "The file holds neither sound nor moving pictures.",
            code="media-unreadable",
            field="body.file",
        )
    if (info.duration_s or 0) > settings.max_duration_s:
        raise Invalid(
            f"The recording lasts {(info.duration_s or 0) / 60:.0f} minutes; at most "
            f"{settings.max_duration_s / 60:.0f} are taken. Cut it.",
            code="media-too-long",
            field="body.file",
        )
    return info


async def accept(
    session: AsyncSession,
    user_id: UUID,
    received: Received,
    *,
    process: bool,
    enhance: str | None = None,
    watch: bool = False,
) -> Video:
    """Make the file the user's video and tell everybody; with `process` the pipeline runs, with
    `enhance` the teacher explains its score, and with `watch` the hands are told where there is
    a picture."""
    info = received.info
    video = Video(
        id=received.video_id,
        user_id=user_id,
        filename=received.filename,
        storage_path=received.key,
        content_type=received.content_type,
        size_bytes=received.size_bytes,
        sha256=received.sha256,
        duration_seconds=info.duration_s,
        container=info.container,
        has_video=info.has_video,
        has_audio=info.has_audio,
        width=info.width,
        height=info.height,
        frame_rate=info.frame_rate,
        video_codec=info.video_codec,
        audio_codec=info.audio_codec,
    )
    session.add(video)
    await session.flush()
    steps = [
        *PIPELINE,
        *([JobType.ENRICHMENT] if enhance else []),
        *([JobType.VISION] if watch and info.has_video else []),
    ]
    options = {"enhancement_type": enhance}
    started = (
        jobs.plan(session, video, steps, {JobType.ENRICHMENT.value: options}) if process else {}
    )
    announce(
        session,
        VideoUploaded(
            video_id=video.id,
            user_id=user_id,
            filename=video.filename,
            storage_key=video.storage_path,
            size_bytes=video.size_bytes,
            duration_s=video.duration_seconds,
            has_video=video.has_video,
            jobs=started,
            enhance=enhance if process else None,
        ),
    )
    await session.flush()
    await session.refresh(video)
    return video


async def sweep(sessions: SessionMaker, storage: Storage) -> int:
    """Remove stored files that no video owns: originals left by a process killed between storing
    and committing, thumbnails drawn while their video was deleted. Younger than an hour they may
    be uploads under way. How many went."""
    removed = 0
    old = await storage.keys_older_than("videos", age_s=3600)
    for start in range(0, len(old), SWEPT_AT_ONCE):
        owner = {key: UUID(key.split("/")[1]) for key in old[start : start + SWEPT_AT_ONCE]}
        async with sessions() as session:
            live = await session.scalars(
                select(Video.id).where(Video.id.in_(owner.values()), Video.deleted_at.is_(None))
            )
        kept = set(live)
        for key, video_id in owner.items():
            if video_id not in kept:
                await storage.delete(key)
                removed += 1
    return removed
