from collections.abc import Iterable
from fractions import Fraction
from io import BytesIO

import mido
import pytest

from libs.common.drums import Articulation, DrumPiece
from libs.common.performance import Performance
from services.notation.domain.document import ScoreDocument
from services.notation.domain.engrave import write_bar
from services.notation.domain.kit import kit_called
from services.notation.domain.midi import CLICK_HIGH, CLICK_LOW, to_midi
from services.notation.domain.quantise import quantise
from services.notation.domain.score import ScoreError, Swing, TempoMark
from tests.unit.notation.charts import FOUR, SIX, Pen, Stroke, chart, document_of, rock_bar
from tests.unit.notation.performances import played, rock

F = Fraction
P = DrumPiece
BEAT_S = 60 / 104


def messages(data: bytes) -> list[tuple[float, mido.Message]]:
    """Each with its second, all tracks together."""
    now_s = 0.0
    found = []
    for message in mido.MidiFile(file=BytesIO(data)):
        now_s += message.time
        found.append((now_s, message))
    return found


def strokes_of(data: bytes) -> list[tuple[float, int, int]]:
    """Seconds, key and velocity of each note-on, on channel 10."""
    ons = [(at, m) for at, m in messages(data) if m.type == "note_on"]
    assert {m.channel for _, m in ons} <= {9}
    return [(at, m.note, m.velocity) for at, m in ons]


def times_of(data: bytes, *keys: int) -> list[float]:
    return [at for at, key, _ in strokes_of(data) if key in keys]


def one_bar(*strokes: Stroke, meter: object = FOUR) -> ScoreDocument:
    return document_of([write_bar(1, meter, strokes)], bpm=104)  # type: ignore[arg-type]


def lengths_of(data: bytes, key: int) -> list[float]:
    """How long each stroke of a key lasts, in beats."""
    begun_s = None
    found = []
    for at, message in messages(data):
        if message.type in ("note_on", "note_off") and message.note == key:
            if message.type == "note_on":
                begun_s = at
            elif begun_s is not None:
                found.append(round((at - begun_s) / BEAT_S, 2))
    return found


def test_the_written_score_plays_on_its_grid():
    kicks = times_of(to_midi(document_of([rock_bar(Pen(), 1)])), 36)
    assert kicks == pytest.approx([0, 2 * BEAT_S, 2.5 * BEAT_S], abs=1e-4)


def test_velocities_are_the_notes_own():
    document = document_of([rock_bar(Pen(), 1)])
    assert {v for _, key, v in strokes_of(to_midi(document)) if key == 38} == {115, 30}


def test_swung_eighths_come_late_and_triplets_where_they_are():
    pen = Pen()
    straight = [pen.note(F(i, 8), P.RIDE) for i in range(8)]
    triplet = [pen.note(F(i, 12), P.SNARE) for i in range(3)]
    bars = [write_bar(1, FOUR, straight), write_bar(2, FOUR, triplet)]
    data = to_midi(document_of(bars, swing=(Swing(1, F(1, 8), 2.0),)))
    rides = [at / BEAT_S for at in times_of(data, 51)]
    assert rides == pytest.approx([b + e for b in range(4) for e in (0, 2 / 3)], abs=2e-3)
    snares = [at / BEAT_S - 4 for at in times_of(data, 38)]
    assert snares == pytest.approx([0, 1 / 3, 2 / 3], abs=2e-3)


def test_a_hidden_tempo_is_played():
    pen = Pen()
    bars = [write_bar(1, FOUR, [pen.note(F(i, 4), P.KICK) for i in range(4)])]
    slower = (TempoMark(1, 120.0), TempoMark(1, 60.0, beat=3, hidden=True))
    kicks = times_of(to_midi(document_of(bars, tempos=slower)), 36)
    assert kicks == pytest.approx([0, 0.5, 1.0, 2.0], abs=1e-3)


@pytest.mark.parametrize("bpm", [45.0, 120.0, 220.0])
def test_graces_come_a_hand_ahead_of_the_beat_at_any_tempo(bpm: float):
    pen = Pen()
    bars = [write_bar(1, FOUR, [pen.note(F(1, 4), P.SNARE, Articulation.DRAG)])]
    times_s = times_of(to_midi(document_of(bars, tempos=(TempoMark(1, bpm),))), 38)
    ahead_s = [60 / bpm - at_s for at_s in times_s]
    assert ahead_s == pytest.approx([0.06, 0.03, 0], abs=0.01)


def test_an_open_hat_rings_as_long_as_it_says():
    document = one_bar(Pen().note(0, P.HAT_OPEN, ring=F(3, 8)))
    assert lengths_of(to_midi(document), 46) == [1.5]


def test_any_stroke_of_the_hat_closes_an_open_one():
    pen = Pen()
    closing: Iterable[Stroke] = (pen.note(0, P.HAT_OPEN), pen.note(F(1, 4), P.HAT_PEDAL))
    assert lengths_of(to_midi(one_bar(*closing)), 46) == [1.0]


def test_two_hats_of_one_moment_that_ring_differently_are_both_played():
    pen = Pen()
    both = (pen.note(0, P.HAT_HALF_OPEN), pen.note(0, P.HAT_OPEN, ring=F(1, 4)))
    assert len(strokes_of(to_midi(one_bar(*both), kit_called("alesis")))) == 2


