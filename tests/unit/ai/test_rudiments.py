from dataclasses import replace
from fractions import Fraction

import pytest

from libs.common.drums import Articulation, Hand
from libs.common.drums import DrumPiece as P
from libs.common.part import Part, Stroke
from services.ai.domain.rudiments import rudiments
from tests.unit.ai.made_parts import funk, on, part_made, part_of_bars, stroke

F = Fraction
SIXTEENTH = F(1, 16)


def stuck(sticking: str, start: Fraction | int = 0) -> list[Stroke]:
    """16ths; a small f puts a flam on the stroke after it."""
    strokes: list[Stroke] = []
    graced = False
    for letter in sticking:
        if letter == "f":
            graced = True
            continue
        at = start + len(strokes) * SIXTEENTH
        marks, graces = ((Articulation.FLAM,), (40,)) if graced else ((), ())
        strokes.append(Stroke(at, P.SNARE, 80, marks, graces, Hand(letter)))
        graced = False
    return strokes


def named(part: Part) -> list[tuple[str, int, int]]:
    return [(one.name, one.count, one.cycles) for one in rudiments(part)]


@pytest.mark.parametrize(
    ("sticking", "name", "cycles"),
    [
        ("RLRL", "single strokes", 2),
        ("LRLRLRLRL", "single strokes", 4),
        ("RRLLRRLL", "double strokes", 2),
        ("RLRRLRLL", "single paradiddle", 2),
        ("LRLLRLRR", "single paradiddle", 2),
        ("RLLRLRRL", "inverted paradiddle", 2),
        ("RRLRLLRL", "reverse paradiddle", 2),
        ("RLRLLRLR", "delayed paradiddle", 2),
        ("RLRLRRLRLRLL", "double paradiddle", 2),
        ("RLRLRLRRLRLRLRLL", "triple paradiddle", 2),
        ("RLRRLLRLRRLL", "paradiddle-diddle", 2),
        ("RLLRRLRLLRRL", "six-stroke roll", 2),
        ("RRLLR", "five-stroke roll", 1),
        ("LLRRL", "five-stroke roll", 1),
        ("RRLLRRL", "seven-stroke roll", 1),
        ("RRLLRRLLR", "nine-stroke roll", 1),
        ("fRLRRfLRLL", "flam paradiddle", 2),
        ("fRLRfLRL", "flam accent", 2),
        ("fRRfLL", "flam tap", 2),
        ("fRRLfRRL", "Swiss army triplet", 2),
        ("fRfLfRfL", "alternating flams", 4),
        ("fRLRLfR", "flamacue", 1),
    ],
)
def test_a_sticking_has_its_name(sticking: str, name: str, cycles: int):
    part = part_of_bars([stuck(sticking)])
    found = rudiments(part)
    assert [(one.name, one.cycles, one.sticking) for one in found] == [(name, cycles, sticking)]
    assert (found[0].bar, found[0].at) == (1, 0)


def test_it_says_where_a_run_begins_and_goes_on_across_the_bar_line():
    part = part_of_bars([stuck("RLRRLRLL", start=F(1, 2)), stuck("RLRRLRLL")])
    (run,) = rudiments(part)
    assert (run.bar, run.at, run.count, run.cycles) == (1, F(1, 2), 16, 4)


def test_what_is_left_beside_a_rudiment_is_named_too():
    assert named(part_of_bars([stuck("RLRLRLRRLRLL")])) == [
        ("single strokes", 4, 2),
        ("single paradiddle", 8, 2),
    ]


def test_a_gap_ends_a_run():
    part = part_of_bars([stuck("RRLLR") + stuck("LRLR", start=F(1, 2))])
    assert named(part) == [("five-stroke roll", 5, 1), ("single strokes", 4, 2)]


def test_feet_do_not_interrupt_and_a_second_hand_does():
    run = stuck("RLRRLRLL")
    assert named(part_of_bars([run + on(P.KICK, "0", "1/4", "9/32")])) == [
        ("single paradiddle", 8, 2)
    ]
    assert named(part_of_bars([[*run, stroke("1/4", P.CRASH, Hand.RIGHT)]])) == []


def test_both_hands_at_once_are_no_single_stroke():
    run = stuck("RLRRLRLL")
    run[4] = replace(run[4], hand=Hand.BOTH)
    assert named(part_of_bars([run])) == []


def test_where_no_sticking_is_known_there_is_nothing_to_name():
    assert rudiments(funk()) == []
    for seed in range(60):
        part = part_made(seed)
        bare = tuple(
            replace(bar, strokes=tuple(replace(one, hand=None) for one in bar.strokes))
            for bar in part.bars
        )
        assert rudiments(replace(part, bars=bare)) == []


def test_a_long_roll_is_one_run():
    bars = [stuck("RL" * 8) for _ in range(60)]
    assert named(part_of_bars(bars)) == [("single strokes", 960, 480)]
