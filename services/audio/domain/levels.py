"""How loud a recording is, by the broadcasters' measure and by its samples."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import bilinear, sosfilt

from services.audio.domain.blocks import finite_blocks, open_sound

_ABSOLUTE_GATE_LUFS: Final = -70.0
_RELATIVE_GATE_LU: Final = -10.0
_BLOCK_S: Final = 0.4
_STEPS_PER_BLOCK: Final = 4
_LUFS_STEP: Final = 0.01
# LFE counts nothing, the surrounds 1.5 dB more (BS.1770-4, table 3); 5.1 in the order of WAV.
_SURROUND_WEIGHTS: Final = (1.0, 1.0, 1.0, 0.0, 1.41, 1.41)


@dataclass(frozen=True, slots=True)
class Loudness:
    """None where there is nothing to measure: digital silence, or less than 0.4 s."""

    integrated_lufs: float | None
    """ITU-R BS.1770-4, gated."""
    peak_dbfs: float | None
    """Largest sample; a full-scale square is 0."""
    rms_dbfs: float | None
    """All channels together; a full-scale sine is -3."""


def measure_loudness(path: Path, progress: Callable[[float], None] | None = None) -> Loudness:
    """Measure a FLAC or WAV in constant memory; EmptyAudio or UnreadableMedia as `open_sound`."""
    with open_sound(path) as file:
        meter = LoudnessMeter(file.samplerate, file.channels)
        for block in finite_blocks(file, "float64"):
            meter.add(block)
            if progress:
                progress(file.tell() / file.frames)
        return meter.loudness()


class LoudnessMeter:
    """Takes a sound block by block, for what is measured while it is made."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._weights = _channel_weights(channels)
        self._sections = _k_weighting(sample_rate)
        self._state = np.zeros((len(self._sections), 2, channels))
        self._step_samples = round(_BLOCK_S / _STEPS_PER_BLOCK * sample_rate)
        self._histogram = _Histogram()
        self._steps: list[float] = []
        self._rest = np.zeros((0, channels))
        self._peak = self._squares = 0.0
        self._values = 0

    def add(self, block: NDArray[np.float64]) -> None:
        """The next samples, of shape (samples, channels)."""
        self._peak = max(self._peak, float(np.abs(block).max(initial=0.0)))
        self._squares += float(np.square(block).sum())
        self._values += block.size
        weighted, self._state = sosfilt(self._sections, block, axis=0, zi=self._state)
        rest = np.concatenate([self._rest, weighted])
        whole = len(rest) // self._step_samples
        powers = np.square(rest[: whole * self._step_samples])
        self._rest = rest[whole * self._step_samples :]
        means = (
            powers.reshape(whole, self._step_samples, powers.shape[1]).mean(axis=1) @ self._weights
        )
        steps = self._steps + list(means)
        for first in range(len(steps) - _STEPS_PER_BLOCK + 1):
            self._histogram.add(sum(steps[first : first + _STEPS_PER_BLOCK]) / _STEPS_PER_BLOCK)
        self._steps = steps[-(_STEPS_PER_BLOCK - 1) :]

    def loudness(self) -> Loudness:
        """Of all that was added."""
        return Loudness(
            integrated_lufs=self._histogram.gated_lufs(),
            peak_dbfs=_db(self._peak**2),
            rms_dbfs=_db(self._squares / max(self._values, 1)),
        )


def _db(power: float) -> float | None:
    return 10 * math.log10(power) if power > 0 else None


def _channel_weights(channels: int) -> NDArray[np.float64]:
    if channels == len(_SURROUND_WEIGHTS):
        return np.array(_SURROUND_WEIGHTS)
    return np.ones(channels)


def _k_weighting(sample_rate: int) -> NDArray[np.float64]:
    """The head's shelf and the low cut for any rate, as second-order sections.

    BS.1770 gives coefficients for 48 kHz alone; these are the analogue filters under them
    (De Man, Evaluation of Implementations of the EBU R128 Loudness Measurement, 2018).
    """
    # Warped so that the corner frequencies come out where they belong.
    shelf_w = 2 * sample_rate * math.tan(math.pi * 1681.974450955533 / sample_rate)
    gain, q = 10 ** (3.999843853973347 / 20), 0.7071752369554196
    middle = gain**0.4996667741545416
    shelf = bilinear(
        [gain, middle * shelf_w / q, shelf_w**2], [1, shelf_w / q, shelf_w**2], sample_rate
    )
    cut_w = 2 * sample_rate * math.tan(math.pi * 38.13547087602444 / sample_rate)
    cut = bilinear([1, 0, 0], [1, cut_w / 0.5003270373238773, cut_w**2], sample_rate)
    # The standard's low cut keeps its numerator at 1, -2, 1.
    numerator = np.array([1.0, -2.0, 1.0])
    return np.array([np.concatenate(shelf), np.concatenate([numerator, cut[1]])])


class _Histogram:
    """Block powers in bins of 0.01 LU, since the second gate needs a second look at them all."""

    def __init__(self) -> None:
        self._counts = np.zeros(12_000, np.int64)
        self._powers = np.zeros(12_000)

    def add(self, power: float) -> None:
        if power <= 0:
            return
        loudness = -0.691 + 10 * math.log10(power)
        if loudness <= _ABSOLUTE_GATE_LUFS:
            return
        at = min(int((loudness - _ABSOLUTE_GATE_LUFS) / _LUFS_STEP), len(self._counts) - 1)
        self._counts[at] += 1
        self._powers[at] += power

    def gated_lufs(self) -> float | None:
        if not self._counts.any():
            return None
        mean = float(self._powers.sum() / self._counts.sum())
        gate = -0.691 + 10 * math.log10(mean) + _RELATIVE_GATE_LU
        first = max(0, int((gate - _ABSOLUTE_GATE_LUFS) / _LUFS_STEP))
        kept = float(self._powers[first:].sum() / self._counts[first:].sum())
        return -0.691 + 10 * math.log10(kept)
