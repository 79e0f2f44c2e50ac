"""Where people are in a picture, by MediaPipe's pose detector (BlazePose).

It finds faces, and for each the middle of the hips and how far the body reaches from there. After
mediapipe/modules/pose_detection/pose_detection_cpu.pbtxt, Apache-2.0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.vision.domain.pose_crop import Crop

_SIDE: Final = 224
_GRIDS: Final = ((28, 2), (14, 2), (7, 6))
"""Cells along a side, and boxes a cell."""
_LEAST_SCORE: Final = 0.5
_OVERLAP: Final = 0.3
"""Share of two boxes' union from which on they are one face."""
_SAME_BODY: Final = 0.1
"""Distance of two bodies' hips, as a share of the larger one's crop, up to which they are one."""


@dataclass(frozen=True, slots=True)
class Body:
    """A person."""

    crop: Crop
    score: float
    """0 to 1."""


def find_bodies(session: Any, frame: NDArray[np.uint8], view: float = 1.0) -> list[Body]:
    """The people in a picture (height, width, 3), the surest first.

    `view` is how much is looked at: above 1 with black around the picture, for people who fill it,
    below 1 the middle alone, for people far away.
    """
    height, width = frame.shape[:2]
    whole = Crop.of_frame(height, width)
    whole = replace(whole, size=whole.size * view)
    picture = whole.cut(frame, _SIDE, least=-1.0, repeat_border=False)
    boxes, logits = session.run(["boxes", "scores"], {"picture": picture})
    scores = 1 / (1 + np.exp(-np.clip(logits[0, :, 0], -50, 50)))
    likely = scores >= _LEAST_SCORE
    found = _merged(_decoded(boxes[0][likely], _ANCHORS[likely]), scores[likely])
    bodies: list[Body] = []
    for points, score in found:
        hips, reach = whole.to_frame(points[2:4])
        crop = Crop.of_person(hips, reach)
        if not any(_same(crop, known.crop) for known in bodies):
            bodies.append(Body(crop=crop, score=score))
    return bodies


def _anchors() -> NDArray[np.float32]:
    """The middle of each box's cell, [boxes, 2] from 0 to 1."""
    grids = []
    for cells, each in _GRIDS:
        middles = (np.arange(cells) + 0.5) / cells
        y, x = np.meshgrid(middles, middles, indexing="ij")
        grids.append(np.repeat(np.stack([x, y], axis=-1).reshape(-1, 2), each, axis=0))
    return np.concatenate(grids).astype(np.float32)


_ANCHORS: Final = _anchors()


def _decoded(boxes: NDArray[np.float32], anchors: NDArray[np.float32]) -> NDArray[np.float32]:
    """[boxes, points, 2] from 0 to 1: top left and bottom right of the face, hips, reach, …"""
    points = boxes.reshape(-1, 6, 2) / np.float32(_SIDE)
    half = points[:, 1] / 2
    points[:, 2:] += anchors[:, np.newaxis]
    centre = points[:, 0] + anchors
    points[:, 0], points[:, 1] = centre - half, centre + half
    return points


def _merged(
    points: NDArray[np.float32], scores: NDArray[np.float32]
) -> list[tuple[NDArray[np.float32], float]]:
    """One for each face: the mean of all boxes upon the surest one, by their scores."""
    left = np.argsort(-scores, kind="stable")
    found = []
    while len(left):
        same = _overlaps(points[left[0]], points[left]) > _OVERLAP
        same[0] = True
        group = left[same]
        mean = np.average(points[group], axis=0, weights=scores[group]).astype(np.float32)
        found.append((mean, float(scores[left[0]])))
        left = left[~same]
    return found


def _overlaps(one: NDArray[np.float32], many: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of boxes: intersection over union, 0 to 1."""
    sides = np.minimum(one[1], many[:, 1]) - np.maximum(one[0], many[:, 0])
    common = np.prod(np.maximum(sides, 0), axis=1)
    area = np.prod(one[1] - one[0]) + np.prod(many[:, 1] - many[:, 0], axis=1) - common
    return np.asarray(common / np.maximum(area, 1e-9), np.float32)


def _same(one: Crop, other: Crop) -> bool:
    apart = float(np.hypot(one.x - other.x, one.y - other.y))
    return apart < _SAME_BODY * max(one.size, other.size)
