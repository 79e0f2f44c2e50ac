"""Corrections that wait: impossible ones among them, in two windows, for their own user only."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from playwright.async_api import Page, Route

from tests.e2e.conftest import User
from tests.e2e.test_notation_routes import put, rock, write
from tests.integration.waiting import until
from tests.studio.acting import (
    choose,
    comes_true,
    correcting,
    is_saved,
    notes_of,
    says,
    score_of,
    shows_version,
    versions_of,
)
from tests.studio.conftest import Visiting, drawn

REFUSED = ("ERR_INTERNET_DISCONNECTED", "ERR_FAILED", "ERR_ABORTED", "409", "412", "422", "401")
KEPT = "() => Object.keys(localStorage).filter((k) => k.startsWith('backbeat.save.')).length"


@pytest.fixture
async def written(drummer: User) -> dict[str, Any]:
    return await write(drummer, events=rock(), title="Verse")


def note(score: dict[str, Any], piece: str, nth: int = 0) -> str:
    """The id of a score's nth note on a piece."""
    found = [
        each["id"]
        for bar in score["notation_json"]["score"]["bars"]
        for voice in bar["voices"]
        for event in voice["events"]
        for each in event.get("notes", [])
        if each["piece"] == piece
    ]
    return str(found[nth])


async def held_up(page: Page, notation_id: str) -> asyncio.Event:
    """Saves wait until the event is set."""
    go = asyncio.Event()

    async def hold(route: Route) -> None:
        if route.request.method == "PUT":
            await go.wait()
        await route.fallback()

    await page.route(f"**/notation/{notation_id}", hold)
    return go


async def test_one_impossible_change_among_many_takes_none_of_the_others_along(
    visiting: Visiting, drummer: User, written: dict[str, Any]
) -> None:
    visit = await visiting(expected=REFUSED)
    page = await visit.at_score(written["id"], drummer)
    first, last = note(written, "kick"), note(written, "snare", 2)
    await correcting(page)
    go = await held_up(page, written["id"])
    await choose(page, note(written, "snare", 1))
    await page.keyboard.press("a")
    # Waits behind the first: a kick that would leave the score, and two that can be done.
    await choose(page, first)
    await page.keyboard.press("Alt+ArrowLeft")
    await page.keyboard.press("3")
    await choose(page, last)
    await page.keyboard.press("x")
    go.set()
    await says(page.locator(".toast"), "could not be done")
    await is_saved(page)
    now = await notes_of(drummer, written["id"])
    assert now[first].piece == "tom-floor"
    assert now[last].piece == "cross-stick"
    assert await page.evaluate(KEPT) == 0


async def test_what_is_deleted_is_not_deleted_again(
    visiting: Visiting, drummer: User, written: dict[str, Any]
) -> None:
    visit = await visiting()
    page = await visit.at_score(written["id"], drummer)
    snare = note(written, "snare")
    await correcting(page)
    await choose(page, snare)
    await page.keyboard.press("Delete")
    await page.keyboard.press("Delete")
    await shows_version(page, 2)
    assert snare not in await notes_of(drummer, written["id"])


async def test_undoing_what_was_refused_takes_nothing_else_back(
    visiting: Visiting, drummer: User, written: dict[str, Any]
) -> None:
    await put(drummer, written, title="Chorus")
    visit = await visiting(expected=REFUSED)
    page = await visit.at_score(written["id"], drummer)
    await correcting(page)
    go = await held_up(page, written["id"])
    await choose(page, note(written, "kick"))
    await page.keyboard.press("Alt+ArrowLeft")
    await page.keyboard.press("Control+z")
    go.set()
    await says(page.locator(".toast"), "could not be done")
    await is_saved(page)
    score = await score_of(drummer, written["id"])
    assert (score["version"], score["title"]) == (2, "Chorus")


async def test_in_a_conflict_nothing_is_sent_until_one_has_chosen_and_no_undo_at_all(
    visiting: Visiting, drummer: User, written: dict[str, Any]
) -> None:
    visit = await visiting(expected=REFUSED)
    page = await visit.at_score(written["id"], drummer)
    await put(drummer, written, title="Theirs")
    await correcting(page)
    await page.keyboard.press("Control+z")
    dialog = page.get_by_role("dialog")
    await says(dialog, "This score was changed elsewhere")
    await page.keyboard.press("Escape")
    await dialog.wait_for(state="detached")
    await says(page.locator(".toast"), "kept here until you choose")
    assert (await score_of(drummer, written["id"]))["title"] == "Theirs"
    await page.get_by_role("button", name="Choose", exact=True).click()
    await dialog.get_by_role("button", name="Put mine on top").click()
    await is_saved(page)
    score = await score_of(drummer, written["id"])
    assert (score["version"], score["title"]) == (2, "Theirs")


