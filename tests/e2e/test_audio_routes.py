"""Audio's routes, with what they answer about a groove that is known."""

from __future__ import annotations

import asyncio
import csv
import io
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

from tests.e2e.conftest import System, Transcribed, User
from tests.synth import groove


@pytest.fixture(scope="module")
async def owner(embedded_system: System) -> AsyncIterator[User]:
    one = await embedded_system.user()
    yield one
    await one.http.aclose()


@pytest.fixture(scope="module")
async def owned(owner: User, groove_video: Path) -> Transcribed:
    return await owner.transcribed(groove_video)


async def ask(user: User, path: str, **params: Any) -> Any:
    """The JSON of a route that must answer."""
    answer = await user.http.get(f"/audio/{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_sound_is_kept_as_flac_of_the_told_length(
    owner: User, owned: Transcribed
) -> None:
    sound = await ask(owner, f"files/{owned.audio_id}")
    assert (sound["sample_rate"], sound["channels"], sound["decode_errors"]) == (44_100, 1, 0)
    assert sound["title"] == "four bars"
    content = await owner.http.get(f"/audio/files/{owned.audio_id}/content")
    assert content.headers["content-type"] == "audio/flac"
    samples, rate = soundfile.read(io.BytesIO(content.content))
    assert rate == sound["sample_rate"]
    assert len(samples) / rate == pytest.approx(sound["duration_seconds"], abs=1e-6)
    assert float(np.abs(samples).max()) == pytest.approx(sound["peak"], abs=1e-3)
    part = await owner.http.get(
        f"/audio/files/{owned.audio_id}/content", headers={"Range": "bytes=0-3"}
    )
    assert (part.status_code, part.content) == (206, b"fLaC")


async def test_hits_are_those_that_were_played(owner: User, owned: Transcribed) -> None:
    _, played = groove(bars=4, tempo_bpm=120)
    page = await ask(owner, f"hits/{owned.audio_id}", limit=200)
    hits = page["items"]
    assert page["next_cursor"] is None
    assert [hit["time_seconds"] for hit in hits] == sorted(hit["time_seconds"] for hit in hits)
    by_piece: dict[str, list[float]] = {}
    for hit in hits:
        by_piece.setdefault(hit["instrument"], []).append(hit["time_seconds"])
    for piece in ("kick", "snare"):
        truth = sorted(hit.onset_s for hit in played if hit.piece == piece)
        # AAC begins with a frame of silence.
        assert by_piece[piece] == pytest.approx(truth, abs=0.05)
    assert {hit["gm_note"] for hit in hits if hit["instrument"] == "snare"} == {38}
    assert {hit["model_version"] for hit in hits} == {"ear-1"}


