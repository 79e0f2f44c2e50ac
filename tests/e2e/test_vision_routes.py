"""Watching the hands through the public API, on both transports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.e2e.conftest import STEPS, System, Transcribed, User
from tests.e2e.test_uploads_tus import begin, outcome, send


@pytest.fixture(scope="module")
async def owner(system: System) -> AsyncIterator[User]:
    one = await system.user()
    yield one
    await one.http.aclose()


@pytest.fixture(scope="module")
async def owned(owner: User, groove_video: Path) -> Transcribed:
    return await owner.transcribed(groove_video, watch=True)


async def test_what_was_seen_is_told_behind_the_gateway_to_its_owner_alone(
    system: System, owner: User, owned: Transcribed
) -> None:
    result = owned.jobs["vision"]["result"]
    path = f"/vision/analysis/{owned.video_id}"
    found = (await owner.http.get(path)).json()
    assert (found["id"], found["usable"]) == (result["analysis_id"], result["usable"])
    assert (found["heard"], found["outdated"]) == (True, False)
    assert found["words"]
    assert found["views"]
    strokes = (await owner.http.get(f"{path}/strokes", params={"limit": 200})).json()["items"]
    assert len(strokes) == result["stroke_count"] == found["stroke_count"]
    assert sum(stroke["hand"] is not None for stroke in strokes) == result["marked_count"]
    sight = (await owner.http.get(f"{path}/sight")).json()
    assert sight["format"] == "backbeat-sight/1"
    assert [stroke["hit"] for stroke in sight["strokes"]] == [stroke["hit"] for stroke in strokes]
    stranger = await system.user()
    assert (await stranger.http.get(path)).status_code == 404
    await stranger.http.aclose()
    async with httpx.AsyncClient(base_url=system.url) as anonymous:
        assert (await anonymous.get(path)).status_code == 401


async def test_another_look_is_a_job_of_its_own_and_counts(owner: User, owned: Transcribed) -> None:
    asked = await owner.http.post(
        "/jobs/",
        json={"video_id": owned.video_id, "job_type": "vision", "options": {"mirrored": True}},
    )
    assert asked.status_code == 202, asked.text
    assert (await owner.job_after(asked.json()["id"]))["status"] == "completed"
    found = (await owner.http.get(f"/vision/analysis/{owned.video_id}")).json()
    assert found["options"]["mirrored"] is True
    # At the route it is the same thing, and there already.
    again = await owner.http.post(f"/vision/analyze/{owned.video_id}", json={"mirrored": True})
    assert (again.status_code, again.json()["status"]) == (202, "completed")
    route = await owner.http.post(f"/vision/analyze/{owned.video_id}", json={"handed": "left"})
    job = await owner.job_after(route.json()["job_id"])
    assert (job["status"], job["job_type"]) == ("completed", "vision")
    wrong = await owner.http.post(
        "/jobs/",
        json={"video_id": owned.video_id, "job_type": "vision", "options": {"offset_s": 9}},
    )
    assert wrong.status_code == 422


async def test_an_upload_may_ask_not_to_be_watched(owner: User, groove_video: Path) -> None:
    video = await owner.upload(groove_video, watch=False)
    assert [job["job_type"] for job in video["jobs"]] == list(STEPS[:3])
    await owner.jobs_after(video["id"])
    answer = await owner.http.get(f"/vision/analysis/{video['id']}")
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (404, "not-seen-yet")
    pointless = await owner.try_upload(groove_video, process=False, watch=True)
    assert pointless.status_code == 422
    assert pointless.json()["type"].endswith("/nothing-to-watch")


async def test_a_resumable_upload_may_ask_not_to_be_watched(
    owner: User, groove_video: Path
) -> None:
    content = groove_video.read_bytes()
    address = await begin(owner, len(content), filename="four bars.mp4", watch="false")
    assert (await send(owner, address, 0, content)).status_code == 204
    told = await outcome(owner, address)
    video = (await owner.http.get(f"/media/videos/{told['video_id']}")).json()
    assert [job["job_type"] for job in video["jobs"]] == list(STEPS[:3])


async def test_a_video_that_is_not_there_cannot_be_looked_at(owner: User) -> None:
    answer = await owner.http.post(f"/vision/analyze/{uuid4()}")
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (
        404,
        "video-not-found",
    )
