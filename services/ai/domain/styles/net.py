"""Small networks of one hidden layer in plain Python, weights in whole numbers from -127 to 127."""

from __future__ import annotations

import base64
import math
import operator
import zlib
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

MOST: Final = 127


@dataclass(frozen=True, slots=True)
class Layer:
    """Each unit's weights, what they are to be multiplied by, and its bias."""

    weights: tuple[tuple[int, ...], ...]
    scales: tuple[float, ...]
    biases: tuple[float, ...]

    def __call__(self, values: Sequence[float]) -> list[float]:
        return [
            scale * sum(map(operator.mul, own, values)) + bias
            for own, scale, bias in zip(self.weights, self.scales, self.biases, strict=True)
        ]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        flat = array("b", [weight for own in self.weights for weight in own])
        return {
            "weights": base64.b64encode(zlib.compress(flat.tobytes(), 9)).decode(),
            "scales": list(self.scales),
            "biases": list(self.biases),
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Self:
        """Back from JSON."""
        flat = array("b", zlib.decompress(base64.b64decode(given["weights"])))
        scales = tuple(given["scales"])
        width = len(flat) // len(scales)
        return cls(
            tuple(tuple(flat[at : at + width]) for at in range(0, len(flat), width)),
            scales,
            tuple(given["biases"]),
        )


@dataclass(frozen=True, slots=True)
class Nets:
    """Several networks, asked together; input is a forest's levels, brought to mean 0, spread 1."""

    means: tuple[float, ...]
    spreads: tuple[float, ...]
    layers: tuple[tuple[Layer, Layer], ...]

    def shares(self, levels: Sequence[int]) -> list[float]:
        """The mean of their chances, 1 together."""
        values = [
            (level - mean) / spread
            for level, mean, spread in zip(levels, self.means, self.spreads, strict=True)
        ]
        answers = [
            _chances(last([max(0.0, each) for each in first(values)]))
            for first, last in self.layers
        ]
        return [sum(own) / len(answers) for own in zip(*answers, strict=True)]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "means": list(self.means),
            "spreads": list(self.spreads),
            "layers": [[first.to_dict(), last.to_dict()] for first, last in self.layers],
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Self:
        """Back from JSON."""
        return cls(
            tuple(given["means"]),
            tuple(given["spreads"]),
            tuple((Layer.from_dict(a), Layer.from_dict(b)) for a, b in given["layers"]),
        )


def _chances(scores: Sequence[float]) -> list[float]:
    highest = max(scores)
    powers = [math.exp(score - highest) for score in scores]
    total = sum(powers)
    return [power / total for power in powers]
