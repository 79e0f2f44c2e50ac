"""Score find_beats without sound: `python -m training.pulse.evaluate DATA [--split test]`.

Takes of Groove MIDI that were not practised on, at their own tempo, as a middling transcriber
would hear them; the same in other meters and at tempos that move; and made grooves. F is
mir_eval's (70 ms, nothing trimmed), a mean over takes. Prints Markdown.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import mir_eval
import numpy as np

from libs.common.drums import Hit
from libs.common.pulse.beats import Pulse, find_beats
from training.pulse.grooves import make_groove
from training.pulse.practice import (
    Played,
    excerpt,
    in_meter,
    mishear,
    play,
    with_lead,
    without_pulse,
)
from training.pulse.takes import read_groove

Finder = Callable[[Sequence[Hit]], Pulse]

RIGHT_F = 0.9
"""From this on beats count as right; what `Pulse.confidence` is the chance of."""


def questions(
    data: Path, split: str, seed: int = 5, every: int = 1
) -> Iterator[tuple[str, Played]]:
    """(kind, performance): each take of the split in several ways, then made grooves; of all
    these one in `every`."""
    rng = np.random.default_rng(seed)
    takes = [
        take
        for take in read_groove(data / "groove_midi", split)
        if take.bars.sum() * 60 / take.bpm > 8
    ][::every]

    def cut(played: Played, length_s: float = 30.0) -> Played:
        hits, beats = played.onsets_s < length_s, played.beats_s < length_s
        return Played(
            played.onsets_s[hits], played.piece[hits], played.velocity[hits],
            played.confidence[hits], played.beats_s[beats], played.positions[beats],
            min(length_s, played.duration_s), played.meter, played.compound, played.name,
        )  # fmt: skip

    for take in takes:
        plain = play(take, rng, steady=True)
        yield "as played, whole", mishear(plain, rng)
        yield "first 30 s", mishear(cut(plain), rng)
        yield "first 30 s, heard perfectly", cut(plain)
        yield "30 s from the middle", excerpt(mishear(plain, rng), rng, 30.0)
        yield "tempo scaled or moving", mishear(cut(play(take, rng), 60.0), rng)
        yield "count-in or pickup", mishear(cut(play(with_lead(take, rng), rng, steady=True)), rng)
        if take.bars[0] == 4:
            for meter in (3, 5, 6, 7):
                if rng.random() < 0.5:
                    other = play(in_meter(take, meter, rng), rng, steady=True)
                    yield f"cut to {meter}/4", mishear(cut(other, 60.0), rng)
    for meter in (3, 4, 5, 6, 7):
        for _ in range(25 // every):
            made = make_groove(rng, meter, compound=False)
            yield f"made, {meter}/4", mishear(play(made, rng), rng)
    for meter, name in ((2, "6/8"), (4, "12/8")):
        for _ in range(25 // every):
            made = make_groove(rng, meter, compound=True)
            yield f"made, {name}", mishear(play(made, rng), rng)


@dataclass(frozen=True)
class Scored:
    """One question and its answer."""

    kind: str
    meter: str
    beats: float
    downbeats: float
    tempo: bool
    """Within 6 %."""
    octave: bool
    """Within 6 % of half or double."""
    meter_right: bool
    confidence: float


def score(kind: str, played: Played, pulse: Pulse) -> Scored:
    """F of beats and downbeats, and what else is right."""
    said = np.array([beat.time_s for beat in pulse.beats])
    ones = np.array([beat.time_s for beat in pulse.beats if beat.position == 1])
    # Beats after the last hit can be known by nobody, and are not asked for.
    asked = played.beats_s < played.onsets_s[-1] + 0.07
    truth, positions = played.beats_s[asked], played.positions[asked]
    ratio = (pulse.tempo_bpm or 0.0) * float(np.median(np.diff(truth))) / 60
    meter = (3 * played.meter, 8) if played.compound else (played.meter, 4)
    return Scored(
        kind=kind,
        meter=f"{meter[0]}/{meter[1]}",
        beats=mir_eval.beat.f_measure(truth, said) if len(said) else 0.0,
        downbeats=mir_eval.beat.f_measure(truth[positions == 1], ones) if len(ones) else 0.0,
        tempo=abs(ratio - 1) < 0.06,
        octave=min(abs(ratio / 2 - 1), abs(ratio * 2 - 1)) < 0.06,
        meter_right=pulse.meter == meter,
        confidence=pulse.confidence,
    )


def answers(
    data: Path, split: str, find: Finder = find_beats, seed: int = 5, every: int = 1
) -> list[Scored]:
    """Every question of enough hits and beats, scored."""
    return [
        score(kind, played, find(played.hits()))
        for kind, played in questions(data, split, seed, every)
        if len(played.onsets_s) >= 8 and len(played.beats_s) >= 8
    ]


def by(name: str, scored: Sequence[Scored]) -> str:
    """A table with a row for each "kind" or "meter"."""
    rows: dict[str, list[Scored]] = defaultdict(list)
    for each in scored:
        rows[getattr(each, name)].append(each)
    lines = [
        f"| {name} | takes | beats F | downbeats F | tempo right | half or double | meter right "
        "| confidence |",
        "|" + " --- |" * 8,
    ]
    for row, members in rows.items():
        means = [
            float(np.mean([getattr(each, column) for each in members]))
            for column in ("beats", "downbeats", "tempo", "octave", "meter_right", "confidence")
        ]
        beats, downbeats, *shares = means
        lines.append(
            f"| {row} | {len(members)} | {beats:.3f} | {downbeats:.3f} | "
            + " | ".join(f"{share:.2f}" for share in shares)
            + " |"
        )
    return "\n".join(lines)


def calibration(scored: Sequence[Scored]) -> str:
    """A table of how often beats are right, by how sure they were said to be."""
    edges = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.001)
    lines = [
        "| confidence | takes | mean | beats F at least .9 | mean beats F |",
        "|" + " --- |" * 5,
    ]
    for low, high in pairwise(edges):
        members = [each for each in scored if low <= each.confidence < high]
        if members:
            sure, right, beats = (
                float(np.mean(values))
                for values in zip(
                    *((each.confidence, each.beats >= RIGHT_F, each.beats) for each in members),
                    strict=True,
                )
            )
            lines.append(
                f"| {low:.2f} to {min(high, 1):.2f} | {len(members)} | {sure:.2f} | {right:.2f} "
                f"| {beats:.2f} |"
            )
    return "\n".join(lines)


def without(find: Finder = find_beats, seed: int = 5, count: int = 100) -> str:
    """What is said of strokes at random, of 25 s each."""
    rng = np.random.default_rng(seed)
    sure = [find(without_pulse(rng, 25.0).hits()).confidence for _ in range(count)]
    none = sum(each == 0 for each in sure)
    return (
        f"Strokes at random: {none} of {count} without a pulse; confidence {np.mean(sure):.2f} "
        f"in the mean, {np.percentile(sure, 95):.2f} at the 95th percentile, "
        f"{max(sure):.2f} at most"
    )


def main() -> None:
    """Read the command line, print."""
    parser = argparse.ArgumentParser(prog="python -m training.pulse.evaluate", description=__doc__)
    parser.add_argument("data", type=Path, metavar="DATA", help="folder that holds groove_midi")
    parser.add_argument("--split", default="test", choices=("validation", "test"))
    parser.add_argument("--seed", type=int, default=5, metavar="N")
    parser.add_argument("--every", type=int, default=1, metavar="N",
                        help="only one take in N, for a quick look (%(default)s)")  # fmt: skip
    given = parser.parse_args()
    scored = answers(given.data, given.split, seed=given.seed, every=given.every)
    for part in (by("kind", scored), by("meter", scored), calibration(scored), without()):
        print(f"{part}\n")


if __name__ == "__main__":
    main()
