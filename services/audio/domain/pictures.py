"""What a recording looks like: its waveform in buckets, its spectrogram as a PNG."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import rfft

from services.audio.domain.blocks import finite_blocks, open_sound

MAX_PICTURE_SIDE: Final = 4096
_WINDOW_SAMPLES: Final = 2048
_LOWEST_HZ: Final = 30.0
_HIGHEST_HZ: Final = 16_000.0
_RANGE_DB: Final = 80.0
_WINDOWS_PER_COLUMN: Final = 8

# Dark to light through violet and orange: even steps for the eye, and readable without colour.
_INK: Final = np.array(
    [[4, 4, 12], [46, 16, 84], [122, 28, 108], [196, 62, 76], [244, 136, 42], [252, 244, 176]]
)


def waveform_peaks(
    path: Path, buckets: int, progress: Callable[[float], None] | None = None
) -> NDArray[np.float32]:
    """Least and greatest sample of each of `buckets` equal spans; shape (buckets, 2), -1 to 1.

    Channels together. A recording of fewer samples than buckets repeats them. ValueError for less
    than one bucket; EmptyAudio or UnreadableMedia as `open_sound`.
    """
    if buckets < 1:
        raise ValueError(f"{buckets} buckets")
    low = np.full(buckets, np.inf, np.float32)
    high = np.full(buckets, -np.inf, np.float32)
    with open_sound(path) as file:
        total = file.frames
        first = 0
        for block in finite_blocks(file):
            at = (first + np.arange(len(block), dtype=np.int64)) * buckets // total
            starts = np.flatnonzero(np.diff(at, prepend=-1))
            low[at[starts]] = np.minimum(
                low[at[starts]], np.minimum.reduceat(block.min(axis=1), starts)
            )
            high[at[starts]] = np.maximum(
                high[at[starts]], np.maximum.reduceat(block.max(axis=1), starts)
            )
            first += len(block)
            if progress:
                progress(first / total)
    known = np.flatnonzero(np.isfinite(low))
    nearest = known[np.searchsorted(known, np.arange(buckets), side="right") - 1]
    return np.stack([low[nearest], high[nearest]], axis=1)


def spectrogram_png(
    path: Path,
    *,
    width: int = 1024,
    height: int = 256,
    start_s: float = 0.0,
    end_s: float | None = None,
    progress: Callable[[float], None] | None = None,
) -> bytes:
    """A PNG, time rightwards, 30 Hz to 16 kHz upwards in octaves, 80 dB from black to white.

    Each column is the mean of up to eight windows spread over its time, so the cost hangs on the
    width, not on the length. ValueError for a size outside 1 to 4096 or a range that holds
    nothing; EmptyAudio or UnreadableMedia as `open_sound`.
    """
    if not (1 <= width <= MAX_PICTURE_SIDE and 1 <= height <= MAX_PICTURE_SIDE):
        raise ValueError(f"a picture of {width} x {height}; sides may be 1 to {MAX_PICTURE_SIDE}")
    with open_sound(path) as file:
        rate = file.samplerate
        duration_s = file.frames / rate
        stop_s = min(duration_s, end_s) if end_s is not None else duration_s
        if not 0 <= start_s < stop_s:
            raise ValueError(f"no sound from {start_s} to {stop_s} s")
        rows = _rows(height, rate)
        window = np.hanning(_WINDOW_SAMPLES).astype(np.float32)
        picture = np.zeros((height, width), np.float32)
        step = (stop_s - start_s) / width
        for column in range(width):
            looks = max(1, min(_WINDOWS_PER_COLUMN, round(step * rate / _WINDOW_SAMPLES)))
            power = np.zeros(_WINDOW_SAMPLES // 2 + 1, np.float32)
            for look in range(looks):
                centre_s = start_s + (column + (look + 0.5) / looks) * step
                power += np.abs(rfft(_around(file, centre_s) * window)) ** 2
            picture[:, column] = rows @ (power / looks)
            if progress and column % 64 == 0:
                progress(column / width)
    db = 10 * np.log10(picture + 1e-12)
    shade = np.clip((db - db.max()) / _RANGE_DB + 1, 0, 1)
    if picture.max() <= 0:
        shade[:] = 0
    steps = np.linspace(0, 1, len(_INK))
    pixels = np.stack([np.interp(shade[::-1], steps, _INK[:, c]) for c in range(3)], axis=-1)
    out = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(out, "PNG", optimize=True)
    return out.getvalue()


def _around(file: Any, centre_s: float) -> NDArray[np.float32]:
    """A window's samples, mixed down, silence beyond the ends."""
    first = round(centre_s * file.samplerate) - _WINDOW_SAMPLES // 2
    begin = min(max(0, first), file.frames)
    file.seek(begin)
    count = max(0, first + _WINDOW_SAMPLES - begin)
    samples = file.read(count, dtype="float32", always_2d=True).mean(axis=1)
    out = np.zeros(_WINDOW_SAMPLES, np.float32)
    out[begin - first : begin - first + len(samples)] = np.nan_to_num(samples)
    return out


def _rows(height: int, sample_rate: int) -> NDArray[np.float32]:
    """Spectrum to picture rows, lowest first: bands in equal parts of an octave."""
    bins_hz = np.arange(_WINDOW_SAMPLES // 2 + 1) * sample_rate / _WINDOW_SAMPLES
    edges = np.geomspace(_LOWEST_HZ, min(_HIGHEST_HZ, sample_rate / 2), height + 1)
    matrix = np.zeros((height, len(bins_hz)), np.float32)
    for row in range(height):
        inside = (bins_hz >= edges[row]) & (bins_hz < edges[row + 1])
        if inside.any():
            matrix[row, inside] = 1 / inside.sum()
        else:  # narrower than a bin: between its neighbours
            middle = np.sqrt(edges[row] * edges[row + 1])
            above = int(np.searchsorted(bins_hz, middle))
            part = (middle - bins_hz[above - 1]) / (bins_hz[above] - bins_hz[above - 1])
            matrix[row, above - 1], matrix[row, above] = 1 - part, part
    return matrix
