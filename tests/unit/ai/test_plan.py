"""Plans add up, climb, and loop what is hard."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from libs.common.drums import DrumPiece as P
from libs.common.part import Part, PartBar
from services.ai.domain.difficulty import Aspect, BarDifficulty, Why
from services.ai.domain.facts import Facts, facts_of
from services.ai.domain.facts.timing import Tempo, Timing
from services.ai.domain.plan import (
    NothingToPractise,
    focus_of,
    ladder,
    practice_plan,
    reason,
)
from tests.unit.ai.made_parts import (
    FOUR,
    F,
    funk,
    funk_bar,
    on,
    part_made,
    part_of_bars,
    rock,
    rock_bar,
    row,
    silent,
)


@pytest.fixture(scope="module")
def rock_facts() -> Facts:
    return facts_of(rock(4, bpm=100))


def hard(number: int, *whys: Why) -> BarDifficulty:
    return BarDifficulty(number, 5.0, whys or (Why(Aspect.DENSITY, "much"),))


def spans(part: Part, facts: Facts, hardest: Sequence[int]) -> list[tuple[int, int]]:
    plan = practice_plan(part, replace(facts, hardest=tuple(map(hard, hardest))))
    return [(loop.from_bar, loop.to_bar) for loop in plan.loops]


def test_a_ladder_has_both_ends_and_even_steps():
    assert ladder(60, 100) == (60, 70, 80, 90, 100)
    assert ladder(100, 103) == (100, 101, 102, 103)
    assert ladder(20, 20) == (20,)


def test_a_plan_begins_at_60_percent_of_the_written_tempo(rock_facts: Facts):
    plan = practice_plan(rock(4, bpm=100), rock_facts)
    assert (plan.start_bpm, plan.target_bpm) == (60, 100)
    assert [loop.ladder_bpm for loop in plan.loops] == [(60, 70, 80, 90, 100)]
    assert [(day.start_bpm, day.goal_bpm) for day in plan.days] == [
        (60, 68), (68, 76), (76, 84), (84, 92), (92, 100),
    ]  # fmt: skip


def test_twenty_minutes_are_shared_out_by_hand_worked_numbers(rock_facts: Facts):
    plan = practice_plan(rock(4, bpm=100), rock_facts, days=5, minutes=20)
    # A fifth warms up; of the other 16, all of it takes 20 % on the first day, 70 % on the last.
    assert [(day.warm_up_minutes, day.loop_minutes, day.whole_minutes) for day in plan.days] == [
        (4, 13, 3), (4, 11, 5), (4, 9, 7), (4, 7, 9), (4, 5, 11),
    ]  # fmt: skip


@pytest.mark.parametrize("days", [1, 2, 5, 28])
@pytest.mark.parametrize("minutes", [10, 25, 240])
@pytest.mark.parametrize("target", [20, 31, 49, 120, 400])
def test_any_plan_adds_up_and_climbs(rock_facts: Facts, days: int, minutes: int, target: int):
    plan = practice_plan(
        rock(4, bpm=100), rock_facts, days=days, minutes=minutes, target_bpm=target
    )
    assert [day.day for day in plan.days] == list(range(1, days + 1))
    for day in plan.days:
        own = (day.warm_up_minutes, day.loop_minutes, day.whole_minutes)
        assert sum(own) == minutes
        assert min(own) >= 1
        assert day.start_bpm <= day.goal_bpm
        assert plan.loops[day.loop].ladder_bpm[-1] == target
        assert day.focus in plan.focus
    assert plan.days[0].start_bpm == plan.start_bpm <= target
    assert plan.days[-1].goal_bpm == plan.target_bpm == target
    assert all(a.goal_bpm == b.start_bpm for a, b in pairwise(plan.days))
    for loop in plan.loops:
        assert list(loop.ladder_bpm) == sorted(set(loop.ladder_bpm))
        assert (loop.ladder_bpm[0], loop.ladder_bpm[-1]) == (plan.start_bpm, target)


def test_without_a_written_tempo_the_target_is_the_played_one_and_else_100(rock_facts: Facts):
    no_tempo = replace(rock_facts, written_bpm=None)
    played = replace(no_tempo, tempo=Tempo(87.6, 80, 90, 0.95, 0.0, 4))
    assert practice_plan(rock(), no_tempo).target_bpm == 100
    assert practice_plan(rock(), played).target_bpm == 88


def test_a_hard_bar_is_looped_with_the_way_into_it(rock_facts: Facts):
    part = rock(8)
    assert spans(part, rock_facts, [5]) == [(4, 5)]
    # The first has no way in, but a way out.
    assert spans(part, rock_facts, [1]) == [(1, 2)]
    assert spans(part, rock_facts, [8]) == [(7, 8)]


def test_loops_do_not_overlap(rock_facts: Facts):
    part = rock(8)
    assert spans(part, rock_facts, [3, 4, 2]) == [(2, 3), (4, 5)]
    assert spans(part, rock_facts, [4, 6, 5]) == [(3, 4), (5, 6)]
    # Nothing is left on either side of 5.
    assert spans(part, rock_facts, [4, 7, 5]) == [(3, 4), (6, 7), (5, 5)]


def test_a_pickup_is_a_bar_to_loop(rock_facts: Facts):
    upbeat = PartBar(0, FOUR, tuple(on(P.SNARE, "0", "1/8")), F(1, 4))
    part = replace(rock(2), bars=(upbeat, *rock(2).bars))
    assert spans(part, rock_facts, [0]) == [(0, 1)]
    assert spans(part, rock_facts, [1]) == [(0, 1)]


def test_a_part_of_one_bar_is_one_loop():
    part = part_of_bars([rock_bar()], bpm=100)
    plan = practice_plan(part, facts_of(part), days=1)
    assert [(loop.from_bar, loop.to_bar) for loop in plan.loops] == [(1, 1)]
    assert [(day.start_bpm, day.goal_bpm) for day in plan.days] == [(60, 100)]


def test_the_busy_bar_of_a_part_is_looped():
    busy = [*row(P.SNARE, F(1, 16), F(1)), *on(P.KICK, "1/16", "3/16", "7/16", "11/16")]
    bars = [rock_bar()] * 5 + [busy] + [rock_bar()] * 2
    part = part_of_bars(bars, bpm=120)
    first = practice_plan(part, facts_of(part)).loops[0]
    assert (first.from_bar, first.to_bar) == (5, 6)
    assert first.why.startswith("What makes bar 6 hard: ")


def test_a_silent_part_has_nothing_to_practise():
    with pytest.raises(NothingToPractise):
        practice_plan(silent(), facts_of(silent()))


def test_a_rate_that_no_hands_play_is_no_reason():
    rate = Why(Aspect.HANDS, "the hands play 53.3 strokes a second")
    kept = Why(Aspect.DENSITY, "14 strokes, 12.2 a second")
    assert reason(hard(1, rate, kept)) == kept.phrase
    assert reason(hard(1, rate)) is None
    fast = Why(Aspect.HANDS, "the hands play 14.0 strokes a second")
    assert reason(hard(1, fast, kept)) == fast.phrase


# Focus


def test_a_plain_beat_asks_for_the_hat_only(rock_facts: Facts):
    assert focus_of(rock_facts) == ("hi-hat control",)
    no_hat = facts_of(part_of_bars([row(P.RIDE, F(1, 8), F(1))] * 2))
    assert focus_of(no_hat) == ("even strokes",)


def test_what_was_played_badly_comes_first(rock_facts: Facts):
    facts = replace(
        rock_facts,
        tempo=Tempo(100, 80, 120, 0.4, 8.0, 8),
        timing=(
            Timing("all", 60, 10.0, 20.0, 0, 30),
            Timing("kick", 20, 30.0, 10.0, 0, 20),
            # Too few strokes to say.
            Timing("crashes", 5, 60.0, 90.0, 0, 5),
        ),
    )
    assert focus_of(facts) == (
        "steady tempo", "no speeding up towards the end", "kick in time", "hi-hat control",
    )  # fmt: skip


def test_ghosts_are_an_ear_worth():
    assert "ghost notes softer than the backbeat" in focus_of(facts_of(funk()))


@pytest.mark.parametrize("seed", range(0, 40, 4))
def test_plans_of_made_parts_hold_together(seed: int):
    part = part_made(seed)
    facts = facts_of(part)
    plan = practice_plan(part, facts)
    looped = [number for loop in plan.loops for number in range(loop.from_bar, loop.to_bar + 1)]
    assert len(looped) == len(set(looped))
    assert {hard.number for hard in facts.hardest} <= set(looped)
    assert set(looped) <= {bar.number for bar in part.bars}
    told = plan.to_dict()
    assert json.loads(json.dumps(told)) == told
    assert json.loads(json.dumps(facts.to_dict())) == facts.to_dict()


def test_funk_is_looped_where_its_bars_differ():
    part = part_of_bars([funk_bar()] * 3 + [rock_bar()], bpm=100)
    facts = facts_of(part)
    # Bars 2 and 3 are written like the first.
    assert [one.number for one in facts.hardest] == [1, 4]
