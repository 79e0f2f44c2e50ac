"""Takes that are known stroke by stroke, beside what they should be."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from random import Random

import pytest

from libs.common.drums import DrumPiece as P
from libs.common.meter import Meter
from libs.common.part import Part, PartBar, PartSwing, PartTempo, Stroke, ordered
from services.ai.domain.advice import advice
from services.ai.domain.takes import CannotCompare, Comparison, LimbResult, compare
from tests.unit.ai.made_parts import (
    FOUR,
    Bar,
    F,
    funk,
    funk_bar,
    ghost,
    on,
    part_of_bars,
    rock,
    rock_bar,
    row,
    shuffle,
    silent,
    stroke,
    swung,
)

Played = Callable[[int, Stroke], Stroke | None]
"""What becomes of a bar's (from 1) stroke; `played_s` is filled in and may be moved."""


def as_written(_: int, one: Stroke) -> Stroke | None:
    return one


def take(
    bars: Sequence[Bar],
    played: Played = as_written,
    *,
    meter: Meter = FOUR,
    bpm: float = 120,
    count: Fraction = Fraction(1),
    tempo_of: Callable[[int], float] | None = None,
) -> Part:
    """Bars one after the other as a score that was heard. `bpm` is of its quarters; a count of 1/2
    writes everything in half as long notes (at half as many quarters a minute)."""
    found, line_s = [], 0.0
    for number, bar in enumerate(bars, 1):
        whole_s = 240 / (tempo_of(number) if tempo_of else bpm)
        strokes = []
        for one in ordered(bar):
            at_s = line_s + float(one.at) * whole_s
            kept = played(number, replace(one, written_s=at_s, played_s=at_s))
            if kept:
                strokes.append(replace(kept, at=kept.at * count))
        length = meter.length * count
        own = Meter.of(length)
        assert own
        end_s = line_s + float(meter.length) * whole_s
        found.append(PartBar(number, own, ordered(strokes), start_s=line_s, end_s=end_s))
        line_s = end_s
    return Part("Take", tuple(found), (PartTempo(1, bpm * float(count)),))


def late(piece: P, by_s: float) -> Played:
    def play(_: int, one: Stroke) -> Stroke | None:
        assert one.played_s is not None
        return replace(one, played_s=one.played_s + by_s) if one.piece is piece else one

    return play


def limb(found: Comparison, name: str) -> LimbResult:
    return next(one for one in found.limbs if one.limb == name)


def strokes(found: Comparison) -> tuple[int, int, int, int]:
    return found.strokes, found.hit, found.missed, found.extra


ROCK = rock(2, bpm=120)


def test_a_take_that_is_exact_is_fully_accurate():
    found = compare(ROCK, take([rock_bar()] * 2))
    assert (found.rounds, found.accuracy, strokes(found)) == (1, 1.0, (24, 24, 0, 0))
    assert (found.from_s, found.to_s) == (0.0, 4.0)
    assert (found.take_bpm, found.target_bpm, found.mean_off_ms) == (120, 120, 0)
    assert (found.early, found.late, found.too_loud, found.too_soft) == (0, 0, 0, 0)
    assert limb(found, "kick") == LimbResult("kick", 4, 4, 0, 0, 0, 0, 0, 0, 0.0, 0.0)
    assert [(bar.bar, bar.strokes, bar.hit, bar.mean_off_ms) for bar in found.bars] == [
        (1, 12, 12, 0.0), (2, 12, 12, 0.0),
    ]  # fmt: skip
    assert found.hardest == ()


def test_rounds_are_counted():
    found = compare(ROCK, take([rock_bar()] * 10))
    assert (found.rounds, found.accuracy, strokes(found)) == (5, 1.0, (120, 120, 0, 0))
    assert (found.from_s, found.to_s) == (0.0, 20.0)


