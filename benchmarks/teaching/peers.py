"""What our answer on styles must beat at least, learnt from the same takes."""

from __future__ import annotations

import math
import operator
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from libs.common.part import Part
from services.ai.domain.styles.features import GROUPS, STEPS, lay_out

Known = Sequence[tuple[str, Part]]
"""(style, part)."""
Chances = dict[str, float]
Peer = Callable[[Part], Chances]
NEAREST: Final = 5


def most_frequent(known: Known) -> Peer:
    """Says of every part how frequent the styles are."""
    counts = Counter(style for style, _ in known)
    chances = {style: count / len(known) for style, count in counts.items()}
    return lambda part: dict(chances)


@dataclass(frozen=True)
class NearestHistograms:
    """The styles of the five takes whose bars look most alike, and a sixth of what is frequent."""

    known: tuple[tuple[str, tuple[float, ...]], ...]
    base: Chances

    @classmethod
    def of(cls, known: Known) -> NearestHistograms:
        return cls(
            tuple((style, histogram(part)) for style, part in known),
            most_frequent(known)(known[0][1]),
        )

    def __call__(self, part: Part) -> Chances:
        own = histogram(part)
        ranked = sorted(
            range(len(self.known)),
            key=lambda index: (-sum(map(operator.mul, own, self.known[index][1])), index),
        )
        chances = {style: share / (NEAREST + 1) for style, share in self.base.items()}
        for index in ranked[:NEAREST]:
            chances[self.known[index][0]] += 1 / (NEAREST + 1)
        return chances


def histogram(part: Part) -> tuple[float, ...]:
    """Strokes of each group on each sixteenth of the bar, of length 1."""
    counts = dict.fromkeys([(group, step) for group in GROUPS for step in range(STEPS)], 0.0)
    for stroke in lay_out(part).strokes:
        counts[stroke.group, round(stroke.beat * 4) % STEPS] += 1
    length = math.sqrt(sum(count * count for count in counts.values())) or 1.0
    return tuple(count / length for count in counts.values())
