"""Which places of a beat its strokes are written on: a grid for each beat, chosen by cost.

The cost of a grid is the strokes' misfit, as the -log likelihood of how loosely people play, plus
what a reader pays for the places used. Viterbi chains the beats, so that one stray ghost turns no
16ths into triplets. A second pass knows more: how early or late the player is as a rule, how
loosely this one plays, and which places return bar after bar. Swing is a grid, too: an eighth late
by the same ratio all along is written as a plain eighth.

After Cemgil and Kappen, Monte Carlo methods for tempo tracking and rhythm quantization (2003), for
the cost as a posterior; the rest follows from what Groove MIDI's drummers do.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from statistics import median
from typing import Final, Literal

from libs.common.drums import Hit
from services.notation.domain.pulse import Pulse
from services.notation.domain.score import Swing

Choice = Literal["auto", "straight", "triplet", "1", "2", "3", "4", "5", "6", "7", "8", "12"]
"""A number is the only grid, so many places to the beat."""

_STEPS: Final = 480
"""Phases are looked up in a table of so many steps to the beat."""
TICKS: Final = 840
"""To the beat; 2 to 8 and 12 divide it."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The places of one beat: where each is written, where it is played, what it costs."""

    name: str
    family: str
    """What neighbours should share."""
    cost: float
    written: tuple[int, ...]
    """In ticks, 0 first and a whole beat last."""
    played: tuple[float, ...]
    """In beats; where swung, not where it is written."""
    slots: tuple[int, ...]
    """Index of the nearest place for each step of the beat; and so for the next three."""
    misfits: tuple[float, ...]
    """Squared, in beats."""
    prices: tuple[float, ...]
    ticks: tuple[int, ...]


def _price(place: Fraction, dotted: bool) -> float:
    """What a reader pays for a place, by how finely the beat must be cut for it."""
    cuts = _DOTTED_PRICES if dotted else _PRICES
    return cuts.get(place.denominator, 3.2)


_PRICES: Final[Mapping[int, float]] = {
    1: 0.0, 2: 0.4, 4: 0.85, 3: 1.3, 6: 1.4, 8: 1.7, 12: 2.4, 5: 2.2, 7: 2.6,
}  # fmt: skip
_DOTTED_PRICES: Final[Mapping[int, float]] = {
    1: 0.0, 3: 0.3, 6: 0.8, 2: 0.9, 4: 1.6, 12: 2.3, 9: 2.4, 8: 2.8,
}  # fmt: skip


def _grid(
    name: str,
    family: str,
    cost: float,
    places: Sequence[Fraction],
    dotted: bool = False,
    swung: Mapping[Fraction, float] | None = None,
) -> Grid:
    written = (*places, Fraction(1))
    played = tuple((swung or {}).get(place, float(place)) for place in written)
    prices = tuple(
        _SWUNG_PRICE if swung and place in swung else _price(place, dotted) for place in written
    )
    ticks = tuple(int(place * TICKS) for place in written)
    slots = []
    for step in range(_STEPS + 1):
        phase = step / _STEPS
        slots.append(min(range(len(played)), key=lambda i: abs(played[i] - phase)))
    return Grid(
        name=name,
        family=family,
        cost=cost,
        written=ticks,
        played=played,
        slots=tuple(slots),
        misfits=tuple((step / _STEPS - played[slot]) ** 2 for step, slot in enumerate(slots)),
        prices=tuple(prices[slot] for slot in slots),
        ticks=tuple(ticks[slot] for slot in slots),
    )


def _even(slots: int, family: str, cost: float, dotted: bool = False) -> Grid:
    places = [Fraction(slot, slots) for slot in range(slots)]
    return _grid(str(slots), family, cost, places, dotted)


def _mixed(first: int, second: int, cost: float) -> Grid:
    """One half of the beat cut otherwise than the other."""
    places = [Fraction(slot, 2 * first) for slot in range(first)]
    places += [Fraction(1, 2) + Fraction(slot, 2 * second) for slot in range(second)]
    return _grid(f"{first}+{second}", "both", cost, places)


