"""The network: spectra in, onset and velocity activations out, at 100 frames a second.

A small two-dimensional front that looks at shapes in time and frequency, then residual
one-dimensional convolutions of growing dilation (after Bai, Kolter and Koltun, 2018), not causal:
no recurrence, so that a chunk with its margins gives the same numbers as the whole, and a CPU is
kept busy by matrix products.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from services.audio.domain.spectra import BANDS, WINDOWS
from services.audio.domain.vocabulary import FAMILIES, FAMILY_OF, ONSET_OUTPUTS, OUTPUTS, PIECES

FLOOR_DB = -80.0
DILATIONS = (1, 2, 4, 8, 16, 32, 1, 2, 4)


class Block(nn.Module):
    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.wide = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.norm = nn.BatchNorm1d(width)
        self.point = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[batch, width, frames] to the same."""
        return x + self.point(functional.relu(self.norm(self.wide(x))))


class Ear(nn.Module):
    def __init__(self, width: int = 224, front: tuple[int, int, int] = (24, 40, 56)) -> None:
        super().__init__()
        sizes = (len(WINDOWS), *front)
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, (5 if i == 0 else 3, 3), stride=(2, 1), padding=(2 if i == 0 else 1, 1),
                      bias=False)
            for i, (a, b) in enumerate(pairwise(sizes))
        )  # fmt: skip
        self.norms = nn.ModuleList(nn.BatchNorm2d(size) for size in front)
        rows = BANDS
        for _ in front:
            rows = (rows + 1) // 2
        self.join = nn.Conv1d(front[-1] * rows, width, 1)
        self.blocks = nn.ModuleList(Block(width, dilation) for dilation in DILATIONS)
        self.out_norm = nn.BatchNorm1d(width)
        self.out = nn.Conv1d(width, OUTPUTS, 1)
        nn.init.constant_(self.out.bias[:ONSET_OUTPUTS], -4.5)

    def forward(self, levels_db: Tensor) -> Tensor:
        """dB against the chunk's reference, [batch, windows, bands, frames], to logits
        [batch, outputs, frames]."""
        x = (levels_db.clamp(min=FLOOR_DB) - FLOOR_DB) / 40 - 1
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = functional.relu(norm(conv(x)))
        x = self.join(x.flatten(1, 2))
        for block in self.blocks:
            x = block(x)
        return self.out(functional.relu(self.out_norm(x)))


def targets(hits: list[NDArray[np.float32]], frames: int) -> tuple[Tensor, Tensor, Tensor]:
    """(onsets [batch, onset outputs, frames], velocities and their weights
    [batch, families, frames]) from rows of frame, piece, velocity.

    A hit between two frames is shared between them as it lies, so that the sum around a peak is
    the chance of a hit there, and its centre of mass the time.
    """
    families = list(FAMILIES)
    of = [families.index(FAMILY_OF[piece]) for piece in PIECES]
    onsets = np.zeros((len(hits), ONSET_OUTPUTS, frames), np.float32)
    speeds = np.zeros((len(hits), len(families), frames), np.float32)
    weights = np.zeros_like(speeds)
    for index, rows in enumerate(hits):
        for at, piece_number, velocity in rows:
            piece = int(piece_number)
            family = of[piece]
            low = int(np.floor(at))
            for frame, share in ((low, low + 1 - at), (low + 1, at - low)):
                if 0 <= frame < frames:
                    for row in (piece, len(PIECES) + family):
                        onsets[index, row, frame] = min(1.0, onsets[index, row, frame] + share)
                    if velocity >= speeds[index, family, frame]:
                        speeds[index, family, frame] = velocity
                        weights[index, family, frame] = share
    return torch.from_numpy(onsets), torch.from_numpy(speeds), torch.from_numpy(weights)


def loss(logits: Tensor, onsets: Tensor, speeds: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """(onset loss, velocity loss): cross-entropy a frame, summed over outputs; a family's onset
    counts twice, since whether there is a hit matters more than which piece it was."""
    each = functional.binary_cross_entropy_with_logits(
        logits[:, :ONSET_OUTPUTS], onsets, reduction="none"
    ).mean(dim=(0, 2))
    onset = each[: len(PIECES)].sum() + 2 * each[len(PIECES) :].sum()
    squared = (torch.sigmoid(logits[:, ONSET_OUTPUTS:]) - speeds) ** 2
    return onset, (squared * weights).sum() / weights.sum().clamp(min=1)
