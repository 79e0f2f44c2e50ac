from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest

from libs.common.drums import Articulation, Hand
from libs.common.drums import DrumPiece as P
from libs.common.meter import Meter
from libs.common.part import Part, PartBar, PartTempo, Stroke
from services.ai.domain.difficulty import MOVED, difficulty, is_ghost
from services.ai.domain.limbs import playable
from services.ai.domain.rudiments import rudiments
from services.ai.domain.variations import (
    MAX_BARS,
    NATURAL,
    CannotVary,
    Direction,
    Variation,
    VariationKind,
    VariationRequest,
    conforms,
    propose,
    propose_all,
)
from tests.unit.ai.made_parts import (
    accent,
    double_kick,
    funk,
    half_time_shuffle,
    linear,
    on,
    part_made,
    part_of_bars,
    rock,
    rock_bar,
    row,
    shuffle,
    silent,
    stroke,
    swung,
)

F = Fraction
K = VariationKind
SEEDS = range(12)
HATS = {P.HAT_CLOSED, P.HAT_HALF_OPEN, P.HAT_OPEN}
Place = tuple[int, Fraction, P]


def one(part: Part, kind: VariationKind, seed: int = 0, **asked: object) -> Variation:
    return propose(part, VariationRequest(kind, seed=seed, **asked))[0]  # type: ignore[arg-type]


def all_of(part: Part, kind: VariationKind, **asked: object) -> list[Variation]:
    """The first of a dozen seeds each."""
    return [one(part, kind, seed, **asked) for seed in SEEDS]


def places(part: Part) -> set[Place]:
    return {(bar.number, stroke.at, stroke.piece) for bar, stroke in part.strokes()}


def written(part: Part) -> list[tuple[object, ...]]:
    return [
        (bar.number, bar.meter, one.at, one.piece, one.velocity, sorted(one.marks), one.graces,
         one.hand)
        for bar, one in part.strokes()
    ]  # fmt: skip


def code_of(part: Part, request: VariationRequest) -> str:
    with pytest.raises(CannotVary) as refused:
        propose(part, request)
    assert refused.value.sentence.endswith(".")
    return refused.value.code


# All kinds


def test_a_thousand_variations_keep_every_promise():
    from services.notation.domain.document import ScoreDocument
    from services.notation.domain.exports import export
    from services.notation.domain.parts import document_of, part_of

    made: list[tuple[Part, VariationRequest, Variation]] = []
    seed = 0
    while len(made) < 1000:
        asked = (None, *Direction)[seed % 4]
        request = VariationRequest(difficulty=asked, seed=seed, count=9)
        part = part_made(seed)
        made += [(part, request, each) for each in propose(part, request)]
        seed += 1
    contents = set()
    for nth, (part, request, each) in enumerate(made):
        assert conforms(part, each.part, replace(request, kind=each.kind)) == [], each
        assert playable(each.part)
        assert 2 <= len(each.part.bars) <= MAX_BARS
        allowed = [request.difficulty] if request.difficulty else NATURAL[each.kind]
        assert each.direction in allowed
        assert each.after == difficulty(each.part).value
        moved = {
            Direction.EASIER: each.after <= each.before - MOVED,
            Direction.SAME: abs(each.after - each.before) < MOVED,
            Direction.HARDER: each.after >= each.before + MOVED,
        }
        assert moved[each.direction]
        contents.add(replace(each.part, title="", remark="").to_json())
        document = document_of(each.part)
        assert written(part_of(document)) == written(each.part)
        if nth % 25 == 0:
            assert ScoreDocument.from_json(document.to_json()) == document
        if nth % 200 == 0:
            assert b"<score-partwise" in export(document, "musicxml").data
    assert len(contents) == len(made)
    assert {each.kind for _, _, each in made} == set(VariationKind)


def test_what_is_loud_and_soft_says_so_and_nothing_of_the_playing_is_kept():
    for seed in range(40):
        for each in propose(part_made(seed), VariationRequest(seed=seed, count=4)):
            for _, note in each.part.strokes():
                assert (Articulation.GHOST in note.marks) is (note.velocity <= 45)
                assert (Articulation.ACCENT in note.marks) is (note.velocity >= 105)
                assert (note.id, note.written_s, note.played_s) == ("", None, None)
                assert note.confidence == 1.0


