"""Where something was struck: peaks of the rise in four groups of bands and in all together."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from services.audio.domain.features import BANDS, Bands

# A kick under a cymbal rises in the lowest group alone, a hat over a tom in the highest.
GROUPS: Final = (slice(0, 4), slice(4, 9), slice(8, 16), slice(16, BANDS), slice(0, BANDS))

_LAG_FRAMES: Final = 3
_NEAR_FRAMES: Final = 5
_AROUND_FRAMES: Final = 41
_LEAST_RISE: Final = 0.10


def rises(logs: Bands) -> Bands:
    """How much each band grew over 15 ms; as SuperFlux (Böck and Widmer, DAFx 2013), the past is
    widened over the neighbouring bands, so that a vibrato or a gliding tone is no onset."""
    past = maximum_filter1d(logs, 3, axis=1)
    grown = np.zeros_like(logs)
    grown[_LAG_FRAMES:] = np.maximum(logs[_LAG_FRAMES:] - past[:-_LAG_FRAMES], 0)
    return grown


def group_strengths(grown: Bands) -> NDArray[np.float32]:
    """Mean rise per group of `GROUPS`; shape (frames, 5). The last column is the onset envelope."""
    return np.stack([grown[:, group].mean(axis=1) for group in GROUPS], axis=1)


def candidate_frames(strengths: NDArray[np.float32]) -> NDArray[np.int64]:
    """Frames where any group peaks above its surroundings, none nearer than 25 ms to the next.

    Deliberately generous: whether a candidate is a hit, and of what, the classifier decides.
    """
    peak = maximum_filter1d(strengths, 2 * _NEAR_FRAMES + 1, axis=0)
    around = uniform_filter1d(strengths, _AROUND_FRAMES, axis=0)
    chosen = (strengths == peak) & (strengths > around + _LEAST_RISE)
    weights = np.where(chosen, strengths, 0).max(axis=1)
    # The strongest first, each silencing its neighbours.
    kept: list[int] = []
    taken = np.zeros(len(strengths) + 2 * _NEAR_FRAMES, bool)
    for frame in np.argsort(-weights, kind="stable"):
        if weights[frame] <= 0:
            break
        if not taken[frame + _NEAR_FRAMES]:
            kept.append(int(frame))
            taken[frame : frame + 2 * _NEAR_FRAMES + 1] = True
    return np.array(sorted(kept), np.int64)
