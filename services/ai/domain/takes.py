"""A take beside what it should be: what was hit, missed, early, late, too loud, limb by limb.

The take is a score that was heard, with beats of its own; the target any score. The target is laid
over the take round after round, from whatever half beat and at full, half or double count fits
best, and each of its strokes looks for one of the take's, of the same limb, nearest in time: an
open hat is a hit where a closed one is written. A round counts where half of it or more was hit; of
the first and the last, bars that lie wholly before or after all that was played are not asked.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from random import Random
from statistics import fmean, median
from typing import Any, Final

from libs.common.drums import Articulation
from libs.common.part import Part, PartBar, Stroke
from services.ai.domain.facts.plain import plain
from services.ai.domain.facts.timing import LIMB_OF, LIMBS, SURE, TIGHT_MS

NEAR_S: Final = 0.1
"""A stroke farther off is another one."""
NEAR_SHARE: Final = 0.45
"""Of the time to the limb's next stroke: in fast runs they are nearer than that to each other."""
LOUDER: Final = 22
"""Of MIDI's 127, after both are brought to one level: less is within a limb's usual spread."""
A_ROUND: Final = 0.5
"""Of the target's strokes: less is somebody finding the beginning, or the way out."""
_SCALES: Final = (1.0, 0.5, 2.0)
_SAMPLE: Final = 200
"""So many strokes of the take are enough to find where the target may lie."""
_AS_GOOD: Final = 0.02
_TRIED: Final = 12
_WORST: Final = 10
MAX_STROKES: Final = 20_000


class CannotCompare(Exception):
    """There is nothing to lay side by side; `code` is stable."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(code, sentence)
        self.code = code
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class LimbResult:
    """One limb over all rounds; strokes are the target's. Milliseconds above 0 are late."""

    limb: str
    strokes: int
    hit: int
    missed: int
    extra: int
    """Strokes of the take that the target does not have."""
    early: int
    """Hit, and more than 10 ms before the beat asks for it."""
    late: int
    too_loud: int
    too_soft: int
    mean_ms: float | None
    spread_ms: float | None
    """Standard deviation."""


@dataclass(frozen=True, slots=True)
class BarResult:
    """One of the target's bars over all rounds; without strokes where it was never reached."""

    bar: int
    strokes: int
    hit: int
    mean_off_ms: float | None
    """Early or late alike."""


@dataclass(frozen=True, slots=True)
class StrokeResult:
    """One of the target's strokes over all rounds."""

    bar: int
    at: str
    limb: str
    rounds: int
    hit: int
    mean_ms: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """A take beside its target."""

    rounds: int
    """How often the target was played through."""
    from_s: float
    """Of the take."""
    to_s: float
    take_bpm: float
    target_bpm: float | None
    """Both in the target meter's beats a minute."""
    accuracy: float
    """F measure of strokes: 1 where all were hit and nothing was added."""
    strokes: int
    hit: int
    missed: int
    extra: int
    early: int
    late: int
    too_loud: int
    too_soft: int
    mean_off_ms: float | None
    limbs: tuple[LimbResult, ...]
    bars: tuple[BarResult, ...]
    hardest: tuple[StrokeResult, ...]
    """The ten that went worst: missed most often, then farthest off."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON's own types."""
        told: dict[str, Any] = plain(self)
        return told


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A stroke of the target; `place` is in whole notes from its beginning, where it sounds."""

    place: float
    limb: str
    bar: int
    begin: float
    end: float
    """Of its bar, in whole notes from the target's beginning."""
    gap: float
    """To the limb's nearest other stroke as written, in whole notes."""
    is_swung: bool
    stroke: Stroke


@dataclass(frozen=True, slots=True)
class _Played:
    """A stroke of the take; `place` is in its own whole notes."""

    place: float
    time_s: float
    limb: str
    velocity: int
    sure: bool
    """What was hardly heard may be what was asked for, and is never too much."""


