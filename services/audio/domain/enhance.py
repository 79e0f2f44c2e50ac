"""A recording made clearer: less noise, chosen drums brought forward, an even loudness."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, minimum_filter1d, uniform_filter1d
from scipy.signal import resample_poly

from services.audio.domain.blocks import Samples, open_sound
from services.audio.domain.levels import LoudnessMeter
from services.audio.domain.stft import Gains, Grid, Spectrum, padded_chunks, reshaped, spectra

TRUE_PEAK_DBTP: Final = -1.0
PIECES: Final = ("kick", "snare", "hats", "toms", "cymbals")

_WINDOW_S: Final = 0.023
_CONTEXT_FRAMES: Final = 40

# Noise: in every band the quietest tenth of the time is taken for noise alone.
_NOISE_SHARE: Final = 0.1
_LOWEST_DB: Final = -140.0
_STEP_DB: Final = 1.0
# Below this a frame is digital silence, which says nothing about the noise.
_SILENT_POWER: Final = 1e-11
_OVER_SUBTRACTION: Final = 1.6
_SMOOTH_FRAMES: Final = 3
_SMOOTH_BINS: Final = 3

# Where each piece speaks, in Hz; a snare and a kick have a body and a stick or beater.
_BANDS_HZ: Final[dict[str, tuple[tuple[float, float], ...]]] = {
    "kick": ((35.0, 120.0),),
    "snare": ((160.0, 320.0), (1_800.0, 5_000.0)),
    "hats": ((6_500.0, 14_000.0),),
    "toms": ((75.0, 260.0),),
    "cymbals": ((3_500.0, 16_000.0),),
}
# How long a piece stays forward after its stroke, in frames of 6 ms.
_HOLD_FRAMES: Final = {"kick": 16, "snare": 14, "hats": 10, "toms": 28, "cymbals": 39}
_SLOW_FRAMES: Final = 34
_RISE: Final = 2.0

# The intermediate file keeps what emphasis lifts above full scale.
_HEADROOM: Final = 4.0
_LIMIT_S: Final = 0.012
_OVERSAMPLING: Final = 4
_LIMIT_CHUNK_SAMPLES: Final = 1 << 17
# Four times oversampled, a peak may be read this much too low.
_MARGIN_DB: Final = 0.3
# More would take the strokes their attack: the loudness is then what it is.
_MOST_LIMITING_DB: Final = 12.0
_CLOSE_LU: Final = 0.1
_TRIES: Final = 5
_MOST_GAIN_DB: Final = 60.0


@dataclass(frozen=True, slots=True)
class Enhanced:
    """What was written, measured; None where there is nothing to measure."""

    sample_rate: int
    channels: int
    duration_s: float
    loudness_before_lufs: float | None
    loudness_after_lufs: float | None
    true_peak_before_dbtp: float | None
    true_peak_after_dbtp: float | None
    noise_floor_dbfs: float | None
    """Of the sound as it came; None without denoising."""
    gain_db: float
    """By which the loudness was moved, before the limiter."""


def enhance(
    path: Path,
    target: Path,
    *,
    denoise: bool = True,
    reduction_db: float = 15.0,
    emphasis: Sequence[str] = (),
    emphasis_db: float = 6.0,
    loudness_lufs: float | None = -16.0,
    progress: Callable[[float], None] | None = None,
) -> Enhanced:
    """Write an enhanced FLAC of 16 bits to `target`, in constant memory.

    Denoising lowers what does not rise above the recording's own noise, by `reduction_db` at the
    most. Emphasis lifts the bands of PIECES while something strikes in them, by up to
    `emphasis_db`. With `loudness_lufs` the whole is brought to this loudness (ITU-R BS.1770-4);
    the true peak never passes TRUE_PEAK_DBTP. EmptyAudio or UnreadableMedia as `open_sound`.
    """
    steps = _Steps(denoise, bool(denoise or emphasis), loudness_lufs is not None, progress)
    with open_sound(path) as file, tempfile.TemporaryDirectory(dir=target.parent) as folder:
        noise = None
        if denoise:
            noise = measure_noise(file, steps.next())
        source, lowered = path, 1.0
        if denoise or emphasis:
            source, lowered = Path(folder) / "changed.flac", _HEADROOM
            changed = _changed(file, noise, reduction_db, emphasis, emphasis_db)
            _write_lowered(source, file, changed, steps.next())
        before = _measure(path, steps.next())
        now = before if source == path else _measure(source, steps.next(), lowered)
        gain_db, after = _level(source, target, now, lowered, loudness_lufs, steps)
        frames, rate, channels = file.frames, file.samplerate, file.channels
    return Enhanced(
        sample_rate=rate,
        channels=channels,
        duration_s=frames / rate,
        loudness_before_lufs=before.lufs,
        loudness_after_lufs=after.lufs,
        true_peak_before_dbtp=before.true_peak_dbtp,
        true_peak_after_dbtp=after.true_peak_dbtp,
        noise_floor_dbfs=noise.level_dbfs if noise else None,
        gain_db=gain_db,
    )


class _Steps:
    """Progress over passes that are about equally long."""

    def __init__(
        self,
        denoise: bool,
        changes: bool,
        levels: bool,
        progress: Callable[[float], None] | None,
    ) -> None:
        self._passes = 2 + denoise + 2 * changes + 3 * levels
        self._begun = 0
        self._progress = progress

    def next(self) -> Callable[[float], None]:
        begun = self._begun
        self._begun += 1

        def told(fraction: float) -> None:
            if self._progress:
                self._progress(min((begun + fraction) / self._passes, 0.99))

        return told


@dataclass(frozen=True, slots=True)
class Noise:
    """What a recording sounds like when nothing is played."""

    power: NDArray[np.float32]
    """Mean power of each bin's noise, in the units of `spectra`."""
    level_dbfs: float


