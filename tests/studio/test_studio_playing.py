"""Playing along: the right moment, the right speed, and the sound that belongs to it."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.async_api import Page, Route

from backbeat.drumsounds import SAMPLE_RATE
from libs.common.drums import DrumPiece
from services.gateway.studio import FOLDER
from tests.e2e.conftest import Transcribed, User
from tests.integration.waiting import until
from tests.studio.acting import (
    choose,
    comes_true,
    panel,
    playable,
    plays_past,
    recording_time,
    says,
    view_of,
)
from tests.studio.conftest import Visit, Visiting, drawn
from tests.synth import tone
from tests.videos import make_video

FRAME_S = 1 / 30
TAPPED = """() => {
  // All that the page's own sounds do: when each is to start, and what comes out of them together.
  window.struck = [];
  const start = AudioBufferSourceNode.prototype.start;
  AudioBufferSourceNode.prototype.start = function (when, ...more) {
    const { context, buffer } = this;
    const video = document.querySelector(".screen video");
    const late_s = context.outputLatency || context.baseLatency || 0;
    const ahead_s = when - context.currentTime + late_s;
    window.struck.push({
      long_s: Math.round(100 * buffer.duration) / 100,
      when,
      time_s: video.currentTime + ahead_s * video.playbackRate,
      paused: video.paused,
    });
    return start.call(this, when, ...more);
  };
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (to, ...more) {
    if (to === this.context.destination) {
      window.heard ??= this.context.createAnalyser();
      connect.call(this, window.heard);
    }
    return connect.call(this, to, ...more);
  };
}"""
LONG_S = {"hat-closed": 0.16, "kick": 0.45, "snare": 0.35, "click": 0.05, "click-down": 0.06}
"""Lengths tell sounds apart (score/drums.js)."""


@dataclass
class Rehearsal:
    """The demo in a browser, and what stands in it."""

    visit: Visit
    page: Page
    view: dict[str, Any]

    def bar(self, number: int) -> dict[str, Any]:
        return next(bar for bar in self.view["bars"] if bar["bar"] == number)

    @property
    def beats(self) -> list[float]:
        return [beat for bar in self.view["bars"] for beat in bar["beats"]]

    async def struck(self, name: str) -> list[dict[str, Any]]:
        """What was started of a sound so far."""
        every: list[dict[str, Any]] = await self.page.evaluate("window.struck")
        return [each for each in every if each["long_s"] == LONG_S[name]]


@pytest.fixture
async def rehearsal(visiting: Visiting) -> Rehearsal:
    visit = await visiting()
    await visit.page.add_init_script(f"({TAPPED})()")
    page = await visit.open("/demo")
    await drawn(page)
    await playable(page)
    return Rehearsal(visit, page, json.loads((FOLDER / "demo" / "view-200.json").read_text()))


async def rests_at(page: Page, time_s: float, within_s: float = FRAME_S) -> None:
    """Wait until the recording stands still at a second."""
    await comes_true(
        page,
        """([time_s, within_s]) => {
          const video = document.querySelector(".screen video");
          return video.paused && !video.seeking && Math.abs(video.currentTime - time_s) < within_s;
        }""",
        [time_s, within_s],
    )


def assert_near(times: list[float], places: list[float]) -> None:
    """Each time lies at a place. The median tells how well; a single one is read off late where
    the machine has other work to do."""
    away = [min(abs(time - place) for place in places) for time in times]
    assert np.median(away) < 0.02
    assert max(away) < 0.06


async def is_playing(page: Page, playing: bool) -> None:
    await comes_true(
        page, "(on) => document.querySelector('.screen video').paused === !on", playing
    )


async def test_a_click_on_a_note_goes_to_its_moment_and_marks_it(
    visiting: Visiting, player: tuple[User, Transcribed]
) -> None:
    user, made = player
    page = await (await visiting()).at_score(made.notation_id, user)
    await playable(page)
    view = await view_of(user, made.notation_id)
    by_bar = {note["bar"]: note for note in view["notes"] if note["piece"] == "snare"}
    for bar in (3, 7, 2):
        note = by_bar[bar]
        await choose(page, note["id"])
        # It is heard for a moment, and the recording then stands where it was struck.
        await rests_at(page, note["played_s"])
        assert await page.locator(f'.system g.note[id="{note["id"]}"].selected').count() == 1
        assert f"bar {bar}" in (await page.locator(".clock").text_content() or "")
    # Beside a note the recording goes to where the page was clicked.
    last = view["bars"][-1]
    box = await page.locator(f'.system [id="{last["id"]}"]').bounding_box()
    assert box is not None
    await page.mouse.click(box["x"] + box["width"] - 6, box["y"] + box["height"] / 2)
    await says(page.locator(".clock"), f"bar {last['bar']}")
    assert not await page.locator(".system g.note.selected").count()


async def test_bars_loop_until_one_says_to_play_on(rehearsal: Rehearsal) -> None:
    page = rehearsal.page
    body = await panel(page, "Practise")
    await body.get_by_label("From bar").fill("3")
    await body.get_by_label("To bar").fill("3")
    await body.get_by_label("To bar").press("Enter")
    await says(page.locator(".loop-bars"), "3–3")
    start_s, end_s = (rehearsal.bar(3)[edge] for edge in ("start_s", "end_s"))
    await page.evaluate(
        """() => {
          const video = document.querySelector(".screen video");
          window.times = [];
          const look = () => {
            if (!video.paused && !video.seeking) window.times.push(video.currentTime);
            requestAnimationFrame(look);
          };
          look();
        }"""
    )
    await page.get_by_test_id("play").click()
    turns = "() => window.times.filter((t, i) => i && t < window.times[i - 1] - 1).length >= 2"
    await comes_true(page, turns)
    times = await page.evaluate("window.times")
    assert min(times) > start_s - 0.05
    assert max(times) < end_s + 0.15
    await page.get_by_role("button", name="Bars 3 to 3 loop").click()
    await plays_past(page, end_s + 0.5)


async def test_a_sweep_over_bars_loops_them(rehearsal: Rehearsal) -> None:
    page = rehearsal.page
    first = await page.locator('.system [id="P1-bar-2"]').bounding_box()
    last = await page.locator('.system [id="P1-bar-3"]').bounding_box()
    assert first is not None
    assert last is not None
    await page.mouse.move(first["x"] + 30, first["y"] - 10)
    await page.mouse.down()
    await page.mouse.move(last["x"] + last["width"] / 2, last["y"] + 10, steps=5)
    await page.mouse.up()
    await says(page.locator(".loop-bars"), "2–3")
    await page.keyboard.press("l")
    await page.locator(".loop-bars").wait_for(state="detached")


async def test_a_quarter_of_the_speed_keeps_the_pitch(visiting: Visiting, tmp_path: Path) -> None:
    hum = make_video(tmp_path / "hum.mp4", tone(440.0, 20.0)).read_bytes()

    async def hums(route: Route) -> None:
        await route.fulfill(body=hum, content_type="video/mp4", headers={"Accept-Ranges": "none"})

    visit = await visiting()
    await visit.page.route("**/demo.mp4", hums)
    page = await visit.open("/demo")
    await drawn(page)
    await playable(page)
    await page.get_by_test_id("rate").select_option(label="25 %")
    await page.get_by_test_id("play").click()
    await plays_past(page, 0.2)
    before_s = await recording_time(page)
    peak_hz, level_db = await page.evaluate(
        """async () => {
          const context = new AudioContext();
          await context.resume();
          const analyser = context.createAnalyser();
          analyser.fftSize = 32768;
          analyser.smoothingTimeConstant = 0;
          const video = document.querySelector(".screen video");
          context.createMediaElementSource(video).connect(analyser);
          analyser.connect(context.destination);
          // Until the window is full of sound.
          const full_s = context.currentTime + 1.2;
          while (context.currentTime < full_s) await new Promise((next) => setTimeout(next, 20));
          const bins = new Float32Array(analyser.frequencyBinCount);
          analyser.getFloatFrequencyData(bins);
          const peak = bins.indexOf(Math.max(...bins));
          return [(peak * context.sampleRate) / analyser.fftSize, bins[peak]];
        }"""
    )
    assert level_db > -40
    assert abs(peak_hz - 440) < 5
    gone_s = await recording_time(page) - before_s
    assert gone_s < 1.2


async def samples_of_all(page: Page) -> dict[str, NDArray[np.float32]]:
    """One stroke of each sound that the page makes."""
    coded = await page.evaluate(
        """async (rate) => {
          const { SOUNDS, samplesOf } = await import(
            document.querySelector('link[href$="score/drums.js"]').href
          );
          const text = (samples) => {
            const bytes = new Uint8Array(samples.buffer);
            let all = "";
            for (let i = 0; i < bytes.length; i += 8192)
              all += String.fromCharCode(...bytes.subarray(i, i + 8192));
            return btoa(all);
          };
          return Object.fromEntries(SOUNDS.map((name) => [name, text(samplesOf(name, rate))]));
        }""",
        SAMPLE_RATE,
    )
    return {name: np.frombuffer(base64.b64decode(text), np.float32) for name, text in coded.items()}


def brightness_hz(samples: NDArray[np.float32]) -> float:
    """The spectrum's centre of mass."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    return float(np.average(np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE), weights=power))


