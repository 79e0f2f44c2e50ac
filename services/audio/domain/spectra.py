"""What the network sees: log-frequency spectra at 100 frames a second, of three window lengths.

The short window tells when, the long ones what: no single length does both (after Böck and Schedl,
Enhanced Beat Tracking with Context-Aware Neural Networks, 2011, who stack several too).
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import fft

SAMPLE_RATE: Final = 44_100
FRAMES_PER_S: Final = 100
HOP_SAMPLES: Final = SAMPLE_RATE // FRAMES_PER_S
WINDOWS: Final = (512, 2048, 4096)
BANDS: Final = 84
LOWEST_HZ: Final = 35.0
HIGHEST_HZ: Final = 17_500.0

Spectra = NDArray[np.float32]
"""Decibels, [windows, bands, frames]."""


def levels_db(samples: NDArray[np.float32]) -> Spectra:
    """Band levels of mono samples at 44.1 kHz, in dB.

    Frame k is centred on sample k * 441; `samples` must begin half the longest window before the
    first frame wanted and end as much after the last: n samples give
    (n - 4096) // 441 + 1 frames.
    """
    longest = max(WINDOWS)
    frames = (len(samples) - longest) // HOP_SAMPLES + 1
    if frames < 1:
        return np.zeros((len(WINDOWS), BANDS, 0), np.float32)
    out = np.empty((len(WINDOWS), BANDS, frames), np.float32)
    for index, length in enumerate(WINDOWS):
        first = (longest - length) // 2
        view = np.lib.stride_tricks.sliding_window_view(samples[first:], length)
        spectrum = fft.rfft(view[::HOP_SAMPLES][:frames] * _window(length), axis=1)
        power = spectrum.real**2 + spectrum.imag**2
        bands = _bank(length) @ power.T
        np.log10(np.maximum(bands, 1e-12, out=bands), out=out[index])
    out *= 10
    return out


def reference_db(levels: Spectra) -> float:
    """The level that a chunk's decibels are told against: its loudest frame's mean over bands of
    the middle window, but never less than that of a whisper of noise (-75 dBFS)."""
    if levels.shape[2] == 0:
        return -75.0
    loud = 10 * np.log10(np.mean(10 ** (levels[1] / 10), axis=0))
    return max(float(loud.max()), -75.0)


@cache
def _window(length: int) -> NDArray[np.float32]:
    window = np.hanning(length + 1)[:-1]
    # A full-scale tone reads 0 dB in its band.
    return np.asarray(window * 2 / window.sum(), np.float32)


@cache
def _bank(length: int) -> NDArray[np.float32]:
    """Triangles evenly spaced in log frequency, [bands, bins]; where bins are wider than bands
    the triangle is a bin wide, so that no band is empty."""
    hz = np.fft.rfftfreq(length, 1 / SAMPLE_RATE)
    width_hz = hz[1]
    centres = np.geomspace(LOWEST_HZ, HIGHEST_HZ, BANDS)
    ratio = centres[1] / centres[0]
    bank = np.zeros((BANDS, len(hz)), np.float32)
    for index, centre in enumerate(centres):
        lower = max(centre - centre / ratio, width_hz)
        upper = max(centre * ratio - centre, width_hz)
        rise = 1 - (centre - hz) / lower
        fall = 1 - (hz - centre) / upper
        bank[index] = np.clip(np.minimum(rise, fall), 0, 1)
    return bank
