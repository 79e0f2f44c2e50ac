"""From seconds to bars: hits and beats become a score of exact fractions.

1. The pulse: the beats that were heard, doubled or halved where a tempo is asked for; without
   beats, an even grid at the tempo asked for, or at one guessed from the gaps between hits.
2. Each hit gets a place on the pulse (piecewise linear between beats).
3. Each beat gets a grid: its cost is misfit plus what a reader pays for the places used, and
   Viterbi chains the beats, so that one stray ghost turns no 16ths into triplets.
4. Two hits of one piece in one place are a flam if 15 to 80 ms apart; otherwise the louder stays
   and the other is listed as dropped.

Linear in hits and beats. No arrays library: the notation service stays small.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from statistics import median
from typing import Final, Literal

from libs.common.drums import DrumPiece, Hit
from libs.common.performance import Performance
from services.notation.domain import engrave, kit
from services.notation.domain.score import (
    MAX_BARS,
    MAX_BPM,
    MAX_DURATION_S,
    MAX_EVENTS,
    MIN_BPM,
    TITLE_LENGTH,
    Articulation,
    Bar,
    Dropped,
    Grace,
    Meter,
    MeterMark,
    Note,
    PerformanceLayer,
    PlayedEvent,
    Score,
    ScoreDocument,
    ScoreError,
    Swing,
    TempoMark,
    Timeline,
    TimelineBeat,
    read_id,
    read_text,
)

GridChoice = Literal["auto", "straight", "triplet"]

FLAM_S: Final = (0.015, 0.080)
# So close together, strokes are graces on any grid; up to 80 ms only if the grid has no room.
GRACE_S: Final = 0.045
MAX_BEATS: Final = 300_000
# Beats nearer than this are one beat heard twice.
MIN_BEAT_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Options:
    """What the user knows better than the ear."""

    title: str = ""
    tempo_bpm: float | None = None
    """Beats a minute, 20 to 400; the beat is the meter's (a dotted quarter in 6/8)."""
    time_signature: str | None = None
    grid: GridChoice = "auto"
    kit: str = kit.STANDARD.id


def quantise(performance: Performance, options: Options | None = None) -> ScoreDocument:
    """Write a performance down; ScoreError for hostile input, or none at all ("no-hits")."""
    options = options or Options()
    meter = _check_options(options)
    hits = _check_hits(performance)
    pulse = _find_pulse(performance, hits, options.tempo_bpm, meter)
    grids, slots = _place(hits, pulse, options.grid)
    groups, dropped = _group(hits, slots)
    layout = _lay_bars(pulse, slots)
    marks = _Loudness.of(hits)
    by_bar: dict[int, list[engrave.Placed]] = defaultdict(list)
    for (place, _), strokes in groups.items():
        number, start = layout.locate(place)
        by_bar[number].append((start, _note(strokes, marks)))
    bars = tuple(
        engrave.write_bar(number, meter_, by_bar.get(number, ()), length)
        for number, meter_, length in layout.bars
    )
    return ScoreDocument(
        performance=PerformanceLayer(
            duration_s=float(max(performance.duration_s, hits[-1].onset_s)),
            events=tuple(
                PlayedEvent(h.id, h.piece, h.onset_s, h.velocity, h.confidence) for h in hits
            ),
            dropped=tuple(dropped),
            model_version=performance.model_version,
        ),
        timeline=_timeline(layout, bars, _swing(hits, pulse, grids, slots)),
        score=Score(title=options.title, kit=options.kit, bars=bars),
    )


# Input


def _check_options(options: Options) -> Meter | None:
    tempo = options.tempo_bpm
    if tempo is not None and not (math.isfinite(tempo) and MIN_BPM <= tempo <= MAX_BPM):
        raise ScoreError("tempo", f"must be {MIN_BPM:g} to {MAX_BPM:g} beats a minute")
    if options.grid not in ("auto", "straight", "triplet"):
        raise ScoreError("grid", "must be auto, straight or triplet")
    read_text(options.title, "title", TITLE_LENGTH)
    kit.kit_called(options.kit)
    return None if options.time_signature is None else Meter.parse(options.time_signature)


