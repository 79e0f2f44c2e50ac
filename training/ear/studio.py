"""Where it is played and how it is recorded: from strokes to a mono take at 44.1 kHz."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import av
import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq
from scipy.signal import correlate, lfilter

from backbeat import drumsounds
from libs.common.drums import DrumPiece as P
from libs.common.drums import Hit
from training.ear.kits import RATE, Sample, Shelf, Voice, make_set
from training.ear.strokes import HATS, Player, Stroke
from training.ear.synthetic import Tambourine, shaker, tones, wires

Samples = NDArray[np.float32]

BEFORE_S = 0.5
"""Played before the take begins, so that something may still ring when it does."""
DRUMS = frozenset({P.KICK, P.SNARE, P.CROSS_STICK, P.TOM_HIGH, P.TOM_MID, P.TOM_FLOOR})


@dataclass(frozen=True, slots=True)
class Take:
    samples: Samples
    strokes: list[Stroke]
    """Those that sound, at the times at which they are heard."""


class Studio:
    def __init__(
        self, data: Path, shelf: Shelf, player: Player, rng: np.random.Generator,
        music: tuple[float, float] = (0.0, 0.9),
    ) -> None:  # fmt: skip
        """`music`: which share of the backing clips, in the order of their names, may be heard."""
        self._shelf = shelf
        self._player = player
        self._rng = rng
        rooms = sorted((data / "rir").glob("*.flac"))
        plates = sorted((data / "rir/emt140").glob("*.flac"))
        self._rooms = [_room(path) for path in rooms + plates]
        clips = sorted((data / "backing/audio").glob("*.ogg"))
        clips = clips[int(music[0] * len(clips)) : int(music[1] * len(clips))]
        self._music = [_mono16(path) for path in clips]

    def take(self, seconds: float) -> Take:
        rng = self._rng
        length = round(seconds * RATE)
        lead = round(BEFORE_S * RATE)
        alone = rng.random() < 0.05
        strokes = [] if alone else self._player.play(seconds + BEFORE_S)
        if not alone and rng.random() < 0.03:
            buses, heard = self._strike_demo(strokes, length + lead)
        else:
            buses, heard = self._strike(strokes, length + lead)
        drums = self._space(buses)[lead:]
        heard = [
            Stroke(s.at_s - BEFORE_S, s.piece, s.velocity) for s in heard if s.at_s >= BEFORE_S
        ]
        peak = float(np.abs(drums).max())
        if peak > 0:
            drums = drums / peak
        mixed = drums
        if rng.random() < 0.35:
            mixed = _compress(mixed, rng)
        if alone or rng.random() < 0.45:
            mixed = self._under_music(mixed, alone)
        if rng.random() < 0.04:
            level_db = rng.uniform(-24, -2)
            rattle = shaker(length, rng)
            mixed = mixed + rattle * (_rms(mixed) / _rms(rattle) * 10 ** (level_db / 20))
        if rng.random() < 0.08:
            mixed = mixed + self._swirl(length) * _rms(mixed)
        if rng.random() < 0.6:
            mixed = mixed + self._noise(length) * max(_rms(mixed), 1e-3)
        return Take(self._record(mixed), heard)

    def _record(self, mixed: Samples) -> Samples:
        """The whole, through what it is recorded and kept with."""
        rng = self._rng
        if rng.random() < 0.25:
            mixed = _compress(mixed, rng)
        if rng.random() < 0.3:
            drive = rng.uniform(0.7, 4)
            mixed = np.tanh(mixed * drive / max(float(np.abs(mixed).max()), 1e-6))
        elif rng.random() < 0.1:
            edge = rng.uniform(0.3, 0.9) * float(np.abs(mixed).max())
            mixed = np.clip(mixed, -edge, edge)
        if rng.random() < 0.3:
            mixed = _equalise(mixed, rng)
        mixed = mixed / max(float(np.abs(mixed).max()), 1e-6) * 10 ** (rng.uniform(-30, 0) / 20)
        mixed = mixed.astype(np.float32)
        if rng.random() < 0.12:
            mixed = through_codec(mixed, *_CODECS[rng.integers(len(_CODECS))])
        return mixed

    def _strike(self, strokes: list[Stroke], length: int) -> tuple[list[Samples], list[Stroke]]:
        rng = self._rng
        played_on = make_set(self._shelf, rng)
        tail = np.zeros((2, length + 6 * RATE), np.float32)
        ready: dict[tuple[P, int], Samples] = {}
        hats_s = sorted(s.at_s for s in strokes if s.piece in HATS)
        last_sample: dict[P, int] = {}
        heard = []
        buzz = [wires(rng) for _ in range(3)] if rng.random() < 0.35 else []
        buzz_db = rng.uniform(-34, -12)
        tambourine = Tambourine(rng) if rng.random() < 0.8 else None
        for s in strokes:
            voice = played_on.get(s.piece)
            if voice is None:
                continue
            if s.piece is P.TAMBOURINE and tambourine is not None:
                sound = tambourine.stroke(s.velocity)
                gain_db = voice.trim_db + voice.range_db * np.log10(s.velocity)
                first = round((s.at_s - 0.001) * RATE)
                if first >= 0:
                    count = min(len(sound), tail.shape[1] - first)
                    tail[1, first : first + count] += sound[:count] * np.float32(
                        10 ** (gain_db / 20)
                    )
                    heard.append(s)
                continue
            sample = _layer(voice, s.velocity, last_sample.get(s.piece), rng)
            last_sample[s.piece] = sample.first
            key = (s.piece, sample.first)
            if key not in ready:
                ready[key] = _tuned(self._shelf.samples(sample), voice)
            sound = ready[key]
            gain_db = voice.trim_db + voice.range_db * np.log10(s.velocity) + rng.normal(0, 0.8)
            if s.piece in (P.HAT_OPEN, P.HAT_HALF_OPEN):
                later = np.searchsorted(hats_s, s.at_s + 0.015)
                if later < len(hats_s):
                    sound = _choked(sound, hats_s[later] - s.at_s)
            elif s.piece in (P.CRASH, P.CHINA, P.SPLASH) and rng.random() < 0.05:
                sound = _choked(sound, rng.uniform(0.1, 0.6))
            onset = round(sample.onset_samples / voice.tuning)
            first = round(s.at_s * RATE) - onset
            if first < 0:
                continue
            bus = tail[0 if s.piece in DRUMS else 1]
            count = min(len(sound), len(bus) - first)
            bus[first : first + count] += sound[:count] * np.float32(10 ** (gain_db / 20))
            if buzz and s.piece in DRUMS and s.piece not in (P.SNARE, P.CROSS_STICK):
                rattle = buzz[rng.integers(3)]
                count = min(len(rattle), len(bus) - first)
                bus[first : first + count] += rattle[:count] * np.float32(
                    10 ** ((gain_db + buzz_db + rng.normal(0, 2)) / 20)
                )
            # A mallet's stroke is heard when it has risen half-way.
            heard.append(Stroke(s.at_s + 0.4 * voice.soft_s, s.piece, s.velocity))
        return [tail[0][:length], tail[1][:length]], heard

    def _strike_demo(
        self, strokes: list[Stroke], length: int
    ) -> tuple[list[Samples], list[Stroke]]:
        """The synthesised kit of `backbeat demo`, as one among many."""
        hits = [Hit(s.at_s, s.piece, max(1, round(127 * s.velocity))) for s in strokes]
        sound = drumsounds.play(hits, length / RATE, int(self._rng.integers(1 << 30)))
        return [sound[:length].astype(np.float32), np.zeros(length, np.float32)], strokes

    def _space(self, buses: list[Samples]) -> Samples:
        """Drums and cymbals each with their own tone and share of the room."""
        rng = self._rng
        length = len(buses[0])
        padded = next_fast_len(length + RATE, real=True)
        hz = rfftfreq(padded, 1 / RATE)
        roomy = rng.random() < 0.65
        room = None
        if roomy:
            response = self._rooms[rng.integers(len(self._rooms))]
            room = rfft(response, padded)
        total = None
        share = rng.uniform(0, 0.95)
        for bus in buses:
            spectrum = rfft(bus, padded)
            if rng.random() < 0.7:
                spectrum = spectrum * _tone(hz, rng)
            if room is not None:
                wet = float(np.clip(share + rng.normal(0, 0.2), 0, 1))
                spectrum = spectrum * ((1 - wet) + wet * 0.7 * room)
            total = spectrum if total is None else total + spectrum
        assert total is not None
        if rng.random() < 0.25:
            total = total * _microphone(hz, rng)
        return irfft(total, padded)[:length].astype(np.float32)

    def _under_music(self, drums: Samples, alone: bool) -> Samples:
        rng = self._rng
        if rng.random() < 0.15:
            music = tones(len(drums), rng)
        else:
            music = self._clip(len(drums))
            if rng.random() < 0.25:
                music = music + self._clip(len(drums)) * rng.uniform(0.2, 1)
            if rng.random() < 0.2:
                music = music + tones(len(drums), rng) * rng.uniform(0.05, 0.6)
        if rng.random() < 0.25:
            # Guitars through an amplifier: dense, noisy, and struck too.
            music = np.tanh(music / max(_rms(music), 1e-5) * rng.uniform(0.3, 4))
        if rng.random() < 0.7:
            music = _equalise(music.astype(np.float32), rng)
        loud = _rms(music)
        if loud < 1e-5:
            return drums
        level_db = rng.triangular(-26, 4, 10)
        return drums + music * ((0.2 if alone else _rms(drums)) / loud * 10 ** (level_db / 20))

    def _clip(self, length: int) -> Samples:
        rng = self._rng
        clip = self._music[rng.integers(len(self._music))]
        speed = float(2 ** (rng.uniform(-7, 7) / 12))
        wanted = int(length * speed) + 2
        first = int(rng.integers(max(1, len(clip) - wanted)))
        part = clip[first : first + wanted].astype(np.float32) / 32767
        at = np.arange(length) * speed
        return np.interp(at, np.arange(len(part)), part, right=0.0).astype(np.float32)

    def _swirl(self, length: int) -> Samples:
        """A brush stirred on the head: noise that swells and falls with the beat."""
        rng = self._rng
        noise = rng.standard_normal(length).astype(np.float32)
        low = lfilter([0.35], [1, -0.65], noise)
        sweep = low - lfilter([0.06], [1, -0.94], low)
        swell = 1 + np.sin(2 * np.pi * rng.uniform(0.6, 4) * np.arange(length) / RATE)
        sweep = sweep * swell ** rng.uniform(0.5, 2)
        return np.asarray(
            sweep / max(_rms(sweep), 1e-6) * 10 ** (rng.uniform(-24, -2) / 20), np.float32
        )

    def _noise(self, length: int) -> Samples:
        rng = self._rng
        noise = rng.standard_normal(length).astype(np.float32)
        pole = rng.choice([0.0, 0.9, 0.98])
        if pole:
            noise = lfilter([1 - pole], [1, -pole], noise)
        if rng.random() < 0.2:
            hum = rng.choice([50, 60])
            time_s = np.arange(length) / RATE
            noise = noise / max(_rms(noise), 1e-6) + sum(
                np.sin(2 * np.pi * hum * n * time_s) / n for n in (1, 2, 3, 5)
            ) * rng.uniform(0, 2)
        return np.asarray(
            noise / max(_rms(noise), 1e-6) * 10 ** (rng.uniform(-65, -14) / 20), np.float32
        )


def _layer(voice: Voice, velocity: float, last: int | None, rng: np.random.Generator) -> Sample:
    layers = max(sample.layers for sample in voice.samples)
    wanted = np.clip(np.ceil(velocity * layers + rng.normal(0, 0.4)), 1, layers)
    nearest = min(abs(sample.layer - wanted) for sample in voice.samples)
    close = [sample for sample in voice.samples if abs(sample.layer - wanted) == nearest]
    fresh = [sample for sample in close if sample.first != last]
    options = fresh or close
    return options[rng.integers(len(options))]


def _tuned(samples: Samples, voice: Voice) -> Samples:
    if voice.tuning != 1.0:
        count = int(len(samples) / voice.tuning)
        at = np.arange(count, dtype=np.float32) * np.float32(voice.tuning)
        samples = np.interp(at, np.arange(len(samples)), samples).astype(np.float32)
    if voice.damping_s is not None:
        samples = samples * np.exp(-np.arange(len(samples)) / (voice.damping_s * RATE)).astype(
            np.float32
        )
    if voice.soft_s:
        rise = int(voice.soft_s * RATE * 2)
        samples = samples.copy()
        head = samples[: 4 * rise]
        pole = np.exp(-2 * np.pi * 2500 / RATE)
        samples[: 4 * rise] = lfilter([1 - pole], [1, -pole], head)
        rise = min(rise, len(samples))
        samples[:rise] *= np.linspace(0, 1, rise, dtype=np.float32)
    return samples


def _choked(samples: Samples, after_s: float) -> Samples:
    stop = int(after_s * RATE)
    fade = 1500
    if stop + fade >= len(samples):
        return samples
    cut = samples[: stop + fade].copy()
    cut[stop:] *= np.linspace(1, 0, fade, dtype=np.float32) ** 2
    return cut


_KNOTS = np.log([20, 60, 120, 250, 500, 1000, 2500, 5000, 9000, 14_000, 20_000])


def _tone(hz: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float32]:
    """A smooth random equaliser."""
    gains_db = np.cumsum(rng.normal(0, 2.2, len(_KNOTS)))
    gains_db = gains_db - gains_db.mean()
    return _curve(hz, gains_db)


def _microphone(hz: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float32]:
    """A phone's or a camera's: no lows, a presence peak, or no highs."""
    gains_db = rng.normal(0, 2.0, len(_KNOTS))
    kind = rng.integers(3)
    if kind != 1:
        gains_db[:4] -= np.array([24, 16, 9, 3]) * rng.uniform(0.2, 1.3)
    if kind != 0:
        gains_db[-3:] -= np.array([5, 14, 26]) * rng.uniform(0.2, 1.5)
    gains_db[5:8] += rng.uniform(0, 7)
    return _curve(hz, gains_db)


def _curve(hz: NDArray[np.float64], gains_db: NDArray[np.float64]) -> NDArray[np.float32]:
    coarse = np.geomspace(20, 22_050, 200)
    curve = 10 ** (np.interp(np.log(coarse), _KNOTS, gains_db) / 20)
    return np.interp(hz, coarse, curve).astype(np.float32)


def _equalise(samples: Samples, rng: np.random.Generator) -> Samples:
    padded = next_fast_len(len(samples), real=True)
    hz = rfftfreq(padded, 1 / RATE)
    curve = _tone(hz, rng) if rng.random() < 0.7 else _microphone(hz, rng)
    if rng.random() < 0.2:
        curve[hz > rng.uniform(7000, 16_000)] = 0
    return irfft(rfft(samples, padded) * curve, padded)[: len(samples)].astype(np.float32)


def _compress(samples: Samples, rng: np.random.Generator) -> Samples:
    """A feed-forward compressor whose gain is found every 64 samples (1.5 ms)."""
    step = 64
    blocks = len(samples) // step
    if blocks < 2:
        return samples
    power = (samples[: blocks * step].reshape(blocks, step) ** 2).mean(axis=1)
    level_db = 10 * np.log10(power + 1e-9)
    threshold_db = float(np.percentile(level_db, 99)) - rng.uniform(3, 30)
    over_db = np.maximum(0, level_db - threshold_db) * (1 - 1 / rng.uniform(1.5, 10))
    # Attack by smoothing a little, release by a slow decay of the largest: two passes of one pole.
    attack = np.exp(-step / RATE / rng.uniform(0.0005, 0.03))
    release = np.exp(-step / RATE / rng.uniform(0.03, 0.4))
    fast = lfilter([1 - attack], [1, -attack], over_db)
    slow = lfilter([1 - release], [1, -release], fast)
    gain_db = -np.maximum(fast * 0.6, slow)
    gain = 10 ** (np.interp(np.arange(len(samples)), np.arange(blocks) * step, gain_db) / 20)
    return (samples * gain).astype(np.float32)


# (container, codec, bits a second)
_CODECS = (
    ("mp4", "aac", 64_000), ("mp4", "aac", 96_000), ("mp4", "aac", 128_000),
    ("matroska", "libopus", 32_000), ("matroska", "libopus", 64_000),
    ("matroska", "libopus", 96_000),
)  # fmt: skip


def through_codec(samples: Samples, container: str, codec: str, bit_rate: int) -> Samples:
    """What a video's sound track leaves of it; as long as before and not displaced."""
    delay = _codec_delay(container, codec, bit_rate)
    heard = _coded(np.pad(samples, (0, 4096)), container, codec, bit_rate)[delay:]
    heard = heard[: len(samples)]
    return np.pad(heard, (0, len(samples) - len(heard)))


