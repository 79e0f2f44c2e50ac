"""Files of strangers: broken, hostile, or only unusual.

Each is a ScoreError that names the culprit, or the right answer; none takes long or reaches out.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import mido
import pytest

from libs.common.drums import Articulation, DrumPiece
from services.notation.domain.document import ScoreDocument
from services.notation.domain.exports import export
from services.notation.domain.imports import MAX_FILE_BYTES, MAX_MIDI_BYTES, MAX_XML_BYTES, read
from services.notation.domain.kit import KITS, STANDARD
from services.notation.domain.score import MAX_EVENTS, ScoreError
from services.notation.writing import Source, read_file
from tests.golden.build import documents
from tests.unit.notation.made_scores import score_of

F = Fraction
GOLDEN = documents()

# Each is answered in far less, on a slow machine in company; a bomb would take for ever.
pytestmark = pytest.mark.timeout(60)


def imported(data: bytes) -> ScoreDocument:
    return read(data, file_name="song.xyz", kit=STANDARD)


def refused(data: bytes) -> ScoreError:
    with pytest.raises(ScoreError) as error:
        imported(data)
    assert len(str(error.value)) < 1000
    return error.value


# What is no score


@pytest.mark.parametrize(
    "data",
    [b"", b"\x00" * 100, b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", b"ID3\x04\x00", b"RIFF....WAVE",
     b"<html><body>Not found</body></html>", b"<", b"<score-partwise", b"<?xml version='1.0'?>",
     b"PK", b"PK\x03\x04garbage", "♩ = 120".encode(), b"\xff\xfe<\x00", b"MThd"],
)  # fmt: skip
def test_what_is_no_score_is_refused_as_such(data: bytes) -> None:
    assert refused(data).field == "format"


def test_a_pdf_under_a_scores_name_is_told_what_would_do() -> None:
    with pytest.raises(ScoreError, match="neither MusicXML, nor MIDI"):
        read(b"%PDF-1.4 ...", file_name="song.musicxml", kit=STANDARD)


def test_json_that_is_no_score_is_refused_by_its_path() -> None:
    assert refused(b'{"format": "backbeat-score/2"}').field == "$.performance"
    assert refused(b'{"format": "backbeat-score/2"').field == "$"
    assert refused(b"{" * 100_000).field == "$"


def test_a_file_larger_than_any_score_is_refused_unread() -> None:
    assert "larger than 50 MB" in refused(b"{" * (MAX_FILE_BYTES + 1)).message
    assert "larger than 10 MB" in refused(b"<" * (MAX_XML_BYTES + 1)).message
    assert "larger than 10 MB" in refused(b"PK" + bytes(MAX_XML_BYTES)).message
    assert "larger than 4 MB" in refused(b"MThd" + bytes(MAX_MIDI_BYTES)).message


def test_what_a_reader_trips_over_is_a_file_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = Source("song.xml", "", STANDARD.to_dict())
    for tripped in (ValueError("v"), OverflowError("o"), ZeroDivisionError("z"), KeyError("k")):

        def trip(*_: object, error: Exception = tripped, **__: object) -> ScoreDocument:
            raise error

        monkeypatch.setattr("services.notation.domain.imports.read", trip)
        with pytest.raises(ScoreError, match="this file could not be read") as found:
            read_file(b"<a/>", source, progress=lambda _: None)
        assert found.value.field == "format"
        assert found.value.__cause__ is tripped


def test_what_a_reader_refuses_keeps_its_own_words() -> None:
    source = Source("song.xml", "", STANDARD.to_dict())
    with pytest.raises(ScoreError) as error:
        read_file(xml(hit(-1)), source, progress=lambda _: None)
    assert (error.value.field, error.value.message) == ("measure 1", "a duration is negative")


# MIDI


def midi(
    messages: Iterable[tuple[int, Any]], *, kind: int = 1, ticks: int = 480, tracks: int = 1
) -> bytes:
    """`messages` as tick and message, on one track after as many empty ones as asked."""
    track = mido.MidiTrack()
    now = 0
    for at, message in messages:
        track.append(message.copy(time=at - now))
        now = at
    file = mido.MidiFile(type=kind, ticks_per_beat=ticks)
    file.tracks.extend(mido.MidiTrack() for _ in range(tracks - 1))
    file.tracks.append(track)
    data = io.BytesIO()
    file.save(file=data)
    return data.getvalue()


def on(key: int, velocity: int = 90, channel: int = 9) -> Any:
    return mido.Message("note_on", channel=channel, note=key, velocity=velocity)


def test_a_midi_file_cut_off_anywhere_is_refused_or_holds_fewer_notes() -> None:
    whole = export(GOLDEN["rock"], "midi").data
    most = len(GOLDEN["rock"].performance.events)
    for end in range(0, len(whole), 97):
        try:
            document = imported(whole[:end])
        except ScoreError as error:
            assert error.field in ("format", "notes")
        else:
            assert 0 < len(document.performance.events) <= most


def with_bytes_changed(whole: bytes, *, times: int, most: int, seed: int) -> None:
    """Up to `most` bytes at a time: what comes of it is read, or refused by a field's name."""
    random = Random(seed)
    for _ in range(times):
        broken = bytearray(whole)
        for _ in range(random.randint(1, most)):
            broken[random.randrange(len(broken))] = random.randrange(256)
        try:
            imported(bytes(broken))
        except ScoreError as error:
            assert error.field


