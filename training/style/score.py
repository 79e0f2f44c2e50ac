"""How often styles are right, and how true their chances are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean


@dataclass(frozen=True)
class Answer:
    """Chances for one take, and its style; both by name."""

    style: str
    kind: str
    chances: dict[str, float]
    unsure: bool = False

    def ranked(self) -> list[str]:
        """Styles, the likeliest first."""
        return sorted(self.chances, key=lambda style: (-self.chances[style], style))


def within(answers: Sequence[Answer], first: int) -> float:
    """Share whose style is among the first so many."""
    return fmean(answer.style in answer.ranked()[:first] for answer in answers)


def surprise(answers: Sequence[Answer]) -> float:
    """Mean -log of the true style's chance (at least .001), in nats."""
    return fmean(-math.log(max(0.001, answer.chances.get(answer.style, 0))) for answer in answers)


def calibration_error(answers: Sequence[Answer], bins: int = 10) -> float:
    """Expected: how far the likeliest style's chance is from how often it is right, in tenths."""
    total = 0.0
    for index in range(bins):
        inside = [
            (best, answer.ranked()[0] == answer.style)
            for answer in answers
            if min(bins - 1, int((best := max(answer.chances.values())) * bins)) == index
        ]
        if inside:
            away = fmean(best for best, _ in inside) - fmean(right for _, right in inside)
            total += len(inside) / len(answers) * abs(away)
    return total