@cache
def _codec_delay(container: str, codec: str, bit_rate: int) -> int:
    """How much later a sound comes out, samples: players know it from the file, here it is
    measured."""
    noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32) * 0.1
    sound = noise * np.exp(-np.arange(RATE) / 4000).astype(np.float32)
    back = _coded(np.pad(sound, 8192), container, codec, bit_rate)
    return int(correlate(back, sound, "valid", "fft").argmax()) - 8192


def _coded(samples: Samples, container: str, codec: str, bit_rate: int) -> Samples:
    rate = 48_000 if codec == "libopus" else RATE
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate, layout="mono", bit_rate=bit_rate)
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="fltp", layout="mono")
        frame.sample_rate = RATE
        to_codec = av.AudioResampler(
            format=stream.format.name,
            layout="mono",
            rate=rate,
            frame_size=stream.frame_size or 1024,
        )
        for part in [*to_codec.resample(frame), *to_codec.resample(None)]:
            for packet in stream.encode(part):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
    file.seek(0)
    back = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    parts = []
    with av.open(file) as source:
        for decoded in source.decode(audio=0):
            parts += [part.to_ndarray()[0] for part in back.resample(decoded)]
        parts += [part.to_ndarray()[0] for part in back.resample(None)]
    return np.concatenate(parts).astype(np.float32)


def _room(path: Path) -> Samples:
    samples, _ = soundfile.read(path, dtype="float32", always_2d=True)
    mono = samples.mean(axis=1)
    direct = int(np.abs(mono).argmax())
    mono = mono[max(0, direct - 20) :][: int(1.5 * RATE)]
    return np.asarray(mono / max(float(np.sqrt((mono**2).sum())), 1e-6), np.float32)


def _mono16(path: Path) -> NDArray[np.int16]:
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    if rate != RATE:
        raise ValueError(f"{path} is at {rate} Hz, not {RATE}")
    mono = samples.mean(axis=1)
    return np.round(mono / max(float(np.abs(mono).max()), 1e-6) * 32767).astype(np.int16)


def _rms(samples: NDArray[np.floating]) -> float:
    return float(np.sqrt(np.mean(samples**2) + 1e-12))