async def test_hits_are_filtered_paged_and_the_same_as_csv(owner: User, owned: Transcribed) -> None:
    path = f"hits/{owned.audio_id}"
    hits = (await ask(owner, path, limit=200))["items"]
    read: list[Any] = []
    params: dict[str, Any] = {"limit": 7}
    while True:
        page = await ask(owner, path, **params)
        read += page["items"]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    assert read == hits
    drums = await ask(owner, path, instrument=["kick", "snare"], limit=200)
    assert drums["items"] == [hit for hit in hits if hit["instrument"] in ("kick", "snare")]
    middle = await ask(owner, path, start_s=2, end_s=4, limit=200)
    assert middle["items"] == [hit for hit in hits if 2 <= hit["time_seconds"] < 4]
    sure = await ask(owner, path, min_confidence=0.9, limit=200)
    assert sure["items"] == [hit for hit in hits if hit["confidence"] >= 0.9]
    answer = await owner.http.get(f"/audio/{path}", params={"format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["id"], float(row["time_seconds"]), row["instrument"]) for row in rows] == [
        (hit["id"], hit["time_seconds"], hit["instrument"]) for hit in hits
    ]


async def test_beats_and_tempo_are_those_of_the_groove(owner: User, owned: Transcribed) -> None:
    pulse = await ask(owner, f"beats/{owned.audio_id}")
    assert (pulse["meter"], pulse["beat_unit"]) == ("4/4", "quarter")
    beats = pulse["beats"]
    times = np.array([beat["time_seconds"] for beat in beats])
    assert np.diff(times) == pytest.approx(0.5, abs=0.05)
    downbeats = [beat["time_seconds"] for beat in beats if beat["position"] == 1]
    assert downbeats[0] == pytest.approx(0.5, abs=0.06)
    assert np.diff(downbeats) == pytest.approx(2.0, abs=0.06)
    tempo = await ask(owner, f"tempo/{owned.audio_id}")
    assert tempo["tempo_bpm"] == pytest.approx(120, abs=1)
    assert tempo["beats_per_bar"] == 4
    assert 0.5 < tempo["confidence"] <= 1
    assert [point["bpm"] for point in tempo["tempo_map"]] == pytest.approx(
        [120] * len(tempo["tempo_map"]), abs=3
    )
    assert (tempo["meter"], tempo["beat_unit"]) == ("4/4", "quarter")
    assert tempo["swing_ratio"] == pytest.approx(1, abs=0.1)
    (begin,) = tempo["tempo_changes"]
    assert begin["time_seconds"] == pytest.approx(times[0], abs=1e-3)
    assert begin["bpm"] == pytest.approx(120, abs=2)


async def test_the_analysis_counts_what_the_hits_say(owner: User, owned: Transcribed) -> None:
    analysis = await ask(owner, f"analysis/{owned.audio_id}")
    tempo = await ask(owner, f"tempo/{owned.audio_id}")
    for told in ("meter", "beat_unit", "swing_ratio", "tempo_bpm"):
        assert analysis[told] == tempo[told]
    hits = (await ask(owner, f"hits/{owned.audio_id}", limit=200))["items"]
    assert analysis["hit_count"] == len(hits) == sum(p["hits"] for p in analysis["pieces"])
    for piece in analysis["pieces"]:
        of_piece = [hit for hit in hits if hit["instrument"] == piece["instrument"]]
        assert piece["hits"] == len(of_piece)
        mean = sum(hit["velocity"] for hit in of_piece) / len(of_piece)
        assert piece["mean_velocity"] == pytest.approx(mean, abs=0.06)
    assert analysis["options"] == {"model": "ear-1", "sensitivity": 0.5}
    assert analysis["sound"]["id"] == analysis["audio_file_id"] == owned.audio_id


async def test_the_waveform_is_quiet_before_the_first_hit(owner: User, owned: Transcribed) -> None:
    waveform = await ask(owner, f"waveform/{owned.audio_id}", buckets=90)
    assert waveform["duration_seconds"] == pytest.approx(9.0, abs=0.05)
    peaks = np.array(waveform["peaks"])
    assert peaks.shape == (90, 2)
    assert np.abs(peaks[:4]).max() < 0.01
    assert np.abs(peaks[5:7]).max() > 0.1
    assert (peaks[:, 0] <= peaks[:, 1]).all()


async def test_the_spectrogram_is_a_picture_of_the_asked_size(
    owner: User, owned: Transcribed
) -> None:
    for size, part in (((300, 100), {}), ((64, 32), {"start_s": 1, "end_s": 2.5})):
        answer = await owner.http.get(
            f"/audio/spectrogram/{owned.audio_id}",
            params={"width": size[0], "height": size[1], **part},
        )
        assert answer.headers["content-type"] == "image/png"
        with Image.open(io.BytesIO(answer.content)) as picture:
            assert (picture.format, picture.size) == ("PNG", size)


async def test_loudness_and_advice_follow_from_the_sound(owner: User, owned: Transcribed) -> None:
    sound = await ask(owner, f"files/{owned.audio_id}")
    loudness = await ask(owner, f"loudness/{owned.audio_id}")
    assert loudness["peak_dbfs"] == pytest.approx(20 * np.log10(sound["peak"]), abs=0.2)
    assert -40 < loudness["integrated_lufs"] < loudness["peak_dbfs"]
    advice = await ask(owner, f"recommended-settings/{owned.audio_id}")
    assert advice["hearing"]["model"] == "ear-1"
    assert 0.3 <= advice["hearing"]["sensitivity"] <= 0.7
    assert advice["reasons"]


async def test_models_and_formats_say_what_can_be_chosen(owner: User) -> None:
    models = await ask(owner, "models")
    assert [model["name"] for model in models if model["default"]] == ["ear-1"]
    assert {"kick", "snare", "hat-closed"} <= set(models[0]["hears"])
    formats = await ask(owner, "formats")
    assert {"mp4", "matroska", "wav", "flac"} <= set(formats["containers"])
    assert set(formats["extraction"]["properties"]) == {"sample_rate", "channels"}
    assert set(formats["hearing"]["properties"]) == {"model", "sensitivity", "source"}
    assert set(formats["separation"]["properties"]) == {"method", "stems"}
    assert {"denoise", "emphasis", "loudness_lufs"} <= set(formats["enhancement"]["properties"])


async def test_a_second_hearing_stands_beside_the_first(drummer: User, groove_video: Path) -> None:
    done = await drummer.transcribed(groove_video)
    path = f"/audio/classify-drums/{done.audio_id}"
    asked = await drummer.http.post(path, json={"sensitivity": 0.1})
    assert asked.status_code == 202
    assert asked.json()["options"] == {"model": "ear-1", "sensitivity": 0.1}
    assert asked.headers["location"] == f"/jobs/{asked.json()['job_id']}"
    again = await drummer.http.post(path, json={"sensitivity": 0.1})
    assert again.json()["job_id"] == asked.json()["job_id"]
    job = await drummer.job_after(asked.json()["job_id"])
    assert (job["status"], job["job_type"]) == ("completed", "classification")
    analyses = await ask(drummer, f"analyses/{done.audio_id}")
    assert [one["options"]["sensitivity"] for one in analyses] == [0.1, 0.5]
    assert analyses[0]["hit_count"] == job["result"]["hit_count"] <= analyses[1]["hit_count"]
    latest = await ask(drummer, f"analysis/{done.audio_id}")
    assert latest["id"] == analyses[0]["id"]


async def test_another_extraction_is_another_sound_and_the_same_the_same(
    drummer: User, groove_video: Path
) -> None:
    done = await drummer.transcribed(groove_video)
    path = f"/audio/extract/{done.video_id}"
    same = await drummer.http.post(path)
    assert (same.json()["audio_id"], same.json()["status"]) == (done.audio_id, "completed")
    other = await drummer.http.post(path, json={"sample_rate": 16_000, "channels": 1})
    assert other.status_code == 202
    assert other.json()["audio_id"] != done.audio_id
    job = await drummer.job_after(other.json()["job_id"])
    assert job["result"]["audio_id"] == other.json()["audio_id"]
    sound = await ask(drummer, f"files/{other.json()['audio_id']}")
    assert (sound["sample_rate"], sound["channels"]) == (16_000, 1)
    assert sound["duration_seconds"] == pytest.approx(9.0, abs=0.05)
    missing = await drummer.http.get(f"/audio/analysis/{sound['id']}")
    assert missing.status_code == 404


async def test_channels_that_cannot_be_mixed_are_an_answer_and_not_tried_again(
    drummer: User, tmp_path: Path
) -> None:
    path = tmp_path / "many.wav"
    channels, rate = 255, 44_100
    sound = bytes(channels * 2 * 4_000)
    head = struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * channels * 2, channels * 2, 16)
    chunks = b"WAVEfmt " + head + b"data" + struct.pack("<I", len(sound)) + sound
    path.write_bytes(b"RIFF" + struct.pack("<I", len(chunks)) + chunks)
    video = await drummer.upload(path)
    async with asyncio.timeout(30):
        jobs = await drummer.jobs_after(video["id"])
    assert jobs["extraction"]["status"] == "failed"
    assert jobs["extraction"]["error_code"] == "media-unreadable"
