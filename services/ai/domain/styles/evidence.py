"""What of a part speaks for and against a style, in a drummer's words.

Every figure is compared with those of the style's own takes and made grooves: how much likelier
it is there than in the other styles, both as bell curves. What speaks for a style is likelier there
and within what is usual in it (the middle 70 %); what speaks against it is less likely and outside.
The order is by how much. A range as wide as most of the scale supports nothing, and likeness to a
named pattern speaks for the styles that it comes from and, where it is strong, against others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from services.ai.domain.styles.families import Style

AT_LEAST: Final = 0.25
"""In nats: less says nothing."""
WIDEST: Final = 85
"""Of a hundred."""
FOR_MOST: Final = 4
AGAINST_MOST: Final = 3


@dataclass(frozen=True, slots=True)
class Figure:
    """How a feature is told."""

    words: str
    unit: str = "%"
    """`%` of a share, `bpm`, `:1` of a ratio, "" of a plain number."""
    least_spread: float = 0.05
    """So narrow are few takes' figures at least, in the feature's own measure."""
    pattern_of: frozenset[Style] = frozenset()
    """The styles that a pattern comes from."""

    def shown(self, value: float) -> float:
        """The feature in its unit, rounded as it is told."""
        if self.unit == "bpm":
            return round(100 * 2**value)
        if self.unit == "/s":
            return round(2**value - 0.5, 1)
        return round(100 * value) if self.unit == "%" else round(value, 1 if value >= 1 else 2)


_CLAVE: Final = frozenset({Style.LATIN, Style.AFROCUBAN})
_BRAZIL: Final = frozenset({Style.LATIN})
_SECOND_LINE: Final = frozenset({Style.NEWORLEANS})
_TRESILLO: Final = frozenset({Style.LATIN, Style.AFROCUBAN, Style.NEWORLEANS})
FIGURES: Final[Mapping[str, Figure]] = {
    "tempo": Figure("tempo", "bpm", 0.08),
    "rate": Figure("strokes a second", "/s", 0.15),
    "sounding swing": Figure("swing ratio", ":1", 0.12),
    "triplets": Figure("strokes on triplet places"),
    "sixteenths": Figure("strokes on sixteenths between the eighths"),
    "backbeat": Figure("loud snare or cross-stick on 2 and 4", "%", 0.1),
    "half-time snare": Figure("snare or cross-stick on 3, bars", "%", 0.1),
    "kick on one": Figure("kick on 1, bars", "%", 0.1),
    "four on the floor": Figure("beats with a kick", "%", 0.08),
    "one drop": Figure("kick on 3 and not on 1, bars", "%", 0.1),
    "kick off the beat": Figure("kicks off the beat", "%", 0.08),
    "snare off the beat": Figure("loud snares off the beat", "%", 0.08),
    "ghosts": Figure("snare strokes that are ghosts", "%", 0.08),
    "cross of snares": Figure("cross-stick in place of snare", "%", 0.1),
    "ride of cymbals": Figure("time on the ride", "%", 0.12),
    "open of hats": Figure("hats that are open or half-open"),
    "share.pedal": Figure("strokes of the hat pedal", "%", 0.03),
    "share.tom": Figure("strokes on toms", "%", 0.04),
    "share.snare": Figure("strokes on the snare"),
    "graces": Figure("strokes with grace notes", "%", 0.02),
    "loud.all": Figure("mean loudness, of the loudest possible"),
    "son clave by back": Figure("likeness of the left hand to son clave", "", 0.1, _CLAVE),
    "bossa clave by back": Figure("likeness of the left hand to bossa clave", "", 0.1, _BRAZIL),
    "cascara by cymbal": Figure("likeness of the cymbals to cáscara", "", 0.1, _CLAVE),
    "samba by kick": Figure("likeness of the kick to samba", "", 0.1, _BRAZIL),
    "tresillo by kick": Figure("likeness of the kick to tresillo", "", 0.1, _TRESILLO),
    "second line by back": Figure("likeness of the snare to second line", "", 0.1, _SECOND_LINE),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Evidence:
    """One figure of the part beside what is usual in the style."""

    feature: str
    """A key of `FIGURES`."""
    words: str
    value: float
    low: float
    high: float
    """What is usual, `low` to `high`, in the same unit: the style's middle 70 %."""
    unit: str
    weight: float
    """How much likelier in this style than in the others, in nats; below 0 against it."""

    def sentence(self, style: Style) -> str:
        """`swing ratio 1.9; jazz is usually 1.6 to 2.2`."""
        tell = _TELL.get(self.unit, str)
        usual = tell(self.low)
        if self.high != self.low:
            usual = f"{usual.removesuffix(' %').removesuffix(' bpm')} to {tell(self.high)}"
        return f"{self.words} {tell(self.value)}; {style.label} is usually {usual}"


_TELL: Final[Mapping[str, Callable[[float], str]]] = {
    "%": lambda value: f"{value:.0f} %",
    "bpm": lambda value: f"{value:.0f} bpm",
    ":1": lambda value: f"{value:.1f}",
    "/s": lambda value: f"{value:.1f}",
    "": lambda value: f"{value:.2f}",
}


@dataclass(frozen=True, slots=True)
class Usual:
    """A feature in a style: the middle 70 %, mean and spread."""

    low: float
    high: float
    mean: float
    spread: float

    def likelihood(self, value: float) -> float:
        """Of the bell curve, with so broad a foot that no single figure decides."""
        away = (value - self.mean) / self.spread
        return (math.exp(-away * away / 2) + 0.01) / self.spread


def speaks(
    style: Style,
    features: Mapping[str, float | None],
    usual: Mapping[str, Mapping[Style, Usual]],
) -> tuple[tuple[Evidence, ...], tuple[Evidence, ...]]:
    """(for, against), the weightiest first."""
    favours, opposes = [], []
    for name, figure in FIGURES.items():
        value = features.get(name)
        own = usual[name].get(style)
        if value is None or own is None:
            continue
        others = [each.likelihood(value) for other, each in usual[name].items() if other != style]
        if not others:
            continue
        # A pattern's own style is not less likely for being more like it than usual.
        its = min(value, own.high) if style in figure.pattern_of else value
        weight = math.log(own.likelihood(its) / (sum(others) / len(others)))
        told = Evidence(
            name, figure.words, figure.shown(value), figure.shown(own.low),
            figure.shown(own.high), figure.unit, round(weight, 2),
        )  # fmt: skip
        inside = told.low <= figure.shown(its) <= told.high
        comes_from = not figure.pattern_of or style in figure.pattern_of
        if weight >= AT_LEAST and inside and comes_from and not _wide(told):
            favours.append(told)
        elif weight <= -AT_LEAST and not inside and (comes_from or told.value > told.high):
            opposes.append(told)
    favours.sort(key=lambda each: (-each.weight, each.feature))
    opposes.sort(key=lambda each: (each.weight, each.feature))
    return tuple(favours[:FOR_MOST]), tuple(opposes[:AGAINST_MOST])


def _wide(told: Evidence) -> bool:
    return told.unit == "%" and told.high - told.low > WIDEST
