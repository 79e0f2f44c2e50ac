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
    """The samples of an open SoundFile in order, each block of shape (samples, channels)."""
    for block in file.blocks(BLOCK_SAMPLES, dtype=dtype, always_2d=True):
        # A float file may hold what is no number; one such sample would silence all after it.
        yield np.nan_to_num(block, copy=False, posinf=0.0, neginf=0.0)


def mono_blocks(path: Path, sample_rate: int) -> Iterator[tuple[Samples, float]]:
    """The sound, mixed down and resampled, as (samples, fraction read so far) in order."""
    from av.audio.frame import AudioFrame
    from av.audio.resampler import AudioResampler

    with open_sound(path) as file:
        total = file.frames
        if file.samplerate == sample_rate:
            for block in finite_blocks(file):
                yield block.mean(axis=1), min(file.tell() / total, 1.0)
            return
        resampler = AudioResampler("flt", "mono", sample_rate)
        for block in finite_blocks(file):
            mono = block.mean(axis=1)[np.newaxis]
            frame = AudioFrame.from_ndarray(mono, "flt", "mono")
            frame.sample_rate = file.samplerate
            for out in resampler.resample(frame):
                yield out.to_ndarray()[0].astype(np.float32), min(file.tell() / total, 1.0)
        for out in resampler.resample(None):
            yield out.to_ndarray()[0].astype(np.float32), 1.0
