"""Sounds that the samples have too few of, made from noise and partials."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, sosfilt

from training.ear.kits import RATE

Samples = NDArray[np.float32]


class Tambourine:
    """One tambourine or set of jingles: pairs of small plates that rattle after the stroke.

    Each plate is a handful of inharmonic partials between 3 and 16 kHz; a stroke makes the plates
    clash several times, closer and softer.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        centre = rng.uniform(5000, 10_000)
        self._hz = np.clip(rng.normal(centre, 2500, int(rng.integers(4, 20))), 2500, 17_000)
        # A few plates outshine the others.
        self._levels = rng.lognormal(0, 1, len(self._hz))
        # Real ones fall by 25 to 30 dB in 0.2 s.
        self._ring_s = float(np.exp(rng.uniform(np.log(0.015), np.log(0.15))))
        self._rattle = int(rng.integers(2, 7))
        self._spread_s = float(np.exp(rng.uniform(np.log(0.003), np.log(0.04))))
        self._noise = float(np.exp(rng.uniform(np.log(0.05), np.log(1.5))))
        self._skin = rng.uniform(0, 0.8) if rng.random() < 0.4 else 0.0
        self._band = butter(
            2,
            (max(1500.0, centre * 0.5), min(20_000.0, centre * 1.9)),
            "band",
            fs=RATE,
            output="sos",
        )

    def stroke(self, velocity: float) -> Samples:
        rng = self._rng
        count = int((self._ring_s * 3 + self._spread_s * 3 + 0.05) * RATE)
        time_s = np.arange(count) / RATE
        excitation = np.zeros(count)
        at_s, level = 0.001, 1.0
        for _ in range(self._rattle):
            first = int(at_s * RATE)
            if first >= count:
                break
            burst = int(rng.uniform(0.001, 0.006) * RATE)
            burst = min(burst, count - first)
            excitation[first : first + burst] += level * rng.standard_normal(burst)
            at_s += rng.exponential(self._spread_s)
            level *= rng.uniform(0.4, 0.95)
        envelope = lfilter([1], [1, -np.exp(-1 / (self._ring_s * RATE))], np.abs(excitation))
        envelope /= max(float(envelope.max()), 1e-9)
        partials = sum(
            np.sin(2 * np.pi * hz * time_s + rng.uniform(0, 6.3)) * level * rng.uniform(0.5, 1)
            for hz, level in zip(self._hz, self._levels, strict=True)
        ) / np.sqrt(float((self._levels**2).sum()))
        hiss = sosfilt(self._band, rng.standard_normal(count)) * 2
        sound = envelope * (partials + self._noise * hiss)
        if self._skin:
            sound += self._skin * np.sin(2 * np.pi * 320 * time_s) * np.exp(-time_s / 0.04)
        rise = int(0.0015 * RATE)
        sound[:rise] *= np.linspace(0, 1, rise)
        return (sound / max(float(np.abs(sound).max()), 1e-9) * (0.3 + 0.7 * velocity)).astype(
            np.float32
        )


def wires(rng: np.random.Generator) -> Samples:
    """The buzz of snare wires that a stroke on another drum sets off; no stroke of its own."""
    count = int(rng.uniform(0.1, 0.4) * RATE)
    band = butter(
        2, (rng.uniform(700, 2500), rng.uniform(6000, 15_000)), "band", fs=RATE, output="sos"
    )
    time_s = np.arange(count) / RATE
    shape = np.exp(-time_s / rng.uniform(0.03, 0.12)) * np.clip(
        time_s / rng.uniform(0.002, 0.02), 0, 1
    )
    noise = sosfilt(band, rng.standard_normal(count)) * shape
    return (noise / max(float(np.abs(noise).max()), 1e-9)).astype(np.float32)


def shaker(length: int, rng: np.random.Generator) -> Samples:
    """A shaker's sixteenths: regular noise that is none of the drums."""
    band = butter(
        2, (rng.uniform(2500, 6000), rng.uniform(9000, 18_000)), "band", fs=RATE, output="sos"
    )
    noise = sosfilt(band, rng.standard_normal(length))
    step_s = rng.uniform(0.08, 0.3)
    phase = (np.arange(length) / RATE / step_s) % 1.0
    peak = rng.uniform(0.2, 0.6)
    swell = np.where(phase < peak, phase / peak, (1 - phase) / (1 - peak)) ** rng.uniform(1.5, 5)
    accents = np.repeat(rng.choice([0.4, 1.0], 64), int(step_s * RATE) + 1)[:length]
    accents = np.pad(accents, (0, max(0, length - len(accents))), mode="edge")
    return (noise * swell * accents).astype(np.float32)


def tones(length: int, rng: np.random.Generator) -> Samples:
    """Held tones and chords that swell and die: sound with beginnings, but nothing struck."""
    out = np.zeros(length)
    for _ in range(int(rng.integers(1, 8))):
        first = int(rng.integers(0, max(1, length * 3 // 4)))
        count = int(rng.integers(length // 8, length - first + 1))
        count = min(count, length - first)
        time_s = np.arange(count) / RATE
        hz = 2 ** rng.uniform(5.3, 11.7)
        fade_s = rng.choice([0.004, 0.03, 0.3]) * rng.uniform(0.5, 2)
        shape = np.clip(np.minimum(time_s, time_s[::-1]) / fade_s, 0, 1)
        if rng.random() < 0.4:
            shape = shape * np.exp(-time_s / rng.uniform(0.2, 3))
        vibrato = 1 + 0.004 * np.sin(2 * np.pi * rng.uniform(3, 7) * time_s) * rng.random()
        angle = 2 * np.pi * hz * np.cumsum(vibrato) / RATE
        slope = rng.uniform(0.7, 3)
        voice = sum(
            np.sin(n * angle + rng.uniform(0, 6)) / n**slope
            for n in range(1, int(rng.integers(2, 10))) if n * hz < 18_000
        )  # fmt: skip
        out[first : first + count] += shape * voice
    if rng.random() < 0.3:
        out = np.tanh(out * rng.uniform(1, 8))
    return np.asarray(out / max(float(np.abs(out).max()), 1e-6), np.float32)
