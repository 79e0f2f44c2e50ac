"""The pulse under the hits: tempo, beats, bars.

Periods come from the hits' autocorrelation in windows, so that the tempo may move; beats from
dynamic programming (after Ellis, Beat Tracking by Dynamic Programming, 2007) along that period.
Which of several periods is *the* beat, and where bars begin, is what a drummer's hands say: kick
on one, snare on two and four, a crash to open a section.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from libs.common.drums import Beat, DrumPiece, Hit

Values = NDArray[np.float64]

RATE: Final = 100.0
"""Grid of the novelty curve, values a second."""
SLOWEST_BPM: Final = 40.0
FASTEST_BPM: Final = 240.0
METERS: Final = (4, 3)

_PRIOR_BPM: Final = 110.0
_PRIOR_OCTAVES: Final = 0.75
_WINDOW_S: Final = 10.0
_STEP_S: Final = 2.0
_TIGHTNESS: Final = 150.0
_LEAST_HITS: Final = 6
_LEAST_PERIODICITY: Final = 0.12
_TEMPO_MOVES: Final = 1.22
"""How far the period may wander from its middle, as a factor."""

_WEIGHT: Final[dict[DrumPiece, float]] = {
    DrumPiece.KICK: 1.0,
    DrumPiece.SNARE: 1.0,
    DrumPiece.CROSS_STICK: 0.9,
    DrumPiece.CRASH: 0.9,
    DrumPiece.RIDE: 0.6,
    DrumPiece.HAT_CLOSED: 0.5,
    DrumPiece.HAT_OPEN: 0.5,
    DrumPiece.HAT_PEDAL: 0.5,
}
_KICKS: Final = frozenset({DrumPiece.KICK})
_SNARES: Final = frozenset({DrumPiece.SNARE, DrumPiece.CROSS_STICK, DrumPiece.RIMSHOT})
_CRASHES: Final = frozenset({DrumPiece.CRASH, DrumPiece.CRASH_2, DrumPiece.SPLASH, DrumPiece.CHINA})

_OPENING: Final = 0.05

# How welcome kick, snare and crash are on each beat of a bar.
_BARS: Final[dict[int, Values]] = {
    4: np.array([[1.0, -0.3, 0.45, -0.3], [-0.9, 1.0, -0.6, 1.0], [1.6, -0.5, 0.0, -0.5]]).T,
    3: np.array([[1.0, -0.3, -0.3], [-0.9, 0.6, 0.6], [1.6, -0.6, -0.6]]).T,
}


@dataclass(frozen=True, slots=True)
class Pulse:
    """The beats, and how far to believe them; no beats and no tempo when there is no pulse."""

    beats: list[Beat]
    """From the first hit to the last."""
    tempo_bpm: float | None
    confidence: float
    """0 to 1."""
    beats_per_bar: int | None


NO_PULSE: Final = Pulse([], None, 0.0, None)


def find_beats(
    hits: Sequence[Hit], envelope: NDArray[np.float32] | None = None, envelope_rate: float = RATE
) -> Pulse:
    """Beats from the hits; the onset `envelope` adds what was heard but not named."""
    if len(hits) < _LEAST_HITS:
        return NO_PULSE
    novelty, start_s = _novelty(hits, envelope, envelope_rate)
    if len(novelty) < RATE:
        return NO_PULSE
    windows = _autocorrelations(novelty)
    overall = windows.mean(axis=0)
    candidates = [lag for lag in _candidate_lags(overall) if overall[lag] > _LEAST_PERIODICITY / 2]
    if not candidates or max(overall[lag] for lag in candidates) < _LEAST_PERIODICITY:
        return NO_PULSE
    scored = []
    for lag in candidates:
        periods = _period_path(windows, lag, len(novelty))
        times_s = _refine(_track(novelty, periods) / RATE + start_s, hits)
        if len(times_s) < 4:
            continue
        meter, phase, fit = _bars(times_s, hits)
        bpm = 60 * RATE / lag
        prior = -0.5 * (np.log2(bpm / _PRIOR_BPM) / _PRIOR_OCTAVES) ** 2
        support = _support(times_s, hits)
        score = prior + 1.6 * fit + support + float(overall[lag])
        scored.append((score, lag, times_s, meter, phase))
    if not scored:
        return NO_PULSE
    best, lag, times_s, meter, phase = max(scored, key=lambda entry: entry[0])
    rest = [score for score, other, *_ in scored if other != lag]
    margin = best - max(rest) if rest else 1.0
    times_s = _smooth(times_s)
    times_s, added = _cover(times_s, hits[0].onset_s, hits[-1].onset_s)
    beats = [
        Beat(float(at), (number - added - phase) % meter + 1) for number, at in enumerate(times_s)
    ]
    span = min(8, len(times_s) - 1)
    tempo_bpm = 60 * span / float(np.median(times_s[span:] - times_s[:-span]))
    confidence = np.clip(0.75 * overall[lag] ** 0.5 + 0.5 * min(margin, 0.5), 0, 1)
    return Pulse(beats, round(tempo_bpm, 2), round(float(confidence), 3), meter)


def _novelty(
    hits: Sequence[Hit], envelope: NDArray[np.float32] | None, envelope_rate: float
) -> tuple[Values, float]:
    """The hits as bumps 20 ms wide, from a second before the first to a second after the last."""
    start_s = hits[0].onset_s - 1.0
    count = int((hits[-1].onset_s + 1.0 - start_s) * RATE) + 1
    bumps = np.zeros(count)
    for hit in hits:
        at = (hit.onset_s - start_s) * RATE
        weight = _WEIGHT.get(hit.piece, 0.6) * (0.3 + 0.7 * hit.velocity / 127) * hit.confidence
        bumps[round(at)] += weight
    novelty = gaussian_filter1d(bumps, 2.0) * 5
    if envelope is not None and len(envelope):
        grid_s = start_s + np.arange(count) / RATE
        heard = np.interp(grid_s, np.arange(len(envelope)) / envelope_rate, envelope, 0, 0)
        novelty += 0.3 * novelty.max() * heard / max(float(heard.max()), 1e-9)
    return novelty / max(float(novelty.std()), 1e-9), start_s


def _autocorrelations(novelty: Values) -> Values:
    """A row per window of 10 s: how alike the curve is to itself per lag; 1 is a perfect repeat."""
    longest = int(60 * RATE / SLOWEST_BPM) + 2
    width = int(_WINDOW_S * RATE)
    step = int(_STEP_S * RATE)
    rows = []
    for first in range(0, max(1, len(novelty) - width // 2), step):
        part = novelty[first : first + width]
        part = part - part.mean()
        size = 1 << (2 * len(part) - 1).bit_length()
        spectrum = np.fft.rfft(part, size)
        alike = np.fft.irfft(np.abs(spectrum) ** 2, size)[:longest]
        # Longer lags overlap less; undone, but not for the shortest of windows.
        overlap = np.maximum(1 - np.arange(longest) / max(len(part), 1), 0.25)
        rows.append(np.pad(alike, (0, longest - len(alike))) / overlap / max(float(alike[0]), 1e-9))
    return np.clip(np.array(rows), 0, 1)


def _candidate_lags(overall: Values) -> list[int]:
    """The strongest periods, with halves, doubles and thirds of them that are tempos."""
    shortest, longest = int(60 * RATE / FASTEST_BPM), int(60 * RATE / SLOWEST_BPM)
    lags = np.arange(shortest, longest + 1)
    bpm = 60 * RATE / lags
    prior = np.exp(-0.5 * (np.log2(bpm / _PRIOR_BPM) / _PRIOR_OCTAVES) ** 2)
    inside = overall[lags]
    peaks = [
        int(lag)
        for lag, value in zip(lags, inside, strict=True)
        if value >= overall[lag - 1] and value >= overall[lag + 1]
    ]
    peaks.sort(key=lambda lag: -overall[lag] * prior[lag - shortest])
    chosen: list[int] = []
    for peak in peaks[:3]:
        for factor in (1, 0.5, 2, 1.5, 2 / 3, 3, 1 / 3):
            near = round(peak * factor)
            if not shortest <= near <= longest:
                continue
            lag = max(
                range(max(shortest, near - 2), min(longest, near + 2) + 1),
                key=lambda each: overall[each],
            )
            if all(abs(lag - other) > 0.06 * other for other in chosen):
                chosen.append(lag)
    return chosen[:7]


def _period_path(windows: Values, lag: int, count: int) -> Values:
    """The period at every frame: the likeliest smooth walk through the windows around `lag`."""
    low = max(2, int(lag / _TEMPO_MOVES))
    high = min(windows.shape[1] - 1, int(lag * _TEMPO_MOVES) + 1)
    lags = np.arange(low, high + 1)
    change = -40 * np.log(lags[:, None] / lags[None, :]) ** 2
    away = -2 * np.log(lags / lag) ** 2
    total = windows[0, lags] + away
    back = np.zeros((len(windows), len(lags)), np.int64)
    for row in range(1, len(windows)):
        ways = total[None, :] + change
        back[row] = ways.argmax(axis=1)
        total = ways.max(axis=1) + windows[row, lags] + away
    path = np.zeros(len(windows), np.int64)
    path[-1] = int(total.argmax())
    for row in range(len(windows) - 1, 0, -1):
        path[row - 1] = back[row, path[row]]
    centres = (np.arange(len(windows)) * _STEP_S + _WINDOW_S / 2) * RATE
    return np.asarray(np.interp(np.arange(count), centres, lags[path]), np.float64)


def _track(novelty: Values, periods: Values) -> Values:
    """Frames of the best chain of beats, a period apart, on strong novelty."""
    count = len(novelty)
    longest = int(periods.max() * 2) + 1
    score = np.concatenate([np.zeros(longest), novelty])
    before = np.full(count, -1, np.int64)
    logs = np.log(np.maximum(np.arange(longest + 1), 1))
    for frame in range(count):
        period = periods[frame]
        near, far = int(period / 2) + 1, int(period * 2)
        gaps = logs[near : far + 1] - np.log(period)
        at = frame + longest
        ways = score[at - far : at - near + 1][::-1] - _TIGHTNESS * gaps * gaps
        best = int(ways.argmax())
        if ways[best] > 0:
            score[at] += ways[best]
            before[frame] = frame - near - best
    last_from = max(0, count - int(periods[-1]) - int(RATE))
    frame = last_from + int(score[longest + last_from :].argmax())
    chain = []
    while frame >= 0:
        chain.append(frame)
        frame = int(before[frame])
    return np.array(chain[::-1], np.float64)


def _refine(times_s: Values, hits: Sequence[Hit]) -> Values:
    """Beats on the hits that they were found from, between frames of the grid."""
    onsets_s = np.array([hit.onset_s for hit in hits])
    weights = np.array([_WEIGHT.get(hit.piece, 0.6) * hit.confidence for hit in hits])
    refined = times_s.copy()
    for index, at in enumerate(times_s):
        first, past = np.searchsorted(onsets_s, [at - 0.035, at + 0.035])
        if past > first:
            refined[index] = np.average(
                onsets_s[first:past], weights=np.maximum(weights[first:past], 1e-3)
            )
    return refined


def _smooth(times_s: Values) -> Values:
    """Each beat on the line through the five around it: a hand's jitter is no change of tempo."""
    smooth = times_s.copy()
    for index in range(len(times_s)):
        first = min(max(0, index - 2), max(0, len(times_s) - 5))
        near = np.arange(first, min(first + 5, len(times_s)))
        line = np.polynomial.polynomial.polyfit(near - index, times_s[near], 1)
        smooth[index] = line[0]
    return smooth


