"""Files as a browser's MediaRecorder makes them: written once from front to back, so that no
header says how long they are and no index tells where anything is."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any, Literal

import av
import numpy as np
from numpy.typing import NDArray

from backbeat.drumsounds import SAMPLE_RATE

FRAMES_PER_S = 25
OPUS_RATE = 48_000

Kind = Literal["webm vp8", "webm vp9", "webm sound", "mp4 fragmented"]
_KINDS: dict[str, tuple[str, str | None, str, dict[str, str]]] = {
    "webm vp8": ("webm", "libvpx", "libopus", {"live": "1"}),
    "webm vp9": ("webm", "libvpx-vp9", "libopus", {"live": "1"}),
    "webm sound": ("webm", None, "libopus", {"live": "1"}),
    "mp4 fragmented": (
        "mp4",
        "libx264",
        "aac",
        # Without the delay it could not say that AAC begins with 1024 samples of nothing.
        {"movflags": "frag_keyframe+delay_moov+default_base_moof"},
    ),
}


class _Pipe(io.RawIOBase):
    """Takes bytes and cannot go back."""

    def __init__(self) -> None:
        self.taken = bytearray()

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def write(self, data: Any, /) -> int:
        self.taken += data
        return len(data)


def make_recording(kind: Kind, samples: NDArray[np.float32]) -> bytes:
    """A recording of mono `samples` (at SAMPLE_RATE), with a picture that grows lighter."""
    container_format, picture_codec, sound_codec, options = _KINDS[kind]
    pipe = _Pipe()
    rate = SAMPLE_RATE if sound_codec == "aac" else OPUS_RATE
    with av.open(pipe, "w", format=container_format, options=options) as container:
        picture = None
        if picture_codec is not None:
            picture = container.add_stream(picture_codec, rate=FRAMES_PER_S)
            picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
            fast = {"preset": "ultrafast"}
            if picture_codec.startswith("libvpx"):
                fast = {"deadline": "realtime", "cpu-used": "8"}
            picture.options = fast
        sound = container.add_stream(sound_codec, rate=rate, layout="mono")
        resampler = av.AudioResampler(sound.codec_context.format, "mono", rate)
        block = SAMPLE_RATE // FRAMES_PER_S
        for number, start in enumerate(range(0, len(samples), block)):
            if picture is not None:
                light = np.full((48, 64, 3), min(255, 2 * number), np.uint8)
                frame = av.VideoFrame.from_ndarray(light, format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, FRAMES_PER_S)
                container.mux(picture.encode(frame))
            piece = samples[start : start + block]
            heard = av.AudioFrame.from_ndarray(piece[np.newaxis], format="fltp", layout="mono")
            heard.sample_rate = SAMPLE_RATE
            heard.pts, heard.time_base = start, Fraction(1, SAMPLE_RATE)
            for resampled in resampler.resample(heard):
                container.mux(sound.encode(resampled))
        for resampled in resampler.resample(None):
            container.mux(sound.encode(resampled))
        if picture is not None:
            container.mux(picture.encode(None))
        container.mux(sound.encode(None))
    return bytes(pipe.taken)
