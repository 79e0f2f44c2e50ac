"""Styles: what is counted of a part is exact, and what is said of it follows from that."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from statistics import median

import pytest

from libs.common.drums import Articulation, DrumPiece
from libs.common.meter import Meter
from libs.common.part import Part, PartBar, PartSwing, PartTempo, Stroke, ordered
from services.ai.domain.styles import WEIGHTS, Style, classify, is_unsure, model
from services.ai.domain.styles.evidence import FIGURES, Evidence, Usual, speaks
from services.ai.domain.styles.features import lay_out, measure, whole_bars
from services.ai.domain.styles.forest import LEAF, Forest, Scale, read_document

PIECES = {
    "K": DrumPiece.KICK, "S": DrumPiece.SNARE, "X": DrumPiece.CROSS_STICK,
    "H": DrumPiece.HAT_CLOSED, "O": DrumPiece.HAT_OPEN, "P": DrumPiece.HAT_PEDAL,
    "R": DrumPiece.RIDE,
}  # fmt: skip


def groove(
    rows: str, bpm: float = 100, bars: int = 8, swing: float = 1.0, meter: str = "4/4"
) -> Part:
    """`H x.x.…|S …`: sixteen places a bar of 4/4, `x` struck, `g` a ghost; two bars take turns."""
    strokes = [
        (Fraction(place, 16), PIECES[row[0]], mark)
        for row in rows.split("|")
        for place, mark in enumerate(row[2:])
        if mark != "."
    ]
    length = Meter.parse(meter).length
    turns = 1 + max(at // length for at, _, _ in strokes)
    return Part(
        title="made",
        bars=tuple(
            PartBar(
                number,
                Meter.parse(meter),
                ordered(
                    [
                        Stroke(
                            at % length, piece, 28 if mark == "g" else 90,
                            (Articulation.GHOST,) if mark == "g" else (),
                        )
                        for at, piece, mark in strokes
                        if at // length == (number - 1) % turns
                    ]
                ),
            )
            for number in range(1, bars + 1)
        ),
        tempos=(PartTempo(1, bpm),),
        swing=(PartSwing(1, Fraction(1, 8), swing),) if swing != 1 else (),
    )  # fmt: skip


ROCK = "H x.x.x.x.x.x.x.x.|S ....x.......x...|K x.......x......."
SWING = "R x...x.x.x...x.x.|P ....x.......x..."
DISCO = "O ..x...x...x...x.|S ....x.......x...|K x...x...x...x..."
ONE_DROP = "H x.x.x.x.x.x.x.x.|X ........x.......|K ........x......."
BOSSA = (
    "H x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.|X x.....x.....x.......x.....x.....|"
    "K x.....x.x.....x.x.....x.x.....x."
)
SON = "X x.....x.....x.......x...x.......|K ......x.....x.........x.....x..."
FUNK = "H xxxxxxxxxxxxxxxx|S .g..x..g.g..x..g|K x.x...x...x..x.."


def places(part: Part) -> list[Style]:
    return [match.style for match in classify(part)]


def test_a_backbeat_is_on_two_and_four_and_so_is_no_half_time():
    told = measure(groove(ROCK))
    assert told["backbeat"] == 1
    assert told["half-time snare"] == 0
    assert told["kick on one"] == 1
    assert told["four on the floor"] == 0.5
    assert told["kick off the beat"] == 0
    assert told["triplets"] == told["sixteenths"] == 0
    assert told["on beats"] == pytest.approx(8 / 12)


def test_four_on_the_floor_has_a_kick_on_every_beat_and_open_hats_between():
    told = measure(groove(DISCO))
    assert told["four on the floor"] == 1
    assert told["open of hats"] == 1
    assert told["backbeat"] == 1


def test_a_one_drop_leaves_one_out_and_lands_on_three():
    told = measure(groove(ONE_DROP))
    assert told["one drop"] == 1
    assert told["half-time snare"] == 1
    assert told["cross of snares"] == 1
    assert measure(groove(ROCK))["one drop"] == 0


def test_a_swung_eighth_counts_where_it_sounds():
    told = measure(groove(SWING, swing=2.0))
    assert told["sounding swing"] == pytest.approx(2.0)
    assert told["late eighths"] == 1
    assert told["ride of cymbals"] == 1
    assert told["eighths"] == 0
    assert measure(groove(SWING))["sounding swing"] == pytest.approx(1.0)


@pytest.mark.parametrize("turned", [False, True])
def test_son_clave_is_itself_in_either_direction(turned):
    part = groove(SON)
    bars = part.bars[1:] + part.bars[:1] if turned else part.bars
    told = measure(replace(part, bars=bars))
    assert told["son clave by back"] == pytest.approx(1)
    assert told["bossa clave by back"] < 0.9


def test_ghosts_are_counted_of_snares():
    assert measure(groove(FUNK))["ghosts"] == pytest.approx(4 / 6)
    assert measure(groove(SWING))["ghosts"] is None


def test_tempo_is_of_the_beat_that_a_metronome_counts():
    assert lay_out(groove(ROCK, 120)).bpm == 120
    compound = Part(
        "made",
        (PartBar(1, Meter(12, 8), (Stroke(Fraction(0), DrumPiece.KICK),)),),
        (PartTempo(1, 80, unit=Fraction(3, 8)),),
    )
    assert lay_out(compound).bpm == 80
    heard = replace(groove(ROCK, bars=1), tempos=())
    assert (
        lay_out(replace(heard, bars=(replace(heard.bars[0], start_s=1.0, end_s=3.0),))).bpm == 120
    )


def test_what_is_measured_is_the_same_wherever_the_bar_line_is():
    shifted = groove("H x.x.x.x.x.x.x.x.|S x.......x.......|K ....x.......x...")
    told, moved = measure(groove(ROCK)), measure(shifted)
    same = [name for name in told if name.startswith(("wave.", "turned.", "share.", "beat."))]
    assert len(same) > 80
    assert [moved[name] for name in same] == pytest.approx([told[name] for name in same])


def test_a_stretch_keeps_the_tempo_and_the_swing_of_its_part():
    part = groove(SWING, 180, swing=2.0)
    inner = whole_bars(part, 3, 2)
    assert [bar.number for bar in inner.bars] == [4, 5]
    assert lay_out(inner).bpm == 180
    assert measure(inner)["sounding swing"] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("part", "style", "among"),
    [
        (groove(ROCK, 110), Style.ROCK, 1),
        (groove(SWING, 170, swing=2.0), Style.JAZZ, 1),
        (groove(DISCO, 122), Style.DANCE, 2),
        (groove(ONE_DROP, 74), Style.REGGAE, 1),
        (groove(BOSSA, 130), Style.LATIN, 2),
        (groove(FUNK, 100), Style.FUNK, 2),
    ],
    ids=["rock", "swing", "disco", "one drop", "bossa", "funk"],
)
def test_textbook_grooves_are_among_their_own(part, style, among):
    assert style in places(part)[:among]


def test_the_chances_of_all_styles_are_one_together_and_ordered():
    matches = classify(groove(FUNK))
    assert math.fsum(match.probability for match in matches) == pytest.approx(1)
    assert [m.probability for m in matches] == sorted(
        (m.probability for m in matches), reverse=True
    )
    assert {match.style for match in matches} == set(Style)
    assert classify(groove(FUNK)) == matches


def test_nothing_to_go_by_is_unsure_and_says_nothing():
    for part in (Part("empty", ()), Part("rest", (PartBar(1, Meter(4, 4)),))):
        matches = classify(part)
        assert is_unsure(matches)
        assert math.fsum(match.probability for match in matches) == pytest.approx(1)
        assert all(not (m.speaks_for or m.speaks_against) for m in matches)


def test_few_strokes_are_believed_by_their_number():
    usual = dict(zip(model().styles, model().base, strict=True))
    few = classify(groove("K x...............", bars=1))
    sharp = model().chances(measure(groove("K x...............", bars=1)), 12)
    first = few[0]
    own = sharp[model().styles.index(first.style)]
    assert first.probability == pytest.approx(own / 12 + 11 / 12 * usual[first.style])
    assert is_unsure(few)


def test_what_speaks_for_is_usual_and_what_speaks_against_is_not():
    for part in (groove(ROCK), groove(SWING, 170, swing=2.0), groove(ONE_DROP, 74), groove(SON)):
        for match in classify(part):
            for one in match.speaks_for:
                assert one.low <= one.value
                assert one.value <= one.high or match.style in FIGURES[one.feature].pattern_of
                assert one.weight > 0
            for one in match.speaks_against:
                assert not one.low <= one.value <= one.high
                assert one.weight < 0


def test_a_swung_ride_speaks_for_jazz_and_against_punk():
    matches = {m.style: m for m in classify(groove(SWING, 170, swing=2.0))}
    told = {one.feature: one for one in matches[Style.JAZZ].speaks_for}
    assert told["tempo"].value == 170
    against = {one.feature for one in matches[Style.PUNK].speaks_against}
    assert against & {"sounding swing", "triplets", "backbeat", "share.pedal"}


def test_the_bossa_clave_speaks_for_latin():
    latin = next(m for m in classify(groove(BOSSA, 130)) if m.style is Style.LATIN)
    assert "bossa clave by back" in {one.feature for one in latin.speaks_for}


def test_a_one_drop_speaks_for_reggae():
    reggae = next(m for m in classify(groove(ONE_DROP, 74)) if m.style is Style.REGGAE)
    told = {one.feature: one.value for one in reggae.speaks_for}
    assert told["cross of snares"] == 100
    assert told["kick off the beat"] == 0


def test_evidence_is_told_with_its_figure_and_what_is_usual():
    one = Evidence("sounding swing", "swing ratio", 1.9, 1.6, 2.2, ":1", 1.2)
    assert one.sentence(Style.JAZZ) == "swing ratio 1.9; Jazz is usually 1.6 to 2.2"
    one = Evidence("tempo", "tempo", 74, 66, 90, "bpm", 1.2)
    assert one.sentence(Style.HIPHOP) == "tempo 74 bpm; Hip-hop is usually 66 to 90 bpm"
    one = Evidence("ghosts", "snare strokes that are ghosts", 0, 0, 0, "%", 0.4)
    assert one.sentence(Style.POP) == "snare strokes that are ghosts 0 %; Pop is usually 0 %"


def test_evidence_weighs_by_how_much_likelier_the_figure_is_here():
    usual = {name: dict[Style, Usual]() for name in FIGURES}
    usual["tempo"] = {
        Style.JAZZ: Usual(0.5, 1.5, 1.0, 0.5),
        Style.SOUL: Usual(-1.5, -0.5, -1.0, 0.5),
    }
    favours, opposes = speaks(Style.JAZZ, {"tempo": 1.0}, usual)
    assert [(one.value, one.low, one.high) for one in favours] == [(200, 141, 283)]
    assert favours[0].weight == round(math.log(1.01 / (math.exp(-8) + 0.01)), 2)
    assert opposes == ()
    favours, opposes = speaks(Style.SOUL, {"tempo": 1.0}, usual)
    assert favours == ()
    assert opposes[0].weight == -round(math.log(1.01 / (math.exp(-8) + 0.01)), 2)


def test_a_pattern_speaks_for_where_it_comes_from_and_against_others_only_when_it_is_there():
    usual = {name: dict[Style, Usual]() for name in FIGURES}
    usual["son clave by back"] = {
        Style.AFROCUBAN: Usual(0.6, 1.0, 0.8, 0.2),
        Style.ROCK: Usual(0.1, 0.4, 0.2, 0.1),
    }
    clave, none = {"son clave by back": 0.9}, {"son clave by back": 0.2}
    assert [one.value for one in speaks(Style.AFROCUBAN, clave, usual)[0]] == [0.9]
    assert [one.value for one in speaks(Style.ROCK, clave, usual)[1]] == [0.9]
    assert [one.value for one in speaks(Style.AFROCUBAN, none, usual)[1]] == [0.2]
    assert speaks(Style.ROCK, none, usual) == ((), ())


def test_a_range_of_most_of_the_scale_supports_nothing():
    usual = {name: dict[Style, Usual]() for name in FIGURES}
    usual["backbeat"] = {
        Style.ROCK: Usual(0.05, 0.95, 0.6, 0.3),
        Style.JAZZ: Usual(0.0, 0.1, 0.0, 0.1),
    }
    assert speaks(Style.ROCK, {"backbeat": 0.8}, usual)[0] == ()


def test_a_forest_answers_with_the_mean_of_its_leaves():
    forest = Forest(
        scales=(Scale("a", 0.0, 1.0, 0.25),),
        trees=(
            bytes([0, 127, 0, 2, LEAF, 0, 0, 0, LEAF, 0, 0, 1]),
            bytes([LEAF, 0, 0, 2]),
        ),
        leaves=(((0, 1.0),), ((1, 1.0),), ((0, 0.4), (1, 0.6))),
        styles=2,
    )  # fmt: skip
    assert forest.levels({"a": None}) == [64]
    assert forest.levels({"a": 7.0}) == [255]
    assert forest.shares([127]) == pytest.approx([0.7, 0.3])
    assert forest.shares([128]) == pytest.approx([0.2, 0.8])
    assert Forest.from_dict(forest.to_dict()) == forest


def test_the_shipped_weights_ask_only_what_is_measured():
    told = measure(groove(ROCK))
    assert {scale.name for scale in model().forest.scales} <= set(told)
    assert set(model().usual) == set(FIGURES) <= set(told)
    assert median(model().base) < 0.1
    assert WEIGHTS.stat().st_size < 300_000


def test_weights_of_another_format_are_refused():
    with pytest.raises(ValueError, match="backbeat-styles/1"):
        read_document(b'{"format": "backbeat-styles/9"}')


def test_styles_have_names_for_people():
    labels = [
        style.label for style in (Style.ROCK, Style.HIPHOP, Style.NEWORLEANS, Style.AFROCUBAN)
    ]
    assert labels == ["Rock", "Hip-hop", "New Orleans", "Afro-Cuban"]
