"""Small changes to a score: what a hand would do on paper, one after the other.

Each operation is a JSON object with its name in `op`; `OPERATIONS` lists them with their fields.
All happen, or none: the first that cannot names itself (`operations[2].ids[0]`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final, get_args

from libs.common.drums import FEET, Articulation, DrumPiece, Hand, Hit
from libs.common.meter import Meter
from services.notation.domain import fusion, grids, strokes
from services.notation.domain.document import (
    SECTION_LENGTH,
    ScoreDocument,
    read_choice,
    read_fraction,
    read_id,
    read_integer,
    read_number,
    read_object,
    read_text,
)
from services.notation.domain.pulse import Pulse
from services.notation.domain.score import (
    MAX_BARS,
    MAX_BPM,
    MIN_BPM,
    TITLE_LENGTH,
    Chooser,
    Dropped,
    Dynamic,
    DynamicMark,
    Grace,
    Hairpin,
    HairpinKind,
    Note,
    ScoreError,
    StickingShown,
    Swing,
    TempoMark,
    read_meter,
    value_of,
)
from services.notation.domain.sheet import Frame, Sheet

MAX_OPERATIONS: Final = 1000
MAX_IDS: Final = 10_000
_BY_HAND: Final = "deleted by hand"
_GRACE_VELOCITY: Final = 0.5

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """One kind of change; the first line of its function's docstring is its help text."""

    run: Callable[[Sheet, Fields, str], None]
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()

    @property
    def help(self) -> str:
        return " ".join((self.run.__doc__ or "").split())


def apply(document: ScoreDocument, operations: object, *, engraved: bool = False) -> ScoreDocument:
    """The score after all operations; ScoreError names the one that cannot be done. `engraved` is
    true of a document that this made, and saves writing the bars that stay."""
    if not isinstance(operations, list):
        raise ScoreError("operations", "expected a list")
    if not 1 <= len(operations) <= MAX_OPERATIONS:
        raise ScoreError("operations", f"expected 1 to {MAX_OPERATIONS} operations")
    if not document.score.bars:
        raise ScoreError("score.bars", "there is nothing to edit; send a whole document")
    sheet = Sheet.of(document, engraved=engraved)
    for index, given in enumerate(operations):
        path = f"operations[{index}]"
        name = given.get("op") if isinstance(given, dict) else None
        if not isinstance(name, str) or name not in OPERATIONS:
            raise ScoreError(f"{path}.op", f"unknown; there are {', '.join(OPERATIONS)}")
        operation = OPERATIONS[name]
        fields = read_object(given, path, ("op", *operation.required), operation.optional)
        operation.run(sheet, fields, path)
        if len(sheet.frames) > MAX_BARS:
            raise ScoreError(path, f"would make more than {MAX_BARS} bars")
    return sheet.document()


def describe(operations: Sequence[Mapping[str, Any]]) -> str:
    """In a few words, for the list of versions: "Edited: move, set-piece × 3"."""
    counts: dict[str, int] = {}
    for given in operations:
        name = str(given.get("op"))
        counts[name] = counts.get(name, 0) + 1
    parts = [name if times == 1 else f"{name} × {times}" for name, times in counts.items()]
    return f"Edited: {', '.join(parts)}"


# What the fields hold


def _notes(sheet: Sheet, fields: Fields, path: str) -> Iterable[tuple[Fraction, Note]]:
    ids = fields["ids"]
    if not isinstance(ids, list) or not 1 <= len(ids) <= MAX_IDS:
        raise ScoreError(f"{path}.ids", f"expected a list of 1 to {MAX_IDS} ids of notes")
    for index, note_id in enumerate(ids):
        if not isinstance(note_id, str) or note_id not in sheet.notes:
            raise ScoreError(f"{path}.ids[{index}]", "no note is called so")
    return [sheet.notes[note_id] for note_id in dict.fromkeys(ids)]


