"""The score document: one JSON of three layers that share ids, read strictly and written.

`"format": "backbeat-score/2"` holds

- `performance`: every hit in seconds. Times start with the recording.
- `timeline`: the beats in seconds with their place in the bars, meters, tempo map, swing, and how
  else it could be counted.
- `score`: bars, voices, notes; sections, dynamics, repeats. Starts and durations are exact parts
  of a whole note, written as strings (`"3/8"`).

The same rules, as far as JSON Schema can say them, are in `score.schema.json`. Documents of format
1 are read as well, and are format 2 from then on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

from libs.common.drums import Articulation, DrumPiece, Hand
from services.notation.domain.score import (
    MAX_BARS,
    MAX_DURATION_S,
    MAX_EVENTS,
    REMARK_LENGTH,
    TITLE_LENGTH,
    Alternative,
    Bar,
    Chooser,
    Dropped,
    Dynamic,
    DynamicMark,
    Grace,
    Hairpin,
    HairpinKind,
    MeterMark,
    Note,
    PerformanceLayer,
    PlayedEvent,
    Repeat,
    Score,
    ScoreError,
    Section,
    Seen,
    Source,
    StickingShown,
    Swing,
    TempoMark,
    Timeline,
    TimelineBeat,
    Tuplet,
    TupletPart,
    Voice,
    VoiceEvent,
    read_meter,
    value_of,
)

FORMAT: Final = "backbeat-score/2"
SCHEMA_PATH: Final = Path(__file__).with_name("score.schema.json")
SECTION_LENGTH: Final = 60

_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}", re.ASCII)  # also a valid xml:id
_FRACTION = re.compile(r"(\d{1,6})(?:/([1-9]\d{0,5}))?", re.ASCII)
# What XML cannot hold, and lone surrogates, which UTF-8 cannot.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


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


def check(document: ScoreDocument, like: ScoreDocument | None = None) -> ScoreDocument:
    """The same document, read back strictly; for documents built or edited in code. Bars and played
    events that are the very ones of `like`, which was checked before, are not read again."""
    if like is None:
        return ScoreDocument.from_dict(document.to_dict())
    known = {id(bar) for bar in like.score.bars}
    played = document.performance
    checked = ScoreDocument(
        _check_performance(
            replace(
                played, dropped=_list(_write_dropped(played), "performance.dropped", _read_dropped)
            )
            if played.events is like.performance.events
            else _performance_of(_write_performance(played))
        ),
        _read_timeline(_write_timeline(document.timeline)),
        _score_of(
            _write_marks(document.score),
            tuple(
                bar if id(bar) in known else _read_bar(_write_bar(bar), f"score.bars[{index}]")
                for index, bar in enumerate(document.score.bars)
            ),
        ),
    )
    _check_numbers(checked)
    return checked


# Writing


def _write_document(document: ScoreDocument) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "performance": _write_performance(document.performance),
        "timeline": _write_timeline(document.timeline),
        "score": _write_marks(document.score)
        | {"bars": [_write_bar(bar) for bar in document.score.bars]},
    }


def _write_performance(played: PerformanceLayer) -> dict[str, Any]:
    return {
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
            | ({} if event.source is Source.AUDIO else {"source": event.source.value})
            | ({"hand": event.hand.value} if event.hand else {})
            | ({"hand_confidence": event.hand_confidence} if event.hand_confidence else {})
            | ({"seen": _write_seen(event.seen)} if event.seen else {})
            for event in played.events
        ],
        "dropped": _write_dropped(played),
    }


def _write_seen(seen: Seen) -> dict[str, Any]:
    return {"piece": seen.piece.value, "confidence": seen.confidence}


def _write_dropped(played: PerformanceLayer) -> list[dict[str, Any]]:
    return [{"id": lost.id, "reason": lost.reason} for lost in played.dropped]


def _write_timeline(timeline: Timeline) -> dict[str, Any]:
    return {
        "beats": [
            {"time_s": beat.time_s, "bar": beat.bar, "beat": beat.beat} for beat in timeline.beats
        ],
        "meters": [{"bar": mark.bar, "meter": str(mark.meter)} for mark in timeline.meters],
        "tempo_map": [
            {"bar": mark.bar, "beat": mark.beat, "bpm": mark.bpm, "unit": str(mark.unit)}
            | ({"text": mark.text} if mark.text else {})
            | ({"hidden": True} if mark.hidden else {})
            for mark in timeline.tempo_map
        ],
        "swing": [
            {"bar": mark.bar, "unit": str(mark.unit), "ratio": mark.ratio}
            for mark in timeline.swing
        ],
        "alternatives": [
            {"factor": str(other.factor), "bpm": other.bpm, "chance": other.chance}
            for other in timeline.alternatives
        ],
    }


def _write_marks(score: Score) -> dict[str, Any]:
    """The score's layer without its bars."""
    marks = {
        "title": score.title,
        "kit": score.kit,
        "sections": [{"bar": part.bar, "name": part.name} for part in score.sections],
        "dynamics": [
            {"bar": mark.bar, "start": str(mark.start), "mark": mark.mark.value}
            for mark in score.dynamics
        ],
        "hairpins": [
            {
                "bar": pin.bar,
                "start": str(pin.start),
                "end_bar": pin.end_bar,
                "end": str(pin.end),
                "kind": pin.kind.value,
            }
            for pin in score.hairpins
        ],
        "repeats": [{"bar": again.bar, "bars": again.bars} for again in score.repeats],
    }
    if score.remark:
        marks["remark"] = score.remark
    if score.sticking_shown is not StickingShown.AUTO:
        marks["sticking_shown"] = score.sticking_shown.value
    return marks


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
    if note.sticking:
        written["sticking"] = note.sticking.value
    if note.sticking_source:
        written["sticking_source"] = note.sticking_source.value
    if note.sticking_confidence is not None:
        written["sticking_confidence"] = note.sticking_confidence
    if note.piece_source:
        written["piece_source"] = note.piece_source.value
    if note.ring is not None:
        written["ring"] = str(note.ring)
    return written


