"""Cut networks, ended sessions and somebody else's changes: nothing lost, nothing double, the user
told."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, Request, Route

from tests.e2e.conftest import PASSWORD, System, User
from tests.e2e.test_notation_routes import put, rock, write
from tests.integration.proxy import Proxy, proxied
from tests.integration.waiting import until
from tests.studio.acting import (
    choose,
    correcting,
    is_saved,
    notes_in,
    notes_of,
    says,
    score_of,
    shows_version,
    versions_of,
)
from tests.studio.conftest import Visiting, drawn

MIB = 1024 * 1024
PIECE = 4 * MIB
REFUSED = ("net::ERR_",)
"""What a browser says when the network is gone."""


@pytest.fixture
async def line(embedded_system: System) -> AsyncIterator[Proxy]:
    """A network between browser and gateway that can be cut."""
    async with proxied(embedded_system.url) as one:
        yield one


@pytest.fixture(scope="session")
def big_clip(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clip with 13 MiB of nothing at its end: several pieces of an upload."""
    path = tmp_path_factory.mktemp("big") / "long take.mp4"
    path.write_bytes(
        clip.read_bytes() + struct.pack(">I4s", 13 * MIB, b"free") + bytes(13 * MIB - 8)
    )
    return path


@pytest.fixture
async def written(drummer: User) -> dict[str, Any]:
    """A score without a recording."""
    return await write(drummer, events=rock(), tempo=120, time_signature="4/4", title="Kept")


def note_of(score: dict[str, Any], piece: str, bar: int) -> str:
    """The first such note's id."""
    return next(n.id for n in notes_in(score).values() if (n.piece, n.bar) == (piece, bar))


# Uploads


class Pieces:
    """The PATCH requests that a page sends: where each begins."""

    def __init__(self, page: Page) -> None:
        self.begun: list[int] = []
        self.address = ""
        page.on("request", self._sent)

    def _sent(self, request: Request) -> None:
        if request.method == "PATCH":
            self.begun.append(int(request.headers["upload-offset"]))
            self.address = request.url


async def slowly(page: Page, bytes_per_s: int) -> None:
    """Let what the page uploads take its time."""
    session = await page.context.new_cdp_session(page)
    await session.send("Network.enable")
    await session.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_s},
    )


async def counted(user: User, pieces: Pieces) -> int:
    """How many bytes of an upload the server has."""
    path = "/media/uploads/" + pieces.address.rpartition("/")[2]
    answer = await user.http.head(path, headers={"Tus-Resumable": "1.0.0"})
    assert answer.status_code == 200, answer.text
    return int(answer.headers["upload-offset"])


async def passes(page: Page, percent: int) -> None:
    """Wait until an upload has come so far."""
    bar = page.locator('.tray [data-upload="sending"] progress')

    async def far() -> bool:
        return await bar.count() == 1 and float(await bar.get_attribute("value") or 0) >= percent

    await until(far)


async def is_kept_once(user: User, path: Path) -> None:
    """One video is there, and it is the file."""
    (video,) = (await user.http.get("/media/videos/")).json()["items"]
    ticket = await user.http.post(f"/media/videos/{video['id']}/ticket")
    kept = (await user.http.get(ticket.json()["url"])).content
    assert hashlib.sha256(kept).digest() == hashlib.sha256(path.read_bytes()).digest()
    # Work that outlives its test would be counted against the next one.
    await user.jobs_after(video["id"])


async def test_an_upload_whose_connection_is_cut_goes_on_where_it_was(
    visiting: Visiting, drummer: User, line: Proxy, big_clip: Path
) -> None:
    visit = await visiting(expected=REFUSED)
    visit.url = line.url
    page = await visit.sign_in(drummer)
    pieces = Pieces(page)
    await slowly(page, 8 * MIB)
    await page.get_by_test_id("file").set_input_files(big_clip)
    await passes(page, 45)
    await line.cut()
    await says(page.locator('.tray [data-upload="waiting"]'), "Connection lost")
    there = await counted(drummer, pieces)
    before = len(pieces.begun)
    assert PIECE <= there < big_clip.stat().st_size
    await line.restore()
    await page.locator('.tray [data-upload="done"]').wait_for(timeout=40_000)
    went_on = next(start for start in pieces.begun[before:])
    assert went_on >= there
    # What counted was not sent again: the pieces follow each other.
    assert pieces.begun[before:] == sorted(set(pieces.begun[before:]))
    await is_kept_once(drummer, big_clip)


async def test_an_upload_goes_on_when_its_page_was_closed_and_the_file_is_brought_again(
    visiting: Visiting, drummer: User, big_clip: Path
) -> None:
    visit = await visiting()
    page = await visit.sign_in(drummer)
    pieces = Pieces(page)
    await slowly(page, 8 * MIB)
    await page.get_by_test_id("file").set_input_files(big_clip)
    await passes(page, 45)
    await page.close()
    there = await counted(drummer, pieces)
    assert PIECE <= there < big_clip.stat().st_size
    visit.page = await visit.context.new_page()
    page = await visit.open("/")
    again = Pieces(page)
    await page.get_by_test_id("file").set_input_files(big_clip)
    await page.locator('.tray [data-upload="done"]').wait_for()
    assert again.address.rpartition("/")[2] == pieces.address.rpartition("/")[2]
    assert again.begun[0] >= there
    await is_kept_once(drummer, big_clip)


