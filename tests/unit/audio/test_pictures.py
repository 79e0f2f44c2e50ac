"""Waveforms and spectrograms."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from services.audio.domain.pictures import spectrogram_png, waveform_peaks
from tests.synth import clicks, tone, write


def test_each_bucket_holds_its_least_and_greatest_sample(tmp_path):
    samples = np.zeros(1000)
    samples[250], samples[740], samples[999] = 0.5, -0.25, 0.125
    peaks = waveform_peaks(write(tmp_path / "in.wav", samples), 4)
    expected = [[0, 0], [0, 0.5], [-0.25, 0], [0, 0.125]]
    np.testing.assert_allclose(peaks, expected, atol=1e-4)


def test_buckets_are_filled_across_blocks(tmp_path):
    samples = np.linspace(-0.9, 0.9, 700_000)
    peaks = waveform_peaks(write(tmp_path / "in.wav", samples), 7)
    np.testing.assert_allclose(peaks[:, 0], np.linspace(-0.9, 0.9, 8)[:7], atol=1e-3)
    np.testing.assert_allclose(peaks[:, 1], np.linspace(-0.9, 0.9, 8)[1:], atol=1e-3)


def test_fewer_samples_than_buckets_repeat(tmp_path):
    peaks = waveform_peaks(write(tmp_path / "in.wav", np.array([0.5, -0.5])), 5)
    np.testing.assert_allclose(peaks[:, 0], [0.5, 0.5, -0.5, -0.5, -0.5], atol=1e-4)


def test_no_buckets_are_an_error(tmp_path):
    with pytest.raises(ValueError, match="buckets"):
        waveform_peaks(write(tmp_path / "in.wav", clicks(0.1)), 0)


def picture(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("L"), float)


def test_a_tone_is_a_bright_row_at_its_height(tmp_path):
    path = write(tmp_path / "in.wav", tone(1000, 3))
    pixels = picture(spectrogram_png(path, width=64, height=100, start_s=1, end_s=2))
    assert pixels.shape == (100, 64)
    height = np.log(1000 / 30) / np.log(16_000 / 30) * 100
    assert 99 - pixels.mean(axis=1).argmax() == pytest.approx(height, abs=1)


def test_a_click_is_a_bright_column_at_its_time(tmp_path):
    path = write(tmp_path / "in.wav", clicks(1.5, duration_s=2))
    pixels = picture(spectrogram_png(path, width=200, height=64))
    assert pixels.mean(axis=0).argmax() == pytest.approx(150, abs=3)


@pytest.mark.parametrize(
    "options", [{"width": 0}, {"height": 9000}, {"start_s": 5.0}, {"end_s": 0.0}]
)
def test_an_impossible_picture_is_an_error(tmp_path, options):
    path = write(tmp_path / "in.wav", clicks(0.5))
    with pytest.raises(ValueError, match=r"sides may be|no sound"):
        spectrogram_png(path, **options)
