import math
from dataclasses import replace
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.drums import Articulation, Beat, DrumPiece, Hit
from libs.common.meter import Meter
from libs.common.performance import Performance
from services.notation.domain import engrave
from services.notation.domain.document import ScoreDocument, check
from services.notation.domain.quantise import Options, quantise
from services.notation.domain.score import Bar, Grace, ScoreError
from tests.unit.notation.performances import Stroke, played, rock, shuffle

repeatable = settings(derandomize=True, deadline=None, max_examples=60)


def places(document: ScoreDocument) -> dict[str, Fraction]:
    """Of every note, in quarters from the first full bar's line."""
    line = {}
    at = Fraction(0)
    for bar in document.score.bars:
        if bar.number == 0:
            at -= bar.length
        line[bar.number] = at
        at += bar.length
    return {
        note.id: 4 * (line[bar.number] + event.start) for bar, event, note in document.score.notes()
    }


def expected(strokes: list[Stroke]) -> dict[str, Fraction]:
    return {
        f"ev-{number:06d}": Fraction(place) for number, (place, _, _) in enumerate(strokes, start=1)
    }


def bars_of(document: ScoreDocument) -> list[tuple[int, str, Fraction]]:
    return [(bar.number, str(bar.meter), bar.length) for bar in document.score.bars]


def test_a_rock_groove_comes_back_as_it_was_played():
    strokes = rock()
    document = quantise(played(strokes, jitter_s=0.008))
    assert places(document) == expected(strokes)
    assert bars_of(document) == [(number, "4/4", 1) for number in (1, 2, 3, 4)]
    assert [(mark.bar, mark.bpm) for mark in document.timeline.tempo_map] == [(1, 120.0)]


def test_a_shuffle_is_written_in_eighths_under_a_swing_mark():
    strokes = shuffle()
    document = quantise(played(strokes, bpm=126, jitter_s=0.008))
    straight = [(place if place == int(place) else int(place) + Fraction(1, 2), piece, velocity)
                for place, piece, velocity in strokes]  # fmt: skip
    assert places(document) == expected(straight)
    (swing,) = document.timeline.swing
    assert (swing.bar, swing.unit) == (1, Fraction(1, 8))
    assert swing.ratio == pytest.approx(2, abs=0.1)


def test_a_shuffle_is_written_in_triplets_where_that_is_asked_for():
    strokes = shuffle()
    document = quantise(played(strokes, bpm=126, jitter_s=0.008), Options(swing="written"))
    assert places(document) == expected(strokes)
    assert document.timeline.swing == ()


def test_a_shuffle_with_strokes_on_the_middle_triplet_is_triplets():
    strokes = [*shuffle(), *((beat + Fraction(1, 3), DrumPiece.SNARE, 25) for beat in range(16))]
    document = quantise(played(strokes, bpm=95, jitter_s=0.006))
    assert places(document) == expected(strokes)
    assert document.timeline.swing == ()


@pytest.mark.parametrize("ratio", [1.6, 2.0, 2.3])
def test_sixteenths_that_swing_are_sixteenths(ratio: float):
    share = ratio / (1 + ratio) / 2
    bent = {0.25: share, 0.75: 0.5 + share}
    strokes = [(beat + bent.get(inside, inside), DrumPiece.HAT_CLOSED, 80)
               for beat in range(32) for inside in (0, 0.25, 0.5, 0.75)]  # fmt: skip
    document = quantise(played(strokes, bpm=84, beats=32, jitter_s=0.005))
    assert {place.denominator for place in places(document).values()} == {1, 2, 4}
    (swing,) = document.timeline.swing
    assert (swing.unit, swing.ratio) == (Fraction(1, 16), pytest.approx(ratio, abs=0.15))


def test_straight_eighths_have_no_swing():
    assert quantise(played(rock())).timeline.swing == ()


def test_one_late_ghost_does_not_turn_sixteenths_into_triplets():
    strokes: list[Stroke] = [(i / 4, DrumPiece.HAT_CLOSED, 80) for i in range(32)]
    strokes.append((5.69, DrumPiece.SNARE, 30))
    found = places(quantise(played(strokes)))
    assert found["ev-000033"] == Fraction(23, 4)
    assert {place.denominator for place in found.values()} <= {1, 2, 4}


