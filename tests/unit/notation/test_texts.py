"""LilyPond, ABC, tab, chart, note names: each read back by a small reader of its own."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import pytest
from lxml import etree

from libs.common.drums import Articulation, DrumPiece
from services.notation.domain.abc_notation import to_abc
from services.notation.domain.chart import to_chart
from services.notation.domain.document import ScoreDocument
from services.notation.domain.engrave import write_bar
from services.notation.domain.kit import KITS, Kit, kit_called
from services.notation.domain.lilypond import NAMES, to_lilypond
from services.notation.domain.musicxml import to_musicxml
from services.notation.domain.note_names import to_cubase, to_reaper
from services.notation.domain.pictures import Look, to_svg
from services.notation.domain.score import Repeat, ScoreError, Swing, read_meter
from services.notation.domain.tab import to_tab
from tests.unit.notation.charts import FOUR, SIX, Pen, chart, document_of, fill_bar, rock_bar

F = Fraction
P = DrumPiece
A = Articulation

# LilyPond

_LENGTH = r"(\d+)(\.*)(?:\*(\d+)/(\d+))?"
_TOKEN = re.compile(
    rf"\\tuplet (?P<actual>\d+)/(?P<normal>\d+) {{|\\(?:slashedG|g)race {{[^}}]*}}|"
    rf"\\grace s8|\\markup(?: \\\w+)* (?:{{[^}}]*}}|\"[^\"]*\")|(?P<close>}})|"
    rf"(?:<[^<>]*>|\b(?:r|s|R|{'|'.join(NAMES.values())}))(?P<length>{_LENGTH})"
)


def lily_length(voice: str) -> Fraction:
    """What the notes and rests of one voice add up to, in whole notes."""
    total = F(0)
    factor = F(1)
    for token in _TOKEN.finditer(voice):
        if token["actual"]:
            factor = F(int(token["normal"]), int(token["actual"]))
        elif token["close"]:
            factor = F(1)
        elif token["length"]:
            base, dots, up, down = re.fullmatch(_LENGTH, token["length"]).groups()  # type: ignore[union-attr]
            length = F(1, int(base)) * (2 - F(1, 2 ** len(dots)))
            total += factor * length * F(int(up or 1), int(down or 1))
    return total


def lily_bars(source: str) -> list[list[Fraction]]:
    """The lengths of each bar's voices, in order of the file."""
    body = source.partition("beat = \\drummode {")[2].partition("\\score")[0]
    bars = []
    for line in re.sub(r'"(?:\\.|[^"\\])*"', '""', body).splitlines():
        if re.search(r"\| % \d+$", line):
            bars.append([lily_length(voice) for voice in line.split("\\\\")])
    return bars


