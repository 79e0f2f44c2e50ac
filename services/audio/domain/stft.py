"""Changing a sound file's spectrum in constant memory: short-time spectra in, sound out.

Every chunk is read with enough of its neighbours that what comes out is the same as if the whole
recording had been held at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft

from services.audio.domain.blocks import Samples

Spectrum = NDArray[np.complex64]
"""Shape (frames, channels, bins)."""
Gains = NDArray[np.float32]
"""Shape (frames, bins): the same for all channels, so that the stereo picture stays."""

_STEP_FRAMES: Final = 256


@dataclass(frozen=True, slots=True)
class Grid:
    """How a sound is cut into frames; a hop is a quarter of the window."""

    window_samples: int

    @property
    def hop_samples(self) -> int:
        """From one frame's start to the next's."""
        return self.window_samples // 4

    @staticmethod
    def of(window_s: float, sample_rate: int) -> Grid:
        """The power of two that is nearest to `window_s`: the same time at every rate."""
        return Grid(2 ** max(6, round(np.log2(window_s * sample_rate))))

    def hz(self, sample_rate: int) -> NDArray[np.float64]:
        """The bins' frequencies."""
        return np.arange(self.window_samples // 2 + 1) * sample_rate / self.window_samples

    def window(self) -> NDArray[np.float32]:
        """Hann, used before and after the change."""
        phase = 2 * np.pi * np.arange(self.window_samples) / self.window_samples
        return ((1 - np.cos(phase)) / 2).astype(np.float32)


def padded_chunks(file: Any, step: int, margin: int) -> Iterator[tuple[Samples, int]]:
    """Each `step` samples of an open SoundFile with `margin` more on both sides (silence beyond
    the ends) as (samples of shape (step + 2 * margin, channels), how many of the step are real)."""
    total = file.frames
    file.seek(0)
    buffer = np.zeros((2 * margin + step, file.channels), np.float32)
    # The first step's own samples and its right margin; the left one is silence.
    _read_into(file, buffer[margin:])
    for first in range(0, total, step):
        yield buffer, min(step, total - first)
        buffer = np.concatenate([buffer[step:], np.zeros((step, file.channels), np.float32)])
        _read_into(file, buffer[-step:])


def _read_into(file: Any, out: Samples) -> None:
    samples = file.read(len(out), dtype="float32", always_2d=True)
    # A float file may hold what is no number.
    out[: len(samples)] = np.nan_to_num(samples, copy=False, posinf=0.0, neginf=0.0)


def spectra(samples: Samples, grid: Grid) -> Spectrum:
    """The frames that lie wholly inside `samples`, shape (samples, channels)."""
    views = np.lib.stride_tricks.sliding_window_view(samples, grid.window_samples, axis=0)
    frames = views[:: grid.hop_samples] * grid.window()
    return np.asarray(rfft(frames, axis=-1), np.complex64)


def sound_of(spectrum: Spectrum, grid: Grid) -> Samples:
    """Frames added up again; right where four of them overlap."""
    window, hop = grid.window_samples, grid.hop_samples
    # Hann twice at a quarter's hop adds up to 1.5.
    frames = irfft(spectrum, window, axis=-1) * (grid.window() / 1.5)
    count, channels, _ = frames.shape
    out = np.zeros(((count + 3) * hop, channels), np.float32)
    quarters = frames.reshape(count, channels, 4, hop).transpose(0, 3, 1, 2)
    for quarter in range(4):
        first = quarter * hop
        part = quarters[..., quarter].reshape(count * hop, channels)
        out[first : first + count * hop] += part
    return out


def reshaped(
    file: Any,
    grid: Grid,
    gains: Callable[[Spectrum], tuple[Gains, ...]],
    *,
    context_frames: int = 0,
) -> Iterator[tuple[tuple[Samples, ...], float]]:
    """The sound with its spectrum scaled, as (a block for each of the gains, fraction done).

    `gains` sees `context_frames` more on both sides of the frames that count, and answers with
    gains for all that it was given.
    """
    hop = grid.hop_samples
    step = _STEP_FRAMES * hop
    margin = grid.window_samples + context_frames * hop
    done = 0
    for samples, count in padded_chunks(file, step, margin):
        spectrum = spectra(samples, grid)
        blocks = tuple(
            sound_of(spectrum * gain[:, np.newaxis, :], grid)[margin : margin + count]
            for gain in gains(spectrum)
        )
        done += count
        yield blocks, done / file.frames
