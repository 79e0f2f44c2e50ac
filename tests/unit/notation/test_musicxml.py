import zipfile
from fractions import Fraction
from io import BytesIO

import music21
import pytest
from lxml import etree

from libs.common.drums import Articulation, DrumPiece, Hand
from services.notation.domain.document import ScoreDocument
from services.notation.domain.engrave import write_bar
from services.notation.domain.exports import export
from services.notation.domain.kit import kit_called
from services.notation.domain.layout import line_breaks
from services.notation.domain.musicxml import to_musicxml
from services.notation.domain.score import Dynamic, DynamicMark, Repeat, ScoreError, Swing
from tests.unit.notation.charts import FOUR, Pen, chart, document_of, rock_bar

F = Fraction
P = DrumPiece


def tree(document: ScoreDocument, **options: object) -> etree._Element:
    return etree.fromstring(to_musicxml(document, **options))  # type: ignore[arg-type]


def measure(root: etree._Element, number: int) -> etree._Element:
    (found,) = (one for one in root.iter("measure") if one.get("number") == str(number))
    return found


def note(root: etree._Element, name: str) -> etree._Element:
    (found,) = (element for element in root.iter("note") if element.get("id") == name)
    return found


def of(document: ScoreDocument, piece: DrumPiece, bar: int) -> str:
    """The id of the first stroke on a piece in a bar."""
    return next(n.id for b, _, n in document.score.notes() if (b.number, n.piece) == (bar, piece))


def test_every_written_note_keeps_the_id_of_its_hit():
    document = chart()
    ids = [element.get("id") for element in tree(document).iter("note") if element.get("id")]
    assert sorted(ids) == sorted(event.id for event in document.performance.events)


def test_each_voice_of_each_measure_has_the_measures_length():
    root = tree(chart())
    divisions = int(root.findtext(".//divisions") or 0)
    for bar in root.iter("measure"):
        sums: dict[str, Fraction] = {}
        for element in bar.iter("note"):
            if element.find("grace") is None and element.find("chord") is None:
                voice = element.findtext("voice") or ""
                length = F(int(element.findtext("duration") or 0), divisions)
                sums[voice] = sums.get(voice, F(0)) + length
        number = int(bar.get("number", ""))
        assert set(sums.values()) == {F(1 if number == 0 else 3 if number > 13 else 4)}


def test_heads_and_instruments_follow_the_kit():
    document = chart()
    root = tree(document)
    hat, opened, snare, kick = (
        note(root, of(document, piece, 1)) for piece in (P.HAT_CLOSED, P.HAT_OPEN, P.SNARE, P.KICK)
    )
    assert [e.findtext("notehead") for e in (hat, opened, snare, kick)] == ["x", "x"] + 2 * [
        "normal"
    ]
    assert [e.findtext("stem") for e in (hat, kick)] == ["up", "down"]
    assert opened.find("notations/technical/open-string").get("placement") == "above"
    unpitched = {i.get("id"): i.findtext("midi-unpitched") for i in root.iter("midi-instrument")}
    assert unpitched[kick.find("instrument").get("id")] == "37"
    assert unpitched[opened.find("instrument").get("id")] == "47"
    assert hat.find("instrument").get("id") != opened.find("instrument").get("id")


def test_another_kit_moves_the_notes_and_not_their_sounds():
    document = chart()
    standard, one = tree(document), tree(document, kit=kit_called("one-line"))
    snare = of(document, P.SNARE, 1)
    assert note(standard, snare).findtext("unpitched/display-step") == "C"
    assert note(one, snare).findtext("unpitched/display-step") == "E"
    assert one.findtext(".//staff-lines") == "1"
    roland = tree(document, kit=kit_called("roland-td"))
    sounds = [[e.text for e in root.iter("midi-unpitched")] for root in (standard, roland)]
    assert sounds[0] == sounds[1]


