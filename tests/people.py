"""A real person for the pose network to find, and the network."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from services.vision import weights


def astronaut() -> NDArray[np.uint8]:
    """Eileen Collins to the hips, (512, 512, 3) RGB: NASA, public domain.

    It lies in scikit-image's wheel; read without importing that.
    """
    found = importlib.util.find_spec("skimage")
    assert found is not None
    assert found.submodule_search_locations
    data = (Path(found.submodule_search_locations[0]) / "data" / "astronaut.png").read_bytes()
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.ascontiguousarray(picture[:, :, ::-1], np.uint8)


def placed(
    person: NDArray[np.uint8],
    *,
    x: float,
    y: float = 0.0,
    scale: float = 1.0,
    height: int = 540,
    width: int = 960,
    upon: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """The picture's top left at (x, y) on grey, or upon another picture."""
    matrix = np.array([[scale, 0, x], [0, scale, y]])
    ground = np.full((height, width, 3), 110, np.uint8) if upon is None else upon.copy()
    made = cv2.warpAffine(
        person,
        matrix,
        (ground.shape[1], ground.shape[0]),
        dst=ground,
        borderMode=cv2.BORDER_TRANSPARENT,
    )
    return np.asarray(made, np.uint8)


def fetched_pose_folder() -> Path:
    """The pose networks, kept between runs; skips where no registry answers."""
    try:
        return weights.fetch()
    except weights.WrongChecksum:
        raise
    except weights.FetchFailed as failure:
        pytest.skip(f"no pose networks: {failure}")
