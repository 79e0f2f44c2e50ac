"""Drums made of arithmetic: one stroke on each piece, for demos and tests.

Physical in outline only: a kick is a falling sine and a click, a snare two tones and noise, toms
sines that sag, cymbals many inharmonic partials under noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from libs.common.drums import DrumPiece, Hit

Samples = NDArray[np.float32]

SAMPLE_RATE: Final = 44_100

_HATS: Final = (DrumPiece.HAT_CLOSED, DrumPiece.HAT_OPEN, DrumPiece.HAT_HALF_OPEN)
_CHOKE_S: Final = 0.03

# Pitch in Hz, ring in seconds.
_TOMS: Final = {
    DrumPiece.TOM_HIGH: (190.0, 0.28),
    DrumPiece.TOM_MID: (140.0, 0.36),
    DrumPiece.TOM_FLOOR: (88.0, 0.5),
}
# Ring in seconds, lowest Hz, level.
_METALS: Final = {
    DrumPiece.HAT_CLOSED: (0.045, 6500.0, 0.22),
    DrumPiece.HAT_PEDAL: (0.05, 4500.0, 0.08),
    DrumPiece.HAT_HALF_OPEN: (0.2, 6000.0, 0.18),
    DrumPiece.HAT_OPEN: (0.45, 5500.0, 0.2),
    DrumPiece.SPLASH: (0.35, 5000.0, 0.25),
    DrumPiece.TAMBOURINE: (0.12, 6000.0, 0.2),
}
# How much of the bell rings along.
_RIDES: Final = {DrumPiece.RIDE: 0.06, DrumPiece.RIDE_BELL: 0.2, DrumPiece.COWBELL: 0.3}


def play(hits: Sequence[Hit], duration_s: float, seed: int = 1) -> Samples:
    """All strokes together; mono, SAMPLE_RATE, peak 0.9 or less if all were soft.

    A hat stroke ends the ringing of the one before. Every stroke differs a little, as a hand's do.
    """
    rng = np.random.default_rng(seed)
    out = np.zeros(round(duration_s * SAMPLE_RATE), np.float32)
    hat_onsets_s = sorted(hit.onset_s for hit in hits if hit.piece in (*_HATS, DrumPiece.HAT_PEDAL))
    for hit in hits:
        sound = stroke(hit.piece, hit.velocity, rng)
        if hit.piece in _HATS:
            later = [at for at in hat_onsets_s if at > hit.onset_s + 0.01]
            if later:
                sound = _choked(sound, later[0] - hit.onset_s)
        first = round(hit.onset_s * SAMPLE_RATE)
        part = sound[: max(0, len(out) - first)]
        out[first : first + len(part)] += part
    peak = float(np.abs(out).max(initial=0.0))
    return out * np.float32(0.9 / peak) if peak > 0.9 else out


def stroke(
    piece: DrumPiece, velocity: int = 100, rng: np.random.Generator | None = None
) -> Samples:
    """One stroke, ringing out; velocity 1 to 127 makes it louder and brighter."""
    rng = rng or np.random.default_rng(1)
    force = velocity / 127
    if piece in (DrumPiece.SNARE, DrumPiece.RIMSHOT):
        sound = _snare(rng, force)
    elif piece in _TOMS:
        sound = _tom(rng, *_TOMS[piece])
    elif piece in _METALS:
        sound = _metal(rng, *_METALS[piece])
    elif piece in _RIDES:
        sound = _ride(rng, _RIDES[piece])
    else:
        sound = {DrumPiece.KICK: _kick, DrumPiece.CROSS_STICK: _cross_stick}.get(piece, _crash)(rng)
    # What still rings at the end fades, or it would end in a click.
    fade = len(sound) // 4
    sound[-fade:] *= np.linspace(1, 0, fade)
    return (sound * np.float32(force**1.6)).astype(np.float32)


def _time_s(duration_s: float) -> NDArray[np.float64]:
    return np.arange(int(duration_s * SAMPLE_RATE)) / SAMPLE_RATE


def _noise(
    rng: np.random.Generator, count: int, low_hz: float, high_hz: float | None = None
) -> NDArray[np.float64]:
    white = rng.normal(0, 1, count)
    if high_hz is None:
        shape = butter(2, low_hz, "highpass", fs=SAMPLE_RATE, output="sos")
    else:
        shape = butter(2, [low_hz, high_hz], "bandpass", fs=SAMPLE_RATE, output="sos")
    return np.asarray(sosfilt(shape, white), np.float64)


def _glide(
    time_s: NDArray[np.float64], from_hz: float, to_hz: float, fall_s: float
) -> NDArray[np.float64]:
    """A sine that falls from one pitch to another, as a struck skin's does."""
    hz = to_hz + (from_hz - to_hz) * np.exp(-time_s / fall_s)
    return np.asarray(np.sin(2 * np.pi * np.cumsum(hz) / SAMPLE_RATE))


