"""Where one camera's picture ends and another's begins."""

from __future__ import annotations

from collections import deque
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.vision.domain.frames import Image

_SCENE: Final = (48, 27)
_BEFORE: Final = 8
_AFTER: Final = 4
_RESIDUAL: Final = 0.4
"""Beside the picture's contrast: another picture leaves .6 and more; a pan, or an arm that comes
before the lens, up to .4."""
_SPIKE: Final = 2.0
_OTHER: Final = 0.3
"""How far two thumbnails differ (1 less their correlation) when they show something else."""

Scene = NDArray[np.float32]


class ShotFinder:
    """Takes pictures one by one and tells, some frames later, which of them began a shot.

    A cut is a picture that flow cannot carry over from the one before, unlike its neighbours, and
    after which things look other than before for some frames: flashes, strobes and fast pans fail
    one of the three.
    """

    def __init__(self) -> None:
        self._scenes: deque[tuple[int, float, Scene]] = deque(maxlen=_BEFORE + 1 + _AFTER)
        self._last_cut = -_AFTER

    def step(self, index: int, residual: float, image: Image) -> int | None:
        """The index of a frame that began a shot, once that is sure."""
        self._scenes.append((index, residual, scene_of(image)))
        if len(self._scenes) < _AFTER + 2:
            return None
        return self._judge(len(self._scenes) - 1 - _AFTER)

    def _judge(self, at: int) -> int | None:
        scenes = list(self._scenes)
        index, residual, _ = scenes[at]
        if at < 1 or residual < _RESIDUAL or index - self._last_cut < _AFTER:
            return None
        # Above what was before and above what comes after: a pan that begins goes on.
        calm = max(
            float(np.median([r for _, r, _ in scenes[:at]])),
            float(np.median([r for _, r, _ in scenes[at + 1 :]])),
        )
        if residual < _SPIKE * calm:
            return None
        before = [scene for _, _, scene in scenes[max(0, at - 3) : at]]
        after = [scene for _, _, scene in scenes[at : at + _AFTER + 1]]
        # The nearest of the pictures before and after: whoever comes back was never gone.
        if min(unlike(a, b) for a in before for b in after) < _OTHER:
            return None
        self._last_cut = index
        return index


def scene_of(image: Image) -> Scene:
    """(27, 48, 3) thumbnail without its overall light."""
    small = cv2.resize(image, _SCENE, interpolation=cv2.INTER_AREA).astype(np.float32)
    small -= small.mean(axis=(0, 1))
    scene: Scene = small / (float(small.std()) + 4.0)
    return scene


def unlike(a: Scene, b: Scene) -> float:
    """1 less the correlation of two scenes: 0 for the same, 1 for unrelated ones."""
    product = float((a * b).sum())
    return 1.0 - product / (float(np.linalg.norm(a) * np.linalg.norm(b)) + 1e-6)
