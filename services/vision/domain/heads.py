"""Drum heads: ellipses in a shot's median picture, in which the player has dissolved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.vision.domain.frames import Image

_LONG_SIDE_PX: Final = 640
_PICTURES: Final = 25
_MOST: Final = 12


@dataclass(frozen=True, slots=True)
class Head:
    """An ellipse, in fractions of the picture (x and rx of its width, y and ry of its height
    before turning); the angle is in degrees, clockwise."""

    x: float
    y: float
    rx: float
    ry: float
    angle_deg: float


class Backdrop:
    """A fair sample of a shot's pictures, however long it is (Vitter's reservoir)."""

    def __init__(self, seed: int = 0) -> None:
        self._pictures: list[NDArray[np.uint8]] = []
        self._count = 0
        self._rng = np.random.default_rng(seed)

    def step(self, image: Image) -> None:
        """Take in a picture, or pass it over."""
        self._count += 1
        place = len(self._pictures)
        if place >= _PICTURES:
            place = int(self._rng.integers(self._count))
            if place >= _PICTURES:
                return
        height, width = image.shape[:2]
        scale = min(1.0, _LONG_SIDE_PX / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        shrunk = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        small = np.asarray(cv2.cvtColor(shrunk, cv2.COLOR_RGB2GRAY), np.uint8)
        if place == len(self._pictures):
            self._pictures.append(small)
        else:
            self._pictures[place] = small

    def heads(self) -> list[Head]:
        """The ellipses of the median picture, the largest first."""
        if len(self._pictures) < 5:
            return []
        median = np.median(np.stack(self._pictures), axis=0).astype(np.uint8)
        return find_heads(median)


def find_heads(grey: NDArray[np.uint8]) -> list[Head]:
    """Ellipses of a drum head's size in a grey picture (Akinlar and Topal, "EDCircles", 2013;
    OpenCV's EdgeDrawing)."""
    height, width = grey.shape
    if min(height, width) < 32:
        return []
    drawing = cv2.ximgproc.createEdgeDrawing()
    parameters = cv2.ximgproc.EdgeDrawing.Params()
    parameters.EdgeDetectionOperator = cv2.ximgproc.EdgeDrawing_SOBEL
    parameters.GradientThresholdValue = 36
    parameters.AnchorThresholdValue = 8
    drawing.setParams(parameters)
    drawing.detectEdges(cv2.GaussianBlur(grey, (0, 0), 1.0))
    drawing.detectLines()
    found = drawing.detectEllipses()
    if found is None:
        return []
    side = max(height, width)
    kept: list[tuple[float, Head]] = []
    for x, y, radius, a, b, angle in np.asarray(found, np.float64).reshape(-1, 6):
        # A circle comes with its radius alone, an ellipse with its half axes alone.
        rx, ry = radius + a, radius + b
        long, short = max(rx, ry), min(rx, ry)
        if not 0.025 * side < long < 0.3 * side or short < 0.12 * long:
            continue
        if not (0 <= x < width and 0 <= y < height):
            continue
        if any(np.hypot(h.x * width - x, h.y * height - y) < 0.5 * long for _, h in kept):
            continue
        kept.append((long * short, Head(x / width, y / height, rx / width, ry / height, angle)))
    kept.sort(key=lambda pair: -pair[0])
    return [head for _, head in kept[:_MOST]]
