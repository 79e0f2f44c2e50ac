"""What lies inside a media file: which containers are read, and what their streams say.

Uploads are hostile: a playlist (HLS, DASH, concat, SDP) names other files and addresses, and a
demuxer would open them. So a file is only ever handed over open, never as a path or an address;
only the containers of `DEMUXERS` are read (FFmpeg checks its `format_whitelist` after sniffing
and before the demuxer reads a byte); and a demuxer that asks for a second file gets none.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NoReturn

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

# FFmpeg's demuxer name (its short names joined by commas) -> the name told to users.
DEMUXERS: Final[Mapping[str, str]] = {
    "mov,mp4,m4a,3gp,3g2,mj2": "mp4",
    "matroska,webm": "matroska",
    "avi": "avi",
    "mpegts": "mpegts",
    "mpeg": "mpeg",
    "ogg": "ogg",
    "wav": "wav",
    "w64": "w64",
    "flac": "flac",
    "mp3": "mp3",
    "aac": "aac",
    "flv": "flv",
    "asf": "asf",
    "caf": "caf",
    "aiff": "aiff",
}

_AV_TIME_BASE: Final = 1_000_000
_COUNT_WITHIN_S: Final = 10.0


class UnreadableContainer(Exception):
    """The bytes are no media container of `DEMUXERS`, or are cut off before its index."""


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What a file's header says of itself; None where it does not say."""

    duration_s: float | None
    container: str
    """One of the values of `DEMUXERS`."""
    has_video: bool
    """True for moving pictures; cover art is none."""
    has_audio: bool
    width: int | None = None
    """Pixels as stored, before any rotation."""
    height: int | None = None
    frame_rate: float | None = None
    audio_sample_rate: int | None = None
    audio_channels: int | None = None
    video_codec: str | None = None
    audio_codec: str | None = None


@contextmanager
def open_container(source: Path | BinaryIO) -> Iterator[InputContainer]:
    """Open a file, or a seekable binary file-like, for demuxing.

    UnreadableContainer when it is none of `DEMUXERS`; OSError when the path cannot be read.
    """
    import av

    if isinstance(source, Path):
        with source.open("rb") as file, open_container(file) as container:
            yield container
        return
    if source.seek(0, os.SEEK_END) == 0:
        raise UnreadableContainer("an empty file")
    source.seek(0)
    options = {"format_whitelist": ",".join(DEMUXERS), "protocol_whitelist": "none"}
    try:
        container = av.open(source, "r", container_options=options, io_open=_refuse)
    except (av.FFmpegError, UnicodeError) as error:
        raise UnreadableContainer("not a media container that can be read") from error
    with container:
        if container.format.name not in DEMUXERS:
            raise UnreadableContainer(f"container {container.format.name!r} is not read")
        yield container


def probe(source: Path | BinaryIO) -> MediaInfo:
    """Tell what a file holds, from its headers and first packets; nothing is decoded to its end.
    Where no header says how long it is, as in what a browser records, its packets are counted,
    which reads all of it.

    UnreadableContainer as `open_container`.
    """
    with open_container(source) as container:
        video = moving_pictures(container)
        audio = container.streams.audio[0] if container.streams.audio else None
        context = audio.codec_context if audio is not None else None
        picture = video.codec_context if video is not None else None
        rate = video.average_rate or video.guessed_rate if video is not None else None
        info = MediaInfo(
            duration_s=_duration_s(container),
            container=DEMUXERS[container.format.name],
            has_video=video is not None,
            has_audio=audio is not None,
            width=picture.width or None if picture is not None else None,
            height=picture.height or None if picture is not None else None,
            frame_rate=float(rate) if rate else None,
            audio_sample_rate=context.sample_rate or None if context is not None else None,
            audio_channels=context.channels or None if context is not None else None,
            video_codec=picture.name if picture is not None else None,
            audio_codec=context.name if context is not None else None,
        )
        # Last, as it reads on to the end.
        return info if info.duration_s else replace(info, duration_s=_counted_s(container))


def moving_pictures(container: InputContainer) -> VideoStream | None:
    """The first video stream that is no cover art (one still picture in an audio file)."""
    from av.stream import Disposition

    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    return None


def playback_zero_s(container: InputContainer) -> float:
    """Where a player starts, on the container's clock: the earlier of the first sound's and the
    first picture's start. What is heard and what is seen are both told from there."""
    sound = container.streams.audio[0] if container.streams.audio else None
    starts_s = [
        float(track.start_time * track.time_base)
        for track in (sound, moving_pictures(container))
        if track is not None and track.start_time is not None and track.time_base is not None
    ]
    # Before 0 lies only an encoder's priming, or what an edit list cuts off.
    return max(0.0, min(starts_s, default=0.0))


def _duration_s(container: InputContainer) -> float | None:
    if container.duration is not None and container.duration > 0:
        return container.duration / _AV_TIME_BASE
    spans = [
        float(stream.duration * Fraction(stream.time_base))
        for stream in container.streams
        if stream.duration and stream.time_base
    ]
    return max(spans, default=None)


def _counted_s(container: InputContainer) -> float | None:
    """From the first packet's time to the last one's end; None for a file that takes too long to
    be read, or whose packets have no times."""
    import av

    until_s = time.monotonic() + _COUNT_WITHIN_S
    first_s, end_s = math.inf, -math.inf
    # A recording may break off in the middle of a packet.
    with contextlib.suppress(av.FFmpegError):
        for packet in container.demux():
            if packet.pts is None or packet.time_base is None:
                continue
            at_s = float(packet.pts * packet.time_base)
            first_s = min(first_s, at_s)
            end_s = max(end_s, at_s + float((packet.duration or 0) * packet.time_base))
            if time.monotonic() > until_s:
                return None
    return end_s - first_s if end_s > first_s else None


def _refuse(url: str, flags: int, options: dict[str, Any]) -> NoReturn:
    raise PermissionError("a media file may not open another")
