"""Facts of a part: measured, deterministic, and all that the teacher's words may rest on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from libs.common.drums import DrumPiece
from libs.common.part import Part
from services.ai.domain.difficulty import BarDifficulty, Difficulty, bar_difficulty, difficulty
from services.ai.domain.facts import rhythm, timing
from services.ai.domain.facts.form import Form, form
from services.ai.domain.facts.grooves import groove_names, rank
from services.ai.domain.facts.plain import plain
from services.ai.domain.facts.rhythm import (
    Coordination,
    Density,
    Dynamics,
    Subdivisions,
    Syncopation,
)
from services.ai.domain.facts.timing import Swing, Tempo, Timing
from services.ai.domain.rudiments import Rudiment, rudiments
from services.ai.domain.styles import StyleMatch, classify

VERSION: Final = "facts-1"
"""Changes when the same part would give other facts."""
HARDEST: Final = 3
MAX_NAMES: Final = 4


@dataclass(frozen=True, slots=True)
class Named:
    """A groove's name, and in how many bars of the part it holds."""

    name: str
    bars: int


@dataclass(frozen=True, slots=True)
class Facts:
    """None and empty where the part does not tell."""

    bars: int
    """Without a pickup."""
    strokes: int
    meter: str
    """Of most bars."""
    meters: int
    """How many different ones."""
    written_bpm: float | None
    """At the beginning, in the meter's beats a minute."""
    pieces: tuple[tuple[DrumPiece, int], ...]
    """Most struck first."""
    tempo: Tempo | None
    timing: tuple[Timing, ...]
    swing: Swing | None
    density: Density | None
    syncopation: Syncopation | None
    subdivisions: Subdivisions | None
    dynamics: Dynamics | None
    coordination: Coordination | None
    form: Form
    groove_names: tuple[Named, ...]
    rudiments: tuple[Rudiment, ...]
    difficulty: Difficulty | None
    hardest: tuple[BarDifficulty, ...]
    """The three hardest bars that differ, hardest first."""
    styles: tuple[StyleMatch, ...]
    """The likeliest first."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON's own types."""
        told: dict[str, Any] = plain(self)
        return told


def facts_of(part: Part) -> Facts:
    """About a second for a part of 300 bars; see the parts for what each figure means."""
    struck = [stroke for _, stroke in part.strokes()]
    meters = Counter(str(bar.meter) for bar in part.bars)
    built = form(part)
    return Facts(
        bars=sum(bar.number > 0 for bar in part.bars),
        strokes=sum(1 + len(stroke.graces) for stroke in struck),
        meter=meters.most_common(1)[0][0] if meters else "4/4",
        meters=len(meters),
        written_bpm=_written_bpm(part),
        pieces=tuple(Counter(stroke.piece for stroke in struck).most_common()),
        tempo=timing.tempo(part),
        timing=timing.timing(part),
        swing=timing.swing(part),
        density=rhythm.density(part),
        syncopation=rhythm.syncopation(part),
        subdivisions=rhythm.subdivisions(part),
        dynamics=rhythm.dynamics(part),
        coordination=rhythm.coordination(part),
        form=built,
        groove_names=_names(part, built),
        rudiments=tuple(rudiments(part)),
        difficulty=difficulty(part) if struck else None,
        hardest=_hardest(part, bar_difficulty(part)) if struck else (),
        styles=tuple(classify(part)) if struck else (),
    )


def _written_bpm(part: Part) -> float | None:
    if not part.tempos or not part.bars:
        return None
    quarters = part.quarters_per_minute(part.bars[0].number)
    assert quarters is not None
    return round(quarters / float(part.bars[0].meter.beat_unit * 4), 1)


def _names(part: Part, built: Form) -> tuple[Named, ...]:
    """Those that hold in a quarter of the bars without fills, or more; where the list is long, its
    beginning, which is what tells most."""
    filled = {fill.bar for fill in built.fills}
    bars = [bar for bar in part.bars if bar.strokes and bar.number not in filled]
    counts: Counter[str] = Counter()
    for bar in bars:
        counts.update(groove_names(bar, part.swing_at(bar.number)))
    kept = [Named(name, count) for name, count in counts.items() if 4 * count >= len(bars)]
    # What holds in most bars first, and of that what tells most.
    kept.sort(key=lambda named: (2 * named.bars < len(bars), rank(named.name)))
    return tuple(kept[:MAX_NAMES])


def _hardest(part: Part, found: Sequence[BarDifficulty]) -> tuple[BarDifficulty, ...]:
    by_number = {bar.number: bar for bar in part.bars}
    kept: list[BarDifficulty] = []
    seen: set[tuple[Any, ...]] = set()
    for one in sorted(found, key=lambda one: (-one.value, one.number)):
        writing = tuple((s.at, s.piece, s.marks) for s in by_number[one.number].strokes)
        if writing and writing not in seen:
            seen.add(writing)
            kept.append(one)
    return tuple(kept[:HARDEST])
