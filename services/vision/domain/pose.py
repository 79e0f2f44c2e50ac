"""A person's joints from frame to frame, by MediaPipe's pose networks (BlazePose, full).

Landmarks are those of the frame alone: smoothing them over time hides the very stops of a stroke.
After mediapipe/modules/pose_landmark/*.pbtxt, Apache-2.0; docs/models/pose.md tells more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.vision.domain.pose_crop import Crop, Steadied
from services.vision.domain.pose_detector import Body, find_bodies

DETECTOR_FILE: Final = "pose-detector.onnx"
LANDMARKS_FILE: Final = "pose-landmarks.onnx"

JOINTS: Final = (
    "nose",
    "left-shoulder",
    "right-shoulder",
    "left-elbow",
    "right-elbow",
    "left-wrist",
    "right-wrist",
    "left-index",
    "right-index",
    "left-hip",
    "right-hip",
)
# Of the network's 39 points: the joints, then the middle of the hips and how far the body reaches.
_POINTS: Final = np.array([0, 11, 12, 13, 14, 15, 16, 19, 20, 23, 24, 33, 34])
_SIDE: Final = 256
_LEAST_SCORE: Final = 0.5
_PATIENCE_FRAMES: Final = 5
"""From one search for a person to the next at the least: it takes longer than following one."""
_VIEWS: Final = (1.0, 0.65, 1.5)
"""The whole picture, its middle for people far away, and with a border for those who fill it."""
_WINDOW: Final = 9
"""Cells of the heat map along a side, around a point, that say where it is more exactly."""
_LEAST_HEAT: Final = 0.5


class ModelsMissing(Exception):
    """The networks are not in the folder; `backbeat models fetch` brings them there."""


@dataclass(frozen=True, slots=True)
class Pose:
    """One person in one frame."""

    joints: NDArray[np.float32]
    """(11, 3), in the order of JOINTS: x and y in pixels of the frame, visibility from 0 to 1. Left
    and right are the person's own."""
    score: float
    """How sure the network is that there is a person, 0 to 1."""


def available(folder: Path) -> bool:
    """Whether PoseTracker finds its networks in the folder."""
    return all((folder / name).is_file() for name in (DETECTOR_FILE, LANDMARKS_FILE))


class PoseTracker:
    """One person through the frames of a shot, and how many people there are.

    `providers` are ONNX Runtime's; without them CUDA's where there is one, else the CPU's.
    """

    def __init__(
        self, folder: Path, *, threads: int = 1, providers: Sequence[str] | None = None
    ) -> None:
        if not available(folder):
            raise ModelsMissing(
                f"There are no pose networks in {folder}; `backbeat models fetch` gets them."
            )
        self._detector = _session(folder / DETECTOR_FILE, threads, providers)
        self._landmarks = _session(folder / LANDMARKS_FILE, threads, providers)
        self.reset()

    def reset(self) -> None:
        """Forget the person: what comes is another shot."""
        self._crop: Crop | None = None
        self._last: Crop | None = None
        self._steadied = Steadied()
        self._waited = _PATIENCE_FRAMES
        # All at first, for a short shot or a single picture; then one at each search.
        self._views: tuple[float, ...] = _VIEWS

    def follow(self, frame: NDArray[np.uint8]) -> Pose | None:
        """The person in the next frame (height, width, 3), RGB; None when nobody is seen.

        Who was seen before is stayed with; else it is the largest person near the middle.
        """
        frame = np.ascontiguousarray(frame)
        self._waited += 1
        if self._crop is not None:
            pose = self._look(frame, self._crop)
            if pose is not None:
                return pose
        if self._waited < _PATIENCE_FRAMES:
            return None
        self._waited = 0
        self._steadied = Steadied()
        bodies = self._search(frame, self._views)
        self._views = (_VIEWS[(_VIEWS.index(self._views[-1]) + 1) % len(_VIEWS)],)
        if not bodies:
            return None
        return self._look(frame, self._choose(bodies, frame.shape[0], frame.shape[1]).crop)

    def bodies(self, frame: NDArray[np.uint8]) -> int:
        """How many people the detector sees in a frame (height, width, 3), RGB."""
        return len(self._search(frame, _VIEWS))

    def _search(self, frame: NDArray[np.uint8], views: Sequence[float]) -> list[Body]:
        """The people in the first of the views that has any."""
        for view in views:
            bodies = find_bodies(self._detector, frame, view)
            if bodies:
                return bodies
        return []

    def _choose(self, bodies: list[Body], height: int, width: int) -> Body:
        def prominence(body: Body) -> float:
            if self._last is not None:
                apart = math.hypot(body.crop.x - self._last.x, body.crop.y - self._last.y)
                return -apart
            from_middle = abs(body.crop.x - width / 2) / (width / 2)
            return body.crop.size * (1 - min(from_middle, 1.0) / 2)

        return max(bodies, key=prominence)

    def _look(self, frame: NDArray[np.uint8], crop: Crop) -> Pose | None:
        """The person inside a crop, who is looked for around there in the next frame."""
        picture = crop.cut(frame, _SIDE, least=0.0, repeat_border=True)
        landmarks, presence, heat = self._landmarks.run(
            ["landmarks", "presence", "heatmap"], {"picture": picture}
        )
        self._crop = None
        score = float(presence[0, 0])
        # Not a number, too, is nobody.
        if not score >= _LEAST_SCORE:
            return None
        found = landmarks.reshape(-1, 5)[_POINTS]
        inside = _refined(found[:, :2] / np.float32(_SIDE), heat[0, _POINTS])
        points = crop.to_frame(inside)
        after = Crop.of_person(*self._steadied.next(points[-2:]))
        if after.may_follow(crop, frame.shape[0], frame.shape[1]):
            self._crop = self._last = after
        visibility = _sigmoid(found[:, 3])
        joints = np.column_stack([points, visibility])[: len(JOINTS)]
        return Pose(joints=joints.astype(np.float32), score=score)


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -50, 50))), np.float32)


def _refined(points: NDArray[np.float32], heat: NDArray[np.float32]) -> NDArray[np.float32]:
    """Points, [points, 2] from 0 to 1, moved to the middle of the heat around them.

    `heat` is [points, height, width] in logits. A point with little heat around it stays.
    """
    height, width = heat.shape[1:]
    moved = points.copy()
    for index, (x, y) in enumerate(points):
        column, row = int(x * width), int(y * height)
        if not (0 <= column < width and 0 <= row < height):
            continue
        left, top = max(0, column - _WINDOW // 2), max(0, row - _WINDOW // 2)
        near = _sigmoid(heat[index, top : row + _WINDOW // 2 + 1, left : column + _WINDOW // 2 + 1])
        if near.max() < _LEAST_HEAT:
            continue
        total = near.sum()
        moved[index, 0] = (near.sum(axis=0) @ np.arange(left, left + near.shape[1])) / total / width
        moved[index, 1] = (near.sum(axis=1) @ np.arange(top, top + near.shape[0])) / total / height
    return moved


def _session(path: Path, threads: int, providers: Sequence[str] | None) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that wait busily take the time of the decoder's and of other workers'.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    here = onnxruntime.get_available_providers()
    wanted = providers or ("CUDAExecutionProvider", "CPUExecutionProvider")
    try:
        return onnxruntime.InferenceSession(
            path, options, providers=[name for name in wanted if name in here]
        )
    except Exception as error:
        # ONNX Runtime raises kinds of its own that share no base class.
        raise ModelsMissing(
            f"{path} cannot be read ({error}); `backbeat models fetch` gets it anew."
        ) from error
