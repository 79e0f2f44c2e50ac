"""A small still of a video: drawn once per width, kept beside the video, removed with it."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable, Iterator
from enum import IntEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from libs.common.containers import UnreadableContainer, moving_pictures, open_container
from libs.common.errors import NotFound, Unavailable
from libs.common.offload import ChildDied, Offload, TookTooLong
from libs.common.storage import MissingObject, Storage
from services.media.models import Video
from services.media.settings import MediaSettings

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

log = logging.getLogger(__name__)


class Width(IntEnum):
    """The widths that are drawn, in pixels: a free choice would let anyone fill the storage."""

    SMALL = 160
    MEDIUM = 320
    LARGE = 640


AT_FRACTION: Final = 0.1
"""Of the duration: the very first frame is often black."""
MAX_PACKETS: Final = 500
"""Looked at for one picture."""
QUALITY: Final = 4
"""The encoder's quantiser, 1 (best) to 31."""


def key_of(video: Video, width: int) -> str:
    """Where a video's thumbnail lies."""
    return f"videos/{video.id}/thumbnail-{width}.jpg"


async def read(
    storage: Storage, offload: Offload, settings: MediaSettings, video: Video, width: Width
) -> bytes:
    """The thumbnail, a JPEG at most `width` pixels wide; drawn when it is asked for first.
    NotFound when there are no pictures."""
    jpeg = b""
    if video.has_video:
        key = key_of(video, width)
        try:
            jpeg = await storage.read(key)
        except MissingObject:
            jpeg = await draw(offload, settings, video, width)
            # Also nothing is kept, so that a file without a readable picture is tried once.
            await storage.write(key, jpeg)
    if not jpeg:
        raise NotFound("The file has no picture to show.", code="no-picture")
    return jpeg


async def draw(offload: Offload, settings: MediaSettings, video: Video, width: int) -> bytes:
    """The picture, or nothing when none can be decoded."""
    try:
        return await offload.run(
            draw_stored,
            settings.storage_url,
            video.storage_path,
            width,
            timeout_s=settings.thumbnail_timeout_s,
        )
    except MissingObject:
        raise NotFound("The video's file is gone.", code="video-file-missing") from None
    except (UnreadableContainer, TookTooLong, ChildDied) as error:
        log.info("no thumbnail", extra={"reason": str(error)})
        return b""
    except OSError as error:
        raise Unavailable(
            "The storage does not answer. Try again in a moment.", headers={"Retry-After": "5"}
        ) from error


def draw_stored(
    storage_url: str, key: str, width: int, *, progress: Callable[[float], None]
) -> bytes:
    """A JPEG of a stored file's picture. Runs in the worker process: the file is a stranger's."""
    del progress
    reader = Storage.open(storage_url).open_reader(key)
    with contextlib.closing(reader), open_container(reader) as container:
        stream = moving_pictures(container)
        frame = None if stream is None else still(container, stream)
        if stream is None or frame is None:
            return b""
        return encoded(upright(frame, stream.sample_aspect_ratio, width))


def still(container: InputContainer, stream: VideoStream) -> VideoFrame | None:
    """A frame a tenth into the recording, else the first that can be decoded."""
    import av

    stream.thread_type = "SLICE"
    if container.duration:
        with contextlib.suppress(av.FFmpegError):
            container.seek(int(container.duration * AT_FRACTION))
            for frame in frames(container, stream):
                return frame
        with contextlib.suppress(av.FFmpegError):
            container.seek(0)
    return next(frames(container, stream), None)


def frames(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """What decodes of the next packets."""
    import av

    packets = container.demux(stream)
    for _ in range(MAX_PACKETS):
        try:
            packet = next(packets, None)
            if packet is None:
                return
            yield from packet.decode()
        except av.FFmpegError:
            continue


def upright(frame: VideoFrame, pixel_aspect: Fraction | None, width: int) -> VideoFrame:
    """The frame as a player shows it: rotated, with square pixels, never enlarged."""
    import av

    turns = round((frame.rotation or 0) / 90) % 4
    aspect = float(pixel_aspect or 1)
    shown_width, shown_height = frame.width * aspect, float(frame.height)
    if turns % 2:
        shown_width, shown_height = shown_height, shown_width
    scale = min(1.0, width / shown_width)
    # Even: the encoder halves the colours.
    out_width, out_height = (
        max(2, 2 * math.floor(side * scale / 2 + 0.5)) for side in (shown_width, shown_height)
    )
    graph = av.filter.Graph()
    links = [
        graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=frame.time_base or Fraction(1, 25),
        )
    ]
    # FFmpeg's rotation is counter-clockwise.
    links += [graph.add("transpose", "cclock") for _ in range(turns)]
    links.append(graph.add("scale", f"{out_width}:{out_height}:out_range=full"))
    links.append(graph.add("format", "yuvj420p"))
    links.append(graph.add("buffersink"))
    graph.link_nodes(*links).configure()
    graph.push(frame)
    drawn = graph.pull()
    assert isinstance(drawn, av.VideoFrame)
    return drawn


def encoded(frame: VideoFrame) -> bytes:
    """As JPEG."""
    import av

    encoder = av.CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height = frame.width, frame.height
    encoder.pix_fmt = "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"qmin": str(QUALITY), "qmax": str(QUALITY)}
    frame.pts = 0
    frame.time_base = encoder.time_base
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    return b"".join(bytes(packet) for packet in packets)
