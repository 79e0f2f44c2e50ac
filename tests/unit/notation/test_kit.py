import json
import pickle
from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest

from libs.common.drums import GM_NOTE, DrumPiece, Hand
from services.notation.domain.kit import FOLDER, KITS, SCHEMA_PATH, Kit, kit_called
from services.notation.domain.score import ScoreError

P = DrumPiece


def own(**changes: Any) -> dict[str, Any]:
    """A table of a user's own, on the standard one."""
    return {
        "format": "backbeat-kit/1", "id": "mine", "name": "Mine", "base": "backbeat-standard",
    } | changes  # fmt: skip


def test_the_tables_that_come_along_are_those_that_are_told():
    assert sorted(KITS) == [
        "alesis", "backbeat-standard", "left-handed", "musescore", "one-line", "pas", "roland-td",
        "yamaha-dtx",
    ]  # fmt: skip
    assert all(set(kit.entries) == set(P) and kit.source for kit in KITS.values())


@pytest.mark.parametrize("name", sorted(KITS))
def test_a_table_reads_back_to_itself_and_crosses_processes(name: str):
    kit = KITS[name]
    assert Kit.from_dict(json.loads(json.dumps(kit.to_dict()))) == kit
    assert pickle.loads(pickle.dumps(kit)) == kit


@pytest.mark.parametrize("name", sorted(KITS))
def test_tables_keep_to_the_schema(name: str):
    schema = jsonschema_rs.validator_for(json.loads(SCHEMA_PATH.read_text()))
    schema.validate(json.loads((FOLDER / f"{name}.json").read_text()))
    schema.validate(KITS[name].to_dict())


@pytest.mark.parametrize("name", sorted(KITS))
def test_what_a_kit_sends_it_takes_for_the_same_piece(name: str):
    kit = KITS[name]
    half_open = (kit.hat_control.half_open_from + kit.hat_control.closed_from) // 2
    for piece, entry in kit.entries.items():
        pedal = {P.HAT_HALF_OPEN: half_open, P.HAT_OPEN: 0}.get(piece)
        shared = kit.entries[P.HAT_OPEN].midi_note
        expected = piece
        if piece is P.HAT_HALF_OPEN and entry.midi_note != shared:
            pedal = None
        assert kit.piece_of(entry.midi_note, pedal, 90) is expected, piece


@pytest.mark.parametrize("name", ["backbeat-standard", "pas", "musescore", "one-line"])
def test_a_style_sends_general_midi(name: str):
    assert {p: e.midi_note for p, e in KITS[name].entries.items()} == GM_NOTE


@pytest.mark.parametrize(
    ("kit", "note", "piece"),
    [
        ("roland-td", 22, P.HAT_CLOSED), ("roland-td", 26, P.HAT_OPEN),
        ("roland-td", 40, P.RIMSHOT),
        ("roland-td", 50, P.TOM_HIGH), ("roland-td", 48, P.TOM_HIGH), ("roland-td", 47, P.TOM_MID),
        ("roland-td", 58, P.TOM_FLOOR), ("roland-td", 55, P.CRASH), ("roland-td", 52, P.CRASH_2),
        ("roland-td", 59, P.RIDE), ("roland-td", 53, P.RIDE_BELL),
        ("alesis", 23, P.HAT_HALF_OPEN), ("alesis", 21, P.HAT_PEDAL), ("alesis", 45, P.TOM_MID),
        ("yamaha-dtx", 31, P.SNARE), ("yamaha-dtx", 34, P.RIMSHOT), ("yamaha-dtx", 78, P.HAT_OPEN),
        ("yamaha-dtx", 79, P.HAT_CLOSED), ("yamaha-dtx", 52, P.RIDE), ("yamaha-dtx", 55, P.CRASH),
        ("backbeat-standard", 55, P.SPLASH), ("backbeat-standard", 45, P.TOM_MID),
    ],
)  # fmt: skip
def test_a_modules_notes_mean_what_its_manual_says(kit: str, note: int, piece: DrumPiece):
    assert kit_called(kit).piece_of(note, None, 90) is piece


@pytest.mark.parametrize(
    ("note", "pedal", "piece"),
    [
        (46, 0, P.HAT_OPEN), (26, 29, P.HAT_OPEN), (46, 30, P.HAT_HALF_OPEN),
        (26, 80, P.HAT_HALF_OPEN), (46, 81, P.HAT_CLOSED), (42, 0, P.HAT_CLOSED),
        (46, None, P.HAT_OPEN), (44, 0, P.HAT_PEDAL),
    ],
)  # fmt: skip
def test_the_pedal_tells_how_open_an_open_hat_is(note: int, pedal: int | None, piece: DrumPiece):
    assert kit_called("roland-td").piece_of(note, pedal, 90) is piece


