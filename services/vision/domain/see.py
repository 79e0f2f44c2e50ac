"""One video's pictures and its heard hits to all that was seen: the whole of vision's thinking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from libs.common.performance import Performance
from libs.common.sight import Sight
from libs.common.steps import VisionOptions


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen, and the files beside it, all in the folder that was given."""

    sight: Sight
    watched: Path
    """What the frames gave, whatever was heard: looking again with other hits or options needs it
    alone, and no frame a second time."""
    clip: Path | None
    """The overlay as an H.264 film of some seconds; None where there is nothing to show."""
    stills: tuple[Path, ...]
    """Overlay pictures, JPEG."""


def see(
    video: Path | BinaryIO,
    heard: Performance | None,
    folder: Path,
    options: VisionOptions,
    *,
    weights: Path | None,
    watched: Path | None = None,
    max_duration_s: float = 4 * 3600.0,
    threads: int = 1,
    progress: Callable[[float], None],
) -> Seen:
    """Look at a video.

    `heard` None: nothing was heard, so that views are graded and no hand is told. `weights` is the
    folder of the pose network; None or an empty one: sync and views by motion alone. `watched` is
    such a file of an earlier look at the same video, taken when it is of this model version and
    made with the weights there are now. Raises SeeingError, and whatever `progress` raises.
    """
    raise NotImplementedError
