"""The eye in the whole system: rendered players' films in, hands on the score out, and a reason
where there are none.

What is asserted of hands holds with the pose network and without it: how many there are right is
measured by benchmarks.seeing.
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import asyncpg
import av
import cv2
import music21
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.seeing.drummer.camera import Camera
from benchmarks.seeing.drummer.film import Film, Take, write
from benchmarks.seeing.speed import repeat
from libs.common.drums import FEET, DrumPiece
from services.vision import weights
from services.vision.domain.views import WORDS
from tests.e2e.conftest import System, Transcribed, User
from tests.integration.waiting import until
from tests.unit.vision.seeing import filmed, moving_pictures

OFFSET_S = 0.08
DURATION_S = 8.0
SIZE = (320, 180)
OTHER = {"R": "L", "L": "R", "B": "B", None: None}


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("films")


@pytest.fixture(scope="session")
def ride_film(films: Path) -> Path:
    """Eight seconds of a groove with the ride, from the front and above."""
    path = films / "ride groove.mp4"
    write(filmed("front-high", groove="ride", seed=2, size=SIZE, offset_s=OFFSET_S), path)
    return path


@pytest.fixture(scope="session")
def short_film(films: Path) -> Path:
    path = films / "short.mp4"
    write(filmed("front-high", groove="ride", seed=2, size=SIZE, duration_s=4), path)
    return path


@dataclass(frozen=True)
class Seen:
    """A film that went through the system."""

    film: Transcribed
    analysis: dict[str, Any]
    strokes: list[dict[str, Any]]


async def analysis_of(user: User, video_id: str) -> dict[str, Any]:
    answer = await user.http.get(f"/vision/analysis/{video_id}")
    assert answer.status_code == 200, answer.text
    analysis: dict[str, Any] = answer.json()
    return analysis


async def strokes_of(user: User, video_id: str) -> list[dict[str, Any]]:
    answer = await user.http.get(f"/vision/analysis/{video_id}/strokes", params={"limit": 200})
    strokes: list[dict[str, Any]] = answer.json()["items"]
    return strokes


@pytest.fixture(scope="module")
async def owner(system: System) -> AsyncIterator[User]:
    one = await system.user()
    yield one
    await one.http.aclose()


@pytest.fixture(scope="module")
async def seen(owner: User, ride_film: Path) -> Seen:
    film = await owner.transcribed(ride_film, watch=True)
    return Seen(
        film, await analysis_of(owner, film.video_id), await strokes_of(owner, film.video_id)
    )


async def test_a_drummers_film_says_what_its_view_is_good_for_and_how_far_its_sound_lies(
    seen: Seen,
) -> None:
    message = seen.film.jobs["vision"]["message"]
    if seen.analysis["usable"]:
        marked, count = seen.analysis["marked_count"], seen.analysis["stroke_count"]
        assert message == f"Hands told for {marked} of {count} strokes"
    else:
        assert message == seen.analysis["words"] == WORDS[seen.analysis["reason"]]
    assert (seen.analysis["width"], seen.analysis["height"]) == SIZE
    assert seen.analysis["duration_seconds"] == pytest.approx(DURATION_S, abs=0.2)
    [view] = seen.analysis["views"]
    assert view["usable"] is seen.analysis["usable"] is (view["reasons"] == [])
    assert view["words"].endswith(".")
    # Found by motion, with the network or without; told only where it is sure.
    if seen.analysis["sync"] is not None:
        assert seen.analysis["sync"]["offset_s"] == pytest.approx(OFFSET_S, abs=0.03)
    if weights.state() == "whole":
        assert (view["bodies"], seen.analysis["missing"]) == (pytest.approx(1, abs=0.3), [])
        assert view["body_share"] > 0.9
    else:
        assert (seen.analysis["reason"], seen.analysis["missing"]) == (
            "weights-missing",
            ["pose-weights"],
        )


async def test_each_hit_of_the_hands_has_a_stroke_and_no_foot_has_a_hand(
    owner: User, seen: Seen
) -> None:
    notation = (await owner.http.get(f"/notation/{seen.film.notation_id}")).json()
    events = notation["notation_json"]["performance"]["events"]
    hits = {event["id"]: event for event in events if DrumPiece(event["piece"]) not in FEET}
    assert {stroke["hit"] for stroke in seen.strokes} == set(hits)
    for stroke in seen.strokes:
        assert stroke["instrument"] == hits[stroke["hit"]]["piece"]
        assert stroke["time_seconds"] == pytest.approx(hits[stroke["hit"]]["onset_s"], abs=0.001)
        assert stroke["hand"] is None or stroke["confidence"] >= 0.5
    marked = sum(stroke["hand"] is not None for stroke in seen.strokes)
    result = seen.film.jobs["vision"]["result"]
    assert marked == result["marked_count"] == seen.analysis["marked_count"]
    assert marked <= len(seen.strokes) == result["stroke_count"]
    assert bool(marked) <= seen.analysis["usable"]
    assert sum(seen.analysis["hands"].values()) == len(seen.strokes)


async def hands_on_score(user: User, notation_id: str) -> dict[str, str | None]:
    """By note, of those that hands play."""
    notation = (await user.http.get(f"/notation/{notation_id}")).json()
    return {
        note["id"]: note.get("sticking")
        for bar in notation["notation_json"]["score"]["bars"]
        for voice in bar["voices"]
        for event in voice["events"]
        for note in event.get("notes", [])
        if DrumPiece(note["piece"]) not in FEET
    }


async def is_on_score(user: User, notation_id: str, told: dict[str, str | None]) -> None:
    """Return once the notes have these hands."""

    async def same() -> bool:
        hands = await hands_on_score(user, notation_id)
        return hands == {name: told[name] for name in hands}

    await until(same)


async def test_what_was_seen_comes_onto_the_score_as_a_version_and_another_look_replaces_it(
    system: System, owner: User, seen: Seen
) -> None:
    video_id, notation_id = seen.film.video_id, seen.film.notation_id
    told = {stroke["hit"]: stroke["hand"] for stroke in seen.strokes}
    await is_on_score(owner, notation_id, told)
    answer = await owner.http.post(
        "/jobs/", json={"video_id": video_id, "job_type": "vision", "options": {"mirrored": True}}
    )
    assert answer.status_code == 202, answer.text
    again = await owner.job_after(answer.json()["id"])
    assert again["status"] == "completed"
    swapped = {name: OTHER[hand] for name, hand in told.items()}
    now = await strokes_of(owner, video_id)
    assert {stroke["hit"]: stroke["hand"] for stroke in now} == swapped
    await is_on_score(owner, notation_id, swapped)
    # No frame was taken a second time: both looks share what the frames gave.
    assert len(set(await watched_keys(system, video_id))) == 1
    kept = await system.storage.keys(f"sight/{video_id}")
    assert sum(key.endswith("watched.npz") for key in kept) == 1
    versions = (await owner.http.get(f"/notation/{notation_id}/versions")).json()
    by_vision = [version for version in versions if version["author"] == "vision"]
    if seen.analysis["marked_count"]:
        # The first look may have been there before the score was.
        assert len(by_vision) in (1, 2)
        assert by_vision[0]["change"].startswith("Hands seen in the video: ")
        await letters_are_in_the_files(owner, notation_id)
    else:
        assert by_vision == []


async def watched_keys(system: System, video_id: str) -> list[str]:
    """Of each look at the video."""
    connection = await asyncpg.connect(system.database_url)
    try:
        rows = await connection.fetch(
            "SELECT watched_key FROM vision.video_analyses WHERE video_id = $1", video_id
        )
    finally:
        await connection.close()
    assert len(rows) == 2
    return [row["watched_key"] for row in rows]


async def letters_are_in_the_files(user: User, notation_id: str) -> None:
    """Where the score shows a hand, so do its files."""
    read = (await user.http.get(f"/notation/{notation_id}")).json()
    shown = await user.http.put(
        f"/notation/{notation_id}",
        json={"operations": [{"op": "set-sticking-shown", "shown": "all"}]},
        headers={"If-Match": f'"{read["version"]}"'},
    )
    assert shown.status_code == 200, shown.text
    hands = await hands_on_score(user, notation_id)
    files = {}
    for kind in ("musicxml", "tab", "json"):
        answer = await user.http.get(f"/notation/{notation_id}/export", params={"format": kind})
        assert answer.status_code == 200, answer.text
        files[kind] = answer.text
    score = music21.converter.parseData(files["musicxml"], format="musicxml")
    letters = [lyric.text for note in score.recurse().notes for lyric in note.lyrics]
    assert set(letters) == {hand for hand in hands.values() if hand}
    # Two hands' notes struck at once by one hand share a letter.
    assert 0 < len(letters) <= sum(hand is not None for hand in hands.values())
    assert "sticking" in files["tab"]
    assert files["json"].count('"sticking_source":') >= sum(h is not None for h in hands.values())


async def test_deleting_the_video_takes_what_was_seen_with_it(
    embedded_system: System, drummer: User, short_film: Path
) -> None:
    storage = embedded_system.storage
    video = await drummer.upload(short_film)
    await drummer.jobs_after(video["id"])
    kept = await storage.keys(f"sight/{video['id']}")
    assert {"sight.json", "watched.npz", "still-1.jpg"} <= {key.rpartition("/")[2] for key in kept}
    assert (await drummer.http.delete(f"/media/videos/{video['id']}")).status_code == 204

    async def gone() -> bool:
        return not await storage.keys(f"sight/{video['id']}")

    await until(gone)
    answer = await drummer.http.get(f"/vision/analysis/{video['id']}")
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (
        404,
        "video-not-found",
    )


class Pattern:
    """A camera that shows no drummer: a pattern slides by."""

    width, height = SIZE

    def __init__(self) -> None:
        self.pictures = iter(moving_pictures(int(DURATION_S * 25), *SIZE))

    def frame(self, *args: Any) -> NDArray[np.uint8]:
        """The next one."""
        return next(self.pictures)


def pattern_film() -> Film:
    film = filmed(groove="rock", size=SIZE)
    take = Take(cast(Camera, Pattern()))
    return Film(film.strokes, film.drummer, [take], DURATION_S, fps=25)


def pov_film() -> Film:
    return filmed("pov", groove="rock", seed=4, size=SIZE, offset_s=OFFSET_S)


@pytest.mark.parametrize("kind", ["pov", "pattern"])
async def test_a_film_without_hands_has_its_score_and_says_why_it_has_none(
    drummer: User, films: Path, kind: str
) -> None:
    path = films / f"{kind}.mp4"
    write(pov_film() if kind == "pov" else pattern_film(), path)
    done = await drummer.transcribed(path, watch=True)
    analysis = await analysis_of(drummer, done.video_id)
    result = done.jobs["vision"]["result"]
    assert (analysis["usable"], result["usable"]) == (False, False)
    assert analysis["reason"] == result["reason"]
    assert analysis["reason"] in (
        ("nobody-seen", "wrists-hidden") if weights.state() == "whole" else ("weights-missing",)
    )
    assert analysis["words"] == WORDS[analysis["reason"]]
    assert {view["usable"] for view in analysis["views"]} == {False}
    assert {stroke["hand"] for stroke in await strokes_of(drummer, done.video_id)} == {None}
    assert set((await hands_on_score(drummer, done.notation_id)).values()) == {None}
    assert analysis["links"]["clip"] is None
    assert analysis["links"]["stills"]
    still = await drummer.http.get(analysis["links"]["stills"][0])
    picture = cv2.imdecode(np.frombuffer(still.content, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    versions = (await drummer.http.get(f"/notation/{done.notation_id}/versions")).json()
    assert len(versions) == 1


async def test_a_film_without_sound_is_not_looked_at_by_itself_and_says_so_when_asked(
    drummer: User, films: Path
) -> None:
    path = films / "mute.mp4"
    write(filmed("front-high", duration_s=3, size=SIZE), path, sound=False)
    video = await drummer.upload(path)
    jobs = await drummer.jobs_after(video["id"])
    assert (jobs["extraction"]["status"], jobs["extraction"]["error_code"]) == (
        "failed",
        "no-audio-track",
    )
    assert (jobs["vision"]["status"], jobs["vision"]["error_code"]) == ("cancelled", "skipped")
    asked = await drummer.http.post(f"/vision/analyze/{video['id']}")
    assert asked.status_code == 202, asked.text
    job = await drummer.job_after(asked.json()["job_id"])
    assert (job["status"], job["result"]["usable"]) == ("completed", False)
    analysis = await analysis_of(drummer, video["id"])
    assert (analysis["heard"], analysis["stroke_count"], analysis["sync"]) == (False, 0, None)
    assert analysis["reason"] in ("nothing-heard", "weights-missing")
    assert analysis["words"] == WORDS[analysis["reason"]]


def spoilt(path: Path) -> bytes:
    """The film with its pictures of the third second overwritten; the sound is whole."""
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(1)
    with av.open(io.BytesIO(bytes(content))) as container:
        for packet in container.demux(video=0):
            if packet.pos is None or packet.pts is None or packet.time_base is None:
                continue
            if 3 <= packet.pts * packet.time_base < 4:
                # Its length stays, so that the next one is found.
                start = packet.pos + 5
                garbage = rng.integers(0, 256, max(0, packet.size - 5), np.uint8).tobytes()
                content[start : start + len(garbage)] = garbage
    return bytes(content)


async def test_a_film_that_is_broken_in_the_middle_is_looked_at_before_and_after(
    drummer: User, films: Path, ride_film: Path
) -> None:
    path = films / "broken.mp4"
    path.write_bytes(spoilt(ride_film))
    done = await drummer.transcribed(path, watch=True)
    analysis = await analysis_of(drummer, done.video_id)
    assert analysis["decode_errors"] > 0
    assert analysis["duration_seconds"] == pytest.approx(DURATION_S, abs=0.5)
    assert analysis["words"]
    strokes = await strokes_of(drummer, done.video_id)
    assert len(strokes) == analysis["stroke_count"] > 0


async def test_a_look_that_is_cancelled_half_way_leaves_the_score_and_nothing_else(
    embedded_system: System, drummer: User, films: Path, short_film: Path
) -> None:
    path = films / "long.mp4"
    repeat(short_film, path, 40)
    video = await drummer.upload(path)
    job_id = next(job["id"] for job in video["jobs"] if job["job_type"] == "vision")

    async def is_half_way() -> bool:
        job = (await drummer.http.get(f"/jobs/{job_id}")).json()
        assert job["status"] in ("pending", "running"), job
        return bool(job["status"] == "running" and job["progress"] > 0)

    await until(is_half_way)
    cancelled = await drummer.http.delete(f"/jobs/{job_id}")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    jobs = await drummer.jobs_after(video["id"])
    assert {step: job["status"] for step, job in jobs.items()} == {
        "extraction": "completed",
        "onset": "completed",
        "notation": "completed",
        "vision": "cancelled",
    }
    answer = await drummer.http.get(f"/vision/analysis/{video['id']}")
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (404, "not-seen-yet")
    # What comes next in the same queue is looked at, by another child.
    after = await drummer.upload(short_film)
    assert (await drummer.jobs_after(after["id"]))["vision"]["status"] == "completed"
    assert await embedded_system.storage.keys(f"sight/{video['id']}") == []