@dataclass(frozen=True, slots=True)
class _Pair:
    wanted: _Wanted
    round: int
    played: _Played | None
    off_ms: float = 0.0
    louder: float = 0.0


class _Clock:
    """Seconds of places in the take, along its beats."""

    def __init__(self, take: Part) -> None:
        starts: dict[int, Fraction] = {}
        at = Fraction(0)
        bars = {bar.number: bar for bar in take.bars}
        for bar in take.bars:
            starts[bar.number] = at
            at += bar.length
        points: dict[float, float] = {}
        for bar in take.bars:
            if bar.start_s is not None and bar.end_s is not None:
                points[float(starts[bar.number])] = bar.start_s
                points[float(starts[bar.number] + bar.length)] = bar.end_s
        for beat in take.beats:
            bar_of = bars.get(beat.bar)
            if bar_of is not None:
                missing = bar_of.meter.length - bar_of.length
                offset = (beat.beat - 1) * bar_of.meter.beat_unit - missing
                points[float(starts[beat.bar] + offset)] = beat.time_s
        ordered = sorted(points.items())
        kept: list[tuple[float, float]] = []
        for point in ordered:
            if not kept or point[1] > kept[-1][1]:
                kept.append(point)
        if len(kept) < 2:
            raise CannotCompare("no-beats", "No beats are known of the take.")
        self.places = [place for place, _ in kept]
        self.times_s = [time_s for _, time_s in kept]

    def _between(self, points: Sequence[float], others: Sequence[float], at: float) -> float:
        index = max(0, min(bisect_right(points, at) - 1, len(points) - 2))
        part = (at - points[index]) / (points[index + 1] - points[index])
        return others[index] + part * (others[index + 1] - others[index])

    def time_s(self, place: float) -> float:
        return self._between(self.places, self.times_s, place)

    def place(self, time_s: float) -> float:
        return self._between(self.times_s, self.places, time_s)


def compare(target: Part, take: Part, bars: tuple[int, int] | None = None) -> Comparison:
    """`bars` are the target's that were practised. CannotCompare where either has nothing to lay
    side by side, or nothing of the take is like the target."""
    chosen = [bar for bar in target.bars if bars is None or bars[0] <= bar.number <= bars[1]]
    if not chosen or not any(bar.strokes for bar in chosen):
        raise CannotCompare("no-bars", "The target has no strokes in these bars.")
    clock = _Clock(take)
    played = [
        _Played(
            clock.place(s.played_s), s.played_s, LIMB_OF[s.piece], s.velocity, s.confidence >= SURE
        )
        for _, s in take.strokes()
        if s.played_s is not None
    ]
    if not played:
        raise CannotCompare("not-played", "Nobody played the take: it was written, not heard.")
    wanted = list(_wanted(target, chosen))
    if max(len(wanted), len(played)) > MAX_STROKES:
        raise CannotCompare("too-long", f"At most {MAX_STROKES} strokes are compared.")
    played.sort(key=lambda one: one.time_s)
    length = float(sum((bar.length for bar in chosen), Fraction(0)))
    fit, rounds = _best(wanted, played, length, float(chosen[0].meter.beat_unit), clock)
    if not rounds:
        raise CannotCompare("unlike", "Nothing in the take is like the target.")
    return _summed(target, chosen, wanted, rounds, played, fit, clock)


@dataclass(frozen=True, slots=True)
class _Fit:
    """Where the target lies over the take."""

    length: float
    """Of one round, in the target's whole notes."""
    scale: float
    """Whole notes of the take for one of the target's."""
    offset: float
    """The take's place at which some round begins."""

    @property
    def size(self) -> float:
        return self.length * self.scale

    def begin(self, number: int) -> float:
        """Of a round, as a place of the take."""
        return self.offset + number * self.size

    def number(self, place: float) -> int:
        """The round that has a place of the take. What comes a little before its line, early, is
        its own."""
        return math.floor((place - self.offset) / self.size + 0.02 / self.length)


