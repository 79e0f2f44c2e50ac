"""Standard MIDI file, type 1: a track of meters and tempos, a track of drums on channel 10.

`written` plays the score as it stands; `performed` plays each hit when it was heard, with a
tempo for every beat, so that bars still lie on the grid of whatever opens the file.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any, Final, Literal

import mido

from services.notation.domain.kit import Kit, kit_called
from services.notation.domain.score import Bar, ScoreDocument, ScoreError, TempoMark

Mode = Literal["written", "performed"]

TICKS_PER_QUARTER: Final = 480
CHANNEL: Final = 9  # counted from 0: channel 10 is drums
_NOTE_TICKS: Final = 60
_GRACE_TICKS: Final = 40
_SLOWEST_US: Final = 0xFFFFFF  # a tempo is three bytes

# Tick, order at that tick, message.
_Timed = tuple[int, int, Any]


def to_midi(document: ScoreDocument, mode: Mode = "written") -> bytes:
    """The file's bytes; ScoreError for another mode."""
    if mode not in ("written", "performed"):
        raise ScoreError("mode", "must be written or performed")
    kit = kit_called(document.score.kit)
    # An empty score has no moments to perform, either.
    performed = mode == "performed" and len(document.timeline.beats) > 1
    conductor, strokes = (_performed if performed else _written)(document, kit)
    name = document.score.title.encode("latin-1", "replace").decode("latin-1") or "Backbeat"
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_QUARTER)
    file.tracks.append(_track([(0, -1, mido.MetaMessage("track_name", name=name)), *conductor]))
    drums = [(0, -1, mido.MetaMessage("track_name", name=kit.name)), *_notes(strokes)]
    file.tracks.append(_track(drums))
    data = io.BytesIO()
    file.save(file=data)
    return data.getvalue()


def _ticks(length: Fraction) -> int:
    """Of a length in whole notes."""
    return round(length * 4 * TICKS_PER_QUARTER)


def _meters(bars: Sequence[Bar], starts: Sequence[Fraction]) -> Iterable[_Timed]:
    before = None
    for bar, start in zip(bars, starts, strict=False):
        if bar.meter != before:
            meter = mido.MetaMessage(
                "time_signature",
                numerator=bar.meter.numerator,
                denominator=bar.meter.denominator,
            )
            yield _ticks(start), 0, meter
        before = bar.meter


def _tempo(us_per_quarter: float) -> Any:
    tempo = max(1, min(_SLOWEST_US, round(us_per_quarter)))
    return mido.MetaMessage("set_tempo", tempo=tempo)


def bar_starts(bars: Sequence[Bar]) -> list[Fraction]:
    """Each bar's start in whole notes from the first, and the end of the last."""
    starts = [Fraction(0)]
    for bar in bars:
        starts.append(starts[-1] + bar.length)
    return starts


def _written(document: ScoreDocument, kit: Kit) -> tuple[list[_Timed], list[tuple[int, int, int]]]:
    bars = document.score.bars
    starts = bar_starts(bars)
    by_number = {bar.number: (bar, start) for bar, start in zip(bars, starts, strict=False)}
    conductor = list(_meters(bars, starts))
    for mark in document.timeline.tempo_map:
        bar, start = by_number[mark.bar]
        at = max(start, start + _beat_place(mark, bar))
        conductor.append((_ticks(at), 1, _tempo(60e6 / mark.quarters_per_minute)))
    strokes = []
    for bar in bars:
        start = by_number[bar.number][1]
        for voice in bar.voices:
            for event in voice.events:
                tick = _ticks(start + event.start)
                for note in event.notes:
                    key = kit.entries[note.piece].gm_note
                    strokes.append((tick, key, note.velocity))
                    for back, grace in enumerate(reversed(note.graces), start=1):
                        strokes.append((max(0, tick - back * _GRACE_TICKS), key, grace.velocity))
    return conductor, strokes


def _beat_place(mark: TempoMark, bar: Bar) -> Fraction:
    return (mark.beat - 1) * bar.meter.beat_unit - bar.missing


def _performed(
    document: ScoreDocument, kit: Kit
) -> tuple[list[_Timed], list[tuple[int, int, int]]]:
    """The file begins with the recording, or with the first beat where that lies before it."""
    bars = document.score.bars
    beats = document.timeline.beats
    counts = dict.fromkeys((bar.number for bar in bars), 0)
    for beat in beats:
        counts[beat.bar] = counts.get(beat.bar, 0) + 1
    # Before the first beat: one bar, however long the silence is.
    lead_s = max(0.0, beats[0].time_s)
    lead = bars[0].meter.length if lead_s else Fraction(0)
    starts = [lead + start for start in bar_starts(bars)]
    places: list[Fraction] = []
    for bar, start in zip(bars, starts, strict=False):
        places += [start + bar.length * i / counts[bar.number] for i in range(counts[bar.number])]
    if len(places) != len(beats):
        raise ScoreError("timeline.beats", "are in bars that the score does not have")
    times_s = [beat.time_s for beat in beats]
    conductor = list(_meters(bars, starts))
    if lead_s:
        conductor += _meters(bars[:1], [Fraction(0)])
        conductor.append((0, 1, _tempo(lead_s * 1e6 / float(lead * 4))))
    for index in range(len(beats) - 1):
        quarters = float((places[index + 1] - places[index]) * 4)
        us = (times_s[index + 1] - times_s[index]) * 1e6 / quarters
        conductor.append((_ticks(places[index]), 1, _tempo(us)))

    def tick(time_s: float) -> int:
        if time_s < times_s[0]:
            return max(0, round(time_s / lead_s * _ticks(lead))) if lead_s else 0
        index = min(bisect_right(times_s, time_s) - 1, len(times_s) - 2)
        part = (time_s - times_s[index]) / (times_s[index + 1] - times_s[index])
        ticks = _ticks(places[index + 1]) - _ticks(places[index])
        return round(_ticks(places[index]) + part * ticks)

    strokes = [
        (tick(event.onset_s), kit.entries[event.piece].gm_note, event.velocity)
        for event in document.performance.events
    ]
    return conductor, strokes


def _notes(strokes: Iterable[tuple[int, int, int]]) -> list[_Timed]:
    """Note-ons, and note-offs that never cut into the next stroke of the same key."""
    by_key: dict[int, list[tuple[int, int]]] = {}
    for tick, key, velocity in sorted(strokes):
        by_key.setdefault(key, []).append((tick, velocity))
    timed: list[_Timed] = []
    for key, played in by_key.items():
        for index, (tick, velocity) in enumerate(played):
            following = played[index + 1][0] if index + 1 < len(played) else tick + _NOTE_TICKS
            if following == tick:
                continue  # the louder of two at once, sorted last, is the one that sounds
            off = min(tick + _NOTE_TICKS, following)
            on = mido.Message("note_on", channel=CHANNEL, note=key, velocity=velocity)
            timed.append((tick, 1, on))
            timed.append((off, 0, mido.Message("note_off", channel=CHANNEL, note=key, velocity=0)))
    return timed


def _track(timed: Iterable[_Timed]) -> Any:
    track = mido.MidiTrack()
    now = 0
    for tick, _, message in sorted(timed, key=lambda item: item[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track", time=0))
    return track
