"""What a file says of itself."""

from __future__ import annotations

import io

import pytest

from libs.common.containers import MediaInfo, UnreadableContainer, probe
from tests.synth import clicks, write
from tests.unit.audio.test_decode import write_video


def test_a_video_tells_its_pictures_and_its_sound(tmp_path):
    info = probe(write_video(tmp_path / "in.mp4", clicks(0.5, duration_s=2)))
    assert info.duration_s == pytest.approx(2.0, abs=0.05)
    assert info == MediaInfo(
        duration_s=info.duration_s, container="mp4", has_video=True, has_audio=True, width=64,
        height=64, frame_rate=25.0, audio_sample_rate=44_100, audio_channels=1,
        video_codec="h264", audio_codec="aac",
    )  # fmt: skip


def test_a_sound_file_has_no_pictures(tmp_path):
    with write(tmp_path / "in.wav", clicks(0.5)).open("rb") as file:
        info = probe(file)
    assert (info.container, info.has_video, info.has_audio) == ("wav", False, True)
    assert info.duration_s == pytest.approx(1.5)


def test_a_video_without_sound_says_so(tmp_path):
    info = probe(write_video(tmp_path / "in.mkv", None))
    assert (info.container, info.has_video, info.has_audio) == ("matroska", True, False)
    assert info.audio_codec is None


def test_text_is_no_container():
    with pytest.raises(UnreadableContainer):
        probe(io.BytesIO(b"no video at all\n" * 100))
