"""The score document: what was played, when the beats fell, and how it is written down.

One JSON, `"format": "backbeat-score/1"`, holds three layers that share ids:

- `performance`: every hit in seconds. Times start with the recording.
- `timeline`: the beats in seconds with their place in the bars, meters, tempo map, swing.
- `score`: bars, voices, notes. All starts and durations are exact parts of a whole note,
  written as strings (`"3/8"`), so that a 4/4 bar is `"1"` long and a triplet eighth `"1/12"`.

Each voice fills its bar without a gap. A note carries the id of the hit that it came from; a
note that somebody added has an id of its own. Written value and dots follow from duration and
tuplet (`written_value`), beams from the meter (`engrave.beams`), so they are not stored.
The same rules, as far as JSON Schema can say them, are in `score.schema.json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from libs.common.drums import DrumPiece

FORMAT: Final = "backbeat-score/1"
SCHEMA_PATH: Final = Path(__file__).with_name("score.schema.json")

MAX_BARS: Final = 100_000
MAX_EVENTS: Final = 200_000
MAX_DURATION_S: Final = 12 * 3600.0
MIN_BPM: Final = 20.0
MAX_BPM: Final = 400.0
TITLE_LENGTH: Final = 200

_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}", re.ASCII)  # also a valid xml:id
_FRACTION = re.compile(r"(\d{1,6})(?:/([1-9]\d{0,5}))?", re.ASCII)
_METER = re.compile(r"(\d{1,3})/(\d{1,3})", re.ASCII)
# What XML cannot hold, and lone surrogates, which UTF-8 cannot.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


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


def value_of(written: Fraction) -> tuple[str, int] | None:
    """Name and dots (0 to 2) of a written length in whole notes; None where no note is so long."""
    return _WRITTEN.get(written)


@dataclass(frozen=True, slots=True)
class PlayedEvent:
    """One hit as it was heard."""

    id: str
    piece: DrumPiece
    onset_s: float
    velocity: int
    confidence: float = 1.0


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

    @property
    def quarters_per_minute(self) -> float:
        return float(self.bpm * self.unit * 4)


@dataclass(frozen=True, slots=True)
class Swing:
    """How much longer the first of two `unit` notes is: 1 straight, 2 a triplet shuffle."""

    unit: Fraction
    ratio: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """When the bars and beats fell."""

    beats: tuple[TimelineBeat, ...] = ()
    meters: tuple[MeterMark, ...] = ()
    tempo_map: tuple[TempoMark, ...] = ()
    swing: Swing | None = None


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
class Score:
    """What is written."""

    title: str
    kit: str
    bars: tuple[Bar, ...]

    def notes(self) -> list[tuple[Bar, VoiceEvent, Note]]:
        """Every written note in order of bar, voice, start."""
        return [
            (bar, event, note)
            for bar in self.bars
            for voice in bar.voices
            for event in voice.events
            for note in event.notes
        ]


@dataclass(frozen=True, slots=True)
class ScoreDocument:
    """The whole file."""

    performance: PerformanceLayer
    timeline: Timeline
    score: Score

    def to_dict(self) -> dict[str, Any]:
        """As JSON's own types; what equals its default is left out."""
        return _write_document(self)

    def to_json(self) -> bytes:
        """UTF-8, no spaces; reads back to an equal document."""
        return json.dumps(
            self.to_dict(), separators=(",", ":"), allow_nan=False, ensure_ascii=False
        ).encode()

    @staticmethod
    def from_json(data: bytes | str) -> ScoreDocument:
        """Read and check everything; ScoreError names the path, such as `score.bars[3].meter`."""
        try:
            document = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ScoreError("$", f"not JSON: {error}") from None
        return ScoreDocument.from_dict(document)

    @staticmethod
    def from_dict(document: object) -> ScoreDocument:
        """As `from_json`, for JSON that is parsed already."""
        return _read_document(document)


def check(document: ScoreDocument) -> ScoreDocument:
    """The same document, read back strictly; for documents built or edited in code."""
    return ScoreDocument.from_dict(document.to_dict())


# Writing


