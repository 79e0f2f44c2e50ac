"""The whole story, from a stranger's first look to a score corrected, taken away and shared."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import httpx
import mido
import pytest
from lxml import etree
from playwright.async_api import Page

from tests.e2e.conftest import PASSWORD, System, User
from tests.studio.acting import (
    choose,
    code_of,
    correcting,
    hide_panel,
    notes_in,
    notes_of,
    panel,
    place_of,
    playable,
    plays_past,
    recording_time,
    says,
    score_of,
    shows_version,
    versions_of,
)
from tests.studio.conftest import LAPTOP, PHONE, Visiting, drawn

MIB = 1024 * 1024
PROGRESS = """() => {
  window.seen = [];
  new MutationObserver(() => {
    for (const each of document.querySelectorAll(".tray [data-upload]"))
      window.seen.push([each.dataset.upload, Number(each.querySelector("progress").value)]);
    for (const each of document.querySelectorAll("[data-step]"))
      window.seen.push([each.dataset.step, each.dataset.status]);
  }).observe(document.body, { subtree: true, childList: true, attributes: true });
}"""


async def sees_the_demo(page: Page) -> None:
    """Read and play without an account."""
    await page.get_by_role("link", name="Try a score without signing up").click()
    await drawn(page)
    await playable(page)
    cursor = page.locator(".cursor")
    before = await cursor.get_attribute("style")
    await page.get_by_role("button", name="Play", exact=True).click()
    await plays_past(page, 0.8)
    await page.locator(".system g.note.now").first.wait_for(state="attached")
    assert await cursor.get_attribute("style") != before
    await page.get_by_role("button", name="Pause", exact=True).click()
    assert not await page.get_by_role("button", name="Undo").count()


async def takes(page: Page, button: str, folder: Path) -> bytes:
    """A file saved by the browser."""
    async with page.expect_download() as coming:
        await page.get_by_role("button", name=button, exact=True).click()
    path = folder / (await coming.value).suggested_filename
    await (await coming.value).save_as(path)
    return path.read_bytes()


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
async def test_from_a_strangers_first_look_to_a_score_that_was_shared(
    visiting: Visiting,
    embedded_system: System,
    clip: Path,
    tmp_path: Path,
    shots: Path,
    size: dict[str, int],
) -> None:
    touch = size is PHONE
    screen = {"has_touch": True, "is_mobile": True} if touch else {}
    visit = await visiting(size, **screen)
    page = await visit.open()
    await says(page.get_by_role("heading", level=1), "From a drum video to a score")
    await page.screenshot(path=shots / f"home-{size['width']}.png")
    await sees_the_demo(page)
    await page.screenshot(path=shots / f"demo-{size['width']}.png")

    # Come in.
    email = f"{uuid4().hex}@backbeat.dev"
    await page.get_by_role("link", name="Make your own").click()
    await page.get_by_label("E-mail address").fill(email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Make the account").click()
    await says(page.get_by_role("heading", level=2), "Nothing here yet")
    http = httpx.AsyncClient(base_url=visit.url, timeout=60)
    user = User(http, email, "")
    await user.sign_in()

    # Bring a video, over a line slow enough to be watched.
    await page.evaluate(PROGRESS)
    line = await visit.context.new_cdp_session(page)
    await line.send("Network.enable")
    slow = {"offline": False, "latency": 5, "downloadThroughput": -1}
    await line.send("Network.emulateNetworkConditions", slow | {"uploadThroughput": MIB // 2})
    await page.get_by_test_id("file").set_input_files(clip)
    await page.get_by_role("link", name="Watch it work").click()
    await line.send("Network.emulateNetworkConditions", slow | {"uploadThroughput": -1})
    (video,) = (await http.get("/media/videos/")).json()["items"]
    await page.wait_for_url(f"**/videos/{video['id']}")

    # Watch it work; the page goes on to the score by itself.
    await page.wait_for_url("**/scores/*", timeout=60_000)
    seen = await page.evaluate("window.seen")
    sent = [value for kind, value in seen if kind == "sending"]
    assert len({value for value in sent if 0 < value < 100}) >= 3, sent
    assert sent == sorted(sent)
    for step in ("extraction", "onset", "notation"):
        assert [step, "completed"] in seen
    assert {"running", "pending"} & {value for kind, value in seen if kind == "notation"}
    assert await page.locator(".tray li").count() == 0

    # The score opens, plays, and slows down.
    await drawn(page)
    await playable(page)
    notation_id = page.url.rpartition("/")[2]
    await page.screenshot(path=shots / f"score-{size['width']}.png")
    await page.get_by_test_id("rate").select_option(label="50 %")
    await page.get_by_test_id("play").click()
    await plays_past(page, 0.3)
    rate = "(v => [v.playbackRate, v.preservesPitch])(document.querySelector('.screen video'))"
    assert await page.evaluate(rate) == [0.5, True]
    await page.get_by_test_id("play").click()
    assert await recording_time(page) > 0.3

    # Correct it.
    before = await notes_of(user, notation_id)
    first_bar = [note for note in before.values() if note.bar == 1]
    changed = next(note for note in first_bar if note.piece == "hat-closed" and not note.marks)
    gone = next(note for note in before.values() if note.bar == 2 and note.piece == "kick")
    await correcting(page)
    await choose(page, changed.id, touch=touch)
    body = page.locator("#panel-body")
    await body.get_by_role("button", name="ride", exact=True).click()
    await shows_version(page, 2)
    await body.get_by_role("button", name="accent", exact=True).click()
    await shows_version(page, 3)
    await choose(page, gone.id, touch=touch)
    await body.get_by_role("button", name="Delete", exact=True).click()
    await shows_version(page, 4)
    await body.get_by_role("button", name="Add", exact=True).click()
    await body.get_by_role("button", name="cowbell", exact=True).click()
    x, y = await place_of(page, changed.id)
    # Some way above the staff, where no other note is.
    await (page.touchscreen.tap if touch else page.mouse.click)(x, y - 8)
    await shows_version(page, 5)
    corrected = await notes_of(user, notation_id)
    now = corrected[changed.id]
    assert (now.piece, now.marks) == ("ride", ("accent",))
    assert (now.bar, now.start) == (changed.bar, changed.start)
    assert gone.id not in corrected
    (added,) = corrected.keys() - before.keys()
    put = corrected[added]
    assert (put.bar, put.start, put.piece) == (changed.bar, changed.start, "cowbell")
    await page.screenshot(path=shots / f"correcting-{size['width']}.png")
    await page.get_by_role("button", name="Undo").click()
    await shows_version(page, 6)
    assert added not in await notes_of(user, notation_id)
    await page.get_by_role("button", name="Redo").click()
    await shows_version(page, 7)
    assert await notes_of(user, notation_id) == corrected

    # Versions are listed; the first is brought back, and that undone again.
    facts = await panel(page, "Facts")
    rows = facts.locator(".versions li")
    listed = await versions_of(user, notation_id)
    await rows.nth(len(listed) - 1).wait_for()
    assert await rows.locator("strong").all_text_contents() == [
        f"Version {each['version']}" for each in listed
    ]
    assert await rows.locator("small:nth-of-type(1)").all_text_contents() == [
        each["change"] for each in listed
    ]
    await rows.last.get_by_role("button", name="Bring back").click()
    await shows_version(page, 8)
    assert await notes_of(user, notation_id) == before
    await page.get_by_role("button", name="Undo").click()
    await shows_version(page, 9)
    assert await notes_of(user, notation_id) == corrected

    # Take it away.
    await panel(page, "Share")
    pdf = await takes(page, "Save as PDF", tmp_path)
    assert pdf.startswith(b"%PDF-")
    sheet = etree.fromstring(await takes(page, "Save as MusicXML", tmp_path))
    bar = sheet.find("part/measure[@number='1']")
    accented = [note for note in bar.findall("note") if note.find(".//accent") is not None]
    assert "Ride" in " ".join(_instrument(sheet, note) for note in accented)
    midi = await takes(page, "Save as MIDI", tmp_path)
    assert midi.startswith(b"MThd")
    (tmp_path / "again.mid").write_bytes(midi)
    struck = [
        m for m in mido.MidiFile(tmp_path / "again.mid") if m.type == "note_on" and m.velocity
    ]
    score = await score_of(user, notation_id)
    assert len(struck) == len(notes_in(score)) + score["notation_json"].get("graces", 0)

    # Share it, with somebody who has no account.
    await page.get_by_label("For whom").fill("the band")
    await page.get_by_role("button", name="Make a link").click()
    link = await page.get_by_test_id("share-link").input_value()
    guest = await visiting(size, expected=("404",), **screen)
    await guest.page.goto(link)
    await drawn(guest.page)
    await playable(guest.page)
    await panel(guest.page, "Mix")
    assert not await guest.page.get_by_role("tab", name="Correct").count()
    assert not await guest.page.get_by_role("button", name="Undo").count()
    assert not await guest.page.get_by_role("button", name="Rename").count()
    await guest.page.keyboard.press("e")
    assert not await guest.page.locator(".sheet.editing").count()
    await page.locator(".links li", has_text="the band").get_by_role("button").click()
    await page.get_by_role("dialog").get_by_role("button", name="Take back").click()
    await says(page.locator(".links li"), "taken back")
    await guest.page.reload()
    await says(guest.page.get_by_role("alert"), "This link leads nowhere")

    # Sign out, and in again to where one was.
    await hide_panel(page)
    await page.get_by_label("Your account").click()
    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_url("**/sign-in?next=*")
    await page.get_by_label("E-mail address").fill(email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("main").get_by_role("button", name="Sign in").click()
    await page.wait_for_url(f"**/scores/{notation_id}")
    await drawn(page)

    # The library knows the video, until it is deleted.
    await page.locator("a.brand").click()
    card = page.locator(".card", has_text=clip.name)
    await says(card.locator(".state"), "Ready")
    await card.locator("img").wait_for()
    assert (
        await card.locator("img").evaluate("async i => (await i.decode(), i.naturalWidth)") == 320
    )
    await page.screenshot(path=shots / f"library-{size['width']}.png")
    await card.get_by_role("button", name=f"Delete {clip.name}").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await says(page.get_by_role("heading", level=2), "Nothing here yet")
    assert code_of(await http.get(f"/media/videos/{video['id']}")) == (404, "video-not-found")
    await http.aclose()


def _instrument(sheet: etree._Element, note: etree._Element) -> str:
    """The name of what a note of a MusicXML is struck on."""
    used = note.find("instrument")
    name = sheet.find(f".//score-instrument[@id='{used.get('id')}']/instrument-name")
    return str(name.text)