class _Taken:
    """Which pieces are struck where, so that one operation can put thousands of notes down."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self.by = {(at, note.piece): note.id for at, note in sheet.notes.values()}

    def lift(self, note_id: str) -> None:
        """Take a note off the page, to put it down elsewhere."""
        place, note = self.sheet.notes.pop(note_id)
        del self.by[place, note.piece]

    def put(self, place: Fraction, note: Note, path: str) -> None:
        """Put a note down; ScoreError where its piece is struck already."""
        other = self.by.setdefault((place, note.piece), note.id)
        if other != note.id:
            raise ScoreError(path, f"{note.piece.value} is struck there already, by {other}")
        self.sheet.notes[note.id] = (place, note)


def _bar(fields: Fields, path: str) -> int:
    return read_integer(fields["bar"], f"{path}.bar", 0, MAX_BARS)


def _place(sheet: Sheet, fields: Fields, path: str) -> Fraction:
    start = read_fraction(fields["start"], f"{path}.start")
    return sheet.place_of(_bar(fields, path), start, path)


def _marks(value: object, path: str) -> list[Articulation]:
    if not isinstance(value, list) or len(value) > len(Articulation):
        raise ScoreError(path, "expected a list of articulations")
    return [read_choice(item, f"{path}[{i}]", Articulation) for i, item in enumerate(value)]


def _signed(value: object, path: str) -> Fraction:
    text = value if isinstance(value, str) else ""
    size = read_fraction(text.removeprefix("-"), path)
    return -size if text.startswith("-") else size


def _articulated(note: Note, marks: Sequence[Articulation]) -> Note:
    """The note with just these marks; its graces follow the flam or drag."""
    wanted = 1 if Articulation.FLAM in marks else 2 if Articulation.DRAG in marks else 0
    if Articulation.FLAM in marks and Articulation.DRAG in marks:
        raise ScoreError("articulations", "a note is a flam or a drag, not both")
    graces = list(note.graces)[-wanted:] if wanted else []
    while len(graces) < wanted:
        name = f"{note.id[:58]}-g{len(graces) + 1}"
        graces.insert(0, Grace(name, max(1, round(note.velocity * _GRACE_VELOCITY))))
    return replace(note, articulations=tuple(dict.fromkeys(marks)), graces=tuple(graces))


# Notes


def _add(sheet: Sheet, fields: Fields, path: str) -> None:
    """Add a note: `bar`, `start` in the bar ("3/8"), `piece`; velocity 80, an id of its own."""
    place = _place(sheet, fields, path)
    taken = {event.id for event in sheet.base.performance.events} | sheet.notes.keys()
    if "id" in fields:
        note_id = read_id(fields["id"], f"{path}.id")
        if note_id in taken:
            raise ScoreError(f"{path}.id", "is taken")
    else:
        number = 1
        while f"new-{number}" in taken:
            number += 1
        note_id = f"new-{number}"
    note = Note(
        id=note_id,
        piece=read_choice(fields["piece"], f"{path}.piece", DrumPiece),
        velocity=read_integer(fields.get("velocity", 80), f"{path}.velocity", 1, 127),
    )
    if "articulations" in fields:
        note = _articulated(note, _marks(fields["articulations"], f"{path}.articulations"))
    _Taken(sheet).put(place, note, path)


def _move(sheet: Sheet, fields: Fields, path: str) -> None:
    """Move notes: all `by` a length ("1/16", "-1/8"), or one to a `bar` and `start`."""
    moved = list(_notes(sheet, fields, path))
    if "by" in fields:
        if "bar" in fields or "start" in fields:
            raise ScoreError(f"{path}.by", "give either by, or bar and start")
        by = _signed(fields["by"], f"{path}.by")
        targets = [(place + by, note) for place, note in moved]
    else:
        if "bar" not in fields or "start" not in fields:
            raise ScoreError(f"{path}.by", "give either by, or bar and start")
        if len(moved) > 1:
            raise ScoreError(f"{path}.ids", "only one note at a time goes to a place")
        targets = [(_place(sheet, fields, path), moved[0][1])]
    end = sheet.starts()[-1]
    taken = _Taken(sheet)
    for _, note in moved:
        taken.lift(note.id)
    for place, note in targets:
        if not 0 <= place < end:
            raise ScoreError(f"{path}.by", f"{note.id} would leave the score")
        taken.put(place, note, path)


def _delete(sheet: Sheet, fields: Fields, path: str) -> None:
    """Delete notes. What was played stays in the performance, marked as deleted by hand."""
    for _, note in _notes(sheet, fields, path):
        del sheet.notes[note.id]
        _drop(sheet, (*(grace.id for grace in note.graces), note.id))


def _drop(sheet: Sheet, strokes_: Iterable[str]) -> None:
    """Strokes that somebody took off the page; those that were played are told."""
    sheet.dropped += [Dropped(stroke, _BY_HAND) for stroke in strokes_ if stroke in sheet.played]


def _set_piece(sheet: Sheet, fields: Fields, path: str) -> None:
    """Say what was struck: `piece` for all `ids`."""
    piece = read_choice(fields["piece"], f"{path}.piece", DrumPiece)
    taken = _Taken(sheet)
    for place, note in _notes(sheet, fields, path):
        taken.lift(note.id)
        ring = note.ring if piece in (DrumPiece.HAT_OPEN, DrumPiece.HAT_HALF_OPEN) else None
        said = replace(note, piece=piece, ring=ring, piece_source=Chooser.USER)
        if piece in FEET and note.sticking_source is Chooser.VISION:
            said = replace(said, sticking=None, sticking_source=None, sticking_confidence=None)
        taken.put(place, fusion.seen_hand(said, sheet.played.get(note.id)), path)


def _articulate(sheet: Sheet, fields: Fields, path: str) -> None:
    """Set the `articulations` of notes, or `add` and `remove` some."""
    if ("articulations" in fields) == ("add" in fields or "remove" in fields):
        raise ScoreError(path, "give either articulations, or add and remove")
    for place, note in _notes(sheet, fields, path):
        if "articulations" in fields:
            marks = _marks(fields["articulations"], f"{path}.articulations")
        else:
            less = _marks(fields.get("remove", []), f"{path}.remove")
            more = _marks(fields.get("add", []), f"{path}.add")
            marks = [mark for mark in note.articulations if mark not in less]
            for mark in more:
                # A note has one loudness, and one ornament.
                marks = [old for old in marks if not _excludes(mark, old)] + [mark]
        try:
            changed = _articulated(note, marks)
            sheet.notes[note.id] = (place, changed)
            kept = {grace.id for grace in changed.graces}
            _drop(sheet, (grace.id for grace in note.graces if grace.id not in kept))
        except ScoreError as error:
            raise ScoreError(f"{path}.{error.field}", error.message) from error


_RIVALS: Final = (
    {Articulation.ACCENT, Articulation.STRONG_ACCENT, Articulation.GHOST},
    {Articulation.FLAM, Articulation.DRAG, Articulation.BUZZ},
)


def _excludes(one: Articulation, other: Articulation) -> bool:
    return one is other or any({one, other} <= rivals for rivals in _RIVALS)


def _set_velocity(sheet: Sheet, fields: Fields, path: str) -> None:
    """Set how hard notes are played: `velocity`, 1 to 127."""
    velocity = read_integer(fields["velocity"], f"{path}.velocity", 1, 127)
    for place, note in _notes(sheet, fields, path):
        sheet.notes[note.id] = (place, replace(note, velocity=velocity))


def _set_sticking(sheet: Sheet, fields: Fields, path: str) -> None:
    """Set the hand of notes: `sticking` R, L or B; null for none. What is seen later does not
    change it."""
    given = fields["sticking"]
    hand = None if given is None else read_choice(given, f"{path}.sticking", Hand)
    for place, note in _notes(sheet, fields, path):
        said = replace(note, sticking=hand, sticking_source=Chooser.USER, sticking_confidence=None)
        sheet.notes[note.id] = (place, said)


def _reset_sticking(sheet: Sheet, fields: Fields, path: str) -> None:
    """Give notes the hand that was seen in the video, or none where none was; what is seen later
    changes it again."""
    for place, note in _notes(sheet, fields, path):
        bare = replace(note, sticking=None, sticking_source=None, sticking_confidence=None)
        sheet.notes[note.id] = (place, fusion.seen_hand(bare, sheet.played.get(note.id)))


def _set_sticking_shown(sheet: Sheet, fields: Fields, path: str) -> None:
    """Say which hands are written under the notes: `shown` all, none, or auto, which leaves out
    what was seen in passages where less than half of the hands are known."""
    shown = read_choice(fields["shown"], f"{path}.shown", StickingShown)
    sheet.base = replace(sheet.base, score=replace(sheet.base.score, sticking_shown=shown))


def _confirm(sheet: Sheet, fields: Fields, path: str) -> None:
    """Say that notes, or graces, are as they were played: the ear's doubt is gone."""
    ids = fields["ids"]
    if not isinstance(ids, list) or not 1 <= len(ids) <= MAX_IDS:
        raise ScoreError(f"{path}.ids", f"expected a list of 1 to {MAX_IDS} ids of notes")
    graces = {grace.id for _, note in sheet.notes.values() for grace in note.graces}
    for index, stroke in enumerate(ids):
        if not isinstance(stroke, str) or (stroke not in sheet.notes and stroke not in graces):
            raise ScoreError(f"{path}.ids[{index}]", "no note is called so")
    sheet.confirm(set(ids))
    for stroke in ids:
        if stroke in sheet.notes and sheet.notes[stroke][1].piece_source is Chooser.VISION:
            place, note = sheet.notes[stroke]
            sheet.notes[stroke] = (place, replace(note, piece_source=Chooser.USER))