def _write_document(document: ScoreDocument) -> dict[str, Any]:
    played, timeline, score = document.performance, document.timeline, document.score
    return {
        "format": FORMAT,
        "performance": {
            "duration_s": played.duration_s,
            "model_version": played.model_version,
            "events": [
                {
                    "id": event.id,
                    "piece": event.piece.value,
                    "onset_s": event.onset_s,
                    "velocity": event.velocity,
                    "confidence": event.confidence,
                }
                for event in played.events
            ],
            "dropped": [{"id": lost.id, "reason": lost.reason} for lost in played.dropped],
        },
        "timeline": {
            "beats": [
                {"time_s": beat.time_s, "bar": beat.bar, "beat": beat.beat}
                for beat in timeline.beats
            ],
            "meters": [{"bar": mark.bar, "meter": str(mark.meter)} for mark in timeline.meters],
            "tempo_map": [
                {"bar": mark.bar, "beat": mark.beat, "bpm": mark.bpm, "unit": str(mark.unit)}
                for mark in timeline.tempo_map
            ],
            "swing": timeline.swing
            and {"unit": str(timeline.swing.unit), "ratio": timeline.swing.ratio},
        },
        "score": {
            "title": score.title,
            "kit": score.kit,
            "bars": [_write_bar(bar) for bar in score.bars],
        },
    }


def _write_bar(bar: Bar) -> dict[str, Any]:
    written: dict[str, Any] = {"number": bar.number, "meter": str(bar.meter)}
    if bar.missing:
        written["length"] = str(bar.length)
    written["voices"] = [
        {"voice": voice.number, "events": [_write_event(event) for event in voice.events]}
        for voice in bar.voices
    ]
    return written


def _write_event(event: VoiceEvent) -> dict[str, Any]:
    written: dict[str, Any] = {"start": str(event.start), "duration": str(event.duration)}
    if event.tuplet:
        written["tuplet"] = {
            "actual": event.tuplet.actual,
            "normal": event.tuplet.normal,
            "part": event.tuplet.part.value,
        }
    if event.is_rest:
        return written | {"rest": True}
    written["notes"] = [_write_note(note) for note in event.notes]
    return written


def _write_note(note: Note) -> dict[str, Any]:
    written: dict[str, Any] = {
        "id": note.id,
        "piece": note.piece.value,
        "velocity": note.velocity,
    }
    if note.articulations:
        written["articulations"] = [mark.value for mark in note.articulations]
    if note.graces:
        written["graces"] = [{"id": grace.id, "velocity": grace.velocity} for grace in note.graces]
    return written


# Reading. Each reader takes a value and its path and gives the checked thing or a ScoreError.


