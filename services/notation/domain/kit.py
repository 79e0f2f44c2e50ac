"""Kit tables: where each piece stands on the staff, with which head, and which MIDI note it has.

A table is data (`kits/*.json`, shape in `kits/kit.schema.json`): another house's style, or another
e-drum module's notes, is another table; nothing else knows of positions and heads. A table of a
user's own is read by `Kit.from_dict` and may leave out what its `base` says already.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from libs.common.drums import DrumPiece, Hand
from services.notation.domain.document import read_id, read_text
from services.notation.domain.score import ScoreError

KIT_FORMAT: Final = "backbeat-kit/1"
FOLDER: Final = Path(__file__).with_name("kits")
SCHEMA_PATH: Final = FOLDER / "kit.schema.json"
DEFAULT: Final = "backbeat-standard"
HANDS: Final = 1
FEET: Final = 2
NAME_LENGTH: Final = 60
MARK_LENGTH: Final = 12

HEADS: Final = (
    "normal", "x", "circle-x", "cross", "diamond", "triangle", "inverted triangle", "square",
    "slash", "slashed",
)  # fmt: skip
"""MusicXML's words for those heads that MuseScore and Verovio draw."""
MARKS: Final = ("", "open-string", "stopped")
"""Technical marks above; beside them `words:` and a short text."""

_OPENING: Final = (DrumPiece.HAT_OPEN, DrumPiece.HAT_HALF_OPEN)


@dataclass(frozen=True, slots=True)
class KitEntry:
    """How one piece is drawn and sounds; `head` and `mark` are MusicXML's own words."""

    name: str
    step: str
    octave: int
    head: str = "normal"
    mark: str = ""
    """`open-string` or `stopped`, signs above; or, after `words:`, text above."""
    voice: int = HANDS
    midi_note: int = 0
    """What is sent for it: General MIDI's key, or the one that a module knows it by."""
    also: tuple[int, ...] = ()
    """Further notes that mean it when they come in: an edge beside a bow, a tom's rim."""

    @property
    def height(self) -> int:
        """Staff steps above C0, to put the notes of a chord in order."""
        return self.octave * 7 + "CDEFGAB".index(self.step)

    @property
    def words(self) -> str:
        """Text above the note; empty where it has a sign or nothing."""
        kind, _, text = self.mark.partition(":")
        return text if kind == "words" else ""


@dataclass(frozen=True, slots=True)
class HatControl:
    """How controller 4 tells an open note's opening: 0 open, rising as the pedal goes down."""

    half_open_from: int = 30
    closed_from: int = 81


@dataclass(frozen=True)
class Kit:
    """A table for all pieces."""

    id: str
    name: str
    entries: Mapping[DrumPiece, KitEntry]
    staff_lines: int = 5
    clef: str = "percussion"
    mirrored: bool = False
    """Whether R and L change places where stickings are written."""
    hat_control: HatControl = field(default=HatControl())
    source: str = ""

    def instrument_id(self, piece: DrumPiece) -> str:
        """One for each piece, so that none has two heads: MuseScore takes the head from it."""
        return f"P1-{piece.value}"

    def voice_of(self, piece: DrumPiece) -> int:
        """1 for what hands play, 2 for what feet play."""
        return self.entries[piece].voice

    def sticking(self, hand: Hand) -> str:
        """The letter to write."""
        if not self.mirrored or hand is Hand.BOTH:
            return hand.value
        return (Hand.LEFT if hand is Hand.RIGHT else Hand.RIGHT).value

    def piece_of(self, note: int, controller4: int | None, velocity: int) -> DrumPiece | None:
        """What a MIDI note that comes in was played on; None for a note that the kit has not.

        `controller4` is the hat pedal's last value, None where none came; it tells how open the
        hat was, and only of notes that say "open": a module's closed note is closed.
        """
        piece = self._inputs.get(note) if velocity else None
        if piece not in _OPENING or controller4 is None:
            return piece
        if controller4 >= self.hat_control.closed_from:
            return DrumPiece.HAT_CLOSED
        half = controller4 >= self.hat_control.half_open_from
        return DrumPiece.HAT_HALF_OPEN if half else piece

    @cached_property
    def _inputs(self) -> Mapping[int, DrumPiece]:
        """`also` says what comes in, so it goes before what another piece sends."""
        found: dict[int, DrumPiece] = {}
        for piece, entry in self.entries.items():
            found |= dict.fromkeys(entry.also, piece)
        # Half-open shares its note with open in most tables, and then only the pedal tells it.
        last = DrumPiece.HAT_HALF_OPEN
        for piece in sorted(self.entries, key=lambda piece: piece is last):
            found.setdefault(self.entries[piece].midi_note, piece)
        return found

    def to_dict(self) -> dict[str, Any]:
        """The whole table as JSON's own types, with nothing left to a base."""
        return {
            "format": KIT_FORMAT,
            "id": self.id,
            "name": self.name,
            "source": self.source,
            "staff_lines": self.staff_lines,
            "clef": self.clef,
            "mirrored": self.mirrored,
            "hat_control": {
                "half_open_from": self.hat_control.half_open_from,
                "closed_from": self.hat_control.closed_from,
            },
            "pieces": {
                piece.value: {
                    "name": entry.name,
                    "step": entry.step,
                    "octave": entry.octave,
                    "head": entry.head,
                    "mark": entry.mark,
                    "voice": entry.voice,
                    "midi_note": entry.midi_note,
                    "also": list(entry.also),
                }
                for piece, entry in self.entries.items()
            },
        }

    @staticmethod
    def from_dict(data: object) -> Kit:
        """Read and check a table; ScoreError names the path, such as `pieces.kick.octave`."""
        return _read_kit(data, KITS)


