"""What must not get through: every bad input gets a clear problem, never a 500, and leaves
nothing behind."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import av
import httpx
import jwt
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backbeat.drumsounds import SAMPLE_RATE
from tests.e2e.conftest import System, Transcribed, User
from tests.synth import groove
from tests.videos import make_video

NOBODY = str(uuid4())


def code_of(answer: httpx.Response) -> str:
    """The end of a problem's type; fails for an answer that is no problem document."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["title"]
    assert problem["detail"]
    return str(problem["type"].rpartition("/")[2])


@pytest.fixture(scope="module")
async def owner(embedded_system: System) -> AsyncIterator[User]:
    one = await embedded_system.user()
    yield one
    await one.http.aclose()


@pytest.fixture(scope="module")
async def owned(owner: User, groove_video: Path) -> Transcribed:
    """A finished score of somebody."""
    return await owner.transcribed(groove_video)


def truncated(video: bytes) -> bytes:
    return video[: len(video) // 2]


PLAYLIST = b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
CONCAT = b"ffconcat version 1.0\nfile /etc/passwd\n"
SDP = b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n"
RIFF_OF_NOTHING = b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00" + b"\x00" * 40
BROKEN_WEBM = b"\x1a\x45\xdf\xa3" + b"\xff" * 5000


@pytest.mark.parametrize(
    ("content", "name", "status", "code"),
    [
        (b"", "empty.mp4", 422, "file-empty"),
        (b"This is a text.\n" * 400, "text.mp4", 415, "not-a-media-file"),
        (b"PK\x03\x04" + b"\x00" * 5000, "archive.mp4", 415, "not-a-media-file"),
        (b"<html><script>alert(1)</script></html>", "page.mp4", 415, "not-a-media-file"),
        (b"\x89PNG\r\n\x1a\n" + b"\x00" * 5000, "picture.mp4", 415, "not-a-media-file"),
        (PLAYLIST, "list.mp4", 415, "not-a-media-file"),
        (CONCAT, "concat.mp4", 415, "not-a-media-file"),
        (SDP, "session.mp4", 415, "not-a-media-file"),
        (b"\x00\x00\x00\x18ftypmp42" + PLAYLIST * 50, "polyglot.mp4", 422, "media-unreadable"),
        (RIFF_OF_NOTHING, "nothing.wav", 422, "media-unreadable"),
        (BROKEN_WEBM, "broken.webm", 422, "media-unreadable"),
        (b"ID3\x04\x00\x00\x00\x00\x00\x00" + b"\x00" * 9000, "tag.mp3", 422, "media-unreadable"),
    ],
)
async def test_what_is_no_recording_is_refused_with_its_reason(
    embedded_system: System, drummer: User, content: bytes, name: str, status: int, code: str
) -> None:
    before = await embedded_system.storage.keys("videos")
    answer = await drummer.http.post("/media/videos/", files={"file": (name, content)})
    assert (answer.status_code, code_of(answer)) == (status, code), answer.text
    assert answer.json()["errors"][0]["field"] == "body.file"
    assert await embedded_system.storage.keys("videos") == before
    assert (await drummer.http.get("/media/videos/")).json()["items"] == []


async def test_a_truncated_video_is_refused(drummer: User, groove_video: Path) -> None:
    cut = truncated(groove_video.read_bytes())
    answer = await drummer.http.post("/media/videos/", files={"file": ("cut.mp4", cut)})
    assert (answer.status_code, code_of(answer)) == (422, "media-unreadable")


async def test_a_form_that_is_broken_after_its_file_leaves_no_file(
    embedded_system: System, drummer: User, groove_video: Path
) -> None:
    before = await embedded_system.storage.keys("videos")
    part = b'--cut\r\nContent-Disposition: form-data; name="%s"\r\n\r\n'

    async def form() -> AsyncIterator[bytes]:
        head = (part % b"file").replace(b'"file"', b'"file"; filename="a.mp4"')
        yield head + groove_video.read_bytes() + b"\r\n" + part % b"note"
        # In a piece of its own: by now the file is taken.
        await asyncio.sleep(0.5)
        yield b"x" * 20_000

    kind = {"Content-Type": "multipart/form-data; boundary=cut"}
    answer = await drummer.http.post("/media/videos/", content=form(), headers=kind)
    assert (answer.status_code, code_of(answer)) == (422, "bad-form")
    assert await embedded_system.storage.keys("videos") == before


async def test_a_huge_picture_is_refused(drummer: User, tmp_path: Path) -> None:
    path = make_video(tmp_path / "huge.mp4", None, duration_s=0.1, size=(8320, 64))
    answer = await drummer.try_upload(path)
    assert (answer.status_code, code_of(answer)) == (422, "dimensions-too-large")


async def test_a_video_damaged_in_the_middle_ends_in_a_score_or_a_reason(
    drummer: User, groove_video: Path, tmp_path: Path
) -> None:
    damaged = bytearray(groove_video.read_bytes())
    middle = len(damaged) // 2
    rng = np.random.default_rng(5)
    damaged[middle : middle + 4000] = rng.integers(0, 256, 4000, dtype=np.uint8).tobytes()
    path = tmp_path / "damaged.mp4"
    path.write_bytes(bytes(damaged))
    answer = await drummer.try_upload(path)
    if answer.status_code != 201:
        assert (answer.status_code, code_of(answer)) == (422, "media-unreadable")
        return
    jobs = await drummer.jobs_after(answer.json()["id"])
    failed = [job for job in jobs.values() if job["status"] == "failed"]
    assert jobs["notation"]["status"] == "completed" or failed[0]["error_code"]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/passwd.mp4", "passwd.mp4"),
        ("..\\..\\windows\\system32.mp4", "system32.mp4"),
        ("/absolute/path.mp4", "path.mp4"),
        ("..", "video"),
        ("a" * 400 + ".mp4", "a" * 196 + ".mp4"),
        ("né 🥁.mp4", "né 🥁.mp4"),
    ],
)
async def test_a_file_name_is_only_shown_and_never_a_path(
    embedded_system: System, drummer: User, groove_video: Path, given: str, shown: str
) -> None:
    answer = await drummer.try_upload(groove_video, name=given, process=False)
    assert answer.status_code == 201, answer.text
    assert answer.json()["filename"] == shown
    keys = await embedded_system.storage.keys(f"videos/{answer.json()['id']}")
    assert keys == [f"videos/{answer.json()['id']}/original"]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b"no boundary"),
        ("multipart/form-data; boundary=x", b"garbage"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n\r\n--x--\r\n"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="other"\r\n\r\nv\r\n--x--\r\n',
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nRIFF',
        ),
    ],
)
async def test_an_upload_that_is_no_form_says_how_to_send_it(
    drummer: User, content_type: str, body: bytes
) -> None:
    answer = await drummer.http.post(
        "/media/videos/", content=body, headers={"Content-Type": content_type}
    )
    assert (answer.status_code, code_of(answer)) == (422, "bad-form")


