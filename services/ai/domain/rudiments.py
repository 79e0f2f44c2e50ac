"""Rudiments, named where the sticking is known.

A run is single strokes of known hands, evenly spaced, with no other hand stroke of unknown sticking
or at the same time in between; feet do not interrupt it. In a run the pattern that explains most
strokes is named first, a more special one before a plainer one, then what is left on either side.
Patterns are the Percussive Arts Society's, either hand leading; what repeats is one run with its
cycles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import Final

from libs.common.drums import FEET, Hand
from libs.common.part import Part, Stroke


@dataclass(frozen=True, slots=True)
class Rudiment:
    """A run of one rudiment, from its first stroke on."""

    name: str
    bar: int
    at: Fraction
    count: int
    """Strokes, graces not counted."""
    cycles: int
    """How often its pattern is there in full."""
    sticking: str
    """Of the whole run, such as `RLRRLRLL`; `f` stands before a flammed stroke."""


@dataclass(frozen=True, slots=True)
class _Pattern:
    name: str
    sticking: str
    """For a right lead; `f` before a flammed stroke."""
    least: int
    """So many cycles at least."""
    mirrors: bool = False
    """Whether each cycle leads with the other hand than the one before."""
    partial: bool = False
    """Whether the run may end inside a cycle."""


# More special first: of two that explain as many strokes, the earlier is meant.
_PATTERNS: Final = (
    _Pattern("flam paradiddle", "fRLRR", 1, mirrors=True),
    _Pattern("Swiss army triplet", "fRRL", 2),
    _Pattern("flam accent", "fRLR", 2, mirrors=True),
    _Pattern("flam tap", "fRR", 2, mirrors=True),
    _Pattern("flamacue", "fRLRLfR", 1),
    _Pattern("alternating flams", "fR", 2, mirrors=True),
    _Pattern("triple paradiddle", "RLRLRLRR", 2, mirrors=True),
    _Pattern("double paradiddle", "RLRLRR", 2, mirrors=True),
    _Pattern("single paradiddle", "RLRR", 2, mirrors=True),
    _Pattern("inverted paradiddle", "RLLR", 2, mirrors=True),
    _Pattern("reverse paradiddle", "RRLR", 2, mirrors=True),
    _Pattern("delayed paradiddle", "RLRL", 2, mirrors=True),
    _Pattern("paradiddle-diddle", "RLRRLL", 2),
    _Pattern("six-stroke roll", "RLLRRL", 2),
    _Pattern("nine-stroke roll", "RRLLRRLLR", 1),
    _Pattern("seven-stroke roll", "RRLLRRL", 1),
    _Pattern("five-stroke roll", "RRLLR", 1),
    _Pattern("double strokes", "RRLL", 2, partial=True),
    _Pattern("single strokes", "RL", 2, partial=True),
)
_ROLLS: Final = frozenset({"nine-stroke roll", "seven-stroke roll", "five-stroke roll"})
_ONCE: Final = _ROLLS | {"flamacue"}


@dataclass(frozen=True, slots=True)
class _Struck:
    bar: int
    stroke: Stroke
    place: Fraction
    """From the part's beginning."""
    token: str


def rudiments(part: Part) -> list[Rudiment]:
    """All runs in order; none where no sticking is known."""
    found: list[Rudiment] = []
    for run in _runs(part):
        found += _named(run)
    return found


def _runs(part: Part) -> list[list[_Struck]]:
    runs: list[list[_Struck]] = [[]]
    line = Fraction(0)
    for bar in part.bars:
        hands = [stroke for stroke in bar.strokes if stroke.piece not in FEET]
        for at, group in groupby(hands, key=lambda stroke: stroke.at):
            together = list(group)
            stroke = together[0]
            if len(together) > 1 or stroke.hand not in (Hand.LEFT, Hand.RIGHT):
                runs.append([])
                continue
            flam = "f" if len(stroke.graces) == 1 else ""
            struck = _Struck(bar.number, stroke, line + at, flam + stroke.hand.value)
            run = runs[-1]
            if len(run) > 1 and struck.place - run[-1].place != run[-1].place - run[-2].place:
                # The last stroke may begin the next run: its gap is the new one.
                run = [run[-1]]
                runs.append(run)
            run.append(struck)
        line += bar.length
    return runs


def _named(run: Sequence[_Struck]) -> list[Rudiment]:
    """Of one even run; a stroke belongs to one rudiment."""
    if len(run) < 3:
        return []
    tokens = [struck.token for struck in run]
    best: tuple[int, int, int, _Pattern] | None = None
    for pattern in _PATTERNS:
        for start in range(len(tokens)):
            if best and len(tokens) - start <= best[0]:
                break
            count, cycles = _longest(tokens, start, pattern)
            if cycles < pattern.least:
                continue
            if pattern.name in _ROLLS and count < len(tokens) - start:
                # A roll of counted strokes ends its run; else it is doubles going on.
                continue
            if best is None or count > best[0]:
                best = count, cycles, start, pattern
    if best is None:
        return []
    count, cycles, start, pattern = best
    first = run[start]
    here = Rudiment(
        pattern.name, first.bar, first.stroke.at, count, cycles,
        "".join(tokens[start : start + count]),
    )  # fmt: skip
    return [*_named(run[:start]), here, *_named(run[start + count :])]


def _longest(tokens: Sequence[str], start: int, pattern: _Pattern) -> tuple[int, int]:
    """(strokes, cycles) of the pattern from `start` on, led by the hand that begins."""
    cycle = _split(pattern.sticking)
    lead = tokens[start][-1]
    count = cycles = 0
    while True:
        wanted = cycle if lead == "R" else _mirrored(cycle)
        here = tokens[start + count : start + count + len(cycle)]
        same = next(
            (nth for nth, (a, b) in enumerate(zip(here, wanted, strict=False)) if a != b), len(here)
        )
        if same < len(cycle):
            return (count + same if pattern.partial else count), cycles
        count, cycles = count + same, cycles + 1
        if pattern.mirrors:
            lead = "L" if lead == "R" else "R"
        if pattern.name in _ONCE:
            return count, cycles


def _split(sticking: str) -> list[str]:
    tokens: list[str] = []
    for letter in sticking:
        if tokens and tokens[-1] == "f":
            tokens[-1] += letter
        else:
            tokens.append(letter)
    return tokens


def _mirrored(tokens: Sequence[str]) -> list[str]:
    return [token.translate(str.maketrans("RL", "LR")) for token in tokens]
