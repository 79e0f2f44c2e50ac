"""The training of styles: what is fitted is what is read back, and the same every time."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.tree import DecisionTreeClassifier

from libs.common.part import Part
from services.ai.domain.styles import StyleModel
from services.ai.domain.styles.families import Style
from services.ai.domain.styles.features import measure
from services.ai.domain.styles.forest import FORMAT, Forest, read_document
from training.style.fit import (
    Plan,
    Unseen,
    calibrate,
    examples_of,
    fifteenths,
    fit,
    made_example,
    pack,
)
from training.style.made import PATTERNS, make_parts, plain
from training.style.score import Answer, calibration_error, surprise, within

SMALL = Plan(trees=8, leaves=40, made=3, nets=1, width=8, rounds=4)


@pytest.fixture(scope="module")
def made():
    return [made_example(one.name, one.style, one.part, SMALL) for one in make_parts(3, 1)]


@pytest.fixture(scope="module")
def fitted(made):
    return fit(made, SMALL)


def test_the_same_seed_fits_the_same_weights(made, fitted):
    assert fit(made, SMALL).to_json(FORMAT) == fitted.to_json(FORMAT)
    assert fit(made, replace(SMALL, seed=2)).to_json(FORMAT) != fitted.to_json(FORMAT)


def test_what_is_written_answers_as_what_was_fitted(made, fitted):
    read = StyleModel.from_dict(read_document(fitted.to_json(FORMAT)))
    for example in made[::17]:
        assert read.chances(example.features, 40) == fitted.chances(example.features, 40)


def test_made_grooves_are_learnt_by_heart(made, fitted):
    right = 0
    for example in made:
        chances = fitted.chances(example.features, 40)
        right += fitted.styles[int(np.argmax(chances))] is example.style
    assert right > 0.85 * len(made)


def test_a_packed_tree_answers_as_the_tree():
    rng = np.random.default_rng(3)
    levels = rng.integers(0, 256, (300, 5)).astype(np.float32)
    styles = (levels[:, 0] > 90).astype(int) + 2 * (levels[:, 3] > 200)
    tree = DecisionTreeClassifier(random_state=1).fit(levels, styles)
    table: dict[tuple[tuple[int, int], ...], int] = {}
    packed = pack(tree, [int(each) for each in tree.classes_], table)
    rows = tuple(tuple((style, share / 15) for style, share in row) for row in table)
    forest = Forest((), (packed,), rows, 4)
    asked = rng.integers(0, 256, (200, 5))
    said = [int(np.argmax(forest.shares([int(each) for each in row]))) for row in asked]
    assert said == list(tree.predict(asked.astype(np.float32)))


def test_a_leaf_divides_into_fifteen():
    assert fifteenths([1, 1, 1], [4, 7, 9]) == ((4, 5), (7, 5), (9, 5))
    assert fifteenths([0.5, 0.5], [0, 1]) == ((0, 8), (1, 7))
    assert fifteenths([0, 3], [2, 5]) == ((5, 15),)


def test_every_style_has_a_made_groove_and_variations_are_the_seed_s():
    assert {Style(pattern.style) for pattern in PATTERNS} == set(Style)
    once, again, other = (list(make_parts(2, seed)) for seed in (1, 1, 2))
    assert once == again
    assert once != other
    assert len(once) == 2 * len(PATTERNS)


def test_a_printed_groove_has_its_strokes_where_the_rows_have_them():
    part = plain(PATTERNS[0])
    assert Counter(stroke.piece.value for stroke in part.bars[0].strokes) == {
        "hat-closed": 8,
        "snare": 2,
        "kick": 2,
    }
    assert [float(s.at) for s in part.bars[0].strokes if s.piece.value == "snare"] == [0.25, 0.75]
    assert all(measure(plain(pattern))["rate"] is not None for pattern in PATTERNS)


def test_stretches_of_a_take_weigh_half_of_it_together():
    part = plain(PATTERNS[0], bars=40)
    whole, *stretches = examples_of("t", "rock", part, Plan(), np.random.default_rng(1))
    assert whole.weight == 1
    assert len(stretches) == 4
    assert sum(each.weight for each in stretches) == pytest.approx(0.5)
    short = list(
        examples_of("t", "rock", Part("t", part.bars[:8]), Plan(), np.random.default_rng(1))
    )
    assert len(short) == 1


def test_calibration_believes_a_forest_as_much_as_it_is_right(fitted):
    def answered(right: int) -> list[Unseen]:
        shares = tuple(0.6 if index == 0 else 0.4 / 17 for index in range(18))
        styles = tuple(Style)
        return [Unseen(shares, styles[0 if n < right else 1 + n % 17], 1.0) for n in range(100)]

    sure, doubtful = calibrate(fitted, answered(97)), calibrate(fitted, answered(30))
    assert sure.power > doubtful.power
    assert sure.sure_from < 0.95 == doubtful.sure_from


def test_scores_are_shares_of_the_answers():
    answers = [
        Answer("rock", "beat", {"rock": 0.8, "funk": 0.1, "jazz": 0.1}),
        Answer("funk", "fill", {"rock": 0.8, "funk": 0.15, "jazz": 0.05}),
    ]
    assert within(answers, 1) == 0.5
    assert within(answers, 2) == 1
    assert surprise(answers) == pytest.approx((-np.log(0.8) - np.log(0.15)) / 2)
    assert calibration_error(answers) == pytest.approx(0.3)
