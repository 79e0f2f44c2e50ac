"""What can be counted and measured of a part that tells its style.

Places are counted in beats of the meter (a dotted quarter in 6/8) and where they sound: an eighth
under a swing mark of 2 lies at 2/3, as if it were written as a triplet. Tempo is the beat's.
"""

from __future__ import annotations

import cmath
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median, pstdev
from typing import Final

from libs.common.drums import Articulation, DrumPiece
from libs.common.part import Part, PartBar, Stroke

P = DrumPiece
GROUPS: Final[Mapping[str, frozenset[DrumPiece]]] = {
    "kick": frozenset({P.KICK}),
    "snare": frozenset({P.SNARE, P.RIMSHOT}),
    "cross": frozenset({P.CROSS_STICK}),
    "hat": frozenset({P.HAT_CLOSED, P.HAT_HALF_OPEN}),
    "open": frozenset({P.HAT_OPEN}),
    "pedal": frozenset({P.HAT_PEDAL}),
    "ride": frozenset({P.RIDE, P.RIDE_BELL, P.COWBELL, P.TAMBOURINE}),
    "tom": frozenset({P.TOM_HIGH, P.TOM_MID, P.TOM_FLOOR}),
    "crash": frozenset({P.CRASH, P.CRASH_2, P.SPLASH, P.CHINA}),
}
GROUP_OF: Final = {piece: name for name, pieces in GROUPS.items() for piece in pieces}
STEPS: Final = 16
"""Of a bar of four beats."""
CYMBALS: Final = ("hat", "open", "ride")
"""Groups that keep time."""
PARTS: Final = 12
"""Of a beat."""
GHOST_MOST: Final = 40
"""Loudest velocity of a snare stroke that counts as a ghost without its mark."""

_USUAL_BPM: Final = 100.0
# Onsets of two bars in sixteenths, 3-2; the other way round is half a cycle later.
PATTERNS: Final[Mapping[str, tuple[int, ...]]] = {
    "son clave": (0, 6, 12, 20, 24),
    "rumba clave": (0, 6, 14, 20, 24),
    "bossa clave": (0, 6, 12, 20, 26),
    "cascara": (0, 4, 8, 10, 14, 18, 20, 24, 26, 30),
    "tresillo": (0, 6, 12, 16, 22, 28),
    "baiao": (0, 6, 16, 22),
    "samba": (0, 6, 8, 14, 16, 22, 24, 30),
    "second line": (0, 6, 12, 18, 24),
}


@dataclass(frozen=True, slots=True)
class Sounding:
    """One stroke, in the beats of its bar."""

    bar: int
    """Of all bars, from 0."""
    beat: float
    """From the bar line, as it sounds."""
    group: str
    piece: DrumPiece
    velocity: int
    ghost: bool
    graces: int
    accent: bool
    time_s: float
    """When it was played, or when it is to sound."""
    away_s: float | None
    """Played so much after where it is written."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A part, laid out to be measured."""

    strokes: tuple[Sounding, ...]
    """By time."""
    beats: tuple[int, ...]
    """Of each bar."""
    bpm: float
    swing: float | None
    """How much longer the first of two is, where a mark says so."""
    swing_unit: float
    """In beats: .5 swings eighths."""
    compound: bool


