"""Video files made in the test: a grey picture and the sound that is asked for."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from backbeat.drumsounds import SAMPLE_RATE

FRAMES_PER_S = 10


def make_video(
    path: Path,
    samples: NDArray[np.float32] | None,
    *,
    duration_s: float = 2.0,
    size: tuple[int, int] = (64, 48),
) -> Path:
    """An MP4 (H.264, AAC) with mono `samples`, or without a sound track for None."""
    if samples is not None:
        duration_s = len(samples) / SAMPLE_RATE
    with av.open(str(path), "w", format="mp4") as container:
        picture = container.add_stream("libx264", rate=FRAMES_PER_S)
        picture.width, picture.height = size
        picture.pix_fmt = "yuv420p"
        picture.options = {"preset": "ultrafast"}
        sound = None
        if samples is not None:
            sound = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        grey = np.full((size[1], size[0], 3), 96, np.uint8)
        for number in range(max(1, round(duration_s * FRAMES_PER_S))):
            frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
            frame.pts = number
            frame.time_base = Fraction(1, FRAMES_PER_S)
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        if sound is not None and samples is not None:
            block = 1024
            for start in range(0, len(samples), block):
                piece = samples[start : start + block]
                heard = av.AudioFrame.from_ndarray(piece[np.newaxis], format="fltp", layout="mono")
                heard.sample_rate = SAMPLE_RATE
                heard.pts = start
                heard.time_base = Fraction(1, SAMPLE_RATE)
                container.mux(sound.encode(heard))
            container.mux(sound.encode(None))
    return path
