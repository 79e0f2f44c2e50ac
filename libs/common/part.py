"""The part: what a drummer reads, flat, the artifact between writing and teaching.

A score as bars of strokes: no voices, rests, ties or beams, which whoever writes it finds again.
Notation publishes the part of every score, with when its strokes were played; the teacher composes
parts, and notation writes them down. Kept in object storage as JSON, `"format": "backbeat-part/1"`;
places are strings of exact parts of a whole note from the bar line (`"3/8"`), bars count from 1, a
pickup is bar 0. What equals its default is left out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from libs.common.drums import Articulation, DrumPiece, Hand
from libs.common.meter import Meter

FORMAT: Final = "backbeat-part/1"


@dataclass(frozen=True, slots=True)
class Stroke:
    """One written note with its graces."""

    at: Fraction
    """From its bar line, in whole notes, as written (not swung)."""
    piece: DrumPiece
    velocity: int = 90
    """MIDI velocity, 1 to 127."""
    marks: tuple[Articulation, ...] = ()
    graces: tuple[int, ...] = ()
    """Velocities of the grace strokes before it: one for a flam, two for a drag."""
    hand: Hand | None = None
    id: str = ""
    """The note's in its score; empty in a part that is not written yet."""
    written_s: float | None = None
    """Where the score puts it, swung where it swings, between the beats that were heard."""
    played_s: float | None = None
    """When it was played; None where nobody played it."""
    confidence: float = 1.0
    """The ear's, 0 to 1."""


@dataclass(frozen=True, slots=True)
class PartBar:
    """One bar; strokes in order of place, then piece."""

    number: int
    meter: Meter
    strokes: tuple[Stroke, ...] = ()
    length: Fraction = Fraction(0)
    """Shorter than its meter's in a pickup."""
    start_s: float | None = None
    """When its line fell in the recording; None where no beats are known."""
    end_s: float | None = None

    def __post_init__(self) -> None:
        if not self.length:
            object.__setattr__(self, "length", self.meter.length)


@dataclass(frozen=True, slots=True)
class PartTempo:
    """From this beat (from 1) of this bar on, so many `unit` notes (in whole notes) a minute."""

    bar: int
    bpm: float
    beat: int = 1
    unit: Fraction = Fraction(1, 4)

    @property
    def quarters_per_minute(self) -> float:
        return float(self.bpm * self.unit * 4)


@dataclass(frozen=True, slots=True)
class PartSwing:
    """From this bar on, how much longer the first of two `unit` notes is than the second."""

    bar: int
    unit: Fraction
    ratio: float


@dataclass(frozen=True, slots=True)
class PartSection:
    """A part of the song that begins with this bar."""

    bar: int
    name: str


@dataclass(frozen=True, slots=True)
class PartBeat:
    """When a beat (from 1) of a bar fell; before the recording began, time is negative."""

    time_s: float
    bar: int
    beat: int