# The stream of events


async def test_a_cut_stream_is_told_and_taken_up_where_it_was(
    visiting: Visiting, drummer: User, line: Proxy, clip: Path
) -> None:
    video = await drummer.upload(clip, process=False)
    visit = await visiting(expected=REFUSED)
    visit.url = line.url
    page = await visit.sign_in(drummer, f"/videos/{video['id']}")
    streams: list[Request] = []
    page.on("request", lambda r: r.url.endswith("/events") and streams.append(r))
    told: list[str] = []

    def tell(words: str) -> None:
        told.append(words)

    await page.expose_function("told", tell)
    await page.evaluate(
        """() => new MutationObserver(() => {
          for (const step of document.querySelectorAll("[data-step]"))
            window.told(`${step.dataset.step} ${step.dataset.status}`);
        }).observe(document.body, { subtree: true, childList: true, attributes: true })"""
    )
    await page.get_by_role("button", name="Write its score").click()
    # By the stream: when the page looked first, this had just begun.
    await until(lambda: "extraction completed" in told)
    await line.cut()
    await says(page.get_by_test_id("stream-lost"), "The connection was lost")
    jobs = await drummer.jobs_after(video["id"])
    await line.restore()
    await page.wait_for_url(f"**/scores/{jobs['notation']['result']['notation_id']}")
    await drawn(page)
    assert not await page.get_by_test_id("stream-lost").count()
    steps = {f"{step} completed" for step in ("extraction", "onset", "notation")}
    assert steps <= set(told)
    assert "last-event-id" not in streams[0].headers
    assert int(streams[-1].headers["last-event-id"]) > 0


# Saves


async def test_a_save_whose_answer_is_lost_is_done_once(
    visiting: Visiting, drummer: User, written: dict[str, Any]
) -> None:
    visit = await visiting(expected=REFUSED)
    page = await visit.at_score(written["id"], drummer)
    sent: list[tuple[str, str]] = []

    async def lose_the_first(route: Route) -> None:
        request = route.request
        if request.method != "PUT":
            await route.fallback()
            return
        sent.append((request.headers["idempotency-key"], request.post_data or ""))
        if len(sent) > 1:
            await route.continue_()
            return
        assert (await route.fetch()).status == 200
        await route.abort("connectionreset")

    await page.route(f"**/notation/{written['id']}", lose_the_first)
    snare = note_of(written, "snare", 1)
    await correcting(page)
    await choose(page, snare)
    await page.keyboard.press("a")
    await says(page.locator(".toast"), "kept in this browser and not saved yet")
    await says(page.get_by_test_id("save-state"), "Not saved yet")
    await shows_version(page, 2)
    assert len(sent) == 2
    assert sent[0] == sent[1]
    assert not await page.locator(".toast", has_text="not saved yet").count()
    assert [each["version"] for each in await versions_of(drummer, written["id"])] == [2, 1]
    assert (await notes_of(drummer, written["id"]))[snare].marks == ("accent",)


async def test_what_is_corrected_offline_is_told_kept_and_saved_later(
    visiting: Visiting, drummer: User, written: dict[str, Any]
) -> None:
    visit = await visiting(expected=REFUSED)
    page = await visit.at_score(written["id"], drummer)
    kick, snare = note_of(written, "kick", 1), note_of(written, "snare", 2)
    before = await notes_of(drummer, written["id"])
    await correcting(page)
    await visit.context.set_offline(True)
    await says(page.locator(".toast"), "You are offline")
    await choose(page, kick)
    await page.keyboard.press("3")
    await choose(page, snare)
    await page.keyboard.press("x")
    await page.keyboard.press("Alt+ArrowRight")
    await says(page.get_by_test_id("save-state"), "Not saved yet")
    await says(page.locator("#panel-body"), "changes wait to be saved")
    assert await notes_of(drummer, written["id"]) == before
    await visit.context.set_offline(False)
    await is_saved(page)
    now = await notes_of(drummer, written["id"])
    assert now[kick].piece == "tom-floor"
    assert (now[snare].piece, now[snare].start) == ("cross-stick", "5/16")
    assert {name for name in now if now[name] != before.get(name)} == {kick, snare}
    operations = [
        word
        for version in await versions_of(drummer, written["id"])
        for word in version["change"].removeprefix("Edited: ").split(", ")
        if version["version"] > 1
    ]
    assert sorted(operations) in (["move", "set-piece", "set-piece"], ["move", "set-piece × 2"])