def measure_noise(file: Any, progress: Callable[[float], None] | None = None) -> Noise | None:
    """The noise of an open sound; None when there is nothing but digital silence."""
    grid = Grid.of(_WINDOW_S, file.samplerate)
    bins = grid.window_samples // 2 + 1
    levels = round(-_LOWEST_DB + 60)
    counts = np.zeros((levels, bins), np.int64)
    step = 256 * grid.hop_samples
    done = 0
    for samples, count in padded_chunks(file, step, 0):
        done += count
        if progress:
            progress(done / file.frames)
        # Whole windows only: with the silence beyond the end a frame would be too quiet.
        if count < grid.window_samples:
            continue
        spectrum = spectra(samples[:count], grid)
        # Each channel by itself: their mean would be spread less, unless they are the same.
        power = np.square(np.abs(spectrum)).reshape(-1, bins) / _full_scale(grid)
        power = power[power.sum(axis=1) > _SILENT_POWER]
        db = np.clip(10 * np.log10(power + 1e-30), _LOWEST_DB, None)
        at = np.minimum(((db - _LOWEST_DB) / _STEP_DB).astype(np.int64), levels - 1)
        np.add.at(counts, (at, np.broadcast_to(np.arange(bins), at.shape)), 1)
    total = counts[:, 0].sum()
    if not total:
        return None
    quiet = (np.cumsum(counts, axis=0) < _NOISE_SHARE * total).sum(axis=0)
    low = 10 ** ((_LOWEST_DB + (quiet + 0.5) * _STEP_DB) / 10)
    # A noise's power is spread exponentially: its quietest tenth lies this far below its mean.
    mean = low / -np.log(1 - _NOISE_SHARE)
    mean = uniform_filter1d(mean, 9, mode="nearest")
    level = 10 * np.log10(mean.sum() * _bandwidth(grid) + 1e-30)
    return Noise(power=(mean * _full_scale(grid)).astype(np.float32), level_dbfs=float(level))


def _full_scale(grid: Grid) -> float:
    """The power that a full-scale sine has in its bin."""
    return float(grid.window().sum() / 2) ** 2


def _bandwidth(grid: Grid) -> float:
    """From powers relative to a full-scale sine to the power of the noise as a signal, in dBFS of
    the RMS."""
    window = grid.window()
    return float(window.sum() ** 2 / (len(window) * np.square(window).sum())) / 2


def _changed(
    file: Any,
    noise: Noise | None,
    reduction_db: float,
    emphasis: Sequence[str],
    emphasis_db: float,
) -> Iterator[tuple[Samples, float]]:
    """The sound with its spectrum changed, in blocks."""
    grid = Grid.of(_WINDOW_S, file.samplerate)
    hz = grid.hz(file.samplerate)
    bands = [(piece, band_weights(hz, piece)) for piece in PIECES if piece in emphasis]

    def gains(spectrum: Spectrum) -> tuple[Gains, ...]:
        power = np.square(np.abs(spectrum)).mean(axis=1)
        gain = np.ones_like(power)
        if noise is not None:
            gain = wiener_gains(power, noise.power, reduction_db)
        if bands:
            gain = gain * emphasis_gains(power * np.square(gain), bands, emphasis_db)
        return (gain.astype(np.float32),)

    for (block,), fraction in reshaped(file, grid, gains, context_frames=_CONTEXT_FRAMES):
        yield block, fraction


