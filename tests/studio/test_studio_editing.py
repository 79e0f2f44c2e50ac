"""Correcting a score by mouse, finger, keys and dialogs, against what the API then tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from playwright.async_api import Page

from libs.common.drums import DrumPiece
from tests.e2e.conftest import Transcribed, User
from tests.e2e.test_notation_routes import put, rock, strokes, write
from tests.studio.acting import (
    Written,
    choose,
    comes_true,
    correcting,
    note_at,
    notes_in,
    notes_of,
    panel,
    place_of,
    says,
    score_of,
    selected,
    selection,
    shows_version,
    view_of,
)
from tests.studio.conftest import PHONE, Visiting

KEYS = {
    "k": DrumPiece.KICK, "x": DrumPiece.CROSS_STICK, "h": DrumPiece.HAT_CLOSED,
    "o": DrumPiece.HAT_OPEN, "p": DrumPiece.HAT_PEDAL, "r": DrumPiece.RIDE,
    "b": DrumPiece.RIDE_BELL, "c": DrumPiece.CRASH, "1": DrumPiece.TOM_HIGH,
    "2": DrumPiece.TOM_MID, "3": DrumPiece.TOM_FLOOR, "s": DrumPiece.SNARE,
}  # fmt: skip
DOUBTED = 0.4


def doubtful() -> list[dict[str, Any]]:
    """The groove, with an ear that doubts its third bar's snares."""
    return [
        event | {"confidence": DOUBTED if doubt else 0.95}
        for event in rock()
        for doubt in [event["instrument"] == DrumPiece.SNARE and 4 <= event["time_seconds"] < 6]
    ]


@dataclass
class Desk:
    """A score that is being corrected in a browser."""

    user: User
    page: Page
    score: dict[str, Any]
    version: int = 1

    @property
    def id(self) -> str:
        return str(self.score["id"])

    def note(self, piece: str, bar: int, nth: int = 0) -> Written:
        found = [n for n in notes_in(self.score).values() if (n.piece, n.bar) == (piece, bar)]
        return sorted(found, key=lambda note: eval_start(note.start))[nth]

    async def saved(self) -> dict[str, Written]:
        """The notes, once the next version is saved and drawn."""
        self.version += 1
        await shows_version(self.page, self.version)
        return await notes_of(self.user, self.id)

    async def press(self, keys: str) -> dict[str, Written]:
        """A key that changes the score; the notes after it."""
        await self.page.keyboard.press(keys)
        return await self.saved()


def eval_start(start: str) -> float:
    over, _, under = start.partition("/")
    return int(over) / int(under or 1)


async def a_score(user: User) -> dict[str, Any]:
    return await write(user, events=doubtful(), tempo=120, time_signature="4/4", title="Desk")


@pytest.fixture
async def desk(visiting: Visiting, drummer: User) -> Desk:
    score = await a_score(drummer)
    # The browser tells every refusal, also one that a test asks for.
    page = await (await visiting(expected=("409",))).at_score(score["id"], drummer)
    await correcting(page)
    return Desk(drummer, page, score)


async def box_of(page: Page, bar: int) -> dict[str, float]:
    box = await page.locator(f'.system [id="P1-bar-{bar}"]').bounding_box()
    assert box is not None
    return dict(box)


# Mouse and finger


async def test_a_rectangle_selects_the_notes_inside(desk: Desk) -> None:
    page = desk.page
    box = await box_of(page, 2)
    before = await place_of(page, desk.note("hat-closed", 2).id)
    # From above the bar's first notes to below its last.
    await page.mouse.move(before[0] - 8, box["y"] - 30)
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20, steps=4)
    assert await page.locator(".sheet .band").is_visible()
    last = await place_of(page, desk.note("hat-closed", 2, -1).id)
    await page.mouse.move(last[0] + 8, box["y"] + box["height"] + 20, steps=4)
    await page.mouse.up()
    of_bar = {note.id for note in notes_in(desk.score).values() if note.bar == 2}
    assert await selection(page) == of_bar
    assert not await page.locator(".sheet .band").is_visible()
    await says(page.get_by_test_id("selection"), f"{len(of_bar)} notes are selected")
    after = await desk.press("Delete")
    assert set(notes_in(desk.score)) - set(after) == of_bar