def kit_called(kit_id: str) -> Kit:
    """The table of that id; ScoreError listing what there is."""
    if kit_id not in KITS:
        raise ScoreError("score.kit", f"no kit {kit_id!r}; there are {', '.join(KITS)}")
    return KITS[kit_id]


# Reading

_FIELDS: Final = ("format", "id", "name", "source", "base", "staff_lines", "clef", "mirrored",
                  "hat_control", "pieces")  # fmt: skip
_ENTRY_FIELDS: Final = ("name", "step", "octave", "head", "mark", "voice", "midi_note", "also")


def _read_kit(data: object, known: Mapping[str, Kit]) -> Kit:
    given = _object(data, "$", _FIELDS)
    if given.get("format") != KIT_FORMAT:
        raise ScoreError("format", f'expected "{KIT_FORMAT}"')
    base = None
    if "base" in given:
        if not isinstance(given["base"], str) or given["base"] not in known:
            raise ScoreError("base", f"unknown; known are {', '.join(known)}")
        base = known[given["base"]]
    for name in ("id", "name"):
        if name not in given:
            raise ScoreError(name, "is missing")
    mirrored = given.get("mirrored", base.mirrored if base else False)
    if not isinstance(mirrored, bool):
        raise ScoreError("mirrored", "expected true or false")
    return Kit(
        id=read_id(given["id"], "id"),
        name=_name(given["name"], "name"),
        entries=_read_entries(_object(given.get("pieces", {}), "pieces"), base),
        staff_lines=_choice(given, "staff_lines", (1, 5), base.staff_lines if base else 5),
        clef=_choice(given, "clef", ("percussion",), "percussion"),
        mirrored=mirrored,
        hat_control=_read_hat(given["hat_control"])
        if "hat_control" in given
        else (base.hat_control if base else HatControl()),
        source=read_text(given.get("source", ""), "source", 1000),
    )


def _read_hat(value: object) -> HatControl:
    given = _object(value, "hat_control", ("half_open_from", "closed_from"))
    hat = HatControl(
        **{name: _integer(given[name], f"hat_control.{name}", 1, 128) for name in given}
    )
    if hat.half_open_from > hat.closed_from:
        raise ScoreError("hat_control.half_open_from", "must not lie above closed_from")
    return hat


def _read_entries(given: Mapping[str, Any], base: Kit | None) -> Mapping[DrumPiece, KitEntry]:
    pieces = {piece.value for piece in DrumPiece}
    for name in given:
        if name not in pieces:
            raise ScoreError(f"pieces.{str(name)[:64]}", "is no drum piece")
    entries = {}
    for piece in DrumPiece:
        if piece.value in given:
            entries[piece] = _read_entry(
                given[piece.value], f"pieces.{piece.value}", base.entries[piece] if base else None
            )
        elif base:
            entries[piece] = base.entries[piece]
        else:
            raise ScoreError(f"pieces.{piece.value}", "is missing, and there is no base")
    return _own_inputs(given, entries)


