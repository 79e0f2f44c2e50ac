"""A score as a part, and back."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from libs.common.drums import Articulation, DrumPiece, Hand
from libs.common.meter import Meter
from libs.common.part import (
    Part,
    PartBar,
    PartSection,
    PartSwing,
    PartTempo,
    Stroke,
    ordered,
)
from services.notation.domain.document import ScoreDocument
from services.notation.domain.kit import kit_called
from services.notation.domain.musicxml import to_musicxml
from services.notation.domain.parts import document_of, part_of
from services.notation.domain.pictures import to_svg
from services.notation.domain.read_musicxml import read_musicxml
from services.notation.domain.score import ScoreError
from services.notation.domain.tab import to_tab
from tests.unit.notation.made_scores import score_of

REMARK = "Every second hi-hat is left out. Hear how the backbeat carries the groove alone."


def groove(number: int, length: Fraction = Fraction(0)) -> PartBar:
    strokes = [Stroke(Fraction(i, 8), DrumPiece.HAT_CLOSED, 80) for i in range(8)]
    strokes += [
        Stroke(Fraction(0), DrumPiece.KICK),
        Stroke(Fraction(1, 4), DrumPiece.SNARE, 110, (Articulation.ACCENT,), hand=Hand.LEFT),
        Stroke(Fraction(7, 16), DrumPiece.SNARE, 28, (Articulation.GHOST,)),
        Stroke(Fraction(3, 4), DrumPiece.SNARE, 90, (Articulation.FLAM,), (40,)),
    ]
    return PartBar(
        number,
        Meter(4, 4),
        ordered([stroke for stroke in strokes if not length or stroke.at < length]),
        length,
    )


def written(part: Part) -> list[tuple[object, ...]]:
    return [
        (bar.number, s.at, s.piece, s.velocity, s.marks, s.graces, s.hand)
        for bar, s in part.strokes()
    ]


def test_a_part_that_is_written_down_reads_back_as_it_was_composed():
    part = Part(
        "Groove",
        (groove(0, Fraction(1, 4)), groove(1), groove(2)),
        tempos=(PartTempo(0, 96.0, 4), PartTempo(2, 120.0)),
        swing=(PartSwing(1, Fraction(1, 8), 2.0),),
        sections=(PartSection(1, "A"),),
        remark=REMARK,
    )
    document = document_of(part)
    assert ScoreDocument.from_json(document.to_json()) == document
    back = part_of(document)
    assert written(back) == written(part)
    assert (back.title, back.remark, back.swing, back.sections) == (
        "Groove",
        REMARK,
        part.swing,
        part.sections,
    )
    assert back.tempos == part.tempos
    assert [(bar.number, bar.length) for bar in back.bars] == [
        (0, Fraction(1, 4)),
        (1, Fraction(1)),
        (2, Fraction(1)),
    ]
    # A pickup beat and a bar at 96, then a bar at 120.
    assert [bar.end_s for bar in back.bars] == pytest.approx([0.625, 3.125, 5.125])


def test_a_composed_part_is_played_by_nobody():
    assert {s.played_s for _, s in part_of(document_of(Part("x", (groove(1),)))).strokes()} == {
        None
    }


def test_the_second_of_a_swung_pair_sounds_late_and_is_written_straight():
    part = Part(
        "x",
        (groove(1),),
        tempos=(PartTempo(1, 120.0),),
        swing=(PartSwing(1, Fraction(1, 8), 2.0),),
    )
    hats = [
        s.written_s
        for _, s in part_of(document_of(part)).strokes()
        if s.piece is DrumPiece.HAT_CLOSED
    ]
    # No pair is bent in which something finer is played: that of beat 2 has a ghost.
    assert hats[:3] == pytest.approx([0.0, 1 / 3, 0.5])
    assert hats[3] == pytest.approx(0.75)


def test_a_part_of_any_score_keeps_every_note():
    for seed in range(40):
        document = score_of(seed)
        part = part_of(document)
        notes = sorted(note.id for _, _, note in document.score.notes())
        assert sorted(stroke.id for _, stroke in part.strokes()) == notes
        assert Part.from_json(part.to_json()).to_json() == part.to_json()
        assert written(part_of(document_of(part))) == written(part)


def test_the_remark_stands_on_every_page_and_in_the_files_that_have_a_place_for_it():
    document = document_of(Part("Groove", (groove(1),), remark=REMARK))
    first = REMARK.partition(".")[0]
    assert first in to_svg(document)
    assert first in to_tab(document).decode()
    again = read_musicxml(to_musicxml(document), title="", kit=kit_called("backbeat-standard"))
    assert again.score.remark == REMARK


@pytest.mark.parametrize(
    ("broken", "field"),
    [
        (Part("x", ()), "bars"),
        (Part("x", (groove(2),)), "bars"),
        (Part("x", (groove(1),), tempos=(PartTempo(3, 90.0),)), "tempos"),
        (Part("x", (groove(1),), sections=(PartSection(9, "A"),)), "sections"),
        (
            Part(
                "x",
                (replace(groove(1), strokes=(Stroke(Fraction(1), DrumPiece.KICK),)),),
            ),
            "bars",
        ),
    ],
)
def test_a_part_that_breaks_a_rule_is_refused_by_the_field(broken: Part, field: str):
    with pytest.raises(ScoreError) as refused:
        document_of(broken)
    assert refused.value.field == field