def test_a_bar_of_triplets_among_sixteenths_is_told_apart():
    strokes: list[Stroke] = [(i / 4, DrumPiece.HAT_CLOSED, 80) for i in range(16)]
    strokes += [(4 + Fraction(i, 3), DrumPiece.TOM_HIGH, 90) for i in range(12)]
    strokes += [(8 + i / 4, DrumPiece.HAT_CLOSED, 80) for i in range(16)]
    assert places(quantise(played(strokes, jitter_s=0.008))) == expected(strokes)


@pytest.mark.parametrize("bpm", [70, 100, 130, 160])
@pytest.mark.parametrize("slots", [2, 3, 4])
def test_97_of_100_random_notes_land_where_they_were_meant(bpm: int, slots: int):
    right = total = 0
    for seed in range(8):
        random = Random(seed)
        pieces = (DrumPiece.KICK, DrumPiece.SNARE, DrumPiece.HAT_CLOSED)
        strokes: list[Stroke] = [
            (Fraction(index, slots), piece, 90)
            for index in range(16 * slots)
            for piece in pieces
            if random.random() < (0.6 if index % slots == 0 else 0.35)
        ]
        strokes.insert(0, (0, DrumPiece.CRASH, 100))
        found = places(quantise(played(strokes, bpm=bpm, jitter_s=0.010, seed=seed)))
        wanted = expected(strokes)
        right += sum(found.get(name) == place for name, place in wanted.items())
        total += len(wanted)
    assert right / total >= 0.97


@repeatable
@given(
    data=st.data(),
    bpm=st.integers(50, 170),
    meter=st.sampled_from([(2, 4), (3, 4), (4, 4), (5, 4)]),
    slots=st.sampled_from([1, 2, 3, 4]),
)
def test_what_is_played_exactly_is_written_exactly(data, bpm, meter, slots):
    a_bar = meter[0]
    steps = st.tuples(
        st.integers(0, 3 * a_bar * slots - 1),
        st.sampled_from([DrumPiece.KICK, DrumPiece.SNARE, DrumPiece.RIDE]),
    )
    chosen = sorted(data.draw(st.sets(steps, min_size=1, max_size=60)) | {(0, DrumPiece.CRASH)})
    strokes: list[Stroke] = [(Fraction(step, slots), piece, 90) for step, piece in chosen]
    document = quantise(played(strokes, bpm=bpm, a_bar=a_bar, beats=4 * a_bar))
    assert places(document) == expected(strokes)
    assert document.score.bars[0].meter == Meter(*meter)
    assert check(document) == document


def test_a_meter_that_was_heard_as_compound_is_written_so():
    """Two dotted quarters a bar, at 90: the ear alone tells them from quarters."""
    beat_s = 60 / 90
    hits = [
        Hit(0.5 + n * beat_s / 3, DrumPiece.HAT_CLOSED, 90, id=f"ev-{n:06d}") for n in range(1, 49)
    ]
    beats = [Beat(0.5 + n * beat_s, n % 2 + 1) for n in range(18)]
    heard = Performance(13.0, hits, beats, tempo_bpm=90.0, meter="6/8", beat_unit="dotted-quarter")
    bars = quantise(heard).score.bars
    assert {str(bar.meter) for bar in bars if bar.meter is not None} == {"6/8"}
    assert max(len(bar.voices[0].events) if bar.voices else 0 for bar in bars) <= 6 + 2


def test_two_quick_strokes_of_one_piece_are_a_flam():
    strokes: list[Stroke] = [(i, DrumPiece.SNARE, 90) for i in range(8)]
    strokes.append((4 - 0.030 * 2, DrumPiece.SNARE, 40))  # 30 ms early at 120 bpm
    document = quantise(played(strokes))
    ((bar, event, note),) = [found for found in document.score.notes() if found[2].graces]
    assert (bar.number, event.start, note.id) == (2, 0, "ev-000005")
    assert note.articulations == (Articulation.FLAM,)
    assert note.graces == (Grace("ev-000009", 40),)
    assert document.performance.dropped == ()


def test_three_quick_strokes_are_a_drag():
    strokes: list[Stroke] = [(i, DrumPiece.SNARE, 90) for i in range(8)]
    strokes += [(4 - 0.14, DrumPiece.SNARE, 40), (4 - 0.07, DrumPiece.SNARE, 42)]
    document = quantise(played(strokes))
    (note,) = [note for _, _, note in document.score.notes() if note.graces]
    assert note.articulations == (Articulation.DRAG,)
    assert [grace.velocity for grace in note.graces] == [40, 42]


