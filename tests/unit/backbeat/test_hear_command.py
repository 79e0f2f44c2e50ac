"""`backbeat hear`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from backbeat import cli
from backbeat.hear import names_of
from libs.common.drums import GM_NOTE, DrumPiece
from tests.synth import SAMPLE_RATE, groove, write
from tests.videos import make_video


def hear(*arguments: object):
    return CliRunner().invoke(cli.app, ["hear", *map(str, arguments)])


def test_sounds_and_videos_are_heard_without_a_system(tmp_path: Path) -> None:
    samples, _ = groove(bars=6)
    write(tmp_path / "sound.wav", samples)
    make_video(tmp_path / "video.mp4", samples)
    ended = hear(tmp_path / "sound.wav", tmp_path / "video.mp4", "-o", tmp_path / "a/hits.json")
    assert ended.exit_code == 0, ended.output
    heard = json.loads((tmp_path / "a/hits.json").read_text())
    assert set(heard) == {"sound", "video"}
    for found in heard.values():
        _, note, velocity, piece, confidence = found["hits"][0]
        assert note == GM_NOTE[DrumPiece(piece)]
        assert 1 <= velocity <= 127
        assert 0 <= confidence <= 1
        onsets_s = [row[0] for row in found["hits"]]
        assert onsets_s == sorted(onsets_s)
        assert [position for _, position in found["beats"][:5]] == [1, 2, 3, 4, 1]
        np.testing.assert_allclose(np.diff([at for at, _ in found["beats"]]), 0.6, atol=0.03)
    kicks = [[row[0] for row in found["hits"] if row[3] == "kick"] for found in heard.values()]
    np.testing.assert_allclose(kicks[0][:8], kicks[1][:8], atol=0.012)


def test_a_file_that_cannot_be_read_is_told_and_the_others_are_heard(tmp_path: Path) -> None:
    write(tmp_path / "sound.wav", groove()[0])
    (tmp_path / "text.wav").write_text("no sound")
    ended = hear(tmp_path / "text.wav", tmp_path / "no.wav", tmp_path / "sound.wav")
    assert ended.exit_code == 1
    assert "text.wav" in ended.stderr
    assert "no.wav" in ended.stderr
    assert list(json.loads(ended.stdout)) == ["sound"]


def test_silence_is_an_answer_without_hits(tmp_path: Path) -> None:
    write(tmp_path / "silence.wav", np.zeros(SAMPLE_RATE))
    ended = hear(tmp_path / "silence.wav")
    assert ended.exit_code == 0, ended.output
    assert json.loads(ended.stdout) == {"silence": {"hits": [], "beats": []}}


def test_files_of_one_name_are_told_apart() -> None:
    paths = [Path("a/take.wav"), Path("b/take.wav"), Path("b/other.mp4")]
    assert names_of(paths) == ["a/take.wav", "b/take.wav", "other"]


def test_help_says_what_it_does() -> None:
    assert "without a running" in " ".join(hear("--help").output.split())
