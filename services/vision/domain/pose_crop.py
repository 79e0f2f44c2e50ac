"""The square of a picture that a pose network looks at: turned so that the person stands."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

_LARGER: Final = 1.25
"""How much larger than the person the square is: MediaPipe's."""
_LEAST_PIXELS: Final = 32
_MOST_PICTURES: Final = 5

_STILL: Final = 0.12
"""Of the body's reach: how far the points move before the crop does."""
_FRAME_RATE: Final = 30.0
_LEAST_CUTOFF_HZ: Final = 0.01
_CUTOFF_HZ_BY_SPEED: Final = 10.0
_SPEED_CUTOFF_HZ: Final = 1.0


@dataclass(frozen=True, slots=True)
class Crop:
    """A square; x to the right and y down, in pixels of the picture."""

    x: float
    """Of the centre."""
    y: float
    size: float
    angle: float = 0.0
    """Radians, by which it is turned clockwise as one sees it."""

    @classmethod
    def of_person(cls, hips: NDArray[np.float32], reach: NDArray[np.float32]) -> Crop:
        """Around the middle of the hips; `reach` is the point above the head of a circle around the
        whole person. Networks guess both where they are not seen."""
        dx, dy = (float(value) for value in reach - hips)
        return cls(
            x=float(hips[0]),
            y=float(hips[1]),
            size=2 * _LARGER * math.hypot(dx, dy),
            angle=math.pi / 2 - math.atan2(-dy, dx),
        )

    @classmethod
    def of_frame(cls, height: int, width: int) -> Crop:
        """The smallest that holds a whole picture."""
        return cls(x=width / 2, y=height / 2, size=float(max(height, width)))

    def cut(
        self, frame: NDArray[np.uint8], side: int, *, least: float, repeat_border: bool
    ) -> NDArray[np.float32]:
        """What is in it, as [1, 3, side, side] from `least` to 1.

        Outside the picture it is black, or what the picture's border is: networks were trained
        with the one or the other.
        """
        times = int(self.size / side)
        if times > 1 and min(frame.shape[:2]) >= times:
            shrunk, crop = self._shrunk(frame, times)
            return crop.cut(shrunk, side, least=least, repeat_border=repeat_border)
        step = self.size / side
        cos, sin = step * math.cos(self.angle), step * math.sin(self.angle)
        half = side / 2
        to_frame = np.array(
            [
                [cos, -sin, self.x - (cos - sin) * half],
                [sin, cos, self.y - (sin + cos) * half],
            ]
        )
        square = cv2.warpAffine(
            frame,
            to_frame,
            (side, side),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE if repeat_border else cv2.BORDER_CONSTANT,
        )
        values = np.ascontiguousarray(square.transpose(2, 0, 1), np.float32)[np.newaxis]
        values *= np.float32((1 - least) / 255)
        values += np.float32(least)
        return values

    def _shrunk(self, frame: NDArray[np.uint8], times: int) -> tuple[NDArray[np.uint8], Crop]:
        """What is around the crop, a whole number of times smaller, and the crop in that.

        Every pixel counts then. Interpolation alone picks one of many: noise and edges make the
        landmarks jump. A whole number, since OpenCV averages four times faster by those.
        """
        height, width = frame.shape[:2]
        reach = self.size * 0.71 + 2 * times
        left = min(max(0, int(self.x - reach)), width - times)
        top = min(max(0, int(self.y - reach)), height - times)
        columns = min(width - left, max(times, int(2 * reach))) // times
        rows = min(height - top, max(times, int(2 * reach))) // times
        part = frame[top : top + rows * times, left : left + columns * times]
        shrunk = np.asarray(
            cv2.resize(part, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8
        )
        # A pixel's place is its middle, and that of the first mean is the middle of `times`.
        first = (times - 1) / 2
        crop = Crop(
            x=(self.x - left - first) / times,
            y=(self.y - top - first) / times,
            size=self.size / times,
            angle=self.angle,
        )
        return shrunk, crop

    def to_frame(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """[..., 2] from the square's own 0 to 1 to pixels of the picture."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        turn = np.array([[cos, sin], [-sin, cos]], np.float32)
        centre = np.array([self.x, self.y], np.float32)
        return ((points - np.float32(0.5)) @ turn * np.float32(self.size) + centre).astype(
            np.float32
        )

    def may_follow(self, before: Crop, height: int, width: int) -> bool:
        """Whether a person seen in `before` can be looked for here in the next picture.

        A square that collapses, explodes, jumps or leaves the picture follows no person.
        """
        moved = math.hypot(self.x - before.x, self.y - before.y)
        return (
            _LEAST_PIXELS <= self.size <= _MOST_PICTURES * max(height, width)
            and before.size / 2 <= self.size <= before.size * 2
            and moved <= before.size / 2
            and -self.size / 4 <= self.x <= width + self.size / 4
            and -self.size / 2 <= self.y <= height + self.size / 2
        )


class Steadied:
    """The two points that a crop is made of, from frame to frame, still while the person sits.

    A crop that trembles makes every landmark tremble, so it stays until the points have left their
    place. They go through a one-euro filter before, with MediaPipe's settings and its 30 frames a
    second whatever the video's rate: the faster they move by the size of the person, the less they
    are held back.
    """

    def __init__(self) -> None:
        self._raw: NDArray[np.float32] | None = None
        self._calm: NDArray[np.float32] = np.zeros((2, 2), np.float32)
        self._speed: NDArray[np.float32] = np.zeros((2, 2), np.float32)
        self._kept: NDArray[np.float32] = np.zeros((2, 2), np.float32)

    def next(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """The middle of the hips and the reach, [2, 2], in pixels."""
        if self._raw is None:
            self._calm = self._kept = points
        else:
            person = max(2 * float(np.hypot(*(points[1] - points[0]))), 1e-6)
            speed = (points - self._raw) / person * _FRAME_RATE
            self._speed = self._speed + _share(_SPEED_CUTOFF_HZ) * (speed - self._speed)
            share = _share(_LEAST_CUTOFF_HZ + _CUTOFF_HZ_BY_SPEED * np.abs(self._speed))
            self._calm = self._calm + share * (points - self._calm)
        self._raw = points
        reach = float(np.hypot(*(self._kept[1] - self._kept[0])))
        if float(np.hypot(*(self._calm - self._kept).T).max()) > _STILL * reach:
            self._kept = self._calm
        return self._kept


def _share(cutoff_hz: NDArray[Any] | float) -> NDArray[np.float32]:
    """Of a new value in the mean, for a first-order low-pass."""
    return np.asarray(1 / (1 + _FRAME_RATE / (2 * np.pi * cutoff_hz)), np.float32)
