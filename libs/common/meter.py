"""Time signatures."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

_METER = re.compile(r"(\d{1,3})/(\d{1,3})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Meter:
    """A time signature, 1 to 32 over 1, 2, 4, 8, 16 or 32."""

    numerator: int
    denominator: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """`"6/8"` -> Meter; ValueError says what is wrong with another text."""
        found = _METER.fullmatch(text) if isinstance(text, str) else None
        if not found:
            raise ValueError('expected a time signature such as "4/4"')
        meter = cls(int(found[1]), int(found[2]))
        if not 1 <= meter.numerator <= 32:
            raise ValueError("the upper number must be 1 to 32")
        if meter.denominator not in (1, 2, 4, 8, 16, 32):
            raise ValueError("the lower number must be 1, 2, 4, 8, 16 or 32")
        return meter

    @classmethod
    def of(cls, length: Fraction) -> Self | None:
        """For a bar of this length, over 4 where that is whole; None where no meter fits."""
        denominator = max(4, length.denominator)
        beats = length * denominator
        if denominator not in (4, 8, 16, 32) or beats.denominator != 1 or not 1 <= beats <= 32:
            return None
        return cls(int(beats), denominator)

    @property
    def length(self) -> Fraction:
        """Of one bar, in whole notes."""
        return Fraction(self.numerator, self.denominator)

    @property
    def is_compound(self) -> bool:
        """6/8, 9/8, 12/8 and the like, felt in groups of three."""
        return self.denominator >= 8 and self.numerator > 3 and self.numerator % 3 == 0

    @property
    def beat_unit(self) -> Fraction:
        """The note that a metronome counts, in whole notes: 3/8 in 6/8, 1/4 in 4/4."""
        return Fraction(3 if self.is_compound else 1, self.denominator)

    def __str__(self) -> str:
        return f"{self.numerator}/{self.denominator}"
