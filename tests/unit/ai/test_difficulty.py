from dataclasses import replace
from random import Random

import pytest

from libs.common.drums import DrumPiece as P
from libs.common.drums import Hand
from libs.common.meter import Meter
from libs.common.part import Part, PartBar
from services.ai.domain.difficulty import (
    Aspect,
    Level,
    bar_difficulty,
    difficulty,
    is_ghost,
    level_of,
)
from tests.unit.ai.made_parts import (
    F,
    double_kick,
    funk,
    linear,
    on,
    part_made,
    part_of_bars,
    rock,
    rock_bar,
    row,
    shuffle,
    silent,
    stroke,
)

SEEDS = range(150)


def at_tempo(part: Part, factor: float) -> Part:
    return replace(part, tempos=tuple(replace(mark, bpm=mark.bpm * factor) for mark in part.tempos))


@pytest.mark.parametrize(
    ("part", "low", "high", "level"),
    [
        (rock(bpm=80), 2, 3, Level.BEGINNER),
        (rock(bpm=100), 2, 3, Level.BEGINNER),
        (shuffle(bpm=120), 3.2, 4.5, Level.INTERMEDIATE),
        (funk(bpm=100), 5.5, 6.4, Level.ADVANCED),
        (linear(200), 7.5, 9, Level.EXPERT),
        (double_kick(200), 8, 9.3, Level.EXPERT),
    ],
    ids=lambda value: value.title if isinstance(value, Part) else str(value),
)
def test_what_every_teacher_knows_stands_where_it_should(part, low, high, level):
    judged = difficulty(part)
    assert low <= judged.value <= high
    assert judged.level is level


def test_silence_is_as_easy_as_it_gets():
    assert difficulty(silent()).value == 1.0
    assert difficulty(silent()).level is Level.BEGINNER
    assert sum(difficulty(silent()).points.values()) == 0
    assert [(bar.value, bar.why) for bar in bar_difficulty(silent())] == [(1.0, ())] * 2


@pytest.mark.parametrize(
    ("value", "level"),
    [
        (1.0, Level.BEGINNER), (3.49, Level.BEGINNER), (3.5, Level.INTERMEDIATE),
        (5.5, Level.ADVANCED), (7.5, Level.EXPERT), (10.0, Level.EXPERT),
    ],
)  # fmt: skip
def test_levels_begin_where_they_say(value: float, level: Level):
    assert level_of(value) is level


def test_the_same_part_faster_is_never_easier():
    for seed in SEEDS:
        values = [difficulty(at_tempo(part_made(seed), by)).value for by in (0.6, 0.9, 1, 1.1, 1.5)]
        assert values == sorted(values), seed
        bars = [bar_difficulty(at_tempo(part_made(seed), by)) for by in (0.8, 1, 1.2)]
        for slow, usual, fast in zip(*bars, strict=True):
            assert slow.value <= usual.value <= fast.value, seed


@pytest.mark.parametrize("keep", [0.95, 0.7, 0.3])
def test_less_of_a_part_is_never_harder(keep: float):
    for seed in SEEDS:
        random, part = Random(seed), part_made(seed)
        left = replace(
            part,
            bars=tuple(
                replace(
                    bar, strokes=tuple(one for one in bar.strokes if random.random() < keep)
                )
                for bar in part.bars
            ),
        )  # fmt: skip
        assert difficulty(left).value <= difficulty(part).value, seed


def test_without_ghosts_it_is_easier():
    haunted = 0
    for seed in SEEDS:
        part = part_made(seed)
        bars = tuple(
            replace(bar, strokes=tuple(one for one in bar.strokes if not is_ghost(one)))
            for bar in part.bars
        )
        before, after = difficulty(part).value, difficulty(replace(part, bars=bars)).value
        if bars == part.bars:
            assert after == before
        else:
            haunted += 1
            assert after <= before
    assert haunted > 30


def test_without_a_tempo_it_is_judged_at_100():
    assert difficulty(rock(bpm=None)) == difficulty(rock(bpm=100))


def test_odd_meters_are_harder_than_even_ones():
    seven = part_of_bars([row(P.RIDE, F(1, 8), F(7, 8))], Meter(7, 8))
    assert difficulty(seven).points[Aspect.METER] > 0
    assert difficulty(rock()).points[Aspect.METER] == 0


def test_leading_with_the_left_is_harder():
    bar = rock_bar()
    led = [
        replace(one, hand=Hand.LEFT) if one.piece is P.HAT_CLOSED else one for one in bar
    ]  # fmt: skip
    easy, hard = (difficulty(part_of_bars([one])).value for one in (bar, led))
    assert hard > easy


def test_the_fill_is_the_hardest_bar_and_says_why():
    round_ = (P.SNARE, P.TOM_HIGH, P.TOM_MID, P.TOM_FLOOR)
    fill = [stroke(F(nth, 16), round_[nth // 4]) for nth in range(16)]
    bars = bar_difficulty(part_of_bars([rock_bar(), rock_bar(), fill, rock_bar()], bpm=120))
    assert [bar.number for bar in bars] == [1, 2, 3, 4]
    assert bars[0].value == bars[1].value == bars[3].value < bars[2].value
    why = {one.aspect: one.phrase for one in bars[2].why}
    assert why[Aspect.HANDS] == "the hands play 7.3 strokes a second"
    assert why[Aspect.DENSITY] == "16 strokes, 8.0 a second"


def test_ghosts_and_accents_are_counted_in_the_reasons():
    why = {one.aspect: one.phrase for one in bar_difficulty(funk())[0].why}
    assert why[Aspect.DYNAMICS] == "5 ghosts and 2 accents"


def test_a_pickup_is_judged_with_the_rest():
    part = rock()
    pickup = PartBar(0, Meter(4, 4), tuple(on(P.SNARE, "0", "1/8")), F(1, 4))
    more = replace(part, bars=(pickup, *part.bars))
    assert [bar.number for bar in bar_difficulty(more)] == [0, 1, 2, 3, 4]
