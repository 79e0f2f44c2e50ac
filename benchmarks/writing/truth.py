"""What a drummer of Groove MIDI played, as a score: the truth that writing is measured against.

Knows nothing of how we quantise: the click is given, whole takes are looked at, and what stays
unclear is not asked. Two kinds:

*As played.* Ticks are beats exactly. Strokes of velocity below 9 and cymbals below 12 are
crosstalk; two of one piece within 15 ms are one trigger. In a run of two or three strokes of one
piece, 15 to 60 ms apart, all but the last are graces; if the last is softer than 0.6 of the
loudest, it is a bounce, and if all are about equally loud and 45 ms apart or more, nobody can tell
a flam from quick notes: neither is asked. The take's lag is taken off: the median deviation of loud
strokes from the beat (of those within 0.15 of a beat of one), else from the nearest quarter of a
beat. Each half bar is in 16ths, triplets, sextuplets or 32nds: of each, misfits squared over twice
the variance of 14 ms (at most 8), plus the surprise of the places used, and the least sum wins. A
place's surprise, -log of its use, comes from the whole take: how many of the other bars have
something in the place, and behind that in how many other beats, and behind that what music in
general does. A 32nd place with no stroke a 32nd before or after it costs 4 more: that is a 16th
played loosely. No steps of less than 45 ms. Three rounds settle it. Not asked are strokes that lie
more than 0.35 of a step from their place; whose nearest places in 16ths and in triplets differ, the
other being less than 8 ms farther away; whose place would be another under a division that costs
the half bar at most 2 more; the softer of two that share piece and place; and a sixth of a beat
that is its half bar's only ternary place, unless within 1/48 of a beat of it: it may be a 16th. A
take of which that leaves less than 60 % was not played to its click, and is not used.

*Borrowed hands.* All of take A's notes in their places are a score that is exact. They are played
with the timing of another take B, its tempo within 25 %: one of B's residuals (from its own places,
lag taken off, settled strokes only) for each of A's notes, place by place in B's order from a
random place on, so that what sounds together stays so. A residual takes at most 0.4 of the way to
the next stroke of its piece. Velocities and graces stay A's. Nothing is left out.

A ghost is a snare of velocity 30 or less where the take's loud ones (90th percentile) reach 60. An
accent is a stroke of at least 1.12 times, and 14 more than, the median velocity of its piece,
ghosts left out, within 8 bars to either side.
"""

from __future__ import annotations

import csv
import math
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Final

import mido
import numpy as np

from benchmarks.hearing.truth import GROOVE
from libs.common.drums import DrumPiece as P
from libs.common.drums import Hit

LEAD_S: Final = 1.0
"""Silence before the first click."""
CROSSTALK: Final = 9
CYMBAL_CROSSTALK: Final = 12
DOUBLE_S: Final = 0.015
GRACE_S: Final = 0.060
_UNCLEAR_GRACE_S: Final = 0.045
SPREAD_S: Final = 0.014
_UNSETTLED_S: Final = 0.008
_FAR_STEPS: Final = 0.35
_CLOSE_COST: Final = 2.0
_WORST: Final = 8.0
_COLLISION: Final = 4.0
_LONELY: Final = 4.0
_LEAST_STEP_S: Final = 0.045
_ONE_32ND: Final = (0.08, 0.17)
_LATE_16TH: Final = 1 / 48
_MOST_LEFT_OUT: Final = 0.4
# Steps to the beat: 16ths, triplets, sextuplets, 32nds.
DIVISIONS: Final = (4, 3, 6, 8)
# How often music in general uses a place, by its denominator in the beat.
_USUAL: Final = {1: 0.8, 2: 0.6, 4: 0.3, 3: 0.2, 6: 0.05, 8: 0.05}
_METERS: Final = {"4-4": 4, "3-4": 3, "5-4": 5}


@dataclass(frozen=True, slots=True)
class Stroke:
    beat: float
    """From the first click."""
    piece: P
    velocity: int


@dataclass(frozen=True, slots=True)
class Take:
    """One recording, as it is in the file."""

    name: str
    style: str
    bpm: float
    meter: int
    """Quarters to the bar."""
    strokes: tuple[Stroke, ...]
    kind: str = "beat"

    @property
    def period_s(self) -> float:
        return 60 / self.bpm


