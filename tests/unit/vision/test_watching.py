"""A pass over real pixels, what is kept of it, and what is drawn."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.seeing.drummer.film import Film, write
from libs.common.options import VisionOptions
from services.vision.domain.errors import UnreadableVideo
from services.vision.domain.frames import Film as Counted
from services.vision.domain.frames import Frame
from services.vision.domain.heads import find_heads
from services.vision.domain.see import see
from services.vision.domain.watched import Watched
from services.vision.domain.watching import VERSION, _Look, watch
from tests.unit.vision.seeing import (
    filmed,
    hits_of,
    moving_pictures,
    performance,
    save_pictures,
    silent,
)


@pytest.fixture(scope="module")
def film() -> Film:
    return filmed("front-high", groove="ride", seed=5, cuts=[("side-left", 6.0)], offset_s=0.09)


@pytest.fixture(scope="module")
def video(film: Film, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    write(film, path)
    return path


@pytest.fixture(scope="module")
def watched(video: Path) -> Watched:
    return watch(video, None, weights=None, max_duration_s=60, progress=silent)


def test_one_pass_gives_shots_and_motion(film: Film, watched: Watched) -> None:
    assert len(watched) == len(film.times_s)
    assert watched.shots() == [(0, 150), (150, 200)]
    assert watched.turned.shape == (200, 9, 16)
    # Nothing turns back between two cameras.
    assert not watched.turned[149:151].any()
    assert watched.model_version == VERSION


def test_what_was_watched_is_read_back(watched: Watched, tmp_path: Path) -> None:
    watched.save(tmp_path / "w.npz")
    again = Watched.load(tmp_path / "w.npz")
    for name, value in vars(watched).items():
        np.testing.assert_array_equal(getattr(again, name), value)


def test_another_files_format_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", format=np.array("backbeat-watched/0"))
    with pytest.raises(ValueError, match="backbeat-watched/1"):
        Watched.load(tmp_path / "w.npz")


def test_without_weights_sync_and_views_are_told(film: Film, video: Path, tmp_path: Path) -> None:
    heard = performance(hits_of(film.strokes))
    told: list[float] = []
    seen = see(video, heard, tmp_path, VisionOptions(), weights=None, progress=told.append)
    assert seen.sight.reason == "weights-missing"
    assert seen.sight.missing == ("pose-weights",)
    assert [shot.usable for shot in seen.sight.shots] == [False, False]
    first = seen.sight.shots[0].sync
    assert first is None or first.offset_s == pytest.approx(0.09, abs=0.03)
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert seen.clip is None
    for still in seen.stills:
        assert cv2.imread(str(still)) is not None


def test_looking_again_needs_no_frame(film: Film, video: Path, tmp_path: Path) -> None:
    heard = performance(hits_of(film.strokes))
    first = see(video, heard, tmp_path, VisionOptions(), weights=None, progress=silent)
    again = see(
        video,
        heard,
        tmp_path,
        VisionOptions(offset_s=0.05),
        weights=None,
        watched=first.watched,
        progress=silent,
    )
    assert again.watched == first.watched
    assert again.sight.sync is not None
    assert again.sight.sync.source == "given"


def test_a_broken_file_of_an_earlier_look_is_not_taken(
    film: Film, video: Path, tmp_path: Path
) -> None:
    old = tmp_path / "old.npz"
    np.savez(old, format=np.array("backbeat-watched/0"))
    seen = see(video, None, tmp_path, VisionOptions(), weights=None, watched=old, progress=silent)
    assert seen.watched != old
    assert seen.sight.reason == "weights-missing"


@pytest.mark.parametrize(
    ("pictures", "fps"),
    [
        (moving_pictures(1), 30),
        (moving_pictures(2), 30),
        (moving_pictures(20), 1),
        (moving_pictures(120), 240),
        (moving_pictures(30, 16, 16), 30),
        (moving_pictures(30, 640, 32), 30),
        (moving_pictures(30, 32, 640), 30),
    ],
    ids=["one", "two", "1-fps", "240-fps", "tiny", "wide", "tall"],
)
def test_odd_videos_have_a_clear_result(
    pictures: list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]], fps: float, tmp_path: Path
) -> None:
    path = save_pictures(pictures, tmp_path / "a.mp4", fps=fps)
    heard = performance(hits_of(filmed().strokes))
    seen = see(path, heard, tmp_path, VisionOptions(), weights=None, progress=silent)
    assert not seen.sight.usable
    assert seen.sight.reason
    assert len(seen.sight.words) > 30
    assert seen.sight.marked == 0


def test_a_video_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"no film" * 100)
    with pytest.raises(UnreadableVideo):
        see(path, None, tmp_path, VisionOptions(), weights=None, progress=silent)


def test_drum_heads_are_ellipses_in_a_still_picture() -> None:
    rng = np.random.default_rng(2)
    wall = cv2.GaussianBlur(rng.integers(70, 110, (360, 640), dtype=np.uint8), (0, 0), 2)
    truth = [((160, 200), (70, 40)), ((380, 220), (90, 60)), ((540, 150), (45, 30))]
    for centre, axes in truth:
        cv2.ellipse(wall, centre, axes, 0, 0, 360, 225, -1, cv2.LINE_AA)
    heads = find_heads(wall)
    for (x, y), (rx, ry) in truth:
        near = [h for h in heads if np.hypot(h.x * 640 - x, h.y * 360 - y) < 8]
        assert len(near) == 1
        sides = sorted([near[0].rx * 640, near[0].ry * 640])
        assert sides == pytest.approx(sorted([rx, ry]), abs=6) or sides == pytest.approx(
            sorted([rx, ry * 640 / 360]), rel=0.2
        )


def test_a_plain_wall_has_no_heads() -> None:
    rng = np.random.default_rng(2)
    wall = cv2.GaussianBlur(rng.integers(70, 110, (360, 640), dtype=np.uint8), (0, 0), 2)
    assert find_heads(wall) == []


def test_progress_that_raises_stops_the_look(video: Path) -> None:
    class Enough(Exception):
        pass

    def stop(part: float) -> None:
        raise Enough

    with pytest.raises(Enough):
        watch(video, None, weights=None, max_duration_s=60, progress=stop)


def test_a_picture_that_changes_its_shape_is_a_cut() -> None:
    look = _Look(None, np.zeros(0))
    for number in range(40):
        wide = number < 20
        image = moving_pictures(1, 160 if wide else 96, 96 if wide else 160)[0]
        look.step(Frame(number / 30, image), sparing=False)
    assert look.cuts == [20]
    result = look.result(Counted(), VERSION)
    assert result.shots() == [(0, 20), (20, 40)]
