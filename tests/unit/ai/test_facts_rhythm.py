"""Density, syncopation, subdivisions, dynamics and coordination, worked out by hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from libs.common.drums import Articulation
from libs.common.drums import DrumPiece as P
from libs.common.meter import Meter
from libs.common.part import Part, PartBar, Stroke, ordered
from services.ai.domain.facts.plain import plain
from services.ai.domain.facts.rhythm import (
    Coordination,
    Density,
    coordination,
    density,
    dynamics,
    subdivisions,
    syncopation,
)
from tests.unit.ai.made_parts import (
    FOUR,
    Bar,
    F,
    accent,
    flam,
    funk,
    ghost,
    on,
    part_of_bars,
    rock,
    rock_bar,
    row,
    shuffle,
    silent,
    stroke,
)


def test_density_counts_strokes_a_bar_and_a_second():
    # 12 strokes in a bar of 4 quarters at 90: 2.667 s.
    assert density(rock(4, bpm=90)) == Density(48, 12.0, 4.5, 1, "medium")


def test_a_grace_is_a_stroke_and_a_silent_bar_is_no_time():
    found = density(part_of_bars([[], [flam(0), stroke("1/2", P.KICK)]], bpm=120))
    # Three strokes in 2 s, in the second bar.
    assert found == Density(3, 3.0, 1.5, 2, "low")


def test_without_a_tempo_density_is_of_100_quarters_a_minute():
    found = density(rock(2, bpm=None))
    assert found is not None
    assert found.per_second == 5.0


def test_density_levels_begin_at_4_and_9():
    def level(bpm: float) -> str:
        found = density(part_of_bars([row(P.HAT_CLOSED, F(1, 16), F(1))], bpm=bpm))
        assert found is not None
        return found.level

    # 16ths: bpm / 15 strokes a second.
    assert [level(bpm) for bpm in (58, 60, 134, 135)] == ["low", "medium", "medium", "high"]


def test_a_silent_part_has_none_of_it():
    for measure in (density, syncopation, subdivisions, dynamics, coordination):
        assert measure(silent()) is None


# Syncopation


def kicks(*places: str, meter: Meter = FOUR, bars: int = 2) -> Part:
    return part_of_bars([on(P.KICK, *places)] * bars, meter)


def of_first_bar(part: Part) -> float:
    """A bar that others follow; of all, only the first may differ from the mean."""
    scores = []
    for bars in (part.bars, part.bars[1:]):
        found = syncopation(replace(part, bars=bars))
        assert found is not None
        scores.append(found.per_bar * len(bars))
    return round(scores[0] - scores[1], 1)


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        # Levels: bar 0, half -1, quarter -2, eighth -3, 16th -4.
        (("0", "1/4", "1/2", "3/4"), 0),
        (("0", "1/2"), 0),
        (("0",), 0),
        # Tresillo: 3/8 (-3) holds over the half (-1).
        (("0", "3/8", "3/4"), 2),
        # Son clave, 3-2 in one bar: 3/16 (-4) over 1/4 (-2), 3/8 (-3) over 1/2 (-1).
        (("0", "3/16", "3/8", "5/8", "3/4"), 4),
        # Rumba clave: 3/16 (-4) over 1/4, 7/16 (-4) over 1/2 (-1).
        (("0", "3/16", "7/16", "5/8", "3/4"), 5),
        # Bossa: as son, and 13/16 (-4) over nothing stronger than 7/8 (-3).
        (("0", "3/16", "3/8", "5/8", "13/16"), 2 + 2 + 1 + 1),
        # Offbeats only: over 1/4, 1/2, 3/4, and the next bar's line (0).
        (("1/8", "3/8", "5/8", "7/8"), 1 + 2 + 1 + 3),
        # The backbeat by itself: 1/4 (-2) over 1/2, 3/4 (-2) over the line.
        (("1/4", "3/4"), 1 + 2),
        # Dotted eighths.
        (("0", "3/16", "3/8", "9/16", "3/4", "15/16"), 2 + 2 + 1),
    ],
)
def test_syncopation_of_known_rhythms(places: tuple[str, ...], expected: float):
    assert of_first_bar(kicks(*places)) == expected


def test_kick_and_snare_of_a_rock_beat_are_not_syncopated():
    found = syncopation(rock(4))
    assert found is not None
    assert (found.per_bar, found.level) == (0, "none")


def test_an_anticipated_one_counts_in_the_bar_before():
    # "4 and" holds over the second bar's line: three levels.
    part = part_of_bars([on(P.KICK, "0", "7/8"), on(P.KICK, "1/2"), on(P.KICK, "0")])
    found = syncopation(part)
    assert found is not None
    assert (found.most_in_bar, found.most_syncopated_bar) == (3, 1)


def test_after_the_last_bar_nothing_is_missed():
    found = syncopation(kicks("0", "7/8", bars=1))
    assert found is not None
    assert found.per_bar == 0


def test_a_silent_bar_leaves_its_one_out():
    found = syncopation(part_of_bars([on(P.KICK, "0", "7/8"), []]))
    assert found is not None
    assert found.per_bar == 3


def test_triplet_bars_are_counted_in_thirds():
    # Swung "2 and" and "4 and": 5/12 (-3) over 1/2 (-1), 11/12 (-3) over the line, where the next
    # bar has no one.
    part = part_of_bars([on(P.KICK, "0", "5/12", "11/12"), on(P.KICK, "1/2"), on(P.KICK, "0")])
    found = syncopation(part)
    assert found is not None
    assert (found.most_in_bar, found.most_syncopated_bar) == (2 + 3, 1)


@pytest.mark.parametrize(
    ("meter", "places", "expected"),
    [
        # 6/8: bar 0, dotted quarter -1, eighth -2.
        (Meter(6, 8), ("0", "3/8"), 0),
        (Meter(6, 8), ("0", "1/4"), 1),
        (Meter(6, 8), ("0", "5/8"), 0),
        (Meter(6, 8), ("1/8", "1/2"), 1 + 2),
        # 12/8: bar, half, dotted quarter, eighth.
        (Meter(12, 8), ("0", "5/8"), 2),
        # 7/8 has no halves: bar 0, eighth -1, 16th -2.
        (Meter(7, 8), ("0", "1/4", "1/2"), 0),
        (Meter(7, 8), ("0", "3/16", "1/2"), 1),
        (Meter(7, 8), ("1/8",), 1),
        # 3/4: bar 0, quarter -1, eighth -2.
        (Meter(3, 4), ("0", "3/8"), 1),
        (Meter(2, 4), ("0", "1/8"), 1),
        # 8/4 has two halvings: 1 (-1), 1/2 (-2), 1/4 (-3).
        (Meter(8, 4), ("0", "3/4"), 2),
        (Meter(1, 4), ("1/8",), 1),
    ],
)
def test_syncopation_in_other_meters(meter: Meter, places: tuple[str, ...], expected: float):
    assert of_first_bar(kicks(*places, meter=meter)) == expected


def test_ghosts_and_cymbals_do_not_syncopate():
    quiet = [*rock_bar(), ghost("3/16"), ghost("7/16"), *on(P.RIDE, "15/16"), *on(P.CRASH, "7/8")]
    found = syncopation(part_of_bars([quiet] * 2))
    assert found is not None
    assert found.per_bar == 0


def test_a_pickup_is_the_end_of_a_bar():
    # Its second eighth is "4 and": over the line, where the first bar has no one.
    pickup = PartBar(0, FOUR, tuple(on(P.KICK, "1/8")), F(1, 4))
    rest = part_of_bars([on(P.KICK, "1/2")])
    found = syncopation(Part("Upbeat", (pickup, *rest.bars)))
    assert found is not None
    assert (found.most_in_bar, found.most_syncopated_bar) == (3, 0)


def test_levels_of_syncopation_begin_at_a_half_and_3():
    def level(*bars: Bar) -> str:
        found = syncopation(part_of_bars(bars))
        assert found is not None
        return found.level

    # Two in one of five bars, in one of four, three in every bar.
    tresillo, plain_bar = on(P.KICK, "0", "3/8", "3/4"), on(P.KICK, "0")
    assert level(tresillo, *[plain_bar] * 4) == "none"
    assert level(tresillo, *[plain_bar] * 3) == "some"
    assert level(on(P.KICK, "0", "3/8", "9/16", "7/8"), plain_bar) == "some"
    assert level(on(P.KICK, "0", "3/16", "7/16", "3/4"), plain_bar, on(P.KICK, "0")) == "some"
    assert level(on(P.KICK, "0", "3/16", "7/16", "3/4")) == "strong"


# Subdivisions


def test_shares_of_an_eighth_note_rock_beat():
    found = subdivisions(rock(1))
    assert found is not None
    # Of twelve strokes, four hats lie between the beats.
    assert plain(found) == {
        "on_beats": 0.667, "eighths": 0.333, "sixteenths": 0.0, "triplets": 0.0, "finer": 0.0,
    }  # fmt: skip


def test_each_grid_is_named_for_the_note_that_needs_it():
    def grid(place: str, meter: Meter = FOUR) -> str:
        found = plain(subdivisions(part_of_bars([on(P.SNARE, place)], meter)))
        return next(name for name, share in found.items() if share == 1)

    assert [grid(at) for at in ("1/4", "3/8", "3/16", "1/12", "1/6", "1/24", "1/32", "1/20")] == [
        "on_beats", "eighths", "sixteenths", "triplets", "triplets", "triplets", "finer", "finer",
    ]  # fmt: skip
    assert [grid(at, Meter(6, 8)) for at in ("3/8", "1/4", "1/8", "1/16", "1/32")] == [
        "on_beats", "eighths", "eighths", "sixteenths", "finer",
    ]  # fmt: skip
    # Eighths are eighths where they are counted, too.
    assert [grid(at, Meter(7, 8)) for at in ("1/4", "3/8", "5/16")] == [
        "on_beats", "eighths", "sixteenths",
    ]  # fmt: skip


def test_a_shuffle_is_half_triplets_on_the_hat():
    found = subdivisions(shuffle(1))
    assert found is not None
    # Eight hats, four of them thirds; kicks on 0, 1/2 and a third; two snares.
    assert found.triplets == round(5 / 13, 3)


# Dynamics


def test_ghosts_are_a_share_of_the_snare():
    found = dynamics(funk(2))
    assert found is not None
    # A bar has two accents and five ghosts.
    assert (found.ghosts, found.ghost_share, found.accents, found.graces) == (10, 0.714, 4, 0)


def test_soft_and_loud_leave_a_tenth_out_on_either_side():
    bar = [Stroke(F(nth, 16), P.SNARE, 10 + 10 * nth) for nth in range(11)]
    found = dynamics(part_of_bars([bar]))
    assert found is not None
    assert (found.soft_velocity, found.loud_velocity, found.range) == (20, 100, 80)


def test_graces_and_strong_accents_are_counted():
    strong = Stroke(F(1, 2), P.CRASH, 120, (Articulation.STRONG_ACCENT,))
    found = dynamics(part_of_bars([[flam(0), accent("1/4"), strong]]))
    assert found is not None
    assert (found.graces, found.accents, found.ghosts, found.ghost_share) == (1, 2, 0, 0.0)


# Coordination


def test_combinations_of_a_rock_beat():
    # Of eight places two have hat and kick, two hat and snare, four the hat alone.
    assert coordination(rock(1)) == Coordination(
        combinations=(("hi-hat", 4), ("hi-hat + kick", 2), ("hi-hat + snare", 2)),
        together_share=0.5,
        feet_alone_share=0.0,
        bits=1.5,
    )


def test_four_combinations_as_often_are_two_bits_and_one_is_none():
    four = [*on(P.KICK, "0"), *on(P.SNARE, "1/4"), *on(P.RIDE, "1/2"), *on(P.TOM_MID, "3/4")]
    found, one = (coordination(part_of_bars([bar])) for bar in (four, on(P.KICK, "0", "1/2")))
    assert found is not None
    assert one is not None
    assert (found.bits, one.bits) == (2.0, 0.0)
    assert (found.together_share, one.feet_alone_share) == (0.0, 1.0)
    assert not math.copysign(1, one.bits) < 0


def test_feet_alone_are_those_below_no_hand():
    bar = [*on(P.KICK, "0", "1/8", "1/4"), *on(P.HAT_PEDAL, "1/4"), *on(P.RIDE, "0")]
    found = coordination(part_of_bars([bar]))
    assert found is not None
    # Of three kicks and a pedal, one kick is below the ride.
    assert found.feet_alone_share == 0.75


def test_two_strokes_of_one_limb_are_one_limb():
    found = coordination(part_of_bars([ordered([*on(P.TOM_HIGH, "0"), *on(P.TOM_FLOOR, "0")])]))
    assert found is not None
    assert (found.combinations, found.together_share) == ((("toms", 1),), 0.0)


def test_plain_values_are_json():
    given = {P.KICK: (F(3, 8), None), "x": coordination(rock(1))}
    told = plain(given)
    assert json.loads(json.dumps(told)) == told
    assert told["kick"] == ["3/8", None]
    assert type(next(iter(told))) is str