def test_an_unknown_note_and_a_note_off_are_no_stroke():
    kit = kit_called("roland-td")
    assert kit.piece_of(1, None, 90) is None
    assert kit.piece_of(36, None, 0) is None


def test_a_table_of_ones_own_changes_what_it_names_and_keeps_the_rest():
    kit = Kit.from_dict(own(pieces={"ride": {"step": "G"}, "snare": {"also": [39]}}))
    standard = kit_called("backbeat-standard")
    assert (kit.entries[P.RIDE].step, kit.entries[P.RIDE].octave) == ("G", 5)
    assert kit.piece_of(39, None, 90) is P.SNARE
    assert kit.entries[P.KICK] == standard.entries[P.KICK]


def test_what_a_table_says_of_a_note_goes_before_its_base():
    kit = Kit.from_dict(own(pieces={"crash": {"also": [59, 55]}}))
    assert kit.piece_of(59, None, 90) is P.CRASH
    assert kit.piece_of(55, None, 90) is P.CRASH
    assert 59 not in kit.entries[P.RIDE].also
    assert Kit.from_dict(kit.to_dict()) == kit


def test_the_left_handed_table_exchanges_the_hands():
    kit = kit_called("left-handed")
    assert [kit.sticking(hand) for hand in Hand] == ["L", "R", "B"]
    assert [kit_called("pas").sticking(hand) for hand in Hand] == ["R", "L", "B"]


def test_feet_and_hands_have_their_voices():
    kit = kit_called("backbeat-standard")
    assert {piece for piece in P if kit.voice_of(piece) == 2} == {P.KICK, P.HAT_PEDAL}


Spoil = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        (lambda d: d.update(format="backbeat-kit/9"), "format"),
        (lambda d: d.update(base="no-such"), "base"),
        (lambda d: d.update(id="9 lives"), "id"),
        (lambda d: d.pop("name"), "name"),
        (lambda d: d.update(name=" "), "name"),
        (lambda d: d.update(staff_lines=3), "staff_lines"),
        (lambda d: d.update(staff_lines=True), "staff_lines"),
        (lambda d: d.update(clef="bass"), "clef"),
        (lambda d: d.update(mirrored=1), "mirrored"),
        (lambda d: d.update(colour="red"), "colour"),
        (lambda d: d.update(pieces=[]), "pieces"),
        (lambda d: d.update(pieces={"gong": {}}), "pieces.gong"),
        (lambda d: d.update(pieces={"kick": {"octave": 9}}), "pieces.kick.octave"),
        (lambda d: d.update(pieces={"kick": {"octave": True}}), "pieces.kick.octave"),
        (lambda d: d.update(pieces={"kick": {"step": "H"}}), "pieces.kick.step"),
        (lambda d: d.update(pieces={"kick": {"head": "heart"}}), "pieces.kick.head"),
        (lambda d: d.update(pieces={"kick": {"mark": "words:"}}), "pieces.kick.mark"),
        (lambda d: d.update(pieces={"kick": {"voice": 3}}), "pieces.kick.voice"),
        (lambda d: d.update(pieces={"kick": {"midi_note": 128}}), "pieces.kick.midi_note"),
        (lambda d: d.update(pieces={"kick": {"also": [1, "2"]}}), "pieces.kick.also[1]"),
        (lambda d: d.update(pieces={"kick": {"also": 35}}), "pieces.kick.also"),
        (lambda d: d.update(pieces={"kick": {"pitch": 35}}), "pieces.kick.pitch"),
        (
            lambda d: d.update(pieces={"kick": {"also": [1]}, "snare": {"also": [1]}}),
            "pieces.snare.also[0]",
        ),
        (lambda d: d.update(hat_control={"closed_from": 0}), "hat_control.closed_from"),
        (
            lambda d: d.update(hat_control={"half_open_from": 100, "closed_from": 50}),
            "hat_control.half_open_from",
        ),
        (lambda d: d.pop("base"), "pieces.kick"),
        (lambda d: (d.pop("base"), d.update(pieces={"kick": {"name": "K"}})), "pieces.kick.step"),
    ],
)
def test_a_broken_table_is_refused_by_the_path_of_its_fault(spoil: Spoil, field: str):
    table = own()
    spoil(table)
    with pytest.raises(ScoreError) as refused:
        Kit.from_dict(table)
    assert refused.value.field == field


@pytest.mark.parametrize("table", [None, [], "kit", 3])
def test_what_is_no_object_is_no_table(table: object):
    with pytest.raises(ScoreError):
        Kit.from_dict(table)


def test_an_unknown_kit_is_answered_with_those_there_are():
    with pytest.raises(ScoreError, match="roland-td"):
        kit_called("garage")
