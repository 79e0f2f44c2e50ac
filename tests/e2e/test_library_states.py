"""What the list of videos tells of each: how far it is and what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.engine import Engine

from services.media.models import ProcessingJob
from tests.e2e.conftest import User
from tests.recordings import make_recording
from tests.synth import groove

SUMMARY = ("status", "progress", "message", "error_code", "notation_id")


async def listed(user: User) -> dict[str, dict[str, Any]]:
    answer = await user.http.get("/media/videos/")
    assert answer.status_code == 200, answer.text
    return {video["id"]: video for video in answer.json()["items"]}


def summary(video: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(video[name] for name in SUMMARY)


async def test_a_video_is_stored_processing_ready_failed_or_cancelled(
    drummer: User, groove_video: Path, mute_video: Path
) -> None:
    stored = (await drummer.upload(mute_video, process=False))["id"]
    mute = await drummer.upload(mute_video)
    assert mute["status"] == "processing"
    assert mute["progress"] == 0
    await drummer.jobs_after(mute["id"])
    done = await drummer.transcribed(groove_video)
    cancelled = await drummer.upload(groove_video)
    await drummer.http.delete(f"/jobs/{cancelled['jobs'][0]['id']}")
    await drummer.jobs_after(cancelled["id"])
    found = await listed(drummer)
    assert summary(found[stored]) == ("stored", 0, None, None, None)
    ready = found[done.video_id]
    assert summary(ready)[:2] == ("ready", 1)
    assert ready["message"].endswith("notes")
    assert ready["notation_id"] == done.notation_id
    failed = found[mute["id"]]
    assert failed["status"] == "failed"
    step = (await drummer.http.get(f"/media/videos/{mute['id']}")).json()["jobs"][0]
    assert (failed["message"], failed["error_code"]) == (step["error_message"], step["error_code"])
    assert found[cancelled["id"]]["status"] in ("cancelled", "ready")
    one = (await drummer.http.get(f"/media/videos/{done.video_id}")).json()
    assert summary(one) == summary(ready)


async def test_a_page_costs_as_many_queries_for_many_videos_as_for_one(
    drummer: User, mute_video: Path
) -> None:
    counted = 0

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        nonlocal counted
        counted += "videos" in statement or ProcessingJob.__tablename__ in statement

    async def queries() -> int:
        nonlocal counted
        counted = 0
        await listed(drummer)
        return counted

    await drummer.jobs_after((await drummer.upload(mute_video))["id"])
    sqlalchemy_event.listen(Engine, "before_cursor_execute", count)
    try:
        of_one = await queries()
        sqlalchemy_event.remove(Engine, "before_cursor_execute", count)
        for _ in range(6):
            await drummer.jobs_after((await drummer.upload(mute_video))["id"])
        sqlalchemy_event.listen(Engine, "before_cursor_execute", count)
        assert await queries() == of_one == 3
    finally:
        sqlalchemy_event.remove(Engine, "before_cursor_execute", count)


@pytest.mark.parametrize("kind", ["webm vp8", "mp4 fragmented"])
async def test_a_recording_from_a_browser_becomes_a_score(
    drummer: User, tmp_path: Path, kind: Any
) -> None:
    samples, _ = groove(bars=4, tempo_bpm=120)
    recorded = tmp_path / "take"
    recorded.write_bytes(make_recording(kind, samples))
    done = await drummer.transcribed(recorded)
    video = (await drummer.http.get(f"/media/videos/{done.video_id}")).json()
    assert abs(video["duration_seconds"] - 9.0) < 0.2
    assert video["browser_playable"] is True
    codecs = {"webm vp8": ("vp8", "opus"), "mp4 fragmented": ("h264", "aac")}[kind]
    assert (video["video_codec"], video["audio_codec"]) == codecs
    assert round(done.jobs["onset"]["result"]["tempo_bpm"]) == 120
