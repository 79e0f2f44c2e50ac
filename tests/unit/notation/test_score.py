import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from libs.common.drums import DrumPiece
from services.notation.domain.document import SCHEMA_PATH, ScoreDocument
from services.notation.domain.kit import SCHEMA_PATH as KIT_SCHEMA_PATH
from services.notation.domain.quantise import Options, quantise
from services.notation.domain.score import ScoreError, Swing, read_meter, value_of
from tests.unit.notation.performances import Stroke, played, rock, shuffle

Spoil = Callable[[dict[str, Any]], object]


def groove() -> dict[str, Any]:
    """A pickup, ghosts, an open hat, a flam, triplets: one of everything."""
    strokes: list[Stroke] = [*rock(2), *((8 + place, piece, v) for place, piece, v in shuffle(1))]
    strokes += [(7 - 0.06, DrumPiece.SNARE, 100), (-0.5, DrumPiece.SNARE, 90)]
    return quantise(played(strokes), Options(title="Gruß")).to_dict()


def event(document: dict[str, Any], index: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = document["score"]["bars"][1]["voices"][0]["events"][index]
    return found


def test_reading_what_was_written_gives_the_same_document():
    document = ScoreDocument.from_dict(groove())
    assert ScoreDocument.from_json(document.to_json()) == document
    assert ScoreDocument.from_json(document.to_json()).to_json() == document.to_json()


def test_what_is_written_keeps_to_the_schema():
    schema = json.loads(SCHEMA_PATH.read_text())
    jsonschema_rs.validator_for(schema).validate(groove())


def test_starts_and_durations_are_exact_strings():
    first = event(groove())
    assert (first["start"], first["duration"]) == ("0", "1/8")
    assert [note["id"] for note in first["notes"]] == ["ev-000001"]


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        (lambda d: d.update(format="backbeat-score/3"), "format"),
        (lambda d: d.pop("timeline"), "$.timeline"),
        (lambda d: d.update(extra=1), "$.extra"),
        (
            lambda d: d["performance"]["events"][2].update(onset_s=float("nan")),
            "performance.events[2].onset_s",
        ),
        (
            lambda d: d["performance"]["events"][2].update(id="ev-000001"),
            "performance.events[2].id",
        ),
        (
            lambda d: d["performance"]["events"][0].update(onset_s=9.0),
            "performance.events[1].onset_s",
        ),
        (lambda d: d["score"]["bars"][1].update(meter="0/4"), "score.bars[1].meter"),
        (lambda d: d["score"]["bars"][1].update(number=7), "score.bars[1].number"),
        (lambda d: d["score"]["bars"][1].update(length="1/2"), "score.bars[1].voices[0].events[5]"),
        (lambda d: d["score"]["bars"][1].update(voices=[]), "score.bars[1].voices"),
        (lambda d: event(d).update(start="1/0"), "score.bars[1].voices[0].events[0].start"),
        (lambda d: event(d).update(start=0.5), "score.bars[1].voices[0].events[0].start"),
        (lambda d: event(d, 1).update(start="1/4"), "score.bars[1].voices[0].events[1].start"),
        (lambda d: event(d).update(duration="5/32"), "score.bars[1].voices[0].events[0].duration"),
        (lambda d: event(d).update(duration="2"), "score.bars[1].voices[0].events[0].duration"),
        (lambda d: event(d).update(notes=[]), "score.bars[1].voices[0].events[0].notes"),
        (lambda d: event(d).update(rest=True), "score.bars[1].voices[0].events[0]"),
        (
            lambda d: event(d)["notes"][0].update(piece="gong"),
            "score.bars[1].voices[0].events[0].notes[0].piece",
        ),
        (
            lambda d: event(d)["notes"][0].update(velocity=True),
            "score.bars[1].voices[0].events[0].notes[0].velocity",
        ),
        (
            lambda d: event(d)["notes"][0].update(articulations=["flam"]),
            "score.bars[1].voices[0].events[0].notes[0].graces",
        ),
        (
            lambda d: event(d)["notes"][0].update(id="1 <x>"),
            "score.bars[1].voices[0].events[0].notes[0].id",
        ),
        (lambda d: d["timeline"]["tempo_map"][0].update(bar=99), "timeline.tempo_map[0].bar"),
        (lambda d: d["score"].update(title="x" * 201), "score.title"),
        (lambda d: d["score"].update(sections=[{"bar": 9, "name": "A"}]), "score.sections[0].bar"),
        (lambda d: d["score"].update(sections=[{"bar": 1, "name": " "}]), "score.sections[0].name"),
        (
            lambda d: d["score"].update(dynamics=[{"bar": 1, "start": "1", "mark": "f"}]),
            "score.dynamics[0].start",
        ),
        (lambda d: d["score"].update(repeats=[{"bar": 3, "bars": 1}]), "score.repeats[0]"),
        (lambda d: d["score"].update(repeats=[{"bar": 0, "bars": 1}]), "score.repeats[0].bar"),
        (
            lambda d: d["score"].update(
                hairpins=[{"bar": 2, "start": "0", "end_bar": 1, "end": "1", "kind": "crescendo"}]
            ),
            "score.hairpins[0]",
        ),
        (
            lambda d: d["timeline"].update(swing=[{"bar": 1, "unit": "1/4", "ratio": 2}]),
            "timeline.swing[0].unit",
        ),
        (
            lambda d: event(d)["notes"][0].update(sticking="X"),
            "score.bars[1].voices[0].events[0].notes[0].sticking",
        ),
        (lambda d: d["score"].update(title="\ud800"), "score.title"),
        (lambda d: d.update(score=None), "score"),
    ],
)
def test_a_broken_field_is_named_by_its_path(spoil: Spoil, field: str):
    document = groove()
    spoil(document)
    with pytest.raises(ScoreError) as refused:
        ScoreDocument.from_dict(document)
    assert refused.value.field.startswith(field)