async def test_every_piece_has_a_sound_that_fits_it(visiting: Visiting) -> None:
    visit = await visiting()
    sounds = await samples_of_all(await visit.open("/"))
    assert sounds.keys() == {piece.value for piece in DrumPiece} | {"click", "click-down"}
    for name, samples in sounds.items():
        assert np.isfinite(samples).all(), name
        peak = float(np.abs(samples).max())
        assert 0.2 < peak < 1, name
        # Not cut off, and nothing clipped: the top is touched, and not lain on.
        assert abs(samples[-1]) < 1e-3, name
        assert np.mean(np.abs(samples) > 0.999 * peak) < 0.01, name
        # A stroke, not a swell.
        assert np.abs(samples).argmax() < 0.12 * SAMPLE_RATE, name
    bright = {name: brightness_hz(samples) for name, samples in sounds.items()}
    assert bright["kick"] < bright["tom-floor"] < bright["tom-mid"] < bright["tom-high"]
    assert bright["tom-high"] < bright["snare"] < bright["hat-closed"]
    assert bright["click"] < bright["click-down"]


async def test_drums_from_the_score_sound_when_they_were_played_but_for_muted_ones(
    rehearsal: Rehearsal,
) -> None:
    page = rehearsal.page
    body = await panel(page, "Mix")
    await body.get_by_role("button", name="Drums only").click()
    assert await page.evaluate("document.querySelector('.screen video').muted")
    await page.get_by_test_id("play").click()
    await plays_past(page, 3.2)
    loudest = await page.evaluate(
        """async () => {
          const heard = new Float32Array(window.heard.fftSize);
          let most = 0;
          for (let i = 0; i < 60; i++) {
            window.heard.getFloatTimeDomainData(heard);
            most = heard.reduce((high, x) => Math.max(high, Math.abs(x)), most);
            await new Promise((next) => setTimeout(next, 10));
          }
          return most;
        }"""
    )
    assert 0.02 < loudest <= 1
    for name in ("kick", "snare", "hat-closed"):
        when = [
            note["played_s"]
            for note in rehearsal.view["notes"]
            if note["piece"] == name and not note.get("grace")
        ]
        struck = [each["time_s"] for each in await rehearsal.struck(name)]
        assert struck
        assert_near(struck, when)
        due = [w for w in when if w < 3]
        assert_near(due, struck)
    await body.get_by_role("button", name="Mute hi-hat").click()
    dim = page.locator(".system g.note.dim")
    hats = [note for note in rehearsal.view["notes"] if note["piece"] == "hat-closed"]
    assert await dim.count() == len(hats)
    here = await recording_time(page)
    # What was started before may lie a little ahead.
    await plays_past(page, here + 2)
    late = [each for each in await rehearsal.struck("hat-closed") if each["time_s"] > here + 0.3]
    assert late == []
    assert [each for each in await rehearsal.struck("kick") if each["time_s"] > here + 0.3]


