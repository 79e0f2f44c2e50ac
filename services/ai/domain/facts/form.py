"""Which bars are one groove, where it varies, where the fills are, and how the whole is built."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from statistics import median_low
from typing import Final

from libs.common.drums import FEET, Articulation
from libs.common.meter import Meter
from libs.common.part import Part, PartBar
from services.ai.domain.facts.timing import LIMB_OF

ALIKE: Final = 0.62
"""Bars that share so much are one groove: a kick moved below the same hat and backbeat still is, a
backbeat moved to 3 is not, nor a hat that becomes a ride."""
_FILL_STROKES: Final = 2
_AROUND: Final = 8
"""Bars to either side that a fill is told from."""
_IN_A_ROW: Final = 3
_WINDOW: Final = Fraction(1, 4)
"""Fills are looked for beat by beat; where eighths are counted, two by two."""
_DRUMS: Final = frozenset({"snare", "toms"})
_LEADS: Final = ("hi-hat", "ride", "hat foot", "percussion")

Look = dict[tuple[float, str], int]
"""What is struck where; ghosts half a stroke's worth, since they colour a groove. Places are only
told apart here, and a Fraction's hash takes ten times as long as a float's."""
MOST_GROOVES: Final = 48
"""What differs from so many patterns, the most frequent first, is counted as none of its own: a
half hour without a bar that returns would be compared bar by bar."""


@dataclass(frozen=True, slots=True)
class Groove:
    """A pattern that is played at least twice, or the only one that there is."""

    name: str
    """A, B and so on, in order of their first bars."""
    bars: tuple[int, ...]
    typical_bar: int
    """The first of those that are played most often."""
    exact: int
    """How many of its bars are written just like the typical one."""
    varied_bars: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Fill:
    """Where the drums leave the groove, up to the end of a bar."""

    bar: int
    from_beat: int
    beats: int
    strokes: int
    pieces: tuple[str, ...]
    """As limbs are called: "snare", "toms"."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Bars in a row that do one thing."""

    name: str
    """intro, groove A, break, ending or silence."""
    first_bar: int
    last_bar: int


@dataclass(frozen=True, slots=True)
class Form:
    """All of that, in order."""

    grooves: tuple[Groove, ...]
    """The one with most bars first."""
    fills: tuple[Fill, ...]
    structure: tuple[Stretch, ...]
    other_bars: tuple[int, ...]
    """Those that no groove has."""
    repeated_share: float
    """Of the bars with strokes: how many are written like an earlier one."""


def look(bar: PartBar) -> Look:
    """The bar as it is compared: crashes count as nothing, for they only mark a beginning."""
    seen: Look = {}
    for stroke in bar.strokes:
        limb = LIMB_OF[stroke.piece]
        if limb != "crashes":
            place = (float(stroke.at), limb)
            weight = 1 if Articulation.GHOST in stroke.marks else 2
            seen[place] = max(seen.get(place, 0), weight)
    return seen


def alike(one: Look, other: Look) -> float:
    """0 to 1, and 1 for two empty bars: each limb's share of strokes in common, weighed by the root
    of how many it has, so that eight hats do not outvote the backbeat."""
    shared: dict[str, int] = defaultdict(int)
    either: dict[str, int] = defaultdict(int)
    for place in one.keys() | other.keys():
        limb = place[1]
        ours, theirs = one.get(place, 0), other.get(place, 0)
        shared[limb] += min(ours, theirs)
        either[limb] += max(ours, theirs)
    weights = sum(math.sqrt(total) for total in either.values())
    # Of each limb: its weight, the root, times its share.
    both = sum(shared[limb] / math.sqrt(total) for limb, total in either.items())
    return both / weights if weights else 1.0


def form(part: Part) -> Form:
    """Linear in bars."""
    looks = {bar.number: look(bar) for bar in part.bars}
    fills = tuple(_fills(part.bars, looks))
    filled = {fill.bar for fill in fills}
    struck_bars = [bar for bar in part.bars if bar.strokes]
    # A stop on the one is no groove, however often it comes back.
    grooving = [bar for bar in struck_bars if len(looks[bar.number]) > 1] or struck_bars
    clusters = _clusters(grooving, looks, filled)
    grooves = tuple(_grooves(clusters, looks, filled))
    owner = {bar: groove.name for groove in grooves for bar in groove.bars}
    seen: set[frozenset[tuple[tuple[float, str], int]]] = set()
    again = struck = 0
    for bar in part.bars:
        if bar.strokes:
            writing = frozenset(looks[bar.number].items())
            struck += 1
            again += writing in seen
            seen.add(writing)
    return Form(
        grooves=tuple(sorted(grooves, key=lambda groove: (-len(groove.bars), groove.name))),
        fills=fills,
        structure=tuple(_structure(part.bars, owner, filled, looks)),
        other_bars=tuple(
            bar.number for bar in part.bars if bar.strokes and bar.number not in owner
        ),
        repeated_share=round(again / struck, 3) if struck else 0.0,
    )


