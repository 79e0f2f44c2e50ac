import csv
import io
import zipfile
from fractions import Fraction

import mido
import music21
import pytest
from lxml import etree

from libs.common.drums import DrumPiece
from libs.common.performance import Performance
from services.notation.domain.exports import FORMATS, export
from services.notation.domain.midi import to_midi
from services.notation.domain.musicxml import line_breaks, to_musicxml
from services.notation.domain.pictures import to_pdf, to_png, to_svg, to_svg_pages
from services.notation.domain.quantise import Options, quantise
from services.notation.domain.score import ScoreDocument, ScoreError
from services.notation.domain.stats import summary
from tests.unit.notation.performances import Stroke, played, rock, shuffle

SVG = "{http://www.w3.org/2000/svg}"


def groove(bars: int = 4) -> ScoreDocument:
    """Rock with a pickup, a flam on the last backbeat, then a bar of shuffle."""
    strokes: list[Stroke] = [
        *rock(bars),
        *((4 * bars + place, piece, velocity) for place, piece, velocity in shuffle(1)),
        (4 * bars - 1 - 0.06, DrumPiece.SNARE, 60),
        (-0.5, DrumPiece.SNARE, 90),
    ]
    return quantise(played(strokes, beats=4 * bars + 6), Options(title="Straße & Söhne"))


def tree(document: ScoreDocument) -> etree._Element:
    return etree.fromstring(to_musicxml(document))


def note(root: etree._Element, name: str) -> etree._Element:
    (found,) = [element for element in root.iter("note") if element.get("id") == name]
    return found


# MusicXML


def test_every_written_note_keeps_the_id_of_its_hit():
    document = groove()
    ids = [element.get("id") for element in tree(document).iter("note") if element.get("id")]
    assert sorted(ids) == sorted(event.id for event in document.performance.events)


def test_each_voice_of_each_measure_has_the_measures_length():
    root = tree(groove())
    divisions = int(root.findtext(".//divisions") or 0)
    for measure in root.iter("measure"):
        sums: dict[str, Fraction] = {}
        for element in measure.iter("note"):
            if element.find("grace") is None and element.find("chord") is None:
                voice = element.findtext("voice") or ""
                length = Fraction(int(element.findtext("duration") or 0), divisions)
                sums[voice] = sums.get(voice, Fraction(0)) + length
        assert set(sums.values()) == {Fraction(1 if measure.get("number") == "0" else 4)}


def test_heads_and_instruments_follow_the_kit():
    root = tree(groove())
    hat, opened, snare, kick = (note(root, f"ev-{n:06d}") for n in (1, 8, 11, 9))
    assert [e.findtext("notehead") for e in (hat, opened, snare, kick)] == ["x", "x"] + 2 * [
        "normal"
    ]
    assert [e.findtext("stem") for e in (hat, kick)] == ["up", "down"]
    assert opened.find("notations/technical/open-string").get("placement") == "above"
    unpitched = {i.get("id"): i.findtext("midi-unpitched") for i in root.iter("midi-instrument")}
    assert unpitched[kick.find("instrument").get("id")] == "37"
    assert unpitched[opened.find("instrument").get("id")] == "47"
    assert hat.find("instrument").get("id") != opened.find("instrument").get("id")


def test_a_ghost_has_its_head_in_parentheses_and_sounds_soft():
    ghost = note(tree(groove()), "ev-000013")
    assert ghost.find("notehead").get("parentheses") == "yes"
    assert float(ghost.get("dynamics")) == pytest.approx(30 / 90 * 100, abs=0.01)


def test_a_flam_is_a_slashed_grace_before_its_note():
    root = tree(groove())
    (grace,) = [element for element in root.iter("note") if element.find("grace") is not None]
    assert grace.find("grace").get("slash") == "yes"
    assert grace.find("duration") is None
    assert grace.find("notations/slur").get("type") == "start"


def test_the_tempo_stands_above_the_first_bar_and_sounds():
    (direction,) = tree(groove()).iter("direction")
    assert direction.get("placement") == "above"
    assert direction.findtext(".//per-minute") == "120"
    assert direction.find("sound").get("tempo") == "120.00"


def test_a_chord_shows_one_accent():
    strokes: list[Stroke] = [
        (place / 2, piece, 120 if place == 4 else 80)
        for place in range(8)
        for piece in (DrumPiece.SNARE, DrumPiece.RIDE)
    ]
    document = quantise(played(strokes))
    assert sum(len(note.articulations) for _, _, note in document.score.notes()) == 2
    assert len(list(tree(document).iter("accent"))) == 1


def test_four_bars_stand_on_a_line():
    document = quantise(played(rock(12), beats=48))
    assert line_breaks(document.score.bars) == {4, 8}


def test_crowded_bars_stand_two_to_a_line():
    strokes: list[Stroke] = [(i / 8, DrumPiece.SNARE, 90) for i in range(32 * 4)]
    document = quantise(played(strokes, bpm=70))
    assert line_breaks(document.score.bars) == {1, 2, 3}


@pytest.mark.filterwarnings("default")  # music21's own
def test_music21_reads_the_same_notes_back():
    document = groove()
    score = music21.converter.parseData(to_musicxml(document).decode(), format="musicxml")
    measures = list(score.parts[0].getElementsByClass("Measure"))
    assert [measure.number for measure in measures] == [0, 1, 2, 3, 4, 5]
    places = [
        (measure.number, round(float(element.getOffsetInHierarchy(measure)), 3))
        for measure in measures
        for element in measure.recurse().notes
        if not element.duration.isGrace
    ]
    expected = {
        (bar.number, round(float(4 * event.start), 3)) for bar, event, _ in document.score.notes()
    }
    assert set(places) == expected