async def test_clicks_with_ctrl_add_to_and_take_from_the_selection(desk: Desk) -> None:
    page = desk.page
    snare, kick = desk.note("snare", 1).id, desk.note("kick", 2).id
    await choose(page, snare)
    await choose(page, kick, ctrl=True)
    await selected(page, snare, kick)
    await choose(page, snare, ctrl=True)
    await selected(page, kick)
    box = await box_of(page, 1)
    await page.mouse.click(box["x"] + box["width"] / 2, box["y"] - 40)
    await selected(page)


async def test_a_note_that_is_dragged_goes_to_the_nearest_place_of_the_grid(desk: Desk) -> None:
    page = desk.page
    snare = desk.note("snare", 1)
    assert snare.start == "1/4"
    x, y = await place_of(page, snare.id)
    later, _ = await place_of(page, desk.note("hat-closed", 1, 3).id)
    await page.mouse.move(x, y)
    await page.mouse.down()
    await page.mouse.move(x + 9, y, steps=3)
    await page.mouse.move((x + later) / 2, y, steps=3)
    await page.mouse.up()
    moved = (await desk.saved())[snare.id]
    assert (moved.bar, moved.start, moved.piece) == (1, "5/16", "snare")
    # Over the bar line, to the second beat of the next bar's own grid.
    x, y = await place_of(page, snare.id)
    beyond, _ = await place_of(page, desk.note("hat-closed", 2, 1).id)
    await page.mouse.move(x, y)
    await page.mouse.down()
    await page.mouse.move(beyond, y, steps=6)
    await page.mouse.up()
    moved = (await desk.saved())[snare.id]
    assert (moved.bar, moved.start) == (2, "1/8")


async def test_a_click_with_the_adding_tool_puts_the_chosen_piece_on_the_grid(desk: Desk) -> None:
    page = desk.page
    body = page.locator("#panel-body")
    await body.get_by_role("button", name="Add", exact=True).click()
    await body.get_by_role("button", name="cowbell", exact=True).click()
    await body.get_by_label("Grid").select_option("1/8")
    await says(body, "Click into a bar to put a cowbell there.")
    x, y = await place_of(page, desk.note("hat-closed", 3, 5).id)
    await page.mouse.click(x + 3, y - 12)
    after = await desk.saved()
    (new,) = after.keys() - notes_in(desk.score).keys()
    assert (after[new].bar, after[new].start, after[new].piece) == (3, "5/8", "cowbell")
    await selected(page, new)
    assert await note_at(page, new).get_attribute("data-piece") == "cowbell"


async def test_a_finger_selects_and_changes_a_note(visiting: Visiting, drummer: User) -> None:
    score = await a_score(drummer)
    visit = await visiting(PHONE, has_touch=True, is_mobile=True)
    desk = Desk(drummer, await visit.at_score(score["id"], drummer), score)
    page = desk.page
    await correcting(page)
    snare = desk.note("snare", 1)
    x, y = await place_of(page, snare.id)
    # Fingers are thick.
    await page.touchscreen.tap(x + 4, y + 9)
    await selected(page, snare.id)
    body = page.locator("#panel-body")
    await body.get_by_role("button", name="cross-stick", exact=True).tap()
    assert (await desk.saved())[snare.id].piece == "cross-stick"
    await body.get_by_role("button", name="Later ▶").tap()
    assert (await desk.saved())[snare.id].start == "5/16"


# Keys


async def test_every_piece_has_its_key(desk: Desk) -> None:
    snare = desk.note("snare", 1)
    await choose(desk.page, snare.id)
    await desk.press("Alt+ArrowRight")
    for key, piece in KEYS.items():
        assert (await desk.press(key))[snare.id].piece == piece
        await selected(desk.page, snare.id)


async def test_marks_loudness_and_places_by_keys(desk: Desk) -> None:
    snare = desk.note("snare", 1)
    await choose(desk.page, snare.id)
    accented = (await desk.press("a"))[snare.id]
    assert accented.marks == ("accent",)
    ghost = (await desk.press("g"))[snare.id]
    assert (ghost.marks, ghost.velocity) == (("ghost",), 32)
    assert (await desk.press("g"))[snare.id].marks == ()
    assert (await desk.press("f"))[snare.id].marks == ("flam",)
    assert (await desk.press("d"))[snare.id].marks == ("drag",)
    assert (await desk.press("d"))[snare.id].marks == ()
    assert (await desk.press("ArrowUp"))[snare.id].velocity == 40
    assert (await desk.press("ArrowDown"))[snare.id].velocity == 32
    assert (await desk.press("Alt+ArrowRight"))[snare.id].start == "5/16"
    assert (await desk.press("Alt+ArrowLeft"))[snare.id].start == "1/4"


