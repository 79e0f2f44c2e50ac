"""Practice that is kept, a recording made in the page, sound for what a browser cannot show,
unfinished uploads, the teacher's panel."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from playwright.async_api import Page, Route

from backbeat.drumsounds import SAMPLE_RATE
from tests.e2e.conftest import Transcribed, User
from tests.studio.acting import comes_true
from tests.studio.conftest import Visiting
from tests.synth import groove


async def eventually_from(user: User, path: str, wanted: Any) -> dict[str, Any]:
    """The API's answer, once it is as wanted."""
    async with asyncio.timeout(30):
        while True:
            answer = (await user.http.get(path)).json()
            if wanted(answer):
                return dict(answer)
            await asyncio.sleep(0.1)


async def test_what_was_looped_is_kept_bar_by_bar(
    visiting: Visiting, player: tuple[User, Transcribed]
) -> None:
    user, score = player
    visit = await visiting()
    page = await visit.at_score(score.notation_id, user)
    await page.get_by_role("tab", name="Practise").click()
    await page.get_by_label("To bar").fill("3")
    await page.get_by_label("From bar").fill("2")
    await page.locator("#panel-body").get_by_role("button", name="Loop", exact=True).click()
    await page.locator(".loop-bars", has_text="2–3").wait_for()
    await page.get_by_role("button", name="50 %", exact=True).click()
    await page.get_by_test_id("play").click()
    # More than the least that counts.
    await page.wait_for_timeout(4500)
    await page.get_by_test_id("play").click()
    root = f"/notation/{score.notation_id}/practice"
    summary = await eventually_from(user, f"{root}/summary", lambda told: told["sessions"])
    assert summary["sessions"] == 1
    assert {bar["bar"] for bar in summary["bars"]} == {2, 3}
    [session] = (await user.http.get(root)).json()["items"]
    assert (session["from_bar"], session["to_bar"], session["speed"]) == (2, 3, 0.5)
    assert 3 <= session["seconds"] <= 15
    await page.reload()
    await page.get_by_role("tab", name="Practise").click()
    await page.get_by_role("button", name="Bars 2 to 3").wait_for()


async def test_a_recording_made_in_the_page_becomes_a_video(
    visiting: Visiting, drummer: User
) -> None:
    visit = await visiting(permissions=["camera", "microphone"])
    page = await visit.sign_in(drummer)
    await page.get_by_role("button", name="Record").click()
    await page.get_by_role("button", name="Start").click()
    stop = page.get_by_role("button", name="Stop and upload")
    await stop.wait_for()
    await page.wait_for_timeout(2500)
    await stop.click()
    listed = await eventually_from(drummer, "/media/videos/", lambda told: told["items"])
    [video] = listed["items"]
    assert video["has_video"]
    assert video["has_audio"]
    assert 1.5 < video["duration_seconds"] < 20
    # The fake microphone beeps: whatever is made of that, it ends with a word.
    jobs = await drummer.jobs_after(video["id"])
    assert jobs["extraction"]["status"] == "completed"


def old_video(path: Path) -> Path:
    """A groove with a picture that no browser shows: MPEG-4 part 2 in AVI."""
    samples, _ = groove(bars=4, tempo_bpm=120)
    with av.open(str(path), "w", format="avi") as container:
        picture = container.add_stream("mpeg4", rate=10)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=SAMPLE_RATE, layout="mono")
        grey = np.full((48, 64, 3), 96, np.uint8)
        for number in range(round(len(samples) / SAMPLE_RATE * 10)):
            frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        pcm = (samples[np.newaxis] * 32767).astype(np.int16)
        heard = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
        heard.sample_rate, heard.pts, heard.time_base = SAMPLE_RATE, 0, Fraction(1, SAMPLE_RATE)
        container.mux(sound.encode(heard))
        container.mux(sound.encode(None))
    return path


async def test_a_video_that_the_browser_cannot_play_is_heard_all_the_same(
    visiting: Visiting, drummer: User, tmp_path: Path
) -> None:
    transcribed = await drummer.transcribed(old_video(tmp_path / "old.avi"))
    visit = await visiting(expected=("Failed to load", "MEDIA", "NotSupported"))
    page = await visit.at_score(transcribed.notation_id, drummer)
    await comes_true(page, "() => document.querySelector('.screen audio')?.readyState >= 2")
    assert await page.locator(".screen video").count() == 0
    await page.get_by_test_id("play").click()
    await comes_true(page, "() => document.querySelector('.screen audio').currentTime > 0.5")
    await page.locator("div.system g.note.now").first.wait_for(state="attached")


async def test_an_upload_left_unfinished_is_shown_and_can_be_forgotten(
    visiting: Visiting, drummer: User
) -> None:
    name = "VHVlc2RheS5tcDQ="  # Tuesday.mp4
    headers = {
        "Tus-Resumable": "1.0.0",
        "Upload-Length": "1000000",
        "Upload-Metadata": f"filename {name}",
    }
    assert (await drummer.http.post("/media/uploads/", headers=headers)).status_code == 201
    visit = await visiting()
    page = await visit.sign_in(drummer)
    await page.get_by_text("Tuesday.mp4").wait_for()
    await page.get_by_text("0 % of 1.0 MB").wait_for()
    await page.get_by_role("button", name="Forget").click()
    await page.get_by_text("Tuesday.mp4").wait_for(state="detached")
    assert (await drummer.http.get("/media/uploads/")).json()["items"] == []


