"""From rendered practice to the weights of `dsp-1`."""

from __future__ import annotations

import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.neural_network import MLPClassifier  # type: ignore[import-untyped]

from services.audio.domain import classify, features, onsets
from services.audio.domain.classify import FAMILIES, LABELS, MEMBERS, Weights
from training.dsp1.render import Studio, Take

NEAR_S = 0.028
CHUNK_TAKES = 50


def rows(take: Take) -> tuple[NDArray[np.float32], NDArray[np.int8], list[float], list[int]]:
    """Measurements, labels, lags of single candidates, and misses per family of one take."""
    meter, level = features.BandMeter(), features.LevelMeter()
    powers = np.concatenate([meter.push(take.samples), meter.finish()])
    level.push(powers)
    levels = level.levels()
    pad = classify.CONTEXT_FRAMES
    logs = np.pad(features.compress(powers, levels), ((pad, pad), (0, 0)))
    grown = onsets.rises(logs)
    strengths = onsets.group_strengths(grown)
    frames = onsets.candidate_frames(strengths[pad:-pad]) + pad
    times_s = (frames - pad) / features.FRAMES_PER_S
    truth = np.zeros((len(frames), len(LABELS)), np.int8)
    lags, missed = [], [0] * len(FAMILIES)
    families = list(FAMILIES)
    for at, piece, velocity in take.strokes:
        family = next(name for name, pieces in FAMILIES.items() if piece in pieces)
        away = np.abs(times_s - at) if len(times_s) else np.array([1.0])
        nearest = int(away.argmin())
        if away[nearest] > NEAR_S:
            missed[families.index(family)] += 1
            continue
        if velocity > 0.3:
            lags.append(at - float(times_s[nearest]))
        truth[nearest, LABELS.index(family)] = 1
        if piece in MEMBERS:
            truth[nearest, LABELS.index(piece)] = 1
    return classify.measure(logs, grown, strengths, frames, levels), truth, lags, missed


def gather(
    data: Path, held_out: bool, takes: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int8], float, NDArray[np.int64]]:
    """The rows of many takes, rendered in chunks of their own seeds: the same on any machine."""
    seeds = range(seed, seed + max(1, takes // CHUNK_TAKES))
    with ProcessPoolExecutor(2) as pool:
        chunks = list(
            pool.map(chunk, *zip(*((data, held_out, each) for each in seeds), strict=True))
        )
    lags = [late for each in chunks for late in each[2]]
    return (
        np.concatenate([each[0] for each in chunks]),
        np.concatenate([each[1] for each in chunks]),
        float(np.median(lags)),
        np.sum([each[3] for each in chunks], axis=0),
    )


def chunk(
    data: Path, held_out: bool, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int8], list[float], NDArray[np.int64]]:
    """What `gather` joins, of one seed."""
    studio = Studio(data, held_out, seed)
    taken = [rows(studio.take()) for _ in range(CHUNK_TAKES)]
    print(f"takes of seed {seed} rendered", flush=True)
    return (
        np.concatenate([each[0] for each in taken]),
        np.concatenate([each[1] for each in taken]),
        [late for each in taken for late in each[2]],
        np.sum([each[3] for each in taken], axis=0),
    )


def thresholds(
    chances: NDArray[np.float32], truth: NDArray[np.int8], missed: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Per family, where F is best on kits and performances that were not fitted."""
    best = []
    for family, name in enumerate(FAMILIES):
        scored = []
        for threshold in np.arange(0.2, 0.75, 0.02):
            said = chances[:, family] >= threshold
            right = int((said & (truth[:, family] == 1)).sum())
            wanted = int(truth[:, family].sum()) + int(missed[family])
            scored.append((2 * right / max(1, int(said.sum()) + wanted), float(threshold)))
        print(f"{name}: F {max(scored)[0]:.3f} from {max(scored)[1]:.2f}; "
              f"{missed[family]} without a candidate of {truth[:, family].sum()}")  # fmt: skip
        best.append(max(scored)[1])
    return np.array(best, np.float32)


def fit(data: Path, takes: int, seed: int) -> Weights:
    """Weights from `takes` rendered excerpts of 22 s. Another eighth of that, of kits and
    performances held out, sets the thresholds."""
    held_x, held_y, _, held_missed = gather(data, True, takes // 8, seed=seed + 800)
    x, y, lag_s, _ = gather(data, False, takes, seed=seed)
    mean, spread = x.mean(axis=0), x.std(axis=0) + 0.05
    network = MLPClassifier(
        (160, 64), alpha=1e-3, batch_size=384, learning_rate_init=1e-3, max_iter=1,
        warm_start=True, random_state=1,
    )  # fmt: skip
    rng = np.random.default_rng(3)
    epochs = 22
    for epoch in range(epochs):
        network.learning_rate_init = 1.5e-3 * (1 - epoch / epochs) + 5e-5
        # Noise on the measurements, since kits are few and real rooms are many.
        noisy = (x - mean) / spread + rng.normal(0, 0.3, x.shape).astype(np.float32)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network.fit(noisy, y)
        print(f"epoch {epoch + 1}: loss {network.loss_:.4f}", flush=True)
    first = network.coefs_[0] / spread[:, None]
    layers = [(first, network.intercepts_[0] - mean @ first)]
    layers += list(zip(network.coefs_[1:], network.intercepts_[1:], strict=True))
    weights = Weights(
        tuple((matrix.astype(np.float32), bias.astype(np.float32)) for matrix, bias in layers),
        np.full(len(FAMILIES), 0.5, np.float32),
        lag_s,
    )
    weights = Weights.from_json(weights.to_json())
    chances = classify.probabilities(held_x, weights)
    weights = Weights(weights.layers, thresholds(chances, held_y, held_missed), lag_s)
    print(f"lag {lag_s * 1000:.1f} ms, {len(x)} candidates")
    return weights
