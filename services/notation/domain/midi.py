"""Standard MIDI file, type 1: a track of meters and tempos, drums on channel 10, maybe a click.

`written` plays the score as it stands, swung where it says so; `performed` plays each hit when it
was heard, with a tempo for every beat, so that bars still lie on the grid of whatever opens the
file. The kit says which note stands for which piece: General MIDI's, or an e-drum module's.
"""

from __future__ import annotations

import io
import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final, Literal

import mido

from libs.common.drums import Articulation, DrumPiece
from libs.common.meter import Meter
from services.notation.domain.clock import Clock, bar_starts, sounding_start, tempo_place
from services.notation.domain.document import ScoreDocument
from services.notation.domain.kit import Kit, kit_called
from services.notation.domain.score import Bar, ScoreError

Mode = Literal["written", "performed"]

TICKS_PER_QUARTER: Final = 480
CHANNEL: Final = 9  # counted from 0: channel 10 is drums
CLICK_HIGH: Final = 76  # General MIDI's wood blocks
CLICK_LOW: Final = 77
_NOTE_TICKS: Final = 60
_GRACE_S: Final = 0.03
# At any tempo off the grid of whoever reads the file, and near its note.
_GRACE_TICKS: Final = (8, 46)
_RING_TICKS: Final = 4 * TICKS_PER_QUARTER
_SLOWEST_US: Final = 0xFFFFFF  # a tempo is three bytes
_HAT_CONTROLLER: Final = 4

_HATS: Final = frozenset(
    {DrumPiece.HAT_CLOSED, DrumPiece.HAT_HALF_OPEN, DrumPiece.HAT_OPEN, DrumPiece.HAT_PEDAL}
)
_OPEN_HATS: Final = frozenset({DrumPiece.HAT_HALF_OPEN, DrumPiece.HAT_OPEN})
_CYMBALS: Final = frozenset(
    {DrumPiece.CRASH, DrumPiece.CRASH_2, DrumPiece.SPLASH, DrumPiece.CHINA, DrumPiece.RIDE,
     DrumPiece.RIDE_BELL}
)  # fmt: skip

# Tick, order at that tick, message.
_Timed = tuple[int, int, Any]


@dataclass(frozen=True, slots=True, order=True)
class _Stroke:
    tick: int
    velocity: int
    piece: DrumPiece
    ring_ticks: int = 0
    """Where the score says how long it rings; 0 where it does not."""
    choked: bool = False


def to_midi(
    document: ScoreDocument, kit: Kit | None = None, *, mode: Mode = "written", click: bool = False
) -> bytes:
    """The file's bytes; ScoreError for another mode. `click` adds a track of wood blocks."""
    if mode not in ("written", "performed"):
        raise ScoreError("mode", "must be written or performed")
    kit = kit or kit_called(document.score.kit)
    clock = Clock(document)
    if mode == "performed" and clock.runs:
        conductor, strokes, clicks = _performed(document, clock)
    else:  # An empty score has no moments to perform, either.
        conductor, strokes, clicks = _written(document)
    name = document.score.title.encode("latin-1", "replace").decode("latin-1") or "Backbeat"
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_QUARTER)
    file.tracks.append(_track([_name(name), *conductor]))
    drums = kit.name.encode("latin-1", "replace").decode("latin-1")
    file.tracks.append(_track([_name(drums), *_openings(strokes, kit), *_notes(strokes, kit)]))
    if click:
        file.tracks.append(_track([_name("Click"), *_clicks(clicks)]))
    data = io.BytesIO()
    file.save(file=data)
    return data.getvalue()


def _name(name: str) -> _Timed:
    return 0, -1, mido.MetaMessage("track_name", name=name)


def _ticks(length: Fraction | float) -> int:
    """Of a length in whole notes."""
    return round(length * 4 * TICKS_PER_QUARTER)


