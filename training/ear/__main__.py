"""`python -m training.ear render|train|release --help`."""

from __future__ import annotations

import argparse
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.ear", description=__doc__)
    verbs = parser.add_subparsers(required=True, dest="verb")
    rendering = verbs.add_parser("render", help="make practice for the trainer, for ever or TAKES")
    rendering.add_argument(
        "data", type=Path, help="folder with groove_midi, oneshots, rir, backing"
    )
    rendering.add_argument("--takes", type=int, help="stop after so many (of 6.5 s)")
    rendering.add_argument("--keep", type=int, default=40_000, help="delete older takes")
    rendering.add_argument(
        "--ahead", type=int, default=10_000, help="rest so far before the trainer"
    )
    rendering.add_argument("--held-out", action="store_true", help="kits and takes for validation")
    training = verbs.add_parser("train", help="fit the network to what is rendered")
    training.add_argument("--minutes", type=float, default=90)
    training.add_argument("--batch", type=int, default=24)
    training.add_argument("--rate", type=float, default=1.5e-3)
    training.add_argument("--width", type=int, default=224)
    training.add_argument(
        "--start", type=Path, help="weights to begin with (training/ear/ear-1.pt)"
    )
    training.add_argument("--device", default="cpu", help="cpu or cuda")
    releasing = verbs.add_parser(
        "release", help="choose thresholds, score, and write the weights and card that are served"
    )
    releasing.add_argument("real", type=Path, help="folder of annotated development recordings")
    releasing.add_argument("--name", default="ear-1")
    releasing.add_argument("--takes", type=int, default=640, help="held-out takes to score on")
    releasing.add_argument("--target", type=Path, default=Path("services/audio/domain/networks"))
    for verb in (rendering, training, releasing):
        verb.add_argument(
            "--work", type=Path, required=True, help="folder for pool and checkpoints"
        )
        verb.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    if chosen.verb == "render":
        from training.ear.pool import render

        chosen.work.mkdir(parents=True, exist_ok=True)
        render(
            chosen.data, chosen.work, chosen.seed, chosen.takes, chosen.keep, chosen.held_out,
            chosen.ahead,
        )  # fmt: skip
    elif chosen.verb == "train":
        from training.ear.train import train

        train(
            chosen.work, chosen.minutes, chosen.seed, chosen.batch, chosen.rate, chosen.device,
            chosen.width, chosen.start,
        )  # fmt: skip
    elif chosen.verb == "release":
        from training.ear.release import release

        release(
            chosen.work / "ear.pt", chosen.work / "held-out", chosen.real, chosen.target,
            chosen.name, chosen.seed, "python -m training.ear (docs/models/ear-1.md)", chosen.takes,
        )  # fmt: skip


if __name__ == "__main__":
    main()
