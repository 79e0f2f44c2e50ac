"""Separation without a network: what is struck from what sustains."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from services.audio.domain.blocks import Samples, open_sound
from services.audio.domain.stft import Gains, Grid, Spectrum, reshaped

HPSS_VERSION: Final = "hpss-1"
HPSS_STEMS: Final = ("percussive", "harmonic")

_WINDOW_S: Final = 0.046
# Medians over 0.2 s of time and some 350 Hz: a stroke is shorter than the one, a tone narrower
# than the other.
_TIME_FRAMES: Final = 17
_BINS: Final = 17


@dataclass(frozen=True, slots=True)
class StemFile:
    """A stem that was written."""

    name: str
    path: Path
    sample_rate: int
    channels: int
    duration_s: float
    peak: float
    """Largest absolute sample before it was cut off at full scale: above 1, it was."""


class StemWriter:
    """FLAC files of 16 bits, one for each stem, filled block by block."""

    def __init__(
        self, folder: Path, names: tuple[str, ...], sample_rate: int, channels: int
    ) -> None:
        self._open = contextlib.ExitStack()
        self._rate = sample_rate
        self._channels = channels
        self._paths = {name: folder / f"{number}.flac" for number, name in enumerate(names)}
        self._files: dict[str, Any] = {}
        self._peaks = dict.fromkeys(names, 0.0)
        self._lengths = dict.fromkeys(names, 0)
        for name, path in self._paths.items():
            self._files[name] = self._open.enter_context(
                soundfile.SoundFile(
                    path, "w", sample_rate, channels, subtype="PCM_16", format="FLAC"
                )
            )

    def __enter__(self) -> StemWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def write(self, name: str, samples: Samples) -> None:
        """Add samples of shape (samples, channels)."""
        self._peaks[name] = max(self._peaks[name], float(np.abs(samples).max(initial=0.0)))
        self._lengths[name] += len(samples)
        self._files[name].write(np.clip(samples, -1, 1))

    def finish(self) -> list[StemFile]:
        """What was written, closed."""
        self._open.close()
        return [
            StemFile(
                name=name,
                path=path,
                sample_rate=self._rate,
                channels=self._channels,
                duration_s=self._lengths[name] / self._rate,
                peak=self._peaks[name],
            )
            for name, path in self._paths.items()
        ]


def separate_hpss(
    path: Path,
    folder: Path,
    names: tuple[str, ...] = HPSS_STEMS,
    progress: Callable[[float], None] | None = None,
) -> list[StemFile]:
    """Write the named ones of HPSS_STEMS into `folder`, in constant memory.

    Harmonic-percussive separation by median filters (Fitzgerald 2010): along time a median keeps
    what sustains, along frequency what is struck, and Wiener masks share the sound between the
    two. Both together are the sound again. No drum stem: every instrument's attack is percussive,
    and a ringing tom or cymbal is partly harmonic. EmptyAudio or UnreadableMedia as `open_sound`.
    """
    with open_sound(path) as file:
        grid = Grid.of(_WINDOW_S, file.samplerate)
        with StemWriter(folder, names, file.samplerate, file.channels) as stems:
            for blocks, fraction in hpss_blocks(file, grid):
                for name, block in zip(HPSS_STEMS, blocks, strict=True):
                    if name in names:
                        stems.write(name, block)
                if progress:
                    progress(fraction)
            return stems.finish()


def hpss_blocks(file: Any, grid: Grid) -> Iterator[tuple[tuple[Samples, ...], float]]:
    """Percussive and harmonic sound of an open file, block by block."""
    return reshaped(file, grid, hpss_gains, context_frames=_TIME_FRAMES // 2)


def hpss_gains(spectrum: Spectrum) -> tuple[Gains, Gains]:
    """Masks for HPSS_STEMS, which add up to one."""
    level = np.abs(spectrum).mean(axis=1)
    struck = np.square(running_median(level, _BINS))
    sustained = np.square(running_median(np.ascontiguousarray(level.T), _TIME_FRAMES).T)
    mask = ((struck + 1e-20) / (struck + sustained + 2e-20)).astype(np.float32)
    return mask, np.float32(1) - mask


def running_median(rows: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """The median of `width` (odd) neighbours along each row, mirrored at the ends."""
    half = width // 2
    ringed = np.pad(
        rows, ((0, 0), (half, half)), mode="reflect" if half < rows.shape[1] else "edge"
    )
    # As one long row: SciPy's filter for one dimension is ten times faster than that for two.
    found = median_filter(ringed.ravel(), width).reshape(ringed.shape)
    return np.asarray(found[:, half:-half], np.float32)
