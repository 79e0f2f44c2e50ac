"""What is timed is what it says."""

from __future__ import annotations

from benchmarks.writing.readings import with_click, with_found_beats
from benchmarks.writing.speed import make_performance, write_with_music21
from benchmarks.writing.truth import Stroke, Take, as_played
from libs.common.drums import DrumPiece as P
from services.notation.domain.quantise import quantise


def test_the_made_performance_has_its_beats_its_bars_and_is_the_seeds():
    made = make_performance(16, seed=1)
    assert 15 <= len(made.hits) / 16 <= 18
    assert sum(beat.position == 1 for beat in made.beats) == 17
    assert made == make_performance(16, seed=1)
    assert made != make_performance(16, seed=2)


def test_music21_writes_the_same_notes():
    document = quantise(make_performance(2, seed=1))
    xml = write_with_music21(document)
    assert xml.count(b"<unpitched>") == len(document.score.notes())
    assert xml.count(b"<measure ") == 2


def test_the_click_is_where_it_was_and_hits_alone_find_their_own():
    strokes = [
        Stroke(
            beat / 2 + 0.05,
            P.KICK if beat % 4 == 0 else P.SNARE if beat % 4 == 2 else P.HAT_CLOSED,
            90,
        )
        for beat in range(64)
    ]
    truth = as_played(Take("made", "rock", 100.0, 4, tuple(strokes)))
    click = with_click(truth)
    assert click.beats[0].time_s == truth.click_s
    assert [beat.position for beat in click.beats[:5]] == [1, 2, 3, 4, 1]
    found = with_found_beats(truth)
    assert found.hits == click.hits == truth.hits
    assert abs(found.tempo_bpm - 100) < 2
    assert found.meter is not None