def test_a_stroke_left_out_is_missed_where_it_was():
    def play(bar: int, one: Stroke) -> Stroke | None:
        return None if (bar, one.at, one.piece) == (4, F(1, 4), P.SNARE) else one

    found = compare(ROCK, take([rock_bar()] * 4, play))
    assert strokes(found) == (48, 47, 1, 0)
    assert found.accuracy == round(2 * 47 / (48 + 47), 3)
    assert (limb(found, "snare").missed, limb(found, "kick").missed) == (1, 0)
    [worst] = found.hardest
    # In the second of two rounds, in the target's second bar.
    assert (worst.bar, worst.at, worst.limb, worst.rounds, worst.hit) == (2, "1/4", "snare", 2, 1)
    assert [(bar.bar, bar.hit) for bar in found.bars] == [(1, 24), (2, 23)]


def test_a_stroke_too_many_is_extra():
    bars = [rock_bar(), [*rock_bar(), *on(P.KICK, "7/8")]]
    found = compare(ROCK, take(bars))
    assert strokes(found) == (24, 24, 0, 1)
    assert found.accuracy == round(48 / 49, 3)
    assert limb(found, "kick").extra == 1


def test_one_limb_is_late_and_nobody_else():
    found = compare(ROCK, take([rock_bar()] * 4, late(P.SNARE, 0.02)))
    snare = limb(found, "snare")
    assert (snare.mean_ms, snare.spread_ms, snare.late, snare.early) == (20.0, 0.0, 8, 0)
    assert (limb(found, "kick").mean_ms, limb(found, "hi-hat").mean_ms) == (0.0, 0.0)
    assert (found.late, found.hit) == (8, 48)
    # The strokes that went worst are the snares.
    assert {(one.limb, one.mean_ms) for one in found.hardest} == {("snare", 20.0)}


def test_an_early_limb_is_early_even_before_the_first_line():
    found = compare(ROCK, take([rock_bar()] * 4, late(P.KICK, -0.03)))
    kick = limb(found, "kick")
    assert (kick.mean_ms, kick.early, kick.hit, kick.extra) == (-30.0, 8, 8, 0)


def test_ghosts_too_loud_are_told():
    def play(_: int, one: Stroke) -> Stroke | None:
        return replace(one, velocity=80) if one.velocity == 30 else one

    found = compare(funk(2, bpm=100), take([funk_bar()] * 2, play, bpm=100))
    assert (limb(found, "snare").too_loud, found.too_loud, found.too_soft) == (10, 10, 0)
    assert any("snare is too loud in 10 of 14 strokes" in one for one in advice(found))


def test_a_take_that_is_softer_all_over_is_not_too_soft():
    def play(_: int, one: Stroke) -> Stroke | None:
        return replace(one, velocity=max(1, one.velocity - 40))

    found = compare(ROCK, take([rock_bar()] * 2, play))
    assert (found.too_loud, found.too_soft) == (0, 0)


@pytest.mark.parametrize("count", [Fraction(1, 2), Fraction(2)])
def test_a_take_that_was_counted_in_other_notes_is_the_same(count: Fraction):
    part = part_of_bars([rock_bar(), funk_bar()], bpm=120)
    heard = take([rock_bar(), funk_bar()] * 3, count=count)
    found = compare(part, heard)
    assert (found.rounds, found.accuracy, found.take_bpm) == (3, 1.0, 120)


def test_a_take_that_begins_in_the_middle_of_the_loop_is_not_asked_for_its_beginning():
    part = part_of_bars([rock_bar(), funk_bar(), rock_bar(), rock_bar()], bpm=120)
    loop = [rock_bar(), funk_bar(), rock_bar(), rock_bar()]
    found = compare(part, take(loop[1:] + loop + loop[:3]))
    assert (found.rounds, found.accuracy, found.missed) == (3, 1.0, 0)
    # Of the first bar, two rounds were played.
    assert [bar.strokes for bar in found.bars] == [24, 57, 36, 24]
    assert (found.from_s, found.to_s) == (0.0, 20.0)


