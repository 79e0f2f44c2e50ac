"""Each name beside a bar that it is true of, and one that nearly is."""

from __future__ import annotations

import pytest

from libs.common.drums import DrumPiece as P
from libs.common.meter import Meter
from libs.common.part import PartBar, PartSwing, ordered
from services.ai.domain.facts.grooves import groove_names, rank
from tests.unit.ai.made_parts import (
    FOUR,
    Bar,
    F,
    funk_bar,
    ghost,
    half_time_shuffle,
    on,
    rock_bar,
    row,
    shuffle,
    swung,
)

EIGHTHS = row(P.HAT_CLOSED, F(1, 8), F(1))
SIXTEENTHS = row(P.HAT_CLOSED, F(1, 16), F(1))
QUARTERS = row(P.HAT_CLOSED, F(1, 4), F(1))
BACKBEAT = on(P.SNARE, "1/4", "3/4")
SWING = PartSwing(1, F(1, 8), 2.0)
SHUFFLE = list(shuffle(1).bars[0].strokes)
HALF_SHUFFLE = list(half_time_shuffle().bars[0].strokes)
SPANG = list(swung().bars[0].strokes)
SPANG_WRITTEN = on(P.RIDE, "0", "1/4", "5/12", "1/2", "3/4", "11/12")


def names(bar: Bar, meter: Meter = FOUR, swing: PartSwing | None = None) -> tuple[str, ...]:
    return groove_names(PartBar(1, meter, ordered(bar)), swing)


def without(bar: Bar, *places: str, piece: P | None = None) -> Bar:
    return [
        one for one in bar
        if one.at not in map(F, places) or (piece is not None and one.piece is not piece)
    ]  # fmt: skip


CASES: list[tuple[str, Bar, Bar]] = [
    (
        "blast beat",
        row(P.SNARE, F(1, 8), F(1)) + row(P.KICK, F(1, 8), F(1)),
        row(P.SNARE, F(1, 8), F(7, 8)) + row(P.KICK, F(1, 8), F(1)),
    ),
    ("jazz ride pattern", SPANG_WRITTEN, without(SPANG_WRITTEN, "5/12")),
    ("jazz ride pattern", SPANG_WRITTEN, SPANG_WRITTEN + on(P.RIDE, "1/8")),
    (
        "half-time shuffle",
        HALF_SHUFFLE,
        [*without(HALF_SHUFFLE, "1/2", piece=P.SNARE), *BACKBEAT],
    ),
    ("shuffle", SHUFFLE, without(SHUFFLE, "1/6", "5/12", piece=P.HAT_CLOSED)),
    ("shuffle", SHUFFLE, without(SHUFFLE, "3/4", piece=P.SNARE)),
    (
        "one drop",
        EIGHTHS + on(P.KICK, "1/2") + on(P.CROSS_STICK, "1/2"),
        EIGHTHS + on(P.KICK, "0", "1/2") + on(P.CROSS_STICK, "1/2"),
    ),
    (
        "train beat",
        [
            *BACKBEAT,
            *[ghost(F(i, 16)) for i in range(16) if i not in (4, 12)],
            *on(P.KICK, "0", "1/2"),
        ],
        row(P.SNARE, F(1, 16), F(1)) + on(P.KICK, "0", "1/2"),
    ),
    (
        "linear groove",
        on(P.HAT_CLOSED, "0", "1/8", "3/8", "1/2")
        + on(P.SNARE, "1/4", "3/4")
        + on(P.KICK, "3/16", "5/8"),
        on(P.HAT_CLOSED, "0", "1/8", "3/8", "1/2")
        + on(P.SNARE, "1/4", "3/4")
        + on(P.KICK, "0", "3/16", "5/8", "7/8"),
    ),
    # A ride with little around it takes turns with nobody.
    (
        "linear groove",
        [stroke for stroke in SPANG_WRITTEN if stroke.at != F(11, 12)]
        + on(P.KICK, "1/8", "7/12")
        + on(P.SNARE, "1/3", "2/3", "7/8"),
        SPANG_WRITTEN + on(P.KICK, "1/8", "7/12") + on(P.SNARE, "1/3"),
    ),
    (
        "bossa nova with cross-stick",
        EIGHTHS + on(P.KICK, "0", "3/8", "1/2", "7/8") + on(P.CROSS_STICK, "0", "3/8", "3/4"),
        EIGHTHS + on(P.KICK, "0", "3/8", "1/2", "7/8") + on(P.SNARE, "0", "3/8", "3/4"),
    ),
    (
        "four on the floor",
        EIGHTHS + BACKBEAT + row(P.KICK, F(1, 4), F(1)),
        EIGHTHS + BACKBEAT + row(P.KICK, F(1, 8), F(1)),
    ),
    (
        "offbeat open hats",
        on(P.HAT_CLOSED, "0", "1/4", "1/2", "3/4") + on(P.HAT_OPEN, "1/8", "3/8", "5/8", "7/8"),
        row(P.HAT_OPEN, F(1, 8), F(1)),
    ),
    (
        "double-time beat",
        QUARTERS + row(P.KICK, F(1, 4), F(1)) + on(P.SNARE, "1/8", "3/8", "5/8", "7/8"),
        QUARTERS + row(P.KICK, F(1, 4), F(1)) + row(P.SNARE, F(1, 8), F(1)),
    ),
    (
        "half-time groove",
        EIGHTHS + on(P.KICK, "0", "7/8") + on(P.SNARE, "1/2"),
        EIGHTHS + on(P.KICK, "0", "7/8") + on(P.SNARE, "1/2", "3/4"),
    ),
    ("half-time groove", EIGHTHS + on(P.KICK, "0") + on(P.SNARE, "1/2"), HALF_SHUFFLE),
    ("eighth-note rock beat", rock_bar(), [*rock_bar(), ghost("7/16")]),
    ("eighth-note rock beat", rock_bar(), [*rock_bar(), *on(P.KICK, "11/16")]),
    # A crash takes the place of the first hat; two hats less are another groove.
    (
        "eighth-note rock beat",
        without(rock_bar(), "0", piece=P.HAT_CLOSED) + on(P.CRASH, "0"),
        without(rock_bar(), "1/8", "3/8", piece=P.HAT_CLOSED),
    ),
    ("eighth-note groove", funk_bar(), rock_bar()),
    (
        "sixteenth-note groove",
        SIXTEENTHS + BACKBEAT + on(P.KICK, "0"),
        without(SIXTEENTHS, "1/16", "3/16", "5/16", "7/16", "9/16") + BACKBEAT,
    ),
    ("quarter-note groove", QUARTERS + BACKBEAT, QUARTERS + BACKBEAT + on(P.HAT_OPEN, "7/8")),
    (
        "tom groove",
        row(P.TOM_FLOOR, F(1, 8), F(1)) + BACKBEAT,
        on(P.TOM_FLOOR, "0", "1/8", "3/8", "1/2", "5/8") + BACKBEAT,
    ),
    ("tresillo in the kick", on(P.KICK, "0", "3/8", "3/4"), on(P.KICK, "0", "3/8", "1/2", "3/4")),
    ("ghost notes around the backbeat", funk_bar(), [*rock_bar(), ghost("7/16")]),
    ("backbeat on 2 and 4", rock_bar(), [*rock_bar(), *on(P.SNARE, "7/8")]),
    ("kick on 1 and 3", rock_bar(), [*rock_bar(), *on(P.KICK, "5/8")]),
    ("hat foot on 2 and 4", on(P.HAT_PEDAL, "1/4", "3/4"), on(P.HAT_PEDAL, "0", "1/4", "3/4")),
]


