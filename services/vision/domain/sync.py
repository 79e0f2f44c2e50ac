"""How far the sound lies after the picture: strokes that are heard against motion that turns back.

Each cell of the picture is correlated with each group of drums, at all lags. A cell counts by how
alike it answers in different segments of the shot, so that what moves by chance with the sound in
one place adds nothing: the statistic is the mean product of two segments' correlations, summed over
cells and drums. It is zero on the average for a picture that has nothing to do with the sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from libs.common.drums import DrumPiece, Hit

Signal = NDArray[np.float64]

GRID_S: Final = 0.01
EARLIEST_S: Final = -0.2
LATEST_S: Final = 0.3
"""Where the offset is looked for: phones lie 50 to 130 ms, loose cuts a little further."""
SHORTEST_S: Final = 3.5
LONGEST_S: Final = 120.0
"""So much of a long shot says all; callers pass no more."""
FEWEST: Final = 8
SHAKEN_S: Final = 0.12
SIGNIFICANT: Final = 12.0
AMONG_SHIFTS: Final = 4.0
LIKE_A_RIVAL: Final = 0.7
APART_S: Final = 0.025
_SIGNIFICANT_ALONE: Final = 8.0
_AMONG_SHIFTS_ALONE: Final = 6.0
_NO_RIVAL: Final = 0.4
LATE_S: Final = 0.007
"""What turns back is seen this much after the contact, on rendered players of known offset."""
_LEAST_HALF_S: Final = 1.5
_SURROGATES: Final = 30
_SEGMENT_S: Final = 4.0
_MOST_CELLS: Final = 48
_SPREAD_S: Final = 0.015
_GROUPS: Final[dict[DrumPiece, int]] = {
    DrumPiece.KICK: 0,
    DrumPiece.SNARE: 1,
    DrumPiece.RIMSHOT: 1,
    DrumPiece.CROSS_STICK: 1,
    DrumPiece.HAT_CLOSED: 2,
    DrumPiece.HAT_HALF_OPEN: 2,
    DrumPiece.HAT_OPEN: 2,
    DrumPiece.TOM_HIGH: 3,
    DrumPiece.TOM_MID: 3,
    DrumPiece.TOM_FLOOR: 3,
}
"""Cymbals and the rest are group 4; the hat's pedal is not seen."""


@dataclass(frozen=True, slots=True)
class Link:
    """The best offset, and what speaks for it."""

    offset_s: float
    significance: float
    """How far it stands above strokes whose times are shaken by up to SHAKEN_S each, in standard
    deviations: music keeps its tempo and its breaks, and loses its moments (the interval jitter
    test of spike trains: Amarasingham et al., "Conditional modeling and the jitter method", 2012).
    """
    among_shifts: float
    """How far it stands above all circular shifts; low for music that repeats itself exactly."""
    rival: float
    """The best other peak in the range that is looked at, as a part of the best: near 1 for music
    so regular that two offsets explain it alike."""
    apart_s: float
    """How far the offsets of the shot's two halves lie apart; infinite when one half has none."""

    @property
    def believed(self) -> bool:
        """Whether picture and sound belong together, this far apart."""
        if self.apart_s > APART_S or self.rival > LIKE_A_RIVAL:
            return False
        plain = self.significance >= SIGNIFICANT and self.among_shifts >= AMONG_SHIFTS
        # Fewer strokes stand less high above shaken ones; then nothing else may come near.
        alone = (
            self.significance >= _SIGNIFICANT_ALONE
            and self.among_shifts >= _AMONG_SHIFTS_ALONE
            and self.rival <= _NO_RIVAL
        )
        return plain or alone


def link(times_s: Signal, signals: Signal, hits: Sequence[Hit]) -> Link | None:
    """The offset between hits and `signals` (n, k) at `times_s`; None where there is too little of
    either."""
    span_s = float(times_s[-1] - times_s[0]) if len(times_s) > 1 else 0.0
    if span_s < SHORTEST_S:
        return None
    seen = _Seen.of(times_s, signals)
    inside = [
        hit
        for hit in hits
        if hit.piece is not DrumPiece.HAT_PEDAL and seen.start_s <= hit.onset_s <= seen.end_s
    ]
    if seen.cells.shape[1] == 0 or len(inside) < FEWEST:
        return None
    score = seen.score(inside)
    lags_s = seen.lags_s
    wanted = (lags_s >= EARLIEST_S) & (lags_s <= LATEST_S)
    likely = np.where(wanted, score * _usual(lags_s), -np.inf)
    best = int(np.argmax(likely))
    far = np.abs(lags_s - lags_s[best]) > 0.12
    spread = float(score[far].std())
    if score[best] <= 0 or spread <= 0:
        return None
    rng = np.random.default_rng(len(inside))
    chance = np.array(
        [
            np.where(wanted, seen.score(_shaken(inside, rng)) * _usual(lags_s), -np.inf).max()
            for _ in range(_SURROGATES)
        ]
    )
    rivals = score[wanted & (np.abs(lags_s - lags_s[best]) > 0.06)]
    return Link(
        offset_s=_peak_at(score, best, lags_s) + LATE_S,
        significance=float((likely[best] - chance.mean()) / (chance.std() + 1e-12)),
        among_shifts=float((score[best] - score[far].mean()) / spread),
        rival=float(max(rivals.max(), 0.0) / score[best]) if rivals.size else 0.0,
        apart_s=_apart_s(times_s, signals, inside),
    )


