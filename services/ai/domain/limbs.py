"""Which limb plays what, and what no drummer could play.

A right-handed player behind a usual kit, free to play open-handed: any hand may strike anything,
it only costs more to reach across. Two hands and two feet. The limits are generous, so that what is
refused is refused for good reason. The sustained one of a hand is what the winner of a speed
contest was measured at, 10 a second where most people reach 5 to 7 (Fujii and others 2009,
Neuroscience Letters 459); that of a foot is our judgement, by double bass in 16ths at 250 a minute:

- one hand: a bounce may follow its stroke after 45 ms, three strokes take 125 ms, five 320 ms, nine
  0.8 s (10 a second, the sustained limit);
- from one drum to another a hand needs 40 ms and 1/11 s to the metre;
- one foot: two strokes in 70 ms (slide, heel-toe), three in 200 ms, five in 440 ms, nine in 0.96 s
  (8.3 a second: 16ths of two feet at 250). Faster kicks take both feet, right first, if the left
  is not on the hat pedal in the same run;
- a flam needs 55 ms since the stroke before it and 85 ms since the flam before it, a drag 65 and
  120: hand-to-hand flams in 16ths at 176 and drags in 16ths at 125.

The bursts (two and three strokes, reach, graces) are set so that what the drummers of the Groove
MIDI Dataset play passes: without a stepped and open hat at once, 98 % of their bars as quantised.

Times are as they sound: with the tempo marks, at 100 quarters a minute without, swing bent.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from itertools import accumulate, pairwise
from math import hypot
from typing import Final

from libs.common.drums import FEET, Articulation, Hand
from libs.common.drums import DrumPiece as P
from libs.common.part import Part, PartBar, Stroke

USUAL_QPM: Final = 100.0
HAND_SPANS_S: Final = ((2, 0.045), (3, 0.125), (5, 0.32), (9, 0.8))
"""So many strokes of one hand take at least so long from first to last."""
FOOT_SPANS_S: Final = ((2, 0.07), (3, 0.2), (5, 0.44), (9, 0.96))
LIFT_S: Final = 0.04
REACH_M_PER_S: Final = 11.0
_GRACED_S: Final = {1: (0.055, 0.085), 2: (0.065, 0.12)}
"""By number of graces: since the stroke before, since the graced stroke before."""
_BUZZ_S: Final = 0.08
_TOGETHER_S: Final = 0.004
_SLACK_S: Final = 1e-6
_RUN_S: Final = 0.17
"""Kicks so close belong to one run, for the choice of feet."""

PLACES_M: Final[dict[P, tuple[float, float]]] = {
    P.SNARE: (0.0, 0.35), P.CROSS_STICK: (0.0, 0.35), P.RIMSHOT: (0.0, 0.35),
    P.HAT_CLOSED: (-0.38, 0.38), P.HAT_HALF_OPEN: (-0.38, 0.38), P.HAT_OPEN: (-0.38, 0.38),
    P.TOM_HIGH: (-0.08, 0.65), P.TOM_MID: (0.24, 0.65), P.TOM_FLOOR: (0.45, 0.25),
    P.CRASH: (-0.42, 0.72), P.CRASH_2: (0.5, 0.8), P.SPLASH: (0.06, 0.82),
    P.CHINA: (0.75, 0.6), P.RIDE: (0.55, 0.6), P.RIDE_BELL: (0.55, 0.6),
    P.COWBELL: (0.1, 0.7), P.TAMBOURINE: (-0.3, 0.55),
}  # fmt: skip
"""Where a stick meets each piece, seen from above: to the right of the player's middle, and away
from the player."""

# What it costs (left, right) to play a piece with that hand; the rest costs 0.1.
_SIDES: Final[dict[P, tuple[float, float]]] = {
    P.SNARE: (0.0, 0.15), P.CROSS_STICK: (0.0, 0.5), P.RIMSHOT: (0.0, 0.15),
    P.HAT_CLOSED: (0.5, 0.0), P.HAT_HALF_OPEN: (0.5, 0.0), P.HAT_OPEN: (0.5, 0.0),
    P.TOM_MID: (0.15, 0.05), P.TOM_FLOOR: (0.45, 0.0),
    P.CRASH_2: (0.5, 0.0), P.CHINA: (0.6, 0.0), P.RIDE: (0.7, 0.0), P.RIDE_BELL: (0.7, 0.0),
    P.COWBELL: (0.3, 0.0), P.TAMBOURINE: (0.2, 0.0),
}  # fmt: skip
_USUAL_SIDES: Final = (0.1, 0.1)
_BREACH: Final = 50.0
_BEAM: Final = 8
_HATS_STRUCK: Final = frozenset({P.HAT_CLOSED, P.HAT_HALF_OPEN, P.HAT_OPEN})
_OPENED: Final = frozenset({P.HAT_HALF_OPEN, P.HAT_OPEN})


class Limb(StrEnum):
    """Of a player; hands before feet."""

    LEFT_HAND = "left-hand"
    RIGHT_HAND = "right-hand"
    LEFT_FOOT = "left-foot"
    RIGHT_FOOT = "right-foot"


HANDS: Final = (Limb.LEFT_HAND, Limb.RIGHT_HAND)


class Reason(StrEnum):
    """Why something cannot be played."""

    THREE_HANDS = "three-hands"
    HAND_TWICE = "hand-twice"
    HAND_SPEED = "hand-speed"
    REACH = "reach"
    FOOT_SPEED = "foot-speed"
    PEDAL_ON_OPEN_HAT = "pedal-on-open-hat"
    HAT_TWO_WAYS = "hat-two-ways"
    GRACE_SPEED = "grace-speed"
    STRUCK_TWICE = "struck-twice"


@dataclass(frozen=True, slots=True)
class LimbStroke:
    """A stroke, when it sounds, from the part's beginning, and who plays it."""

    bar: int
    stroke: Stroke
    time_s: float
    limbs: tuple[Limb, ...]
    """Both hands where the sticking says so; none where no hand is left."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """All strokes in the part's order, the cheapest way found to share them among the limbs."""

    strokes: tuple[LimbStroke, ...]

    def of(self, limb: Limb) -> list[LimbStroke]:
        """What one limb plays."""
        return [one for one in self.strokes if limb in one.limbs]


