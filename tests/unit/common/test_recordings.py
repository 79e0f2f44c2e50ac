"""What a browser's MediaRecorder makes, looked into and heard."""

from __future__ import annotations

import io
from typing import get_args

import av
import numpy as np
import pytest
import soundfile

from libs.common.containers import probe
from services.audio.domain.decode import extract_audio
from tests.recordings import Kind, make_recording
from tests.synth import SAMPLE_RATE, clicks


@pytest.mark.parametrize("kind", get_args(Kind))
def test_a_recording_is_as_long_as_it_plays(kind: Kind) -> None:
    recorded = make_recording(kind, clicks(0.5, 1.0, 2.5, duration_s=3))
    if kind.startswith("webm"):
        with av.open(io.BytesIO(recorded)) as container:
            assert container.duration is None
    info = probe(io.BytesIO(recorded))
    assert info.duration_s == pytest.approx(3.0, abs=0.1)
    assert (info.has_audio, info.has_video) == (True, kind != "webm sound")


def test_a_recording_that_breaks_off_is_as_long_as_what_is_there() -> None:
    recorded = make_recording("webm vp8", clicks(0.5, 1.0, 2.5, duration_s=3))
    info = probe(io.BytesIO(recorded[: len(recorded) // 2]))
    assert info.duration_s is not None
    assert 0.5 < info.duration_s < 2.5


@pytest.mark.parametrize("kind", get_args(Kind))
def test_a_recording_is_heard_in_time(kind: Kind, tmp_path) -> None:
    onsets_s = (0.5, 1.0, 2.5)
    source = tmp_path / "take"
    source.write_bytes(make_recording(kind, clicks(*onsets_s, duration_s=3)))
    extracted = extract_audio(source, tmp_path / "out.flac")
    assert extracted.decode_errors == 0
    assert extracted.duration_s == pytest.approx(3.0, abs=0.1)
    samples, rate = soundfile.read(tmp_path / "out.flac", dtype="float32")
    assert rate == SAMPLE_RATE
    for onset_s in onsets_s:
        at = int((onset_s - 0.1) * rate)
        loudest = at + int(np.argmax(np.abs(samples[at : at + rate // 5])))
        assert loudest / rate == pytest.approx(onset_s, abs=0.02)