_Writing = tuple[Meter, Fraction, frozenset[tuple[tuple[float, str], int]]]


def _writing(bar: PartBar, looks: dict[int, Look]) -> _Writing:
    return bar.meter, bar.length, frozenset(looks[bar.number].items())


def _clusters(bars: Sequence[PartBar], looks: dict[int, Look], filled: set[int]) -> list[list[int]]:
    """Bars that are alike, by the most frequent writing first."""
    written = {bar.number: _writing(bar, looks) for bar in bars}
    counts = Counter(written.values())
    first = {written[bar.number]: bar.number for bar in reversed(bars)}
    # A bar with a fill joins a groove, and makes none.
    ranked = sorted(
        first, key=lambda writing: (first[writing] in filled, -counts[writing], first[writing])
    )
    clusters: list[tuple[int, set[_Writing]]] = []
    for writing in ranked:
        number = first[writing]
        near = [
            (alike(looks[number], looks[centre]), -centre, members)
            for centre, members in clusters
            if written[centre][:2] == writing[:2]
        ]
        best = max(near, key=lambda item: item[:2], default=None)
        if best is not None and best[0] >= ALIKE:
            best[2].add(writing)
        elif len(clusters) < MOST_GROOVES:
            clusters.append((number, {writing}))
    return [
        [bar.number for bar in bars if written[bar.number] in members] for _, members in clusters
    ]


def _grooves(
    clusters: Sequence[list[int]], looks: dict[int, Look], filled: set[int]
) -> Iterable[Groove]:
    kept = [bars for bars in clusters if len(bars) > 1 and not set(bars) <= filled]
    if not kept and clusters:
        kept = [max(clusters, key=lambda bars: (len(bars), -bars[0]))]
    for index, bars in enumerate(sorted(kept)):
        writings = Counter(frozenset(looks[bar].items()) for bar in bars)
        most = max(writings.values())
        typical = next(bar for bar in bars if writings[frozenset(looks[bar].items())] == most)
        same = {bar for bar in bars if looks[bar] == looks[typical]}
        yield Groove(
            name=_letter(index),
            bars=tuple(bars),
            typical_bar=typical,
            exact=len(same),
            varied_bars=tuple(bar for bar in bars if bar not in same),
        )