async def test_an_upload_over_the_limit_is_refused(
    embedded_system: System, drummer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = b"RIFF\xff\xff\xff\x7fWAVEfmt " + b"\x00" * 4096
    body = head + b"\x00" * 101_000_000
    answer = await drummer.http.post("/media/videos/", files={"file": ("big.wav", body)})
    assert (answer.status_code, code_of(answer)) == (413, "file-too-large")
    assert "100 MB" in answer.json()["detail"]


READS = [
    "/media/videos/{}",
    "/media/videos/{}/content",
    "/media/videos/{}/events",
    "/jobs/{}",
    "/jobs/{}/events",
    "/audio/analysis/{}",
    "/audio/analyses/{}",
    "/audio/files/{}",
    "/audio/files/{}/content",
    "/audio/hits/{}",
    "/audio/beats/{}",
    "/audio/tempo/{}",
    "/audio/waveform/{}",
    "/audio/spectrogram/{}",
    "/audio/loudness/{}",
    "/audio/recommended-settings/{}",
    "/audio/stems/{}",
    "/audio/enhanced/{}",
    "/notation/{}",
    "/notation/{}/versions",
    "/notation/{}/versions/1",
    "/notation/{}/export",
]


@pytest.mark.parametrize("path", READS)
async def test_an_unknown_id_is_not_found_and_a_malformed_one_is_invalid(
    drummer: User, path: str
) -> None:
    unknown = await drummer.http.get(path.format(NOBODY))
    assert unknown.status_code == 404
    code_of(unknown)
    malformed = await drummer.http.get(path.format("not-an-id"))
    assert (malformed.status_code, code_of(malformed)) == (422, "invalid")


def paths_of(owned: Transcribed) -> list[tuple[str, str, Any]]:
    """Every route that names something of an owner."""
    video, audio, notation = owned.video_id, owned.audio_id, owned.notation_id
    job = owned.jobs["onset"]["id"]
    ids = {"media": video, "jobs": job, "audio": audio, "notation": notation}
    reads = [("GET", path.format(ids[path.split("/")[1]]), None) for path in READS]
    return [
        *reads,
        ("DELETE", f"/media/videos/{video}", None),
        ("DELETE", f"/jobs/{job}", None),
        ("POST", f"/jobs/{job}/retry", None),
        ("POST", "/jobs/", {"video_id": video, "job_type": "notation"}),
        ("POST", f"/audio/extract/{video}", None),
        ("POST", f"/audio/detect-onsets/{audio}", None),
        ("POST", f"/audio/classify-drums/{audio}", None),
        ("POST", f"/audio/separate-sources/{audio}", None),
        ("POST", f"/audio/enhance/{audio}", None),
        ("POST", "/notation/from-events", {"video_id": video}),
        ("PUT", f"/notation/{notation}", {"title": "mine"}),
        ("POST", f"/notation/{notation}/versions/1/restore", None),
        ("DELETE", f"/notation/{notation}", None),
    ]


async def test_what_belongs_to_another_is_not_found(drummer: User, owned: Transcribed) -> None:
    for method, path, body in paths_of(owned):
        answer = await drummer.http.request(method, path, json=body, headers={"If-Match": '"1"'})
        assert answer.status_code == 404, (method, path, answer.text)


async def test_nothing_answers_without_a_token(embedded_system: System, owned: Transcribed) -> None:
    async with httpx.AsyncClient(base_url=embedded_system.url) as anonymous:
        for method, path, body in paths_of(owned):
            answer = await anonymous.request(method, path, json=body)
            assert (answer.status_code, code_of(answer)) == (401, "unauthorized"), path
        for service in ("media", "audio", "notation"):
            # Past the gateway, too.
            base = embedded_system.embedded.services[service]
            path = {"media": "/media/videos/", "audio": "/audio/models", "notation": "/notation/"}
            answer = await anonymous.get(base + path[service])
            assert (answer.status_code, code_of(answer)) == (401, "unauthorized")


def b64(data: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).decode().rstrip("=")


async def test_forged_tokens_are_refused(embedded_system: System, drummer: User) -> None:
    good = drummer.http.headers["Authorization"].removeprefix("Bearer ")
    head, _, signature = good.split(".")
    header = jwt.get_unverified_header(good)
    claims = jwt.decode(good, options={"verify_signature": False})
    foreign = Ed25519PrivateKey.generate()
    now = int(time.time())
    jwks = (await drummer.http.get("/auth/jwks")).json()
    tokens = {
        "alg none": f"{b64({'alg': 'none', 'typ': 'JWT', 'kid': header['kid']})}.{b64(claims)}.",
        "alg none without kid": f"{b64({'alg': 'none'})}.{b64(claims)}.",
        "another key": jwt.encode(
            claims, foreign, algorithm="EdDSA", headers={"kid": header["kid"]}
        ),
        "unknown kid": jwt.encode(claims, foreign, algorithm="EdDSA", headers={"kid": "x"}),
        # The public key taken for a shared secret.
        "algorithm confusion": jwt.encode(
            claims, jwks["keys"][0]["x"] * 2, algorithm="HS256", headers={"kid": header["kid"]}
        ),
        "tampered": f"{head}.{b64(claims | {'roles': ['admin']})}.{signature}",
        "cut": good[:-10],
        "garbage": "a.b.c",
        "not ascii": "é" * 20,
        "long": "x" * 6000,
        "expired by another": jwt.encode(
            claims | {"exp": now - 3600}, foreign, algorithm="EdDSA", headers={"kid": header["kid"]}
        ),
        "refresh as access": drummer.refresh_token,
    }
    async with httpx.AsyncClient() as anonymous:
        for base in (embedded_system.url, embedded_system.embedded.services["media"]):
            for name, token in tokens.items():
                answer = await anonymous.get(
                    base + "/media/videos/", headers={"Authorization": f"Bearer {token}".encode()}
                )
                assert answer.status_code == 401, (name, base, answer.text)
                code_of(answer)


@pytest.mark.parametrize(
    "body",
    [
        '{"video_id": "%s", "tempo": NaN}',
        '{"video_id": "%s", "tempo": Infinity}',
        '{"video_id": "%s", "tempo": 0}',
        '{"video_id": "%s", "tempo": -120}',
        '{"video_id": "%s", "tempo": 1e308}',
        '{"video_id": "%s", "tempo": "fast"}',
        '{"video_id": "%s", "time_signature": "0/4"}',
        '{"video_id": "%s", "time_signature": "4/0"}',
        '{"video_id": "%s", "time_signature": "4/3"}',
        '{"video_id": "%s", "time_signature": "33/4"}',
        '{"video_id": "%s", "time_signature": "four"}',
        '{"video_id": "%s", "time_signature": "٤/٤"}',
        '{"video_id": "%s", "grid": "wild"}',
        '{"video_id": "%s", "title": "' + "x" * 300 + '"}',
        '{"video_id": "%s", "events": []}',
        '{"events": [{"time_seconds": NaN, "instrument": "kick"}]}',
        '{"events": [{"time_seconds": -1, "instrument": "kick"}]}',
        '{"events": [{"time_seconds": 1e9, "instrument": "kick"}]}',
        '{"events": [{"time_seconds": 1, "instrument": "gong"}]}',
        '{"events": [{"time_seconds": 1, "instrument": "kick", "velocity": 0}]}',
        '{"events": [{"time_seconds": 1, "instrument": "kick", "velocity": 128}]}',
        '{"video_id": "not-an-id"}',
        "{}",
        "[]",
        "null",
        "",
        "{",
        '{"video_id": "%s", "title": "nul \\u0000"}',
        '{"video_id": "%s", "title": "half \\ud800"}',
    ],
)
async def test_a_score_cannot_be_asked_for_with_nonsense(
    owner: User, owned: Transcribed, body: str
) -> None:
    if "%s" in body:
        body %= owned.video_id
    answer = await owner.http.post(
        "/notation/from-events", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422, answer.text
    assert code_of(answer) in ("invalid", "invalid-score")


async def test_bodies_too_large_or_too_deep_are_refused(owner: User) -> None:
    big = b'{"title": "' + b"x" * 11_000_000 + b'"}'
    answer = await owner.http.post("/notation/from-events", content=big)
    assert (answer.status_code, code_of(answer)) == (413, "too-large")

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(big), 65536):
            yield big[start : start + 65536]

    # Without a declared length.
    answer = await owner.http.post("/notation/from-events", content=pieces())
    assert (answer.status_code, code_of(answer)) == (413, "too-large")
    deep = b"[" * 100_000 + b"]" * 100_000
    answer = await owner.http.post(
        "/notation/from-events", content=deep, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in (400, 422)
    code_of(answer)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, "invalid"),
        ({"unknown": 1}, "invalid"),
        ({"tempo": 5}, "invalid"),
        ({"time_signature": "0/4"}, "invalid"),
        ({"notation_json": {}}, "invalid-score"),
        ({"notation_json": {"format": "backbeat-score/99"}}, "invalid-score"),
        ({"notation_json": {}, "tempo": 100}, "invalid"),
        ({"title": ""}, "invalid"),
        ({"title": "nul \x00"}, "invalid-score"),
    ],
)
async def test_a_score_cannot_be_changed_into_nonsense(
    owner: User, owned: Transcribed, change: dict[str, Any], code: str
) -> None:
    path = f"/notation/{owned.notation_id}"
    before = (await owner.http.get(path)).json()
    answer = await owner.http.put(path, json=change, headers={"If-Match": f'"{before["version"]}"'})
    assert answer.status_code == 422, answer.text
    assert code_of(answer) in (code, "invalid", "invalid-score")
    assert (await owner.http.get(path)).json() == before