def test_a_crash_rings_and_a_choked_one_is_cut_and_told():
    pen = Pen()
    choked = pen.note(F(3, 4), P.CRASH_2, Articulation.CHOKE)
    data = to_midi(one_bar(pen.note(0, P.CRASH), choked))
    assert lengths_of(data, 49) == [4.0]
    assert lengths_of(data, 57) == [1.0]
    pressed = [(m.note, m.value) for _, m in messages(data) if m.type == "polytouch"]
    assert pressed == [(57, 127), (57, 0)]


def test_no_note_off_cuts_the_next_stroke():
    pen = Pen()
    fast = [pen.note(F(i, 64), P.CRASH) for i in range(16)]
    sounding: set[int] = set()
    for _, message in messages(to_midi(one_bar(*fast))):
        if message.type == "note_on":
            assert message.note not in sounding
            sounding.add(message.note)
        elif message.type == "note_off":
            sounding.discard(message.note)
    assert not sounding


def test_an_e_drum_kit_sends_its_own_notes():
    pen = Pen()
    document = one_bar(
        pen.note(0, P.TOM_HIGH), pen.note(F(1, 4), P.TOM_MID), pen.note(F(1, 2), P.SPLASH)
    )
    assert [key for _, key, _ in strokes_of(to_midi(document))] == [50, 47, 55]
    roland = to_midi(document, kit_called("roland-td"))
    assert [key for _, key, _ in strokes_of(roland)] == [48, 45, 27]


def test_a_half_open_hat_comes_back_as_one():
    kit = kit_called("roland-td")
    hats = (P.HAT_CLOSED, P.HAT_HALF_OPEN, P.HAT_OPEN, P.HAT_HALF_OPEN, P.HAT_PEDAL)
    pen = Pen()
    document = one_bar(*(pen.note(F(i, 8), piece) for i, piece in enumerate(hats)))
    pedal = None
    heard = []
    for _, message in messages(to_midi(document, kit)):
        if message.type == "control_change" and message.control == 4:
            pedal = message.value
        elif message.type == "note_on":
            heard.append(kit.piece_of(message.note, pedal, message.velocity))
    assert heard == list(hats)


def test_without_a_half_open_hat_no_pedal_is_sent():
    data = to_midi(document_of([rock_bar(Pen(), 1)]))
    assert not [m for _, m in messages(data) if m.type == "control_change"]


def test_the_click_counts_the_meters_beats_and_stresses_the_first():
    pen = Pen()
    bars = [write_bar(1, FOUR, [pen.note(0, P.KICK)]), write_bar(2, SIX, [pen.note(0, P.KICK)])]
    data = to_midi(document_of(bars), click=True)
    clicks = [
        (round(at / BEAT_S, 2), key)
        for at, key, _ in strokes_of(data)
        if key in (CLICK_HIGH, CLICK_LOW)
    ]
    high, low = CLICK_HIGH, CLICK_LOW
    assert clicks == [(0, high), (1, low), (2, low), (3, low), (4, high), (5.5, low)]
    tracks = mido.MidiFile(file=BytesIO(data)).tracks
    assert [track.name for track in tracks] == ["Backbeat", "Drumset", "Click"]


def test_a_pickup_is_a_short_bar():
    data = to_midi(chart(), click=True)
    meters = [(m.numerator, m.denominator) for _, m in messages(data) if m.type == "time_signature"]
    assert meters == [(1, 4), (4, 4), (6, 8)]
    clicks = [key for _, key, _ in strokes_of(data) if key in (CLICK_HIGH, CLICK_LOW)]
    assert clicks[:6] == [CLICK_LOW, CLICK_HIGH, *[CLICK_LOW] * 3, CLICK_HIGH]


def test_the_performed_score_plays_every_hit_when_it_was_heard():
    document = quantise(played(rock(4), bpm=97, jitter_s=0.01))
    heard = [event.onset_s for event in document.performance.events]
    times_s = [at for at, _, _ in strokes_of(to_midi(document, mode="performed"))]
    assert times_s == pytest.approx(heard, abs=0.002)


def test_the_performed_click_lies_on_the_beats_that_were_heard():
    document = chart()
    data = to_midi(document, mode="performed", click=True)
    beats = [beat.time_s for beat in document.timeline.beats]
    assert times_of(data, CLICK_HIGH, CLICK_LOW) == pytest.approx(beats, abs=0.002)
    downbeats = [beat.time_s for beat in document.timeline.beats if beat.beat == 1]
    assert times_of(data, CLICK_HIGH) == pytest.approx(downbeats, abs=0.002)


def test_an_even_performance_without_beats_can_be_performed():
    heard = played(rock(2))
    document = quantise(Performance(duration_s=heard.duration_s, hits=heard.hits))
    assert len(strokes_of(to_midi(document, mode="performed"))) == len(heard.hits)


def test_an_unknown_mode_is_refused():
    with pytest.raises(ScoreError, match="written or performed"):
        to_midi(chart(), mode="swung")  # type: ignore[arg-type]