# Time


def _set_meter(sheet: Sheet, fields: Fields, path: str) -> None:
    """Set the `meter` from `bar` on, up to the next change or to `until` (its last bar)."""
    first = sheet.index_of(_bar(fields, path), f"{path}.bar")
    meter = read_meter(fields["meter"], f"{path}.meter")
    old = sheet.frames[first].meter
    last = first
    if "until" in fields:
        until = read_integer(fields["until"], f"{path}.until", 0, MAX_BARS)
        last = sheet.index_of(until, f"{path}.until")
        if last < first:
            raise ScoreError(f"{path}.until", "comes before the bar")
    else:
        while last + 1 < len(sheet.frames) and sheet.frames[last + 1].meter == old:
            last += 1
    head, tail = sheet.frames[:first], sheet.frames[last + 1 :]
    inside = sheet.frames[first : last + 1]
    made: list[Frame] = []
    if first == 0 and sheet.first_number == 0:
        pickup = inside.pop(0)
        if pickup.length >= meter.length:
            raise ScoreError(f"{path}.meter", "is shorter than the pickup")
        made.append(Frame(meter, pickup.length))
    left = sum((frame.length for frame in inside), Fraction(0))
    while left >= meter.length:
        made.append(Frame(meter, meter.length))
        left -= meter.length
    if left and tail:
        # What is left before the next meter is a bar of its own.
        made.append(_odd(left, path))
    elif left:
        made.append(Frame(meter, meter.length))
    sheet.frames = head + made + tail


