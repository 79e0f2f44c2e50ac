"""`backbeat transcribe`: a video in, a folder with its score out, over the public API."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from backbeat.client import Client

STAGES = {
    "extraction": "Sound",
    "onset": "Drums",
    "notation": "Score",
    "classification": "Drums",
    "vision": "Hands",
}
FILES = {
    "score.musicxml": {"format": "musicxml"},
    "score.mid": {"format": "midi"},
    "score.json": {"format": "json"},
    "score.png": {"format": "png", "page": 1},
}


HANDS_COME_WITHIN_S = 15.0
"""From the end of the look to the score that shows it."""


class Failed(Exception):
    """A step ended without a result; the message says why and what to do."""


def follow(client: Client, video: dict[str, Any], console: Console) -> dict[str, Any]:
    """Show a bar per stage until all have ended; the ended jobs by type. Raises Failed, but not
    for the hands: a score without them is a score."""
    ended: dict[str, dict[str, Any]] = {}
    room = max(16, console.width - 49)
    with Progress(
        TextColumn("{task.description:>8}"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>4.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
    ) as progress:
        bars: dict[str, TaskID] = {
            job["id"]: progress.add_task(
                STAGES.get(job["job_type"], job["job_type"]), total=1.0, start=False, note=""
            )
            for job in video["jobs"]
        }
        for job in client.watch(video["id"]):
            bar = bars.get(job["id"])
            if bar is None:
                continue
            if job["status"] in ("running", "completed"):
                progress.start_task(bar)
            # What does not fit would push the stages' names out.
            note = textwrap.shorten(
                job["error_message"] or job["message"] or "", room, placeholder=" …"
            )
            progress.update(bar, completed=job["progress"], note=note)
            if job["status"] in ("completed", "failed", "cancelled"):
                progress.stop_task(bar)
                ended[job["job_type"]] = job
    needed = [job for step, job in ended.items() if step != "vision"]
    for job in needed:
        if job["status"] == "failed":
            raise Failed(f"{job['error_message']} ({job['error_code']})")
    if any(job["status"] == "cancelled" for job in needed):
        raise Failed("The processing was cancelled.")
    return ended


def read_hands(client: Client, video_id: str, look: dict[str, Any] | None) -> str | None:
    """What the camera saw, in a line; None where nobody looked."""
    if look is None or look["status"] == "cancelled":
        return None
    if look["status"] == "failed":
        return str(look["error_message"])
    seen = client.request("GET", f"/vision/analysis/{video_id}").json()
    said = str(seen["words"])
    if seen["usable"] and seen["sync"]:
        late_ms = round(1000 * seen["sync"]["offset_s"])
        side = "after" if late_ms >= 0 else "before"
        said += f" The sound lies {abs(late_ms)} ms {side} the picture."
    return said


def await_hands(client: Client, notation_id: str) -> dict[str, Any]:
    """The score once the hands that were seen are on its notes, which takes a moment."""
    until_s = time.monotonic() + HANDS_COME_WITHIN_S
    while True:
        notation: dict[str, Any] = client.request("GET", f"/notation/{notation_id}").json()
        events = notation["notation_json"]["performance"]["events"]
        if any("hand" in event for event in events) or time.monotonic() > until_s:
            return notation
        time.sleep(0.2)


def fetch(client: Client, notation_id: str, folder: Path) -> list[Path]:
    """Save the score's files; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    saved = []
    for name, params in FILES.items():
        answer = client.request("GET", f"/notation/{notation_id}/export", params=params)
        path = folder / name
        path.write_bytes(answer.content)
        saved.append(path)
    return saved


def summarise(
    console: Console,
    notation: dict[str, Any],
    analysis: dict[str, Any],
    hands: str | None,
    files: Iterable[Path],
) -> None:
    """What was heard and written, on one screen."""
    swing = notation["notation_json"]["timeline"].get("swing")
    tempo = f"{notation['tempo']} bpm" if notation["tempo"] else "no steady tempo"
    console.print()
    console.print(f"[bold]{notation['title'] or 'Untitled'}[/bold]")
    console.print(
        f"{tempo} · {notation['time_signature']} · {notation['bar_count']} bars · "
        f"{notation['note_count']} notes" + (" · swing" if swing else "")
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("drum")
    table.add_column("hits", justify="right")
    table.add_column("velocity", justify="right")
    table.add_column("sure", justify="right")
    for piece in analysis["pieces"]:
        table.add_row(
            piece["instrument"],
            str(piece["hits"]),
            f"{piece['mean_velocity']:.0f}",
            f"{piece['mean_confidence']:.0%}",
        )
    console.print(table)
    console.print(
        f"Heard by {analysis['model_version']}, on average {analysis['mean_confidence']:.0%} sure "
        f"of a hit."
    )
    if hands:
        console.print(hands)
    for path in files:
        console.print(f"  {path}")


def transcribe(client: Client, video_path: Path, folder: Path, console: Console) -> None:
    """Upload, follow, fetch, summarise. Raises Failed or ApiProblem."""
    console.print(f"Uploading {video_path} ({video_path.stat().st_size / 1e6:.1f} MB) …")
    video = client.upload(video_path)
    ended = follow(client, video, console)
    notation_id = ended["notation"]["result"]["notation_id"]
    audio_id = ended["extraction"]["result"]["audio_id"]
    look = ended.get("vision")
    if look and look["result"] and look["result"]["marked_count"]:
        notation = await_hands(client, notation_id)
    else:
        notation = client.request("GET", f"/notation/{notation_id}").json()
    files = fetch(client, notation_id, folder)
    analysis = client.request("GET", f"/audio/analysis/{audio_id}").json()
    summarise(console, notation, analysis, read_hands(client, video["id"], look), files)
