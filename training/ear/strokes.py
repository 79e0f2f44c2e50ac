"""What is played: human performances, cut and changed, and made ones for what they lack."""

from __future__ import annotations

import csv
import pickle
from dataclasses import dataclass
from pathlib import Path

import mido
import numpy as np

from benchmarks.hearing.truth import GROOVE
from libs.common.drums import DrumPiece as P

HATS = (P.HAT_CLOSED, P.HAT_HALF_OPEN, P.HAT_OPEN, P.HAT_PEDAL)
TOMS = (P.TOM_HIGH, P.TOM_MID, P.TOM_FLOOR)
CYMBALS = (P.CRASH, P.SPLASH, P.CHINA, P.RIDE, P.RIDE_BELL)
TIMEKEEPERS = (
    (P.HAT_CLOSED, 0.28), (P.RIDE, 0.2), (P.HAT_OPEN, 0.12), (P.HAT_HALF_OPEN, 0.08),
    (P.CRASH, 0.1), (P.TOM_FLOOR, 0.04), (P.RIDE_BELL, 0.06), (P.CHINA, 0.03),
    (P.COWBELL, 0.03), (P.TAMBOURINE, 0.06), (P.HAT_PEDAL, 0.03),
)  # fmt: skip
WASHES = (P.CRASH, P.HAT_OPEN, P.HAT_HALF_OPEN, P.RIDE, P.CHINA)
CROSSTALK_VELOCITY = 9


@dataclass(frozen=True, slots=True, order=True)
class Stroke:
    at_s: float
    piece: P
    velocity: float
    """0 to 1."""


def read_groove(data: Path, split: str, cache: Path) -> list[list[Stroke]]:
    """All performances of a split, parsed once."""
    kept = cache / f"groove-{split}.pickle"
    if kept.exists():
        with kept.open("rb") as file:
            return pickle.load(file)  # our own file, written below
    with (data / "groove_midi/info.csv").open() as file:
        paths = [
            data / "groove_midi" / row["midi_filename"]
            for row in csv.DictReader(file)
            if row["split"] == split
        ]
    takes = [take for take in (_read(path) for path in paths) if len(take) >= 8]
    part = kept.with_suffix(".part")
    with part.open("wb") as file:
        pickle.dump(takes, file)
    part.rename(kept)
    return takes


def _read(path: Path) -> list[Stroke]:
    now, opening, played = 0.0, 90, []
    for message in mido.MidiFile(path):
        now += message.time
        if message.type == "control_change" and message.control == 4:
            opening = message.value
        if message.type != "note_on" or message.velocity < CROSSTALK_VELOCITY:
            continue
        piece = GROOVE.get(message.note)
        if piece is None:
            continue
        if piece is P.HAT_OPEN and opening >= 30:
            piece = P.HAT_HALF_OPEN if opening <= 80 else P.HAT_CLOSED
        played.append(Stroke(now, piece, message.velocity / 127))
    return played