async def open_teacher(page: Page) -> None:
    await page.get_by_role("tab", name="Teacher").click()


async def test_without_a_teacher_the_panel_says_so(
    visiting: Visiting, player: tuple[User, Transcribed]
) -> None:
    user, score = player
    visit = await visiting(expected=("503",))
    page = await visit.at_score(score.notation_id, user)
    problem = {"type": "https://backbeat.dev/problems/service-not-installed", "status": 503,
               "title": "Not installed", "detail": "The ai service is not installed."}  # fmt: skip

    async def absent(route: Route) -> None:
        await route.fulfill(status=503, json=problem, content_type="application/problem+json")

    await page.route("**/with-enhancements", absent)
    await open_teacher(page)
    await page.get_by_text("The teacher is not installed").wait_for()
    await page.unroute("**/with-enhancements")


async def test_the_teacher_explains_varies_plans_and_listens(
    visiting: Visiting, player: tuple[User, Transcribed], clip: Path
) -> None:
    user, score = player
    take = await user.transcribed(clip)
    visit = await visiting()
    page = await visit.at_score(score.notation_id, user)
    await open_teacher(page)
    panel = page.get_by_role("tabpanel")
    await panel.get_by_role("button", name="Explain all of it").click()
    await panel.get_by_text("By rules.").first.wait_for()
    told = (await user.http.get(f"/notation/{score.notation_id}/with-enhancements")).json()
    patterns = told["enhancements"]["pattern_analysis"]
    for said in (patterns["summary"], *patterns["key_patterns"]):
        await panel.get_by_text(said, exact=True).wait_for()

    await panel.get_by_label("Kind").select_option("simplify")
    await panel.get_by_label("Difficulty").select_option("easier")
    await panel.get_by_role("button", name="Make three").click()
    await panel.get_by_role("link", name="Open").first.wait_for()
    made = (await user.http.get(f"/notation/{score.notation_id}/variations")).json()["items"]
    hrefs = [
        await link.get_attribute("href")
        for link in await panel.get_by_role("link", name="Open").all()
    ]
    assert set(hrefs) == {f"/scores/{one['notation_id']}" for one in made}
    assert {one["direction"] for one in made} == {"easier"}

    await panel.get_by_role("button", name="Make a plan").click()
    plan = (await user.http.get(f"/notation/{score.notation_id}/practice-plan")).json()
    first = plan["loops"][0]
    await panel.get_by_role(
        "button", name=f"Bars {first['from_bar']} to {first['to_bar']}"
    ).first.click()
    await page.locator(".loop-bars").wait_for()

    await panel.get_by_role("button", name="Choose a take").click()
    await panel.get_by_label("Take").select_option(take.notation_id)
    await panel.get_by_role("button", name="Compare").click()
    answer = await user.http.post(
        f"/notation/{score.notation_id}/compare", json={"take_id": take.notation_id}
    )
    found = answer.json()
    # The same recording.
    assert found["accuracy"] == 1, found
    await panel.get_by_text("100 %", exact=True).first.wait_for()
    await panel.get_by_text(f"{found['hit']} / {found['strokes']}").first.wait_for()

    # What was said and made is there when the page is opened again.
    again = await visit.at_score(score.notation_id, user)
    await open_teacher(again)
    await again.get_by_text(patterns["summary"], exact=True).wait_for()
    await again.get_by_role("link", name="Open").nth(len(made) - 1).wait_for()
    await again.get_by_role("tabpanel").get_by_text("100 %", exact=True).wait_for()


async def test_what_the_teacher_says_is_shown_as_text(
    visiting: Visiting, player: tuple[User, Transcribed]
) -> None:
    """Whoever stands behind it: answers in its shape that hold markup."""
    user, score = player
    visit = await visiting()
    page = await visit.at_score(score.notation_id, user)
    bad = "<img src=x onerror=alert(1)>"
    told = {"enhancements": {"pattern_analysis": {"summary": bad}}, "told": {}}
    made = {"title": bad, "description": "fewer hats", "why": "", "direction": "easier",
            "difficulty_before": 3, "difficulty_after": 2,
            "notation_id": score.notation_id}  # fmt: skip

    async def enhanced(route: Route) -> None:
        await route.fulfill(json=told)

    async def varied(route: Route) -> None:
        await route.fulfill(json={"items": [made], "next_cursor": None})

    await page.route("**/with-enhancements", enhanced)
    await page.route("**/variations", varied)
    await open_teacher(page)
    await page.get_by_text(bad).nth(1).wait_for()
    assert await page.get_by_text(bad).count() == 2
    assert await page.get_by_role("link", name="Open").get_attribute("href") == (
        f"/scores/{score.notation_id}"
    )
    await page.unroute_all()
