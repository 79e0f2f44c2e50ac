"""What was seen, on scores that were written from the same hits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace

import jsonschema_rs
import pytest

from libs.common.drums import FEET, Articulation, Hand, Hit
from libs.common.drums import DrumPiece as P
from libs.common.performance import Performance
from libs.common.sight import SecondOpinion, Sight, Stroke
from services.ai.domain.rudiments import rudiments
from services.notation import writing
from services.notation.domain import edits
from services.notation.domain.document import SCHEMA_PATH, ScoreDocument, check
from services.notation.domain.fusion import UNSEEN, fuse, keep_seen
from services.notation.domain.musicxml import to_musicxml
from services.notation.domain.parts import part_of
from services.notation.domain.quantise import Options, quantise
from services.notation.domain.rewrite import rewrite
from services.notation.domain.score import Chooser, Note, ScoreError, Seen
from services.notation.domain.stats import statistics
from services.notation.domain.view import to_view
from tests.unit.notation.performances import played, rock
from tests.unit.notation.readers import schema_faults

R, L, B = Hand.RIGHT, Hand.LEFT, Hand.BOTH

HandOf = Callable[[Hit], Hand | None]


def usual(hit: Hit) -> Hand | None:
    """The left hand on the snare."""
    return L if hit.piece is P.SNARE else R


def sight_of(
    performance: Performance,
    hand_of: HandOf = usual,
    opinions: Iterable[SecondOpinion] = (),
    *,
    usable: bool = True,
    confidence: float = 0.97,
) -> Sight:
    return replace(
        UNSEEN,
        usable=usable,
        strokes=tuple(
            Stroke(hit.id, hit.onset_s, hit.piece, hand_of(hit), confidence)
            for hit in performance.hits
            if hit.piece not in FEET
        ),
        opinions=tuple(opinions),
    )


def heard() -> Performance:
    """Four bars of rock, then a bar of toms; the ear is sure of nothing."""
    toms = [(16 + i / 2, P.TOM_HIGH, 90) for i in range(8)]
    performance = played(rock() + toms, beats=20)
    return replace(performance, hits=tuple(replace(h, confidence=0.5) for h in performance.hits))


def notes(document: ScoreDocument) -> dict[str, Note]:
    return {note.id: note for _, _, note in document.score.notes()}


def hands(document: ScoreDocument) -> dict[str, Hand | None]:
    return {name: note.sticking for name, note in notes(document).items()}


def of_piece(document: ScoreDocument, piece: P) -> list[str]:
    return [note.id for _, _, note in document.score.notes() if note.piece is piece]


def test_what_is_written_keeps_the_published_schemas() -> None:
    performance = heard()
    fused = fuse(quantise(performance), sight_of(performance, opinions=[opinion(performance, 0)]))
    shown = edits.apply(fused, [{"op": "set-sticking-shown", "shown": "all"}])
    name = of_piece(shown, P.SNARE)[0]
    mine = edits.apply(shown, [{"op": "set-sticking", "ids": [name], "sticking": None}])
    schema = jsonschema_rs.validator_for(json.loads(SCHEMA_PATH.read_text()))
    for document in (fused, shown, mine):
        schema.validate(document.to_dict())
        assert schema_faults(to_musicxml(document)) == []


def test_each_note_gets_the_hand_of_its_hit_and_feet_get_none():
    fused = fuse(quantise(heard()), sight_of(heard()))
    for note in notes(fused).values():
        expected = None if note.piece in FEET else L if note.piece is P.SNARE else R
        assert note.sticking is expected
        assert note.sticking_confidence == (0.97 if expected else None)
        assert note.sticking_source is (Chooser.VISION if expected else None)
    assert fused == check(fused)
    assert ScoreDocument.from_json(fused.to_json()) == fused


def test_a_kick_is_never_given_a_hand_whatever_was_told():
    performance = heard()
    kick = next(hit for hit in performance.hits if hit.piece is P.KICK)
    sight = sight_of(performance)
    stroke = Stroke(kick.id, kick.onset_s, P.KICK, R, 0.99)
    fused = fuse(quantise(performance), replace(sight, strokes=(*sight.strokes, stroke)))
    assert notes(fused)[kick.id].sticking is None


def test_the_same_look_twice_changes_nothing():
    fused = fuse(quantise(heard()), sight_of(heard()))
    assert fuse(fused, sight_of(heard())) is fused
    read = ScoreDocument.from_json(fused.to_json())
    assert fuse(read, sight_of(heard())) is read


def test_only_hands_change():
    before = quantise(heard())
    fused = fuse(before, sight_of(heard()))
    assert keep_seen(before, before) == before
    assert fuse(fused, UNSEEN) == before
    limbs = statistics(fused).limbs
    assert (limbs.untold, limbs.left) == (0, 12)
    assert replace(statistics(fused), limbs=statistics(before).limbs) == statistics(before)


def test_a_newer_look_replaces_an_earlier_one_also_with_nothing():
    performance = heard()
    first = fuse(quantise(performance), sight_of(performance))
    second = fuse(first, sight_of(performance, lambda hit: R if hit.piece is P.SNARE else None))
    assert second == fuse(
        quantise(performance),
        sight_of(performance, lambda hit: R if hit.piece is P.SNARE else None),
    )
    assert {hands(second)[name] for name in of_piece(second, P.HAT_CLOSED)} == {None}


def test_a_look_without_a_usable_view_takes_back_the_earlier_one_and_else_does_nothing():
    performance = heard()
    unseen = quantise(performance)
    unusable = sight_of(performance, usable=False)
    assert fuse(unseen, unusable) is unseen
    assert fuse(fuse(unseen, sight_of(performance)), unusable) == unseen


def test_hands_that_a_user_has_set_or_cleared_stay():
    performance = heard()
    document = quantise(performance)
    one, two, three = of_piece(document, P.SNARE)[:3]
    mine = edits.apply(
        document,
        [
            {"op": "set-sticking", "ids": [one], "sticking": "R"},
            {"op": "set-sticking", "ids": [two], "sticking": None},
        ],
    )
    for seen in (
        fuse(mine, sight_of(performance)),
        fuse(fuse(mine, sight_of(performance)), UNSEEN),
    ):
        assert (hands(seen)[one], hands(seen)[two]) == (R, None)
        assert notes(seen)[two].sticking_source is Chooser.USER
    seen = fuse(mine, sight_of(performance))
    assert hands(seen)[three] is L
    given_back = edits.apply(seen, [{"op": "reset-sticking", "ids": [one, two]}])
    assert given_back == fuse(document, sight_of(performance))


def test_hands_that_came_with_the_score_stay():
    performance = heard()
    document = quantise(performance)
    name = of_piece(document, P.SNARE)[0]
    written = document.to_dict()
    written["score"]["repeats"] = []
    for bar in written["score"]["bars"]:
        for event in bar["voices"][0]["events"]:
            for note in event.get("notes", ()):
                if note["id"] == name:
                    note["sticking"] = "R"
    fused = fuse(ScoreDocument.from_dict(written), sight_of(performance))
    assert hands(fused)[name] is R


def test_a_hit_of_another_file_with_the_same_id_is_left_alone():
    performance = heard()
    later = replace(
        performance,
        hits=tuple(replace(hit, onset_s=hit.onset_s + 0.05) for hit in performance.hits),
    )
    document = quantise(performance)
    assert fuse(document, sight_of(later)) is document


def opinion(performance: Performance, index: int, confidence: float = 0.95) -> SecondOpinion:
    toms = [hit for hit in performance.hits if hit.piece is P.TOM_HIGH]
    return SecondOpinion(toms[index].id, P.TOM_HIGH, P.TOM_MID, confidence)


def test_a_note_goes_to_the_piece_that_it_was_surely_seen_on_and_says_so():
    performance = heard()
    sure, unsure = opinion(performance, 0), opinion(performance, 1, 0.89)
    fused = fuse(quantise(performance), sight_of(performance, opinions=[sure, unsure]))
    moved = notes(fused)[sure.hit]
    assert (moved.piece, moved.piece_source, moved.sticking) == (P.TOM_MID, Chooser.VISION, R)
    event = next(event for event in fused.performance.events if event.id == sure.hit)
    assert (event.piece, event.seen) == (P.TOM_HIGH, Seen(P.TOM_MID, 0.95))
    assert notes(fused)[unsure.hit].piece is P.TOM_HIGH
    assert b'"moved":{"heard":"tom-high","confidence":0.95}' in to_view(fused)
    assert ScoreDocument.from_json(fused.to_json()) == fused
    # A later look that does not say so puts it back.
    assert fuse(fused, UNSEEN) == quantise(performance)


def test_an_opinion_does_not_move_what_somebody_has_said_or_confirmed():
    performance = heard()
    document = quantise(performance)
    said, confirmed = opinion(performance, 0), opinion(performance, 1)
    mine = edits.apply(
        document,
        [
            {"op": "set-piece", "ids": [said.hit], "piece": "tom-floor"},
            {"op": "set-piece", "ids": [said.hit], "piece": "tom-high"},
            {"op": "confirm", "ids": [confirmed.hit]},
        ],
    )
    look = sight_of(performance, opinions=[said, confirmed])
    assert {notes(fuse(mine, look))[one.hit].piece for one in (said, confirmed)} == {P.TOM_HIGH}
    # Nor back, once somebody agrees.
    agreed = edits.apply(fuse(document, look), [{"op": "confirm", "ids": [said.hit]}])
    later = fuse(agreed, sight_of(performance))
    assert notes(later)[said.hit].piece is P.TOM_MID
    assert notes(later)[confirmed.hit].piece is P.TOM_HIGH


def test_an_opinion_about_something_else_than_was_heard_or_a_taken_place_is_let_go():
    performance = played([*rock(), (1, P.TOM_HIGH, 90), (1, P.TOM_MID, 90)])
    performance = replace(
        performance, hits=tuple(replace(hit, confidence=0.5) for hit in performance.hits)
    )
    document = quantise(performance)
    (high,) = of_piece(document, P.TOM_HIGH)
    hat = of_piece(document, P.HAT_CLOSED)[0]
    wrong = [
        SecondOpinion(high, P.TOM_HIGH, P.TOM_MID, 0.99),  # the mid tom is struck there as well
        SecondOpinion(hat, P.RIDE, P.CRASH, 0.99),  # it was no ride
        SecondOpinion(of_piece(document, P.HAT_CLOSED)[1], P.HAT_CLOSED, P.KICK, 0.99),
    ]
    fused = fuse(document, sight_of(performance, opinions=wrong))
    assert [n.piece for n in notes(fused).values()] == [n.piece for n in notes(document).values()]


@pytest.mark.parametrize("change", [{"grid": "8"}, {"detail": "teaching"}, {"tempo": 60.0}])
def test_writing_anew_keeps_what_was_seen_and_what_was_set(change: dict[str, object]):
    performance = heard()
    moved = opinion(performance, 0)
    fused = fuse(quantise(performance), sight_of(performance, opinions=[moved]))
    snare = of_piece(fused, P.SNARE)[0]
    mine = edits.apply(
        fused,
        [
            {"op": "set-sticking", "ids": [snare], "sticking": "B"},
            {"op": "set-sticking-shown", "shown": "all"},
        ],
    )
    anew, _ = writing.changed(mine, change)
    assert hands(anew)[snare] is B
    assert notes(anew)[moved.hit].piece is P.TOM_MID
    assert anew.score.sticking_shown == "all"
    assert {hands(anew)[name] for name in of_piece(anew, P.HAT_CLOSED)} == {R}
    back, _ = writing.changed(anew, {"detail": "full"})
    ghosts = [n for n in notes(back).values() if Articulation.GHOST in n.articulations]
    assert {ghost.sticking for ghost in ghosts} == {L}


def test_what_was_left_out_has_its_hand_when_it_comes_back():
    performance = heard()
    teaching = quantise(performance, Options(detail="teaching"))
    fused = fuse(teaching, sight_of(performance))
    full = keep_seen(fused, rewrite(fused, Options()))
    assert len(notes(full)) > len(notes(teaching))
    assert all(n.sticking for n in notes(full).values() if n.piece not in FEET)


def test_bars_are_repeats_although_the_eye_missed_some_of_them():
    performance = played(rock(8), beats=32)
    document = quantise(performance)
    fused = fuse(document, sight_of(performance, lambda hit: None if hit.onset_s > 9 else R))
    assert document.score.repeats
    assert fused.score.repeats == document.score.repeats


def test_the_part_has_the_hands_and_the_teacher_names_the_rudiment():
    strokes = [(i / 4, P.SNARE, 80) for i in range(32)]
    performance = played(strokes, beats=8)
    order = {hit.id: Hand("RLRRLRLL"[n % 8]) for n, hit in enumerate(performance.hits)}
    fused = fuse(quantise(performance), sight_of(performance, lambda hit: order[hit.id]))
    part = part_of(fused)
    assert "".join(one.hand or "-" for _, one in part.strokes()) == "RLRRLRLL" * 4
    assert [(one.name, one.cycles) for one in rudiments(part)] == [("single paradiddle", 8)]
    cleared = edits.apply(
        fused, [{"op": "set-sticking", "ids": list(notes(fused)), "sticking": None}]
    )
    assert rudiments(part_of(cleared)) == []


def test_the_child_says_how_many_notes_have_a_hand():
    performance = heard()
    document = quantise(performance).to_json()
    sight = replace(sight_of(performance), hits_key="hits/a.json")
    done = writing.fuse_score(document, sight.to_json(), progress=lambda _: None)
    assert done is not None
    assert (done.marked, done.strokes) == (52, 52)
    again = writing.fuse_score(done.now.document, sight.to_json(), progress=lambda _: None)
    assert again is None
    writing.check_sight(sight.to_json(), "hits/a.json", progress=lambda _: None)
    for file, key in ((sight.to_json(), "hits/b.json"), (b"{}", "hits/a.json"), (b"", "")):
        with pytest.raises(ScoreError, match="sight"):
            writing.check_sight(file, key, progress=lambda _: None)


def test_toms_that_trade_places_in_a_chord_come_to_rest_in_one_look() -> None:
    kicks = [(n, P.KICK, 90) for n in range(4)]
    performance = played([*kicks, (0, P.TOM_HIGH, 90), (0, P.TOM_MID, 90)], beats=5)
    performance = replace(
        performance, hits=tuple(replace(hit, confidence=0.4) for hit in performance.hits)
    )
    moves = {P.TOM_HIGH: P.TOM_MID, P.TOM_MID: P.TOM_FLOOR}
    opinions = [
        SecondOpinion(hit.id, hit.piece, moves[hit.piece], 0.95)
        for hit in performance.hits
        if hit.piece in moves
    ]
    written = quantise(performance)
    look = sight_of(performance, lambda hit: None, opinions)
    once = fuse(written, look)
    assert {n.piece for n in notes(once).values()} >= {P.TOM_MID, P.TOM_FLOOR}
    assert fuse(once, look) is once
    blank = sight_of(performance, lambda hit: None)
    back = fuse(once, blank)
    assert {n.piece for n in notes(back).values()} == {n.piece for n in notes(written).values()}
    assert fuse(back, blank) is back
