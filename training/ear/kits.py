"""The samples at hand, decoded once, and a drum set put together from them."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from libs.common.drums import DrumPiece as P
from training.ear.strokes import CYMBALS, TOMS

RATE = 44_100
LONGEST_S = 5.0
# Families of a piece that are in no other: two acoustic kits, three snares, a machine.
HELD_OUT = (
    "sonor_force", "avl_red_zeppelin", "pearl_master_studio", "franken_14p", "franken_22",
    "el_lm2",
)  # fmt: skip

# (articulation, weight): the first is what the piece mostly is.
ARTICULATIONS: dict[P, tuple[tuple[str, float], ...]] = {
    P.KICK: (("kick", 1.0),),
    P.SNARE: (
        ("snare", 0.8), ("snare_rim", 0.07), ("snare_off", 0.05), ("snare_brush", 0.08),
    ),
    P.CROSS_STICK: (("snare_xstick", 1.0),),
    P.HAT_CLOSED: (("hh_closed", 1.0),),
    P.HAT_HALF_OPEN: (("hh_half", 1.0),),
    P.HAT_OPEN: (("hh_open", 1.0),),
    P.HAT_PEDAL: (("hh_pedal", 0.94), ("hh_splash", 0.06)),
    P.TOM_HIGH: (("tom_high", 1.0),),
    P.TOM_MID: (("tom_mid", 1.0),),
    P.TOM_FLOOR: (("tom_floor", 0.75), ("tom_low", 0.25)),
    P.CRASH: (("crash1", 0.5), ("crash2", 0.5)),
    P.SPLASH: (("splash", 1.0),),
    P.CHINA: (("china", 1.0),),
    P.RIDE: (("ride_bow", 0.85), ("ride_edge", 0.15)),
    P.RIDE_BELL: (("ride_bell", 1.0),),
    P.COWBELL: (("cowbell", 1.0),),
    P.TAMBOURINE: (("tambourine", 1.0),),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sample:
    first: int
    count: int
    layer: int
    layers: int
    onset_samples: int


class Shelf:
    """All one-shots as one memory-mapped array of 16-bit samples."""

    def __init__(self, data: Path, cache: Path, held_out: bool) -> None:
        self.audio = _decoded(data, cache)
        self.kits: dict[str, dict[str, list[Sample]]] = defaultdict(lambda: defaultdict(list))
        self.kinds: dict[str, str] = {}
        first = 0
        for row in _rows(data):
            count = int(row["samples"])
            if row["kit"].startswith(HELD_OUT) == held_out:
                self.kits[row["kit"]][row["articulation"]].append(
                    Sample(
                        first, count, int(row["layer"]), int(row["n_layers"]),
                        round(float(row["onset_ms"] or 0) * RATE / 1000),
                    )
                )  # fmt: skip
                self.kinds[row["kit"]] = row["kind"]
            first += count
        with (data / "oneshots/typical_levels.csv").open() as file:
            self.levels_db = {
                row["articulation"]: float(row["loudest_layer_dB_re_snare_median"])
                for row in csv.DictReader(file)
            }

    def having(self, articulation: str) -> list[str]:
        """Kits with this articulation; real ones twice, so that they are drawn more often."""
        found = [kit for kit in self.kits if articulation in self.kits[kit]]
        return found + [kit for kit in found if self.kinds[kit].startswith("acoustic")] * 2

    def samples(self, sample: Sample) -> NDArray[np.float32]:
        part = self.audio[sample.first : sample.first + sample.count]
        return part.astype(np.float32) / 32767


@dataclass(slots=True)
class Voice:
    """How one piece of the set sounds."""

    samples: list[Sample]
    tuning: float
    """Speed of playing: 1 as recorded, 2 an octave up."""
    trim_db: float
    range_db: float
    """How much softer a stroke of a tenth of full velocity is."""
    damping_s: float | None
    soft_s: float
    """Rise of a mallet's or brush's stroke; 0 for a stick's."""


