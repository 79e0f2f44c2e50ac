"""The hands beside the score: a strip that runs with the recording, what the camera saw in words
and pictures, another look, and letters under the notes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from playwright.async_api import Page, Request, Route

from libs.common.drums import Hand
from libs.common.options import VisionOptions
from libs.common.sight import Sight, Stroke, Sync
from tests.e2e.conftest import System, Transcribed, User
from tests.e2e.test_notation_routes import rock, write
from tests.integration.waiting import until
from tests.studio.acting import (
    choose,
    comes_true,
    correcting,
    panel,
    playable,
    plays_past,
    says,
    selected,
    shows_version,
    versions_of,
    view_of,
)
from tests.studio.conftest import LAPTOP, PHONE, Visit, Visiting, drawn
from tests.studio.eye import BLIND, OFFSET_S, Eye, Look, film, opened, other_opinion, sight_of
from tests.studio.test_studio_access import Judge

WINDOW_S = 6
PRESENT = 0.3
"""What the strip shows at once, and where in it the present stands."""
FRAME_S = 1 / 30
PROBLEM = "https://backbeat.dev/problems/"
SAMPLER = """async ({ frames, turns }) => {
  // What is painted at each frame: the middles of the marks in each lane, and the recording's time.
  const canvas = document.querySelector(".strip canvas");
  const video = document.querySelector(".screen video");
  const pen = canvas.getContext("2d");
  const middles = (share) => {
    const { data } = pen.getImageData(0, Math.round(canvas.height * share), canvas.width, 1);
    const found = [];
    let from = null;
    for (let x = 0; x <= canvas.width; x++) {
      const inked = x < canvas.width && data[4 * x + 3] > 75;
      if (inked) from ??= x;
      else if (from !== null) {
        found.push({ x: (from + x) / 2 / canvas.width, wide: x - from });
        from = null;
      }
    }
    return found;
  };
  const seen = [];
  let turned = 0;
  while (seen.length < frames && turned <= turns) {
    await new Promise(requestAnimationFrame);
    const time_s = video.currentTime;
    if (seen.length && time_s < seen.at(-1).time_s) turned += 1;
    seen.push({ time_s, turned, R: middles(0.25), L: middles(0.75) });
  }
  return seen;
}"""


@pytest.fixture(scope="module")
async def eye(embedded_system: System) -> AsyncIterator[Eye]:
    one = embedded_system
    async with opened(one.database_url, one.storage, one.embedded.transport) as found:
        yield found


async def unwatched(user: User, clip: Path) -> Transcribed:
    """A score whose video nobody has looked at."""
    video = await user.upload(clip, watch=False)
    jobs = await user.jobs_after(video["id"])
    return Transcribed(
        video_id=video["id"],
        audio_id=jobs["extraction"]["result"]["audio_id"],
        notation_id=jobs["notation"]["result"]["notation_id"],
        jobs=jobs,
    )


@dataclass
class Stage:
    """A score whose hands were told."""

    user: User
    made: Transcribed
    sight: Sight

    def of(self, hand: Hand) -> list[Stroke]:
        return [each for each in self.sight.strokes if each.hand is hand]

    def times(self, *hands: Hand) -> list[float]:
        return [each.onset_s for each in self.sight.strokes if each.hand in hands]


async def has_hands(user: User, notation_id: str) -> None:
    """Wait until notation has put them on."""

    async def there() -> bool:
        view = await view_of(user, notation_id)
        return any(note.get("sticking_source") == "vision" for note in view["notes"])

    await until(there)


@pytest.fixture(scope="module")
async def stage(
    embedded_system: System, eye: Eye, clip: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    user = await embedded_system.user()
    made = await unwatched(user, clip)
    sight = other_opinion(sight_of(await view_of(user, made.notation_id)))
    look = await eye.begins(made.video_id, user.id)
    overlay = film(tmp_path_factory.mktemp("overlay") / "overlay.mp4")
    await eye.tells(look, sight, clip=overlay, stills=2)
    await has_hands(user, made.notation_id)
    await user.job_after(str(look.job_id))
    yield Stage(user, made, sight)
    await user.http.aclose()


async def at_strip(visit: Visit, stage: Stage) -> Page:
    page = await visit.at_score(stage.made.notation_id, stage.user)
    await page.locator(".strip canvas").wait_for()
    await playable(page)
    return page


def paints_the_truth(frames: list[dict[str, Any]], lane: str, times: list[float]) -> None:
    """In each frame just those marks that belong there, where they belong."""
    away: list[float] = []
    for frame in frames:
        from_s = frame["time_s"] - PRESENT * WINDOW_S
        # Neither under the label, nor cut by an edge, nor behind the line of the present.
        painted = [
            from_s + mark["x"] * WINDOW_S
            for mark in frame[lane]
            if 0.01 < mark["x"] < 0.98 and abs(mark["x"] - PRESENT) > 0.02
        ]
        true = np.array(times)
        nearest = [float(true[np.abs(true - time).argmin()]) for time in painted]
        away += [time - near for time, near in zip(painted, nearest, strict=True)]
        wanted = {
            time
            for time in times
            if 0.03 < (time - from_s) / WINDOW_S < 0.96
            and abs((time - from_s) / WINDOW_S - PRESENT) > 0.04
        }
        assert wanted <= set(nearest), (frame["time_s"], wanted - set(nearest))
    assert away
    assert np.median(np.abs(away)) < 0.02
    assert np.max(np.abs(away)) < 0.06


async def test_the_strip_runs_with_the_recording_frame_by_frame(
    visiting: Visiting, stage: Stage
) -> None:
    page = await at_strip(await visiting(), stage)
    await page.evaluate("() => { document.querySelector('.screen video').currentTime = 4 }")
    await page.get_by_test_id("play").click()
    await plays_past(page, 4.05)
    frames = await page.evaluate(SAMPLER, {"frames": 90, "turns": 9})
    assert len({frame["time_s"] for frame in frames}) > 20
    paints_the_truth(frames, "R", stage.times(Hand.RIGHT, Hand.BOTH))
    paints_the_truth(frames, "L", stage.times(Hand.LEFT, Hand.BOTH))


async def test_the_strip_goes_round_with_a_slow_loop(visiting: Visiting, stage: Stage) -> None:
    page = await at_strip(await visiting(), stage)
    body = await panel(page, "Practise")
    await body.get_by_label("From bar").fill("3")
    await body.get_by_label("To bar").fill("3")
    await body.get_by_role("button", name="Loop", exact=True).click()
    await body.get_by_role("button", name="50 %", exact=True).click()
    await page.get_by_test_id("play").click()
    view = await view_of(stage.user, stage.made.notation_id)
    bar = next(bar for bar in view["bars"] if bar["bar"] == 3)
    await plays_past(page, bar["start_s"] + 0.05)
    frames = await page.evaluate(SAMPLER, {"frames": 3000, "turns": 1})
    # Up to the second turn's first moments.
    assert frames[-1]["turned"] == 2 or len(frames) == 3000
    assert {frame["turned"] for frame in frames} >= {0, 1}
    # A frame of the jump itself may be the one before it.
    calm = [frame for before, frame in pairwise(frames) if frame["turned"] == before["turned"]]
    paints_the_truth(calm, "R", stage.times(Hand.RIGHT, Hand.BOTH))
    paints_the_truth(calm, "L", stage.times(Hand.LEFT, Hand.BOTH))


async def press_mark(page: Page, stroke: Stroke) -> None:
    """Click on a mark that is in sight."""
    box = await page.locator(".strip canvas").bounding_box()
    shown_s = await page.evaluate(SHOWN_S)
    assert box is not None
    share = PRESENT + (stroke.onset_s - shown_s) / WINDOW_S
    lane = 0.75 if stroke.hand is Hand.LEFT else 0.25
    await page.mouse.click(box["x"] + share * box["width"], box["y"] + lane * box["height"])


SHOWN_S = """() => {
  // Where the page says that the recording is: in the wave's slider, as a share of its width.
  const head = document.querySelector(".wave .head").getBoundingClientRect();
  const whole = document.querySelector(".wave .whole").getBoundingClientRect();
  const video = document.querySelector(".screen video");
  return ((head.left + 1 - whole.left) / whole.width) * video.duration;
}"""
STANDS = """([time_s, within_s]) => {
  const video = document.querySelector(".screen video");
  return video.paused && !video.seeking && Math.abs(video.currentTime - time_s) < within_s;
}"""
CURSOR_OFF_PX = """(id) => {
  const cursor = document.querySelector(".cursor").getBoundingClientRect();
  const note = document.querySelector(`.system g.note[id="${id}"] .notehead`);
  const head = note.getBoundingClientRect();
  return cursor.left + cursor.width / 2 - (head.left + head.width / 2);
}"""


async def test_a_click_on_a_mark_shows_the_strokes_own_picture(
    visiting: Visiting, stage: Stage
) -> None:
    page = await at_strip(await visiting(), stage)
    stroke = next(each for each in stage.of(Hand.LEFT) if 1.0 < each.onset_s < 3)
    await press_mark(page, stroke)
    # The picture is earlier by what the sound is late; all that is drawn stands at the stroke.
    await comes_true(page, STANDS, [stroke.onset_s - OFFSET_S, 0.004])
    await selected(page, stroke.hit)
    assert abs(await page.evaluate(CURSOR_OFF_PX, stroke.hit)) < 3
    assert abs(await page.evaluate(SHOWN_S) - stroke.onset_s) < 0.05
    spoken = page.get_by_test_id("hand-spoken")
    await says(spoken, "Left hand, snare")
    await says(spoken, "Bar 1, beat 2")
    # Playing goes on from the stroke's sound, and nothing is said over it.
    await page.evaluate(
        """() => document.querySelector(".screen video").addEventListener("play",
          (event) => (window.began_s = event.target.currentTime), { once: true })"""
    )
    await page.get_by_test_id("play").click()
    await plays_past(page, stroke.onset_s + 0.1)
    assert abs(await page.evaluate("window.began_s") - stroke.onset_s) < 0.02
    assert await spoken.text_content() == ""


async def test_a_click_on_a_mark_while_it_plays_keeps_sound_and_picture_as_they_are(
    visiting: Visiting, stage: Stage
) -> None:
    page = await at_strip(await visiting(), stage)
    await page.get_by_test_id("play").click()
    await plays_past(page, 0.05)
    # The marks run: the place is reckoned and clicked within one task of the page.
    stroke = next(each for each in stage.of(Hand.RIGHT) if each.onset_s > 4)
    sought_s = await page.evaluate(
        """async ({ onset_s, window_s, present }) => {
          const video = document.querySelector(".screen video");
          const canvas = document.querySelector(".strip canvas");
          const frame = () => new Promise(requestAnimationFrame);
          while (onset_s - video.currentTime > 0.6 * window_s) await frame();
          const box = canvas.getBoundingClientRect();
          const share = present + (onset_s - video.currentTime) / window_s;
          const gone = new Promise((resolve) => {
            const told = () => resolve(video.currentTime);
            video.addEventListener("seeking", told, { once: true });
          });
          canvas.dispatchEvent(new MouseEvent("click", { bubbles: true,
            clientX: box.left + share * box.width, clientY: box.top + 0.25 * box.height }));
          return gone;
        }""",
        {"onset_s": stroke.onset_s, "window_s": WINDOW_S, "present": PRESENT},
    )
    assert abs(sought_s - stroke.onset_s) < 0.05
    assert not await page.evaluate("document.querySelector('.screen video').paused")


async def test_a_step_to_a_note_rests_at_its_picture(visiting: Visiting, stage: Stage) -> None:
    page = await at_strip(await visiting(), stage)
    view = await view_of(stage.user, stage.made.notation_id)
    # Also for what feet play.
    for piece in ("snare", "kick"):
        # Not one that was played before its bar line.
        note = next(
            n for n in view["notes"] if n["piece"] == piece and n["bar"] == 2 and n["start"] != "0"
        )
        await choose(page, note["id"])
        await comes_true(page, STANDS, [note["played_s"] - OFFSET_S, FRAME_S / 2])
        assert abs(await page.evaluate(SHOWN_S) - note["played_s"]) < 0.05
        await says(page.locator(".clock"), "bar 2")
    # What somebody else does to the recording is taken as it is.
    await page.evaluate("() => { document.querySelector('.screen video').currentTime = 9 }")
    await says(page.locator(".clock"), "0:09.0")


# The panel


async def test_what_the_camera_saw_is_told_in_words_numbers_and_pictures(
    visiting: Visiting, stage: Stage
) -> None:
    page = await at_strip(await visiting(), stage)
    body = await panel(page, "Hands")
    sight = stage.sight
    await says(body, f"Hands told for {sight.marked} of {len(sight.strokes)} strokes.")
    await says(body.get_by_test_id("sync"), "The sound comes 120 ms after the picture.")
    await says(body, "Measured by the wrists; 7.3 standard deviations above chance.")
    for shot in sight.shots:
        await says(body.locator(".views"), shot.words)
    rows = body.get_by_test_id("hand-counts").locator("tfoot td")
    told = [sum(each.hand is hand for each in sight.strokes) for hand in (*Hand, None)]
    assert [int(text) for text in await rows.all_text_contents()] == told
    await comes_true(page, "() => document.querySelector('.overlay-clip')?.readyState >= 1")
    await comes_true(
        page,
        """() => {
          const all = [...document.querySelectorAll(".stills img")];
          return all.length === 2 && all.every((one) => one.complete && one.naturalWidth === 160);
        }""",
    )
    # Space on the film plays the film, not the recording.
    await body.locator(".overlay-clip").focus()
    await page.keyboard.press("Space")
    await comes_true(page, "() => document.querySelector('.overlay-clip').currentTime > 0")
    assert await page.evaluate("document.querySelector('.screen video').paused")
    # Where the eye is of another opinion.
    await says(body, "heard: crash, seen: ride (81 % sure)")
    await body.get_by_role("button", name="Bar 1, beat 1").click()
    await selected(page, sight.opinions[0].hit)
    about = await page.locator(".strip canvas").get_attribute("aria-label")
    words = f"Hands told for {sight.marked} of {len(sight.strokes)} strokes."
    assert about == f"Right and left hand over time. {words}"


async def told(eye: Eye, user: User, clip: Path, change: Any) -> tuple[Transcribed, Sight]:
    """A score whose eye says what `change` makes of a good view."""
    made = await unwatched(user, clip)
    sight = change(sight_of(await view_of(user, made.notation_id)))
    look = await eye.begins(made.video_id, user.id)
    await eye.tells(look, sight)
    await user.job_after(str(look.job_id))
    return made, sight


async def test_a_view_without_hands_says_why_and_what_to_do(
    visiting: Visiting, drummer: User, eye: Eye, clip: Path
) -> None:
    bad = "<b>Nobody</b> is to be seen."
    shots = (replace(BLIND.shots[0], words=bad),)
    made, _ = await told(eye, drummer, clip, lambda _: replace(BLIND, shots=shots))
    visit = await visiting()
    page = await visit.at_score(made.notation_id, drummer)
    body = await panel(page, "Hands")
    await says(body, "No hands are told.")
    await says(body, BLIND.words)
    await says(body.locator(".views li"), f"Not usable. {bad}")
    await says(body.get_by_test_id("sync"), "Whether sound and picture are together is not sure.")
    await says(body.locator(".warning"), "backbeat models fetch")
    assert await page.locator(".strip").is_hidden()
    await body.get_by_role("button", name="Look again").wait_for()


async def test_the_sound_may_come_first_or_together(
    visiting: Visiting, drummer: User, eye: Eye, clip: Path
) -> None:
    def synced(sight: Sight, offset_s: float) -> Sight:
        sync = Sync(offset_s, 9.0, "given")
        shots = tuple(replace(shot, sync=sync) for shot in sight.shots)
        return replace(sight, sync=sync, shots=shots)

    made, sight = await told(eye, drummer, clip, lambda good: synced(good, -0.04))
    visit = await visiting()
    page = await visit.at_score(made.notation_id, drummer)
    body = await panel(page, "Hands")
    await says(body.get_by_test_id("sync"), "The sound comes 40 ms before the picture.")
    await says(body, "As it was set by hand.")
    # Then the picture of a stroke is a later one.
    await playable(page)
    stroke = next(each for each in sight.strokes if each.hand is Hand.LEFT)
    await press_mark(page, stroke)
    await comes_true(page, STANDS, [stroke.onset_s + 0.04, 0.004])
    look = await eye.begins(made.video_id, drummer.id)
    await eye.tells(look, synced(sight, 0.0002))
    await drummer.job_after(str(look.job_id))
    await page.reload()
    await drawn(page)
    body = await panel(page, "Hands")
    await says(body.get_by_test_id("sync"), "Sound and picture come together.")


def asks_of_vision(page: Page) -> list[str]:
    """What the page will have asked vision for."""
    asked: list[str] = []

    def note(request: Request) -> None:
        if "/vision/" in request.url:
            asked.append(f"{request.method} {request.url.partition('/vision/')[2]}")

    page.on("request", note)
    return asked


async def test_without_vision_nothing_is_asked_until_the_panel_is_opened_and_that_says_so(
    visiting: Visiting, drummer: User, clip: Path
) -> None:
    made = await unwatched(drummer, clip)
    visit = await visiting(expected=("503",))
    page = visit.page
    asked = asks_of_vision(page)
    problem = {
        "type": f"{PROBLEM}service-not-installed",
        "status": 503,
        "title": "Not installed",
        "detail": "The vision service is not installed.",
    }

    async def absent(route: Route) -> None:
        await route.fulfill(status=503, json=problem, content_type="application/problem+json")

    await page.route("**/vision/**", absent)
    await visit.at_score(made.notation_id, drummer)
    await playable(page)
    assert await page.locator(".strip").is_hidden()
    assert asked == []
    body = await panel(page, "Hands")
    await says(body, "the vision service is not installed")
    assert not await body.get_by_role("button", name="Look").count()
    assert asked == [f"GET analysis/{made.video_id}"]
    await page.unroute_all()


async def test_a_score_without_a_video_has_no_hands_to_see(
    visiting: Visiting, drummer: User
) -> None:
    score = await write(drummer, events=rock(), title="Typed")
    visit = await visiting()
    asked = asks_of_vision(visit.page)
    page = await visit.at_score(score["id"], drummer)
    body = await panel(page, "Hands")
    await says(body, "no video with a picture")
    assert asked == []


async def test_guests_see_no_strip_and_nothing_is_asked_for_them(
    visiting: Visiting, stage: Stage
) -> None:
    link = await stage.user.http.post(
        f"/notation/{stage.made.notation_id}/shares", json={"name": "a friend"}
    )
    visit = await visiting()
    asked = asks_of_vision(visit.page)
    page = await visit.open(f"/s/{link.json()['token']}")
    await drawn(page)
    assert await page.locator(".strip").is_hidden()
    assert not await page.get_by_role("tab", name="Hands").count()
    assert asked == []


# Looking


@dataclass
class Asked:
    """Looks that the page asks for: the test says what becomes of them."""

    page: Page
    eye: Eye
    user: User
    video_id: str

    def __post_init__(self) -> None:
        self.looks: list[Look] = []
        self.bodies: list[Any] = []

    async def take(self, route: Route) -> None:
        look = await self.eye.begins(self.video_id, self.user.id)
        self.bodies.append(route.request.post_data_json)
        self.looks.append(look)
        taken = {"job_id": str(look.job_id), "video_id": self.video_id, "job_type": "vision",
                 "status": "pending", "options": self.bodies[-1]}  # fmt: skip
        await route.fulfill(status=202, json=taken)

    async def begun(self, count: int) -> Look:
        await until(lambda: len(self.looks) == count)
        look = self.looks[-1]

        async def runs() -> bool:
            job = await self.user.http.get(f"/jobs/{look.job_id}")
            return bool(job.json().get("status") == "running")

        await until(runs)
        return look


async def test_one_looks_and_looks_again_with_other_settings(
    visiting: Visiting, drummer: User, eye: Eye, clip: Path
) -> None:
    made = await unwatched(drummer, clip)
    visit = await visiting(expected=("404",))
    page = await visit.at_score(made.notation_id, drummer)
    asked = Asked(page, eye, drummer, made.video_id)
    await page.route("**/vision/analyze/*", asked.take)
    body = await panel(page, "Hands")
    await says(body, "Nobody has looked at this video yet.")
    await body.get_by_role("button", name="Look", exact=True).click()
    look = await asked.begun(1)
    assert asked.bodies == [{"mirrored": None, "handed": None, "offset_s": None}]
    progress = body.get_by_test_id("look").get_by_role("progressbar", name="Watching the hands")
    await eye.gets_on(look, 0.4)
    await body.locator("progress[value='0.4']").wait_for()
    await says(body.get_by_test_id("look"), "Watching the hands")
    assert await body.get_by_role("button", name="Look", exact=True).is_disabled()
    sight = sight_of(await view_of(drummer, made.notation_id))
    await eye.tells(look, sight)
    await says(body, f"Hands told for {sight.marked} of {len(sight.strokes)} strokes.")
    await page.locator(".strip canvas").wait_for()
    assert not await progress.count()
    # The score is drawn with its hands as soon as it has them.
    await shows_version(page, 2)
    await says(page.locator("#toasts"), "The hands have been added to the score.")

    # Again, with other settings; what was found is offered as such.
    mirrored = body.get_by_label("The picture is mirrored")
    assert "as found: no" in (await mirrored.locator("option").all_text_contents())
    await mirrored.select_option("yes")
    await body.get_by_label("I play").select_option("left-handed")
    await body.get_by_label("Sound after the picture, in ms").fill("80")
    await body.get_by_role("button", name="Look again").click()
    again = await asked.begun(2)
    chosen = {"mirrored": True, "handed": "left", "offset_s": 0.08}
    assert asked.bodies[1] == chosen
    swapped = {Hand.RIGHT: Hand.LEFT, Hand.LEFT: Hand.RIGHT}
    other = replace(
        sight,
        sync=Sync(0.08, 3.0, "given"),
        strokes=tuple(replace(s, hand=swapped.get(s.hand, s.hand)) for s in sight.strokes),  # type: ignore[arg-type]
    )
    await eye.tells(again, other, VisionOptions.model_validate(chosen))
    await says(body.get_by_test_id("sync"), "The sound comes 80 ms after the picture.")
    assert await mirrored.input_value() == "true"
    assert await body.get_by_label("I play").input_value() == "left"
    assert await body.get_by_label("Sound after the picture, in ms").input_value() == "80"
    await shows_version(page, 3)

    # One that comes to nothing says so, and what was seen before stays.
    await body.get_by_role("button", name="Look again").click()
    await eye.fails(await asked.begun(3), "The picture breaks off at 0:03.")
    await says(body.get_by_role("alert"), "The picture breaks off at 0:03.")
    await says(body.get_by_test_id("sync"), "The sound comes 80 ms after the picture.")
    await page.unroute_all()


async def test_hands_that_come_while_one_corrects_wait_and_no_correction_is_lost(
    visiting: Visiting, drummer: User, eye: Eye, clip: Path
) -> None:
    made = await unwatched(drummer, clip)
    view = await view_of(drummer, made.notation_id)
    look = await eye.begins(made.video_id, drummer.id)
    visit = await visiting(expected=("412",))
    page = await visit.at_score(made.notation_id, drummer)
    await correcting(page)
    snare = next(n["id"] for n in view["notes"] if n["piece"] == "snare" and n["bar"] == 2)
    await choose(page, snare)
    await eye.tells(look, sight_of(view))
    await says(page.locator("#toasts"), "The hands have been added to the score.")
    # Nothing has moved under the pen.
    await page.locator('.view[data-version="1"]').wait_for(state="attached")
    await selected(page, snare)
    # A correction made on the score before goes on top without a question.
    await page.keyboard.press("x")
    await shows_version(page, 3)
    assert not await page.get_by_role("dialog").count()
    now = await view_of(drummer, made.notation_id)
    note = next(n for n in now["notes"] if n["id"] == snare)
    assert note["piece"] == "cross-stick"
    assert any(n.get("sticking_source") == "vision" for n in now["notes"])
    authors = [one["author"] for one in await versions_of(drummer, made.notation_id)]
    assert authors == ["user", "vision", "user"]
    await page.locator("[data-toast=hands]").wait_for(state="detached")


async def test_the_list_of_steps_names_the_hands_and_the_score_opens_without_them(
    visiting: Visiting, stage: Stage
) -> None:
    video_id = stage.made.video_id
    video = (await stage.user.http.get(f"/media/videos/{video_id}")).json()
    jobs = {job["job_type"]: job for job in video["jobs"] if job["job_type"] != "vision"}
    written = dict(jobs["notation"])
    watched = {**written, "id": str(uuid4()), "job_type": "vision", "status": "running",
               "progress": 0.3, "message": "Watching the hands", "result": {}}  # fmt: skip
    jobs["notation"] |= {"status": "running", "progress": 0.5, "result": {}}
    video["jobs"] = [*jobs.values(), watched]
    held = asyncio.Event()

    async def told_video(route: Route) -> None:
        await route.fulfill(json=video)

    async def told_events(route: Route) -> None:
        await held.wait()
        body = f"event: job\nid: 1\ndata: {json.dumps(written)}\n\n"
        await route.fulfill(body=body, content_type="text/event-stream")

    visit = await visiting()
    page = visit.page
    await page.route(f"**/media/videos/{video_id}", told_video)
    await page.route(f"**/media/videos/{video_id}/events", told_events)
    await visit.sign_in(stage.user, f"/videos/{video_id}")
    step = page.locator("[data-step=vision]")
    await says(step.get_by_role("heading"), "Watching the hands")
    assert await step.get_by_role("progressbar").get_attribute("value") == "0.3"
    assert await page.locator(".step").last.get_attribute("data-step") == "vision"
    held.set()
    # The hands are still being watched.
    await page.wait_for_url(f"**/scores/{stage.made.notation_id}")
    await drawn(page)
    await page.unroute_all()


# Letters under the notes


async def test_a_hand_is_set_taken_back_and_shown_or_not(
    visiting: Visiting, drummer: User, eye: Eye, clip: Path
) -> None:
    made, _ = await told(eye, drummer, clip, lambda good: good)
    await has_hands(drummer, made.notation_id)
    page = await (await visiting()).at_score(made.notation_id, drummer)
    view = await view_of(drummer, made.notation_id)
    hat = next(n for n in view["notes"] if n["piece"] == "hat-closed" and n.get("sticking") == "R")
    await correcting(page)
    await choose(page, hat["id"])
    percent = round(100 * hat["sticking_confidence"])
    body = page.locator("#panel-body")
    await says(body.get_by_test_id("selection"), f"Right hand as seen, {percent} % sure")

    async def note() -> dict[str, Any]:
        notes = (await view_of(drummer, made.notation_id))["notes"]
        return next(each for each in notes if each["id"] == hat["id"])

    await body.get_by_role("button", name="Left hand").click()
    await shows_version(page, 3)
    assert ((await note())["sticking"], (await note())["sticking_source"]) == ("L", "user")
    await body.get_by_role("button", name="as seen").click()
    await shows_version(page, 4)
    assert ((await note())["sticking"], (await note())["sticking_source"]) == ("R", "vision")

    drawn_letters = "() => document.querySelectorAll('.system svg .verse').length"
    assert await page.evaluate(drawn_letters) > 0
    body = await panel(page, "Hands")
    await body.get_by_role("button", name="none", exact=True).click()
    await shows_version(page, 5)
    assert await page.evaluate(drawn_letters) == 0
    assert (await view_of(drummer, made.notation_id))["sticking_shown"] == "none"
    pressed = body.locator("button[aria-pressed=true]")
    assert await pressed.all_text_contents() == ["none"]


# For everybody


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
async def test_strip_and_panel_are_for_everybody(
    visiting: Visiting, stage: Stage, size: dict[str, int], shots: Path
) -> None:
    screen = {"has_touch": True, "is_mobile": True} if size is PHONE else {}
    page = await at_strip(await visiting(size, **screen), stage)
    judge = Judge(page, size)
    await panel(page, "Hands")
    await comes_true(page, "() => document.querySelectorAll('.stills img').length === 2")
    await judge.look("hands")
    assert judge.found == []
    for theme in ("light", "dark"):
        await page.emulate_media(color_scheme=theme)
        await page.screenshot(path=shots / f"hands-{size['width']}-{theme}.png")
        # The labels lie inside the strip, and none over the other.
        inside = await page.evaluate(
            """() => {
              const box = (name) => document.querySelector(name).getBoundingClientRect();
              const [strip, a, b] = [".strip", ".strip .R", ".strip .L"].map(box);
              return a.top >= strip.top && b.bottom <= strip.bottom && a.bottom <= b.top;
            }"""
        )
        assert inside
