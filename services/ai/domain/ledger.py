"""The figures that words may hold: each with what it counts, so that 12 bars are not 12 bpm.

`Ledger.of` lists them from the facts and the plan; the prompt shows them to a model, and `claims`
holds every sentence to them, whoever wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from libs.common.drums import DrumPiece
from services.ai.domain.facts import Facts
from services.ai.domain.plan import Plan


class Unit(StrEnum):
    """What a figure is of."""

    BPM = "bpm"
    PERCENT = "%"
    MS = "ms"
    BAR = "bar number"
    BEAT = "beat number"
    RATIO = "to 1"
    PER_SECOND = "per second"
    PER_BAR = "per bar"
    OF_TEN = "of 10"
    VELOCITY = "velocity"
    MINUTES = "minutes"
    DAYS = "days"
    DAY = "day number"
    TIMES = "times"
    FRACTION = "0 to 1"
    BARS = "bars"
    BEATS = "beats"
    STROKES = "strokes"
    GHOSTS = "ghost notes"
    ACCENTS = "accents"
    FILLS = "fills"
    GROOVES = "grooves"
    GRACES = "grace notes"
    LOOPS = "loops"


_DECIMALS: Final = {
    Unit.BPM: 0, Unit.PERCENT: 0, Unit.MS: 0, Unit.PER_SECOND: 0, Unit.PER_BAR: 0,
    Unit.RATIO: 1, Unit.OF_TEN: 1, Unit.FRACTION: 2,
}  # fmt: skip
"""What may be rounded, and to how many decimals at least."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One figure."""

    label: str
    value: float
    unit: Unit


@dataclass(frozen=True, slots=True)
class Ledger:
    """All that may be said in figures, and of what."""

    entries: tuple[Entry, ...]
    meters: frozenset[str]
    pieces: frozenset[DrumPiece]
    styles: tuple[str, ...]
    """Display names, the likeliest first; empty where nothing stands out."""
    grids: frozenset[str]
    """eighths, sixteenths, triplets, finer: those that any stroke needs."""
    names: tuple[str, ...]
    """Grooves, rudiments and stretches, as they are called, and what makes bars hard."""
    level: str = ""
    """How hard it is, in a word; empty where nothing is played."""
    _by_unit: dict[Unit, tuple[Entry, ...]] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        for unit in Unit:
            self._by_unit[unit] = tuple(one for one in self.entries if one.unit is unit)

    def bears(self, value: float, unit: Unit, decimals: int) -> bool:
        """Whether some figure of this unit is `value`, as rounded as it is written and as it may
        be: a count is not rounded, and a ratio of 1.62 is not 2 to 1."""
        return any(True for _ in self.bearing(value, unit, decimals))

    def bearing(self, value: float, unit: Unit, decimals: int) -> Iterator[Entry]:
        """The figures that bear it."""
        if unit is Unit.DAY:
            days = [one for one in self.entries if one.unit is Unit.DAYS]
            yield from (one for one in days if value in range(1, int(one.value) + 1))
            return
        least = _DECIMALS.get(unit)
        slack = 10.0**-decimals / 2 if least is not None and decimals >= least else 0.0
        for one in self._by_unit[unit]:
            if abs(one.value - value) <= slack + 1e-9:
                yield one

    @classmethod
    def of(
        cls,
        facts: Facts,
        plan: Plan | None,
        *,
        styles: tuple[str, ...],
        spoken: tuple[str, ...] = (),
    ) -> Ledger:
        """`styles`: what it sounds like, by display name, as far as that may be told; `spoken`:
        phrases with measured figures of their own, that may be said word by word; those about other
        styles are left out."""
        # Place by place comes last: a prompt has room for so many.
        entries = [*_facts(facts), *(_plan(plan) if plan else ()), *_form(facts)]
        share = facts.subdivisions
        grids = {
            name
            for name in ("eighths", "sixteenths", "triplets", "finer")
            if share and getattr(share, name) > 0
        }
        return cls(
            entries=tuple(dict.fromkeys(entries)),
            meters=frozenset({facts.meter}),
            pieces=frozenset(piece for piece, _ in facts.pieces),
            styles=styles,
            grids=frozenset(grids),
            level=facts.difficulty.level.value if facts.difficulty else "",
            names=(
                *(named.name for named in facts.groove_names),
                *(run.name for run in facts.rudiments),
                *(stretch.name for stretch in facts.form.structure),
                *(f"groove {groove.name}" for groove in facts.form.grooves),
                *(why.phrase for hard in facts.hardest for why in hard.why),
                *(loop.why for loop in (plan.loops if plan else ())),
                *(phrase for phrase in spoken if any(f"; {one} is " in phrase for one in styles)),
            ),
        )


