"""Performances in beats, and where they come from: Groove MIDI's human ones."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import mido
import numpy as np
from numpy.typing import NDArray

from libs.common.drums import DrumPiece

Values = NDArray[np.float64]
Indices = NDArray[np.int64]

PIECES = tuple(DrumPiece)
INDEX = {piece: index for index, piece in enumerate(PIECES)}

_NOTES = {
    36: DrumPiece.KICK, 38: DrumPiece.SNARE, 40: DrumPiece.RIMSHOT, 37: DrumPiece.CROSS_STICK,
    42: DrumPiece.HAT_CLOSED, 22: DrumPiece.HAT_CLOSED, 46: DrumPiece.HAT_OPEN,
    26: DrumPiece.HAT_OPEN, 44: DrumPiece.HAT_PEDAL, 48: DrumPiece.TOM_HIGH,
    50: DrumPiece.TOM_HIGH, 45: DrumPiece.TOM_MID, 47: DrumPiece.TOM_MID,
    43: DrumPiece.TOM_FLOOR, 58: DrumPiece.TOM_FLOOR, 49: DrumPiece.CRASH, 55: DrumPiece.CRASH,
    57: DrumPiece.CRASH_2, 52: DrumPiece.CRASH_2, 51: DrumPiece.RIDE, 59: DrumPiece.RIDE,
    53: DrumPiece.RIDE_BELL,
}  # fmt: skip
# What Groove calls 6/8 and 5/8 is written in quarters that are no beats of it.
_METERS = {"4-4": 4, "3-4": 3, "5-4": 5}


@dataclass(frozen=True)
class Take:
    """A performance in beats: beat 0 is the first bar's first."""

    name: str
    at: Values
    """Onsets in beats, ascending."""
    piece: Indices
    """Into PIECES."""
    velocity: Values
    bars: Indices
    """Beats of each bar."""
    bpm: float
    compound: bool = False
    """A beat is a dotted quarter."""
    lead: int = 0
    """Beats of a pickup or count-in before beat 0; hits down to -lead."""


def read_groove(folder: Path, split: str, kind: str = "beat") -> list[Take]:
    """All takes of a split that have more than four hits, in the order of info.csv."""
    with (folder / "info.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    takes = []
    for row in rows:
        if row["beat_type"] != kind or row["time_signature"] not in _METERS:
            continue
        take = _read(
            folder / row["midi_filename"], float(row["bpm"]), _METERS[row["time_signature"]]
        )
        if len(take.at) > 4:
            takes.append(take)
    return takes


def _read(path: Path, bpm: float, meter: int) -> Take:
    midi = mido.MidiFile(path)
    found = []
    for track in midi.tracks:
        ticks = 0
        for message in track:
            ticks += message.time
            if message.type == "note_on" and message.velocity and message.note in _NOTES:
                # A crash so soft is another cymbal shaking the pad.
                if message.note in (49, 55, 57, 52) and message.velocity < 12:
                    continue
                piece = INDEX[_NOTES[message.note]]
                found.append((ticks / midi.ticks_per_beat, piece, message.velocity))
    found.sort()
    at = np.array([at for at, _, _ in found], float)
    pieces = np.array([each for _, each, _ in found], np.int64)
    velocity = np.array([velocity for _, _, velocity in found], float)
    bars = int(np.ceil((at[-1] + 0.1) / meter)) if len(at) else 0
    return Take(
        name=path.stem, at=at, piece=pieces, velocity=velocity, bars=np.full(bars, meter), bpm=bpm,
    )  # fmt: skip
