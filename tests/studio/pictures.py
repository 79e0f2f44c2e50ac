"""The pictures of README and docs, taken from the running studio:
`python -m tests.studio.pictures docs/images`."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.async_api import Browser, Page, async_playwright

from backbeat.client import Client
from backbeat.clip import render_clip
from backbeat.embedded import running
from tests.studio.conftest import CHROMIUM, FLAGS, LAPTOP, PHONE

EMAIL, PASSWORD = "ringo@backbeat.dev", "a phrase for a few pictures"
TAKES = (("Rock groove.mp4", 1, 100.0), ("Tuesday lesson.mp4", 4, 92.0), ("Warm-up.mp4", 7, 120.0))


async def signed_in(browser: Browser, url: str, size: dict[str, int], **options: object) -> Page:
    """A window of the user's, at the library."""
    context = await browser.new_context(viewport=size, **options)  # type: ignore[arg-type]
    page = await context.new_page()
    await page.goto(f"{url}/sign-in")
    await page.get_by_label("E-mail address").fill(EMAIL)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("main").get_by_role("button", name="Sign in").click()
    await page.locator(".card img").nth(len(TAKES) - 1).wait_for()
    return page


async def at_score(page: Page, moment_s: float) -> None:
    """The first take's score, its recording at a moment."""
    await page.get_by_role("link", name=TAKES[0][0]).click()
    await page.locator("div.system g.note").first.wait_for(state="attached")
    await page.wait_for_function("() => document.querySelector('video')?.readyState >= 3")
    await page.evaluate("(t) => { document.querySelector('video').currentTime = t }", moment_s)
    # The waveform comes by itself.
    await page.wait_for_timeout(2500)


async def take(url: str, folder: Path) -> None:
    """All of them."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = await signed_in(browser, url, LAPTOP)
        await page.screenshot(path=folder / "studio-library.png")
        await at_score(page, 6.62)
        await page.get_by_role("tab", name="Mix").click()
        await page.wait_for_timeout(300)
        await page.screenshot(path=folder / "studio-score.png")
        await page.get_by_role("tab", name="Teacher").click()
        panel = page.get_by_role("tabpanel")
        await panel.get_by_role("button", name="Explain all of it").click()
        await panel.get_by_text("By rules.").first.wait_for()
        await panel.get_by_label("Kind").select_option("linear")
        await panel.get_by_role("button", name="Make three").click()
        await panel.get_by_role("link", name="Open").first.wait_for()
        await panel.evaluate("(panel) => { panel.scrollTop = 150 }")
        await page.wait_for_timeout(300)
        await page.screenshot(path=folder / "studio-teacher.png")
        await panel.get_by_role("link", name="Open").first.click()
        await page.get_by_text("No two limbs strike at once").first.wait_for()
        await page.wait_for_timeout(500)
        await page.screenshot(path=folder / "studio-exercise.png")
        await page.go_back()
        await page.locator("div.system g.note").first.wait_for(state="attached")
        await page.get_by_role("tab", name="Correct").click()
        await page.get_by_role("button", name="Correct the score").click()
        await page.keyboard.press("ArrowRight")
        await page.wait_for_timeout(1500)
        await page.screenshot(path=folder / "studio-editing.png")
        phone = await signed_in(
            browser, url, PHONE, device_scale_factor=2, has_touch=True, is_mobile=True
        )
        await at_score(phone, 6.62)
        await phone.screenshot(path=folder / "studio-phone.png")
        await browser.close()
    for picture in folder.glob("studio-*.png"):
        # A page has few colours: a palette is a third of the size.
        Image.open(picture).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(
            picture, optimize=True
        )


def fill(url: str, folder: Path) -> None:
    """Three takes, transcribed."""
    client = Client(url)
    client.sign_in(EMAIL, PASSWORD, register=True)
    for name, seed, tempo_bpm in reversed(TAKES):
        clip = folder / name
        render_clip(clip, seed, tempo_bpm=tempo_bpm, size=(640, 360), frames_per_s=30)
        for _ in client.watch(client.upload(clip)["id"]):
            pass
    client.close()


async def main(out: Path) -> None:
    """A system of its own, and its pictures."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data:
        async with running(Path(data) / "data", "127.0.0.1", 0) as system:
            await asyncio.to_thread(fill, system.url, Path(data))
            await take(system.url, out)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
