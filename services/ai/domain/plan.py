"""A week of practising a part: its hardest bars in loops, tempos that climb, days that add up."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from libs.common.drums import DrumPiece
from libs.common.part import Part
from services.ai.domain.difficulty import Aspect, BarDifficulty
from services.ai.domain.facts import Facts
from services.ai.domain.facts.plain import plain
from services.ai.domain.facts.timing import ENOUGH, LIMB_OF

DEFAULT_DAYS: Final = 5
MAX_DAYS: Final = 28
MINUTES: Final = (10, 240)
_USUAL_BPM: Final = 100.0
_START: Final = 0.6
"""Of the target: slow enough that a bar that fails at tempo can be played right (the usual advice
of method books; Chaffin's Patterns counts on it from 60 on)."""
_RUNGS: Final = 5
_WARM_UP: Final = 0.2
_LOOP_REPEATS: Final = 8
_SLOWEST_BPM: Final = 30


@dataclass(frozen=True, slots=True)
class Loop:
    """Bars to play round and round."""

    from_bar: int
    to_bar: int
    repeats: int
    ladder_bpm: tuple[int, ...]
    """Play `repeats` times without a fault, then take the next; in the meter's beats a minute."""
    why: str


@dataclass(frozen=True, slots=True)
class Day:
    """One day's work; the minutes add up to the day's."""

    day: int
    warm_up_minutes: int
    loop_minutes: int
    whole_minutes: int
    loop: int
    """Which of the plan's loops, from 0."""
    start_bpm: int
    goal_bpm: int
    """To reach in the loop, and to end with the whole part at: on the last day the target."""
    focus: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to practise, and when."""

    target_bpm: int
    start_bpm: int
    minutes_a_day: int
    loops: tuple[Loop, ...]
    days: tuple[Day, ...]
    focus: tuple[str, ...]
    """What to listen for, the most pressing first."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON's own types."""
        told: dict[str, Any] = plain(self)
        return told


class NothingToPractise(Exception):
    """The part has no strokes."""


def practice_plan(
    part: Part,
    facts: Facts,
    *,
    days: int = DEFAULT_DAYS,
    minutes: int = 20,
    target_bpm: float | None = None,
) -> Plan:
    """Loops over the hardest bars that differ, each with a ladder from 60 % of the target to it;
    the tempo of the days climbs evenly, and the last day plays all at the target."""
    if not facts.hardest:
        raise NothingToPractise
    measured = facts.tempo.bpm if facts.tempo else None
    target = max(1, round(target_bpm or facts.written_bpm or measured or _USUAL_BPM))
    start = min(target, max(_SLOWEST_BPM, round(_START * target)))
    loops = tuple(_loops(part, facts, start, target))
    focus = focus_of(facts)
    return Plan(
        target_bpm=target,
        start_bpm=start,
        minutes_a_day=minutes,
        loops=loops,
        days=tuple(_days(days, minutes, start, target, len(loops), focus)),
        focus=focus,
    )


def ladder(start: int, target: int, rungs: int = _RUNGS) -> tuple[int, ...]:
    """Even steps, both ends included; fewer where they would fall together."""
    steps = {round(start + (target - start) * rung / (rungs - 1)) for rung in range(rungs)}
    return tuple(sorted(steps))


def _loops(part: Part, facts: Facts, start: int, target: int) -> Iterable[Loop]:
    numbers = [bar.number for bar in part.bars]
    taken: set[int] = set()
    for hard in facts.hardest:
        if hard.number in taken:
            continue
        # The way into a hard bar is half of it; where that is in a loop already, or there is none,
        # the way out.
        at = numbers.index(hard.number)
        before, after = numbers[max(0, at - 1) : at], numbers[at + 1 : at + 2]
        near = [number for number in (*before, *after) if number not in taken][:1]
        own = sorted([hard.number, *near])
        taken |= set(own)
        phrase = reason(hard)
        why = f"What makes bar {hard.number} hard: {phrase}." if phrase else ""
        yield Loop(own[0], own[-1], _LOOP_REPEATS, ladder(start, target), why)


_HANDS_PER_S: Final = 20.0
"""Nobody's hands play faster: strokes meant together, but written a little apart, seem to."""
_FIGURE: Final = re.compile(r"\d+(?:\.\d+)?")


def reason(hard: BarDifficulty) -> str | None:
    """What weighs most in a bar, as a phrase that can be believed; None where nothing weighs."""
    for why in hard.why:
        figure = _FIGURE.search(why.phrase)
        value = float(figure[0]) if figure else 0.0
        if why.aspect is Aspect.HANDS and value > _HANDS_PER_S:
            continue
        if why.aspect is Aspect.DENSITY and value == 1:
            continue  # a single stroke is not many
        return why.phrase
    return None


def _days(
    days: int, minutes: int, start: int, target: int, loops: int, focus: Sequence[str]
) -> Iterable[Day]:
    warm_up = max(1, round(_WARM_UP * minutes))
    for day in range(days):
        # At the end there is less to take apart and more to play.
        part_done = day / (days - 1) if days > 1 else 0.5
        whole = round((minutes - warm_up) * (0.2 + 0.5 * part_done))
        climb = [start + (target - start) * at / days for at in (day, day + 1)]
        yield Day(
            day=day + 1,
            warm_up_minutes=warm_up,
            loop_minutes=minutes - warm_up - whole,
            whole_minutes=whole,
            loop=day % loops,
            start_bpm=round(climb[0]),
            goal_bpm=round(climb[1]),
            focus=focus[day % len(focus)],
        )


def focus_of(facts: Facts) -> tuple[str, ...]:
    """What the figures say is worth an ear, the most pressing first; at least one, at most four."""
    found: list[tuple[float, str]] = []
    if facts.tempo and facts.tempo.consistency < 0.9:
        found.append((1 - facts.tempo.consistency, "steady tempo"))
    if facts.tempo and abs(facts.tempo.drift_percent) >= 3:
        way = "speeding up" if facts.tempo.drift_percent > 0 else "slowing down"
        found.append((abs(facts.tempo.drift_percent) / 20, f"no {way} towards the end"))
    found += sorted(_timing(facts), reverse=True)[:2]
    if facts.dynamics and facts.dynamics.ghosts and facts.dynamics.ghost_share >= 0.15:
        found.append((0.3 + facts.dynamics.ghost_share / 2, "ghost notes softer than the backbeat"))
    if facts.form.fills:
        found.append((0.35, "fill timing"))
    if facts.coordination and facts.coordination.feet_alone_share >= 0.3:
        found.append((facts.coordination.feet_alone_share / 1.5, "feet independent of the hands"))
    if facts.syncopation and facts.syncopation.level == "strong":
        found.append((0.4, "counting through the syncopation"))
    if facts.swing and facts.swing.ratio >= 1.3:
        found.append((0.4, "even swing"))
    hats = any(LIMB_OF[piece] == "hi-hat" for piece, _ in facts.pieces)
    found.append((0.1, "hi-hat control" if hats else "even strokes"))
    found.sort(key=lambda item: -item[0])
    return tuple(dict.fromkeys(name for _, name in found))[:4]


def called(facts: Facts, limb: str) -> str:
    """A limb's name, true of the pieces that it plays: a splash is no crash."""
    crashes = {DrumPiece.CRASH, DrumPiece.CRASH_2}
    has_any = any(piece in crashes for piece, _ in facts.pieces)
    return "cymbals" if limb == "crashes" and not has_any else limb


def _timing(facts: Facts) -> Iterable[tuple[float, str]]:
    """How pressing each limb's timing is."""
    for one in facts.timing:
        wanders = one.strokes >= 2 * ENOUGH and one.spread_ms >= 25
        if one.who != "all" and (one.leans or wanders):
            yield max(abs(one.mean_ms), one.spread_ms) / 80, f"{called(facts, one.who)} in time"
