"""The pulse under hits."""

from __future__ import annotations

import numpy as np
import pytest

from libs.common.drums import DrumPiece, Hit
from services.audio.domain.beats import find_beats
from tests.synth import HAT, KICK, SNARE, rock_bar


def rock(bars: int, tempo_bpm: float, start_s: float = 0.5) -> list[Hit]:
    beat_s = 60 / tempo_bpm
    return [hit for bar in range(bars) for hit in rock_bar(start_s + 4 * bar * beat_s, beat_s)]


@pytest.mark.parametrize("tempo_bpm", [72, 100, 128, 150, 170])
def test_a_rock_groove_has_its_tempo_beats_and_bars(tempo_bpm):
    pulse = find_beats(rock(8, tempo_bpm))
    assert pulse.tempo_bpm == pytest.approx(tempo_bpm, rel=0.005)
    expected_s = 0.5 + np.arange(32) * 60 / tempo_bpm
    np.testing.assert_allclose([beat.time_s for beat in pulse.beats[:32]], expected_s, atol=0.02)
    assert [beat.position for beat in pulse.beats[:8]] == [1, 2, 3, 4, 1, 2, 3, 4]
    assert pulse.beats_per_bar == 4
    assert pulse.confidence > 0.5


def test_jitter_of_a_hand_leaves_the_beats_within_20_ms():
    rng = np.random.default_rng(2)
    hits = sorted(
        Hit(hit.onset_s + rng.normal(0, 0.006), hit.piece, hit.velocity) for hit in rock(8, 100)
    )
    pulse = find_beats(hits)
    np.testing.assert_allclose(
        [beat.time_s for beat in pulse.beats[:32]], 0.5 + 0.6 * np.arange(32), atol=0.02
    )


def test_a_waltz_counts_to_three():
    hits = []
    for bar in range(12):
        at = 0.4 + bar * 1.5
        hits += [Hit(at, KICK, 110), Hit(at + 0.5, SNARE, 80), Hit(at + 1.0, SNARE, 80)]
        hits += [Hit(at + n * 0.5, HAT, 80) for n in range(3)]
    pulse = find_beats(sorted(hits))
    assert pulse.tempo_bpm == pytest.approx(120, rel=0.01)
    assert [beat.position for beat in pulse.beats[:6]] == [1, 2, 3, 1, 2, 3]


def test_a_pickup_before_the_first_bar_is_no_downbeat():
    fill = [Hit(0.5 + 0.15 * n, SNARE, 90) for n in range(4)]
    pulse = find_beats(sorted(fill + rock(8, 100, start_s=1.1)))
    by_time = {round(beat.time_s, 1): beat.position for beat in pulse.beats}
    assert by_time[0.5] == 4
    assert by_time[1.1] == 1


def test_a_tempo_that_grows_is_followed():
    hits: list[Hit] = []
    beats_s: list[float] = []
    at = 0.5
    for bar in range(16):
        beat_s = 60 / (96 + bar)
        hits += rock_bar(at, beat_s)
        beats_s += [at + n * beat_s for n in range(4)]
        at += 4 * beat_s
    pulse = find_beats(sorted(hits))
    found_s = np.array([beat.time_s for beat in pulse.beats])
    away_s = [float(np.abs(found_s - each).min()) for each in beats_s]
    assert max(away_s) < 0.04
    assert len(found_s) == pytest.approx(64, abs=1)


def test_beats_reach_from_the_first_hit_to_the_last():
    hits = rock(8, 100)
    hits.append(Hit(0.5 + 8 * 2.4 + 3.0, DrumPiece.CRASH, 110))
    pulse = find_beats(hits)
    assert pulse.beats[0].time_s <= hits[0].onset_s + 0.03
    assert pulse.beats[-1].time_s >= hits[-1].onset_s - 0.03


def test_strokes_at_random_have_no_believed_pulse():
    rng = np.random.default_rng(4)
    hits = sorted(Hit(float(at), SNARE, 90) for at in np.cumsum(rng.exponential(0.7, 40)))
    assert find_beats(hits).confidence < 0.4


def test_few_hits_have_no_pulse():
    pulse = find_beats([Hit(0.5, KICK), Hit(1.0, SNARE)])
    assert (pulse.beats, pulse.tempo_bpm, pulse.confidence) == ([], None, 0.0)