def test_a_midi_file_with_any_byte_changed_is_refused_or_read() -> None:
    whole = export(GOLDEN["samba"], "midi").data
    with_bytes_changed(whole, times=50, most=4, seed=5)


def test_midi_in_a_riff_file_is_read_and_a_riff_file_without_it_refused() -> None:
    whole = midi([(0, on(36))])
    head = b"RIFF" + (len(whole) + 12).to_bytes(4, "little") + b"RMIDdata"
    document = imported(head + len(whole).to_bytes(4, "little") + whole)
    assert len(document.score.notes()) == 1
    error = refused(b"RIFF\x04\x00\x00\x00RMID")
    assert (error.field, error.message) == ("format", "this RIFF file holds no MIDI")


def test_midi_without_drums_says_so() -> None:
    assert refused(midi([])).field == "notes"
    assert refused(midi([(0, on(127)), (480, on(0))])).field == "notes"
    piano = [(at * 480, on(60 + at, channel=at % 2)) for at in range(8)]
    error = refused(midi(piano))
    assert (error.field, "channel 10" in error.message) == ("notes", True)


def test_notes_that_the_kit_does_not_know_are_left_out_and_named() -> None:
    document = imported(midi([(0, on(36)), (240, on(99)), (480, on(38)), (720, on(99))]))
    assert [event.piece for event in document.performance.events] == ["kick", "snare"]
    assert document.performance.model_version == "midi; left out: 2 x note 99"


def test_a_file_in_film_frames_has_no_bars() -> None:
    whole = bytearray(midi([(0, on(36))]))
    whole[12:14] = b"\xe7\x28"  # 25 frames a second, 40 ticks each
    error = refused(bytes(whole))
    assert (error.field, "frames" in error.message) == ("format", True)


def test_a_file_that_counts_in_nothing_has_no_bars() -> None:
    whole = bytearray(midi([(0, on(36))]))
    whole[12:14] = b"\x00\x00"
    assert refused(bytes(whole)).field == "format"


def test_separate_songs_in_one_file_are_refused() -> None:
    assert "type 2" in refused(midi([(0, on(36))], kind=2)).message


def test_a_meter_that_no_score_has_is_refused_by_name() -> None:
    mark = mido.MetaMessage("time_signature", numerator=200, denominator=4)
    assert refused(midi([(0, mark), (0, on(36))])).field == "time_signature"


def test_a_note_a_day_later_is_too_late() -> None:
    day = 24 * 3600 * 2 * 480  # at 120 bpm
    assert refused(midi([(0, on(36)), (day, on(36))])).field == "duration_s"


def test_notes_that_are_years_apart_are_refused_soon() -> None:
    ages = [(step * 0x0FFFFFFF, on(36)) for step in range(40)]
    assert refused(midi(ages, ticks=1)).field == "duration_s"


def test_bars_of_a_32nd_for_hours_are_refused_soon() -> None:
    mark = mido.MetaMessage("time_signature", numerator=1, denominator=32)
    fast = mido.MetaMessage("set_tempo", tempo=1)
    error = refused(midi([(0, mark), (0, fast), (0, on(36)), (0x0FFFFFF, on(36))], ticks=1))
    assert error.field == "score.bars"