def wiener_gains(
    power: NDArray[np.float32], noise: NDArray[np.float32], reduction_db: float
) -> NDArray[np.float32]:
    """Gains for powers of shape (frames, bins): near 1 where sound stands above the noise.

    Powers are smoothed over neighbours, so that single bins that rise by chance do not ring as
    musical noise; but a frame's own power counts too, so that a stroke's first frame is whole.
    """
    smooth = uniform_filter1d(power, _SMOOTH_FRAMES, axis=0, mode="nearest")
    smooth = uniform_filter1d(smooth, _SMOOTH_BINS, axis=1, mode="nearest")
    gain = np.maximum(1 - _OVER_SUBTRACTION * noise / (smooth + 1e-30), 0)
    return np.asarray(np.maximum(gain, 10 ** (-reduction_db / 20)), np.float32)


def band_weights(hz: NDArray[np.float64], piece: str) -> list[NDArray[np.float32]]:
    """For each of a piece's bands 1 inside, 0 half an octave beyond, by bin."""
    octaves = np.log2(np.maximum(hz, 1.0))
    weights = []
    for low, high in _BANDS_HZ[piece]:
        outside = np.maximum(np.maximum(np.log2(low) - octaves, octaves - np.log2(high)), 0)
        weights.append(np.clip(1 - outside / 0.5, 0, 1).astype(np.float32))
    return weights


