"""The films that are looked at: rendered once into a folder, with their truth beside."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.seeing.drummer.body import Drummer
from benchmarks.seeing.drummer.camera import Camera
from benchmarks.seeing.drummer.film import Film, Take, write
from benchmarks.seeing.drummer.playing import Played, played
from services.vision.domain.pose import JOINTS

GOOD: Final = ("front", "front-high", "side-right", "side-left")
"""Views in which both hands are seen."""
KINDS: Final = ("good", "above", "handheld", "pov", "rear", "far", "cuts")
_RATES_HZ: Final = (30.0, 25.0, 30.0, 60.0, 29.97, 24.0)
_SIZE: Final = (480, 270)


@dataclass(frozen=True)
class Case:
    """One film and its truth."""

    name: str
    kind: str
    view: str
    path: Path
    strokes: list[Played]
    offset_s: float
    fps: float
    cuts_s: list[float]
    times_s: NDArray[np.float64]
    """(n,) of the frames."""
    joints: NDArray[np.float64]
    """(n, joints, 2) fractions of the picture."""


def make_case(kind: str, number: int, folder: Path) -> Case:
    """Render it, or read what an earlier run has rendered."""
    name = f"{kind}-{number:03d}"
    truth = folder / f"{name}.pickle"
    if truth.is_file():
        # Our own file, of an earlier run of this command.
        with truth.open("rb") as file:
            case: Case = pickle.load(file)
        return case
    cv2.setNumThreads(1)
    rng = np.random.default_rng([KINDS.index(kind), number])
    duration_s = float(rng.uniform(8, 11))
    offset_s = float(rng.uniform(-0.05, 0.15))
    fps = float(_RATES_HZ[int(rng.integers(len(_RATES_HZ)))])
    strokes = played(rng, duration_s + 0.5, looseness_s=float(rng.uniform(0.003, 0.012)))
    drummer = Drummer(
        strokes,
        rng,
        wrist_lead_s=float(rng.uniform(0.008, 0.03)),
        wrist_share=float(rng.uniform(0.2, 0.5)),
        height_m=float(rng.uniform(0.18, 0.42)),
    )
    view = {"good": GOOD[number % 4], "handheld": GOOD[number % 4], "cuts": "front"}.get(kind, kind)
    film = Film(
        strokes,
        drummer,
        _takes(kind, view, duration_s, rng),
        duration_s,
        fps=fps,
        offset_s=offset_s,
        jitter_s=0.004 if number % 7 == 3 else 0.0,
    )
    path = folder / f"{name}.mp4"
    write(film, path)
    case = Case(
        name,
        kind,
        view,
        path,
        strokes,
        offset_s,
        fps,
        film.cuts_s(),
        film.times_s,
        film.joints(JOINTS),
    )
    with truth.open("wb") as file:
        pickle.dump(case, file)
    return case


def _takes(kind: str, view: str, duration_s: float, rng: np.random.Generator) -> list[Take]:
    handheld = float(rng.uniform(0.05, 0.12)) if kind == "handheld" else 0.0

    def camera(name: str) -> Camera:
        noise = float(rng.uniform(2, 7))
        return Camera(name, *_SIZE, rng, handheld_m=handheld, noise=noise)

    if kind != "cuts":
        return [Take(camera(view))]
    names = [str(name) for name in rng.permutation([*GOOD, "above"])[: int(rng.integers(3, 5))]]
    starts = np.sort(rng.uniform(1.0, duration_s - 1.0, len(names) - 1))
    starts = starts[np.concatenate([[True], np.diff(starts) > 0.7])]
    return [
        Take(camera(name), float(start))
        for name, start in zip(names, [0.0, *starts.tolist()], strict=False)
    ]


def make_cases(wanted: Sequence[tuple[str, int]], folder: Path, workers: int) -> list[Case]:
    """All of them, in parallel."""
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(workers) as pool:
        return list(
            pool.map(
                make_case,
                [kind for kind, _ in wanted],
                [number for _, number in wanted],
                [folder] * len(wanted),
            )
        )
