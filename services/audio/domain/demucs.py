"""Separation by Demucs, from weights that whoever runs the service gives.

Demucs' own `apply_model` holds the whole recording and all its stems in memory. Here the same
segments with the same cross-fades are taken one by one from the file and written as soon as
nothing more is added to them, so that an hour needs no more than a minute does.
"""

from __future__ import annotations

import importlib.util
import json
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.audio.domain.blocks import Samples, finite_blocks, open_sound
from services.audio.domain.errors import EmptyAudio
from services.audio.domain.separate import StemFile, StemWriter
from services.audio.domain.weights import WeightsBroken

DRUMS: Final = "drums"
OVERLAP: Final = 0.25
# The first look, for the level that the network wants.
_LEVEL_SHARE: Final = 0.05
_SAFETENSORS: Final = ".safetensors"


def is_installed() -> bool:
    """Whether the `separation` extra is there."""
    return all(importlib.util.find_spec(name) is not None for name in ("torch", "demucs"))


@dataclass(frozen=True)
class Model:
    """A network that is ready to separate."""

    network: Any
    """A Demucs, HDemucs or HTDemucs of the demucs package."""
    sources: tuple[str, ...]
    sample_rate: int
    channels: int
    segment_samples: int


def load_model(path: Path) -> Model:
    """A checkpoint in Demucs' own format (`.th`, as on dl.fbaipublicfiles.com) or its safetensors
    (as on the Hugging Face hub); WeightsBroken for anything else.

    A `.th` file is a pickle. It is read by torch's restricted unpickler, which makes nothing but
    tensors, plain containers, fractions and Demucs' three networks: no code of the file's own
    runs. What remains of trust: the file says how large the network is.
    """
    import torch

    try:
        package = _safetensors(path) if path.suffix == _SAFETENSORS else _pickled(path)
        kind = package["klass"]
        if kind not in _networks():
            raise WeightsBroken(f"{path.name} holds a {kind!r}, which is no network of Demucs.")
        network = kind(*package["args"], **package["kwargs"])
        # Kept in half precision.
        state = {name: value.float() for name, value in package["state"].items()}
        network.load_state_dict(state)
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError, AssertionError) as error:
        raise WeightsBroken(
            f"{path.name} is no checkpoint that Demucs 4 reads: {str(error)[:300]}"
        ) from error
    except (pickle.UnpicklingError, EOFError, OSError) as error:
        raise WeightsBroken(f"{path.name} cannot be read: {str(error)[:300]}") from error
    if DRUMS not in network.sources:
        raise WeightsBroken(f"{path.name} separates {', '.join(network.sources)}, and no drums.")
    network.eval().to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    return Model(
        network=network,
        sources=tuple(network.sources),
        sample_rate=network.samplerate,
        channels=network.audio_channels,
        segment_samples=int(network.samplerate * network.segment),
    )


def _networks() -> tuple[type[Any], ...]:
    from demucs.demucs import Demucs
    from demucs.hdemucs import HDemucs
    from demucs.htdemucs import HTDemucs

    return Demucs, HDemucs, HTDemucs


def _pickled(path: Path) -> dict[str, Any]:
    import torch
    from torch.serialization import safe_globals

    with safe_globals([*_networks(), Fraction]):
        package = torch.load(path, "cpu", weights_only=True)
    if not isinstance(package, dict):
        raise WeightsBroken(f"{path.name} holds no network.")
    return package


