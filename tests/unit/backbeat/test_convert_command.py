"""`backbeat convert` on files as people have them."""

from __future__ import annotations

import json
from pathlib import Path

import mido
import pytest
from typer.testing import CliRunner

from backbeat.cli import app
from services.notation.domain.document import ScoreDocument
from services.notation.domain.midi import to_midi
from services.notation.domain.quantise import Options, quantise
from tests.unit.notation.performances import played, rock


@pytest.fixture
def midi(tmp_path: Path) -> Path:
    path = tmp_path / "groove.mid"
    path.write_bytes(to_midi(quantise(played(rock(2)), Options(title="My groove"))))
    return path


def run(*given: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["convert", *(str(each) for each in given)])
    return result.exit_code, result.output


@pytest.mark.parametrize("ending", ["musicxml", "xml", "mxl", "json", "pdf", "ly", "abc", "csv"])
def test_a_midi_file_becomes_what_the_ending_says(midi: Path, ending: str) -> None:
    target = midi.parent / "deep" / f"groove.{ending}"
    assert run(midi, target) == (0, "")
    assert target.stat().st_size > 200


def test_options_kit_and_title_are_taken(midi: Path) -> None:
    target = midi.with_name("other.mid")
    assert run(midi, target, "--kit", "yamaha-dtx", "--title", "New", "-O", "click=true")[0] == 0
    tracks = [track.name for track in mido.MidiFile(target).tracks]
    assert tracks[0] == "New"
    assert len(tracks) == 3


def test_hits_of_the_ear_become_a_tab(tmp_path: Path) -> None:
    source = tmp_path / "hits.json"
    hits = [[1 + i * 0.25, 42, 80, "hat-closed", 0.9] for i in range(16)]
    beats = [[1 + i * 0.5, i % 4 + 1] for i in range(9)]
    source.write_text(json.dumps({"take": {"hits": hits, "beats": beats}}))
    target = tmp_path / "hits.txt"
    assert run(source, target) == (0, "")
    assert "x" in target.read_text()


def test_what_was_written_comes_back_equal(midi: Path) -> None:
    one, other = midi.with_name("a.json"), midi.with_name("b.json")
    assert run(midi, one)[0] == run(one, other)[0] == 0
    assert ScoreDocument.from_json(one.read_bytes()) == ScoreDocument.from_json(other.read_bytes())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("groove.mid", "groove.docx"), "tells of no format"),
        (("groove.mid", "x.pdf", "--kit", "mine"), "no kit 'mine'"),
        (("groove.mid", "x.svg", "-O", "page=9"), "page"),
        (("groove.mid", "x.svg", "-O", "colour=red"), "colour"),
        (("nothing.mid", "x.svg"), "No such file"),
    ],
)
def test_what_cannot_be_done_is_said_and_writes_nothing(
    midi: Path, given: tuple[str, ...], said: str
) -> None:
    source, target, *more = given
    code, output = run(midi.parent / source, midi.parent / target, *more)
    assert code == 1
    assert said in " ".join(output.split())
    assert not (midi.parent / target).exists()