class Player:
    """Plays something of a given length, each time something else."""

    def __init__(self, takes: list[list[Stroke]], rng: np.random.Generator) -> None:
        self._takes = takes
        self.rng = rng

    def play(self, seconds: float) -> list[Stroke]:
        """Strokes in order, from 0 to `seconds`."""
        rng = self.rng
        kind = rng.random()
        if kind < 0.55:
            strokes = self._reshape(self._excerpt(seconds))
        elif kind < 0.78:
            strokes = self._pattern(seconds)
        elif kind < 0.86:
            strokes = self._solo(seconds)
        elif kind < 0.94:
            strokes = self._sparse(seconds)
        else:
            strokes = self._chaos(seconds)
        if rng.random() < 0.3:
            strokes = self._ornament(strokes)
        power = rng.uniform(0.5, 1.6)
        scale = rng.uniform(0.75, 1.0)
        strokes = [
            Stroke(s.at_s, s.piece, float(np.clip(scale * s.velocity**power, 0.03, 1.0)))
            for s in strokes
            if 0 <= s.at_s < seconds
        ]
        return _apart(sorted(strokes))

    def _excerpt(self, seconds: float) -> list[Stroke]:
        rng = self.rng
        take = self._takes[rng.integers(len(self._takes))]
        pace = float(np.clip(rng.lognormal(0, 0.16), 0.65, 1.5))
        end_s = take[-1].at_s / pace
        start_s = rng.uniform(-0.5, max(0.0, end_s - seconds))
        return [Stroke(s.at_s / pace - start_s, s.piece, s.velocity) for s in take]

    def _reshape(self, strokes: list[Stroke]) -> list[Stroke]:
        """What Groove lacks or has little of: whole parts on another piece, and single strokes."""
        rng = self.rng
        swap = self._swaps()
        to_toms = rng.choice([0.0, 0.05, 0.25])
        to_others = rng.choice([0.0, 0.05, 0.15])
        dropped = set()
        if rng.random() < 0.2:
            dropped = {(P.KICK, P.SNARE, P.HAT_CLOSED, P.RIDE)[rng.integers(4)]}
        thinned = rng.choice([0.0, 0.0, 0.3, 0.6])
        reshaped = []
        for s in strokes:
            if s.piece in dropped or rng.random() < thinned * 0.5:
                continue
            piece = swap.get(s.piece, s.piece)
            if s.piece is P.SNARE and rng.random() < to_toms:
                piece = TOMS[rng.integers(3)]
            elif (s.piece in HATS or s.piece is P.RIDE) and rng.random() < to_others:
                piece = (
                    P.HAT_OPEN, P.HAT_HALF_OPEN, P.CRASH, P.RIDE, P.RIDE_BELL, P.SPLASH,
                    P.CHINA, P.HAT_PEDAL,
                )[rng.integers(8)]  # fmt: skip
            reshaped.append(Stroke(s.at_s, piece, s.velocity))
        return reshaped

    def _swaps(self) -> dict[P, P]:
        """Whole parts that go to another piece."""
        rng = self.rng
        swap: dict[P, P] = {}
        if rng.random() < 0.10:
            swap[P.SNARE] = P.CROSS_STICK
        if rng.random() < 0.5:
            keeper = _draw(TIMEKEEPERS, rng)
            swap[P.HAT_CLOSED] = keeper
            if keeper not in HATS:
                swap[P.HAT_OPEN] = keeper
        if rng.random() < 0.4:
            swap[P.RIDE] = _draw(TIMEKEEPERS, rng)
        if rng.random() < 0.5:
            swap[P.CRASH] = (P.CRASH, P.SPLASH, P.CHINA, P.RIDE, P.RIDE_BELL)[rng.integers(5)]
        if rng.random() < 0.06:
            swap[P.CROSS_STICK] = (P.COWBELL, P.TAMBOURINE)[rng.integers(2)]
        if rng.random() < 0.1:
            # A conga-like part: what was snare goes to a tom, with the wires off.
            swap[P.SNARE] = TOMS[rng.integers(3)]
        return swap

    def _pattern(self, seconds: float) -> list[Stroke]:
        """A made groove: any meter, any grid, repeated with changes; blast beats and double kick
        among them."""
        rng = self.rng
        bpm = float(np.clip(rng.lognormal(np.log(118), 0.3), 50, 230))
        grid = int(rng.choice([2, 3, 4, 4, 4, 6, 8]))
        while grid * bpm / 60 > 16:
            grid = max(1, grid // 2)
        beats = int(rng.choice([2, 3, 4, 4, 5, 6, 7]))
        steps = beats * grid
        parts: dict[P, np.ndarray] = {}
        metrical = np.array([1.0 if i % grid == 0 else 0.55 for i in range(steps)])
        kind = rng.random()
        # Loud rock: a cymbal that never stops ringing under hard kicks and snares.
        wash = rng.random() < 0.2
        keeper = WASHES[rng.integers(len(WASHES))] if wash else _draw(TIMEKEEPERS, rng)
        snare = P.CROSS_STICK if rng.random() < 0.15 else P.SNARE
        every = int(rng.choice([1, 1, 2, max(1, grid // 2), grid]))
        parts[keeper] = np.where(np.arange(steps) % every == 0, 0.95, 0.04)
        parts[P.KICK] = rng.uniform(0.1, 0.5) * metrical
        parts[snare] = rng.uniform(0.08, 0.3) * metrical[::-1]
        if kind < 0.15:
            alternate = rng.random() < 0.5
            parts[P.KICK] = np.where(np.arange(steps) % 2 == 0, 0.98, 0.02)
            parts[snare] = np.where(np.arange(steps) % 2 == int(alternate), 0.98, 0.02)
        elif kind < 0.35:
            parts[P.KICK] = np.full(steps, 0.9)
        elif kind < 0.7:
            parts[snare] = np.where(np.arange(steps) % (2 * grid) == grid, 0.97, 0.06)
            parts[P.KICK][0] = 0.95
        for extra in rng.choice(len(PIECES_ALL), rng.integers(0, 5), replace=False):
            parts.setdefault(PIECES_ALL[extra], rng.uniform(0.02, 0.2) * metrical)
        if rng.random() < 0.35:
            parts[P.HAT_PEDAL] = np.where(np.arange(steps) % (2 * grid) == grid, 0.9, 0.03)
        least = 0.75 if wash else 0.35
        return self._repeat(parts, (keeper, snare), seconds, 60 / bpm / grid, grid, least)

    def _repeat(
        self, parts: dict[P, np.ndarray], filled: tuple[P, P], seconds: float, step_s: float,
        grid: int, least: float,
    ) -> list[Stroke]:  # fmt: skip
        """Bars drawn from each step's chances, with small changes and a fill in every fourth."""
        rng = self.rng
        steps = len(parts[P.KICK])
        drawn = {piece: rng.random(steps) < chance for piece, chance in parts.items()}
        loud = {piece: rng.uniform(least, 0.98) for piece in parts}
        accents = rng.uniform(0.4, 1.0, steps)
        swing = rng.uniform(0, 0.33) if grid in (2, 4) and rng.random() < 0.3 else 0.0
        jitter_s = rng.uniform(0.001, 0.012)
        strokes = []
        start_s = rng.uniform(-steps * step_s, 0.3)
        for number in range(int((seconds - start_s) / step_s) + 1):
            step = number % steps
            late_s = swing * step_s if number % 2 else 0.0
            fill = (number // steps) % 4 == 3 and step >= steps - 2 * grid
            for piece, hits in drawn.items():
                struck = bool(hits[step]) ^ bool(rng.random() < 0.04)
                if fill and piece in filled:
                    struck = False
                if struck:
                    velocity = loud[piece] * accents[step] ** 0.7 * rng.uniform(0.8, 1.1)
                    at_s = start_s + number * step_s + late_s + rng.normal(0, jitter_s)
                    strokes.append(Stroke(at_s, piece, min(1.0, velocity)))
            if fill and rng.random() < 0.85:
                piece = (P.SNARE, *TOMS)[rng.integers(4)]
                at_s = start_s + number * step_s + rng.normal(0, jitter_s)
                strokes.append(Stroke(at_s, piece, rng.uniform(0.4, 1.0)))
        return strokes

    def _solo(self, seconds: float) -> list[Stroke]:
        """Runs around the kit, rolls on one piece, at changing speed."""
        rng = self.rng
        pool = [P.SNARE, P.SNARE, *TOMS, P.KICK, P.KICK]
        pool += [PIECES_ALL[i] for i in rng.choice(len(PIECES_ALL), 4)]
        strokes, at_s = [], rng.uniform(0, 0.5)
        while at_s < seconds:
            count = int(rng.integers(1, 17))
            rate = rng.uniform(2, 20 if count > 4 else 10)
            level, slope = rng.uniform(0.25, 1.0), rng.normal(0, 0.03)
            stay = rng.random() < 0.4
            piece = pool[rng.integers(len(pool))]
            for index in range(count):
                if not stay and rng.random() < 0.6:
                    piece = pool[rng.integers(len(pool))]
                at = at_s + index / rate + rng.normal(0, 0.004)
                velocity = float(np.clip(level + slope * index + rng.normal(0, 0.1), 0.05, 1))
                strokes.append(Stroke(at, piece, velocity))
                if rng.random() < 0.08:
                    other = (P.KICK, P.CRASH, P.HAT_PEDAL, P.RIDE)[rng.integers(4)]
                    strokes.append(Stroke(at + rng.normal(0, 0.005), other, rng.uniform(0.3, 1)))
            at_s += count / rate + rng.choice([0.0, 0.0, rng.uniform(0, 1.0)])
        return strokes

    def _sparse(self, seconds: float) -> list[Stroke]:
        """One to three pieces, single strokes with room to ring, from soft to loud."""
        rng = self.rng
        pieces = [PIECES_ALL[i] for i in rng.choice(len(PIECES_ALL), rng.integers(1, 4))]
        every_s = rng.uniform(0.15, 1.5)
        strokes, at_s = [], rng.uniform(0, 0.6)
        while at_s < seconds:
            piece = pieces[rng.integers(len(pieces))]
            strokes.append(Stroke(at_s, piece, rng.uniform(0.08, 1.0)))
            at_s += every_s * rng.uniform(0.5, 1.5)
        return strokes

    def _chaos(self, seconds: float) -> list[Stroke]:
        """Every piece at random, alone and together, so that no habit of music is relied on."""
        rng = self.rng
        strokes = []
        for piece in PIECES_ALL:
            count = rng.poisson(rng.uniform(0.05, 0.9) * seconds)
            for at_s in rng.uniform(0, seconds, count):
                strokes.append(Stroke(float(at_s), piece, rng.uniform(0.15, 1.0)))
        together = rng.integers(0, 12)
        for at_s in rng.uniform(0, seconds, together):
            for index in rng.choice(len(PIECES_ALL), rng.integers(2, 4), replace=False):
                strokes.append(
                    Stroke(
                        float(at_s + rng.normal(0, 0.004)), PIECES_ALL[index], rng.uniform(0.3, 1)
                    )
                )
        return strokes

    def _ornament(self, strokes: list[Stroke]) -> list[Stroke]:
        """Flams, drags and ghosts added to some snare and tom strokes."""
        rng = self.rng
        share = rng.uniform(0.02, 0.2)
        out = list(strokes)
        for s in strokes:
            if s.piece not in (P.SNARE, *TOMS) or rng.random() > share:
                continue
            kind = rng.random()
            if kind < 0.5:
                gap_s = rng.uniform(0.02, 0.05)
                out.append(Stroke(s.at_s - gap_s, s.piece, s.velocity * rng.uniform(0.25, 0.8)))
            elif kind < 0.75:
                gap_s = rng.uniform(0.035, 0.07)
                soft = s.velocity * rng.uniform(0.2, 0.6)
                out += [Stroke(s.at_s - gap_s * n, s.piece, soft) for n in (1, 2)]
            else:
                gap_s = rng.uniform(0.08, 0.2)
                out.append(Stroke(s.at_s + gap_s, P.SNARE, rng.uniform(0.08, 0.3)))
        return out


PIECES_ALL = (
    P.KICK, P.SNARE, P.CROSS_STICK, *HATS, *TOMS, *CYMBALS, P.COWBELL, P.TAMBOURINE,
)  # fmt: skip


def _draw(table: tuple[tuple[P, float], ...], rng: np.random.Generator) -> P:
    weights = np.array([weight for _, weight in table])
    return table[rng.choice(len(table), p=weights / weights.sum())][0]


def _apart(strokes: list[Stroke]) -> list[Stroke]:
    """No piece twice within 18 ms: two sticks never land nearer on purpose. A foot and a hand on
    the hat are one sound."""
    last: dict[P, float] = {}
    kept = []
    for s in strokes:
        key = P.HAT_CLOSED if s.piece in HATS else s.piece
        if s.at_s - last.get(key, -1.0) >= 0.018:
            kept.append(s)
            last[key] = s.at_s
    return kept
