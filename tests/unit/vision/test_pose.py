"""The pose network on a real person's picture."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from services.vision.domain import pose
from services.vision.domain.pose import JOINTS, ModelsMissing, Pose, PoseTracker, available
from services.vision.domain.pose_crop import Crop, Steadied
from tests.people import astronaut, fetched_pose_folder, placed

# In the picture's pixels, by eye.
NOSE = (222, 132)
LEFT_SHOULDER = (305, 255)
RIGHT_SHOULDER = (100, 245)
RIGHT_ELBOW = (60, 420)


@pytest.fixture(scope="session")
def folder() -> Path:
    return fetched_pose_folder()


@pytest.fixture
def tracker(folder: Path) -> PoseTracker:
    return PoseTracker(folder, providers=("CPUExecutionProvider",))


def joint(found: Pose | None, name: str) -> NDArray[np.float32]:
    assert found is not None
    return found.joints[JOINTS.index(name), :2]


def test_a_person_is_where_one_sees_her(tracker: PoseTracker) -> None:
    found = tracker.follow(astronaut())
    assert found is not None
    assert found.score > 0.9
    assert found.joints.shape == (11, 3)
    assert found.joints.dtype == np.float32
    for name, place in (
        ("nose", NOSE),
        ("left-shoulder", LEFT_SHOULDER),
        ("right-shoulder", RIGHT_SHOULDER),
        ("right-elbow", RIGHT_ELBOW),
    ):
        np.testing.assert_allclose(joint(found, name), place, atol=20, err_msg=name)
        assert found.joints[JOINTS.index(name), 2] > 0.8
    hidden = found.joints[JOINTS.index("left-hip"), 2]
    assert hidden < 0.5
    assert tracker.bodies(astronaut()) == 1


def test_a_mirrored_picture_swaps_left_and_right(tracker: PoseTracker) -> None:
    found = tracker.follow(astronaut()[:, ::-1])
    np.testing.assert_allclose(
        joint(found, "right-shoulder"), (511 - LEFT_SHOULDER[0], LEFT_SHOULDER[1]), atol=25
    )
    np.testing.assert_allclose(
        joint(found, "left-shoulder"), (511 - RIGHT_SHOULDER[0], RIGHT_SHOULDER[1]), atol=25
    )


def test_nobody_is_seen_where_nobody_is(tracker: PoseTracker) -> None:
    rng = np.random.default_rng(1)
    nothing = np.zeros((360, 640, 3), np.uint8)
    noise = rng.integers(0, 256, (360, 640, 3), dtype=np.uint8)
    for frame in (nothing, noise, np.full((240, 320, 3), 255, np.uint8)):
        tracker.reset()
        assert tracker.follow(frame) is None
        assert tracker.bodies(frame) == 0


@pytest.mark.parametrize("size", [(1, 1), (2, 1000), (1000, 2), (17, 33)])
def test_odd_pictures_hold_nobody(tracker: PoseTracker, size: tuple[int, int]) -> None:
    assert tracker.follow(np.full((*size, 3), 80, np.uint8)) is None


def test_a_person_is_followed_through_a_moving_picture(tracker: PoseTracker) -> None:
    # Cut off on grey ground the shoulders are seen up to 55 pixels off, by MediaPipe's code too.
    person, within_pixels = astronaut(), {"nose": 15, "right-shoulder": 65}
    for frame in range(40):
        x, y = 220 + 120 * math.sin(frame / 8), 100 + 20 * math.sin(frame / 5)
        found = tracker.follow(placed(person, x=x, y=y, scale=0.9))
        for name, (there_x, there_y) in (("nose", NOSE), ("right-shoulder", RIGHT_SHOULDER)):
            off = joint(found, name) - (x + 0.9 * there_x, y + 0.9 * there_y)
            assert np.hypot(*off) < within_pixels[name], (frame, name)


def test_one_who_sits_still_keeps_still(tracker: PoseTracker) -> None:
    rng = np.random.default_rng(2)
    still = placed(astronaut(), x=200, y=20).astype(np.int16)
    seen = []
    for _ in range(20):
        noisy = np.clip(still + rng.normal(0, 4, still.shape), 0, 255).astype(np.uint8)
        seen.append(joint(tracker.follow(noisy), "right-shoulder"))
    assert np.std(seen[5:], axis=0).max() < 4


def test_the_first_person_is_stayed_with(tracker: PoseTracker) -> None:
    person = astronaut()
    alone = placed(person, x=30, y=60, scale=0.7)
    first = tracker.follow(alone)
    for _ in range(12):
        # Larger and nearer to the middle.
        both = placed(person, x=460, y=20, scale=0.95, upon=alone)
        assert joint(tracker.follow(both), "nose")[0] == pytest.approx(
            joint(first, "nose")[0], abs=25
        )
    assert tracker.bodies(both) == 2
    tracker.reset()
    assert joint(tracker.follow(both), "nose")[0] > 500


def test_whoever_is_lost_is_found_again(tracker: PoseTracker) -> None:
    empty = np.full((540, 960, 3), 110, np.uint8)
    person = placed(astronaut(), x=200)
    assert tracker.follow(person) is not None
    for _ in range(6):
        assert tracker.follow(empty) is None
    found = [tracker.follow(person) for _ in range(16)]
    assert found[-1] is not None


def test_an_empty_picture_is_searched_now_and_then_alone(
    tracker: PoseTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    views: list[float] = []

    def search(_session: object, _frame: object, view: float = 1.0) -> list[object]:
        views.append(view)
        return []

    monkeypatch.setattr(pose, "find_bodies", search)
    for _ in range(31):
        tracker.follow(np.zeros((90, 160, 3), np.uint8))
    assert views == [1.0, 0.65, 1.5, 1.0, 0.65, 1.5, 1.0, 0.65, 1.5]


def test_a_small_person_far_away_is_found(tracker: PoseTracker) -> None:
    found = tracker.follow(placed(astronaut(), x=520, y=250, scale=0.4, height=720, width=1280))
    np.testing.assert_allclose(
        joint(found, "nose"), (520 + 0.4 * NOSE[0], 250 + 0.4 * NOSE[1]), atol=15
    )


def test_without_networks_it_says_how_to_get_them(tmp_path: Path) -> None:
    assert not available(tmp_path)
    with pytest.raises(ModelsMissing, match="backbeat models fetch"):
        PoseTracker(tmp_path)


def test_a_broken_network_is_a_missing_one(tmp_path: Path) -> None:
    for name in (pose.DETECTOR_FILE, pose.LANDMARKS_FILE):
        (tmp_path / name).write_bytes(b"half a file")
    with pytest.raises(ModelsMissing, match="cannot be read"):
        PoseTracker(tmp_path)


def test_a_crop_maps_its_corners_and_turns_with_the_person() -> None:
    upright = Crop.of_person(np.float32([100, 200]), np.float32([100, 100]))
    assert (upright.size, upright.angle) == (pytest.approx(250), pytest.approx(0))
    np.testing.assert_allclose(
        upright.to_frame(np.float32([[0, 0], [1, 1], [0.5, 0.1]])),
        [[-25, 75], [225, 325], [100, 100]],
        atol=1e-3,
    )
    lying = Crop.of_person(np.float32([100, 200]), np.float32([200, 200]))
    np.testing.assert_allclose(lying.to_frame(np.float32([[0.5, 0.1]])), [[200, 200]], atol=1e-3)


@pytest.mark.parametrize("shrink", [1, 2, 4, 7])
def test_what_a_crop_cuts_lies_where_it_says(shrink: int) -> None:
    rng = np.random.default_rng(3)
    frame = np.zeros((400, 600, 3), np.uint8)
    spot = (250 + rng.integers(0, 50), 150 + rng.integers(0, 50))
    frame[spot[1] - 6 : spot[1] + 6, spot[0] - 6 : spot[0] + 6] = 255
    crop = Crop(x=280, y=180, size=140.0 * shrink, angle=0.4)
    cut = crop.cut(frame, 128, least=0.0, repeat_border=False)
    assert cut.shape == (1, 3, 128, 128)
    light = cut[0, 0] / cut[0, 0].sum()
    places = np.arange(128)
    inside = np.float32([[light.sum(axis=0) @ places, light.sum(axis=1) @ places]]) / 128
    # Places count from the middle of pixels.
    np.testing.assert_allclose(crop.to_frame(inside)[0], np.subtract(spot, 0.5), atol=0.5)


def test_a_crop_that_jumps_collapses_or_leaves_is_not_followed() -> None:
    before = Crop(x=300, y=200, size=300)
    assert Crop(x=320, y=210, size=320).may_follow(before, 400, 600)
    for wrong in (
        Crop(x=500, y=200, size=300),
        Crop(x=300, y=200, size=100),
        Crop(x=300, y=200, size=700),
        Crop(x=math.nan, y=200, size=300),
        Crop(x=300, y=200, size=math.nan),
    ):
        assert not wrong.may_follow(before, 400, 600)
    assert not Crop(x=-120, y=200, size=300).may_follow(Crop(x=-100, y=200, size=300), 400, 600)
    assert not Crop(x=50, y=50, size=20).may_follow(Crop(x=50, y=50, size=30), 400, 600)


def test_the_crop_stays_while_the_person_trembles_and_comes_along_when_she_goes() -> None:
    rng = np.random.default_rng(4)
    steadied = Steadied()
    points = np.float32([[300, 300], [300, 150]])
    for _ in range(30):
        kept = steadied.next((points + rng.normal(0, 3, (2, 2))).astype(np.float32))
        np.testing.assert_allclose(kept, points, atol=12)
    again = steadied.next(points)
    assert np.array_equal(kept, again)
    for step in range(60):
        kept = steadied.next(points + np.float32([2 * step, 0]))
    np.testing.assert_allclose(kept, points + np.float32([118, 0]), atol=40)