def test_the_softer_of_two_strokes_at_one_instant_is_listed_as_dropped():
    strokes: list[Stroke] = [(i, DrumPiece.KICK, 90) for i in range(4)]
    strokes.append((2, DrumPiece.KICK, 50))
    document = quantise(played(strokes))
    assert [lost.id for lost in document.performance.dropped] == ["ev-000005"]
    assert "ev-000003" in document.performance.dropped[0].reason
    assert len(document.performance.events) == 5
    assert len(document.score.notes()) == 4


def test_soft_snare_strokes_are_ghosts_and_loud_ones_accents():
    velocities = [90, 92, 30, 88, 91, 112, 26, 90, 89, 127]
    strokes: list[Stroke] = [(i, DrumPiece.SNARE, v) for i, v in enumerate(velocities)]
    marks = {n.velocity: n.articulations for _, _, n in quantise(played(strokes)).score.notes()}
    assert {v for v, found in marks.items() if found == (Articulation.GHOST,)} == {30, 26}
    assert {v for v, found in marks.items() if found == (Articulation.ACCENT,)} == {112}
    assert {v for v, found in marks.items() if found == (Articulation.STRONG_ACCENT,)} == {127}


def test_a_snare_that_is_always_soft_has_no_ghosts():
    strokes: list[Stroke] = [(i, DrumPiece.SNARE, 40 + i % 3) for i in range(8)]
    assert all(not note.articulations for _, _, note in quantise(played(strokes)).score.notes())


def test_strokes_before_the_first_downbeat_are_a_pickup():
    strokes: list[Stroke] = [(-0.5, DrumPiece.SNARE, 90), *rock(2)]
    document = quantise(played(strokes, first_beat=0))
    assert bars_of(document)[:2] == [(0, "4/4", Fraction(1, 4)), (1, "4/4", 1)]
    assert places(document) == expected(strokes)
    first = document.timeline.beats[0]
    assert (first.bar, first.beat, first.time_s) == (0, 4, 0.5)


def test_a_stroke_just_ahead_of_the_first_beat_needs_no_pickup():
    strokes: list[Stroke] = [(-0.02, DrumPiece.CRASH, 90), *rock(1)]
    assert bars_of(quantise(played(strokes))) == [(1, "4/4", 1)]


def test_a_six_eight_override_reads_two_beats_a_bar_as_dotted_quarters():
    strokes: list[Stroke] = [(Fraction(i, 3), DrumPiece.HAT_CLOSED, 80) for i in range(12)]
    document = quantise(played(strokes, bpm=60, a_bar=2, beats=6), Options(time_signature="6/8"))
    assert bars_of(document) == [(1, "6/8", Fraction(3, 4)), (2, "6/8", Fraction(3, 4))]
    starts = [event.start for event in document.score.bars[0].voices[0].events]
    assert starts == [Fraction(i, 8) for i in range(6)]
    assert document.timeline.tempo_map[0].unit == Fraction(3, 8)
    assert document.timeline.tempo_map[0].quarters_per_minute == pytest.approx(90)


def test_an_override_of_the_meter_counts_from_the_downbeats_that_were_heard():
    strokes: list[Stroke] = [(i, DrumPiece.KICK, 90) for i in range(12)]
    document = quantise(played(strokes), Options(time_signature="3/4"))
    assert [meter for _, meter, _ in bars_of(document)] == ["3/4"] * 4


def test_a_bar_with_fewer_beats_keeps_its_own_meter():
    times = [i * 0.5 for i in range(15)]
    positions = [1, 2, 3, 4, 1, 2, 1, 2, 3, 4, 1, 2, 3, 4, 1]
    beats = tuple(Beat(t, p) for t, p in zip(times, positions, strict=True))
    hits = tuple(Hit(t, DrumPiece.KICK) for t in times[:14])
    document = quantise(Performance(duration_s=8, hits=hits, beats=beats))
    assert [meter for _, meter, _ in bars_of(document)] == ["4/4", "2/4", "4/4", "4/4"]
    assert [(mark.bar, str(mark.meter)) for mark in document.timeline.meters] == [
        (1, "4/4"),
        (2, "2/4"),
        (3, "4/4"),
    ]


@pytest.mark.parametrize("asked", [240, 60])
def test_a_tempo_twice_or_half_as_fast_keeps_the_beats_that_were_heard(asked: int):
    document = quantise(played(rock(), jitter_s=0.005), Options(tempo_bpm=asked))
    assert document.timeline.tempo_map[0].bpm == pytest.approx(asked, rel=0.01)
    assert len(document.score.bars) == 4 * asked / 120
    assert check(document) == document