# Reading. Each reader takes a value and its path and gives the checked thing or a ScoreError.


def read_object(
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
    # Tens of thousands of paths, of which nobody reads one unless something is wrong.
    read_items: list[T] = []
    try:
        for item in value:
            read_items.append(read(item, ""))
    except ScoreError as error:
        where = f"{path}[{len(read_items)}]"
        raise ScoreError(where + error.field, error.message) from None
    return tuple(read_items)


def read_number(value: object, path: str, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ScoreError(path, "expected a number")
    if not low <= value <= high:  # false for NaN, too
        raise ScoreError(path, f"must be a number from {low:g} to {high:g}")
    return float(value)


def read_integer(value: object, path: str, low: int, high: int) -> int:
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


def read_fraction(value: object, path: str) -> Fraction:
    found = _fraction(value) if isinstance(value, str) else None
    if found is None:
        raise ScoreError(path, 'expected an exact fraction as a string, such as "3/8"')
    return found


@lru_cache(maxsize=4096)
def _fraction(text: str) -> Fraction | None:
    """A score has thousands, few of them different."""
    found = _FRACTION.fullmatch(text)
    return Fraction(int(found[1]), int(found[2] or 1)) if found else None


def read_choice(value: object, path: str, kind: type[E]) -> E:
    try:
        return kind(value)  # type: ignore[arg-type]
    except ValueError:
        known = ", ".join(member.value for member in kind)
        raise ScoreError(path, f"unknown; known are {known}") from None


def _truth(value: object, path: str) -> bool:
    if not isinstance(value, bool):
        raise ScoreError(path, "expected true or false")
    return value


def _hand(given: Mapping[str, Any], name: str, path: str) -> Hand | None:
    return read_choice(given[name], f"{path}.{name}", Hand) if name in given else None


def _chance(given: Mapping[str, Any], name: str, path: str) -> float | None:
    return read_number(given[name], f"{path}.{name}", 0, 1) if name in given else None


def _chooser(given: Mapping[str, Any], name: str, path: str) -> Chooser | None:
    return read_choice(given[name], f"{path}.{name}", Chooser) if name in given else None


def upgraded(document: Mapping[str, Any]) -> dict[str, Any]:
    """The same document in the newest format; one that is newest, or none of ours, as it is.

    Format 1 wrote swung eighths as triplets, with the ratio beside them; in 2 a swing mark bends
    what is written straight, so that those scores have none. What else is new was not there.
    """
    document = dict(document)
    if document.get("format") != "backbeat-score/1":
        return document
    timeline = document.get("timeline")
    if isinstance(timeline, Mapping):
        document["timeline"] = {**timeline, "swing": []}
    document["format"] = FORMAT
    return document


def _read_document(value: object) -> ScoreDocument:
    if not isinstance(value, dict):
        raise ScoreError("$", "expected an object")
    value = upgraded(value)
    if value.get("format") != FORMAT:
        raise ScoreError("format", f'expected "{FORMAT}"')
    read_object(value, "$", ("format", "performance", "timeline", "score"))
    document = ScoreDocument(
        performance=_read_performance(value["performance"]),
        timeline=_read_timeline(value["timeline"]),
        score=_read_score(value["score"]),
    )
    _check_numbers(document)
    return document


def _read_performance(value: object) -> PerformanceLayer:
    return _check_performance(_performance_of(value))


def _performance_of(value: object) -> PerformanceLayer:
    path = "performance"
    given = read_object(value, path, ("duration_s", "events"), ("dropped", "model_version"))
    return PerformanceLayer(
        duration_s=read_number(given["duration_s"], f"{path}.duration_s", 0, MAX_DURATION_S),
        events=_list(given["events"], f"{path}.events", _read_played),
        dropped=_list(given.get("dropped", []), f"{path}.dropped", _read_dropped),
        model_version=read_text(given.get("model_version", ""), f"{path}.model_version", 200),
    )


def _check_performance(played: PerformanceLayer) -> PerformanceLayer:
    path = "performance"
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
    given = read_object(
        value,
        path,
        ("id", "piece", "onset_s", "velocity"),
        ("confidence", "source", "hand", "hand_confidence", "seen"),
    )
    return PlayedEvent(
        id=read_id(given["id"], f"{path}.id"),
        piece=read_choice(given["piece"], f"{path}.piece", DrumPiece),
        onset_s=read_number(given["onset_s"], f"{path}.onset_s", 0, MAX_DURATION_S),
        velocity=read_integer(given["velocity"], f"{path}.velocity", 1, 127),
        confidence=read_number(given.get("confidence", 1.0), f"{path}.confidence", 0, 1),
        source=read_choice(given.get("source", "audio"), f"{path}.source", Source),
        hand=_hand(given, "hand", path),
        hand_confidence=_chance(given, "hand_confidence", path),
        seen=_read_seen(given["seen"], f"{path}.seen") if "seen" in given else None,
    )


def _read_seen(value: object, path: str) -> Seen:
    given = read_object(value, path, ("piece", "confidence"))
    return Seen(
        piece=read_choice(given["piece"], f"{path}.piece", DrumPiece),
        confidence=read_number(given["confidence"], f"{path}.confidence", 0, 1),
    )


def _read_dropped(value: object, path: str) -> Dropped:
    given = read_object(value, path, ("id", "reason"))
    return Dropped(
        id=read_id(given["id"], f"{path}.id"),
        reason=read_text(given["reason"], f"{path}.reason", 500),
    )


def _read_timeline(value: object) -> Timeline:
    path = "timeline"
    given = read_object(value, path, ("beats", "meters", "tempo_map"), ("swing", "alternatives"))
    timeline = Timeline(
        beats=_list(given["beats"], f"{path}.beats", _read_beat, 10 * MAX_BARS),
        meters=_list(given["meters"], f"{path}.meters", _read_meter_mark, MAX_BARS),
        tempo_map=_list(given["tempo_map"], f"{path}.tempo_map", _read_tempo_mark, MAX_BARS),
        swing=_list(given.get("swing", []), f"{path}.swing", _read_swing, MAX_BARS),
        alternatives=_list(
            given.get("alternatives", []), f"{path}.alternatives", _read_alternative, 8
        ),
    )
    for index in range(1, len(timeline.beats)):
        if timeline.beats[index].time_s <= timeline.beats[index - 1].time_s:
            raise ScoreError(f"{path}.beats[{index}].time_s", "beats are not in order of time")
    _check_order([(mark.bar, mark.beat) for mark in timeline.tempo_map], f"{path}.tempo_map")
    _check_order([mark.bar for mark in timeline.meters], f"{path}.meters")
    _check_order([mark.bar for mark in timeline.swing], f"{path}.swing")
    return timeline


def _check_order(places: Sequence[Any], path: str) -> None:
    for index in range(1, len(places)):
        if places[index] <= places[index - 1]:
            raise ScoreError(f"{path}[{index}]", "marks are not in order of bars")


def _read_beat(value: object, path: str) -> TimelineBeat:
    given = read_object(value, path, ("time_s", "bar", "beat"))
    return TimelineBeat(
        time_s=read_number(given["time_s"], f"{path}.time_s", -3600, MAX_DURATION_S + 3600),
        bar=read_integer(given["bar"], f"{path}.bar", 0, MAX_BARS),
        beat=read_integer(given["beat"], f"{path}.beat", 1, 128),
    )


def _read_meter_mark(value: object, path: str) -> MeterMark:
    given = read_object(value, path, ("bar", "meter"))
    return MeterMark(
        bar=read_integer(given["bar"], f"{path}.bar", 0, MAX_BARS),
        meter=read_meter(given["meter"], f"{path}.meter"),
    )


def _read_tempo_mark(value: object, path: str) -> TempoMark:
    given = read_object(value, path, ("bar", "bpm"), ("beat", "unit", "text", "hidden"))
    unit = read_fraction(given.get("unit", "1/4"), f"{path}.unit")
    if value_of(unit) is None:
        raise ScoreError(f"{path}.unit", "no note is so long")
    return TempoMark(
        bar=read_integer(given["bar"], f"{path}.bar", 0, MAX_BARS),
        # Wider than what may be asked for: an eighth pulse runs twice as fast as its quarters.
        bpm=read_number(given["bpm"], f"{path}.bpm", 1, 2000),
        beat=read_integer(given.get("beat", 1), f"{path}.beat", 1, 128),
        unit=unit,
        text=read_text(given.get("text", ""), f"{path}.text", SECTION_LENGTH),
        hidden=_truth(given.get("hidden", False), f"{path}.hidden"),
    )


def _read_swing(value: object, path: str) -> Swing:
    given = read_object(value, path, ("bar", "unit", "ratio"))
    unit = read_fraction(given["unit"], f"{path}.unit")
    if unit not in (Fraction(1, 8), Fraction(1, 16)):
        raise ScoreError(f"{path}.unit", "eighths (1/8) or 16ths (1/16) swing")
    return Swing(
        bar=read_integer(given["bar"], f"{path}.bar", 0, MAX_BARS),
        unit=unit,
        ratio=read_number(given["ratio"], f"{path}.ratio", 1, 4),
    )


def _read_alternative(value: object, path: str) -> Alternative:
    given = read_object(value, path, ("factor", "bpm", "chance"))
    factor = read_fraction(given["factor"], f"{path}.factor")
    if factor not in (Fraction(1, 2), Fraction(2)):
        raise ScoreError(f"{path}.factor", "must be 1/2 or 2")
    return Alternative(
        factor=factor,
        bpm=read_number(given["bpm"], f"{path}.bpm", 1, 2000),
        chance=read_number(given["chance"], f"{path}.chance", 0, 1),
    )


def _read_score(value: object) -> Score:
    path = "score"
    marks = ("sections", "dynamics", "hairpins", "repeats", "remark", "sticking_shown")
    given = read_object(value, path, ("title", "kit", "bars"), marks)
    return _score_of(given)


def _score_of(given: Mapping[str, Any], bars: tuple[Bar, ...] | None = None) -> Score:
    """`bars` in place of the given ones, where those have been read."""
    path = "score"
    score = Score(
        title=read_text(given["title"], f"{path}.title", TITLE_LENGTH),
        kit=read_id(given["kit"], f"{path}.kit"),
        bars=_list(given["bars"], f"{path}.bars", _read_bar, MAX_BARS) if bars is None else bars,
        sections=_list(given.get("sections", []), f"{path}.sections", _read_section, MAX_BARS),
        dynamics=_list(given.get("dynamics", []), f"{path}.dynamics", _read_dynamic, MAX_BARS),
        hairpins=_list(given.get("hairpins", []), f"{path}.hairpins", _read_hairpin, MAX_BARS),
        repeats=_list(given.get("repeats", []), f"{path}.repeats", _read_repeat, MAX_BARS),
        remark=read_text(given.get("remark", ""), f"{path}.remark", REMARK_LENGTH),
        sticking_shown=read_choice(
            given.get("sticking_shown", "auto"), f"{path}.sticking_shown", StickingShown
        ),
    )
    _check_marks(score, path)
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


def _read_section(value: object, path: str) -> Section:
    given = read_object(value, path, ("bar", "name"))
    name = read_text(given["name"], f"{path}.name", SECTION_LENGTH)
    if not name.strip():
        raise ScoreError(f"{path}.name", "is empty")
    return Section(bar=read_integer(given["bar"], f"{path}.bar", 0, MAX_BARS), name=name)


def _read_dynamic(value: object, path: str) -> Dynamic:
    given = read_object(value, path, ("bar", "start", "mark"))
    return Dynamic(
        bar=read_integer(given["bar"], f"{path}.bar", 0, MAX_BARS),
        start=read_fraction(given["start"], f"{path}.start"),
        mark=read_choice(given["mark"], f"{path}.mark", DynamicMark),
    )


def _read_hairpin(value: object, path: str) -> Hairpin:
    given = read_object(value, path, ("bar", "start", "end_bar", "end", "kind"))
    return Hairpin(
        bar=read_integer(given["bar"], f"{path}.bar", 0, MAX_BARS),
        start=read_fraction(given["start"], f"{path}.start"),
        end_bar=read_integer(given["end_bar"], f"{path}.end_bar", 0, MAX_BARS),
        end=read_fraction(given["end"], f"{path}.end"),
        kind=read_choice(given["kind"], f"{path}.kind", HairpinKind),
    )


def _read_repeat(value: object, path: str) -> Repeat:
    given = read_object(value, path, ("bar", "bars"))
    bars = read_integer(given["bars"], f"{path}.bars", 1, 4)
    if bars == 3:
        raise ScoreError(f"{path}.bars", "1, 2 or 4 bars have a sign")
    return Repeat(bar=read_integer(given["bar"], f"{path}.bar", 0, MAX_BARS), bars=bars)


def _check_marks(score: Score, path: str) -> None:
    """Every mark stands inside a bar that is there, and the lists are in order."""
    bars = {bar.number: bar for bar in score.bars}

    def there(number: int, at: Fraction, where: str, *, end: bool = False) -> None:
        if number not in bars:
            raise ScoreError(f"{where}.bar", f"there is no bar {number}")
        if at > bars[number].length or (at == bars[number].length and not end):
            raise ScoreError(f"{where}.start", f"lies outside bar {number}")

    for index, part in enumerate(score.sections):
        there(part.bar, Fraction(0), f"{path}.sections[{index}]")
    for index, mark in enumerate(score.dynamics):
        there(mark.bar, mark.start, f"{path}.dynamics[{index}]")
    for index, pin in enumerate(score.hairpins):
        there(pin.bar, pin.start, f"{path}.hairpins[{index}]")
        there(pin.end_bar, pin.end, f"{path}.hairpins[{index}]", end=True)
        if (pin.end_bar, pin.end) <= (pin.bar, pin.start):
            raise ScoreError(f"{path}.hairpins[{index}]", "ends before it begins")
    _check_order([part.bar for part in score.sections], f"{path}.sections")
    _check_order([(mark.bar, mark.start) for mark in score.dynamics], f"{path}.dynamics")
    _check_order([(pin.bar, pin.start) for pin in score.hairpins], f"{path}.hairpins")
    free = score.bars[0].number if score.bars else 0
    for index, again in enumerate(score.repeats):
        where = f"{path}.repeats[{index}]"
        there(again.bar + again.bars - 1, Fraction(0), where)
        if again.bar < free or again.bar - again.bars not in bars:
            raise ScoreError(f"{where}.bar", "overlaps, or has too few bars before it")
        free = again.bar + again.bars
        for number in range(again.bar, free):
            if writing_of(bars[number]) != writing_of(bars[number - again.bars]):
                raise ScoreError(where, f"bar {number} is not written like {number - again.bars}")


def writing_of(bar: Bar) -> tuple[Any, ...]:
    """What a bar looks like: strokes, marks and values, whatever ids and velocities. Bars whose
    writing is equal are repeats. Hands that were seen are left out: a groove returns although the
    eye missed some of it."""
    shape: list[Any] = [bar.meter, bar.length]
    for voice in bar.voices:
        shape.append(voice.number)
        for event in voice.events:
            strokes = [
                (note.piece, note.articulations, len(note.graces), _written_hand(note))
                for note in event.notes
            ]
            if len(strokes) > 1:
                strokes.sort(key=lambda stroke: stroke[0])
            shape.append((event.duration, event.tuplet, tuple(strokes)))
    return tuple(shape)


def _written_hand(note: Note) -> Hand | None:
    return None if note.sticking_source is Chooser.VISION else note.sticking


def _read_bar(value: object, path: str) -> Bar:
    given = read_object(value, path, ("number", "meter", "voices"), ("length",))
    meter = read_meter(given["meter"], f"{path}.meter")
    length = read_fraction(given["length"], f"{path}.length") if "length" in given else meter.length
    if not 0 < length <= meter.length:
        raise ScoreError(f"{path}.length", f"must be more than 0 and at most {meter.length}")
    bar = Bar(
        number=read_integer(given["number"], f"{path}.number", 0, MAX_BARS),
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
    given = read_object(value, path, ("voice", "events"))
    return Voice(
        number=read_integer(given["voice"], f"{path}.voice", 1, 2),
        events=_list(given["events"], f"{path}.events", _read_event),
    )


def _read_event(value: object, path: str) -> VoiceEvent:
    given = read_object(value, path, ("start", "duration"), ("notes", "rest", "tuplet"))
    if ("notes" in given) == ("rest" in given):
        raise ScoreError(path, "expected either notes or rest")
    if given.get("rest", True) is not True:
        raise ScoreError(f"{path}.rest", "expected true")
    notes = _list(given.get("notes", []), f"{path}.notes", _read_note, 32)
    if "notes" in given and not notes:
        raise ScoreError(f"{path}.notes", "is empty; a rest says so")
    if len({note.piece for note in notes}) < len(notes):
        raise ScoreError(f"{path}.notes", "the same piece is struck twice at once")
    duration = read_fraction(given["duration"], f"{path}.duration")
    if not duration:
        raise ScoreError(f"{path}.duration", "must be more than 0")
    return VoiceEvent(
        start=read_fraction(given["start"], f"{path}.start"),
        duration=duration,
        notes=notes,
        tuplet=_read_tuplet(given["tuplet"], f"{path}.tuplet") if "tuplet" in given else None,
    )


def _read_tuplet(value: object, path: str) -> Tuplet:
    given = read_object(value, path, ("actual", "normal", "part"))
    return Tuplet(
        actual=read_integer(given["actual"], f"{path}.actual", 2, 12),
        normal=read_integer(given["normal"], f"{path}.normal", 1, 12),
        part=read_choice(given["part"], f"{path}.part", TupletPart),
    )


_NOTE_FIELDS: Final = (
    "articulations",
    "graces",
    "sticking",
    "ring",
    "sticking_source",
    "sticking_confidence",
    "piece_source",
)


def _read_note(value: object, path: str) -> Note:
    given = read_object(value, path, ("id", "piece", "velocity"), _NOTE_FIELDS)
    note = Note(
        id=read_id(given["id"], f"{path}.id"),
        piece=read_choice(given["piece"], f"{path}.piece", DrumPiece),
        velocity=read_integer(given["velocity"], f"{path}.velocity", 1, 127),
        articulations=_list(
            given["articulations"],
            f"{path}.articulations",
            lambda item, at: read_choice(item, at, Articulation),
            len(Articulation),
        )
        if "articulations" in given
        else (),
        graces=_list(given["graces"], f"{path}.graces", _read_grace, 2)
        if "graces" in given
        else (),
        sticking=_hand(given, "sticking", path),
        ring=read_fraction(given["ring"], f"{path}.ring") if "ring" in given else None,
        sticking_source=_chooser(given, "sticking_source", path),
        sticking_confidence=_chance(given, "sticking_confidence", path),
        piece_source=_chooser(given, "piece_source", path),
    )
    marks = set(note.articulations)
    if len(marks) < len(note.articulations):
        raise ScoreError(f"{path}.articulations", "the same mark is there twice")
    expected = {0: set(), 1: {Articulation.FLAM}, 2: {Articulation.DRAG}}[len(note.graces)]
    if marks & {Articulation.FLAM, Articulation.DRAG} != expected:
        raise ScoreError(f"{path}.graces", "a flam has one grace, a drag two, another note none")
    return note


def _read_grace(value: object, path: str) -> Grace:
    given = read_object(value, path, ("id", "velocity"))
    return Grace(
        id=read_id(given["id"], f"{path}.id"),
        velocity=read_integer(given["velocity"], f"{path}.velocity", 1, 127),
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
    before = (-1, 0)
    for index, beat in enumerate(document.timeline.beats):
        if beat.bar not in meters:
            raise ScoreError(f"timeline.beats[{index}].bar", f"there is no bar {beat.bar}")
        if (beat.bar, beat.beat) <= before:
            raise ScoreError(f"timeline.beats[{index}]", "beats are not in order of bars")
        before = (beat.bar, beat.beat)
    for index, swing in enumerate(document.timeline.swing):
        if swing.bar not in meters:
            raise ScoreError(f"timeline.swing[{index}].bar", f"there is no bar {swing.bar}")
