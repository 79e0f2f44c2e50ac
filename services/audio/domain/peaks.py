"""From activations to hits.

The network shares a hit between the two frames that it lies between, so the sum over a peak and
its neighbours is the chance of a hit, and their centre of mass its time.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from libs.common.drums import DrumPiece, Hit
from services.audio.domain.network import Activations, Calibration, Card
from services.audio.domain.spectra import FRAMES_PER_S
from services.audio.domain.vocabulary import FAMILIES, PIECES

Values = NDArray[np.float32]

_AROUND: Final = 2
"""Frames that are kept on either side of a peak's."""
_AGAIN_S: Final = 0.06
_TOGETHER_S: Final = 0.025
_MISTAKEN: Final = (("hat", "cymbal"), ("hat", "percussion"), ("snare", "cross-stick"))
_PEDAL: Final = FAMILIES["hat"].index(DrumPiece.HAT_PEDAL)
_SEVERAL_AT_ONCE: Final = frozenset({"tom", "cymbal", "percussion"})
"""Families of more than one instrument."""


@dataclass(frozen=True, slots=True)
class Peak:
    """A place where a family may have been struck."""

    at_s: float
    family: str
    chance: float
    pieces: tuple[float, ...]
    """The activation of each of the family's pieces."""
    velocity: float


class Picker:
    """Finds peaks in activations as they come."""

    def __init__(self, card: Card, floor: float = 0.05) -> None:
        self._lag_s = card.lag_s
        self._floor = floor
        self._tail: tuple[int, Values, Values] | None = None
        self.peaks: list[Peak] = []

    def take(self, heard: Activations) -> None:
        """The next frames."""
        onsets, velocities, first = heard.onsets, heard.velocities, heard.first_frame
        if self._tail is not None:
            first, before, before_velocities = self._tail
            onsets = np.concatenate([before, onsets], axis=1)
            velocities = np.concatenate([before_velocities, velocities], axis=1)
        else:
            onsets = np.pad(onsets, ((0, 0), (_AROUND, 0)))
            velocities = np.pad(velocities, ((0, 0), (_AROUND, 0)), mode="edge")
            first -= _AROUND
        self._find(first, onsets, velocities)
        keep = max(0, onsets.shape[1] - 2 * _AROUND)
        self._tail = (first + keep, onsets[:, keep:], velocities[:, keep:])

    def finish(self) -> None:
        """No more frames."""
        if self._tail is not None:
            first, onsets, velocities = self._tail
            self._find(
                first,
                np.pad(onsets, ((0, 0), (0, _AROUND))),
                np.pad(velocities, ((0, 0), (0, _AROUND)), mode="edge"),
            )
            self._tail = None

    def _find(self, first: int, onsets: Values, velocities: Values) -> None:
        """Peaks of all frames with _AROUND on either side."""
        inside = slice(_AROUND, onsets.shape[1] - _AROUND)
        sums = onsets.copy()
        sums[:, 1:] += onsets[:, :-1]
        sums[:, :-1] += onsets[:, 1:]
        for row, (family, members) in enumerate(FAMILIES.items()):
            own = onsets[len(PIECES) + row]
            total = sums[len(PIECES) + row]
            peak = (own[1:-1] >= own[:-2]) & (own[1:-1] > own[2:]) & (total[1:-1] >= self._floor)
            frames = np.flatnonzero(peak) + 1
            frames = frames[(frames >= inside.start) & (frames < inside.stop)]
            rows = [PIECES.index(piece) for piece in members]
            for frame in frames:
                near = own[frame - 1 : frame + 2]
                centre = frame + float(near[2] - near[0]) / float(near.sum())
                self.peaks.append(
                    Peak(
                        at_s=float(max(0.0, (first + centre) / FRAMES_PER_S - self._lag_s)),
                        family=family,
                        chance=min(1.0, float(total[frame])),
                        pieces=tuple(min(1.0, float(sums[piece, frame])) for piece in rows),
                        velocity=float(
                            (velocities[row, frame - 1 : frame + 2] * near).sum() / near.sum()
                        ),
                    )
                )


