"""Media's and jobs' routes, with what they answer."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import STEPS, System, Transcribed, User


@pytest.fixture(scope="module")
async def owner(embedded_system: System) -> AsyncIterator[User]:
    one = await embedded_system.user()
    yield one
    await one.http.aclose()


@pytest.fixture(scope="module")
async def owned(owner: User, groove_video: Path) -> Transcribed:
    return await owner.transcribed(groove_video)


async def pages(user: User, path: str, limit: int) -> list[list[dict[str, Any]]]:
    """All pages of a list."""
    found = []
    params: dict[str, Any] = {"limit": limit}
    while True:
        answer = await user.http.get(path, params=params)
        assert answer.status_code == 200, answer.text
        found.append(answer.json()["items"])
        if answer.json()["next_cursor"] is None:
            return found
        params["cursor"] = answer.json()["next_cursor"]


async def test_pages_keep_their_order_while_more_is_added(drummer: User, mute_video: Path) -> None:
    ids = [(await drummer.upload(mute_video, process=False))["id"] for _ in range(7)]
    newest_first = ids[::-1]
    read = await pages(drummer, "/media/videos/", 3)
    assert [[video["id"] for video in page] for page in read] == [
        newest_first[:3],
        newest_first[3:6],
        newest_first[6:],
    ]
    first = (await drummer.http.get("/media/videos/?limit=3")).json()
    await drummer.upload(mute_video, process=False)
    await drummer.http.delete(f"/media/videos/{newest_first[2]}")
    second = await drummer.http.get(
        "/media/videos/", params={"limit": 3, "cursor": first["next_cursor"]}
    )
    assert [video["id"] for video in second.json()["items"]] == newest_first[3:6]


async def test_a_video_is_shown_with_what_is_in_it(
    owner: User, owned: Transcribed, groove_video: Path
) -> None:
    content = groove_video.read_bytes()
    video = (await owner.http.get(f"/media/videos/{owned.video_id}")).json()
    assert abs(video.pop("duration_seconds") - 9.0) < 0.1
    jobs = video.pop("jobs")
    video.pop("created_at")
    assert video == {
        "id": owned.video_id,
        "filename": "four bars.mp4",
        "content_type": "video/mp4",
        "size_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "container": "mp4",
        "has_video": True,
        "has_audio": True,
        "width": 64,
        "height": 48,
        "frame_rate": 10.0,
        "video_codec": "h264",
        "audio_codec": "aac",
        "browser_playable": True,
        "status": "ready",
        "progress": 1.0,
        "message": jobs[2]["message"],
        "error_code": None,
        "notation_id": owned.notation_id,
    }
    assert [job["job_type"] for job in jobs] == list(STEPS[:3])
    assert len({job["run_id"] for job in jobs}) == 1
    for job in jobs:
        assert (job["status"], job["progress"], job["error_code"]) == ("completed", 1.0, None)
        assert job["created_at"] <= job["started_at"] <= job["finished_at"]


async def test_a_video_is_played_and_known_again_by_its_etag(
    owner: User, owned: Transcribed, groove_video: Path
) -> None:
    path = f"/media/videos/{owned.video_id}/content"
    whole = await owner.http.get(path)
    assert whole.content == groove_video.read_bytes()
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.headers["content-disposition"] == "inline; filename*=UTF-8''four%20bars.mp4"
    again = await owner.http.get(path, headers={"If-None-Match": whole.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_audio_files_are_listed_by_video(
    owner: User, owned: Transcribed, drummer: User
) -> None:
    listed = (await owner.http.get("/media/audio-files/")).json()["items"]
    assert [sound["id"] for sound in listed] == [owned.audio_id]
    assert (listed[0]["video_id"], listed[0]["sample_rate"]) == (owned.video_id, 44_100)
    of_video = await owner.http.get("/media/audio-files/", params={"video_id": owned.video_id})
    assert of_video.json()["items"] == listed
    of_another = await owner.http.get("/media/audio-files/", params={"video_id": owned.audio_id})
    assert of_another.json() == {"items": [], "next_cursor": None}
    assert (await drummer.http.get("/media/audio-files/")).json()["items"] == []


async def test_jobs_are_filtered_and_shown(owner: User, owned: Transcribed) -> None:
    onset = (await owner.http.get("/jobs/", params={"job_type": "onset"})).json()["items"]
    assert [job["id"] for job in onset] == [owned.jobs["onset"]["id"]]
    # 48 are played; soft hats under kicks may be missed, and nothing is invented.
    assert 40 <= onset[0]["result"]["hit_count"] <= 48
    assert round(onset[0]["result"]["tempo_bpm"]) == 120
    params = {"video_id": owned.video_id, "status": "completed"}
    done = (await owner.http.get("/jobs/", params=params)).json()["items"]
    assert {job["job_type"] for job in done} >= {"extraction", "onset", "notation"}
    failed = await owner.http.get("/jobs/", params={"status": "failed"})
    assert failed.json()["items"] == []
    assert (await owner.http.get(f"/jobs/{onset[0]['id']}")).json() == onset[0]


async def test_a_job_asked_for_twice_with_one_key_is_one_job(
    owner: User, owned: Transcribed, drummer: User
) -> None:
    body = {"video_id": owned.video_id, "job_type": "notation", "options": {"title": "Once"}}
    headers = {"Idempotency-Key": "one-job"}
    first = await owner.http.post("/jobs/", json=body, headers=headers)
    second = await owner.http.post("/jobs/", json=body, headers=headers)
    assert first.status_code == second.status_code == 202
    assert first.json() == second.json()
    assert first.headers["location"] == second.headers["location"] == f"/jobs/{first.json()['id']}"
    other = await owner.http.post("/jobs/", json=body | {"options": {}}, headers=headers)
    assert other.status_code == 422
    assert other.json()["type"].endswith("/idempotency-key-reused")
    # A key is its user's own: another neither gets the answer nor is in the way of it.
    stolen = await drummer.http.post("/jobs/", json=body, headers=headers)
    assert stolen.status_code == 404
    job = await owner.job_after(first.json()["id"])
    assert (job["status"], job["options"]["title"]) == ("completed", "Once")
    notation = await owner.http.get(f"/notation/{job['result']['notation_id']}")
    assert notation.json()["title"] == "Once"


async def test_an_upload_sent_twice_with_one_key_is_one_video(
    drummer: User, mute_video: Path
) -> None:
    headers = {"Idempotency-Key": "one-video"}
    first = await drummer.try_upload(mute_video, headers=headers, process=False)
    second = await drummer.try_upload(mute_video, headers=headers, process=False)
    assert first.json() == second.json()
    assert len((await drummer.http.get("/media/videos/")).json()["items"]) == 1


async def test_cancel_retry_and_delete_in_a_storm_leave_no_job_hanging(
    drummer: User, groove_video: Path
) -> None:
    video = await drummer.upload(groove_video)
    jobs = [job["id"] for job in video["jobs"]]
    for _ in range(4):
        storm = [
            call
            for job in jobs
            for call in (
                drummer.http.delete(f"/jobs/{job}"),
                drummer.http.post(f"/jobs/{job}/retry"),
                drummer.http.delete(f"/jobs/{job}"),
                drummer.http.post(f"/jobs/{job}/retry"),
            )
        ]
        answers = await asyncio.gather(*storm)
        assert {answer.status_code for answer in answers} <= {200, 202, 409}
    for job in jobs:
        await drummer.http.post(f"/jobs/{job}/retry")
    # Whatever the order was, each job ends, and asking once more ends in a score.
    await drummer.jobs_after(video["id"])
    retried = await drummer.http.post(f"/jobs/{jobs[0]}/retry")
    assert retried.status_code in (202, 409)
    await drummer.jobs_after(video["id"])
    for job in jobs[1:]:
        await drummer.http.post(f"/jobs/{job}/retry")
        await drummer.jobs_after(video["id"])
    ended = await drummer.jobs_after(video["id"])
    assert {job["status"] for job in ended.values()} == {"completed"}, ended
    gone = await asyncio.gather(
        *[drummer.http.delete(f"/media/videos/{video['id']}") for _ in range(3)],
        *[drummer.http.post(f"/jobs/{job}/retry") for job in jobs],
        *[drummer.http.delete(f"/jobs/{job}") for job in jobs],
    )
    assert max(answer.status_code for answer in gone) < 500
    assert (await drummer.http.get("/jobs/")).json()["items"] == []
