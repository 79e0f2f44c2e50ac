"""Which hands are written under the notes, in every format, and read back."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from itertools import pairwise

import pytest
from lxml import etree

from libs.common.drums import FEET, Hand
from libs.common.drums import DrumPiece as P
from services.notation.domain import edits
from services.notation.domain.abc_notation import to_abc
from services.notation.domain.document import ScoreDocument
from services.notation.domain.engrave import write_bar
from services.notation.domain.kit import kit_called
from services.notation.domain.lilypond import to_lilypond
from services.notation.domain.musicxml import repeated_bars, to_musicxml
from services.notation.domain.pictures import to_svg
from services.notation.domain.read_musicxml import read_musicxml
from services.notation.domain.score import Bar, Chooser, Repeat, ScoreError, Section, StickingShown
from services.notation.domain.sticking import as_shown, hidden
from services.notation.domain.tab import to_tab
from services.notation.domain.view import to_view
from tests.unit.notation.charts import FOUR, Pen, Stroke, document_of
from tests.unit.notation.made_scores import score_of

F = Fraction
R, L, B = Hand.RIGHT, Hand.LEFT, Hand.BOTH
SVG = "{http://www.w3.org/2000/svg}"


def seen(stroke: Stroke) -> Stroke:
    at, note = stroke
    return at, replace(note, sticking_source=Chooser.VISION, sticking_confidence=0.9)


def bar_of(pen: Pen, number: int, known: int, *, by_eye: bool = True) -> Bar:
    """Eight strokes on the snare, the first ones with a hand, and four of the feet."""
    strokes = [
        pen.note(F(i, 8), P.SNARE, hand=(R, L)[i % 2] if i < known else None) for i in range(8)
    ]
    strokes = [seen(one) if by_eye and one[1].sticking else one for one in strokes]
    return write_bar(number, FOUR, strokes + [pen.note(F(i, 4), P.KICK) for i in range(4)])


def chord(*struck: tuple[P, Hand | None]) -> ScoreDocument:
    pen = Pen()
    strokes = [pen.note(0, piece, hand=hand) for piece, hand in struck]
    return document_of([write_bar(1, FOUR, strokes)])


def letters(document: ScoreDocument, number: int | None = None) -> str:
    """As MusicXML has them."""
    root = etree.fromstring(to_musicxml(document))
    return "".join(
        text.text
        for measure in root.iter("measure")
        if number is None or measure.get("number") == str(number)
        for text in measure.iterfind(".//lyric/text")
    )


def tab_rows(document: ScoreDocument) -> list[str]:
    return [line.strip() for line in to_tab(document).decode().splitlines() if line.strip()]


def stickings(document: ScoreDocument) -> list[tuple[P, Hand | None]]:
    return sorted((note.piece, note.sticking) for _, _, note in document.score.notes())


@pytest.mark.parametrize(("known", "shown"), [(3, ""), (4, "RLRL"), (8, "RLRLRLRL")])
def test_seen_hands_are_shown_where_half_of_a_passage_is_known(known: int, shown: str):
    document = document_of([bar_of(Pen(), 1, known)])
    assert letters(document) == shown


def test_runs_of_eight_bars_are_passages_where_there_are_no_sections():
    pen = Pen()
    bars = [bar_of(pen, number, 8 if number <= 4 else 2) for number in range(1, 13)]
    document = document_of(bars)
    # Bars 1 to 8: 40 of 64; 9 to 12: 8 of 32.
    assert [bool(letters(document, number)) for number in range(1, 13)] == [True] * 8 + [False] * 4
    sections = (Section(5, "B"),)
    document = replace(document, score=replace(document.score, sections=sections))
    assert [bool(letters(document, number)) for number in range(1, 13)] == [True] * 4 + [False] * 8


def test_hands_that_somebody_wrote_are_shown_however_few():
    pen = Pen()
    document = document_of([bar_of(pen, 1, 2, by_eye=False), bar_of(pen, 2, 2)])
    assert (letters(document, 1), letters(document, 2)) == ("RL", "")
    name = [note.id for _, _, note in document.score.notes() if note.piece is P.SNARE][-1]
    mine = edits.apply(document, [{"op": "set-sticking", "ids": [name], "sticking": "B"}])
    assert (letters(mine, 1), letters(mine, 2)) == ("RL", "B")


def test_a_user_says_what_is_shown():
    document = document_of([bar_of(Pen(), 1, 3)])
    everything = edits.apply(document, [{"op": "set-sticking-shown", "shown": "all"}])
    nothing = edits.apply(everything, [{"op": "set-sticking-shown", "shown": "none"}])
    again = edits.apply(nothing, [{"op": "set-sticking-shown", "shown": "auto"}])
    assert [letters(one) for one in (everything, nothing, again)] == ["RLR", "", ""]
    assert again.score == document.score
    for one in (everything, nothing):
        assert ScoreDocument.from_json(one.to_json()) == one
    with pytest.raises(ScoreError, match=r"operations\[0\]\.shown"):
        edits.apply(document, [{"op": "set-sticking-shown", "shown": "some"}])


def test_nothing_that_is_drawn_has_letters_that_are_not_shown_and_json_has_them_all():
    document = document_of([bar_of(Pen(), 1, 3)])
    assert "verse" not in to_svg(document)
    assert '"_' not in to_abc(document).decode()
    assert "\\column" not in to_lilypond(document).decode()
    assert "R L B sticking" not in to_tab(document).decode()
    assert document.to_json().count(b'"sticking":') == 3
    view = to_view(document).decode()
    assert "verse" not in view.split('"bars"')[0]
    assert view.count('"sticking_hidden":true') == 3
    assert as_shown(as_shown(document)) == as_shown(document)


def test_what_is_shown_is_the_same_after_it_is_bared():
    for seed in range(30):
        document = score_of(seed)
        assert hidden(document.score) == frozenset()
        assert as_shown(document) is document


HAT_AND_SNARE = ((P.SNARE, L), (P.HAT_CLOSED, R))


def test_two_hands_of_a_chord_are_both_told_the_upper_drums_first():
    for struck in (HAT_AND_SNARE, HAT_AND_SNARE[::-1]):
        document = chord(*struck)
        assert letters(document) == "RL"
        assert '"_R""_L"' in to_abc(document).decode()
        assert "\\column { R L }" in to_lilypond(document).decode()
        assert tab_rows(document)[-2:] == ["R", "L"]
        rows = {
            text.get("y"): "".join(text.itertext())
            for text in etree.fromstring(to_svg(document).encode()).iterfind(
                f".//{SVG}g[@class='verse']//{SVG}text"
            )
        }
        assert [rows[y] for y in sorted(rows, key=float)] == ["R", "L"]


def test_both_is_written_only_where_one_note_is_struck_with_both():
    assert tab_rows(chord((P.SNARE, B)))[-1] == "B"
    assert "B" not in tab_rows(chord(*HAT_AND_SNARE))
    assert tab_rows(chord((P.SNARE, None), (P.HAT_CLOSED, R)))[-2:] == ["SN|o---------------|", "R"]


@pytest.mark.parametrize(
    "struck",
    [
        HAT_AND_SNARE,
        ((P.SNARE, R), (P.HAT_CLOSED, L), (P.KICK, None)),
        ((P.SNARE, None), (P.HAT_CLOSED, R)),
        ((P.SNARE, L), (P.HAT_CLOSED, None)),
        ((P.SNARE, L), (P.TOM_FLOOR, L), (P.CRASH, R)),
        ((P.SNARE, B),),
        ((P.SNARE, B), (P.CRASH, R)),
    ],
)
def test_hands_of_chords_come_back_from_musicxml(struck: tuple[tuple[P, Hand | None], ...]):
    document = chord(*struck)
    back = read_musicxml(to_musicxml(document), title="", kit=kit_called("backbeat-standard"))
    assert stickings(back) == stickings(document)


def strange(document: ScoreDocument, lyrics: list[list[str]]) -> list[tuple[P, Hand | None]]:
    """Another program's file: these letters on the chord's notes from the lowest up."""
    root = etree.parse(BytesIO(to_musicxml(document))).getroot()
    for lyric in list(root.iter("lyric")):
        lyric.getparent().remove(lyric)
    struck = [note for note in root.iter("note") if note.find("unpitched") is not None]
    for note, texts in zip(struck, lyrics, strict=True):
        for text in texts:
            etree.SubElement(etree.SubElement(note, "lyric"), "text").text = text
    kit = kit_called("backbeat-standard")
    return stickings(read_musicxml(etree.tostring(root), title="", kit=kit))


@pytest.mark.parametrize(
    ("lyrics", "snare", "hat"),
    [
        ([["R", "L"], []], L, R),
        ([[], ["R", "L"]], L, R),
        ([["R/L"], []], L, R),
        ([["rl"], []], L, R),
        ([["L"], ["R"]], L, R),
        ([["B"], []], None, None),
        ([["la"], []], None, None),
        ([["R", "L", "R"], []], None, None),
    ],
)
def test_letters_of_other_programs_go_from_the_upper_drum_down(
    lyrics: list[list[str]], snare: Hand | None, hat: Hand | None
):
    found = dict(strange(chord(*HAT_AND_SNARE), lyrics))
    assert (found[P.SNARE], found[P.HAT_CLOSED]) == (snare, hat)


def test_a_letter_under_a_chord_with_the_kick_is_the_hands():
    pen = Pen()
    hat, kick = pen.note(0, P.HAT_CLOSED, hand=R), pen.note(0, P.KICK)
    root = etree.fromstring(to_musicxml(document_of([write_bar(1, FOUR, [hat, kick])])))
    measure = root.find(".//measure")
    struck = [note for note in measure.iter("note") if note.find("unpitched") is not None]
    lyric = struck[0].find("lyric")
    # One voice for all, the kick at the bottom of the chord with the letter.
    for note in measure.findall("note") + measure.findall("backup"):
        measure.remove(note)
    struck[0].remove(lyric)
    struck[1].append(lyric)
    struck[0].insert(0, etree.Element("chord"))
    measure.extend([struck[1], struck[0]])
    back = read_musicxml(etree.tostring(root), title="", kit=kit_called("backbeat-standard"))
    assert dict(stickings(back)) == {P.KICK: None, P.HAT_CLOSED: R}


def test_a_made_score_with_seen_hands_reads_back_and_draws():
    for seed in range(12):
        document = score_of(seed)
        bars = tuple(
            replace(
                bar,
                voices=tuple(
                    replace(
                        voice,
                        events=tuple(
                            replace(
                                event,
                                notes=tuple(
                                    note
                                    if note.piece in FEET
                                    else seen((F(0), replace(note, sticking=note.sticking or R)))[1]
                                    for note in event.notes
                                ),
                            )
                            for event in voice.events
                        ),
                    )
                    for voice in bar.voices
                ),
            )
            for bar in document.score.bars
        )
        told = replace(document, score=replace(document.score, bars=bars, repeats=()))
        assert ScoreDocument.from_json(told.to_json()) == told
        back = read_musicxml(to_musicxml(told), title="", kit=kit_called(told.score.kit))
        by_id = {note.id: note.sticking for _, _, note in back.score.notes()}
        for _, _, note in told.score.notes():
            assert by_id[note.id] is note.sticking


def test_a_sign_does_not_stand_for_bars_with_other_letters():
    pen = Pen()
    bars = [bar_of(pen, 1, 8), bar_of(pen, 2, 8), bar_of(pen, 3, 8)]
    third = bars[2].voices[0]
    turned = [
        replace(event, notes=tuple(replace(n, sticking=R) for n in event.notes))
        for event in third.events
    ]
    bars[2] = replace(bars[2], voices=(replace(third, events=tuple(turned)), *bars[2].voices[1:]))
    document = document_of(bars)
    score = replace(document.score, repeats=(Repeat(2, 1), Repeat(3, 1)))
    document = ScoreDocument.from_dict(replace(document, score=score).to_dict())
    assert repeated_bars(document.score, "signs") == {2: 1}
    assert to_lilypond(document, repeats="signs").decode().count("\\repeat percent 2") == 1
    hiding = replace(document.score, sticking_shown=StickingShown.NONE)
    shown = as_shown(replace(document, score=hiding)).score
    assert repeated_bars(shown, "signs") == {2: 1, 3: 1}


def test_set_sticking_says_who_and_reset_gives_it_back():
    document = document_of([bar_of(Pen(), 1, 8)])
    names = [note.id for _, _, note in document.score.notes() if note.piece is P.SNARE][:2]
    mine = edits.apply(document, [{"op": "set-sticking", "ids": names, "sticking": "B"}])
    for _, _, note in mine.score.notes():
        if note.id in names:
            assert (note.sticking, note.sticking_source) == (B, Chooser.USER)
            assert note.sticking_confidence is None


def test_letters_stand_under_the_middle_of_their_heads_and_do_not_touch_each_other():
    pen = Pen()
    strokes = [pen.note(F(i, 16), P.SNARE, hand=(R, L)[i % 2]) for i in range(16)]
    strokes += [pen.note(F(i, 4), P.HAT_CLOSED, hand=L) for i in range(4)]
    strokes += [pen.note(F(i, 4), P.KICK) for i in range(4)]
    root = etree.fromstring(to_svg(document_of([write_bar(1, FOUR, strokes)])).encode())
    rows: dict[str, list[float]] = {}
    for text in root.iterfind(f".//{SVG}g[@class='verse']//{SVG}text"):
        rows.setdefault(text.get("y"), []).append(float(text.get("x")))
        assert text.get("text-anchor") == "middle"
    assert [len(rows[y]) for y in sorted(rows, key=float)] == [16, 4]
    for places in rows.values():
        ordered = sorted(places)
        # An R is 216 wide.
        assert all(b - a > 230 for a, b in pairwise(ordered))
    low, lower = sorted(float(y) for y in rows)
    assert lower - low > 250