@dataclass(frozen=True, slots=True)
class Note:
    """A written stroke; `hit` and `graces` are ids of hits."""

    hit: str
    bar: int
    """0 is the first; a hit just before the first bar's click may be in -1."""
    place: Fraction
    """In whole notes from the bar line."""
    piece: P
    velocity: int
    asked: bool = True
    graces: tuple[str, ...] = ()
    ghost: bool = False
    accent: bool = False


@dataclass(frozen=True, slots=True)
class Truth:
    """A score and a performance of it."""

    name: str
    style: str
    kind: str
    meter: int
    period_s: float
    start_s: float
    """When the first bar begins, as the drummer felt it."""
    click_s: float
    """When it begins by the click."""
    notes: tuple[Note, ...]
    hits: tuple[Hit, ...]
    """In order of time, graces among them."""

    @property
    def bar_s(self) -> float:
        return self.meter * self.period_s

    @property
    def to_click(self) -> bool:
        """Whether enough is settled for a truth."""
        return sum(not note.asked for note in self.notes) <= _MOST_LEFT_OUT * len(self.notes)

    def time_s(self, note: Note) -> float:
        """When it would sound if nobody were human."""
        return self.start_s + note.bar * self.bar_s + float(note.place) * 4 * self.period_s

    def until(self, end_s: float) -> Truth:
        """The beginning: bars that end before, and the hits of their notes."""
        bars = math.floor((end_s - self.start_s) / self.bar_s)
        return self._with(note for note in self.notes if note.bar < bars)

    def only(self, pieces: Collection[P]) -> Truth:
        """Without what a kit has not."""
        return self._with(note for note in self.notes if note.piece in pieces)

    def _with(self, chosen: Iterable[Note]) -> Truth:
        notes = tuple(chosen)
        kept = {hit for note in notes for hit in (note.hit, *note.graces)}
        return replace(self, notes=notes, hits=tuple(hit for hit in self.hits if hit.id in kept))


