"""Harmonic-percussive separation, and the streaming spectrum under it."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from services.audio.domain.errors import EmptyAudio, UnreadableMedia
from services.audio.domain.separate import HPSS_STEMS, hpss_gains, running_median, separate_hpss
from services.audio.domain.stft import Grid, reshaped, sound_of, spectra
from tests.synth import SAMPLE_RATE, clicks, groove, write


def chord(duration_s, level=0.1):
    time_s = np.arange(round(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
    return level * sum(np.sin(2 * np.pi * hz * time_s) for hz in (220, 277, 330, 440))


def decibels(samples):
    return 10 * np.log10(np.square(samples).mean())


def read(stem):
    samples, rate = soundfile.read(stem.path, always_2d=True)
    assert (rate, samples.shape[1]) == (stem.sample_rate, stem.channels)
    return samples


@pytest.fixture
def mixed(tmp_path):
    """A groove in the middle and a chord that is the sides': the two can be told apart."""
    drums, _ = groove(bars=2)
    tones = chord(len(drums) / SAMPLE_RATE)
    path = tmp_path / "mix.wav"
    stereo = np.stack([drums * 0.6 + tones, drums * 0.6 - tones], axis=1)
    soundfile.write(path, stereo, SAMPLE_RATE, subtype="FLOAT")
    return path, stereo


def test_both_parts_together_are_the_sound_again(tmp_path, mixed):
    path, stereo = mixed
    stems = separate_hpss(path, tmp_path)
    assert [stem.name for stem in stems] == list(HPSS_STEMS) == ["percussive", "harmonic"]
    percussive, harmonic = (read(stem) for stem in stems)
    assert percussive.shape == harmonic.shape == stereo.shape
    # Two roundings to 16 bits.
    np.testing.assert_allclose(percussive + harmonic, stereo, atol=2.1 / 32_768)
    assert stems[0].peak == pytest.approx(np.abs(percussive).max(), abs=1e-4)


def test_tones_leave_the_percussive_part_and_strokes_the_harmonic_one(tmp_path, mixed):
    path, stereo = mixed
    percussive, harmonic = (read(stem) for stem in separate_hpss(path, tmp_path))

    def tones(samples):
        return (samples[:, 0] - samples[:, 1]) / 2

    assert decibels(tones(percussive)) < decibels(tones(stereo)) - 12
    assert decibels(tones(harmonic)) > decibels(tones(stereo)) - 2
    clicked = write(tmp_path / "clicks.wav", clicks(0.5, 1.0, 1.5) * 0.9)
    struck, rest = (read(stem) for stem in separate_hpss(clicked, tmp_path))
    assert np.square(rest).mean() < 0.03 * np.square(struck).mean()


def test_one_part_can_be_had_alone(tmp_path, mixed):
    [stem] = separate_hpss(mixed[0], tmp_path, ("percussive",))
    assert stem.name == "percussive"


@pytest.mark.parametrize("length", [1, 700, 131_072, 131_073, 300_001])
def test_a_sound_of_any_length_comes_through_unchanged_when_nothing_is_changed(tmp_path, length):
    samples = np.random.default_rng(1).uniform(-0.9, 0.9, (length, 2)).astype(np.float32)
    soundfile.write(tmp_path / "in.wav", samples, SAMPLE_RATE, subtype="FLOAT")
    with soundfile.SoundFile(tmp_path / "in.wav") as file:
        parts = reshaped(file, Grid(1024), lambda s: (np.ones(s[:, 0].shape, np.float32),))
        out = np.concatenate([block for (block,), _ in parts])
    np.testing.assert_allclose(out, samples, atol=1e-5)


def test_in_chunks_it_is_what_it_is_in_one_piece(tmp_path):
    samples = np.random.default_rng(2).normal(0, 0.1, (400_000, 1)).astype(np.float32)
    samples[::9_000] = 0.9
    soundfile.write(tmp_path / "in.wav", samples, SAMPLE_RATE, subtype="FLOAT")
    grid = Grid(2048)
    margin = 32 * grid.window_samples
    padded = np.pad(samples, ((margin, margin), (0, 0)))
    spectrum = spectra(padded, grid)
    whole = sound_of(spectrum * hpss_gains(spectrum)[0][:, np.newaxis], grid)
    with soundfile.SoundFile(tmp_path / "in.wav") as file:
        parts = reshaped(file, grid, hpss_gains, context_frames=8)
        chunked = np.concatenate([blocks[0] for blocks, _ in parts])
    np.testing.assert_allclose(chunked, whole[margin : margin + len(samples)], atol=1e-5)


def test_the_running_median_is_that_of_the_neighbours():
    rows = np.random.default_rng(3).normal(size=(3, 50)).astype(np.float32)
    found = running_median(rows, 5)
    assert found[1, 20] == np.median(rows[1, 18:23])
    assert found[2, 0] == np.median(rows[2, [2, 1, 0, 1, 2]])


def test_what_cannot_be_read_or_holds_nothing_says_so(tmp_path):
    (tmp_path / "no.wav").write_bytes(b"nothing")
    with pytest.raises(UnreadableMedia):
        separate_hpss(tmp_path / "no.wav", tmp_path)
    with pytest.raises(EmptyAudio):
        separate_hpss(write(tmp_path / "none.wav", np.zeros(0)), tmp_path)


def test_progress_rises_to_the_end(tmp_path, mixed):
    told: list[float] = []
    separate_hpss(mixed[0], tmp_path, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0
