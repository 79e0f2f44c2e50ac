"""Score hearing on annotated recordings, ours beside other systems' predictions.

The folder holds MDB Drums' text files (NAME_class.txt, NAME_subclass.txt, NAME_MIX.beats beside
NAME.flac and NAME.mix.flac) or sounds with a MIDI file of the same name. A prediction is the JSON
that `backbeat hear` writes, or a folder of MIDI files. Prints Markdown. Evaluation only: nothing
here may be trained on. F-measures are mir_eval's; all takes' hits are pooled.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
from pathlib import Path

from benchmarks.hearing.listening import hear_takes
from benchmarks.hearing.scores import Total, print_tables
from benchmarks.hearing.truth import GM, GROOVE, Take, read_folder, read_predictions


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.hearing",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="annotated recordings")
    parser.add_argument("--mix", action="store_true", help="hear MDB's mixes with music")
    parser.add_argument("--sensitivity", type=float, default=0.5)
    parser.add_argument(
        "--predictions", action="append", default=[], metavar="NAME=PATH",
        help="another system's, shown beside ours; may be repeated",
    )  # fmt: skip
    parser.add_argument("--only-predictions", action="store_true", help="do not hear ourselves")
    parser.add_argument(
        "--midi-notes",
        choices=("gm", "groove"),
        default="gm",
        help="what the MIDI truth's notes are",
    )
    parser.add_argument("--keep", type=Path, help="write what we heard to this JSON file")
    options = parser.parse_args()
    takes = read_folder(
        options.folder, options.mix, GROOVE if options.midi_notes == "groove" else GM
    )
    if not takes:
        parser.error(f"no NAME_class.txt and no sound with a MIDI file in {options.folder}")
    silent = [take.name for take in takes if take.sound is None]
    if silent and not options.only_predictions:
        parser.error(f"there is no sound for {', '.join(silent)}")
    systems: dict[str, dict[str, Take]] = {}
    with tempfile.TemporaryDirectory() as folder:
        if not options.only_predictions:
            out = options.keep or Path(folder) / "hits.json"
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                cost = pool.apply(hear_takes, (takes, options.sensitivity, out))
            systems["backbeat"] = read_predictions(out)
            print(
                f"Speed: {cost['speed']:.0f} seconds of sound a CPU second, model loaded. "
                f"Peak memory of the process: {cost['peak_mb']:.0f} MB.\n"
            )
        for each in options.predictions:
            name, _, path = each.partition("=")
            if not path:
                parser.error(f"--predictions {each}: NAME=PATH is wanted")
            systems[name] = read_predictions(Path(path))
    totals = {}
    for name, said in systems.items():
        missing = [take.name for take in takes if take.name not in said]
        if missing:
            parser.error(f"{name} says nothing of {', '.join(missing)}")
        totals[name] = Total(name, [(take, said[take.name]) for take in takes])
    print_tables(totals)


if __name__ == "__main__":
    main()
