"""What a score is made of: what was played, when the beats fell, and how it is written down.

All starts and durations are exact parts of a whole note, so that a 4/4 bar is 1 long and a triplet
eighth 1/12. Each voice fills its bar without a gap. A note carries the id of the hit that it came
from; a note that somebody added has an id of its own. Written value and dots follow from duration
and tuplet (`VoiceEvent.written`), beams from the meter (`engrave.beams`), so they are not stored.
`document` joins the three layers and reads and writes them as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import Final

from libs.common.drums import Articulation, DrumPiece, Hand
from libs.common.meter import Meter

MAX_BARS: Final = 100_000
MAX_EVENTS: Final = 200_000
MAX_DURATION_S: Final = 12 * 3600.0
MIN_BPM: Final = 20.0
MAX_BPM: Final = 400.0
TITLE_LENGTH: Final = 200
REMARK_LENGTH: Final = 500


class ScoreError(ValueError):
    """A score, or what should become one, breaks a rule; `field` is the path of the culprit."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message

    def __reduce__(self) -> tuple[type[ScoreError], tuple[str, str]]:
        # It crosses from worker processes; the default would pass the joined text alone.
        return ScoreError, (self.field, self.message)


def read_meter(text: str, field: str = "time_signature") -> Meter:
    """`"6/8"` -> Meter; ScoreError naming `field`."""
    try:
        return Meter.parse(text)
    except ValueError as error:
        raise ScoreError(field, str(error)) from None


class Source(StrEnum):
    """Where a played event comes from."""

    AUDIO = "audio"
    MIDI = "midi"
    SCORE = "score"
    USER = "user"


class Chooser(StrEnum):
    """Who said which hand plays a note, or what it is struck on, in place of the ear."""

    VISION = "vision"
    USER = "user"


class StickingShown(StrEnum):
    """Which stickings are written under the notes. AUTO: what somebody wrote, and what was seen
    where that is half of a passage or more."""

    AUTO = "auto"
    ALL = "all"
    NONE = "none"


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
class Seen:
    """What the place of a stroke in the picture speaks for, and how surely."""

    piece: DrumPiece
    confidence: float


@dataclass(frozen=True, slots=True)
class PlayedEvent:
    """One hit as it was heard, and what was seen of it."""

    id: str
    piece: DrumPiece
    onset_s: float
    velocity: int
    confidence: float = 1.0
    source: Source = Source.AUDIO
    hand: Hand | None = None
    hand_confidence: float | None = None
    """Of the eye, 0.5 to 1; None where it was not seen."""
    seen: Seen | None = None
    """Another piece than was heard."""


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
    sticking_source: Chooser | None = None
    """USER without a sticking: none is wanted. None with one: somebody wrote it."""
    sticking_confidence: float | None = None
    """Of the eye, where it is the source."""
    piece_source: Chooser | None = None
    """VISION: it was heard as its event's piece, and seen as this; None: as heard, or written."""


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
    remark: str = ""
    """A sentence or two for who plays it, below the title."""
    sticking_shown: StickingShown = StickingShown.AUTO

    def notes(self) -> list[tuple[Bar, VoiceEvent, Note]]:
        """Every written note in order of bar, voice, start."""
        return [
            (bar, event, note)
            for bar in self.bars
            for voice in bar.voices
            for event in voice.events
            for note in event.notes
        ]
