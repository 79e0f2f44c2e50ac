from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest

from libs.common.drums import Articulation, Hand
from libs.common.drums import DrumPiece as P
from libs.common.part import Part, PartTempo, Stroke
from services.ai.domain.limbs import Limb, Reason, assign, playable, problems, stroke_times
from tests.unit.ai.made_parts import (
    double_kick,
    flam,
    funk,
    half_time_shuffle,
    linear,
    on,
    part_made,
    part_of_bars,
    rock,
    row,
    shuffle,
    stroke,
    swung,
)

F = Fraction
SIXTEENTH = F(1, 16)


def reasons(part: Part) -> list[tuple[int, Fraction, Reason]]:
    return [(one.bar, one.at, one.reason) for one in problems(part)]


def stuck(sticking: str, piece: P, step: Fraction, bpm: float) -> Part:
    """Whole bars of one piece, the sticking over and over."""
    count = int(1 / step)
    bar = [
        stroke(nth * step, piece, Hand(sticking[nth % len(sticking)])) for nth in range(count)
    ]  # fmt: skip
    return part_of_bars([bar], bpm=bpm)


@pytest.mark.parametrize(
    "part",
    [
        rock(), funk(), funk(bpm=130), shuffle(), half_time_shuffle(), swung(260), double_kick(),
        double_kick(240), linear(220), rock(bpm=None),
    ],
    ids=lambda part: part.title,
)  # fmt: skip
def test_what_drummers_play_is_playable(part: Part):
    assert problems(part) == []


def test_made_parts_are_playable():
    assert [seed for seed in range(300) if not playable(part_made(seed))] == []


def test_what_is_playable_is_so_slower_too():
    for seed in range(100):
        part = part_made(seed)
        slower = tuple(replace(mark, bpm=mark.bpm * 0.7) for mark in part.tempos)
        assert problems(replace(part, tempos=slower)) == []


def test_the_right_hand_keeps_time_while_the_left_plays_the_backbeat():
    played = {(one.stroke.piece, one.limbs) for one in assign(rock()).strokes}
    assert played == {
        (P.HAT_CLOSED, (Limb.RIGHT_HAND,)),
        (P.SNARE, (Limb.LEFT_HAND,)),
        (P.KICK, (Limb.RIGHT_FOOT,)),
    }


def test_fast_hats_are_played_hand_to_hand():
    hats = assign(part_of_bars([row(P.HAT_CLOSED, SIXTEENTH, F(1))], bpm=130)).strokes
    hands = [one.limbs[0] for one in hats]
    assert all(a is not b for a, b in pairwise(hands))
    assert hands[0] is Limb.RIGHT_HAND


def test_known_stickings_are_kept():
    part = stuck("LLRB", P.SNARE, F(1, 8), 90)
    hands = {"L": (Limb.LEFT_HAND,), "R": (Limb.RIGHT_HAND,)}
    both = (Limb.LEFT_HAND, Limb.RIGHT_HAND)
    assert [one.limbs for one in assign(part).strokes] == [
        hands.get(letter, both) for letter in "LLRBLLRB"
    ]


def test_three_strokes_of_hands_at_once_are_one_too_many():
    bar = on(P.SNARE, "1/4") + on(P.RIDE, "1/4") + on(P.CRASH, "1/4") + on(P.KICK, "1/4")
    assert reasons(part_of_bars([[], bar])) == [(2, F(1, 4), Reason.THREE_HANDS)]
    assert problems(part_of_bars([bar]))[0].sentence == (
        "Two hands cannot strike crash, ride and snare at once."
    )
    four_limbs = [one for one in bar if one.piece is not P.RIDE] + on(P.HAT_PEDAL, "1/4")
    assert playable(part_of_bars([four_limbs]))


def test_one_hand_does_not_play_two_things_at_once():
    bar = [stroke(0, P.SNARE, Hand.RIGHT), stroke(0, P.HAT_CLOSED, Hand.RIGHT)]
    assert [one.reason for one in problems(part_of_bars([bar]))] == [Reason.HAND_TWICE]


@pytest.mark.parametrize(("bpm", "fine"), [(120, True), (148, True), (156, False), (200, False)])
def test_one_hand_sustains_ten_strokes_a_second(bpm: float, fine: bool):
    part = stuck("R", P.HAT_CLOSED, SIXTEENTH, bpm)
    assert playable(part) is fine
    if not fine:
        assert {reason for _, _, reason in reasons(part)} == {Reason.HAND_SPEED}


def test_two_hands_bounce_doubles_that_one_could_not_sustain():
    assert playable(stuck("RRLL", P.SNARE, F(1, 32), 140))
    assert not playable(stuck("R", P.SNARE, F(1, 32), 140))