def _wanted(target: Part, chosen: Sequence[PartBar]) -> Iterable[_Wanted]:
    found: list[tuple[Fraction, _Wanted]] = []
    line = Fraction(0)
    for bar in chosen:
        swing = target.swing_at(bar.number)
        missing = bar.meter.length - bar.length
        for stroke in bar.strokes:
            at = stroke.at + missing
            is_swung = swing is not None and at % (2 * swing.unit) == swing.unit
            sounds = float(at)
            if swing and is_swung:
                pair = 2 * float(swing.unit)
                sounds = float(at - swing.unit) + pair * swing.ratio / (swing.ratio + 1)
            place = float(line - missing) + sounds
            own = _Wanted(
                place, LIMB_OF[stroke.piece], bar.number, float(line), float(line + bar.length),
                0.0, is_swung, stroke,
            )  # fmt: skip
            found.append((line + stroke.at, own))
        line += bar.length
    places: dict[str, list[Fraction]] = defaultdict(list)
    for at, one in found:
        if not places[one.limb] or places[one.limb][-1] != at:
            places[one.limb].append(at)
    for at, one in found:
        own_places = places[one.limb]
        index = bisect_left(own_places, at)
        before = own_places[index - 1] - (line if index == 0 else 0)
        after = own_places[index + 1] if index + 1 < len(own_places) else own_places[0] + line
        yield replace(one, gap=float(min(at - before, after - at)))


# Where the target lies over the take


def _best(
    wanted: Sequence[_Wanted],
    played: Sequence[_Played],
    length: float,
    unit: float,
    clock: _Clock,
) -> tuple[_Fit, list[list[_Pair]]]:
    """Of the places at which a round may begin, those where a sample of the take lies well on the
    target are tried stroke by stroke, and that with the most hits wins; of equals, the one that
    begins soonest after the take does."""
    by_limb: dict[str, list[float]] = defaultdict(list)
    for one in wanted:
        by_limb[one.limb].append(one.place)
    for places in by_limb.values():
        places.sort()
    sample = list(played)
    if len(sample) > _SAMPLE:
        # By chance, but the same every time: every nth stroke could always be the kick.
        sample = Random(len(sample)).sample(sample, _SAMPLE)
    per_second = _places_per_second(clock)
    scored = []
    for rank, scale in enumerate(_SCALES):
        near = NEAR_S * per_second / scale
        step = unit * min(1.0, scale) / 2
        for nth in range(max(1, round(length * scale / step))):
            fit = _Fit(length, scale, nth * step)
            score = _score(by_limb, sample, scale, fit.offset, length, near) / len(sample)
            covered = (played[-1].place - played[0].place) / fit.size + 1
            score = 2 * score * len(played) / (len(played) + covered * len(wanted))
            soon = (fit.offset - played[0].place + 0.06 * scale) % fit.size
            scored.append((score, rank, soon, fit))
    most = max(score for score, *_ in scored)
    good = sorted(one[1:] for one in scored if one[0] >= most * (1 - _AS_GOOD))[:_TRIED]
    # A sample may be mistaken: what it likes best is tried as well.
    good += [one[1:] for one in sorted(scored, reverse=True)[:_TRIED]]
    best: tuple[float, _Fit, list[list[_Pair]]] | None = None
    for _, _, fit in good:
        rounds = _rounds(wanted, played, fit, clock)
        hits = sum(pair.played is not None for pairs in rounds for pair in pairs)
        measure = 2 * hits / (sum(map(len, rounds)) + len(played))
        # Half and double count must be better, not as good; so must what begins later.
        if best is None or measure > best[0] + 1e-9:
            best = (measure, fit, rounds)
    assert best is not None
    return best[1], best[2]


def _places_per_second(clock: _Clock) -> float:
    return (clock.places[-1] - clock.places[0]) / (clock.times_s[-1] - clock.times_s[0])


