"""The whole road, measured: `python -m benchmarks.pipeline recordings DIR`, `… long`, `… big`.

Each starts the embedded system in a process of its own, sends files through its public API, and
prints a Markdown table with the peak memory of the system's processes.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import httpx
import numpy as np
import psutil
import soundfile

from backbeat.client import ApiProblem, Client
from backbeat.drumsounds import SAMPLE_RATE, play
from libs.common.drums import DrumPiece, Hit

MB = 1_000_000


class Server:
    """`backbeat serve` on a folder of its own, and how much memory it took."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "backbeat", "serve"),
                *("--port", str(self.port), "--data", str(folder)),
            ],
            env={**os.environ, "AUTH_BCRYPT_ROUNDS": "4", **environment},
            stdout=subprocess.DEVNULL,
        )
        self.peak_mb: dict[str, float] = {}
        self._watching = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def _watch(self) -> None:
        parent = psutil.Process(self.process.pid)
        while not self._watching.wait(0.2):
            try:
                processes = {"services": [parent], "workers": [], "postgres": []}
                for child in parent.children(recursive=True):
                    kind = "postgres" if "postgres" in child.name() else "workers"
                    processes[kind].append(child)
                for kind, members in processes.items():
                    used = sum(member.memory_info().rss for member in members) / MB
                    self.peak_mb[kind] = max(self.peak_mb.get(kind, 0), used)
            except psutil.NoSuchProcess:
                continue

    def wait(self) -> None:
        """Until it answers."""
        while True:
            try:
                if httpx.get(self.url + "/readyz", timeout=5).status_code == 200:
                    return
            except httpx.HTTPError:
                if self.process.poll() is not None:
                    raise RuntimeError("the server ended") from None
            time.sleep(0.2)

    def stop(self) -> None:
        """SIGTERM, and wait."""
        self._watching.set()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


@contextmanager
def system(**environment: str) -> Iterator[tuple[Server, Client]]:
    """A running system and a signed-in client."""
    with tempfile.TemporaryDirectory(prefix="backbeat-bench-") as folder:
        server = Server(Path(folder), environment)
        try:
            server.wait()
            client = Client(server.url)
            client.sign_in("bench@backbeat.dev", "a long phrase to measure with", register=True)
            yield server, client
            client.close()
        finally:
            server.stop()


def into_video(sound: Path, video: Path) -> None:
    """A recording with a grey picture, as H.264 and AAC in MP4."""
    with av.open(str(sound)) as source, av.open(str(video), "w", format="mp4") as target:
        heard = source.streams.audio[0]
        picture = target.add_stream("libx264", rate=5)
        picture.width, picture.height, picture.pix_fmt = 160, 120, "yuv420p"
        picture.options = {"preset": "ultrafast"}
        track = target.add_stream("aac", rate=heard.rate, layout="stereo")
        resampler = av.AudioResampler("fltp", "stereo", heard.rate)
        grey = av.VideoFrame.from_ndarray(np.full((120, 160, 3), 96, np.uint8), format="rgb24")
        shown = 0
        for frame in source.decode(heard):
            at_s = float(frame.pts * frame.time_base) if frame.pts is not None else 0.0
            while shown <= at_s * 5:
                grey.pts = shown
                target.mux(picture.encode(grey))
                shown += 1
            for piece in resampler.resample(frame):
                target.mux(track.encode(piece))
        target.mux(picture.encode(None))
        target.mux(track.encode(None))


def send(client: Client, path: Path) -> tuple[str, float, dict[str, str]]:
    """What became of a file, after how long, and what each step said."""
    began_s = time.perf_counter()
    try:
        video = client.upload(path)
    except ApiProblem as problem:
        return f"refused: {problem}", time.perf_counter() - began_s, {}
    told: dict[str, str] = {}
    outcome = "completed"
    for job in client.watch(video["id"]):
        told[job["job_type"]] = job["message"] or ""
        if job["status"] == "failed":
            outcome = f"{job['error_code']}: {job['error_message']}"
    return outcome, time.perf_counter() - began_s, told