def _safetensors(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    # Demucs' own reader imports whatever class the file names; here only the three are known.
    known = {f"{kind.__module__}.{kind.__qualname__}": kind for kind in _networks()}
    try:
        with safe_open(str(path), framework="pt") as file:
            said = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
    except SafetensorError as error:
        raise WeightsBroken(f"{path.name} cannot be read: {error}") from error
    return {
        "klass": known[said["klass"]],
        "args": json.loads(said["args"], object_hook=_fraction),
        "kwargs": json.loads(said["kwargs"], object_hook=_fraction),
        "state": state,
    }


def _fraction(value: dict[str, Any]) -> Any:
    if value.get("_type") == "fraction":
        return Fraction(value["numerator"], value["denominator"])
    return value


def separate_demucs(
    model: Model,
    path: Path,
    folder: Path,
    names: tuple[str, ...] | None = None,
    progress: Callable[[float], None] | None = None,
) -> list[StemFile]:
    """Write the named sources (None: all) into `folder`, at the model's rate and in the sound's
    channels (one or two). EmptyAudio or UnreadableMedia as `open_sound`."""
    wanted = names or model.sources

    def told(fraction: float) -> None:
        if progress:
            progress(_LEVEL_SHARE + (1 - _LEVEL_SHARE) * fraction)

    with open_sound(path) as file:
        channels = min(file.channels, 2)
        total = max(1, round(file.frames * model.sample_rate / file.samplerate))
    mean, deviation = _level(path, lambda part: progress(_LEVEL_SHARE * part) if progress else None)
    with StemWriter(folder, wanted, model.sample_rate, channels) as stems:
        blocks = _at_rate(path, model.sample_rate, model.channels, total)
        done = 0
        for block in separated(model, blocks, mean, deviation):
            done += block.shape[-1]
            for name in wanted:
                samples = block[model.sources.index(name)].T
                if channels == 1:
                    samples = samples.mean(axis=1, keepdims=True)
                elif samples.shape[1] == 1:
                    samples = samples.repeat(2, axis=1)
                stems.write(name, samples)
            told(min(done / total, 1.0))
        return stems.finish()


def _level(path: Path, progress: Callable[[float], None]) -> tuple[float, float]:
    """Mean and deviation of the mix, as Demucs' own program takes them of the whole recording."""
    count, total, squares = 0, 0.0, 0.0
    with open_sound(path) as file:
        for block in finite_blocks(file, "float64"):
            mono = block[:, :2].mean(axis=1)
            count += len(mono)
            total += float(mono.sum())
            squares += float(np.square(mono).sum())
            progress(count / file.frames)
    if not count:
        raise EmptyAudio
    mean = total / count
    return mean, max(squares / count - mean**2, 0.0) ** 0.5


def _at_rate(path: Path, sample_rate: int, channels: int, total: int) -> Iterator[Samples]:
    """The sound at the model's rate, blocks of shape (channels, samples), `total` samples."""
    left = total
    for block in _resampled(path, sample_rate):
        if len(block) and left:
            part = block[:left]
            left -= len(part)
            yield _in_channels(part, channels)
    # A resampler keeps its last few samples to itself.
    while left:
        count = min(left, sample_rate)
        left -= count
        yield np.zeros((channels, count), np.float32)


def _in_channels(block: Samples, channels: int) -> Samples:
    if block.shape[1] == channels:
        return np.ascontiguousarray(block.T)
    mono = block.mean(axis=1, dtype=np.float32)
    return np.tile(mono, (channels, 1))


def _resampled(path: Path, sample_rate: int) -> Iterator[Samples]:
    """Blocks of shape (samples, channels), one or two channels."""
    from av.audio.frame import AudioFrame
    from av.audio.resampler import AudioResampler

    with open_sound(path) as file:
        if file.samplerate == sample_rate:
            for block in finite_blocks(file):
                yield block[:, :2]
            return
        layout = "mono" if file.channels == 1 else "stereo"
        resampler = AudioResampler("fltp", layout, sample_rate)
        for block in finite_blocks(file):
            frame = AudioFrame.from_ndarray(
                np.ascontiguousarray(block[:, :2].T), format="fltp", layout=layout
            )
            frame.sample_rate = file.samplerate
            for out in resampler.resample(frame):
                yield out.to_ndarray().T.astype(np.float32)
        for out in resampler.resample(None):
            yield out.to_ndarray().T.astype(np.float32)


def separated(
    model: Model, blocks: Iterator[Samples], mean: float, deviation: float
) -> Iterator[NDArray[np.float32]]:
    """The sources of a sound given in blocks of shape (channels, samples), as blocks of shape
    (sources, channels, samples); the same as `apply_model` with `shifts=0` gives for the whole."""
    segment = model.segment_samples
    stride = int((1 - OVERLAP) * segment)
    weight = _triangle(segment)
    scale = max(deviation, 1e-8)
    mixed = _Mix(blocks, segment)
    sums = np.zeros((len(model.sources), model.channels, segment), np.float32)
    weights = np.zeros(segment, np.float32)
    offset = 0
    while (chunk := mixed.around(offset, segment)) is not None:
        samples, first, length = chunk
        found = _apply(model, (samples - mean) / scale, first, length)
        sums[..., :length] += weight[:length] * found
        weights[:length] += weight[:length]
        offset += stride
        # Nothing more is added to what lies before the next segment.
        ready = min(stride, length)
        yield sums[..., :ready] / weights[:ready] * scale + mean
        sums = np.concatenate([sums[..., stride:], np.zeros_like(sums[..., :stride])], axis=-1)
        weights = np.concatenate([weights[stride:], np.zeros(stride, np.float32)])


def _triangle(segment: int) -> NDArray[np.float32]:
    """How much each sample of a segment counts: its middle the most."""
    half = segment // 2
    weight = np.concatenate([np.arange(1, half + 1), np.arange(segment - half, 0, -1)])
    return np.asarray(weight / weight.max(), np.float32)


def _apply(model: Model, samples: Samples, first: int, length: int) -> NDArray[np.float32]:
    """The sources of `samples[first : first + length]`, the rest being there for the edges."""
    import torch
    from demucs.apply import TensorChunk, apply_model

    device = next(model.network.parameters()).device
    mix = torch.from_numpy(np.ascontiguousarray(samples, np.float32))[None]
    part = TensorChunk(mix, first, length)
    with torch.inference_mode():
        found = apply_model(model.network, part, shifts=0, split=False, device=device)
    return np.asarray(found[0].cpu().numpy(), np.float32)


class _Mix:
    """A window on the sound that moves forward: a segment, and one more on either side."""

    def __init__(self, blocks: Iterator[Samples], margin: int) -> None:
        self._blocks = blocks
        self._margin = margin
        self._held: Samples | None = None
        self._start = 0
        """Where what is held begins."""

    def around(self, offset: int, segment: int) -> tuple[Samples, int, int] | None:
        """(samples, where in them the segment begins, its length); None after the end."""
        self._fill(offset + segment + self._margin)
        if self._held is None:
            return None
        drop = max(0, offset - self._margin - self._start)
        self._held = self._held[:, drop:]
        self._start += drop
        first = offset - self._start
        length = min(segment, self._held.shape[1] - first)
        return (self._held, first, length) if length > 0 else None

    def _fill(self, until: int) -> None:
        parts = [] if self._held is None else [self._held]
        held = self._start + sum(part.shape[1] for part in parts)
        while held < until:
            block = next(self._blocks, None)
            if block is None:
                break
            parts.append(block)
            held += block.shape[1]
        if parts:
            self._held = np.concatenate(parts, axis=1)