def lay_out(part: Part) -> Heard:
    """The part's strokes where and when they sound; linear in strokes."""
    bpm = beat_tempo(part)
    strokes: list[Sounding] = []
    beats = []
    clock_s = 0.0
    for index, bar in enumerate(part.bars):
        swing = part.swing_at(bar.number)
        unit = float(bar.meter.beat_unit)
        length = float(bar.length) / unit
        start_s = bar.start_s if bar.start_s is not None else clock_s
        end_s = bar.end_s if bar.end_s is not None else start_s + length * 60 / bpm
        clock_s = end_s
        beats.append(max(1, round(float(bar.meter.length) / unit)))
        # A pickup ends at the next line.
        missing = float(bar.meter.length - bar.length) / unit if index == 0 else 0.0
        for stroke in bar.strokes:
            at = float(stroke.at) / unit
            if swing:
                at = swung(at, float(swing.unit) / unit, swing.ratio)
            due_s = start_s + at / max(length, 1e-9) * (end_s - start_s)
            written_s = due_s if stroke.written_s is None else stroke.written_s
            played_s = stroke.played_s
            strokes.append(
                Sounding(
                    bar=index,
                    beat=at + missing,
                    group=GROUP_OF[stroke.piece],
                    piece=stroke.piece,
                    velocity=stroke.velocity,
                    ghost=is_ghost(stroke),
                    graces=len(stroke.graces),
                    accent=Articulation.ACCENT in stroke.marks
                    or Articulation.STRONG_ACCENT in stroke.marks,
                    time_s=written_s if played_s is None else played_s,
                    away_s=None if played_s is None else played_s - written_s,
                )
            )
    strokes.sort(key=lambda stroke: (stroke.time_s, stroke.piece))
    middle = part.bars[len(part.bars) // 2] if part.bars else None
    mark = part.swing_at(middle.number) if middle else None
    return Heard(
        strokes=tuple(strokes),
        beats=tuple(beats),
        bpm=bpm,
        swing=mark.ratio if mark else None,
        swing_unit=float(mark.unit / middle.meter.beat_unit) if mark and middle else 0.5,
        compound=bool(middle and middle.meter.is_compound),
    )


def is_ghost(stroke: Stroke) -> bool:
    """By its mark, or a snare this soft."""
    return GROUP_OF[stroke.piece] == "snare" and (
        Articulation.GHOST in stroke.marks or stroke.velocity <= GHOST_MOST
    )


def beat_tempo(part: Part) -> float:
    """Beats a minute, of the middle bar by the clock, else as written, else 100."""
    spans = [
        60 * float(bar.length / bar.meter.beat_unit) / (bar.end_s - bar.start_s)
        for bar in part.bars
        if bar.start_s is not None and bar.end_s is not None and bar.end_s > bar.start_s
    ]
    if spans:
        return median(spans)
    if not part.bars:
        return _USUAL_BPM
    written = part.quarters_per_minute(part.bars[0].number)
    return written / float(4 * part.bars[0].meter.beat_unit) if written else _USUAL_BPM


def swung(at: float, unit: float, ratio: float) -> float:
    """Where a place written straight sounds when pairs of `unit` are long and short."""
    pair, inside = divmod(at, 2 * unit)
    long = 2 * unit * ratio / (1 + ratio)
    if inside <= unit:
        return pair * 2 * unit + inside / unit * long
    return pair * 2 * unit + long + (inside - unit) / unit * (2 * unit - long)


def measure(part: Part) -> dict[str, float | None]:
    """Every feature by name; None is what cannot be told (no snare, nobody played it)."""
    heard = lay_out(part)
    found: dict[str, float | None] = {}
    found |= _tempo(heard)
    found |= _pieces(heard)
    found |= _loudness(heard)
    found |= _subdivision(heard)
    found |= _grid(heard)
    found |= _patterns(heard)
    found |= _form(heard)
    return found


def _tempo(heard: Heard) -> dict[str, float | None]:
    strokes = heard.strokes
    span_s = max(strokes[-1].time_s - strokes[0].time_s, 0.5) if strokes else 1.0
    log = math.log2(heard.bpm / 100)
    found: dict[str, float | None] = {
        "tempo": log,
        "tempo.cos": math.cos(2 * math.pi * log),
        "tempo.sin": math.sin(2 * math.pi * log),
        "rate": math.log2(0.5 + len(strokes) / span_s),
    }
    for group in GROUPS:
        count = sum(stroke.group == group for stroke in strokes)
        found[f"rate.{group}"] = math.log2(0.25 + count / span_s)
    for name, groups in (("all", tuple(GROUPS)), ("cymbals", CYMBALS),
                         ("kick", ("kick",)), ("snare", ("snare", "cross"))):  # fmt: skip
        gaps = _gaps_s([stroke for stroke in strokes if stroke.group in groups])
        found[f"gap.{name}"] = math.log2(median(gaps)) if gaps else None
        counts = Counter(
            min(7, max(0, int(2 * math.log2(gap / 0.06)))) for gap in gaps if gap < 2.0
        )
        for bin_ in range(8):
            found[f"gap.{name}.{bin_}"] = counts[bin_] / len(gaps) if gaps else None
    return found


def _gaps_s(strokes: Sequence[Sounding]) -> list[float]:
    """Between strokes that are not together."""
    gaps, last = [], None
    for stroke in strokes:
        if last is None or stroke.time_s - last > 0.035:
            if last is not None:
                gaps.append(stroke.time_s - last)
            last = stroke.time_s
    return gaps


def _pieces(heard: Heard) -> dict[str, float | None]:
    total = max(1, len(heard.strokes))
    pieces = Counter(stroke.piece for stroke in heard.strokes)
    groups = Counter(stroke.group for stroke in heard.strokes)
    snares = groups["snare"]
    found: dict[str, float | None] = {f"share.{g}": groups[g] / total for g in GROUPS}
    for piece in (P.HAT_HALF_OPEN, P.RIDE_BELL, P.TOM_HIGH, P.TOM_MID, P.TOM_FLOOR, P.RIMSHOT):
        found[f"share.{piece.value}"] = pieces[piece] / total
    cymbals = groups["hat"] + groups["open"] + groups["ride"]
    found["ride of cymbals"] = groups["ride"] / cymbals if cymbals else None
    found["open of hats"] = (
        (groups["open"] + pieces[P.HAT_HALF_OPEN]) / (groups["open"] + groups["hat"])
        if groups["open"] + groups["hat"]
        else None
    )
    backs = snares + groups["cross"]
    found["cross of snares"] = groups["cross"] / backs if backs else None
    found["rim of snares"] = pieces[P.RIMSHOT] / snares if snares else None
    found["ghosts"] = sum(stroke.ghost for stroke in heard.strokes) / snares if snares else None
    found["graces"] = sum(stroke.graces for stroke in heard.strokes) / total
    found["accents"] = sum(stroke.accent for stroke in heard.strokes) / total
    found["pieces"] = float(len(pieces))
    return found


def _loudness(heard: Heard) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    by_group: dict[str, list[int]] = defaultdict(list)
    for stroke in heard.strokes:
        by_group[stroke.group].append(stroke.velocity)
        by_group["all"].append(stroke.velocity)
    for group in ("all", "kick", "snare", "hat", "ride", "tom"):
        own = sorted(by_group[group])
        found[f"loud.{group}"] = fmean(own) / 127 if own else None
        found[f"loud.{group}.spread"] = pstdev(own) / 127 if len(own) > 2 else None
        found[f"loud.{group}.most"] = own[int(0.9 * (len(own) - 1))] / 127 if own else None
        found[f"loud.{group}.least"] = own[int(0.1 * (len(own) - 1))] / 127 if own else None
    cymbals = [s for s in heard.strokes if s.group in CYMBALS]
    on = [s.velocity for s in cymbals if _part_of_beat(s) == 0]
    off = [s.velocity for s in cymbals if _part_of_beat(s) in (6, 7, 8)]
    found["cymbal accents"] = (fmean(on) - fmean(off)) / 127 if on and off else None
    return found


def _part_of_beat(stroke: Sounding) -> int:
    return round(stroke.beat * PARTS) % PARTS


def _subdivision(heard: Heard) -> dict[str, float | None]:
    found: dict[str, float | None] = {"swing": heard.swing or 1.0}
    total = max(1, len(heard.strokes))
    places = Counter(_part_of_beat(stroke) for stroke in heard.strokes)
    found["on beats"] = places[0] / total
    found["eighths"] = places[6] / total
    found["sixteenths"] = (places[3] + places[9]) / total
    found["triplets"] = (places[4] + places[8] + places[2] + places[10]) / total
    found["late eighths"] = (places[7] + places[8]) / max(1, sum(places[p] for p in (6, 7, 8)))
    found["swung sixteenths"] = heard.swing if heard.swing and heard.swing_unit < 0.4 else 1.0
    found["compound"] = float(heard.compound)
    found["meter of three"] = float(bool(heard.beats) and median(heard.beats) == 3)
    found["sounding swing"] = sounding_swing(heard)
    return found


def sounding_swing(heard: Heard) -> float | None:
    """Long to short within the beat, by the clock where played: median of offbeat strokes."""
    inside = []
    for stroke in heard.strokes:
        if stroke.group not in ("hat", "open", "ride", "snare", "kick"):
            continue
        place = stroke.beat % 1
        if 0.42 < place < 0.79:
            away = (stroke.away_s or 0.0) * heard.bpm / 60
            inside.append(min(0.8, max(0.4, place + away)))
    if len(inside) < 4:
        return None
    middle = median(inside)
    return middle / (1 - middle)


def _grid(heard: Heard) -> dict[str, float | None]:
    """How often each place of the bar is struck, wherever the bar line was drawn."""
    found: dict[str, float | None] = {}
    bars = max(1, len({stroke.bar for stroke in heard.strokes}))
    rows = {name: [0.0] * STEPS for name in ("kick", "back", "cymbal")}
    folded = {name: [0.0] * PARTS for name in ("kick", "snare", "cymbal", "tom")}
    for stroke in heard.strokes:
        row = _row_of(stroke)
        if row in rows:
            rows[row][round(stroke.beat * 4) % STEPS] += 1 / bars
        fold = {"back": "snare", "ghost": "snare"}.get(row, row)
        if fold in folded:
            folded[fold][_part_of_beat(stroke)] += 1
    for name, row_ in rows.items():
        for wave in range(1, STEPS // 2 + 1):
            found[f"wave.{name}.{wave}"] = _wave(row_, wave)
    for name, row_ in folded.items():
        total = sum(row_)
        for step, value in enumerate(row_):
            found[f"beat.{name}.{step}"] = value / total if total else None
    # Turned so that the loud snare falls on 2 and 4 as well as it can.
    turned = max(
        (0, 4, 8, 12),
        key=lambda turn: (
            rows["back"][(4 + turn) % STEPS] + rows["back"][(12 + turn) % STEPS]
            + 0.5 * rows["kick"][turn % STEPS], -turn,
        ),
    )  # fmt: skip
    for name in ("kick", "back", "cymbal"):
        for step in range(STEPS):
            found[f"turned.{name}.{step}"] = min(1.0, rows[name][(step + turned) % STEPS])
    return found


def _row_of(stroke: Sounding) -> str:
    if stroke.ghost:
        return "ghost"
    if stroke.group in ("snare", "cross"):
        return "back"
    return "cymbal" if stroke.group in CYMBALS else stroke.group


def _wave(row: Sequence[float], wave: int) -> float:
    total = sum(row)
    if not total:
        return 0.0
    return (
        abs(
            sum(
                value * cmath.exp(-2j * math.pi * wave * step / len(row))
                for step, value in enumerate(row)
            )
        )
        / total
    )


def _patterns(heard: Heard) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    rows: dict[str, list[float]] = {
        name: [0.0] * 32 for name in ("kick", "back", "cross", "cymbal", "hands")
    }
    for stroke in heard.strokes:
        step = (16 * stroke.bar + round(stroke.beat * 4)) % 32
        weight = stroke.velocity / 127
        if stroke.group == "kick":
            rows["kick"][step] += weight
        elif stroke.group in ("snare", "cross", "tom"):
            rows["back"][step] += weight
            rows["hands"][step] += weight
            if stroke.group == "cross":
                rows["cross"][step] += weight
        elif stroke.group in CYMBALS:
            rows["cymbal"][step] += weight
            rows["hands"][step] += weight
    for name, places in PATTERNS.items():
        for row in ("kick",) if name in ("tresillo", "baiao", "samba") else ("back", "cymbal"):
            found[f"{name} by {row}"] = _best_match(rows[row], places)
    beats = _struck(heard, ("kick",))
    snare = _struck(heard, ("snare", "cross"), loud=True)
    bars = max(1, len({stroke.bar for stroke in heard.strokes}))
    found["four on the floor"] = fmean(beats[beat] for beat in range(4)) / bars
    found["backbeat"] = (snare[1] + snare[3]) / 2 / bars
    found["half-time backbeat"] = (snare[2] - (snare[1] + snare[3]) / 2) / bars
    found["half-time snare"] = snare[2] / bars
    kicked = {
        (stroke.bar, round(stroke.beat))
        for stroke in heard.strokes
        if stroke.group == "kick" and _part_of_beat(stroke) == 0
    }
    found["one drop"] = (
        sum((bar, 2) in kicked and (bar, 0) not in kicked for bar in range(len(heard.beats))) / bars
    )
    found["kick on one"] = beats[0] / bars
    found["backbeat, wherever"] = (
        max(snare[0] + snare[2] - snare[1] - snare[3], snare[1] + snare[3] - snare[0] - snare[2])
        / 2
        / bars
    )
    kicks = [stroke for stroke in heard.strokes if stroke.group == "kick"]
    found["kick off the beat"] = (
        sum(_part_of_beat(stroke) != 0 for stroke in kicks) / len(kicks) if kicks else None
    )
    backs = [s for s in heard.strokes if s.group in ("snare", "cross") and not s.ghost]
    found["snare off the beat"] = (
        sum(_part_of_beat(stroke) != 0 for stroke in backs) / len(backs) if backs else None
    )
    return found


def _struck(heard: Heard, groups: Sequence[str], loud: bool = False) -> list[float]:
    """In how many bars each of the first four beats is struck."""
    struck = {
        (stroke.bar, int(stroke.beat + 0.04))
        for stroke in heard.strokes
        if stroke.group in groups and _part_of_beat(stroke) == 0 and not (loud and stroke.ghost)
    }
    count = Counter(beat for _, beat in struck)
    return [float(count[beat]) for beat in range(4)]


def _best_match(row: Sequence[float], places: Iterable[int]) -> float | None:
    """Correlation with the pattern, at the best of its turns by beats; None of nothing."""
    total = sum(row)
    if total == 0:
        return None
    mean = total / len(row)
    norm = math.sqrt(sum((value - mean) ** 2 for value in row))
    if norm < 1e-9:
        return 0.0
    chosen = set(places)
    share = len(chosen) / len(row)
    own = math.sqrt(len(row) * share * (1 - share))
    return max(
        sum(row[(place + turn) % len(row)] - mean for place in chosen) / norm / own
        for turn in range(0, len(row), 8)
    )


def _form(heard: Heard) -> dict[str, float | None]:
    bars: dict[int, set[tuple[str, int]]] = defaultdict(set)
    for stroke in heard.strokes:
        bars[stroke.bar].add((stroke.group, round(stroke.beat * 4)))
    ordered = [bars[bar] for bar in sorted(bars)]
    near = [len(a & b) / len(a | b) for a, b in pairwise(ordered)]
    two = [len(a & b) / len(a | b) for a, b in zip(ordered, ordered[2:], strict=False)]
    return {
        "strokes a bar": len(heard.strokes) / max(1, len(ordered)),
        "bars alike": fmean(near) if near else None,
        "bars alike, two on": fmean(two) if two else None,
    }


def whole_bars(part: Part, first: int, count: int) -> Part:
    """A stretch of the part: `count` bars from the one at index `first`."""
    bars: tuple[PartBar, ...] = part.bars[first : first + count]
    return Part(title=part.title, bars=bars, tempos=part.tempos, swing=part.swing, kit=part.kit)