_ALWAYS_BEATS: Final = (1,)


def _facts(facts: Facts) -> Iterable[Entry]:
    yield Entry("bars in all", facts.bars, Unit.BARS)
    yield Entry("strokes in all", facts.strokes, Unit.STROKES)
    if facts.written_bpm:
        yield Entry("written tempo", facts.written_bpm, Unit.BPM)
    yield from _played(facts)
    yield from _rhythm(facts)
    if facts.difficulty:
        yield Entry("difficulty", round(facts.difficulty.value, 1), Unit.OF_TEN)
    for hard in facts.hardest:
        yield Entry(f"difficulty of bar {hard.number}", round(hard.value, 1), Unit.OF_TEN)
        yield Entry("one of the hardest bars", hard.number, Unit.BAR)


def _played(facts: Facts) -> Iterable[Entry]:
    if facts.tempo:
        yield Entry("played tempo", facts.tempo.bpm, Unit.BPM)
        yield Entry("slowest bar", facts.tempo.slowest_bpm, Unit.BPM)
        yield Entry("fastest bar", facts.tempo.fastest_bpm, Unit.BPM)
        yield Entry("tempo consistency", facts.tempo.consistency, Unit.FRACTION)
        way = "faster" if facts.tempo.drift_percent > 0 else "slower"
        drift = abs(facts.tempo.drift_percent)
        yield Entry(f"tempo drift, {way} at the end", drift, Unit.PERCENT)
    for one in facts.timing:
        side = "late" if one.mean_ms > 0 else "early"
        yield Entry(f"{one.who}: {side} on average", abs(one.mean_ms), Unit.MS)
        yield Entry(f"{one.who}: spread", one.spread_ms, Unit.MS)
        yield Entry(f"{one.who}: strokes over 10 ms early", one.early, Unit.STROKES)
        yield Entry(f"{one.who}: strokes over 10 ms late", one.late, Unit.STROKES)
    if facts.swing:
        yield Entry("swing ratio", facts.swing.ratio, Unit.RATIO)


def _rhythm(facts: Facts) -> Iterable[Entry]:
    if facts.density:
        yield Entry("strokes a bar", facts.density.per_bar, Unit.PER_BAR)
        yield Entry("strokes a second", facts.density.per_second, Unit.PER_SECOND)
        yield Entry("busiest bar", facts.density.busiest_bar, Unit.BAR)
    if facts.syncopation:
        yield Entry(
            "syncopation a bar (Longuet-Higgins & Lee)", facts.syncopation.per_bar, Unit.PER_BAR
        )
        yield Entry("most syncopated bar", facts.syncopation.most_syncopated_bar, Unit.BAR)
    if facts.subdivisions:
        for name in ("on_beats", "eighths", "sixteenths", "triplets", "finer"):
            share = getattr(facts.subdivisions, name)
            label = f"strokes that lie on {name.removeprefix('on_')}"
            yield Entry(label, round(100 * share, 1), Unit.PERCENT)
    if facts.dynamics:
        yield Entry("ghost notes in all", facts.dynamics.ghosts, Unit.GHOSTS)
        share = round(100 * facts.dynamics.ghost_share, 1)
        yield Entry("ghosts among the snare's strokes", share, Unit.PERCENT)
        yield Entry("accents in all", facts.dynamics.accents, Unit.ACCENTS)
        yield Entry("grace notes in all", facts.dynamics.graces, Unit.GRACES)
        yield Entry("soft strokes", facts.dynamics.soft_velocity, Unit.VELOCITY)
        yield Entry("loud strokes", facts.dynamics.loud_velocity, Unit.VELOCITY)
    if facts.coordination:
        together = round(100 * facts.coordination.together_share, 1)
        yield Entry("places where limbs strike together", together, Unit.PERCENT)
        alone = round(100 * facts.coordination.feet_alone_share, 1)
        yield Entry("feet's strokes without a hand", alone, Unit.PERCENT)


