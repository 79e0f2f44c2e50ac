"""Cuts, and what is none."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from services.vision.domain.motion import MotionMeter, small_grey
from services.vision.domain.shots import ShotFinder
from tests.unit.vision.seeing import filmed, moving_pictures

Picture = NDArray[np.uint8]


def cuts_in(pictures: Sequence[Picture]) -> list[int]:
    meter, finder = MotionMeter(), ShotFinder()
    found = []
    for index, picture in enumerate(pictures):
        motion = meter.step(small_grey(picture))
        cut = finder.step(index, motion.residual if motion else 0.0, picture)
        if cut is not None:
            found.append(cut)
    return found


def frames_of(**how: object) -> list[Picture]:
    return [image for _, image in filmed(**how).frames()]  # type: ignore[arg-type]


def test_each_change_of_camera_is_a_cut_and_nothing_else() -> None:
    cuts = [("side-left", 1.2), ("front", 2.6), ("above", 3.4), ("side-right", 4.2)]
    pictures = frames_of(duration_s=5.5, cuts=cuts)
    assert cuts_in(pictures) == [30, 65, 85, 105]


def test_wild_arms_are_no_cut() -> None:
    assert cuts_in(frames_of(groove="singles", tempo_bpm=150, duration_s=4, view="front")) == []


def test_a_flash_is_no_cut() -> None:
    pictures = frames_of(duration_s=3)
    for at in (30, 31, 50):
        pictures[at] = np.clip(pictures[at].astype(int) * 2 + 90, 0, 255).astype(np.uint8)
    assert cuts_in(pictures) == []


def test_a_fast_pan_is_no_cut() -> None:
    wide = moving_pictures(1, 2400, 180, seed=3)[0]
    # Slowly, then twenty pixels a frame, then slowly again.
    places = np.cumsum([1] * 20 + [20] * 40 + [1] * 20)
    assert cuts_in([wide[:, x : x + 320] for x in places]) == []


def test_light_that_goes_down_is_no_cut() -> None:
    pictures = frames_of(duration_s=3)
    dark = [(p * (1 - 0.8 * n / len(pictures))).astype(np.uint8) for n, p in enumerate(pictures)]
    assert cuts_in(dark) == []


def test_a_still_picture_between_two_shots_is_two_cuts() -> None:
    first, last = frames_of(duration_s=2), frames_of(duration_s=2, view="side-left", seed=4)
    card = cv2.resize(moving_pictures(1, seed=9)[0], (320, 180))
    assert cuts_in([*first, *[card] * 25, *last]) == [50, 75]


def test_an_arm_before_the_lens_is_no_cut() -> None:
    assert cuts_in(frames_of(view="pov", groove="rock", seed=4, duration_s=6)) == []