_SIMPLE: Final = (
    _even(1, "straight", 0.0),
    _even(2, "straight", 0.1),
    _even(4, "straight", 0.6),
    _even(8, "straight", 1.5),
    _even(1, "triplet", 0.0),
    _even(3, "triplet", 0.2),
    _even(6, "triplet", 0.7),
    _even(5, "quintuplet", 4.0),
    _even(7, "septuplet", 5.0),
    _mixed(2, 3, 3.0),
    _mixed(3, 2, 3.0),
)
_DOTTED: Final = (
    _even(1, "straight", 0.0, dotted=True),
    _even(3, "straight", 0.1, dotted=True),
    _even(6, "straight", 0.3, dotted=True),
    _even(12, "straight", 2.2, dotted=True),
    _even(2, "duplet", 1.5, dotted=True),
    _even(4, "duplet", 2.5, dotted=True),
)
_SWUNG_PRICE: Final = 0.35
_CHANGE_FAMILY: Final = 0.4
_CHANGE_GRID: Final = 0.4
_LOST_HIT: Final = 3.5
_WORST_MISFIT: Final = 7.0
_BEYOND: Final = 0.25
"""How much of a misfit beyond that still counts: a slip is forgiven, another rhythm is not."""
_LOOSE_S: Final = (0.005, 0.022)
"""How loosely people play, least and most, as a standard deviation."""
_NEAR_BEAT: Final = 0.11
_DRIFT_BEATS: Final = 4
_DRIFT_PRIOR: Final = 1.0
_FAMILIES: Final = 0.35
_RETURNS: Final = 0.6
_RETURNS_MOST: Final = 0.8


@dataclass(frozen=True, slots=True)
class Swung:
    """A feel that was found: of two `unit` parts of a beat, the first lasts `share` of both."""

    halves: int
    """Pairs to the beat: 1 where eighths swing, 2 where 16ths do."""
    share: float
    count: int = 0
    """Offbeats that it was told by."""

    @property
    def ratio(self) -> float:
        """Long to short."""
        return self.share / (1 - self.share)


@dataclass(frozen=True, slots=True)
class Placed:
    """Each hit's place in beats from beat 0, in the order of the hits, and what was found out."""

    places: list[Fraction]
    swing: Swung | None

    def swing_mark(self, unit: Fraction, bar: int) -> Swing | None:
        """The swing as a mark on this bar; `unit` is the pulse's beat in whole notes."""
        if self.swing is None:
            return None
        ratio = round(min(4.0, self.swing.ratio), 2)
        return Swing(bar, unit / (2 * self.swing.halves), ratio)


@dataclass(slots=True)
class _Beat:
    """One beat: its strokes, each as (step, weight of its misfit, certainty, index of the hit)."""

    number: int
    in_bar: int
    strokes: list[tuple[int, float, float, int]]
    twice: bool
    """Whether a piece is struck more than once."""


def place(
    hits: Sequence[Hit],
    mains: Mapping[int, int],
    pulse: Pulse,
    choice: Choice,
    *,
    swing: bool = True,
    known: Swung | None = None,
) -> Placed:
    """A place for every hit; a grace (`mains`: its index -> its note's) stands where its note does
    and has no say. `swing` is looked for; or it is `known`."""
    dotted = pulse.unit.numerator == 3
    if choice.isdecimal():
        grids = [_even(int(choice), "asked for", 0.0, dotted)]
    else:
        grids = [
            grid
            for grid in (_DOTTED if dotted else _SIMPLE)
            # Nothing finer than 32nds, whatever the beat is.
            if max((pulse.unit * Fraction(at, TICKS)).denominator for at in grid.written) <= 48
            and _chosen(grid, choice, dotted)
        ]
    grids = _with_swing(grids, known) if known else grids or [_even(1, "straight", 0.0)]
    reader = _Reader(hits, mains, pulse, grids)
    reader.read()
    found: Swung | None = None
    if swing and choice == "auto" and not dotted and pulse.unit == Fraction(1, 4):
        found = reader.swing()
    reader.learn()
    reader.read()
    return Placed(reader.places(), found)


def _chosen(grid: Grid, choice: Choice, dotted: bool) -> bool:
    # A dotted beat's plain division is by three: there, both words mean the same.
    return choice == "auto" or grid.family == ("straight" if dotted else choice)