def test_noodling_and_counting_in_are_left_out():
    count_in = on(P.HAT_CLOSED, "0", "1/4", "1/2", "3/4")
    noodle = [*on(P.TOM_HIGH, "1/16", "5/8"), *on(P.SNARE, "7/16")]
    found = compare(ROCK, take([noodle, count_in, count_in, *[rock_bar()] * 4]))
    assert (found.rounds, found.accuracy, found.from_s, found.to_s) == (2, 1.0, 6.0, 14.0)
    # Bars that are all alike begin where the playing does.
    found = compare(rock(4, bpm=120), take([noodle, *[rock_bar()] * 8]))
    assert (found.rounds, found.accuracy, found.from_s) == (2, 1.0, 2.0)


def test_a_take_that_begins_off_the_bar_line_is_found():
    # The drummer came in a beat and a half after what was taken for the first bar line.
    shifted, strokes_of = 3 * F(1, 8), rock_bar()
    whole = [replace(one, at=one.at + nth + shifted) for nth in range(4) for one in strokes_of]
    bars = [[replace(s, at=s.at - nth) for s in whole if nth <= s.at < nth + 1] for nth in range(5)]
    found = compare(ROCK, take(bars))
    assert (found.rounds, found.accuracy, found.from_s) == (2, 1.0, 0.75)


def test_only_the_bars_that_were_practised_are_compared():
    part = part_of_bars([funk_bar(), rock_bar(), funk_bar()], bpm=120)
    found = compare(part, take([rock_bar()] * 3), bars=(2, 2))
    assert (found.rounds, found.accuracy, [bar.bar for bar in found.bars]) == (3, 1.0, [2])


def test_a_swung_target_is_met_by_swing_and_missed_by_straight_eighths():
    part = swung(bpm=120)
    ratio = PartSwing(1, F(1, 8), 2.0)
    assert part.swing == (ratio,)
    bars = [list(bar.strokes) for bar in part.bars]

    def swing_it(_: int, one: Stroke) -> Stroke | None:
        assert one.played_s is not None
        is_off = one.at % F(1, 4) == F(1, 8)
        return replace(one, played_s=one.played_s + 0.5 / 6) if is_off else one

    found = compare(part, take(bars, swing_it))
    assert (found.accuracy, found.mean_off_ms) == (1.0, 0.0)
    straight = compare(part, take(bars))
    # Every second eighth is a sixth of a beat early.
    assert (straight.missed, straight.extra, straight.early) == (0, 0, 12)
    assert {one.mean_ms for one in straight.hardest} == {-83.3}


def test_a_straight_target_and_a_shuffled_take_are_late_on_the_offbeats():
    found = compare(ROCK, take([list(shuffle(1).bars[0].strokes)] * 2))
    hat = limb(found, "hi-hat")
    assert (hat.hit, hat.missed, hat.extra, hat.late) == (16, 0, 0, 8)


def test_a_target_with_a_pickup_is_laid_over_pickup_and_bars():
    upbeat = PartBar(0, FOUR, tuple(on(P.TOM_FLOOR, "0", "1/8")), F(1, 4))
    part = replace(ROCK, bars=(upbeat, *ROCK.bars))
    heard = take([on(P.TOM_FLOOR, "3/4", "7/8"), rock_bar(), rock_bar()])
    found = compare(part, heard)
    assert (found.rounds, found.accuracy, strokes(found)) == (1, 1.0, (26, 26, 0, 0))
    assert (found.from_s, found.to_s) == (1.5, 6.0)
    assert [(bar.bar, bar.hit) for bar in found.bars] == [(0, 2), (1, 12), (2, 12)]


def test_fast_sixteenths_are_not_mistaken_for_their_neighbours():
    bar = [*row(P.HAT_CLOSED, F(1, 16), F(1)), *on(P.KICK, "0"), *on(P.SNARE, "1/4", "3/4")]

    def play(_: int, one: Stroke) -> Stroke | None:
        return None if one.piece is P.HAT_CLOSED and one.at == F(5, 16) else one

    # 83 ms apart: the stroke before or after may not stand in.
    found = compare(part_of_bars([bar], bpm=180), take([bar] * 4, play, bpm=180))
    assert strokes(found) == (76, 72, 4, 0)
    assert (limb(found, "hi-hat").missed, found.mean_off_ms) == (4, 0.0)
    [worst] = found.hardest
    assert (worst.at, worst.hit) == ("5/16", 0)