def test_a_compressed_score_holds_the_plain_one():
    document = groove()
    with zipfile.ZipFile(io.BytesIO(export(document, "mxl").data)) as archive:
        assert archive.namelist() == ["mimetype", "META-INF/container.xml", "score.musicxml"]
        assert archive.read("score.musicxml") == to_musicxml(document)


# MIDI


def strokes_of(data: bytes) -> list[tuple[float, int, int]]:
    """Seconds, key and velocity of each note-on, on channel 10."""
    now_s = 0.0
    found = []
    for message in mido.MidiFile(file=io.BytesIO(data)):
        now_s += message.time
        if message.type == "note_on":
            assert message.channel == 9
            found.append((now_s, message.note, message.velocity))
    return found


def test_the_written_score_plays_on_its_grid():
    document = quantise(played(rock(1), jitter_s=0.01))
    kicks = [
        (now_s, velocity) for now_s, key, velocity in strokes_of(to_midi(document)) if key == 36
    ]
    bpm = document.timeline.tempo_map[0].bpm
    assert kicks == [(0.0, 100), (pytest.approx(2 * 60 / bpm, abs=1e-4), 98)]


def test_the_performed_score_plays_every_hit_when_it_was_heard():
    document = quantise(played(rock(4), bpm=97, jitter_s=0.01))
    heard = [event.onset_s for event in document.performance.events]
    times_s = [now_s for now_s, _, _ in strokes_of(to_midi(document, "performed"))]
    assert times_s == pytest.approx(heard, abs=0.002)


def test_an_unknown_mode_is_refused():
    with pytest.raises(ScoreError, match="written or performed"):
        export(groove(), "midi", mode="swung")


# Pictures


def test_the_picture_keeps_every_notes_id():
    document = groove()
    drawn = {element.get("id") for element in etree.fromstring(to_svg(document).encode()).iter()}
    assert {event.id for event in document.performance.events} <= drawn


def test_the_tempos_note_is_drawn_and_needs_no_font():
    root = etree.fromstring(to_svg(groove()).encode())
    (tempo,) = [group for group in root.iter(f"{SVG}g") if group.get("class") == "tempo"]
    assert tempo.find(f"{SVG}path").get("d").startswith("M")
    assert "".join(tempo.itertext()).split() == ["=", "120"]


def test_equal_scores_give_equal_pictures():
    assert to_svg(groove()) == to_svg(groove())


def test_a_png_is_as_wide_as_asked_for():
    data = to_png(groove(), width_px=900)
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert int.from_bytes(data[16:20], "big") == 900


def test_a_long_score_has_pages_in_svg_and_pdf():
    document = quantise(played(rock(60), beats=240))
    pages = to_svg_pages(document)
    assert len(pages) >= 2
    pdf = to_pdf(document)
    assert pdf.startswith(b"%PDF-")
    assert pdf.rstrip().endswith(b"%%EOF")
    with pytest.raises(ScoreError, match=f"1 to {len(pages)}"):
        to_svg(document, len(pages) + 1)


# Exports and summary


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_has_data_and_a_plain_file_name(name: str):
    made = export(groove(1), name)
    assert made.data
    assert made.file_name == f"strae-sohne.{'mid' if name == 'midi' else name}"
    assert export(groove(1), name).data == made.data or name == "pdf"


def test_an_unknown_format_is_answered_with_those_there_are():
    with pytest.raises(
        ScoreError, match="musicxml, mxl, midi, json, svg, png, pdf, csv"
    ) as refused:
        export(groove(1), "docx")
    assert refused.value.field == "format"


def test_an_option_of_another_format_is_refused():
    with pytest.raises(ScoreError, match="is no option of json"):
        export(groove(1), "json", page=2)


def test_the_csv_has_a_row_for_every_hit():
    document = groove()
    rows = list(csv.DictReader(io.StringIO(export(document, "csv").data.decode())))
    assert [row["id"] for row in rows] == [event.id for event in document.performance.events]
    assert rows[0] | {"onset_s": ""} == {
        "id": rows[0]["id"],
        "onset_s": "",
        "piece": "snare",
        "velocity": "90",
        "confidence": "1.000",
        "bar": "0",
        "start": "1/8",
        "duration": "1/8",
        "marks": "",
    }
    assert [row["bar"] for row in rows if row["marks"] == "grace"] == ["4"]


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


def test_every_piece_of_the_kit_can_be_written():
    strokes: list[Stroke] = [(index, piece, 90) for index, piece in enumerate(DrumPiece)]
    document = quantise(played(strokes, beats=24))
    heads = {e.get("id"): e.findtext("notehead") for e in tree(document).iter("note")}
    names = {event.piece: heads[event.id] for event in document.performance.events}
    assert names[DrumPiece.RIMSHOT] == "circle-x"
    assert names[DrumPiece.RIDE_BELL] == "diamond"
    assert names[DrumPiece.COWBELL] == "triangle"
    assert len(names) == len(DrumPiece)


def test_an_even_performance_without_beats_can_be_performed():
    heard = played(rock(2))
    document = quantise(Performance(duration_s=heard.duration_s, hits=heard.hits))
    assert len(strokes_of(to_midi(document, "performed"))) == len(heard.hits)
