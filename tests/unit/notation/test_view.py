"""The view: all of a score for a screen, and nothing that a strict page would refuse."""

import asyncio
import json
import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from lxml import etree

from services.notation.domain.document import ScoreDocument, check
from services.notation.domain.edits import apply
from services.notation.domain.pictures import Look
from services.notation.domain.score import (
    Alternative,
    Dropped,
    PlayedEvent,
    Score,
    ScoreError,
    Timeline,
)
from services.notation.domain.timemap import to_timemap
from services.notation.domain.view import to_view
from services.notation.views import Views
from tests.unit.notation.charts import F, P, Pen, chart, document_of, rock_bar
from tests.unit.notation.made_scores import score_of

SVG = "{http://www.w3.org/2000/svg}"
WIDTHS_MM = (60, 80, 130, 210, 300, 600)


def view_of(document: ScoreDocument, width_mm: int = 210, **look: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(
        to_view(document, width_mm=width_mm, look=Look(**look) if look else None)
    )
    return made


def lines_of(view: dict[str, Any]) -> list[etree._Element]:
    return [etree.fromstring(one["svg"]) for one in view["systems"]]


def ids_of(view: dict[str, Any], kind: str) -> list[str]:
    """In order of drawing."""
    return [
        group.get("id", "")
        for line in lines_of(view)
        for group in line.iter(f"{SVG}g")
        if kind in group.get("class", "").split()
    ]


def strokes_of(document: ScoreDocument) -> set[str]:
    return {name for _, event, _ in document.score.notes() for name in event.stroke_ids()}


def doubted(document: ScoreDocument, *, below: float) -> ScoreDocument:
    """With a confidence of `below` for every third hit."""
    events = [
        replace(event, confidence=below if index % 3 == 0 else 0.9)
        for index, event in enumerate(document.performance.events)
    ]
    return replace(document, performance=replace(document.performance, events=tuple(events)))


@pytest.mark.parametrize("width_mm", WIDTHS_MM)
def test_every_note_and_every_bar_is_drawn_once_at_every_width(width_mm: int):
    for document in (chart(), *(score_of(seed) for seed in range(8))):
        view = view_of(document, width_mm)
        assert Counter(ids_of(view, "note")) == Counter(strokes_of(document))
        bars = [bar.number for bar in document.score.bars]
        assert [bar for one in view["systems"] for bar in one["bars"]] == bars
        assert ids_of(view, "measure") == [f"P1-bar-{number}" for number in bars]


def test_what_is_drawn_needs_no_style_no_script_and_nothing_from_elsewhere():
    allowed = {"svg", "g", "defs", "path", "use", "polygon", "polyline", "ellipse", "rect", "text",
               "tspan"}  # fmt: skip
    for document in (chart("<script>alert(1)</script>"), *(score_of(seed) for seed in range(8))):
        view = view_of(document, 130)
        glyphs = etree.fromstring(view["defs"])
        there = {path.get("id") for path in glyphs.iter(f"{SVG}path")}
        for root in (glyphs, *lines_of(view)):
            for element in root.iter():
                assert element.tag.removeprefix(SVG) in allowed
                for name, value in element.attrib.items():
                    assert name not in ("style", "onclick", "onload"), name
                    assert "url(" not in value
                    if name == "href":
                        assert value.removeprefix("#") in there
                    if name in ("fill", "stroke"):
                        assert value in ("currentColor", "none")
        assert "<style" not in view["defs"] + "".join(one["svg"] for one in view["systems"])


def test_no_id_is_there_twice():
    view = view_of(chart())
    ids = re.findall(r' id="([^"]*)"', view["defs"] + "".join(o["svg"] for o in view["systems"]))
    assert max(Counter(ids).values()) == 1
    assert set(ids) == (
        strokes_of(chart())
        | {f"P1-bar-{bar.number}" for bar in chart().score.bars}
        | {one for one in ids if one.startswith("glyph-")}
    )


def test_notes_tell_their_piece_and_have_a_head():
    document = chart()
    pieces = {
        name: note.piece.value
        for _, _, note in document.score.notes()
        for name in (note.id, *(grace.id for grace in note.graces))
    }
    drawn = {}
    for line in lines_of(view_of(document)):
        for group in line.iter(f"{SVG}g"):
            classes = group.get("class", "").split()
            if "note" in classes:
                drawn[group.get("id")] = group.get("data-piece")
                assert f"piece-{group.get('data-piece')}" in classes
                heads = [g for g in group.iter(f"{SVG}g") if g.get("class") == "notehead"]
                assert len(heads) == 1
                assert len(heads[0]) >= 1
    assert drawn == pieces


def test_unsure_notes_are_marked_in_picture_and_list_until_somebody_confirms():
    document = doubted(chart(), below=0.59)
    expected = {event.id for event in document.performance.events if event.confidence < 0.6}
    view = view_of(document)
    assert view["unsure_below"] == 0.6
    assert set(ids_of(view, "unsure")) == expected
    assert {note["id"] for note in view["notes"] if note.get("unsure")} == expected
    some = sorted(expected)[:5]
    after = view_of(apply(document, [{"op": "confirm", "ids": some}]))
    assert set(ids_of(after, "unsure")) == expected - set(some)
    told = {note["id"]: note["confidence"] for note in after["notes"]}
    assert [told[name] for name in some] == [1.0] * 5
    assert not ids_of(view_of(doubted(chart(), below=0.6)), "unsure")


def test_who_says_what_was_struck_has_no_doubt_of_it():
    document = doubted(chart(), below=0.1)
    snare = next(
        note.id
        for _, _, note in document.score.notes()
        if note.piece is P.SNARE and note.id in ids_of(view_of(document), "unsure")
    )
    changed = apply(document, [{"op": "set-piece", "ids": [snare], "piece": "rimshot"}])
    assert snare not in ids_of(view_of(changed), "unsure")


def test_confirm_takes_no_unknown_note():
    with pytest.raises(ScoreError, match=r"operations\[0\]\.ids\[1\]"):
        apply(chart(), [{"op": "confirm", "ids": ["ev-000001", "ev-999999"]}])


def test_times_are_those_of_the_timemap():
    for document in (chart(), *(score_of(seed) for seed in range(8))):
        view, timemap = view_of(document), json.loads(to_timemap(document))
        for name in ("id", "bar", "start", "written_s", "duration_s", "played_s", "grace"):
            assert [note.get(name) for note in view["notes"]] == [
                note.get(name) for note in timemap["notes"]
            ], name
        for bar, timed in zip(view["bars"], timemap["bars"], strict=True):
            assert {name: bar[name] for name in timed} == timed


def test_beats_are_seconds_of_the_bar_downbeat_first():
    # 120 a minute from second 2 on: a bar of 4/4 lasts two seconds.
    pen = Pen()
    view = view_of(document_of([rock_bar(pen, 1), rock_bar(pen, 2)], bpm=120))
    assert [bar["beats"] for bar in view["bars"]] == [[2, 2.5, 3, 3.5], [4, 4.5, 5, 5.5]]
    assert [(bar["start_s"], bar["end_s"]) for bar in view["bars"]] == [(2, 4), (4, 6)]
    assert [(bar["length"], bar["meter"]) for bar in view["bars"]] == [("1", "4/4")] * 2


def test_without_beats_all_is_drawn_and_no_time_is_told():
    document = replace(chart(), timeline=Timeline(meters=chart().timeline.meters))
    view = view_of(check(document))
    assert {note["id"] for note in view["notes"]} == strokes_of(document)
    assert {note["written_s"] for note in view["notes"]} == {None}
    assert {bar["start_s"] for bar in view["bars"]} == {None}
    assert [bar["beats"] for bar in view["bars"]] == [None] * len(document.score.bars)


def test_a_note_that_nobody_played_has_neither_confidence_nor_second():
    added = {"op": "add", "bar": 13, "start": "1/2", "piece": "cowbell", "id": "mine"}
    (note,) = (n for n in view_of(apply(chart(), [added]))["notes"] if n["id"] == "mine")
    assert note["confidence"] is None
    assert "played_s" not in note
    assert (note["bar"], note["start"], note["voice"], note["piece"]) == (13, "1/2", 1, "cowbell")


def test_what_was_heard_and_is_not_written_is_told_with_its_reason():
    document = chart()
    lost = PlayedEvent("ev-lost", P.SPLASH, 3.25, 40, 0.31)
    events = sorted((*document.performance.events, lost), key=lambda event: event.onset_s)
    performance = replace(
        document.performance, events=tuple(events), dropped=(Dropped("ev-lost", "too close"),)
    )
    view = view_of(replace(document, performance=performance))
    assert view["unwritten"] == [
        {"id": "ev-lost", "onset_s": 3.25, "piece": "splash", "velocity": 40, "confidence": 0.31,
         "reason": "too close"}
    ]  # fmt: skip


def test_sections_swing_and_alternatives_are_as_in_the_document():
    document = chart()
    other = (Alternative(F(1, 2), 52.0, 0.25),)
    view = view_of(replace(document, timeline=replace(document.timeline, alternatives=other)))
    written = document.to_dict()
    assert view["sections"] == written["score"]["sections"]
    assert view["swing"] == written["timeline"]["swing"]
    assert view["alternatives"] == [{"factor": "1/2", "bpm": 52.0, "chance": 0.25}]
    assert (view["title"], view["tempo"], view["kit"]) == ("Night Drive", 104, "backbeat-standard")


@pytest.mark.parametrize("width_mm", WIDTHS_MM)
def test_lines_fill_the_width_and_notes_stay_as_big(width_mm: int):
    pen = Pen()
    document = document_of([rock_bar(pen, number) for number in range(1, 38)])
    view = view_of(document, width_mm)
    assert {one["width"] for one in view["systems"]} == {width_mm}
    for line in lines_of(view)[:-1]:
        staff = [
            re.findall(r"[\d.]+", path.get("d"))
            for group in line.iter(f"{SVG}g")
            if group.get("class") == "staff"
            for path in group.findall(f"{SVG}path")
        ]
        assert max(float(row[2]) for row in staff) == pytest.approx(100 * width_mm - 400, abs=30)
        heights = sorted({float(row[1]) for row in staff})
        assert [b - a for a, b in pairwise(heights)] == [180] * 4
    most = {60: 1, 80: 2, 130: 2, 210: 4, 300: 4, 600: 8}[width_mm]
    assert max(len(one["bars"]) for one in view["systems"][:-1]) == most


def test_behind_repeat_signs_bars_are_there_without_notes():
    document = chart()
    view = view_of(document, repeats="signs")
    second = {note.id for bar, _, note in document.score.notes() if bar.number == 2}
    assert not second & set(ids_of(view, "note"))
    assert second <= {note["id"] for note in view["notes"]}
    assert ids_of(view, "measure") == [f"P1-bar-{bar.number}" for bar in document.score.bars]


def test_the_legend_is_on_the_first_line_if_wished():
    assert 'class="legend"' in view_of(chart())["systems"][0]["svg"]
    assert not any('class="legend"' in o["svg"] for o in view_of(chart())["systems"][1:])
    assert 'class="legend"' not in view_of(chart(), legend=False)["systems"][0]["svg"]


@pytest.mark.parametrize("width_mm", [59, 601])
def test_other_widths_are_refused(width_mm: int):
    with pytest.raises(ScoreError, match="width_mm"):
        to_view(chart(), width_mm=width_mm)


def test_an_empty_score_has_no_lines():
    document = replace(chart(), timeline=Timeline(), score=Score("", "backbeat-standard", ()))
    view = view_of(document)
    assert (view["systems"], view["bars"], view["notes"]) == ([], [], [])


def test_views_are_kept_while_there_is_room_the_last_asked_longest():
    views = Views(max_bytes=10)
    views.keep("a", b"1234")
    views.keep("b", b"1234")
    assert views.get("a") == b"1234"
    views.keep("c", b"1234")
    assert [views.get(name) for name in "abc"] == [b"1234", None, b"1234"]
    views.keep("huge", bytes(11))
    assert [views.get(name) for name in ("a", "c", "huge")] == [None, None, None]


async def test_two_who_ask_at_once_wait_for_one_drawing() -> None:
    views, drawn, go = Views(), [], asyncio.Event()

    async def draw() -> bytes:
        drawn.append(len(drawn))
        await go.wait()
        return b"view"

    first, second, gone = (asyncio.create_task(views.drawn("a", draw)) for _ in range(3))
    await asyncio.sleep(0)
    gone.cancel()
    go.set()
    assert await asyncio.gather(first, second) == [b"view", b"view"]
    assert (await views.drawn("a", draw), drawn) == (b"view", [0])


async def test_a_drawing_that_failed_is_tried_again() -> None:
    views, answers = Views(), [ScoreError("score", "no"), b"view"]

    async def draw() -> bytes:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.raises(ScoreError):
        await views.drawn("a", draw)
    assert await views.drawn("a", draw) == b"view"
