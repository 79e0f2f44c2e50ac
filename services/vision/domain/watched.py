"""What the frames of one video gave, whatever was heard: the file between looking and judging."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.vision.domain.pose import JOINTS

FORMAT: Final = "backbeat-watched/1"


@dataclass(frozen=True)
class Watched:
    """n frames; arrays that say nothing of a frame hold NaN there."""

    times_s: NDArray[np.float64]
    """(n,) picture time, rising."""
    turned: NDArray[np.float16]
    """(n, rows, cols) how much motion turned back in each cell (motion.Turns), in fractions of the
    picture's longer side a second; 0 at a shot's ends."""
    camera: NDArray[np.float32]
    """(n,) motion of the whole picture from the frame before, in fractions of its longer side."""
    poses: NDArray[np.float32]
    """(n, joints, 3) x and y as fractions of the picture, and how sure; NaN where nobody was
    found or nobody was looked for. Joints as pose.JOINTS; left and right as the picture shows."""
    looked: NDArray[np.bool_]
    """(n,) whether the pose network looked at the frame."""
    bodies: NDArray[np.float32]
    """(n,) people seen; NaN where they were not counted."""
    cuts: NDArray[np.int64]
    """Indices of the frames that begin a shot, the first left out."""
    heads: NDArray[np.float32]
    """(k, 6) shot, x, y, rx, ry (fractions) and angle of the ellipses in the shots' backdrops."""
    width: int
    height: int
    fps: float
    duration_s: float
    frames: int
    decode_errors: int
    model_version: str
    """Of what looked: the motion's version, and the pose network's when it was there."""

    def __len__(self) -> int:
        return len(self.times_s)

    def shots(self) -> list[tuple[int, int]]:
        """First and past-the-last frame of each shot."""
        edges = [0, *(int(cut) for cut in self.cuts), len(self)]
        return [(a, b) for a, b in itertools.pairwise(edges) if b > a]

    def joint(self, name: str) -> NDArray[np.float32]:
        """(n, 3) of one joint."""
        return self.poses[:, JOINTS.index(name)]

    def save(self, path: Path) -> None:
        """Write the file."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        values = {name: np.array(getattr(self, name)) for name in _VALUES}
        with path.open("wb") as file:
            everything: dict[str, Any] = {"format": np.array(FORMAT)} | arrays | values
            np.savez_compressed(file, **everything)

    @staticmethod
    def load(path: Path) -> Watched:
        """Read the file back; ValueError for another format."""
        with np.load(path, allow_pickle=False) as file:
            if "format" not in file or str(file["format"]) != FORMAT:
                raise ValueError(f"not a file of format {FORMAT}")
            arrays = {name: file[name] for name in _ARRAYS}
            values = {name: file[name].item() for name in _VALUES}
        return Watched(**arrays, **values)


_ARRAYS: Final = ("times_s", "turned", "camera", "poses", "looked", "bodies", "cuts", "heads")
_VALUES: Final = (
    "width",
    "height",
    "fps",
    "duration_s",
    "frames",
    "decode_errors",
    "model_version",
)
