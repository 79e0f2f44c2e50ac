"""Which hand played what was heard: both wrists' motion around each hit, where they were, and what
a drummer can do.

A striking wrist comes down before the hit and stops or turns at it; the other does something else.
How that looks in this view is learned from the recording itself: beginning with "down, then up",
expectation and maximisation turn the likelier hands' own motion into the template, the pieces'
usual places and hands, and how far strokes and idle motion lie apart. A chain over the hits (hidden
Markov model, forward and backward) adds what hands cannot do: be twice in one place at once, strike
twice within a few hundredths of a second, or cross the kit faster than an arm moves. What comes out
is each hand's probability; who reads it marks only the sure ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from libs.common.drums import FEET, DrumPiece, Hit

Array = NDArray[np.float64]

TOGETHER_S: Final = 0.035
"""Hits nearer than this are struck at once, by two hands."""
SURE: Final = 0.95
"""A hand is told from this probability on."""
FEWEST: Final = 6
"""Fewer strokes than this teach nothing of a view."""

_OFFSETS_S: Final = np.arange(-6, 5) / 30
"""Where a stroke's motion is sampled, around the hit."""
_MIDDLES_S: Final = 0.5 * (_OFFSETS_S[1:] + _OFFSETS_S[:-1])
_SEARCH_S: Final = 0.15
_NEAR_S: Final = 0.03
_ROUNDS: Final = 4
_PLACE_FEWEST: Final = 3
TEMPLATE: Final = np.array([-0.42, -0.28, 0.31, 0.75, 1.44, 0.42, -0.45, -0.76, -0.43, 0.06])
"""Log-odds of a stroke for each step of _OFFSETS_S by its downward speed, in 1.5 times the shot's
median speed: logistic regression over rendered players (`python -m training.strokes`)."""
_TRUST: Final = 0.9
_BOTH_STRIKE: Final = 0.55
_NONE_STRIKES: Final = 0.2
_STRIKE_WIDTH: Final = 0.08
_MOST_DOUBT: Final = 5.0
"""In shares of the shot's usual stroke: from where on the weaker hand strikes, too, or the stronger
does not, and how gradually."""
_MOST_LEAN: Final = 6.0
_PLAINLY: Final = 0.35
_FASTEST_S: Final = 0.045
"""Bounced doubles of one hand come no closer (a press roll's are no strokes of their own)."""
_REACH_PER_S: Final = 14.0
"""Shoulder widths a second that a hand crosses the kit with at the most."""
_MOST_PLACE: Final = 3.0
_RIGHT, _LEFT, _BOTH, _NONE = range(4)


@dataclass(frozen=True)
class Hands:
    """Both wrists over n frames of one shot, right first."""

    times_s: Array
    """(n,) picture time."""
    places: Array
    """(n, 2, 2) hand, and x (to the right) and y (down), in shoulder widths; NaN where unseen."""
    rightward: Array
    """(2,) from the left shoulder to the right one: shorter than 1 from the side."""


@dataclass(frozen=True, slots=True)
class Told:
    """One hit's hands."""

    hit: Hit
    right: float
    left: float
    both: float
    """Probabilities; what lacks to 1 is neither. All 0: the wrists were not seen."""
    where: Array | None = None
    """(2,) the likelier hand's place at the hit, in shoulder widths."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one hand strikes one piece, in shoulder widths."""

    piece: DrumPiece
    mean: Array
    spread: Array
    """(2,) and (2,): mean and standard deviation of the wrist's places."""
    strokes: int


@dataclass
class Sticking:
    """What came of one shot."""

    told: list[Told]
    """One for each hit that hands play, in time order."""
    separation: float
    """How far striking and idle hands lie apart, in standard deviations (0: not at all)."""
    seen: float
    """Part of the hits at which both wrists were seen."""
    places: list[Place] = field(default_factory=list)


@dataclass(frozen=True)
class _Group:
    """Hits at one moment."""

    time_s: float
    hits: tuple[int, ...]
    """Indices of one or two hits that are two hands' at the most; a third is nobody's."""