def test_a_tempo_of_zero_is_no_division_by_zero() -> None:
    zero = mido.MetaMessage("set_tempo", tempo=0)
    document = imported(midi([(0, zero), (0, on(36)), (480, on(38))]))
    assert len(document.score.notes()) == 2


def test_more_notes_than_anybody_plays_are_refused() -> None:
    stroke = b"\x01\x24\x5a"  # a tick later, by running status
    notes = b"\x00\x99\x24\x5a" + stroke * 200_000 + b"\x00\xff\x2f\x00"
    head = b"MThd\x00\x00\x00\x06\x00\x00\x00\x01\x01\xe0MTrk"
    assert refused(head + len(notes).to_bytes(4, "big") + notes).field == "notes"


def test_a_meter_that_comes_in_the_middle_of_a_bar_cuts_it_short() -> None:
    three = mido.MetaMessage("time_signature", numerator=3, denominator=4)
    notes = [(quarter * 480, on(36)) for quarter in range(6)]
    document = imported(midi(sorted([*notes, (2 * 480, three)], key=lambda item: item[0])))
    # Two quarters at the beginning are no more than half of what follows... and so no pickup.
    assert [(bar.number, str(bar.meter)) for bar in document.score.bars] == [
        (1, "2/4"), (2, "3/4"), (3, "3/4"),
    ]  # fmt: skip


# Compressed MusicXML


def zipped(method: int = zipfile.ZIP_DEFLATED, /, **entries: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), data)
    return packed.getvalue()


def test_an_archive_that_unpacks_to_too_much_is_refused_before_it_does() -> None:
    bomb = zipped(score_musicxml=b"<score-partwise>" + b" " * (MAX_XML_BYTES + 1))
    assert len(bomb) < 20_000
    assert "unpacks to more than 10 MB" in refused(bomb).message


@pytest.mark.parametrize(
    ("inside", "times"), [(b"<a/>", 1_500_000), (b"&a;", 1_500_000), (b"<a b=''/>", 750_000)]
)
def test_an_archive_of_more_elements_than_any_score_has_is_refused_unparsed(
    monkeypatch: pytest.MonkeyPatch, inside: bytes, times: int
) -> None:
    bomb = zipped(score_musicxml=b"<score-partwise>" + inside * times)
    monkeypatch.delattr("lxml.etree.fromstring")
    assert "more than 1500000 tags" in refused(bomb).message


def test_an_archive_that_lies_about_its_size_is_refused() -> None:
    bomb = bytearray(zipped(score_musicxml=b" " * 1_000_000))
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = bomb.index(mark) + offset
        bomb[start : start + 4] = (10).to_bytes(4, "little")
    assert refused(bytes(bomb)).field == "format"


def test_an_archive_without_a_score_is_refused() -> None:
    assert refused(zipped()).field == "format"
    assert refused(zipped(readme_txt=b"hello")).field == "format"
    away = b'<container><rootfiles><rootfile full-path="../../etc/passwd"/></rootfiles></container>'
    error = refused(zipped(**{"META-INF__container_xml": away, "a_xml": b"<a/>"}))
    assert error.field == "format"


def test_an_archive_with_a_password_or_a_broken_entry_is_refused() -> None:
    locked = bytearray(export(GOLDEN["rock"], "mxl").data)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = -1
        while (start := locked.find(mark, start + 1)) >= 0:
            locked[start + offset] |= 1
    assert refused(bytes(locked)).field == "format"
    broken = bytearray(export(GOLDEN["rock"], "mxl").data)
    broken[700:760] = b"\xff" * 60
    assert refused(bytes(broken)).field == "format"


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_archive_with_any_bytes_changed_is_refused_or_read(method: int) -> None:
    whole = zipped(method, score_musicxml=xml(hit() * 4, hit() * 4))
    random = Random(method)
    seen = set()
    for _ in range(150):
        broken = bytearray(whole)
        for _ in range(random.randint(1, 3)):
            broken[random.randrange(len(broken))] = random.randrange(256)
        try:
            imported(bytes(broken))
        except ScoreError as error:
            assert error.field == "format"
            seen.add(error.message.partition(":")[0])
    assert "this archive cannot be read" in seen


