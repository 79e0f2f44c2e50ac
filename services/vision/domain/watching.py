"""One pass over a video's pictures: motion, shots, heads and wrists, whatever was heard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.vision.domain.frames import Film, Frame, read_frames
from services.vision.domain.heads import Backdrop, Head
from services.vision.domain.motion import MotionMeter, Turns, small_grey
from services.vision.domain.pose import JOINTS, PoseTracker, available
from services.vision.domain.shots import ShotFinder
from services.vision.domain.watched import Watched

VERSION: Final = "motion-1"
POSE_VERSION: Final = "blazepose-full-1"
COUNT_EVERY_S: Final = 2.0
"""People are counted this often."""
NEAR_S: Final = 1.0
"""Wrists are looked for in frames this near to a hit: whatever the offset, a stroke is in them."""
_ALL_FRAMES_S: Final = 600.0
_SPARING_HZ: Final = 30.0
"""Longer videos are looked at for wrists so often at the most."""
_PROGRESS_EVERY: Final = 15


def version_of(weights: Path | None) -> str:
    """What looks, with these weights."""
    return f"{VERSION}+{POSE_VERSION}" if weights is not None and available(weights) else VERSION


def watch(
    video: Path | BinaryIO,
    onsets_s: Sequence[float] | None,
    *,
    weights: Path | None,
    max_duration_s: float,
    threads: int = 1,
    progress: Callable[[float], None],
) -> Watched:
    """Look at every frame once. Wrists are looked for near `onsets_s` (None: nowhere), people are
    counted all along. Raises SeeingError."""
    cv2.setNumThreads(threads)
    tracker = (
        PoseTracker(weights, threads=threads)
        if weights is not None and available(weights)
        else None
    )
    near = np.sort(np.asarray(onsets_s if onsets_s is not None else [], np.float64))
    film = Film()
    look = _Look(tracker, near)
    for number, frame in enumerate(read_frames(video, film, max_duration_s=max_duration_s)):
        look.step(frame, sparing=film.duration_s > _ALL_FRAMES_S)
        if number % _PROGRESS_EVERY == 0 and film.duration_s > 0:
            progress(min(frame.time_s / film.duration_s, 1.0))
    return look.result(film, version_of(weights))


class _Look:
    """What is gathered frame by frame."""

    def __init__(self, tracker: PoseTracker | None, near: NDArray[np.float64]) -> None:
        self.tracker, self.near = tracker, near
        self.meter, self.turns, self.finder = MotionMeter(), Turns(), ShotFinder()
        self.backdrop = Backdrop()
        self.times_s: list[float] = []
        self.turned: list[NDArray[np.float16] | None] = []
        self.camera: list[float] = []
        self.poses: list[NDArray[np.float32] | None] = []
        self.looked: list[bool] = []
        self.bodies: list[float] = []
        self.cuts: list[int] = []
        self.heads: list[tuple[int, Head]] = []
        self._counted_s = self._looked_s = -np.inf
        self._shape: tuple[int, ...] = ()

    def step(self, frame: Frame, *, sparing: bool) -> None:
        index = len(self.times_s)
        if frame.image.shape != self._shape:
            # A phone that was turned, or a call whose picture changes: another picture altogether.
            if index:
                self._cut(index)
            self._shape, self.finder = frame.image.shape, ShotFinder()
        gap_s = frame.time_s - self.times_s[-1] if self.times_s else 0.0
        motion = self.meter.step(small_grey(frame.image))
        # What turned back is known of a frame only when the next one is there.
        turned = self.turns.step(motion, gap_s)
        if self.turned:
            self.turned[-1] = turned
        self.turned.append(None)
        self.times_s.append(frame.time_s)
        self.camera.append(motion.camera if motion else 0.0)
        cut = self.finder.step(index, motion.residual if motion else 0.0, frame.image)
        if cut is not None:
            self._cut(cut)
        self.backdrop.step(frame.image)
        self._people(frame, sparing)

    def _cut(self, index: int) -> None:
        """The shot before `index` is whole. The handful of frames since then has gone into its
        median picture, too, where it does not weigh."""
        self.heads += [(len(self.cuts), head) for head in self.backdrop.heads()]
        self.backdrop = Backdrop()
        self.cuts.append(index)
        # Between two cameras nothing turns back.
        for frame in (index - 1, index):
            if frame < len(self.turned):
                self.turned[frame] = None
        if self.tracker is not None:
            self.tracker.reset()
        self._counted_s = -np.inf

    def _people(self, frame: Frame, sparing: bool) -> None:
        height, width = frame.image.shape[:2]
        pose, looked, bodies = None, False, np.nan
        if self.tracker is not None and min(height, width) >= 32:
            if frame.time_s - self._counted_s >= COUNT_EVERY_S:
                self._counted_s = frame.time_s
                bodies = float(self.tracker.bodies(frame.image))
            apart_s = 1 / _SPARING_HZ - 0.002 if sparing else 0.0
            if self._near(frame.time_s) and frame.time_s - self._looked_s >= apart_s:
                self._looked_s = frame.time_s
                looked, pose = True, self.tracker.follow(frame.image)
        self.looked.append(looked)
        self.bodies.append(bodies)
        self.poses.append(None if pose is None else pose.joints / [width, height, 1])

    def _near(self, time_s: float) -> bool:
        at = int(np.searchsorted(self.near, time_s))
        around = self.near[max(0, at - 1) : at + 1]
        return bool(np.any(np.abs(around - time_s) <= NEAR_S))

    def result(self, film: Film, version: str) -> Watched:
        self.heads += [(len(self.cuts), head) for head in self.backdrop.heads()]
        count = len(self.times_s)
        shape = next((t.shape for t in self.turned if t is not None), (1, 1))
        turned = np.zeros((count, *shape), np.float16)
        poses = np.full((count, len(JOINTS), 3), np.nan, np.float32)
        for index in range(count):
            what, pose = self.turned[index], self.poses[index]
            if what is not None and what.shape == shape:
                turned[index] = what
            if pose is not None:
                poses[index] = pose
        end_s = film.end_s + (1 / film.fps if film.fps else 0.0)
        return Watched(
            times_s=np.array(self.times_s),
            turned=turned,
            camera=np.array(self.camera, np.float32),
            poses=poses,
            looked=np.array(self.looked, bool),
            bodies=np.array(self.bodies, np.float32),
            cuts=np.array(self.cuts, np.int64),
            heads=np.array(
                [(shot, h.x, h.y, h.rx, h.ry, h.angle_deg) for shot, h in self.heads], np.float32
            ).reshape(-1, 6),
            width=film.width,
            height=film.height,
            fps=film.fps,
            duration_s=max(end_s, 0.0),
            frames=film.frames,
            decode_errors=film.decode_errors,
            model_version=version,
        )