def _check_hits(performance: Performance) -> list[Hit]:
    """In order of time, each with an id; ScoreError for what is no hit."""
    if not performance.hits:
        raise ScoreError("no-hits", "nothing was heard, so there is nothing to write")
    if len(performance.hits) > MAX_EVENTS:
        raise ScoreError("hits", f"more than {MAX_EVENTS} hits")
    if not 0 <= performance.duration_s <= MAX_DURATION_S:
        raise ScoreError("duration_s", f"must be 0 to {MAX_DURATION_S:g} seconds")
    taken: set[str] = set()
    for index, hit in enumerate(performance.hits):
        path = f"hits[{index}]"
        if not 0 <= hit.onset_s <= MAX_DURATION_S:
            raise ScoreError(f"{path}.onset_s", f"must be 0 to {MAX_DURATION_S:g} seconds")
        if not isinstance(hit.velocity, int) or not 1 <= hit.velocity <= 127:
            raise ScoreError(f"{path}.velocity", "must be 1 to 127")
        if not 0 <= hit.confidence <= 1:
            raise ScoreError(f"{path}.confidence", "must be 0 to 1")
        if hit.id:
            read_id(hit.id, f"{path}.id")
            if hit.id in taken:
                raise ScoreError(f"{path}.id", f"{hit.id} is there twice")
            taken.add(hit.id)
    return sorted(_named(performance.hits, taken), key=lambda hit: hit.onset_s)


def _named(hits: Sequence[Hit], taken: set[str]) -> Iterable[Hit]:
    """Hits without an id are called by their place, `ev-000001` the first."""
    for number, hit in enumerate(hits, start=1):
        if hit.id:
            yield hit
            continue
        name = f"ev-{number:06d}"
        while name in taken:
            name += "b"
        taken.add(name)
        yield replace(hit, id=name)


# The pulse


@dataclass(frozen=True, slots=True)
class _Pulse:
    """Beats in seconds; beat 0 is the first of the list, earlier ones are negative."""

    times_s: Sequence[float]
    downbeats: Sequence[int]
    """Indices of beats that begin a bar, growing, at least one."""
    unit: Fraction
    """The beat's length in whole notes."""
    meter: Meter

    def period_s(self, beat: int) -> float:
        """From this beat to the next; at the ends, the mean of the nearest few goes on."""
        if 0 <= beat < len(self.times_s) - 1:
            return self.times_s[beat + 1] - self.times_s[beat]
        edge = self.times_s[:5] if beat < 0 else self.times_s[-5:]
        return (edge[-1] - edge[0]) / (len(edge) - 1)

    def time_s(self, beat: int) -> float:
        """Of any beat, also before the first and after the last."""
        last = len(self.times_s) - 1
        if beat < 0:
            return self.times_s[0] + beat * self.period_s(-1)
        if beat > last:
            return self.times_s[last] + (beat - last) * self.period_s(last)
        return self.times_s[beat]

    def locate(self, time_s: float) -> tuple[int, float]:
        """The beat that this moment falls in, and how far into it, 0 to 1."""
        last = len(self.times_s) - 1
        if time_s < self.times_s[0]:
            place = (time_s - self.times_s[0]) / self.period_s(-1)
        elif time_s >= self.times_s[last]:
            place = last + (time_s - self.times_s[last]) / self.period_s(last)
        else:
            beat = bisect_right(self.times_s, time_s) - 1
            return beat, (time_s - self.times_s[beat]) / self.period_s(beat)
        return math.floor(place), place - math.floor(place)


