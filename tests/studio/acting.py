"""What a person does on the studio's pages, and the truth that the API tells about it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import httpx
from playwright.async_api import Locator, Page

from tests.e2e.conftest import User
from tests.integration.waiting import until


@dataclass(frozen=True)
class Written:
    """A note as it stands in the score's document."""

    id: str
    bar: int
    start: str
    piece: str
    velocity: int
    marks: tuple[str, ...]


async def score_of(user: User, notation_id: str) -> dict[str, Any]:
    """The score as the API tells it."""
    answer = await user.http.get(f"/notation/{notation_id}")
    assert answer.status_code == 200, answer.text
    score: dict[str, Any] = answer.json()
    return score


def notes_in(score: dict[str, Any]) -> dict[str, Written]:
    """All notes of a score's document by id."""
    return {
        note["id"]: Written(
            note["id"],
            bar["number"],
            event["start"],
            note["piece"],
            note["velocity"],
            tuple(note.get("articulations", ())),
        )
        for bar in score["notation_json"]["score"]["bars"]
        for voice in bar["voices"]
        for event in voice["events"]
        for note in event.get("notes", [])
    }


async def notes_of(user: User, notation_id: str) -> dict[str, Written]:
    return notes_in(await score_of(user, notation_id))


async def view_of(user: User, notation_id: str) -> dict[str, Any]:
    answer = await user.http.get(f"/notation/{notation_id}/view", params={"width_mm": 200})
    assert answer.status_code == 200, answer.text
    view: dict[str, Any] = answer.json()
    return view


async def versions_of(user: User, notation_id: str) -> list[dict[str, Any]]:
    """Newest first."""
    answer = await user.http.get(f"/notation/{notation_id}/versions")
    assert answer.status_code == 200, answer.text
    versions: list[dict[str, Any]] = answer.json()
    return versions


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition("/")[2]


async def comes_true(page: Page, predicate: str, arg: Any = None) -> None:
    """Wait until a JavaScript function says true. Playwright's own way evaluates text in the page,
    which the page's policy forbids."""

    async def holds() -> bool:
        return bool(await page.evaluate(predicate, arg))

    await until(holds)


# On the page of a score


def note_at(page: Page, note_id: str) -> Locator:
    return page.locator(f'.system g.note[id="{note_id}"]')


async def place_of(page: Page, note_id: str) -> tuple[float, float]:
    """Where a note's head lies on the screen, brought into sight."""
    x, y = await page.evaluate(
        """async (id) => {
          const head = () => document.querySelector(`.system g.note[id="${id}"] .notehead`);
          const middle = () => {
            const box = head().getBoundingClientRect();
            return [box.left + box.width / 2, box.top + box.height / 2];
          };
          const free = ([x, y]) => document.elementFromPoint(x, y)?.closest("div.system");
          if (!free(middle())) {
            head().closest("div.system").scrollIntoView({ block: "start" });
            await new Promise((seen) => requestAnimationFrame(() => requestAnimationFrame(seen)));
          }
          if (!free(middle())) throw new Error(`${id} is not to be seen`);
          return middle();
        }""",
        note_id,
    )
    return x, y


async def choose(page: Page, note_id: str, *, touch: bool = False, ctrl: bool = False) -> None:
    """Select a note by a click or with a finger."""
    x, y = await place_of(page, note_id)
    if touch:
        await page.touchscreen.tap(x, y)
    else:
        if ctrl:
            await page.keyboard.down("Control")
        await page.mouse.click(x, y)
        if ctrl:
            await page.keyboard.up("Control")
    if not ctrl:
        await selected(page, note_id)


async def selection(page: Page) -> set[str]:
    ids = await page.locator(".system g.note.selected").evaluate_all("all => all.map(n => n.id)")
    return set(ids)


async def selected(page: Page, *note_ids: str) -> None:
    """Wait until just these notes are selected."""
    await comes_true(
        page,
        """(ids) => {
          const there = [...document.querySelectorAll(".system g.note.selected")].map((n) => n.id);
          return there.length === ids.length && ids.every((id) => there.includes(id));
        }""",
        list(note_ids),
    )


async def shows_version(page: Page, version: int) -> None:
    """Wait until a version is saved and drawn."""
    await page.locator(f'.view[data-version="{version}"]').wait_for(state="attached")
    await is_saved(page)


async def is_saved(page: Page) -> None:
    # A phone has no room to say that all is well.
    await page.locator(".save-state.saved").wait_for(state="attached")


async def says(where: Locator, text: str) -> None:
    """Wait until an element holds a text."""
    await where.filter(has_text=text).first.wait_for(state="attached")


async def correcting(page: Page) -> None:
    """Begin to correct, whether the tools are open or not."""
    await panel(page, "Correct")
    await page.get_by_role("button", name="Correct the score").click()
    await page.locator(".sheet.editing").wait_for()


async def panel(page: Page, name: str) -> Locator:
    """Open a tab of the tools; its body."""
    if not await page.locator("aside.panel").count():
        await page.locator(".transport .tools").click()
    await page.get_by_role("tab", name=name).click()
    body = page.locator("#panel-body")
    await page.locator(f"#panel-body[aria-labelledby=tab-{TABS[name]}]").wait_for()
    return body


TABS = {
    "Correct": "edit",
    "Mix": "mix",
    "Practise": "practise",
    "Share": "share",
    "Facts": "info",
    "Teacher": "teacher",
    "Hands": "hands",
}


async def hide_panel(page: Page) -> None:
    if await page.locator("aside.panel").count():
        await page.get_by_role("button", name="Close the tools").click()
        await page.locator("aside.panel").wait_for(state="detached")


async def recording_time(page: Page) -> float:
    return float(await page.evaluate("document.querySelector('.screen video').currentTime"))


async def playable(page: Page) -> None:
    """Wait until the recording can be played and seeked."""
    await comes_true(page, "() => document.querySelector('.screen video')?.readyState >= 3")


async def plays_past(page: Page, time_s: float) -> None:
    """Wait until the recording has come by a second."""
    await comes_true(page, "(s) => document.querySelector('.screen video').currentTime > s", time_s)


def whole(bar: int, start: str) -> Fraction:
    """Place in whole notes, for bars of four quarters that are counted from 1."""
    return bar - 1 + Fraction(start)
