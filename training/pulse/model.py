"""The network of pulse-1, and its way to ONNX."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from libs.common.pulse.net import BAR_ROWS, CONTEXT_FRAMES, FAMILIES

WIDTH = 32
DILATIONS = (1, 2, 4, 8, 16, 32, 64, 128)
BARS_WIDTH = 64
BARS_DILATIONS = (1, 2, 4, 8, 16)
BARS_DROP = 0.25
"""It sees a take as few numbers, and learns takes by heart with less."""


class _Block(nn.Module):
    def __init__(self, width: int, dilation: int, drop: float) -> None:
        super().__init__()
        self.wide = nn.Conv1d(width, width, 5, padding=2 * dilation, dilation=dilation)
        self.mix = nn.Conv1d(width, width, 1)
        self.act = nn.ELU()
        self.drop = nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        more: Tensor = self.drop(self.mix(self.act(self.wide(x))))
        return x + more


class PulseNet(nn.Module):
    """(batch, 6, frames) of hits to (batch, 2, frames): logits of beat and downbeat."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.width = width
        self.look = nn.Conv1d(len(FAMILIES), width, 5, padding=2)
        self.blocks = nn.ModuleList(_Block(width, dilation, 0.1) for dilation in DILATIONS)
        self.act = nn.ELU()
        self.tell = nn.Conv1d(width, 2, 1)
        assert 2 + sum(2 * dilation for dilation in DILATIONS) <= CONTEXT_FRAMES

    def forward(self, rows: Tensor) -> Tensor:
        x = self.look(rows)
        for block in self.blocks:
            x = block(x)
        told: Tensor = self.tell(self.act(x))
        return told


class BarsNet(nn.Module):
    """(batch, 73, beats) of hits by beat to (batch, 2, beats): logits of downbeat and of the
    right pulse."""

    def __init__(self, width: int = BARS_WIDTH) -> None:
        super().__init__()
        self.width = width
        self.look = nn.Sequential(
            nn.Conv1d(BAR_ROWS, width, 1), nn.ELU(), nn.Dropout(BARS_DROP),
            nn.Conv1d(width, width, 3, padding=1),
        )  # fmt: skip
        self.blocks = nn.ModuleList(
            _Block(width, dilation, BARS_DROP) for dilation in BARS_DILATIONS
        )
        self.act = nn.ELU()
        self.tell = nn.Conv1d(width, 2, 1)

    def forward(self, rows: Tensor) -> Tensor:
        x = self.look(rows)
        for block in self.blocks:
            x = block(x)
        told: Tensor = self.tell(self.act(x))
        return told


class _Chances(nn.Module):
    def __init__(self, net: PulseNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, rows: Tensor) -> Tensor:
        return torch.sigmoid(self.net(rows))


def export(net: PulseNet | BarsNet, path: Path) -> None:
    """As ONNX: `rows` (1, rows, length) in, chances of a PulseNet or logits of a BarsNet out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = isinstance(net, PulseNet)
    torch.onnx.export(
        (_Chances(net) if isinstance(net, PulseNet) else net).eval(),
        (torch.zeros(1, len(FAMILIES) if frames else BAR_ROWS, 600),),
        str(path),
        input_names=["rows"],
        output_names=["out"],
        dynamic_axes={"rows": {2: "length"}, "out": {2: "length"}},
        opset_version=17,
        dynamo=False,
    )
