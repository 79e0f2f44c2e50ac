"""A forest of decision trees in plain Python: what `training.style` fits, and nothing else.

Every feature is one of 256 levels, so that a tree asks whole numbers and answers alike everywhere.
Nodes of a tree follow one another from the root down, first where the answer is no more than the
threshold; a node is four bytes: feature, threshold, and how far the other side is away (two bytes,
big-endian). Feature 255 is a leaf, its other three bytes a row of the leaves' table: how what the
training brought to that leaf divides among the styles, in fifteenths.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, Final, Self

FORMAT: Final = "backbeat-styles/1"
LEVELS: Final = 256
LEAF: Final = 255
_NODE: Final = 4


@dataclass(frozen=True, slots=True)
class Scale:
    """A feature and what its levels span; what cannot be told counts as usual."""

    name: str
    low: float
    high: float
    usual: float

    def level(self, value: float | None) -> int:
        """0 to 255."""
        known = self.usual if value is None else value
        inside = (known - self.low) / (self.high - self.low) * (LEVELS - 1)
        return int(min(LEVELS - 1.0, max(0.0, inside)) + 0.5)


@dataclass(frozen=True, slots=True)
class Forest:
    """`trees` as the module says; `leaves` are (style, share) rows."""

    scales: tuple[Scale, ...]
    trees: tuple[bytes, ...]
    leaves: tuple[tuple[tuple[int, float], ...], ...]
    styles: int

    def levels(self, features: Mapping[str, float | None]) -> list[int]:
        """Of the features that the forest asks."""
        return [scale.level(features.get(scale.name)) for scale in self.scales]

    def shares(self, levels: Sequence[int]) -> list[float]:
        """The mean of what the trees answer, one share per style, 1 together."""
        total = [0.0] * self.styles
        for tree in self.trees:
            at = 0
            while tree[at] != LEAF:
                if levels[tree[at]] <= tree[at + 1]:
                    at += _NODE
                else:
                    at += _NODE * (tree[at + 2] << 8 | tree[at + 3])
            row = tree[at + 1] << 16 | tree[at + 2] << 8 | tree[at + 3]
            for style, share in self.leaves[row]:
                total[style] += share
        return [each / len(self.trees) for each in total]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "scales": [[s.name, s.low, s.high, s.usual] for s in self.scales],
            "styles": self.styles,
            "leaves": _pack(
                bytes([len(row), *(byte for one in row for byte in (one[0], round(15 * one[1])))])
                for row in self.leaves
            ),
            "trees": {
                "lengths": [len(tree) for tree in self.trees],
                "nodes": _pack(self.trees),
            },
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Self:
        """Back from JSON."""
        nodes = _unpack(given["trees"]["nodes"])
        ends = accumulate(given["trees"]["lengths"], initial=0)
        return cls(
            scales=tuple(Scale(*scale) for scale in given["scales"]),
            trees=tuple(nodes[start:end] for start, end in pairwise(ends)),
            leaves=tuple(_rows(_unpack(given["leaves"]))),
            styles=given["styles"],
        )


def _rows(content: bytes) -> Iterator[tuple[tuple[int, float], ...]]:
    """A row is how many pairs follow, then style and fifteenths of each."""
    at = 0
    while at < len(content):
        end = at + 1 + 2 * content[at]
        yield tuple((content[i], content[i + 1] / 15) for i in range(at + 1, end, 2))
        at = end


def _pack(pieces: Iterable[bytes]) -> str:
    return base64.b64encode(zlib.compress(b"".join(pieces), 9)).decode()


def _unpack(packed: str) -> bytes:
    return zlib.decompress(base64.b64decode(packed))


def read_document(content: bytes) -> dict[str, Any]:
    """The weights' JSON; ValueError for another format."""
    document: dict[str, Any] = json.loads(content)
    if document.get("format") != FORMAT:
        raise ValueError(f"weights of format {document.get('format')!r}, expected {FORMAT!r}")
    return document
