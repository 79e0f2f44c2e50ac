"""Takes of Groove MIDI as the parts that our own writing makes of them, kept between runs."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from benchmarks.writing.readings import with_click, with_found_beats
from benchmarks.writing.truth import Take, as_played, read_takes
from libs.common.part import Part
from services.notation.domain.parts import part_of
from services.notation.domain.quantise import quantise

Reading = Literal["beats", "hits"]
READINGS: Final[tuple[Reading, ...]] = ("beats", "hits")


@dataclass(frozen=True)
class Written:
    """A take and the part that was written of it."""

    name: str
    style: str
    kind: str
    """`beat` or `fill`."""
    bpm: float
    meter: str
    part: Part


def write_takes(
    data: Path, split: str, reading: Reading, cache: Path, processes: int = 1
) -> list[Written]:
    """Every take of the split (beats, then fills, more than four strokes), in order.

    *beats* writes with the click's beats, *hits* with those that are found under the hits alone.
    What lies in `cache` is not written anew, whatever has changed since.
    """
    takes = read_takes(data / "groove_midi", split)
    folder = cache / reading
    folder.mkdir(parents=True, exist_ok=True)
    lacking = [take for take in takes if not _kept(folder, take).exists()]
    if lacking:
        with ProcessPoolExecutor(processes) as pool:
            for take, content in zip(lacking, _all(pool, lacking, reading), strict=True):
                # Whole or not at all: another run may be reading.
                unfinished = _kept(folder, take).with_suffix(f".{os.getpid()}")
                unfinished.write_bytes(gzip.compress(content, 3))
                unfinished.replace(_kept(folder, take))
    return [
        Written(
            take.name, take.style, take.kind, take.bpm, f"{take.meter}/4",
            Part.from_json(gzip.decompress(_kept(folder, take).read_bytes())),
        )
        for take in takes
    ]  # fmt: skip


def write_take(take: Take, reading: Reading) -> Part:
    """The take, quantised as notation does it."""
    truth = as_played(take)
    performance = with_click(truth) if reading == "beats" else with_found_beats(truth)
    return part_of(quantise(performance))


def _all(pool: ProcessPoolExecutor, takes: Sequence[Take], reading: Reading) -> Iterator[bytes]:
    return pool.map(_bytes, takes, [reading] * len(takes), chunksize=4)


def _bytes(take: Take, reading: Reading) -> bytes:
    return write_take(take, reading).to_json()


def _kept(folder: Path, take: Take) -> Path:
    return folder / f"{take.name.replace(':', '_')}.json.gz"