# MusicXML

HIT = (
    "<note><unpitched><display-step>C</display-step><display-octave>5</display-octave></unpitched>"
    "<duration>{}</duration>{}</note>"
)
HEAD = (
    "<attributes><divisions>1</divisions><time><beats>4</beats><beat-type>4</beat-type></time>"
    "<clef><sign>percussion</sign></clef></attributes>"
)


def hit(duration: object = 1, inside: str = "") -> str:
    return HIT.format(duration, inside)


def xml(*measures: str, before: str = "", head: str = HEAD, parts: str = "") -> bytes:
    """A partwise score of one drum part."""
    inside = "".join(
        f'<measure number="{number}">{head if number == 1 else ""}{measure}</measure>'
        for number, measure in enumerate(measures, start=1)
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{before}<score-partwise version="4.0"><part-list>'
        '<score-part id="P1"><part-name>Drums</part-name></score-part>'
        f'</part-list>{parts}<part id="P1">{inside}</part></score-partwise>'
    ).encode()


def places(document: ScoreDocument) -> list[tuple[int, Fraction, str]]:
    return sorted(
        (bar.number, event.start, note.piece.value) for bar, event, note in document.score.notes()
    )


def test_entities_are_not_expanded_and_nothing_is_fetched(tmp_path: Path) -> None:
    laughs = "".join(f'<!ENTITY l{n} "{"&l" + str(n - 1) + ";"}{"&l" + str(n - 1) + ";"}">'
                     for n in range(1, 64))  # fmt: skip
    bomb = xml(hit(), before=f'<!DOCTYPE s [<!ENTITY l0 "ha">{laughs}]>')
    bomb = bomb.replace(b"Drums", b"&l63;")
    for data in (bomb, bomb.replace(b"<display-step>C", b"<display-step>&l63;")):
        try:
            imported(data)
        except ScoreError as error:
            assert error.field in ("format", "notes")
    secret = tmp_path / "secret.txt"
    secret.write_text("hidden words")
    outside = xml(
        hit(),
        before=f'<!DOCTYPE s SYSTEM "http://127.0.0.1:9/x.dtd" [<!ENTITY x SYSTEM "{secret}">]>',
    )
    titled = outside.replace(
        b"<part-list>", b"<work><work-title>&x;</work-title></work><part-list>"
    )
    document = imported(titled)
    assert b"hidden words" not in document.to_json()
    assert len(document.score.notes()) == 1


def test_an_element_nested_a_million_deep_is_refused() -> None:
    assert refused(b"<score-partwise>" + b"<a>" * 1_000_000).field == "format"


def test_a_timewise_score_is_refused_with_advice() -> None:
    assert "partwise" in refused(b'<score-timewise version="4.0"></score-timewise>').message


def test_a_score_without_drums_says_so() -> None:
    piano = xml(
        "<note><pitch><step>C</step><octave>4</octave></pitch><duration>4</duration></note>"
    )
    error = refused(piano.replace(b"percussion", b"G"))
    assert error.field == "part"
    assert refused(xml("<note><rest/><duration>4</duration></note>")).field == "notes"
    assert refused(xml()).field == "part"


@pytest.mark.parametrize(
    ("divisions", "duration"),
    [("1e999999999", "1"), ("1", "1e999999999"), ("0", "1"), ("-1", "1"), ("nan", "1"),
     ("1", "inf"), ("1/0", "1"), ("1", "x"), ("9" * 10_000, "1"), ("1", "9" * 10_000), ("1", "-1"),
     ("", "-4")],
)  # fmt: skip
def test_numbers_that_are_none_are_refused_by_their_measure(divisions: str, duration: str) -> None:
    head = HEAD.replace("<divisions>1<", f"<divisions>{divisions}<")
    assert refused(xml(hit(duration), head=head)).field == "measure 1"


def test_huge_divisions_that_come_to_plain_values_are_read() -> None:
    head = HEAD.replace("<divisions>1<", "<divisions>100000000000<")
    document = imported(xml(hit(50_000_000_000) * 2 + hit(100_000_000_000), head=head))
    assert places(document) == [(1, F(0), "snare"), (1, F(1, 8), "snare"), (1, F(1, 4), "snare")]