def test_the_same_seed_makes_the_same():
    request = VariationRequest(seed=5, count=8)
    assert propose(funk(), request) == propose(funk(), request)
    assert propose(funk(), request) != propose(funk(), replace(request, seed=6))


def test_each_can_be_made_again_from_its_own_seed():
    for each in propose(funk(), VariationRequest(seed=3, count=11)):
        assert one(funk(), each.kind, each.seed) == each


def test_with_no_kind_named_there_is_one_of_each_first():
    made, left_out = propose_all(rock(bpm=110), VariationRequest(seed=1, count=11))
    assert {each.kind for each in made} == set(VariationKind)
    assert left_out == []


def test_of_one_kind_there_are_several_that_differ():
    for kind in (K.FILL, K.ADD_GHOSTS, K.ORCHESTRATE, K.PARADIDDLE):
        made = propose(rock(), VariationRequest(kind, count=4))
        assert len({str(written(each.part)) for each in made}) == 4


def test_it_says_what_and_why_and_how():
    for each in propose(funk(), VariationRequest(count=11)):
        assert each.part.title == f"Funk – {each.label}"
        assert each.part.remark == f"{each.change} {each.why}"
        assert each.change.endswith(".") and each.why.endswith(".")
        assert len(each.steps) >= 2


def test_the_difficulty_asked_for_is_kept():
    for kind, asked in [
        (K.TEMPO_LADDER, Direction.EASIER), (K.TEMPO_LADDER, Direction.HARDER),
        (K.METRIC_MODULATION, Direction.EASIER), (K.METRIC_MODULATION, Direction.HARDER),
        (K.LINEAR, Direction.EASIER), (K.ORCHESTRATE, Direction.HARDER),
    ]:  # fmt: skip
        for seed in SEEDS:
            made = one(funk(), kind, seed, difficulty=asked)
            assert made.direction is asked
            assert (made.after > made.before) is (asked is Direction.HARDER)


# Which bars


def test_the_groove_is_taken_not_its_fill():
    fill = [stroke(F(nth, 16), P.TOM_FLOOR) for nth in range(16)]
    part = part_of_bars([fill, rock_bar(), rock_bar(), rock_bar(), fill])
    made = one(part, K.THIN_HATS)
    assert made.bars == (2, 2)
    assert len(made.part.bars) == 4
    assert {piece for _, _, piece in places(made.part)} == {P.HAT_CLOSED, P.SNARE, P.KICK}


def test_a_groove_of_two_bars_is_taken_whole():
    first, second = rock_bar(), [*rock_bar(), *on(P.KICK, "7/8")]
    other = [[*rock_bar(), *on(P.KICK, *extra)] for extra in (("1/8",), ("3/8",), ("5/8",))]
    part = part_of_bars([first, second, other[0], first, second, other[1], other[2]])
    made = one(part, K.THIN_HATS)
    assert made.bars == (1, 2)
    assert len(made.part.bars) == 4


def test_the_bars_asked_for_are_taken_and_numbered_from_1():
    part = funk(bars=9)
    made = one(part, K.THIN_HATS, bars=(3, 7))
    assert made.bars == (3, 7)
    assert [bar.number for bar in made.part.bars] == [1, 2, 3, 4, 5]


def test_a_pickup_is_never_part_of_it():
    pickup = PartBar(0, Meter(4, 4), (stroke(0, P.SNARE),), F(1, 4))
    part = replace(rock(), bars=(pickup, *rock().bars), tempos=(PartTempo(0, 90),))
    made = one(part, K.THIN_HATS, bars=(0, 2))
    assert made.bars == (1, 2)
    assert made.part.tempos == (PartTempo(1, 90),)


def test_tempo_and_swing_go_along():
    part = swung(132)
    part = replace(part, tempos=(PartTempo(1, 100), PartTempo(3, 132)))
    made = one(part, K.THIN_HATS, bars=(3, 4))
    assert made.part.tempos == (PartTempo(1, 132),)
    assert made.part.swing == part.swing


def test_what_nobody_could_play_is_left_out_before():
    crowded = [[*rock_bar(), *on(P.RIDE, "1/4")] for _ in range(4)]
    made = one(part_of_bars(crowded), K.TEMPO_LADDER)
    assert playable(made.part)
    assert P.SNARE in {piece for _, _, piece in places(made.part)}


