"""A small copy of the training data's shape, made from our own synthesised drums."""

from __future__ import annotations

import csv
from pathlib import Path

import mido
import numpy as np
import soundfile

from backbeat import drumsounds
from libs.common.drums import DrumPiece, Hit
from training.ear.kits import ARTICULATIONS, RATE

MANIFEST = (
    "kit", "kind", "articulation", "layer", "n_layers", "onset_ms", "seconds", "file",
)  # fmt: skip
KITS = ("home", "sonor_force")
"""One to train on, one of a family that is held out."""


def make_data(folder: Path) -> Path:
    """The folder that `python -m training.ear render` takes."""
    rng = np.random.default_rng(3)
    _make_oneshots(folder / "oneshots", rng)
    _make_groove(folder / "groove_midi")
    for room in (folder / "rir/room_000.flac", folder / "rir/emt140/plate.flac"):
        room.parent.mkdir(parents=True, exist_ok=True)
        decay = np.exp(-np.arange(8000) / 1500) * rng.standard_normal(8000)
        soundfile.write(room, decay / np.abs(decay).max(), RATE)
    music = folder / "backing/audio"
    music.mkdir(parents=True)
    for number in range(10):
        chord = np.sin(2 * np.pi * 110 * (number + 2) * np.arange(9 * RATE) / RATE)
        soundfile.write(music / f"clip_{number}.ogg", 0.3 * chord, RATE)
    return folder


def make_real(folder: Path) -> Path:
    """One annotated recording, laid out as MDB Drums."""
    folder.mkdir()
    hits = [
        Hit(0.5 + 0.5 * n, piece, 100)
        for n in range(12)
        for piece in (DrumPiece.HAT_CLOSED, DrumPiece.SNARE if n % 2 else DrumPiece.KICK)
    ]
    sound = drumsounds.play(hits, 7.0)
    for name in ("Made.flac", "Made.mix.flac"):
        soundfile.write(folder / name, sound, RATE)
    label = {DrumPiece.KICK: "KD", DrumPiece.SNARE: "SD", DrumPiece.HAT_CLOSED: "HH"}
    fine = label | {DrumPiece.HAT_CLOSED: "CHH"}
    (folder / "Made_class.txt").write_text(
        "".join(f"{hit.onset_s:.2f}\t{label[hit.piece]}\n" for hit in hits)
    )
    (folder / "Made_subclass.txt").write_text(
        "".join(f"{hit.onset_s:.2f}\t{fine[hit.piece]}\n" for hit in hits)
    )
    (folder / "Made_MIX.beats").write_text(
        "".join(f"{0.5 + 0.5 * n:.2f} {n % 4 + 1}\n" for n in range(12))
    )
    return folder


def _make_oneshots(folder: Path, rng: np.random.Generator) -> None:
    rows = []
    for kit in KITS:
        for piece, options in ARTICULATIONS.items():
            for layer in (1, 2):
                sound = drumsounds.stroke(piece, 50 * layer, rng)[: 2 * RATE]
                path = folder / kit / options[0][0] / f"{layer}.ogg"
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, sound / np.abs(sound).max(), RATE)
                rows.append(
                    (kit, "acoustic", options[0][0], layer, 2, 1.0, len(sound) / RATE,
                     f"{kit}/{options[0][0]}/{layer}.ogg")
                )  # fmt: skip
    with (folder / "manifest.csv").open("w") as file:
        csv.writer(file).writerows([MANIFEST, *rows])
    (folder / "typical_levels.csv").write_text(
        "articulation,loudest_layer_dB_re_snare_median\nsnare,0.0\nhh_closed,-14.4\n"
    )


def _make_groove(folder: Path) -> None:
    folder.mkdir()
    lines = ["midi_filename,split"]
    for split in ("train", "validation"):
        file = mido.MidiFile(ticks_per_beat=480)
        track = mido.MidiTrack()
        file.tracks.append(track)
        for number in range(64):
            for note in (42, 38 if number % 4 == 2 else 36):
                track.append(mido.Message("note_on", channel=9, note=note, velocity=100, time=0))
            track.append(mido.Message("note_off", channel=9, note=42, velocity=0, time=240))
        file.save(folder / f"{split}.mid")
        lines.append(f"{split}.mid,{split}")
    (folder / "info.csv").write_text("\n".join(lines) + "\n")
