"""The pulse under hits."""

from __future__ import annotations

import numpy as np
import pytest

from libs.common.drums import DrumPiece, Hit
from libs.common.pulse.beats import NO_PULSE, Pulse, find_beats
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


@pytest.mark.parametrize("seed", range(8))
def test_strokes_at_random_on_all_drums_have_none_or_a_doubtful_one(seed):
    rng = np.random.default_rng(seed)
    pieces = list(DrumPiece)
    hits = sorted(
        Hit(float(at), pieces[rng.integers(len(pieces))], int(rng.integers(20, 127)))
        for at in rng.uniform(0, 25, rng.integers(12, 100))
    )
    assert find_beats(hits).confidence < 0.35


def test_a_roll_without_accents_is_less_believed_than_a_groove():
    roll = [Hit(0.5 + 0.07 * n, SNARE, 70) for n in range(200)]
    assert find_beats(roll).confidence < 0.5 < find_beats(rock(8, 110)).confidence


def test_few_hits_have_no_pulse():
    pulse = find_beats([Hit(0.5, KICK), Hit(1.0, SNARE)])
    assert (pulse.beats, pulse.tempo_bpm, pulse.confidence) == ([], None, 0.0)


RIDE, CRASH = DrumPiece.RIDE, DrumPiece.CRASH


def bars_of(
    meter: int, bars: int, beat_s: float, backbeats: tuple[int, ...], inside: tuple[float, ...]
) -> list[Hit]:
    """A groove: kick on one, snare on the backbeats, a hat at `inside` of each beat, and a crash
    on every eighth bar."""
    hits = []
    for bar in range(bars):
        at = 0.5 + bar * meter * beat_s
        hits.append(Hit(at, KICK, 112))
        hits += [Hit(at + beat * beat_s, SNARE, 110) for beat in backbeats]
        hits += [
            Hit(at + (beat + each) * beat_s, HAT, 90 if each == 0 else 68)
            for beat in range(meter)
            for each in inside
        ]
        if bar % 8 == 0:
            hits.append(Hit(at, CRASH, 115))
    return sorted(hits)


def positions(pulse: Pulse, count: int) -> list[int]:
    return [beat.position for beat in pulse.beats[:count]]


@pytest.mark.parametrize(
    ("meter", "backbeats"), [(3, (2,)), (5, (1, 3)), (6, (1, 3, 5)), (7, (1, 3, 5))]
)
def test_other_meters_are_counted_out(meter, backbeats):
    pulse = find_beats(bars_of(meter, 12, 0.5, backbeats, (0, 0.5)))
    assert pulse.meter == (meter, 4)
    assert pulse.tempo_bpm == pytest.approx(120, rel=0.01)
    assert positions(pulse, 2 * meter) == 2 * list(range(1, meter + 1))


def test_a_ballad_in_six_eight_is_counted_in_two():
    pulse = find_beats(bars_of(2, 20, 1.0, (1,), (0, 1 / 3, 2 / 3)))
    assert (pulse.meter, pulse.beats_per_bar, pulse.swing_ratio) == ((6, 8), 2, None)
    assert pulse.tempo_bpm == pytest.approx(60, rel=0.01)
    assert positions(pulse, 4) == [1, 2, 1, 2]


def test_a_slow_blues_in_twelve_eight_is_counted_in_four():
    hits = bars_of(4, 12, 0.9, (1, 3), (0, 1 / 3, 2 / 3))
    hits += [
        Hit(0.5 + 3.6 * bar + at * 0.9, KICK, 100) for bar in range(12) for at in (2, 2 + 2 / 3)
    ]
    pulse = find_beats(sorted(hits))
    assert pulse.meter == (12, 8)
    assert positions(pulse, 8) == [1, 2, 3, 4, 1, 2, 3, 4]


@pytest.mark.parametrize("ratio", [1.0, 1.5, 2.0])
def test_swing_is_long_to_short(ratio):
    pulse = find_beats(bars_of(4, 8, 0.5, (1, 3), (0, ratio / (1 + ratio))))
    assert pulse.swing_ratio == pytest.approx(ratio, abs=0.06)
    assert pulse.meter == (4, 4)