def _meters(bars: Sequence[Bar], starts: Sequence[Fraction]) -> Iterable[_Timed]:
    before = None
    for bar, start in zip(bars, starts, strict=False):
        # A pickup is a short bar of its own, so that the next one begins a bar there, too.
        meter = Meter(bar.length.numerator, bar.length.denominator) if bar.missing else bar.meter
        if meter != before and meter.denominator & (meter.denominator - 1) == 0:
            mark = mido.MetaMessage(
                "time_signature", numerator=meter.numerator, denominator=meter.denominator
            )
            yield _ticks(start), 0, mark
        before = meter


def _tempo(us_per_quarter: float) -> Any:
    tempo = max(1, min(_SLOWEST_US, round(us_per_quarter)))
    return mido.MetaMessage("set_tempo", tempo=tempo)


# Tick, and whether it is a downbeat.
_Click = tuple[int, bool]


def _written(document: ScoreDocument) -> tuple[list[_Timed], list[_Stroke], list[_Click]]:
    bars = document.score.bars
    starts = bar_starts(bars)
    by_number = {bar.number: (bar, start) for bar, start in zip(bars, starts, strict=False)}
    conductor = list(_meters(bars, starts))
    tempos: list[tuple[int, float]] = []
    for mark in document.timeline.tempo_map:
        bar, start = by_number[mark.bar]
        at = start + tempo_place(mark, bar)
        conductor.append((_ticks(at), 1, _tempo(60e6 / mark.quarters_per_minute)))
        tempos.append((_ticks(at), mark.quarters_per_minute))
    strokes, clicks = [], []
    for bar, start in by_number.values():
        clicks += [
            (_ticks(start + at), not number)
            for number in range(int(bar.meter.length / bar.meter.beat_unit))
            if (at := number * bar.meter.beat_unit - bar.missing) >= 0
        ]
        for voice in bar.voices:
            for event in voice.events:
                if event.is_rest:
                    continue
                tick = _ticks(start + sounding_start(bar, event, document.timeline))
                for note in event.notes:
                    choked = Articulation.CHOKE in note.articulations
                    ring = event.duration if choked else note.ring
                    ring_ticks = _ticks(ring) if ring else 0
                    strokes.append(_Stroke(tick, note.velocity, note.piece, ring_ticks, choked))
                    for back, grace in enumerate(reversed(note.graces), start=1):
                        at_tick = max(0, tick - back * _grace_ticks(tempos, tick))
                        strokes.append(_Stroke(at_tick, grace.velocity, note.piece))
    return conductor, strokes, clicks


def _grace_ticks(tempos: Sequence[tuple[int, float]], tick: int) -> int:
    """How far before its note a grace sounds, at the tempo there."""
    index = bisect_right(tempos, (tick, math.inf)) - 1
    quarters_per_minute = tempos[index][1] if index >= 0 else 120.0
    low, high = _GRACE_TICKS
    ticks = round(_GRACE_S * quarters_per_minute / 60 * TICKS_PER_QUARTER)
    return max(low, min(high, ticks))


def _performed(
    document: ScoreDocument, clock: Clock
) -> tuple[list[_Timed], list[_Stroke], list[_Click]]:
    """The file begins with the recording, or with the first beat where that lies before it."""
    bars, beats = document.score.bars, document.timeline.beats
    # Before the first beat: one bar, however long the silence is.
    lead_s = max(0.0, clock.times_s[0])
    lead = bars[0].meter.length if lead_s else Fraction(0)
    shift = lead - clock.places[0]
    conductor = list(_meters(bars, [max(Fraction(0), start + shift) for start in clock.starts]))
    if lead_s:
        conductor += _meters([Bar(0, bars[0].meter, ())], [Fraction(0)])
        conductor.append((0, 1, _tempo(lead_s * 1e6 / float(lead * 4))))
    points = list(zip(clock.places, clock.times_s, strict=True))
    for (place, time_s), (after, after_s) in pairwise(points):
        us = (after_s - time_s) * 1e6 / float((after - place) * 4)
        conductor.append((_ticks(place + shift), 1, _tempo(us)))

    def tick(time_s: float) -> int:
        if time_s < clock.times_s[0]:
            return max(0, round(time_s / lead_s * _ticks(lead))) if lead_s else 0
        return _ticks(clock.place(time_s) + float(shift))

    choked = {
        note.id for _, _, note in document.score.notes() if Articulation.CHOKE in note.articulations
    }
    strokes = [
        _Stroke(
            tick(event.onset_s),
            event.velocity,
            event.piece,
            TICKS_PER_QUARTER // 2 if event.id in choked else 0,
            event.id in choked,
        )
        for event in document.performance.events
    ]
    clicks = [
        (_ticks(place + shift), beat.beat == 1)
        for place, beat in zip(clock.places, beats, strict=True)
    ]
    return conductor, strokes, clicks