def test_a_ghost_has_its_head_in_parentheses_and_sounds_soft():
    ghosts = [e for e in tree(chart()).iter("note") if e.get("dynamics") == "33.33"]
    assert len(ghosts) == 14
    assert {e.find("notehead").get("parentheses") for e in ghosts} == {"yes"}


def test_a_flam_is_a_slashed_grace_and_a_drag_two_beamed_ones():
    graces = [e for e in tree(chart()).iter("note") if e.find("grace") is not None]
    assert [e.find("grace").get("slash") for e in graces] == ["yes", None, None]
    assert [e.findtext("beam") for e in graces] == [None, "begin", "end"]
    assert all(e.find("duration") is None for e in graces)
    assert graces[0].find("notations/slur").get("type") == "start"


def test_the_tempo_stands_above_the_first_bar_and_sounds():
    direction = measure(tree(chart()), 0).find("direction")
    assert direction.get("placement") == "above"
    assert direction.findtext(".//per-minute") == "104"
    assert direction.find("sound").get("tempo") == "104.0000"


def test_a_hidden_tempo_sounds_and_shows_its_words_alone():
    steps = [d for d in measure(tree(chart()), 12).iter("direction") if d.find("sound") is not None]
    assert [d.find("sound").get("tempo") for d in steps] == ["96.0000", "88.0000"]
    assert [d.findtext("direction-type/words") for d in steps] == ["rit.", ""]
    assert [d.find(".//metronome") for d in steps] == [None, None]


def test_a_tempo_inside_a_bar_stands_before_its_beat():
    bar = measure(tree(chart()), 12)
    (rit,) = (d for d in bar.iter("direction") if d.findtext(".//words") == "rit.")
    before = bar[: list(bar).index(rit)]
    struck = [e for e in before if e.tag == "note" and e.find("chord") is None]
    assert len(struck) == 4  # the four eighths of beats 1 and 2
    assert rit.find("offset") is None


def test_a_mark_inside_a_note_says_how_far():
    pen = Pen()
    bars = [write_bar(1, FOUR, [pen.note(0, P.SNARE), pen.note(F(5, 16), P.SNARE)])]
    inside = (Dynamic(1, F(1, 8), DynamicMark.P), Dynamic(1, F(5, 16), DynamicMark.F))
    root = tree(document_of(bars, dynamics=inside))
    eighth = int(root.findtext(".//divisions") or 0) // 2
    marks = [d for d in root.iter("direction") if d.find(".//dynamics") is not None]
    assert [d.findtext("offset") for d in marks] == [str(eighth), None]


def test_a_chord_shows_one_accent():
    pen = Pen()
    both = [pen.note(0, P.SNARE, Articulation.ACCENT), pen.note(0, P.RIDE, Articulation.ACCENT)]
    document = document_of([write_bar(1, FOUR, both)])
    assert len(list(tree(document).iter("accent"))) == 1


def test_accents_stand_at_the_ends_of_the_stems():
    pen = Pen()
    strokes = [pen.note(0, P.SNARE, Articulation.ACCENT), pen.note(0, P.KICK, Articulation.ACCENT)]
    accents = tree(document_of([write_bar(1, FOUR, strokes)])).iter("accent")
    assert [accent.get("placement") for accent in accents] == ["above", "below"]


def test_parts_of_the_song_are_rehearsal_marks_over_their_first_bar():
    root = tree(chart())
    parts = {
        bar.get("number"): bar.findtext(".//rehearsal")
        for bar in root.iter("measure")
        if bar.find(".//rehearsal") is not None
    }
    assert parts == {"1": "Verse", "9": "Swing part", "14": "Jig & end"}


def test_dynamics_and_hairpins_stand_below_the_staff():
    root = tree(chart())
    loud = [d for d in root.iter("direction") if d.find(".//dynamics") is not None]
    assert [d.find(".//dynamics")[0].tag for d in loud] == ["mf", "ff", "p", "f"]
    wedges = [d for d in root.iter("direction") if d.find(".//wedge") is not None]
    assert [d.find(".//wedge").get("type") for d in wedges] == [
        "crescendo", "stop", "diminuendo", "stop",
    ]  # fmt: skip
    assert {d.get("placement") for d in loud + wedges} == {"below"}
    numbers = [d.find(".//wedge").get("number") for d in wedges]
    assert numbers == ["1", "1", "2", "2"]