def test_another_tempo_lays_an_even_grid():
    strokes: list[Stroke] = [(i, DrumPiece.KICK, 90) for i in range(12)]
    document = quantise(played(strokes, bpm=90), Options(tempo_bpm=135))
    assert document.timeline.tempo_map[0].bpm == pytest.approx(135)
    assert list(places(document).values())[:4] == [0, Fraction(3, 2), 3, Fraction(9, 2)]


@pytest.mark.parametrize("bpm", [75, 93, 120, 137])
def test_without_beats_tempo_and_downbeat_are_found_from_the_hits(bpm: int):
    strokes = rock(8)
    heard = played(strokes, bpm=bpm, jitter_s=0.008)
    alone = Performance(duration_s=heard.duration_s, hits=heard.hits)
    document = quantise(alone)
    assert document.timeline.tempo_map[0].bpm == pytest.approx(bpm, rel=0.005)
    assert places(document) == expected(strokes)


def test_without_beats_the_tempo_asked_for_holds():
    strokes = rock(4)
    heard = played(strokes, bpm=82)
    alone = Performance(duration_s=heard.duration_s, hits=heard.hits)
    document = quantise(alone, Options(tempo_bpm=82))
    assert document.timeline.tempo_map[0].bpm == 82
    assert places(document) == expected(strokes)


@pytest.mark.parametrize(
    ("grid", "denominators"), [("straight", {1, 2, 4, 8}), ("triplet", {1, 2, 3, 6})]
)
def test_a_grid_that_is_asked_for_is_the_only_one(grid, denominators):
    strokes: list[Stroke] = [(i / 4, DrumPiece.HAT_CLOSED, 80) for i in range(0, 32, 2)]
    strokes += [(8 + Fraction(i, 3), DrumPiece.HAT_CLOSED, 80) for i in range(12)]
    found = places(quantise(played(strokes), Options(grid=grid)))
    assert {place.denominator for place in found.values()} <= denominators


def test_one_hit_alone_is_a_bar():
    document = quantise(Performance(duration_s=1, hits=(Hit(0.3, DrumPiece.SNARE),)))
    assert [(bar.number, event.start) for bar, event, _ in document.score.notes()] == [(1, 0)]


@pytest.mark.parametrize(
    ("hit", "field"),
    [
        (Hit(math.nan, DrumPiece.KICK), "hits[0].onset_s"),
        (Hit(-0.1, DrumPiece.KICK), "hits[0].onset_s"),
        (Hit(math.inf, DrumPiece.KICK), "hits[0].onset_s"),
        (Hit(13 * 3600.0, DrumPiece.KICK), "hits[0].onset_s"),
        (Hit(1, DrumPiece.KICK, velocity=0), "hits[0].velocity"),
        (Hit(1, DrumPiece.KICK, confidence=math.nan), "hits[0].confidence"),
        (Hit(1, DrumPiece.KICK, id="no id"), "hits[0].id"),
    ],
)
def test_a_hit_that_is_none_is_refused_by_name(hit: Hit, field: str):
    with pytest.raises(ScoreError) as refused:
        quantise(Performance(duration_s=2, hits=(hit,)))
    assert refused.value.field == field


def test_no_hits_are_no_score():
    with pytest.raises(ScoreError) as refused:
        quantise(Performance(duration_s=2, hits=()))
    assert refused.value.field == "no-hits"


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (Options(tempo_bpm=math.nan), "tempo"),
        (Options(tempo_bpm=19.9), "tempo"),
        (Options(tempo_bpm=401), "tempo"),
        (Options(time_signature="0/4"), "time_signature"),
        (Options(time_signature="4/3"), "time_signature"),
        (Options(time_signature="33/4"), "time_signature"),
        (Options(time_signature="waltz"), "time_signature"),
        (Options(title="a\x00b"), "title"),
        (Options(kit="a house"), "kit"),
    ],
)
def test_an_option_out_of_range_is_refused_by_name(options: Options, field: str):
    with pytest.raises(ScoreError) as refused:
        quantise(played(rock(1)), options)
    assert refused.value.field == field


def test_more_hits_than_anybody_plays_are_refused():
    hits = (Hit(1.0, DrumPiece.KICK),) * 200_001
    with pytest.raises(ScoreError, match="more than 200000"):
        quantise(Performance(duration_s=2, hits=hits))