@pytest.mark.parametrize(("bpm", "fine"), [(200, True), (240, True), (270, False)])
def test_one_foot_plays_about_eight_a_second_beside_a_stepped_hat(bpm: float, fine: bool):
    """A run of eighths, the left foot on the hi-hat."""
    bar = row(P.KICK, F(1, 8), F(1)) + row(P.HAT_PEDAL, F(1, 4), F(1))
    part = part_of_bars([bar] * 3, bpm=bpm)
    assert playable(part) is fine
    if not fine:
        assert {reason for _, _, reason in reasons(part)} == {Reason.FOOT_SPEED}


def test_fast_kicks_take_both_feet_where_the_left_is_free():
    part = part_of_bars([row(P.KICK, SIXTEENTH, F(1))], bpm=200)
    shared = assign(part)
    assert len(shared.of(Limb.LEFT_FOOT)) == len(shared.of(Limb.RIGHT_FOOT)) == 8
    assert playable(part)
    stepped = part_of_bars([[*part.bars[0].strokes, *on(P.HAT_PEDAL, "1/4")]], bpm=200)
    assert {one.reason for one in problems(stepped)} == {Reason.FOOT_SPEED}


def test_slow_kicks_take_the_right_foot_alone():
    part = part_of_bars([row(P.KICK, F(1, 8), F(1))], bpm=180)
    assert assign(part).of(Limb.LEFT_FOOT) == []


def test_a_hand_needs_time_to_cross_the_kit():
    def leap(bpm: float) -> Part:
        bar = [stroke(0, P.HAT_CLOSED, Hand.RIGHT), stroke("1/32", P.CHINA, Hand.RIGHT)]
        return part_of_bars([bar], bpm=bpm)

    assert reasons(leap(120)) == [(1, F(1, 32), Reason.REACH)]
    assert playable(leap(40))


def test_a_pedal_does_not_close_the_hat_that_is_struck_open():
    bar = on(P.HAT_OPEN, "1/2") + on(P.HAT_PEDAL, "1/2", "3/4")
    assert reasons(part_of_bars([bar])) == [(1, F(1, 2), Reason.PEDAL_ON_OPEN_HAT)]
    for struck in (P.HAT_CLOSED, P.HAT_HALF_OPEN):
        bar = on(struck, "1/2") + on(P.HAT_PEDAL, "1/2", "3/4")
        assert playable(part_of_bars([bar]))


def test_a_hat_is_not_open_and_closed_at_once():
    bar = on(P.HAT_OPEN, "0") + on(P.HAT_CLOSED, "0")
    assert reasons(part_of_bars([bar])) == [(1, F(0), Reason.HAT_TWO_WAYS)]


def test_the_same_piece_is_not_struck_twice_at_once():
    assert [one.reason for one in problems(part_of_bars([on(P.SNARE, "0", "0")]))] == [
        Reason.STRUCK_TWICE
    ]


@pytest.mark.parametrize(("bpm", "fine"), [(120, True), (170, True), (190, False)])
def test_flams_hand_to_hand_have_their_limit(bpm: float, fine: bool):
    part = part_of_bars([[flam(nth * SIXTEENTH) for nth in range(8)]], bpm=bpm)
    assert playable(part) is fine
    assert {one.reason for one in problems(part)} <= {Reason.GRACE_SPEED}


def test_a_buzz_needs_a_moment_before_its_hand_goes_on():
    def pressed(bpm: float) -> Part:
        buzz = Stroke(F(0), P.SNARE, 70, (Articulation.BUZZ,), hand=Hand.LEFT)
        return part_of_bars([[buzz, stroke("1/32", P.SNARE, Hand.LEFT)]], bpm=bpm)

    assert reasons(pressed(110)) == [(1, F(1, 32), Reason.GRACE_SPEED)]
    assert playable(pressed(80))


def test_without_a_tempo_it_is_played_at_100():
    fast = row(P.KICK, F(1, 16), F(1)) + on(P.HAT_PEDAL, "1/2")
    assert problems(part_of_bars([fast], bpm=None)) == problems(part_of_bars([fast], bpm=100))
    assert not playable(part_of_bars([fast], bpm=140))


def test_the_tempo_counts_from_its_mark_on():
    part = stuck("R", P.HAT_CLOSED, SIXTEENTH, 120)
    twice = replace(part, bars=(part.bars[0], replace(part.bars[0], number=2)))
    faster = replace(twice, tempos=(PartTempo(1, 120), PartTempo(2, 170, beat=3)))
    first = problems(faster)[0]
    assert (first.bar, first.at > F(1, 2)) == (2, True)


def test_strokes_sound_where_the_swing_puts_them():
    times = [time_s for _, bar in stroke_times(swung(120)) for time_s in bar]
    # Ride and pedal on 1, 2, the swung and of 2, 3, 4, the swung and of 4, at 120.
    assert times[:8] == pytest.approx([0, 0.5, 0.5, 0.5 + 1 / 3, 1, 1.5, 1.5, 1.5 + 1 / 3])
