"""What a score is made of: what was played, when the beats fell, and how it is written down.

All starts and durations are exact parts of a whole note, so that a 4/4 bar is 1 long and a triplet
eighth 1/12. Each voice fills its bar without a gap. A note carries the id of the hit that it came
from; a note that somebody added has an id of its own. Written value and dots follow from duration
and tuplet (`VoiceEvent.written`), beams from the meter (`engrave.beams`), so they are not stored.
`document` joins the three layers and reads and writes them as JSON.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import Final, Self

from libs.common.drums import DrumPiece

MAX_BARS: Final = 100_000
MAX_EVENTS: Final = 200_000
MAX_DURATION_S: Final = 12 * 3600.0
MIN_BPM: Final = 20.0
MAX_BPM: Final = 400.0
TITLE_LENGTH: Final = 200

_METER = re.compile(r"(\d{1,3})/(\d{1,3})", re.ASCII)


class ScoreError(ValueError):
    """A score, or what should become one, breaks a rule; `field` is the path of the culprit."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message

    def __reduce__(self) -> tuple[type[ScoreError], tuple[str, str]]:
        # It crosses from worker processes; the default would pass the joined text alone.
        return ScoreError, (self.field, self.message)


class Articulation(StrEnum):
    """How a note is played. A flam has one grace, a drag two."""

    ACCENT = "accent"
    STRONG_ACCENT = "strong-accent"
    GHOST = "ghost"
    FLAM = "flam"
    DRAG = "drag"
    BUZZ = "buzz"
    CHOKE = "choke"


class Source(StrEnum):
    """Where a played event comes from."""

    AUDIO = "audio"
    MIDI = "midi"
    SCORE = "score"
    USER = "user"


class Hand(StrEnum):
    """Sticking; B is both at once."""

    RIGHT = "R"
    LEFT = "L"
    BOTH = "B"


class DynamicMark(StrEnum):
    """Written loudness, softest first."""

    PPP = "ppp"
    PP = "pp"
    P = "p"
    MP = "mp"
    MF = "mf"
    F = "f"
    FF = "ff"
    FFF = "fff"


class HairpinKind(StrEnum):
    """Growing or fading."""

    CRESCENDO = "crescendo"
    DIMINUENDO = "diminuendo"


class TupletPart(StrEnum):
    """Where in its tuplet an event stands; a tuplet has one start and one stop."""

    START = "start"
    MIDDLE = "middle"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Meter:
    """A time signature, 1 to 32 over 1, 2, 4, 8, 16 or 32."""

    numerator: int
    denominator: int

    @classmethod
    def parse(cls, text: str, field: str = "time_signature") -> Self:
        """`"6/8"` -> Meter; ScoreError naming `field`."""
        found = _METER.fullmatch(text) if isinstance(text, str) else None
        if not found:
            raise ScoreError(field, 'expected a time signature such as "4/4"')
        meter = cls(int(found[1]), int(found[2]))
        if not 1 <= meter.numerator <= 32:
            raise ScoreError(field, "the upper number must be 1 to 32")
        if meter.denominator not in (1, 2, 4, 8, 16, 32):
            raise ScoreError(field, "the lower number must be 1, 2, 4, 8, 16 or 32")
        return meter

    @classmethod
    def of(cls, length: Fraction) -> Self | None:
        """For a bar of this length, over 4 where that is whole; None where no meter fits."""
        denominator = max(4, length.denominator)
        beats = length * denominator
        if denominator not in (4, 8, 16, 32) or beats.denominator != 1 or not 1 <= beats <= 32:
            return None
        return cls(int(beats), denominator)

    @property
    def length(self) -> Fraction:
        """Of one bar, in whole notes."""
        return Fraction(self.numerator, self.denominator)

    @property
    def is_compound(self) -> bool:
        """6/8, 9/8, 12/8 and the like, felt in groups of three."""
        return self.denominator >= 8 and self.numerator > 3 and self.numerator % 3 == 0

    @property
    def beat_unit(self) -> Fraction:
        """The note that a metronome counts, in whole notes: 3/8 in 6/8, 1/4 in 4/4."""
        return Fraction(3 if self.is_compound else 1, self.denominator)

    def __str__(self) -> str:
        return f"{self.numerator}/{self.denominator}"


