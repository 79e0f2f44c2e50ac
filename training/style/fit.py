"""From parts to a forest, chances and what is usual."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.tree import DecisionTreeClassifier

from libs.common.part import Part
from services.ai.domain.styles import StyleModel
from services.ai.domain.styles.evidence import FIGURES, Usual
from services.ai.domain.styles.families import Style
from services.ai.domain.styles.features import measure, whole_bars
from services.ai.domain.styles.forest import LEAF, Forest, Scale
from training.style.nets import fit_nets

Features = dict[str, float | None]
Values = NDArray[np.float64]

STYLES: Final = tuple(Style)
STRETCHES: Final = (4, 8, 16)
"""Bars."""
_FIFTEENTHS: Final = 15
_LEAST_STROKES: Final = 8


@dataclass(frozen=True)
class Plan:
    """What to fit; chosen on the validation split and by leaving sessions out."""

    trees: int = 75
    leaves: int = 300
    """Of a tree, at most."""
    asked: float = 0.4
    """Share of the features that a split may ask."""
    evened: float = 0.5
    """0 leaves the styles as frequent as they are, 1 makes them equal."""
    made: int = 12
    """Variations of every made groove."""
    made_weight: float = 0.15
    """Of one, where a take written in one way counts 1."""
    stretches: int = 4
    """Of a take written in one way, at most; together they count a half."""
    nets: int = 3
    width: int = 40
    rounds: int = 40
    """Through all examples, of each network."""
    nets_share: float = 0.2
    """Of the answer."""
    seed: int = 1


@dataclass(frozen=True)
class Example:
    """One part's features."""

    take: str
    style: Style
    features: Features
    weight: float
    strokes: int
    usual_weight: float = 0.0
    """For what is usual of its style."""


