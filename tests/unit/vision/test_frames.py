"""Frames out of files as people and machines leave them."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from services.vision.domain.errors import NoPictures, SeeingError, TooLongToSee, UnreadableVideo
from services.vision.domain.frames import Film, read_frames
from tests.unit.vision.seeing import moving_pictures, save_pictures


def test_frames_come_at_their_times(tmp_path: Path) -> None:
    path = save_pictures(moving_pictures(40), tmp_path / "a.mp4", fps=25)
    film = Film()
    frames = list(read_frames(path, film))
    np.testing.assert_allclose([f.time_s for f in frames], np.arange(40) / 25, atol=1e-4)
    assert (film.width, film.height, film.frames) == (160, 96, 40)
    assert film.fps == pytest.approx(25, abs=0.01)
    assert frames[0].image.shape == (96, 160, 3)


def test_variable_frame_rates_keep_their_times(tmp_path: Path) -> None:
    times_s = np.cumsum(np.random.default_rng(1).uniform(0.02, 0.09, 50))
    path = save_pictures(moving_pictures(50), tmp_path / "a.mp4", times_s=times_s.tolist())
    frames = list(read_frames(path, Film()))
    np.testing.assert_allclose([f.time_s for f in frames], times_s - times_s[0], atol=2e-3)


def test_of_240_frames_a_second_at_most_60_are_looked_at(tmp_path: Path) -> None:
    path = save_pictures(moving_pictures(240), tmp_path / "a.mp4", fps=240)
    film = Film()
    frames = list(read_frames(path, film))
    assert len(frames) == 60
    assert film.frames == 240
    assert film.fps == pytest.approx(240, rel=0.01)


def test_a_part_is_read_from_its_start(tmp_path: Path) -> None:
    path = save_pictures(moving_pictures(150), tmp_path / "a.mp4", fps=30)
    frames = list(read_frames(path, Film(), start_s=2.5, until_s=3.5))
    assert frames[0].time_s == pytest.approx(2.5, abs=0.02)
    assert frames[-1].time_s == pytest.approx(3.5, abs=0.02)


def test_a_turned_phones_video_stands_upright(tmp_path: Path) -> None:
    pictures = moving_pictures(10)
    for picture in pictures:
        picture[:8] = 255
        picture[8:] //= 4
    path = save_pictures(pictures, tmp_path / "a.mp4")
    data = path.read_bytes()
    straight = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 0x40000000)
    quarter = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 0, 0, 0x40000000)
    # In the track's header; the movie's comes before it.
    at = data.index(straight, data.index(b"tkhd"))
    path.write_bytes(data[:at] + quarter + data[at + len(straight) :])
    film = Film()
    frame = next(iter(read_frames(path, film)))
    assert (film.width, film.height) == (96, 160)
    # A quarter turn clockwise: the upper edge comes to lie on the right.
    assert frame.image[:, -8:].mean() > 200 > 3 * frame.image[:, :80].mean()


def test_a_hole_in_the_middle_is_passed_over(tmp_path: Path) -> None:
    path = save_pictures(moving_pictures(200), tmp_path / "a.mkv")
    data = bytearray(path.read_bytes())
    start, end = int(len(data) * 0.3), int(len(data) * 0.5)
    data[start:end] = np.random.default_rng(0).bytes(end - start)
    path.write_bytes(data)
    film = Film()
    frames = list(read_frames(path, film))
    assert len(frames) < 190
    assert frames[-1].time_s > 6
    assert np.all(np.diff([f.time_s for f in frames]) > 0)


def test_a_file_that_breaks_off_gives_what_it_has(tmp_path: Path) -> None:
    path = save_pictures(moving_pictures(200), tmp_path / "a.mkv")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert 60 < len(list(read_frames(path, Film()))) < 140


@pytest.mark.parametrize("content", [b"", b"not a film at all" * 50])
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(UnreadableVideo) as caught:
        list(read_frames(path, Film()))
    assert caught.value.code == "video-unreadable"


def test_a_sound_alone_has_no_pictures(tmp_path: Path) -> None:
    import soundfile

    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(8000), 8000)
    with pytest.raises(NoPictures) as caught:
        list(read_frames(path, Film()))
    assert caught.value.code == "no-video-track"


def test_too_long_is_said(tmp_path: Path) -> None:
    path = save_pictures(moving_pictures(60), tmp_path / "a.mp4")
    with pytest.raises(TooLongToSee):
        list(read_frames(path, Film(), max_duration_s=1.0))


def test_every_refusal_says_what_to_do() -> None:
    for kind in (UnreadableVideo, NoPictures, TooLongToSee):
        assert issubclass(kind, SeeingError)
        assert kind.code != SeeingError.code
        assert len(str(kind())) > 40


def test_a_large_picture_is_handed_on_small(tmp_path: Path) -> None:
    path = save_pictures(moving_pictures(2, 3840, 2160), tmp_path / "a.mp4")
    film = Film()
    frame = next(iter(read_frames(path, film)))
    assert max(frame.image.shape) == 960
    assert (film.width, film.height) == (3840, 2160)
