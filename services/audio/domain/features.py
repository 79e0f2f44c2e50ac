"""Power in 24 bands, 200 times a second, from blocks of samples of any size.

Two windows, centred on the same sample: below 340 Hz a long one (46 ms), for there a kick and
the toms differ by less than the short one's width; above it a short one (23 ms), for the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft

from services.audio.domain.blocks import Samples

Bands = NDArray[np.float32]
"""Shape (frames, BANDS)."""

SAMPLE_RATE: Final = 44_100
HOP_SAMPLES: Final = 220
FRAMES_PER_S: Final = SAMPLE_RATE / HOP_SAMPLES
LONG_SAMPLES: Final = 2048
SHORT_SAMPLES: Final = 1024
EDGES_HZ: Final = np.concatenate(
    [[30, 55, 80, 105, 135, 170, 215, 270], np.geomspace(340, 16_000, 17)]
)
LOW_BANDS: Final = 8
BANDS: Final = len(EDGES_HZ) - 1

_DB_STEP: Final = 0.5
_DB_LOWEST: Final = -160.0
_DB_BINS: Final = 480


def _band_matrix(window_samples: int, edges_hz: NDArray[np.float64]) -> NDArray[np.float32]:
    """Trapezoids that share a bin between neighbours; shape (bins, bands)."""
    bin_hz = SAMPLE_RATE / window_samples
    bins_hz = np.arange(window_samples // 2 + 1) * bin_hz
    low, high = edges_hz[:-1], edges_hz[1:]
    below = np.clip((bins_hz[:, None] + bin_hz / 2 - low) / bin_hz, 0, 1)
    above = np.clip((high - bins_hz[:, None] + bin_hz / 2) / bin_hz, 0, 1)
    # Power per window scales with its energy: divided out, both windows speak the same units.
    return np.asarray(below * above / window_samples**2, np.float32)


_LONG_WINDOW = np.hanning(LONG_SAMPLES).astype(np.float32)
_SHORT_WINDOW = np.hanning(SHORT_SAMPLES).astype(np.float32)
_LONG_BANDS = _band_matrix(LONG_SAMPLES, EDGES_HZ[: LOW_BANDS + 1])
_SHORT_BANDS = _band_matrix(SHORT_SAMPLES, EDGES_HZ[LOW_BANDS:])


class BandMeter:
    """Turns samples into band powers as they come. Frame n is centred on sample n * HOP."""

    def __init__(self) -> None:
        self._kept: Samples = np.zeros(LONG_SAMPLES // 2, np.float32)

    def push(self, samples: Samples) -> Bands:
        """The frames that these samples complete."""
        held = np.concatenate([self._kept, samples])
        count = max(0, (len(held) - LONG_SAMPLES) // HOP_SAMPLES + 1)
        self._kept = held[count * HOP_SAMPLES :]
        powers = [
            _powers(held[first * HOP_SAMPLES :], min(512, count - first))
            for first in range(0, count, 512)
        ]
        return np.concatenate(powers) if powers else np.zeros((0, BANDS), np.float32)

    def finish(self) -> Bands:
        """The last frames, as if silence followed."""
        return self.push(np.zeros(LONG_SAMPLES // 2, np.float32))


def _powers(samples: Samples, count: int) -> Bands:
    views = np.lib.stride_tricks.sliding_window_view(samples, LONG_SAMPLES)[::HOP_SAMPLES][:count]
    inset = (LONG_SAMPLES - SHORT_SAMPLES) // 2
    long = np.abs(rfft(views * _LONG_WINDOW, axis=1)) ** 2
    short = np.abs(rfft(views[:, inset:-inset] * _SHORT_WINDOW, axis=1)) ** 2
    return np.hstack([long @ _LONG_BANDS, short @ _SHORT_BANDS]).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Levels:
    """How loud the recording is; everything after is relative to it."""

    loud_power: float
    """Power of the frames that only one in twenty exceeds."""
    band_loud_power: NDArray[np.float32]
    """The same per band, one in ten; shape (BANDS,)."""


class LevelMeter:
    """Histograms of frame power in half decibels: percentiles of any length, in constant memory."""

    def __init__(self) -> None:
        self._counts = np.zeros((BANDS + 1, _DB_BINS), np.int64)

    def push(self, powers: Bands) -> None:
        """Count these frames."""
        if not len(powers):
            return
        everything = np.column_stack([powers, powers.sum(axis=1)])
        db = 10 * np.log10(everything + 1e-16)
        bins = np.clip((db - _DB_LOWEST) / _DB_STEP, 0, _DB_BINS - 1).astype(np.int64)
        for band in range(BANDS + 1):
            self._counts[band] += np.bincount(bins[:, band], minlength=_DB_BINS)

    def levels(self) -> Levels:
        """Percentiles of what was counted. Frames 60 dB under the loudest are pauses, left out."""
        total = self._counts[BANDS]
        loudest = int(np.flatnonzero(total)[-1]) if total.any() else 0
        floor = max(0, loudest - round(60 / _DB_STEP))
        return Levels(
            loud_power=self._percentile(BANDS, 0.95, floor),
            band_loud_power=np.array(
                [self._percentile(band, 0.90, 0) for band in range(BANDS)], np.float32
            ),
        )

    def _percentile(self, row: int, share: float, floor: int) -> float:
        counts = self._counts[row].copy()
        counts[:floor] = 0
        at = int(np.searchsorted(np.cumsum(counts), share * counts.sum()))
        return float(10 ** ((_DB_LOWEST + (at + 0.5) * _DB_STEP) / 10))


def compress(powers: Bands, levels: Levels) -> Bands:
    """Powers on a logarithmic scale: 0 at 50 dB under the recording's loud frames, 5 at them."""
    scale = np.float32(1e5 / max(levels.loud_power, 1e-14))
    return np.asarray(np.log10(1 + powers * scale), np.float32)