def test_two_lone_hits_twelve_hours_apart_end_in_time():
    hits = (Hit(0.0, DrumPiece.KICK), Hit(43_000.0, DrumPiece.KICK))
    document = quantise(Performance(duration_s=43_000, hits=hits), Options(tempo_bpm=20))
    assert len(document.score.notes()) == 2


@repeatable
@given(
    hits=st.lists(
        st.builds(
            Hit,
            st.floats(0, 20),
            st.sampled_from(DrumPiece),
            st.integers(1, 127),
            st.floats(0, 1),
        ),
        min_size=1,
        max_size=60,
    ),
    beats=st.lists(st.builds(Beat, st.floats(-1, 25), st.integers(1, 7)), max_size=30),
    meter=st.none()
    | st.builds("{}/{}".format, st.integers(1, 32), st.sampled_from([1, 2, 4, 8, 16, 32])),
    tempo=st.none() | st.floats(20, 400),
    grid=st.sampled_from(["auto", "straight", "triplet"]),
)
def test_whatever_is_heard_becomes_a_valid_score_and_no_hit_is_lost(
    hits, beats, meter, tempo, grid
):
    heard = Performance(duration_s=25, hits=tuple(hits), beats=tuple(beats))
    document = quantise(heard, Options(tempo_bpm=tempo, time_signature=meter, grid=grid))
    assert check(document) == document
    written = [i for _, e, _ in document.score.notes() for i in e.stroke_ids()]
    dropped = [lost.id for lost in document.performance.dropped]
    assert sorted({*written, *dropped}) == sorted(e.id for e in document.performance.events)
    assert not set(written) & set(dropped)
    for bar in document.score.bars:
        assert filled(bar) == [bar.length] * len(bar.voices)


def filled(bar: Bar) -> list[Fraction]:
    return [sum((e.duration for e in voice.events), Fraction(0)) for voice in bar.voices]


def test_of_ten_thousand_hits_none_is_lost():
    strokes = rock(770)
    heard = played(strokes, beats=4 * 770, jitter_s=0.008)
    document = quantise(heard)
    assert len(heard.hits) > 10_000
    assert len(document.score.notes()) == len(heard.hits)
    assert engrave.voice_of(document.score.bars[0].voices[1].events[0].notes[0].piece) == 2


def test_seven_eight_over_quarters_that_were_heard_keeps_the_note_values():
    eighth_s = 0.25
    hits = [Hit(1 + i * eighth_s, DrumPiece.HAT_CLOSED, 80) for i in range(7 * 8)]
    beats = [Beat(1 + i * 2 * eighth_s, i % 4 + 1) for i in range(28)]
    document = quantise(Performance(16.0, tuple(hits), tuple(beats)), Options(time_signature="7/8"))
    assert bars_of(document)[:2] == [(1, "7/8", Fraction(7, 8)), (2, "7/8", Fraction(7, 8))]
    starts = sorted({event.start for bar, event, _ in document.score.notes() if bar.number == 2})
    assert starts == [Fraction(i, 8) for i in range(7)]


@pytest.mark.parametrize("tempo", [None, 80.0, 82.0])
def test_the_tempo_that_was_heard_leaves_six_eight_as_it_is(tempo: float | None):
    beats = [Beat(1 + i * 0.75, i % 2 + 1) for i in range(9)]
    hits = [Hit(1 + i * 0.25, DrumPiece.HAT_CLOSED, 80) for i in range(24)]
    document = quantise(
        Performance(8.0, tuple(hits), tuple(beats), meter="6/8", beat_unit="dotted-quarter"),
        Options(tempo_bpm=tempo),
    )
    assert [str(bar.meter) for bar in document.score.bars] == ["6/8"] * 4


def test_hits_without_beats_get_theirs_from_the_pulse():
    strokes = [(at, DrumPiece.KICK, 100) for at in range(0, 96, 3)]
    strokes += [(at + beat, DrumPiece.SNARE, 95) for at in range(0, 96, 3) for beat in (1, 2)]
    strokes += [(Fraction(i, 2), DrumPiece.HAT_CLOSED, 70) for i in range(192)]
    performance = replace(played(strokes, bpm=130, beats=96, a_bar=3, jitter_s=0.006), beats=())
    document = quantise(performance)
    assert {str(bar.meter) for bar in document.score.bars} == {"3/4"}
    assert document.timeline.tempo_map[0].bpm == pytest.approx(130, rel=0.02)
