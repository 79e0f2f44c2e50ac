"""A video's pictures one after the other, upright, on the sound's clock, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import av
import numpy as np
from numpy.typing import NDArray

from libs.common.containers import (
    UnreadableContainer,
    moving_pictures,
    open_container,
    playback_zero_s,
)
from services.vision.domain.errors import NoPictures, TooLongToSee, UnreadableVideo

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

Image = NDArray[np.uint8]

MAX_RATE_HZ: Final = 60.0
"""More frames a second tell no more of a stroke than they cost: every other one is left out."""
LONG_SIDE_PX: Final = 960
_MOST_PIXELS: Final = 8192 * 4320
_LARGE_PIXELS: Final = 2560 * 1440
_MOST_ERRORS_IN_A_ROW: Final = 600
_SEEK_S: Final = 1.0
"""A seek goes to the key frame before; so much earlier for safety."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture."""

    time_s: float
    """From where a player starts."""
    image: Image
    """(height, width, 3), RGB, upright, its longer side at most LONG_SIDE_PX."""


@dataclass(slots=True)
class Film:
    """What a file's pictures are; `frames`, `decode_errors` and `end_s` grow while it is read."""

    width: int = 0
    height: int = 0
    """As shown."""
    duration_s: float = 0.0
    """As the header has it; 0 where it does not say."""
    frames: int = 0
    """Decoded, those left out included."""
    decode_errors: int = 0
    first_s: float = 0.0
    end_s: float = 0.0

    @property
    def fps(self) -> float:
        """Decoded frames a second on the average."""
        span_s = self.end_s - self.first_s
        return (self.frames - 1) / span_s if self.frames > 1 and span_s > 0 else 0.0


def read_frames(
    source: Path | BinaryIO,
    film: Film,
    *,
    max_duration_s: float = float("inf"),
    start_s: float = 0.0,
    until_s: float = float("inf"),
) -> Iterator[Frame]:
    """The pictures of the first video stream from `start_s` to `until_s`, at most MAX_RATE_HZ a
    second; `film` is filled on the way. Damaged pieces are passed over and counted.

    Raises NoPictures without a video stream, UnreadableVideo when nothing can be decoded or the
    picture is larger than 8K, TooLongToSee.
    """
    try:
        with open_container(source) as container:
            stream = moving_pictures(container)
            if stream is None:
                raise NoPictures
            if stream.codec_context.width * stream.codec_context.height > _MOST_PIXELS:
                raise UnreadableVideo(
                    "This video's picture is larger than 8K. Export it at 1080p and upload that."
                )
            film.duration_s = float(container.duration or 0) / 1_000_000
            # Frames decoded beside each other are quicker, and each takes its memory: 50 MB at 8K.
            large = stream.codec_context.width * stream.codec_context.height > _LARGE_PIXELS
            stream.thread_type = "SLICE" if large else "AUTO"
            if start_s > _SEEK_S:
                at_s = playback_zero_s(container) + start_s - _SEEK_S
                container.seek(int(at_s * 1_000_000), backward=True)
            for frame in _upright(container, stream, film, max_duration_s):
                if frame.time_s > until_s:
                    return
                if frame.time_s >= start_s:
                    yield frame
    except UnreadableContainer as error:
        raise UnreadableVideo from error
    if not film.frames:
        raise UnreadableVideo


def _upright(
    container: InputContainer, stream: VideoStream, film: Film, max_duration_s: float
) -> Iterator[Frame]:
    zero_s = playback_zero_s(container)
    rate = float(stream.average_rate or stream.guessed_rate or 30)
    last_s, given_s = -np.inf, -np.inf
    for frame in _decoded(container, stream, film):
        at_s = frame.time - zero_s if frame.time is not None else last_s + 1 / rate
        if not np.isfinite(at_s):
            at_s = 0.0
        if at_s <= last_s:
            # Times that stand still or go back: a broken clock, or a join of two files.
            continue
        if at_s > max_duration_s:
            raise TooLongToSee
        last_s = at_s
        if not film.frames:
            film.first_s = at_s
        film.frames += 1
        film.end_s = at_s
        if at_s < given_s + 1 / MAX_RATE_HZ - 0.002:
            continue
        given_s = at_s
        image = _image(frame)
        turned = _turned(frame)
        sides = (frame.width, frame.height)
        film.width, film.height = sides[::-1] if turned % 2 else sides
        yield Frame(at_s, np.ascontiguousarray(np.rot90(image, turned)) if turned else image)


def _decoded(container: InputContainer, stream: VideoStream, film: Film) -> Iterator[VideoFrame]:
    in_a_row = 0
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:
            # Cut off, or garbage where a packet should be: what came so far counts.
            film.decode_errors += 1
            return
        if packet is None:
            return
        try:
            for frame in packet.decode():
                in_a_row = 0
                yield frame
        except av.FFmpegError:
            film.decode_errors += 1
            in_a_row += 1
            if in_a_row > _MOST_ERRORS_IN_A_ROW:
                return


def _image(frame: VideoFrame) -> Image:
    scale = min(1.0, LONG_SIDE_PX / max(frame.width, frame.height))
    width = max(2, round(frame.width * scale))
    height = max(2, round(frame.height * scale))
    # Area: the only cheap way that does not alias when shrinking by three.
    small = frame.reformat(
        width, height, "rgb24", interpolation="AREA" if scale < 0.5 else "FAST_BILINEAR"
    )
    return np.asarray(small.to_ndarray(), np.uint8)


def _turned(frame: VideoFrame) -> int:
    """How many quarter turns counter-clockwise make the frame upright."""
    rotation: Any = getattr(frame, "rotation", 0)
    turns: int = round(rotation / 90) % 4
    return turns
