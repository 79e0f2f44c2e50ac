"""Loudness."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from services.audio.domain.levels import measure_loudness
from tests.synth import tone, write


@pytest.mark.parametrize("sample_rate", [44_100, 48_000])
def test_the_reference_tone_measures_as_the_standard_says(tmp_path, sample_rate):
    """BS.1770-4: 997 Hz at 0 dBFS in one channel reads -3.01 LKFS."""
    time_s = np.arange(5 * sample_rate) / sample_rate
    path = write(tmp_path / "in.wav", np.sin(2 * np.pi * 997 * time_s) * 0.999, sample_rate)
    assert measure_loudness(path).integrated_lufs == pytest.approx(-3.01, abs=0.05)


def test_stereo_adds_its_channels(tmp_path):
    time_s = np.arange(48_000 * 5) / 48_000
    sine = 10 ** (-23 / 20) * np.sin(2 * np.pi * 1000 * time_s)
    soundfile.write(tmp_path / "in.wav", np.stack([sine, sine], axis=1), 48_000)
    # EBU Tech 3341, case 1.
    assert measure_loudness(tmp_path / "in.wav").integrated_lufs == pytest.approx(-23, abs=0.1)


def test_a_long_pause_does_not_lower_the_loudness(tmp_path):
    sound = tone(1000, 5, 0.5)
    alone = measure_loudness(write(tmp_path / "a.wav", sound))
    paused = measure_loudness(write(tmp_path / "b.wav", np.concatenate([sound, np.zeros(441_000)])))
    assert paused.integrated_lufs == pytest.approx(alone.integrated_lufs, abs=0.2)
    assert paused.rms_dbfs < alone.rms_dbfs - 4


def test_peak_and_rms_are_those_of_the_samples(tmp_path):
    time_s = np.arange(44_100) / 44_100
    loudness = measure_loudness(write(tmp_path / "in.wav", 0.5 * np.sin(2 * np.pi * 441 * time_s)))
    assert loudness.peak_dbfs == pytest.approx(-6.02, abs=0.01)
    assert loudness.rms_dbfs == pytest.approx(-9.03, abs=0.01)


def test_silence_has_no_loudness(tmp_path):
    loudness = measure_loudness(write(tmp_path / "in.wav", np.zeros(44_100)))
    assert (loudness.integrated_lufs, loudness.peak_dbfs, loudness.rms_dbfs) == (None, None, None)


def test_a_sound_of_less_than_one_block_has_a_peak_and_no_loudness(tmp_path):
    loudness = measure_loudness(write(tmp_path / "in.wav", np.full(100, 0.5)))
    assert loudness.integrated_lufs is None
    assert loudness.peak_dbfs == pytest.approx(-6.02, abs=0.01)