@dataclass(frozen=True, slots=True)
class Part:
    """A whole part; bars, tempos, swing, sections and beats in order."""

    title: str
    bars: tuple[PartBar, ...]
    tempos: tuple[PartTempo, ...] = ()
    swing: tuple[PartSwing, ...] = ()
    sections: tuple[PartSection, ...] = ()
    beats: tuple[PartBeat, ...] = ()
    kit: str = "backbeat-standard"
    remark: str = ""
    """A sentence or two for who plays it: printed below the title."""

    def strokes(self) -> Iterator[tuple[PartBar, Stroke]]:
        """Every stroke in order of bar and place."""
        for bar in self.bars:
            for stroke in bar.strokes:
                yield bar, stroke

    def swing_at(self, bar: int) -> PartSwing | None:
        """What holds in this bar; None where it is straight."""
        last = next((mark for mark in reversed(self.swing) if mark.bar <= bar), None)
        return last if last and last.ratio != 1 else None

    def quarters_per_minute(self, bar: int) -> float | None:
        """The tempo at this bar's line; None where no tempo is written."""
        if not self.tempos:
            return None
        # A score begins with its first mark, wherever that stands.
        last = next(
            (mark for mark in reversed(self.tempos) if (mark.bar, mark.beat) <= (bar, 1)),
            self.tempos[0],
        )
        return last.quarters_per_minute

    def to_json(self) -> bytes:
        """The file's bytes."""
        document = {
            "format": FORMAT,
            "title": self.title,
            "kit": self.kit,
            "remark": self.remark,
            "bars": [_write_bar(bar) for bar in self.bars],
            "tempos": [
                {"bar": one.bar, "beat": one.beat, "bpm": one.bpm, "unit": str(one.unit)}
                for one in self.tempos
            ],
            "swing": [
                {"bar": one.bar, "unit": str(one.unit), "ratio": one.ratio} for one in self.swing
            ],
            "sections": [{"bar": one.bar, "name": one.name} for one in self.sections],
            "beats": [[round(one.time_s, 5), one.bar, one.beat] for one in self.beats],
        }
        return json.dumps(
            document, separators=(",", ":"), allow_nan=False, ensure_ascii=False
        ).encode()

    @staticmethod
    def from_json(data: bytes) -> Part:
        """Read the file back; ValueError for another format or a number that is none."""
        document = json.loads(data)
        if document.get("format") != FORMAT:
            raise ValueError(f"part format {document.get('format')!r}, expected {FORMAT!r}")
        return Part(
            title=document["title"],
            kit=document["kit"],
            remark=document["remark"],
            bars=tuple(_read_bar(bar) for bar in document["bars"]),
            tempos=tuple(
                PartTempo(one["bar"], one["bpm"], one["beat"], Fraction(one["unit"]))
                for one in document["tempos"]
            ),
            swing=tuple(
                PartSwing(one["bar"], Fraction(one["unit"]), one["ratio"])
                for one in document["swing"]
            ),
            sections=tuple(PartSection(one["bar"], one["name"]) for one in document["sections"]),
            beats=tuple(PartBeat(*one) for one in document["beats"]),
        )


def ordered(strokes: Sequence[Stroke]) -> tuple[Stroke, ...]:
    """As a bar keeps them."""
    return tuple(sorted(strokes, key=lambda stroke: (stroke.at, stroke.piece)))


def _write_bar(bar: PartBar) -> dict[str, Any]:
    written: dict[str, Any] = {"number": bar.number, "meter": str(bar.meter)}
    if bar.length != bar.meter.length:
        written["length"] = str(bar.length)
    if bar.start_s is not None and bar.end_s is not None:
        written |= {"start_s": round(bar.start_s, 5), "end_s": round(bar.end_s, 5)}
    return written | {"strokes": [_write_stroke(stroke) for stroke in bar.strokes]}


def _write_stroke(stroke: Stroke) -> dict[str, Any]:
    written: dict[str, Any] = {
        "at": str(stroke.at),
        "piece": stroke.piece.value,
        "velocity": stroke.velocity,
    }
    if stroke.marks:
        written["marks"] = [mark.value for mark in stroke.marks]
    if stroke.graces:
        written["graces"] = list(stroke.graces)
    if stroke.hand:
        written["hand"] = stroke.hand.value
    if stroke.id:
        written["id"] = stroke.id
    if stroke.written_s is not None:
        written["written_s"] = round(stroke.written_s, 5)
    if stroke.played_s is not None:
        written["played_s"] = round(stroke.played_s, 5)
    if stroke.confidence != 1:
        written["confidence"] = round(stroke.confidence, 4)
    return written


def _read_bar(given: dict[str, Any]) -> PartBar:
    return PartBar(
        number=given["number"],
        meter=Meter.parse(given["meter"]),
        strokes=tuple(_read_stroke(stroke) for stroke in given["strokes"]),
        length=Fraction(given.get("length", 0)),
        start_s=given.get("start_s"),
        end_s=given.get("end_s"),
    )


def _read_stroke(given: dict[str, Any]) -> Stroke:
    times = (given.get("written_s"), given.get("played_s"))
    if not all(math.isfinite(time_s) for time_s in times if time_s is not None):
        raise ValueError("a time is not a finite number")
    hand = given.get("hand")
    return Stroke(
        at=Fraction(given["at"]),
        piece=DrumPiece(given["piece"]),
        velocity=given["velocity"],
        marks=tuple(Articulation(mark) for mark in given.get("marks", ())),
        graces=tuple(given.get("graces", ())),
        hand=Hand(hand) if hand else None,
        id=given.get("id", ""),
        written_s=times[0],
        played_s=times[1],
        confidence=given.get("confidence", 1.0),
    )
