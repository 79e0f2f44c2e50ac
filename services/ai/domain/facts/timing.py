"""How it was played against its own beats: tempo, and who is early or late."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import fmean, median, pstdev, quantiles
from typing import Final

from libs.common.drums import DrumPiece
from libs.common.meter import Meter
from libs.common.part import Part, PartBar, Stroke

TIGHT_MS: Final = 10.0
"""Nobody hears a stroke this far off as early or late (Butterfield 2010 puts the threshold for
drums at 10 to 20 ms)."""
SURE: Final = 0.5
"""Strokes that the ear is less sure of say nothing of a drummer's timing."""
_FEW: Final = 4
ENOUGH: Final = 8
"""Of less strokes nothing is said in words."""

LIMBS: Final[dict[str, frozenset[DrumPiece]]] = {
    "kick": frozenset({DrumPiece.KICK}),
    "hat foot": frozenset({DrumPiece.HAT_PEDAL}),
    "snare": frozenset({DrumPiece.SNARE, DrumPiece.RIMSHOT, DrumPiece.CROSS_STICK}),
    "hi-hat": frozenset({DrumPiece.HAT_CLOSED, DrumPiece.HAT_HALF_OPEN, DrumPiece.HAT_OPEN}),
    "ride": frozenset({DrumPiece.RIDE, DrumPiece.RIDE_BELL}),
    "toms": frozenset({DrumPiece.TOM_HIGH, DrumPiece.TOM_MID, DrumPiece.TOM_FLOOR}),
    "crashes": frozenset({DrumPiece.CRASH, DrumPiece.CRASH_2, DrumPiece.SPLASH, DrumPiece.CHINA}),
    "percussion": frozenset({DrumPiece.COWBELL, DrumPiece.TAMBOURINE}),
}
"""What one limb plays at a time, as far as the page tells."""
LIMB_OF: Final[dict[DrumPiece, str]] = {
    piece: limb for limb, pieces in LIMBS.items() for piece in pieces
}


@dataclass(frozen=True, slots=True)
class Tempo:
    """How steady the bars are."""

    bpm: float
    """Median over the bars, in beats a minute of the meter that most of them have."""
    slowest_bpm: float
    fastest_bpm: float
    consistency: float
    """1 less ten times the standard deviation of the bars' log tempos, not below 0: 0.92 is bars
    that lie 0.8 % from each other."""
    drift_percent: float
    """From the beginning to the end along the straight line that fits best; above 0 faster."""
    bars: int


@dataclass(frozen=True, slots=True)
class Timing:
    """Early (below 0) or late against the written place, in milliseconds."""

    who: str
    strokes: int
    mean_ms: float
    spread_ms: float
    """How far the middle half of the strokes lies apart."""
    early: int
    """More than 10 ms before their place."""
    late: int

    @property
    def leans(self) -> bool:
        """Whether it is early or late by more than goes unheard, and than chance explains."""
        chance_ms = 1.5 * self.spread_ms / math.sqrt(self.strokes)
        return self.strokes >= ENOUGH and abs(self.mean_ms) >= max(TIGHT_MS, chance_ms)


@dataclass(frozen=True, slots=True)
class Swing:
    """How long the first of two eighths is beside the second: 1 straight, 2 a triplet."""

    ratio: float
    pairs: int
    measured: bool
    """Whether from what was played, or as it is written."""


def tempo(part: Part) -> Tempo | None:
    """None where nobody played, or less than two whole bars are known."""
    if not any(stroke.played_s is not None for _, stroke in part.strokes()):
        return None
    known = [
        bar
        for bar in part.bars
        if bar.start_s is not None and bar.end_s is not None and bar.end_s > bar.start_s
        and bar.length == bar.meter.length
    ]  # fmt: skip
    if len(known) < 2:
        return None
    # One unit for all, or a change of meter would look like one of tempo.
    [(unit, _)] = Counter(bar.meter.beat_unit for bar in known).most_common(1)
    bpms = [_bpm(bar, unit) for bar in known]
    logs = [math.log(bpm) for bpm in bpms]
    return Tempo(
        bpm=round(median(bpms), 1),
        slowest_bpm=round(min(bpms), 1),
        fastest_bpm=round(max(bpms), 1),
        consistency=round(max(0.0, 1 - 10 * pstdev(logs)), 2),
        drift_percent=round(_drift(logs), 1) + 0.0,
        bars=len(bpms),
    )