async def test_the_metronome_clicks_on_the_beats_at_any_speed(rehearsal: Rehearsal) -> None:
    page = rehearsal.page
    await page.get_by_role("button", name="Metronome").click()
    downs = [bar["beats"][0] for bar in rehearsal.view["bars"]]
    for rate, until_s in (("100 %", 2.5), ("50 %", 3.8)):
        await page.get_by_test_id("rate").select_option(label=rate)
        await page.evaluate("window.struck.length = 0")
        begin_s = await recording_time(page)
        await page.get_by_test_id("play").click()
        await plays_past(page, until_s)
        await page.get_by_test_id("play").click()
        high = [each["time_s"] for each in await rehearsal.struck("click-down")]
        clicks = sorted(high + [each["time_s"] for each in await rehearsal.struck("click")])
        assert_near(clicks, rehearsal.beats)
        assert_near(high, downs)
        passed = [beat for beat in rehearsal.beats if begin_s + 0.1 < beat < until_s - 0.1]
        assert_near(passed, clicks)
        # Each once.
        assert min(np.diff(clicks)) > 0.4


async def test_a_bar_is_counted_before_the_recording_begins(rehearsal: Rehearsal) -> None:
    page = rehearsal.page
    await page.keyboard.press(".")
    await page.keyboard.press(".")
    await rests_at(page, rehearsal.bar(3)["start_s"])
    await page.get_by_role("button", name="Count-in").click()
    await page.evaluate(
        """() => {
          window.counted = [];
          new MutationObserver(() => {
            const shown = document.querySelector("output.counting")?.textContent;
            if (shown && shown !== window.counted.at(-1)) window.counted.push(shown);
          }).observe(document.body, { subtree: true, childList: true, characterData: true });
        }"""
    )
    await page.get_by_test_id("play").click()
    await is_playing(page, True)
    assert await page.evaluate("window.counted") == ["4", "3", "2", "1"]
    await page.get_by_test_id("play").click()
    clicks = [*await rehearsal.struck("click-down"), *await rehearsal.struck("click")]
    when = [each["when"] for each in sorted(clicks, key=lambda each: float(each["when"]))]
    bar = rehearsal.bar(3)
    np.testing.assert_allclose(np.diff(when), (bar["end_s"] - bar["start_s"]) / 4, atol=1e-3)
    assert [each["paused"] for each in clicks] == [True] * 4
    # It can be called off.
    await page.get_by_test_id("play").click()
    await page.locator("output.counting").wait_for()
    await page.get_by_test_id("play").click()
    await page.locator("output.counting").wait_for(state="detached")
    assert await page.get_by_test_id("play").get_attribute("aria-label") == "Play"


