"""What is written, in numbers: density, syncopation, dynamics, how the limbs go together."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from statistics import fmean, quantiles
from typing import Final

from libs.common.drums import FEET, Articulation, DrumPiece
from libs.common.meter import Meter
from libs.common.part import Part, PartBar, Stroke
from services.ai.domain.facts.timing import LIMB_OF

_USUAL_QPM: Final = 100.0
_SPARSE_PER_S: Final = 4.0
_DENSE_PER_S: Final = 9.0
SNARES: Final = frozenset({DrumPiece.SNARE, DrumPiece.RIMSHOT})


@dataclass(frozen=True, slots=True)
class Density:
    """Strokes, graces among them, over the bars that have any."""

    strokes: int
    per_bar: float
    per_second: float
    """At the written tempo (100 quarters a minute where none is written)."""
    busiest_bar: int
    level: str
    """low below 4 a second, high from 9 on, medium between."""


@dataclass(frozen=True, slots=True)
class Syncopation:
    """Of kick and snare together, after Longuet-Higgins & Lee (1984).

    A stroke counts by how many metric levels the strongest silent place before the next stroke is
    stronger than its own; nothing where none is. Levels are the bar, its halves as long as they are
    whole beats, the beat, and its halves to the third time, or where a quarter of the places need
    them, and in compound meters, its thirds and their halves. Rests are not told from held notes,
    and a silent place is one whatever its length. The silence after a bar's last stroke reaches to
    the next bar's line, and counts there where nothing is struck on it; after the last bar it does
    not. Ghosts are no strokes here: they fill in, and nobody hears them as the rhythm."""

    per_bar: float
    most_in_bar: float
    most_syncopated_bar: int
    level: str
    """none below 0.5 a bar, some below 3, strong from there on."""


@dataclass(frozen=True, slots=True)
class Subdivisions:
    """The shares of strokes that need such a grid: those on the beats need none. Beats are quarters
    from the bar line on, whatever the meter counts; in compound meters, the dotted ones."""

    on_beats: float
    eighths: float
    sixteenths: float
    triplets: float
    finer: float


@dataclass(frozen=True, slots=True)
class Dynamics:
    """Velocities are MIDI's, 1 to 127."""

    soft_velocity: float
    """That a tenth of the strokes lie below."""
    loud_velocity: float
    """That a tenth of the strokes lie above."""
    range: float
    ghosts: int
    ghost_share: float
    """Of the snare's strokes."""
    accents: int
    graces: int


@dataclass(frozen=True, slots=True)
class Coordination:
    """Which limbs strike together."""

    combinations: tuple[tuple[str, int], ...]
    """Such as "hi-hat + kick" and how often, most frequent first."""
    together_share: float
    """Of the places on which more than one limb strikes."""
    feet_alone_share: float
    """Of the feet's strokes that no hand strikes along with: what asks for independence."""
    bits: float
    """Entropy of the combinations: 0 for one and the same, 2 for four equally frequent."""


def density(part: Part) -> Density | None:
    """None for a silent part."""
    struck = {bar.number: _strokes(bar) for bar in part.bars if bar.strokes}
    if not struck:
        return None
    strokes = sum(struck.values())
    seconds = sum(
        float(bar.length) * 240 / (part.quarters_per_minute(bar.number) or _USUAL_QPM)
        for bar in part.bars
        if bar.strokes
    )
    per_second = strokes / seconds
    return Density(
        strokes=strokes,
        per_bar=round(strokes / len(struck), 1),
        per_second=round(per_second, 1),
        busiest_bar=max(struck, key=lambda bar: (struck[bar], -bar)),
        level="low" if per_second < _SPARSE_PER_S
        else "high" if per_second >= _DENSE_PER_S else "medium",
    )  # fmt: skip


def _strokes(bar: PartBar) -> int:
    return sum(1 + len(stroke.graces) for stroke in bar.strokes)


def syncopation(part: Part) -> Syncopation | None:
    """None where neither kick nor snare plays."""
    line = [
        (bar, sorted({stroke.at for stroke in bar.strokes if _carries(stroke)}))
        for bar in part.bars
    ]
    scores: dict[int, float] = {}
    for index, (bar, places) in enumerate(line):
        if places:
            follows = line[index + 1][1] if index + 1 < len(line) else [Fraction(0)]
            scores[bar.number] = _lhl(bar, places, next_struck=follows[:1] == [Fraction(0)])
    if not scores:
        return None
    per_bar = fmean(scores.values())
    most = max(scores, key=lambda bar: (scores[bar], -bar))
    return Syncopation(
        per_bar=round(per_bar, 1),
        most_in_bar=scores[most],
        most_syncopated_bar=most,
        level="none" if per_bar < 0.5 else "strong" if per_bar >= 3 else "some",
    )


