"""Everybody can use it: axe-core finds nothing serious in any view, and keys alone are enough."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, Route

from tests.e2e.conftest import PASSWORD, System, Transcribed, User
from tests.e2e.test_notation_routes import rock, write
from tests.studio.acting import (
    TABS,
    choose,
    comes_true,
    correcting,
    note_at,
    notes_in,
    notes_of,
    panel,
    playable,
    says,
    score_of,
    shows_version,
)
from tests.studio.conftest import LAPTOP, PHONE, Visit, Visiting, drawn

GRAVE = ("serious", "critical")
ASKED = {
    "light": {"resultTypes": ["violations"]},
    # The page is built the same: its colours are not.
    "dark": {"resultTypes": ["violations"], "runOnly": ["color-contrast"]},
}
FAILING = "what a very long name_for_a_video_of_somebody_who_forgot_the_microphone_" + "x" * 40


@dataclass
class House:
    """A user with a score, a video that failed, and a link."""

    user: User
    made: Transcribed
    failed_id: str
    token: str


@pytest.fixture(scope="module")
async def house(embedded_system: System, clip: Path, silent_video: Path) -> AsyncIterator[House]:
    user = await embedded_system.user()
    made = await user.transcribed(clip, watch=True)
    failed = await user.upload(silent_video, name=f"{FAILING}.mp4")
    await user.jobs_after(failed["id"])
    link = await user.http.post(f"/notation/{made.notation_id}/shares", json={"name": "a friend"})
    yield House(user, made, failed["id"], link.json()["token"])
    await user.http.aclose()


class Judge:
    """Asks axe-core about what a window shows, in light and in dark."""

    def __init__(self, page: Page, size: dict[str, int]) -> None:
        self.page = page
        self.size = size
        self.axe = Axe()
        self.found: list[str] = []

    async def look(self, what: str) -> None:
        for theme in ("light", "dark"):
            await self.page.emulate_media(color_scheme=theme)
            said = (await self.axe.run(self.page, options=ASKED[theme])).response
            self.found += [
                f"{what}, {theme}: {violation['id']} at {node['target']}: {node['html'][:160]}"
                for violation in said["violations"]
                if violation["impact"] in GRAVE
                for node in violation["nodes"][:3]
            ]
        wide = await self.page.evaluate("document.documentElement.scrollWidth")
        if wide > self.size["width"]:
            self.found.append(f"{what} is {wide} wide")


async def the_entrance(visit: Visit, judge: Judge) -> None:
    for path, what in (("/", "home"), ("/sign-in", "sign-in"), ("/register", "register")):
        page = await visit.open(path)
        await page.get_by_role("heading", level=1).wait_for()
        await judge.look(what)
    await visit.open("/nothing-here")
    page = await visit.open("/sign-in")
    await page.get_by_label("E-mail address").fill("nobody@backbeat.dev")
    await page.get_by_label("Password").fill("wrong")
    await page.get_by_role("main").get_by_role("button", name="Sign in").click()
    await comes_true(page, "() => document.querySelector('#entrance-problem').textContent")
    await judge.look("refused")


async def the_library(visit: Visit, judge: Judge, house: House) -> None:
    page = visit.page
    await page.locator(".card img").first.wait_for()
    await judge.look("library")
    await page.get_by_label("Your account").click()
    await judge.look("menu")
    await page.keyboard.press("Escape")
    await page.locator(".card").first.get_by_role("button").click()
    await page.get_by_role("dialog").wait_for()
    await judge.look("question")
    await page.keyboard.press("Escape")
    await visit.open("/account")
    await says(page.get_by_role("main"), house.user.email)
    await judge.look("account")


async def the_videos(visit: Visit, judge: Judge, house: House) -> None:
    page = await visit.open(f"/videos/{house.failed_id}")
    await page.get_by_role("alert").wait_for()
    await judge.look("failed video")
    # As it is while the second step is at work, held still.
    video = (await house.user.http.get(f"/media/videos/{house.made.video_id}")).json()
    for job, (status, progress) in zip(
        sorted(video["jobs"], key=lambda job: str(job["created_at"])),
        (("completed", 1), ("running", 0.4), ("pending", 0), ("pending", 0)),
        strict=True,
    ):
        job |= {"status": status, "progress": progress, "result": None}

    async def held(route: Route) -> None:
        await (route.abort() if route.request.url.endswith("events") else route.fulfill(json=video))

    pattern = f"**/media/videos/{house.made.video_id}*"
    await page.route(pattern, held)
    await page.route(f"{pattern}/events", held)
    await visit.open(f"/videos/{house.made.video_id}")
    await page.get_by_role("progressbar").wait_for()
    await page.get_by_test_id("stream-lost").wait_for()
    await judge.look("working video")
    await page.unroute_all()


async def the_score(visit: Visit, judge: Judge, house: House) -> None:
    page = await visit.open(f"/scores/{house.made.notation_id}")
    await drawn(page)
    await playable(page)
    await judge.look("score")
    for name in TABS:
        body = await panel(page, name)
        if name == "Share":
            await body.locator(".links li").wait_for()
        elif name == "Facts":
            await body.locator(".versions li").wait_for()
        elif name in ("Teacher", "Hands"):
            await body.locator("p").first.wait_for()
        await judge.look(name)
    await correcting(page)
    notes = notes_in(await score_of(house.user, house.made.notation_id))
    await choose(page, next(n.id for n in notes.values() if n.bar == 1 and n.piece == "snare"))
    await judge.look("correcting")
    await page.locator("#panel-body").get_by_role("button", name="Tempo", exact=True).click()
    await page.get_by_role("dialog").wait_for()
    await judge.look("form")
    await page.keyboard.press("Escape")
    await page.keyboard.press("?")
    await page.get_by_role("dialog").wait_for()
    await judge.look("keys")
    await page.keyboard.press("Escape")


async def the_guests(visit: Visit, judge: Judge, house: House) -> None:
    for path in ("/demo", f"/s/{house.token}", f"/embed/{house.token}"):
        page = await visit.open(path)
        await drawn(page)
        await playable(page)
        await judge.look(path[:6])
    page = await visit.open(f"/s/{'A' * 43}")
    await page.get_by_role("alert").wait_for()
    await judge.look("a link that ended")


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
async def test_axe_finds_nothing_serious_in_any_view(
    visiting: Visiting, drummer: User, house: House, size: dict[str, int]
) -> None:
    screen = {"has_touch": True, "is_mobile": True} if size is PHONE else {}
    stranger = await visiting(size, expected=("401", "404"), **screen)
    judge = Judge(stranger.page, size)
    await the_entrance(stranger, judge)
    await the_guests(stranger, judge, house)
    newcomer = await visiting(size, **screen)
    empty = Judge(await newcomer.sign_in(drummer), size)
    await says(newcomer.page.get_by_role("heading", level=2), "Nothing here yet")
    await empty.look("empty library")
    # The teacher is not there; a stream is cut on purpose.
    owner = await visiting(size, expected=("404", "501", "503", "net::ERR_FAILED"), **screen)
    own = Judge(await owner.sign_in(house.user), size)
    await the_library(owner, own, house)
    await the_videos(owner, own, house)
    await the_score(owner, own, house)
    found = [*judge.found, *empty.found, *own.found]
    assert not found, "\n".join(found)


# Keys alone


FOCUSED = """() => {
  const one = document.activeElement;
  const label = one.getAttribute("aria-label") ?? one.closest("label")?.textContent;
  return (label ?? one.textContent).replace(/\\s+/g, " ").trim();
}"""


async def tab_to(page: Page, name: str, *, way: str = "Tab", at_most: int = 60) -> None:
    """Go on from what has the focus, to what is called so."""
    seen = []
    for _ in range(at_most):
        await page.keyboard.press(way)
        seen.append(await page.evaluate(FOCUSED))
        if seen[-1] == name:
            return
    raise AssertionError(f"{name!r} is not among {seen}")


async def spoken(page: Page, words: str) -> None:
    await says(page.get_by_test_id("spoken"), words)


async def test_keys_alone_lead_from_the_door_to_a_corrected_note(
    visiting: Visiting, drummer: User, tmp_path: Path
) -> None:
    own = await write(drummer, events=rock(), tempo=120, time_signature="4/4", title="By keys")
    exported = await drummer.http.get(
        f"/notation/{own['id']}/export", params={"format": "musicxml"}
    )
    file = tmp_path / "by keys.musicxml"
    file.write_bytes(exported.content)
    visit = await visiting()
    page = await visit.open()
    await tab_to(page, "Make an account")
    await page.keyboard.press("Enter")
    await page.get_by_label("Password").wait_for()
    email = f"{uuid4().hex}@backbeat.dev"
    # The first field has the focus.
    await page.keyboard.type(email)
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await says(page.get_by_role("heading", level=2), "Nothing here yet")
    await tab_to(page, "Bring a video")
    async with page.expect_file_chooser() as coming:
        await page.keyboard.press("Enter")
    await (await coming.value).set_files(file)
    await page.wait_for_url("**/scores/*")
    await drawn(page)
    user = User(httpx.AsyncClient(base_url=visit.url, timeout=60), email, "")
    await user.sign_in()
    notation_id = page.url.rpartition("/")[2]
    notes = await notes_of(user, notation_id)

    # From note to note, spoken; then another piece, an accent, a place.
    await tab_to(page, "Score")
    await page.keyboard.press("ArrowRight")
    await spoken(page, "Bar 1, beat 1,")
    while "snare" not in (await page.get_by_test_id("spoken").text_content() or ""):
        await page.keyboard.press("ArrowRight")
    await spoken(page, "Bar 1, beat 2, snare")
    snare = next(n.id for n in notes.values() if (n.bar, n.start, n.piece) == (1, "1/4", "snare"))
    await page.keyboard.press("e")
    await page.keyboard.press("x")
    await shows_version(page, 2)
    await spoken(page, "Bar 1, beat 2, cross-stick")
    await page.keyboard.press("a")
    await shows_version(page, 3)
    await spoken(page, "cross-stick, accent")
    await page.keyboard.press("Alt+ArrowRight")
    await shows_version(page, 4)
    await spoken(page, "Bar 1, beat 2.25, cross-stick")
    now = (await notes_of(user, notation_id))[snare]
    assert (now.piece, now.start, now.marks) == ("cross-stick", "5/16", ("accent",))
    assert await note_at(page, snare).count() == 1

    # The tools, by arrows; a dialog, that is left to where one was; and out.
    await tab_to(page, "Correct")
    await page.keyboard.press("ArrowRight")
    await says(page.locator("[role=tab]:focus"), "Mix")
    await page.keyboard.press("ArrowLeft")
    await says(page.locator("[role=tab]:focus"), "Correct")
    await tab_to(page, "Tempo")
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    await dialog.wait_for()
    outside = "() => !document.activeElement.matches('body, dialog, dialog *')"
    for _ in range(8):
        await page.keyboard.press("Tab")
        assert not await page.evaluate(outside)
    await page.keyboard.press("Escape")
    await says(page.locator("button:focus"), "Tempo")
    await user.http.aclose()


async def test_tab_goes_through_all_of_a_score_and_out_again(
    visiting: Visiting, drummer: User
) -> None:
    score = await write(drummer, events=rock(), title="Round")
    page = await (await visiting()).at_score(score["id"], drummer)
    await correcting(page)
    await page.locator("a.brand").focus()
    names: list[Any] = []
    hidden = (
        """() => { const b = document.activeElement.getBoundingClientRect(); return !b.width; }"""
    )
    for _ in range(120):
        names.append(await page.evaluate(FOCUSED))
        assert not await page.evaluate(hidden), names
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.matches('a.brand, body')"):
            break
    else:
        raise AssertionError(f"no way out of {names}")
    for name in (
        "Rename",
        "Undo",
        "Redo",
        "Score",
        "Correct",
        "Select",
        "Add",
        "Play",
        "Metronome",
    ):
        assert name in names