def tell_hands(hands: Hands, hits: Sequence[Hit], offset_s: float) -> Sticking:
    """The hands of `hits` (sound time), with the sound `offset_s` after the picture."""
    played = sorted((hit for hit in hits if hit.piece not in FEET), key=lambda hit: hit.onset_s)
    groups = _grouped(played)
    unknown = [Told(hit, 0.0, 0.0, 0.0) for hit in played]
    if len(groups) < FEWEST:
        return Sticking(unknown, 0.0, 0.0)
    moments = np.array([group.time_s - offset_s for group in groups])
    motion, where = _windows(hands.times_s, hands.places, moments)
    seen = np.asarray(
        np.isfinite(motion).all(axis=(1, 2, 3)) & np.isfinite(where).all(axis=(1, 2)), bool
    )
    if seen.sum() < FEWEST:
        return Sticking(unknown, 0.0, float(seen.mean()))
    # Moments at which nothing is struck, to hold the hits against.
    halfway = moments[:-1] + 0.5 * np.clip(np.diff(moments), 0.1, 0.4)
    between, _ = _windows(hands.times_s, hands.places, halfway)
    between = between[np.isfinite(between).all(axis=(1, 2, 3))]
    model = _Model(motion, between, where, seen, groups, played)
    posterior = model.learn()
    told = list(unknown)
    for index, group in enumerate(groups):
        if not seen[index]:
            continue
        right, left, both, _ = (float(p) for p in posterior[index])
        # For two at once, right and left say who plays the first of them.
        chances = [(right, left, both)]
        if len(group.hits) == 2:
            chances = [(right, left, 0.0), (left, right, 0.0)]
        for hit, (by_right, by_left, by_both) in zip(group.hits, chances, strict=True):
            place = where[index, 0 if by_right >= by_left else 1]
            told[hit] = Told(played[hit], by_right, by_left, by_both, place)
    return Sticking(told, model.separation, float(seen.mean()), model.places(posterior))


def strike_signals(hands: Hands) -> Array:
    """(n, 2) how much each wrist strikes at each frame, for sync; 0 where it is unseen."""
    motion, _ = _windows(hands.times_s, hands.places, hands.times_s)
    held = _held(motion, _scale(motion))[..., 1]
    return np.asarray(np.maximum(np.nan_to_num(held @ TEMPLATE), 0.0))


def speeds_around(times_s: Array, places: Array, moments: Array) -> Array:
    """(m, 2, k) downward speed of each hand (right first) in the steps around each moment, as the
    template weighs it; `places` as Hands has them. For training."""
    motion, _ = _windows(times_s, places, moments)
    return _held(motion, _scale(motion))[..., 1]


def refined(hands: Hands, hits: Sequence[Hit], offset_s: float) -> tuple[float, float]:
    """The offset near `offset_s` at which the wrists strike most plainly at the hits, and how
    plainly beside the best offset within a tenth of a second and a half: well below 1 when the
    wrists say another offset than the rest of the picture, so that one of them is wrong."""
    times = np.array([hit.onset_s for hit in hits if hit.piece not in FEET])
    shifts = np.arange(-_SEARCH_S, _SEARCH_S + 1e-9, 0.005)
    plain = np.full(len(shifts), np.nan)
    for index, shift in enumerate(shifts):
        motion, _ = _windows(hands.times_s, hands.places, times - offset_s - shift)
        score = _held(motion, _scale(motion))[..., 1] @ TEMPLATE
        seen = np.isfinite(score).all(axis=1)
        if seen.sum() >= FEWEST:
            plain[index] = float(score[seen].max(axis=1).mean())
    near = np.where(np.abs(shifts) <= _NEAR_S, plain, np.nan)
    if not np.isfinite(near).any() or np.nanmax(plain) <= 0:
        return offset_s, 0.0
    best = int(np.nanargmax(near))
    return float(offset_s + shifts[best]), float(near[best] / np.nanmax(plain))


def _grouped(hits: Sequence[Hit]) -> list[_Group]:
    groups: list[list[int]] = []
    for index, hit in enumerate(hits):
        if groups and hit.onset_s - hits[groups[-1][0]].onset_s < TOGETHER_S:
            groups[-1].append(index)
        else:
            groups.append([index])
    return [
        _Group(
            float(np.mean([hits[i].onset_s for i in group])),
            tuple(sorted(sorted(group, key=lambda i: -hits[i].confidence)[:2])),
        )
        for group in groups
    ]


