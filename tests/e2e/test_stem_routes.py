"""Stems and enhanced copies through the public API, on both transports."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
import soundfile

from libs.common.storage import Storage
from tests.e2e.conftest import System, Transcribed, User
from tests.integration.waiting import until

PROBLEMS = "https://backbeat.dev/problems/"


@pytest.fixture(scope="module")
async def owner(system: System) -> AsyncIterator[User]:
    one = await system.user()
    yield one
    await one.http.aclose()


@pytest.fixture(scope="module")
async def owned(owner: User, groove_video: Path) -> Transcribed:
    return await owner.transcribed(groove_video)


async def post(user: User, path: str, body: Any = None, status: int = 202) -> dict[str, Any]:
    answer = await user.http.post(f"/audio/{path}", json=body)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def get(user: User, path: str) -> Any:
    answer = await user.http.get(f"/audio/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def sound_at(user: User, path: str) -> tuple[Any, int]:
    """Samples and rate of a FLAC that is served."""
    answer = await user.http.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/flac")
    part = await user.http.get(path, headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"fLaC")
    assert part.headers["content-range"] == f"bytes 0-3/{len(answer.content)}"
    beyond = await user.http.get(path, headers={"Range": f"bytes={len(answer.content)}-"})
    assert beyond.status_code == 416
    samples, rate = soundfile.read(io.BytesIO(answer.content))
    return samples, rate


async def test_without_weights_auto_separates_by_hpss_and_says_that_this_is_no_drum_stem(
    owner: User, owned: Transcribed
) -> None:
    asked = await post(owner, f"separate-sources/{owned.audio_id}", {"stems": "all"})
    assert (asked["method"], asked["options"]) == ("hpss", {"method": "hpss", "stems": "all"})
    assert "no drum stem" in asked["about"]
    job = await owner.job_after(asked["job_id"])
    assert (job["status"], job["job_type"]) == ("completed", "separation")
    assert job["result"] == {
        "audio_id": owned.audio_id,
        "method": "hpss",
        "model_version": "hpss-1",
        "stems": ["percussive", "harmonic"],
    }
    # By name it is the same thing.
    again = await post(
        owner, f"separate-sources/{owned.audio_id}", {"method": "hpss", "stems": "all"}
    )
    assert (again["job_id"], again["status"]) == (asked["job_id"], "completed")
    stems = await get(owner, f"stems/{owned.audio_id}")
    assert [(stem["name"], stem["method"]) for stem in stems] == [
        ("percussive", "hpss"),
        ("harmonic", "hpss"),
    ]
    assert all("no drum stem" in stem["about"] for stem in stems)
    whole, _ = await sound_at(owner, f"/audio/files/{owned.audio_id}/content")
    parts = []
    for stem in stems:
        samples, rate = await sound_at(owner, stem["content"])
        assert rate == stem["sample_rate"] == 44_100
        assert len(samples) == len(whole) == round(stem["duration_seconds"] * rate)
        parts.append(samples)
    np.testing.assert_allclose(parts[0] + parts[1], whole, atol=3 / 32_768)


async def test_demucs_without_weights_says_how_to_get_them(owner: User, owned: Transcribed) -> None:
    problem = await post(
        owner, f"separate-sources/{owned.audio_id}", {"method": "demucs"}, status=409
    )
    assert problem["type"] == PROBLEMS + "demucs-weights-missing"
    for word in ("AUDIO_DEMUCS_WEIGHTS", "backbeat[separation]", "hpss"):
        assert word in problem["detail"]
    assert problem["errors"][0]["field"] == "body.method"
    job = await owner.http.post(
        "/jobs/",
        json={
            "video_id": owned.video_id,
            "job_type": "separation",
            "options": {"method": "demucs"},
        },
    )
    ended = await owner.job_after(job.json()["id"])
    assert (ended["status"], ended["error_code"]) == ("failed", "demucs-weights-missing")


async def test_the_drum_stem_cannot_be_heard_before_it_is_there(
    owner: User, owned: Transcribed
) -> None:
    problem = await post(owner, f"detect-onsets/{owned.audio_id}", {"source": "drums"}, status=409)
    assert problem["type"] == PROBLEMS + "stem-missing"


async def test_an_enhanced_copy_has_the_loudness_that_was_asked_for(
    owner: User, owned: Transcribed
) -> None:
    body = {"emphasis": ["snare", "kick"], "loudness_lufs": -20}
    asked = await post(owner, f"enhance/{owned.audio_id}", body)
    job = await owner.job_after(asked["job_id"])
    assert (job["status"], job["job_type"]) == ("completed", "enhancement"), job
    assert job["result"]["loudness_after_lufs"] == pytest.approx(-20, abs=0.5)
    body["emphasis"] = ["kick", "snare", "kick"]
    again = await post(owner, f"enhance/{owned.audio_id}", body)
    assert (again["job_id"], again["status"]) == (asked["job_id"], "completed")
    [copy] = await get(owner, f"enhanced/{owned.audio_id}")
    assert copy["id"] == job["result"]["enhancement_id"]
    assert copy["options"]["emphasis"] == ["kick", "snare"]
    assert copy["loudness_before_lufs"] != pytest.approx(-20, abs=1)
    assert copy["true_peak_after_dbtp"] <= -1
    whole, _ = await sound_at(owner, f"/audio/files/{owned.audio_id}/content")
    samples, rate = await sound_at(owner, copy["content"])
    assert (len(samples), rate) == (len(whole), copy["sample_rate"])


async def test_steps_by_jobs_route_do_the_same(owner: User, owned: Transcribed) -> None:
    for job_type in ("separation", "enhancement"):
        asked = await owner.http.post(
            "/jobs/", json={"video_id": owned.video_id, "job_type": job_type}
        )
        assert asked.status_code == 202, asked.text
        job = await owner.job_after(asked.json()["id"])
        assert job["status"] == "completed", job
    assert "percussive" in {stem["name"] for stem in await get(owner, f"stems/{owned.audio_id}")}


@pytest.mark.parametrize(
    ("route", "body", "field"),
    [
        ("separate-sources", {"method": "spleeter"}, "body.method"),
        ("separate-sources", {"stems": "bass"}, "body.stems"),
        ("separate-sources", {"stem": "drums"}, "body.stem"),
        ("enhance", {"emphasis": ["triangle"]}, "body.emphasis.0"),
        ("enhance", {"emphasis": ["kick"] * 6}, "body.emphasis"),
        ("enhance", {"loudness_lufs": 0}, "body.loudness_lufs"),
        ("enhance", {"reduction_db": 400}, "body.reduction_db"),
        ("enhance", {"denoise": False, "loudness_lufs": None}, "body"),
        ("enhance", [1], "body"),
    ],
)
async def test_options_that_mean_nothing_are_refused_by_name(
    owner: User, owned: Transcribed, route: str, body: Any, field: str
) -> None:
    problem = await post(owner, f"{route}/{owned.audio_id}", body, status=422)
    assert problem["errors"][0]["field"] == field


async def test_anothers_sounds_stems_and_copies_are_not_there(
    system: System, owner: User, owned: Transcribed
) -> None:
    stem = (await get(owner, f"stems/{owned.audio_id}"))[0]
    copy = (await get(owner, f"enhanced/{owned.audio_id}"))[0]
    paths = [
        ("POST", f"/audio/separate-sources/{owned.audio_id}"),
        ("POST", f"/audio/enhance/{owned.audio_id}"),
        ("GET", f"/audio/stems/{owned.audio_id}"),
        ("GET", f"/audio/enhanced/{owned.audio_id}"),
        ("GET", stem["content"]),
        ("GET", copy["content"]),
    ]
    stranger = await system.user()
    for method, path in paths:
        answer = await stranger.http.request(method, path)
        assert (answer.status_code, answer.json()["type"]) == (404, PROBLEMS + "audio-not-found")
        nobody = await stranger.http.request(method, path, headers={"Authorization": ""})
        assert nobody.status_code == 401
    await stranger.http.aclose()
    for path in (
        f"/audio/stems/{owned.audio_id}/{uuid4()}/content",
        f"/audio/enhanced/{owned.audio_id}/{uuid4()}/content",
    ):
        assert (await owner.http.get(path)).status_code == 404


async def test_a_separation_can_be_cancelled_and_asked_for_again(
    user: User, groove_video: Path
) -> None:
    done = await user.transcribed(groove_video)
    asked = await post(user, f"separate-sources/{done.audio_id}")
    # It may have ended before it could be cancelled.
    cancelled = await user.http.delete(f"/jobs/{asked['job_id']}")
    assert cancelled.status_code in (200, 404, 409), cancelled.text
    job = await user.job_after(asked["job_id"])
    assert job["status"] in ("cancelled", "completed")
    if job["status"] == "cancelled":
        await user.http.post(f"/jobs/{asked['job_id']}/retry")
        job = await user.job_after(asked["job_id"])
    assert job["status"] == "completed"
    assert len(await get(user, f"stems/{done.audio_id}")) == 1


async def test_with_the_video_go_its_stems_and_copies(
    system: System, user: User, groove_video: Path
) -> None:
    done = await user.transcribed(groove_video)
    for route in ("separate-sources", "enhance"):
        asked = await post(user, f"{route}/{done.audio_id}")
        await user.job_after(asked["job_id"])
    storage: Storage = system.storage
    kept = [f"stems/{done.video_id}", f"enhanced/{done.video_id}"]
    assert [len(await storage.keys(folder)) for folder in kept] == [1, 1]
    assert (await user.http.delete(f"/media/videos/{done.video_id}")).status_code == 204

    async def gone() -> bool:
        return [len(await storage.keys(folder)) for folder in kept] == [0, 0]

    await until(gone)
    assert (await user.http.get(f"/audio/stems/{done.audio_id}")).status_code == 404
