"""Which of a small library of styles a part is like, and what speaks for and against each.

`classify` gives every style its chance; `docs/models/styles-1.md` says how they were fitted, how
often they hold and where they do not. Standard library only; the weights (`styles-1.json`) are read
once, at the first question.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Self

from libs.common.part import Part
from services.ai.domain.styles.evidence import Evidence, Usual, speaks
from services.ai.domain.styles.families import Style
from services.ai.domain.styles.features import measure
from services.ai.domain.styles.forest import Forest, read_document
from services.ai.domain.styles.net import Nets

__all__ = ["Evidence", "Style", "StyleMatch", "classify", "is_unsure"]

ENOUGH_STROKES: Final = 12
"""A part of fewer strokes is believed by so much less, and the rest is what is usual of all."""
WEIGHTS: Final = Path(__file__).parent / "styles-1.json"


@dataclass(frozen=True, slots=True)
class StyleMatch:
    """How like one style the part is."""

    style: Style
    probability: float
    """0 to 1; all styles' together are 1."""
    speaks_for: tuple[Evidence, ...]
    speaks_against: tuple[Evidence, ...]


def classify(part: Part) -> list[StyleMatch]:
    """All styles, the likeliest first; linear in strokes.

    Of an empty part the order says only which styles the takes were of; `is_unsure` is true then.
    """
    return model().classify(part)


def is_unsure(matches: Sequence[StyleMatch]) -> bool:
    """Whether the first is no answer to give: less likely than where four in five were right."""
    return matches[0].probability < model().sure_from


@dataclass(frozen=True)
class StyleModel:
    """The forest and the networks, and what makes chances and words of their answers."""

    forest: Forest
    nets: Nets
    nets_share: float
    """Of the answer; the rest is the forest's."""
    styles: tuple[Style, ...]
    """In the order of the shares."""
    base: tuple[float, ...]
    """What is usual of all: the chances behind an empty part."""
    floor: float
    """So much of `base` is mixed into the shares before they are sharpened."""
    power: float
    """What sharpens shares to chances."""
    sure_from: float
    usual: Mapping[str, Mapping[Style, Usual]]

    def shares(self, features: Mapping[str, float | None]) -> list[float]:
        """What forest and networks say together, before it is calibrated."""
        levels = self.forest.levels(features)
        return [
            (1 - self.nets_share) * tree + self.nets_share * net
            for tree, net in zip(self.forest.shares(levels), self.nets.shares(levels), strict=True)
        ]

    def chances(self, features: Mapping[str, float | None], strokes: int) -> list[float]:
        """One for each of `styles`, 1 together."""
        shares = self.shares(features)
        sharp = [
            (share + self.floor * base) ** self.power
            for share, base in zip(shares, self.base, strict=True)
        ]
        total = sum(sharp)
        belief = min(1.0, strokes / ENOUGH_STROKES)
        return [
            belief * each / total + (1 - belief) * base
            for each, base in zip(sharp, self.base, strict=True)
        ]

    def classify(self, part: Part) -> list[StyleMatch]:
        """As the module's."""
        strokes = sum(len(bar.strokes) for bar in part.bars)
        features = measure(part)
        chances = self.chances(features, strokes)
        found = []
        for style, chance in zip(self.styles, chances, strict=True):
            favours, opposes = speaks(style, features, self.usual) if strokes else ((), ())
            found.append(StyleMatch(style, chance, favours, opposes))
        return sorted(found, key=lambda match: (-match.probability, match.style))

    def to_dict(self) -> dict[str, Any]:
        """For JSON, without its format's name."""
        return {
            "styles": [style.value for style in self.styles],
            "base": list(self.base),
            "floor": self.floor,
            "power": self.power,
            "sure_from": self.sure_from,
            "usual": {
                name: {
                    style.value: [each.low, each.high, each.mean, each.spread]
                    for style, each in own.items()
                }
                for name, own in self.usual.items()
            },
            "forest": self.forest.to_dict(),
            "nets": self.nets.to_dict(),
            "nets_share": self.nets_share,
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Self:
        """Back from JSON."""
        return cls(
            forest=Forest.from_dict(given["forest"]),
            nets=Nets.from_dict(given["nets"]),
            nets_share=given["nets_share"],
            styles=tuple(Style(style) for style in given["styles"]),
            base=tuple(given["base"]),
            floor=given["floor"],
            power=given["power"],
            sure_from=given["sure_from"],
            usual={
                name: {Style(style): Usual(*each) for style, each in own.items()}
                for name, own in given["usual"].items()
            },
        )

    def to_json(self, form: str) -> bytes:
        """The file's bytes."""
        return json.dumps({"format": form, **self.to_dict()}, separators=(",", ":")).encode()


@cache
def model() -> StyleModel:
    """The shipped one."""
    return StyleModel.from_dict(read_document(WEIGHTS.read_bytes()))
