"""What scores are given to writing that is known to be right or wrong."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import pytest

from benchmarks.writing import mv2h
from benchmarks.writing.scores import (
    align_bars,
    common,
    compare,
    pool,
    side_by_side,
    swing_at,
    who_is_who,
)
from benchmarks.writing.tables import HEADS, row
from benchmarks.writing.truth import Note, Truth
from libs.common.drums import Articulation, Hit
from libs.common.drums import DrumPiece as P
from libs.common.meter import Meter

START_S = 1.0
PERIOD_S = 0.5


def truth_of(notes):
    """(bar, place in beats, piece) -> a truth of 4/4 at 120; ids count from h0."""
    made = tuple(
        Note(f"h{index}", bar, Fraction(place) / 4, piece, 90)
        for index, (bar, place, piece) in enumerate(notes)
    )
    hits = tuple(
        Hit(START_S + (note.bar * 4 + float(note.place) * 4) * PERIOD_S, note.piece, id=note.hit)
        for note in made
    )
    return Truth("made", "rock", "beat", 4, PERIOD_S, START_S, START_S, made, hits)


def document_of(truth, *, moved=None, first=1, shift_beats=0, swing=(), marks=None, lost=()):
    """The truth written down; `moved` {hit: place in beats}, `shift_beats` moves all bar lines.

    Only what the benchmark reads, so that it holds for any version of the document.
    """
    bars = {}
    for note in truth.notes:
        at = note.bar * 4 + note.place * 4 - shift_beats
        place = (moved or {}).get(note.hit, at % 4)
        if note.hit not in lost:
            bars.setdefault(int(at // 4), []).append((note, Fraction(place) / 4))
    numbers = range(min(bars), max(bars) + 1)
    written = {
        number: SimpleNamespace(
            number=first + number, meter=Meter(4, 4), missing=Fraction(0), length=Fraction(1)
        )
        for number in numbers
    }
    beats = tuple(
        SimpleNamespace(
            time_s=truth.start_s + (number * 4 + beat + shift_beats) * truth.period_s,
            bar=first + number,
            beat=beat + 1,
        )
        for number in numbers
        for beat in range(4)
    )
    notes = [
        (
            written[number],
            SimpleNamespace(start=place),
            SimpleNamespace(
                id=note.hit,
                piece=note.piece,
                articulations=(marks or {}).get(note.hit, ()),
                graces=(),
            ),
        )
        for number, own in sorted(bars.items())
        for note, place in own
    ]
    return SimpleNamespace(
        timeline=SimpleNamespace(beats=beats, swing=swing),
        score=SimpleNamespace(bars=tuple(written.values()), notes=lambda: notes),
    )


EIGHTHS = truth_of(
    [(bar, Fraction(n, 2), P.HAT_CLOSED) for bar in range(3) for n in range(8)]
    + [(bar, beat, P.SNARE) for bar in range(3) for beat in (1, 3)]
)
SHUFFLE = truth_of(
    [
        (bar, beat + inside, P.RIDE)
        for bar in range(3)
        for beat in range(4)
        for inside in (0, Fraction(2, 3))
    ]
)


def straight(truth):
    """The shuffle written in plain eighths."""
    return {
        note.hit: note.place * 4 // 1 + Fraction(1, 2) for note in truth.notes if note.place * 4 % 1
    }


def test_perfect_writing_scores_one():
    scored = compare(EIGHTHS, document_of(EIGHTHS))
    assert (scored.notes.right, scored.notes.said, scored.notes.wanted) == (30, 30, 30)
    assert scored.notes.f == scored.beats.recall == 1
    assert scored.meter
    assert scored.downbeats
    assert scored.mistakes == []


def test_a_shifted_note_is_missing_and_false():
    moved = EIGHTHS.notes[1].hit  # a hat on 1+1/2
    scored = compare(EIGHTHS, document_of(EIGHTHS, moved={moved: Fraction(3, 4)}))
    assert (scored.notes.right, scored.notes.said, scored.notes.wanted) == (29, 30, 30)
    assert scored.notes.f == pytest.approx(29 / 30)
    assert common(scored.mistakes) == {"hat-closed: 1+1/2 -> 1+3/4": 1}
    assert common(scored.mistakes, in_beat=True) == {"hat-closed: +1/2 -> +3/4": 1}


def test_a_lost_note_costs_recall_alone():
    scored = compare(EIGHTHS, document_of(EIGHTHS, lost={"h0"}))
    assert scored.notes.precision == 1
    assert scored.notes.recall == pytest.approx(29 / 30)
    assert common(scored.mistakes) == {"hat-closed: 1 -> nothing": 1}


def test_the_wrong_piece_in_the_right_place_is_wrong():
    other = replace(EIGHTHS, notes=(replace(EIGHTHS.notes[0], piece=P.RIDE), *EIGHTHS.notes[1:]))
    scored = compare(EIGHTHS, document_of(other))
    assert (scored.notes.right, scored.notes.said, scored.notes.wanted) == (29, 30, 30)


def test_what_is_not_asked_is_neither_missing_nor_false():
    notes = (replace(EIGHTHS.notes[1], asked=False), EIGHTHS.notes[0], *EIGHTHS.notes[2:])
    unclear = replace(EIGHTHS, notes=notes)
    for moved in (Fraction(1, 2), Fraction(3, 4)):
        scored = compare(unclear, document_of(EIGHTHS, moved={EIGHTHS.notes[1].hit: moved}))
        assert (scored.notes.right, scored.notes.said, scored.notes.wanted) == (29, 29, 29)
    assert (scored.left_out, scored.played) == (1, 30)
    # But it may not stand in for what is asked.
    lost = compare(
        unclear, document_of(EIGHTHS, lost={"h0"}, moved={EIGHTHS.notes[1].hit: Fraction(0)})
    )
    assert lost.notes.recall == pytest.approx(28 / 29)


@pytest.mark.parametrize("ratio", [1.8, 2.0, 2.3])
def test_a_swung_eighth_is_where_it_sounds(ratio):
    marks = (SimpleNamespace(bar=1, unit=Fraction(1, 8), ratio=ratio),)
    scored = compare(SHUFFLE, document_of(SHUFFLE, moved=straight(SHUFFLE), swing=marks))
    assert scored.notes.f == 1
    assert scored.ternary.f == 1
    assert scored.beats.recall == 1


def test_a_swing_mark_must_be_there_be_right_and_hold():
    plain = straight(SHUFFLE)
    mark = SimpleNamespace(bar=1, unit=Fraction(1, 8), ratio=2.0)
    without = compare(SHUFFLE, document_of(SHUFFLE, moved=plain, swing=None))
    assert without.notes.f == pytest.approx(0.5)
    assert without.ternary.f == 0
    assert without.beats.recall == 0
    slight = SimpleNamespace(bar=1, unit=Fraction(1, 8), ratio=1.2)
    assert compare(SHUFFLE, document_of(SHUFFLE, moved=plain, swing=(slight,))).notes.f == 0.5
    late = SimpleNamespace(bar=3, unit=Fraction(1, 8), ratio=2.0)
    assert compare(
        SHUFFLE, document_of(SHUFFLE, moved=plain, swing=(late,))
    ).notes.f == pytest.approx((12 + 4) / 24)
    # Straight eighths are not straight under a mark, triplets are what they are.
    assert compare(EIGHTHS, document_of(EIGHTHS, swing=(mark,))).notes.f < 0.7
    assert compare(SHUFFLE, document_of(SHUFFLE, swing=(mark,))).notes.f == 1


def test_one_mark_or_many_or_none():
    bars = [
        SimpleNamespace(unit=Fraction(1, 8), ratio=2.0),
        SimpleNamespace(unit=Fraction(1, 8), ratio=1.0),
    ]

    def at(swing, bar):
        return swing_at(SimpleNamespace(timeline=SimpleNamespace(swing=swing)), bar)

    assert at(None, 1) is None
    assert at((), 1) is None
    assert at(bars[0], 7) == (Fraction(1, 8), 2.0)
    assert at(bars[1], 7) is None
    many = (
        SimpleNamespace(bar=2, unit=Fraction(1, 16), ratio=1.5),
        SimpleNamespace(bar=5, unit=Fraction(1, 16), ratio=1),
    )
    assert [at(many, bar) for bar in (1, 2, 4, 5)] == [
        None,
        (Fraction(1, 16), 1.5),
        (Fraction(1, 16), 1.5),
        None,
    ]


def test_another_number_is_no_error_and_another_phase_is():
    assert compare(EIGHTHS, document_of(EIGHTHS, first=7)).notes.f == 1
    late = compare(EIGHTHS, document_of(EIGHTHS, shift_beats=1))
    assert late.notes.right == 0
    assert not late.downbeats
    assert "hat-closed: 1 -> a bar that begins elsewhere" in common(late.mistakes)


def test_a_pickup_is_measured_from_where_its_whole_bar_would_begin():
    document = document_of(EIGHTHS)
    pickup = document.score.bars[0]
    pickup.missing, pickup.length = Fraction(3, 4), Fraction(1, 4)
    beats = tuple(b for b in document.timeline.beats if b.bar > 1 or b.beat == 4)
    document.timeline.beats = beats
    assert align_bars(EIGHTHS, document) == {1: 0, 2: 1, 3: 2}


def test_twice_as_many_bars_are_wrong():
    document = document_of(EIGHTHS)
    document.timeline.beats = tuple(
        SimpleNamespace(time_s=b.time_s, bar=index // 2 + 1, beat=index % 2 + 1)
        for index, b in enumerate(document.timeline.beats)
    )
    assert not compare(EIGHTHS, document).downbeats


def test_marks_count_wherever_the_note_is_written():
    truth = replace(
        EIGHTHS,
        notes=(
            replace(EIGHTHS.notes[0], accent=True),
            replace(EIGHTHS.notes[1], accent=True),
            replace(EIGHTHS.notes[2], ghost=True),
            *EIGHTHS.notes[3:],
        ),
    )
    marks = {
        "h0": (Articulation.ACCENT,),
        "h3": (Articulation.ACCENT,),
        "h2": (Articulation.GHOST,),
    }
    scored = compare(truth, document_of(truth, marks=marks, moved={"h0": Fraction(1, 4)}))
    assert (scored.accents.right, scored.accents.said, scored.accents.wanted) == (1, 2, 2)
    assert scored.ghosts.f == 1
    assert scored.graces.f is None


def test_what_was_heard_is_told_by_time_and_piece():
    heard = [
        Hit(START_S + 0.03, P.HAT_CLOSED, id="a"),
        Hit(START_S + 0.12, P.HAT_CLOSED, id="b"),  # near nothing
        Hit(START_S + PERIOD_S, P.RIMSHOT, id="c"),  # a snare's stroke
        Hit(START_S, P.KICK, id="d"),
    ]
    snare = next(note.hit for note in EIGHTHS.notes if note.piece is P.SNARE)
    assert who_is_who(EIGHTHS, heard) == {"a": "h0", "c": snare}


def test_a_false_hit_is_a_false_note():
    who = {f"h{index}": f"h{index}" for index in range(1, 30)}  # h0 was not there
    document = document_of(EIGHTHS)
    truth = replace(EIGHTHS, notes=EIGHTHS.notes[1:])
    scored = compare(truth, document, who)
    assert (scored.notes.right, scored.notes.said, scored.notes.wanted) == (29, 30, 29)
    assert common(scored.mistakes) == {"hat-closed: nothing -> 1": 1}


def test_side_by_side_shows_the_bars_that_differ():
    lines = side_by_side(EIGHTHS, document_of(EIGHTHS, moved={"h1": Fraction(3, 4)}))
    assert lines[1:] == ["   2 as it should be", "   3 as it should be"]
    assert "true 1 1+1/2 2" in lines[0]
    assert "written 1 1+3/4 2" in lines[0]


def test_mv2h_of_the_truth_is_one_and_of_a_wrong_phase_less():
    right = mv2h.score(EIGHTHS, document_of(EIGHTHS), None)
    assert right == pytest.approx(dict.fromkeys(right, 1.0))
    assert list(right) == [*mv2h.PARTS, "joint"]
    wrong = mv2h.score(EIGHTHS, document_of(EIGHTHS, shift_beats=1), None)
    assert wrong["multi-pitch"] == pytest.approx(1.0)
    assert wrong["meter"] < 0.9
    moved = mv2h.score(EIGHTHS, document_of(EIGHTHS, moved={"h1": Fraction(3, 4)}), None)
    assert moved["multi-pitch"] == pytest.approx(29 / 30)


def test_pooled_takes_weigh_by_their_notes():
    good = compare(EIGHTHS, document_of(EIGHTHS))
    bad = compare(SHUFFLE, document_of(SHUFFLE, moved=straight(SHUFFLE), swing=None))
    total = pool([good, bad])
    assert total.notes.f == pytest.approx((30 + 12) / 54)
    cells = dict(zip(HEADS, row("both", [good, bad]), strict=True))
    assert (cells["takes"], cells["mean F"], cells["F ≥ .9"]) == ("2", ".750", ".500")
    assert cells["F"] == "**.778**"