@pytest.mark.parametrize("data", [b"", b"[]", b"nope", b"\xff", b"[" * 100_000, b"null"])
def test_what_is_no_score_at_all_is_refused(data: bytes):
    with pytest.raises(ScoreError):
        ScoreDocument.from_json(data)


def test_a_tuplet_without_its_end_is_refused():
    document = groove()
    triplet = document["score"]["bars"][3]["voices"][0]["events"][1]
    assert triplet["tuplet"] == {"actual": 3, "normal": 2, "part": "stop"}
    triplet["tuplet"]["part"] = "middle"
    with pytest.raises(ScoreError, match="no end"):
        ScoreDocument.from_dict(document)


def test_one_id_on_two_notes_is_refused():
    document = groove()
    event(document, 1)["notes"][0]["id"] = event(document)["notes"][0]["id"]
    with pytest.raises(ScoreError, match="there twice"):
        ScoreDocument.from_dict(document)


def test_the_metronome_counts_dotted_quarters_in_six_eight():
    assert read_meter("6/8").beat_unit == Fraction(3, 8)
    assert read_meter("3/8").beat_unit == Fraction(1, 8)
    assert read_meter("4/4").beat_unit == Fraction(1, 4)


def test_a_length_has_at_most_two_dots():
    assert value_of(Fraction(3, 8)) == ("quarter", 1)
    assert value_of(Fraction(7, 16)) == ("quarter", 2)
    assert value_of(Fraction(5, 16)) is None


def test_format_1_is_read_as_format_2():
    old = groove()
    old["format"] = "backbeat-score/1"
    old["timeline"]["swing"] = {"unit": "1/8", "ratio": 1.9}
    del old["timeline"]["alternatives"]
    for name in ("sections", "dynamics", "hairpins", "repeats"):
        del old["score"][name]
    new = ScoreDocument.from_dict(old).to_dict()
    assert new["format"] == "backbeat-score/2"
    # Format 1 wrote what swings as triplets: a mark would bend it twice.
    assert new["timeline"]["swing"] == []
    assert new["score"]["bars"] == groove()["score"]["bars"]
    assert old["format"] == "backbeat-score/1"


def test_the_published_schemas_are_the_ones_that_are_used():
    docs = Path(__file__).parents[3] / "docs"
    assert (docs / "score.schema.json").read_bytes() == SCHEMA_PATH.read_bytes()
    assert (docs / "kit.schema.json").read_bytes() == KIT_SCHEMA_PATH.read_bytes()


def test_swing_moves_offbeats_and_nothing_else():
    swing = Swing(1, Fraction(1, 8), 2.0)
    places = [Fraction(0), Fraction(1, 8), Fraction(1, 12), Fraction(3, 16), Fraction(7, 8)]
    assert [swing.sounding(at) for at in places] == [
        0, Fraction(1, 6), Fraction(1, 12), Fraction(3, 16), Fraction(11, 12),
    ]  # fmt: skip