class _Reader:
    """Passes over all beats; what one pass learns, the next one knows."""

    def __init__(
        self, hits: Sequence[Hit], mains: Mapping[int, int], pulse: Pulse, grids: list[Grid]
    ) -> None:
        self.hits = hits
        self.mains = mains
        self.pulse = pulse
        self.grids = grids
        self.lag_s = 0.0
        self.drift_s: dict[int, float] = {}
        self.loose_s: float | None = None
        self.returns: dict[tuple[int, str], dict[int, float]] = {}
        self.families: dict[str, float] = {}
        self.beats: list[_Beat] = []
        self.chosen: list[Grid] = []
        self.in_bar = _BarPlaces.of(pulse, hits)
        self.total = 0.0
        self._sort_in()

    # What the hits are on the pulse

    def _sort_in(self) -> None:
        by_beat: dict[int, list[tuple[int, float, float, int]]] = defaultdict(list)
        locate, period_s, mains = self.pulse.locate, self.pulse.period_s, self.mains
        scales: dict[int, float] = {}
        for index, hit in enumerate(self.hits):
            if index in mains:
                continue
            beat, phase = locate(hit.onset_s - self.lag_s)
            if self.drift_s:
                late_s = self.drift_s.get(beat if phase < 0.5 else beat + 1, 0.0)
                beat, phase = locate(hit.onset_s - self.lag_s - late_s)
            scale = scales.get(beat)
            if scale is None:
                of_beat_s = period_s(beat)
                scales[beat] = scale = (of_beat_s / self._sigma_s(of_beat_s)) ** 2 / 2
            certainty = 0.3 + 0.7 * hit.confidence
            # Ghosts are looser than backbeats.
            firm = 0.6 + 0.4 * min(1.0, hit.velocity / 80)
            step = int(phase * _STEPS + 0.5)
            by_beat[beat].append((step, firm * scale, certainty, index))
        self.beats = []
        for beat in sorted(by_beat):
            strokes = by_beat[beat]
            pieces = {self.hits[stroke[3]].piece for stroke in strokes}
            twice = len(pieces) < len(strokes)
            self.beats.append(_Beat(beat, self.in_bar.of_beat(beat), strokes, twice))

    def read(self) -> None:
        """Choose all grids, given what is known."""
        costs = [self._costs(beat) for beat in self.beats]
        self.chosen, self.total = _viterbi([beat.number for beat in self.beats], self.grids, costs)

    def _sigma_s(self, period_s: float) -> float:
        # Players and ears are looser at slow tempos.
        return self.loose_s or 0.011 + 0.008 * period_s

    def _costs(self, beat: _Beat) -> list[float]:
        """Of writing a beat on each grid: misfit, the places used, and hits that collide."""
        after = self.in_bar.of_beat(beat.number + 1)
        hits, returns = self.hits, self.returns
        known = [
            (
                returns.get((beat.in_bar, hits[index].piece), {}),
                returns.get((after, hits[index].piece), {}),
            )
            for _, _, _, index in beat.strokes
        ] if returns else []  # fmt: skip
        costs = []
        for grid in self.grids:
            total = grid.cost + self.families.get(grid.family, 0.0)
            misfits, prices, ticks = grid.misfits, grid.prices, grid.ticks
            for step, weight, certainty, _ in beat.strokes:
                misfit = weight * misfits[step]
                if misfit > _WORST_MISFIT:
                    misfit = _WORST_MISFIT + _BEYOND * (misfit - _WORST_MISFIT)
                total += certainty * (misfit + prices[step])
            for stroke, (here, next_) in zip(beat.strokes, known, strict=False):
                tick = ticks[stroke[0]]
                known_here = here.get(tick) if tick < TICKS else next_.get(0)
                if known_here is not None:
                    total -= stroke[2] * known_here
            if beat.twice:
                places = {(ticks[s[0]], hits[s[3]].piece) for s in beat.strokes}
                total += _LOST_HIT * (len(beat.strokes) - len(places))
            costs.append(total)
        return costs

    def follow(self) -> None:
        """How early or late each passage is, told by the strokes on and near its beats: people lean
        into a chorus, and run away in a fill, all together."""
        near: dict[int, tuple[float, float]] = {}
        for index, hit in enumerate(self.hits):
            if index in self.mains:
                continue
            beat, phase = self.pulse.locate(hit.onset_s - self.lag_s)
            if phase >= 0.5:
                beat, phase = beat + 1, phase - 1
            if abs(phase) <= _NEAR_BEAT:
                weight = hit.velocity / 100
                total, weights = near.get(beat, (0.0, 0.0))
                away_s = phase * self.pulse.period_s(beat)
                near[beat] = (total + weight * away_s, weights + weight)
        self.drift_s = {}
        if not near:
            return
        for beat in range(min(near), max(near) + 1):
            total = 0.0
            weights = _DRIFT_PRIOR
            for other in range(beat - _DRIFT_BEATS, beat + _DRIFT_BEATS + 1):
                if other in near:
                    pull = 1 - abs(other - beat) / (_DRIFT_BEATS + 1)
                    total += pull * near[other][0]
                    weights += pull * near[other][1]
            self.drift_s[beat] = total / weights

    def places(self) -> list[Fraction]:
        """Of every hit, in beats from beat 0."""
        found: dict[int, Fraction] = {}
        for beat, grid in zip(self.beats, self.chosen, strict=True):
            for step, _, _, index in beat.strokes:
                found[index] = Fraction(beat.number * TICKS + grid.ticks[step], TICKS)
        return [found[self.mains.get(index, index)] for index in range(len(self.hits))]

    # What a pass teaches

    def learn(self) -> None:
        """How late and how loose this player is, and which places return."""
        residuals = []
        uses: Counter[tuple[int, str, int]] = Counter()
        for beat, grid in zip(self.beats, self.chosen, strict=True):
            period_s = self.pulse.period_s(beat.number)
            after = self.in_bar.of_beat(beat.number + 1)
            for step, _, _, index in beat.strokes:
                hit = self.hits[index]
                error_s = (step / _STEPS - grid.played[grid.slots[step]]) * period_s
                if hit.velocity >= 40 and abs(error_s) < 0.04:
                    residuals.append(error_s)
                tick = grid.ticks[step]
                in_bar = beat.in_bar if tick < TICKS else after
                uses[in_bar, hit.piece, tick % TICKS] += 1
        if len(residuals) >= 16:
            change_s = median(residuals)
            self.lag_s += change_s
            spread_s = 1.4826 * median(abs(e - change_s) for e in residuals)
            low, high = _LOOSE_S
            self.loose_s = max(low, min(high, 1.15 * spread_s + 0.003))
        self.follow()
        # Beats with nothing but their first stroke tell of no family.
        cut = [
            grid.family
            for beat, grid in zip(self.beats, self.chosen, strict=True)
            if any(0 < grid.ticks[stroke[0]] < TICKS for stroke in beat.strokes)
        ]
        shares = Counter(cut)
        self.families = {
            family: _FAMILIES * -math.log((shares[family] + 1.0) / (len(cut) + 2.0))
            for family in {grid.family for grid in self.grids}
        }
        self.returns = {}
        for (in_bar, piece, tick), times in uses.items():
            if times > 1:
                table = self.returns.setdefault((in_bar, piece), {})
                table[tick] = min(_RETURNS_MOST, _RETURNS * math.log(times))
        self._sort_in()

    # Swing

    def swing(self) -> Swung | None:
        """Try the swings that the late offbeats suggest; keep one that makes all cheaper."""
        straight = (self.grids, self.total, self.chosen)
        best: tuple[float, list[Grid], Swung] | None = None
        for candidate in self._candidates():
            self.grids = _with_swing(straight[0], candidate)
            self.read()
            if best is None or self.total < best[0]:
                best = (self.total, self.grids, candidate)
        self.grids, self.total, self.chosen = straight
        if best is None or best[0] > straight[1] - max(_SWING_MARK, _SWING_GAIN * best[2].count):
            return None
        self.grids = best[1]
        self.read()
        return best[2]

    def _candidates(self) -> list[Swung]:
        """From beats that hold nothing but a beat and a late offbeat: eighths, then 16ths."""
        found = []
        for halves in (1, 2):
            late = []
            others = 0
            for beat in self.beats:
                for half in range(halves):
                    inside = [
                        step / _STEPS * halves - half
                        for step, _, _, _ in beat.strokes
                        if half - 0.1 <= step / _STEPS * halves <= half + 0.92
                    ]
                    offbeats = [at for at in inside if 0.12 < at < 0.88]
                    if not offbeats:
                        continue
                    if all(0.53 < at < 0.74 for at in offbeats):
                        late.append(sum(offbeats) / len(offbeats))
                    else:
                        others += 1
            if len(late) >= 6 and len(late) > 1.2 * others:
                share = median(late)
                if share >= 0.545:
                    found.append(Swung(halves, share, len(late)))
        return found


