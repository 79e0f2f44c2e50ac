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
from libs.common.sight import Sight
from services.vision.domain.pose import JOINTS
from services.vision.domain.watched import Watched

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
    """A film still to be rendered. A left-handed player has the kit the other way round."""
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


def watched_of(film: Film, *, noise: float = 0.012, seed: int = 0, lost: float = 0.03) -> Watched:
    """As if a network had found the film's joints: no picture is rendered, so that nothing is known
    of motion, cuts and heads. `noise` is in shoulder widths, `lost` a part of the frames."""
    rng = np.random.default_rng(seed)
    camera = film.takes[0].camera
    joints = film.joints(JOINTS)
    count = len(film.times_s)
    across = np.linalg.norm((joints[:, 1] - joints[:, 2]) * [camera.width, camera.height], axis=1)
    unit = float(np.median(across)) / np.array([camera.width, camera.height])
    poses = np.ones((count, len(JOINTS), 3), np.float32)
    poses[..., :2] = joints + rng.normal(0, noise, joints.shape) * unit
    for wrist in (JOINTS.index("left-wrist"), JOINTS.index("right-wrist")):
        poses[rng.random(count) < lost, wrist, 2] = 0.05
    if film.takes[0].camera.mirrored:
        # A network tells the mirror's left by its looks.
        for left in range(1, len(JOINTS), 2):
            poses[:, [left, left + 1]] = poses[:, [left + 1, left]]
    return Watched(
        times_s=film.times_s,
        turned=np.zeros((count, 1, 1), np.float16),
        camera=np.zeros(count, np.float32),
        poses=poses,
        looked=np.ones(count, bool),
        bodies=np.where(np.arange(count) % 50 == 0, 1, np.nan).astype(np.float32),
        cuts=np.zeros(0, np.int64),
        heads=np.zeros((0, 6), np.float32),
        width=camera.width,
        height=camera.height,
        fps=film.fps,
        duration_s=film.duration_s,
        frames=count,
        decode_errors=0,
        model_version="truth",
    )


def right_of(film: Film, sight: Sight) -> tuple[float, float]:
    """Part of the strokes whose hand is told, and part of those that is right."""
    truth = {stroke.hit.id: stroke.hand for stroke in film.strokes}
    marked = [stroke for stroke in sight.strokes if stroke.hand is not None]
    right = sum(stroke.hand == truth[stroke.hit] for stroke in marked)
    return len(marked) / max(len(sight.strokes), 1), right / max(len(marked), 1)
