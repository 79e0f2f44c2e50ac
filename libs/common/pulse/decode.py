"""From chances to beats and bars: the likeliest walk, once over tempos, once over meters.

First a semi-Markov walk (a bar pointer without the bar, after Krebs, Böck and Widmer, 2015): from
beat to beat, each interval near the one before. Other pulses follow from the one it finds, and
whoever hears bars says which is counted. Then a hidden Markov model over the beats, whose states
are the places of all bars of 2 to 7 beats.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from libs.common.pulse.net import FRAMES_PER_S, Rows, Values

Indices = NDArray[np.int64]

STEPS_PER_S: Final = 2 * FRAMES_PER_S
SLOWEST_BPM: Final = 37.5
FASTEST_BPM: Final = 231.0
METERS: Final = (2, 3, 4, 5, 6, 7)

# Beats apart, in steps; twice as coarse where one step is less than 1 %.
_INTERVALS: Final = np.concatenate([np.arange(26, 80), np.arange(80, 161, 2)])
_ORDINARY: Final = 0.1
"""The chance above which a frame speaks for a beat rather than against."""
_LEAST_CHANCE: Final = 0.004
_TEMPO_SPREAD: Final = 0.045
"""How much, in log tempo, one beat usually differs from the last."""
_TEMPO_JUMP: Final = 22.0
"""What a sudden other tempo costs, in nats."""
_PRIOR_BPM: Final = 110.0
_PRIOR_WEIGHT: Final = 0.04
_START_WEIGHT: Final = 1.0
_METER_SHARES: Final = np.array([0.003, 0.1, 0.8, 0.03, 0.03, 0.03])
_COMPOUND_SHARES: Final = np.array([0.45, 0.08, 0.44, 0.01, 0.01, 0.01])
"""Of METERS: what is to be expected before a note is heard."""
_METER_CHANGE: Final = 9.0
_DOWNBEAT_TRUST: Final = 0.25
"""Neighbouring outputs of a network err together, so that its chances count for less than one."""
_REPEAT_TRUST: Final = 1.0
"""For a beat, of how much better a bar's length explains what returns when."""
_REPEAT_BEATS: Final = 64
"""To either side, that are asked what returns."""
_LONGEST_REPEAT: Final = 14

_RELATED: Final = (
    (0.5, 0.0), (2.0, 0.0), (2.0, 1.0), (1.0, 0.5), (3.0, 0.0), (3.0, 1.0), (3.0, 2.0),
    (1 / 3, 0.0), (1.5, 0.0), (1.5, 0.5), (1.5, 1.0), (2 / 3, 0.0), (2 / 3, 1 / 3),
)  # fmt: skip
"""Pulses beside a found one: their pace, and where they begin, in its beats."""


def walk_beats(chances: Values, first: float, last: float) -> Values:
    """Beats from about the first hit to about the last, in seconds from the chances' start.

    `chances` at FRAMES_PER_S; `first` and `last` in seconds. Time and memory are linear in length.
    """
    frames = len(chances)
    steps = np.interp(np.arange(2 * frames - 1) / 2, np.arange(frames), chances)
    gains = np.log(np.maximum(steps, _LEAST_CHANCE) / _ORDINARY)
    away = np.log(_INTERVALS[:, None] / _INTERVALS[None, :]) / _TEMPO_SPREAD
    change = -np.minimum(0.5 * away**2, _TEMPO_JUMP)
    octaves = np.log2(60 * STEPS_PER_S / _INTERVALS / _PRIOR_BPM)
    usual = -_PRIOR_WEIGHT * octaves**2
    from_step = max(0, round(first * STEPS_PER_S) - 4)
    to_step = min(len(gains) - 1, round(last * STEPS_PER_S) + 4)
    longest = int(_INTERVALS[-1])
    count = len(_INTERVALS)
    every = np.arange(count)
    # Best scores before each next interval, of the last `longest` steps, as a ring.
    ring = np.full((longest + 1, count), -np.inf)
    came = np.zeros((to_step - from_step + 1, count), np.uint8)
    opening = _START_WEIGHT * 25 * usual
    end_score, end = -np.inf, (0, 0)
    for step in range(to_step - from_step + 1):
        before = ring[(step - _INTERVALS) % (longest + 1), every]
        before = np.where(step < _INTERVALS, opening, before)
        scores = before + gains[from_step + step] + usual
        if step >= to_step - from_step - longest:
            ends = np.where(step + _INTERVALS > to_step - from_step, scores, -np.inf)
            best = int(ends.argmax())
            if ends[best] > end_score:
                end_score, end = float(ends[best]), (step, best)
        ways = scores[:, None] + change
        came[step] = ways.argmax(axis=0)
        ring[step % (longest + 1)] = ways[came[step], every]
    step, interval = end
    beats = []
    while step >= 0:
        beats.append(step)
        before_step = step - int(_INTERVALS[interval])
        if before_step < 0:
            break
        interval = int(came[before_step, interval])
        step = before_step
    return (np.array(beats[::-1], np.float64) + from_step) / STEPS_PER_S