def hits_from(
    peaks: list[Peak],
    card: Card,
    duration_s: float,
    *,
    sensitivity: float = 0.5,
    pieces: Collection[DrumPiece] | None = None,
) -> list[Hit]:
    """The peaks that are hits, in order, with ids; `sensitivity` and `pieces` as `Hearer.hear`."""
    allowed = frozenset(DrumPiece if pieces is None else pieces)
    # Half a unit of sensitivity is as much as odds of seven to one.
    shift = (sensitivity - 0.5) * 4
    by_family: dict[str, list[Peak]] = {family: [] for family in FAMILIES}
    for peak in sorted(peaks, key=lambda peak: peak.at_s):
        surely = logit(peak.chance) + shift >= logit(card.families[peak.family].threshold)
        if surely and allowed.intersection(FAMILIES[peak.family]):
            by_family[peak.family].append(peak)
    doubtful = _one_stroke_as_two(by_family, card.together, shift)
    found: list[Hit] = []
    for family, struck in by_family.items():
        rule = card.families[family]
        spread = np.array(card.velocities.get(family) or [(0.0, 0.0), (1.0, 127.0)]).T
        clear = [peak for peak in struck if id(peak) not in doubtful]
        for peak in _no_echoes(clear, rule.again_threshold, shift):
            velocity = float(np.interp(peak.velocity, *spread))
            found += [
                Hit(
                    onset_s=min(peak.at_s, duration_s),
                    piece=piece,
                    velocity=int(np.clip(round(velocity), 1, 127)),
                    confidence=round(_confidence(chance, rule), 3),
                )
                for piece, chance in _named(peak, allowed, card.second_piece)
            ]
    found.sort(key=lambda hit: (hit.onset_s, hit.piece))
    return [replace(hit, id=f"ev-{number:06d}") for number, hit in enumerate(found, start=1)]


def _named(
    peak: Peak, allowed: frozenset[DrumPiece], second_piece: float
) -> list[tuple[DrumPiece, float]]:
    """What was struck, and the chance of that: the family's times the piece's share in it."""
    options = [
        (chance, piece)
        for piece, chance in zip(FAMILIES[peak.family], peak.pieces, strict=True)
        if piece in allowed
    ]
    most, best = max(options)
    share = max(most, 1e-6) / max(sum(chance for chance, _ in options), 1e-6)
    named = [(best, peak.chance * min(share, 1.0))]
    if peak.family in _SEVERAL_AT_ONCE:
        named += [
            (piece, min(peak.chance, chance))
            for chance, piece in options
            if piece is not best and chance >= second_piece
        ]
    return named


def _confidence(chance: float, rule: Calibration) -> float:
    return 1 / (1 + float(np.exp(-rule.slope * logit(chance) - rule.offset)))


def _one_stroke_as_two(by_family: dict[str, list[Peak]], least: float, shift: float) -> set[int]:
    """The less sure of two that one stroke may have been taken for: few strike a hat by hand and a
    ride at once. The ids of those peaks."""
    doubtful: set[int] = set()
    for one, other in _MISTAKEN:
        times_s = [peak.at_s for peak in by_family[other]]
        for peak in by_family[one]:
            if one == "hat" and peak.pieces[_PEDAL] == max(peak.pieces):
                continue  # the foot is free
            first, past = (bisect(times_s, peak.at_s + side * _TOGETHER_S) for side in (-1, 1))
            for rival in by_family[other][first:past]:
                weaker = min(peak, rival, key=lambda either: either.chance)
                if logit(weaker.chance) + shift < logit(least):
                    doubtful.add(id(weaker))
    return doubtful


def _no_echoes(peaks: list[Peak], least: float, shift: float) -> list[Peak]:
    """Of peaks near a surer one, only those that are sure enough by themselves."""
    kept: list[Peak] = []
    times_s: list[float] = []
    for peak in sorted(peaks, key=lambda peak: -peak.chance):
        place = bisect(times_s, peak.at_s)
        near = any(
            abs(at_s - peak.at_s) < _AGAIN_S for at_s in times_s[max(0, place - 1) : place + 1]
        )
        if not near or logit(peak.chance) + shift >= logit(least):
            times_s.insert(place, peak.at_s)
            kept.append(peak)
    return kept


def logit(chance: float) -> float:
    """Log odds, of a chance kept away from 0 and 1."""
    chance = min(max(chance, 1e-6), 1 - 1e-6)
    return float(np.log(chance / (1 - chance)))