async def test_adding_deleting_undoing_and_redoing_by_keys(desk: Desk) -> None:
    page = desk.page
    snare = desk.note("snare", 1)
    start = await notes_of(desk.user, desk.id)
    await choose(page, snare.id)
    with_crash = await desk.press("Shift+C")
    (new,) = with_crash.keys() - start.keys()
    assert (with_crash[new].bar, with_crash[new].start) == (1, "1/4")
    assert with_crash[new].piece == "crash"
    await selected(page, new)
    without = await desk.press("Delete")
    assert without == start
    await selected(page)
    assert await desk.press("Control+z") == with_crash
    assert await desk.press("Control+z") == start
    assert await desk.press("Control+Shift+Z") == with_crash
    assert await desk.press("Control+y") == start
    await page.keyboard.press("Control+y")
    await says(page.locator(".toast"), "There is nothing to do again.")


async def test_arrows_go_from_note_to_note_in_time(desk: Desk) -> None:
    page = desk.page
    view = await view_of(desk.user, desk.id)
    in_time = sorted(view["notes"], key=lambda n: n.get("played_s", n["written_s"]))
    times = [n.get("played_s", n["written_s"]) for n in in_time]
    await page.locator(".sheet").focus()
    for index in (0, 1, 2):
        await page.keyboard.press("ArrowRight")
        (chosen,) = await selection(page)
        assert [n["id"] for n in in_time].index(chosen) == index or times.count(times[index]) > 1
    await page.keyboard.press("Shift+ArrowRight")
    assert len(await selection(page)) == 2
    await page.keyboard.press("Escape")
    await selected(page)
    await page.keyboard.press("Control+a")
    assert await selection(page) == set(notes_in(desk.score))


# Time


async def form(page: Page, button: str, go: str = "Apply", **fields: str) -> None:
    """Fill in one of the dialogs about time."""
    await page.locator("#panel-body").get_by_role("button", name=button, exact=True).click()
    dialog = page.get_by_role("dialog")
    for name, value in fields.items():
        field = dialog.locator(f"[name={name}]")
        if await field.evaluate("field => field.tagName") == "SELECT":
            await field.select_option(value)
        else:
            await field.fill(value)
    await dialog.get_by_role("button", name=go, exact=True).click()
    await dialog.wait_for(state="detached")


async def press_button(page: Page, name: str) -> None:
    await page.locator("#panel-body").get_by_role("button", name=name, exact=True).click()


def told(score: dict[str, Any]) -> dict[str, Any]:
    """What a score says, but for what is its own."""
    document = dict(score["notation_json"])
    return {
        "strokes": strokes(score),
        "score": document["score"],
        "tempo": score["tempo"],
        "meter": score["time_signature"],
    }


TIME: list[tuple[str, dict[str, str] | None, dict[str, Any]]] = [
    ("Bar lines one beat later", None, {"op": "shift-downbeat", "beats": 1}),
    ("Bar lines one beat earlier", None, {"op": "shift-downbeat", "beats": -1}),
    ("Half time", None, {"op": "scale-time", "factor": "1/2"}),
    ("Double time", None, {"op": "scale-time", "factor": "2"}),
    ("Time signature", {"meter": "3/4", "bar": "2"}, {"op": "set-meter", "bar": 2, "meter": "3/4"}),
    ("Tempo", {"bpm": "96.5", "bar": "3"}, {"op": "set-tempo", "bar": 3, "bpm": 96.5}),
    (
        "Choose places anew",
        {"grid": "triplet", "bar": "2", "until": "3"},
        {"op": "requantise", "bar": 2, "until": 3, "grid": "triplet"},
    ),
    ("Section", {"name": "Verse", "bar": "2"}, {"op": "set-section", "bar": 2, "name": "Verse"}),
]


