import re

import pytest
from lxml import etree

from libs.common.drums import Articulation, DrumPiece
from services.notation.domain.document import ScoreDocument
from services.notation.domain.engrave import write_bar
from services.notation.domain.kit import kit_called
from services.notation.domain.pictures import (
    PRINT,
    Look,
    to_pdf,
    to_png,
    to_svg,
    to_svg_pages,
)
from services.notation.domain.score import ScoreError
from tests.unit.notation.charts import FOUR, Pen, chart, document_of, rock_bar

SVG = "{http://www.w3.org/2000/svg}"


def drawn(document: ScoreDocument, **look: object) -> etree._Element:
    return etree.fromstring(to_svg(document, look=Look(**look)).encode())  # type: ignore[arg-type]


def of_class(root: etree._Element, name: str) -> list[etree._Element]:
    return [group for group in root.iter(f"{SVG}g") if group.get("class") == name]


def words(element: etree._Element) -> str:
    return " ".join("".join(element.itertext()).split())


def test_the_picture_keeps_every_notes_and_every_bars_id():
    document = chart()
    ids = {element.get("id") for element in drawn(document).iter()}
    assert {event.id for event in document.performance.events} <= ids
    assert {f"P1-bar-{bar.number}" for bar in document.score.bars} <= ids


def test_behind_a_repeat_sign_no_notes_are_drawn():
    document = chart()
    root = drawn(document, repeats="signs")
    ids = {element.get("id") for element in root.iter()}
    second = {note.id for bar, _, note in document.score.notes() if bar.number == 2}
    first = {note.id for bar, _, note in document.score.notes() if bar.number == 1}
    assert not second & ids
    assert first <= ids
    # Four bars under signs of their own, and two under one together.
    assert len(of_class(root, "mRpt")) == 5
    (pair,) = (group for group in of_class(root, "measure") if group.get("id") == "P1-bar-5")
    assert words(pair.findall(f"{SVG}g")[-1]) == "2"


def test_the_tempos_note_is_drawn_and_needs_no_font():
    tempos = of_class(drawn(chart()), "tempo")
    assert tempos[0].find(f"{SVG}path").get("d").startswith("M")
    assert words(tempos[0]) == "= 104"
    assert not any(span.get("font-family") and span.text
                   for tempo in tempos for span in tempo.iter(f"{SVG}tspan"))  # fmt: skip


def test_words_before_a_tempos_note_stay_before_it():
    (tempo,) = (one for one in of_class(drawn(chart()), "tempo") if "a tempo" in words(one))
    texts = [span for span in tempo.iter(f"{SVG}tspan") if (span.text or "").strip()]
    left = float(tempo.find(f"{SVG}text").get("x"))
    glyphs = [
        float(re.findall(r"[\d.]+", path.get("transform"))[0]) for path in tempo.iter(f"{SVG}path")
    ]
    assert [words(span) for span in texts] == ["a tempo", "=", "60"]
    assert left < glyphs[0] < glyphs[1] < float(texts[1].get("x"))


def test_parts_loudness_feel_and_stickings_are_on_the_page():
    root = drawn(chart())
    assert [words(one) for one in of_class(root, "reh")] == ["Verse", "Swing part", "Jig & end"]
    assert len(of_class(root, "dynam")) == 4
    assert len(of_class(root, "hairpin")) >= 2
    assert [words(one) for one in of_class(root, "verse")][:4] == ["R", "L", "R", "R"]
    assert {"Swing 8ths", "Straight"} <= {words(one) for one in of_class(root, "dir")}


def test_no_mark_of_a_part_begins_left_of_the_page():
    boxes = [float(one.find(f"{SVG}rect").get("x")) for one in of_class(drawn(chart()), "reh")]
    assert min(boxes) >= 0


def test_stickings_stand_between_the_notes_and_the_dynamics():
    root = drawn(chart())
    system = next(one for one in of_class(root, "system") if of_class(one, "verse"))
    letters = [
        float(text.get("y")) + _shift(verse)
        for verse in of_class(system, "verse")
        for text in verse.iter(f"{SVG}text")
    ]
    loud = [
        float(re.findall(r"[\d.]+", use.get("transform"))[1]) + _shift(group)
        for group in of_class(system, "dynam")
        for use in group.iter(f"{SVG}use")
    ]
    assert max(letters) < min(loud)


def _shift(group: etree._Element) -> float:
    found = re.search(r"translate\(0, (-?[\d.]+)\)", group.get("transform", ""))
    return float(found[1]) if found else 0.0