def recordings(folder: Path) -> None:
    """Every recording of a folder, as a video, through the pipeline."""
    print("| recording | length s | outcome | heard | written | time s |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as made, system() as (server, client):
        for sound in sorted(p for p in folder.rglob("*") if p.suffix in (".flac", ".wav", ".mp3")):
            video = Path(made) / (sound.stem + ".mp4")
            into_video(sound, video)
            outcome, took_s, told = send(client, video)
            length_s = soundfile.info(str(sound)).duration
            heard, written = told.get("onset", ""), told.get("notation", "")
            name = sound.name
            print(f"| {name} | {length_s:.1f} | {outcome} | {heard} | {written} | {took_s:.1f} |")
        show_memory(server)


def groove_file(path: Path, minutes: float) -> None:
    """A FLAC of a rock groove, written piece by piece."""
    beat_s = 0.5
    bar = [
        Hit(n * beat_s, DrumPiece.KICK if n % 2 == 0 else DrumPiece.SNARE, 105) for n in range(4)
    ]
    bar += [Hit(n * beat_s / 2, DrumPiece.HAT_CLOSED, 90 - 15 * (n % 2)) for n in range(8)]
    block = play(sorted(bar), 4 * beat_s, 1)[: round(4 * beat_s * SAMPLE_RATE)]
    with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1, subtype="PCM_16", format="FLAC") as out:
        for _ in range(round(minutes * 60 / (4 * beat_s))):
            out.write(block)


def long(minutes: list[float]) -> None:
    """Recordings of growing length: time and memory."""
    print("| minutes | outcome | heard | written | time s | services MB | workers MB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for length in minutes:
        with (
            tempfile.TemporaryDirectory() as made,
            system(MAX_FILE_SIZE="2000000000") as (
                server,
                client,
            ),
        ):
            path = Path(made) / "long.flac"
            groove_file(path, length)
            outcome, took_s, told = send(client, path)
            peak = server.peak_mb
            print(
                f"| {length:g} | {outcome} | {told.get('onset')} | {told.get('notation')} "
                f"| {took_s:.1f} | {peak['services']:.0f} | {peak['workers']:.0f} |"
            )


def big(sizes_mb: list[int]) -> None:
    """Uploads of growing size, as WAV of silence and noise: time and memory."""
    print("| upload MB | answer | time s | MB/s | services MB | workers MB |")
    print("| --- | --- | --- | --- | --- | --- |")
    rng = np.random.default_rng(1)
    for size_mb in sizes_mb:
        with (
            tempfile.TemporaryDirectory() as made,
            system(MAX_FILE_SIZE="2000000000", GATEWAY_RATE_LIMIT_USER="") as (server, client),
        ):
            path = Path(made) / "big.wav"
            with soundfile.SoundFile(path, "w", 96_000, 2, subtype="PCM_24", format="WAV") as out:
                for _ in range(size_mb * MB // (96_000 * 6)):
                    out.write(rng.normal(0, 0.1, (96_000, 2)))
            began_s = time.perf_counter()
            with path.open("rb") as file:
                answer = client.request(
                    "POST",
                    "/media/videos/",
                    params={"process": "false"},
                    files={"file": ("big.wav", file)},
                )
            took_s = time.perf_counter() - began_s
            peak = server.peak_mb
            sent_mb = path.stat().st_size / MB
            print(
                f"| {sent_mb:.0f} | {answer.status_code} | {took_s:.1f} | {sent_mb / took_s:.0f} "
                f"| {peak['services']:.0f} | {peak['workers']:.0f} |"
            )


def show_memory(server: Server) -> None:
    """A line below a table."""
    peaks = ", ".join(f"{kind} {used:.0f} MB" for kind, used in server.peak_mb.items())
    print(f"\nPeak memory: {peaks}.")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipeline", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    files = commands.add_parser("recordings", help=recordings.__doc__)
    files.add_argument("folder", type=Path)
    lengths = commands.add_parser("long", help=long.__doc__)
    lengths.add_argument("minutes", type=float, nargs="*", default=[6, 60])
    sizes = commands.add_parser("big", help=big.__doc__)
    sizes.add_argument("sizes_mb", type=int, nargs="*", default=[100, 1000])
    given = parser.parse_args()
    if given.command == "recordings":
        recordings(given.folder)
    elif given.command == "long":
        long(given.minutes)
    else:
        big(given.sizes_mb)


if __name__ == "__main__":
    main()
