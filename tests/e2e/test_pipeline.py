"""A video in, a score out, over the public API; the same on both transports."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import asyncpg
import mido
import music21
import pytest

from libs.common.storage import Storage
from tests.e2e.conftest import STEPS, System, User
from tests.integration.waiting import until


async def test_an_upload_becomes_a_score_by_itself(user: User, groove_video: Path) -> None:
    done = await user.transcribed(groove_video, watch=True)
    notation = (await user.http.get(f"/notation/{done.notation_id}")).json()
    assert notation["video_id"] == done.video_id
    assert notation["time_signature"] == "4/4"
    assert notation["tempo"] == 120
    assert notation["title"] == "four bars"
    assert 4 <= notation["bar_count"] <= 5
    analysis = (await user.http.get(f"/audio/analysis/{done.audio_id}")).json()
    pieces = {piece["instrument"]: piece["hits"] for piece in analysis["pieces"]}
    assert pieces["kick"] == 8
    assert pieces["snare"] == 8


async def test_progress_is_told_step_by_step_and_never_goes_back(
    user: User, groove_video: Path
) -> None:
    video = await user.upload(groove_video)
    told = await user.events(f"/media/videos/{video['id']}/events")
    assert told[-1][0] == "end"
    for step in STEPS:
        states = [job for kind, _, job in told if kind == "job" and job["job_type"] == step]
        order = ["pending", "running", "completed"]
        ranks = [order.index(job["status"]) for job in states]
        assert ranks == sorted(ranks)
        assert ranks[-1] == 2
        progress = [job["progress"] for job in states]
        assert progress == sorted(progress)
        assert progress[-1] == 1
    ids = [int(event_id) for kind, event_id, _ in told if kind == "job"]
    assert len(set(ids)) == len(ids)


async def test_a_stream_resumes_after_the_last_event(user: User, groove_video: Path) -> None:
    done = await user.transcribed(groove_video)
    path = f"/media/videos/{done.video_id}/events"
    told = await user.events(path)
    newest = max(int(event_id) for kind, event_id, _ in told if kind == "job")
    again = await user.events(path, headers={"Last-Event-ID": str(newest)})
    assert again[-1][0] == "end"
    assert {job["status"] for kind, _, job in again if kind == "job"} <= {"completed"}


@pytest.mark.parametrize(
    ("video", "step", "code"),
    [
        ("mute_video", "extraction", "no-audio-track"),
        ("silent_video", "onset", "audio-silent"),
        ("humming_video", "onset", "no-drums-heard"),
    ],
)
async def test_what_cannot_be_heard_fails_with_its_own_reason(
    user: User, video: str, step: str, code: str, request: pytest.FixtureRequest
) -> None:
    uploaded = await user.upload(request.getfixturevalue(video))
    jobs = await user.jobs_after(uploaded["id"])
    assert (jobs[step]["status"], jobs[step]["error_code"]) == ("failed", code)
    assert jobs[step]["error_message"].endswith(".")
    for skipped in ("notation", "vision"):
        assert (jobs[skipped]["status"], jobs[skipped]["error_code"]) == ("cancelled", "skipped")
    assert (await user.http.get("/notation/")).json()["items"] == []


async def test_a_cancelled_pipeline_stops_and_a_retry_completes_it(
    user: User, groove_video: Path
) -> None:
    video = await user.upload(groove_video)
    by_type = {job["job_type"]: job["id"] for job in video["jobs"]}
    cancelled = await user.http.delete(f"/jobs/{by_type['extraction']}")
    assert cancelled.status_code == 200
    assert cancelled.json()["status"] == "cancelled"
    jobs = await user.jobs_after(video["id"])
    assert {job["status"] for job in jobs.values()} == {"cancelled"}
    # Cancelling twice is fine.
    assert (await user.http.delete(f"/jobs/{by_type['extraction']}")).status_code == 200
    retried = await user.http.post(f"/jobs/{by_type['extraction']}/retry")
    assert retried.status_code == 202
    jobs = await user.jobs_after(video["id"])
    assert {step: job["status"] for step, job in jobs.items()} == dict.fromkeys(STEPS, "completed")
    assert len((await user.http.get("/notation/")).json()["items"]) == 1


async def test_cancelling_a_later_step_keeps_the_earlier_ones(
    user: User, groove_video: Path
) -> None:
    video = await user.upload(groove_video)
    by_type = {job["job_type"]: job["id"] for job in video["jobs"]}
    assert (await user.http.delete(f"/jobs/{by_type['notation']}")).status_code == 200
    jobs = await user.jobs_after(video["id"])
    assert jobs["extraction"]["status"] == "completed"
    assert jobs["onset"]["status"] == "completed"
    assert jobs["notation"]["status"] == "cancelled"
    assert jobs["vision"]["status"] == "completed"
    assert (await user.http.get("/notation/")).json()["items"] == []
    assert (await user.http.post(f"/jobs/{by_type['notation']}/retry")).status_code == 202
    assert (await user.job_after(by_type["notation"]))["status"] == "completed"
    ended = await user.http.delete(f"/jobs/{by_type['notation']}")
    assert (ended.status_code, ended.json()["type"].rpartition("/")[2]) == (409, "job-ended")


ROWS = {
    "media.videos WHERE deleted_at IS NULL AND id": "media",
    "audio.sounds WHERE video_id": "audio",
    "audio.audio_analyses WHERE video_id": "audio",
    "audio.work WHERE video_id": "audio",
    "notation.notations WHERE video_id": "notation",
    "notation.heard WHERE video_id": "notation",
    "vision.video_analyses WHERE video_id": "vision",
    "vision.hearings WHERE video_id": "vision",
    "vision.work WHERE video_id": "vision",
}


async def rows_of(system: System, video_id: str) -> dict[str, int]:
    """How many rows each service still has of a video."""
    connection = await asyncpg.connect(system.database_url)
    try:
        return {
            where: await connection.fetchval(f"SELECT count(*) FROM {where} = $1", video_id)
            for where in ROWS
        }
    finally:
        await connection.close()


async def files_of(storage: Storage, video_id: str) -> list[str]:
    """The keys that still lie in storage for a video."""
    return [key for key in await storage.keys() if video_id in key]


async def test_deleting_a_video_leaves_nothing_anywhere(
    system: System, user: User, groove_video: Path
) -> None:
    done = await user.transcribed(groove_video, watch=True)
    await user.http.get(f"/audio/waveform/{done.audio_id}")
    files = await files_of(system.storage, done.video_id)
    seen = [key for key in files if key.startswith("sight/")]
    assert {key.rpartition("/")[2] for key in seen} >= {"sight.json", "watched.npz"}
    assert len(files) == 4 + len(seen)
    assert (await user.http.delete(f"/media/videos/{done.video_id}")).status_code == 204

    async def gone() -> bool:
        rows = await rows_of(system, done.video_id)
        return not any(rows.values()) and not await files_of(system.storage, done.video_id)

    await until(gone)
    for path in (
        f"/media/videos/{done.video_id}",
        f"/audio/analysis/{done.audio_id}",
        f"/notation/{done.notation_id}",
        f"/jobs/{done.jobs['onset']['id']}",
    ):
        assert (await user.http.get(path)).status_code == 404


async def test_deleting_a_video_in_the_middle_of_its_work_leaves_nothing(
    system: System, user: User, groove_video: Path
) -> None:
    video = await user.upload(groove_video)
    assert (await user.http.delete(f"/media/videos/{video['id']}")).status_code == 204
    # A marker behind it in the same queues: once this one is done, so is the deleted one.
    await user.transcribed(groove_video)

    async def gone() -> bool:
        rows = await rows_of(system, video["id"])
        return not any(rows.values()) and not await files_of(system.storage, video["id"])

    await until(gone)


async def test_deleting_an_account_deletes_all_that_it_owned(
    system: System, user: User, groove_video: Path
) -> None:
    done = await user.transcribed(groove_video)
    assert (await user.http.delete(f"/users/{user.id}")).status_code == 204

    async def gone() -> bool:
        rows = await rows_of(system, done.video_id)
        return not any(rows.values()) and not await files_of(system.storage, done.video_id)

    await until(gone)


async def test_the_walk_through_of_the_first_description_works_call_by_call(
    user: User, groove_video: Path
) -> None:
    video = await user.upload(groove_video)
    extracted = await user.http.post(f"/audio/extract/{video['id']}")
    assert extracted.status_code == 202
    audio_id = extracted.json()["audio_id"]
    job = await user.job_after(extracted.json()["job_id"])
    assert (job["status"], job["result"]["audio_id"]) == ("completed", audio_id)
    detected = await user.http.post(f"/audio/detect-onsets/{audio_id}")
    assert detected.status_code == 202
    assert (await user.job_after(detected.json()["job_id"]))["status"] == "completed"
    classified = await user.http.post(f"/audio/classify-drums/{audio_id}")
    assert (await user.job_after(classified.json()["job_id"]))["status"] == "completed"
    written = await user.http.post(
        "/notation/from-events",
        json={"video_id": video["id"], "tempo": 120, "time_signature": "4/4"},
    )
    assert written.status_code == 201
    assert written.json()["tempo"] == 120
    # The same step with the same options is the same job.
    again = await user.http.post(f"/audio/extract/{video['id']}")
    assert again.json()["job_id"] == extracted.json()["job_id"]
    await user.jobs_after(video["id"])
    audio_files = (await user.http.get("/media/audio-files/")).json()["items"]
    assert [row["id"] for row in audio_files] == [audio_id]


async def test_a_step_can_be_asked_for_as_a_job(user: User, groove_video: Path) -> None:
    done = await user.transcribed(groove_video)
    for job_type, options in (
        ("extraction", {"sample_rate": 22050, "channels": 1}),
        ("extraction", {}),
        ("onset", {"sensitivity": 0.4}),
        ("onset", {}),
        ("classification", {"model": "ear-1"}),
        ("notation", {"tempo": 60, "title": "Slow"}),
    ):
        asked = await user.http.post(
            "/jobs/",
            json={"video_id": done.video_id, "job_type": job_type, "options": options},
        )
        assert asked.status_code == 202, asked.text
        ended = await user.job_after(asked.json()["id"])
        assert ended["status"] == "completed", ended
    slow = (await user.http.get(f"/notation/{ended['result']['notation_id']}")).json()
    assert (slow["title"], slow["tempo"]) == ("Slow", 60)
    rates = {
        row["sample_rate"] for row in (await user.http.get("/media/audio-files/")).json()["items"]
    }
    assert rates == {44100, 22050}


async def test_every_export_is_a_file_that_its_readers_open(user: User, groove_video: Path) -> None:
    done = await user.transcribed(groove_video)
    path = f"/notation/{done.notation_id}/export"
    formats = (await user.http.get("/notation/formats")).json()
    files = {}
    for row in formats:
        answer = await user.http.get(path, params={"format": row["format"]})
        assert answer.status_code == 200, answer.text
        assert (
            answer.headers["content-type"].partition(";")[0] == row["media_type"].partition(";")[0]
        )
        assert "attachment" in answer.headers["content-disposition"]
        files[row["format"]] = answer.content
    score = music21.converter.parseData(files["musicxml"].decode(), format="musicxml")
    assert len(score.parts[0].getElementsByClass("Measure")) in (4, 5)
    midi = mido.MidiFile(file=io.BytesIO(files["midi"]))
    channels = {m.channel for track in midi.tracks for m in track if m.type == "note_on"}
    assert channels == {9}
    assert files["png"].startswith(b"\x89PNG")
    assert files["pdf"].startswith(b"%PDF")


async def test_an_upload_sent_twice_with_one_key_is_one_video(
    system: System, user: User, groove_video: Path
) -> None:
    headers = {"Idempotency-Key": "upload-1"}
    first = await user.try_upload(groove_video, headers=headers)
    second = await user.try_upload(groove_video, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] == second.json()["id"]
    assert len((await user.http.get("/media/videos/")).json()["items"]) == 1
    both = await asyncio.gather(
        *(user.try_upload(groove_video, headers={"Idempotency-Key": "upload-2"}) for _ in range(2))
    )
    assert {answer.status_code for answer in both} <= {201, 409}
    videos = (await user.http.get("/media/videos/")).json()["items"]
    assert len(videos) == 2
    for video in videos:
        await user.jobs_after(video["id"])
    kept = [key for key in await system.storage.keys("videos") if key.endswith("/original")]
    assert {key.split("/")[1] for key in kept} >= {video["id"] for video in videos}


async def test_all_steps_of_fifty_uploads_at_once_complete(
    embedded_system: System, drummer: User, groove_video: Path
) -> None:
    videos = await asyncio.gather(*(drummer.upload(groove_video) for _ in range(50)))
    assert len({video["id"] for video in videos}) == 50
    for video in videos:
        jobs = await drummer.jobs_after(video["id"])
        assert {job["status"] for job in jobs.values()} == {"completed"}
    page = (await drummer.http.get("/notation/", params={"limit": 200})).json()
    assert len(page["items"]) == 50


async def test_a_script_that_does_not_wait_gets_its_score_all_the_same(
    user: User, groove_video: Path
) -> None:
    video = await user.upload(groove_video)
    extracted = await user.http.post(f"/audio/extract/{video['id']}")
    detected = await user.http.post(f"/audio/detect-onsets/{extracted.json()['audio_id']}")
    assert detected.status_code == 202, detected.text
    written = await user.http.post("/notation/from-events", json={"video_id": video["id"]})
    assert written.status_code == 201, written.text
    assert written.json()["time_signature"] == "4/4"


async def test_a_fast_cancel_and_retry_of_the_score_ends_in_one_score(
    user: User, groove_video: Path
) -> None:
    video = await user.upload(groove_video)
    job_id = next(job["id"] for job in video["jobs"] if job["job_type"] == "notation")
    for _ in range(3):
        assert (await user.http.delete(f"/jobs/{job_id}")).status_code in (200, 409)
        assert (await user.http.post(f"/jobs/{job_id}/retry")).status_code in (202, 409)
    jobs = await user.jobs_after(video["id"])
    assert {job["status"] for job in jobs.values()} == {"completed"}
    assert len((await user.http.get("/notation/")).json()["items"]) == 1