@dataclass(frozen=True, slots=True)
class Problem:
    """A place that cannot be played."""

    bar: int
    at: Fraction
    reason: Reason
    sentence: str


def distance_m(one: P, other: P) -> float:
    """Between two struck pieces."""
    (x, y), (u, v) = PLACES_M[one], PLACES_M[other]
    return hypot(x - u, y - v)


_NEED_S: Final = {
    (a, b): LIFT_S + distance_m(a, b) / REACH_M_PER_S if distance_m(a, b) else 0.0
    for a in PLACES_M
    for b in PLACES_M
}


class PartClock:
    """When the places of a part sound; bars by their index."""

    def __init__(self, part: Part) -> None:
        self._part = part
        lines = list(accumulate((float(bar.length) for bar in part.bars), initial=0.0))
        index_of = {bar.number: index for index, bar in enumerate(part.bars)}
        marks = [(0.0, USUAL_QPM)]
        for nth, mark in enumerate(part.tempos):
            if mark.bar not in index_of:
                continue
            bar = part.bars[index_of[mark.bar]]
            beat = (mark.beat - 1) * bar.meter.beat_unit - (bar.meter.length - bar.length)
            place = lines[index_of[mark.bar]] + max(0.0, float(beat))
            # The first mark holds from the beginning, wherever it stands.
            marks.append((0.0 if nth == 0 else place, mark.quarters_per_minute))
        marks.sort(key=lambda mark: mark[0])
        self._places = [place for place, _ in marks]
        self._pace = [240.0 / qpm for _, qpm in marks]
        spans = ((b - a) * pace for (a, b), pace in zip(pairwise(self._places), self._pace,
                                                        strict=False))  # fmt: skip
        self._seconds = list(accumulate(spans, initial=0.0))
        self._lines = lines

    def seconds(self, place: float) -> float:
        """Of a place from the part's beginning, in whole notes."""
        nth = bisect_right(self._places, place) - 1
        return self._seconds[nth] + (place - self._places[nth]) * self._pace[nth]

    def line_s(self, index: int) -> float:
        """Of a bar's line; of the end, after the last bar."""
        return self.seconds(self._lines[index])

    def bar_times(self, index: int) -> list[float]:
        """Of a bar's strokes, swung where it swings: the second of a pair is late, unless something
        finer is played in the pair."""
        bar, line = self._part.bars[index], self._lines[index]
        swing = self._part.swing_at(bar.number)
        if swing is None:
            return [self.seconds(line + float(stroke.at)) for stroke in bar.strokes]
        missing, pair = bar.meter.length - bar.length, 2 * swing.unit
        late = float(pair) * swing.ratio / (swing.ratio + 1) - float(swing.unit)
        places = [stroke.at + missing for stroke in bar.strokes]
        straight = {
            place // pair for place in places if place % swing.unit and place.denominator % 3
        }
        return [
            self.seconds(
                line
                + float(place - missing)
                + late * (place % pair == swing.unit and place // pair not in straight)
            )
            for place in places
        ]


def stroke_times(part: Part) -> Iterator[tuple[PartBar, list[float]]]:
    """Each bar with the seconds at which its strokes sound."""
    clock = PartClock(part)
    for index, bar in enumerate(part.bars):
        yield bar, clock.bar_times(index)


# Sharing


@dataclass(slots=True)
class _Moment:
    """Strokes that sound together; indices into all strokes."""

    time_s: float
    hands: list[int]


@dataclass(slots=True)
class _Path:
    """One way to have played all moments so far."""

    cost: float
    pieces: tuple[P | None, P | None]
    """What left and right struck last."""
    times: tuple[tuple[float, ...], tuple[float, ...]]
    """When, the last eight times."""
    before: _Path | None
    choice: tuple[tuple[int, ...], ...]
    """For each stroke of the moment the hands (0 left, 1 right) that play it."""


def assign(part: Part) -> Assignment:
    """Share the strokes: hands by the cheapest path over all moments (a beam of eight), feet by
    rule. Known stickings are kept. Linear in the strokes."""
    strokes: list[tuple[int, Stroke, float]] = []
    for bar, times in stroke_times(part):
        strokes += ((bar.number, stroke, time_s)
                    for stroke, time_s in zip(bar.strokes, times, strict=True))  # fmt: skip
    limbs: list[tuple[Limb, ...]] = [()] * len(strokes)
    by_time = sorted(range(len(strokes)), key=lambda index: strokes[index][2])
    moments: list[_Moment] = []
    for index in by_time:
        if strokes[index][1].piece in FEET:
            continue
        if not moments or strokes[index][2] - moments[-1].time_s > _TOGETHER_S:
            moments.append(_Moment(strokes[index][2], []))
        moments[-1].hands.append(index)
    path = _cheapest(moments, [stroke for _, stroke, _ in strokes])
    for moment in reversed(moments):
        assert path is not None
        for index, hands in zip(moment.hands, path.choice, strict=True):
            limbs[index] = tuple(HANDS[hand] for hand in hands)
        path = path.before
    struck = {
        piece: [index for index in by_time if strokes[index][1].piece is piece] for piece in FEET
    }
    pedals = struck[P.HAT_PEDAL]
    for index in pedals:
        limbs[index] = (Limb.LEFT_FOOT,)
    kicks = struck[P.KICK]
    feet = _feet([strokes[i][2] for i in kicks], [strokes[i][2] for i in pedals])
    for index, foot in zip(kicks, feet, strict=True):
        limbs[index] = (foot,)
    return Assignment(
        tuple(
            LimbStroke(bar, stroke, time_s, limbs[index])
            for index, (bar, stroke, time_s) in enumerate(strokes)
        )
    )


def _cheapest(moments: Sequence[_Moment], strokes: Sequence[Stroke]) -> _Path | None:
    beam = [_Path(0.0, (None, None), ((), ()), None, ())]
    for moment in moments:
        options = _options([strokes[index] for index in moment.hands])
        pieces = [strokes[index].piece for index in moment.hands]
        found: dict[tuple[object, ...], _Path] = {}
        for path in beam:
            for choice in options:
                step = _step(path, moment.time_s, pieces, choice)
                key = (step.pieces, step.times[0][-2:], step.times[1][-2:])
                other = found.get(key)
                if other is None or step.cost < other.cost:
                    found[key] = step
        beam = sorted(found.values(), key=lambda path: path.cost)[:_BEAM]
        least = beam[0].cost
        beam = [path for path in beam if path.cost < least + 2 * _BREACH]
    return beam[0] if moments else None


_KNOWN: Final[dict[Hand, tuple[int, ...]]] = {
    Hand.LEFT: (0,), Hand.RIGHT: (1,), Hand.BOTH: (0, 1),
}  # fmt: skip


def _options(strokes: Sequence[Stroke]) -> list[tuple[tuple[int, ...], ...]]:
    """The ways to share what sounds together, known stickings first; more than two strokes leave
    the last without a hand."""
    known = [_KNOWN[stroke.hand] if stroke.hand else None for stroke in strokes]
    free = [nth for nth, hands in enumerate(known) if hands is None]
    taken = [hand for hands in known if hands for hand in hands]
    left_over = [hand for hand in (0, 1) if hand not in taken]
    ways: list[tuple[tuple[int, ...], ...]] = []
    # Those that find no hand do not take one twice.
    orders = [left_over] if len(left_over) < 2 else [left_over, left_over[::-1]]
    for order in orders:
        choice = [hands or () for hands in known]
        for nth, hand in zip(free, order, strict=False):
            choice[nth] = (hand,)
        ways.append(tuple(choice))
    return ways


def _step(path: _Path, time_s: float, pieces: Sequence[P], choice: tuple[tuple[int, ...], ...],
          ) -> _Path:  # fmt: skip
    cost = path.cost
    last = list(path.pieces)
    times = list(path.times)
    for piece, hands in zip(pieces, choice, strict=True):
        sides = _SIDES.get(piece, _USUAL_SIDES)
        for hand in hands:
            cost += sides[hand]
            own, before = path.times[hand], path.pieces[hand]
            if own and before is not None:
                gap_s = time_s - own[-1]
                away_s = _NEED_S[before, piece]
                soft_s = gap_s if gap_s > 0.03 else 0.03
                cost += (0.11 / soft_s) ** 2 + away_s / soft_s
                if gap_s < 0.4 and (gap_s < away_s - _SLACK_S or _over(own, time_s, HAND_SPANS_S)):
                    cost += _BREACH
            last[hand] = piece
            times[hand] = (*own[-7:], time_s)
    return _Path(cost, (last[0], last[1]), (times[0], times[1]), path, choice)


def _over(times: Sequence[float], time_s: float, spans: Sequence[tuple[int, float]]) -> bool:
    """Whether a stroke at this time, after those, goes beyond a limit."""
    return any(
        len(times) >= count - 1 and time_s - times[1 - count] < span_s - _SLACK_S
        for count, span_s in spans
    )


def _feet(kicks_s: Sequence[float], pedals_s: Sequence[float]) -> list[Limb]:
    """Right, but alternating in runs that one foot cannot play and that leave the pedal alone."""
    feet: list[Limb] = []
    run: list[float] = []

    def close() -> None:
        fast = any(_over(run[:nth], time_s, FOOT_SPANS_S) for nth, time_s in enumerate(run))
        nearest = bisect_left(pedals_s, run[0] - 0.1)
        busy = nearest < len(pedals_s) and pedals_s[nearest] < run[-1] + 0.1
        alternate = fast and not busy
        feet.extend(
            Limb.LEFT_FOOT if alternate and nth % 2 else Limb.RIGHT_FOOT for nth in range(len(run))
        )

    for time_s in kicks_s:
        if run and time_s - run[-1] > _RUN_S:
            close()
            run = []
        run.append(time_s)
    if run:
        close()
    return feet


# What cannot be played


def problems(part: Part) -> list[Problem]:
    """All of them, in order; each stroke is told of once."""
    assignment = assign(part)
    found: dict[int, Problem] = {}
    numbered = sorted(enumerate(assignment.strokes), key=lambda one: one[1].time_s)

    def tell(index: int, reason: Reason, sentence: str) -> None:
        one = assignment.strokes[index]
        found.setdefault(index, Problem(one.bar, one.stroke.at, reason, sentence))

    _clashes(numbered, tell)
    for limb in Limb:
        _limb_problems(limb, [one for one in numbered if limb in one[1].limbs], tell)
    _grace_problems(numbered, tell)
    return [found[index] for index in sorted(found)]


def playable(part: Part) -> bool:
    """Whether a very good drummer could play all of it at its tempo."""
    return not problems(part)


_Numbered = tuple[int, LimbStroke]
_Tell = Callable[[int, Reason, str], None]


def _clashes(numbered: Sequence[_Numbered], tell: _Tell) -> None:
    """Of strokes that sound together."""
    moments: dict[int, list[_Numbered]] = defaultdict(list)
    start, number = float("-inf"), 0
    for index, one in numbered:
        if one.time_s - start > _TOGETHER_S:
            start, number = one.time_s, number + 1
        moments[number].append((index, one))
    for moment in moments.values():
        pieces: set[P] = set()
        taken: set[Limb] = set()
        for index, one in moment:
            piece = one.stroke.piece
            if piece in pieces:
                tell(index, Reason.STRUCK_TWICE, f"The {_name(piece)} is struck twice at once.")
            if not one.limbs:
                tell(index, Reason.THREE_HANDS, _crowd(moment))
            elif piece not in FEET and taken.intersection(one.limbs):
                hand = one.stroke.hand
                which = {Hand.LEFT: "left", Hand.RIGHT: "right"}.get(hand) if hand else None
                text = f"The {which} hand is" if which else "Both hands are"
                tell(index, Reason.HAND_TWICE, f"{text} asked to play two things at once.")
            pieces.add(piece)
            taken.update(one.limbs)
        opened = pieces & _OPENED
        if P.HAT_PEDAL in pieces and P.HAT_OPEN in pieces:
            nth = next(index for index, one in moment if one.stroke.piece is P.HAT_PEDAL)
            tell(nth, Reason.PEDAL_ON_OPEN_HAT,
                 "The pedal closes the hi-hat just when it is struck open.")  # fmt: skip
        if opened and len(pieces & _HATS_STRUCK) > 1:
            nth = next(index for index, one in moment if one.stroke.piece in opened)
            tell(nth, Reason.HAT_TWO_WAYS, "The hi-hat cannot be open and closed at once.")


def _crowd(moment: Sequence[_Numbered]) -> str:
    struck = sorted(_name(one.stroke.piece) for _, one in moment if one.stroke.piece not in FEET)
    return f"Two hands cannot strike {', '.join(struck[:-1])} and {struck[-1]} at once."


def _limb_problems(limb: Limb, own: Sequence[_Numbered], tell: _Tell) -> None:
    """Too fast, or too far in the time."""
    spans = HAND_SPANS_S if limb in HANDS else FOOT_SPANS_S
    called = limb.value.replace("-", " ")
    times: list[float] = []
    before: LimbStroke | None = None
    for index, one in own:
        if before is not None and one.time_s - before.time_s <= _TOGETHER_S:
            # Told of as a clash already.
            continue
        for count, span_s in spans:
            if len(times) >= count - 1 and one.time_s - times[1 - count] < span_s - _SLACK_S:
                rate = (count - 1) / max(one.time_s - times[1 - count], 1e-3)
                most = (count - 1) / span_s
                tell(index, Reason.HAND_SPEED if limb in HANDS else Reason.FOOT_SPEED,
                     f"{count} strokes of the {called} come at {rate:.1f} a second; "
                     f"the limit is {most:.1f}.")  # fmt: skip
                break
        if before is not None and limb in HANDS:
            gap_s = one.time_s - before.time_s
            need_s = _NEED_S[before.stroke.piece, one.stroke.piece]
            if gap_s < need_s - _SLACK_S:
                tell(index, Reason.REACH,
                     f"The {called} has {1000 * gap_s:.0f} ms from {_name(before.stroke.piece)} to "
                     f"{_name(one.stroke.piece)} and needs {1000 * need_s:.0f}.")  # fmt: skip
            buzz = Articulation.BUZZ in before.stroke.marks
            if buzz and gap_s < _BUZZ_S:
                tell(index, Reason.GRACE_SPEED,
                     f"A buzz has no room in the {1000 * gap_s:.0f} ms before the next stroke of "
                     f"the {called}.")  # fmt: skip
        times.append(one.time_s)
        before = one


def _grace_problems(numbered: Sequence[_Numbered], tell: _Tell) -> None:
    """Flams and drags; the strokes of all drums count, for a flam takes both hands."""
    struck_s = graced_s = float("-inf")
    now_s, had_graces = float("-inf"), False
    for index, one in numbered:
        if one.stroke.piece in FEET:
            continue
        if one.time_s - now_s > _TOGETHER_S:
            struck_s = now_s
            graced_s = now_s if had_graces else graced_s
            now_s, had_graces = one.time_s, False
        count = len(one.stroke.graces)
        if not count:
            continue
        had_graces = True
        since_s, again_s = _GRACED_S[min(count, 2)]
        kind = "flam" if count == 1 else "drag"
        if now_s - struck_s < since_s - _SLACK_S:
            tell(index, Reason.GRACE_SPEED,
                 f"A {kind} {1000 * (now_s - struck_s):.0f} ms after a stroke is too soon; it "
                 f"needs {1000 * since_s:.0f}.")  # fmt: skip
        elif now_s - graced_s < again_s - _SLACK_S:
            tell(index, Reason.GRACE_SPEED,
                 f"A {kind} {1000 * (now_s - graced_s):.0f} ms after the last flam or drag is too "
                 f"soon; it needs {1000 * again_s:.0f}.")  # fmt: skip


def _name(piece: P) -> str:
    return piece.value.replace("-", " ")
