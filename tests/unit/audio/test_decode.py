"""Sound out of containers, on the video's clock."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from services.audio.domain.decode import extract_audio
from services.audio.domain.errors import (
    CorruptAudio,
    EmptyAudio,
    NoAudioTrack,
    TooLong,
    UnreadableMedia,
)
from tests.synth import SAMPLE_RATE, clicks, write


def write_video(
    path: Path,
    sound: np.ndarray | None,
    *,
    sound_starts_s: float = 0.0,
    duration_s: float = 2.0,
    codec: str = "aac",
) -> Path:
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width = video.height = 64
        video.pix_fmt = "yuv420p"
        audio = container.add_stream(codec, rate=SAMPLE_RATE) if sound is not None else None
        if audio is not None:
            audio.layout = "mono"
        for number in range(int(duration_s * 25)):
            picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            picture.pts, picture.time_base = number, Fraction(1, 25)
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        if sound is not None and audio is not None:
            shift = round(sound_starts_s * SAMPLE_RATE)
            for first in range(0, len(sound), 1024):
                block = np.ascontiguousarray(sound[None, first : first + 1024])
                frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
                frame.sample_rate = SAMPLE_RATE
                frame.pts, frame.time_base = shift + first, Fraction(1, SAMPLE_RATE)
                container.mux(audio.encode(frame))
            container.mux(audio.encode(None))
    return path


def loudest_s(path: Path) -> float:
    samples, rate = soundfile.read(path, always_2d=True)
    return float(np.abs(samples).max(axis=1).argmax()) / rate


@pytest.mark.parametrize(
    ("rate", "channels"), [(22_050, 1), (48_000, 2), (48_000, 6), (8_000, 1), (96_000, 2)]
)
def test_every_rate_and_layout_keeps_its_duration(tmp_path, rate, channels):
    time_s = np.arange(int(rate * 1.5)) / rate
    samples = 0.5 * np.sin(2 * np.pi * 440 * time_s)[:, None].repeat(channels, axis=1)
    soundfile.write(tmp_path / "in.wav", samples, rate)
    extracted = extract_audio(tmp_path / "in.wav", tmp_path / "out.flac")
    assert extracted.duration_s == pytest.approx(1.5, abs=0.001)
    assert extracted.channels == min(channels, 2)
    assert extracted.decode_errors == 0
    assert extracted.peak == pytest.approx(0.5, abs=0.02)
    info = soundfile.info(tmp_path / "out.flac")
    assert (info.samplerate, info.channels, info.format, info.subtype) == (
        44_100, min(channels, 2), "FLAC", "PCM_16",
    )  # fmt: skip


def test_the_asked_rate_and_channels_are_written(tmp_path):
    source = write(tmp_path / "in.wav", clicks(0.5))
    extracted = extract_audio(source, tmp_path / "out.flac", sample_rate=16_000, channels=2)
    assert (extracted.sample_rate, extracted.channels) == (16_000, 2)
    assert loudest_s(tmp_path / "out.flac") == pytest.approx(0.5, abs=0.003)


def test_surround_is_kept_when_asked_for(tmp_path):
    soundfile.write(tmp_path / "in.wav", np.full((4800, 6), 0.1), 48_000)
    extracted = extract_audio(tmp_path / "in.wav", tmp_path / "out.flac", channels="source")
    assert extracted.channels == 6


def test_a_file_like_is_read_from_its_start(tmp_path):
    content = io.BytesIO(write(tmp_path / "in.wav", clicks(0.5)).read_bytes())
    content.seek(100)
    assert extract_audio(content, tmp_path / "out.flac").duration_s == pytest.approx(1.5, abs=0.001)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov", "ts", "avi"])
def test_a_click_stays_where_the_video_has_it(tmp_path, suffix):
    video = write_video(tmp_path / f"in.{suffix}", clicks(0.5, duration_s=2))
    extract_audio(video, tmp_path / "out.flac")
    # An AVI cannot tell its encoder's priming of 1024 samples; in a transport stream the sound
    # starts that much before the picture, and 0 is where the sound starts.
    late_s = 1024 / SAMPLE_RATE if suffix in ("avi", "ts") else 0
    assert loudest_s(tmp_path / "out.flac") == pytest.approx(0.5 + late_s, abs=0.005)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_sound_that_starts_late_is_led_by_silence(tmp_path, suffix):
    video = write_video(tmp_path / f"in.{suffix}", clicks(0.5), sound_starts_s=0.7)
    extract_audio(video, tmp_path / "out.flac")
    assert loudest_s(tmp_path / "out.flac") == pytest.approx(1.2, abs=0.005)


def test_a_video_without_sound_is_told_so(tmp_path):
    video = write_video(tmp_path / "in.mp4", None)
    with pytest.raises(NoAudioTrack, match="no sound track") as raised:
        extract_audio(video, tmp_path / "out.flac")
    assert raised.value.code == "no-audio-track"


HOSTILE = {
    "text": b"Dear Sir,\nplease find attached no video.\n" * 50,
    "nothing": b"",
    "hls": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "concat": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
    "dash": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period/></MPD>',
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_no_media_or_points_elsewhere_is_refused(tmp_path, kind):
    with pytest.raises(UnreadableMedia):
        extract_audio(io.BytesIO(HOSTILE[kind]), tmp_path / "out.flac")
    assert not (tmp_path / "out.flac").exists()


def test_a_playlist_that_points_at_a_real_recording_is_refused(tmp_path):
    write(tmp_path / "real.wav", clicks(0.5))
    playlist = tmp_path / "list.m3u8"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nreal.wav\n#EXT-X-ENDLIST\n")
    with pytest.raises(UnreadableMedia):
        extract_audio(playlist, tmp_path / "out.flac")


def test_an_mp4_cut_off_before_its_index_is_unreadable(tmp_path):
    whole = write_video(tmp_path / "in.mp4", clicks(0.5)).read_bytes()
    with pytest.raises(UnreadableMedia):
        extract_audio(io.BytesIO(whole[: len(whole) // 2]), tmp_path / "out.flac")


def test_a_cut_off_recording_is_heard_as_far_as_it_goes(tmp_path):
    whole = write(tmp_path / "in.wav", clicks(0.5, duration_s=4)).read_bytes()
    extracted = extract_audio(io.BytesIO(whole[: len(whole) // 2]), tmp_path / "out.flac")
    assert extracted.duration_s == pytest.approx(2.0, abs=0.1)


def damaged(path: Path, every: int) -> io.BytesIO:
    """A FLAC in Matroska whose blocks are overwritten, each `every`-th."""
    with av.open(str(path)) as container:
        spots = [(packet.pos, packet.size) for packet in container.demux(audio=0) if packet.size]
    content = bytearray(path.read_bytes())
    for number, (at, size) in enumerate(spots):
        if number % every == every - 1:
            content[at + 12 : at + 12 + size - 14] = bytes(size - 14)
    return io.BytesIO(bytes(content))


def test_a_damaged_packet_is_counted_and_time_goes_on(tmp_path):
    rng = np.random.default_rng(1)
    noise = (0.02 * rng.normal(0, 1, 4 * SAMPLE_RATE)).astype(np.float32)
    sound = noise + clicks(3.5, duration_s=4)
    source = write_video(tmp_path / "in.mkv", sound, codec="pcm_s16le", duration_s=1)
    whole = extract_audio(source, tmp_path / "whole.flac")
    assert whole.decode_errors == 0
    flac = tmp_path / "in_flac.mka"
    with av.open(str(flac), "w", format="matroska") as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE)
        stream.layout = "mono"
        pcm = (sound * 32767).astype(np.int16)
        for first in range(0, len(pcm), 4096):
            block = np.ascontiguousarray(pcm[None, first : first + 4096])
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
            frame.sample_rate = SAMPLE_RATE
            frame.pts, frame.time_base = first, Fraction(1, SAMPLE_RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    extracted = extract_audio(damaged(flac, 8), tmp_path / "out.flac")
    assert extracted.decode_errors > 0
    assert extracted.duration_s == pytest.approx(4.0, abs=0.1)
    assert loudest_s(tmp_path / "out.flac") == pytest.approx(3.5, abs=0.01)
    with pytest.raises(CorruptAudio):
        extract_audio(damaged(flac, 1), tmp_path / "bad.flac")
    assert not (tmp_path / "bad.flac").exists()


def test_a_sound_track_of_no_samples_is_empty(tmp_path):
    soundfile.write(tmp_path / "in.wav", np.zeros(0), SAMPLE_RATE)
    with pytest.raises(EmptyAudio):
        extract_audio(tmp_path / "in.wav", tmp_path / "out.flac")


def test_beyond_the_limit_is_too_long_and_leaves_nothing(tmp_path):
    source = write(tmp_path / "in.wav", clicks(0.5, duration_s=6))
    with pytest.raises(TooLong, match="longer than"):
        extract_audio(source, tmp_path / "out.flac", max_duration_s=3)
    assert not (tmp_path / "out.flac").exists()


def test_a_progress_that_raises_cancels_and_cleans_up(tmp_path):
    class Cancelled(Exception):
        pass

    def cancel(fraction: float) -> None:
        assert 0 < fraction <= 1
        raise Cancelled

    source = write(tmp_path / "in.wav", clicks(0.5, duration_s=6))
    with pytest.raises(Cancelled):
        extract_audio(source, tmp_path / "out.flac", progress=cancel)
    assert not (tmp_path / "out.flac").exists()