def _odd(length: Fraction, path: str) -> Frame:
    meter = Meter.of(length)
    if meter is None:
        raise ScoreError(f"{path}.meter", "leaves a bar that no time signature fits")
    return Frame(meter, length)


def _set_tempo(sheet: Sheet, fields: Fields, path: str) -> None:
    """Set the tempo from `bar` on: `bpm` beats of `unit` ("1/4"), shown with `text` if given."""
    index = sheet.index_of(_bar(fields, path), f"{path}.bar")
    unit = sheet.frames[index].meter.beat_unit
    if "unit" in fields:
        unit = read_fraction(fields["unit"], f"{path}.unit")
        if value_of(unit) is None:
            raise ScoreError(f"{path}.unit", "no note is so long")
    bpm = read_number(fields["bpm"], f"{path}.bpm", MIN_BPM, MAX_BPM)
    text = read_text(fields.get("text", ""), f"{path}.text", SECTION_LENGTH)
    place = sheet.starts()[index]
    sheet.tempos = [(at, mark) for at, mark in sheet.tempos if at != place]
    sheet.tempos.append((place, TempoMark(0, bpm, 1, unit, text)))
    sheet.tempos.sort(key=lambda item: item[0])


def _remove_tempo(sheet: Sheet, fields: Fields, path: str) -> None:
    """Remove the tempo marks in `bar`."""
    index = sheet.index_of(_bar(fields, path), f"{path}.bar")
    starts = sheet.starts()
    sheet.tempos = [
        (at, mark) for at, mark in sheet.tempos if not starts[index] <= at < starts[index + 1]
    ]


def _set_swing(sheet: Sheet, fields: Fields, path: str) -> None:
    """Swing `unit` notes ("1/8", "1/16") from `bar` on, `ratio` long to short; 1 is straight."""
    index = sheet.index_of(_bar(fields, path), f"{path}.bar")
    unit = read_fraction(fields.get("unit", "1/8"), f"{path}.unit")
    ratio = read_number(fields["ratio"], f"{path}.ratio", 1, 4)
    place = sheet.starts()[index]
    sheet.swings = [(at, mark) for at, mark in sheet.swings if at != place]
    sheet.swings.append((place, Swing(0, unit, ratio)))
    sheet.swings.sort(key=lambda item: item[0])