async def test_keys_in_a_row_reckon_with_each_other(
    visiting: Visiting, drummer: User, written: dict[str, Any]
) -> None:
    visit = await visiting()
    page = await visit.at_score(written["id"], drummer)
    snare = note(written, "snare")
    before = (await notes_of(drummer, written["id"]))[snare].velocity
    await correcting(page)
    await choose(page, snare)
    for _ in range(4):
        await page.keyboard.press("ArrowDown")
    # A note that is not yet drawn takes an accent all the same.
    await page.keyboard.press("Shift+B")
    await page.keyboard.press("a")
    await is_saved(page)
    now = await notes_of(drummer, written["id"])
    added = [each for each in now.values() if each.piece == "ride-bell"]
    assert now[snare].velocity == before - 32
    [bell] = added
    assert (bell.bar, bell.start) == (now[snare].bar, now[snare].start)
    assert bell.marks == ("accent",)


async def test_two_windows_lose_nothing_of_each_other(
    visiting: Visiting, drummer: User, written: dict[str, Any]
) -> None:
    visit = await visiting(expected=REFUSED)
    one = await visit.at_score(written["id"], drummer)
    other = await visit.context.new_page()
    await other.goto(one.url)
    await drawn(other)
    kick, snare = note(written, "kick", 1), note(written, "snare", 1)
    await visit.context.set_offline(True)
    for page, name, key in ((one, kick, "3"), (other, snare, "x")):
        await correcting(page)
        await choose(page, name)
        await page.keyboard.press(key)
        await says(page.get_by_test_id("save-state"), "Not saved yet")
    assert await one.evaluate(KEPT) == 2
    await one.close()
    await other.close()
    await visit.context.set_offline(False)
    visit.page = page = await visit.context.new_page()
    await visit.open(f"/scores/{written['id']}")
    await comes_true(page, f"() => ({KEPT})() === 0")
    await is_saved(page)
    now = await notes_of(drummer, written["id"])
    assert (now[kick].piece, now[snare].piece) == ("tom-floor", "cross-stick")


async def test_a_window_that_is_open_sends_its_own(
    visiting: Visiting, drummer: User, written: dict[str, Any]
) -> None:
    visit = await visiting(expected=REFUSED)
    one = await visit.at_score(written["id"], drummer)
    await correcting(one)
    go = await held_up(one, written["id"])
    await choose(one, note(written, "snare", 1))
    await one.keyboard.press("x")
    await comes_true(one, f"() => ({KEPT})() === 1")
    other = await visit.context.new_page()
    sent: list[str] = []
    other.on("request", lambda r: r.method == "PUT" and sent.append(r.url))
    await other.goto(one.url)
    await drawn(other)
    await one.keyboard.press("a")
    go.set()
    await comes_true(one, f"() => ({KEPT})() === 0")
    await is_saved(one)
    assert sent == []
    now = (await notes_of(drummer, written["id"]))[note(written, "snare", 1)]
    assert (now.piece, now.marks) == ("cross-stick", ("accent",))


async def test_another_user_neither_sends_nor_loses_what_waits(
    visiting: Visiting, drummer: User, written: dict[str, Any], embedded_system: Any
) -> None:
    visit = await visiting(expected=REFUSED)
    page = await visit.at_score(written["id"], drummer)
    snare = note(written, "snare", 1)
    await correcting(page)
    await visit.context.set_offline(True)
    await choose(page, snare)
    await page.keyboard.press("x")
    await says(page.get_by_test_id("save-state"), "Not saved yet")
    await page.close()
    await visit.context.set_offline(False)
    visit.page = page = await visit.context.new_page()
    sent: list[str] = []
    page.on("request", lambda r: r.method == "PUT" and sent.append(r.url))
    other = await embedded_system.user()
    visit.expected += ("404",)
    await visit.sign_in(other, f"/scores/{written['id']}")
    await page.get_by_text("There is no such").first.wait_for()
    await other.http.aclose()
    assert sent == []
    assert await page.evaluate(KEPT) == 1
    await visit.at_score(written["id"], drummer)
    await comes_true(page, f"() => ({KEPT})() === 0")
    assert (await notes_of(drummer, written["id"]))[snare].piece == "cross-stick"
    assert len(await versions_of(drummer, written["id"])) == 2


async def test_a_save_that_hangs_is_sent_again_when_the_network_is_back(
    visiting: Visiting, drummer: User, written: dict[str, Any]
) -> None:
    visit = await visiting(expected=REFUSED)
    page = await visit.at_score(written["id"], drummer)
    keys: list[str] = []
    hanging: list[Route] = []

    async def hang_once(route: Route) -> None:
        if route.request.method != "PUT":
            await route.fallback()
            return
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) > 1:
            await route.fallback()
        else:
            hanging.append(route)

    await page.route(f"**/notation/{written['id']}", hang_once)
    await correcting(page)
    await choose(page, note(written, "snare", 1))
    await page.keyboard.press("x")
    await until(lambda: bool(keys))
    await page.evaluate("dispatchEvent(new Event('online'))")
    await shows_version(page, 2)
    assert len(keys) == 2
    assert keys[0] == keys[1]
    # The page has given it up; Playwright waits for a word all the same.
    await hanging[0].abort()
