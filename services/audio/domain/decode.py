"""From any video or audio file to a FLAC of 16 bits, frame by frame, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Literal

import av
import numpy as np
import soundfile
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from libs.common.containers import UnreadableContainer, open_container, playback_zero_s
from services.audio.domain.errors import (
    CorruptAudio,
    EmptyAudio,
    NoAudioTrack,
    TooLong,
    UnreadableMedia,
)

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer

DEFAULT_SAMPLE_RATE: Final = 44_100
DEFAULT_MAX_DURATION_S: Final = 4 * 3600.0

# Containers round times to a millisecond and more; only beyond this is a gap a gap.
_GAP_S: Final = 0.04
_SILENCE_BLOCK_SAMPLES: Final = 65_536
_MAX_FLAC_CHANNELS: Final = 8
_PROGRESS_EVERY_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Extracted:
    """What was written."""

    sample_rate: int
    channels: int
    duration_s: float
    decode_errors: int
    """Packets that did not decode; silence stands in their place."""
    peak: float
    """Largest absolute sample, 0 to 1 of full scale."""


def extract_audio(
    source: Path | BinaryIO,
    target: Path,
    *,
    sample_rate: int = DEFAULT_SAMPLE_RATE,
    channels: Literal[1, 2, "source"] | None = None,
    max_duration_s: float = DEFAULT_MAX_DURATION_S,
    progress: Callable[[float], None] | None = None,
) -> Extracted:
    """Write the first sound track of `source` to `target` as FLAC, on the video's own clock.

    Time 0 is where a player starts: the earlier of picture and sound, but never before the
    container's own 0. A sound track that starts later is led by silence, sound before 0 is
    dropped, and gaps inside are filled, so that a hit stays beside its picture. `channels` None
    keeps mono mono and makes stereo of all else; "source" keeps up to 8. `source` as a file-like
    must be seekable.

    Raises UnreadableMedia, NoAudioTrack, CorruptAudio, EmptyAudio or TooLong, and whatever
    `progress` raises; `target` is then gone.
    """
    try:
        with open_container(source) as container:
            if not container.streams.audio:
                raise NoAudioTrack
            stream = container.streams.audio[0]
            wanted = _wanted_channels(stream, channels)
            _refuse_longer(stream, max_duration_s)
            with soundfile.SoundFile(
                target, "w", sample_rate, wanted, subtype="PCM_16", format="FLAC"
            ) as file:
                writer = _Writer(file, sample_rate, wanted, max_duration_s)
                errors = _pour(container, stream, writer, progress)
            if writer.written_samples == 0:
                raise EmptyAudio
    except UnreadableContainer as error:
        raise UnreadableMedia from error
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return Extracted(
        sample_rate=sample_rate,
        channels=wanted,
        duration_s=writer.written_samples / sample_rate,
        decode_errors=errors,
        peak=writer.peak / 32_768,
    )


def _wanted_channels(stream: AudioStream, channels: Literal[1, 2, "source"] | None) -> int:
    try:
        present = stream.codec_context.channels or 2
    except (AttributeError, ValueError) as error:  # a codec that this FFmpeg does not know
        raise UnreadableMedia from error
    if channels is None:
        return min(present, 2)
    if channels == "source":
        return min(present, _MAX_FLAC_CHANNELS)
    return channels


def _refuse_longer(stream: AudioStream, max_duration_s: float) -> None:
    """Before the work; a header that lies is caught while writing."""
    if stream.duration and stream.time_base:
        said_s = float(stream.duration * stream.time_base)
        if said_s > max_duration_s + 1:
            raise TooLong(max_duration_s)


def _pour(
    container: InputContainer,
    stream: AudioStream,
    writer: _Writer,
    progress: Callable[[float], None] | None,
) -> int:
    """Decode all of the stream into the writer; the number of packets that failed."""
    zero_s = playback_zero_s(container)
    total_s = (container.duration or 0) / 1_000_000
    packets = failures = 0
    told_s = 0.0
    packet_iterator = _packets(container, stream)
    for packet in packet_iterator:
        if packet is None:
            failures += 1
            break
        packets += 1
        try:
            frames = packet.decode()
        except av.FFmpegError:
            failures += 1
            continue
        for frame in frames:
            assert isinstance(frame, AudioFrame)
            at_s = frame.time - zero_s if frame.time is not None else None
            writer.write(frame, at_s)
        if progress and total_s > 0 and writer.written_s - told_s >= _PROGRESS_EVERY_S:
            told_s = writer.written_s
            progress(min(told_s / total_s, 1.0))
    writer.finish()
    if failures * 2 > max(packets, 1):
        # A header whose body is missing says nothing about damage: nothing could be read at all.
        raise CorruptAudio if writer.heard_samples or packets else UnreadableMedia
    if failures and writer.heard_samples == 0:
        raise UnreadableMedia
    if progress:
        progress(1.0)
    return failures


def _packets(
    container: InputContainer, stream: AudioStream
) -> Iterator[av.Packet[AudioStream] | None]:
    """The packets of the stream, and None at last if the container breaks off."""
    try:
        yield from container.demux(stream)
    except av.FFmpegError:
        yield None


class _Writer:
    """Resamples frames and writes them where their time says."""

    def __init__(
        self, file: soundfile.SoundFile, sample_rate: int, channels: int, max_duration_s: float
    ) -> None:
        self._file = file
        self._rate = sample_rate
        self._channels = channels
        self._max_duration_s = max_duration_s
        self._resampler: AudioResampler | None = None
        self._input: tuple[str, str, int] | None = None
        self._fed_s = 0.0
        """Where the next frame belongs if nothing is missing."""
        self._skip_samples = 0
        """Still to be dropped of what the resampler, which lags, gives out."""
        self.written_samples = 0
        self.heard_samples = 0
        self.peak = 0

    @property
    def written_s(self) -> float:
        return self.written_samples / self._rate

    def write(self, frame: AudioFrame, at_s: float | None) -> None:
        """Add a frame that belongs at `at_s`; None means right after the one before."""
        if frame.samples == 0 or frame.sample_rate <= 0:
            return
        length_s = frame.samples / frame.sample_rate
        skip_s = 0.0
        if at_s is not None:
            gap_s = at_s - self._fed_s
            # The start is taken to the sample: priming is shorter than a gap inside.
            if gap_s > (_GAP_S if self.heard_samples else 0.0):
                self._silence_until(at_s)
            elif gap_s < (-_GAP_S if self.heard_samples else 0.0):
                skip_s = -gap_s
                if skip_s >= length_s:
                    return
        if self._fed_s + length_s - skip_s > self._max_duration_s + 1:
            raise TooLong(self._max_duration_s)
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind != self._input:
            self._drain()
            self._input = kind
        if self._resampler is None:
            self._resampler = AudioResampler("s16", _layout(self._channels), self._rate)
        frame.pts = None
        self._skip_samples += round(skip_s * self._rate)
        try:
            resampled = self._resampler.resample(frame)
        except av.FFmpegError as error:  # channels that cannot be mixed, such as 255 of them
            raise UnreadableMedia from error
        self._put(resampled)
        self._fed_s += length_s - skip_s

    def finish(self) -> None:
        self._drain()

    def _silence_until(self, at_s: float) -> None:
        if at_s > self._max_duration_s + 1:
            raise TooLong(self._max_duration_s)
        self._drain()
        missing = round(at_s * self._rate) - self.written_samples
        while missing > 0:
            count = min(missing, _SILENCE_BLOCK_SAMPLES)
            self._file.write(np.zeros((count, self._channels), np.int16))
            self.written_samples += count
            missing -= count
        self._fed_s = at_s

    def _drain(self) -> None:
        if self._resampler is not None:
            self._put(self._resampler.resample(None))
            self._resampler = None
            self._input = None

    def _put(self, frames: list[AudioFrame]) -> None:
        for frame in frames:
            samples = frame.to_ndarray().reshape(-1, self._channels)
            dropped = min(self._skip_samples, len(samples))
            self._skip_samples -= dropped
            samples = samples[dropped:]
            if not len(samples):
                continue
            self._file.write(samples)
            self.written_samples += len(samples)
            self.heard_samples += len(samples)
            self.peak = max(self.peak, int(samples.max()), -int(samples.min()))


def _layout(channels: int) -> str:
    named = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
    return named.get(channels, f"{channels}c")