VALUES: Final[Mapping[Fraction, str]] = {
    Fraction(1): "whole",
    Fraction(1, 2): "half",
    Fraction(1, 4): "quarter",
    Fraction(1, 8): "eighth",
    Fraction(1, 16): "16th",
    Fraction(1, 32): "32nd",
    Fraction(1, 64): "64th",
    Fraction(1, 128): "128th",
}
_WRITTEN: Final[Mapping[Fraction, tuple[str, int]]] = {
    base * factor: (name, dots)
    for dots, factor in enumerate((Fraction(1), Fraction(3, 2), Fraction(7, 4)))
    for base, name in VALUES.items()
}
# A Fraction's hash takes ten times as long as its parts'.
_BY_PARTS: Final = {
    (written.numerator, written.denominator): value for written, value in _WRITTEN.items()
}


def value_of(written: Fraction) -> tuple[str, int] | None:
    """Name and dots (0 to 2) of a written length in whole notes; None where no note is so long."""
    return _BY_PARTS.get((written.numerator, written.denominator))


@dataclass(frozen=True, slots=True)
class PlayedEvent:
    """One hit as it was heard."""

    id: str
    piece: DrumPiece
    onset_s: float
    velocity: int
    confidence: float = 1.0
    source: Source = Source.AUDIO
    hand: Hand | None = None


@dataclass(frozen=True, slots=True)
class Dropped:
    """A hit that was heard and is not written, and why."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class PerformanceLayer:
    """All hits in order of time."""

    duration_s: float
    events: tuple[PlayedEvent, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    model_version: str = ""


@dataclass(frozen=True, slots=True)
class TimelineBeat:
    """A beat of the pulse; beat 1 is the downbeat. Before the recording began, time is negative."""

    time_s: float
    bar: int
    beat: int


@dataclass(frozen=True, slots=True)
class MeterMark:
    """From this bar on, this meter."""

    bar: int
    meter: Meter


@dataclass(frozen=True, slots=True)
class TempoMark:
    """From here on, so many `unit` notes (in whole notes, 1/4 = quarter) a minute."""

    bar: int
    bpm: float
    beat: int = 1
    unit: Fraction = Fraction(1, 4)
    text: str = ""
    """Shown before the number, or in its place where it is hidden: "rit.", "a tempo"."""
    hidden: bool = False
    """Whether the number is played only, not shown: a step of a ritardando."""

    @property
    def quarters_per_minute(self) -> float:
        return float(self.bpm * self.unit * 4)


@dataclass(frozen=True, slots=True)
class Swing:
    """From this bar on, how much longer the first of two `unit` notes is played than the second:
    1 straight, 2 a triplet shuffle. Triplets are not bent."""

    bar: int
    unit: Fraction
    ratio: float

    def sounding(self, at: Fraction) -> Fraction:
        """Where something written at this place of its bar sounds: the second of a pair is late,
        nothing else moves."""
        pair = 2 * self.unit
        if at % pair != self.unit:
            return at
        early = Fraction(self.ratio).limit_denominator(1000)
        return at - self.unit + pair * early / (early + 1)


@dataclass(frozen=True, slots=True)
class Alternative:
    """The same performance written with notes `factor` times as long: 1/2 is half time (half as
    many beats a minute, a quarter becomes an eighth), 2 double time."""

    factor: Fraction
    bpm: float
    chance: float
    """How likely this is what the drummer counts, 0 to 1, beside the reading that is written."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """When the bars and beats fell."""

    beats: tuple[TimelineBeat, ...] = ()
    meters: tuple[MeterMark, ...] = ()
    tempo_map: tuple[TempoMark, ...] = ()
    swing: tuple[Swing, ...] = ()
    alternatives: tuple[Alternative, ...] = ()

    def swing_at(self, bar: int) -> Swing | None:
        """What holds in this bar; None where it is straight."""
        last = next((mark for mark in reversed(self.swing) if mark.bar <= bar), None)
        return last if last and last.ratio != 1 else None


@dataclass(frozen=True, slots=True)
class Grace:
    """A grace stroke before its note, on the same piece."""

    id: str
    velocity: int


@dataclass(frozen=True, slots=True)
class Note:
    """One written stroke; `id` is the hit's."""

    id: str
    piece: DrumPiece
    velocity: int
    articulations: tuple[Articulation, ...] = ()
    graces: tuple[Grace, ...] = ()
    sticking: Hand | None = None
    ring: Fraction | None = None
    """For an open hat: how long until it is closed, in whole notes; None where nothing says."""


