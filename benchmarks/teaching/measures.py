"""What is asked of each part, beside what the take's own list says."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from libs.common.part import Part
from services.ai.domain.difficulty import difficulty
from services.ai.domain.variations import CannotVary, VariationKind, VariationRequest, propose

TEMPO_WITHIN: Final = 0.04
_OCTAVES: Final = (0.5, 1.0, 2.0)


@dataclass(frozen=True)
class Told:
    """What the part says of a take, and whether it is so."""

    kind: str
    tempo: bool
    tempo_or_octave: bool
    meter: bool
    easier: bool | None
    """Whether its simplified bars are easier than they were; None where none could be made."""


def tell(kind: str, bpm: float, meter: str, part: Part) -> Told:
    said = part_tempo(part)
    return Told(
        kind=kind,
        tempo=tempo_holds(said, bpm),
        tempo_or_octave=any(tempo_holds(said, bpm * octave) for octave in _OCTAVES),
        meter=part_meter(part) == meter,
        easier=simplified_is_easier(part),
    )


def part_tempo(part: Part) -> float:
    """Quarters a minute, of the middle of its bars; 0 where none is written."""
    return median([part.quarters_per_minute(bar.number) or 0.0 for bar in part.bars] or [0.0])


def part_meter(part: Part) -> str:
    """The meter of most bars; of as many, the first."""
    counts = Counter(str(bar.meter) for bar in part.bars)
    return counts.most_common(1)[0][0] if counts else ""


def tempo_holds(said: float, bpm: float) -> bool:
    """Within 4 %."""
    return math.isclose(said, bpm, rel_tol=0, abs_tol=TEMPO_WITHIN * bpm)


def simplified_is_easier(part: Part) -> bool | None:
    """As `difficulty` finds the bars and what became of them, whatever the variation says."""
    try:
        made = propose(part, VariationRequest(kind=VariationKind.SIMPLIFY))
    except CannotVary:
        return None
    first, last = made[0].bars
    before = Part(
        title=part.title,
        bars=tuple(bar for bar in part.bars if first <= bar.number <= last),
        tempos=part.tempos,
        swing=part.swing,
    )
    return difficulty(made[0].part).value < difficulty(before).value


def easier_row(told: Sequence[Told]) -> tuple[int, int]:
    """(easier, made)."""
    made = [each.easier for each in told if each.easier is not None]
    return sum(made), len(made)