def _find_pulse(
    performance: Performance, hits: Sequence[Hit], tempo_bpm: float | None, meter: Meter | None
) -> _Pulse:
    beats: list[tuple[float, int]] = []
    for index, beat in enumerate(performance.beats):
        if not -60 <= beat.time_s <= MAX_DURATION_S + 60:
            raise ScoreError(f"beats[{index}].time_s", "is not a moment of the recording")
        beats.append((beat.time_s, beat.position))
    beats.sort()
    beats = [
        beat
        for index, beat in enumerate(beats)
        if not index or beat[0] - beats[index - 1][0] > MIN_BEAT_S
    ]
    if len(beats) < 2:
        return _even_pulse(hits, tempo_bpm, meter or Meter(4, 4))
    times_s = [time_s for time_s, _ in beats]
    downbeats = [index for index, (_, position) in enumerate(beats) if position == 1]
    counted = _beats_a_bar(downbeats)
    heard_bpm = 60 / median(b - a for a, b in pairwise(times_s))
    if tempo_bpm is not None:
        ratio = tempo_bpm / heard_bpm
        close = [factor for factor in (1.0, 2.0, 0.5) if abs(ratio / factor - 1) < 0.08]
        if not close:
            return _even_pulse(hits, tempo_bpm, meter or _guess_meter(counted, tempo_bpm))
        if close[0] != 1:
            times_s, downbeats = _regroup(times_s, downbeats, counted, double=close[0] == 2)
            heard_bpm *= close[0]
    if meter is None:
        meter = _guess_meter(counted, heard_bpm)
        if performance.meter is not None and tempo_bpm is None:
            heard = Meter.parse(performance.meter)
            # Dotted quarters are told from quarters by the ear alone.
            meter = heard if heard.is_compound and heard.numerator == 3 * counted else meter
        return _Pulse(times_s, downbeats or [0], _unit(meter, counted, heard_bpm), meter)
    unit = _unit(meter, counted, heard_bpm)
    every = int(meter.length / unit)
    if counted != every or not downbeats:
        votes = Counter(index % every for index in downbeats)
        phase = min(votes, key=lambda p: (-votes[p], p)) if votes else 0
        downbeats = list(range(phase, len(times_s), every)) or [0]
    return _Pulse(times_s, downbeats, unit, meter)


def _beats_a_bar(downbeats: Sequence[int]) -> int:
    """The most usual count between downbeats; 4 where there are too few to tell."""
    gaps = Counter(b - a for a, b in pairwise(downbeats))
    return min(gaps, key=lambda gap: (-gaps[gap], gap)) if gaps else 4


def _guess_meter(counted: int, bpm: float) -> Meter:
    """Beats are quarters, except quick ones in counts that are usual for eighths."""
    counted = min(counted, 32)
    eighths = counted in (5, 6, 7, 9, 11, 12) and bpm >= 180
    return Meter(counted, 8 if eighths else 4)


def _unit(meter: Meter, counted: int, bpm: float) -> Fraction:
    """What one heard beat is in this meter, in whole notes."""
    unit = Fraction(1, meter.denominator)
    if meter.is_compound:
        return unit if counted == meter.numerator or bpm > 180 else 3 * unit
    if meter.denominator <= 2 and counted == 2 * meter.numerator:
        return unit / 2
    return unit


def _regroup(
    times_s: list[float], downbeats: list[int], counted: int, *, double: bool
) -> tuple[list[float], list[int]]:
    """Twice or half as many beats, in bars of as many beats as before."""
    first = downbeats[0] if downbeats else 0
    if double:
        middles = [(a + b) / 2 for a, b in pairwise(times_s)]
        times_s = sorted([*times_s, *middles])
        first *= 2
    else:
        times_s = times_s[first % 2 :: 2]
        first //= 2
    return times_s, list(range(first % counted, len(times_s), counted)) or [0]


# An even pulse, where no beats were heard. How likely a piece starts a bar, or falls on a beat.

_BINS = 24  # to the beat: divisible by 2, 3, 4, 6, 8
_ON_DOWNBEAT: Final[Mapping[DrumPiece, float]] = {
    DrumPiece.KICK: 2.0,
    DrumPiece.CRASH: 3.0,
    DrumPiece.CRASH_2: 2.0,
    DrumPiece.SNARE: -1.0,
}
_ON_BACKBEAT: Final[Mapping[DrumPiece, float]] = {
    DrumPiece.SNARE: 3.0,
    DrumPiece.HAT_PEDAL: 1.0,
    DrumPiece.KICK: -1.0,
}