def _openings(strokes: Iterable[_Stroke], kit: Kit) -> Iterable[_Timed]:
    """Controller 4 before a hat whose opening changes, where half-open has no note of its own."""
    hats = sorted(stroke for stroke in strokes if stroke.piece in _HATS)
    if all(stroke.piece is not DrumPiece.HAT_HALF_OPEN for stroke in hats):
        return
    control = kit.hat_control
    closed = min(127, control.closed_from)
    values = {
        DrumPiece.HAT_OPEN: 0,
        DrumPiece.HAT_HALF_OPEN: (control.half_open_from + control.closed_from) // 2,
    }
    now = None
    for stroke in hats:
        value = values.get(stroke.piece, closed)
        if value != now:
            yield (
                stroke.tick,
                1,
                mido.Message(
                    "control_change", channel=CHANNEL, control=_HAT_CONTROLLER, value=value
                ),
            )
        now = value


def _notes(strokes: Iterable[_Stroke], kit: Kit) -> list[_Timed]:
    """Note-ons, and note-offs that never cut into the next stroke of the same key.

    Any stroke of the hat ends what an open hat rings; a choke is told by key pressure as well,
    as e-drum modules tell it.
    """
    strokes = sorted(strokes)
    hat_ticks = sorted({stroke.tick for stroke in strokes if stroke.piece in _HATS})
    after_hat = dict(pairwise(hat_ticks))
    by_key: dict[int, list[_Stroke]] = {}
    for stroke in strokes:
        by_key.setdefault(kit.entries[stroke.piece].midi_note, []).append(stroke)
    timed: list[_Timed] = []
    for key, played in by_key.items():
        for stroke, following in zip(played, [*played[1:], None], strict=True):
            if following and following.tick == stroke.tick:
                continue  # the louder of two at once, sorted last, is the one that sounds
            end = stroke.tick + _length(stroke)
            if stroke.piece in _OPEN_HATS and stroke.tick in after_hat:
                end = min(end, after_hat[stroke.tick])
            off = max(stroke.tick + 1, min(end, following.tick if following else end))
            on = mido.Message("note_on", channel=CHANNEL, note=key, velocity=stroke.velocity)
            timed.append((stroke.tick, 2, on))
            if stroke.choked:
                for value in (127, 0):
                    press = mido.Message("polytouch", channel=CHANNEL, note=key, value=value)
                    timed.append((off, 0, press))
            timed.append((off, 0, mido.Message("note_off", channel=CHANNEL, note=key, velocity=0)))
    return timed


def _length(stroke: _Stroke) -> int:
    if stroke.ring_ticks:
        return stroke.ring_ticks
    rings = stroke.piece in _OPEN_HATS or stroke.piece in _CYMBALS
    return _RING_TICKS if rings else _NOTE_TICKS


def _clicks(clicks: Iterable[_Click]) -> Iterable[_Timed]:
    for tick, downbeat in clicks:
        key, velocity = (CLICK_HIGH, 112) if downbeat else (CLICK_LOW, 84)
        on = mido.Message("note_on", channel=CHANNEL, note=key, velocity=velocity)
        yield tick, 2, on
        off = mido.Message("note_off", channel=CHANNEL, note=key, velocity=0)
        yield tick + _NOTE_TICKS, 0, off


def _track(timed: Iterable[_Timed]) -> Any:
    track = mido.MidiTrack()
    now = 0
    for tick, _, message in sorted(timed, key=lambda item: item[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track", time=0))
    return track
