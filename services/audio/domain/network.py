"""The network as it is served: from a sound file to activations, in constant memory.

ONNX Runtime runs it; the same weights in torch give the same numbers (within 1e-3, a test). It
looks at chunks with as much around them as it can see, so that where a chunk begins changes
nothing but the level that its decibels are told against.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from services.audio.domain.blocks import Samples, mono_blocks
from services.audio.domain.spectra import (
    BANDS,
    HOP_SAMPLES,
    SAMPLE_RATE,
    WINDOWS,
    Spectra,
    levels_db,
    reference_db,
)
from services.audio.domain.vocabulary import ONSET_OUTPUTS

FOLDER: Final = Path(__file__).parent / "networks"

_CHUNK_FRAMES: Final = 2000
_MARGIN_FRAMES: Final = 80
"""More than the network sees to either side (73)."""
_MEMORY_DB: Final = -35.0
"""A passage is not made louder than this against the loudest before it: it is a rest, with the
room's noise, rather than soft playing."""
_SETTLING_SAMPLES: Final = max(WINDOWS) // 2


class Calibration(BaseModel):
    """What turns a family's activation into a decision and a confidence."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    threshold: float
    """Least activation of a hit, at sensitivity 0.5."""
    again_threshold: float
    """Least activation of a hit within 60 ms after or before a surer one: a flam's, no echo's."""
    slope: float
    offset: float
    """Confidence is the logistic of slope * logit(chance) + offset; the chance is the family's
    activation times the piece's share among the family's."""


class Card(BaseModel):
    """What is known of a network: kept beside its weights."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    about: str
    data: list[str]
    command: str
    seed: int
    trained_hours: float
    """Of sound that it was shown."""
    parameters: int
    licence: str
    scores: dict[str, float]
    limits: list[str]
    lag_s: float
    """What is taken off every onset."""
    families: dict[str, Calibration]
    together: float
    """Least activation of the less sure of two that one stroke may have been taken for."""
    second_piece: float
    """Least activation of another piece of a family struck at the same time."""
    velocities: dict[str, list[tuple[float, float]]]
    """By family: (what the network says, velocity 1 to 127), rising; between them a line. A network
    that is not sure says what lies in the middle, so that its values are spread again."""


@dataclass(frozen=True, slots=True)
class Activations:
    """Of frames in order, from `first_frame`; 100 frames a second, frame k at k / 100 s."""

    first_frame: int
    onsets: NDArray[np.float32]
    """0 to 1, [pieces then families, frames]."""
    velocities: NDArray[np.float32]
    """0 to 1, [families, frames]; they mean something where there is an onset."""
    peak: float = 0.0
    """The loudest sample so far."""
    read_s: float = 0.0
    """How much sound has been read so far; at last, its length."""


@cache
def card(name: str) -> Card:
    """The card of the network `name`."""
    return Card.model_validate_json((FOLDER / f"{name}.json").read_text())


@cache
def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # One thread a worker: workers are what is scaled, and threads that wait for each other busily
    # made a convolution 80 times slower on a loaded machine.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
    here = [name for name in wanted if name in onnxruntime.get_available_providers()]
    return onnxruntime.InferenceSession(path, options, providers=here)


def activations(levels: Spectra, path: Path) -> NDArray[np.float32]:
    """[outputs, frames] of dB against a reference, [windows, bands, frames]."""
    (out,) = _session(path).run(None, {"levels_db": levels[np.newaxis]})
    return np.asarray(out[0], np.float32)


def listen(
    path: Path, name: str, tell: Callable[[float], None], weights: Path | None = None
) -> Iterator[Activations]:
    """The activations of a whole file in order, by the network `name` or the file `weights`.

    Raises UnreadableMedia, EmptyAudio, and what `tell` raises between chunks.
    """
    window = _Window(weights or FOLDER / f"{name}.onnx")
    for levels, samples, done in _frames(path):
        for heard in window.push(levels, samples):
            tell(done)
            yield heard
    yield from window.rest()
    tell(1.0)


class _Window:
    """The frames that are still needed: those to come and a margin before them."""

    def __init__(self, weights: Path) -> None:
        self._weights = weights
        self._levels = np.zeros((len(WINDOWS), BANDS, 0), np.float32)
        self._first = 0
        self._next = 0
        self._loudest_db = -200.0
        self._peak = 0.0
        self._samples = 0

    def push(self, levels: Spectra, samples: Samples) -> Iterator[Activations]:
        """More frames, and the samples read for them; the chunks that can be heard now."""
        self._peak = max(self._peak, float(np.abs(samples).max(initial=0.0)))
        self._samples += len(samples)
        self._levels = np.concatenate([self._levels, levels], axis=2)
        while self._end - self._next >= _CHUNK_FRAMES + _MARGIN_FRAMES:
            yield self._hear(self._next + _CHUNK_FRAMES)

    def rest(self) -> Iterator[Activations]:
        """What is left at the end."""
        if self._end > self._next:
            yield self._hear(self._end)

    @property
    def _end(self) -> int:
        return self._first + self._levels.shape[2]

    def _hear(self, until: int) -> Activations:
        seen = self._levels[:, :, : until + _MARGIN_FRAMES - self._first]
        reference = max(reference_db(seen), self._loudest_db + _MEMORY_DB)
        self._loudest_db = max(self._loudest_db, reference)
        out = activations(seen - np.float32(reference), self._weights)
        inside = slice(self._next - self._first, until - self._first)
        heard = Activations(
            first_frame=self._next,
            onsets=out[:ONSET_OUTPUTS, inside],
            velocities=out[ONSET_OUTPUTS:, inside],
            peak=self._peak,
            read_s=self._samples / SAMPLE_RATE,
        )
        self._next = until
        drop = max(0, until - _MARGIN_FRAMES - self._first)
        self._levels = self._levels[:, :, drop:]
        self._first += drop
        return heard


def _frames(path: Path) -> Iterator[tuple[Spectra, Samples, float]]:
    """Band levels in order, as (levels, the samples read for them, fraction read)."""
    waiting: Samples = np.zeros(_SETTLING_SAMPLES, np.float32)
    for samples, done in mono_blocks(path, SAMPLE_RATE):
        waiting = np.concatenate([waiting, samples])
        levels = levels_db(waiting)
        waiting = waiting[levels.shape[2] * HOP_SAMPLES :]
        yield levels, samples, done
    waiting = np.concatenate([waiting, np.zeros(_SETTLING_SAMPLES, np.float32)])
    yield levels_db(waiting), np.zeros(0, np.float32), 1.0


def write_card(made: Card, folder: Path) -> None:
    """Beside the weights, as JSON."""
    text = json.dumps(made.model_dump(), indent=2)
    (folder / f"{made.version}.json").write_text(text + "\n")
