"""How hard a part is to play, from 1.0 to 10.0, and why.

Each bar earns points for what it asks; the part takes, of each kind of points, 0.65 of what a
quarter of its bars reach and 0.35 of its hardest bar, so that one fill counts and does not decide.
The sum x becomes 1 + 9 (1 - exp(-(x / 6.1)^1.4)). Below 3.5 is for beginners, below 5.5
intermediate, below 7.5 advanced, the rest for experts. Eighths with a backbeat at 90 are about 2.5,
16th funk with ghosts at 100 about 6, linear 16ths at 200 about 8, double bass at 200 about 9.

Everything here only grows with strokes and with tempo: rates are counts over the shortest span in
which they occur, the rest are sums, maxima and unions over strokes. So the same part faster is
never easier, and less of it never harder. The price: hands are judged together (half the strokes to
a hand), not by the sticking that `limbs.assign` finds, and rest where a beat is expected counts for
nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import cache
from itertools import pairwise
from math import exp, log2, sqrt
from typing import Final

from libs.common.drums import FEET, Articulation, Hand
from libs.common.drums import DrumPiece as P
from libs.common.part import Part, PartBar, Stroke
from services.ai.domain.limbs import PLACES_M, USUAL_QPM, stroke_times

GHOST_VELOCITY: Final = 45
"""A snare or tom so soft is a ghost, marked or not."""
MOVED: Final = 0.15
"""What a difficulty must change by to be told from the same."""
_SCALE: Final = 6.1
_BEND: Final = 1.4
_TYPICAL: Final = 0.65

CYMBALS: Final = frozenset(
    {
        P.HAT_CLOSED, P.HAT_HALF_OPEN, P.HAT_OPEN, P.CRASH, P.CRASH_2, P.SPLASH, P.CHINA, P.RIDE,
        P.RIDE_BELL, P.COWBELL, P.TAMBOURINE,
    }
)  # fmt: skip


class Level(StrEnum):
    """Who can play it."""

    BEGINNER = "beginner"
    INTERMEDIATE = "intermediate"
    ADVANCED = "advanced"
    EXPERT = "expert"


LEVEL_FROM: Final = {
    Level.BEGINNER: 1.0, Level.INTERMEDIATE: 3.5, Level.ADVANCED: 5.5, Level.EXPERT: 7.5,
}  # fmt: skip


class Aspect(StrEnum):
    """What makes a part hard."""

    HANDS = "hand-speed"
    FEET = "foot-speed"
    DENSITY = "density"
    COORDINATION = "coordination"
    SYNCOPATION = "syncopation"
    DYNAMICS = "dynamics"
    MOVES = "moves"
    VARIETY = "variety"
    TEMPO = "tempo"
    METER = "meter"


@dataclass(frozen=True, slots=True)
class Difficulty:
    """Of a whole part."""

    value: float
    """1.0 to 10.0."""
    level: Level
    points: Mapping[Aspect, float]
    """What each aspect adds before the scale bends; together 0 for silence, about 10 at the top."""


@dataclass(frozen=True, slots=True)
class Why:
    """One thing that makes a bar hard, with its figures."""

    aspect: Aspect
    phrase: str


@dataclass(frozen=True, slots=True)
class BarDifficulty:
    """Of one bar by itself; what weighs most comes first, and what weighs little is left out."""

    number: int
    value: float
    why: tuple[Why, ...]


def difficulty(part: Part) -> Difficulty:
    """Linear in the strokes."""
    bars = [points for points, _ in _judged(part)]
    points: dict[Aspect, float] = {
        aspect: _typical([bar[aspect] for bar in bars])
        for aspect in Aspect
        if aspect is not Aspect.VARIETY
    }
    places = {(stroke.piece, stroke.at) for _, stroke in part.strokes()}
    points[Aspect.VARIETY] = _variety(len(places))
    value = _value(sum(points.values()))
    return Difficulty(value, level_of(value), points)


def bar_difficulty(part: Part) -> list[BarDifficulty]:
    """Of every bar, in order."""
    judged = []
    for bar, (points, phrases) in zip(part.bars, _judged(part), strict=True):
        heaviest = sorted(phrases, key=lambda aspect: -points[aspect])
        why = tuple(Why(one, phrases[one]) for one in heaviest if points[one] >= 0.3)[:6]
        judged.append(BarDifficulty(bar.number, _value(sum(points.values())), why))
    return judged


def level_of(value: float) -> Level:
    """Whose level a value is."""
    return [level for level, least in LEVEL_FROM.items() if value >= least][-1]


def _value(points: float) -> float:
    return round(1 + 9 * (1 - exp(-((points / _SCALE) ** _BEND))), 3)


def _typical(points: Sequence[float]) -> float:
    if not points:
        return 0.0
    hardest = sorted(points, reverse=True)
    return _TYPICAL * hardest[len(hardest) // 4] + (1 - _TYPICAL) * hardest[0]


def is_ghost(stroke: Stroke) -> bool:
    """By its mark, or on a drum by its loudness."""
    return Articulation.GHOST in stroke.marks or (
        stroke.velocity <= GHOST_VELOCITY
        and stroke.piece not in CYMBALS
        and stroke.piece not in FEET
    )


# A bar

_Judged = tuple[dict[Aspect, float], dict[Aspect, str]]


def _judged(part: Part) -> list[_Judged]:
    judged = []
    tempo = USUAL_QPM
    marks = sorted(part.tempos, key=lambda mark: (mark.bar, mark.beat))
    if marks:
        tempo = marks[0].quarters_per_minute
    nth = 0
    for bar, times in stroke_times(part):
        while nth < len(marks) and (marks[nth].bar, marks[nth].beat) <= (bar.number, 1):
            tempo = marks[nth].quarters_per_minute
            nth += 1
        judged.append(_judge(bar, times, tempo))
    return judged


def _judge(bar: PartBar, times: Sequence[float], qpm: float) -> _Judged:
    points = dict.fromkeys(Aspect, 0.0)
    phrases: dict[Aspect, str] = {}
    if not bar.strokes:
        return points, phrases
    quarters = float(bar.meter.length * 4)
    by_limbs: dict[str, list[tuple[float, Stroke]]] = defaultdict(list)
    for time_s, stroke in zip(times, bar.strokes, strict=True):
        by_limbs[_limbs(stroke.piece)].append((time_s, stroke))
    hands_s = sorted(time_s for kind in ("cymbals", "drums") for time_s, _ in by_limbs[kind])
    kicks_s = sorted(time_s for time_s, _ in by_limbs["kick"])

    rate = _rate(hands_s, ((3, 0.8), (6, 0.9), (12, 1.0)), 1)
    points[Aspect.HANDS] = 2.0 * (rate / 10) ** 1.4
    if rate:
        phrases[Aspect.HANDS] = f"the hands play {rate:.1f} strokes a second"
    rate = _rate(kicks_s, ((1, 0.4), (2, 0.65), (4, 0.85), (8, 1.0)), 0)
    points[Aspect.FEET] = 1.9 * (rate / 8) ** 1.2
    if len(kicks_s) > 1:
        fastest = min(b - a for a, b in pairwise(kicks_s))
        phrases[Aspect.FEET] = f"kicks follow each other after {1000 * fastest:.0f} ms"
    a_second = len(bar.strokes) * qpm / 60 / quarters
    points[Aspect.DENSITY] = 1.6 * (a_second / 12) ** 1.3
    strokes = f"{len(bar.strokes)} stroke{'s' * (len(bar.strokes) > 1)}"
    phrases[Aspect.DENSITY] = f"{strokes}, {a_second:.1f} a second"
    points[Aspect.COORDINATION], phrases[Aspect.COORDINATION] = _coordination(
        by_limbs, quarters, compound=bar.meter.is_compound
    )
    points[Aspect.SYNCOPATION], phrases[Aspect.SYNCOPATION] = _syncopation(bar, quarters)
    points[Aspect.DYNAMICS], phrases[Aspect.DYNAMICS] = _dynamics(bar.strokes, quarters)
    points[Aspect.MOVES], phrases[Aspect.MOVES] = _moves(by_limbs)
    points[Aspect.VARIETY] = _variety(len({(one.piece, one.at) for one in bar.strokes}))
    points[Aspect.TEMPO] = 0.3 * qpm / 120
    phrases[Aspect.TEMPO] = f"{qpm:.0f} quarters a minute"
    points[Aspect.METER] = _METER_POINTS.get(bar.meter.numerator, 0.1)
    phrases[Aspect.METER] = f"{bar.meter} time"
    return points, phrases


_METER_POINTS: Final = {2: 0.0, 4: 0.0, 5: 0.4, 7: 0.45, 11: 0.5, 13: 0.5}


def _limbs(piece: P) -> str:
    if piece in CYMBALS:
        return "cymbals"
    return {P.KICK: "kick", P.HAT_PEDAL: "pedal"}.get(piece, "drums")


_FASTEST_S: Final = 0.045


def _rate(times_s: Sequence[float], counts: Sequence[tuple[int, float]], less: int) -> float:
    """Strokes a second where they come fastest: of so many steps, each weighed, for a burst is
    easier than a long run. `less` steps are given away, for two hands may strike together. What
    the grid puts a hair apart was played no faster than hands go."""
    best = 0.0
    for steps, weight in counts:
        if len(times_s) > steps:
            span_s = min(b - a for a, b in zip(times_s, times_s[steps:], strict=False))
            best = max(best, weight * (steps - less) / max(span_s, steps * _FASTEST_S))
    return best


_BEAT, _EIGHTH, _TRIPLET, _SIXTEENTH, _FINER = range(5)
_ALONE: Final = (0.25, 0.5, 0.8, 1.0, 1.25)
"""How independent a limb must be to play on such a place."""
_OFF: Final = (0.0, 0.3, 0.55, 0.7, 1.0)
_GRID_NAMES: Final = ("beats", "eighths", "triplets", "16ths", "finer places")


@cache
def _grid(at: Fraction, compound: bool) -> int:
    """The coarsest grid that has this place."""
    if compound:
        if (at * 8).denominator == 1:
            return _BEAT if at * 8 % 3 == 0 else _EIGHTH
    elif (at * 4).denominator == 1:
        return _BEAT
    elif (at * 8).denominator == 1:
        return _EIGHTH
    elif (at * 12).denominator == 1:
        return _TRIPLET
    return _SIXTEENTH if (at * 16).denominator == 1 else _FINER


def _coordination(
    by_limbs: Mapping[str, Sequence[tuple[float, Stroke]]], quarters: float, *, compound: bool
) -> tuple[float, str]:
    """Each pair of limbs by how much both play and how far from the beat."""
    loads = [
        sum(_ALONE[_grid(stroke.at, compound)] for _, stroke in own) / quarters
        for own in by_limbs.values()
        if own
    ]
    pairs = sum(sqrt(a * b) for nth, a in enumerate(loads) for b in loads[:nth])
    led = sum(
        stroke.hand is Hand.LEFT and _grid(stroke.at, compound) == _BEAT
        for _, stroke in by_limbs.get("cymbals", ())
    )
    playing = [kind for kind, own in by_limbs.items() if own]
    phrase = f"{' against '.join(sorted(playing))}, each with a rhythm of its own"
    if led:
        phrase = f"the left hand leads, {phrase}"
    return 0.38 * pairs + 0.35 * led / quarters, phrase


def _syncopation(bar: PartBar, quarters: float) -> tuple[float, str]:
    """What drums and kick play off the beat, and how fine the bar's grids are."""
    compound = bar.meter.is_compound
    off: Counter[int] = Counter()
    finest = 0.0
    families = set()
    for stroke in bar.strokes:
        grid = _grid(stroke.at, compound)
        finest = max(finest, (0.0, 0.05, 0.25, 0.2, 0.5)[grid])
        if grid >= _TRIPLET:
            families.add((stroke.at * 12).denominator % 2 == 1)
        if grid and stroke.piece not in CYMBALS:
            off[grid] += 1
    weight = sum(_OFF[grid] * count for grid, count in off.items())
    told = _listed([f"{count} on {_GRID_NAMES[grid]}" for grid, count in sorted(off.items())])
    phrase = f"off the beat, kick and drums play {told}" if told else "several grids in one bar"
    return 0.35 * weight / quarters + finest + 0.35 * (len(families) > 1), phrase


