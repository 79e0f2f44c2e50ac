from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.drums import DrumPiece
from libs.common.meter import Meter
from services.notation.domain.engrave import beams, beats_of, placed_notes, write_bar
from services.notation.domain.score import Bar, Note, ScoreError, read_meter, value_of


def bar_of(meter: str, *places: str, piece: DrumPiece = DrumPiece.SNARE) -> Bar:
    notes = [(Fraction(at), Note(f"n{i}", piece, 90)) for i, at in enumerate(places)]
    return write_bar(1, read_meter(meter), notes)


def read(bar: Bar, voice: int = 0) -> str:
    """Such as `8 8. 16r [8 8 8]`: values, dots, rests, tuplets."""
    words = []
    for event in bar.voices[voice].events:
        name, dots = value_of(event.written) or ("bar", 0)
        word = {"whole": "1", "half": "2", "quarter": "4", "eighth": "8"}.get(name, name)
        word = word.removesuffix("th").removesuffix("nd") + "." * dots + "r" * event.is_rest
        if event.tuplet and event.tuplet.part == "start":
            word = f"{event.tuplet.actual}[{word}"
        if event.tuplet and event.tuplet.part == "stop":
            word += "]"
        words.append(word)
    return " ".join(words)


@pytest.mark.parametrize(
    ("meter", "places", "expected"),
    [
        ("4/4", "0 1/8 1/4 3/8 1/2 5/8 3/4 7/8", "8 8 8 8 8 8 8 8"),
        ("4/4", "0 1/4 1/2 3/4", "4 4 4 4"),
        ("4/4", "0", "4 4r 2r"),
        ("4/4", "1/2", "2r 4 4r"),
        ("4/4", "1/4", "4r 4 2r"),
        ("4/4", "0 3/16", "8. 16 4r 2r"),
        ("4/4", "0 1/16 3/16", "16 8 16 4r 2r"),
        ("4/4", "1/8", "8r 8 4r 2r"),
        ("4/4", "3/16", "8r 16r 16 4r 2r"),
        ("4/4", "0 1/12 1/6", "3[8 8 8] 4r 2r"),
        ("4/4", "0 1/6", "3[4 8] 4r 2r"),
        ("4/4", "1/12 1/6", "3[8r 8 8] 4r 2r"),
        ("4/4", "0 1/24 1/12 1/8 1/6 5/24", "6[16 16 16 16 16 16] 4r 2r"),
        ("4/4", "0 1/8 1/6 5/24", "8 3[16 16 16] 4r 2r"),
        ("4/4", "0 1/32 1/16 1/8", "32 32 16 8 4r 2r"),
        ("3/4", "0", "4 4r 4r"),
        ("6/8", "0 1/8 1/4 3/8", "8 8 8 4."),
        ("6/8", "0 1/4 3/8 9/16", "4 8 8. 8."),
        ("7/8", "0 1/8 1/4 3/8 1/2 5/8 3/4", "8 8 8 8 8 8 8"),
        ("4/4", "", "1r"),
        ("5/8", "", "barr"),
    ],
)
def test_a_bar_reads_as_drummers_write(meter: str, places: str, expected: str):
    assert read(bar_of(meter, *places.split())) == expected


def test_hands_and_feet_have_voices_of_their_own():
    bar = write_bar(
        1,
        Meter(4, 4),
        [
            (Fraction(0), Note("a", DrumPiece.HAT_CLOSED, 80)),
            (Fraction(1, 2), Note("b", DrumPiece.KICK, 80)),
        ],
    )
    assert (read(bar, 0), read(bar, 1)) == ("4 4r 2r", "2r 4 4r")


def test_silent_feet_have_no_voice():
    assert [voice.number for voice in bar_of("4/4", "0").voices] == [1]


def test_feet_alone_leave_the_hands_a_whole_rest():
    assert read(bar_of("4/4", "0", piece=DrumPiece.KICK)) == "1r"


def test_beams_join_the_notes_of_a_beat():
    bar = bar_of("4/4", "0", "3/16", "1/4", "3/8", "7/16", "1/2", "5/8")
    assert beams(bar, bar.voices[0]) == [
        ("begin",),
        ("end", "backward hook"),
        ("begin",),
        ("continue", "begin"),
        ("end", "end"),
        ("begin",),
        ("end",),
        (),
    ]


def test_a_sixteenth_before_a_dotted_eighth_hooks_forward():
    bar = bar_of("4/4", "0", "1/16")
    assert beams(bar, bar.voices[0])[:2] == [("begin", "forward hook"), ("end",)]


def test_six_eighths_are_beamed_in_threes():
    bar = bar_of("6/8", "0", "1/8", "1/4", "3/8", "1/2", "5/8")
    assert beams(bar, bar.voices[0]) == [("begin",), ("continue",), ("end",)] * 2


def test_odd_meters_end_with_the_group_of_three():
    assert beats_of(Meter(7, 8)) == [Fraction(1, 4), Fraction(1, 4), Fraction(3, 8)]


def test_a_note_outside_its_bar_is_refused():
    with pytest.raises(ScoreError, match="outside"):
        bar_of("3/4", "3/4")


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    meter=st.builds(Meter, st.integers(1, 32), st.sampled_from([1, 2, 4, 8, 16, 32])),
    slots=st.sampled_from([1, 2, 3, 4, 6, 8]),
    data=st.data(),
)
def test_every_voice_fills_its_bar_and_keeps_every_note(meter: Meter, slots: int, data):
    unit = Fraction(1, 4 * slots)
    steps = data.draw(st.sets(st.integers(0, 200), max_size=24))
    pieces = (DrumPiece.SNARE, DrumPiece.KICK)
    notes = [
        (step * unit, Note(f"n{step}", pieces[step % 2], 90))
        for step in sorted(steps)
        if step * unit < meter.length
    ]
    bar = write_bar(1, meter, notes)
    for voice in bar.voices:
        at = Fraction(0)
        for event in voice.events:
            assert event.start == at
            at = event.end
            whole_bar = event.is_rest and event.duration == bar.length
            assert whole_bar or value_of(event.written) is not None
        assert at == bar.length
        assert len(beams(bar, voice)) == len(voice.events)
    assert sorted(placed_notes(bar), key=lambda placed: placed[0]) == notes
