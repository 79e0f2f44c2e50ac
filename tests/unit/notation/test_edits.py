"""Small changes to a score, each seen in what is written and in when it sounds."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.common.drums import Articulation, Beat, DrumPiece, Hand, Hit
from libs.common.performance import Performance
from services.notation.domain import edits, imports
from services.notation.domain.document import ScoreDocument, check
from services.notation.domain.kit import STANDARD
from services.notation.domain.quantise import Options, quantise
from services.notation.domain.score import ScoreError, read_meter
from services.notation.domain.sheet import Sheet
from services.notation.writing import changed
from tests.unit.notation.performances import played, rock, shuffle

Place = tuple[int, Fraction, DrumPiece]


@pytest.fixture(scope="module")
def score() -> ScoreDocument:
    return quantise(played(rock(4), bpm=100), Options(title="Rock"))


def edited(score: ScoreDocument, **fields: Any) -> ScoreDocument:
    return edits.apply(score, [fields])


def places(score: ScoreDocument) -> dict[str, Place]:
    return {note.id: (bar.number, event.start, note.piece) for bar, event, note in
            score.score.notes()}  # fmt: skip


def find(score: ScoreDocument, bar: int, start: str, piece: DrumPiece) -> str:
    wanted = (bar, Fraction(start), piece)
    return next(name for name, place in places(score).items() if place == wanted)


def written_s(score: ScoreDocument) -> dict[str, float]:
    """When each note's place falls by the timeline's beats."""
    sheet = Sheet.of(score)
    line = sheet.line()
    return {name: line.time_s(at) for name, (at, _) in sheet.notes.items()}


def test_an_added_note_stands_in_its_place_and_nothing_else_moves(score: ScoreDocument) -> None:
    after = edited(score, op="add", bar=2, start="3/16", piece="tom-high", velocity=77)
    new = places(after).keys() - places(score).keys()
    assert [places(after)[name] for name in new] == [(2, Fraction(3, 16), DrumPiece.TOM_HIGH)]
    assert {name: places(after)[name] for name in places(score)} == places(score)


def test_a_note_on_a_taken_place_is_refused(score: ScoreDocument) -> None:
    with pytest.raises(ScoreError, match="kick is struck there already") as failed:
        edited(score, op="add", bar=1, start="0", piece="kick")
    assert failed.value.field == "operations[0]"


def test_notes_move_together_also_onto_each_others_places(score: ScoreDocument) -> None:
    hats = [name for name, (bar, _, piece) in places(score).items()
            if bar == 2 and piece is DrumPiece.HAT_CLOSED]  # fmt: skip
    after = edited(score, op="move", ids=hats, by="-1/16")
    for name in hats:
        bar, start, _ = places(score)[name]
        moved = (bar - 1) + start - Fraction(1, 16)
        now_bar, now, _ = places(after)[name]
        assert (now_bar - 1) + now == moved


def test_a_note_that_would_leave_the_score_stays(score: ScoreDocument) -> None:
    kick = find(score, 1, "0", DrumPiece.KICK)
    with pytest.raises(ScoreError, match="would leave the score"):
        edited(score, op="move", ids=[kick], by="-1/16")


def test_a_deleted_note_stays_in_the_performance_marked(score: ScoreDocument) -> None:
    snare = find(score, 1, "1/4", DrumPiece.SNARE)
    after = edited(score, op="delete", ids=[snare])
    assert snare not in places(after)
    assert snare in {event.id for event in after.performance.events}
    assert [(d.id, d.reason) for d in after.performance.dropped] == [(snare, "deleted by hand")]


def test_piece_articulation_velocity_and_sticking_change(score: ScoreDocument) -> None:
    snare = find(score, 1, "1/4", DrumPiece.SNARE)
    after = edits.apply(
        score,
        [
            {"op": "set-piece", "ids": [snare], "piece": "cross-stick"},
            {"op": "articulate", "ids": [snare], "add": ["accent", "flam"]},
            {"op": "set-velocity", "ids": [snare], "velocity": 99},
            {"op": "set-sticking", "ids": [snare], "sticking": "L"},
        ],
    )
    note = next(note for _, _, note in after.score.notes() if note.id == snare)
    assert note.piece is DrumPiece.CROSS_STICK
    assert set(note.articulations) == {Articulation.ACCENT, Articulation.FLAM}
    assert [grace.velocity for grace in note.graces] == [round(105 * 0.5)]
    assert (note.velocity, note.sticking) == (99, Hand.LEFT)


def test_a_ghost_takes_the_accents_place(score: ScoreDocument) -> None:
    snare = find(score, 1, "1/4", DrumPiece.SNARE)
    one = edited(score, op="articulate", ids=[snare], add=["accent"])
    other = edited(one, op="articulate", ids=[snare], add=["ghost"])
    note = next(note for _, _, note in other.score.notes() if note.id == snare)
    assert note.articulations == (Articulation.GHOST,)


def test_a_shifted_downbeat_moves_bar_lines_and_no_sound(score: ScoreDocument) -> None:
    after = edited(score, op="shift-downbeat", beats=1)
    assert after.score.bars[0].number == 0
    assert after.score.bars[0].length == Fraction(1, 4)
    kick = find(score, 1, "0", DrumPiece.KICK)
    assert places(after)[kick] == (0, Fraction(0), DrumPiece.KICK)
    assert written_s(after) == pytest.approx(written_s(score), abs=1e-5)
    back = edited(after, op="shift-downbeat", beats=-1)
    assert places(back) == places(score)


def test_a_long_upbeat_is_a_whole_bar_with_a_rest(score: ScoreDocument) -> None:
    after = edited(score, op="shift-downbeat", beats=-1)
    kick = find(score, 1, "0", DrumPiece.KICK)
    assert places(after)[kick] == (1, Fraction(1, 4), DrumPiece.KICK)
    assert after.score.bars[0].length == 1
    assert written_s(after) == pytest.approx(written_s(score), abs=1e-5)


@pytest.mark.parametrize(("factor", "bars", "bpm"), [("1/2", 2, 50.0), ("2", 8, 200.0)])
def test_half_and_double_time_keep_the_sound(
    score: ScoreDocument, factor: str, bars: int, bpm: float
) -> None:
    after = edited(score, op="scale-time", factor=factor)
    assert len(after.score.bars) == bars
    assert after.timeline.tempo_map[0].bpm == pytest.approx(bpm, rel=1e-3)
    assert written_s(after) == pytest.approx(written_s(score), abs=1e-5)
    other = {"1/2": "2", "2": "1/2"}[factor]
    assert places(edited(after, op="scale-time", factor=other)) == places(score)


def test_another_meter_draws_the_bar_lines_anew(score: ScoreDocument) -> None:
    after = edited(score, op="set-meter", bar=1, meter="3/4")
    assert [str(bar.meter) for bar in after.score.bars] == ["3/4"] * 6
    kick = find(score, 2, "0", DrumPiece.KICK)
    assert places(after)[kick] == (2, Fraction(1, 4), DrumPiece.KICK)
    assert written_s(after) == pytest.approx(written_s(score), abs=1e-5)


def test_a_meter_for_one_bar_leaves_a_bar_for_the_rest(score: ScoreDocument) -> None:
    after = edited(score, op="set-meter", bar=2, until=2, meter="3/4")
    assert [str(bar.meter) for bar in after.score.bars] == ["4/4", "3/4", "1/4", "4/4", "4/4"]
    assert [str(mark.meter) for mark in after.timeline.meters] == ["4/4", "3/4", "1/4", "4/4"]


def test_a_tempo_a_swing_a_section_and_dynamics_are_marked(score: ScoreDocument) -> None:
    after = edits.apply(
        score,
        [
            {"op": "set-tempo", "bar": 3, "bpm": 90, "text": "meno mosso"},
            {"op": "set-swing", "bar": 2, "ratio": 2},
            {"op": "set-section", "bar": 3, "name": "Chorus"},
            {"op": "set-dynamic", "bar": 3, "mark": "ff"},
            {"op": "set-hairpin", "bar": 2, "kind": "crescendo", "end_bar": 2},
            {"op": "set-title", "title": "Other"},
            {"op": "set-kit", "kit": "one-line"},
        ],
    )
    mark = after.timeline.tempo_map[-1]
    assert (mark.bar, mark.bpm, mark.text) == (3, 90.0, "meno mosso")
    assert [(s.bar, s.ratio) for s in after.timeline.swing] == [(2, 2.0)]
    assert [(s.bar, s.name) for s in after.score.sections] == [(3, "Chorus")]
    assert (3, Fraction(0), "ff") in [(d.bar, d.start, d.mark) for d in after.score.dynamics]
    pin = after.score.hairpins[0]
    assert (pin.bar, pin.start, pin.end_bar, pin.end) == (2, 0, 2, 1)
    assert (after.score.title, after.score.kit) == ("Other", "one-line")


def test_marks_go_along_when_bars_are_inserted(score: ScoreDocument) -> None:
    marked = edited(score, op="set-section", bar=3, name="B")
    after = edited(marked, op="insert-bars", bar=2, count=2)
    assert [(s.bar, s.name) for s in after.score.sections] == [(5, "B")]
    assert len(after.score.bars) == 6
    assert all(e.is_rest for bar in after.score.bars[1:3] for v in bar.voices for e in v.events)


def test_requantising_follows_the_grid_and_keeps_what_was_edited() -> None:
    strokes = [(Fraction(i, 3), DrumPiece.HAT_CLOSED, 80) for i in range(24)]
    straight = quantise(played(strokes, bpm=90), Options(grid="straight"))
    hat = next(iter(places(straight)))
    changed = edited(straight, op="set-piece", ids=[hat], piece="ride")
    after = edited(changed, op="requantise", bar=1, until=2, grid="3")
    starts = {start for _, start, _ in places(after).values()}
    assert starts == {Fraction(i, 12) for i in range(12)}
    assert places(after)[hat][2] is DrumPiece.RIDE
    only = edited(changed, op="requantise", bar=2, grid="triplet")
    first_bar = {name: place for name, place in places(changed).items() if place[0] == 1}
    assert {name: places(only)[name] for name in first_bar} == first_bar


def test_what_had_no_room_comes_back_on_a_finer_grid() -> None:
    strokes = [(Fraction(i, 8), DrumPiece.SNARE, 80) for i in range(32)]
    coarse = quantise(played(strokes, bpm=70), Options(grid="4"))
    assert coarse.performance.dropped
    fine = edited(coarse, op="requantise", bar=1, grid="8")
    assert len(fine.score.notes()) == 32
    assert not fine.performance.dropped


def test_deleted_notes_do_not_come_back(score: ScoreDocument) -> None:
    snare = find(score, 1, "1/4", DrumPiece.SNARE)
    gone = edited(score, op="delete", ids=[snare])
    after = edited(gone, op="requantise", bar=1, until=4)
    assert snare not in places(after)


@pytest.mark.parametrize(
    ("operation", "field"),
    [
        ({"op": "play"}, "operations[0].op"),
        ({"op": "add", "bar": 1, "start": "0"}, "operations[0].piece"),
        ({"op": "add", "bar": 99, "start": "0", "piece": "kick"}, "operations[0].bar"),
        ({"op": "add", "bar": 1, "start": "1", "piece": "kick"}, "operations[0].start"),
        ({"op": "delete", "ids": ["nobody"]}, "operations[0].ids[0]"),
        ({"op": "delete", "ids": []}, "operations[0].ids"),
        ({"op": "move", "ids": ["ev-000001"]}, "operations[0].by"),
        ({"op": "set-meter", "bar": 1, "meter": "4/5"}, "operations[0].meter"),
        ({"op": "scale-time", "factor": "3"}, "operations[0].factor"),
        ({"op": "set-tempo", "bar": 1, "bpm": float("nan")}, "operations[0].bpm"),
        ({"op": "requantise", "bar": 1, "grid": "13"}, "operations[0].grid"),
        ({"op": "set-hairpin", "bar": 2, "kind": "crescendo"}, "operations[0].end_bar"),
        ({"op": "set-title", "title": "a", "more": 1}, "operations[0].more"),
    ],
)
def test_what_cannot_be_done_names_its_field(
    score: ScoreDocument, operation: dict[str, Any], field: str
) -> None:
    with pytest.raises(ScoreError) as failed:
        edits.apply(score, [operation])
    assert failed.value.field == field


def test_one_broken_operation_undoes_all(score: ScoreDocument) -> None:
    before = score.to_json()
    with pytest.raises(ScoreError):
        edits.apply(score, [{"op": "set-title", "title": "New"}, {"op": "delete", "ids": ["x"]}])
    assert score.to_json() == before


def operations(score: ScoreDocument) -> st.SearchStrategy[list[dict[str, Any]]]:
    ids = st.sampled_from(sorted(places(score)))
    bars = st.integers(0, 6)
    starts = st.sampled_from(["0", "1/16", "1/12", "1/6", "1/4", "5/8", "7/8", "31/32"])
    return st.lists(
        st.one_of(
            st.fixed_dictionaries({"op": st.just("add"), "bar": bars, "start": starts,
                                   "piece": st.sampled_from([p.value for p in DrumPiece])}),
            st.fixed_dictionaries({"op": st.just("move"), "ids": st.lists(ids, min_size=1),
                                   "by": st.sampled_from(["1/8", "-1/8", "1/12", "1", "-1/16"])}),
            st.fixed_dictionaries({"op": st.just("delete"), "ids": st.lists(ids, min_size=1)}),
            st.fixed_dictionaries({"op": st.just("set-meter"), "bar": bars, "meter":
                                   st.sampled_from(["3/4", "7/8", "6/8", "5/4", "12/8", "2/2"])}),
            st.fixed_dictionaries({"op": st.just("shift-downbeat"), "beats": st.integers(-5, 5)}),
            st.fixed_dictionaries({"op": st.just("scale-time"),
                                   "factor": st.sampled_from(["1/2", "2"])}),
            st.fixed_dictionaries({"op": st.just("requantise"), "bar": bars,
                                   "grid": st.sampled_from(["auto", "3", "8", "triplet"])}),
            st.fixed_dictionaries({"op": st.just("insert-bars"), "bar": bars}),
        ),
        min_size=1, max_size=5,
    )  # fmt: skip


def outcome(score: ScoreDocument, given: list[dict[str, Any]], *, engraved: bool) -> Any:
    try:
        after = edits.apply(score, given, engraved=engraved)
    except ScoreError as error:
        return error.field, error.message
    return after, after.to_json()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_bars_that_were_left_as_they_are_are_what_writing_them_again_would_give(
    data: st.DataObject,
) -> None:
    score = edits.apply(quantise(played(rock(3), bpm=100)), [{"op": "set-title", "title": "x"}])
    for _ in range(3):
        given = data.draw(operations(score))
        after = outcome(score, given, engraved=True)
        assert after == outcome(score, given, engraved=False)
        if isinstance(after[0], ScoreDocument):
            score = after[0]


def test_a_small_edit_leaves_the_other_bars_alone(score: ScoreDocument) -> None:
    before = edited(score, op="set-title", title="x")
    snare = find(before, 2, "1/4", DrumPiece.SNARE)
    move = {"op": "move", "ids": [snare], "bar": 3, "start": "1/16"}
    after = edits.apply(before, [move], engraved=True)
    pairs = zip(after.score.bars, before.score.bars, strict=True)
    assert [now is then for now, then in pairs] == [True, False, False, True]
    assert places(after)[snare] == (3, Fraction(1, 16), DrumPiece.SNARE)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_operations_give_a_valid_score_or_say_why_not(data: st.DataObject) -> None:
    score = quantise(played(rock(3), bpm=100))
    given = data.draw(operations(score))
    try:
        after = edits.apply(score, given)
    except ScoreError as error:
        assert error.field
        return
    assert check(after) == after
    known = {event.id for event in after.performance.events}
    told = places(after).keys() | {lost.id for lost in after.performance.dropped}
    told |= {grace.id for _, _, note in after.score.notes() for grace in note.graces}
    assert known <= told
    assert all(bar.length == read_meter(str(bar.meter)).length for bar in after.score.bars[1:])


GOLDEN = sorted((Path(__file__).parents[2] / "golden").glob("*.json"))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_laying_a_score_out_and_back_changes_nothing(path: Path) -> None:
    document = ScoreDocument.from_json(path.read_bytes())
    again = Sheet.of(document).document()
    assert again.score.bars == document.score.bars
    assert again.timeline.beats == document.timeline.beats
    assert again.timeline.tempo_map == document.timeline.tempo_map
    assert (again.score.sections, again.score.dynamics, again.score.hairpins) == (
        document.score.sections, document.score.dynamics, document.score.hairpins,
    )  # fmt: skip


@pytest.mark.parametrize("meter", ["4/4", "3/4", "6/8", "12/8", "7/8", "2/2"])
@pytest.mark.parametrize("length", ["1/16", "1/8", "3/16", "1/4"])
def test_a_pickup_of_any_length_keeps_its_seconds_through_edits(meter: str, length: str) -> None:
    divisions, (beats, unit) = 4, meter.split("/")
    pickup = int(Fraction(length) * 4 * divisions)
    whole = int(Fraction(meter) * 4 * divisions)

    def note(duration: int) -> str:
        return (
            "<note><unpitched><display-step>C</display-step><display-octave>5</display-octave>"
            f"</unpitched><duration>{duration}</duration></note>"
        )

    bars = "".join(
        f'<measure number="{n}">{note(4)}<forward><duration>{whole - 4}</duration></forward>'
        "</measure>"
        for n in (1, 2)
    )
    data = (
        '<score-partwise><part-list><score-part id="P1"><part-name/></score-part></part-list>'
        f'<part id="P1"><measure number="0" implicit="yes"><attributes><divisions>{divisions}'
        f"</divisions><time><beats>{beats}</beats><beat-type>{unit}</beat-type></time></attributes>"
        f'<sound tempo="90"/>{note(pickup)}</measure>{bars}</part></score-partwise>'
    ).encode()
    score = imports.read(data, file_name="x.musicxml", kit=STANDARD)
    wanted = {event.id: event.onset_s for event in score.performance.events}
    for _ in range(4):
        assert written_s(score) == pytest.approx(wanted, abs=1e-5)
        score = edited(score, op="set-title", title="Again")
    assert written_s(edited(score, op="shift-downbeat", beats=1)) == pytest.approx(wanted, abs=1e-5)


def test_sections_and_swing_go_along_with_their_bar_line(score: ScoreDocument) -> None:
    marked = edits.apply(
        score,
        [
            {"op": "set-section", "bar": 3, "name": "B"},
            {"op": "set-swing", "bar": 3, "ratio": 2},
        ],
    )
    later = edited(marked, op="shift-downbeat", beats=1)
    assert [(s.bar, s.name) for s in later.score.sections] == [(3, "B")]
    assert [s.bar for s in later.timeline.swing] == [3]
    back = edited(later, op="shift-downbeat", beats=-1)
    assert back.score.sections == marked.score.sections
    assert back.timeline.swing == marked.timeline.swing


def test_half_time_keeps_the_words_of_a_ritardando_and_offers_double_time() -> None:
    beats = [1 + 0.5 * i for i in range(13)] + [7 + 0.5 * i + 0.04 * i * i for i in range(1, 8)]
    hits = tuple(Hit(at, DrumPiece.SNARE, 90, id=f"ev-{i}") for i, at in enumerate(beats))
    slowing = quantise(
        Performance(20.0, hits, tuple(Beat(at, i % 4 + 1) for i, at in enumerate(beats)))
    )
    assert "rit." in [mark.text for mark in slowing.timeline.tempo_map]
    half = edited(slowing, op="scale-time", factor="1/2")
    assert "rit." in [mark.text for mark in half.timeline.tempo_map]
    assert {str(other.factor): other.bpm for other in half.timeline.alternatives}["2"] == (
        pytest.approx(2 * half.timeline.tempo_map[0].bpm, rel=1e-3)
    )


def flams() -> ScoreDocument:
    strokes = [(i, DrumPiece.SNARE, 100) for i in range(16)]
    strokes += [(4 - 0.06, DrumPiece.SNARE, 50), (9.5, DrumPiece.SNARE, 22)]
    return quantise(played(strokes, bpm=120))


def told(score: ScoreDocument) -> list[str]:
    """Every stroke that is written, graces too, and every one that is dropped."""
    return sorted(
        [i for bar, event, _ in score.score.notes() for i in event.stroke_ids()]
        + [lost.id for lost in score.performance.dropped]
    )


def test_a_flam_that_is_taken_away_leaves_its_grace_among_the_dropped() -> None:
    score = flams()
    (flam,) = [note for _, _, note in score.score.notes() if note.graces]
    after = edited(score, op="articulate", ids=[flam.id], remove=["flam"])
    assert told(after) == told(score) == sorted(e.id for e in score.performance.events)


def test_requantising_coarsely_and_back_loses_no_grace_and_no_ghost() -> None:
    score = flams()
    coarse = edited(score, op="requantise", bar=1, until=4, grid="1")
    assert told(coarse) == told(score)
    fine = edited(coarse, op="requantise", bar=1, until=4)
    assert told(fine) == told(score)
    marks = {n.id: n.articulations for _, _, n in score.score.notes()}
    assert {n.id: n.articulations for _, _, n in fine.score.notes()} == marks


def test_requantising_a_teaching_score_brings_no_ghosts_back() -> None:
    score = quantise(played(rock(4), bpm=100), Options(detail="teaching"))
    after = edited(score, op="requantise", bar=1, until=4)
    assert places(after) == places(score)


def test_requantising_part_of_a_shuffle_keeps_its_swing() -> None:
    score = quantise(played(shuffle(8), bpm=120, beats=32))
    assert score.timeline.swing
    after = edited(score, op="requantise", bar=3, until=4)
    assert places(after) == places(score)


def test_bars_are_put_at_the_end_and_deleted(score: ScoreDocument) -> None:
    longer = edited(score, op="insert-bars", bar=5)
    assert len(longer.score.bars) == 5
    assert places(longer) == places(score)
    shorter = edited(score, op="delete-bars", bar=2)
    assert len(shorter.score.bars) == 3
    gone = {name for name, place in places(score).items() if place[0] == 2}
    assert {lost.id for lost in shorter.performance.dropped} == gone
    # Between the last beat before the cut and the first after it, time runs through both.
    seconds = written_s(shorter)
    on_beats = [name for name, (_, at, _) in places(shorter).items() if at.denominator <= 4]
    assert {name: seconds[name] for name in on_beats} == pytest.approx(
        {name: written_s(score)[name] for name in on_beats}, abs=1e-5
    )


def test_thousands_of_notes_move_in_one_operation() -> None:
    strokes = [(Fraction(i, 4), DrumPiece.HAT_CLOSED, 80) for i in range(8000)]
    score = quantise(played(strokes, bpm=120, beats=2004))
    ids = [name for name, place in places(score).items() if place[0] > 1]
    after = edited(score, op="move", ids=ids, by="1/32")
    assert places(after)[ids[0]][1] == Fraction(1, 32)


@pytest.mark.parametrize(
    ("meter", "bars", "change"),
    [
        ("6/8", 4, {"detail": "teaching"}),
        ("12/8", 2, {"grid": "straight"}),
        ("2/2", 4, {"swing": "written"}),
        ("7/8", 4, {"grid": "auto"}),
    ],
)
def test_writing_anew_keeps_the_meters(meter: str, bars: int, change: dict[str, str]) -> None:
    unit = read_meter(meter).beat_unit
    count = int(Fraction(meter) / unit)
    beats = [Beat(1 + 0.6 * i, i % count + 1) for i in range(bars * count + 1)]
    hits = [Hit(beat.time_s, DrumPiece.SNARE, 90) for beat in beats[:-1]]
    hits += [Hit(beat.time_s + 0.2, DrumPiece.HAT_CLOSED, 70) for beat in beats[:-1]]
    performance = Performance(1 + 0.6 * len(beats), tuple(sorted(hits)), tuple(beats), meter=meter)
    score = quantise(performance, Options(time_signature=meter))
    assert {str(bar.meter) for bar in score.score.bars} == {meter}
    after, _ = changed(score, change)
    assert [bar.meter for bar in after.score.bars] == [bar.meter for bar in score.score.bars]
    assert {i: at[:2] for i, at in places(after).items()} == {
        i: at[:2] for i, at in places(score).items()
    }
    edits.apply(after, [{"op": "set-title", "title": "x"}])