_SWING_MARK: Final = 4.0
"""What a reader pays for having to bend a whole piece."""
_SWING_GAIN: Final = 1.0
"""And by how much each late offbeat must fit better: 16ths that lean a little are no swing."""


def _with_swing(grids: Sequence[Grid], swing: Swung) -> list[Grid]:
    """The same grids, and those whose offbeats are late."""
    if swing.halves == 1:
        bent = {Fraction(1, 2): swing.share}
        places = [Fraction(0), Fraction(1, 2)]
        # A plain eighth in a swung piece would be played late: it is no longer to be had.
        return [g for g in grids if g.name != "2"] + [
            _grid("swung 2", "swung", 0.1, places, swung=bent)
        ]
    bent = {Fraction(1, 4): swing.share / 2, Fraction(3, 4): 0.5 + swing.share / 2}
    places = [Fraction(slot, 4) for slot in range(4)]
    return [g for g in grids if g.name != "4"] + [
        _grid("swung 4", "straight", 0.3, places, swung=bent)
    ]


# Bars, for what returns


@dataclass(frozen=True, slots=True)
class _BarPlaces:
    """For each beat from `first` on its place in its bar."""

    first: int
    places: Sequence[int]

    def of_beat(self, beat: int) -> int:
        """-1 outside."""
        index = beat - self.first
        return self.places[index] if 0 <= index < len(self.places) else -1

    @classmethod
    def of(cls, pulse: Pulse, hits: Sequence[Hit]) -> _BarPlaces:
        """Counted from each downbeat; evenly before the first and after the last."""
        first = pulse.locate(hits[0].onset_s)[0] - 1
        last = pulse.locate(hits[-1].onset_s)[0] + 2
        every = max(1, int(pulse.meter.length / pulse.unit))
        downbeats = set(pulse.downbeats)
        last_known = pulse.downbeats[-1] if pulse.downbeats else 0
        place = (first - (pulse.downbeats[0] if pulse.downbeats else 0)) % every
        places = []
        for beat in range(first, last + 1):
            if beat in downbeats or (beat > last_known and place >= every):
                place = 0
            places.append(place)
            place += 1
        return cls(first, places)


def _viterbi(
    beats: Sequence[int], grids: Sequence[Grid], costs: Sequence[Sequence[float]]
) -> tuple[list[Grid], float]:
    """The cheapest grid for each beat; the pull of neighbours fades over silent beats."""
    states = range(len(grids))
    change = [
        [
            0.0 if old is new
            else _CHANGE_GRID if old.family == new.family
            else _CHANGE_FAMILY
            for old in grids
        ]
        for new in grids
    ]  # fmt: skip
    totals = list(costs[0])
    back: list[list[int]] = []
    for (before, beat), here in zip(pairwise(beats), costs[1:], strict=True):
        pull = 1 / (beat - before)
        best = []
        sums = []
        for new in states:
            row = change[new]
            least, chosen = math.inf, 0
            for old in states:
                total = totals[old] + pull * row[old]
                if total < least:
                    least, chosen = total, old
            best.append(chosen)
            sums.append(least + here[new])
        back.append(best)
        totals = sums
    state = min(states, key=totals.__getitem__)
    least = totals[state]
    path = [state]
    for best in reversed(back):
        state = best[state]
        path.append(state)
    return [grids[state] for state in reversed(path)], least
