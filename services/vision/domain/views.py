"""What a shot is good for, in codes and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.vision.domain.watched import Watched

SEEN: Final = 0.35
"""A joint counts as seen from this visibility on; blurred wrists score low."""
_LEAST_RATE_HZ: Final = 18.0
_LEAST_BODY: Final = 0.5
_LEAST_WRISTS: Final = 0.5
_LEAST_SHOULDERS: Final = 0.03
"""Of the picture's longer side: below this, a stroke is some pixels."""
_STILL: Final = 0.0015
"""Of the longer side, from frame to frame: what noise moves a standing picture by."""

WORDS: Final[dict[str, str]] = {
    "nothing-heard": "No strokes were heard, so there are no hands to look for.",
    "weights-missing": "The network that finds hands is not installed here; whoever runs the "
    "service gets it with `backbeat models fetch`.",
    "too-short": "This shot is too short to tell which motion belongs to which sound.",
    "too-few-strokes": "Too few strokes are heard in this shot to learn its hands from.",
    "frame-rate-low": "There are too few pictures a second: strokes fall between them.",
    "nobody-seen": "No player is seen: the camera looks through the player's eyes, from behind, "
    "straight down, or from far away.",
    "too-far": "The player is too small in the picture for hands to be told apart.",
    "wrists-hidden": "One wrist or both are hidden, or out of the picture, most of the time.",
    "camera-moves": "The camera moves about, so that the hands' own motion is lost in it.",
    "sound-not-linked": "What moves does not go with what is heard: the sound may come from "
    "elsewhere, the film may be cut up, or the drums are not in the picture.",
    "hands-unclear": "Both hands move so alike at the strokes that they cannot be told apart.",
    "mirror-or-left-handed": "The kit stands the other way round, or the left hand leads: the "
    "picture may be a mirror's, or the player left-handed. Say which, and the hands are told.",
}
"""What each code means for people."""


@dataclass(frozen=True, slots=True)
class View:
    """What the frames of a shot say of themselves."""

    bodies: float
    body_share: float
    wrists_share: float
    shoulders_px: float | None
    stillness: float
    rate_hz: float
    looked: int


def view_of(watched: Watched, first: int, last: int) -> View:
    """Of the frames from `first` to before `last`."""
    part = slice(first, last)
    looked = watched.looked[part]
    count = int(looked.sum())
    poses = watched.poses[part][looked]
    found = np.isfinite(poses[:, 0, 0]) if count else np.zeros(0, bool)
    wrists = np.stack([watched.joint(f"{s}-wrist")[part][looked][:, 2] for s in ("left", "right")])
    both = found & (np.nan_to_num(wrists) >= SEEN).all(axis=0)
    times_s = watched.times_s[part]
    span_s = float(times_s[-1] - times_s[0]) if len(times_s) > 1 else 0.0
    # The cut's own frame shows another picture, not a camera that moves.
    camera = watched.camera[part][1:]
    counted = watched.bodies[part]
    counted = counted[np.isfinite(counted)]
    return View(
        bodies=float(counted.mean()) if counted.size else 0.0,
        body_share=float(found.mean()) if count else 0.0,
        wrists_share=float(both.mean()) if count else 0.0,
        shoulders_px=shoulders_px(watched, first, last),
        stillness=float((camera < _STILL).mean()) if camera.size else 1.0,
        rate_hz=(len(times_s) - 1) / span_s if span_s > 0 else 0.0,
        looked=count,
    )


def shoulders_px(watched: Watched, first: int, last: int) -> float | None:
    """How far the shoulders lie apart, in the source's pixels, or None where they are not seen.

    From the side they seem near each other: then half the way from shoulder to hip stands for it.
    """
    size = np.array([watched.width, watched.height], np.float32)
    joints: dict[str, NDArray[np.float32]] = {
        name: watched.joint(name)[first:last, :2] * size
        for name in ("left-shoulder", "right-shoulder", "left-hip", "right-hip")
    }
    across = np.linalg.norm(joints["left-shoulder"] - joints["right-shoulder"], axis=1)
    middle = 0.5 * (joints["left-shoulder"] + joints["right-shoulder"])
    low = 0.5 * (joints["left-hip"] + joints["right-hip"])
    along = 0.6 * np.linalg.norm(low - middle, axis=1)
    widest = np.fmax(across, along)
    widest = widest[np.isfinite(widest)]
    return float(np.median(widest)) if widest.size else None


def doubts(view: View, watched: Watched, *, weights: bool) -> list[str]:
    """What in the pictures themselves stands against telling hands, the weightiest first."""
    out: list[str] = []
    if 0 < view.rate_hz < _LEAST_RATE_HZ:
        out.append("frame-rate-low")
    if not weights:
        return [*out, "weights-missing"]
    if view.looked and view.body_share < _LEAST_BODY:
        return [*out, "nobody-seen"]
    longest = max(watched.width, watched.height)
    if view.shoulders_px is not None and view.shoulders_px < _LEAST_SHOULDERS * longest:
        out.append("too-far")
    if view.looked and view.wrists_share < _LEAST_WRISTS:
        out.append("wrists-hidden")
    return out


def moves(view: View) -> bool:
    """Whether the camera moves most of the time."""
    return view.stillness < 0.4


def words_of(reasons: Sequence[str]) -> str:
    """The reasons as sentences; of a usable shot that it is."""
    if not reasons:
        return "The hands are seen well here."
    return " ".join(WORDS[reason] for reason in reasons)
