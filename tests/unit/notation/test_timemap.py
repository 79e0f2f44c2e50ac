import csv
import io
import json
from dataclasses import replace
from fractions import Fraction

import pytest

from libs.common.drums import DrumPiece
from services.notation.domain.clock import Clock
from services.notation.domain.document import ScoreDocument
from services.notation.domain.engrave import write_bar
from services.notation.domain.hit_table import COLUMNS, to_csv
from services.notation.domain.score import Dropped, ScoreError, Swing, TimelineBeat
from services.notation.domain.timemap import to_timemap
from tests.unit.notation.charts import FOUR, Pen, chart, document_of, rock_bar

F = Fraction
P = DrumPiece


def late(document: ScoreDocument, by_s: float) -> ScoreDocument:
    """Every hit played so much after its place."""
    played = document.performance
    events = tuple(replace(event, onset_s=event.onset_s + by_s) for event in played.events)
    return replace(document, performance=replace(played, events=events))


def two_bars() -> ScoreDocument:
    pen = Pen()
    return document_of([rock_bar(pen, 1), rock_bar(pen, 2)])


def test_the_clock_goes_to_the_recording_and_back():
    clock = Clock(chart())
    assert clock.time_s(F(0)) == pytest.approx(2.0)
    assert clock.time_s(F(1, 4) + F(1, 2)) == pytest.approx(2 + 3 * 60 / 104, abs=1e-5)
    for place in (F(-1), F(1, 3), F(7, 2), F(40)):
        assert clock.place(clock.time_s(place)) == pytest.approx(float(place), abs=1e-6)


def test_the_clock_follows_a_drummer_who_hurries():
    document = two_bars()
    beats = tuple(
        TimelineBeat(time_s, 1 + i // 4, 1 + i % 4)
        for i, time_s in enumerate((1.0, 2.0, 3.0, 4.0, 4.5, 5.0, 5.5, 6.0))
    )
    clock = Clock(replace(document, timeline=replace(document.timeline, beats=beats)))
    assert [clock.time_s(F(n, 8)) for n in (0, 1, 6, 7, 8, 9)] == [1.0, 1.5, 4.0, 4.25, 4.5, 4.75]


def test_a_bar_that_the_recording_leaves_early_keeps_its_beats():
    document = two_bars()
    beats = document.timeline.beats[:-2]
    clock = Clock(replace(document, timeline=replace(document.timeline, beats=beats)))
    assert clock.places[-1] == F(5, 4)


def test_beats_in_bars_that_are_not_there_are_refused():
    document = document_of([rock_bar(Pen(), 1)])
    beats = (*document.timeline.beats, TimelineBeat(99.0, 7, 1))
    with pytest.raises(ScoreError, match="does not have"):
        Clock(replace(document, timeline=replace(document.timeline, beats=beats)))


def test_the_timemap_tells_for_every_note_where_it_lies():
    document = late(chart(), 0.02)
    told = json.loads(to_timemap(document))
    assert told["format"] == "backbeat-timemap/1"
    notes = {note["id"]: note for note in told["notes"]}
    assert set(notes) == {event.id for event in document.performance.events}
    plain = [note for note in told["notes"] if not note.get("grace")]
    for note in plain:
        assert note["played_s"] - note["written_s"] == pytest.approx(0.02, abs=2e-4)
    times = [note["written_s"] for note in told["notes"]]
    assert times == sorted(times)
    first = notes["ev-000001"]
    assert (first["bar"], first["start"]) == (0, "0")
    assert first["duration_s"] == pytest.approx(60 / 104 / 2, abs=1e-4)


def test_the_timemaps_bars_follow_each_other_without_a_gap():
    bars = json.loads(to_timemap(chart()))["bars"]
    assert [bar["id"] for bar in bars] == [f"P1-bar-{n}" for n in range(18)]
    assert [bar["end_s"] for bar in bars[:-1]] == [bar["start_s"] for bar in bars[1:]]


def test_a_note_that_nobody_played_has_no_second_of_its_own():
    document = chart()
    silent = replace(document, performance=replace(document.performance, events=()))
    assert not any("played_s" in note for note in json.loads(to_timemap(silent))["notes"])


def test_without_beats_nothing_is_mapped():
    document = chart()
    bare = replace(document, timeline=replace(document.timeline, beats=()))
    told = json.loads(to_timemap(bare))
    assert (told["bars"], told["notes"]) == ([], [])


def test_swung_notes_are_expected_where_swing_puts_them():
    pen = Pen()
    bar = write_bar(1, FOUR, [pen.note(F(i, 8), P.RIDE) for i in range(8)])
    document = document_of([bar], swing=(Swing(1, F(1, 8), 2.0),), bpm=60)
    times = [note["written_s"] for note in json.loads(to_timemap(document))["notes"]]
    assert times[:3] == pytest.approx([2.0, 2.6667, 3.0], abs=1e-3)


def rows_of(document: ScoreDocument) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(document).decode())))


def test_the_csv_has_a_row_for_every_hit():
    document = late(chart(), 0.0123)
    rows = rows_of(document)
    assert tuple(rows[0]) == COLUMNS
    assert [row["id"] for row in rows] == [event.id for event in document.performance.events]
    assert rows[1] == {
        "id": "ev-000002", "onset_s": "2.3008", "piece": "snare", "velocity": "90",
        "confidence": "1.000", "bar": "0", "start": "1/8", "duration": "1/16", "marks": "",
        "written_s": "2.2885", "deviation_ms": "12.3",
    }  # fmt: skip


def test_a_grace_is_told_and_has_no_deviation():
    graces = [row for row in rows_of(chart()) if row["marks"] == "grace"]
    assert [row["bar"] for row in graces] == ["8", "8", "8"]
    assert {row["deviation_ms"] for row in graces} == {""}
    assert all(row["written_s"] for row in graces)


def test_a_hit_that_is_not_written_says_so():
    document = chart()
    bars = tuple(bar for bar in document.score.bars if bar.number != 17)
    last = [note.id for bar, _, note in document.score.notes() if bar.number == 17]
    cut = replace(
        document,
        score=replace(document.score, bars=bars, hairpins=()),
        timeline=replace(
            document.timeline, beats=tuple(b for b in document.timeline.beats if b.bar != 17)
        ),
        performance=replace(
            document.performance, dropped=tuple(Dropped(name, "too faint") for name in last)
        ),
    )
    rows = {row["id"]: row for row in rows_of(cut)}
    assert {rows[name]["marks"] for name in last} == {"dropped"}
    assert {rows[name]["written_s"] for name in last} == {""}
