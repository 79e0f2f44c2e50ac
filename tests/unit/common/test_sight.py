"""The file between vision and notation."""

from __future__ import annotations

import json

import pytest

from libs.common.drums import DrumPiece, Hand
from libs.common.sight import Region, SecondOpinion, Shot, Sight, Stroke, Sync

SIGHT = Sight(
    usable=True,
    reason=None,
    words="Hands are told for 1 of 2 strokes.",
    width=1280,
    height=720,
    fps=29.97,
    duration_s=8.5,
    frames=255,
    model_version="motion-1+blazepose-full-1+hands-1",
    hits_key="hits/a.json",
    sync=Sync(0.08, 14.2, "flow"),
    mirrored=False,
    handed="right",
    layout="right",
    shots=(
        Shot(0, 0.0, 4.0, True, (), "The hands are seen well here.", Sync(0.08, 14.2, "flow")),
        Shot(1, 4.0, 8.5, False, ("nobody-seen",), "No player is seen."),
    ),
    strokes=(
        Stroke("ev-000001", 0.5, DrumPiece.SNARE, Hand.LEFT, 0.99, 0, 0.4, 0.6),
        Stroke("ev-000002", 5.0, DrumPiece.RIDE, None, 0.0, 1),
    ),
    regions=(
        Region("struck", 0, DrumPiece.SNARE, 0.4, 0.6, 0.02, 0.03, strokes=5, confidence=0.5),
        Region("head", 0, None, 0.4, 0.6, 0.1, 0.05, 12.0),
    ),
    opinions=(SecondOpinion("ev-000002", DrumPiece.RIDE, DrumPiece.CRASH, 0.91),),
    missing=(),
    decode_errors=2,
)


def test_it_reads_what_it_wrote() -> None:
    assert Sight.from_json(SIGHT.to_json()) == SIGHT


def test_how_many_hands_are_told() -> None:
    assert SIGHT.marked == 1


def test_another_format_is_refused() -> None:
    document = json.loads(SIGHT.to_json())
    document["format"] = "backbeat-sight/9"
    with pytest.raises(ValueError, match="backbeat-sight/1"):
        Sight.from_json(json.dumps(document).encode())


def test_numbers_that_are_none_are_not_written() -> None:
    from dataclasses import replace

    with pytest.raises(ValueError, match="not JSON compliant"):
        replace(SIGHT, fps=float("nan")).to_json()