def _listed(words: Sequence[str]) -> str:
    *first, last = words or [""]
    return f"{', '.join(first)} and {last}" if first else last


def _dynamics(strokes: Sequence[Stroke], quarters: float) -> tuple[float, str]:
    """Ghosts, accents beside them, flams, drags, buzzes."""
    ghosts = sum(map(is_ghost, strokes))
    accents = sum(
        bool({Articulation.ACCENT, Articulation.STRONG_ACCENT}.intersection(one.marks))
        for one in strokes
    )
    ornaments = sum(bool(one.graces) or Articulation.BUZZ in one.marks for one in strokes)
    counts = ((ghosts, "ghost"), (accents, "accent"), (ornaments, "flam, drag or buzz"))
    told = [f"{count} {name}{'s' * (count > 1)}" for count, name in counts if count]
    return (0.35 * ghosts + 0.05 * accents + 0.5 * ornaments) / quarters, " and ".join(told)


def _moves(by_limbs: Mapping[str, Sequence[tuple[float, Stroke]]]) -> tuple[float, str]:
    """The most places of the kit that the hands visit within a second."""
    visits = sorted(
        (time_s, PLACES_M[stroke.piece])
        for kind in ("cymbals", "drums")
        for time_s, stroke in by_limbs.get(kind, ())
    )
    times_s = [time_s for time_s, _ in visits]
    most = at_once = 0
    for nth, time_s in enumerate(times_s):
        # A millionth more, so that a stroke just a second later counts at every tempo.
        last = bisect_right(times_s, time_s + 1 + 1e-6)
        soon = bisect_right(times_s, time_s + 0.4 + 1e-6)
        most = max(most, len({place for _, place in visits[nth:last]}))
        at_once = max(at_once, len({place for _, place in visits[nth:soon]}))
    points = 0.12 * max(0, most - 1) + 0.3 * max(0, at_once - 2)
    return points, f"the hands visit {most} places of the kit within a second"


def _variety(places: int) -> float:
    return 0.25 * log2(1 + places / 12)
