"""Hits out of activations."""

from __future__ import annotations

import numpy as np
import pytest

from libs.common.drums import DrumPiece
from services.audio.domain.network import Activations, Calibration, Card
from services.audio.domain.peaks import Picker, hits_from
from services.audio.domain.vocabulary import FAMILIES, FAMILY_OF, ONSET_OUTPUTS, PIECES


def card(**changes) -> Card:
    rule = Calibration(threshold=0.3, again_threshold=0.6, slope=1.0, offset=0.0)
    return Card(
        **{
            "version": "test", "about": "", "data": [], "command": "", "seed": 0,
            "trained_hours": 0, "parameters": 0, "licence": "", "scores": {}, "limits": [],
            "lag_s": 0.0, "families": dict.fromkeys(FAMILIES, rule), "together": 0.7,
            "second_piece": 0.5, "velocities": {}, **changes,
        }
    )  # fmt: skip


def heard(*strokes, frames=300) -> Activations:
    """Activations as the network should give them for (frame, piece, chance)."""
    onsets = np.zeros((ONSET_OUTPUTS, frames), np.float32)
    velocities = np.full((len(FAMILIES), frames), 0.5, np.float32)
    for at, piece, chance in strokes:
        low = int(at)
        for frame, share in ((low, low + 1 - at), (low + 1, at - low)):
            if 0 <= frame < frames:
                family = len(PIECES) + list(FAMILIES).index(FAMILY_OF[piece])
                onsets[PIECES.index(piece), frame] += share * chance
                onsets[family, frame] = max(onsets[family, frame], share * chance)
    return Activations(0, onsets, velocities)


def pick(activations: Activations, made: Card | None = None, **options):
    made = made or card()
    picker = Picker(made)
    picker.take(activations)
    picker.finish()
    return hits_from(picker.peaks, made, 10.0, **options)


@pytest.mark.parametrize("at", [50.0, 50.25, 50.5, 50.8])
def test_a_hit_between_two_frames_is_placed_between_them(at):
    (hit,) = pick(heard((at, DrumPiece.SNARE, 0.9)))
    assert hit.piece is DrumPiece.SNARE
    assert hit.onset_s == pytest.approx(at / 100, abs=1e-4)


def test_the_lag_is_taken_off():
    (hit,) = pick(heard((50, DrumPiece.KICK, 0.9)), card(lag_s=0.004))
    assert hit.onset_s == pytest.approx(0.496, abs=1e-4)


@pytest.mark.parametrize("at", [0, 1, 298, 299])
def test_hits_at_the_very_ends_are_kept(at):
    (hit,) = pick(heard((at, DrumPiece.KICK, 0.9)))
    assert hit.onset_s == pytest.approx(at / 100, abs=0.006)


def test_what_is_less_sure_than_the_threshold_is_no_hit():
    assert pick(heard((50, DrumPiece.KICK, 0.25))) == []
    assert len(pick(heard((50, DrumPiece.KICK, 0.25)), sensitivity=0.8)) == 1


def test_a_flam_is_two_hits_and_an_echo_none():
    flam = pick(heard((50, DrumPiece.SNARE, 0.7), (53, DrumPiece.SNARE, 0.9)))
    assert [hit.onset_s for hit in flam] == pytest.approx([0.50, 0.53])
    for first, second in ((0.9, 0.4), (0.4, 0.9)):
        echo = pick(heard((50, DrumPiece.SNARE, first), (53, DrumPiece.SNARE, second)))
        assert len(echo) == 1
        assert echo[0].onset_s == pytest.approx(0.50 if first > second else 0.53)


def test_a_row_of_unsure_peaks_leaves_the_surest():
    row = pick(
        heard(*((50 + 3 * n, DrumPiece.SNARE, chance) for n, chance in enumerate((0.4, 0.5, 0.45))))
    )
    assert [hit.onset_s for hit in row] == pytest.approx([0.53])