def _form(facts: Facts) -> Iterable[Entry]:
    form = facts.form
    yield Entry("grooves", len(form.grooves), Unit.GROOVES)
    yield Entry("fills", len(form.fills), Unit.FILLS)
    yield Entry("bars written like an earlier one", round(100 * form.repeated_share, 1),
                Unit.PERCENT)  # fmt: skip
    for groove in form.grooves:
        yield Entry(f"bars of groove {groove.name}", len(groove.bars), Unit.BARS)
        yield Entry(f"bars of groove {groove.name} just like bar {groove.typical_bar}",
                    groove.exact, Unit.BARS)  # fmt: skip
        yield Entry(f"bars that vary groove {groove.name}", len(groove.varied_bars), Unit.BARS)
        yield Entry(f"typical bar of groove {groove.name}", groove.typical_bar, Unit.BAR)
        for bar in groove.varied_bars[:8]:
            yield Entry(f"varies groove {groove.name}", bar, Unit.BAR)
    for fill in form.fills:
        yield Entry("has a fill", fill.bar, Unit.BAR)
        yield Entry(f"fill in bar {fill.bar} begins", fill.from_beat, Unit.BEAT)
        yield Entry(f"length of the fill in bar {fill.bar}", fill.beats, Unit.BEATS)
        yield Entry(f"strokes of the fill in bar {fill.bar}", fill.strokes, Unit.STROKES)
    for stretch in form.structure:
        yield Entry(f"{stretch.name} begins", stretch.first_bar, Unit.BAR)
        yield Entry(f"{stretch.name} ends", stretch.last_bar, Unit.BAR)
    for named in facts.groove_names:
        yield Entry(f"bars with: {named.name}", named.bars, Unit.BARS)
        for beat in re.findall(r"\bon (\d)|\band (\d)", named.name):
            yield Entry(named.name, int("".join(beat)), Unit.BEAT)
    for run in facts.rudiments:
        yield Entry(f"{run.name} begins", run.bar, Unit.BAR)
    for beat in _ALWAYS_BEATS:
        yield Entry("the one", beat, Unit.BEAT)


def _plan(plan: Plan) -> Iterable[Entry]:
    yield Entry("target tempo", plan.target_bpm, Unit.BPM)
    yield Entry("tempo to begin with", plan.start_bpm, Unit.BPM)
    yield Entry("minutes a day", plan.minutes_a_day, Unit.MINUTES)
    yield Entry("days", len(plan.days), Unit.DAYS)
    yield Entry("loops", len(plan.loops), Unit.LOOPS)
    for loop in plan.loops:
        yield Entry("loop from", loop.from_bar, Unit.BAR)
        yield Entry("loop to", loop.to_bar, Unit.BAR)
        yield Entry("repeats of a loop", loop.repeats, Unit.TIMES)
        for bpm in loop.ladder_bpm:
            yield Entry("step of the ladder", bpm, Unit.BPM)
    for day in plan.days:
        yield Entry(f"day {day.day}: warm-up", day.warm_up_minutes, Unit.MINUTES)
        yield Entry(f"day {day.day}: loops", day.loop_minutes, Unit.MINUTES)
        yield Entry(f"day {day.day}: everything", day.whole_minutes, Unit.MINUTES)