def read_takes(folder: Path, split: str = "test") -> list[Take]:
    """Beats, then fills, of more than four strokes, in the order of info.csv."""
    with (folder / "info.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    takes = []
    for row in sorted(rows, key=lambda row: row["beat_type"] != "beat"):
        if row["time_signature"] not in _METERS:
            continue
        file_name = row["midi_filename"]
        strokes = _strokes(folder / file_name)
        if len(strokes) > 4:
            takes.append(
                Take(
                    name=file_name.removesuffix(".mid").replace("/", ":"),
                    style=row["style"].split("/")[0],
                    bpm=float(row["bpm"]),
                    meter=_METERS[row["time_signature"]],
                    strokes=tuple(strokes),
                    kind=row["beat_type"],
                )
            )
    return takes


def _strokes(path: Path) -> list[Stroke]:
    file = mido.MidiFile(path)
    ticks, opening, found = 0, 90, []
    for message in mido.merge_tracks(file.tracks):
        ticks += message.time
        if message.type == "control_change" and message.control == 4:
            opening = message.value
        if message.type != "note_on" or message.velocity < CROSSTALK:
            continue
        piece = GROOVE.get(message.note)
        if piece is None or (piece is P.CRASH and message.velocity < CYMBAL_CROSSTALK):
            continue
        if piece is P.HAT_OPEN and opening >= 30:
            piece = P.HAT_HALF_OPEN if opening <= 80 else P.HAT_CLOSED
        found.append(Stroke(ticks / file.ticks_per_beat, piece, message.velocity))
    return found


# As played


@dataclass(slots=True)
class _Main:
    """A stroke that is a note, on its way to a place."""

    stroke: Stroke
    hit: str
    graces: tuple[str, ...] = ()
    asked: bool = True
    at: float = 0.0
    """In beats, lag taken off."""
    lonely: bool = True
    """No stroke about a 32nd before or after it."""
    place: Fraction = Fraction(0)
    """In beats from the first click."""


def as_played(take: Take) -> Truth:
    """What the take most likely is as a score."""
    strokes = _one_trigger(take)
    names = [f"ev-{number:06d}" for number in range(1, len(strokes) + 1)]
    mains = _mains(strokes, names, take.period_s)
    lag = find_lag([main.stroke for main in mains])
    for main in mains:
        main.at = main.stroke.beat - lag
    _place(mains, take)
    hits = tuple(
        Hit(LEAD_S + stroke.beat * take.period_s, stroke.piece, stroke.velocity, id=name)
        for stroke, name in zip(strokes, names, strict=True)
    )
    notes = []
    for main in mains:
        bar, inside = divmod(main.place, take.meter)
        notes.append(
            Note(
                main.hit, int(bar), inside / 4, main.stroke.piece, main.stroke.velocity,
                main.asked, main.graces,
            )
        )  # fmt: skip
    return Truth(
        name=take.name, style=take.style, kind=take.kind, meter=take.meter,
        period_s=take.period_s, start_s=LEAD_S + lag * take.period_s, click_s=LEAD_S,
        notes=tuple(mark_loudness(notes)), hits=hits,
    )  # fmt: skip


def _one_trigger(take: Take) -> list[Stroke]:
    """Of two strokes on one piece within 15 ms the louder, at the first's time."""
    kept: list[Stroke] = []
    last: dict[P, int] = {}
    for stroke in sorted(take.strokes, key=lambda stroke: stroke.beat):
        before = last.get(stroke.piece)
        if before is not None:
            first = kept[before]
            if (stroke.beat - first.beat) * take.period_s < DOUBLE_S:
                kept[before] = replace(first, velocity=max(first.velocity, stroke.velocity))
                continue
        last[stroke.piece] = len(kept)
        kept.append(stroke)
    return kept


def _mains(strokes: Sequence[Stroke], names: Sequence[str], period_s: float) -> list[_Main]:
    """All strokes but graces, in order of time."""
    runs: dict[P, list[list[int]]] = defaultdict(list)
    for index, stroke in enumerate(strokes):
        own = runs[stroke.piece]
        if own and (stroke.beat - strokes[own[-1][-1]].beat) * period_s <= GRACE_S:
            own[-1].append(index)
        else:
            own.append([index])
    mains = []
    for run in (run for own in runs.values() for run in own):
        loudest = max(run, key=lambda index: strokes[index].velocity)
        gaps_s = [(strokes[b].beat - strokes[a].beat) * period_s for a, b in pairwise(run)]
        graces = run[:-1] if len(run) in (2, 3) else []
        plain = [index for index in run if index not in graces]
        if graces and strokes[run[-1]].velocity < 0.6 * strokes[loudest].velocity:
            # The last is a bounce.
            graces = run[: run.index(loudest)]
            plain = run[run.index(loudest) :]
        softest = min(strokes[index].velocity for index in run)
        unclear = len(run) > 1 and (
            min(gaps_s) >= _UNCLEAR_GRACE_S and softest >= 0.7 * strokes[loudest].velocity
        )
        if unclear:
            graces, plain = [], run
        for index in plain:
            first = index == plain[0]
            mains.append(
                _Main(
                    strokes[index],
                    names[index],
                    tuple(names[grace] for grace in graces) if first else (),
                    asked=not unclear and (first or len(run) > 3),
                )
            )
    return sorted(mains, key=lambda main: main.stroke.beat)


def find_lag(strokes: Sequence[Stroke]) -> float:
    """In beats; 0 of nothing."""
    loud = median([stroke.velocity for stroke in strokes] or [0])
    beats = [stroke.beat for stroke in strokes if stroke.velocity >= loud]
    on_beat = [beat - round(beat) for beat in beats if abs(beat - round(beat)) < 0.15]
    if len(on_beat) >= 8:
        return median(on_beat)
    return median([beat - round(beat * 4) / 4 for beat in beats] or [0])


def nearest(at: float, division: int) -> Fraction:
    """The place of so many to the beat, in beats."""
    return Fraction(round(at * division), division)


class _Use:
    """Which places the take uses, and so how surprising a place is to find in one of its bars."""

    def __init__(self, mains: Iterable[_Main], meter: int) -> None:
        self._meter = meter
        self._bars: dict[Fraction, set[int]] = defaultdict(set)
        self._beats: dict[Fraction, set[int]] = defaultdict(set)
        bars, beats = set(), set()
        for main in mains:
            bar, inside = divmod(main.place, meter)
            self._bars[inside].add(int(bar))
            self._beats[inside % 1].add(int(main.place // 1))
            bars.add(int(bar))
            beats.add(int(main.place // 1))
        self._bar_count, self._beat_count = len(bars), len(beats)

    def surprise(self, place: Fraction) -> float:
        """Of finding something there, the place's own bar not looked at."""
        bar, inside = divmod(place, self._meter)
        beats = self._beats.get(inside % 1, set())
        own = range(int(bar) * self._meter, (int(bar) + 1) * self._meter)
        elsewhere = len(beats) - sum(beat in beats for beat in own)
        count = max(0, self._beat_count - self._meter)
        share = (elsewhere + 8 * _USUAL[inside.denominator]) / (count + 8)
        used = self._bars.get(inside, set())
        others = max(0, self._bar_count - 1)
        return -math.log((len(used) - (int(bar) in used) + 4 * share) / (others + 4))


def _place(mains: Sequence[_Main], take: Take) -> None:
    """Give every note its place, and say whether it is asked."""
    divisions = [each for each in DIVISIONS if take.period_s / each >= _LEAST_STEP_S]
    windows: dict[tuple[int, int], list[_Main]] = defaultdict(list)
    _find_lonely(mains)
    for main in mains:
        # What comes a little before a window's first beat is on that beat.
        bar, inside = divmod(main.at + 1 / 16, take.meter)
        windows[int(bar), int(inside // 2)].append(main)
    use = _Use((), take.meter)
    costs: dict[tuple[int, int], list[float]] = {}
    for _ in range(3):
        for key, inside_ in windows.items():
            costs[key] = [cost(inside_, division, take, use) for division in divisions]
            best = divisions[int(np.argmin(costs[key]))]
            for main in inside_:
                main.place = nearest(main.at, best)
        use = _Use(mains, take.meter)
    for key, inside_ in windows.items():
        least = min(costs[key])
        best = divisions[costs[key].index(least)]
        close = [
            division
            for division, total in zip(divisions, costs[key], strict=True)
            if total <= least + _CLOSE_COST
        ]
        for main in inside_:
            main.asked &= settled(main.at, best, close, take.period_s)
        ternary = {main.place for main in inside_ if main.place.denominator % 3 == 0}
        for main in inside_:
            if main.place.denominator == 6 and len(ternary) == 1:
                main.asked &= abs(main.at - main.place) <= _LATE_16TH
    taken: dict[tuple[Fraction, P], _Main] = {}
    for main in mains:
        key_ = (main.place, main.stroke.piece)
        other = taken.setdefault(key_, main)
        if other is not main:
            softer = min(main, other, key=lambda each: each.stroke.velocity)
            softer.asked = False
            taken[key_] = main if softer is other else other


def _find_lonely(mains: Sequence[_Main]) -> None:
    times = [main.at for main in mains]
    for main in mains:
        main.lonely = not any(
            bisect_right(times, main.at + sign * _ONE_32ND[sign > 0])
            > bisect_left(times, main.at + sign * _ONE_32ND[sign < 0])
            for sign in (-1, 1)
        )


def cost(inside: Sequence[_Main], division: int, take: Take, use: _Use) -> float:
    """Of writing these with so many steps to the beat."""
    total = 0.0
    taken = set()
    for main in inside:
        place = nearest(main.at, division)
        misfit = (main.at - float(place)) * take.period_s / SPREAD_S
        total += min(misfit * misfit / 2, _WORST) + use.surprise(place)
        total += _LONELY * (main.lonely and place.denominator == 8)
        total += _COLLISION * ((place, main.stroke.piece) in taken)
        taken.add((place, main.stroke.piece))
    return total


def settled(at: float, division: int, close: Iterable[int], period_s: float) -> bool:
    """Whether the evidence leaves no other place; `close` are divisions about as likely."""
    place = nearest(at, division)
    away = abs(at - place)
    if away * division > _FAR_STEPS:
        return False
    for other in (3, 4):
        its = nearest(at, other)
        if its != place and (abs(at - its) - away) * period_s < _UNSETTLED_S:
            return False
    return all(nearest(at, other) == place for other in close)


def mark_loudness(notes: Sequence[Note]) -> list[Note]:
    """With ghosts and accents, as the module says."""
    snares = sorted(note.velocity for note in notes if note.piece is P.SNARE)
    loud = snares[int(0.9 * (len(snares) - 1))] if snares else 0
    marked = [
        replace(note, ghost=note.piece is P.SNARE and note.velocity <= 30 and loud >= 60)
        for note in notes
    ]
    by_piece: dict[P, list[Note]] = defaultdict(list)
    for note in sorted(marked, key=lambda note: note.bar):
        if not note.ghost:
            by_piece[note.piece].append(note)
    usual: dict[tuple[P, int], float] = {}
    for piece, own in by_piece.items():
        bars = [note.bar for note in own]
        for bar in set(bars):
            near = own[bisect_left(bars, bar - 8) : bisect_right(bars, bar + 8)]
            usual[piece, bar] = median(note.velocity for note in near)
    return [
        replace(
            note,
            accent=not note.ghost
            and note.velocity >= 1.12 * usual[note.piece, note.bar]
            and note.velocity >= usual[note.piece, note.bar] + 14,
        )
        for note in marked
    ]


# Borrowed hands


def residuals(truth: Truth) -> list[list[float]]:
    """Seconds from the place, of settled notes in order, those of one place together."""
    played = {hit.id: hit.onset_s for hit in truth.hits}
    by_place: dict[tuple[int, Fraction], list[float]] = defaultdict(list)
    for note in truth.notes:
        if note.asked:
            by_place[note.bar, note.place].append(played[note.hit] - truth.time_s(note))
    return [by_place[key] for key in sorted(by_place)]


def choose_hands(truths: Sequence[Truth], index: int, rng: np.random.Generator) -> Truth:
    """Another take of the same kind, its tempo within 25 %; the nearest where there is none."""
    own = truths[index]
    others = [each for number, each in enumerate(truths) if number != index and residuals(each)]
    others = [each for each in others if each.kind == own.kind] or others
    near = [each for each in others if 0.8 <= each.period_s / own.period_s <= 1.25]
    if not near:
        return min(others, key=lambda each: abs(math.log(each.period_s / own.period_s)))
    return near[int(rng.integers(len(near)))]


def borrow_hands(score: Truth, hands: Truth, rng: np.random.Generator) -> Truth:
    """The score as exact truth, played with the other's timing."""
    played = {hit.id: hit for hit in score.hits}
    by_place: dict[tuple[int, Fraction], dict[P, Note]] = defaultdict(dict)
    for note in sorted(score.notes, key=lambda note: note.velocity):
        by_place[note.bar, note.place][note.piece] = note  # the loudest stays
    offered = residuals(hands)
    turn = int(rng.integers(len(offered)))
    wanted: dict[str, float] = {}
    order: dict[P, list[Note]] = defaultdict(list)
    for key in sorted(by_place):
        away_s = offered[turn % len(offered)]
        turn += 1
        for number, note in enumerate(sorted(by_place[key].values(), key=lambda n: n.piece)):
            wanted[note.hit] = away_s[number % len(away_s)]
            order[note.piece].append(note)
    hits, notes = [], []
    for own in order.values():
        times_s = [LEAD_S + score.time_s(note) - score.start_s for note in own]
        for index, note in enumerate(own):
            at_s = times_s[index]
            before_s = 0.4 * (at_s - times_s[index - 1]) if index else 0.4
            after_s = 0.4 * (times_s[index + 1] - at_s) if index + 1 < len(own) else 0.4
            moved_s = at_s + max(-before_s, min(after_s, wanted[note.hit]))
            main = played[note.hit]
            hits.append(replace(main, onset_s=moved_s))
            hits += [
                replace(grace, onset_s=max(0.0, moved_s - (main.onset_s - grace.onset_s)))
                for grace in (played[name] for name in note.graces)
            ]
            notes.append(replace(note, asked=True))
    notes.sort(key=lambda note: (note.bar, note.place, note.piece))
    return replace(
        score, start_s=LEAD_S, click_s=LEAD_S, notes=tuple(notes),
        hits=tuple(sorted(hits, key=lambda hit: hit.onset_s)),
    )  # fmt: skip


def families(places: Iterable[Fraction]) -> str:
    """Of the places in one beat (in beats): straight, ternary, both, or "" for the beat alone."""
    kinds = Counter("ternary" if p.denominator % 3 == 0 else "straight" for p in places if p % 1)
    return " and ".join(sorted(kinds))