def _windows(times_s: Array, places: Array, moments: Array) -> tuple[Array, Array]:
    """(m, 2, k, 2) speeds around each moment and (m, 2, 2) places at it; NaN where unseen."""
    at = moments[:, None] + _OFFSETS_S
    path = np.empty((len(moments), 2, len(_OFFSETS_S), 2))
    where = np.empty((len(moments), 2, 2))
    for hand in range(2):
        for axis in range(2):
            values = places[:, hand, axis]
            path[:, hand, :, axis] = _sampled(times_s, values, at)
            where[:, hand, axis] = _sampled(times_s, values, moments)
    return np.diff(path, axis=2) * 30, where


def _scale(motion: Array) -> float:
    """The unit of the template's speeds: 1.5 times the median speed along an axis."""
    known = np.abs(motion[np.isfinite(motion)])
    return max(float(np.median(known)) * 1.5, 1e-6) if known.size else 1.0


def _held(motion: Array, scale: float) -> Array:
    """In the template's unit; wild values, as of a wrist found elsewhere for one frame, are held
    down."""
    return np.asarray(4 * np.tanh(motion / scale / 4))


def _sampled(times_s: Array, values: Array, at: Array) -> Array:
    """Between frames; NaN beyond the ends and in gaps of more than an eighth of a second."""
    known = np.isfinite(values)
    if known.sum() < 2:
        return np.full(at.shape, np.nan)
    times, values = times_s[known], values[known]
    out = np.interp(at, times, values, left=np.nan, right=np.nan)
    after = np.clip(np.searchsorted(times, at), 1, len(times) - 1)
    out[times[after] - times[after - 1] > 0.125] = np.nan
    return np.asarray(out)