def _support(times_s: Values, hits: Sequence[Hit]) -> float:
    """Share of beats with a hit on them, 0 to 1, half the weight on kick and snare."""
    near_s = 0.05
    every = np.array([hit.onset_s for hit in hits])
    drums = np.array([hit.onset_s for hit in hits if hit.piece in _KICKS | _SNARES])

    def share(onsets_s: Values) -> float:
        if not len(onsets_s):
            return 0.0
        at = np.clip(np.searchsorted(onsets_s, times_s), 1, max(1, len(onsets_s) - 1))
        away = np.minimum(
            np.abs(onsets_s[np.minimum(at, len(onsets_s) - 1)] - times_s),
            np.abs(onsets_s[at - 1] - times_s),
        )
        return float((away < near_s).mean())

    return 0.5 * share(every) + 0.5 * share(drums)


def _struck(times_s: Values, hits: Sequence[Hit], pieces: frozenset[DrumPiece]) -> Values:
    """How hard the pieces are struck on each beat, 0 to 1."""
    near_s = min(0.07, 0.14 * float(np.median(np.diff(times_s))))
    onsets_s = np.array([hit.onset_s for hit in hits if hit.piece in pieces])
    weights = np.array([hit.confidence * hit.velocity / 127 for hit in hits if hit.piece in pieces])
    struck = np.zeros(len(times_s))
    for index, at in enumerate(times_s):
        first, past = np.searchsorted(onsets_s, [at - near_s, at + near_s])
        if past > first:
            struck[index] = float(weights[first:past].max())
    return struck


