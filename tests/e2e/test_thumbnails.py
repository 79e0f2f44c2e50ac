"""A still of a video: its size, its turn, and what has none."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import httpx
import numpy as np
import pytest

from tests.e2e.conftest import System, User
from tests.synth import tone, write

RED, BLUE = (220, 30, 30), (30, 30, 220)


def halves(path: Path, size: tuple[int, int], *, rotation: int = 0) -> Path:
    """A second of black, then nine of a picture that is red at the left and blue at the right."""
    width, height = size
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:, : width // 2] = RED
    picture[:, width // 2 :] = BLUE
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "ultrafast", "g": "5"}
        for number in range(100):
            shown = picture if number >= 10 else np.zeros_like(picture)
            frame = av.VideoFrame.from_ndarray(shown, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    if rotation:
        turned(path, rotation)
    return path


def turned(path: Path, degrees: int) -> None:
    """Write a quarter turn clockwise into the track's header, as a phone that is held upright
    does (ISO/IEC 14496-12, 8.3.2: the matrix is the last but two fields)."""
    assert degrees == 90
    content = bytearray(path.read_bytes())
    matrix = [0, 1, 0, -1, 0, 0, 0, 0, 0x4000]
    unity = [1, 0, 0, 0, 1, 0, 0, 0, 0x4000]
    pack = lambda values: b"".join((v << 16).to_bytes(4, "big", signed=True) for v in values)  # noqa: E731
    at = content.index(pack(unity), content.index(b"tkhd"))
    content[at : at + 36] = pack(matrix)
    path.write_bytes(bytes(content))


def pixels(answer: httpx.Response) -> np.ndarray:
    """The JPEG's picture, height × width × RGB."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.content[:2] == b"\xff\xd8"
    with av.open(io.BytesIO(answer.content)) as container:
        frame = next(container.decode(video=0))
        return frame.to_ndarray(format="rgb24")


def near(pixel: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool(np.abs(pixel.astype(int) - colour).max() < 40)


@pytest.mark.parametrize(
    ("width", "size"), [(160, (160, 90)), (320, (320, 180)), (640, (400, 226))]
)
async def test_a_still_keeps_the_shape_and_is_never_enlarged(
    drummer: User, tmp_path: Path, width: int, size: tuple[int, int]
) -> None:
    video = await drummer.upload(halves(tmp_path / "in.mp4", (400, 226)), process=False)
    path = f"/media/videos/{video['id']}/thumbnail"
    answer = await drummer.http.get(path, params={"width": width})
    picture = pixels(answer)
    assert (picture.shape[1], picture.shape[0]) == size
    assert near(picture[size[1] // 2, 4], RED)
    assert near(picture[size[1] // 2, -5], BLUE)
    assert answer.headers["Cache-Control"].startswith("private")
    again = await drummer.http.get(
        path, params={"width": width}, headers={"If-None-Match": answer.headers["ETag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


async def test_a_video_held_upright_is_shown_upright(drummer: User, tmp_path: Path) -> None:
    video = await drummer.upload(
        halves(tmp_path / "in.mp4", (320, 240), rotation=90), process=False
    )
    picture = pixels(await drummer.http.get(f"/media/videos/{video['id']}/thumbnail"))
    assert picture.shape[:2] == (320, 240)
    # A quarter turn clockwise: what was left is above.
    assert near(picture[4, 120], RED)
    assert near(picture[-5, 120], BLUE)


async def test_what_has_no_picture_says_so(drummer: User, tmp_path: Path) -> None:
    sound = await drummer.upload(write(tmp_path / "in.wav", tone(220.0)), process=False)
    answer = await drummer.http.get(f"/media/videos/{sound['id']}/thumbnail")
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (404, "no-picture")


async def test_other_widths_and_other_users_are_refused(
    drummer: User, embedded_system: System, mute_video: Path
) -> None:
    video = await drummer.upload(mute_video, process=False)
    path = f"/media/videos/{video['id']}/thumbnail"
    assert (await drummer.http.get(path, params={"width": 5000})).status_code == 422
    stranger = await embedded_system.user()
    assert (await stranger.http.get(path)).status_code == 404
    await stranger.http.aclose()


async def test_a_still_is_drawn_once_and_goes_with_its_video(
    drummer: User, embedded_system: System, mute_video: Path
) -> None:
    video = await drummer.upload(mute_video, process=False)
    path = f"/media/videos/{video['id']}/thumbnail"
    first = await drummer.http.get(path)
    key = f"videos/{video['id']}/thumbnail-320.jpg"
    assert await embedded_system.storage.read(key) == first.content
    await embedded_system.storage.write(key, first.content + b"kept")
    assert (await drummer.http.get(path)).content.endswith(b"kept")
    assert (await drummer.http.delete(f"/media/videos/{video['id']}")).status_code == 204
    assert await embedded_system.storage.keys(f"videos/{video['id']}") == []
    assert (await drummer.http.get(path)).status_code == 404