def compiled(source: bytes, folder: Path) -> None:
    """LilyPond itself takes it, where it is installed."""
    if shutil.which("lilypond") is None:
        return
    file = folder / "score.ly"
    file.write_bytes(source)
    told = subprocess.run(
        ["lilypond", "-dno-print-pages", "-o", str(folder / "score"), str(file)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert "error" not in told.stderr
    assert "barcheck" not in told.stderr.lower().replace(" ", "")


def test_in_lilypond_every_voice_fills_its_bar(tmp_path: Path):
    document = chart(title='Quotes "and" \\ slashes')
    source = to_lilypond(document)
    bars = document.score.bars
    assert [set(lengths) for lengths in lily_bars(source.decode())] == [{b.length} for b in bars]
    compiled(source, tmp_path)


def test_in_lilypond_repeats_are_percents_that_stand_for_all_bars(tmp_path: Path):
    pen = Pen()
    bars = [rock_bar(pen, 1), fill_bar(pen, 2), *(rock_bar(pen, n) for n in (3, 4, 5))]
    bars[2:4] = [rock_bar(pen, 3), fill_bar(pen, 4)]
    document = document_of(bars, repeats=(Repeat(3, 2),))
    source = to_lilypond(document, repeats="signs")
    assert "\\repeat percent 2 {" in source.decode()
    assert len(lily_bars(source.decode())) == 3
    compiled(source, tmp_path)


def test_in_lilypond_marks_stand_where_they_belong():
    source = to_lilypond(chart()).decode()
    marks = source.split("marks = {")[1].split("\n}")[0].strip().splitlines()
    assert [sum_of_spacers(line) for line in marks if "s1" in line] == [
        bar.length for bar in chart().score.bars
    ]
    assert '\\mark \\markup \\box "Verse"' in source
    assert "s1*3/4\\< s1*1/8\\! s1*1/8\\ff" in source
    assert '\\tempo "a tempo" 4. = 60' in source
    assert '\\once \\set Score.tempoHideNote = ##t \\tempo "rit." 4 = 96' in source


def sum_of_spacers(line: str) -> Fraction:
    found = re.findall(r"s1\*(\d+)/(\d+)", line)
    return sum((F(int(up), int(down)) for up, down in found), F(0))


def test_in_lilypond_strokes_have_their_signs():
    source = to_lilypond(chart()).decode()
    for written in (
        "\\parenthesize snare16", "\\slashedGrace { snare8( } snare8.)",
        "\\grace { snare16[( snare16] } snare8)", "<snare splashcymbal>8:64", "crashcymbala8]->-!",
        "\\tuplet 3/2 { highfloortom8[", 'halfopenhihat8]^\\markup \\italic "ø"',
        "_\\markup \\small \\column { R }",
    ):  # fmt: skip
        assert written in source or written.replace("->-!", "-!->") in source, written


def test_in_lilypond_the_kit_says_place_and_head():
    standard = to_lilypond(chart()).decode()
    assert "(bassdrum () #f -3)" in standard
    assert "(openhihat cross open 5)" in standard
    assert "(snare () #f 0)" in to_lilypond(chart(), kit_called("one-line")).decode()


@pytest.mark.parametrize("write", [to_lilypond])
def test_an_unknown_kind_of_repeats_is_refused(write: object):
    with pytest.raises(ScoreError, match="written or signs"):
        to_lilypond(chart(), repeats="percent")


# ABC


def abc_length(bar: str, unit: Fraction) -> Fraction:
    """What the notes and rests of a bar add up to."""
    plain = re.sub(r'\[[A-Z]:[^\]]*\]|"[^"]*"|![^!]*!|\{[^}]*\}', "", bar)
    token = r"(?:\[(?:[\^_=]*[A-Ga-g][,']*)+\]|[\^_=]*[A-Ga-g][,']*|[zx])(\d*)(?:/(\d+))?"
    total = F(0)
    left, factor = 0, F(1)
    for found in re.finditer(rf"\((\d):(\d):(\d)|{token}", plain):
        actual, normal, members, up, down = found.groups()
        if actual:
            left, factor = int(members), F(int(normal), int(actual))
            continue
        total += unit * F(int(up or 1), int(down or 1)) * (factor if left else 1)
        left = max(0, left - 1)
    return total


def abc_voices(source: str) -> dict[str, list[str]]:
    voices: dict[str, list[str]] = {}
    for line in source.splitlines():
        if found := re.match(r"\[V:(\w)\] (.*) \|\]?$", line):
            voices.setdefault(found[1], []).extend(found[2].split(" | "))
    return voices


@pytest.mark.parametrize("kit", sorted(KITS))
def test_in_abc_every_voice_fills_its_bar(kit: str):
    document = chart()
    voices = abc_voices(to_abc(document, kit_called(kit)).decode())
    expected = [bar.length for bar in document.score.bars]
    for name in ("H", "F"):
        assert [abc_length(bar, F(1, 16)) for bar in voices[name]] == expected


@pytest.mark.parametrize("kit", sorted(KITS))
def test_in_abc_no_two_pieces_share_a_note(kit: str):
    pen = Pen()
    bars = [write_bar(n, FOUR, [pen.note(0, piece)]) for n, piece in enumerate(P, start=1)]
    source = to_abc(document_of(bars), kit_called(kit)).decode()
    drums = dict(re.findall(r"%%MIDI drummap (\S+) (\d+)", source))
    assert len(drums) == len(P)
    notes = [int(note) for note in drums.values()]
    assert sorted(notes) == sorted(e.midi_note for e in kit_called(kit).entries.values())


def test_in_abc_heads_are_drawn_without_the_accidental():
    source = to_abc(chart()).decode()
    assert "%%map drums ^c print=c heads=x-head" in source
    assert "I:propagate-accidentals not" in source


def test_in_abc_marks_and_signs_stand_with_their_notes():
    voices = abc_voices(to_abc(chart()).decode())
    assert voices["H"][1].startswith('[P:Verse]!mf!g2g2 !accent![gc]2g"<("">)"c')
    assert voices["H"][8].startswith('{/c}"_R"!<(!c3"_L"c ')
    assert voices["H"][9].startswith('[P:Swing part]"^Swing 8ths"!p!f2f2')
    assert voices["H"][14].startswith('[M:6/8][P:Jig & end][Q:"a tempo" 3/8=60]!f!g2')
    assert voices["F"][0] == "x4"
    assert to_abc(chart(title="100% live")).decode().splitlines()[2] == "T:100\\% live"


# Tab


def tab_bars(source: str, row: str) -> list[str]:
    return [
        bar
        for line in source.splitlines()
        if line.startswith(f"{row}|")
        for bar in line.strip("|").split("|")[1:]
    ]


def test_a_tab_says_what_is_played_when():
    source = to_tab(chart()).decode()
    assert tab_bars(source, "HH")[1] == "x-x-x-x-x-x-x-o-"
    assert tab_bars(source, "SN")[1] == "----O--g-g--O---"
    assert tab_bars(source, "BD")[1] == "o-------o-o-----"
    assert tab_bars(source, "SN")[8] == "f--o-------d---"
    assert tab_bars(source, "CC")[0] == "-------------#-"


def test_in_a_tab_a_triplets_beat_has_three_columns_and_is_counted_so():
    lines = to_tab(chart()).decode().splitlines()
    row = next(index for index, line in enumerate(lines) if line.startswith("   1e&a2e&a3tl4e&a"))
    floor = next(line for line in lines[row:] if line.startswith("FT|"))
    assert floor.split("|")[1] == "--------ooo----"


def test_in_a_tab_compound_beats_are_counted_in_eighths():
    pen = Pen()
    plain = write_bar(1, SIX, [pen.note(F(i, 8), P.HAT_CLOSED) for i in range(6)])
    fine = write_bar(2, SIX, [pen.note(F(i, 16), P.SNARE) for i in range(12)])
    source = to_tab(document_of([plain, fine])).decode()
    assert "   123456 1 2 3 4 5 6" in source
    assert tab_bars(source, "SN") == ["------", "oooooooooooo"]


def test_a_tab_tells_what_its_signs_mean_and_only_those():
    head = to_tab(chart()).decode().split("\n\n")[1]
    assert "X O accent" in head
    assert "g ghost" in head
    assert "b ride bell" in head
    pen = Pen()
    plain = to_tab(document_of([write_bar(1, FOUR, [pen.note(0, P.KICK)])])).decode()
    assert "ghost" not in plain
    assert "Crash" not in plain


def test_a_tab_keeps_to_its_width_and_numbers_its_bars():
    for width in (60, 80, 120):
        lines = to_tab(chart(), width=width).decode().splitlines()
        assert max(len(line) for line in lines) <= width
    numbers = [line.split() for line in lines if re.fullmatch(r"[\d ]+", line) and line.strip()]
    counted = [int(n) for row in numbers for n in row if len(n) < 3]
    assert set(range(18)) <= set(counted)


@pytest.mark.parametrize("meter", ["4/4", "7/8", "5/16", "12/8", "3/2", "1/4"])
def test_in_a_tab_no_stroke_is_lost(meter: str):
    pen = Pen()
    size = read_meter(meter)
    steps = int(size.length * 32)
    bars = [write_bar(1, size, [pen.note(F(i, 32), P.SNARE) for i in range(0, steps, 3)])]
    source = to_tab(document_of(bars)).decode()
    (bar,) = tab_bars(source, "SN")
    assert bar.count("o") == len(range(0, steps, 3))


@pytest.mark.parametrize("width", [39, 401])
def test_a_tab_too_narrow_or_wide_is_refused(width: int):
    with pytest.raises(ScoreError, match="40 to 400"):
        to_tab(chart(), width=width)


# Chart


def sections(source: str) -> dict[str, list[str]]:
    found = re.findall(r"\[(\w+)\]\r\n\{\r\n(.*?)\}\r\n", source, re.DOTALL)
    return {name: [line.strip() for line in body.splitlines()] for name, body in found}


def at_ticks(lines: Iterable[str]) -> dict[int, set[int]]:
    notes: dict[int, set[int]] = {}
    for line in lines:
        tick, _, kind, number, length = line.split()
        assert (kind, length) == ("N", "0")
        notes.setdefault(int(tick), set()).add(int(number))
    return notes


def one_bar_chart(*strokes: object) -> dict[int, set[int]]:
    document = document_of([write_bar(1, FOUR, strokes)], bpm=120)  # type: ignore[arg-type]
    return at_ticks(sections(to_chart(document).decode())["ExpertDrums"])


def test_a_chart_has_its_sections_and_resolution():
    found = sections(to_chart(chart(title='Say "hi"')).decode())
    assert list(found) == ["Song", "SyncTrack", "Events", "ExpertDrums"]
    assert "Resolution = 192" in found["Song"]
    assert "Name = \"Say 'hi'\"" in found["Song"]
    assert found["Events"][0] == '960 = E "section Verse"'


def test_a_charts_lanes_are_the_documented_numbers():
    pen = Pen()
    notes = one_bar_chart(
        pen.note(0, P.KICK), pen.note(0, P.HAT_CLOSED),
        pen.note(F(1, 4), P.SNARE, A.ACCENT), pen.note(F(1, 4), P.RIDE),
        pen.note(F(1, 2), P.SNARE, A.GHOST), pen.note(F(1, 2), P.CRASH, A.ACCENT),
        pen.note(F(3, 4), P.TOM_FLOOR), pen.note(F(3, 4), P.TOM_MID),
        pen.note(F(7, 8), P.TOM_HIGH), pen.note(F(7, 8), P.HAT_PEDAL),
    )  # fmt: skip
    # One bar of lead: the recording begins two seconds before the first beat.
    assert notes == {
        768: {0, 2, 66}, 960: {1, 34, 3, 67}, 1152: {1, 40, 4, 37, 68}, 1344: {3, 4}, 1440: {2},
    }  # fmt: skip


def test_in_a_chart_a_cymbal_gives_way_to_a_tom_of_its_colour():
    pen = Pen()
    notes = one_bar_chart(pen.note(0, P.TOM_HIGH), pen.note(0, P.HAT_OPEN))
    assert notes == {768: {2, 3, 67}}


def chart_seconds(source: str) -> list[float]:
    """When each tick with notes comes, by the chart's own tempo track."""
    found = sections(source)
    tempos = [
        (int(line.split()[0]), int(line.split()[3]) / 1000)
        for line in found["SyncTrack"]
        if line.split()[2] == "B"
    ]
    assert tempos[0][0] == 0
    times = []
    for tick in at_ticks(found["ExpertDrums"]):
        now_s = 0.0
        for (start, bpm), (end, _) in zip(tempos, [*tempos[1:], (10**9, 0.0)], strict=True):
            now_s += max(0, min(tick, end) - start) / 192 * 60 / bpm
        times.append(now_s)
    return times


def test_a_chart_runs_in_time_with_the_recording():
    document = chart()
    hand = {e.onset_s for e in document.performance.events if e.piece is not P.HAT_PEDAL}
    graces = {g.id for _, _, n in document.score.notes() for g in n.graces}
    hand -= {e.onset_s for e in document.performance.events if e.id in graces}
    assert chart_seconds(to_chart(document).decode()) == pytest.approx(sorted(hand), abs=0.004)


def test_a_charts_meters_change_where_the_scores_do():
    sync = sections(to_chart(chart()).decode())["SyncTrack"]
    assert [line for line in sync if "TS" in line] == [
        "0 = TS 4 2", "768 = TS 1 2", "960 = TS 4 2", "10944 = TS 6 3",
    ]  # fmt: skip


# Note names


def test_reaper_gets_a_number_and_a_name_to_a_line():
    lines = to_reaper(chart(), kit_called("roland-td")).decode().splitlines()
    assert "36 Bass Drum" in lines
    assert "22 Closed Hi-Hat" in lines
    assert "26 Open Hi-Hat" in lines
    numbers = [int(line.split()[0]) for line in lines]
    assert numbers == sorted(numbers, reverse=True)


def test_cubase_gets_all_notes_and_the_kits_first():
    root = etree.fromstring(to_cubase(chart(), kit_called("alesis")))
    (notes,) = (one for one in root.iter("list") if one.get("name") == "Map")
    names = {
        item.find("int[@name='INote']").get("value"): item.find("string").get("value")
        for item in notes
    }
    assert len(names) == 128
    assert names["23"] == "Half-open Hi-Hat"
    assert names["1"] == ""
    (order,) = (one for one in root.iter("list") if one.get("name") == "Order")
    listed = [int(item.get("value", "")) for item in order]
    assert sorted(listed) == list(range(128))
    assert listed[0] == 21


def test_no_words_of_a_user_break_a_text(tmp_path: Path):
    odd = '<&"\\%{} #~'
    kit = Kit.from_dict(
        {
            "format": "backbeat-kit/1", "id": "odd", "name": odd, "base": "backbeat-standard",
            "pieces": {
                "snare": {"name": odd, "mark": f"words:{odd}"},
                "ride": {"head": "square", "mark": "stopped"},
                "cowbell": {"head": "inverted triangle"}, "crash": {"head": "slashed"},
            },
        }
    )  # fmt: skip
    document = chart(title=odd)
    lengths = [bar.length for bar in document.score.bars]
    source = to_lilypond(document, kit)
    assert [set(bar) for bar in lily_bars(source.decode())] == [{length} for length in lengths]
    compiled(source, tmp_path)
    voices = abc_voices(to_abc(document, kit).decode())
    assert [abc_length(bar, F(1, 16)) for bar in voices["H"]] == lengths
    assert etree.fromstring(to_musicxml(document, kit, legend=True)) is not None
    assert etree.fromstring(to_cubase(document, kit)) is not None
    svg = etree.fromstring(to_svg(document, look=Look(kit)).encode())
    assert odd in ["".join(text.itertext()) for text in svg.iter("{*}text")]


def test_a_score_without_beats_can_still_be_written_as_text():
    pen = Pen()
    document = document_of([rock_bar(pen, 1)], swing=(Swing(1, F(1, 8), 1.5),))
    silent = ScoreDocument(
        document.performance, type(document.timeline)(tempo_map=document.timeline.tempo_map),
        document.score,
    )  # fmt: skip
    assert at_ticks(sections(to_chart(silent).decode())["ExpertDrums"]).keys() >= {0, 192}
    assert to_tab(silent)
    assert to_abc(silent)
    assert to_lilypond(silent)
