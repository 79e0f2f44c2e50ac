"""One video's pictures and its heard hits to all that was seen: the whole of vision's thinking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final
from zipfile import BadZipFile

import numpy as np

from libs.common.drums import FEET
from libs.common.options import VisionOptions
from libs.common.performance import Performance
from libs.common.sight import Sight
from services.vision.domain.judging import judge
from services.vision.domain.overlay import draw_overlay
from services.vision.domain.watched import Watched
from services.vision.domain.watching import NEAR_S, version_of, watch

_WATCHING_SHARE: Final = 0.93
_COVERED: Final = 0.9


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
    such a file of an earlier look at the same video, taken when it is of this model version, made
    with the weights there are now, and with the hits' surroundings looked at. Raises SeeingError,
    and whatever `progress` raises.
    """
    version = version_of(weights)
    before = _before(watched, version, heard)
    if before is not None and watched is not None:
        what, path = before, watched
    else:
        onsets_s = [hit.onset_s for hit in heard.hits if hit.piece not in FEET] if heard else None
        what = watch(
            video,
            onsets_s,
            weights=weights,
            max_duration_s=max_duration_s,
            threads=threads,
            progress=lambda part: progress(_WATCHING_SHARE * part),
        )
        path = folder / "watched.npz"
        what.save(path)
    progress(_WATCHING_SHARE)
    sight = judge(what, heard, options, weights=version != version_of(None))
    overlay = draw_overlay(video, what, sight, folder)
    progress(1.0)
    return Seen(sight, path, overlay.clip, overlay.stills)


def _before(path: Path | None, version: str, heard: Performance | None) -> Watched | None:
    """What an earlier look saw, if it serves."""
    if path is None:
        return None
    try:
        before = Watched.load(path)
    except (ValueError, KeyError, OSError, BadZipFile):
        # Of an older format, or cut off: looked at anew.
        return None
    serves = before.model_version == version and (
        version == version_of(None) or _looked_near(before, heard)
    )
    return before if serves else None


def _looked_near(before: Watched, heard: Performance | None) -> bool:
    """Whether wrists were looked for where strokes are heard now."""
    hits = heard.hits if heard else ()
    onsets_s = np.array([hit.onset_s for hit in hits if hit.piece not in FEET])
    looked_s = before.times_s[before.looked]
    if not onsets_s.size:
        return True
    if not looked_s.size:
        return False
    nearest = np.clip(np.searchsorted(looked_s, onsets_s), 0, len(looked_s) - 1)
    return float((np.abs(looked_s[nearest] - onsets_s) <= NEAR_S / 2).mean()) >= _COVERED
