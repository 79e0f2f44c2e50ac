"""From the rows of `grooves` to score documents, and where those are kept."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Final

from libs.common.drums import Articulation, DrumPiece, Hand
from libs.common.meter import Meter
from services.notation.domain.bars import alternatives
from services.notation.domain.document import ScoreDocument, check
from services.notation.domain.engrave import FEET_PIECES, write_bar
from services.notation.domain.form import find_repeats
from services.notation.domain.score import (
    Bar,
    Dynamic,
    DynamicMark,
    Grace,
    Hairpin,
    HairpinKind,
    MeterMark,
    Note,
    PerformanceLayer,
    PlayedEvent,
    Score,
    Section,
    Source,
    Swing,
    TempoMark,
    Timeline,
    TimelineBeat,
    VoiceEvent,
    read_meter,
)
from tests.golden.grooves import GROOVES, Groove, Rows

FOLDER: Final = Path(__file__).parent
START_S: Final = 1.0
GRACE_S: Final = 0.03

_ROWS: Final = {
    "crash": DrumPiece.CRASH,
    "ride": DrumPiece.RIDE,
    "bell": DrumPiece.COWBELL,
    "hat": DrumPiece.HAT_CLOSED,
    "high": DrumPiece.TOM_HIGH,
    "mid": DrumPiece.TOM_MID,
    "floor": DrumPiece.TOM_FLOOR,
    "snare": DrumPiece.SNARE,
    "kick": DrumPiece.KICK,
    "foot": DrumPiece.HAT_PEDAL,
}
_LETTERS: Final = {
    "o": DrumPiece.HAT_OPEN,
    "O": DrumPiece.HAT_OPEN,
    "h": DrumPiece.HAT_HALF_OPEN,
    "b": DrumPiece.RIDE_BELL,
    "c": DrumPiece.CROSS_STICK,
    "r": DrumPiece.RIMSHOT,
}
_HATS: Final = frozenset(
    {DrumPiece.HAT_CLOSED, DrumPiece.HAT_HALF_OPEN, DrumPiece.HAT_OPEN, DrumPiece.HAT_PEDAL}
)
_MARKS: Final = {
    "X": Articulation.ACCENT,
    "O": Articulation.ACCENT,
    "g": Articulation.GHOST,
    "f": Articulation.FLAM,
    "d": Articulation.DRAG,
    "z": Articulation.BUZZ,
}
# On the beat, and between.
_VELOCITIES: Final = {
    DrumPiece.KICK: (102, 98),
    DrumPiece.SNARE: (110, 106),
    DrumPiece.CROSS_STICK: (84, 80),
    DrumPiece.HAT_CLOSED: (76, 70),
    DrumPiece.HAT_OPEN: (84, 82),
    DrumPiece.HAT_PEDAL: (66, 64),
    DrumPiece.RIDE: (82, 74),
    DrumPiece.RIDE_BELL: (84, 80),
    DrumPiece.CRASH: (112, 108),
    DrumPiece.TOM_HIGH: (100, 96),
    DrumPiece.TOM_MID: (100, 96),
    DrumPiece.TOM_FLOOR: (102, 98),
    DrumPiece.COWBELL: (88, 84),
}
_GRACE_VELOCITY: Final = 45


def documents() -> dict[str, ScoreDocument]:
    """All golden scores as their source says."""
    return {name: document_of(groove) for name, groove in GROOVES.items()}


def kept(name: str) -> bytes:
    """The committed JSON."""
    return (FOLDER / f"{name}.json").read_bytes()


def written(document: ScoreDocument) -> bytes:
    """JSON that shows in a diff what changed: an event and its notes to a line."""
    return (_lines(document.to_dict(), "") + "\n").encode()


def _lines(value: object, indent: str) -> str:
    inside: Iterable[object] = ()
    if isinstance(value, dict | list):
        inside = value.values() if isinstance(value, dict) else value
    flat = json.dumps(value, ensure_ascii=False)
    short = len(flat) <= (250 if isinstance(value, dict) and "start" in value else 60)
    if short or not any(isinstance(each, dict | list) for each in inside):
        return flat
    inner = indent + " "
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {_lines(each, inner)}" for key, each in value.items()]
        return "{\n" + ",\n".join(inner + part for part in parts) + f"\n{indent}}}"
    return "[\n" + ",\n".join(inner + _lines(each, inner) for each in inside) + f"\n{indent}]"


def document_of(groove: Groove) -> ScoreDocument:
    """The groove written, and performed exactly as written."""
    meter = read_meter(groove.meter)
    pen = _Pen()
    placed = [pen.bar(rows, meter) for rows in groove.bars]
    bars = tuple(
        write_bar(number, meter, strokes) for number, strokes in enumerate(_rung(placed, meter), 1)
    )
    timeline = Timeline(
        swing=(Swing(1, Fraction(1, 8), groove.swing),) if groove.swing != 1 else ()
    )
    unit = meter.beat_unit
    beat_s = 60 / groove.bpm
    beats = []
    events: list[PlayedEvent] = []
    at = Fraction(0)
    for bar in bars:
        for beat in range(int(bar.length / unit)):
            time_s = START_S + float((at + beat * unit) / unit) * beat_s
            beats.append(TimelineBeat(round(time_s, 6), bar.number, beat + 1))
        for voice in bar.voices:
            for event in voice.events:
                sounds = at + _sounding(bar, event, timeline)
                events += _performed(event, START_S + float(sounds / unit) * beat_s)
        at += bar.length
    tempo = TempoMark(1, groove.bpm, 1, unit)
    return check(
        ScoreDocument(
            performance=PerformanceLayer(
                duration_s=round(START_S + float(at / unit) * beat_s + 1, 6),
                events=tuple(sorted(events, key=lambda event: (event.onset_s, event.id))),
                model_version="golden",
            ),
            timeline=Timeline(
                beats=tuple(beats),
                meters=(MeterMark(1, meter),),
                tempo_map=(tempo,),
                swing=timeline.swing,
                alternatives=alternatives(tempo),
            ),
            score=Score(
                title=groove.title,
                kit="backbeat-standard",
                bars=bars,
                sections=tuple(Section(bar, name) for bar, name in groove.sections.items()),
                dynamics=tuple(
                    Dynamic(bar, Fraction(start), DynamicMark(mark))
                    for (bar, start), mark in groove.dynamics.items()
                ),
                hairpins=tuple(
                    Hairpin(bar, Fraction(start), end_bar, Fraction(end), HairpinKind(kind))
                    for (bar, start), (end_bar, end), kind in groove.hairpins
                ),
                repeats=find_repeats(bars),
            ),
        )
    )


def _sounding(bar: Bar, event: VoiceEvent, timeline: Timeline) -> Fraction:
    swing = timeline.swing_at(bar.number)
    if swing is None or event.tuplet or event.start % Fraction(1, 4) != Fraction(1, 8):
        return event.start
    share = Fraction(swing.ratio).limit_denominator(1000)
    return event.start - Fraction(1, 8) + Fraction(1, 4) * share / (share + 1)


def _performed(event: VoiceEvent, time_s: float) -> list[PlayedEvent]:
    played = []
    for note in event.notes:
        for back, grace in enumerate(reversed(note.graces), start=1):
            at_s = round(time_s - GRACE_S * back, 6)
            played.append(
                PlayedEvent(grace.id, note.piece, at_s, grace.velocity, 1.0, Source.SCORE)
            )
        at_s = round(time_s, 6)
        played.append(PlayedEvent(note.id, note.piece, at_s, note.velocity, 1.0, Source.SCORE))
    return played


_Placed = tuple[Fraction, Note]


class _Pen:
    """Reads rows; ids follow the time in each bar, hands before feet."""

    def __init__(self) -> None:
        self._number = 0
        self._ghosts = 0

    def _id(self) -> str:
        self._number += 1
        return f"ev-{self._number:06d}"

    def bar(self, rows: Rows, meter: Meter) -> list[_Placed]:
        hands = {at: Hand(letter) for at, letter in _cells(rows.get("hand", ""), meter)}
        struck = [
            (at, place, _ROWS[row], letter)
            for place, row in enumerate(_ROWS)
            for at, letter in _cells(rows.get(row, ""), meter)
        ]
        unknown = set(rows) - set(_ROWS) - {"hand"}
        assert not unknown, f"no such rows: {unknown}"
        return [
            (at, self._note(at, piece, letter, hands, meter))
            for at, _, piece, letter in sorted(struck, key=lambda each: each[:2])
        ]

    def _note(
        self, at: Fraction, row: DrumPiece, letter: str, hands: dict[Fraction, Hand], meter: Meter
    ) -> Note:
        piece = _LETTERS.get(letter, row)
        mark = _MARKS.get(letter)
        graces = {"f": 1, "d": 2}.get(letter, 0)
        before = tuple(Grace(self._id(), _GRACE_VELOCITY) for _ in range(graces))
        return Note(
            id=self._id(),
            piece=piece,
            velocity=self._velocity(piece, letter, on_beat=at % meter.beat_unit == 0),
            articulations=(mark,) if mark else (),
            graces=before,
            sticking=None if piece in FEET_PIECES else hands.get(at),
        )

    def _velocity(self, piece: DrumPiece, letter: str, *, on_beat: bool) -> int:
        if letter == "g":
            self._ghosts += 1
            return 22 + 3 * (self._ghosts % 3)
        if letter == "s":
            return 60 if piece is DrumPiece.SNARE else 64
        if letter in "XO":
            return 108 if piece is DrumPiece.SNARE else 94
        strong, weak = _VELOCITIES[piece]
        return strong if on_beat else weak


def _cells(row: str, meter: Meter) -> list[tuple[Fraction, str]]:
    """What is struck in a row, and where."""
    if not row:
        return []
    unit = meter.beat_unit
    beats = row.split()
    assert len(beats) * unit == meter.length, f"{row!r} is no bar of {meter}"
    return [
        (beat * unit + unit * place / len(cells), letter)
        for beat, cells in enumerate(beats)
        for place, letter in enumerate(cells)
        if letter != "."
    ]


def _rung(placed: list[list[_Placed]], meter: Meter) -> list[list[_Placed]]:
    """With open hats told how long they ring: until the hat is next struck or closed."""
    hats = sorted(
        {
            bar * meter.length + at
            for bar, strokes in enumerate(placed)
            for at, note in strokes
            if note.piece in _HATS
        }
    )

    def ring(place: Fraction) -> Fraction | None:
        following = next((other for other in hats if other > place), None)
        return following - place if following is not None and following - place <= 1 else None

    return [
        [
            (at, replace(note, ring=ring(bar * meter.length + at)))
            if note.piece in (DrumPiece.HAT_OPEN, DrumPiece.HAT_HALF_OPEN)
            else (at, note)
            for at, note in strokes
        ]
        for bar, strokes in enumerate(placed)
    ]
