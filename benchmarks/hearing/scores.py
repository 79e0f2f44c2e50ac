"""F-measures, velocity and calibration of one system, and the tables of several."""

from __future__ import annotations

from dataclasses import dataclass, field

import mir_eval
import numpy as np

from benchmarks.hearing.truth import FIVE, THREE, VOICES, Take, Times

NONE: Times = np.array([])


@dataclass
class Tally:
    right: int = 0
    said: int = 0
    wanted: int = 0

    def add(self, truth: Times, heard: Times, near_s: float) -> None:
        if len(truth) and len(heard):
            self.right += len(mir_eval.util.match_events(truth, heard, near_s))
        self.said += len(heard)
        self.wanted += len(truth)

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.right + other.right, self.said + other.said, self.wanted + other.wanted)

    def __str__(self) -> str:
        if not self.wanted and not self.said:
            return "–"
        return f"{2 * self.right / (self.said + self.wanted):.3f}".lstrip("0")


@dataclass
class Scores:
    """Of one take, or of all pooled."""

    classes: dict[str, Tally] = field(default_factory=lambda: {name: Tally() for name in FIVE})
    tight: Tally = field(default_factory=Tally)
    moved: Tally = field(default_factory=Tally)
    voices: dict[str, Tally] = field(default_factory=lambda: {str(v): Tally() for v in VOICES})
    offset_s: float = 0.0
    beats: float | None = None
    downbeats: float | None = None

    def of(self, names: tuple[str, ...]) -> Tally:
        return sum((self.classes[name] for name in names), Tally())

    @property
    def all_voices(self) -> Tally:
        return sum(self.voices.values(), Tally())


class Total:
    """A system's scores: by take and pooled."""

    def __init__(self, name: str, pairs: list[tuple[Take, Take]]) -> None:
        self.name = name
        self.takes: dict[str, Scores] = {}
        self.pooled = Scores()
        self.ghost_auc = _ghost_auc(pairs)
        self.calibration = _calibration(pairs)
        for truth, said in pairs:
            self.takes[truth.name] = self._add(truth, said)
        beats = [each.beats for each in self.takes.values() if each.beats is not None]
        downs = [each.downbeats for each in self.takes.values() if each.downbeats is not None]
        self.pooled.beats = float(np.mean(beats)) if beats else None
        self.pooled.downbeats = float(np.mean(downs)) if downs else None

    def _add(self, truth: Take, said: Take) -> Scores:
        scores = Scores()
        lags: list[float] = []
        for label in FIVE:
            wanted, heard = truth.classes[label], said.classes[label]
            for each in (scores, self.pooled):
                each.classes[label].add(wanted, heard, 0.05)
                each.tight.add(wanted, heard, 0.02)
            if len(wanted) and len(heard):
                pairs = mir_eval.util.match_events(wanted, heard, 0.05)
                lags += [float(heard[b] - wanted[a]) for a, b in pairs]
        scores.offset_s = float(np.median(lags)) if lags else 0.0
        for label in FIVE:
            for each in (scores, self.pooled):
                each.moved.add(truth.classes[label], said.classes[label] - scores.offset_s, 0.02)
        if truth.voices:
            for voice in VOICES:
                for each in (scores, self.pooled):
                    each.voices[str(voice)].add(
                        truth.voices.get(voice, NONE), said.voices.get(voice, NONE), 0.05
                    )
        if truth.beats is not None and truth.downbeats is not None:
            nothing = said.beats is None or said.downbeats is None
            scores.beats = 0.0 if nothing else mir_eval.beat.f_measure(truth.beats, said.beats)
            scores.downbeats = (
                0.0 if nothing else mir_eval.beat.f_measure(truth.downbeats, said.downbeats)
            )
        return scores


def _ghost_auc(pairs: list[tuple[Take, Take]]) -> float | None:
    """The chance that a full snare is told louder than a ghost: area under the curve of velocity,
    over snares that were heard. None without both kinds."""
    soft, loud = [], []
    for truth, said in pairs:
        if not truth.snares or not said.snares:
            continue
        wanted = np.array([at_s for at_s, _ in truth.snares])
        heard = np.array([at_s for at_s, _ in said.snares])
        order, heard_order = np.argsort(wanted), np.argsort(heard)
        for a, b in mir_eval.util.match_events(wanted[order], heard[heard_order], 0.05):
            was, told = truth.snares[order[a]][1], said.snares[heard_order[b]][1]
            if was <= 40:
                soft.append(told)
            elif was >= 80:
                loud.append(told)
    if not soft or not loud:
        return None
    a, b = np.array(loud)[:, None], np.array(soft)[None, :]
    return float(((a > b) + 0.5 * (a == b)).mean())