def test_an_open_hat_is_a_hit_where_a_closed_one_is_written_and_a_ride_is_not():
    def instead(piece: P) -> Played:
        return lambda _, one: (
            replace(one, piece=piece) if (one.piece, one.at) == (P.HAT_CLOSED, F(7, 8)) else one
        )

    assert compare(ROCK, take([rock_bar()] * 2, instead(P.HAT_OPEN))).accuracy == 1
    found = compare(ROCK, take([rock_bar()] * 2, instead(P.RIDE)))
    assert strokes(found) == (24, 22, 2, 2)
    assert (limb(found, "hi-hat").missed, limb(found, "ride").extra) == (2, 2)


def test_a_take_written_in_another_meter_is_the_same():
    whole = [replace(one, at=one.at + nth) for nth in range(3) for one in rock_bar()]
    three = [
        [replace(s, at=s.at - nth * F(3, 4)) for s in whole if 0 <= s.at - nth * F(3, 4) < F(3, 4)]
        for nth in range(4)
    ]
    found = compare(rock(1, bpm=120), take(three, meter=Meter(3, 4)))
    assert (found.rounds, found.accuracy) == (3, 1.0)


def test_a_take_is_held_to_its_own_beats_however_they_wander():
    found = compare(ROCK, take([rock_bar()] * 8, tempo_of=lambda bar: 100 + 5 * bar))
    assert (found.rounds, found.accuracy, found.mean_off_ms) == (4, 1.0, 0.0)
    assert 100 < found.take_bpm < 140
    assert found.target_bpm == 120


def test_a_slower_take_tells_its_own_tempo():
    found = compare(ROCK, take([rock_bar()] * 4, bpm=72))
    assert (found.accuracy, found.take_bpm) == (1.0, 72)
    assert next(iter(advice(found))) == ("You played at 72 bpm, slower than the written 120.")


def test_compound_tempos_are_in_dotted_quarters():
    six = Meter(6, 8)
    bar = [*row(P.HAT_CLOSED, F(1, 8), F(3, 4)), *on(P.KICK, "0"), *on(P.SNARE, "3/8")]
    target = part_of_bars([bar], six, bpm=120)
    found = compare(target, take([bar] * 4, meter=six, bpm=120))
    assert (found.rounds, found.accuracy, found.take_bpm, found.target_bpm) == (4, 1.0, 80, 80)


def test_random_lateness_comes_back_as_it_went_in():
    random = Random(3)
    offs: list[float] = []

    def play(_: int, one: Stroke) -> Stroke | None:
        assert one.played_s is not None
        offs.append(random.gauss(0, 0.008))
        return replace(one, played_s=one.played_s + offs[-1])

    found = compare(ROCK, take([rock_bar()] * 8, play))
    assert found.accuracy == 1
    expected = 1000 * sum(map(abs, offs)) / len(offs)
    assert found.mean_off_ms == pytest.approx(expected, abs=0.06)


def test_strokes_that_were_hardly_heard_are_not_too_much():
    heard = take([[*rock_bar(), replace(stroke("5/8", P.CRASH), confidence=0.3)]] * 2)
    assert compare(ROCK, heard).extra == 0


def test_strokes_that_were_hardly_heard_may_be_those_that_were_asked_for():
    heard = take([[replace(one, confidence=0.3) for one in rock_bar()]] * 2)
    assert compare(ROCK, heard).accuracy == 1