def make_set(shelf: Shelf, rng: np.random.Generator) -> dict[P, Voice]:
    """A drum set: most of it from one kit, the rest from others."""
    acoustic = [
        kit for kit in shelf.kits
        if shelf.kinds[kit] == "acoustic" and len(shelf.kits[kit]) >= 5
    ]  # fmt: skip
    whole = [kit for kit in shelf.kits if len(shelf.kits[kit]) >= 5]
    base = _pick(acoustic if rng.random() < 0.8 else whole, rng)
    toms_kit = base if rng.random() < 0.7 else _pick(shelf.having("tom_mid") or whole, rng)
    loyalty = rng.choice([0.9, 0.6, 0.2])
    mallets = rng.random() < 0.06
    brushes = not mallets and rng.random() < 0.09
    toms_tuning = 2 ** (rng.normal(0, 2.5) / 12)
    range_db = rng.uniform(18, 42)
    hats_up_db = rng.normal(5, 5)
    cymbals_up_db = rng.normal(-2.5, 4)
    kit_range: dict[P, Voice] = {}
    for piece, options in ARTICULATIONS.items():
        offered = [(name, weight) for name, weight in options if shelf.having(name)]
        if not offered:
            continue
        weights = np.array([weight for _, weight in offered])
        name = offered[rng.choice(len(offered), p=weights / weights.sum())][0]
        if piece is P.SNARE and brushes:
            name = "snare_brush" if shelf.having("snare_brush") and rng.random() < 0.6 else name
        kit = toms_kit if piece in TOMS else base
        if name not in shelf.kits[kit] or (piece not in TOMS and rng.random() > loyalty):
            kit = _pick(shelf.having(name), rng)
        trim_db = shelf.levels_db.get(name, -3.0) * 0.85 + rng.normal(0, 4.5)
        if piece.value.startswith("hat"):
            trim_db += hats_up_db
        elif piece in CYMBALS:
            trim_db += cymbals_up_db
        tuning = toms_tuning if piece in TOMS else 2 ** (rng.normal(0, 2.0) / 12)
        if rng.random() < 0.25 and piece not in TOMS:
            tuning = 1.0
        soft_s = 0.0
        if mallets and piece not in (P.KICK, P.HAT_PEDAL):
            soft_s = rng.uniform(0.004, 0.015)
        elif brushes and piece is not P.KICK and name != "snare_brush":
            soft_s = rng.uniform(0.001, 0.005)
        kit_range[piece] = Voice(
            samples=shelf.kits[kit][name],
            tuning=float(tuning),
            trim_db=float(trim_db),
            range_db=float(range_db * rng.uniform(0.8, 1.2)),
            damping_s=float(rng.uniform(0.04, 0.5)) if rng.random() < 0.15 else None,
            soft_s=float(soft_s),
        )
    return kit_range


def _pick(options: list[str], rng: np.random.Generator) -> str:
    return options[rng.integers(len(options))]


def _rows(data: Path) -> list[dict[str, str]]:
    with (data / "oneshots/manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["samples"] = str(round(min(LONGEST_S, float(row["seconds"])) * RATE))
    return rows


def _decoded(data: Path, cache: Path) -> NDArray[np.int16]:
    kept = cache / "oneshots.npy"
    if not kept.exists():
        rows = _rows(data)
        audio = np.zeros(sum(int(row["samples"]) for row in rows), np.int16)
        first = 0
        for row in rows:
            count = int(row["samples"])
            samples, rate = soundfile.read(
                data / "oneshots" / row["file"], dtype="float32", always_2d=True, frames=count
            )
            if rate != RATE:
                raise ValueError(f"{row['file']} is at {rate} Hz, not {RATE}")
            mono = samples.mean(axis=1)[:count]
            mono = mono / max(float(np.abs(mono).max(initial=0)), 1e-6)
            if len(mono) == count and count > 2000:
                mono[-1000:] *= np.linspace(1, 0, 1000, dtype=np.float32)
            audio[first : first + len(mono)] = np.round(mono * 32767).astype(np.int16)
            first += count
        part = kept.with_suffix(".part.npy")
        np.save(part, audio)
        part.rename(kept)
    return np.load(kept, mmap_mode="r")