def test_an_open_hat_is_named_by_its_own_activation():
    (hit,) = pick(heard((50, DrumPiece.HAT_OPEN, 0.9)))
    assert hit.piece is DrumPiece.HAT_OPEN


def test_a_ride_and_a_crash_together_are_both_heard():
    hits = pick(heard((50, DrumPiece.RIDE, 0.8), (50, DrumPiece.CRASH, 0.9)))
    assert {hit.piece for hit in hits} == {DrumPiece.RIDE, DrumPiece.CRASH}


def test_a_hat_is_never_two_things_at_once():
    hits = pick(heard((50, DrumPiece.HAT_CLOSED, 0.8), (50, DrumPiece.HAT_OPEN, 0.9)))
    assert [hit.piece for hit in hits] == [DrumPiece.HAT_OPEN]


def test_a_stroke_that_could_be_two_pieces_is_less_sure():
    (sure,) = pick(heard((50, DrumPiece.HAT_OPEN, 0.9)))
    torn = heard((50, DrumPiece.HAT_OPEN, 0.9))
    torn.onsets[PIECES.index(DrumPiece.HAT_CLOSED), 50] = 0.8
    (unsure,) = pick(torn)
    assert unsure.confidence < 0.7 * sure.confidence


def test_a_hat_that_a_ride_may_have_been_taken_for_is_left_out_unless_sure():
    ride = (50, DrumPiece.RIDE, 0.9)
    assert [hit.piece for hit in pick(heard(ride, (50, DrumPiece.HAT_CLOSED, 0.5)))] == ["ride"]
    assert len(pick(heard(ride, (50, DrumPiece.HAT_CLOSED, 0.8)))) == 2
    assert len(pick(heard(ride, (56, DrumPiece.HAT_CLOSED, 0.5)))) == 2


def test_a_foot_on_the_hat_goes_with_any_cymbal():
    hits = pick(heard((50, DrumPiece.RIDE, 0.9), (50, DrumPiece.HAT_PEDAL, 0.5)))
    assert {hit.piece for hit in hits} == {DrumPiece.RIDE, DrumPiece.HAT_PEDAL}


def test_no_piece_allowed_is_no_hit():
    assert pick(heard((50, DrumPiece.KICK, 0.9)), pieces=set()) == []


def test_only_allowed_pieces_are_named():
    activations = heard((50, DrumPiece.HAT_OPEN, 0.9), (80, DrumPiece.KICK, 0.9))
    (hit,) = pick(activations, pieces={DrumPiece.HAT_CLOSED})
    assert hit.piece is DrumPiece.HAT_CLOSED


def test_velocities_are_spread_by_the_card():
    made = card(velocities={"kick": [(0.0, 1.0), (0.5, 100.0), (1.0, 127.0)]})
    (hit,) = pick(heard((50, DrumPiece.KICK, 0.9)), made)
    assert hit.velocity == 100


def test_frames_in_parts_give_the_hits_of_the_whole():
    rng = np.random.default_rng(4)
    strokes = [
        (float(at), PIECES[rng.integers(len(PIECES))], rng.uniform(0.2, 1))
        for at in np.sort(rng.uniform(0, 299, 60))
    ]
    whole = heard(*strokes)
    expected = pick(whole)
    assert len(expected) > 20
    for parts in ((100, 200), (1, 2, 3, 150, 151), tuple(range(7, 300, 7))):
        picker = Picker(card())
        for first, past in zip((0, *parts), (*parts, 300), strict=True):
            picker.take(
                Activations(first, whole.onsets[:, first:past], whole.velocities[:, first:past])
            )
        picker.finish()
        found = hits_from(picker.peaks, card(), 10.0)
        assert [hit.piece for hit in found] == [hit.piece for hit in expected]
        np.testing.assert_allclose(
            [hit.onset_s for hit in found], [hit.onset_s for hit in expected], atol=1e-9
        )
