"""The offset of sound and picture, found in pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from libs.common.drums import DrumPiece, Hit
from services.vision.domain import sync
from services.vision.domain.motion import MotionMeter, Turns, small_grey
from tests.unit.vision.seeing import filmed, hits_of

Signal = NDArray[np.float64]


def turned(**how: object) -> tuple[Signal, Signal, list[Hit]]:
    film = filmed(**how)  # type: ignore[arg-type]
    meter, turns = MotionMeter(), Turns()
    rows: list[NDArray[np.float16] | None] = []
    before_s = 0.0
    for time_s, image in film.frames():
        found = turns.step(meter.step(small_grey(image)), time_s - before_s)
        if rows:
            rows[-1] = found
        rows.append(None)
        before_s = time_s
    shape = next(row.shape for row in rows if row is not None)
    even = np.stack([np.zeros(shape) if row is None else row for row in rows])
    return film.times_s, even.reshape(len(rows), -1).astype(float), hits_of(film.strokes)


@pytest.fixture(scope="module")
def front() -> tuple[Signal, Signal, list[Hit]]:
    return turned(view="front-high", groove="ride", offset_s=0.09, seed=5)


def test_the_offset_is_found(front: tuple[Signal, Signal, list[Hit]]) -> None:
    link = sync.link(*front)
    assert link is not None
    assert link.believed
    assert link.offset_s == pytest.approx(0.09, abs=0.02)


@pytest.mark.parametrize("shift_s", [-0.12, 0.05])
def test_the_offset_follows_the_sound(
    front: tuple[Signal, Signal, list[Hit]], shift_s: float
) -> None:
    times_s, signals, hits = front
    moved = [Hit(h.onset_s + shift_s, h.piece, h.velocity) for h in hits]
    here, there = sync.link(times_s, signals, hits), sync.link(times_s, signals, moved)
    assert here is not None
    assert there is not None
    assert there.offset_s - here.offset_s == pytest.approx(shift_s, abs=0.008)


def blob(y: float) -> NDArray[np.uint8]:
    """A spot on a rough wall."""
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.integers(60, 120, (180, 320), dtype=np.uint8), (0, 0), 3)
    cv2.circle(picture, (160 * 16, round(y * 16)), 18 * 16, 230, -1, cv2.LINE_AA, 4)
    return np.repeat(picture[..., None], 3, axis=2)


def turn(steps: list[float]) -> float:
    """How much turning back is seen while the spot moves by `steps` from frame to frame."""
    meter, turns = MotionMeter(), Turns()
    found, y = 0.0, 90.0
    for number, step in enumerate([0.0, *steps]):
        y += step
        rows = turns.step(meter.step(small_grey(blob(y))), 1 / 30 if number else 0.0)
        found = max(found, float(rows.max()) if rows is not None else 0.0)
    return found


def test_a_fall_that_stops_and_turns_counts_and_a_lift_that_turns_does_not() -> None:
    struck = turn([3, 6, -2, -1])
    lifted = turn([-1, -2, 6, 3])
    assert struck > 0.05
    assert lifted < 0.3 * struck


def test_from_above_a_stroke_may_go_up_the_picture() -> None:
    assert turn([-3, -6, 2, 1]) > 0.05


def test_another_films_sound_is_not_believed(front: tuple[Signal, Signal, list[Hit]]) -> None:
    times_s, signals, _ = front
    for seed, groove in ((11, "rock"), (12, "toms"), (13, "jazz"), (14, "singles")):
        other = hits_of(filmed(groove=groove, seed=seed).strokes)
        link = sync.link(times_s, signals, other)
        assert link is None or not link.believed


def test_noise_is_not_believed(front: tuple[Signal, Signal, list[Hit]]) -> None:
    times_s, signals, hits = front
    noise = np.random.default_rng(0).exponential(1.0, signals.shape)
    link = sync.link(times_s, noise, hits)
    assert link is None or not link.believed


def test_too_little_of_either_gives_none(front: tuple[Signal, Signal, list[Hit]]) -> None:
    times_s, signals, hits = front
    assert sync.link(times_s[:50], signals[:50], hits) is None
    assert sync.link(times_s, signals, hits[:5]) is None
    assert sync.link(times_s, np.zeros_like(signals), hits) is None
    pedal = [Hit(0.5 + 0.5 * n, DrumPiece.HAT_PEDAL) for n in range(14)]
    assert sync.link(times_s, signals, pedal) is None