def _shift_downbeat(sheet: Sheet, fields: Fields, path: str) -> None:
    """Move all bar lines by so many `beats` of the first meter, later (1) or earlier (-1)."""
    beats = read_integer(fields["beats"], f"{path}.beats", -64, 64)
    meter = sheet.frames[0].meter
    has_pickup = sheet.first_number == 0
    pickup = sheet.frames[0].length if has_pickup else Fraction(0)
    frames = sheet.frames[1:] if has_pickup else sheet.frames
    lead = (pickup + beats * meter.beat_unit) % meter.length
    end = sheet.starts()[-1]
    sheet.frames = list(frames) or [Frame(meter, meter.length)]
    if lead == 0:
        pass
    elif 2 * lead <= meter.length:
        sheet.frames.insert(0, Frame(meter, lead))
    else:
        # More than half a bar: a whole one that begins with a rest.
        sheet.move_all(meter.length - lead)
        end += meter.length - lead
        sheet.frames.insert(0, Frame(meter, meter.length))
    _trim(sheet, end)


def _trim(sheet: Sheet, end: Fraction) -> None:
    """As many bars as the music is long."""
    starts = sheet.starts()
    while len(sheet.frames) > 1 and starts[len(sheet.frames) - 1] >= end:
        sheet.frames.pop()
    while sheet.starts()[-1] < end:
        sheet.frames.append(Frame(sheet.frames[-1].meter, sheet.frames[-1].meter.length))


def _scale_time(sheet: Sheet, fields: Fields, path: str) -> None:
    """Write all notes `factor` times as long: "2" is double time, "1/2" half time. The bars keep
    their meters; the tempo follows, so that it sounds the same."""
    factor = read_fraction(fields["factor"], f"{path}.factor")
    if factor not in (Fraction(1, 2), Fraction(2)):
        raise ScoreError(f"{path}.factor", "must be 1/2 or 2")
    end = sheet.starts()[-1] * factor
    sheet.move_all(Fraction(0), factor)
    sheet.notes = {
        i: (at, replace(note, ring=note.ring and note.ring * factor))
        for i, (at, note) in sheet.notes.items()
    }
    sheet.tempos = [(at, replace(mark, bpm=float(mark.bpm * factor))) for at, mark in sheet.tempos]
    # A swing of eighths is one of 16ths at half the values.
    sheet.swings = [(at, replace(mark, unit=mark.unit * factor)) for at, mark in sheet.swings]
    for _, mark in sheet.swings:
        if mark.ratio != 1 and mark.unit not in (Fraction(1, 8), Fraction(1, 16)):
            raise ScoreError(f"{path}.factor", "no such swing can be marked; remove it first")
    sheet.swings = [item for item in sheet.swings if item[1].ratio != 1]
    frames: list[Frame] = []
    pickup = sheet.frames[0].length if sheet.first_number == 0 else Fraction(0)
    rest = sheet.frames[1:] if pickup else sheet.frames
    if pickup:
        meter = sheet.frames[0].meter
        lead = (pickup * factor) % meter.length
        if lead:
            frames.append(Frame(meter, lead))
        if pickup * factor >= meter.length:
            frames.append(Frame(meter, meter.length))
    index = 0
    while index < len(rest):
        meter = rest[index].meter
        after = index
        while after < len(rest) and rest[after].meter == meter:
            after += 1
        length = (after - index) * meter.length * factor
        frames += [Frame(meter, meter.length)] * int(length / meter.length)
        left = length % meter.length
        if left:
            frames.append(_odd(left, path) if after < len(rest) else Frame(meter, meter.length))
        index = after
    sheet.frames = frames
    _trim(sheet, end)


def _insert_bars(sheet: Sheet, fields: Fields, path: str) -> None:
    """Insert `count` empty bars before `bar`; one more than the last puts them at the end. What
    follows keeps its seconds, so that bars put between others take no time of the recording."""
    number = _bar(fields, path)
    count = read_integer(fields.get("count", 1), f"{path}.count", 1, 1000)
    if number == sheet.number_of(len(sheet.frames)):
        meter = sheet.frames[-1].meter
        sheet.frames += [Frame(meter, meter.length)] * count
        return
    index = sheet.index_of(number, f"{path}.bar")
    if sheet.frames[index].length < sheet.frames[index].meter.length:
        raise ScoreError(f"{path}.bar", "nothing goes before a pickup")
    meter = sheet.frames[index].meter
    _make_room(sheet, sheet.starts()[index], meter.length * count)
    sheet.frames[index:index] = [Frame(meter, meter.length)] * count