class _Model:
    """What is learned of one shot."""

    def __init__(
        self,
        motion: Array,
        between: Array,
        where: Array,
        seen: NDArray[np.bool_],
        groups: list[_Group],
        hits: Sequence[Hit],
    ) -> None:
        self.seen, self.groups, self.hits = seen, groups, hits
        scale = _scale(motion[seen])
        self.motion, self.between = (
            np.nan_to_num(_held(speeds, scale)) for speeds in (motion, between)
        )
        self.where = np.where(np.isfinite(where), where, 0.0)
        self.separation = 0.0
        self._doubt = np.zeros(len(groups))
        self.pieces = [tuple(hits[i].piece for i in group.hits) for group in groups]
        self.pair = np.array([len(group.hits) == 2 for group in groups])
        self._place: dict[tuple[DrumPiece, int], tuple[Array, Array]] = {}
        self._ground: list[tuple[Array, Array]] = []
        self._prior: dict[DrumPiece, float] = {}

    def learn(self) -> Array:
        """(m, 4) the probability of right, left, both, neither for each group."""
        lean = self._lean()
        posterior = _posterior_of(lean)
        for number in range(_ROUNDS):
            if number:
                self._replace(posterior)
            posterior = self._chain(self._emissions(lean))
        return posterior

    def _lean(self) -> Array:
        """(m,) log-odds of right against left, by motion alone."""
        way, self.separation = self._way()
        scores = self._strikes(self.motion, way)
        self._doubt = self._doubts(scores)
        lean = _TRUST * (scores[:, 0] - scores[:, 1])
        return np.where(self.seen, np.clip(lean, -_MOST_LEAN, _MOST_LEAN), 0.0)

    def _doubts(self, scores: Array) -> Array:
        """(m,) log-odds that a lone hit is no one hand's: both hands strike (the ear has missed the
        other's piece), or neither does (the ear has heard what was not struck)."""
        alone = self.seen & ~self.pair
        usual = float(np.median(scores[alone].max(axis=1))) if alone.any() else 0.0
        if usual <= 0:
            return np.zeros(len(scores))
        weaker, stronger = scores.min(axis=1) / usual, scores.max(axis=1) / usual
        both = (weaker - _BOTH_STRIKE) / _STRIKE_WIDTH
        neither = (_NONE_STRIKES - stronger) / _STRIKE_WIDTH
        return np.asarray(np.clip(np.maximum(both, neither), -_MOST_DOUBT, _MOST_DOUBT))

    def _way(self) -> tuple[Array, float]:
        """The direction of a stroke in the picture: down, or aslant where the camera stands so; and
        how clear it is. Up is none: a hand that lifts for the next stroke would pass for one that
        strikes."""
        best, best_gain = np.array([0.0, 1.0]), -np.inf
        for turn in (0.0, -np.pi / 4, np.pi / 4):
            way = np.array([np.sin(turn), np.cos(turn)])
            gain = _contrast(
                self._strikes(self.motion[self.seen], way), self._strikes(self.between, way)
            )
            if gain - (0 if turn == 0 else _PLAINLY) > best_gain:
                best, best_gain = way, gain
        return best, best_gain

    @staticmethod
    def _strikes(motion: Array, way: Array) -> Array:
        """(m, 2) log-odds that each hand's motion is a stroke, but for a constant."""
        return np.asarray(np.einsum("mhkc,k,c->mh", motion, TEMPLATE, way))

    def _replace(self, posterior: Array) -> None:
        """Where each hand strikes each piece, and which hand usually does."""
        weight = np.zeros((len(self.groups), 2))
        self._ground = [
            (
                self.where[self.seen, hand].mean(axis=0),
                self.where[self.seen, hand].std(axis=0) + 0.08,
            )
            for hand in range(2)
        ]
        self._place, self._prior = {}, {}
        by_piece: dict[DrumPiece, list[tuple[int, int]]] = {}
        for index, pieces in enumerate(self.pieces):
            if self.seen[index]:
                for order, piece in enumerate(pieces):
                    by_piece.setdefault(piece, []).append((index, order))
        for piece, found in by_piece.items():
            weight = np.array(
                [
                    (posterior[i, _RIGHT], posterior[i, _LEFT])[:: 1 if order == 0 else -1]
                    for i, order in found
                ]
            )
            rows = [i for i, _ in found]
            right, left = weight.sum(axis=0)
            self._prior[piece] = float((right + 2) / (right + left + 4))
            for hand in range(2):
                total = weight[:, hand].sum()
                if total < 3:
                    continue
                share = weight[:, hand : hand + 1] / total
                mean = (share * self.where[rows, hand]).sum(axis=0)
                spread = np.sqrt((share * (self.where[rows, hand] - mean) ** 2).sum(axis=0))
                # Few strokes make no narrow place.
                self._place[piece, hand] = (mean, np.hypot(spread, 0.08) + 0.3 / total)

    def _emissions(self, lean: Array) -> Array:
        """(m, 4) log-likelihoods."""
        out = np.zeros((len(lean), 4))
        out[:, _RIGHT] = 0.5 * lean + np.log(0.48)
        out[:, _LEFT] = -0.5 * lean + np.log(0.48)
        out[:, _BOTH] = np.log(0.01)
        out[:, _NONE] = np.log(0.03)
        for index, pieces in enumerate(self.pieces):
            if not self.seen[index]:
                out[index] = np.log([0.48, 0.48, 0.01, 0.03])
                continue
            if len(pieces) == 1:
                piece = pieces[0]
                place = [self._place_gain(index, piece, hand) for hand in range(2)]
                prior = np.clip(self._prior.get(piece, 0.5), 0.1, 0.9)
                out[index, _RIGHT] += place[0] + np.log(prior)
                out[index, _LEFT] += place[1] + np.log(1 - prior)
                out[index, _BOTH] += 0.5 * (place[0] + place[1]) + np.log(0.5)
                best = max(out[index, _RIGHT], out[index, _LEFT])
                out[index, _NONE] = best + self._doubt[index]
            else:
                first, second = pieces
                p, q = (np.clip(self._prior.get(x, 0.5), 0.05, 0.95) for x in pieces)
                out[index, _RIGHT] = (
                    self._place_gain(index, first, 0)
                    + self._place_gain(index, second, 1)
                    + np.log(p * (1 - q))
                )
                out[index, _LEFT] = (
                    self._place_gain(index, first, 1)
                    + self._place_gain(index, second, 0)
                    + np.log(q * (1 - p))
                )
                out[index, _BOTH] = -1e9
                out[index, _NONE] = np.log(0.02)
        return out

    def _place_gain(self, index: int, piece: DrumPiece, hand: int) -> float:
        if (piece, hand) not in self._place:
            return -0.5 if self._place else 0.0
        mean, spread = self._place[piece, hand]
        ground, wide = self._ground[hand]
        point = self.where[index, hand]
        near = _log_heavy(point, mean, spread).sum() - _log_heavy(point, ground, wide).sum()
        return float(np.clip(0.7 * near, -_MOST_PLACE, _MOST_PLACE))

    def _chain(self, emissions: Array) -> Array:
        """Forward and backward over the groups."""
        count = len(self.groups)
        steps = [self._step(i) for i in range(1, count)]
        forward = np.empty((count, 4))
        backward = np.zeros((count, 4))
        forward[0] = emissions[0]
        for i in range(1, count):
            forward[i] = emissions[i] + _logsum(forward[i - 1][:, None] + steps[i - 1], 0)
        for i in range(count - 2, -1, -1):
            backward[i] = _logsum(steps[i] + (emissions[i + 1] + backward[i + 1])[None, :], 1)
        joint = forward + backward
        out = np.exp(joint - joint.max(axis=1, keepdims=True))
        return np.asarray(out / out.sum(axis=1, keepdims=True))

    def _step(self, index: int) -> Array:
        """(4, 4) log-weights from the group before to this one."""
        gap_s = self.groups[index].time_s - self.groups[index - 1].time_s
        out = np.zeros((4, 4))
        if gap_s > 0.5:
            return out
        for hand in range(2):
            before = self._plays(index - 1, hand)
            after = self._plays(index, hand)
            for a in range(4):
                for b in range(4):
                    if before[a] is None or after[b] is None:
                        continue
                    if gap_s < _FASTEST_S:
                        out[a, b] -= 8.0
                    elif gap_s < 0.09:
                        out[a, b] -= 1.5
                    out[a, b] -= self._travel(before[a], after[b], hand, gap_s)
        return out

    def _plays(self, index: int, hand: int) -> tuple[DrumPiece | None, ...]:
        """For each state, what this hand strikes in the group."""
        pieces = self.pieces[index]
        first = pieces[0]
        if len(pieces) == 1:
            return (first, None, first, None) if hand == 0 else (None, first, first, None)
        return (pieces[hand], pieces[1 - hand], None, None)

    def _travel(self, a: DrumPiece | None, b: DrumPiece | None, hand: int, gap_s: float) -> float:
        if a is b or a is None or b is None:
            return 0.0
        here, there = self._place.get((a, hand)), self._place.get((b, hand))
        if here is None or there is None:
            return 0.0
        needed_s = float(np.linalg.norm(here[0] - there[0])) / _REACH_PER_S
        return 4.0 if needed_s > gap_s else 0.0

    def places(self, posterior: Array) -> list[Place]:
        """Where each hand strikes each piece, where it was sure to be that hand."""
        points: dict[tuple[DrumPiece, int], list[Array]] = {}
        for index, pieces in enumerate(self.pieces):
            if not self.seen[index]:
                continue
            for order, piece in enumerate(pieces):
                for hand in range(2):
                    state = hand if order == 0 else 1 - hand
                    if posterior[index, state] >= SURE:
                        points.setdefault((piece, hand), []).append(self.where[index, hand])
        return [
            Place(piece, np.mean(found, axis=0), np.std(found, axis=0), len(found))
            for (piece, _), found in sorted(points.items())
            if len(found) >= _PLACE_FEWEST
        ]


def _posterior_of(lean: Array) -> Array:
    right = 1 / (1 + np.exp(-np.clip(lean, -30, 30)))
    return np.stack([right, 1 - right, np.zeros_like(right), np.zeros_like(right)], axis=1)


def _contrast(at_hits: Array, between: Array) -> float:
    """How much more the better hand strikes at hits than between them, in standard deviations."""
    if not len(between):
        return 0.0
    hit, other = at_hits.max(axis=1), between.max(axis=1)
    return float((hit.mean() - other.mean()) / (0.5 * (hit.std() + other.std()) + 1e-9))


def _log_heavy(values: Array, mean: float | Array, spread: float | Array) -> Array:
    """Student's t with four degrees of freedom, less its constant: outliers are no proof."""
    z = (values - mean) / spread
    return np.asarray(-2.5 * np.log1p(z**2 / 4) - np.log(spread))


def _logsum(values: Array, axis: int) -> Array:
    top = values.max(axis=axis)
    return np.asarray(top + np.log(np.exp(values - np.expand_dims(top, axis)).sum(axis=axis)))
