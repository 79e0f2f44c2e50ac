"""The performance file: what is written is what is read, and old files are read still."""

from __future__ import annotations

import json

import pytest

from libs.common.drums import Beat, DrumPiece, Hit
from libs.common.performance import Performance

WALTZ = Performance(
    duration_s=4.5,
    hits=(Hit(0.5, DrumPiece.KICK, 110, 0.75, "ev-000001"), Hit(1.25, DrumPiece.HAT_CLOSED)),
    beats=(Beat(0.5, 1), Beat(1.25, 2), Beat(2.0, 3)),
    tempo_bpm=80.0,
    tempo_confidence=0.5,
    model_version="ear-1",
    meter="9/8",
    beat_unit="dotted-quarter",
    swing_ratio=1.5,
    tempo_map=((0.5, 80.0), (2.0, 96.5)),
)


def test_what_is_written_is_what_is_read():
    assert Performance.from_json(WALTZ.to_json()) == WALTZ
    unknown = Performance(duration_s=1.0, hits=())
    assert Performance.from_json(unknown.to_json()) == unknown


def test_a_file_from_before_meter_swing_and_tempo_map_is_read_still():
    old = (
        b'{"format":1,"model_version":"dsp-1","duration_s":2.0,"tempo_bpm":120.0,'
        b'"tempo_confidence":0.8,"hits":[{"onset_s":0.5,"piece":"snare","velocity":90,'
        b'"confidence":1.0,"id":"ev-000001"}],"beats":[{"time_s":0.5,"position":1}]}'
    )
    read = Performance.from_json(old)
    assert (read.meter, read.beat_unit, read.swing_ratio, read.tempo_map) == (
        None, "quarter", None, ()
    )  # fmt: skip
    assert (read.tempo_bpm, read.beats) == (120.0, (Beat(0.5, 1),))


def test_the_times_of_the_tempo_map_are_rounded_like_all_others():
    told = Performance(duration_s=1.0, hits=(), tempo_map=((0.123456, 120.25),))
    assert json.loads(told.to_json())["tempo_map"] == [[0.1235, 120.25]]


def test_another_format_and_an_onset_that_is_no_number_are_refused():
    for changed in ({"format": 2}, {"hits": [{"onset_s": float("nan"), "piece": "kick"}]}):
        with pytest.raises(ValueError, match=r"format 2|finite"):
            Performance.from_json(json.dumps(json.loads(WALTZ.to_json()) | changed).encode())
