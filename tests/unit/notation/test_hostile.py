"""Performances that nobody played: each is a ScoreError that names the culprit, or a right score,
in time and memory that its size explains."""

from __future__ import annotations

import math
import tracemalloc
from fractions import Fraction
from random import Random

import pytest

from libs.common.drums import Beat, DrumPiece, Hit
from libs.common.performance import Performance
from services.notation.domain.document import ScoreDocument, check
from services.notation.domain.quantise import Options, quantise
from services.notation.domain.score import MAX_EVENTS, ScoreError
from services.notation.domain.stats import summary

# Far more than any of these takes; what ran away would not come back.
pytestmark = pytest.mark.timeout(120)

NAN, INF = math.nan, math.inf
HALF_DAY_S = 12 * 3600.0


def refused(heard: Performance, options: Options | None = None) -> ScoreError:
    with pytest.raises(ScoreError) as error:
        quantise(heard, options)
    return error.value


def every_hit_is_written_or_dropped(document: ScoreDocument) -> bool:
    written = {i for _, event, _ in document.score.notes() for i in event.stroke_ids()}
    dropped = {lost.id for lost in document.performance.dropped}
    return (
        written | dropped == {e.id for e in document.performance.events} and not written & dropped
    )


def steady(count: int, apart_s: float = 0.25, piece: DrumPiece = DrumPiece.KICK) -> tuple[Hit, ...]:
    return tuple(Hit(index * apart_s, piece) for index in range(count))


def pulse(count: int, apart_s: float = 0.5) -> tuple[Beat, ...]:
    return tuple(Beat(index * apart_s, index % 4 + 1) for index in range(count))


def test_a_million_hits_are_refused_at_a_glance() -> None:
    hits = (Hit(1.0, DrumPiece.KICK),) * 1_000_000
    tracemalloc.start()
    try:
        error = refused(Performance(duration_s=2, hits=hits))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (error.field, error.message) == ("hits", f"more than {MAX_EVENTS} hits")
    assert peak < 1_000_000


def test_five_thousand_hits_at_one_instant_are_one_note_a_piece() -> None:
    pieces = list(DrumPiece)
    hits = tuple(Hit(1.0, pieces[i % len(pieces)], 1 + i % 127) for i in range(5_000))
    document = quantise(Performance(duration_s=2, hits=hits, beats=pulse(5)))
    assert len(document.score.notes()) == len(pieces)
    assert every_hit_is_written_or_dropped(document)
    assert check(document) == document


def test_hits_closer_than_any_ear_end_in_a_score() -> None:
    hits = tuple(Hit(1 + index * 1e-9, DrumPiece.SNARE) for index in range(5_000))
    document = quantise(Performance(duration_s=2, hits=hits))
    assert every_hit_is_written_or_dropped(document)
    assert check(document) == document


@pytest.mark.parametrize("moment", [-1e-9, -1.0, NAN, INF, -INF, HALF_DAY_S + 1, 1e308])
def test_a_hit_outside_of_time_is_refused_by_its_index(moment: float) -> None:
    hits = (*steady(3), Hit(moment, DrumPiece.SNARE))
    assert refused(Performance(duration_s=5, hits=hits)).field == "hits[3].onset_s"


@pytest.mark.parametrize("velocity", [0, 128, -1, 10**9, NAN, 64.5])
def test_a_velocity_that_midi_has_not_is_refused_by_its_index(velocity: int) -> None:
    hits = (*steady(3), Hit(1.0, DrumPiece.SNARE, velocity))
    assert refused(Performance(duration_s=5, hits=hits)).field == "hits[3].velocity"


@pytest.mark.parametrize("confidence", [-0.1, 1.1, NAN, INF])
def test_a_confidence_that_is_no_share_is_refused_by_its_index(confidence: float) -> None:
    hits = (*steady(3), Hit(1.0, DrumPiece.SNARE, 90, confidence))
    assert refused(Performance(duration_s=5, hits=hits)).field == "hits[3].confidence"


@pytest.mark.parametrize("duration_s", [-1.0, NAN, INF, HALF_DAY_S + 1])
def test_a_duration_outside_of_time_is_refused(duration_s: float) -> None:
    assert refused(Performance(duration_s=duration_s, hits=steady(3))).field == "duration_s"


@pytest.mark.parametrize("moment", [NAN, INF, -INF, -61.0, 1e308])
def test_a_beat_outside_of_time_is_refused_by_its_index(moment: float) -> None:
    beats = (*pulse(4), Beat(moment, 1))
    assert refused(Performance(5, steady(8), beats)).field == "beats[4].time_s"