def _delete_bars(sheet: Sheet, fields: Fields, path: str) -> None:
    """Delete `count` bars from `bar` on, with their notes. What follows keeps its seconds."""
    first = sheet.index_of(_bar(fields, path), f"{path}.bar")
    count = read_integer(fields.get("count", 1), f"{path}.count", 1, MAX_BARS)
    if first + count > len(sheet.frames):
        raise ScoreError(f"{path}.count", "there are fewer bars than that")
    if count == len(sheet.frames):
        raise ScoreError(f"{path}.count", "one bar must stay; delete the score instead")
    starts = sheet.starts()
    begin, end = starts[first], starts[first + count]

    def stays(at: Fraction) -> bool:
        return not begin <= at < end

    for note_id, (at, note) in list(sheet.notes.items()):
        if not stays(at):
            del sheet.notes[note_id]
            _drop(sheet, (*(grace.id for grace in note.graces), note.id))
    sheet.anchors = [item for item in sheet.anchors if stays(item[0])]
    sheet.tempos = [item for item in sheet.tempos if stays(item[0]) or item[0] == 0]
    sheet.swings = [item for item in sheet.swings if stays(item[0]) or item[0] == 0]
    sheet.sections = [item for item in sheet.sections if stays(item[0])]
    sheet.dynamics = [item for item in sheet.dynamics if stays(item[0])]
    sheet.hairpins = [item for item in sheet.hairpins if stays(item[0]) and stays(item[1])]
    del sheet.frames[first : first + count]
    _make_room(sheet, end, begin - end)


def _make_room(sheet: Sheet, place: Fraction, by: Fraction) -> None:
    def moved(at: Fraction) -> Fraction:
        return at + by if at >= place else at

    sheet.notes = {i: (moved(at), note) for i, (at, note) in sheet.notes.items()}
    sheet.anchors = [(moved(at), time_s) for at, time_s in sheet.anchors]
    sheet.tempos = [(moved(at) if at else at, mark) for at, mark in sheet.tempos]
    sheet.swings = [(moved(at) if at else at, mark) for at, mark in sheet.swings]
    sheet.sections = [(moved(at), name) for at, name in sheet.sections]
    sheet.dynamics = [(moved(at), mark) for at, mark in sheet.dynamics]
    sheet.hairpins = [(moved(a), moved(b), pin) for a, b, pin in sheet.hairpins]


def _requantise(sheet: Sheet, fields: Fields, path: str) -> None:
    """Choose places anew for what was played in bars `bar` to `until`, on a `grid`: auto, straight,
    triplet, or so many to the beat (1 to 8, 12). Pieces and marks that were edited stay."""
    first = sheet.index_of(_bar(fields, path), f"{path}.bar")
    until = read_integer(fields.get("until", fields["bar"]), f"{path}.until", 0, MAX_BARS)
    last = sheet.index_of(until, f"{path}.until")
    if last < first:
        raise ScoreError(f"{path}.until", "comes before the bar")
    choice = fields.get("grid", "auto")
    if choice not in get_args(grids.Choice):
        raise ScoreError(f"{path}.grid", f"must be one of {', '.join(get_args(grids.Choice))}")
    if len(sheet.anchors) < 2:
        raise ScoreError(path, "nothing is known of when this was played; move the notes instead")
    starts = sheet.starts()
    begin, end = starts[first], starts[last + 1]
    # A pickup's beats are counted from the bar line that it leaves out.
    origin = begin - (sheet.frames[first].meter.length - sheet.frames[first].length)
    pulse = _pulse_of(sheet, origin, first, last)
    inside = {i: note for i, (at, note) in sheet.notes.items() if begin <= at < end}
    hits, mains, back = _played_inside(sheet, inside, pulse)
    if not hits:
        return
    swing = sheet.swing_at(begin)
    swung = None
    if swing and choice == "auto" and pulse.unit == Fraction(1, 4):
        halves = int(pulse.unit / (2 * swing.unit))
        swung = grids.Swung(halves, swing.ratio / (1 + swing.ratio))
    placed = grids.place(hits, mains, pulse, choice, swing=False, known=swung)
    groups, dropped = strokes.group(hits, mains, placed.places)
    marks = strokes.loudness_marks(hits_of(sheet))
    for hit in hits:
        sheet.notes.pop(hit.id, None)
    sheet.dropped = [lost for lost in sheet.dropped if lost.id not in back]
    # A place at the range's end belongs to the bar after it.
    taken = {(at, note.piece) for at, note in sheet.notes.values()}
    for (place, piece), struck in sorted(groups.items(), key=lambda item: item[0]):
        *before, main = struck
        at = origin + place * pulse.unit
        if not 0 <= at < starts[-1] or (at, piece) in taken:
            dropped += [Dropped(h.id, "its place is taken, or outside the score") for h in struck]
            continue
        note = inside.get(main.id) or strokes.note_of([main], marks)
        own = [grace for grace in note.graces if grace.id not in sheet.played]
        graces = tuple([Grace(grace.id, grace.velocity) for grace in before] or own)
        ornament = (Articulation.FLAM, Articulation.DRAG)
        kept = [mark for mark in note.articulations if mark not in ornament]
        note = replace(
            note,
            articulations=(*kept, *ornament[len(graces) - 1 : len(graces)]),
            graces=graces,
        )
        note = fusion.seen_hand(note, sheet.played.get(note.id))
        sheet.notes[note.id] = (at, note)
    sheet.dropped += dropped


