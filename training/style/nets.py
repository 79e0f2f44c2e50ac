"""The networks beside the forest: where trees follow what a session has in common, these smooth."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import cross_entropy

from services.ai.domain.styles.net import MOST, Layer, Nets

_BATCH = 128


def fit_nets(
    levels: NDArray[np.float32], styles: NDArray[np.int64], weights: NDArray[np.float64],
    count: int, width: int, rounds: int, seed: int, of: int,
) -> Nets:  # fmt: skip
    """`count` networks of `width` hidden units; the same numbers for the same seed, one thread."""
    torch.set_num_threads(1)
    means = np.array([float(f"{each:.5g}") for each in levels.mean(axis=0)])
    spreads = np.array([float(f"{each:.5g}") for each in levels.std(axis=0) + 1])
    values = torch.tensor(((levels - means) / spreads).astype(np.float32))
    truth = torch.tensor(styles)
    chances = torch.tensor(weights / weights.sum())
    return Nets(
        tuple(map(float, means)),
        tuple(map(float, spreads)),
        tuple(
            _fit(values, truth, chances, width, rounds, 1000 * seed + number, of)
            for number in range(count)
        ),
    )


def _fit(
    values: torch.Tensor, truth: torch.Tensor, chances: torch.Tensor, width: int, rounds: int,
    seed: int, of: int,
) -> tuple[Layer, Layer]:  # fmt: skip
    torch.manual_seed(seed)
    first, last = nn.Linear(values.shape[1], width), nn.Linear(width, of)
    net = nn.Sequential(nn.Dropout(0.15), first, nn.ReLU(), nn.Dropout(0.4), last)
    steps = max(1, rounds * len(values) // _BATCH)
    optimiser = torch.optim.AdamW(net.parameters(), 3e-3, weight_decay=0.02)
    pace = torch.optim.lr_scheduler.OneCycleLR(optimiser, 5e-3, total_steps=steps)
    for _ in range(steps):
        chosen = torch.multinomial(chances, _BATCH, replacement=True)
        noisy = values[chosen] + 0.3 * torch.randn(_BATCH, values.shape[1])
        loss = cross_entropy(net(noisy), truth[chosen], label_smoothing=0.05)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        pace.step()
    return _whole(first), _whole(last)


def _whole(layer: Any) -> Layer:
    """In whole numbers, every unit by itself."""
    weights = layer.weight.detach().numpy().astype(float)
    scales = np.maximum(np.abs(weights).max(axis=1), 1e-9) / MOST
    scales = np.array([float(f"{each:.5g}") for each in scales])
    rounded = np.clip(np.rint(weights / scales[:, None]), -MOST, MOST).astype(int)
    return Layer(
        tuple(tuple(map(int, row)) for row in rounded),
        tuple(map(float, scales)),
        tuple(float(f"{each:.5g}") for each in layer.bias.detach().numpy()),
    )
