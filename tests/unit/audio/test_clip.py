"""The demo clip."""

from __future__ import annotations

import numpy as np
import pytest

from backbeat.clip import compose, render_clip
from libs.common.containers import probe
from libs.common.drums import DrumPiece
from services.audio.domain.decode import extract_audio
from services.audio.domain.hear import hear_performance
from tests.unit.audio.test_hear import f_measure


def test_the_same_seed_plays_the_same():
    assert compose(5) == compose(5)
    assert compose(5) != compose(6)


def test_the_demo_holds_what_a_demo_should_show():
    truth = compose()
    pieces = {hit.piece for hit in truth.hits}
    assert pieces >= {
        DrumPiece.HAT_OPEN, DrumPiece.CRASH, DrumPiece.RIDE,
        DrumPiece.TOM_HIGH, DrumPiece.TOM_MID, DrumPiece.TOM_FLOOR,
    }  # fmt: skip
    assert any(hit.piece is DrumPiece.SNARE and hit.velocity < 45 for hit in truth.hits)
    assert 20 <= truth.duration_s <= 25
    assert [beat.position for beat in truth.beats[:5]] == [1, 2, 3, 4, 1]


def test_a_rendered_clip_is_a_video_in_which_its_strokes_are_heard(tmp_path):
    truth = render_clip(tmp_path / "clip.mp4", bars=4, size=(320, 180))
    info = probe(tmp_path / "clip.mp4")
    assert (info.video_codec, info.audio_codec, info.frame_rate) == ("h264", "aac", 25.0)
    assert info.duration_s == pytest.approx(truth.duration_s, abs=0.06)
    extract_audio(tmp_path / "clip.mp4", tmp_path / "clip.flac")
    heard = hear_performance(tmp_path / "clip.flac")
    assert f_measure(list(truth.hits), list(heard.hits), {DrumPiece.KICK, DrumPiece.SNARE}) >= 0.9
    beats_s = np.array([beat.time_s for beat in heard.beats])
    for beat in truth.beats:
        assert np.abs(beats_s - beat.time_s).min() < 0.025