def _even_pulse(hits: Sequence[Hit], tempo_bpm: float | None, meter: Meter) -> _Pulse:
    """A constant grid; its phase puts kicks on downbeats, snares on backbeats, most on beats."""
    period_s = 60 / tempo_bpm if tempo_bpm else _guess_period_s(hits)
    every = int(meter.length / meter.beat_unit)
    _, start_s = _best_phase(hits, period_s, every)
    if not tempo_bpm:
        # Gaps alone tell a tempo from its double badly; where kicks and snares fall tells more.
        likely = {
            factor * period_s: _best_phase(hits, factor * period_s, every)
            for factor in (1.0, 2.0, 0.5)
            if 0.29 <= factor * period_s <= 1.05
        }
        period_s = max(likely, key=lambda p: likely[p][0] * _usual(60 / p), default=period_s)
        start_s = likely[period_s][1] if period_s in likely else start_s
        start_s, period_s = _refine(hits, start_s, period_s)
    last_s = max(hits[-1].onset_s, start_s + period_s)
    count = math.ceil((last_s - start_s) / period_s) + 2
    if count > MAX_BEATS:
        raise ScoreError("tempo", f"would take more than {MAX_BEATS} beats")
    times_s = [start_s + index * period_s for index in range(count)]
    return _Pulse(times_s, list(range(0, count, every)), meter.beat_unit, meter)


def _guess_period_s(hits: Sequence[Hit]) -> float:
    """The beat that explains most gaps between a hit and the next few, nearest to 110 bpm.

    Each tempo from 60 to 200 is scored by how many gaps are 1/4, 1/3, 1/2 .. 4 of its beats,
    with a bell over log tempo as the prior; 0.5 s where there are too few gaps.
    """
    onsets_s = [hits[0].onset_s]
    onsets_s += [h.onset_s for i, h in enumerate(hits[1:]) if h.onset_s - hits[i].onset_s > 0.03]
    gaps = Counter(
        round((later - now) * 200)
        for index, now in enumerate(onsets_s)
        for later in onsets_s[index + 1 : index + 9]
        if later - now < 2.5
    )
    if not gaps:
        return 0.5
    multiples = {0.25: 0.5, 1 / 3: 0.4, 0.5: 0.8, 2 / 3: 0.3, 0.75: 0.3, 1: 1.5, 2: 1.0, 4: 0.8}

    def explained(bpm: float) -> float:
        period_s = 60 / bpm
        total = 0.0
        for gap, times in gaps.items():
            beats = gap / 200 / period_s
            total += times * max(
                weight * math.exp(-(((beats - multiple) * period_s / 0.012) ** 2) / 2)
                for multiple, weight in multiples.items()
            )
        return total * _usual(bpm)

    return 60 / max((60 + step / 2 for step in range(281)), key=explained)


def _usual(bpm: float) -> float:
    """How usual a tempo is, 0 to 1: a bell over its logarithm, round 110."""
    return math.exp(-((math.log2(bpm / 110) / 0.8) ** 2) / 2)


def _best_phase(hits: Sequence[Hit], period_s: float, every: int) -> tuple[float, float]:
    """How well the hits fit a bar at its best phase, per hit; and the moment of the first
    downbeat at or before about the first hit."""
    size = every * _BINS
    first_s = hits[0].onset_s
    # Only the start decides: an even grid of a guessed tempo drifts from a played one.
    near = [hit for hit in hits if hit.onset_s - first_s <= 32 * period_s]
    places = Counter(
        (round((hit.onset_s - first_s) / period_s * _BINS) % size, hit.piece) for hit in near
    )

    def fits(offset: int) -> float:
        total = 0.0
        for (place, piece), times in places.items():
            bin_ = (place - offset) % size
            total += times * _likely(bin_, piece, every)
        return total + 0.01 * (offset == 0)

    # A few hits show no bar: it begins with the first.
    offset = max(range(size), key=fits) if len(near) >= 4 else 0
    start_s = first_s + offset / _BINS * period_s
    residuals = []
    for hit in near:
        beats = (hit.onset_s - start_s) / period_s * 2
        if abs(beats - round(beats)) < 0.15:
            residuals.append((beats - round(beats)) / 2 * period_s)
    start_s += sum(residuals) / len(residuals) if residuals else 0.0
    if start_s - first_s > 0.5 * period_s:
        start_s -= every * period_s
    return fits(offset) / len(near), start_s