def chances_at(chances: Values, beats_s: Values) -> Values:
    """The highest within a frame of each beat."""
    near = np.clip(np.rint(beats_s * FRAMES_PER_S).astype(np.int64), 1, len(chances) - 2)
    return np.asarray(np.maximum.reduce([chances[near - 1], chances[near], chances[near + 1]]))


def other_pulses(beats_s: Values) -> list[Values]:
    """The beats themselves, then those of half, double, triple tempo, and the offbeats."""
    found = [beats_s]
    places = np.arange(len(beats_s))
    for pace, phase in _RELATED:
        at = np.arange(phase, len(beats_s) - 1 + 1e-6, pace)
        if len(at) < 4:
            continue
        other_s = np.interp(at, places, beats_s)
        bpm = 60 / float(np.median(np.diff(other_s)))
        if SLOWEST_BPM <= bpm <= FASTEST_BPM:
            found.append(other_s)
    return found


def repeats(rows: Rows) -> Values:
    """(6, beats): how much better kicks and snares return after each of METERS, and its multiples,
    than after other numbers of beats, as a log ratio. `rows` (24, beats) are `by_beat`'s first."""
    count = rows.shape[1]
    lags = np.arange(1, min(_LONGEST_REPEAT, count - 4) + 1)
    found = np.zeros((len(METERS), count))
    if len(lags) < 3:
        return found
    sums = np.zeros((len(lags), count + 1))
    terms = np.zeros((len(lags), count + 1))
    for row, lag in enumerate(lags):
        apart = np.abs(rows[:, lag:] - rows[:, :-lag]).mean(axis=0)
        sums[row, lag + 1 :] = np.cumsum(apart, dtype=np.float64)
        terms[row, lag + 1 :] = np.arange(1, count - lag + 1)
    first = np.maximum(np.arange(count) - _REPEAT_BEATS, 0)
    past = np.minimum(np.arange(count) + _REPEAT_BEATS + 1, count)
    apart = (sums[:, past] - sums[:, first]) / np.maximum(terms[:, past] - terms[:, first], 1)
    apart += 1e-3
    for row, meter in enumerate(METERS):
        own = lags % meter == 0
        if own.any():
            found[row] = np.log(apart[~own].mean(axis=0) / apart[own].mean(axis=0))
    return found


def count_bars(
    ones: Values, compound: bool, returning: Values | None = None
) -> tuple[Indices, Indices]:
    """(position in the bar from 1, beats of that bar) of every beat, from its logit to be a one
    and from what `repeats` says.

    `compound` beats are of three parts, and come in twos and fours.
    """
    states = [(row, place) for row, meter in enumerate(METERS) for place in range(meter)]
    rows = np.array([row for row, _ in states])
    places = np.array([place for _, place in states])
    first = places == 0
    chance = np.log1p(np.exp(-np.abs(ones)))
    log_one, log_other = np.minimum(ones, 0) - chance, np.minimum(-ones, 0) - chance
    told = _DOWNBEAT_TRUST * np.where(first[None, :], log_one[:, None], log_other[:, None])
    if returning is not None:
        told += _REPEAT_TRUST * returning.T[:, rows]
    shares = np.log(_COMPOUND_SHARES if compound else _METER_SHARES)
    lengths = np.array(METERS)[rows]
    firsts, ends = np.flatnonzero(first), np.flatnonzero(places == lengths - 1)
    change = np.where(np.eye(len(METERS), dtype=bool), 0.0, shares[None, :] - _METER_CHANGE)
    if not compound:
        # One bar of two may stand among others; more of them cannot be told from fours.
        change[0, 0] = -np.inf
    score = shares[rows] - np.log(lengths) + told[0]
    came = np.zeros((len(ones), len(states)), np.uint8)
    stepped = np.maximum(np.arange(len(states)) - 1, 0)
    for beat in range(1, len(ones)):
        ways = score[ends][:, None] + change
        best = ways.argmax(axis=0)
        came[beat] = stepped
        came[beat, firsts] = ends[best]
        score = score[stepped]
        score[firsts] = ways.max(axis=0)
        score += told[beat]
    path = np.zeros(len(ones), np.int64)
    path[-1] = int(score.argmax())
    for beat in range(len(ones) - 1, 0, -1):
        path[beat - 1] = came[beat, path[beat]]
    return places[path] + 1, lengths[path]