def examples_of(
    name: str, style: str, part: Part, plan: Plan, rng: np.random.Generator, *, fill: bool = False
) -> Iterator[Example]:
    """The whole part and a few stretches of it."""
    whole = _example(name, style, part, 1.0, 0.15 if fill else 1.0)
    yield whole
    count = len(part.bars)
    starts = [
        (first, bars)
        for bars in STRETCHES
        if count > 12
        for first in range(0, count - bars, max(bars, count // 4))
    ]
    chosen = rng.permutation(len(starts))[: plan.stretches]
    parts = [whole_bars(part, *starts[index]) for index in sorted(chosen)]
    parts = [each for each in parts if _strokes(each) >= _LEAST_STROKES]
    for each in parts:
        yield _example(name, style, each, 0.5 / len(parts), 0.0)


def _example(name: str, style: str, part: Part, weight: float, usual: float) -> Example:
    return Example(name, Style(style), measure(part), weight, _strokes(part), usual)


def made_example(name: str, style: str, part: Part, plan: Plan) -> Example:
    """Of a made groove."""
    return _example(name, style, part, plan.made_weight, 0.25)


def _strokes(part: Part) -> int:
    return sum(len(bar.strokes) for bar in part.bars)


def fit(examples: Sequence[Example], plan: Plan) -> StyleModel:
    """All but the calibration, which other takes must give."""
    frequency = Counter[Style]()
    for example in examples:
        frequency[example.style] += example.weight  # type: ignore[assignment]
    total = sum(frequency.values())
    base = np.array([(frequency[style] / total) ** (1 - plan.evened) for style in STYLES])
    base /= base.sum()
    asking = Forest(_scales(examples), (), (), len(STYLES))
    levels = np.array([asking.levels(example.features) for example in examples], np.float32)
    styles = np.array([STYLES.index(example.style) for example in examples])
    weights = np.array(
        [example.weight * frequency[example.style] ** -plan.evened for example in examples]
    )
    return StyleModel(
        forest=_fit_forest(asking.scales, levels, styles, weights, plan),
        nets=fit_nets(
            levels, styles, weights, plan.nets, plan.width, plan.rounds, plan.seed, len(STYLES)
        ),
        nets_share=plan.nets_share,
        styles=STYLES,
        base=tuple(round(float(each), 6) for each in base),
        floor=0.02,
        power=1.0,
        sure_from=0.5,
        usual=find_usual(examples),
    )


def _scales(examples: Sequence[Example]) -> tuple[Scale, ...]:
    """By the middle 99 % of what is known; a feature that never changes is not asked."""
    scales = []
    for name in sorted(examples[0].features):
        known = np.array([v for e in examples if (v := e.features[name]) is not None] or [0.0])
        low, high = (float(f"{each:.5g}") for each in np.percentile(known, [0.5, 99.5]))
        if high - low > 1e-6:
            scales.append(Scale(name, low, high, float(f"{known.mean():.5g}")))
    if len(scales) > LEAF:
        raise ValueError(f"{len(scales)} features, a forest asks {LEAF} at most")
    return tuple(scales)


def _fit_forest(
    scales: tuple[Scale, ...], levels: NDArray[np.float32], styles: NDArray[np.int64],
    weights: Values, plan: Plan,
) -> Forest:  # fmt: skip
    trees = ExtraTreesClassifier(
        plan.trees, max_leaf_nodes=plan.leaves, max_features=plan.asked, random_state=plan.seed,
    ).fit(levels, styles, sample_weight=weights * len(weights) / weights.sum())  # fmt: skip
    table: dict[tuple[tuple[int, int], ...], int] = {}
    packed = tuple(
        pack(tree, [int(each) for each in trees.classes_], table) for tree in trees.estimators_
    )
    return Forest(
        scales,
        packed,
        tuple(
            tuple((style, share / _FIFTEENTHS) for style, share in row) for row in table
        ),
        len(STYLES),
    )  # fmt: skip


def pack(
    tree: DecisionTreeClassifier, classes: Sequence[int],
    table: dict[tuple[tuple[int, int], ...], int],
) -> bytes:  # fmt: skip
    """The tree as `forest` reads it; its leaves' rows are added to `table`."""
    inner = tree.tree_

    def write(node: int) -> bytes:
        if inner.children_left[node] < 0:
            row = fifteenths(inner.value[node][0], classes)
            return bytes([LEAF]) + table.setdefault(row, len(table)).to_bytes(3, "big")
        less, more = write(inner.children_left[node]), write(inner.children_right[node])
        away = 1 + len(less) // 4
        head = bytes([int(inner.feature[node]), int(inner.threshold[node])])
        return head + away.to_bytes(2, "big") + less + more

    return write(0)


def fifteenths(shares: Iterable[float], classes: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """(class, fifteenths) that make 15 together, nearest to the shares."""
    own = np.array(list(shares), float)
    own = own / own.sum() * _FIFTEENTHS
    whole = np.floor(own).astype(int)
    for index in np.argsort(-(own - whole), kind="stable")[: _FIFTEENTHS - whole.sum()]:
        whole[index] += 1
    return tuple((classes[index], int(count)) for index, count in enumerate(whole) if count)


def find_usual(examples: Sequence[Example]) -> dict[str, dict[Style, Usual]]:
    """Of each figure and style that has any."""
    usual: dict[str, dict[Style, Usual]] = {}
    for name, figure in FIGURES.items():
        known: dict[Style, list[tuple[float, float]]] = defaultdict(list)
        for example in examples:
            value = example.features[name]
            if value is not None and example.usual_weight:
                known[example.style].append((value, example.usual_weight))
        usual[name] = {
            style: _usual(np.array(known[style]), figure.least_spread)
            for style in STYLES
            if known[style]
        }
    return usual


def _usual(known: Values, least: float) -> Usual:
    """Of (value, weight) rows."""
    rows = known[np.argsort(known[:, 0], kind="stable")]
    below = (np.cumsum(rows[:, 1]) - rows[:, 1] / 2) / rows[:, 1].sum()
    low, high = np.interp([0.15, 0.85], below, rows[:, 0])
    mean = np.average(rows[:, 0], weights=rows[:, 1])
    spread = np.sqrt(np.average((rows[:, 0] - mean) ** 2, weights=rows[:, 1]) + least**2)
    return Usual(*(round(float(each), 4) for each in (low, high, mean, spread)))


@dataclass(frozen=True)
class Unseen:
    """What a forest says of a take that it was not fitted to."""

    shares: tuple[float, ...]
    style: Style
    weight: float


def unseen(model: StyleModel, examples: Iterable[Example], weight: float) -> list[Unseen]:
    """Of each example."""
    return [Unseen(tuple(model.shares(e.features)), e.style, weight) for e in examples]


def calibrate(model: StyleModel, held_out: Sequence[Unseen]) -> StyleModel:
    """With the floor and power that surprise least, and the least chance from which on four in
    five are right."""
    shares = np.array([each.shares for each in held_out])
    truth = np.array([STYLES.index(each.style) for each in held_out])
    weights = np.array([each.weight for each in held_out])
    base = np.array(model.base)

    def chances(floor: float, power: float) -> Values:
        sharp = (shares + floor * base) ** power
        settled: Values = sharp / sharp.sum(axis=1, keepdims=True)
        return settled

    def surprise(choice: tuple[float, float]) -> float:
        own = chances(*choice)[np.arange(len(truth)), truth]
        return -float(np.average(np.log(own), weights=weights))

    floor, power = min(product((0.02, 0.05, 0.1, 0.2, 0.4), np.arange(0.8, 2.6, 0.1)), key=surprise)
    settled = chances(floor, power)
    best, right = settled.max(axis=1), settled.argmax(axis=1) == truth
    sure_from = next(
        (
            float(least)
            for least in np.arange(0.2, 0.95, 0.02)
            if (sure := best >= least).any()
            and np.average(right[sure], weights=weights[sure]) >= 0.8
        ),
        0.95,
    )
    return replace(model, floor=floor, power=round(float(power), 2), sure_from=round(sure_from, 2))