def emphasis_gains(
    power: NDArray[np.float32],
    bands: Sequence[tuple[str, Sequence[NDArray[np.float32]]]],
    emphasis_db: float,
) -> NDArray[np.float32]:
    """Gains for powers of shape (frames, bins): lifted where all of a piece's bands have just
    risen.

    Pieces that share a band do not add up: the stronger of them counts.
    """
    lift = np.zeros_like(power)
    for piece, weights in bands:
        struck = np.min([risen(power @ np.square(weight)) for weight in weights], axis=0)
        hold = _HOLD_FRAMES[piece]
        # From the stroke on, and one frame before it, since windows overlap.
        held = maximum_filter1d(struck, hold, origin=hold // 2 - 2, mode="nearest")
        held = uniform_filter1d(held, 3, mode="nearest")
        lift = np.maximum(lift, held[:, np.newaxis] * np.max(weights, axis=0))
    return np.asarray(10 ** (emphasis_db * lift / 20), np.float32)


def risen(energy: NDArray[np.float32]) -> NDArray[np.float32]:
    """0 to 1: how far a band's energy stands above what it was in the 0.2 s before."""
    # The origin shifts the mean into the past.
    slow = uniform_filter1d(energy, _SLOW_FRAMES, origin=_SLOW_FRAMES // 2 - 1, mode="nearest")
    peak = maximum_filter1d(energy, 3, mode="nearest")
    return np.asarray(np.clip((peak / (slow + 1e-12) - 1) / _RISE, 0, 1), np.float32)


def _write_lowered(
    path: Path,
    like: Any,
    blocks: Iterator[tuple[Samples, float]],
    progress: Callable[[float], None],
) -> None:
    with soundfile.SoundFile(
        path, "w", like.samplerate, like.channels, subtype="PCM_24", format="FLAC"
    ) as out:
        for block, fraction in blocks:
            out.write(np.clip(block / _HEADROOM, -1, 1))
            progress(fraction)


@dataclass(frozen=True, slots=True)
class Level:
    """Loudness and true peak."""

    lufs: float | None
    true_peak_dbtp: float | None


class _Meter:
    """Loudness and true peak of blocks as they pass."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._loudness = LoudnessMeter(sample_rate, channels)
        self._peak = 0.0

    def add(self, block: Samples, peaks: NDArray[np.float32]) -> None:
        self._loudness.add(block.astype(np.float64))
        self._peak = max(self._peak, float(peaks.max(initial=0.0)))

    def level(self) -> Level:
        return Level(
            lufs=self._loudness.loudness().integrated_lufs,
            true_peak_dbtp=20 * float(np.log10(self._peak)) if self._peak > 0 else None,
        )


def true_peaks(samples: Samples) -> NDArray[np.float32]:
    """The largest absolute value at and around each sample, between samples too, over all
    channels (BS.1770-4, annex 2: four times oversampled); shape (samples,)."""
    between = np.abs(resample_poly(samples, _OVERSAMPLING, 1, axis=0)).max(axis=1)
    around = maximum_filter1d(between, 2 * _OVERSAMPLING - 1, mode="nearest")
    return np.asarray(around[::_OVERSAMPLING], np.float32)


def _measure(path: Path, progress: Callable[[float], None], scale: float = 1.0) -> Level:
    with open_sound(path) as file:
        meter = _Meter(file.samplerate, file.channels)
        done = 0
        for samples, count in padded_chunks(file, _LIMIT_CHUNK_SAMPLES, 32):
            scaled = samples * np.float32(scale)
            meter.add(scaled[32 : 32 + count], true_peaks(scaled)[32 : 32 + count])
            done += count
            progress(done / file.frames)
        return meter.level()


def _level(
    source: Path,
    target: Path,
    now: Level,
    scale: float,
    loudness_lufs: float | None,
    steps: _Steps,
) -> tuple[float, Level]:
    """Write the source at the wanted loudness, limited; the gain in dB, and what came out.

    A limiter takes loudness away, so the gain is found by trying, each time from how much the
    last change of it has brought.
    """
    gain_db, most_db = 0.0, _MOST_GAIN_DB
    if loudness_lufs is not None and now.lufs is not None and now.true_peak_dbtp is not None:
        most_db = min(most_db, TRUE_PEAK_DBTP - now.true_peak_dbtp + _MOST_LIMITING_DB)
        gain_db = min(loudness_lufs - now.lufs, most_db)
    tried = (0.0, now.lufs)
    for _ in range(_TRIES):
        after = _write_limited(source, target, scale * 10 ** (gain_db / 20), steps.next())
        if loudness_lufs is None or after.lufs is None or tried[1] is None:
            break
        missing_lu = loudness_lufs - after.lufs
        if abs(missing_lu) <= _CLOSE_LU or (missing_lu > 0 and gain_db >= most_db):
            break
        moved_db = gain_db - tried[0]
        slope = (after.lufs - tried[1]) / moved_db if abs(moved_db) > 0.01 else 1.0
        tried = (gain_db, after.lufs)
        gain_db = min(gain_db + missing_lu / min(max(slope, 0.2), 1.0), most_db)
    return gain_db, after


def _write_limited(
    source: Path, target: Path, gain: float, progress: Callable[[float], None]
) -> Level:
    ceiling = 10 ** ((TRUE_PEAK_DBTP - _MARGIN_DB) / 20)
    with open_sound(source) as file:
        rate, channels = file.samplerate, file.channels
        half = 2 * max(1, round(_LIMIT_S * rate / 4))
        margin = 4 * half + 64
        meter = _Meter(rate, channels)
        done = 0
        with soundfile.SoundFile(
            target, "w", rate, channels, subtype="PCM_16", format="FLAC"
        ) as out:
            for samples, count in padded_chunks(file, _LIMIT_CHUNK_SAMPLES, margin):
                limited = limit(samples * np.float32(gain), ceiling, half)
                block = limited[margin : margin + count]
                meter.add(block, true_peaks(limited)[margin : margin + count])
                out.write(block)
                done += count
                progress(done / file.frames)
        return meter.level()


def limit(samples: Samples, ceiling: float, half_samples: int) -> Samples:
    """Turned down around every true peak above `ceiling`, `half_samples` (even) ahead of it and
    after.

    The least gain over a window, averaged over a window of the same length: at the peak itself
    every value of the average is low enough, and the gain has no corners.
    """
    needed = np.minimum(1.0, ceiling / np.maximum(true_peaks(samples), 1e-9))
    if needed.min() >= 1.0:
        return samples
    width = 2 * half_samples + 1
    least = minimum_filter1d(needed, width, mode="nearest")
    # Twice, each half as wide: a triangle, smoother than a box.
    smooth = uniform_filter1d(least, half_samples + 1, mode="nearest")
    smooth = uniform_filter1d(smooth, half_samples + 1, mode="nearest")
    return np.asarray(samples * smooth[:, np.newaxis], np.float32)
