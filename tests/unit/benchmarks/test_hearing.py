"""What the benchmark says of predictions whose quality is known."""

from __future__ import annotations

import json
import subprocess
import sys

import mido
import numpy as np
import pytest

from benchmarks.hearing.scores import Total
from benchmarks.hearing.truth import (
    FIVE,
    GM,
    GROOVE,
    VOICES,
    read_folder,
    read_midi,
    read_predictions,
)
from libs.common.drums import DrumPiece as P
from tests.unit.training.practice import make_real


@pytest.fixture
def real(tmp_path):
    return make_real(tmp_path / "real")


def said(tmp_path, hits, beats=()):
    path = tmp_path / "said.json"
    path.write_text(json.dumps({"Made": {"hits": hits, "beats": list(beats)}}))
    return read_predictions(path)["Made"]


TRUTH = [
    [0.5 + 0.5 * n, note, 100, piece, 0.9]
    for n in range(12)
    for note, piece in ((42, "hat-closed"), (38, "snare") if n % 2 else (36, "kick"))
]
BEATS = [[0.5 + 0.5 * n, n % 4 + 1] for n in range(12)]


def test_what_is_right_scores_one(real, tmp_path):
    (truth,) = read_folder(real, False, GM)
    total = Total("us", [(truth, said(tmp_path, TRUTH, BEATS))])
    pooled = total.pooled
    for tally in (pooled.of(FIVE), pooled.tight, pooled.moved, pooled.all_voices):
        assert (tally.right, tally.said, tally.wanted) == (24, 24, 24)
    assert str(pooled.of(FIVE)) == "1.000"
    assert pooled.beats == pytest.approx(1.0)
    assert pooled.downbeats == pytest.approx(1.0)
    assert total.calibration == [(pytest.approx(0.9), 1.0, 24)]


def test_what_is_missed_wrong_or_late_is_counted(real, tmp_path):
    (truth,) = read_folder(real, False, GM)
    wrong = [[0.1, 49, 90, "crash", 0.4], *TRUTH[2:]]
    late = [[at + 0.03, *rest] for at, *rest in wrong]
    pooled = Total("us", [(truth, said(tmp_path, late))]).pooled
    five = pooled.of(FIVE)
    assert (five.right, five.said, five.wanted) == (22, 23, 24)
    assert pooled.tight.right == 0
    assert pooled.moved.right == 22
    assert pooled.beats == 0.0


def test_an_open_hat_for_a_closed_one_is_the_right_class_and_the_wrong_voice(real, tmp_path):
    (truth,) = read_folder(real, False, GM)
    opened = [[row[0], 46, *row[2:3], "hat-open", 0.5] if row[1] == 42 else row for row in TRUTH]
    pooled = Total("us", [(truth, said(tmp_path, opened))]).pooled
    assert pooled.of(FIVE).right == 24
    assert pooled.all_voices.right == 12


def test_notes_alone_tell_the_piece_of_another_system(real, tmp_path):
    (truth,) = read_folder(real, False, GM)
    pooled = Total("them", [(truth, said(tmp_path, [row[:3] for row in TRUTH]))]).pooled
    assert pooled.all_voices.right == 24


def test_ghosts_told_softer_than_full_strokes_have_an_area_of_one(real, tmp_path):
    fine = (real / "Made_subclass.txt").read_text().replace("1.00\tSD\n", "1.00\tSDG\n")
    (real / "Made_subclass.txt").write_text(fine)
    (truth,) = read_folder(real, False, GM)
    soft = [[*row[:2], 30 if row[0] == 1.0 else 90, *row[3:]] for row in TRUTH]
    assert Total("us", [(truth, said(tmp_path, soft))]).ghost_auc == 1.0
    assert Total("us", [(truth, said(tmp_path, TRUTH))]).ghost_auc == 0.5


def test_a_midi_part_is_read_with_its_tempo_and_bars(tmp_path):
    file = mido.MidiFile(ticks_per_beat=480)
    track = mido.MidiTrack()
    file.tracks.append(track)
    track.append(mido.MetaMessage("set_tempo", tempo=600_000, time=0))
    track.append(mido.MetaMessage("time_signature", numerator=3, denominator=4, time=0))
    for note in (36, 22, 38, 36):
        track.append(mido.Message("note_on", channel=9, note=note, velocity=90, time=0))
        track.append(mido.Message("note_off", channel=9, note=note, velocity=0, time=480))
    file.save(tmp_path / "part.mid")
    take = read_midi(tmp_path / "part.mid", GROOVE)
    np.testing.assert_allclose(take.classes["kick"], [0.0, 1.8])
    np.testing.assert_allclose(take.classes["hat"], [0.6])
    assert take.beats is not None and take.downbeats is not None
    np.testing.assert_allclose(take.beats[:4], [0, 0.6, 1.2, 1.8])
    np.testing.assert_allclose(take.downbeats[:2], [0, 1.8])
    assert len(read_midi(tmp_path / "part.mid", GM).classes["hat"]) == 0


def test_the_fourteen_voices_are_those_of_the_field():
    assert len(VOICES) == 14
    assert P.TAMBOURINE not in VOICES


def test_the_command_prints_ours_beside_another_system(real, tmp_path):
    path = tmp_path / "them.json"
    path.write_text(json.dumps({"Made": {"hits": TRUTH, "beats": BEATS}}))
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.hearing", str(real), "--predictions", f"them={path}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "| backbeat |" in done.stdout
    assert "| them | 1.000 |" in done.stdout
    assert "Peak memory" in done.stdout


def test_a_take_that_a_system_leaves_out_is_an_error(real, tmp_path):
    path = tmp_path / "them.json"
    path.write_text("{}")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.hearing", str(real), "--only-predictions",
         "--predictions", f"them={path}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "Made" in done.stderr