@dataclass(frozen=True, slots=True)
class Tuplet:
    """`actual` notes in the time of `normal`."""

    actual: int
    normal: int
    part: TupletPart

    @property
    def ratio(self) -> Fraction:
        """Sounding over written length."""
        return Fraction(self.normal, self.actual)


@dataclass(frozen=True, slots=True)
class VoiceEvent:
    """Notes struck together, or a rest where there are none; in whole notes from the bar line."""

    start: Fraction
    duration: Fraction
    notes: tuple[Note, ...] = ()
    tuplet: Tuplet | None = None

    @property
    def is_rest(self) -> bool:
        return not self.notes

    @property
    def written(self) -> Fraction:
        """The length that the note's shape shows: an eighth in a triplet is 1/8, not 1/12."""
        return self.duration / self.tuplet.ratio if self.tuplet else self.duration

    @property
    def end(self) -> Fraction:
        return self.start + self.duration

    def stroke_ids(self) -> list[str]:
        """Of its notes and their graces."""
        return [i for note in self.notes for i in (note.id, *(grace.id for grace in note.graces))]


@dataclass(frozen=True, slots=True)
class Voice:
    """Number 1 is the hands, stems up; 2 the feet, stems down."""

    number: int
    events: tuple[VoiceEvent, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """Number 0 is a pickup; its `length` may be shorter than its meter's."""

    number: int
    meter: Meter
    voices: tuple[Voice, ...]
    length: Fraction = field(default=Fraction(0))

    def __post_init__(self) -> None:
        if not self.length:
            object.__setattr__(self, "length", self.meter.length)

    @property
    def missing(self) -> Fraction:
        """What a pickup leaves out at its beginning."""
        return self.meter.length - self.length


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the song that begins with this bar: "A", "Fill", "Verse"."""

    bar: int
    name: str


@dataclass(frozen=True, slots=True)
class Dynamic:
    """How loud it is from here on."""

    bar: int
    start: Fraction
    mark: DynamicMark


@dataclass(frozen=True, slots=True)
class Hairpin:
    """From one place to another, louder or softer little by little."""

    bar: int
    start: Fraction
    end_bar: int
    end: Fraction
    kind: HairpinKind


@dataclass(frozen=True, slots=True)
class Repeat:
    """The `bars` bars from `bar` on are written exactly like the `bars` before them."""

    bar: int
    bars: int


@dataclass(frozen=True, slots=True)
class Score:
    """What is written."""

    title: str
    kit: str
    bars: tuple[Bar, ...]
    sections: tuple[Section, ...] = ()
    dynamics: tuple[Dynamic, ...] = ()
    hairpins: tuple[Hairpin, ...] = ()
    repeats: tuple[Repeat, ...] = ()

    def notes(self) -> list[tuple[Bar, VoiceEvent, Note]]:
        """Every written note in order of bar, voice, start."""
        return [
            (bar, event, note)
            for bar in self.bars
            for voice in bar.voices
            for event in voice.events
            for note in event.notes
        ]
