"""The network as it is served."""

from __future__ import annotations

import numpy as np
import pytest

from services.audio.domain import network
from services.audio.domain.hear import MODEL_VERSION
from services.audio.domain.network import FOLDER, card, listen
from services.audio.domain.spectra import BANDS, HOP_SAMPLES, SAMPLE_RATE, WINDOWS, levels_db
from services.audio.domain.vocabulary import FAMILIES, FAMILY_OF, PIECES
from tests.synth import groove, write


def test_the_weights_are_small_enough_to_be_kept_here():
    assert (FOLDER / f"{MODEL_VERSION}.onnx").stat().st_size <= 20_000_000


def test_the_card_knows_every_family_and_what_it_was_made_from():
    made = card(MODEL_VERSION)
    assert set(made.families) == set(FAMILIES)
    assert made.data
    assert made.limits
    assert {"stems: 5 classes", "mixes: 5 classes", "rendered: 5 classes"} <= set(made.scores)


def test_every_piece_has_one_family():
    assert [piece for pieces in FAMILIES.values() for piece in pieces] == list(PIECES)
    assert set(FAMILY_OF) == set(PIECES)


def test_a_full_tone_reads_0_db_in_its_band():
    hz = np.geomspace(35.0, 17_500.0, BANDS)[60]
    tone = np.sin(2 * np.pi * hz * np.arange(SAMPLE_RATE) / SAMPLE_RATE).astype(np.float32)
    levels = levels_db(tone)
    assert levels.shape == (len(WINDOWS), BANDS, (SAMPLE_RATE - 4096) // HOP_SAMPLES + 1)
    np.testing.assert_allclose(levels[:, 60].mean(axis=1), 0, atol=3)
    assert levels[2, 30].max() < -40


def test_frames_are_centred_on_their_time():
    click = np.zeros(SAMPLE_RATE, np.float32)
    click[2048 + 30 * HOP_SAMPLES] = 1.0
    levels = levels_db(click)
    assert (levels.mean(axis=1).argmax(axis=1) == 30).all()


def test_no_band_is_deaf():
    noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE).astype(np.float32)
    assert levels_db(noise).min() > -90


def test_where_chunks_begin_changes_nothing(tmp_path, monkeypatch):
    """Against the same reference level: what is around a chunk is all that the network sees."""
    samples, _ = groove(bars=12)
    path = write(tmp_path / "sound.wav", samples)
    monkeypatch.setattr(network, "reference_db", lambda levels: -20.0)

    def whole(frames: int):
        monkeypatch.setattr(network, "_CHUNK_FRAMES", frames)
        parts = list(listen(path, MODEL_VERSION, lambda done: None))
        firsts = [part.first_frame for part in parts]
        lengths = [part.onsets.shape[1] for part in parts]
        assert firsts == [sum(lengths[:index]) for index in range(len(parts))]
        return np.concatenate([part.onsets for part in parts], axis=1), len(parts)

    at_once, one = whole(1_000_000)
    in_parts, several = whole(190)
    assert one == 1
    assert several > 5
    assert in_parts.shape == at_once.shape
    np.testing.assert_allclose(in_parts, at_once, atol=1e-4)


@pytest.mark.parametrize("count", [1, 440, 441, 5000, SAMPLE_RATE])
def test_there_is_a_frame_for_every_hundredth_of_a_second(tmp_path, count):
    samples = 0.1 * np.random.default_rng(1).standard_normal(count)
    path = write(tmp_path / "sound.wav", samples)
    frames = sum(part.onsets.shape[1] for part in listen(path, MODEL_VERSION, lambda done: None))
    assert frames == count // HOP_SAMPLES + 1
