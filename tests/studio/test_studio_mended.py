"""What a review found and what stays mended: others' things, failing houses, loops, frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from services.gateway.studio import FOLDER
from tests.e2e.conftest import PASSWORD, System, Transcribed, User
from tests.e2e.test_notation_routes import put, rock, write
from tests.studio.acting import (
    comes_true,
    correcting,
    is_saved,
    notes_in,
    notes_of,
    panel,
    playable,
    plays_past,
    recording_time,
    says,
    shows_version,
)
from tests.studio.conftest import Visiting, drawn
from tests.studio.test_studio_faults import MIB, PIECE, Pieces, big_clip, passes, slowly
from tests.studio.test_studio_safety import another_house, frame

__all__ = ["big_clip"]
UNAVAILABLE = {"type": "about:blank", "title": "Service Unavailable", "status": 503}
FAILED = ("503",)
REFUSED = ("net::ERR_",)


@pytest.fixture
async def written(drummer: User) -> dict[str, Any]:
    """A score without a recording."""
    return await write(drummer, events=rock(), tempo=120, time_signature="4/4", title="Kept")


async def enter(page: Page, user: User) -> None:
    """By the form that is open."""
    await page.get_by_label("E-mail address").fill(user.email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("main").get_by_role("button", name="Sign in").click()


async def unavailable(route: Route) -> None:
    await route.fulfill(status=503, json=UNAVAILABLE)


# Other users


async def test_an_upload_of_one_user_is_never_anothers(
    visiting: Visiting, drummer: User, embedded_system: System, big_clip: Path
) -> None:
    other = await embedded_system.user()
    visit = await visiting()
    page = await visit.sign_in(drummer)
    pieces = Pieces(page)
    await slowly(page, 8 * MIB)
    await page.get_by_test_id("file").set_input_files(big_clip)
    await passes(page, 45)
    await page.get_by_role("button", name="Pause").click()
    await says(page.locator('.tray [data-upload="paused"]'), big_clip.name)
    await page.get_by_label("Your account").click()
    await page.get_by_role("button", name="Sign out").click()
    await says(page.get_by_role("heading", level=1), "From a drum video")
    assert not await page.locator(".tray li").count()
    first, sent = pieces.address, len(pieces.begun)
    await page.get_by_role("link", name="Sign in").first.click()
    await enter(page, other)
    await page.get_by_text("Nothing here yet").wait_for()
    assert not await page.locator(".tray li").count()
    assert len(pieces.begun) == sent
    # The same file is another upload of another's, from its beginning.
    await page.get_by_test_id("file").set_input_files(big_clip)
    await passes(page, 1)
    assert pieces.address != first
    assert pieces.begun[sent] < PIECE
    await page.locator(".tray").get_by_role("button", name="Cancel").click()
    assert (await other.http.get("/media/videos/")).json()["items"] == []
    await other.http.aclose()


async def test_a_library_that_did_not_come_is_asked_for_again(
    visiting: Visiting, drummer: User, clip: Path
) -> None:
    visit = await visiting(expected=REFUSED)
    page = await visit.sign_in(drummer)
    await page.route("**/tus.min.js", lambda route: route.abort())
    await page.get_by_test_id("file").set_input_files(clip)
    await says(page.locator(".toast"), "Reload the page")
    await page.unroute("**/tus.min.js")
    await page.reload()
    await page.get_by_test_id("file").set_input_files(clip)
    await page.locator('.tray [data-upload="done"]').wait_for()
    (video,) = (await drummer.http.get("/media/videos/")).json()["items"]
    await drummer.jobs_after(video["id"])


async def test_what_one_user_looked_at_goes_when_another_signs_in_elsewhere(
    visiting: Visiting, drummer: User, embedded_system: System, written: dict[str, Any]
) -> None:
    other = await embedded_system.user()
    visit = await visiting(expected=("404", "401"))
    page = await visit.context.new_page()
    await page.goto(f"{visit.url}/sign-in")
    await visit.at_score(written["id"], drummer)
    await enter(page, other)
    await says(page.get_by_role("heading", level=1), "Your videos")
    await says(visit.page.locator(".trouble"), "There is no such score")
    assert not await visit.page.locator(".system").count()
    await other.http.aclose()


# A house in trouble


@pytest.mark.parametrize(
    ("name", "address", "there"),
    [("Share", "**/notation/formats", "MusicXML"), ("Practise", "**/practice/summary", "is kept"),
     ("Facts", "**/stats", "Version 1")],
)  # fmt: skip
async def test_a_panel_that_cannot_be_filled_asks_once_and_says_so(
    visiting: Visiting,
    drummer: User,
    written: dict[str, Any],
    name: str,
    address: str,
    there: str,
) -> None:
    visit = await visiting(expected=FAILED)
    page = await visit.at_score(written["id"], drummer)
    asked: list[str] = []

    async def fail(route: Route) -> None:
        asked.append(route.request.url)
        await unavailable(route)

    await page.route(address, fail)
    body = await panel(page, name)
    again = body.get_by_role("button", name="Try again")
    await again.wait_for()
    await page.wait_for_timeout(700)
    # Choosing the tab and drawing it may ask both, and no more.
    assert len(asked) <= 2
    await page.unroute(address)
    await again.click()
    await says(body, there)
    assert not await again.count()


@pytest.mark.parametrize("kind", ["score", "video"])
async def test_a_page_that_could_not_be_loaded_comes_when_it_can(
    visiting: Visiting, drummer: User, written: dict[str, Any], silent_video: Path, kind: str
) -> None:
    visit = await visiting(expected=FAILED)
    if kind == "score":
        path, address, main = f"/scores/{written['id']}", "**/view?*", ".trouble"
    else:
        video = await drummer.upload(silent_video, process=False)
        path, address, main = f"/videos/{video['id']}", f"**/media/videos/{video['id']}", "main"
    await visit.page.route(address, unavailable)
    page = await visit.sign_in(drummer, path)
    again = page.locator(main).get_by_role("button", name="Try again")
    await again.wait_for()
    await page.unroute(address)
    # By itself.
    await again.wait_for(state="detached")
    if kind == "score":
        await drawn(page)
        assert await page.evaluate("document.querySelector('.sheet').clientWidth") > 300
    else:
        await says(page.get_by_role("heading", level=1), silent_video.name)
    # By hand.
    await page.route(address, unavailable)
    await page.reload()
    await again.wait_for()
    await page.unroute(address)
    await again.click(timeout=5_000)
    await again.wait_for(state="detached")


async def test_registering_again_after_a_lost_answer_signs_in(
    visiting: Visiting, drummer: User
) -> None:
    visit = await visiting(expected=("503", "409", "401"))
    page = await visit.open("/register")
    address = f"again.{drummer.email}"
    await page.route("**/auth/login", unavailable)
    await page.get_by_label("E-mail address").fill(address)
    await page.get_by_label("Password").fill(PASSWORD)
    go = page.get_by_role("button", name="Make the account")
    await go.click()
    await comes_true(page, "() => document.querySelector('#entrance-problem').textContent !== ''")
    await page.unroute("**/auth/login")
    await go.click()
    await page.get_by_text("Nothing here yet").wait_for()
    # Another password opens nothing.
    await visit.context.clear_cookies()
    await page.evaluate("localStorage.clear()")
    await visit.open("/register")
    await page.get_by_label("E-mail address").fill(address)
    await page.get_by_label("Password").fill("not the same phrase")
    await go.click()
    await says(page.locator("#entrance-problem"), "address")
    assert page.url.endswith("/register")


# Scores without times


async def test_the_facts_of_a_score_that_nobody_played(
    visiting: Visiting, drummer: User, written: dict[str, Any]
) -> None:
    visit = await visiting()

    async def untimed(route: Route) -> None:
        stats = await (await route.fetch()).json()
        stats["timing"] = None
        for piece in stats["by_piece"]:
            piece["timing"] = None
        await route.fulfill(json=stats)

    await visit.page.route("**/stats", untimed)
    page = await visit.at_score(written["id"], drummer)
    body = await panel(page, "Facts")
    await says(body, "Strokes a bar")
    await says(body, "Version 1")
    assert not await body.get_by_role("heading", name="Timing").count()


# Playing


async def test_the_last_bars_loop_though_they_are_written_longer_than_the_recording(
    visiting: Visiting,
) -> None:
    visit = await visiting()
    page = visit.page

    async def longer(route: Route) -> None:
        view = json.loads((FOLDER / "demo" / Path(route.request.url).name).read_text())
        view["bars"][-1]["end_s"] += 30
        await route.fulfill(json=view)

    await page.route("**/demo/view-*.json", longer)
    await visit.open("/demo")
    await drawn(page)
    await playable(page)
    view = json.loads((FOLDER / "demo" / "view-200.json").read_text())
    last = view["bars"][-1]
    body = await panel(page, "Practise")
    await body.get_by_label("From bar").fill(str(last["bar"]))
    await page.keyboard.press("Enter")
    await page.locator(".loop-bars").wait_for()
    # Noted in the page at each frame: asking from here sees too few moments on a busy machine.
    await page.evaluate(
        """() => {
          const video = document.querySelector('.screen video');
          window.times = [];
          const note = () => { window.times.push(video.currentTime); requestAnimationFrame(note); };
          note();
        }"""
    )
    await page.get_by_test_id("play").click()
    await page.wait_for_function(
        "() => window.times.some((s, i) => i && s < window.times[i - 1] - 0.3)", timeout=60_000
    )
    times: list[float] = await page.evaluate("window.times")
    first = next(i for i, s in enumerate(times) if s >= last["start_s"] - 0.1)
    assert min(times[first:]) >= last["start_s"] - 0.1
    # At the end, standing still: the loop begins, and not the piece.
    await page.get_by_test_id("play").click()
    await page.evaluate(
        "() => { const v = document.querySelector('.screen video'); v.currentTime = v.duration; }"
    )
    await comes_true(page, "() => document.querySelector('.screen video').ended")
    await page.wait_for_timeout(200)
    assert await page.evaluate("document.querySelector('.screen video').paused")
    await page.get_by_test_id("play").click()
    await comes_true(page, "() => !document.querySelector('.screen video').ended")
    assert await recording_time(page) >= last["start_s"] - 0.1


async def test_a_silent_clock_loops_its_last_bar(
    visiting: Visiting, drummer: User, written: dict[str, Any]
) -> None:
    page = await (await visiting()).at_score(written["id"], drummer)
    body = await panel(page, "Practise")
    await body.get_by_label("From bar").fill("4")
    await page.keyboard.press("Enter")
    await says(page.locator(".loop-bars"), "4–4")
    await page.get_by_test_id("play").click()
    await page.wait_for_timeout(3000)
    await page.get_by_role("button", name="Pause", exact=True).wait_for(timeout=1000)
    assert "bar 4" in (await page.locator(".clock").text_content() or "")


async def test_a_recording_that_breaks_off_goes_on_where_it_was(
    visiting: Visiting, player: tuple[User, Transcribed]
) -> None:
    user, made = player
    visit = await visiting(expected=FAILED)
    page = visit.page
    # It loads late, …
    await page.route("**/ticket", unavailable)
    await visit.at_score(made.notation_id, user)
    await says(page.locator(".toast"), "The connection was lost")
    await page.unroute("**/ticket")
    await playable(page)
    # … and breaks while it plays.
    await page.get_by_test_id("play").click()
    await plays_past(page, 2)
    await page.route("**/ticket", unavailable)
    await page.evaluate(
        """() => {
          const video = document.querySelector(".screen video");
          video.dataset.broken = "yes";
          Object.defineProperty(video, "error", { value: { code: MediaError.MEDIA_ERR_NETWORK } });
          video.dispatchEvent(new Event("error"));
        }"""
    )
    await says(page.locator(".toast"), "The connection was lost")
    await page.unroute("**/ticket")
    await comes_true(
        page,
        """() => {
          const video = document.querySelector(".screen video");
          return !video.dataset.broken && !video.paused && video.currentTime > 2;
        }""",
    )
    await expect(page.locator(".toast", has_text="The connection was lost")).to_have_count(0)
    assert not await page.get_by_text("cannot play the recording").count()


# Correcting


@pytest.mark.parametrize("empty", [False, True], ids=["a rest first", "an empty bar"])
async def test_a_click_after_the_meter_adds_at_the_bars_beginning(
    visiting: Visiting, drummer: User, written: dict[str, Any], empty: bool
) -> None:
    gone = [n.id for n in notes_in(written).values() if n.bar == 1 and (empty or n.start == "0")]
    await put(drummer, written, operations=[{"op": "delete", "ids": gone}])
    before = await notes_of(drummer, written["id"])
    page = await (await visiting()).at_score(written["id"], drummer)
    await correcting(page)
    await page.locator("#panel-body").get_by_role("button", name="Add", exact=True).click()
    x, y = await page.evaluate(
        """() => {
          const box = document.querySelector(".system .measure .meterSig").getBoundingClientRect();
          return [box.right + 4, box.top + box.height / 2];
        }"""
    )
    await page.mouse.click(x, y)
    await shows_version(page, 3)
    now = await notes_of(drummer, written["id"])
    (added,) = [note for name, note in now.items() if name not in before]
    assert (added.bar, added.start) == (1, "0")


async def test_words_are_said_where_a_score_has_a_note_of_their_places_name(
    visiting: Visiting, drummer: User, written: dict[str, Any]
) -> None:
    page = await (await visiting()).at_score(written["id"], drummer)
    await page.evaluate(
        """() => {
          const note = document.createElement("div");
          note.id = "toasts";
          document.querySelector("#app").prepend(note);
          dispatchEvent(new Event("offline"));
        }"""
    )
    await says(page.locator("body > #toasts .toast"), "You are offline")
    assert not await page.locator("#app #toasts .toast").count()
    await is_saved(page)


# Frames, links, releases


async def test_a_frame_shows_nothing_but_the_player(
    visiting: Visiting, drummer: User, written: dict[str, Any]
) -> None:
    visit = await visiting(expected=("404",))
    await visit.sign_in(drummer)
    framed = f'<iframe name="embed" src="{visit.url}/embed/ended-token" width=600></iframe>'
    async with another_house(f"<!doctype html>{framed}") as address:
        await visit.page.goto(address)
        embed = frame(visit.page, "embed")
        link = embed.get_by_role("link", name="To Backbeat's front page")
        await link.wait_for()
        async with visit.context.expect_page() as opened:
            await link.click()
        assert (await opened.value).url.rstrip("/") == visit.url
        assert embed.url.endswith("/embed/ended-token")
        # A link that is not marked, too.
        async with visit.context.expect_page():
            await embed.evaluate(
                """() => {
                  const link = document.createElement("a");
                  link.href = "/account";
                  document.body.append(link);
                  link.click();
                }"""
            )
        assert embed.url.endswith("/embed/ended-token")
        assert await embed.locator(".trouble").count()
        assert not await embed.locator(".library, .top").count()


async def test_an_ended_link_speaks_to_strangers(visiting: Visiting) -> None:
    visit = await visiting(expected=("404",))
    page = await visit.open("/s/ended-token")
    await page.get_by_role("link", name="To Backbeat's front page").wait_for()
    assert not await page.get_by_text("Back to your videos").count()
    assert not await page.get_by_text("Untitled").count()


async def test_a_page_whose_script_is_missing_is_not_blank(visiting: Visiting) -> None:
    visit = await visiting(expected=REFUSED)
    await visit.page.route("**/main.js", lambda route: route.abort())
    page = await visit.open("/demo")
    await says(page.locator("#app"), "reload the page")
    await page.unroute("**/main.js")
    await page.reload()
    await drawn(page)
    assert not await page.get_by_text("If nothing happens").count()


# The library


async def test_more_scores_than_a_page_of_them_are_shown_on_demand(
    visiting: Visiting, drummer: User
) -> None:
    for number in range(26):
        await write(drummer, events=rock(bars=1), title=f"Score {number}")
    page = await (await visiting()).sign_in(drummer)
    await expect(page.locator(".card h3")).to_have_count(24)
    await page.get_by_test_id("more-scores").click()
    await expect(page.locator(".card h3")).to_have_count(26)
    assert not await page.get_by_test_id("more-scores").count()
