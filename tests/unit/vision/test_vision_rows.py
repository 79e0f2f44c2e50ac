"""A sight in rows."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from libs.common.drums import DrumPiece, Hand
from libs.common.sight import Stroke, Sync
from services.vision.watch import columns, picture_s
from tests import sights


def test_a_stroke_is_seen_by_its_shots_offset_and_else_by_the_videos() -> None:
    seen = sights.sight(sights.performance())
    near = replace(seen.shots[0], sync=Sync(0.05, 8.0, "flow"))
    shots = {0: near, 1: seen.shots[1]}
    of_shot = Stroke("ev-000001", 1.0, DrumPiece.SNARE, Hand.LEFT, 0.9, shot=0)
    assert picture_s(seen, shots, of_shot) == pytest.approx(0.95)
    assert picture_s(seen, shots, replace(of_shot, shot=1)) == pytest.approx(0.92)
    assert picture_s(seen, shots, replace(of_shot, shot=None)) == pytest.approx(0.92)
    assert picture_s(replace(seen, sync=None), shots, replace(of_shot, shot=None)) is None


def test_the_columns_of_a_sight_are_json_and_count_its_hands() -> None:
    found = columns(sights.sight(sights.performance()))
    assert json.loads(json.dumps(found["shots"]))[1]["reasons"] == ["too-far"]
    assert json.loads(json.dumps(found["shots"]))[1]["reasons"] == ["too-far"]
    assert (found["stroke_count"], found["marked_count"]) == (9, 6)
    assert (found["offset_seconds"], found["offset_source"]) == (0.08, "wrists")
    unusable = columns(sights.sight(sights.performance(), usable=False))
    assert (unusable["offset_seconds"], unusable["marked_count"]) == (None, 0)
    assert unusable["missing"] == ["pose-weights"]