async def test_keys_play_stop_and_go_about(rehearsal: Rehearsal) -> None:
    page = rehearsal.page
    await page.locator(".sheet").focus()
    await page.keyboard.press("Space")
    await is_playing(page, True)
    await plays_past(page, 0.3)
    await page.keyboard.press("Space")
    await is_playing(page, False)
    await page.keyboard.press(".")
    await rests_at(page, rehearsal.bar(2)["start_s"])
    await page.keyboard.press(".")
    await rests_at(page, rehearsal.bar(3)["start_s"])
    await page.keyboard.press(",")
    await rests_at(page, rehearsal.bar(2)["start_s"])
    await page.keyboard.press("Home")
    await rests_at(page, 0)
    for key, shown in (("[", 0.95), ("[", 0.9), ("]", 0.95)):
        await page.keyboard.press(key)
        await comes_true(
            page, "(r) => document.querySelector('.screen video').playbackRate === r", shown
        )
    for key, name in (("m", "Metronome"), ("i", "Count-in"), ("l", "loop")):
        button = page.locator(".transport").get_by_role("button", name=name)
        assert await button.get_attribute("aria-pressed") == "false"
        await page.keyboard.press(key)
        await says(page.locator(f'.transport button[aria-label*="{name}"][aria-pressed=true]'), "")
    await page.keyboard.press("+")
    await says(page.locator(".zoom"), "115 %")
    # On a button the space bar presses the button, and nothing else.
    await page.keyboard.press("i")
    await page.get_by_role("button", name="Metronome").focus()
    await page.keyboard.press("Space")
    assert await page.evaluate("document.querySelector('.screen video').paused")
    assert (
        await page.get_by_role("button", name="Metronome").get_attribute("aria-pressed") == "false"
    )


async def test_the_waveform_seeks_by_mouse_and_keys(rehearsal: Rehearsal) -> None:
    page = rehearsal.page
    slider = page.get_by_role("slider", name="Place in the recording")
    box = await slider.bounding_box()
    assert box is not None
    whole_s = await page.evaluate("document.querySelector('.screen video').duration")
    await page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 10)
    await rests_at(page, whole_s / 2, 0.1)
    await slider.focus()
    await page.keyboard.press("ArrowRight")
    await rests_at(page, whole_s / 2 + 1, 0.1)
    await page.keyboard.press("Home")
    await rests_at(page, 0)

    async def tells() -> bool:
        return await slider.get_attribute("aria-valuetext") == "0:00.0"

    await until(tells)
