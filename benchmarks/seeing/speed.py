"""Print how fast films are watched beside real time, and the memory that it takes.

python -m benchmarks.seeing.speed /tmp/films           # some 15 minutes
python -m benchmarks.seeing.speed /tmp/films --whole   # the hour with the network, too: 30 more

A rendered player at 720p30, H.264 as cameras write it, some seconds repeated: as it lies in a file
only the length grows. Each figure comes from a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np

from benchmarks.seeing.drummer.body import Drummer
from benchmarks.seeing.drummer.camera import Camera
from benchmarks.seeing.drummer.film import Film, Take, write
from benchmarks.seeing.drummer.playing import played
from services.vision import weights
from services.vision.domain.watching import watch

LEAST_RATE_HZ: Final = 30.0
MOST_MIB: Final = 1024
SIZE: Final = (1280, 720)
_ONCE_S: Final = 4.0
_TEMPO_BPM: Final = 120.0
"""Two bars are as long as the film that is repeated."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One film, watched once."""

    film_s: float
    took_s: float
    cpu_s: float
    """Of all its threads: what a machine that is busy elsewhere does not change much."""
    frames: int
    decode_errors: int
    peak_mib: int

    @property
    def rate_hz(self) -> float:
        """Frames a second."""
        return self.frames / self.took_s


def render(path: Path) -> None:
    """Two bars at 720p30."""
    rng = np.random.default_rng(7)
    strokes = played(rng, _ONCE_S, groove="rock-ghosts", tempo_bpm=_TEMPO_BPM, lead_in_s=0.05)
    camera = Camera("front-high", *SIZE, rng)
    write(Film(strokes, Drummer(strokes, rng), [Take(camera)], _ONCE_S), path)


def repeat(source: Path, target: Path, duration_s: float) -> None:
    """The film again and again, its packets as they are: nothing is encoded anew."""
    with av.open(str(target), "w") as out:
        streams: dict[int, av.stream.Stream] = {}
        last: dict[int, int] = {}
        start_s = Fraction(0)
        while start_s < duration_s:
            with av.open(str(source)) as container:
                for stream in container.streams:
                    if stream.index not in streams:
                        streams[stream.index] = out.add_stream_from_template(stream)
                for packet in container.demux():
                    if packet.dts is None or packet.pts is None:
                        continue
                    shift = round(start_s / packet.time_base)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    # The sound's last packet reaches over the end.
                    if packet.dts <= last.get(packet.stream.index, packet.dts - 1):
                        continue
                    last[packet.stream.index] = packet.dts
                    packet.stream = streams[packet.stream.index]
                    out.mux(packet)
            start_s += Fraction(_ONCE_S)


def measure(path: Path, models: Path | None, threads: int) -> Measured:
    """Watch it here, near hits from the first to the last second as music has them."""
    with av.open(str(path)) as container:
        film_s = float(container.duration or 0) / 1_000_000
    onsets_s = np.arange(0.0, film_s, 0.5).tolist()
    start_s = time.perf_counter()
    watched = watch(
        path,
        onsets_s,
        weights=models,
        max_duration_s=9e9,
        threads=threads,
        progress=lambda part: None,
    )
    took_s = time.perf_counter() - start_s
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s, peak_mib = used.ru_utime + used.ru_stime, used.ru_maxrss // 1024
    return Measured(film_s, took_s, cpu_s, len(watched), watched.decode_errors, peak_mib)


def in_child(path: Path, models: Path | None, threads: int) -> Measured:
    """In a fresh process, on two cores at the most."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.seeing.speed",
        str(path),
        "--threads",
        str(threads),
    ]
    command += ["--alone", str(models or "")]
    if sys.platform == "linux":
        cores = sorted(os.sched_getaffinity(0))[:2]
        command = ["taskset", "--cpu-list", ",".join(map(str, cores)), *command]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def table(folder: Path, *, whole: bool, threads: int) -> bool:
    """Print it; whether all limits are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    once = folder / "speed-once.mp4"
    if not once.exists():
        render(once)
    network = weights.pose_folder() if weights.state() == "whole" else None
    if network is None:
        print("The pose network is not here: `backbeat models fetch` gets it.", file=sys.stderr)
    wanted: list[tuple[int, Path | None]] = [(60, None)]
    if network is not None:
        wanted.append((60, network))
    wanted.append((3600, None))
    if network is not None:
        wanted.append((3600 if whole else 600, network))
    load = os.getloadavg()[0]
    print(f"720p30 H.264, {os.cpu_count()} cores, load {load:.1f} at the start\n")
    print(
        "| film | pose network | frames/s | beside real time | CPU s a film's s | memory | kept |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    kept = True
    for duration_s, models in wanted:
        path = folder / f"speed-{duration_s}.mp4"
        if not path.exists():
            repeat(once, path, duration_s)
        got = in_child(path, models, threads)
        good = got.rate_hz >= LEAST_RATE_HZ and got.peak_mib <= MOST_MIB and not got.decode_errors
        kept = kept and good
        print(
            f"| {duration_s // 60} min | {'yes' if models else 'no'} | {got.rate_hz:.0f} "
            f"| {got.film_s / got.took_s:.2f} | {got.cpu_s / got.film_s:.2f} "
            f"| {got.peak_mib} MiB | {'yes' if good else 'NO'} |",
            flush=True,
        )
    print(f"\nLimits: {LEAST_RATE_HZ:.0f} frames a second, {MOST_MIB} MiB.", end=" ")
    if network is not None and not whole:
        print("With the network the longest film is 10 minutes here; --whole takes the hour.")
    else:
        print()
    print(f"Load {os.getloadavg()[0]:.1f} at the end.")
    return kept


def main() -> int:
    """Run it; 0 when the limits are kept."""
    parser = argparse.ArgumentParser(prog="benchmarks.seeing.speed", description=__doc__)
    parser.add_argument("films", type=Path, help="Folder that the films are kept in.")
    parser.add_argument("--whole", action="store_true", help="An hour with the network, too.")
    parser.add_argument("--threads", type=int, default=1, help="As VISION_THREADS.")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone is not None:
        models = Path(given.alone) if given.alone else None
        print(json.dumps(asdict(measure(given.films, models, given.threads))))
        return 0
    return 0 if table(given.films, whole=given.whole, threads=given.threads) else 1


if __name__ == "__main__":
    sys.exit(main())