@pytest.mark.parametrize(
    ("part", "request_", "code"),
    [
        (silent(), VariationRequest(), "silent"),
        (rock(), VariationRequest(bars=(9, 12)), "no-bars"),
        (replace(rock(), bars=(*rock().bars, PartBar(5, Meter(4, 4)))),
         VariationRequest(bars=(5, 5)), "silent"),
        (rock(bars=70), VariationRequest(bars=(1, 70)), "too-long"),
        (rock(), VariationRequest(count=0), "count"),
        (part_of_bars([on(P.KICK, "0", "1/2")] * 4), VariationRequest(K.THIN_HATS), "no-stream"),
        (part_of_bars([on(P.KICK, "0", "1/2")] * 4), VariationRequest(K.OPEN_HANDED), "no-stream"),
        (part_of_bars([row(P.RIDE, F(1, 8), F(1))] * 4), VariationRequest(K.PARADIDDLE),
         "no-backbeat"),
        (part_of_bars([row(P.KICK, F(1, 4), F(1))] * 4), VariationRequest(K.SIMPLIFY),
         "already-simple"),
        (rock(), VariationRequest(K.FILL, fill_beats=9), "fill-length"),
        (rock(), VariationRequest(K.THIN_HATS, Direction.HARDER), "no-such-difficulty"),
    ],
)  # fmt: skip
def test_what_cannot_be_made_says_why(part: Part, request_: VariationRequest, code: str):
    assert code_of(part, request_) == code


# Kind by kind


def test_simpler_means_that_strokes_are_left_out():
    for made in all_of(funk(), K.SIMPLIFY):
        assert places(made.part) < places(funk())


def test_thinner_leaves_everything_but_the_hats():
    for made in all_of(funk(), K.THIN_HATS):
        lost = places(funk()) - places(made.part)
        assert places(made.part) < places(funk())
        assert {piece for _, _, piece in lost} == {P.HAT_CLOSED}
        assert made.direction is Direction.EASIER


@pytest.mark.parametrize("part", [rock(), shuffle(), swung(), funk(bpm=70)])
def test_ghosts_come_off_the_beat_and_never_right_before_a_backbeat(part: Part):
    for made in all_of(part, K.ADD_GHOSTS):
        source = {(one.at, one.piece) for one in part.bars[made.bars[0] - 1].strokes}
        added = [
            one for _, one in made.part.strokes() if (one.at, one.piece) not in source
        ]  # fmt: skip
        assert added
        assert all(is_ghost(one) and one.piece is P.SNARE for one in added)
        assert all(one.at % F(1, 4) for one in added)
        backbeats = {(at, piece) for at, piece in source if piece is P.SNARE and not at % F(1, 4)}
        kept = {(at, piece) for _, at, piece in places(made.part)}
        assert source <= kept
        gaps = [at - one.at for at, _ in backbeats for one in added if at > one.at]
        assert min(gaps, default=F(1)) > F(1, 16)


def test_displaced_is_the_same_groove_turned_round():
    shifts = {"an eighth": F(1, 8), "a 16th": F(1, 16), "a quarter": F(1, 4), "a half": F(1, 2)}
    seen = set()
    for made in all_of(rock(), K.DISPLACE):
        shift = shifts[made.label.removeprefix("displaced by ")]
        hats_stay = "stays" in made.change
        moved = {
            (bar, at if hats_stay and piece in HATS else (at + shift) % 1, piece)
            for bar, at, piece in places(rock())
        }
        assert places(made.part) == moved
        seen.add(made.label)
    assert len(seen) >= 2


def test_around_the_kit_keeps_the_rhythm_of_the_feet():
    for made in all_of(funk(), K.ORCHESTRATE):
        kicks = {place for place in places(made.part) if place[2] is P.KICK}
        assert kicks == {place for place in places(funk()) if place[2] is P.KICK}
        assert places(made.part) != places(funk())


@pytest.mark.parametrize("part", [rock(), funk(), shuffle(), swung(), half_time_shuffle()])
def test_linear_means_one_limb_at_a_time_and_keeps_the_backbeat(part: Part):
    backbeats = {
        (bar.number, one.at)
        for bar, one in part.strokes()
        if one.piece is P.SNARE and not is_ghost(one)
    }
    for made in all_of(part, K.LINEAR):
        struck = [(bar.number, one.at) for bar, one in made.part.strokes()]
        assert len(struck) == len(set(struck))
        snares = {
            (bar.number, one.at)
            for bar, one in made.part.strokes()
            if one.piece is P.SNARE and not is_ghost(one)
        }
        assert snares == backbeats


