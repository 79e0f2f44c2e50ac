"""The teaching benchmark: what it counts is what it says."""

from __future__ import annotations

from fractions import Fraction

import pytest

from benchmarks.teaching.__main__ import by_style, fact_table_rows, spread, style_table_rows
from benchmarks.teaching.measures import (
    Told,
    easier_row,
    part_meter,
    part_tempo,
    simplified_is_easier,
    tell,
    tempo_holds,
)
from benchmarks.teaching.peers import NearestHistograms, histogram, most_frequent
from libs.common.drums import DrumPiece
from libs.common.meter import Meter
from libs.common.part import Part, PartBar, PartTempo, Stroke
from training.style.score import Answer


def part_of(*pieces: DrumPiece, bars: int = 2, meter: str = "4/4", bpm: float = 100) -> Part:
    """One piece after another on the sixteenths of every bar."""
    strokes = tuple(Stroke(Fraction(n, 16), piece) for n, piece in enumerate(pieces))
    return Part(
        "made",
        tuple(PartBar(number, Meter.parse(meter), strokes) for number in range(1, bars + 1)),
        (PartTempo(1, bpm),),
    )


KICKS = part_of(*[DrumPiece.KICK] * 4)
HATS = part_of(*[DrumPiece.HAT_CLOSED] * 4)


def test_a_histogram_is_of_length_one_and_empty_of_nothing():
    assert sum(value * value for value in histogram(KICKS)) == pytest.approx(1)
    assert [value for value in histogram(KICKS) if value] == pytest.approx([0.5] * 4)
    assert not any(histogram(Part("empty", ())))


def test_the_nearest_five_and_a_sixth_of_what_is_frequent_make_chances():
    known = [("rock", KICKS)] * 4 + [("jazz", HATS)] * 4
    chances = NearestHistograms.of(known)(HATS)
    assert chances == pytest.approx({"jazz": 4 / 6 + 1 / 12, "rock": 1 / 6 + 1 / 12})


def test_the_most_frequent_is_said_of_everything():
    chances = most_frequent([("rock", KICKS), ("rock", HATS), ("jazz", HATS)])(HATS)
    assert chances == pytest.approx({"rock": 2 / 3, "jazz": 1 / 3})


def test_tempo_holds_within_four_percent():
    assert tempo_holds(104, 100)
    assert tempo_holds(96, 100)
    assert not tempo_holds(104.1, 100)
    assert part_tempo(KICKS) == 100
    assert part_tempo(Part("untimed", KICKS.bars)) == 0


def test_an_octave_counts_in_its_own_column():
    told = tell("beat", 200, "4/4", KICKS)
    assert (told.tempo, told.tempo_or_octave, told.meter) == (False, True, True)
    assert not tell("beat", 300, "3/4", KICKS).tempo_or_octave
    assert not tell("beat", 300, "3/4", KICKS).meter


def test_the_meter_is_that_of_most_bars():
    three = part_of(DrumPiece.KICK, bars=1, meter="3/4").bars
    assert part_meter(Part("mixed", three + KICKS.bars)) == "4/4"
    assert part_meter(Part("empty", ())) == ""


def test_nothing_can_be_simplified_of_silence():
    assert simplified_is_easier(Part("rest", (PartBar(1, Meter(4, 4)),))) is None


def test_a_simplified_groove_is_easier():
    busy = part_of(*[DrumPiece.HAT_CLOSED, DrumPiece.SNARE, DrumPiece.KICK, DrumPiece.SNARE] * 4)
    assert simplified_is_easier(busy) is True


def test_what_could_not_be_simplified_is_not_counted():
    told = [Told("beat", True, True, True, easier) for easier in (True, False, None, True)]
    assert easier_row(told) == (2, 3)


def test_rows_are_of_all_then_beats_then_fills():
    answers = [
        Answer("rock", "beat", {"rock": 0.7, "jazz": 0.2, "funk": 0.1}),
        Answer("jazz", "fill", {"rock": 0.7, "jazz": 0.2, "funk": 0.1}, unsure=True),
    ]
    rows = style_table_rows("ours", answers)
    assert [row[:4] for row in rows] == [
        ["ours, all", "2", "**.500**", "**1.0**"],
        ["ours, beats", "1", "**1.0**", "**1.0**"],
        ["ours, fills", "1", "**.000**", "**1.0**"],
    ]
    assert [row[6:] for row in rows] == [["1", "1.0"], ["1", "1.0"], ["0", "–"]]
    assert "| jazz | 1 | .000 | 1.0 | 1 rock |" in by_style(answers)


def test_facts_are_shares_of_takes():
    told = [Told("beat", True, True, True, True), Told("beat", False, True, False, None)]
    assert fact_table_rows("ours", told) == [
        ["ours, all", "2", ".500", "1.0", ".500", "1", "1.0"],
        ["ours, beats", "2", ".500", "1.0", ".500", "1", "1.0"],
    ]


def test_takes_are_spread_evenly_over_all():
    takes = list(range(10))
    assert spread(takes, 4) == [0, 2, 5, 7]
    assert spread(takes, None) == takes
    assert spread(takes, 99) == takes
