"""What the truth of a made take is."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from benchmarks.writing.truth import (
    LEAD_S,
    Stroke,
    Take,
    as_played,
    borrow_hands,
    families,
    find_lag,
    residuals,
    settled,
)
from libs.common.drums import DrumPiece as P


def take(strokes, bpm=120.0):
    return Take("made", "rock", bpm, 4, tuple(Stroke(*stroke) for stroke in strokes))


def groove(bars=8, offbeat=0.5, spread=0.0, seed=1, lag=0.0):
    """Hats on beats and offbeats, kick and snare; times in beats."""
    rng = np.random.default_rng(seed)
    strokes = []
    for beat in range(4 * bars):
        strokes.append((beat, P.SNARE if beat % 2 else P.KICK, 100))
        strokes += [(beat, P.HAT_CLOSED, 80), (beat + offbeat, P.HAT_CLOSED, 70)]
    return take((at + lag + rng.normal(0, spread) + 1, piece, v) for at, piece, v in strokes)


def places(truth, piece):
    return {note.place * 4 % 1 for note in truth.notes if note.piece is piece}


def test_human_eighths_are_eighths():
    truth = as_played(groove(spread=0.015))
    assert places(truth, P.HAT_CLOSED) == {0, Fraction(1, 2)}
    assert all(note.asked for note in truth.notes)
    assert [n.bar for n in truth.notes if n.piece is P.KICK][:3] == [0, 0, 1]


def test_shuffled_offbeats_are_triplets():
    truth = as_played(groove(offbeat=0.66, spread=0.015))
    assert places(truth, P.HAT_CLOSED) == {0, Fraction(2, 3)}


def test_lag_is_no_rhythm():
    truth = as_played(groove(lag=-0.06, spread=0.01))
    assert truth.start_s - truth.click_s == pytest.approx(-0.03, abs=0.005)
    assert places(truth, P.HAT_CLOSED) == {0, Fraction(1, 2)}
    assert find_lag([Stroke(0.02, P.KICK, 90)]) == pytest.approx(0.02)


def test_what_is_between_eighth_and_triplet_is_not_asked():
    assert not settled(0.583, 4, [4], 0.5)
    assert settled(0.51, 4, [4], 0.5)
    # Between two 16ths, nearer to neither.
    assert not settled(0.12, 4, [4], 0.5)
    # Right on a triplet, but 32nds are about as likely here.
    assert settled(1 / 3, 3, [3], 0.5)
    assert not settled(1 / 3, 3, [3, 8], 0.5)


def test_one_stray_stroke_is_not_asked_and_the_rest_is():
    made = groove()
    stray = take([*((s.beat, s.piece, s.velocity) for s in made.strokes), (9.58, P.SNARE, 60)])
    left_out = [note for note in as_played(stray).notes if not note.asked]
    assert [note.piece for note in left_out] == [P.SNARE]


def test_a_flam_is_one_note_with_a_grace():
    made = [(s.beat, s.piece, s.velocity) for s in groove().strokes]
    truth = as_played(take([*made, (2 - 0.06, P.SNARE, 40)]))
    (flam,) = [note for note in truth.notes if note.graces]
    assert (flam.bar, flam.place, flam.velocity) == (0, Fraction(1, 2), 100)
    assert len(truth.hits) == len(truth.notes) + 1


def test_a_pad_that_fires_twice_is_one_stroke_and_a_bounce_is_not_asked():
    made = [(s.beat, s.piece, s.velocity) for s in groove().strokes]
    assert len(as_played(take([*made, (2.02, P.SNARE, 110)])).hits) == len(made)
    bounced = as_played(take([*made, (2.1, P.SNARE, 30)]))
    assert [note.velocity for note in bounced.notes if not note.asked] == [30]


def test_ghosts_are_soft_beside_loud_ones_and_accents_stand_out():
    strokes = [(beat, P.SNARE, 100) for beat in range(32)]
    strokes += [(beat + 0.5, P.SNARE, 25) for beat in range(16)]
    strokes[4] = (4, P.SNARE, 120)
    strokes[8] = (8, P.SNARE, 113)  # 12 % more than usual, but not 14 more
    truth = as_played(take(strokes))
    assert sum(note.ghost for note in truth.notes) == 16
    assert [note.velocity for note in truth.notes if note.accent] == [120]
    soft = as_played(take([(beat, P.SNARE, 28) for beat in range(16)]))
    assert not any(note.ghost for note in soft.notes)


def test_borrowed_hands_play_the_same_score_with_the_others_timing():
    score, hands = as_played(groove(bars=4)), as_played(groove(spread=0.02, seed=5))
    played = borrow_hands(score, hands, np.random.default_rng(3))
    assert {(n.bar, n.place, n.piece) for n in played.notes} == {
        (n.bar, n.place, n.piece) for n in score.notes
    }
    times = {hit.id: hit.onset_s for hit in played.hits}
    away = [times[note.hit] - played.time_s(note) for note in played.notes]
    theirs = {round(each, 6) for place in residuals(hands) for each in place}
    assert {round(each, 6) for each in away} <= theirs
    assert np.std(away) > 0.005


def test_borrowed_hands_are_the_seeds():
    score, hands = as_played(groove(bars=4)), as_played(groove(spread=0.02, seed=5))

    def onsets(seed):
        played = borrow_hands(score, hands, np.random.default_rng(seed))
        return [hit.onset_s for hit in played.hits]

    assert onsets(3) == onsets(3)
    assert onsets(3) != onsets(4)


def test_borrowed_hands_never_change_the_order_of_a_piece():
    quick = as_played(take([(beat / 8, P.SNARE, 90) for beat in range(64)], bpm=90))
    loose = as_played(groove(spread=0.06, seed=2))
    played = borrow_hands(quick, loose, np.random.default_rng(1))
    by_score = sorted(played.notes, key=lambda note: (note.bar, note.place))
    times = {hit.id: hit.onset_s for hit in played.hits}
    assert all(times[b.hit] - times[a.hit] > 0 for a, b in pairwise(by_score))
    assert min(times.values()) > LEAD_S - 0.2


def test_what_a_kit_lacks_and_what_comes_later_is_left_away():
    truth = as_played(groove(bars=4))
    assert {note.piece for note in truth.only({P.KICK}).notes} == {P.KICK}
    assert {hit.piece for hit in truth.only({P.KICK}).hits} == {P.KICK}
    beginning = truth.until(LEAD_S + 2 * truth.bar_s + 0.1)
    assert {note.bar for note in beginning.notes} == {0, 1}


def test_families_of_a_beat():
    assert families([Fraction(1), Fraction(2)]) == ""
    assert families([Fraction(0), Fraction(1, 2)]) == "straight"
    assert families([Fraction(4, 3)]) == "ternary"
    assert families([Fraction(1, 4), Fraction(5, 6)]) == "straight and ternary"


def test_a_late_16th_is_not_asked_and_a_sextuplet_is():
    made = [(s.beat, s.piece, s.velocity) for s in groove().strokes]
    late = as_played(take([*made, (9.8, P.KICK, 80)]))
    assert [note.piece for note in late.notes if not note.asked] == [P.KICK]
    fill = [(9 + n / 6, P.TOM_HIGH, 90) for n in range(12)]
    full = as_played(take([*made, *fill]))
    assert {n.place * 4 % 1 for n in full.notes if n.piece is P.TOM_HIGH and n.asked} >= {
        Fraction(1, 6), Fraction(5, 6),
    }  # fmt: skip


def test_a_take_that_leaves_its_click_is_not_used():
    assert as_played(groove(spread=0.015)).to_click
    assert not as_played(groove(spread=0.3)).to_click