def _letter(index: int) -> str:
    letter = chr(ord("A") + index % 26)
    return letter if index < 26 else _letter(index // 26 - 1) + letter


@dataclass(frozen=True, slots=True)
class _Beat:
    """What strikes in a beat, ghosts and feet aside."""

    begin: Fraction
    toms: int
    snares: int
    leads: int


def _beats(bar: PartBar) -> list[_Beat]:
    """The last first. A bar that is no whole number of them begins with less than one."""
    width = max(bar.meter.beat_unit, _WINDOW)
    found, end = [], bar.length
    while end > 0:
        begin = max(Fraction(0), end - width)
        limbs = Counter(
            LIMB_OF[stroke.piece]
            for stroke in bar.strokes
            if begin <= stroke.at < end
            and stroke.piece not in FEET
            and Articulation.GHOST not in stroke.marks
        )
        leads = sum(limbs[name] for name in _LEADS)
        found.append(_Beat(begin, limbs["toms"], limbs["snare"], leads))
        end = begin
    return found


def _fills(bars: Sequence[PartBar], looks: dict[int, Look]) -> Iterable[Fill]:
    """Beats up to the end of a bar in which the hands leave the lead for snare and toms, and play
    more on these than in most bars around; they may rest on the last. Three such bars in a row, or
    whole bars alike, are a groove on drums, a build-up or a solo; and a pickup leaves no groove.
    """
    beats = {bar.number: _beats(bar) for bar in bars if bar.length == bar.meter.length}
    counts = [_filled(index, bars, beats) for index in range(len(bars))]
    for has_fill, run in groupby(range(len(bars)), key=lambda index: counts[index] > 0):
        indices = list(run)
        if not has_fill or len(indices) >= _IN_A_ROW:
            continue
        own = [bars[index] for index in indices]
        whole = all(counts[index] == len(beats[bars[index].number]) for index in indices)
        first, last = own[0], own[-1]
        if (
            len(own) > 1
            and whole
            and first.meter == last.meter
            and (alike(looks[first.number], looks[last.number]) >= ALIKE)
        ):
            continue
        for index, bar in zip(indices, own, strict=True):
            yield _fill(bar, beats[bar.number][counts[index] - 1].begin)


def _filled(index: int, bars: Sequence[PartBar], beats: dict[int, list[_Beat]]) -> int:
    """How many beats, from the bar's end back."""
    bar = bars[index]
    own = beats.get(bar.number, [])
    if not bar.strokes or not own:
        return 0
    around = [
        beats[near.number]
        for near in bars[max(0, index - _AROUND) : index + _AROUND + 1]
        if near.strokes and near.meter == bar.meter and near.number in beats
    ]
    beside = [[each[nth] for each in around] for nth in range(len(own))]
    # A fill may come to rest on the last beat, but the lead is not back yet.
    tail = len(own) > 1 and not _is_fill(own[0], beside[0]) and _is_left(own[0], beside[0])
    count = first = int(tail)
    while count < len(own) and _is_fill(own[count], beside[count]):
        count += 1
    if count == first:
        return 0
    # An eighth left over at the beginning is too short to tell, unless the lead plays on it.
    is_left_over = count == len(own) - 1 and not _is_whole(bar)
    return count + (is_left_over and not own[-1].leads)


def _is_whole(bar: PartBar) -> bool:
    return (bar.length / max(bar.meter.beat_unit, _WINDOW)).denominator == 1


def _fill(bar: PartBar, begin: Fraction) -> Fill:
    strokes = [s for s in bar.strokes if s.at >= begin and LIMB_OF[s.piece] in _DRUMS]
    first = int(begin / bar.meter.beat_unit) + 1
    beats = math.ceil(bar.length / bar.meter.beat_unit)
    return Fill(
        bar=bar.number,
        from_beat=first,
        beats=beats - first + 1,
        strokes=sum(1 + len(stroke.graces) for stroke in strokes),
        pieces=tuple(sorted({LIMB_OF[stroke.piece] for stroke in strokes})),
    )


def _is_left(beat: _Beat, around: Sequence[_Beat]) -> bool:
    """Whether the lead is silent where it mostly plays."""
    return beat.leads == 0 and median_low(near.leads for near in around) > 0


def _is_fill(beat: _Beat, around: Sequence[_Beat]) -> bool:
    """Beside the lower median of this beat in the bars around, since what is rare is the fill."""
    toms = median_low(near.toms for near in around)
    drums = median_low(near.toms + near.snares for near in around)
    struck = beat.toms + beat.snares
    if struck < _FILL_STROKES or struck <= drums or beat.leads > 1:
        return False
    return beat.toms > toms or (beat.leads == 0 and struck > drums + 1)


def _structure(
    bars: Sequence[PartBar], owner: dict[int, str], filled: set[int], looks: dict[int, Look]
) -> Iterable[Stretch]:
    """A fill ends the stretch that it stands in, and is none of its own; nor is a bar by itself
    between two of one groove, unless most of its strokes are missing."""
    if not bars:
        return
    numbers = [bar.number for bar in bars]
    grooving = [number for number in numbers if number in owner]
    labels = []
    for bar in bars:
        if bar.number in owner:
            labels.append(f"groove {owner[bar.number]}")
        elif not bar.strokes:
            labels.append("silence")
        elif bar.number in filled and labels:
            labels.append(labels[-1])
        elif grooving and bar.number < grooving[0]:
            labels.append("intro")
        elif grooving and bar.number > grooving[-1]:
            labels.append("ending")
        else:
            labels.append("break")
    for index in range(1, len(labels) - 1):
        around = labels[index - 1]
        if around == labels[index + 1] != labels[index] and around.startswith("groove"):
            full = max(len(looks[numbers[index + side]]) for side in (-1, 1))
            if 2 * len(looks[numbers[index]]) > full:
                labels[index] = around
    for label, run in groupby(zip(labels, numbers, strict=True), key=lambda item: item[0]):
        own = [number for _, number in run]
        yield Stretch(label, own[0], own[-1])