def test_a_dynamic_stands_before_the_note_it_belongs_to():
    bar = measure(tree(chart()), 8)
    (loud,) = (d for d in bar.iter("direction") if d.find(".//ff") is not None)
    following = loud.getnext()
    assert following.find("instrument").get("id") == "P1-crash"


def test_stickings_are_lyrics():
    letters = [e.text for e in measure(tree(chart()), 8).iterfind(".//lyric/text")]
    assert letters == ["R", "L", "R", "L", "R", "L", "R", "L", "R", "B"]


def test_a_left_handed_kit_writes_the_other_hand():
    root = tree(chart(), kit=kit_called("left-handed"))
    letters = [e.text for e in measure(root, 0).iterfind(".//lyric/text")]
    assert letters == ["L", "R", "L"]


def test_two_hands_of_a_chord_stand_above_each_other():
    pen = Pen()
    both = [
        pen.note(0, P.SNARE, hand=Hand.LEFT),
        pen.note(0, P.RIDE, hand=Hand.RIGHT),
        pen.note(F(1, 4), P.SNARE, hand=Hand.LEFT),
        pen.note(F(1, 4), P.TOM_HIGH, hand=Hand.LEFT),
    ]
    root = tree(document_of([write_bar(1, FOUR, both)]))
    lyrics = [(e.get("number"), e.findtext("text")) for e in root.iter("lyric")]
    assert lyrics == [("1", "R"), ("2", "L"), ("1", "L")]


def test_swing_is_said_in_words_and_sounds():
    root = tree(chart())
    swung, straight = (d for d in root.iter("direction") if d.find(".//swing") is not None)
    assert swung.findtext(".//words") == "Swing 8ths"
    swing = swung.find(".//swing")
    assert [swing.findtext(n) for n in ("first", "second", "swing-type")] == ["2", "1", "eighth"]
    assert straight.findtext(".//words") == "Straight"
    assert straight.find(".//straight") is not None


def test_a_light_swing_says_its_ratio_and_straight_from_the_start_says_nothing():
    pen = Pen()
    bars = [rock_bar(pen, number) for number in (1, 2)]
    swing = (Swing(1, F(1, 8), 1.0), Swing(2, F(1, 16), 1.5))
    words = [e.text for e in tree(document_of(bars, swing=swing)).iter("words")]
    assert words == ["Swing 16ths (1.5 : 1)"]


def test_musicxml_3_has_no_sounding_swing():
    root = tree(chart(), schema="3.1")
    assert root.get("version") == "3.1"
    assert root.find(".//swing") is None
    assert "Swing 8ths" in [e.text for e in root.iter("words")]


def test_where_both_voices_rest_alike_one_rest_is_seen():
    rests = [e for e in measure(tree(chart()), 13).iter("note") if e.find("rest") is not None]
    shown = [(e.findtext("voice"), e.findtext("type"), e.get("print-object")) for e in rests]
    assert shown == [
        ("1", "quarter", None), ("1", "half", None),
        ("2", "quarter", "no"), ("2", "half", "no"),
    ]  # fmt: skip


def test_repeats_are_written_out_unless_signs_are_asked_for():
    document = chart()
    assert tree(document).find(".//measure-repeat") is None
    root = tree(document, repeats="signs")
    signs = [
        (bar.get("number"), e.get("type"), e.text, e.get("slashes"))
        for bar in root.iter("measure")
        for e in bar.iter("measure-repeat")
    ]
    assert signs == [
        ("2", "start", "1", "1"), ("4", "stop", None, None), ("5", "start", "2", "2"),
        ("7", "stop", None, None), ("10", "start", "1", "1"), ("11", "stop", None, None),
        ("16", "start", "1", "1"), ("17", "stop", None, None),
    ]  # fmt: skip
    assert [e.get("id") for e in measure(root, 2).iter("note")] == [None]
    assert len(list(measure(root, 4).iter("note"))) > 4