def hits_of(sheet: Sheet) -> list[Hit]:
    """All that was played, in order of time."""
    return [
        Hit(e.onset_s, e.piece, e.velocity, e.confidence, e.id)
        for e in sheet.base.performance.events
    ]


def _played_inside(
    sheet: Sheet, inside: Mapping[str, Note], pulse: Pulse
) -> tuple[list[Hit], dict[int, int], set[str]]:
    """What was played in a range, in order of time: its notes, as they are called now, with their
    graces; and what had no room in it. Then graces by index, and the ids that had no room."""
    played = sheet.played
    main_of = {grace.id: note for note in inside.values() for grace in note.graces}
    window_s = (pulse.time_s(0), pulse.time_s(len(pulse.times_s) - 2))
    back = {
        lost.id
        for lost in sheet.dropped
        if lost.reason != _BY_HAND
        and strokes.LEFT_OUT not in lost.reason
        and lost.id in played
        and window_s[0] - 0.02 <= played[lost.id].onset_s < window_s[1] - 0.02
    }
    hits = []
    for event_id in (*inside, *main_of, *back):
        if event_id in played:
            event = played[event_id]
            known = inside.get(event_id) or main_of.get(event_id)
            piece = known.piece if known else event.piece
            hits.append(Hit(event.onset_s, piece, event.velocity, event.confidence, event_id))
    hits.sort(key=lambda hit: hit.onset_s)
    places = {hit.id: index for index, hit in enumerate(hits)}
    mains = {
        places[grace]: places[note.id]
        for grace, note in main_of.items()
        if grace in places and note.id in places
    }
    return hits, mains, back


def _pulse_of(sheet: Sheet, origin: Fraction, first: int, last: int) -> Pulse:
    """The range's beats, from its first bar line to the one after it, and one more."""
    starts = sheet.starts()
    unit = sheet.frames[first].meter.beat_unit
    count = int((starts[last + 1] - origin) / unit) + 2
    line = sheet.line()
    times = [line.time_s(origin + index * unit) for index in range(count)]
    lines = [origin, *starts[first + 1 : last + 2]]
    downbeats = [int((at - origin) / unit) for at in lines if (at - origin) % unit == 0]
    return Pulse(times, downbeats, unit, sheet.frames[first].meter)


# Words and marks


def _set_title(sheet: Sheet, fields: Fields, path: str) -> None:
    """Set the `title`."""
    title = read_text(fields["title"], f"{path}.title", TITLE_LENGTH)
    sheet.base = replace(sheet.base, score=replace(sheet.base.score, title=title))


def _set_kit(sheet: Sheet, fields: Fields, path: str) -> None:
    """Set the `kit` table by which the score is drawn: one of ours, or of one's own."""
    kit = read_id(fields["kit"], f"{path}.kit")
    sheet.base = replace(sheet.base, score=replace(sheet.base.score, kit=kit))