async def test_a_note_past_the_end_of_its_bar_is_refused_by_its_path(
    owner: User, owned: Transcribed
) -> None:
    path = f"/notation/{owned.notation_id}"
    notation = (await owner.http.get(path)).json()
    document = notation["notation_json"]
    document["score"]["bars"][0]["voices"][0]["events"][0]["duration"] = "9"
    answer = await owner.http.put(
        path,
        json={"notation_json": document},
        headers={"If-Match": f'"{notation["version"]}"'},
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith("body.notation_json.score.bars[0]")


async def test_an_edit_needs_the_version_that_it_changes(owner: User, owned: Transcribed) -> None:
    path = f"/notation/{owned.notation_id}"
    version = (await owner.http.get(path)).headers["ETag"]
    for headers, status, code in (
        ({}, 428, "if-match-required"),
        ({"If-Match": '"999"'}, 412, "version-changed"),
        ({"If-Match": "*"}, 412, "version-changed"),
    ):
        answer = await owner.http.put(path, json={"title": "New"}, headers=headers)
        assert (answer.status_code, code_of(answer)) == (status, code)
    first = await owner.http.put(path, json={"title": "New"}, headers={"If-Match": version})
    assert first.status_code == 200
    second = await owner.http.put(path, json={"title": "Newer"}, headers={"If-Match": version})
    assert (second.status_code, code_of(second)) == (412, "version-changed")
    restored = await owner.http.post(
        f"{path}/versions/1/restore", headers={"If-Match": first.headers["ETag"]}
    )
    assert restored.json()["title"] == "four bars"
    versions = (await owner.http.get(f"{path}/versions")).json()
    assert [row["version"] for row in versions] == [3, 2, 1]
    assert versions[0]["change"] == "Version 1 restored"


@pytest.mark.parametrize(
    "query",
    [
        "/media/videos/?limit=0",
        "/media/videos/?limit=100000",
        "/media/videos/?cursor=rubbish",
        "/jobs/?cursor=W10",
        "/jobs/?status=lost",
        "/jobs/?job_type=x",
        "/notation/?cursor=%00",
        "/notation/?video_id=1",
        "/media/audio-files/?video_id=x",
    ],
)
async def test_lists_refuse_what_is_no_page(owner: User, query: str) -> None:
    answer = await owner.http.get(query)
    assert (answer.status_code, code_of(answer)) == (422, "invalid")


@pytest.mark.parametrize(
    "query",
    [
        "hits/{}?min_confidence=2",
        "hits/{}?start_s=nan",
        "hits/{}?cursor=x~y",
        "hits/{}?instrument=gong",
        "hits/{}?format=xml",
        "waveform/{}?buckets=0",
        "waveform/{}?buckets=1000000000",
        "spectrogram/{}?width=100000",
        "spectrogram/{}?start_s=5&end_s=1",
        "spectrogram/{}?start_s=1e12",
    ],
)
async def test_audio_routes_refuse_what_they_cannot_draw(
    owner: User, owned: Transcribed, query: str
) -> None:
    answer = await owner.http.get("/audio/" + query.format(owned.audio_id))
    assert (answer.status_code, code_of(answer)) == (422, "invalid")


@pytest.mark.parametrize(
    "query", ["format=docx", "format=png&page=999", "format=midi&page=1", "format=png&width_px=9"]
)
async def test_exports_that_are_not_there_are_refused(
    owner: User, owned: Transcribed, query: str
) -> None:
    answer = await owner.http.get(f"/notation/{owned.notation_id}/export?{query}")
    assert answer.status_code == 422, answer.text
    assert code_of(answer) in ("invalid", "invalid-export")


@pytest.mark.parametrize(
    ("job_type", "options"),
    [
        ("levitation", {}),
        ("separation", {"method": "spleeter"}),
        ("enhancement", {"loudness_lufs": 3}),
        ("onset", {"model": "none-such"}),
        ("onset", {"sensitivity": 2}),
        ("onset", {"unknown": True}),
        ("extraction", {"sample_rate": 1}),
        ("extraction", {"channels": 7}),
        ("notation", {"tempo": "NaN"}),
        ("notation", {"time_signature": "0/4"}),
        ("notation", {"title": "nul \x00"}),
    ],
)
async def test_a_job_with_nonsense_is_refused_or_fails_with_its_reason(
    owner: User, owned: Transcribed, job_type: str, options: dict[str, Any]
) -> None:
    answer = await owner.http.post(
        "/jobs/", json={"video_id": owned.video_id, "job_type": job_type, "options": options}
    )
    if answer.status_code == 202:
        job = await owner.job_after(answer.json()["id"])
        assert job["status"] == "failed"
        assert job["error_code"] in ("unknown-model", "invalid")
        return
    assert (answer.status_code, code_of(answer)) == (422, "invalid")


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("bytes=0-9", 206),
        ("bytes=-10", 206),
        ("bytes=10-", 206),
        ("bytes=999999999999-", 416),
        ("bytes=-0", 416),
        ("bytes=9-1", 200),
        ("bytes=a-b", 200),
        ("bytes=0-1,3-4", 200),
        ("lines=1-2", 200),
    ],
)
async def test_ranges_are_served_or_refused_by_the_book(
    owner: User, owned: Transcribed, groove_video: Path, header: str, status: int
) -> None:
    whole = groove_video.read_bytes()
    answer = await owner.http.get(
        f"/media/videos/{owned.video_id}/content", headers={"Range": header}
    )
    assert answer.status_code == status
    if status == 206:
        span = answer.headers["content-range"].removeprefix("bytes ").partition("/")[0]
        first, last = (int(part) for part in span.split("-"))
        assert answer.content == whole[first : last + 1]
    elif status == 200:
        assert answer.content == whole
    else:
        assert answer.headers["content-range"] == f"bytes */{len(whole)}"