def _carries(stroke: Stroke) -> bool:
    return LIMB_OF[stroke.piece] in ("kick", "snare") and Articulation.GHOST not in stroke.marks


def _levels(meter: Meter, *, ternary: bool) -> list[Fraction]:
    """The periods of the meter's levels, slowest first."""
    levels = [meter.length]
    beat = meter.beat_unit
    while levels[-1] / beat % 2 == 0 and levels[-1] > 2 * beat:
        levels.append(levels[-1] / 2)
    if levels[-1] == beat:
        levels.pop()
    thirds = ternary or meter.is_compound
    return [*levels, beat, *((beat / 3, beat / 6) if thirds else (beat / 2, beat / 4, beat / 8))]


def _lhl(bar: PartBar, places: Sequence[Fraction], *, next_struck: bool) -> float:
    beat = bar.meter.beat_unit
    # A pickup is the end of a bar.
    missing = bar.meter.length - bar.length
    places = [place + missing for place in places]
    thirds = sum((place / beat).denominator == 3 for place in places)
    levels = _levels(bar.meter, ternary=4 * thirds >= len(places))

    def weight(place: Fraction) -> int:
        return -next((i for i, period in enumerate(levels) if place % period == 0), len(levels))

    score = 0
    for place, until in pairwise((*places, bar.meter.length)):
        is_last = until == bar.meter.length
        silent = [weight(until)] if is_last and not next_struck else []
        # The strongest place between: of the slowest level that has one there.
        silent += [
            -level for level, period in enumerate(levels) if (place // period + 1) * period < until
        ][:1]
        score += max(0, max(silent, default=weight(place)) - weight(place))
    return float(score)


def subdivisions(part: Part) -> Subdivisions | None:
    """None for a silent part."""
    counts: Counter[str] = Counter()
    for bar, stroke in part.strokes():
        counts[_grid(stroke.at + bar.meter.length - bar.length, bar.meter)] += 1
    total = counts.total()
    if not total:
        return None
    share = {name: round(counts[name] / total, 3) for name in _GRIDS}
    return Subdivisions(**share)


_GRIDS: Final = ("on_beats", "eighths", "sixteenths", "triplets", "finer")


def _grid(at: Fraction, meter: Meter) -> str:
    """By the note value that reaches the place."""
    beat = meter.beat_unit if meter.is_compound else Fraction(1, 4)
    if at % beat == 0:
        return "on_beats"
    if at.denominator % 3 == 0:
        return "triplets" if at.denominator in (3, 6, 12, 24) else "finer"
    return "eighths" if at.denominator <= 8 else "sixteenths" if at.denominator == 16 else "finer"


def dynamics(part: Part) -> Dynamics | None:
    """None for a part of less than two strokes."""
    strokes = [stroke for _, stroke in part.strokes()]
    if len(strokes) < 2:
        return None
    tenths = quantiles((stroke.velocity for stroke in strokes), n=10, method="inclusive")
    snares = [stroke for stroke in strokes if stroke.piece in SNARES]
    ghosts = sum(Articulation.GHOST in stroke.marks for stroke in snares)
    loud = {Articulation.ACCENT, Articulation.STRONG_ACCENT}
    return Dynamics(
        soft_velocity=round(tenths[0]),
        loud_velocity=round(tenths[-1]),
        range=round(tenths[-1]) - round(tenths[0]),
        ghosts=ghosts,
        ghost_share=round(ghosts / len(snares), 3) if snares else 0.0,
        accents=sum(bool(loud & set(stroke.marks)) for stroke in strokes),
        graces=sum(len(stroke.graces) for stroke in strokes),
    )


def coordination(part: Part) -> Coordination | None:
    """None for a silent part."""
    places = list(_places(part))
    if not places:
        return None
    names = Counter(" + ".join(sorted(limbs)) for limbs, _ in places)
    feet = [hands for _, (hands, feet) in places for _ in range(feet)]
    total = len(places)
    return Coordination(
        combinations=tuple(sorted(names.items(), key=lambda item: (-item[1], item[0]))),
        together_share=round(sum(len(limbs) > 1 for limbs, _ in places) / total, 3),
        feet_alone_share=round(sum(not hands for hands in feet) / len(feet), 3) if feet else 0.0,
        bits=round(-sum(n / total * math.log2(n / total) for n in names.values()) or 0.0, 2),
    )


def _places(part: Part) -> Iterable[tuple[frozenset[str], tuple[int, int]]]:
    """The limbs that strike on each place, and how many strokes are of hands and of feet."""
    for bar in part.bars:
        struck: dict[Fraction, list[DrumPiece]] = defaultdict(list)
        for stroke in bar.strokes:
            struck[stroke.at].append(stroke.piece)
        for pieces in struck.values():
            feet = sum(piece in FEET for piece in pieces)
            yield frozenset(LIMB_OF[piece] for piece in pieces), (len(pieces) - feet, feet)
