"""The training loop of pulse-1."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from libs.common.pulse.net import BAR_ROWS, FRAMES_PER_S, by_beat, loudness
from training.pulse.grooves import Rng
from training.pulse.model import BarsNet, PulseNet
from training.pulse.practice import FAMILY_OF, Played, practise
from training.pulse.takes import Take, Values, read_groove

Net = PulseNet | BarsNet

_LENGTH_S = 30.0
_FRAMES = int(_LENGTH_S * FRAMES_PER_S)
_BEATS_S = 60.0
_BEATS = 96
_HELD_OUT = 256


@dataclass(frozen=True)
class Plan:
    """What to train, how long, and with what."""

    bars: bool = False
    """The network over beats, not the one over frames."""
    steps: int = 3000
    batch: int = 16
    rate: float = 3e-3
    decay: float = 1e-3
    patience: int = 4
    """Looks at the held-out takes without a better loss, after which training ends."""
    seed: int = 1
    device: str = "cpu"


def fit(data: Path, plan: Plan, checkpoint: Path, every: int = 200) -> Net:
    """Train, or go on from `checkpoint`; the averaged weights of the step, of every `every`,
    that lost least on held-out takes."""
    takes = read_groove(data / "groove_midi", "train")
    weights = share(takes)
    draw = draw_beats if plan.bars else draw_frames
    tested = read_groove(data / "groove_midi", "validation")
    held_out = [
        part.to(plan.device)
        for part in draw(tested, share(tested), np.random.default_rng(77), _HELD_OUT)
    ]
    torch.manual_seed(plan.seed)
    net: Net = (BarsNet() if plan.bars else PulseNet()).to(plan.device)
    mean = copy.deepcopy(net).eval()
    best, best_step, least = copy.deepcopy(mean), 0, float("inf")
    optimiser = torch.optim.AdamW(net.parameters(), plan.rate, weight_decay=plan.decay)
    first = 0
    if checkpoint.exists():
        kept: dict[str, Any] = torch.load(checkpoint, map_location=plan.device, weights_only=True)
        net.load_state_dict(kept["net"])
        mean.load_state_dict(kept["mean"])
        optimiser.load_state_dict(kept["optimiser"])
        best.load_state_dict(kept["best"])
        first, best_step, least = int(kept["step"]), int(kept["best_step"]), float(kept["least"])
        print(f"goes on from step {first}")
    losses: list[float] = []
    started_s = time.monotonic()
    for step in range(first, plan.steps):
        if step - best_step >= plan.patience * every:
            print(f"no better since step {best_step}")
            break
        for group in optimiser.param_groups:
            group["lr"] = plan.rate * _pace(step, plan.steps)
        # A generator for every step, so that going on draws what going through would have.
        rng = np.random.default_rng([plan.seed, step])
        rows, targets = draw(takes, weights, rng, plan.batch)
        net.train()
        loss = _loss(net(rows.to(plan.device)), targets.to(plan.device)).sum()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        losses.append(loss.item())
        _average(mean, net, min(0.998, (step + 1) / (step + 10)))
        if (step + 1) % every == 0 or step + 1 == plan.steps:
            with torch.no_grad():
                away = _loss(mean(held_out[0]), held_out[1]).tolist()
            spent_s = (time.monotonic() - started_s) / (step + 1 - first)
            left_min = spent_s * (plan.steps - step - 1) / 60
            print(
                f"step {step + 1} of {plan.steps}: practice {np.mean(losses):.4f}, held out "
                f"{sum(away):.4f} ({away[0]:.4f} + {away[1]:.4f}), {left_min:.0f} min left",
                flush=True,
            )
            losses.clear()
            if sum(away) < least:
                least, best_step = sum(away), step + 1
                best.load_state_dict(mean.state_dict())
            _keep(
                checkpoint,
                {
                    "net": net.state_dict(),
                    "mean": mean.state_dict(),
                    "best": best.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "step": step + 1,
                    "best_step": best_step,
                    "least": least,
                },
            )
    print(f"the weights of step {best_step}, held out {least:.4f}")
    return best.cpu()


def share(takes: list[Take]) -> Values:
    """How often to draw each take: a long one more, but less than its length."""
    lengths_s = np.array([min(take.bars.sum() * 60 / take.bpm, 120) for take in takes])
    return np.asarray(np.sqrt(lengths_s) / np.sqrt(lengths_s).sum())


def draw_frames(takes: list[Take], weights: Values, rng: Rng, count: int) -> tuple[Tensor, Tensor]:
    """Rows and targets (count, rows, frames); a target of -1 is not asked for."""
    played = [practise(takes, weights, rng, _LENGTH_S) for _ in range(count)]
    rows = np.stack([each.rows(_FRAMES) for each in played])
    targets = np.stack([each.targets(_FRAMES) for each in played])
    # A short performance is silence after its end, where nothing is asked.
    for row, each in enumerate(played):
        targets[row, :, int(each.duration_s * FRAMES_PER_S) + 1 :] = -1
    return torch.from_numpy(rows), torch.from_numpy(targets)


def draw_beats(takes: list[Take], weights: Values, rng: Rng, count: int) -> tuple[Tensor, Tensor]:
    """Rows and targets (count, rows, beats); half of them at wrong pulses, as decoding tries."""
    rows = np.zeros((count, BAR_ROWS, _BEATS), np.float32)
    targets = np.full((count, 2, _BEATS), -1, np.float32)
    filled = 0
    while filled < count:
        played = practise(takes, weights, rng, _BEATS_S)
        if len(played.onsets_s) < 6 or len(played.beats_s) < 6:
            continue
        right = rng.random() < 0.5
        beats_s, ones = (_about if right else _beside)(played, rng)
        if len(beats_s) < 4:
            continue
        heard = by_beat(
            played.onsets_s, FAMILY_OF[played.piece],
            played.confidence * loudness(played.velocity), beats_s,
        )[:, :_BEATS]  # fmt: skip
        length = heard.shape[1]
        rows[filled, :, :length] = heard
        targets[filled, 1, :length] = right
        if right:
            targets[filled, 0, :length] = ones[:length]
        filled += 1
    return torch.from_numpy(rows), torch.from_numpy(targets)


def _about(played: Played, rng: Rng) -> tuple[Values, Values]:
    """The true beats around what is played, as a decoder finds them; and which are downbeats."""
    pace_s = float(np.median(np.diff(played.beats_s)))
    first_s, last_s = played.onsets_s[0] - pace_s, played.onsets_s[-1] + 0.05
    inside = (played.beats_s > first_s + 0.03) & (played.beats_s < last_s)
    off_s = rng.normal(0, 0.006, inside.sum()) + rng.normal(0, 0.004)
    return played.beats_s[inside] + off_s, (played.positions[inside] == 1).astype(float)


def _beside(played: Played, rng: Rng) -> tuple[Values, Values]:
    """Beats of another tempo or between the true ones."""
    beats_s, _ = _about(played, rng)
    pace, phase = [
        (0.5, 0.0), (0.5, 0.0), (2.0, 0.0), (2.0, 1.0), (1.0, 0.5), (1 / 3, 0.0), (3.0, 0.0),
        (2 / 3, 0.0), (1.5, 0.0), (0.75, 0.0), (4 / 3, 0.0), (1.0, 0.25), (1.0, 1 / 3),
        (1.0, 0.75), (1.0, 2 / 3), (0.25, 0.0), (4.0, 2.0),
    ][int(rng.integers(17))]  # fmt: skip
    if pace > 1:
        phase += float(rng.integers(int(2 * pace))) / 2
    places = np.arange(phase, len(beats_s) - 1, pace)
    return np.interp(places, np.arange(len(beats_s)), beats_s), np.zeros(len(places))


def _loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Of both outputs; the second counts twice: a downbeat is rarer than a beat, and harder."""
    asked = (targets >= 0).float()
    each = binary_cross_entropy_with_logits(logits, targets.clamp(min=0), reduction="none") * asked
    return each.sum(dim=(0, 2)) / asked.sum(dim=(0, 2)) * logits.new_tensor([1.0, 2.0])


def _pace(step: int, steps: int) -> float:
    """Of the full rate: up in 100 steps, then down half a cosine."""
    down = 0.5 + 0.5 * float(np.cos(np.pi * step / steps))
    return min(1.0, (step + 1) / 100) * (0.02 + 0.98 * down)


def _average(mean: Net, net: Net, keep: float) -> None:
    with torch.no_grad():
        for slow, fast in zip(mean.parameters(), net.parameters(), strict=True):
            slow.mul_(keep).add_(fast, alpha=1 - keep)


def _keep(path: Path, state: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    torch.save(state, beside)
    beside.replace(path)
