"""The studio in a real browser: `python -m benchmarks.studio [cursor|frames|all]`.

`cursor`: how far the cursor is from the recording, over a minute, after jumps, and at half speed.
Where the cursor stands is read off the screen (its box and the noteheads' boxes) and turned into
seconds by the score's own `timemap` export, so that nothing of the page's reckoning is believed;
the recording's clock is `video.currentTime`, and, for the picture that is shown,
`requestVideoFrameCallback`.

`frames`: how many frames a second are drawn while a ten-minute score follows its recording and
while it is scrolled by hand, beside what an empty page draws on the same machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import tempfile
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from playwright.async_api import Page, async_playwright

from backbeat.drumsounds import SAMPLE_RATE, play
from benchmarks.pipeline.__main__ import system
from libs.common.drums import DrumPiece, Hit

# Of the user that `system` signs up.
EMAIL, PASSWORD = "bench@backbeat.dev", "a long phrase to measure with"
TEMPO_BPM = 100.0
MINUTES = 10
SIZE = (480, 270)
FRAMES_PER_S = 30
LIMIT_MS = 20.0
LEAST_FPS = 50.0
VIEWPORT = {"width": 1360, "height": 850}
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]


def ten_minutes(path: Path, minutes: float) -> None:
    """A rock groove with ghosts and fills, and a picture in which something moves."""
    beat_s = 60 / TEMPO_BPM
    bars = int(minutes * TEMPO_BPM / 4)
    hits: list[Hit] = []
    for bar in range(bars):
        start_s = 0.5 + 4 * bar * beat_s
        top = DrumPiece.RIDE if bar // 8 % 2 else DrumPiece.HAT_CLOSED
        hits += [Hit(start_s + n * beat_s / 2, top, 95 if n % 2 == 0 else 72) for n in range(8)]
        hits += [Hit(start_s + n * beat_s, DrumPiece.KICK, 108) for n in (0, 2, 2.5)]
        hits += [Hit(start_s + n * beat_s, DrumPiece.SNARE, 112) for n in (1, 3)]
        if bar % 8 == 7:
            toms = (DrumPiece.TOM_HIGH, DrumPiece.TOM_MID, DrumPiece.TOM_FLOOR)
            hits += [Hit(start_s + (3.25 + n / 4) * beat_s, tom, 104) for n, tom in enumerate(toms)]
    samples = play(sorted(hits), 0.5 + 4 * bars * beat_s + 1.0)
    background = np.full((SIZE[1], SIZE[0], 3), (24, 28, 40), np.uint8)
    with av.open(str(path), "w", format="mp4") as container:
        picture = container.add_stream("libx264", rate=FRAMES_PER_S)
        picture.width, picture.height = SIZE
        picture.pix_fmt = "yuv420p"
        picture.options = {"preset": "ultrafast"}
        sound = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        for number in range(int(len(samples) / SAMPLE_RATE * FRAMES_PER_S)):
            image = background.copy()
            x = number * 7 % (SIZE[0] - 40)
            image[100:170, x : x + 40] = (236, 180, 90)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FRAMES_PER_S)
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        for start in range(0, len(samples), 1024):
            piece = samples[start : start + 1024]
            heard = av.AudioFrame.from_ndarray(piece[np.newaxis], format="fltp", layout="mono")
            heard.sample_rate, heard.pts = SAMPLE_RATE, start
            heard.time_base = Fraction(1, SAMPLE_RATE)
            container.mux(sound.encode(heard))
        container.mux(sound.encode(None))


# Where the cursor stands: its middle and its line, off the screen.
WATCH = """
(seconds) => new Promise((resolve) => {
  const video = document.querySelector("video");
  const cursor = document.querySelector(".cursor");
  const samples = [];
  const read = (kind, time_s) => {
    const box = cursor.getBoundingClientRect();
    const line = [...document.querySelectorAll("div.system")].find((each) => {
      const own = each.getBoundingClientRect();
      return box.top + box.height / 2 >= own.top && box.top + box.height / 2 <= own.bottom;
    });
    if (!line) return;
    const own = line.getBoundingClientRect();
    const x = (box.left + box.width / 2 - own.left) / own.width;
    samples.push([kind, time_s, Number(line.dataset.system), x]);
  };
  const end = performance.now() + seconds * 1000;
  // After the page's own step of the same frame.
  const drawn = () => requestAnimationFrame(() => queueMicrotask(() => {
    read("drawn", video.currentTime);
    if (performance.now() < end) drawn(); else resolve(samples);
  }));
  const anytime = () => {
    read("anytime", video.currentTime);
    if (performance.now() < end) setTimeout(anytime, 3 + Math.random() * 30);
  };
  const shown = () => video.requestVideoFrameCallback((now, frame) => {
    read("picture", frame.mediaTime);
    if (performance.now() < end) shown();
  });
  drawn(); anytime(); shown();
})
"""
HEADS = """
() => [...document.querySelectorAll("div.system")].map((line) => {
  const own = line.getBoundingClientRect();
  return [...line.querySelectorAll("g.note")].map((note) => {
    const head = (note.querySelector(".notehead") ?? note).getBoundingClientRect();
    return [note.id, (head.left + head.width / 2 - own.left) / own.width];
  });
})
"""
FRAMES = """
(seconds) => new Promise((resolve) => {
  const times = [];
  const end = performance.now() + seconds * 1000;
  const step = (now) => {
    times.push(now);
    if (performance.now() < end) requestAnimationFrame(step); else resolve(times);
  };
  requestAnimationFrame(step);
})
"""


@dataclass(frozen=True)
class Line:
    """One line of music: places from left to right, and when each is played."""

    xs: list[float]
    times_s: list[float]

    def time_s(self, x: float) -> float | None:
        """When the recording is at `x`; None outside the notes."""
        after = bisect_right(self.xs, x)
        if not 0 < after < len(self.xs):
            return None
        x0, x1 = self.xs[after - 1], self.xs[after]
        t0, t1 = self.times_s[after - 1], self.times_s[after]
        return t0 + (x - x0) / (x1 - x0) * (t1 - t0)


def lines_of(heads: list[list[list[Any]]], timemap: dict[str, Any]) -> list[Line]:
    """The noteheads of each line, those struck together as one."""
    notes = {note["id"]: note for note in timemap["notes"] if not note.get("grace")}
    lines = []
    for line in heads:
        columns: dict[tuple[int, str], list[tuple[float, float]]] = {}
        for note_id, x in line:
            note = notes.get(note_id)
            if note is not None:
                when = note.get("played_s", note["written_s"])
                columns.setdefault((note["bar"], note["start"]), []).append((x, when))
        places = sorted(
            (min(x for x, _ in column), statistics.median(when for _, when in column))
            for column in columns.values()
        )
        lines.append(Line([x for x, _ in places], [when for _, when in places]))
    return lines


def errors_ms(samples: list[list[Any]], lines: list[Line], kind: str) -> list[float]:
    """Cursor minus recording."""
    found = []
    for sample_kind, time_s, line, x in samples:
        implied = lines[line].time_s(x)
        if sample_kind == kind and implied is not None:
            found.append((implied - time_s) * 1000)
    return found


def row(name: str, errors: list[float]) -> str:
    """One line of the table: median, 99th percentile and worst size, and its ratio to the limit."""
    sizes = sorted(map(abs, errors))
    p99 = sizes[int(len(sizes) * 0.99) - 1]
    return (
        f"| {name} | {len(sizes)} | {statistics.median(sizes):.2f} | {p99:.2f} | {sizes[-1]:.2f} "
        f"| {sizes[-1] / LIMIT_MS:.2f} |"
    )


async def cursor(page: Page, lines: list[Line], seconds: float) -> None:
    """Print the table of the cursor's error."""
    print("\n| cursor against | samples | median ms | p99 ms | worst ms | worst / 20 ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    await page.keyboard.press("Space")
    await page.wait_for_timeout(1500)
    samples = await page.evaluate(WATCH, seconds)
    print(row("the clock, as a frame is drawn", errors_ms(samples, lines, "drawn")))
    print(row("the clock, at any moment", errors_ms(samples, lines, "anytime")))
    print(row("the picture shown (30 a second)", errors_ms(samples, lines, "picture")))
    jumps: list[float] = []
    for number in range(20):
        await page.evaluate(
            "(t) => { document.querySelector('video').currentTime = t }", 7.3 + number * 27.1
        )
        await page.wait_for_function("() => !document.querySelector('video').seeking")
        jumps += errors_ms(await page.evaluate(WATCH, 0.6), lines, "drawn")
    print(row("the clock, after 20 jumps", jumps))
    await page.get_by_test_id("rate").select_option("0.5")
    await page.evaluate("document.querySelector('video').currentTime = 31")
    await page.wait_for_timeout(1500)
    samples = await page.evaluate(WATCH, seconds / 2)
    print(row("the clock, at half speed", errors_ms(samples, lines, "drawn")))
    await page.get_by_test_id("rate").select_option("1")
    await page.keyboard.press("Space")


def fps(times_ms: list[float]) -> tuple[float, float, float]:
    """Frames a second: over all, in the worst second, and the longest frame in ms."""
    gaps = np.diff(times_ms)
    worst = min(
        bisect_right(times_ms, start + 1000) - index - 1
        for index, start in enumerate(times_ms)
        if start + 1000 <= times_ms[-1]
    )
    return 1000 / float(gaps.mean()), float(worst), float(gaps.max())


def fps_row(name: str, times_ms: list[float], empty_fps: float | None) -> str:
    """One line of the table."""
    mean, worst, longest = fps(times_ms)
    ratio = "" if empty_fps is None else f"{mean / empty_fps:.2f}"
    return (
        f"| {name} | {mean:.1f} | {worst:.0f} | {longest:.0f} | {worst / LEAST_FPS:.2f} | {ratio} |"
    )


async def frames(page: Page, url: str, seconds: float) -> None:
    """Print the table of frames a second."""
    print(
        "\n| drawn | fps | in the worst second | longest frame ms | worst / 50 | to an empty page |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    empty = await page.context.new_page()
    await empty.goto(f"{url}/robots.txt")
    await empty.wait_for_timeout(1000)
    times = await empty.evaluate(FRAMES, 5)
    empty_fps = fps(times)[0]
    print(fps_row("an empty page", times, None))
    await empty.close()
    await page.bring_to_front()
    await page.evaluate("document.querySelector('video').currentTime = 60")
    await page.keyboard.press("Space")
    await page.wait_for_timeout(2000)
    print(fps_row("following, 100 %", await page.evaluate(FRAMES, seconds), empty_fps))
    await page.keyboard.press("Space")
    await page.wait_for_timeout(500)
    box = await page.locator(".sheet").bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    for name, step in (("scrolled by hand", 120), ("scrolled fast", 600)):
        await page.evaluate("document.querySelector('.sheet').scrollTo(0, 0)")
        watching = asyncio.create_task(page.evaluate(FRAMES, 10))
        for _ in range(180):
            if watching.done():
                break
            await page.mouse.wheel(0, step)
            await asyncio.sleep(0.05)
        print(fps_row(name, await watching, empty_fps))


async def measure(
    url: str, notation_id: str, timemap: dict[str, Any], what: str, seconds: float
) -> None:
    """Open the score in the browser and measure."""
    chromium = os.environ.get("BACKBEAT_CHROMIUM") or shutil.which("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        context = await browser.new_context(viewport=VIEWPORT)
        page = await context.new_page()
        await page.goto(f"{url}/sign-in?next=/scores/{notation_id}")
        await page.get_by_label("E-mail address").fill(EMAIL)
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("main").get_by_role("button", name="Sign in").click()
        await page.locator(".system g.note").first.wait_for(state="attached", timeout=60_000)
        await page.wait_for_function("() => document.querySelector('video')?.readyState >= 3")
        lines = lines_of(await page.evaluate(HEADS), timemap)
        notes = sum(len(line.xs) for line in lines)
        print(f"\n{len(lines)} lines, {len(timemap['notes'])} notes at {notes} places.")
        if what in ("cursor", "all"):
            await cursor(page, lines, seconds)
        if what in ("frames", "all"):
            await frames(page, url, seconds)
        await browser.close()


def main(arguments: Iterable[str] | None = None) -> None:
    """Make the recording, transcribe it, measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=("cursor", "frames", "all"), default="all")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="length of the recording")
    parser.add_argument("--seconds", type=float, default=60, help="length of each measurement")
    given = parser.parse_args(list(arguments) if arguments is not None else None)
    limits = {f"GATEWAY_RATE_LIMIT_{each}": "" for each in ("USER", "ADDRESS", "LOGIN")}
    with tempfile.TemporaryDirectory() as folder, system(**limits) as (server, client):
        recording = Path(folder) / "ten minutes.mp4"
        ten_minutes(recording, given.minutes)
        video = client.upload(recording)
        jobs = {job["job_type"]: job for job in client.watch(video["id"])}
        notation_id = jobs["notation"]["result"]["notation_id"]
        timemap = client.request(
            "GET", f"/notation/{notation_id}/export", params={"format": "timemap"}
        ).json()
        asyncio.run(measure(server.url, notation_id, timemap, given.what, given.seconds))


if __name__ == "__main__":
    main()
