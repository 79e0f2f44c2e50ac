"""Practice on its way from who renders it to who learns from it: shards in a folder.

A shard is two files, `NNNNNNNN.npy` (uint8 spectra, [takes, windows, bands, frames]) and
`NNNNNNNN.hits.npy` (float32 rows of take, frame, piece, velocity). The trainer maps them, so that
they are read from the page cache and pass through no queue.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.audio.domain.spectra import (
    FRAMES_PER_S,
    HOP_SAMPLES,
    WINDOWS,
    levels_db,
    reference_db,
)
from services.audio.domain.vocabulary import PIECES
from training.ear.kits import Shelf
from training.ear.strokes import Player, read_groove
from training.ear.studio import Studio, Take

SHARD_TAKES = 64
FRAMES = 640
# What rings before the first frame and after the last is in the windows of both.
SECONDS = (FRAMES * HOP_SAMPLES + max(WINDOWS)) / 44_100
_FIRST_FRAME_S = max(WINDOWS) / 2 / 44_100
QUANTUM_DB = 0.4
FLOOR_DB = -100.0


def quantised(take: Take) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """(spectra in steps of 0.4 dB above -100 dB of the loudest frame, hits)."""
    levels = levels_db(take.samples)[:, :, :FRAMES]
    relative = (levels - reference_db(levels) - FLOOR_DB) / QUANTUM_DB
    hits = [
        ((s.at_s - _FIRST_FRAME_S) * FRAMES_PER_S, PIECES.index(s.piece), s.velocity)
        for s in take.strokes
    ]
    rows = np.array([hit for hit in hits if -1 < hit[0] < FRAMES], np.float32).reshape(-1, 3)
    return np.clip(np.round(relative), 0, 255).astype(np.uint8), rows


def render(
    data: Path, work: Path, seed: int, takes: int | None, keep: int, held_out: bool, ahead: int
) -> None:
    """Write shards until there are `takes` (for ever with None), the oldest deleted when there are
    more than `keep` takes; rests when it is `ahead` takes before the trainer's use of them.
    BlockingIOError when another is at it in the same folder."""
    folder = work / ("held-out" if held_out else "pool")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        # Two that write the same names would put one's hits to the other's sound.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _render(data, work, folder, seed, takes, keep, held_out, ahead)


def _render(
    data: Path, work: Path, folder: Path, seed: int, takes: int | None, keep: int, held_out: bool,
    ahead: int,
) -> None:  # fmt: skip
    number = len_made(folder)
    rng = np.random.default_rng([seed, number, int(held_out)])
    shelf = Shelf(data, work, held_out)
    player = Player(read_groove(data, "validation" if held_out else "train", work), rng)
    studio = Studio(data, shelf, player, rng, (0.9, 1.0) if held_out else (0.0, 0.9))
    began, made = time.monotonic(), 0
    while takes is None or number * SHARD_TAKES < takes:
        while not held_out and number * SHARD_TAKES > 0.7 * consumed(work) + ahead:
            time.sleep(1)
        spectra, hits = [], []
        for index in range(SHARD_TAKES):
            levels, rows = quantised(studio.take(SECONDS))
            spectra.append(levels)
            hits.append(np.column_stack([np.full(len(rows), index, np.float32), rows]))
        np.save(folder / f"{number:08}.hits.npy", np.concatenate(hits))
        # The name appears when the shard is whole.
        part = folder / f"{number:08}.part.npy"
        np.save(part, np.stack(spectra))
        part.rename(folder / f"{number:08}.npy")
        number += 1
        made += SHARD_TAKES
        old = number - keep // SHARD_TAKES
        if old > 0:
            (folder / f"{old - 1:08}.npy").unlink(missing_ok=True)
            (folder / f"{old - 1:08}.hits.npy").unlink(missing_ok=True)
        if number % 16 == 0:
            speed = made * FRAMES / FRAMES_PER_S / (time.monotonic() - began)
            print(f"{number * SHARD_TAKES} takes, {speed:.0f} x real time", flush=True)


def len_made(folder: Path) -> int:
    """The next shard's number."""
    names = [path.name for path in folder.glob("*.npy") if path.name.count(".") == 1]
    return max((int(name[:8]) + 1 for name in names), default=0)


def consumed(work: Path) -> int:
    """How many takes the trainer has used."""
    try:
        return int((work / "consumed").read_text())
    except (FileNotFoundError, ValueError):
        return 0


def tell_consumed(work: Path, takes: int) -> None:
    part = work / f"consumed.{os.getpid()}"
    part.write_text(str(takes))
    part.rename(work / "consumed")


class Shards:
    """The shards of a folder as they stand; `refresh` sees new ones."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: dict[str, tuple[NDArray[np.uint8], list[NDArray[np.float32]]]] = {}
        self.refresh()

    def refresh(self) -> None:
        here = {path.name[:8] for path in self.folder.glob("*.npy") if path.name.count(".") == 1}
        for name in self._open.keys() - here:
            del self._open[name]
        for name in sorted(here - self._open.keys()):
            rows = np.load(self.folder / f"{name}.hits.npy")
            spectra = np.load(self.folder / f"{name}.npy", mmap_mode="r")
            ends = np.searchsorted(rows[:, 0], np.arange(len(spectra) + 1))
            hits = [rows[a:b, 1:] for a, b in pairwise(ends)]
            self._open[name] = (spectra, hits)
        self._names = sorted(self._open)

    def __len__(self) -> int:
        return sum(len(spectra) for spectra, _ in self._open.values())

    def all(self) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
        """Every take, in order."""
        for name in self._names:
            spectra, hits = self._open[name]
            yield from zip(spectra, hits, strict=True)

    def draw(
        self, count: int, frames: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.uint8], list[NDArray[np.float32]]]:
        """`count` cuts of `frames` frames from takes at random."""
        spectra, hits = [], []
        for _ in range(count):
            levels, rows = self._open[self._names[rng.integers(len(self._names))]]
            index = int(rng.integers(len(levels)))
            first = int(rng.integers(FRAMES - frames + 1))
            spectra.append(levels[index][:, :, first : first + frames])
            part = rows[index] - np.array([first, 0, 0], np.float32)
            hits.append(part[(part[:, 0] > -1) & (part[:, 0] < frames)])
        return np.stack(spectra), hits
