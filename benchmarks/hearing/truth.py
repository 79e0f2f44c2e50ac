"""Annotated recordings, and what systems say of them, in one shape."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mido
import numpy as np
from numpy.typing import NDArray

from libs.common.drums import DrumPiece as P

Times = NDArray[np.float64]

FIVE = ("kick", "snare", "hat", "tom", "cymbal")
THREE = FIVE[:3]
VOICES = (
    P.KICK, P.SNARE, P.CROSS_STICK, P.HAT_CLOSED, P.HAT_OPEN, P.HAT_PEDAL, P.TOM_HIGH, P.TOM_MID,
    P.TOM_FLOOR, P.CRASH, P.SPLASH, P.CHINA, P.RIDE, P.RIDE_BELL,
)  # fmt: skip
"""The fourteen that recordings are annotated with."""
# A rimshot is a snare's stroke; a half-open hat is annotated as open; crashes are not numbered.
SAME = {P.RIMSHOT: P.SNARE, P.HAT_HALF_OPEN: P.HAT_OPEN, P.CRASH_2: P.CRASH}
CLASS = {
    P.KICK: "kick", P.SNARE: "snare", P.HAT_CLOSED: "hat", P.HAT_OPEN: "hat", P.HAT_PEDAL: "hat",
    P.TOM_HIGH: "tom", P.TOM_MID: "tom", P.TOM_FLOOR: "tom", P.CRASH: "cymbal",
    P.SPLASH: "cymbal", P.CHINA: "cymbal", P.RIDE: "cymbal", P.RIDE_BELL: "cymbal",
}  # fmt: skip
MDB_CLASS = {"KD": "kick", "SD": "snare", "HH": "hat", "TT": "tom", "CY": "cymbal"}
MDB_VOICE = {
    "KD": P.KICK, "SD": P.SNARE, "SDG": P.SNARE, "SDF": P.SNARE, "SDD": P.SNARE, "SDNS": P.SNARE,
    "SDB": P.SNARE, "CHH": P.HAT_CLOSED, "OHH": P.HAT_OPEN, "PHH": P.HAT_PEDAL, "HIT": P.TOM_HIGH,
    "MHT": P.TOM_MID, "HFT": P.TOM_FLOOR, "LFT": P.TOM_FLOOR, "RDC": P.RIDE, "RDB": P.RIDE_BELL,
    "CRC": P.CRASH, "CHC": P.CHINA, "SPC": P.SPLASH, "SST": P.CROSS_STICK, "TMB": P.TAMBOURINE,
}  # fmt: skip
GM = {
    35: P.KICK, 36: P.KICK, 37: P.CROSS_STICK, 38: P.SNARE, 39: P.SNARE, 40: P.SNARE,
    42: P.HAT_CLOSED, 44: P.HAT_PEDAL, 46: P.HAT_OPEN, 41: P.TOM_FLOOR, 43: P.TOM_FLOOR,
    45: P.TOM_MID, 47: P.TOM_MID, 48: P.TOM_HIGH, 50: P.TOM_HIGH, 49: P.CRASH, 57: P.CRASH,
    52: P.CHINA, 55: P.SPLASH, 51: P.RIDE, 59: P.RIDE, 53: P.RIDE_BELL,
}  # fmt: skip
# Roland TD-11, as the Groove MIDI Dataset was played.
GROOVE = GM | {22: P.HAT_CLOSED, 26: P.HAT_OPEN, 58: P.TOM_FLOOR, 55: P.CRASH, 52: P.CRASH}
SOUNDS = (".flac", ".wav", ".mp3", ".ogg", ".m4a", ".mp4", ".mkv", ".webm", ".mov")


@dataclass
class Take:
    """Strokes of one recording: onsets in seconds, sorted, by class and by voice."""

    name: str
    classes: dict[str, Times]
    voices: dict[P, Times]
    beats: Times | None = None
    downbeats: Times | None = None
    snares: list[tuple[float, float]] = field(default_factory=list)
    """(onset in seconds, velocity 0 to 127); in annotations, 20 is a ghost and 100 is none."""
    sound: Path | None = None
    confidences: list[tuple[float, P, float]] = field(default_factory=list)
    """(onset in seconds, voice, confidence)"""


def read_folder(folder: Path, mix: bool, notes: Mapping[int, P]) -> list[Take]:
    """All annotated recordings of a folder: MDB's text files, or a MIDI file beside each sound."""
    takes = []
    for labels in sorted(folder.glob("*_class.txt")):
        name = labels.name.removesuffix("_class.txt")
        takes.append(_read_mdb(folder, name, mix))
    for sound in sorted(folder.iterdir()):
        if sound.suffix.lower() not in SOUNDS:
            continue
        for suffix in (".mid", ".midi"):
            if (path := sound.with_suffix(suffix)).exists():
                take = read_midi(path, notes)
                take.sound = sound
                takes.append(take)
    return takes