async def test_what_was_corrected_offline_outlives_the_page(
    visiting: Visiting, drummer: User, written: dict[str, Any]
) -> None:
    visit = await visiting(expected=REFUSED)
    page = await visit.at_score(written["id"], drummer)
    kick, snare = note_of(written, "kick", 1), note_of(written, "snare", 1)
    await correcting(page)
    await visit.context.set_offline(True)
    await choose(page, kick)
    await page.keyboard.press("3")
    await choose(page, snare)
    await page.keyboard.press("Delete")
    await says(page.get_by_test_id("save-state"), "Not saved yet")
    await page.close()
    await visit.context.set_offline(False)
    assert (await score_of(drummer, written["id"]))["version"] == 1
    visit.page = page = await visit.context.new_page()
    await visit.open(f"/scores/{written['id']}")
    await says(page.locator(".toast"), "of your last visit")
    await is_saved(page)
    now = await notes_of(drummer, written["id"])
    assert now[kick].piece == "tom-floor"
    assert snare not in now
    versions = await versions_of(drummer, written["id"])
    assert len(versions) in (2, 3)
    # Nothing waits any more, and nothing is done again.
    await page.reload()
    await drawn(page)
    kept = "Object.keys(localStorage).filter(k => k.startsWith('backbeat.save.'))"
    assert await page.evaluate(kept) == []
    assert await versions_of(drummer, written["id"]) == versions


@pytest.mark.parametrize("keeps", ["theirs", "both"])
async def test_somebody_elses_change_is_told_and_either_or_both_are_kept(
    visiting: Visiting, drummer: User, written: dict[str, Any], keeps: str
) -> None:
    visit = await visiting(expected=("412",))
    page = await visit.at_score(written["id"], drummer)
    mine, other = note_of(written, "snare", 1), note_of(written, "kick", 2)
    theirs = await put(
        drummer, written, operations=[{"op": "set-piece", "ids": [other], "piece": "tom-mid"}]
    )
    await correcting(page)
    await choose(page, mine)
    await page.keyboard.press("x")
    dialog = page.get_by_role("dialog")
    await says(dialog, "This score was changed elsewhere")
    await says(dialog, "Edited: set-piece")
    assert (await score_of(drummer, written["id"]))["version"] == theirs["version"]
    button = {"theirs": "Take theirs, drop mine", "both": "Put mine on top"}[keeps]
    await dialog.get_by_role("button", name=button).click()
    version = {"theirs": 2, "both": 3}[keeps]
    await shows_version(page, version)
    now = await notes_of(drummer, written["id"])
    assert now[other].piece == "tom-mid"
    assert now[mine].piece == {"theirs": "snare", "both": "cross-stick"}[keeps]
    assert len(await versions_of(drummer, written["id"])) == version
    # It goes on from there.
    await choose(page, mine)
    await page.keyboard.press("s" if keeps == "both" else "x")
    await shows_version(page, version + 1)


async def test_a_change_of_a_note_that_somebody_deleted_is_refused_in_words(
    visiting: Visiting, drummer: User, written: dict[str, Any]
) -> None:
    visit = await visiting(expected=("412", "422"))
    page = await visit.at_score(written["id"], drummer)
    snare = note_of(written, "snare", 1)
    await put(drummer, written, operations=[{"op": "delete", "ids": [snare]}])
    await correcting(page)
    await choose(page, snare)
    await page.keyboard.press("x")
    await page.get_by_role("dialog").get_by_role("button", name="Put mine on top").click()
    await says(page.locator(".toast"), "That could not be done")
    await shows_version(page, 2)
    assert not await page.locator(f'g.note[id="{snare}"]').count()
    assert (await score_of(drummer, written["id"]))["version"] == 2


async def test_changes_outlive_the_end_of_the_session(
    visiting: Visiting, drummer: User, written: dict[str, Any]
) -> None:
    visit = await visiting(expected=("401",))
    page = await visit.at_score(written["id"], drummer)
    snare = note_of(written, "snare", 1)
    await correcting(page)
    # Everybody is signed out; what the page holds would last for minutes yet.
    phrase = "another long phrase"
    changed = await drummer.http.post(
        "/auth/change-password", json={"current_password": PASSWORD, "new_password": phrase}
    )
    assert changed.status_code == 204
    ended = {"type": "https://backbeat.dev/problems/token-expired", "title": "", "status": 401}

    async def expire(route: Route) -> None:
        signed = route.request.method == "PUT" and "authorization" in route.request.headers
        await (route.fulfill(status=401, json=ended) if signed else route.fallback())

    await page.route(f"**/notation/{written['id']}", expire)
    await choose(page, snare)
    await page.keyboard.press("x")
    await page.wait_for_url("**/sign-in?next=*")
    await says(page.locator(".toast"), "sign in again")
    assert (await score_of(drummer, written["id"]))["version"] == 1
    await page.unroute(f"**/notation/{written['id']}", expire)
    await page.get_by_label("E-mail address").fill(drummer.email)
    await page.get_by_label("Password").fill(phrase)
    await page.get_by_role("main").get_by_role("button", name="Sign in").click()
    await page.wait_for_url(f"**/scores/{written['id']}")
    await drawn(page)
    await shows_version(page, 2)
    assert (await notes_of(drummer, written["id"]))[snare].piece == "cross-stick"
    assert len(await versions_of(drummer, written["id"])) == 2
    assert not await page.locator(".toast", has_text="sign in again").count()