def test_open_handed_the_left_keeps_time_on_the_hat_and_the_right_does_the_rest():
    for part in (rock(), funk(), double_kick(120)):
        for made in all_of(part, K.OPEN_HANDED):
            hands = {(one.piece in HATS, one.hand) for _, one in made.part.strokes()
                     if one.piece is not P.KICK}  # fmt: skip
            assert hands == {(True, Hand.LEFT), (False, Hand.RIGHT)}


def test_a_paradiddle_is_one_with_backbeats_for_accents_over_the_groove_s_kick():
    for part in (rock(), funk(), rock(bars=6, bpm=120)):
        for made in all_of(part, K.PARADIDDLE):
            assert made.label in {one.name for one in rudiments(made.part)}
            first = made.part.bars[0].strokes
            loud = [one.at for one in first if Articulation.ACCENT in one.marks]
            assert loud == [F(1, 4), F(3, 4)]
            kicks = [one.at for one in first if one.piece is P.KICK]
            assert kicks == [one.at for one in part.bars[0].strokes if one.piece is P.KICK]


def test_the_single_paradiddle_has_its_backbeats_in_the_left_hand():
    made = next(each for each in all_of(rock(), K.PARADIDDLE) if each.label == "single paradiddle")
    strokes = [one for one in made.part.bars[0].strokes if one.hand]
    assert "".join(one.hand for one in strokes) == "RLRRLRLL" * (len(strokes) // 8)
    assert {one.piece for one in strokes if one.hand is Hand.RIGHT} == {P.HAT_CLOSED}
    assert {one.piece for one in strokes if one.hand is Hand.LEFT} == {P.SNARE}


@pytest.mark.parametrize("beats", [1, 2, 3, 4, 8])
def test_a_fill_is_as_long_as_asked_and_lands_on_crash_and_kick(beats: int):
    for made in all_of(rock(), K.FILL, fill_beats=beats):
        *before, landing = made.part.bars
        first = {one.piece for one in landing.strokes if not one.at}
        assert first == {P.CRASH, P.KICK}
        start = len(before) - F(beats, 4)
        groove = {(at, piece) for _, at, piece in places(rock())}
        for bar in before:
            for one in bar.strokes:
                place = bar.number - 1 + one.at
                in_groove = (one.at, one.piece) in groove and one.hand is None
                assert place >= start or in_groove
                assert place < start or one.piece is P.KICK or one.hand
        filled = [one for bar in before for one in bar.strokes if bar.number - 1 + one.at >= start]
        assert len(filled) > beats


def test_a_fill_of_a_shuffle_stays_in_triplets():
    for made in all_of(shuffle(), K.FILL):
        for _, one in made.part.strokes():
            assert (one.at * 24).denominator == 1
            assert one.at % F(1, 4) != F(1, 8) or "sextuplets" in made.change


def test_a_ladder_plays_the_same_bars_faster_and_faster():
    made = one(rock(bpm=100), K.TEMPO_LADDER)
    tempos = [mark.bpm for mark in made.part.tempos]
    assert tempos == sorted(tempos) and len(set(tempos)) == len(tempos) >= 4
    assert tempos[-1] in (100, 110)
    assert {bar.strokes for bar in made.part.bars} == {made.part.bars[0].strokes}
    marks = [mark.bar for mark in made.part.tempos]
    assert marks == list(range(1, len(made.part.bars), len(made.part.bars) // len(marks)))


def test_a_modulation_goes_on_in_a_tempo_that_shares_a_note_with_the_old():
    ratios = {"dotted eighth": F(4, 3), "quarter-note triplet": F(3, 2),
              "dotted quarter": F(2, 3), "triplet eighths": F(3, 4)}  # fmt: skip
    seen = set()
    for made in all_of(rock(bpm=120), K.METRIC_MODULATION, difficulty=None):
        if len(made.part.tempos) < 2:
            continue
        old, new = made.part.tempos
        name = next(name for name in ratios if name in made.change)
        assert (old.bpm, new.bpm) == (120, float(120 * ratios[name]))
        half = len(made.part.bars) // 2
        assert (old.bar, new.bar) == (1, half + 1)
        seen.add(name)
    assert len(seen) >= 2


def test_in_half_time_the_backbeat_comes_on_3_while_the_hat_goes_on():
    made = next(
        each
        for seed in range(40)
        for each in [one(rock(), K.METRIC_MODULATION, seed)]
        if each.label == "half-time feel"
    )
    assert [one.at for one in made.part.bars[0].strokes if one.piece is P.SNARE] == [F(1, 2)]
    assert sum(one.piece is P.HAT_CLOSED for one in made.part.bars[0].strokes) == 8


def test_the_meter_is_kept():
    bar = row(P.HAT_CLOSED, F(1, 8), F(7, 8)) + on(P.KICK, "0", "1/2")
    seven = part_of_bars([[*bar, accent("1/4"), accent("5/8")]] * 4, Meter(7, 8), 110)
    made = propose(seven, VariationRequest(count=11))
    assert len(made) >= 9
    assert {bar.meter for each in made for bar in each.part.bars} == {Meter(7, 8)}


# What others propose


def thinned(part: Part, keep: Sequence[P]) -> Part:
    return replace(
        part,
        bars=tuple(
            replace(bar, strokes=tuple(one for one in bar.strokes if one.piece in keep))
            for bar in part.bars
        ),
    )


def with_stroke(part: Part, more: Stroke) -> Part:
    first, *rest = part.bars
    return replace(part, bars=(replace(first, strokes=(*first.strokes, more)), *rest))


def test_what_keeps_to_the_rules_conforms_whoever_made_it():
    easier = VariationRequest(difficulty=Direction.EASIER)
    assert conforms(rock(), thinned(rock(), (P.KICK, P.SNARE)), easier) == []


@pytest.mark.parametrize(
    ("proposed", "asked", "said"),
    [
        (rock(), None, "It is the same as the original."),
        (rock(bars=2), None, "It is the same as the original."),
        (silent(), None, "It is empty."),
        (rock(bars=65), None, "It has 65 bars; 64 is the most."),
        (thinned(rock(), (P.KICK, P.SNARE)), Direction.HARDER,
         "It should be harder, and its difficulty goes from 2.5 to"),
        (funk(bpm=90), Direction.EASIER, "It should be easier, and its difficulty goes from 2.5"),
        (part_of_bars([on(P.SNARE, "0", "3/8")], Meter(6, 8), 90), None,
         "The meter is changed to 6/8."),
        (with_stroke(rock(), stroke("9/8", P.SNARE)), None, "Bar 1 has a stroke outside"),
        (with_stroke(rock(), stroke("0", P.KICK)), None, "Bar 1 strikes the same piece twice"),
        (with_stroke(rock(), replace(stroke("1/16", P.SNARE), velocity=128)), None,
         "Bar 1 has a velocity"),
        (with_stroke(rock(), replace(stroke("1/16", P.SNARE), graces=(40,))), None,
         "Bar 1 has a flam without"),
        (with_stroke(rock(), stroke("1/4", P.CRASH)), None,
         "Bar 1, 1/4: Two hands cannot strike"),
        (replace(rock(), tempos=(PartTempo(1, 900),)), None, "A tempo is not between"),
        (replace(rock(), tempos=(PartTempo(7, 90),)), None, "A tempo, swing or section stands"),
        (replace(rock(), bars=rock().bars[1:]), None, "Its bars are not numbered from 1."),
        (replace(rock(), bars=(PartBar(1, Meter(4, 4), (stroke(0, P.KICK),), F(1, 2)),)), None,
         "Bar 1 is not whole."),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_is_refused_with_the_reason(
    proposed: Part, asked: Direction | None, said: str
):
    reasons = conforms(rock(), proposed, VariationRequest(difficulty=asked))
    assert any(reason.startswith(said) for reason in reasons), reasons


def test_a_named_kind_goes_where_it_goes_by_nature():
    request = VariationRequest(K.THIN_HATS)
    assert conforms(rock(), thinned(rock(), (P.KICK, P.SNARE)), request) == []
    harder = conforms(rock(), linear(100), request)
    assert harder[0].startswith("It should be easier")