def _set_section(sheet: Sheet, fields: Fields, path: str) -> None:
    """Begin a section with `bar`, called `name`; null removes it."""
    place = sheet.starts()[sheet.index_of(_bar(fields, path), f"{path}.bar")]
    sheet.sections = [(at, name) for at, name in sheet.sections if at != place]
    if fields["name"] is not None:
        name = read_text(fields["name"], f"{path}.name", SECTION_LENGTH)
        if not name.strip():
            raise ScoreError(f"{path}.name", "is empty; null removes a section")
        sheet.sections.append((place, name))


def _set_dynamic(sheet: Sheet, fields: Fields, path: str) -> None:
    """Set a dynamic `mark` (ppp to fff) at `bar` and `start`; null removes it."""
    place = _place(sheet, {"start": "0"} | dict(fields), path)
    sheet.dynamics = [(at, mark) for at, mark in sheet.dynamics if at != place]
    if fields["mark"] is not None:
        mark = read_choice(fields["mark"], f"{path}.mark", DynamicMark)
        sheet.dynamics.append((place, Dynamic(0, Fraction(0), mark)))


def _set_hairpin(sheet: Sheet, fields: Fields, path: str) -> None:
    """Grow or fade from `bar` and `start` to `end_bar` and `end`: `kind` crescendo, diminuendo;
    null removes the one that begins there."""
    begin = _place(sheet, {"start": "0"} | dict(fields), path)
    sheet.hairpins = [item for item in sheet.hairpins if item[0] != begin]
    if fields["kind"] is None:
        return
    kind = read_choice(fields["kind"], f"{path}.kind", HairpinKind)
    if "end_bar" not in fields:
        raise ScoreError(f"{path}.end_bar", "is missing")
    end_bar = read_integer(fields["end_bar"], f"{path}.end_bar", 0, MAX_BARS)
    index = sheet.index_of(end_bar, f"{path}.end_bar")
    length = sheet.frames[index].length
    end = read_fraction(fields["end"], f"{path}.end") if "end" in fields else length
    if end > length:
        raise ScoreError(f"{path}.end", f"lies outside bar {end_bar}")
    stop = sheet.starts()[index] + end
    if stop <= begin:
        raise ScoreError(f"{path}.end", "comes before the beginning")
    pin = Hairpin(0, Fraction(0), 0, Fraction(0), kind)
    sheet.hairpins.append((begin, stop, pin))


_RANGE: Final = ("until", "grid")

OPERATIONS: Final[Mapping[str, Operation]] = {
    "add": Operation(_add, ("bar", "start", "piece"), ("velocity", "articulations", "id")),
    "move": Operation(_move, ("ids",), ("by", "bar", "start")),
    "delete": Operation(_delete, ("ids",)),
    "set-piece": Operation(_set_piece, ("ids", "piece")),
    "articulate": Operation(_articulate, ("ids",), ("articulations", "add", "remove")),
    "set-velocity": Operation(_set_velocity, ("ids", "velocity")),
    "set-sticking": Operation(_set_sticking, ("ids", "sticking")),
    "reset-sticking": Operation(_reset_sticking, ("ids",)),
    "set-sticking-shown": Operation(_set_sticking_shown, ("shown",)),
    "confirm": Operation(_confirm, ("ids",)),
    "set-meter": Operation(_set_meter, ("bar", "meter"), ("until",)),
    "set-tempo": Operation(_set_tempo, ("bar", "bpm"), ("unit", "text")),
    "remove-tempo": Operation(_remove_tempo, ("bar",)),
    "set-swing": Operation(_set_swing, ("bar", "ratio"), ("unit",)),
    "shift-downbeat": Operation(_shift_downbeat, ("beats",)),
    "scale-time": Operation(_scale_time, ("factor",)),
    "insert-bars": Operation(_insert_bars, ("bar",), ("count",)),
    "delete-bars": Operation(_delete_bars, ("bar",), ("count",)),
    "requantise": Operation(_requantise, ("bar",), _RANGE),
    "set-title": Operation(_set_title, ("title",)),
    "set-kit": Operation(_set_kit, ("kit",)),
    "set-section": Operation(_set_section, ("bar", "name")),
    "set-dynamic": Operation(_set_dynamic, ("bar", "mark"), ("start",)),
    "set-hairpin": Operation(_set_hairpin, ("bar", "kind"), ("start", "end_bar", "end")),
}