def _likely(bin_: int, piece: DrumPiece, every: int) -> float:
    near = (bin_ + 1) % (every * _BINS)
    if near % _BINS <= 2:  # within a bin of a beat
        beat = near // _BINS
        if beat == 0:
            return 1.0 + _ON_DOWNBEAT.get(piece, 0.3)
        if beat % 2:
            return 1.0 + _ON_BACKBEAT.get(piece, 0.0)
        return 1.0 + 0.4 * _ON_DOWNBEAT.get(piece, 0.0)
    return 0.5 if (near - _BINS // 2) % _BINS <= 2 else 0.0


def _refine(hits: Sequence[Hit], start_s: float, period_s: float) -> tuple[float, float]:
    """Follow the hits near the beats and halves, then lay one straight line through them."""
    phase_s, local_s = start_s, period_s
    points: list[tuple[int, float]] = []
    index = 0
    for hit in hits:
        steps = round((hit.onset_s - phase_s) / local_s * 2)
        error_s = hit.onset_s - (phase_s + steps / 2 * local_s)
        if abs(error_s) > 0.1 * local_s:
            continue
        index += steps
        points.append((index, hit.onset_s))
        phase_s += steps / 2 * local_s + 0.3 * error_s
        if steps:
            local_s += max(-0.02, min(0.02, 0.1 * error_s / steps))
    if len({place for place, _ in points}) < 3:
        return start_s, period_s
    mean_i = sum(i for i, _ in points) / len(points)
    mean_t = sum(t for _, t in points) / len(points)
    spread = sum((i - mean_i) ** 2 for i, _ in points)
    half_s = sum((i - mean_i) * (t - mean_t) for i, t in points) / spread
    if abs(2 * half_s / period_s - 1) > 0.05:
        return start_s, period_s
    return mean_t - mean_i * half_s, 2 * half_s


# The grid of each beat


@dataclass(frozen=True, slots=True)
class _Grid:
    """So many slots to the beat; `family` is what neighbours should share."""

    slots: int
    family: str
    cost: float


# Costs are in units of -log likelihood: what a hit must gain in fit before a reader pays for it.
_SIMPLE: Final = (
    _Grid(1, "straight", 0.0),
    _Grid(2, "straight", 0.1),
    _Grid(4, "straight", 0.3),
    _Grid(8, "straight", 2.0),
    _Grid(1, "triplet", 0.0),
    _Grid(3, "triplet", 0.5),
    _Grid(6, "triplet", 2.0),
)
_SIMPLE_PLACE: Final = {1: 0.0, 2: 0.3, 4: 0.8, 8: 2.5, 3: 0.8, 6: 2.2}
_DOTTED: Final = (
    _Grid(1, "straight", 0.0),
    _Grid(3, "straight", 0.1),
    _Grid(6, "straight", 0.3),
    _Grid(12, "straight", 2.0),
    _Grid(2, "triplet", 1.5),
    _Grid(4, "triplet", 2.5),
)
_DOTTED_PLACE: Final = {1: 0.0, 3: 0.3, 6: 0.8, 12: 2.5, 2: 0.8, 4: 2.0}
_CHANGE_FAMILY: Final = 2.0
_CHANGE_SLOTS: Final = 0.1
_LOST_HIT: Final = 4.0
_WORST_MISFIT: Final = 8.0


def _place(
    hits: Sequence[Hit], pulse: _Pulse, choice: GridChoice
) -> tuple[dict[int, _Grid], list[Fraction]]:
    """The grid of each beat that has hits, and each hit's place in beats from beat 0."""
    by_beat: dict[int, list[tuple[float, Hit]]] = defaultdict(list)
    where = []
    mains = _mains(hits)
    for index, hit in enumerate(hits):
        # A grace stands where its note does, and has no say in the grid.
        beat, phase = pulse.locate(hits[mains.get(index, index)].onset_s)
        where.append((beat, phase))
        if index not in mains:
            by_beat[beat].append((phase, hit))
    dotted = pulse.unit.numerator == 3
    # Nothing finer than 32nds, whatever the beat is.
    grids = [
        grid
        for grid in (_DOTTED if dotted else _SIMPLE)
        if (pulse.unit / grid.slots).denominator <= 48 and choice in ("auto", grid.family)
    ]
    prices = _DOTTED_PLACE if dotted else _SIMPLE_PLACE
    chosen = _viterbi(
        sorted(by_beat),
        grids,
        lambda beat, grid: _cost(by_beat[beat], grid, pulse.period_s(beat), prices),
    )
    slots = [
        beat + Fraction(round(phase * chosen[beat].slots), chosen[beat].slots)
        for beat, phase in where
    ]
    return chosen, slots


def _mains(hits: Sequence[Hit]) -> dict[int, int]:
    """For each hit that is a grace on any grid the note that it leads to, both as indices."""
    mains: dict[int, int] = {}
    runs: dict[DrumPiece, list[int]] = {}
    for index, hit in enumerate([*hits, *(Hit(math.inf, piece) for piece in DrumPiece)]):
        run = runs.setdefault(hit.piece, [])
        if run and FLAM_S[0] <= hit.onset_s - hits[run[-1]].onset_s <= GRACE_S:
            run.append(index)
            continue
        # Longer runs are rolls, which have a rhythm of their own.
        if 2 <= len(run) <= 3:
            mains |= dict.fromkeys(run[:-1], run[-1])
        runs[hit.piece] = [index]
    return mains


def _cost(
    inside: Sequence[tuple[float, Hit]], grid: _Grid, period_s: float, prices: Mapping[int, float]
) -> float:
    """Of writing these hits on this grid: misfit, the places used, and hits that collide."""
    sigma_s = 0.012 + 0.008 * period_s  # players and ears are looser at slow tempos
    total = grid.cost
    last: dict[tuple[int, DrumPiece], Hit] = {}
    for phase, hit in inside:
        slot = round(phase * grid.slots)
        misfit = (phase - slot / grid.slots) * period_s / sigma_s
        price = prices.get(grid.slots // math.gcd(slot, grid.slots), 3.0)
        certainty = 0.3 + 0.7 * hit.confidence
        total += certainty * (min(misfit * misfit / 2, _WORST_MISFIT) + price)
        before = last.get((slot, hit.piece))
        if before:
            total += 0.3 if _is_flam(before, hit) else _LOST_HIT * certainty
        last[slot, hit.piece] = hit
    return total


def _viterbi(
    beats: Sequence[int], grids: Sequence[_Grid], cost: Callable[[int, _Grid], float]
) -> dict[int, _Grid]:
    """The cheapest grid for each beat; the pull of neighbours fades over silent beats."""
    totals = [cost(beats[0], grid) for grid in grids]
    back: list[list[int]] = []
    for before, beat in pairwise(beats):
        pull = 1 / (beat - before)
        change = [
            [
                pull
                * (
                    _CHANGE_FAMILY
                    if old.family != new.family
                    else _CHANGE_SLOTS * (old.slots != new.slots)
                )
                for old in grids
            ]
            for new in grids
        ]
        best = []
        sums = []
        for new, grid in enumerate(grids):
            old = min(range(len(grids)), key=lambda o, row=change[new]: totals[o] + row[o])  # type: ignore[misc]
            best.append(old)
            sums.append(totals[old] + change[new][old] + cost(beat, grid))
        back.append(best)
        totals = sums
    state = min(range(len(grids)), key=totals.__getitem__)
    chosen = {beats[-1]: grids[state]}
    for beat, best in zip(reversed(beats[:-1]), reversed(back), strict=True):
        state = best[state]
        chosen[beat] = grids[state]
    return chosen


# Strokes that share a place


def _is_flam(first: Hit, second: Hit) -> bool:
    return FLAM_S[0] <= abs(second.onset_s - first.onset_s) <= FLAM_S[1]


def _group(
    hits: Sequence[Hit], slots: Sequence[Fraction]
) -> tuple[dict[tuple[Fraction, DrumPiece], list[Hit]], list[Dropped]]:
    """Per place and piece the stroke, preceded by at most two graces; and what found no room."""
    groups: dict[tuple[Fraction, DrumPiece], list[Hit]] = {}
    dropped = []
    for hit, slot in zip(hits, slots, strict=True):
        strokes = groups.setdefault((slot, hit.piece), [])
        if not strokes or (len(strokes) < 3 and _is_flam(strokes[-1], hit)):
            strokes.append(hit)
            continue
        kept, lost = strokes[-1], hit
        if lost.velocity > kept.velocity:
            kept, lost = lost, kept
            strokes[-1] = kept
        apart_ms = abs(hit.onset_s - lost.onset_s + hit.onset_s - kept.onset_s) * 1000
        dropped.append(
            Dropped(
                lost.id, f"{apart_ms:.0f} ms from {kept.id}, louder on the same piece and place"
            )
        )
    return groups, dropped


@dataclass(frozen=True, slots=True)
class _Loudness:
    """Where ghosts end and accents begin, told from this player's own strokes."""

    ghost_below: Mapping[DrumPiece, float]
    accent_above: Mapping[DrumPiece, float]

    @classmethod
    def of(cls, hits: Sequence[Hit]) -> _Loudness:
        """Of the snare, softer than 0.6 of its loud strokes is a ghost; above the usual by a
        quarter is an accent, where soft and loud differ at all."""
        velocities: dict[DrumPiece, list[int]] = defaultdict(list)
        for hit in hits:
            velocities[hit.piece].append(hit.velocity)
        ghosts: dict[DrumPiece, float] = {}
        accents: dict[DrumPiece, float] = {}
        for piece, heard in velocities.items():
            heard.sort()
            loud = heard[int(0.9 * (len(heard) - 1))]
            if piece is DrumPiece.SNARE:
                ghosts[piece] = min(0.6 * loud, 64.0)
            usual = median(v for v in heard if v >= ghosts.get(piece, 0))
            accents[piece] = max(1.12 * usual, usual + 14, 96.0)
        return cls(ghosts, accents)


def _note(strokes: Sequence[Hit], loudness: _Loudness) -> Note:
    *graces, main = strokes
    marks = []
    if main.velocity < loudness.ghost_below.get(main.piece, 0):
        marks.append(Articulation.GHOST)
    elif main.velocity > loudness.accent_above[main.piece]:
        marks.append(Articulation.ACCENT)
    if graces:
        marks.append(Articulation.FLAM if len(graces) == 1 else Articulation.DRAG)
    return Note(
        id=main.id,
        piece=main.piece,
        velocity=main.velocity,
        articulations=tuple(marks),
        graces=tuple(Grace(grace.id, grace.velocity) for grace in graces),
    )


# Bars


@dataclass(frozen=True, slots=True)
class _Layout:
    """Which beats make which bar."""

    pulse: _Pulse
    bars: Sequence[tuple[int, Meter, Fraction]]
    """Number, meter, length."""
    starts: Sequence[int]
    """The first beat of each bar, and at the end the beat after the last."""

    def locate(self, place: Fraction) -> tuple[int, Fraction]:
        """A place in beats -> bar number, and start in whole notes from its bar line."""
        index = bisect_right(self.starts, place) - 1
        return self.bars[index][0], (place - self.starts[index]) * self.pulse.unit


def _lay_bars(pulse: _Pulse, slots: Sequence[Fraction]) -> _Layout:
    """Bars from the one with the first hit to the one with the last.

    What comes before the first downbeat and fills at most half a bar is a pickup, number 0.
    """
    first, last = math.floor(min(slots)), math.floor(max(slots))
    every = max(1, int(pulse.meter.length / pulse.unit))
    lines = _bar_lines(pulse.downbeats, every, first, last)
    pickup = first - lines[0]
    number = 1
    if pickup > 0 and 2 * (lines[1] - first) <= lines[1] - lines[0] and len(lines) > 2:
        lines[0], number = first, 0
    bars = []
    for index, (start, end) in enumerate(pairwise(lines)):
        length = (end - start) * pulse.unit
        is_pickup = number == 0 and index == 0
        meter = pulse.meter if is_pickup or length == pulse.meter.length else _meter_of(length)
        bars.append((number + index, meter, length if is_pickup else meter.length))
    return _Layout(pulse, bars, lines)


def _bar_lines(downbeats: Sequence[int], every: int, first: int, last: int) -> list[int]:
    """First beats of all bars that hold beats `first` to `last`, and the line after them."""
    if last - first > MAX_BEATS:
        raise ScoreError("beats", f"the hits span more than {MAX_BEATS} beats")
    ahead = max(0, -((first - downbeats[0]) // every))
    lines = [downbeats[0] - bars * every for bars in range(ahead, 0, -1)] + list(downbeats)
    lines += range(lines[-1] + every, last + every + 1, every)
    start = bisect_right(lines, first) - 1
    end = bisect_right(lines, last)
    # A downbeat missed or heard once too often: no bar is longer than its neighbours twice over.
    result = [lines[start]]
    for line in lines[start + 1 : end + 1]:
        while line - result[-1] >= 2 * every:
            result.append(result[-1] + every)
        if line > result[-1]:
            result.append(line)
    if len(result) - 1 > MAX_BARS:
        raise ScoreError("bars", f"the hits span more than {MAX_BARS} bars")
    return result


def _meter_of(length: Fraction) -> Meter:
    """For a bar of another length than the rest: over 4 where that is whole."""
    denominator = max(4, length.denominator)
    return Meter(int(length * denominator), denominator)


# The timeline


def _timeline(layout: _Layout, bars: Sequence[Bar], swing: Swing | None) -> Timeline:
    pulse = layout.pulse
    beats = []
    bpms = []
    for index, bar in enumerate(bars):
        start, end = layout.starts[index], layout.starts[index + 1]
        missing = int(bar.missing / pulse.unit)
        times = [pulse.time_s(beat) for beat in range(start, end + 1)]
        beats += [
            TimelineBeat(round(time_s, 6), bar.number, 1 + missing + offset)
            for offset, time_s in enumerate(times[:-1])
        ]
        bpms.append(60 * (end - start) / (times[-1] - times[0]))
    meters = [
        MeterMark(bar.number, bar.meter)
        for index, bar in enumerate(bars)
        if not index or bar.meter != bars[index - 1].meter
    ]
    return Timeline(tuple(beats), tuple(meters), tuple(_tempo_map(bars, bpms, pulse)), swing)


def _tempo_map(bars: Sequence[Bar], bpms: Sequence[float], pulse: _Pulse) -> list[TempoMark]:
    """One mark where the tempo holds; more only where it leaves it by 6 % for two bars on end."""
    shown = pulse.meter.beat_unit
    # In 6/8 heard in eighths a reader still wants the dotted quarter.
    scale = float(pulse.unit / shown)

    def mark(index: int, bpm: float) -> TempoMark:
        beat = 1 + int(bars[index].missing / pulse.unit)
        return TempoMark(bars[index].number, round(bpm * scale, 2), beat, shown)

    middle = median(bpms)
    steady = sum(abs(bpm / middle - 1) < 0.06 for bpm in bpms) >= 0.95 * len(bpms)
    if steady:
        return [mark(0, middle)]
    marks = [mark(0, median(bpms[:4]))]
    current = median(bpms[:4])
    for index in range(1, len(bpms)):
        ahead = bpms[index : index + 2]
        if all(abs(bpm / current - 1) > 0.06 for bpm in ahead):
            current = median(bpms[index : index + 4])
            marks.append(mark(index, current))
    return marks


def _swing(
    hits: Sequence[Hit], pulse: _Pulse, grids: Mapping[int, _Grid], slots: Sequence[Fraction]
) -> Swing | None:
    """Late offbeats in most beats, and fewer strokes in the triplet's middle: a shuffle."""
    late = []
    middle = 0
    for hit, slot in zip(hits, slots, strict=True):
        inside = slot - math.floor(slot)
        if inside == Fraction(2, 3):
            beat, phase = pulse.locate(hit.onset_s)
            late.append(phase if beat == math.floor(slot) else float(inside))
        middle += inside in (Fraction(1, 3), Fraction(1, 2))
    if pulse.unit.numerator == 3 or len(late) < 4 or middle > len(late):
        return None
    if len(late) < 0.4 * len(grids):
        return None
    phase = median(late)
    return Swing(pulse.unit / 2, round(min(4.0, phase / (1 - phase)), 2))