def _apart_s(times_s: Signal, signals: Signal, hits: Sequence[Hit]) -> float:
    middle_s = 0.5 * (times_s[0] + times_s[-1])
    found: list[float] = []
    for half in (times_s <= middle_s, times_s >= middle_s):
        if half.sum() < 2 or np.ptp(times_s[half]) < _LEAST_HALF_S:
            return float("inf")
        seen = _Seen.of(times_s[half], signals[half])
        if seen.cells.shape[1] == 0:
            return float("inf")
        score = seen.score(hits)
        wanted = (seen.lags_s >= EARLIEST_S) & (seen.lags_s <= LATEST_S)
        likely = np.where(wanted, score * _usual(seen.lags_s), -np.inf)
        best = int(np.argmax(likely))
        found.append(_peak_at(score, best, seen.lags_s))
    return abs(found[0] - found[1])


def _usual(lags_s: Signal) -> Signal:
    """Offsets as films have them count a little more than far ones: regular music explains itself
    alike a beat later."""
    return np.asarray(0.7 + 0.3 * np.exp(-0.5 * ((lags_s - 0.06) / 0.12) ** 2))


def _shaken(hits: Sequence[Hit], rng: np.random.Generator) -> list[Hit]:
    return [
        replace(hit, onset_s=hit.onset_s + float(shift))
        for hit, shift in zip(hits, rng.uniform(-SHAKEN_S, SHAKEN_S, len(hits)), strict=True)
    ]


@dataclass(frozen=True)
class _Seen:
    """A shot's cells on an even grid, in segments, ready to be correlated."""

    start_s: float
    end_s: float
    cells: Signal
    """(segments, cells, frequencies) conjugate spectra."""
    length: int
    """Grid points in a segment."""
    lags_s: Signal

    @staticmethod
    def of(times_s: Signal, signals: Signal) -> _Seen:
        start_s, end_s = float(times_s[0]), float(times_s[-1])
        count = int((end_s - start_s) / GRID_S)
        parts = max(2, round((end_s - start_s) / _SEGMENT_S))
        length = count // parts
        spread = signals.std(axis=0)
        chosen = np.argsort(-spread, kind="stable")[:_MOST_CELLS]
        chosen = chosen[spread[chosen] > 1e-9]
        grid_s = start_s + GRID_S * np.arange(parts * length)
        even = np.empty((parts, length, len(chosen)))
        for column, cell in enumerate(chosen):
            even[..., column] = np.interp(grid_s, times_s, signals[:, cell]).reshape(parts, length)
        spectra = np.conj(np.fft.rfft(_normal(even), axis=1)).transpose(0, 2, 1)
        lags_s = np.fft.fftfreq(length, 1 / length) * GRID_S
        end_s = start_s + GRID_S * parts * length
        return _Seen(start_s, end_s, spectra, length, np.asarray(lags_s, np.float64))

    def score(self, hits: Sequence[Hit]) -> Signal:
        """(lags,) the statistic for each lag of the sound after the picture."""
        parts = len(self.cells)
        trains = _trains(hits, self.start_s, parts * self.length)
        groups = _normal(trains.reshape(parts, self.length, -1))
        total = np.zeros((trains.shape[1], self.cells.shape[1], self.length))
        squares = np.zeros_like(total)
        used = 0
        for part in range(parts):
            if not groups[part].any():
                continue
            used += 1
            spectra = np.fft.rfft(groups[part], axis=0).T[:, None, :] * self.cells[part]
            correlation = np.fft.irfft(spectra, self.length, axis=2) / self.length
            total += correlation
            squares += correlation**2
        if used < 2:
            return np.zeros(self.length)
        alike = (total**2 - squares) / (used * (used - 1))
        # A cell that falls silent at the hits answers, but says nothing for the link.
        return np.asarray(np.where(total > 0, alike, -np.abs(alike)).sum(axis=(0, 1)))


def _trains(hits: Sequence[Hit], start_s: float, count: int) -> Signal:
    """(count, groups): each group's strokes as soft pulses on the even grid."""
    trains = np.zeros((count, 5))
    for hit in hits:
        group = _GROUPS.get(hit.piece, 4)
        at = (hit.onset_s - start_s) / GRID_S
        low = int(np.floor(at))
        if not 0 <= low < count - 1:
            continue
        loud = 0.4 + 0.6 * hit.velocity / 127
        trains[low, group] += loud * (1 - (at - low))
        trains[low + 1, group] += loud * (at - low)
    kept = trains[:, trains.any(axis=0)]
    return np.asarray(gaussian_filter1d(kept, _SPREAD_S / GRID_S, axis=0)) if kept.size else kept


def _normal(values: Signal) -> Signal:
    """(segments, n, k): zero mean and unit size in each segment, large values held down."""
    soft = np.sqrt(np.maximum(values, 0.0))
    soft = soft - soft.mean(axis=1, keepdims=True)
    size = np.sqrt((soft**2).mean(axis=1, keepdims=True))
    return np.asarray(np.divide(soft, size, out=np.zeros_like(soft), where=size > 1e-9))


def _peak_at(score: Signal, best: int, lags_s: Signal) -> float:
    """Between grid points: the top of the parabola through three of them."""
    a, b, c = (float(score[(best + k) % len(score)]) for k in (-1, 0, 1))
    bend = a - 2 * b + c
    shift = 0.5 * (a - c) / bend if bend < 0 else 0.0
    return float(lags_s[best] + GRID_S * np.clip(shift, -1, 1))
