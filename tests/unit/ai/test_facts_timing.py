"""What is measured of a performance, against numbers worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

import pytest

from libs.common.drums import DrumPiece as P
from libs.common.meter import Meter
from libs.common.part import Part, PartBar, PartSwing, Stroke, ordered
from services.ai.domain.facts.timing import Swing, Timing, swing, tempo, timing
from tests.unit.ai.made_parts import FOUR, F, on, part_of_bars, rock, rock_bar, row, shuffle, swung


def at_tempos(bpms: Sequence[float], meter: Meter = FOUR) -> Part:
    """A bar for each tempo, in beats a minute, one kick in each."""
    bars, now_s = [], 0.0
    for number, bpm in enumerate(bpms, 1):
        end_s = now_s + float(meter.length / meter.beat_unit) * 60 / bpm
        stroke = Stroke(F(0), P.KICK, written_s=now_s, played_s=now_s)
        bars.append(PartBar(number, meter, (stroke,), start_s=now_s, end_s=end_s))
        now_s = end_s
    return Part("Played", tuple(bars))


def played(
    part: Part,
    *,
    off_s: Callable[[PartBar, Stroke], float] = lambda bar, stroke: 0.0,
    whole_s: float = 2.0,
) -> Part:
    """At so many seconds a whole note, each stroke so late; its swing counts as written."""
    bars, line_s = [], 0.0
    for bar in part.bars:
        strokes = []
        for one in bar.strokes:
            written_s = line_s + float(one.at) * whole_s
            late_s = off_s(bar, one)
            strokes.append(replace(one, written_s=written_s, played_s=written_s + late_s))
        end_s = line_s + float(bar.length) * whole_s
        bars.append(replace(bar, strokes=ordered(strokes), start_s=line_s, end_s=end_s))
        line_s = end_s
    return replace(part, bars=tuple(bars))


# Tempo


def test_bars_of_one_tempo_are_fully_consistent():
    found = tempo(at_tempos([100] * 8))
    assert found is not None
    assert (found.bpm, found.slowest_bpm, found.fastest_bpm) == (100, 100, 100)
    assert (found.consistency, found.drift_percent, found.bars) == (1.0, 0.0, 8)


def test_a_tempo_that_grows_by_the_same_share_every_bar_drifts_by_all_of_them():
    found = tempo(at_tempos([100 * 1.01**bar for bar in range(11)]))
    assert found is not None
    assert found.drift_percent == pytest.approx(100 * (1.01**10 - 1), abs=0.05)
    assert found.bpm == pytest.approx(100 * 1.01**5, abs=0.05)


def test_slowing_down_is_a_drift_below_0():
    found = tempo(at_tempos([120, 118, 116, 114]))
    assert found is not None
    assert found.drift_percent == pytest.approx(-5.0, abs=0.1)


def test_consistency_loses_ten_times_the_spread_of_the_log_tempos():
    # Half of the bars 2 % above the middle, half below: a standard deviation of log 1.02.
    found = tempo(at_tempos([100 * 1.02, 100 / 1.02] * 4))
    assert found is not None
    assert found.consistency == round(1 - 10 * math.log(1.02), 2) == 0.8


def test_wild_tempos_have_consistency_0_and_no_less():
    found = tempo(at_tempos([60, 180] * 3))
    assert found is not None
    assert found.consistency == 0


def test_a_pickup_is_no_bar_of_the_tempo():
    part = at_tempos([100] * 4)
    upbeat = Stroke(F(0), P.SNARE, written_s=-0.5, played_s=-0.5)
    # Half a second for a quarter is 120: it would show.
    pickup = PartBar(0, Meter(4, 4), (upbeat,), F(1, 4), start_s=-0.5, end_s=0.0)
    found = tempo(replace(part, bars=(pickup, *part.bars)))
    assert found is not None
    assert (found.bars, found.fastest_bpm) == (4, 100)


def test_compound_bars_are_counted_in_dotted_quarters():
    found = tempo(at_tempos([80] * 3, Meter(6, 8)))
    assert found is not None
    assert found.bpm == 80


def test_a_change_of_meter_is_no_change_of_tempo():
    # Eighths stay as long: 120 quarters a minute are 80 dotted ones.
    four, six = at_tempos([120] * 4), at_tempos([80] * 2, Meter(6, 8))
    moved = [
        replace(bar, number=bar.number + 4, start_s=(bar.start_s or 0) + 8, end_s=bar.end_s + 8)
        for bar in six.bars
        if bar.end_s is not None
    ]
    found = tempo(replace(four, bars=(*four.bars, *moved)))
    assert found is not None
    assert (found.bpm, found.slowest_bpm, found.fastest_bpm) == (120, 120, 120)
    assert found.consistency == 1


def test_a_composed_part_has_no_tempo_of_its_own_no_timing_and_no_swing():
    assert tempo(rock()) is None
    assert timing(rock()) == ()
    assert swing(rock()) is None


def test_one_bar_tells_no_tempo():
    assert tempo(at_tempos([100])) is None


# Limbs


def test_a_late_limb_is_late_by_as_much_and_alone():
    def late_snare(_: PartBar, stroke: Stroke) -> float:
        return 0.018 if stroke.piece is P.SNARE else 0.0

    found = {one.who: one for one in timing(played(rock(4), off_s=late_snare))}
    assert found["snare"] == Timing("snare", 8, 18.0, 0.0, early=0, late=8)
    assert found["kick"] == Timing("kick", 8, 0.0, 0.0, early=0, late=0)
    assert found["hi-hat"].mean_ms == 0
    # 8 of 48 strokes at 18 ms.
    assert found["all"] == Timing("all", 48, 3.0, 0.0, early=0, late=8)
    assert (found["snare"].leans, found["kick"].leans) == (True, False)


def test_spread_is_what_the_middle_half_lies_apart():
    offs = {1: -0.030, 2: -0.009, 3: 0.009, 4: 0.030}
    part = part_of_bars([on(P.RIDE, "0")] * 4)
    [_, ride] = timing(played(part, off_s=lambda bar, _: offs[bar.number]))
    # The quarters of -30, -9, 9, 30 lie at -9 - 21 / 4 and 9 + 21 / 4.
    assert ride == Timing("ride", 4, 0.0, 28.5, early=1, late=1)
    assert not ride.leans


def test_strokes_that_may_not_be_there_say_nothing_of_timing():
    part = played(rock(4), off_s=lambda _, stroke: 0.05 if stroke.piece is P.KICK else 0.0)
    bars = [
        replace(
            bar,
            strokes=tuple(
                replace(one, confidence=0.4) if one.piece is P.KICK else one for one in bar.strokes
            ),
        )
        for bar in part.bars
    ]
    found = {one.who: one for one in timing(replace(part, bars=tuple(bars)))}
    assert set(found) == {"all", "snare", "hi-hat"}
    assert found["all"].mean_ms == 0


def test_three_strokes_of_a_limb_are_too_few():
    part = part_of_bars([on(P.KICK, "0", "1/4", "1/2") + on(P.SNARE, "0", "1/8", "1/4", "1/2")])
    assert [one.who for one in timing(played(part))] == ["all", "snare"]


def test_a_mean_that_chance_explains_does_not_lean():
    wide, narrow = (Timing("toms", 9, 14.0, spread, 1, 5) for spread in (60.0, 20.0))
    # 1.5 * 60 / 3 = 30 ms is chance, 1.5 * 20 / 3 = 10 is not.
    assert (wide.leans, narrow.leans) == (False, True)


# Swing


def at_ratio(ratio: float) -> Callable[[PartBar, Stroke], float]:
    """Written eighths at 2 s a whole note: a beat of 0.5 s, its second half moved."""

    def off_s(_: PartBar, stroke: Stroke) -> float:
        is_off = stroke.at % F(1, 4) == F(1, 8)
        return 0.5 * (ratio / (ratio + 1) - 0.5) if is_off else 0.0

    return off_s


@pytest.mark.parametrize("ratio", [1.0, 1.5, 2.0, 3.0])
def test_swing_is_measured_from_what_was_played(ratio: float):
    # 4 bars of 4 pairs, the last of which has no beat after it.
    assert swing(played(rock(4), off_s=at_ratio(ratio))) == Swing(ratio, 15, measured=True)


def test_a_written_shuffle_played_as_written_swings_2_to_1():
    assert swing(played(shuffle(2))) == Swing(2.0, 7, measured=True)


def test_swing_is_as_written_where_nobody_played():
    assert swing(swung()) == Swing(2.0, 0, measured=False)


def test_a_stroke_between_the_halves_makes_no_pair():
    part = part_of_bars([row(P.HAT_CLOSED, F(1, 16), F(1))] * 4)
    assert swing(played(part)) is None


def test_strokes_bars_apart_are_no_pair():
    # The second half of each pair lies a bar later.
    part = part_of_bars([on(P.RIDE, "0"), on(P.RIDE, "1/8", "1/4")] * 6)
    assert swing(played(part)) is None


def test_pairs_begin_on_the_beats_of_a_bar_after_a_pickup_of_an_eighth():
    part = played(rock(4), off_s=at_ratio(2.0))
    upbeat = Stroke(F(0), P.HAT_CLOSED, written_s=-1 / 6, played_s=-1 / 6)
    pickup = PartBar(0, Meter(4, 4), (upbeat,), F(1, 8))
    assert swing(replace(part, bars=(pickup, *part.bars))) == Swing(2.0, 15, measured=True)


def test_sixeight_has_no_pairs_of_eighths():
    part = part_of_bars([row(P.HAT_CLOSED, F(1, 8), F(3, 4))] * 4, Meter(6, 8))
    assert swing(played(part)) is None


def test_written_swing_is_that_of_most_bars():
    part = part_of_bars([rock_bar()] * 4)
    marks = (PartSwing(1, Fraction(1, 8), 1.0), PartSwing(2, Fraction(1, 8), 1.5))
    assert swing(replace(part, swing=marks)) == Swing(1.5, 0, measured=False)
