"""Fit the network to the pool; goes on from its checkpoint."""

from __future__ import annotations

import copy
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from services.audio.domain.spectra import BANDS
from training.ear.model import Ear, loss, targets
from training.ear.pool import FLOOR_DB, QUANTUM_DB, SHARD_TAKES, Shards, tell_consumed

CROP_FRAMES = 512


def train(
    work: Path, minutes: float, seed: int, batch: int, rate: float, device: str, width: int,
    start: Path | None = None,
) -> None:  # fmt: skip
    """Until `minutes` of training in all are spent; a checkpoint a minute. Begins with the weights
    `start` where there is no checkpoint yet."""
    torch.manual_seed(seed)
    torch.set_num_threads(1 if device == "cpu" else 4)
    checkpoint = work / "ear.pt"
    net = Ear(width).to(device)
    if start is not None:
        net.load_state_dict(torch.load(start, map_location=device, weights_only=True))
    averaged = copy.deepcopy(net)
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=0.01)
    spent_s, step = _restored(checkpoint, net, averaged, optimizer, device)
    rng = np.random.default_rng([seed, step])
    if not (work / "pool").exists():
        print("waiting for `render` to fill the pool", flush=True)
    while len(shards := Shards(work / "pool")) < SHARD_TAKES:
        time.sleep(2)
    held_out = Shards(work / "held-out") if (work / "held-out").exists() else None
    began = saved = time.monotonic()
    sums = np.zeros(2)
    while True:
        now = time.monotonic()
        done = (spent_s + now - began) / (minutes * 60)
        if done >= 1 or now - saved > 60 or step % 4000 == 3999:
            saved = now
            state = {
                "net": net.state_dict(), "averaged": averaged.state_dict(),
                "optimizer": optimizer.state_dict(), "spent_s": spent_s + now - began,
                "step": step, "batch": batch, "width": width,
            }  # fmt: skip
            _save(state, checkpoint)
            shards.refresh()
            tell_consumed(work, step * batch)
            if done >= 1:
                break
        for group in optimizer.param_groups:
            group["lr"] = (
                rate * min(1, step / 200) * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)
            )
        net.train()
        onset, speed = _losses(net, shards, batch, rng, device)
        optimizer.zero_grad(set_to_none=True)
        (onset + 0.5 * speed).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        step += 1
        _average(averaged, net, min(0.999, step / (step + 20)))
        sums += (float(onset.detach()), float(speed.detach()))
        if step % 50 == 0:
            text = f"step {step} {done:.1%} onset {sums[0] / 50:.4f} velocity {sums[1] / 50:.4f}"
            sums[:] = 0
            if held_out is not None and step % 200 == 0:
                text += _checked(averaged, held_out, device)
            heard_s = step * batch * CROP_FRAMES / 100
            print(f"{text} {heard_s / 3600:.1f} h, pool {len(shards)}", flush=True)


def _restored(
    checkpoint: Path, net: Ear, averaged: Ear, optimizer: torch.optim.Optimizer, device: str
) -> tuple[float, int]:
    """(seconds of training, steps) of the checkpoint, which fills the others; (0, 0) without."""
    if not checkpoint.exists():
        return 0.0, 0
    state = torch.load(checkpoint, map_location=device, weights_only=True)
    net.load_state_dict(state["net"])
    averaged.load_state_dict(state["averaged"])
    optimizer.load_state_dict(state["optimizer"])
    return float(state["spent_s"]), int(state["step"])


def _save(state: dict[str, Any], checkpoint: Path) -> None:
    part = checkpoint.with_suffix(".part")
    torch.save(state, part)
    part.rename(checkpoint)


def _checked(averaged: Ear, held_out: Shards, device: str) -> str:
    averaged.eval()
    rng = np.random.default_rng(0)
    with torch.no_grad():
        kept = [_losses(averaged, held_out, 16, rng, device, False) for _ in range(6)]
    onset, speed = (np.mean([float(pair[index]) for pair in kept]) for index in (0, 1))
    return f" held-out {onset:.4f} {speed:.4f}"


def _losses(
    net: Ear, shards: Shards, batch: int, rng: np.random.Generator, device: str,
    changed: bool = True,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    spectra, hits = shards.draw(batch, CROP_FRAMES, rng)
    levels = spectra.astype(np.float32) * np.float32(QUANTUM_DB) + np.float32(FLOOR_DB)
    if changed:
        levels = _changed(levels, rng)
    wanted = [part.to(device) for part in targets(hits, CROP_FRAMES)]
    tensor = torch.from_numpy(levels).to(device)
    with torch.autocast(device, torch.bfloat16):
        logits = net(tensor)
    return loss(logits.float(), *wanted)


def _changed(levels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A take at another level and through another equaliser, sometimes with bands missing."""
    count = len(levels)
    quiet = np.where(rng.random(count) < 0.3, rng.uniform(-30, 4, count), rng.normal(-3, 4, count))
    knots = rng.normal(0, 2.5, (count, 7))
    at = np.linspace(0, 6, BANDS)
    curves = np.stack([np.interp(at, np.arange(7), row) for row in knots])
    for index in np.flatnonzero(rng.random(count) < 0.15):
        first = int(rng.integers(BANDS))
        curves[index, first : first + int(rng.integers(2, 9))] -= 60
    shift = (curves + quiet[:, None]).astype(np.float32)
    return np.asarray(
        np.maximum(levels + shift[:, None, :, None], np.float32(FLOOR_DB)), np.float32
    )


def _average(averaged: torch.nn.Module, net: torch.nn.Module, keep: float) -> None:
    with torch.no_grad():
        for kept, new in zip(
            averaged.state_dict().values(), net.state_dict().values(), strict=True
        ):
            if kept.dtype.is_floating_point:
                kept.mul_(keep).add_(new, alpha=1 - keep)
            else:
                kept.copy_(new)
