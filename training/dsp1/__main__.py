"""`python -m training.dsp1 DATA`."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.dsp1.fit import fit

FOLDERS = ("groove_midi", "oneshots", "rir", "backing")


def main() -> None:
    """Read the command line, fit, write."""
    parser = argparse.ArgumentParser(
        prog="python -m training.dsp1",
        description="Fit the classifier of dsp-1 on strokes rendered from single hits. "
        'Four minutes on two cores. Needs: pip install -e ".[training]". '
        "What came of it, and from what data, is in docs/models/dsp-1.md.",
    )
    parser.add_argument(
        "data", type=Path, metavar="DATA", help=f"folder that holds {', '.join(FOLDERS)}"
    )
    parser.add_argument(
        "--takes", type=int, default=800, metavar="N", help="excerpts of 22 s to render (800)"
    )
    parser.add_argument("--seed", type=int, default=100, metavar="N", help="of the rendering (100)")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("out/dsp_1.json"),
        help="file for the weights (out/dsp_1.json); the ones that are used lie in "
        "services/audio/domain/dsp_1.json",
    )
    given = parser.parse_args()
    missing = [name for name in FOLDERS if not (given.data / name).is_dir()]
    if missing:
        parser.error(f"{given.data} has no {', '.join(missing)}")
    if given.takes < 1:
        parser.error("--takes must be 1 or more")
    weights = fit(given.data, given.takes, given.seed)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(weights.to_json() + "\n")
    print(f"{given.output} is written")


if __name__ == "__main__":
    main()
