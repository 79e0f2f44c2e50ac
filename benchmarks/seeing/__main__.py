"""Print how well hands, sync, shots and views are told on rendered drummers, beside plain ways.

python -m benchmarks.seeing /tmp/films            # renders some 120 films once (10 minutes)
python -m benchmarks.seeing /tmp/films --count 12 # a quick look
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.seeing import tables
from benchmarks.seeing.films import make_cases
from services.vision import weights


def main() -> int:
    """Run it; 0 when all tables were made."""
    parser = argparse.ArgumentParser(prog="benchmarks.seeing", description=__doc__)
    parser.add_argument("films", type=Path, help="Folder that the films are kept in.")
    parser.add_argument("--count", type=int, default=48, help="Films with a usable view.")
    parser.add_argument("--others", type=int, default=10, help="Films of each other kind.")
    parser.add_argument("--workers", type=int, default=2, help="Processes.")
    given = parser.parse_args()
    wanted = [("good", number) for number in range(given.count)]
    wanted += [
        (kind, number)
        for kind in ("above", "handheld", "pov", "rear", "far")
        for number in range(given.others)
    ]
    wanted += [("cuts", number) for number in range(2 * given.others)]
    cases = make_cases(wanted, given.films, given.workers)
    folder = weights.pose_folder() if weights.state() == "whole" else None
    if folder is None:
        print("The pose network is not here: `backbeat models fetch` gets it.", file=sys.stderr)
    tables.print_all(cases, folder, given.workers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