def _bpm(bar: PartBar, unit: Fraction) -> float:
    assert bar.start_s is not None
    assert bar.end_s is not None
    return 60 * float(bar.length / unit) / (bar.end_s - bar.start_s)


def _drift(logs: Sequence[float]) -> float:
    """In percent, from the first to the last along the line of least squares."""
    middle, mean = (len(logs) - 1) / 2, fmean(logs)
    slope = sum((at - middle) * (log - mean) for at, log in enumerate(logs)) / sum(
        (at - middle) ** 2 for at in range(len(logs))
    )
    return 100 * (math.exp(slope * (len(logs) - 1)) - 1)


def timing(part: Part) -> tuple[Timing, ...]:
    """Of all, then of each limb with at least four strokes that were surely heard."""
    off_ms: dict[str, list[float]] = defaultdict(list)
    for _, stroke in part.strokes():
        off = off_by_ms(stroke)
        if off is not None:
            off_ms["all"].append(off)
            off_ms[LIMB_OF[stroke.piece]].append(off)
    return tuple(
        _timing(who, off_ms[who]) for who in ("all", *LIMBS) if len(off_ms.get(who, ())) >= _FEW
    )


def off_by_ms(stroke: Stroke) -> float | None:
    """How late it was played; None for one that nobody played, or that may not be there."""
    if stroke.played_s is None or stroke.written_s is None or stroke.confidence < SURE:
        return None
    return (stroke.played_s - stroke.written_s) * 1000


def _timing(who: str, off_ms: Sequence[float]) -> Timing:
    low, _, high = quantiles(off_ms, n=4, method="inclusive")
    return Timing(
        who=who,
        strokes=len(off_ms),
        mean_ms=round(fmean(off_ms), 1) + 0.0,
        spread_ms=round(high - low, 1),
        early=sum(off < -TIGHT_MS for off in off_ms),
        late=sum(off > TIGHT_MS for off in off_ms),
    )


def swing(part: Part) -> Swing | None:
    """Median over the pairs of eighths on hat or ride that were surely heard, with nothing between
    them; where they are less than four, as it is written. None where neither tells."""
    ratios: list[float] = []
    for limb in ("hi-hat", "ride"):
        own = list(_own(part, limb))
        for on, off, then in zip(own, own[1:], own[2:], strict=False):
            ratio = _pair(on, off, then)
            if ratio is not None:
                ratios.append(ratio)
    if len(ratios) >= _FEW:
        return Swing(round(median(ratios), 2), len(ratios), measured=True)
    marks = Counter(part.swing_at(bar.number) for bar in part.bars if bar.strokes)
    written = marks.most_common(1)[0][0] if marks else None
    return Swing(round(written.ratio, 2), 0, measured=False) if written else None


@dataclass(frozen=True, slots=True)
class _Struck:
    place: Fraction
    """From the part's beginning."""
    phase: Fraction
    """After its beat."""
    meter: Meter
    played_s: float | None


def _own(part: Part, limb: str) -> Iterator[_Struck]:
    line = Fraction(0)
    for bar in part.bars:
        for stroke in bar.strokes:
            if LIMB_OF[stroke.piece] == limb:
                sure = stroke.confidence >= SURE
                phase = (stroke.at + bar.meter.length - bar.length) % bar.meter.beat_unit
                yield _Struck(line + stroke.at, phase, bar.meter, stroke.played_s if sure else None)
        line += bar.length


def _pair(on: _Struck, off: _Struck, then: _Struck) -> float | None:
    """The ratio of a beat's two halves, from a stroke on it, one on its second half, and one on the
    next beat."""
    beat = on.meter.beat_unit
    if on.played_s is None or off.played_s is None or then.played_s is None:
        return None
    # Where eighths are counted, what lies between them is no pair of eighths.
    if on.meter.is_compound or beat < Fraction(1, 4) or on.phase or then.place - on.place != beat:
        return None
    if off.place - on.place not in (beat / 2, beat * 2 / 3):
        return None
    first_s, second_s = off.played_s - on.played_s, then.played_s - off.played_s
    return first_s / second_s if min(first_s, second_s) > 0 else None
