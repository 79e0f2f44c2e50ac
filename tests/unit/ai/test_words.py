"""The rules' own words: true of every part, and as a teacher would say them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from random import Random
from typing import Any

import pytest

from libs.common.drums import Articulation
from libs.common.drums import DrumPiece as P
from libs.common.meter import Meter
from libs.common.part import Part, PartBar, PartSwing, PartTempo, Stroke, ordered
from libs.common.teaching import EnhancementType
from services.ai.domain.answers import UNKNOWN_GENRE, FullAnalysis
from services.ai.domain.claims import faults, sentences
from services.ai.domain.facts import Facts, facts_of
from services.ai.domain.facts.timing import Swing, Tempo, Timing
from services.ai.domain.plan import practice_plan
from services.ai.domain.study import Study, study
from services.ai.domain.styles import Evidence, Style, StyleMatch
from services.ai.domain.words import answer, characteristics
from tests.unit.ai.made_parts import (
    FOUR,
    F,
    funk,
    ghost,
    on,
    part_made,
    part_of_bars,
    rock,
    rock_bar,
    row,
    silent,
    swung,
)

FULL = EnhancementType.FULL_ANALYSIS


def told(found: Study) -> Iterator[str]:
    """Every sentence and every item of a list."""
    for fields in found.answer(FULL).model_dump().values():
        for name, value in fields.items():
            if name in ("summary", "characteristics"):
                yield from sentences(value)
            elif isinstance(value, list):
                yield from value


def check(part: Part) -> None:
    found = study(part)
    items = list(told(found))
    wrong = {one: list(faults(one, found.ledger)) for one in items}
    assert {one: why for one, why in wrong.items() if why} == {}
    for one in items:
        assert not re.search(
            r"(?<![\d.])1 (?:bars|fills|times|strokes|ghost notes)\b|  |None|\bnan\b", one
        )
    for document in (found.facts.to_dict(), found.plan.to_dict() if found.plan else {}):
        assert json.loads(json.dumps(document, allow_nan=False)) == document
    full = found.answer(FULL)
    assert isinstance(full, FullAnalysis)
    for items in (
        full.pattern_analysis.key_patterns,
        full.practice_instructions.focus_areas,
        full.practice_instructions.exercises,
        sentences(full.pattern_analysis.summary),
    ):
        assert len(set(items)) == len(items)


@pytest.mark.parametrize("first", range(0, 150, 10))
def test_every_word_about_a_made_part_holds_to_its_facts(first: int):
    for seed in range(first, first + 10):
        check(part_made(seed))


def played(part: Part, seed: int) -> Part:
    """By somebody who is not quite steady."""
    random = Random(seed)
    drift, spread_s = random.uniform(-0.01, 0.01), random.uniform(0, 0.04)
    leans_s = {piece: random.gauss(0, 0.02) for piece in P}
    bars, line_s = [], 0.0
    for nth, bar in enumerate(part.bars):
        whole_s = 2.4 * (1 + drift) ** nth * random.gauss(1, 0.01)
        strokes = []
        for one in bar.strokes:
            written_s = line_s + float(one.at) * whole_s
            played_s = written_s + leans_s[one.piece] + random.gauss(0, spread_s)
            strokes.append(
                replace(one, written_s=written_s, played_s=played_s, confidence=random.random())
            )
        end_s = line_s + float(bar.length) * whole_s
        bars.append(replace(bar, strokes=tuple(strokes), start_s=line_s, end_s=end_s))
        line_s = end_s
    return replace(part, bars=tuple(bars))


def test_every_word_about_a_played_part_holds_to_its_facts():
    for seed in range(40):
        check(played(part_made(seed), seed))


METERS = [Meter(4, 4), Meter(1, 32), Meter(32, 4), Meter(32, 1), Meter(7, 8), Meter(5, 16),
          Meter(12, 8), Meter(6, 4), Meter(1, 1), Meter(9, 16), Meter(3, 8)]  # fmt: skip


def odd(seed: int) -> Part:
    """Anything that a part may be."""
    random = Random(seed)
    bars = []
    pieces = random.sample(list(P), random.choice((1, 1, 2, 5, 19)))
    for number in range(random.choice((0, 1)), random.choice((1, 2, 5)) + 1):
        meter = random.choice(METERS)
        length = meter.length / random.choice((2, 3)) if number == 0 else meter.length
        strokes = []
        for _ in range(random.choice((0, 0, 1, 2, 9, 40))):
            at = F(random.randrange(96), 96) * length
            marks = random.choice(((), (Articulation.GHOST,), (Articulation.STRONG_ACCENT,)))
            graces = random.choice(((), (), (20,), (20, 30)))
            velocity = random.randint(1, 127)
            strokes.append(Stroke(at, random.choice(pieces), velocity, marks, graces))
        bars.append(PartBar(number, meter, ordered(strokes), length))
    first = bars[0].number if bars else 1
    unit, bpm = random.choice((F(1, 4), F(3, 8), F(1, 16))), random.choice((20.0, 97.4, 400.0))
    return Part(
        "Odd",
        tuple(bars),
        tempos=(PartTempo(first, bpm, unit=unit),) if random.random() < 0.7 else (),
        swing=(PartSwing(first, F(1, 8), random.choice((0.5, 1.0, 3.0))),)
        if random.random() < 0.3
        else (),
    )


@pytest.mark.parametrize("first", range(0, 200, 20))
def test_every_word_about_an_odd_part_holds_to_its_facts(first: int):
    for seed in range(first, first + 20):
        check(odd(seed))
        check(played(odd(seed), seed))


@pytest.mark.parametrize(
    "part",
    [
        Part("Nothing", ()),
        silent(),
        part_of_bars([on(P.COWBELL, "0")]),
        part_of_bars([row(P.HAT_PEDAL, F(1, 4), F(1))] * 3),
        part_of_bars([[ghost("1/4")]]),
        part_of_bars([[Stroke(F(0), P.SNARE, 90, (Articulation.DRAG,), (30, 30))]] * 2),
        Part("Upbeat", (PartBar(0, FOUR, tuple(on(P.SNARE, "0", "1/8")), F(1, 4)),)),
        part_of_bars([row(P.KICK, F(1, 8), F(8))], Meter(32, 4)),
        part_of_bars([on(P.KICK, "0")] * 4, Meter(1, 32)),
    ],
)  # fmt: skip
def test_every_word_about_next_to_nothing_holds_to_its_facts(part: Part):
    check(part)


# As a teacher says it


def said(part: Part, **facts: Any) -> FullAnalysis:
    found = replace(facts_of(part), styles=(), **facts)
    full = answer(found, practice_plan(part, found), FULL)
    assert isinstance(full, FullAnalysis)
    return full


def filled(bars: int) -> Part:
    """Rock, with a fill in every fourth bar."""
    fill = [one for one in rock_bar() if one.at < F(1, 2)]
    fill += [*row(P.TOM_HIGH, F(1, 16), F(1, 4))]
    last = [replace(one, at=one.at + F(1, 2)) for one in fill[-4:]]
    last += [replace(one, at=one.at + F(3, 4), piece=P.TOM_FLOOR) for one in fill[-4:]]
    with_fill = [*fill[:-4], *last]
    return part_of_bars(
        [with_fill if nth % 4 == 0 else rock_bar() for nth in range(1, bars + 1)], bpm=100
    )


def test_a_rock_beat_is_told_in_full():
    full = said(filled(8))
    patterns = full.pattern_analysis
    assert patterns.key_patterns == [
        "eighth-note rock beat", "backbeat on 2 and 4", "kick on 1 and 3", "fill variations",
    ]  # fmt: skip
    # 12 strokes a bar, 14 with the fill: 100 in 8 bars of 2.4 s.
    assert patterns.summary.startswith(
        "Groove A takes up 6 bars, all written alike. There are 2 fills, in bars 4 and 8. "
        "It is neither sparse nor dense: 5.2 strokes a second. "
        "Kick and snare keep to the strong places. The hardest bar is bar 4: "
    )


def test_exercises_loop_climb_and_land():
    exercises = said(filled(8)).practice_instructions.exercises
    assert exercises[0].startswith(
        "Loop bars 3 and 4 at 60, 70, 80, 90, 100 bpm, and take the next tempo after 8 times "
        "without a fault. What makes bar 4 hard: "
    )
    assert exercises[1].startswith("Loop bars 1 and 2 the same way. What makes bar 1 hard: ")
    assert exercises[2:4] == [
        "Metronome practice: play all of it at 60 bpm, and day by day move up to 100 bpm.",
        "Isolated fill practice: play bar 4 from beat 3 and land on beat 1 of the next bar.",
    ]


def test_a_fill_that_ends_the_part_lands_on_nothing():
    full = said(filled(4))
    assert "There is 1 fill, in bar 4 from beat 3." in full.pattern_analysis.summary
    assert (
        "Isolated fill practice: play bar 4 from beat 3 and stop on time."
        in full.practice_instructions.exercises
    )


def test_many_fills_are_not_all_listed():
    summary = said(filled(32)).pattern_analysis.summary
    assert "There are 8 fills, the first in bars 4, 8, 12, 16, 20 and 24." in summary


def test_how_it_was_played_is_told_with_the_worst_two_limbs():
    summary = said(
        rock(4),
        tempo=Tempo(97.4, 95, 99, 0.95, -3.2, 4),
        timing=(
            Timing("all", 48, 12.0, 10.0, 0, 20),
            Timing("kick", 8, 11.0, 4.0, 0, 8),
            Timing("snare", 8, -14.0, 4.0, 8, 0),
            Timing("toms", 8, 25.0, 4.0, 0, 8),
        ),
        swing=Swing(1.62, 12, measured=True),
    ).pattern_analysis.summary
    assert (
        "It was played at 97.4 bpm, and it slows down by 3.2 % on the way. "
        "On average the toms sit 25 ms behind the beat. The snare sits 14 ms ahead of it. "
        "Its swing is 1.62 to 1, as it was played."
    ) in summary


def test_a_written_swing_is_told_as_written():
    assert "Its swing is 2 to 1, as it is written." in said(swung()).pattern_analysis.summary


def test_ghosts_are_told_and_practised():
    full = said(funk())
    assert (
        "20 ghost notes on the snare fill in between the loud strokes."
        in full.pattern_analysis.summary
    )
    assert (
        "Play the groove with the ghost notes so soft that only you hear them."
        in full.practice_instructions.exercises
    )


def test_a_limb_that_is_late_is_listened_to():
    late = Timing("toms", 20, 30.0, 4.0, 0, 20)
    exercises = said(rock(4), timing=(late, replace(late, who="kick", mean_ms=-15.0)))
    assert (
        "Record yourself and listen to the toms against the click: they come late."
        in exercises.practice_instructions.exercises
    )


def test_silence_is_told_as_such():
    full = study(silent()).answer(FULL)
    assert isinstance(full, FullAnalysis)
    assert full.pattern_analysis.summary == "Nothing is struck in this score."
    assert full.style_classification.primary_genre == UNKNOWN_GENRE
    assert full.practice_instructions.exercises == []
    assert full.practice_instructions.difficulty is None


def test_each_kind_of_answer_has_its_own_part():
    found = study(rock(4))
    kinds = {
        EnhancementType.PATTERN_ANALYSIS: "pattern_analysis",
        EnhancementType.STYLE_CLASSIFICATION: "style_classification",
        EnhancementType.PRACTICE_INSTRUCTIONS: "practice_instructions",
    }
    full = found.answer(FULL).model_dump()
    for kind, name in kinds.items():
        assert found.answer(kind).model_dump() == {name: full[name]}


# Styles


def evidence(feature: str, value: float, low: float = 10, high: float = 30) -> Evidence:
    return Evidence(feature, feature, value, low, high, "%", 1.0)


def match(*speaks_for: Evidence, against: tuple[Evidence, ...] = ()) -> StyleMatch:
    return StyleMatch(next(iter(Style)), 0.9, speaks_for, against)


def test_what_is_not_there_speaks_only_where_nothing_else_does():
    style = next(iter(Style))
    there, absent = evidence("triplets", 20.0), evidence("ghosts", 0.0, 0.0)
    expected = there.sentence(style)
    assert characteristics(match(absent, there)) == f"{expected[:1].upper()}{expected[1:]}."
    assert absent.sentence(style)[1:] in characteristics(match(absent))


def test_what_is_usual_from_0_on_is_told_later():
    style = next(iter(Style))
    weak, strong = evidence("triplets", 20.0, 0), evidence("backbeat", 80.0, 60, 90)
    found = characteristics(match(weak, strong))
    assert found.index(strong.sentence(style)[1:]) < found.index(weak.sentence(style)[1:])


def test_what_only_a_computer_counts_is_left_out():
    there = evidence("backbeat", 80.0, 60, 90)
    odd_ones = [evidence("loud.all", 43.0), evidence("son clave by back", 0.4)]
    said_of_both = characteristics(match(*odd_ones, there))
    assert said_of_both == characteristics(match(there))
    below_0 = evidence("sounding swing", 20.0, -5.0)
    assert characteristics(match(below_0)).startswith("No single figure speaks for it")


def test_one_figure_against_is_told_last():
    style = next(iter(Style))
    against = evidence("ghosts", 60.0)
    found = characteristics(match(evidence("triplets", 20.0), against=(against, against)))
    assert found.endswith(f" Against it: {against.sentence(style)}.")
    assert found.count("Against it") == 1


def test_a_facts_style_that_is_unsure_is_not_named():
    facts: Facts = facts_of(rock(4))
    flat = [replace(one, probability=1 / len(facts.styles)) for one in facts.styles]
    full = answer(replace(facts, styles=tuple(flat)), None, FULL)
    assert isinstance(full, FullAnalysis)
    assert full.style_classification.primary_genre == UNKNOWN_GENRE
    assert full.style_classification.confidence == round(Fraction(1, len(flat)).__float__(), 2)
