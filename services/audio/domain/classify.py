"""What was struck at a candidate: measurements around it, and a small fitted classifier.

The measurements are plain signal processing (each band's level before, at and after the stroke,
so rise, colour and decay); the weights on them were fitted by `python -m training.dsp1` on strokes
rendered from single hits, never on the recordings that evaluate it (docs/models/dsp-1.md).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from libs.common.drums import DrumPiece
from services.audio.domain.features import Bands, Levels

# Two labels of a stroke: the family that decides whether there is one, then which member.
FAMILIES: Final[Mapping[str, tuple[DrumPiece, ...]]] = {
    "kick": (DrumPiece.KICK,),
    "snare": (DrumPiece.SNARE,),
    "cross-stick": (DrumPiece.CROSS_STICK,),
    "hat": (DrumPiece.HAT_CLOSED, DrumPiece.HAT_OPEN, DrumPiece.HAT_PEDAL),
    "tom": (DrumPiece.TOM_HIGH, DrumPiece.TOM_MID, DrumPiece.TOM_FLOOR),
    "cymbal": (DrumPiece.CRASH, DrumPiece.RIDE, DrumPiece.RIDE_BELL),
}
MEMBERS: Final = tuple(piece for pieces in FAMILIES.values() if len(pieces) > 1 for piece in pieces)
LABELS: Final = (*FAMILIES, *MEMBERS)

# Frames of 5 ms relative to the candidate: (first, past the last).
_LONG_BEFORE: Final = (-30, -12)
_BEFORE: Final = (-8, -3)
_STROKE: Final = (-1, 7)
_AFTER: Final = ((7, 15), (17, 29), (37, 53))
CONTEXT_FRAMES: Final = 56
"""How far a candidate's measurements reach, before and after."""

_WEIGHTS = Path(__file__).with_name("dsp_1.json")


@dataclass(frozen=True, slots=True)
class Weights:
    """Two hidden layers with rectifiers, one logistic output per label of `LABELS`."""

    layers: tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]
    """(matrix of shape (inputs, outputs), bias) per layer."""
    thresholds: NDArray[np.float32]
    """Probability from which a family counts as struck; shape (families,)."""
    lag_s: float
    """How much later than its candidate frame a stroke is, in the median."""

    def to_json(self) -> str:
        """Matrices as base64 of little-endian float16: the digits are beyond what hearing needs."""
        document = {
            "labels": list(LABELS),
            "layers": [
                {
                    "shape": list(matrix.shape),
                    "matrix": base64.b64encode(matrix.astype("<f2").tobytes()).decode(),
                    "bias": base64.b64encode(bias.astype("<f2").tobytes()).decode(),
                }
                for matrix, bias in self.layers
            ],
            "thresholds": [round(float(value), 4) for value in self.thresholds],
            "lag_s": round(self.lag_s, 5),
        }
        return json.dumps(document, indent=1)

    @staticmethod
    def from_json(text: str) -> Weights:
        """ValueError when the file was fitted for other labels."""
        document = json.loads(text)
        if document["labels"] != list(LABELS):
            raise ValueError("weights fitted for other labels")
        return Weights(
            layers=tuple(
                (
                    np.frombuffer(base64.b64decode(layer["matrix"]), "<f2")
                    .astype(np.float32)
                    .reshape(layer["shape"]),
                    np.frombuffer(base64.b64decode(layer["bias"]), "<f2").astype(np.float32),
                )
                for layer in document["layers"]
            ),
            thresholds=np.array(document["thresholds"], np.float32),
            lag_s=document["lag_s"],
        )


@lru_cache(maxsize=1)
def fitted_weights() -> Weights:
    """The weights that come with the code."""
    return Weights.from_json(_WEIGHTS.read_text())


def measure(
    logs: Bands, grown: Bands, strengths: Bands, frames: NDArray[np.int64], levels: Levels
) -> NDArray[np.float32]:
    """The classifier's input, a row per candidate frame.

    Each frame needs CONTEXT_FRAMES of `logs` (from `features.compress`) on both sides.
    """

    def around(span: tuple[int, int]) -> NDArray[np.float32]:
        return np.asarray(logs[frames[:, None] + np.arange(*span)], np.float32)

    colour = np.log10(1 + levels.band_loud_power * np.float32(1e5 / max(levels.loud_power, 1e-14)))
    near = frames[:, None] + np.arange(-3, 4)
    columns = [
        around(_LONG_BEFORE).mean(axis=1),
        around(_BEFORE).mean(axis=1),
        around(_STROKE).max(axis=1),
        *(around(span).mean(axis=1) for span in _AFTER),
        grown[near].max(axis=1),
        np.tile(colour, (len(frames), 1)),
        strengths[near].max(axis=1),
    ]
    return np.hstack(columns).astype(np.float32)


def probabilities(measured: NDArray[np.float32], weights: Weights) -> NDArray[np.float32]:
    """Shape (candidates, LABELS)."""
    values = measured
    for index, (matrix, bias) in enumerate(weights.layers):
        values = values @ matrix + bias
        if index < len(weights.layers) - 1:
            values = np.maximum(values, 0)
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -30, 30))), np.float32)