def test_places_that_no_note_values_can_write_are_refused() -> None:
    head = HEAD.replace("<divisions>1<", "<divisions>99991<")
    assert refused(xml(hit(1) * 3, head=head)).field in ("score", "score.bars[0]", "bars[1]")


LONG = "9" * 4_000
LONGER = "9" * 10_000


@pytest.mark.parametrize("digits", [LONG, LONGER, "-" + LONGER])
@pytest.mark.parametrize(
    ("named", "inside"),
    [
        ("repeat times", '<barline><repeat direction="backward" times="{}"/></barline>'),
        (
            "measure-repeat",
            '<attributes><measure-style><measure-repeat type="start">{}</measure-repeat>'
            "</measure-style></attributes>",
        ),
        ("swing first", "<sound><swing><first>{}</first><second>1</second></swing></sound>"),
        (
            "swing second",
            "<direction><sound><swing><first>1</first><second>{}</second></swing></sound>"
            "</direction>",
        ),
    ],
)
def test_a_count_of_thousands_of_digits_is_refused_by_name(
    named: str, inside: str, digits: str
) -> None:
    error = refused(xml(hit(), hit() + inside.format(digits)))
    assert (error.field, error.message.startswith(named)) == ("measure 2", True)


def test_a_loudness_beyond_all_numbers_is_the_loudest() -> None:
    loud = hit().replace("<note>", '<note dynamics="1e308">')
    ((_, _, note),) = imported(xml(loud)).score.notes()
    assert note.velocity == 127


def test_a_name_that_is_none_without_its_prefix_is_refused() -> None:
    named = b'<score-partwise xmlns:a="b"><a:1x/></score-partwise>'
    assert refused(named).field in ("format", "part")


def test_divisions_that_have_nothing_in_common_are_refused() -> None:
    head = HEAD.replace("<divisions>1</divisions>", "")
    one = "<attributes><divisions>{}</divisions></attributes><forward><duration>1</duration>"
    steps = "".join(one.format(10**11 + step) + "</forward>" for step in range(40))
    assert refused(xml(hit() + steps, head=head)).field == "measure 1"


def test_without_divisions_a_duration_counts_quarters() -> None:
    head = HEAD.replace("<divisions>1</divisions>", "")
    assert places(imported(xml(hit(1) + hit(1), head=head))) == [
        (1, F(0), "snare"), (1, F(1, 4), "snare"),
    ]  # fmt: skip


def test_going_back_before_the_bar_line_is_refused() -> None:
    back = "<backup><duration>2</duration></backup>"
    assert refused(xml(hit() + back + hit())).field == "measure 1"


def test_a_bar_that_holds_more_than_its_meter_is_refused_by_its_number() -> None:
    assert refused(xml(hit() * 4, hit() * 5)).field == "measure 2"


@pytest.mark.parametrize("beats", ["0", "-4", "", "99999999999", "4+x", "x", "1+" * 400 + "1"])
def test_a_meter_that_is_none_is_refused_by_its_measure(beats: str) -> None:
    assert refused(xml(hit(), head=HEAD.replace("<beats>4<", f"<beats>{beats}<"))).field == (
        "measure 1"
    )


def test_an_instrument_that_is_not_listed_falls_back_to_the_staff() -> None:
    kick = hit(1, '<instrument id="nobody"/>').replace(">C<", ">F<").replace(">5<", ">4<")
    assert places(imported(xml(kick + hit()))) == [(1, F(0), "kick"), (1, F(1, 4), "snare")]


def test_a_quote_in_a_parts_name_breaks_nothing() -> None:
    data = xml(hit()).replace(b'id="P1"', b"id=\"P'1] | //*['\"")
    assert places(imported(data)) == [(1, F(0), "snare")]


def test_a_place_where_no_piece_stands_is_left_out() -> None:
    nowhere = hit().replace(">C<", ">B<").replace(">5<", ">9<")
    assert places(imported(xml(nowhere + hit()))) == [(1, F(1, 4), "snare")]


# Repeats


def bar(text: str = "", strokes: int = 1, after: str = "") -> str:
    return f"{text}{hit() * strokes}<forward><duration>{4 - strokes}</duration></forward>{after}"


