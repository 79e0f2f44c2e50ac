"""From chances to beats and bars."""

from __future__ import annotations

import numpy as np
import pytest

from libs.common.pulse.decode import METERS, count_bars, other_pulses, repeats, walk_beats
from libs.common.pulse.net import FRAMES_PER_S


def chances(beats_s: np.ndarray, duration_s: float) -> np.ndarray:
    curve = np.full(int(duration_s * FRAMES_PER_S), 0.02)
    curve[np.rint(beats_s * FRAMES_PER_S).astype(int)] = 0.8
    return curve


def test_beats_are_where_the_chances_are():
    beats_s = 1 + 0.5 * np.arange(30)
    found_s = walk_beats(chances(beats_s, 17), 1.0, 15.5)
    np.testing.assert_allclose(found_s, beats_s, atol=0.02)


def test_a_beat_that_nobody_plays_is_still_a_beat():
    beats_s = 1 + 0.5 * np.arange(30)
    found_s = walk_beats(chances(np.delete(beats_s, [7, 15, 16]), 17), 1.0, 15.5)
    np.testing.assert_allclose(found_s, beats_s, atol=0.02)


def test_other_pulses_begin_with_the_found_one_and_hold_half_and_double():
    beats_s = 0.5 * np.arange(33)
    found = other_pulses(beats_s)
    np.testing.assert_allclose(found[0], beats_s)
    paces_s = {round(float(np.diff(each).mean()), 3) for each in found}
    assert paces_s >= {0.5, 1.0, 1.5}
    assert min(paces_s) >= 0.26


@pytest.mark.parametrize("meter", [3, 4, 5, 6, 7])
def test_bars_are_as_long_as_ones_are_apart(meter):
    ones = np.where(np.arange(60) % meter == 2, 2.0, -3.0)
    positions, lengths = count_bars(ones, compound=False)
    assert list(lengths) == [meter] * 60
    assert list(np.flatnonzero(positions == 1)) == list(range(2, 60, meter))


def test_one_doubtful_bar_does_not_change_the_meter():
    ones = np.where(np.arange(64) % 4 == 0, 2.0, -3.0)
    ones[20], ones[22] = -2.0, 1.0
    positions, _ = count_bars(ones, compound=False)
    assert list(np.flatnonzero(positions == 1)) == list(range(0, 64, 4))


def test_a_new_meter_that_stays_is_believed():
    ones = np.concatenate([np.arange(64) % 4 == 0, np.arange(60) % 3 == 0])
    positions, lengths = count_bars(np.where(ones, 3.0, -4.0), compound=False)
    assert list(np.flatnonzero(positions == 1)) == list(np.flatnonzero(ones))
    assert (lengths[0], lengths[-1]) == (4, 3)


def test_ones_every_other_beat_are_bars_of_two_only_if_compound():
    ones = np.where(np.arange(40) % 2 == 0, 1.0, -3.0)
    assert set(count_bars(ones, compound=True)[1]) == {2}
    assert 2 not in set(count_bars(ones, compound=False)[1])


def returning(meter: int, beats: int) -> np.ndarray:
    """Twenty-four places of kick and snare, another pattern on every beat of a bar."""
    bar = np.random.default_rng(3).integers(0, 2, (24, meter)).astype(np.float32)
    return np.tile(bar, beats // meter + 1)[:, :beats]


@pytest.mark.parametrize("meter", METERS)
def test_what_returns_after_a_bar_speaks_for_that_bar(meter):
    found = repeats(returning(meter, 60))
    assert found.shape == (len(METERS), 60)
    assert set(found.argmax(axis=0)) == {METERS.index(meter)}


def test_where_another_bar_returns_it_is_heard_there():
    rows = np.concatenate([returning(4, 200), returning(3, 198)], axis=1)
    best = repeats(rows).argmax(axis=0)
    assert (METERS[best[60]], METERS[best[-60]]) == (4, 3)


@pytest.mark.parametrize("beats", range(1, 9))
def test_a_few_beats_say_little_of_what_returns(beats):
    assert np.isfinite(repeats(returning(4, beats))).all()


def test_doubtful_ones_are_counted_by_what_returns():
    ones = np.random.default_rng(1).normal(-0.5, 0.3, 70)
    for meter in (5, 7):
        _, lengths = count_bars(ones, compound=False, returning=repeats(returning(meter, 70)))
        assert set(lengths) == {meter}
