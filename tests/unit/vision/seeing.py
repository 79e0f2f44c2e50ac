"""What the tests of seeing look at: small films of a rendered player, and hits as an ear hands them
over."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.seeing.drummer.body import Drummer
from benchmarks.seeing.drummer.camera import Camera
from benchmarks.seeing.drummer.film import Film, Take
from benchmarks.seeing.drummer.playing import Played, played
from libs.common.drums import Hit
from libs.common.performance import Performance

TICKS = 90_000


def silent(fraction: float) -> None:
    """Progress that nobody watches."""


def hits_of(strokes: Sequence[Played]) -> list[Hit]:
    return [stroke.hit for stroke in strokes]


def performance(hits: Sequence[Hit]) -> Performance:
    return Performance(
        duration_s=(hits[-1].onset_s + 1) if hits else 0.0,
        hits=tuple(hits),
        beats=(),
        tempo_bpm=None,
        tempo_confidence=0.0,
        model_version="truth",
    )


def filmed(
    view: str = "front-high",
    *,
    groove: str = "rock",
    seed: int = 1,
    duration_s: float = 8.0,
    offset_s: float = 0.08,
    fps: float = 25.0,
    size: tuple[int, int] = (320, 180),
    cuts: Sequence[tuple[str, float]] = (),
    left_handed: bool = False,
    mirrored: bool = False,
    tempo_bpm: float | None = None,
) -> Film:
    """A film that is still to be rendered. A left-handed player's kit stands the other way round."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)
    strokes = played(
        rng, duration_s + 0.5, groove=groove, left_handed=left_handed, tempo_bpm=tempo_bpm
    )
    takes = [Take(Camera(view, *size, rng, mirrored=mirrored))]
    takes += [Take(Camera(name, *size, rng, mirrored=mirrored), start) for name, start in cuts]
    drummer = Drummer(strokes, rng, mirrored_kit=left_handed)
    return Film(strokes, drummer, takes, duration_s, fps=fps, offset_s=offset_s)


def save_pictures(
    pictures: Sequence[NDArray[np.uint8]],
    path: Path,
    *,
    fps: float = 30.0,
    times_s: Sequence[float] | None = None,
) -> Path:
    """An H.264 film of given pictures, at given times."""
    height, width = pictures[0].shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "ultrafast", "g": "15"}
        stream.time_base = stream.codec_context.time_base = Fraction(1, TICKS)
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            at_s = number / fps if times_s is None else times_s[number]
            frame.pts, frame.time_base = round(at_s * TICKS), Fraction(1, TICKS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def moving_pictures(
    count: int, width: int = 160, height: int = 96, seed: int = 0
) -> list[NDArray[np.uint8]]:
    """A rough pattern that slides."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (height // 8, width // 8, 3), dtype=np.uint8)
    base = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return [np.roll(base, 2 * number, axis=1) for number in range(count)]