def _score(
    by_limb: Mapping[str, Sequence[float]],
    played: Sequence[_Played],
    scale: float,
    offset: float,
    length: float,
    near: float,
) -> float:
    """How well the strokes lie on the target's, each 1 at most, less for being off."""
    total = 0.0
    for one in played:
        places = by_limb.get(one.limb)
        if not places:
            continue
        at = ((one.place - offset) / scale) % length
        index = bisect_left(places, at)
        around = (places[index % len(places)], places[index - 1])
        off = min(min(abs(at - p), length - abs(at - p)) for p in around)
        if off < near:
            total += 1 - off / near
    return total


# Stroke by stroke


def _rounds(
    wanted: Sequence[_Wanted], played: Sequence[_Played], fit: _Fit, clock: _Clock
) -> list[list[_Pair]]:
    """Those in which half of the target's strokes or more were hit."""
    by_limb: dict[str, list[_Played]] = defaultdict(list)
    for stroke in played:
        by_limb[stroke.limb].append(stroke)
    free = {limb: [True] * len(own) for limb, own in by_limb.items()}
    first_s, last_s = played[0].time_s, played[-1].time_s
    found = []
    for number in range(fit.number(played[0].place), fit.number(played[-1].place) + 1):
        begin = fit.begin(number)
        begin_s = clock.time_s(begin)
        seconds = (clock.time_s(begin + fit.size) - begin_s) / fit.length
        pairs = []
        for one in wanted:
            near_s = NEAR_SHARE * one.gap * seconds if one.gap else NEAR_S
            if not one.is_swung:
                near_s = min(NEAR_S, near_s)
            time_s = clock.time_s(begin + one.place * fit.scale)
            pairs.append(_match(one, number, time_s, near_s, by_limb, free))
        if sum(pair.played is not None for pair in pairs) >= A_ROUND * len(pairs):
            found.append(
                [
                    pair
                    for pair in pairs
                    if pair.played is not None
                    or (
                        clock.time_s(begin + pair.wanted.end * fit.scale) > first_s + NEAR_S
                        and clock.time_s(begin + pair.wanted.begin * fit.scale) < last_s + NEAR_S
                    )
                ]
            )
    return found


def _match(
    one: _Wanted,
    number: int,
    time_s: float,
    near_s: float,
    by_limb: Mapping[str, Sequence[_Played]],
    free: Mapping[str, list[bool]],
) -> _Pair:
    own = by_limb.get(one.limb, ())
    index = bisect_left(own, time_s - near_s, key=lambda played: played.time_s)
    best: int | None = None
    while index < len(own) and own[index].time_s <= time_s + near_s:
        if free[one.limb][index] and (
            best is None or abs(own[index].time_s - time_s) < abs(own[best].time_s - time_s)
        ):
            best = index
        index += 1
    if best is None:
        return _Pair(one, number, None)
    free[one.limb][best] = False
    return _Pair(one, number, own[best], (own[best].time_s - time_s) * 1000)


def _summed(
    target: Part,
    chosen: Sequence[PartBar],
    wanted: Sequence[_Wanted],
    rounds: Sequence[Sequence[_Pair]],
    played: Sequence[_Played],
    fit: _Fit,
    clock: _Clock,
) -> Comparison:
    pairs = _levelled([pair for found in rounds for pair in found])
    numbers = sorted({found[0].round for found in rounds})
    inside = [one for one in played if fit.number(one.place) in numbers]
    hits = [pair for pair in pairs if pair.played is not None]
    limbs = tuple(_limb(name, pairs, inside) for name in LIMBS
                  if any(pair.wanted.limb == name for pair in pairs)
                  or any(one.limb == name for one in inside))  # fmt: skip
    extra = sum(limb.extra for limb in limbs)
    begins = [fit.begin(number) for number in numbers]
    seconds = [clock.time_s(begin + fit.size) - clock.time_s(begin) for begin in begins]
    # From the first bar that was asked to the end of the last.
    from_ = min(pair.wanted.begin for pair in rounds[0])
    to = max(pair.wanted.end for pair in rounds[-1])
    unit = chosen[0].meter.beat_unit
    quarters = target.quarters_per_minute(chosen[0].number)
    return Comparison(
        rounds=len(rounds),
        from_s=round(clock.time_s(begins[0] + from_ * fit.scale), 3),
        to_s=round(clock.time_s(begins[-1] + to * fit.scale), 3),
        take_bpm=round(60 * fit.length / float(unit) / median(seconds), 1),
        target_bpm=round(quarters / float(unit * 4), 1) if quarters else None,
        accuracy=round(2 * len(hits) / (len(pairs) + len(hits) + extra), 3),
        strokes=len(pairs),
        hit=len(hits),
        missed=len(pairs) - len(hits),
        extra=extra,
        early=sum(limb.early for limb in limbs),
        late=sum(limb.late for limb in limbs),
        too_loud=sum(limb.too_loud for limb in limbs),
        too_soft=sum(limb.too_soft for limb in limbs),
        mean_off_ms=round(fmean(abs(pair.off_ms) for pair in hits), 1) if hits else None,
        limbs=limbs,
        bars=tuple(_bar(bar.number, pairs) for bar in chosen if bar.strokes),
        hardest=tuple(_hardest(wanted, pairs)),
    )


