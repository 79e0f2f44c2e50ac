"""What moves from picture to picture: motion that turns back, the camera's own, and breaks.

Dense inverse search flow (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV
2016; OpenCV's DISOpticalFlow) on a small grey copy. A stroke is motion that stops short and turns
back, with more speed before than after: the lift's own turning point is the other way round. Which
way it goes depends on the view (down when seen from the front, often up when seen from above), so
both ways count. The cells of a coarse grid keep the places apart for sync to weigh.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.vision.domain.frames import Image

LONG_SIDE_PX: Final = 320
CELL_PX: Final = 20
_SHORTEST_PX: Final = 80
"""OpenCV's flow crashes on pictures a few patches high; such strips are stretched."""


@dataclass(frozen=True, slots=True)
class Motion:
    """From one picture to the next."""

    down: NDArray[np.float32]
    up: NDArray[np.float32]
    """(rows, cols): mean speed in each cell, in small pixels from frame to frame, the camera's own
    motion taken off."""
    camera: float
    """How far the whole picture moved, in fractions of its longer side."""
    residual: float
    """What the flow leaves unexplained, beside the picture's own contrast: 0 for a perfect match,
    1 and more for another picture."""


class MotionMeter:
    """Measures the motion between pictures that are given one by one."""

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._before: Image | None = None

    def step(self, grey: NDArray[np.uint8]) -> Motion | None:
        """The motion from the picture before to this one (`small_grey`); None for the first."""
        before, self._before = self._before, grey
        if before is None or before.shape != grey.shape:
            return None
        nothing = np.zeros((*grey.shape, 2), np.float32)
        flow = np.asarray(self._flow.calc(before, grey, nothing), np.float32)
        # The part of the picture that is not the player moves with the camera.
        own = np.median(flow.reshape(-1, 2)[::7], axis=0)
        vertical = flow[..., 1] - own[1]
        return Motion(
            _cells(np.maximum(vertical, 0.0)),
            _cells(np.maximum(-vertical, 0.0)),
            float(np.hypot(own[0], own[1])) / LONG_SIDE_PX,
            _residual(before, grey, flow),
        )


def small_grey(image: Image) -> NDArray[np.uint8]:
    """(height, width) grey copy, its longer side LONG_SIDE_PX, stretched when it is a strip."""
    height, width = image.shape[:2]
    scale = LONG_SIDE_PX / max(height, width)
    size = (max(_SHORTEST_PX, round(width * scale)), max(_SHORTEST_PX, round(height * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)


class Turns:
    """Motion that turns back, from speeds that come frame by frame."""

    def __init__(self) -> None:
        self._before: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None

    def step(self, motion: Motion | None, gap_s: float) -> NDArray[np.float16] | None:
        """(rows, cols) how much motion turned back at the frame BEFORE the one that `motion` leads
        to, in fractions of the longer side a second; None while there is nothing to compare."""
        before = self._before
        if motion is None or gap_s <= 0:
            self._before = None
            return None
        unit = 1 / (gap_s * LONG_SIDE_PX)
        down, up = motion.down * unit, motion.up * unit
        self._before = (down, up)
        if before is None or before[0].shape != down.shape:
            return None
        down_before, up_before = before
        falls = _geometric(down_before - down, up - up_before)
        rises = _geometric(up_before - up, down - down_before)
        drop = np.maximum(down_before + up_before - down - up, 0.0)
        turned: NDArray[np.float16] = np.cbrt((falls + rises) ** 2 * drop).astype(np.float16)
        return turned


def _geometric(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    out: NDArray[np.float32] = np.sqrt(np.maximum(a, 0.0) * np.maximum(b, 0.0))
    return out


def _cells(field: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, cols = field.shape[0] // CELL_PX, field.shape[1] // CELL_PX
    cut = field[: rows * CELL_PX, : cols * CELL_PX]
    cells: NDArray[np.float32] = cut.reshape(rows, CELL_PX, cols, CELL_PX).mean(axis=(1, 3))
    return cells


def _residual(before: Image, after: Image, flow: NDArray[np.float32]) -> float:
    """Mean difference of the later picture from the earlier one carried along by the flow, after
    both were brought to the same light (a flash is no cut)."""
    step = 2
    rows, cols = np.mgrid[0 : after.shape[0] : step, 0 : after.shape[1] : step].astype(np.float32)
    carried = flow[::step, ::step]
    # Flow goes from the earlier picture to the later: look up the later where it went.
    moved = cv2.remap(after, cols + carried[..., 0], rows + carried[..., 1], cv2.INTER_LINEAR)
    a = _evened(before[::step, ::step])
    b = _evened(np.asarray(moved, np.uint8))
    return float(np.abs(a - b).mean())


def _evened(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    values = image.astype(np.float32)
    return np.asarray((values - values.mean()) / (values.std() + 4.0))