def test_without_offbeats_there_is_no_swing_ratio():
    assert find_beats(bars_of(4, 8, 0.5, (1, 3), (0,))).swing_ratio is None


def test_four_clicks_before_the_groove_are_beats_before_its_first_bar():
    clicks = [Hit(0.5 + 0.6 * n, DrumPiece.CROSS_STICK, 80) for n in range(4)]
    pulse = find_beats(clicks + rock(8, 100, start_s=2.9))
    np.testing.assert_allclose(
        [beat.time_s for beat in pulse.beats[:8]], 0.5 + 0.6 * np.arange(8), atol=0.02
    )
    assert positions(pulse, 8) == [1, 2, 3, 4, 1, 2, 3, 4]


def test_a_beginning_amid_the_bar_waits_for_its_one():
    hits = bars_of(4, 12, 0.55, (1, 3), (0, 0.5))
    pulse = find_beats([hit for hit in hits if hit.onset_s > 1.5])
    by_time = {round((beat.time_s - 0.5) / 0.55): beat.position for beat in pulse.beats}
    assert [by_time[n] for n in range(2, 12)] == [3, 4, 1, 2, 3, 4, 1, 2, 3, 4]


def test_a_slow_backbeat_is_not_counted_double_nor_a_quick_one_half():
    quick = bars_of(4, 16, 60 / 180, (1, 3), (0,))
    slow = bars_of(4, 12, 60 / 72, (1, 3), (0, 0.25, 0.5, 0.75))
    assert find_beats(quick).tempo_bpm == pytest.approx(180, rel=0.01)
    assert find_beats(slow).tempo_bpm == pytest.approx(72, rel=0.01)


def played_along(tempos_bpm: np.ndarray) -> tuple[list[Hit], np.ndarray]:
    """A rock groove with a tempo for every beat, and where its beats are."""
    beats_s = 0.5 + np.concatenate([[0.0], np.cumsum(60 / tempos_bpm)])
    hits = [
        Hit(
            float(np.interp(hit.onset_s, np.arange(len(beats_s)), beats_s)), hit.piece, hit.velocity
        )
        for bar in range(len(tempos_bpm) // 4)
        for hit in rock_bar(4.0 * bar, 1.0)
    ]
    return sorted(hits), beats_s[:-1]


def test_rubato_is_followed():
    hits, beats_s = played_along(100 * np.exp(0.08 * np.sin(np.arange(64) / 3)))
    found_s = np.array([beat.time_s for beat in find_beats(hits).beats])
    assert np.abs(found_s[:, None] - beats_s).min(axis=0).max() < 0.04
    assert len(found_s) == pytest.approx(64, abs=1)


def test_another_tempo_begins_where_it_begins():
    hits, beats_s = played_along(np.repeat([96.0, 120.0], 40))
    pulse = find_beats(hits)
    (_, before), (at_s, after) = pulse.tempi
    assert (before, after) == (pytest.approx(96, rel=0.02), pytest.approx(120, rel=0.02))
    assert at_s == pytest.approx(beats_s[40], abs=2.5)


def test_over_a_long_silence_the_count_goes_on():
    hits = rock(8, 120) + rock(8, 120, start_s=0.5 + 16 * 4 * 0.5)
    pulse = find_beats(hits)
    np.testing.assert_allclose(
        [beat.time_s for beat in pulse.beats[:96]], 0.5 + 0.5 * np.arange(96), atol=0.02
    )
    assert positions(pulse, 96) == 24 * [1, 2, 3, 4]


def test_no_hits_have_no_pulse():
    assert find_beats([]) == NO_PULSE


def test_a_quarter_of_an_hour_takes_seconds():
    hits = rock(450, 120)
    pulse = find_beats(hits)
    assert len(pulse.beats) == pytest.approx(1800, abs=1)
    assert pulse.beats[-1].time_s == pytest.approx(hits[-1].onset_s, abs=0.3)
    assert {beat.position for beat in pulse.beats[::4]} == {1}
