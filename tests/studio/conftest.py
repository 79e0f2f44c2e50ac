"""A real browser (Debian's Chromium, headless) on a running system."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright

from backbeat.clip import render_clip
from tests.conftest import REQUIRED
from tests.e2e.conftest import (  # noqa: F401 - fixtures
    PASSWORD,
    System,
    Transcribed,
    User,
    drummer,
    embedded_system,
    groove_video,
    humming_video,
    silent_video,
)

# As deploy/install-browser has it: one of the system's, or Playwright's own.
OWN = Path.home().glob(".cache/ms-playwright/chromium-*/chrome-linux*/chrome")
CHROMIUM = os.environ.get("BACKBEAT_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    next((str(path) for path in sorted(OWN)), None),
)
SHOTS = os.environ.get("BACKBEAT_SHOTS")
"""A folder where screenshots are kept, also of what a test saw last."""
LAPTOP = {"width": 1360, "height": 850}
PHONE = {"width": 390, "height": 844}
FLAGS = [
    # As root in a container there is no other way; the pages are our own.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if CHROMIUM is None and "tests/studio" in str(item.path):
        say = pytest.fail if REQUIRED else pytest.skip
        say("NO CHROMIUM: `make browser` installs one, BACKBEAT_CHROMIUM names another")


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One browser for all tests; each page has a profile of its own."""
    async with async_playwright() as playwright:
        one = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield one
        await one.close()


@dataclass
class Visit:
    """One person's browser window, and what went wrong in it."""

    context: BrowserContext
    page: Page
    url: str
    troubles: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()
    """Parts of console messages that a test brings about on purpose."""

    async def open(self, path: str = "/") -> Page:
        await self.page.goto(self.url + path)
        return self.page

    async def sign_in(self, user: User, path: str = "/") -> Page:
        """As a user who exists, by the form."""
        page = await self.open(f"/sign-in?next={path}")
        await page.get_by_label("E-mail address").fill(user.email)
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("main").get_by_role("button", name="Sign in").click()
        await page.wait_for_url(self.url + path)
        return page

    async def at_score(self, notation_id: str, user: User) -> Page:
        """On a score that is drawn."""
        page = await self.sign_in(user, f"/scores/{notation_id}")
        await drawn(page)
        return page

    def unexpected(self) -> list[str]:
        return [t for t in self.troubles if not any(part in t for part in self.expected)]


async def drawn(page: Page) -> None:
    """Wait for the score to stand on the page."""
    await page.locator(".system g.note").first.wait_for(state="attached", timeout=30_000)


Visiting = Callable[..., Awaitable[Visit]]


@pytest.fixture
async def visiting(browser: Browser, embedded_system: System) -> AsyncIterator[Visiting]:  # noqa: F811
    """Opens windows. An error in a page's console fails the test, and so does a refusal by the
    page's own Content-Security-Policy."""
    visits: list[Visit] = []

    async def visit(
        size: dict[str, int] = LAPTOP, *, expected: tuple[str, ...] = (), **options: Any
    ) -> Visit:
        context = await browser.new_context(viewport=size, **options)
        context.set_default_timeout(20_000)
        page = await context.new_page()
        one = Visit(context, page, embedded_system.url, expected=expected)

        def heard(message: ConsoleMessage) -> None:
            if message.type == "error":
                one.troubles.append(f"{message.text} ({message.location.get('url', '')})")

        page.on("console", heard)
        page.on("pageerror", lambda error: one.troubles.append(str(error)))
        visits.append(one)
        return one

    yield visit
    for number, one in enumerate(visits, 1):
        if SHOTS and not one.page.is_closed():
            await one.page.screenshot(path=Path(SHOTS) / f"last-{number}.png")
        await one.context.close()
    assert [trouble for one in visits for trouble in one.unexpected()] == []


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight bars of rock with a picture, as `make demo` renders them."""
    path = tmp_path_factory.mktemp("clip") / "rock groove.mp4"
    render_clip(path, seed=3, size=(320, 180), frames_per_s=30)
    return path


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where screenshots go: SHOTS, or a folder that is forgotten."""
    folder = Path(SHOTS or tmp_path_factory.mktemp("shots"))
    folder.mkdir(parents=True, exist_ok=True)
    yield folder


@pytest.fixture
async def player(drummer: User, clip: Path) -> tuple[User, Transcribed]:  # noqa: F811
    """A user with a score of the clip."""
    return drummer, await drummer.transcribed(clip)