def test_a_sign_for_two_bars_is_written_out_where_the_line_breaks_between_them():
    pen = Pen()
    bars = [rock_bar(pen, number) for number in range(1, 7)]
    document = document_of(bars, repeats=(Repeat(4, 2),))
    assert 4 in line_breaks(document.score.bars)
    assert tree(document, repeats="signs").find(".//measure-repeat") is None


def test_the_legend_tells_each_piece_that_occurs_and_its_place():
    assert "legend" not in to_musicxml(chart()).decode()
    root = tree(chart(), legend=True)
    (words,) = (c for c in root.iter("credit") if c.findtext("credit-type") == "legend")
    told = (words.findtext("credit-words") or "").split(" · ")
    assert "Snare: 3rd space" in told
    assert "Bass Drum: 1st space" in told
    assert "Ride Cymbal: 5th line (x)" in told
    assert "Closed Hi-Hat: above the staff (x)" in told
    assert "Pedal Hi-Hat: below the staff (x)" in told
    assert not any(line.startswith("Tambourine") for line in told)


def test_words_from_users_are_escaped():
    document = chart(title='Tom & <Jerry> "live"')
    root = tree(document)
    assert root.findtext("work/work-title") == 'Tom & <Jerry> "live"'


@pytest.mark.parametrize(("option", "value"), [("repeats", "percent"), ("schema", "2.0")])
def test_an_unknown_wish_is_refused(option: str, value: str):
    with pytest.raises(ScoreError) as refused:
        to_musicxml(chart(), **{option: value})  # type: ignore[arg-type]
    assert refused.value.field == option


def test_four_bars_stand_on_a_line():
    pen = Pen()
    assert line_breaks([rock_bar(pen, number) for number in range(1, 13)]) == {4, 8}


def test_crowded_bars_stand_one_to_a_line_and_signs_are_narrow():
    pen = Pen()
    bars = [
        write_bar(n, FOUR, [pen.note(F(i, 32), P.SNARE) for i in range(32)]) for n in range(1, 5)
    ]
    assert line_breaks(bars) == {1, 2, 3}
    assert line_breaks(bars, signs={2, 3, 4}) == set()


@pytest.mark.filterwarnings("default")  # music21's own
def test_music21_reads_the_same_notes_back():
    document = chart()
    score = music21.converter.parseData(to_musicxml(document).decode(), format="musicxml")
    measures = list(score.parts[0].getElementsByClass("Measure"))
    assert [one.number for one in measures] == list(range(18))
    places = [
        (one.number, round(float(element.getOffsetInHierarchy(one)), 3))
        for one in measures
        for element in one.recurse().notes
        if not element.duration.isGrace
    ]
    expected = {
        (bar.number, round(float(4 * event.start), 3)) for bar, event, _ in document.score.notes()
    }
    assert set(places) == expected


def test_a_compressed_score_holds_the_plain_one():
    document = chart()
    with zipfile.ZipFile(BytesIO(export(document, "mxl").data)) as archive:
        assert archive.namelist() == ["mimetype", "META-INF/container.xml", "score.musicxml"]
        assert archive.read("score.musicxml") == to_musicxml(document)


def test_every_piece_of_the_kit_can_be_written():
    pen = Pen()
    bars = [write_bar(n, FOUR, [pen.note(0, piece)]) for n, piece in enumerate(P, start=1)]
    document = document_of(bars)
    heads = {e.get("id"): e.findtext("notehead") for e in tree(document).iter("note")}
    names = {event.piece: heads[event.id] for event in document.performance.events}
    assert names[P.RIMSHOT] == "circle-x"
    assert names[P.RIDE_BELL] == "diamond"
    assert names[P.COWBELL] == "triangle"
    assert len(names) == len(P)