def _calibration(pairs: list[tuple[Take, Take]]) -> list[tuple[float, float, int]]:
    """(mean confidence, share of hits that are there and on the voice that is told, how many) in
    ten bins of confidence."""
    rows: list[tuple[float, bool]] = []
    for truth, said in pairs:
        for voice in VOICES if truth.voices else ():
            own = sorted((at_s, sure) for at_s, name, sure in said.confidences if name is voice)
            times = np.array([at_s for at_s, _ in own])
            wanted = truth.voices.get(voice, NONE)
            right = set()
            if len(times) and len(wanted):
                right = {b for _, b in mir_eval.util.match_events(wanted, times, 0.05)}
            rows += [(sure, index in right) for index, (_, sure) in enumerate(own)]
    bins = []
    for low in np.arange(0, 1, 0.1):
        inside = [row for row in rows if low <= row[0] < low + 0.1 or (low > 0.85 and row[0] == 1)]
        if inside:
            bins.append(
                (
                    float(np.mean([sure for sure, _ in inside])),
                    float(np.mean([good for _, good in inside])),
                    len(inside),
                )
            )
    return bins


def _row(cells: list[str]) -> None:
    print("| " + " | ".join(cells) + " |")


def _table(heads: list[str], rows: list[list[str]]) -> None:
    _row(heads)
    _row(["---"] * len(heads))
    for cells in rows:
        _row(cells)
    print()


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}".lstrip("0") if value < 1 else "1.0"


def print_tables(totals: dict[str, Total]) -> None:
    """Markdown: systems, then takes, classes, voices and calibration of each."""
    print("All takes pooled (beats and downbeats: mean of takes)\n")
    _table(
        ["system", "5 classes", "3 classes", "5, ±20 ms", "±20 ms, own offset off", "14 voices",
         "beats", "downbeats", "ghost/full AUC", "worst take, 5"],
        [
            [
                name, str(each.pooled.of(FIVE)), str(each.pooled.of(THREE)),
                str(each.pooled.tight), str(each.pooled.moved), str(each.pooled.all_voices),
                _share(each.pooled.beats), _share(each.pooled.downbeats), _share(each.ghost_auc),
                min(str(take.of(FIVE)) for take in each.takes.values()),
            ]
            for name, each in totals.items()
        ],
    )  # fmt: skip
    for name, each in totals.items():
        print(f"{name}: takes, F at ±50 ms unless said\n")
        _table(
            ["take", "5", "3", *FIVE, "±20", "±20 moved", "offset ms", "14 voices", "beats",
             "downbeats"],
            [
                [
                    take, str(scores.of(FIVE)), str(scores.of(THREE)),
                    *(str(scores.classes[label]) for label in FIVE), str(scores.tight),
                    str(scores.moved), f"{scores.offset_s * 1000:+.0f}", str(scores.all_voices),
                    _share(scores.beats), _share(scores.downbeats),
                ]
                for take, scores in [*each.takes.items(), ("all", each.pooled)]
            ],
        )  # fmt: skip
        print(f"{name}: voices (F, right / said / wanted)\n")
        _table(
            ["voice", "F", "right", "said", "wanted"],
            [
                [voice, str(tally), str(tally.right), str(tally.said), str(tally.wanted)]
                for voice, tally in each.pooled.voices.items()
                if tally.said or tally.wanted
            ],
        )
        if each.calibration:
            print(f"{name}: confidence against how often it was right\n")
            _table(
                ["said", "right", "hits"],
                [[f"{a:.2f}", f"{b:.2f}", str(count)] for a, b, count in each.calibration],
            )
            count = sum(row[2] for row in each.calibration)
            off = sum(abs(a - b) * n for a, b, n in each.calibration) / count
            print(f"Expected calibration error: {off:.3f}\n")
