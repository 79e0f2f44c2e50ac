import json
from typing import Any

import pytest

from libs.common.drums import DrumPiece
from services.notation.domain.document import ScoreDocument
from services.notation.domain.engrave import write_bar
from services.notation.domain.exports import FORMATS, export
from services.notation.domain.kit import kit_called
from services.notation.domain.quantise import quantise
from services.notation.domain.score import PerformanceLayer, Score, ScoreError, Timeline
from services.notation.domain.stats import summary
from tests.unit.notation.charts import FOUR, Pen, chart, document_of, rock_bar
from tests.unit.notation.performances import played, rock

ENDINGS = {
    "musicxml": "musicxml", "mxl": "mxl", "midi": "mid", "json": "json", "svg": "svg",
    "png": "png", "pdf": "pdf", "csv": "csv", "lilypond": "ly", "abc": "abc", "tab": "txt",
    "chart": "chart", "timemap": "timemap.json", "reaper": "reaper.txt", "cubase": "drm",
}  # fmt: skip


def short() -> ScoreDocument:
    return document_of([rock_bar(Pen(), 1)], title="Straße & Söhne")


def test_these_are_the_formats_and_each_says_what_it_is():
    assert {name: kind.ending for name, kind in FORMATS.items()} == ENDINGS
    for kind in FORMATS.values():
        assert kind.description
        assert all(option.description for option in kind.options.values())


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_has_data_and_a_plain_file_name(name: str):
    made = export(short(), name)
    assert made.data
    assert made.file_name == f"strae-sohne.{ENDINGS[name]}"
    assert export(short(), name).data == made.data or name == "pdf"


@pytest.mark.parametrize("name", FORMATS)
def test_an_options_default_is_what_no_option_means(name: str):
    defaults = {option: kind.default for option, kind in FORMATS[name].options.items()}
    given = export(chart(), name, **defaults).data
    assert given == export(chart(), name).data or name == "pdf"


@pytest.mark.parametrize("name", FORMATS)
def test_another_kit_changes_those_formats_that_say_so(name: str):
    if name == "pdf":  # its bytes differ anyhow
        return
    own = export(chart(), name).data
    other = export(chart(), name, kit_called("one-line" if name != "midi" else "alesis")).data
    if name in ("tab", "reaper", "cubase"):
        mirrored = "left-handed" if name == "tab" else "yamaha-dtx"
        other = export(chart(), name, kit_called(mirrored)).data
    assert (own != other) is FORMATS[name].uses_kit


def test_the_kit_that_the_score_names_is_taken_where_none_is_given():
    named = chart(kit="musescore")
    assert (
        export(named, "musicxml").data == export(chart(), "musicxml", kit_called("musescore")).data
    )


def test_an_unknown_format_is_answered_with_those_there_are():
    with pytest.raises(
        ScoreError, match="musicxml, mxl, midi, json, svg, png, pdf, csv"
    ) as refused:
        export(short(), "docx")
    assert refused.value.field == "format"


def test_an_option_of_another_format_is_refused():
    with pytest.raises(ScoreError, match="is no option of json"):
        export(short(), "json", page=2)


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("midi", "mode", "swung"), ("midi", "click", "yes"), ("midi", "click", 1),
        ("svg", "page", 0), ("svg", "page", True), ("svg", "page", "2"), ("svg", "legend", None),
        ("png", "width_px", 199), ("png", "width_px", 1e3), ("musicxml", "repeats", "percent"),
        ("musicxml", "schema", "4"), ("tab", "width", 10_000), ("lilypond", "repeats", ""),
    ],
)  # fmt: skip
def test_a_value_that_an_option_does_not_take_is_refused_by_its_name(
    name: str, option: str, value: Any
):
    with pytest.raises(ScoreError) as refused:
        export(short(), name, **{option: value})
    assert refused.value.field == option


def test_the_json_reads_back_to_the_same_document():
    document = chart()
    assert ScoreDocument.from_json(export(document, "json").data) == document
    assert json.loads(export(document, "json").data)["format"] == "backbeat-score/2"


def test_the_summary_counts_what_is_written():
    told = summary(quantise(played(rock(4))))
    assert (told.tempo_bpm, told.meter, told.bars, told.notes) == (120.0, "4/4", 4, 52)
    assert told.by_piece == {
        DrumPiece.HAT_CLOSED: 28,
        DrumPiece.SNARE: 12,
        DrumPiece.KICK: 8,
        DrumPiece.HAT_OPEN: 4,
    }
    assert (told.notes_per_bar, told.duration_s) == (13.0, 7.75)


@pytest.mark.parametrize("name", FORMATS)
def test_a_score_in_which_nothing_is_played_has_every_format_too(name: str):
    silent = document_of([write_bar(1, FOUR, [])])
    assert export(silent, name).data
    nothing = ScoreDocument(PerformanceLayer(0.0), Timeline(), Score("", "backbeat-standard", ()))
    assert export(nothing, name).data