@pytest.mark.parametrize(("name", "is_one", "is_none"), CASES)
def test_a_name_holds_for_its_bar_and_not_for_one_that_nearly_is(
    name: str, is_one: Bar, is_none: Bar
):
    assert name in names(is_one)
    assert name not in names(is_none)


def test_swung_eighths_are_named_as_they_sound():
    assert names(SPANG, swing=SWING)[0] == "jazz ride pattern"
    assert "jazz ride pattern" not in names(SPANG)
    assert names(rock_bar(), swing=SWING)[0] == "shuffle"
    # A little swing makes no shuffle, and swung 16ths leave eighths alone.
    assert names(rock_bar(), swing=PartSwing(1, F(1, 8), 1.2))[0] == "eighth-note rock beat"
    assert names(rock_bar(), swing=PartSwing(1, F(1, 16), 2.0))[0] == "eighth-note rock beat"


SIX = row(P.HAT_CLOSED, F(1, 8), F(3, 4)) + on(P.KICK, "0")
TWELVE = row(P.RIDE, F(1, 8), F(3, 2)) + on(P.KICK, "0")


@pytest.mark.parametrize(
    ("meter", "bar", "expected"),
    [
        (Meter(6, 8), SIX + on(P.SNARE, "3/8"), ("6/8 groove with the backbeat on 2",)),
        (Meter(6, 8), SIX + on(P.SNARE, "1/2"), ()),
        (
            Meter(12, 8),
            TWELVE + on(P.SNARE, "3/8", "9/8"),
            ("12/8 groove with the backbeat on 2 and 4",),
        ),
        (Meter(12, 8), TWELVE + on(P.SNARE, "3/8"), ()),
        (
            Meter(3, 4),
            on(P.KICK, "0") + on(P.SNARE, "1/4", "1/2"),
            ("kick on 1, snare on 2 and 3",),
        ),
        (Meter(3, 4), on(P.KICK, "0") + on(P.SNARE, "1/2"), ("backbeat on 3",)),
        (Meter(3, 4), on(P.KICK, "0") + on(P.SNARE, "1/4"), ("backbeat on 2",)),
        (Meter(3, 4), on(P.KICK, "1/4") + on(P.SNARE, "1/2"), ()),
        (Meter(5, 4), BACKBEAT, ()),
        (Meter(8, 8), rock_bar(), ()),
    ],
)
def test_other_meters_have_names_of_their_own(meter: Meter, bar: Bar, expected: tuple[str, ...]):
    assert names(bar, meter) == expected


def test_a_pickup_and_an_empty_bar_have_no_name():
    assert groove_names(PartBar(0, FOUR, tuple(on(P.KICK, "0", "1/2")), F(3, 4))) == ()
    assert names([]) == ()


def test_what_tells_most_comes_first():
    found = names(rock_bar())
    assert found == ("eighth-note rock beat", "backbeat on 2 and 4", "kick on 1 and 3")
    assert sorted(found, key=rank) == list(found)