def test_a_long_part_is_found_in_a_take_of_it():
    random = Random(1)
    bars = [
        [*rock_bar(), *on(P.KICK, *random.sample(["3/8", "5/8", "7/8", "11/16", "3/16"], 2))]
        for _ in range(60)
    ]
    # They came in a bar late, and left four bars early.
    found = compare(part_of_bars(bars, bpm=120), take([[], *bars[:56]]))
    assert (found.rounds, found.accuracy, found.from_s, found.to_s) == (1, 1.0, 2.0, 114.0)
    assert [bar.strokes for bar in found.bars[-5:]] == [14, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("target", "heard", "bars", "code"),
    [
        (ROCK, take([on(P.TOM_HIGH, "1/16", "7/16")] * 2), None, "unlike"),
        (rock(8), take([rock_bar()]), None, "unlike"),
        (ROCK, ROCK, None, "no-beats"),
        (ROCK, take([[]] * 2), None, "not-played"),
        (silent(), take([rock_bar()]), None, "no-bars"),
        (ROCK, take([rock_bar()]), (7, 9), "no-bars"),
    ],
)
def test_what_cannot_be_compared_says_why(
    target: Part, heard: Part, bars: tuple[int, int] | None, code: str
):
    with pytest.raises(CannotCompare) as refused:
        compare(target, heard, bars)
    assert refused.value.code == code
    assert refused.value.sentence.endswith(".")


def test_too_many_strokes_are_refused_at_once():
    bar = row(P.HAT_CLOSED, F(1, 16), F(1))
    with pytest.raises(CannotCompare) as refused:
        compare(part_of_bars([bar] * 1251), take([bar]))
    assert refused.value.code == "too-long"


def test_a_comparison_is_json():
    told = compare(ROCK, take([rock_bar()] * 2, late(P.SNARE, 0.02))).to_dict()
    assert json.loads(json.dumps(told)) == told
    assert told["hardest"][0]["at"] in ("1/4", "3/4")


# Advice


def advised(played: Played = as_written, bars: int = 4) -> list[str]:
    return list(advice(compare(ROCK, take([rock_bar()] * bars, played))))


def test_a_clean_take_is_praised():
    assert advised() == ["Clean and in time. Take the next tempo of the ladder."]


def test_advice_names_the_limb_the_figure_and_the_way_back():
    assert advised(late(P.SNARE, 0.02)) == [
        "Your snare is 20 ms late on average: lean forward a little."
    ]
    assert advised(late(P.KICK, -0.015)) == [
        "Your kick is 15 ms early on average: lay back a little."
    ]


def test_advice_names_the_bar_that_was_missed():
    def play(bar: int, one: Stroke) -> Stroke | None:
        return None if bar == 2 and one.piece is P.SNARE else one

    assert advised(play, bars=2) == ["2 of 24 strokes are missing, in bar 2: loop that on its own."]

    def once(bar: int, one: Stroke) -> Stroke | None:
        return None if (bar, one.at, one.piece) == (1, F(1, 4), P.SNARE) else one

    assert advised(once, bars=2) == ["1 of 24 strokes is missing, in bar 1: loop that on its own."]

    def everywhere(_: int, one: Stroke) -> Stroke | None:
        return None if (one.at, one.piece) == (F(1, 4), P.SNARE) else one

    assert advised(everywhere, bars=2) == [
        "2 of 24 strokes are missing, most often in bar 1: loop that on its own."
    ]


def test_advice_on_wandering_and_on_too_many_strokes():
    def play(bar: int, one: Stroke) -> Stroke | None:
        assert one.played_s is not None
        if one.piece is not P.KICK:
            return one
        return replace(one, played_s=one.played_s + (0.03 if bar % 2 else -0.03))

    assert advised(play) == ["Your kick wanders by 30 ms: slow down until it sits."]
    busy = [[*rock_bar(), *[ghost(at) for at in ("1/16", "5/16", "9/16", "13/16")]]] * 2
    [told] = advice(compare(ROCK, take(busy)))
    assert told == "8 strokes are not in the score: play less, and what is written."


def test_toms_are_more_than_one():
    bar = [*on(P.TOM_HIGH, "0", "1/4", "1/2", "3/4"), *on(P.KICK, "0", "1/2")]
    heard = take([bar] * 4, late(P.TOM_HIGH, 0.016))
    assert list(advice(compare(part_of_bars([bar], bpm=120), heard))) == [
        "Your toms are 16 ms late on average: lean forward a little."
    ]