def _bars(times_s: Values, hits: Sequence[Hit]) -> tuple[int, int, float]:
    """(beats per bar, index of the first downbeat, how well bars fit the strokes: -1 to 1)."""
    strokes = np.stack(
        [_struck(times_s, hits, pieces) for pieces in (_KICKS, _SNARES, _CRASHES)], axis=1
    )
    total = float(strokes[:, :2].sum()) + 1e-6
    alike = _alike(strokes)
    near_s = 0.25 * float(np.median(np.diff(times_s)))
    opening = int(np.searchsorted(times_s, hits[0].onset_s - near_s))
    found = []
    for meter in METERS:
        for phase in range(meter):
            welcome = _BARS[meter][(np.arange(len(times_s)) - phase) % meter]
            fit = float((welcome * strokes).sum()) / total
            # Four is what nearly all is in; three has to repeat clearly better.
            score = fit + 1.2 * alike[meter] - (0.25 if meter == 3 else 0.0)
            # Where one and three are played alike, most begin on one.
            score += _OPENING if (opening - phase) % meter == 0 else 0.0
            found.append((score, meter, phase, fit))
    _, meter, phase, fit = max(found)
    return meter, phase, float(np.clip(fit, -1, 1))


def _alike(strokes: Values) -> dict[int, float]:
    """How well the strokes repeat after each meter's length, as a correlation."""
    centred = strokes - strokes.mean(axis=0)
    power = float((centred**2).sum()) + 1e-9
    return {
        meter: float((centred[meter:] * centred[:-meter]).sum())
        / power
        * len(strokes)
        / max(1, len(strokes) - meter)
        if len(strokes) > 2 * meter
        else 0.0
        for meter in METERS
    }


def _cover(times_s: Values, first_s: float, last_s: float) -> tuple[Values, int]:
    """The beats carried on, at the pace of their ends, over the first and last hit; and how many
    were put before. None lies before 0 s."""
    ends = min(4, len(times_s) - 1)
    lead_s = (times_s[ends] - times_s[0]) / ends
    trail_s = (times_s[-1] - times_s[-1 - ends]) / ends
    beats = list(times_s)
    added = 0
    while beats[0] > first_s + 0.03 and beats[0] - lead_s > -0.03:
        beats.insert(0, max(0.0, beats[0] - lead_s))
        added += 1
    while beats[-1] < last_s - 0.03:
        beats.append(beats[-1] + trail_s)
    return np.array(beats), added
