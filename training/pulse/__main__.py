"""`python -m training.pulse DATA`."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from training.pulse.fit import Plan, fit
from training.pulse.model import export


def main() -> None:
    """Read the command line, fit, write."""
    parser = argparse.ArgumentParser(
        prog="python -m training.pulse",
        description="Train pulse-1, which finds beats and downbeats under hits, on the human "
        "performances of Groove MIDI and on made grooves. Twenty minutes on one core. Needs: "
        'pip install -e ".[training]". docs/models/pulse-1.md says what came of it.',
    )
    parser.add_argument("data", type=Path, metavar="DATA", help="folder that holds groove_midi")
    parser.add_argument("--bars", action="store_true",
                        help="train the second network, from beats to bars")  # fmt: skip
    parser.add_argument("--steps", type=int, default=Plan.steps, metavar="N", help="(%(default)s)")
    parser.add_argument("--batch", type=int, metavar="N",
                        help="excerpts a step (16, with --bars 64)")  # fmt: skip
    parser.add_argument("--decay", type=float, metavar="X",
                        help="of weights (0.001, with --bars 0.03)")  # fmt: skip
    parser.add_argument("--seed", type=int, default=Plan.seed, metavar="N", help="(%(default)s)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (%(default)s)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of the CPU (1)")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE",
                        help="kept every 200 steps, gone on from (beside the output)")  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("out"), metavar="FOLDER",
                        help="for the network (%(default)s); those that are used lie in "
                        "libs/common/pulse/networks")  # fmt: skip
    given = parser.parse_args()
    if not (given.data / "groove_midi").is_dir():
        parser.error(f"{given.data} has no groove_midi")
    torch.set_num_threads(given.threads)
    name = "pulse-1-bars" if given.bars else "pulse-1"
    plan = Plan(
        bars=given.bars, steps=given.steps, batch=given.batch or (64 if given.bars else 16),
        decay=given.decay if given.decay is not None else (0.03 if given.bars else 0.001),
        seed=given.seed, device=given.device,
    )  # fmt: skip
    out = given.out / f"{name}.onnx"
    export(fit(given.data, plan, given.checkpoint or given.out / f"{name}.pt"), out)
    print(f"{out} is written")


if __name__ == "__main__":
    main()
