"""Learn the template of a stroke from rendered players, and print it with its score.

    python -m training.strokes --players 240

A player's joints are projected through a camera (no picture is drawn), made to tremble as a
network's do, and cut into windows around the strokes of one hand alone. Logistic regression on the
difference of both wrists' downward speeds, without a constant, gives the log-odds of "right" for
each step of the window; what it gives is `TEMPLATE` in services/vision/domain/sticking.py.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.seeing.drummer.body import Drummer
from benchmarks.seeing.drummer.camera import Camera
from benchmarks.seeing.drummer.film import Film, Take
from benchmarks.seeing.drummer.playing import played
from libs.common.drums import FEET, Hand
from services.vision.domain.sticking import TOGETHER_S, speeds_around

Array = NDArray[np.float64]

SEED: Final = 77
_VIEWS: Final = ("front", "front-high", "side-right", "side-left")
_OFFSET_S: Final = 0.08
_L2: Final = 1.0


def windows(number: int) -> tuple[Array, Array]:
    """(m, k) right less left, and (m,) 1 for the right hand, of one player."""
    rng = np.random.default_rng([SEED, number])
    strokes = played(rng, 10.0)
    drummer = Drummer(
        strokes,
        rng,
        wrist_lead_s=float(rng.uniform(0.008, 0.03)),
        wrist_share=float(rng.uniform(0.2, 0.5)),
        height_m=float(rng.uniform(0.18, 0.42)),
    )
    camera = Camera(_VIEWS[number % 4], 480, 270, rng)
    fps = float(rng.choice([30.0, 30.0, 25.0, 60.0, 24.0]))
    film = Film(strokes, drummer, [Take(camera)], 10.0, fps=fps, offset_s=_OFFSET_S)
    joints = film.joints(("right-wrist", "left-wrist", "right-shoulder", "left-shoulder"))
    joints = joints * [camera.width, camera.height]
    across = float(np.median(np.linalg.norm(joints[:, 2] - joints[:, 3], axis=1)))
    places = joints[:, :2] / max(across, 40.0)
    places += rng.normal(0, float(rng.uniform(0.005, 0.05)), places.shape)
    by_hand = [stroke for stroke in strokes if stroke.hit.piece not in FEET]
    times = np.array([stroke.hit.onset_s for stroke in by_hand])
    alone = np.array([np.sum(np.abs(times - t) < TOGETHER_S) == 1 for t in times])
    # An offset that is found is not exact, either.
    moments = times - _OFFSET_S - float(rng.normal(0, 0.01))
    speeds = speeds_around(film.times_s, places, moments)
    kept = alone & np.isfinite(speeds).all(axis=(1, 2))
    hands = np.array([stroke.hand is Hand.RIGHT for stroke in by_hand], np.float64)
    return speeds[kept, 0] - speeds[kept, 1], hands[kept]


def fitted(x: Array, y: Array) -> Array:
    """Logistic regression by Newton's steps."""
    weights = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ weights))
        slope = x.T @ (p - y) + _L2 * weights
        bend = (x * (p * (1 - p))[:, None]).T @ x + _L2 * np.eye(len(weights))
        weights -= np.linalg.solve(bend, slope)
    return weights


def main() -> int:
    """Learn from two thirds of the players, score on the others."""
    parser = argparse.ArgumentParser(prog="training.strokes", description=__doc__)
    parser.add_argument("--players", type=int, default=240)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    with ProcessPoolExecutor(given.workers) as pool:
        found = list(pool.map(windows, range(given.players)))
    split = len(found) * 2 // 3
    x, y = (np.concatenate([pair[part] for pair in found[:split]]) for part in (0, 1))
    template = fitted(x, y)
    held_x, held_y = (np.concatenate([pair[part] for pair in found[split:]]) for part in (0, 1))
    scores = held_x @ template
    right = (scores > 0) == (held_y > 0)
    sure = np.abs(scores) > 3
    print("TEMPLATE =", np.round(template, 2).tolist())
    print(f"{len(y)} strokes learned from, {len(held_y)} held out (other players)")
    print(
        f"right: {right.mean():.3f} of all, {right[sure].mean():.3f} of the sure {sure.mean():.2f}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
