"""Reading a sound file in blocks, so that an hour of it costs no more memory than a minute."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from services.audio.domain.errors import EmptyAudio, UnreadableMedia

Samples = NDArray[np.float32]

BLOCK_SAMPLES: Final = 1 << 18
_LOUDEST: Final = 100.0


def open_sound(path: Path) -> Any:
    """A soundfile.SoundFile; UnreadableMedia when it is none, EmptyAudio when it holds nothing."""
    try:
        file = soundfile.SoundFile(path)
    except soundfile.LibsndfileError as error:
        raise UnreadableMedia from error
    if file.frames == 0:
        file.close()
        raise EmptyAudio
    return file


def finite_blocks(file: Any, dtype: str = "float32") -> Iterator[NDArray[Any]]:
    """The samples of an open SoundFile in order, each block of shape (samples, channels).

    UnreadableMedia where the file is damaged. SoundFile.blocks is not used: it goes on with what
    it read last where a file ends before its header says.
    """
    # Six seconds at the most: samples of a low rate become many where they are resampled.
    count = min(BLOCK_SAMPLES, 6 * file.samplerate)
    while True:
        try:
            block = file.read(count, dtype=dtype, always_2d=True)
        except soundfile.LibsndfileError as error:
            raise UnreadableMedia from error
        if not len(block):
            return
        # A float file may hold what is no number, or one that is beyond all sound; one such sample
        # would silence all after it.
        np.nan_to_num(block, copy=False, posinf=0.0, neginf=0.0)
        yield np.clip(block, -_LOUDEST, _LOUDEST, out=block)


def mixed_down(block: NDArray[np.float32]) -> Samples:
    """One channel of [samples, channels]: the mean, or the first where the channels cancel each
    other, as they do when one is wired the wrong way round."""
    mono: Samples = block.mean(axis=1)
    if block.shape[1] > 1 and np.abs(mono).max(initial=0) < 0.02 * np.abs(block).max(initial=0):
        mono = block[:, 0]
    return mono


def mono_blocks(path: Path, sample_rate: int) -> Iterator[tuple[Samples, float]]:
    """The sound, mixed down and resampled, as (samples, fraction read so far) in order."""
    from av.audio.frame import AudioFrame
    from av.audio.resampler import AudioResampler

    with open_sound(path) as file:
        total = file.frames
        if file.samplerate == sample_rate:
            for block in finite_blocks(file):
                yield mixed_down(block), min(file.tell() / total, 1.0)
            return
        resampler = AudioResampler("flt", "mono", sample_rate)
        for block in finite_blocks(file):
            mono = np.ascontiguousarray(mixed_down(block)[np.newaxis])
            frame = AudioFrame.from_ndarray(mono, "flt", "mono")
            frame.sample_rate = file.samplerate
            for out in resampler.resample(frame):
                yield out.to_ndarray()[0].astype(np.float32), min(file.tell() / total, 1.0)
        for out in resampler.resample(None):
            yield out.to_ndarray()[0].astype(np.float32), 1.0