@pytest.mark.parametrize(
    ("rate", "layout"),
    [
        (8_000, "mono"),
        (22_050, "mono"),
        (48_000, "mono"),
        (96_000, "mono"),
        (22_050, "stereo"),
        (48_000, "stereo"),
        (22_050, "5.1"),
        (48_000, "5.1"),
    ],
)
async def test_sound_of_any_rate_and_channels_becomes_a_score(
    drummer: User, tmp_path: Path, rate: int, layout: str
) -> None:
    samples, _ = groove(bars=2, tempo_bpm=120)
    channels = {"mono": 1, "stereo": 2, "5.1": 6}[layout]
    path = tmp_path / "sound.mka"
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("pcm_s16le", rate=rate, layout=layout)
        resampler = av.AudioResampler("s16", layout, rate)
        frame = av.AudioFrame.from_ndarray(
            np.repeat(samples[np.newaxis], channels, axis=0).astype(np.float32),
            format="fltp",
            layout=layout,
        )
        frame.sample_rate = SAMPLE_RATE
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    done = await drummer.transcribed(path)
    sound = (await drummer.http.get(f"/audio/files/{done.audio_id}")).json()
    assert sound["sample_rate"] == 44_100
    assert sound["channels"] == min(channels, 2)
    assert abs(sound["duration_seconds"] - len(samples) / SAMPLE_RATE) < 0.05