@pytest.mark.parametrize("position", [0, -1, 10**9])
def test_a_beats_position_that_is_odd_ends_in_a_score(position: int) -> None:
    beats = tuple(Beat(index * 0.5, position) for index in range(8))
    document = quantise(Performance(5, steady(16), beats))
    assert check(document) == document
    assert len(document.score.notes()) == 16


@pytest.mark.parametrize(
    "beats",
    [(), (Beat(1.0, 1),), (Beat(1.0, 1),) * 1000,
     tuple(Beat(1 + index * 1e-6, index % 4 + 1) for index in range(1000))],
)  # fmt: skip
def test_beats_that_show_no_pulse_are_as_none(beats: tuple[Beat, ...]) -> None:
    hits = steady(32)
    document = quantise(Performance(10, hits, beats))
    alone = quantise(Performance(10, hits))
    assert document.score.bars == alone.score.bars
    assert document.timeline.tempo_map == alone.timeline.tempo_map


def test_beats_in_any_order_are_the_same_beats() -> None:
    beats = list(pulse(40))
    sorted_ = quantise(Performance(20, steady(70), tuple(beats)))
    Random(1).shuffle(beats)
    assert quantise(Performance(20, steady(70), tuple(beats))) == sorted_


def test_every_beat_a_downbeat_ends_in_a_score() -> None:
    beats = tuple(Beat(index * 0.5, 1) for index in range(20))
    document = quantise(Performance(11, steady(40), beats))
    assert check(document) == document
    assert {str(bar.meter) for bar in document.score.bars} == {"1/4"}


def test_beats_an_hour_apart_take_no_more_than_their_hits() -> None:
    beats = tuple(Beat(index * 3600.0, index % 4 + 1) for index in range(12))
    document = quantise(Performance(HALF_DAY_S, steady(200), beats))
    assert every_hit_is_written_or_dropped(document)


def test_beats_every_60_ms_end_in_a_score() -> None:
    document = quantise(Performance(60, steady(200), pulse(1000, apart_s=0.06)))
    assert every_hit_is_written_or_dropped(document)


def test_hits_hours_after_the_last_beat_are_placed_or_refused() -> None:
    hits = (*steady(8), Hit(HALF_DAY_S, DrumPiece.SNARE))
    document = quantise(Performance(HALF_DAY_S, hits, pulse(8)))
    # At 120 bpm twelve hours are 86,400 beats.
    assert len(document.score.bars) == 86_400 // 4 + 1
    assert check(document).score.notes()[-1][1].start == Fraction(0)
    quick = pulse(8, apart_s=0.06)
    assert refused(Performance(HALF_DAY_S, hits, quick)).field in ("beats", "bars")


def test_a_recording_of_twelve_hours_is_written() -> None:
    """One hit a second, as a metronome left alone."""
    hits = steady(43_200, apart_s=1.0, piece=DrumPiece.HAT_CLOSED)
    document = quantise(Performance(HALF_DAY_S, hits, pulse(86_400)))
    assert summary(document).bars == 21_600
    assert len(document.score.notes()) == 43_200
    assert {event.start for _, event, _ in document.score.notes()} == {Fraction(0), Fraction(1, 2)}


@pytest.mark.parametrize("tempo", [20.0, 400.0])
@pytest.mark.parametrize("meter", ["1/32", "32/1", "31/32", "1/1", "32/32"])
def test_the_extremes_of_meter_and_tempo_end_in_a_score_or_a_clear_word(
    tempo: float, meter: str
) -> None:
    options = Options(tempo_bpm=tempo, time_signature=meter)
    try:
        document = quantise(Performance(30, steady(60)), options)
    except ScoreError as error:
        assert error.field in ("bars", "beats", "tempo", "score")
    else:
        assert {str(bar.meter) for bar in document.score.bars} == {meter}
        assert check(document) == document
        assert every_hit_is_written_or_dropped(document)


def test_noise_for_an_hour_is_written_whole() -> None:
    """Ten thousand strokes of chance on all pieces, with no pulse to be found."""
    random = Random(9)
    hits = tuple(
        Hit(random.uniform(0, 3600), random.choice(list(DrumPiece)), random.randint(1, 127))
        for _ in range(10_000)
    )
    document = quantise(Performance(3600, hits))
    assert every_hit_is_written_or_dropped(document)
    assert check(document) == document
