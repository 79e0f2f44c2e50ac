"""From a checkpoint to what is served: weights, thresholds and the card with the scores."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from services.audio.domain.network import Card, write_card
from training.ear.evaluate import (
    calibrate,
    choose,
    confusion,
    lag,
    open_card,
    recorded,
    rendered,
    report,
    spread_velocities,
)
from training.ear.export import export, load

ABOUT = (
    "A convolutional network that looks at spectra of three window lengths, 100 frames a second. "
    "Trained on rendered practice alone: human performances and made ones, played on some sixty "
    "sampled kits."
)
DATA = [
    "Groove MIDI Dataset 1.0.0 (CC BY 4.0, Gillick et al.): what is played",
    "one-shots of some 55 free drum kits (CC0, CC BY, CC BY-SA, MIT, BSD, GPL): what it is "
    "played on",
    "simulated rooms and plate responses (own work, CC BY), Freedoom and OpenMSX music without "
    "drums (BSD-3, GPL-2): where and under what",
]
LIMITS = [
    "Heights of toms are told by pitch alone and often taken for a neighbour's.",
    "Half-open hats, splashes and chinas are rare in the practice and weak.",
    "A rimshot is told as a snare, a second crash as a crash.",
    "Brushes stirred on the head, and rolls too fast to be single strokes, are told in part.",
    "Scores on development recordings are a little selected: thresholds were chosen with them.",
]


def release(
    checkpoint: Path, held_out: Path, real: Path, target: Path, name: str, seed: int, command: str,
    takes: int,
) -> None:  # fmt: skip
    """Write NAME.onnx and NAME.json into `target`, and beside the checkpoint NAME.pt, weights to
    begin another training with; prints the scores and a confusion table."""
    net, state = load(checkpoint)
    # Served files change at the end and together: thresholds of other weights are worth nothing.
    weights = checkpoint.with_name(f"{name}.onnx")
    export(net, weights)
    practice = rendered(held_out, weights, takes)
    stems, mixes = recorded(real, weights, False), recorded(real, weights, True)
    families = choose([(0.4, practice), (0.5, stems), (0.1, mixes)])
    lag_s = round(lag(stems, open_card(families)), 4)
    velocities = spread_velocities(practice)
    families = calibrate(stems + mixes, practice, open_card(families, lag_s, velocities))
    card = open_card(families, lag_s, velocities)
    scores = {}
    for title, pieces in (("rendered", practice), ("stems", stems), ("mixes", mixes)):
        found = report(title, pieces, card)
        scores |= {f"{title}: {key}": value for key, value in found.items()}
    print(confusion(practice, card))
    made = Card(
        **{
            **card.model_dump(), "version": name, "about": ABOUT, "data": DATA, "limits": LIMITS,
            "command": command, "seed": seed, "licence": "Apache-2.0", "scores": scores,
            "trained_hours": round(state["step"] * state.get("batch", 24) * 5.12 / 3600, 1),
            "parameters": sum(parameter.numel() for parameter in net.parameters()),
        }
    )  # fmt: skip
    half = {key: value.half() if value.is_floating_point() else value
            for key, value in net.state_dict().items()}  # fmt: skip
    torch.save(half, checkpoint.with_name(f"{name}.pt"))
    shutil.copyfile(weights, target / f"{name}.onnx")
    write_card(made, target)
