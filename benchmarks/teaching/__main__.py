"""Score what the teacher says of parts, on human takes whose style, tempo and meter are known.

DATA holds groove_midi. Every take of the test split, fills too, is written down by our own writing
in two ways: *beats*, exact hits and the click's beats; *hits*, exact hits and the beats found in
them. Then it is asked of the part alone. Styles: the share whose style (Groove's primary one, of
18) comes first, or among the first three; log loss in nats (a chance below .001 counts as that);
the expected calibration error of the first (ten bins); and how often it is right where it does not
say that it is unsure. Beside it, in the same run and learnt from the training split: what is most
frequent, and the five nearest takes by a plain histogram (9 groups of pieces by 16 places of the
bar, cosine). Tempo: within 4 % of the take's, and of it, its half or its double. Meter: that of
most bars. Simplify: of the takes of which a simplified groove can be made, those where it is easier
than the bars it was made of.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import TypeVar

from benchmarks.teaching.answers import reference_set
from benchmarks.teaching.measures import Told, easier_row, tell
from benchmarks.teaching.peers import NearestHistograms, Peer, most_frequent
from benchmarks.writing.tables import share, table
from libs.common.part import Part
from services.ai.domain.styles import classify, is_unsure
from training.style.parts import READINGS, Written, write_takes
from training.style.score import Answer, calibration_error, surprise, within

REFERENCE = 12
NAMES = {"beats": "exact hits and given beats", "hits": "exact hits alone"}
STYLE_HEADS = ["", "takes", "top 1", "top 3", "log loss", "ECE", "sure", "top 1 of the sure"]
FACT_HEADS = ["", "takes", "tempo", "or octave", "meter", "simplified", "easier"]
Each = TypeVar("Each", Answer, Told)
KINDS = {"": "all", "beat": "beats", "fill": "fills"}
Ask = Callable[[Part], tuple[dict[str, float], bool]]
"""Chances by style, and whether it is unsure."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.teaching",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--limit", type=int, metavar="N", help="so many takes, spread over all")
    parser.add_argument("--reading", choices=(*READINGS, "both"), default="both")
    parser.add_argument("--split", default="test", choices=("train", "validation", "test"))
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="(%(default)s)")
    parser.add_argument(
        "--cache", type=Path, default=Path(tempfile.gettempdir()) / "style-cache",
        metavar="FOLDER", help="of written parts; remove it when writing has changed (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--answers", type=Path, metavar="PATH", help="write what the teacher says of a dozen takes"
    )
    options = parser.parse_args()
    if not (options.data / "groove_midi").is_dir():
        parser.error(f"{options.data} has no groove_midi")
    if options.answers is not None:
        takes = write_takes(options.data, options.split, "beats", options.cache, options.processes)
        grooves = [take for take in takes if take.kind == "beat"]
        options.answers.write_text(reference_set(spread(grooves, REFERENCE)))
        return
    style_rows, fact_rows, details = [], [], []
    for reading in READINGS if options.reading == "both" else (options.reading,):
        takes = spread(
            write_takes(options.data, options.split, reading, options.cache, options.processes),
            options.limit,
        )
        known = [
            (take.style, take.part)
            for take in write_takes(
                options.data, "train", reading, options.cache, options.processes
            )
        ]
        ours = answers(takes, ask_ours)
        style_rows += style_table_rows(f"styles-1, {NAMES[reading]}", ours)
        peers: dict[str, Peer] = {
            "nearest histograms": NearestHistograms.of(known),
            "most frequent": most_frequent(known),
        }
        for name, peer in peers.items():
            told = answers(takes, lambda part, peer=peer: (peer(part), False))
            style_rows += style_table_rows(f"{name}, {NAMES[reading]}", told)
        facts = [tell(take.kind, take.bpm, take.meter, take.part) for take in takes]
        fact_rows += fact_table_rows(NAMES[reading], facts)
        details.append(f"styles-1, {NAMES[reading]}: by style\n\n{by_style(ours)}")
    print(table(STYLE_HEADS, style_rows))
    print(table(FACT_HEADS, fact_rows))
    for each in details:
        print(each)


def ask_ours(part: Part) -> tuple[dict[str, float], bool]:
    """(chances, unsure)."""
    matches = classify(part)
    return {match.style.value: match.probability for match in matches}, is_unsure(matches)


def answers(takes: Sequence[Written], ask: Ask) -> list[Answer]:
    found = []
    for take in takes:
        chances, unsure = ask(take.part)
        found.append(Answer(take.style, take.kind, chances, unsure))
    return found


def spread(takes: Sequence[Written], count: int | None) -> list[Written]:
    """So many, evenly from first to last."""
    count = min(count or len(takes), len(takes))
    return [takes[index * len(takes) // count] for index in range(count)]


def by_kind(every: Sequence[Each]) -> Iterator[tuple[str, list[Each]]]:
    """All, beats, fills; what there are none of is left out."""
    for kind, name in KINDS.items():
        own = [each for each in every if kind in ("", each.kind)]
        if own:
            yield name, own


def style_table_rows(name: str, every: Sequence[Answer]) -> list[list[str]]:
    rows = []
    for kind, own in by_kind(every):
        sure = [answer for answer in own if not answer.unsure]
        rows.append(
            [
                f"{name}, {kind}", str(len(own)), f"**{share(within(own, 1))}**",
                f"**{share(within(own, 3))}**", f"{surprise(own):.2f}",
                share(calibration_error(own)), str(len(sure)),
                share(within(sure, 1)) if sure else "–",
            ]
        )  # fmt: skip
    return rows


def fact_table_rows(name: str, every: Sequence[Told]) -> list[list[str]]:
    rows = []
    for kind, own in by_kind(every):
        easier, made = easier_row(own)
        rows.append(
            [
                f"{name}, {kind}", str(len(own)), share(fmean(each.tempo for each in own)),
                share(fmean(each.tempo_or_octave for each in own)),
                share(fmean(each.meter for each in own)), str(made),
                share(easier / made) if made else "–",
            ]
        )  # fmt: skip
    return rows


def by_style(every: Sequence[Answer]) -> str:
    """How many of each style come first, among three, and what else they were taken for."""
    rows = []
    styles = sorted(
        {answer.style for answer in every},
        key=lambda style: (-sum(answer.style == style for answer in every), style),
    )
    for style in styles:
        own = [answer for answer in every if answer.style == style]
        wrong: dict[str, int] = {}
        for answer in own:
            first = answer.ranked()[0]
            if first != style:
                wrong[first] = wrong.get(first, 0) + 1
        taken = ", ".join(
            f"{wrong[each]} {each}" for each in sorted(wrong, key=lambda e: -wrong[e])
        )
        rows.append([style, str(len(own)), share(within(own, 1)), share(within(own, 3)), taken])
    return table(["", "takes", "top 1", "top 3", "taken for"], rows)


if __name__ == "__main__":
    main()