def _read_mdb(folder: Path, name: str, mix: bool) -> Take:
    classes: dict[str, list[float]] = {label: [] for label in FIVE}
    for at_s, label in _lines(folder / f"{name}_class.txt"):
        if label in MDB_CLASS:
            classes[MDB_CLASS[label]].append(at_s)
    voices: dict[P, list[float]] = defaultdict(list)
    snares = []
    fine = folder / f"{name}_subclass.txt"
    for at_s, label in _lines(fine) if fine.exists() else []:
        if label in MDB_VOICE:
            voices[MDB_VOICE[label]].append(at_s)
        if label in ("SD", "SDG"):
            snares.append((at_s, 20.0 if label == "SDG" else 100.0))
    take = Take(
        name,
        {label: np.sort(times) for label, times in classes.items()},
        {voice: np.sort(times) for voice, times in voices.items()},
        snares=snares,
        sound=next(
            (
                path
                for suffix in SOUNDS
                if (path := folder / f"{name}{'.mix' if mix else ''}{suffix}").exists()
            ),
            None,
        ),
    )
    beats = folder / f"{name}_MIX.beats"
    if beats.exists():
        rows = np.loadtxt(beats, ndmin=2)
        take.beats, take.downbeats = rows[:, 0], rows[rows[:, 1] == 1, 0]
    return take


def _lines(path: Path) -> list[tuple[float, str]]:
    rows = [line.split() for line in path.read_text().splitlines() if line.strip()]
    return [(float(row[0]), row[1]) for row in rows]


def read_midi(path: Path, notes: Mapping[int, P]) -> Take:
    """A drum part, with the beats and bars of its tempo map and meters; of a whole song's file
    channel 10 alone."""
    file = mido.MidiFile(path)
    messages = list(mido.merge_tracks(file.tracks))
    drums = 9 if any(m.type == "note_on" and m.channel == 9 for m in messages) else None
    strokes: list[tuple[float, P, int]] = []
    tempo_us, now_tick, now_s = 500_000, 0, 0.0
    meter, bar_tick = (4, 4), 0
    beats: list[tuple[float, bool]] = []
    next_tick = 0
    for message in messages:
        end_tick = now_tick + message.time
        while next_tick < end_tick or (next_tick == end_tick and message.type == "note_on"):
            at_s = now_s + mido.tick2second(next_tick - now_tick, file.ticks_per_beat, tempo_us)
            bar_ticks = file.ticks_per_beat * 4 * meter[0] // meter[1]
            # 6/8 and its like are felt, and told by us, in dotted quarters.
            compound = meter[1] == 8 and meter[0] > 3 and meter[0] % 3 == 0
            beat_ticks = file.ticks_per_beat * 4 // meter[1] * (3 if compound else 1)
            beats.append((at_s, (next_tick - bar_tick) % bar_ticks == 0))
            next_tick += beat_ticks
        now_s += mido.tick2second(message.time, file.ticks_per_beat, tempo_us)
        now_tick = end_tick
        if message.type == "set_tempo":
            tempo_us = message.tempo
        elif message.type == "time_signature":
            meter, bar_tick = (message.numerator, message.denominator), now_tick
        elif (
            message.type == "note_on"
            and message.velocity
            and message.note in notes
            and drums in (None, message.channel)
        ):
            strokes.append((now_s, notes[message.note], message.velocity))
    take = _take(path.stem, strokes)
    take.beats = np.array([at_s for at_s, _ in beats])
    take.downbeats = np.array([at_s for at_s, first in beats if first])
    return take


def _take(name: str, strokes: list[tuple[float, P, int]]) -> Take:
    classes: dict[str, list[float]] = {label: [] for label in FIVE}
    voices: dict[P, list[float]] = defaultdict(list)
    for at_s, piece, _ in strokes:
        voice = SAME.get(piece, piece)
        if voice in CLASS:
            classes[CLASS[voice]].append(at_s)
        if voice in VOICES:
            voices[voice].append(at_s)
    return Take(
        name,
        {label: np.sort(times) for label, times in classes.items()},
        {voice: np.sort(times) for voice, times in voices.items()},
        snares=[
            (at_s, float(v)) for at_s, piece, v in strokes if SAME.get(piece, piece) is P.SNARE
        ],
    )


def read_predictions(path: Path) -> dict[str, Take]:
    """What a system says: the JSON of `backbeat hear`, or a folder of MIDI files by take's name.

    In the JSON a hit's fourth and fifth values may be left out; then General MIDI's notes tell the
    piece.
    """
    if path.is_dir():
        return {file.stem: read_midi(file, GM) for file in sorted(path.glob("*.mid*"))}
    said = {}
    for name, heard in json.loads(path.read_text()).items():
        rows = [(row, piece) for row in heard["hits"] if (piece := _piece(row)) is not None]
        take = _take(name, [(float(row[0]), piece, int(row[2])) for row, piece in rows])
        take.confidences = [
            (float(row[0]), SAME.get(piece, piece), float(row[4]))
            for row, piece in rows
            if len(row) > 4
        ]
        if heard.get("beats"):
            beats = np.array(heard["beats"], float)
            take.beats, take.downbeats = beats[:, 0], beats[beats[:, 1] == 1, 0]
        # A mix is its recording's, whatever its file is called.
        said[name.removesuffix(".mix")] = take
    return said


def _piece(row: list[Any]) -> P | None:
    """By our name for it, else by its note."""
    named = str(row[3]) if len(row) > 3 else ""
    return P(named) if named in set(P) else GM.get(int(row[1]))
