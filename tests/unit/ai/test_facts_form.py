"""Grooves, variations, fills and structure, told from parts whose form is known."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from libs.common.drums import DrumPiece as P
from libs.common.meter import Meter
from libs.common.part import Part, PartBar, ordered
from services.ai.domain.facts.form import Fill, Stretch, alike, form, look
from tests.unit.ai.made_parts import (
    FOUR,
    Bar,
    F,
    accent,
    funk_bar,
    ghost,
    on,
    part_of_bars,
    rock_bar,
    row,
    silent,
)

SIX_EIGHT = Meter(6, 8)
SEVEN_EIGHT = Meter(7, 8)


def half_time() -> Bar:
    return [*row(P.HAT_CLOSED, F(1, 8), F(1)), *on(P.KICK, "0", "5/8"), *on(P.SNARE, "1/2")]


def on_the_ride() -> Bar:
    return [*row(P.RIDE, F(1, 8), F(1)), *on(P.KICK, "0", "1/2"), *on(P.SNARE, "1/4", "3/4")]


def fill(bar: Bar, begin: str, *pieces: P, step: str = "1/16", length: str = "1") -> Bar:
    """From here on the pieces in turn, as long as the bar."""
    start, count = F(begin), int((F(length) - F(begin)) / F(step))
    kept = [one for one in bar if one.at < start]
    return kept + [
        one
        for nth in range(count)
        for one in on(pieces[nth * len(pieces) // count], str(start + nth * F(step)))
    ]


def toms(bar: Bar, begin: str, **other: str) -> Bar:
    return fill(bar, begin, P.TOM_HIGH, P.TOM_FLOOR, **other)


def with_last(bars: int, last: Bar) -> Part:
    return part_of_bars([rock_bar()] * (bars - 1) + [last])


def fills(part: Part) -> Sequence[Fill]:
    return form(part).fills


# Grooves


def test_bars_alike_are_one_groove_and_others_another():
    found = form(part_of_bars([rock_bar()] * 3 + [half_time()] * 5))
    a, b = sorted(found.grooves, key=lambda groove: groove.name)
    assert (a.name, a.bars, a.typical_bar, a.exact, a.varied_bars) == ("A", (1, 2, 3), 1, 3, ())
    assert (b.name, b.bars, b.typical_bar, b.exact, b.varied_bars) == (
        "B", (4, 5, 6, 7, 8), 4, 5, (),
    )  # fmt: skip
    # The one with most bars comes first.
    assert [groove.name for groove in found.grooves] == ["B", "A"]
    assert found.other_bars == ()
    # Six of eight are like an earlier one.
    assert found.repeated_share == 0.75


def test_a_kick_that_moves_varies_a_groove():
    moved = [one for one in rock_bar() if one.piece is not P.KICK] + on(P.KICK, "0", "3/8", "5/8")
    [groove] = form(part_of_bars([moved, *[rock_bar()] * 3])).grooves
    assert (groove.bars, groove.typical_bar, groove.exact) == ((1, 2, 3, 4), 2, 3)
    assert groove.varied_bars == (1,)


def test_a_backbeat_that_moves_and_a_lead_that_changes_make_other_grooves():
    found = form(part_of_bars([rock_bar(), half_time(), on_the_ride()] * 2))
    assert [groove.bars for groove in found.grooves] == [(1, 4), (2, 5), (3, 6)]


def test_ghosts_colour_a_groove_and_a_crash_marks_it():
    first = [one for one in rock_bar() if one.at or one.piece is not P.HAT_CLOSED]
    coloured = [*rock_bar(), ghost("7/16"), ghost("9/16")]
    [groove] = form(part_of_bars([[*first, accent(0, P.CRASH)], coloured, rock_bar()])).grooves
    assert groove.bars == (1, 2, 3)


def test_bars_of_other_meters_are_other_grooves():
    four, two = PartBar(1, FOUR, ordered(rock_bar())), tuple(on(P.KICK, "0"))
    bars = (four, PartBar(2, Meter(2, 4), two), PartBar(3, Meter(3, 4), two))
    found = form(Part("Meters", bars))
    assert [groove.bars for groove in found.grooves] == [(1,)]
    assert found.other_bars == (2, 3)


def test_likeness_is_each_limbs_share_weighed_by_the_root_of_its_strokes():
    one, other = (PartBar(1, FOUR, tuple(on(P.KICK, *at))) for at in (("0", "1/2"), ("0",)))
    assert alike(look(one), look(other)) == pytest.approx(0.5)
    hats = on(P.HAT_CLOSED, "0", "1/8", "1/4", "3/8", "1/2", "5/8", "3/4", "7/8")
    both = PartBar(1, FOUR, ordered([*hats, *on(P.KICK, "0", "1/2")]))
    alone = PartBar(1, FOUR, ordered(hats))
    # Of hats (16: weight 4, all shared) and kicks (4: weight 2, none shared).
    assert alike(look(both), look(alone)) == pytest.approx(4 / 6)
    empty = PartBar(1, FOUR)
    assert (alike(look(empty), look(empty)), alike(look(empty), look(alone))) == (1, 0)


def test_a_silent_part_has_no_form_but_silence():
    found = form(silent())
    assert (found.grooves, found.fills, found.repeated_share) == ((), (), 0.0)
    assert found.structure == (Stretch("silence", 1, 2),)


# Fills


@pytest.mark.parametrize(
    "bars",
    [
        [rock_bar()] * 8,
        [half_time()] * 8,
        [funk_bar()] * 8,
        [on_the_ride(), rock_bar()] * 4,
        # A beat on the toms.
        [[*row(P.TOM_FLOOR, F(1, 8), F(1)), *on(P.KICK, "0"), *on(P.SNARE, "1/4", "3/4")]] * 4,
        # A train beat, and a build-up in 16ths.
        [[*row(P.SNARE, F(1, 16), F(1)), *on(P.KICK, "0", "1/2")]] * 8,
        [rock_bar()] * 6 + [row(P.SNARE, F(1, 16), F(1))] * 2,
        # A groove whose last beat is always on the toms.
        [toms(rock_bar(), "3/4", step="1/8")] * 6,
        # Solos are no fills.
        [rock_bar()] * 4 + [toms(rock_bar(), begin) for begin in ("0", "1/4", "1/2", "0")],
        [[*rock_bar(), *on(P.TOM_FLOOR, "7/8")], rock_bar()] * 4,
        [rock_bar(), rock_bar(), []],
    ],
)
def test_no_fill_is_seen_where_there_is_none(bars: list[Bar]):
    assert fills(part_of_bars(bars)) == ()


def test_toms_on_beats_3_and_4_are_a_fill():
    assert fills(with_last(4, toms(rock_bar(), "1/2"))) == (Fill(4, 3, 2, 8, ("toms",)),)


def test_eighths_on_the_last_beat_are_a_fill():
    last = fill(rock_bar(), "3/4", P.SNARE, P.TOM_FLOOR, step="1/8")
    assert fills(with_last(8, last)) == (Fill(8, 4, 1, 2, ("snare", "toms")),)


def test_a_fill_of_the_snare_alone_is_one():
    assert fills(with_last(4, fill(rock_bar(), "3/4", P.SNARE))) == (Fill(4, 4, 1, 4, ("snare",)),)


def test_a_whole_bar_is_a_fill_even_beside_a_single_bar_of_groove():
    whole = fill([], "0", P.SNARE, P.TOM_HIGH, P.TOM_MID, P.TOM_FLOOR)
    assert fills(with_last(4, whole)) == (Fill(4, 1, 4, 16, ("snare", "toms")),)
    assert fills(with_last(2, whole)) == (Fill(2, 1, 4, 16, ("snare", "toms")),)


def test_a_fill_may_come_to_rest_on_the_last_beat_before_the_lead_is_back():
    last = toms(rock_bar(), "1/4", length="3/4")
    assert fills(with_last(4, [*last, *on(P.SNARE, "3/4")])) == (
        Fill(4, 2, 3, 9, ("snare", "toms")),
    )
    # With the hat back on 4 it is no way into the next bar.
    assert fills(with_last(4, [*last, *on(P.HAT_CLOSED, "3/4", "7/8")])) == ()
    # Silence alone is none.
    assert fills(with_last(4, [one for one in rock_bar() if one.at < F(3, 4)])) == ()


def test_every_fill_of_a_long_part_is_found_and_nothing_else():
    bars = [rock_bar() if nth % 4 else toms(rock_bar(), "3/4") for nth in range(1, 33)]
    assert [one.bar for one in fills(part_of_bars(bars))] == list(range(4, 33, 4))


def test_fills_are_told_from_the_bars_around():
    tribal = [*row(P.TOM_FLOOR, F(1, 8), F(1)), *on(P.SNARE, "1/4", "3/4"), *on(P.KICK, "0")]
    bars = [tribal] * 20 + [rock_bar()] * 19 + [toms(rock_bar(), "3/4")]
    assert [one.bar for one in fills(part_of_bars(bars))] == [40]


def test_a_fill_below_a_cymbal_that_keeps_time_is_groove():
    last = [*rock_bar(), *on(P.TOM_FLOOR, "13/16", "15/16")]
    assert fills(with_last(4, last)) == ()


def test_graces_of_a_fill_are_strokes():
    last = [one for one in rock_bar() if one.at < F(3, 4)]
    last += [accent("3/4", P.TOM_HIGH), accent("7/8", P.TOM_FLOOR)]
    flammed = [one if one.at < F(3, 4) else _flammed(one) for one in last]
    assert [one.strokes for one in fills(with_last(4, flammed))] == [4]


def _flammed(one):
    return type(one)(one.at, one.piece, one.velocity, graces=(40,))


def six_eight() -> Bar:
    return [*row(P.HAT_CLOSED, F(1, 8), F(3, 4)), *on(P.KICK, "0"), *on(P.SNARE, "3/8")]


def test_sixeight_fills_by_dotted_quarters():
    last = toms(six_eight(), "3/8", step="1/8", length="3/4")
    part = part_of_bars([six_eight()] * 3 + [last], SIX_EIGHT)
    assert fills(part) == (Fill(4, 2, 1, 3, ("toms",)),)


def seven_eight() -> Bar:
    return [*row(P.HAT_CLOSED, F(1, 8), F(7, 8)), *on(P.KICK, "0"), *on(P.SNARE, "1/4", "5/8")]


@pytest.mark.parametrize(
    ("begin", "expected"),
    [
        # Eighths are looked at two by two from the end: 6 and 7; 4 to 7; and all.
        ("5/8", Fill(4, 6, 2, 2, ("toms",))),
        ("3/8", Fill(4, 4, 4, 4, ("toms",))),
        ("0", Fill(4, 1, 7, 7, ("toms",))),
    ],
)
def test_seveneight_fills_by_eighths(begin: str, expected: Fill):
    last = toms(seven_eight(), begin, step="1/8", length="7/8")
    assert fills(part_of_bars([seven_eight()] * 3 + [last], SEVEN_EIGHT)) == (expected,)


def test_a_pickup_is_no_fill_and_changes_none():
    upbeat = PartBar(0, FOUR, tuple(on(P.TOM_HIGH, "0", "1/16", "1/8", "3/16")), F(1, 4))
    part = with_last(4, toms(rock_bar(), "1/2"))
    found = form(Part("Upbeat", (upbeat, *part.bars)))
    assert found.fills == (Fill(4, 3, 2, 8, ("toms",)),)
    assert found.structure == (Stretch("intro", 0, 0), Stretch("groove A", 1, 4))


@pytest.mark.parametrize(
    "meter", [Meter(1, 32), Meter(3, 32), Meter(5, 16), Meter(32, 4), Meter(32, 1), Meter(3, 2)]
)
def test_no_meter_is_too_odd(meter: Meter):
    part = part_of_bars([on(P.KICK, "0"), on(P.TOM_MID, "0"), []], meter)
    short = PartBar(0, meter, tuple(on(P.SNARE, "0")), meter.length / 2)
    found = form(Part("Odd", (short, *part.bars)))
    assert found.fills == ()
    assert sum(one.last_bar - one.first_bar + 1 for one in found.structure) == 4


# Structure


def test_structure_names_every_stretch():
    bars = [
        on(P.HAT_CLOSED, "0", "1/4", "1/2", "3/4"),  # 1, counting in
        *[rock_bar()] * 3,
        toms(rock_bar(), "0"),  # 5, a fill
        on(P.CRASH, "0"),  # 6, a break
        on(P.KICK, "0"),  # 7
        *[half_time()] * 4,
        on(P.CRASH, "0"),  # 12, an ending
        [],  # 13
    ]
    found = form(part_of_bars(bars))
    assert found.structure == (
        Stretch("intro", 1, 1),
        Stretch("groove A", 2, 5),
        Stretch("break", 6, 7),
        Stretch("groove B", 8, 11),
        Stretch("ending", 12, 12),
        Stretch("silence", 13, 13),
    )
    assert [one.bar for one in found.fills] == [5]
    assert found.other_bars == (1, 5, 6, 7, 12)


def test_a_full_bar_of_its_own_between_two_of_a_groove_goes_on_and_a_stop_does_not():
    busy = [*row(P.RIDE, F(1, 16), F(1)), *on(P.SNARE, "1/2")]
    found = form(part_of_bars([rock_bar(), rock_bar(), busy, rock_bar()]))
    assert found.structure == (Stretch("groove A", 1, 4),)
    found = form(part_of_bars([rock_bar(), rock_bar(), on(P.KICK, "0"), rock_bar()]))
    assert [one.name for one in found.structure] == ["groove A", "break", "groove A"]


def test_a_bar_by_itself_is_a_groove_where_there_is_no_other():
    found = form(part_of_bars([rock_bar()]))
    assert [(one.name, one.bars) for one in found.grooves] == [("A", (1,))]
    assert found.structure == (Stretch("groove A", 1, 1),)