FORWARD = '<barline location="left"><repeat direction="forward"/></barline>'
BACKWARD = '<barline location="right"><repeat direction="backward"/></barline>'


def ending(number: str, kind: str = "start", after: str = "") -> str:
    return f'<barline location="left"><ending number="{number}" type="{kind}"/>{after}</barline>'


def strokes_per_bar(document: ScoreDocument) -> list[int]:
    return [
        sum(len(event.notes) for voice in each.voices for event in voice.events)
        for each in document.score.bars
    ]


def test_a_repeat_is_written_out() -> None:
    document = imported(xml(bar(), bar(FORWARD, 2), bar("", 3, BACKWARD), bar("", 4)))
    assert strokes_per_bar(document) == [1, 2, 3, 2, 3, 4]
    names = [note.id for _, _, note in document.score.notes()]
    assert len(set(names)) == len(names)


def test_a_repeat_without_a_beginning_goes_back_to_the_first_bar() -> None:
    assert strokes_per_bar(imported(xml(bar(), bar("", 2, BACKWARD), bar("", 3)))) == [
        1,
        2,
        1,
        2,
        3,
    ]


def test_a_repeat_says_how_often() -> None:
    thrice = BACKWARD.replace('"backward"', '"backward" times="3"')
    assert strokes_per_bar(imported(xml(bar("", 1, thrice), bar("", 2)))) == [1, 1, 1, 2]


def test_first_and_second_endings_are_followed() -> None:
    document = imported(
        xml(
            bar(FORWARD, 1),
            bar(ending("1"), 2, BACKWARD),
            bar(ending("2"), 3),
            bar("", 4),
        )
    )
    assert strokes_per_bar(document) == [1, 2, 1, 3, 4]


def test_an_ending_for_two_turns_is_played_twice() -> None:
    thrice = BACKWARD.replace('"backward"', '"backward" times="3"')
    document = imported(
        xml(bar(FORWARD, 1), bar(ending("1, 2"), 2, thrice), bar(ending("3"), 3), bar("", 4))
    )
    assert strokes_per_bar(document) == [1, 2, 1, 2, 1, 3, 4]


def test_endings_of_two_bars_are_followed() -> None:
    stop = '<barline location="right"><ending number="1" type="stop"/>{}</barline>'
    back = stop.format('<repeat direction="backward"/>')
    document = imported(
        xml(bar(FORWARD, 1), bar(ending("1"), 2), bar("", 3, back), bar(ending("2"), 4), bar("", 1))
    )
    assert strokes_per_bar(document) == [1, 2, 3, 1, 4, 1]


def test_repeats_that_multiply_beyond_all_bars_are_refused() -> None:
    many = BACKWARD.replace('"backward"', '"backward" times="999999"')
    measures = [bar("", 1, many) for _ in range(30)]
    document = imported(xml(*measures))
    assert len(document.score.bars) <= 16 * 30


