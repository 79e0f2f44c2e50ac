"""Small networks of Demucs' own kinds, with weights by chance, in Demucs' own file format."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from demucs.demucs import Demucs
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from demucs.states import get_state

SOURCES = ["drums", "bass", "other", "vocals"]
SMALL: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "htdemucs": (
        HTDemucs,
        # As the published one: a fraction, and a length that frames do not divide.
        {"channels": 8, "t_layers": 1, "t_heads": 2, "segment": Fraction(39, 25)},
    ),
    "hdemucs": (HDemucs, {"channels": 4, "segment": 2}),
    "demucs": (Demucs, {"channels": 4, "segment": 2}),
}


def make_checkpoint(path: Path, kind: str = "htdemucs", sources: list[str] = SOURCES) -> Path:
    """What `demucs.states.serialize_model` writes, without its need for omegaconf."""
    torch.manual_seed(5)
    klass, options = SMALL[kind]
    network = klass(sources, **options)
    args, kwargs = network._init_args_kwargs
    package = {
        "klass": klass,
        "args": args,
        "kwargs": kwargs,
        "state": get_state(network, None, half=True),
        "training_args": {"epochs": 0},
    }
    torch.save(package, path)
    return path
