"""What the networks of the pulse see, and that it does not matter in what pieces."""

from __future__ import annotations

import numpy as np
import pytest

from libs.common.drums import DrumPiece
from libs.common.pulse.net import (
    BAR_ROWS,
    FAMILY,
    PLACES,
    by_beat,
    rasterise,
    run_frames,
)


def test_every_piece_has_a_family():
    assert set(FAMILY) == set(DrumPiece)


def test_a_hit_between_frames_is_shared_by_both():
    rows = rasterise(np.array([0.05]), np.array([1]), np.array([0.8]), 5)
    np.testing.assert_allclose(rows[1], [0, 0, 0.4, 0.4, 0], atol=1e-6)
    assert rows.sum() == pytest.approx(0.8)


def test_hits_outside_are_left_out():
    assert rasterise(np.array([-1.0, 9.0]), np.array([0, 0]), np.ones(2), 5).sum() == 0


def test_a_hit_on_the_offbeat_lies_in_the_middle_place_at_any_tempo():
    for beat_s in (0.3, 0.9):
        rows = by_beat(np.array([1.5 * beat_s]), np.array([2]), np.ones(1), beat_s * np.arange(4))
        assert rows.shape == (BAR_ROWS, 4)
        assert rows[2 * PLACES + PLACES // 2, 1] == pytest.approx(1)
        assert rows[:-1].sum() == pytest.approx(1)


def test_a_hit_a_little_before_the_first_beat_counts_for_it():
    rows = by_beat(np.array([0.99]), np.array([0]), np.ones(1), np.array([1.0, 1.6, 2.2]))
    assert rows[0, 0] == pytest.approx(0.8, abs=0.01)


def test_the_length_of_the_chunks_changes_nothing():
    rng = np.random.default_rng(1)
    onsets_s = np.sort(rng.uniform(0, 80, 400))
    rows = rasterise(onsets_s, rng.integers(6, size=400), rng.uniform(0.2, 1, 400), 4000)
    whole = run_frames(rows, 4000)
    for chunk_frames in (300, 1777):
        np.testing.assert_allclose(run_frames(rows, chunk_frames), whole, atol=1e-5)