def _levelled(pairs: Sequence[_Pair]) -> list[_Pair]:
    """How much louder each was played than written, beside how the whole take was recorded."""
    louder = [
        pair.played.velocity - pair.wanted.stroke.velocity
        for pair in pairs
        if pair.played is not None and Articulation.GHOST not in pair.wanted.stroke.marks
    ]
    level = median(louder) if louder else 0
    return [
        replace(pair, louder=pair.played.velocity - pair.wanted.stroke.velocity - level)
        if pair.played is not None
        else pair
        for pair in pairs
    ]


def _limb(name: str, pairs: Sequence[_Pair], inside: Sequence[_Played]) -> LimbResult:
    own = [pair for pair in pairs if pair.wanted.limb == name]
    hits = [pair for pair in own if pair.played is not None]
    offs = [pair.off_ms for pair in hits]
    mean = fmean(offs) if offs else None
    matched = {id(pair.played) for pair in hits}
    return LimbResult(
        limb=name,
        strokes=len(own),
        hit=len(hits),
        missed=len(own) - len(hits),
        extra=sum(one.limb == name and one.sure and id(one) not in matched for one in inside),
        early=sum(off < -TIGHT_MS for off in offs),
        late=sum(off > TIGHT_MS for off in offs),
        too_loud=sum(pair.louder > LOUDER for pair in hits),
        too_soft=sum(pair.louder < -LOUDER for pair in hits),
        mean_ms=round(mean, 1) + 0.0 if mean is not None else None,
        spread_ms=round(math.sqrt(fmean((off - mean) ** 2 for off in offs)), 1)
        if mean is not None
        else None,
    )


def _bar(number: int, pairs: Sequence[_Pair]) -> BarResult:
    own = [pair for pair in pairs if pair.wanted.bar == number]
    offs = [abs(pair.off_ms) for pair in own if pair.played is not None]
    return BarResult(number, len(own), len(offs), round(fmean(offs), 1) if offs else None)


def _hardest(wanted: Sequence[_Wanted], pairs: Sequence[_Pair]) -> Iterable[StrokeResult]:
    by_stroke: dict[int, list[_Pair]] = defaultdict(list)
    for pair in pairs:
        by_stroke[id(pair.wanted)].append(pair)
    results = []
    for one in wanted:
        own = by_stroke[id(one)]
        offs = [pair.off_ms for pair in own if pair.played is not None]
        mean = round(fmean(offs), 1) + 0.0 if offs else None
        results.append(
            StrokeResult(one.bar, str(one.stroke.at), one.limb, len(own), len(offs), mean)
        )
    results.sort(key=lambda one: (one.hit - one.rounds, -abs(one.mean_ms or 0.0)))
    return [
        one
        for one in results[:_WORST]
        if one.hit < one.rounds or (one.mean_ms is not None and abs(one.mean_ms) > TIGHT_MS)
    ]