async def test_what_concerns_time_does_what_its_operation_does(desk: Desk, drummer: User) -> None:
    """A twin of the score takes the same operations by the API."""
    twin = await a_score(drummer)
    for button, fields, operation in TIME:
        if fields is None:
            await press_button(desk.page, button)
        else:
            await form(desk.page, button, **fields)
        await desk.saved()
        twin = await put(drummer, twin, operations=[operation])
        score = await score_of(drummer, desk.id)
        assert told(score) == told(twin), button
        await desk.page.keyboard.press("Control+z")
        await desk.saved()
        undone = await drummer.http.post(
            f"/notation/{twin['id']}/undo", headers={"If-Match": f'"{twin["version"]}"'}
        )
        twin = undone.json()
        assert told(await score_of(drummer, desk.id)) == told(desk.score) == told(twin)
    await form(desk.page, "Write anew", "Write anew", grid="triplet", detail="teaching")
    await desk.saved()
    twin = await put(drummer, twin, grid="triplet", swing="auto", detail="teaching")
    assert told(await score_of(drummer, desk.id)) == told(twin)


async def test_a_dialog_that_is_left_changes_nothing(desk: Desk) -> None:
    page = desk.page
    for leave in ("Cancel", "Escape", "×"):
        await press_button(page, "Tempo")
        dialog = page.get_by_role("dialog")
        await dialog.locator("[name=bpm]").fill("77")
        if leave == "Cancel":
            await dialog.get_by_role("button", name="Cancel").click()
        elif leave == "Escape":
            await page.keyboard.press("Escape")
        else:
            await dialog.get_by_role("button", name="Close").click()
        await dialog.wait_for(state="detached")
        await says(page.locator("button:focus"), "Tempo")
    assert (await score_of(desk.user, desk.id))["version"] == 1


async def test_another_name_is_saved(desk: Desk) -> None:
    page = desk.page
    await page.get_by_role("button", name="Rename").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Title").fill("Tuesday groove")
    await page.keyboard.press("Enter")
    await desk.saved()
    assert (await score_of(desk.user, desk.id))["title"] == "Tuesday groove"
    await says(page.locator(".top .title"), "Tuesday groove")
    assert await page.title() == "Tuesday groove – Backbeat"


# Doubt


async def marked(page: Page) -> set[str]:
    ids = await page.locator(".system g.note.unsure").evaluate_all("all => all.map(n => n.id)")
    return set(ids)


async def test_a_note_is_marked_while_the_ear_doubts_it(desk: Desk) -> None:
    page = desk.page
    doubted = {desk.note("snare", 3).id, desk.note("snare", 3, 1).id}
    assert await marked(page) == doubted
    await says(page.locator(".unsure-part"), "The ear was not sure of 2 notes")
    await page.locator(".sheet").focus()
    await page.keyboard.press("j")
    first = desk.note("snare", 3).id
    await selected(page, first)
    await says(page.get_by_test_id("selection"), "40 % sure")
    await desk.press("v")
    assert await marked(page) == doubted - {first}
    view = await view_of(desk.user, desk.id)
    assert {n["id"] for n in view["notes"] if n.get("unsure")} == doubted - {first}
    await says(page.get_by_test_id("selection"), "100 % sure")
    await page.keyboard.press("j")
    # Saying what it is says that one is sure.
    await desk.press("x")
    assert await marked(page) == set()
    await says(page.locator(".unsure-part"), "The ear was sure of every note.")


async def test_what_was_heard_is_marked_just_where_its_confidence_says(
    visiting: Visiting, player: tuple[User, Transcribed]
) -> None:
    user, made = player
    page = await (await visiting()).at_score(made.notation_id, user)
    view = await view_of(user, made.notation_id)
    unsure = {
        note["id"]
        for note in view["notes"]
        if note["confidence"] is not None and note["confidence"] < view["unsure_below"]
    }
    assert unsure
    assert await marked(page) == unsure
    sure = {note["id"] for note in view["notes"]} - unsure
    drawn = await page.locator(".system g.note:not(.unsure)").evaluate_all("a => a.map(n => n.id)")
    assert set(drawn) == sure
    await says((await panel(page, "Facts")).locator("dl.facts").first, f"Unsure{len(unsure)}")
    await comes_true(page, "() => document.querySelector('.wave .near').width > 0")
