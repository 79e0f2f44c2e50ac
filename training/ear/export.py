"""From a checkpoint to the ONNX file that is served."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from services.audio.domain.spectra import BANDS, WINDOWS
from training.ear.model import Ear


class Served(nn.Module):
    """Activations in place of logits."""

    def __init__(self, ear: Ear) -> None:
        super().__init__()
        self.ear = ear

    def forward(self, levels_db: Tensor) -> Tensor:
        return torch.sigmoid(self.ear(levels_db))


def load(checkpoint: Path) -> tuple[Ear, dict]:
    """The averaged network of a checkpoint, and the checkpoint."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    net = Ear(state["width"])
    net.load_state_dict(state["averaged"])
    return net.eval(), state


def export(net: Ear, target: Path) -> None:
    """Write `target` (.onnx), any number of frames."""
    example = torch.zeros(1, len(WINDOWS), BANDS, 200)
    with warnings.catch_warnings():
        # The newer exporter fixes the number of frames unless it is traced with care.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            Served(net).eval(), (example,), target, input_names=["levels_db"],
            output_names=["activations"], dynamic_axes={"levels_db": {3: "frames"},
            "activations": {2: "frames"}}, opset_version=17, dynamo=False,
        )  # fmt: skip