def _own_inputs(
    given: Mapping[str, Any], entries: Mapping[DrumPiece, KitEntry]
) -> Mapping[DrumPiece, KitEntry]:
    """What the table itself says of a note goes before what its base said of it."""
    claimed: dict[int, DrumPiece] = {}
    for piece, entry in entries.items():
        own = given.get(piece.value, {})
        for index, note in enumerate(entry.also if "also" in own else ()):
            if note in claimed:
                where = f"pieces.{piece.value}.also[{index}]"
                raise ScoreError(where, f"{note} means {claimed[note].value} already")
            claimed[note] = piece
    for piece, entry in entries.items():
        if "midi_note" in given.get(piece.value, {}):
            claimed.setdefault(entry.midi_note, piece)
    result = {}
    for piece, entry in entries.items():
        also = tuple(note for note in entry.also if claimed.get(note, piece) is piece)
        result[piece] = KitEntry(
            entry.name, entry.step, entry.octave, entry.head, entry.mark, entry.voice,
            entry.midi_note, also,
        )  # fmt: skip
    return result


def _read_entry(value: object, path: str, base: KitEntry | None) -> KitEntry:
    given = _object(value, path, _ENTRY_FIELDS)
    if base is None:
        for name in ("name", "step", "octave", "midi_note"):
            if name not in given:
                raise ScoreError(f"{path}.{name}", "is missing, and there is no base")
        base = KitEntry("", "C", 5)
    also = given.get("also", list(base.also))
    if not isinstance(also, list) or len(also) > 16:
        raise ScoreError(f"{path}.also", "expected a list of at most 16 notes")
    if "midi_note" in given and "also" not in given:
        also = []  # Another module's note has not the base's neighbours.
    return KitEntry(
        name=_name(given.get("name", base.name), f"{path}.name"),
        step=_choice(given, "step", tuple("CDEFGAB"), base.step, path),
        octave=_integer(given.get("octave", base.octave), f"{path}.octave", 3, 6),
        head=_choice(given, "head", HEADS, base.head, path),
        mark=_mark(given.get("mark", base.mark), f"{path}.mark"),
        voice=_choice(given, "voice", (HANDS, FEET), base.voice, path),
        midi_note=_integer(given.get("midi_note", base.midi_note), f"{path}.midi_note", 0, 127),
        also=tuple(
            _integer(note, f"{path}.also[{index}]", 0, 127) for index, note in enumerate(also)
        ),
    )


def _object(value: object, path: str, fields: tuple[str, ...] = ()) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ScoreError(path, "expected an object")
    for name in value:
        if fields and name not in fields:
            where = str(name)[:64] if path == "$" else f"{path}.{str(name)[:64]}"
            raise ScoreError(where, "is not known here")
    return value


def _integer(value: object, path: str, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ScoreError(path, f"must be a whole number from {low} to {high}")
    return value


def _choice(
    given: Mapping[str, Any], name: str, known: tuple[Any, ...], default: Any, path: str = ""
) -> Any:
    value = given.get(name, default)
    # 1.0 and True equal 1.
    if not any(type(value) is type(one) and value == one for one in known):
        there = ", ".join(str(one) for one in known)
        raise ScoreError(f"{path}.{name}" if path else name, f"unknown; known are {there}")
    return value


def _name(value: object, path: str) -> str:
    name = read_text(value, path, NAME_LENGTH)
    if not name.strip():
        raise ScoreError(path, "is empty")
    return name


def _mark(value: object, path: str) -> str:
    mark = read_text(value, path, len("words:") + MARK_LENGTH)
    if mark not in MARKS and not (mark.startswith("words:") and mark.removeprefix("words:")):
        known = ", ".join(repr(one) for one in MARKS)
        raise ScoreError(path, f"must be one of {known}, or words: and a short text")
    return mark


def _load() -> Mapping[str, Kit]:
    """The tables that come along, those first that others are based on."""
    found: dict[str, Kit] = {}
    names = sorted(path.stem for path in FOLDER.glob("*.json") if path != SCHEMA_PATH)
    for name in [DEFAULT, *(name for name in names if name != DEFAULT)]:
        found[name] = _read_kit(json.loads((FOLDER / f"{name}.json").read_text("utf-8")), found)
    return found


KITS: Final[Mapping[str, Kit]] = _load()
STANDARD: Final = KITS[DEFAULT]