def _object(
    value: object, path: str, required: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ScoreError(path, "expected an object")
    for name in required:
        if name not in value:
            raise ScoreError(f"{path}.{name}", "is missing")
    for name in value:
        if name not in required and name not in optional:
            raise ScoreError(f"{path}.{str(name)[:64]}", "is not known here")
    return value


def _list(
    value: object, path: str, read: Callable[[object, str], T], most: int = MAX_EVENTS
) -> tuple[T, ...]:
    if not isinstance(value, list):
        raise ScoreError(path, "expected a list")
    if len(value) > most:
        raise ScoreError(path, f"more than {most} entries")
    return tuple(read(item, f"{path}[{index}]") for index, item in enumerate(value))


def _number(value: object, path: str, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ScoreError(path, "expected a number")
    if not low <= value <= high:  # false for NaN, too
        raise ScoreError(path, f"must be a number from {low:g} to {high:g}")
    return float(value)


def _integer(value: object, path: str, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ScoreError(path, "expected a whole number")
    if not low <= value <= high:
        raise ScoreError(path, f"must be {low} to {high}")
    return value


def read_text(value: object, path: str, most: int) -> str:
    """A string of at most `most` printable characters."""
    if not isinstance(value, str):
        raise ScoreError(path, "expected a string")
    if len(value) > most:
        raise ScoreError(path, f"longer than {most} characters")
    if _UNPRINTABLE.search(value):
        raise ScoreError(path, "holds a character that cannot be printed")
    return value


def read_id(value: object, path: str) -> str:
    """A name that is also a valid XML id."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ScoreError(path, "expected an id: a letter, then letters, digits, '.', '_', '-'")
    return value


def _fraction(value: object, path: str) -> Fraction:
    found = _FRACTION.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise ScoreError(path, 'expected an exact fraction as a string, such as "3/8"')
    return Fraction(int(found[1]), int(found[2] or 1))


def _choice(value: object, path: str, kind: type[E]) -> E:
    try:
        return kind(value)  # type: ignore[arg-type]
    except ValueError:
        known = ", ".join(member.value for member in kind)
        raise ScoreError(path, f"unknown; known are {known}") from None


def _read_document(value: object) -> ScoreDocument:
    if not isinstance(value, dict):
        raise ScoreError("$", "expected an object")
    if value.get("format") != FORMAT:
        raise ScoreError("format", f'expected "{FORMAT}"')
    _object(value, "$", ("format", "performance", "timeline", "score"))
    document = ScoreDocument(
        performance=_read_performance(value["performance"]),
        timeline=_read_timeline(value["timeline"]),
        score=_read_score(value["score"]),
    )
    _check_numbers(document)
    return document


def _read_performance(value: object) -> PerformanceLayer:
    path = "performance"
    given = _object(value, path, ("duration_s", "events"), ("dropped", "model_version"))
    played = PerformanceLayer(
        duration_s=_number(given["duration_s"], f"{path}.duration_s", 0, MAX_DURATION_S),
        events=_list(given["events"], f"{path}.events", _read_played),
        dropped=_list(given.get("dropped", []), f"{path}.dropped", _read_dropped),
        model_version=read_text(given.get("model_version", ""), f"{path}.model_version", 200),
    )
    seen: set[str] = set()
    for index, event in enumerate(played.events):
        if event.id in seen:
            raise ScoreError(f"{path}.events[{index}].id", f"{event.id} is there twice")
        seen.add(event.id)
        if index and event.onset_s < played.events[index - 1].onset_s:
            raise ScoreError(f"{path}.events[{index}].onset_s", "events are not in order of time")
    for index, lost in enumerate(played.dropped):
        if lost.id not in seen:
            raise ScoreError(f"{path}.dropped[{index}].id", f"no event is called {lost.id}")
    return played


def _read_played(value: object, path: str) -> PlayedEvent:
    given = _object(value, path, ("id", "piece", "onset_s", "velocity"), ("confidence",))
    return PlayedEvent(
        id=read_id(given["id"], f"{path}.id"),
        piece=_choice(given["piece"], f"{path}.piece", DrumPiece),
        onset_s=_number(given["onset_s"], f"{path}.onset_s", 0, MAX_DURATION_S),
        velocity=_integer(given["velocity"], f"{path}.velocity", 1, 127),
        confidence=_number(given.get("confidence", 1.0), f"{path}.confidence", 0, 1),
    )


def _read_dropped(value: object, path: str) -> Dropped:
    given = _object(value, path, ("id", "reason"))
    return Dropped(
        id=read_id(given["id"], f"{path}.id"),
        reason=read_text(given["reason"], f"{path}.reason", 500),
    )


def _read_timeline(value: object) -> Timeline:
    path = "timeline"
    given = _object(value, path, ("beats", "meters", "tempo_map"), ("swing",))
    swing = given.get("swing")
    timeline = Timeline(
        beats=_list(given["beats"], f"{path}.beats", _read_beat, 10 * MAX_BARS),
        meters=_list(given["meters"], f"{path}.meters", _read_meter_mark, MAX_BARS),
        tempo_map=_list(given["tempo_map"], f"{path}.tempo_map", _read_tempo_mark, MAX_BARS),
        swing=None if swing is None else _read_swing(swing, f"{path}.swing"),
    )
    for index in range(1, len(timeline.beats)):
        if timeline.beats[index].time_s <= timeline.beats[index - 1].time_s:
            raise ScoreError(f"{path}.beats[{index}].time_s", "beats are not in order of time")
    places = [(mark.bar, mark.beat) for mark in timeline.tempo_map]
    for index in range(1, len(places)):
        if places[index] <= places[index - 1]:
            raise ScoreError(f"{path}.tempo_map[{index}]", "marks are not in order of bars")
    return timeline


def _read_beat(value: object, path: str) -> TimelineBeat:
    given = _object(value, path, ("time_s", "bar", "beat"))
    return TimelineBeat(
        time_s=_number(given["time_s"], f"{path}.time_s", -3600, MAX_DURATION_S + 3600),
        bar=_integer(given["bar"], f"{path}.bar", 0, MAX_BARS),
        beat=_integer(given["beat"], f"{path}.beat", 1, 128),
    )


def _read_meter_mark(value: object, path: str) -> MeterMark:
    given = _object(value, path, ("bar", "meter"))
    return MeterMark(
        bar=_integer(given["bar"], f"{path}.bar", 0, MAX_BARS),
        meter=Meter.parse(given["meter"], f"{path}.meter"),
    )


def _read_tempo_mark(value: object, path: str) -> TempoMark:
    given = _object(value, path, ("bar", "bpm"), ("beat", "unit"))
    unit = _fraction(given.get("unit", "1/4"), f"{path}.unit")
    if value_of(unit) is None:
        raise ScoreError(f"{path}.unit", "no note is so long")
    return TempoMark(
        bar=_integer(given["bar"], f"{path}.bar", 0, MAX_BARS),
        # Wider than what may be asked for: an eighth pulse runs twice as fast as its quarters.
        bpm=_number(given["bpm"], f"{path}.bpm", 1, 2000),
        beat=_integer(given.get("beat", 1), f"{path}.beat", 1, 128),
        unit=unit,
    )


def _read_swing(value: object, path: str) -> Swing:
    given = _object(value, path, ("unit", "ratio"))
    return Swing(
        unit=_fraction(given["unit"], f"{path}.unit"),
        ratio=_number(given["ratio"], f"{path}.ratio", 1, 4),
    )


def _read_score(value: object) -> Score:
    path = "score"
    given = _object(value, path, ("title", "kit", "bars"))
    score = Score(
        title=read_text(given["title"], f"{path}.title", TITLE_LENGTH),
        kit=read_id(given["kit"], f"{path}.kit"),
        bars=_list(given["bars"], f"{path}.bars", _read_bar, MAX_BARS),
    )
    seen: set[str] = set()
    for bar_index, bar in enumerate(score.bars):
        if bar.missing and bar_index:
            raise ScoreError(f"{path}.bars[{bar_index}].length", "only the first bar may be short")
        if bar_index and bar.number != score.bars[bar_index - 1].number + 1:
            raise ScoreError(f"{path}.bars[{bar_index}].number", "bars must be counted one by one")
        for voice in bar.voices:
            for index, event in enumerate(voice.events):
                for stroke_id in event.stroke_ids():
                    if stroke_id in seen:
                        place = f"{path}.bars[{bar_index}].voices[{bar.voices.index(voice)}]"
                        raise ScoreError(
                            f"{place}.events[{index}].notes", f"the id {stroke_id} is there twice"
                        )
                    seen.add(stroke_id)
    return score


def _read_bar(value: object, path: str) -> Bar:
    given = _object(value, path, ("number", "meter", "voices"), ("length",))
    meter = Meter.parse(given["meter"], f"{path}.meter")
    length = _fraction(given["length"], f"{path}.length") if "length" in given else meter.length
    if not 0 < length <= meter.length:
        raise ScoreError(f"{path}.length", f"must be more than 0 and at most {meter.length}")
    bar = Bar(
        number=_integer(given["number"], f"{path}.number", 0, MAX_BARS),
        meter=meter,
        voices=_list(given["voices"], f"{path}.voices", _read_voice, 2),
        length=length,
    )
    numbers = [voice.number for voice in bar.voices]
    if numbers not in ([1], [1, 2]):
        raise ScoreError(f"{path}.voices", "expected voice 1, or voices 1 and 2")
    for index, voice in enumerate(bar.voices):
        _check_fills(voice, bar, f"{path}.voices[{index}]")
    return bar


def _read_voice(value: object, path: str) -> Voice:
    given = _object(value, path, ("voice", "events"))
    return Voice(
        number=_integer(given["voice"], f"{path}.voice", 1, 2),
        events=_list(given["events"], f"{path}.events", _read_event),
    )


def _read_event(value: object, path: str) -> VoiceEvent:
    given = _object(value, path, ("start", "duration"), ("notes", "rest", "tuplet"))
    if ("notes" in given) == ("rest" in given):
        raise ScoreError(path, "expected either notes or rest")
    if given.get("rest", True) is not True:
        raise ScoreError(f"{path}.rest", "expected true")
    notes = _list(given.get("notes", []), f"{path}.notes", _read_note, 32)
    if "notes" in given and not notes:
        raise ScoreError(f"{path}.notes", "is empty; a rest says so")
    if len({note.piece for note in notes}) < len(notes):
        raise ScoreError(f"{path}.notes", "the same piece is struck twice at once")
    duration = _fraction(given["duration"], f"{path}.duration")
    if not duration:
        raise ScoreError(f"{path}.duration", "must be more than 0")
    return VoiceEvent(
        start=_fraction(given["start"], f"{path}.start"),
        duration=duration,
        notes=notes,
        tuplet=_read_tuplet(given["tuplet"], f"{path}.tuplet") if "tuplet" in given else None,
    )


def _read_tuplet(value: object, path: str) -> Tuplet:
    given = _object(value, path, ("actual", "normal", "part"))
    return Tuplet(
        actual=_integer(given["actual"], f"{path}.actual", 2, 12),
        normal=_integer(given["normal"], f"{path}.normal", 1, 12),
        part=_choice(given["part"], f"{path}.part", TupletPart),
    )


def _read_note(value: object, path: str) -> Note:
    given = _object(value, path, ("id", "piece", "velocity"), ("articulations", "graces"))
    note = Note(
        id=read_id(given["id"], f"{path}.id"),
        piece=_choice(given["piece"], f"{path}.piece", DrumPiece),
        velocity=_integer(given["velocity"], f"{path}.velocity", 1, 127),
        articulations=_list(
            given.get("articulations", []),
            f"{path}.articulations",
            lambda item, at: _choice(item, at, Articulation),
            len(Articulation),
        ),
        graces=_list(given.get("graces", []), f"{path}.graces", _read_grace, 2),
    )
    marks = set(note.articulations)
    if len(marks) < len(note.articulations):
        raise ScoreError(f"{path}.articulations", "the same mark is there twice")
    expected = {0: set(), 1: {Articulation.FLAM}, 2: {Articulation.DRAG}}[len(note.graces)]
    if marks & {Articulation.FLAM, Articulation.DRAG} != expected:
        raise ScoreError(f"{path}.graces", "a flam has one grace, a drag two, another note none")
    return note


def _read_grace(value: object, path: str) -> Grace:
    given = _object(value, path, ("id", "velocity"))
    return Grace(
        id=read_id(given["id"], f"{path}.id"),
        velocity=_integer(given["velocity"], f"{path}.velocity", 1, 127),
    )


def _check_fills(voice: Voice, bar: Bar, path: str) -> None:
    """The events follow each other without a gap, up to the bar line, in whole tuplets."""
    at = Fraction(0)
    open_tuplet: Tuplet | None = None
    for index, event in enumerate(voice.events):
        place = f"{path}.events[{index}]"
        if event.start != at:
            raise ScoreError(f"{place}.start", f"expected {at}, where the event before it ends")
        at = event.end
        if at > bar.length:
            raise ScoreError(f"{place}.duration", f"runs past the end of the bar at {bar.length}")
        whole_bar = event.is_rest and event.duration == bar.length
        if value_of(event.written) is None and not whole_bar:
            raise ScoreError(f"{place}.duration", f"no note is {event.written} long")
        open_tuplet = _next_tuplet(open_tuplet, event.tuplet, f"{place}.tuplet")
    if open_tuplet:
        raise ScoreError(f"{path}.events", "the last tuplet has no end")
    if at != bar.length:
        raise ScoreError(f"{path}.events", f"fill {at} of {bar.length}")


def _next_tuplet(running: Tuplet | None, given: Tuplet | None, path: str) -> Tuplet | None:
    if running is None:
        if given and given.part is not TupletPart.START:
            raise ScoreError(path, "goes on without a start")
        return given
    if given is None or given.part is TupletPart.START:
        raise ScoreError(path, "the tuplet before it has no end")
    if given.ratio != running.ratio or given.actual != running.actual:
        raise ScoreError(path, "changes its ratio before its end")
    return None if given.part is TupletPart.STOP else running


def _check_numbers(document: ScoreDocument) -> None:
    """What the layers say of bars agrees."""
    meters = {bar.number: bar.meter for bar in document.score.bars}
    for index, mark in enumerate(document.timeline.meters):
        if meters.get(mark.bar) != mark.meter:
            raise ScoreError(
                f"timeline.meters[{index}]", f"bar {mark.bar} of the score says otherwise"
            )
    for index, tempo in enumerate(document.timeline.tempo_map):
        if tempo.bar not in meters:
            raise ScoreError(f"timeline.tempo_map[{index}].bar", f"there is no bar {tempo.bar}")