def _kick(rng: np.random.Generator) -> NDArray[np.float64]:
    time_s = _time_s(0.45)
    body = _glide(time_s, 170 * rng.uniform(0.97, 1.03), 52, 0.018) * np.exp(-time_s / 0.11)
    click = _noise(rng, len(time_s), 1200, 5000) * np.exp(-time_s / 0.004)
    return 0.85 * body + 0.22 * click


def _snare(rng: np.random.Generator, force: float) -> NDArray[np.float64]:
    time_s = _time_s(0.4)
    pitch = rng.uniform(0.98, 1.02)
    tones = _glide(time_s, 230 * pitch, 188 * pitch, 0.01) * np.exp(-time_s / 0.07)
    tones += 0.5 * np.sin(2 * np.pi * 331 * pitch * time_s) * np.exp(-time_s / 0.04)
    wires = _noise(rng, len(time_s), 1500, 9500) * np.exp(-time_s / 0.095)
    crack = _noise(rng, len(time_s), 2500) * np.exp(-time_s / 0.006)
    return 0.4 * tones + 0.42 * wires + 0.35 * force * crack


def _cross_stick(rng: np.random.Generator) -> NDArray[np.float64]:
    time_s = _time_s(0.12)
    wood = sum(
        level * np.sin(2 * np.pi * hz * time_s)
        for hz, level in ((520, 0.5), (1680, 1), (2650, 0.6))
    ) * np.exp(-time_s / 0.014)
    click = _noise(rng, len(time_s), 2000, 7000) * np.exp(-time_s / 0.003)
    return np.asarray(0.28 * wood + 0.2 * click, np.float64)


def _tom(rng: np.random.Generator, hz: float, ring_s: float) -> NDArray[np.float64]:
    time_s = _time_s(ring_s * 3)
    pitch = hz * rng.uniform(0.985, 1.015)
    body = _glide(time_s, pitch * 1.35, pitch, 0.03) * np.exp(-time_s / (ring_s * 0.55))
    body += 0.35 * np.sin(2 * np.pi * pitch * 1.59 * time_s) * np.exp(-time_s / (ring_s * 0.25))
    stick = _noise(rng, len(time_s), 900, 5000) * np.exp(-time_s / 0.006)
    return 0.65 * body + 0.18 * stick


def _partials(
    rng: np.random.Generator, time_s: NDArray[np.float64], low_hz: float, high_hz: float, count: int
) -> NDArray[np.float64]:
    """Many tones without a common root: what makes metal metal."""
    hz = np.exp(rng.uniform(np.log(low_hz), np.log(high_hz), count))
    phase = rng.uniform(0, 2 * np.pi, count)
    total = np.zeros(len(time_s))
    for each, shift in zip(hz, phase, strict=True):
        total += np.sin(2 * np.pi * each * time_s + shift)
    return np.asarray(total / np.sqrt(count), np.float64)


def _metal(
    rng: np.random.Generator, ring_s: float, low_hz: float, level: float
) -> NDArray[np.float64]:
    time_s = _time_s(ring_s * 5)
    sound = 0.6 * _noise(rng, len(time_s), low_hz) + 0.4 * _partials(
        rng, time_s, low_hz, 15_000, 24
    )
    attack = 1 + 1.5 * np.exp(-time_s / 0.004)
    return level * sound * np.exp(-time_s / ring_s) * attack


def _ride(rng: np.random.Generator, bell: float) -> NDArray[np.float64]:
    time_s = _time_s(1.6)
    ping = _noise(rng, len(time_s), 3500, 9000) * np.exp(-time_s / 0.012)
    wash = _noise(rng, len(time_s), 4500, 13_000) * np.exp(-time_s / 0.55)
    tones = _partials(np.random.default_rng(7), time_s, 2600, 9000, 18) * np.exp(-time_s / 0.4)
    ring = sum(np.sin(2 * np.pi * hz * time_s) for hz in (620, 1240, 1975, 2890))
    return np.asarray(
        0.2 * ping + 0.035 * wash + 0.05 * tones + bell * 0.4 * ring * np.exp(-time_s / 0.3)
    )


def _crash(rng: np.random.Generator) -> NDArray[np.float64]:
    time_s = _time_s(2.6)
    low = _noise(rng, len(time_s), 500, 3000) * np.exp(-time_s / 0.25)
    high = _noise(rng, len(time_s), 3000) * np.exp(-time_s / 0.75)
    tones = _partials(np.random.default_rng(11), time_s, 400, 11_000, 40) * np.exp(-time_s / 0.6)
    swell = 1 - 0.5 * np.exp(-time_s / 0.012)
    return 0.24 * (0.5 * low + high + 0.5 * tones) * swell


def _choked(sound: Samples, after_s: float) -> Samples:
    stop = round(after_s * SAMPLE_RATE)
    fade = round(_CHOKE_S * SAMPLE_RATE)
    if stop >= len(sound):
        return sound
    sound = sound[: stop + fade].copy()
    fade = min(fade, len(sound))
    sound[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return sound
