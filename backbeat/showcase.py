"""The score that the studio shows to people without an account: a rendered clip, heard and written
by the whole system, kept as plain files. `make showcase` makes it anew."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any, Final

from backbeat.client import Client
from backbeat.clip import render_clip
from backbeat.embedded import running

FOLDER: Final = Path(__file__).parent.parent / "services" / "gateway" / "web" / "demo"
WIDTHS_MM: Final = (80, 100, 150, 200, 250, 300)
LEGEND_FROM_MM: Final = 140
FILES: Final = {"musicxml": "demo.musicxml", "midi": "demo.mid", "pdf": "demo.pdf"}
PEAKS: Final = 900
TITLE: Final = "Rock groove"


async def make_showcase(folder: Path = FOLDER) -> None:
    """Write the clip, its views at several widths, its waveform and its exports."""
    folder.mkdir(parents=True, exist_ok=True)
    clip = folder / "demo.mp4"
    await asyncio.to_thread(render_clip, clip, size=(640, 360), frames_per_s=30)
    with tempfile.TemporaryDirectory() as data:
        async with running(Path(data), "127.0.0.1", 0) as system:
            await asyncio.to_thread(_fetch, system.url, clip, folder)


def _fetch(url: str, clip: Path, folder: Path) -> None:
    client = Client(url)
    client.sign_in("demo@backbeat.dev", "a phrase for half a minute", register=True)
    video = client.upload(clip)
    jobs = {job["job_type"]: job for job in client.watch(video["id"])}
    audio_id = jobs["extraction"]["result"]["audio_id"]
    notation_id = jobs["notation"]["result"]["notation_id"]
    client.request(
        "PUT", f"/notation/{notation_id}", json={"title": TITLE}, headers={"If-Match": '"1"'}
    )
    for width_mm in WIDTHS_MM:
        legend = str(width_mm >= LEGEND_FROM_MM).lower()
        params = {"width_mm": width_mm, "legend": legend}
        view = client.request("GET", f"/notation/{notation_id}/view", params=params).json()
        # Of a score that is nobody's.
        view |= {"notation_id": None, "video_id": None}
        _write(folder / f"view-{width_mm}.json", view)
    peaks = client.request("GET", f"/audio/waveform/{audio_id}", params={"buckets": PEAKS}).json()
    _write(folder / "waveform.json", peaks)
    _write(folder / "demo.json", {"widths_mm": list(WIDTHS_MM)})
    for kind, name in FILES.items():
        answer = client.request("GET", f"/notation/{notation_id}/export", params={"format": kind})
        (folder / name).write_bytes(answer.content)
    client.close()


def _write(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document, separators=(",", ":"), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    asyncio.run(make_showcase())