def test_notes_that_repeats_multiply_beyond_all_are_refused() -> None:
    many = BACKWARD.replace('"backward"', '"backward" times="16"')
    chord = hit(0).replace("<note>", "<note><chord/>")
    error = refused(xml(hit() + chord * (MAX_EVENTS // 16), bar("", 1, many)))
    assert (error.field, "repeats written out" in error.message) == ("notes", True)


def test_a_bar_that_is_only_a_sign_repeats_the_one_before() -> None:
    sign = (
        '<attributes><measure-style><measure-repeat type="start">1</measure-repeat>'
        "</measure-style></attributes><note><rest measure='yes'/><duration>4</duration></note>"
    )
    again = "<note><rest measure='yes'/><duration>4</duration></note>"
    end = (
        '<attributes><measure-style><measure-repeat type="stop"></measure-repeat>'
        "</measure-style></attributes>"
    )
    document = imported(xml(bar("", 3), sign, again, bar(end, 2)))
    assert strokes_per_bar(document) == [3, 3, 3, 2]


def test_signs_that_we_write_are_read_as_the_bars_they_stand_for() -> None:
    document = GOLDEN["bossa"]
    drawn = export(document, "musicxml", repeats="signs").data
    assert b"measure-repeat" in drawn
    assert places(imported(drawn)) == places(document)


# Hairpins


def wedge(kind: str, number: int | None = None) -> str:
    named = "" if number is None else f' number="{number}"'
    return f'<direction><direction-type><wedge type="{kind}"{named}/></direction-type></direction>'


def hairpins(document: ScoreDocument) -> list[tuple[str, int, Fraction, int, Fraction]]:
    return [
        (pin.kind.value, pin.bar, pin.start, pin.end_bar, pin.end)
        for pin in document.score.hairpins
    ]


def test_hairpins_that_overlap_are_told_apart_by_their_number() -> None:
    first = wedge("crescendo", 1) + hit() + wedge("diminuendo", 2) + hit() + wedge("stop", 1)
    document = imported(xml(first + hit() * 2, hit() + wedge("stop", 2) + hit() * 3))
    assert {kind: (start, bar, end) for kind, _, start, bar, end in hairpins(document)} == {
        "crescendo": (F(0), 1, F(1, 2)), "diminuendo": (F(1, 4), 2, F(1, 4)),
    }  # fmt: skip


def test_hairpins_without_a_number_are_number_one() -> None:
    document = imported(
        xml(wedge("crescendo") + hit() * 2 + wedge("stop", 1) + wedge("stop", 3) + hit() * 2)
    )
    assert hairpins(document) == [("crescendo", 1, F(0), 1, F(1, 2))]


# Notes


@pytest.mark.parametrize("inside", ["<unpitched/>", "<rest/>", "<grace/>", "<cue/>"])
def test_notes_are_counted_whether_anything_stands_for_them_or_not(
    monkeypatch: pytest.MonkeyPatch, inside: str
) -> None:
    monkeypatch.setattr("services.notation.domain.read_musicxml.MAX_EVENTS", 100)
    error = refused(xml(hit() + f"<note>{inside}</note>" * 100))
    assert (error.field, error.message) == ("notes", "more than 100 notes")


def test_a_long_row_of_graces_leaves_the_last_ones() -> None:
    grace = hit(0).replace("<note>", "<note><grace/>").replace("<duration>0</duration>", "")
    ((_, _, note),) = imported(xml(grace * 3_000 + hit(4))).score.notes()
    assert (len(note.graces), note.articulations) == (2, (Articulation.DRAG,))


def test_names_that_a_file_takes_beforehand_are_not_given_again() -> None:
    taken = "".join(hit().replace("<note>", f'<note id="n-{number:06d}">') for number in (3, 4))
    names = [note.id for _, _, note in imported(xml(taken + hit() * 2)).score.notes()]
    assert names == ["n-000003", "n-000004", "n-000005", "n-000006"]


@pytest.mark.parametrize("beats", [F(1, 2), F(3, 2), F(3, 4), F(5, 2)])
def test_a_pickup_of_no_whole_number_of_beats_is_read(beats: Fraction) -> None:
    head = HEAD.replace("<divisions>1<", "<divisions>8<")
    data = xml(hit(beats * 8), hit(8) * 4, head=head)
    document = imported(data.replace(b'number="1"', b'number="0" implicit="yes"'))
    assert [len(e.notes) for b in document.score.bars for v in b.voices for e in v.events
            if e.notes] == [1] * 5  # fmt: skip


def test_a_tied_note_is_one_stroke() -> None:
    tied = hit(2, '<tie type="start"/>') + hit(2, '<tie type="stop"/>')
    assert places(imported(xml(tied, hit()))) == [(1, F(0), "snare"), (2, F(0), "snare")]


def test_cue_notes_are_not_played() -> None:
    cue = "<note><cue/><unpitched/><duration>1</duration></note>"
    assert places(imported(xml(cue + hit()))) == [(1, F(1, 4), "snare")]


def test_a_grace_before_a_chord_belongs_to_its_own_piece() -> None:
    kick = hit(4).replace(">C<", ">F<").replace(">5<", ">4<")
    grace = hit(0).replace("<note>", "<note><grace/>").replace("<duration>0</duration>", "")
    document = imported(xml(grace + kick + hit(4, "").replace("<note>", "<note><chord/>")))
    graced = {note.piece: len(note.graces) for _, _, note in document.score.notes()}
    assert graced == {DrumPiece.KICK: 0, DrumPiece.SNARE: 1}


def test_a_grace_on_another_drum_belongs_to_the_note_that_follows() -> None:
    tom = hit(4).replace(">C<", ">E<")
    grace = hit(0).replace("<note>", "<note><grace/>").replace("<duration>0</duration>", "")
    ((_, _, note),) = imported(xml(grace + tom)).score.notes()
    assert (note.piece, note.articulations) == (DrumPiece.TOM_HIGH, (Articulation.FLAM,))


def test_the_sign_for_a_half_open_hat_is_read_whatever_the_instrument_is_called() -> None:
    hat = hit(1, "<notehead>x</notehead>").replace(">C<", ">G<")
    sign = "<direction><direction-type><words>ø</words></direction-type></direction>"
    assert places(imported(xml(hat + sign + hat + hat))) == [
        (1, F(0), "hat-closed"), (1, F(1, 4), "hat-half-open"), (1, F(1, 2), "hat-closed"),
    ]  # fmt: skip


def test_the_drum_part_is_found_among_others() -> None:
    piano = (
        '<part id="P0"><measure number="1"><note><pitch><step>C</step><octave>4</octave></pitch>'
        "<duration>4</duration></note></measure></part>"
    )
    data = xml(hit(), parts=piano).replace(
        b"<part-list>", b'<part-list><score-part id="P0"><part-name>Piano</part-name></score-part>'
    )
    assert places(imported(data)) == [(1, F(0), "snare")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "iso-8859-1"])
def test_other_encodings_are_read(encoding: str) -> None:
    text = xml(hit()).decode().replace("UTF-8", "UTF-16" if "16" in encoding else encoding)
    text = text.replace("<part-list>", "<work><work-title>Été</work-title></work><part-list>")
    data = text.encode(encoding)
    assert imported(data).score.title == "Été"


def test_any_byte_of_a_musicxml_file_may_change() -> None:
    whole = export(score_of(3), "musicxml").data
    with_bytes_changed(whole, times=60, most=3, seed=11)


def test_any_number_of_a_musicxml_file_may_change() -> None:
    whole = export(GOLDEN["funk"], "musicxml").data.decode()
    random = Random(12)
    wild = ["0", "-1", "1e99", "999999999", "", "0.5", "NaN", "١"]
    for _ in range(60):
        parts = whole.split(">")
        picked = random.choice([i for i, part in enumerate(parts) if part[:1].isdigit()])
        parts[picked] = random.choice(wild) + "<" + parts[picked].partition("<")[2]
        try:
            imported(">".join(parts).encode())
        except ScoreError as error:
            assert error.field


def test_words_that_cannot_be_printed_do_no_harm() -> None:
    words = "<rehearsal>A\tB&#x85;\x7f</rehearsal>"
    mark = f"<direction><direction-type>{words}</direction-type></direction>"
    document = imported(xml(mark + hit()))
    assert [part.name for part in document.score.sections] == ["A B"]


@pytest.mark.parametrize(
    ("notes", "kit", "pieces"),
    [
        ([48, 47, 45], "backbeat-standard", ["tom-high", "tom-mid", "tom-floor"]),
        ([50, 48], "backbeat-standard", ["tom-high", "tom-mid"]),
        ([43, 41], "backbeat-standard", ["tom-mid", "tom-floor"]),
        ([48, 43], "backbeat-standard", ["tom-high", "tom-floor"]),
        (
            [50, 48, 45, 41], "backbeat-standard",
            ["tom-high", "tom-high", "tom-mid", "tom-floor"],
        ),
        # The head and the rim of one tom.
        ([48, 50], "roland-td", ["tom-high", "tom-high"]),
    ],
)  # fmt: skip
def test_toms_are_named_by_their_height_beside_each_other(
    notes: list[int], kit: str, pieces: list[str]
) -> None:
    track = mido.MidiTrack()
    for note in notes:
        track.append(mido.Message("note_on", channel=9, note=note, velocity=90, time=0))
        track.append(mido.Message("note_off", channel=9, note=note, velocity=0, time=480))
    file = mido.MidiFile(ticks_per_beat=480)
    file.tracks.append(track)
    data = io.BytesIO()
    file.save(file=data)
    score = read(data.getvalue(), file_name="toms.mid", kit=KITS[kit])
    assert [note.piece.value for _, _, note in score.score.notes()] == pieces
