"""Rendered practice: Groove MIDI performances played on sampled kits, in rooms, under music."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import mido
import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from backbeat import drumsounds
from libs.common.drums import DrumPiece, Hit

RATE = 44_100

ARTICULATIONS = {
    DrumPiece.KICK: ("kick",),
    DrumPiece.SNARE: ("snare", "snare_rim"),
    DrumPiece.CROSS_STICK: ("snare_xstick",),
    DrumPiece.HAT_CLOSED: ("hh_closed",),
    DrumPiece.HAT_OPEN: ("hh_open", "hh_half"),
    DrumPiece.HAT_PEDAL: ("hh_pedal",),
    DrumPiece.TOM_HIGH: ("tom_high",),
    DrumPiece.TOM_MID: ("tom_mid", "tom_high"),
    DrumPiece.TOM_FLOOR: ("tom_floor", "tom_low"),
    DrumPiece.CRASH: ("crash1", "crash2", "splash", "china"),
    DrumPiece.RIDE: ("ride_bow", "ride_edge"),
    DrumPiece.RIDE_BELL: ("ride_bell",),
}
NOTES = {
    36: DrumPiece.KICK, 38: DrumPiece.SNARE, 40: DrumPiece.SNARE, 37: DrumPiece.CROSS_STICK,
    42: DrumPiece.HAT_CLOSED, 22: DrumPiece.HAT_CLOSED, 46: DrumPiece.HAT_OPEN,
    26: DrumPiece.HAT_OPEN, 44: DrumPiece.HAT_PEDAL, 48: DrumPiece.TOM_HIGH,
    50: DrumPiece.TOM_HIGH, 45: DrumPiece.TOM_MID, 47: DrumPiece.TOM_MID,
    43: DrumPiece.TOM_FLOOR, 58: DrumPiece.TOM_FLOOR, 49: DrumPiece.CRASH, 55: DrumPiece.CRASH,
    57: DrumPiece.CRASH, 52: DrumPiece.CRASH, 51: DrumPiece.RIDE, 59: DrumPiece.RIDE,
    53: DrumPiece.RIDE_BELL,
}  # fmt: skip
# Kits of few layers or odd makes, and drum machines, are practice for the classifier but rare.
ACOUSTIC = "acoustic"
HELD_OUT = ("salamander", "avl_black_pearl", "h2_black_pearl_extra", "gogodze", "h2_forzee")

Stroke = tuple[float, DrumPiece, float]
"""(seconds, piece, velocity 0..1)"""


@dataclass(frozen=True)
class Take:
    samples: NDArray[np.float32]
    strokes: list[Stroke]


class Studio:
    """Everything under the data folder that may be trained on."""

    def __init__(self, data: Path, held_out: bool, seed: int) -> None:
        self.data = data
        self.rng = np.random.default_rng(seed)
        self.kits: dict[str, dict[str, list[dict[str, str]]]] = defaultdict(
            lambda: defaultdict(list)
        )
        self.kinds: dict[str, str] = {}
        with (data / "oneshots/manifest.csv").open() as file:
            for row in csv.DictReader(file):
                if row["kit"].startswith(HELD_OUT) == held_out:
                    self.kits[row["kit"]][row["articulation"]].append(row)
                    self.kinds[row["kit"]] = row["kind"]
        with (data / "groove_midi/info.csv").open() as file:
            split = "validation" if held_out else "train"
            self.performances = [
                data / "groove_midi" / row["midi_filename"]
                for row in csv.DictReader(file)
                if row["split"] == split
            ]
        with (data / "oneshots/typical_levels.csv").open() as file:
            self.levels_db = {
                row["articulation"]: float(row["loudest_layer_dB_re_snare_median"])
                for row in csv.DictReader(file)
            }
        self.rooms = sorted((data / "rir").glob("room_*.flac"))
        self.music = sorted((data / "backing/audio").glob("*.ogg"))

    def take(self, seconds: float = 22.0) -> Take:
        """One rendered excerpt; one in twelve is music alone."""
        rng = self.rng
        length = int(seconds * RATE)
        drums = np.zeros(length + 4 * RATE, np.float32)
        alone = rng.random() < 1 / 12
        toned = alone and rng.random() < 0.35
        strokes: list[Stroke] = []
        if not alone:
            strokes = self._restyle(self._excerpt(seconds - 0.5))
            if rng.random() < 0.06:
                # The demo's own drums, as one kit among sixty.
                hits = [
                    Hit(at, piece, max(1, round(127 * velocity))) for at, piece, velocity in strokes
                ]
                drums += drumsounds.play(hits, len(drums) / RATE, int(rng.integers(1 << 30)))
            else:
                self._play(strokes, drums)
        drums = drums[:length]
        if rng.random() < 0.45:
            drums = self._room(drums)
        drums = self._colour(drums)
        drums /= max(float(np.abs(drums).max()), 1e-3)
        if alone or rng.random() < 0.33:
            music = self._tones(length) if toned else self._music(length)
            ratio_db = 0.0 if alone else rng.uniform(-20, 4)
            loud = np.sqrt(np.mean(drums**2)) if not alone else 0.2
            drums = drums + music * (
                loud / max(float(np.sqrt(np.mean(music**2))), 1e-5) * 10 ** (ratio_db / 20)
            )
        noise_db = rng.uniform(-90, -48)
        noisy = drums + rng.normal(0, 10 ** (noise_db / 20), length)
        return Take(noisy.astype(np.float32), strokes)

    def _excerpt(self, seconds: float) -> list[Stroke]:
        strokes: list[Stroke] = []
        while len(strokes) < 8:
            path = self.performances[self.rng.integers(len(self.performances))]
            now, played, pedal = 0.0, [], 90
            for message in mido.MidiFile(path):
                now += message.time
                if message.type == "control_change" and message.control == 4:
                    pedal = message.value
                if message.type != "note_on" or message.velocity == 0:
                    continue
                piece = NOTES.get(message.note)
                if piece is None or (piece is DrumPiece.HAT_PEDAL and message.velocity < 45):
                    continue
                if piece is DrumPiece.HAT_OPEN and pedal > 75:
                    piece = DrumPiece.HAT_CLOSED
                played.append((now, piece, message.velocity / 127))
            start = self.rng.uniform(0, max(0.0, now - seconds)) if now > seconds else 0.0
            strokes = [
                (at - start + 0.1, piece, velocity)
                for at, piece, velocity in played
                if start <= at < start + seconds - 0.2
            ]
        return strokes

    def _restyle(self, strokes: list[Stroke]) -> list[Stroke]:
        """What Groove lacks: cross-stick songs, hats for rides, open hats, more toms."""
        rng = self.rng
        swap: dict[DrumPiece, DrumPiece] = {}
        if rng.random() < 0.12:
            swap[DrumPiece.SNARE] = DrumPiece.CROSS_STICK
        hats = rng.random()
        if hats < 0.12:
            swap[DrumPiece.HAT_CLOSED] = DrumPiece.RIDE
        elif hats < 0.2:
            swap[DrumPiece.HAT_CLOSED] = DrumPiece.HAT_OPEN
        elif hats < 0.26:
            swap[DrumPiece.HAT_CLOSED] = DrumPiece.CRASH
        elif hats < 0.30:
            swap[DrumPiece.RIDE] = DrumPiece.RIDE_BELL
        toms = (DrumPiece.TOM_HIGH, DrumPiece.TOM_MID, DrumPiece.TOM_FLOOR)
        if rng.random() < 0.08:
            swap[DrumPiece.HAT_CLOSED] = toms[rng.integers(3)]
        louder = rng.uniform(0.6, 1.4)
        restyled: list[Stroke] = []
        for at, piece, velocity in strokes:
            struck = swap.get(piece, piece)
            if piece is DrumPiece.SNARE and rng.random() < 0.06:
                struck = toms[rng.integers(3)]
            elif piece is DrumPiece.HAT_CLOSED and rng.random() < 0.05:
                struck = (DrumPiece.HAT_OPEN, DrumPiece.CRASH, DrumPiece.RIDE)[rng.integers(3)]
            restyled.append((at, struck, float(np.clip(velocity**louder, 0.02, 1))))
        return restyled

    def _play(self, strokes: list[Stroke], out: NDArray[np.float32]) -> None:
        rng = self.rng
        acoustic = [kit for kit, kind in self.kinds.items() if kind == ACOUSTIC]
        pool = acoustic if rng.random() < 0.85 else list(self.kits)
        base = pool[rng.integers(len(pool))]
        voices = {}
        for piece, every in ARTICULATIONS.items():
            names = [name for name in every if any(name in kit for kit in self.kits.values())]
            weights = [0.8, *([0.2 / max(1, len(names) - 1)] * (len(names) - 1))]
            total = sum(weights)
            name = names[rng.choice(len(names), p=[weight / total for weight in weights])]
            here = [option for option in (name, *names) if option in self.kits[base]]
            if here and rng.random() < 0.85:
                voices[piece] = (base, here[0])
            else:
                kits = [kit for kit in acoustic if name in self.kits[kit]]
                kits = kits or [kit for kit in self.kits if name in self.kits[kit]]
                voices[piece] = (kits[rng.integers(len(kits))], name)
        trims_db = {
            piece: self.levels_db.get(voice[1], -3.0) * 0.8 + rng.normal(0, 4)
            for piece, voice in voices.items()
        }
        # Hats recorded beside a loud kit are louder in a mix than struck alone.
        for piece in (DrumPiece.HAT_CLOSED, DrumPiece.HAT_OPEN, DrumPiece.HAT_PEDAL):
            trims_db[piece] += 5
        hats = [at for at, piece, _ in strokes if piece.value.startswith("hat")]
        for at, piece, velocity in strokes:
            kit, name = voices[piece]
            rows = self.kits[kit][name]
            layers = max(int(row["n_layers"]) for row in rows)
            wanted = int(np.clip(np.ceil(velocity * layers + rng.normal(0, 0.4)), 1, layers))
            near = sorted(rows, key=lambda row: abs(int(row["layer"]) - wanted))
            best = [row for row in near if row["layer"] == near[0]["layer"]]
            sample = _load(self.data / "oneshots" / best[rng.integers(len(best))]["file"])
            gain_db = trims_db[piece] + 32 * np.log10(velocity) + rng.normal(0, 0.7)
            sample = sample * np.float32(10 ** (gain_db / 20))
            if piece is DrumPiece.HAT_OPEN:
                later = [hat for hat in hats if hat > at + 0.02]
                if later:
                    stop = int((later[0] - at) * RATE)
                    sample = sample[: stop + 900].copy()
                    fade = min(900, len(sample))
                    sample[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
            first = max(0, int((at - 0.001) * RATE))
            part = sample[: len(out) - first]
            out[first : first + len(part)] += part

    def _room(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        response = _load(self.rooms[self.rng.integers(len(self.rooms))])
        direct = int(np.abs(response).argmax())
        response = response[max(0, direct - 20) :] / max(float(np.abs(response).max()), 1e-6)
        wet = fftconvolve(samples, response)[: len(samples)]
        wet *= np.sqrt(np.mean(samples**2) / max(float(np.mean(wet**2)), 1e-12))
        share = self.rng.uniform(0.1, 0.9)
        return np.asarray((1 - share) * samples + share * wet, np.float32)

    def _colour(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """A smooth random equaliser, sometimes a dull or a thin microphone."""
        rng = self.rng
        spectrum = np.fft.rfft(samples)
        hz = np.fft.rfftfreq(len(samples), 1 / RATE)
        knots = np.log([20, 60, 150, 400, 1000, 3000, 7000, 12_000, 20_000])
        gains_db = rng.normal(0, 3.5, len(knots))
        if rng.random() < 0.1:
            gains_db[-3:] -= rng.uniform(5, 25)
        if rng.random() < 0.15:
            gains_db[:2] -= rng.uniform(5, 20)
        curve = np.interp(np.log(np.maximum(hz, 20)), knots, gains_db)
        spectrum *= 10 ** (curve / 20)
        if rng.random() < 0.07:  # a codec's or a low sample rate's edge
            spectrum[hz > rng.uniform(7000, 15_000)] = 0
        out = np.fft.irfft(spectrum, len(samples))
        if rng.random() < 0.4:  # a phone's or a mix's limiter
            drive = rng.uniform(1, 4) / max(float(np.abs(out).max()), 1e-6)
            out = np.tanh(out * drive)
        return np.asarray(out, np.float32)

    def _tones(self, length: int) -> NDArray[np.float32]:
        """Held tones that swell and die: sound with beginnings, but nothing struck."""
        rng = self.rng
        out = np.zeros(length)
        for _ in range(rng.integers(1, 6)):
            first = int(rng.integers(length // 2))
            count = int(rng.integers(length // 4, length - first + 1)) if length > first else 0
            count = min(count, length - first)
            time_s = np.arange(count) / RATE
            hz = 2 ** rng.uniform(5.3, 11.5)
            fade_s = rng.uniform(0.02, 1.0)
            shape = np.clip(np.minimum(time_s, time_s[::-1]) / fade_s, 0, 1)
            voice = sum(
                np.sin(2 * np.pi * hz * n * time_s + rng.uniform(0, 6)) / n ** rng.uniform(1, 3)
                for n in range(1, 1 + rng.integers(1, 8))
            )
            out[first : first + count] += shape * voice
        return np.asarray(out, np.float32)

    def _music(self, length: int) -> NDArray[np.float32]:
        path = self.music[self.rng.integers(len(self.music))]
        with soundfile.SoundFile(path) as file:
            spare = max(0, file.frames - length)
            file.seek(int(self.rng.integers(spare + 1)))
            samples = file.read(length, dtype="float32", always_2d=True).mean(axis=1)
        return np.asarray(np.pad(samples, (0, length - len(samples))), np.float32)


@lru_cache(maxsize=4000)
def _load(path: Path) -> NDArray[np.float32]:
    samples, _ = soundfile.read(path, dtype="float32", always_2d=True)
    return np.asarray(samples.mean(axis=1), np.float32)
