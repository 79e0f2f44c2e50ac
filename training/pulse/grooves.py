"""Grooves that Groove MIDI lacks, made by rule: other meters, classic patterns, sparse playing."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from libs.common.drums import DrumPiece
from training.pulse.takes import INDEX, Take

Rng = np.random.Generator
Stroke = tuple[float, DrumPiece, float]

_Weighed = dict[int, list[tuple[tuple[float, ...], int]]]

_BACKBEATS: _Weighed = {
    2: [((1,), 6), ((), 1)],
    3: [((1, 2), 4), ((2,), 3), ((1,), 2), ((), 1)],
    4: [((1, 3), 70), ((2,), 9), ((0, 1, 2, 3), 4), ((3,), 5), ((), 4), ((1,), 2), ((1, 2.5), 2),
        ((1, 2.5, 3), 3), ((1, 1.5, 3), 3)],
    5: [((1, 3), 4), ((1, 4), 3), ((2, 4), 2), ((3,), 3), ((1, 3, 4), 2)],
    6: [((1, 3, 5), 5), ((3,), 3), ((2, 4), 1), ((1, 3), 1), ((1, 4), 1)],
    7: [((1, 3, 5), 4), ((2, 4, 6), 2), ((3, 6), 2), ((1, 3, 6), 2), ((2, 5), 1), ((1, 4), 1)],
}  # fmt: skip
_RIDING: _Weighed = {
    4: [((0.0, 0.5), 50), ((0.0,), 18), ((0.0, 0.25, 0.5, 0.75), 14), ((0.5,), 5),
        ((0.0, 0.5, 0.75), 4), ((0.0, 0.25, 0.5), 2), ((), 4)],
    3: [((0.0, 2 / 3), 45), ((0.0, 1 / 3, 2 / 3), 20), ((0.0,), 20), ((), 3)],
}  # fmt: skip
_COMPOUND: list[tuple[tuple[float, ...], int]] = [
    ((0.0, 1 / 3, 2 / 3), 70),
    ((0.0, 2 / 3), 8),
    ((0.0,), 8),
    ((0.0, 1 / 3), 3),
]

# Sixteen or twelve places of a bar of four; k kick, s snare, x cross-stick, h hat, o open hat,
# p pedal, r ride, t floor tom, g ghost; a row a voice.
_CLASSICS = {
    "disco": ("k...k...k...k...", "....s.......s...", "h.o.h.o.h.o.h.o."),
    "train": ("k...k...k...k...", "g.s.g.s.g.s.g.s.", "p...p...p...p..."),
    "train-16": ("k...k...k...k...", "ggggsgggggggsggg"),
    "bossa": ("k.....kkk.....kk", "x..x..x...x..x..", "h.h.h.h.h.h.h.h."),
    "one-drop": ("........k.......", "........x.......", "h.h.h.h.h.h.h.h."),
    "one-drop-s": ("........k.......", "....x.......x...", "h.h.h.h.h.h.h.h."),
    "steppers": ("k...k...k...k...", "........x.......", "h.h.h.h.h.h.h.h."),
    "blast": ("k.k.k.k.k.k.k.k.", ".s.s.s.s.s.s.s.s", "h.h.h.h.h.h.h.h."),
    "d-beat": ("k..k..k.k..k..k.", "....s.......s...", "h...h...h...h..."),
    "punk": ("k.....k.k.....k.", "....s.......s...", "r.r.r.r.r.r.r.r."),
    "surf": ("k...k...k...k...", "....s.s.....s...", "r.r.r.r.r.r.r.r."),
    "motown": ("k.k...k.k.k...k.", "s...s...s...s...", "h.h.h.h.h.h.h.h."),
    "samba": ("k..kk..kk..kk..k", "x.x..x.x.x.x..x.", "..p...p...p...p."),
    "songo": ("...k..k....k..k.", "....x.......x...", "r.r.r.r.r.r.r.r."),
    "tom-groove": ("k...k...k...k...", "....s.......s...", "t.tt..t.t.tt..t."),
    "jungle": ("k.k.......k.....", "....s..s.s..s..s", "h.h.h.h.h.h.h.h."),
    "half-time": ("k.........k.....", "........s.......", "h.h.h.h.h.h.h.h."),
    "ballad": ("k...............", "........x.......", "h...h...h...h..."),
    "sparse": ("k.......k.......", "....s.......s..."),
    "march": ("k.......k.......", "s.sss.s.s.sss.ss"),
    "cha": ("....k.......k...", "x...x...x...x.t.", "r...r...r...r..."),
    "four": ("k...k...k...k...", "....s.......s..."),
    "money": ("k.......k.......", "....s.......s...", "h.h.h.h.h.h.h.h."),
    "shuffle": ("k.....k.....", "...s.....s..", "h.hh.hh.hh.h"),
    "half-time shuffle": ("k....k......", "gg.gg.sg.gg.", "h.hh.hh.hh.h"),
    "swing": ("r..r.rr..r.r", "...p.....p..", "k..k..k..k.."),
    "swing-2": ("r..r.rr..r.r", "...p.....p..", "..g.....s..."),
    "blues": ("k.....k..k.k", "...s.....s..", "hhhhhhhhhhhh"),
}
_VOICES = {
    "k": (DrumPiece.KICK, 105), "s": (DrumPiece.SNARE, 110), "x": (DrumPiece.CROSS_STICK, 90),
    "h": (DrumPiece.HAT_CLOSED, 80), "o": (DrumPiece.HAT_OPEN, 90),
    "p": (DrumPiece.HAT_PEDAL, 65), "r": (DrumPiece.RIDE, 80), "t": (DrumPiece.TOM_FLOOR, 90),
    "g": (DrumPiece.SNARE, 35),
}  # fmt: skip
_TEMPOS = {
    "disco": (105, 135), "train": (90, 140), "train-16": (85, 130), "bossa": (100, 160),
    "one-drop": (65, 90), "one-drop-s": (120, 165), "steppers": (65, 90), "blast": (130, 200),
    "d-beat": (150, 205), "punk": (150, 205), "surf": (130, 185), "motown": (100, 145),
    "samba": (85, 125), "songo": (85, 120), "jungle": (130, 180), "half-time": (90, 145),
    "ballad": (55, 90), "cha": (105, 130), "swing": (110, 230), "swing-2": (110, 230),
    "blues": (50, 85), "half-time shuffle": (80, 130), "march": (85, 130),
}  # fmt: skip


@dataclass
class _Plan:
    """What one section repeats."""

    meter: int
    ticks: int
    compound: bool
    strokes: list[list[Stroke]] = field(default_factory=list)
    """Strokes of each of the one or two bars that alternate, in beats from the bar."""


def make_groove(rng: Rng, meter: int | None = None, compound: bool | None = None) -> Take:
    """A take of some 40 s to a minute; `meter` is in beats, dotted ones if `compound`."""
    name, meter, compound, bpm = _choose(rng, meter, compound)
    classic = name != "made"
    ticks = 3 if compound or rng.random() < 0.15 else 4
    ticks = len(_CLASSICS[name][0]) // 4 if classic else ticks
    count = int(np.ceil(rng.uniform(35, 60) * bpm / 60 / meter)) + 1
    every = int(rng.choice([4, 8, 2, 3, 16], p=[0.45, 0.35, 0.08, 0.06, 0.06]))
    crashing = rng.choice([0.0, 0.3, 0.7, 1.0])
    filling = rng.choice([0.0, 0.4, 0.8])
    pushing = 0.25 if rng.random() < 0.15 else 0.0
    opening = rng.random() < 0.2
    loose = rng.choice([0.0, 0.03, 0.1])

    def plan() -> _Plan:
        if classic:
            return _classic(name)
        return _random_plan(rng, meter, ticks, compound, bpm)

    section = plan()
    strokes: list[Stroke] = []
    pushed = False
    for bar in range(count):
        place = bar % every
        if place == 0 and bar and rng.random() < 0.35 and not classic:
            section = plan()
        played = list(section.strokes[bar % len(section.strokes)])
        if loose:
            played = [stroke for stroke in played if rng.random() > loose * 0.5]
            if rng.random() < loose * 4:
                grid = 3 if compound or ticks == 3 else 4
                extra = DrumPiece.KICK if rng.random() < 0.6 else DrumPiece.SNARE
                played.append((rng.integers(1, meter * grid) / grid, extra, rng.uniform(40, 110)))
        if place == 0 and not pushed and rng.random() < (crashing if bar else crashing * 0.6):
            played = [each for each in played if each[0] > 0.1 or each[1] is DrumPiece.SNARE]
            played += [(0.0, _crash(rng), 115.0), (0.0, DrumPiece.KICK, 112.0)]
        pushed = False
        last = place == every - 1
        if last and rng.random() < filling:
            length = float(rng.choice([1, 2, meter, 0.5], p=[0.4, 0.35, 0.15, 0.1]))
            length = min(length, meter)
            played = [each for each in played if each[0] < meter - length - 0.01]
            played += make_fill(rng, meter - length, meter, 3 if ticks == 3 else 4, bpm)
        if last and rng.random() < pushing:
            played = [each for each in played if each[0] < meter - 0.6]
            at = meter - (1 / 3 if ticks == 3 else 0.5)
            played += [(at, _crash(rng), 115.0), (at, DrumPiece.KICK, 112.0)]
            pushed = True
        if opening and rng.random() < 0.7:
            at = meter - (1 / 3 if ticks == 3 else 0.5)
            played.append((at, DrumPiece.HAT_OPEN, 95.0))
        strokes += [(bar * meter + at, piece, velocity) for at, piece, velocity in played]
    if rng.random() < 0.3:
        strokes += [(count * meter, _crash(rng), 115.0), (count * meter, DrumPiece.KICK, 110.0)]
        count += 1
    return _take(rng, strokes, meter, count, bpm, compound, ticks, name)


def _choose(rng: Rng, meter: int | None, compound: bool | None) -> tuple[str, int, bool, float]:
    """(name of a classic or "made", meter, compound, bpm)."""
    if compound is None:
        compound = meter is None and rng.random() < 0.22
    if meter is None:
        shares = [0.5, 0.08, 0.42, 0, 0, 0] if compound else [0.015, 0.2, 0.6, 0.07, 0.045, 0.07]
        meter = int(rng.choice([2, 3, 4, 5, 6, 7], p=shares))
    classic = meter == 4 and not compound and rng.random() < 0.5
    name = str(rng.choice(list(_CLASSICS))) if classic else "made"
    if compound:
        bpm = rng.uniform(38, 95)
    elif name in _TEMPOS:
        bpm = rng.uniform(*_TEMPOS[name])
    else:
        bpm = float(np.exp(rng.normal(np.log(115 if meter != 3 else 125), 0.28)))
    bpm = float(np.clip(bpm, 38 if compound else 55, 215))
    return name, meter, compound, bpm


def make_fill(rng: Rng, start: float, stop: float, ticks: int, bpm: float) -> list[Stroke]:
    """Strokes over snare and toms, from `start` to `stop` in beats."""
    if ticks == 4 and (bpm > 165 or rng.random() < 0.3):
        ticks = 2
    down = [DrumPiece.SNARE, DrumPiece.TOM_HIGH, DrumPiece.TOM_MID, DrumPiece.TOM_FLOOR]
    only = rng.random() < 0.3
    steps = round((stop - start) * ticks)
    holes = rng.choice([0.0, 0.2, 0.4])
    strokes: list[Stroke] = []
    for step in range(steps):
        if step and rng.random() < holes:
            continue
        piece = down[0] if only else down[min(3, step * 4 // max(1, steps))]
        if not only and rng.random() < 0.1:
            piece = DrumPiece.KICK
        strokes.append((start + step / ticks, piece, rng.uniform(70, 120)))
    return strokes


def _classic(name: str) -> _Plan:
    rows = _CLASSICS[name]
    ticks = len(rows[0]) // 4
    strokes = [
        (place / ticks, _VOICES[mark][0], float(_VOICES[mark][1]))
        for row in rows
        for place, mark in enumerate(row)
        if mark != "."
    ]
    return _Plan(4, ticks, False, [strokes])


def _random_plan(rng: Rng, meter: int, ticks: int, compound: bool, bpm: float) -> _Plan:
    riding = _pick(rng, _COMPOUND if compound else _RIDING[ticks])
    if bpm > 125 and len(riding) > 2 and not compound:
        riding = (0.0, 0.5) if ticks == 4 else (0.0, 2 / 3)
    if bpm > 175 and len(riding) == 2 and rng.random() < 0.5:
        riding = (0.0,)
    on = rng.choice(
        [DrumPiece.HAT_CLOSED, DrumPiece.RIDE, DrumPiece.HAT_OPEN, DrumPiece.TOM_FLOOR,
         DrumPiece.CRASH, DrumPiece.RIDE_BELL], p=[0.6, 0.22, 0.07, 0.04, 0.04, 0.03],
    )  # fmt: skip
    on = DrumPiece(str(on))
    backbeats = _pick(rng, _BACKBEATS[meter])
    if compound and meter == 4 and rng.random() < 0.8:
        backbeats = (1, 3)
    snare = DrumPiece.CROSS_STICK if rng.random() < 0.12 else DrumPiece.SNARE
    grid = [n / ticks for n in range(meter * ticks)]
    ghosts = rng.choice([0.0, 0.0, 0.1, 0.25]) if bpm < 130 else 0.0
    accent = rng.uniform(0, 30)
    base_kick = _kicks(rng, grid, meter, ticks, backbeats)
    # 6/8 is told from 12/8, and 2/4 from 4/4, by how soon all repeats.
    bars = 1 if meter == 2 else int(rng.choice([1, 2]))
    plan = _Plan(meter, ticks, compound)
    pedal = on is DrumPiece.RIDE and rng.random() < 0.4
    for number in range(bars):
        kicks = base_kick if number == 0 or rng.random() < 0.3 else _kicks(
            rng, grid, meter, ticks, backbeats)  # fmt: skip
        strokes: list[Stroke] = [(at, DrumPiece.KICK, rng.uniform(85, 115)) for at in kicks]
        strokes += [(float(at), snare, rng.uniform(98, 120)) for at in backbeats]
        strokes += [
            (beat + inside, on, 85 - (accent if inside else 0) + rng.normal(0, 4))
            for beat in range(meter)
            for inside in riding
        ]
        if ghosts:
            strokes += [(at, DrumPiece.SNARE, rng.uniform(20, 45)) for at in grid
                        if at % 1 and rng.random() < ghosts]  # fmt: skip
        if pedal:
            strokes += [(float(beat), DrumPiece.HAT_PEDAL, 60.0) for beat in range(1, meter, 2)]
        plan.strokes.append(strokes)
    return plan


def _kicks(
    rng: Rng, grid: list[float], meter: int, ticks: int, backbeats: tuple[float, ...]
) -> list[float]:
    if rng.random() < 0.08:
        return [float(beat) for beat in range(meter)]
    busy = rng.uniform(0.1, 0.9)
    kicks = [0.0] if rng.random() < 0.93 else []
    for at in grid[1:]:
        inside = at % 1
        if at in backbeats:
            chance = 0.06
        elif not inside:
            chance = 0.55 if at == meter // 2 else 0.35
        elif abs(inside - 0.5) < 0.01 or (ticks == 3 and inside > 0.5):
            chance = 0.28
        else:
            chance = 0.07
        if rng.random() < chance * busy * 1.6:
            kicks.append(at)
    return kicks


def _crash(rng: Rng) -> DrumPiece:
    return DrumPiece.CRASH if rng.random() < 0.8 else DrumPiece.CRASH_2


def _pick(rng: Rng, table: list[tuple[tuple[float, ...], int]]) -> tuple[float, ...]:
    weights = np.array([weight for _, weight in table], float)
    return table[int(rng.choice(len(table), p=weights / weights.sum()))][0]


def _take(
    rng: Rng, strokes: list[Stroke], meter: int, count: int, bpm: float, compound: bool,
    ticks: int, name: str,
) -> Take:  # fmt: skip
    at = np.array([stroke[0] for stroke in strokes])
    if ticks == 4 and not compound and rng.random() < 0.15:
        # Swung 16ths or eighths, from hardly to a dotted feel.
        unit = 0.5 if rng.random() < 0.5 else 1.0
        late = rng.uniform(0.5, 0.68)
        inside = (at % unit) / unit
        warped = np.where(inside < 0.5, inside * 2 * late, late + (inside - 0.5) * 2 * (1 - late))
        at = np.floor(at / unit + 1e-9) * unit + warped * unit
    elif ticks == 3 and not compound:
        # A shuffle between loose and hard.
        late = rng.uniform(0.58, 0.72)
        inside = at % 1
        at = np.where(np.abs(inside - 2 / 3) < 0.01, np.floor(at) + late, at)
    at = at + rng.normal(0, rng.uniform(0, 0.012), len(at)) * bpm / 60
    velocity = np.clip([stroke[2] for stroke in strokes] + rng.normal(0, 6, len(at)), 5, 127)
    piece = np.array([INDEX[stroke[1]] for stroke in strokes], np.int64)
    order = np.argsort(at, kind="stable")
    return Take(
        name=name, at=at[order], piece=piece[order], velocity=velocity[order],
        bars=np.full(count, meter), bpm=bpm, compound=compound,
    )  # fmt: skip