def test_the_legend_shows_each_piece_that_occurs_on_the_first_page_alone():
    document = chart()
    legend = " ".join(words(one) for one in of_class(drawn(document), "legend"))
    assert "Snare" in legend
    assert "Half-open Hi-Hat" in legend.replace("openHi", "open Hi")
    assert "Tambourine" not in legend
    assert not of_class(drawn(document, legend=False), "legend")
    pen = Pen()
    long = document_of([rock_bar(pen, number) for number in range(1, 61)])
    pages = [etree.fromstring(page.encode()) for page in to_svg_pages(long)]
    assert [len(of_class(page, "legend")) for page in pages] == [1, *[0] * (len(pages) - 1)]


@pytest.mark.parametrize("length", [3, 60, 200])
def test_a_title_fits_on_the_page(length: int):
    title = ("word " * length)[:length].strip()
    (head,) = of_class(drawn(chart(title=title), legend=False), "pgHead")
    lines = head.findall(f"{SVG}text")
    assert " ".join(line.text or "" for line in lines) == title
    for line in lines:
        size = float(line.get("font-size").removesuffix("px"))
        assert 0.5 * size * len(line.text) < 19400
    assert len(lines) == (1 if length < 50 else 2)


def test_the_legend_leaves_the_first_staff_free():
    for document in (chart(), chart(title=""), chart(title="long " * 40)):
        root = drawn(document)
        lowest = max(
            float(text.get("y"))
            for one in of_class(root, "legend")
            for text in one.iter(f"{SVG}text")
        )
        marks = [float(one.find(f"{SVG}rect").get("y")) for one in of_class(root, "reh")]
        assert lowest < min(marks)


def test_a_score_without_notes_or_title_has_no_head():
    pen = Pen()
    bare = document_of([rock_bar(pen, 1)])
    assert not of_class(drawn(bare, legend=False), "pgHead")


def test_heads_that_verovio_has_not_are_drawn():
    document = chart()
    cowbell = next(n.id for _, _, n in document.score.notes() if n.piece == "cowbell")
    root = drawn(document)
    (note,) = (one for one in root.iter() if one.get("id") == cowbell)
    (head,) = of_class(note, "notehead")
    assert head.find(f"{SVG}use") is None
    assert head.find(f"{SVG}path").get("d").startswith("M0 -125L150 140")


def test_a_roll_on_the_upper_note_of_a_chord_is_drawn():
    pen = Pen()
    chord = [pen.note(0, DrumPiece.TOM_FLOOR), pen.note(0, DrumPiece.SNARE, Articulation.BUZZ)]
    root = drawn(document_of([write_bar(1, FOUR, chord)]))
    assert len(of_class(root, "bTrem")) + len(of_class(root, "stemMod")) >= 1


def test_one_line_has_one_line():
    root = drawn(chart(), kit=kit_called("one-line"))
    staff = of_class(root, "staff")[0]
    assert len(staff.findall(f"{SVG}path")) == 1


def test_equal_scores_give_equal_pictures():
    assert to_svg(chart()) == to_svg(chart())


def test_a_png_is_as_wide_as_asked_for():
    data = to_png(chart(), width_px=900)
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert int.from_bytes(data[16:20], "big") == 900


def test_a_long_score_has_pages_in_svg_and_pdf():
    pen = Pen()
    document = document_of([rock_bar(pen, number) for number in range(1, 61)])
    pages = to_svg_pages(document)
    assert len(pages) >= 2
    pdf = to_pdf(document)
    assert pdf.startswith(b"%PDF-")
    assert pdf.rstrip().endswith(b"%%EOF")
    with pytest.raises(ScoreError, match=f"1 to {len(pages)}"):
        to_svg(document, len(pages) + 1)


def test_paper_has_a_margin_to_hold_it_by():
    root = etree.fromstring(to_svg(chart(), paper=PRINT).encode())
    inner = next(svg for svg in root.iter(f"{SVG}svg") if svg.get("class") == "definition-scale")
    assert inner.get("viewBox") == "0 0 21000 29700"
    margin = inner.find(f"{SVG}g").get("transform")
    assert margin == "translate(1500, 1500)"


@pytest.mark.parametrize("width_px", [199, 6001])
def test_a_picture_too_small_or_too_large_is_refused(width_px: int):
    with pytest.raises(ScoreError, match="200 to 6000"):
        to_png(chart(), width_px=width_px)
