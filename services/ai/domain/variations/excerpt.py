"""The bars that a variation is made of, cleaned, and what is what in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Final

from libs.common.drums import Articulation, Hand
from libs.common.drums import DrumPiece as P
from libs.common.part import Part, PartBar, PartSwing, PartTempo, Stroke, ordered
from services.ai.domain.difficulty import is_ghost
from services.ai.domain.limbs import USUAL_QPM, problems
from services.ai.domain.variations.kinds import MAX_BARS, CannotVary

GHOST: Final = 30
NORMAL: Final = 85
ACCENT: Final = 110
STRONG: Final = 120
_SOFTEST: Final = 55
_LOUDEST: Final = 100
_QUIETER: Final = 75
"""What a stream of cymbals is struck at."""

HATS: Final = frozenset({P.HAT_CLOSED, P.HAT_HALF_OPEN, P.HAT_OPEN})
RIDES: Final = frozenset({P.RIDE, P.RIDE_BELL})
CRASHES: Final = frozenset({P.CRASH, P.CRASH_2, P.CHINA, P.SPLASH})
SNARES: Final = frozenset({P.SNARE, P.RIMSHOT, P.CROSS_STICK})
TOMS: Final = frozenset({P.TOM_HIGH, P.TOM_MID, P.TOM_FLOOR})
_STREAMS: Final = (HATS, RIDES, CRASHES, frozenset({P.COWBELL}), frozenset({P.TOM_FLOOR}))
_LOUD: Final = {Articulation.ACCENT: ACCENT, Articulation.STRONG_ACCENT: STRONG}

Strokes = tuple[Stroke, ...]


def ghost(at: Fraction, hand: Hand | None = None) -> Stroke:
    """On the snare."""
    return Stroke(at, P.SNARE, GHOST, (Articulation.GHOST,), hand=hand)


def accent(at: Fraction, piece: P = P.SNARE, hand: Hand | None = None) -> Stroke:
    """A loud one."""
    return Stroke(at, piece, ACCENT, (Articulation.ACCENT,), hand=hand)


def plain(at: Fraction, piece: P, hand: Hand | None = None) -> Stroke:
    """Neither soft nor loud."""
    soft = piece in HATS or piece in RIDES
    return Stroke(at, piece, _QUIETER if soft else NORMAL, hand=hand)


def written_plainly(stroke: Stroke) -> Stroke:
    """What was written of it, with loudness and marks that agree; nothing of who played it."""
    ornaments = (Articulation.FLAM, Articulation.DRAG)
    marks: list[Articulation] = [
        mark for mark in dict.fromkeys(stroke.marks) if mark not in ornaments
    ]
    loud = next((mark for mark in marks if mark in _LOUD), None)
    if is_ghost(stroke):
        marks = [mark for mark in marks if mark not in _LOUD and mark is not Articulation.GHOST]
        marks, velocity = [Articulation.GHOST, *marks], GHOST
    elif loud:
        velocity = _LOUD[loud]
    else:
        velocity = max(_SOFTEST, min(_LOUDEST, stroke.velocity))
    graces = tuple(max(1, min(127, one)) for one in stroke.graces[:2])
    if graces:
        marks.append(Articulation.FLAM if len(graces) == 1 else Articulation.DRAG)
    return Stroke(stroke.at, stroke.piece, velocity, tuple(marks), graces, stroke.hand)


def unstuck(strokes: Iterable[Stroke]) -> list[Stroke]:
    """Without stickings: they held for other strokes beside them."""
    return [replace(stroke, hand=None) if stroke.hand else stroke for stroke in strokes]


def content_of(bar: PartBar) -> tuple[object, ...]:
    """What is told apart in a bar: not how loud exactly, nor who played it."""
    plain_ones = [written_plainly(stroke) for stroke in bar.strokes]
    return (bar.meter, bar.length, frozenset(
        (one.at, one.piece, frozenset(one.marks), one.hand) for one in plain_ones
    ))  # fmt: skip


TITLE_LENGTH: Final = 200
"""A score's, which a variation becomes."""


def titled(title: str, label: str) -> str:
    """The original's title, cut where it must be, and what was made of it."""
    return f"{title[: TITLE_LENGTH - len(label) - 3]} – {label}"


@dataclass(frozen=True)
class Excerpt:
    """Bars numbered from 1, played `times` over in an exercise."""

    title: str
    kit: str
    bars: tuple[PartBar, ...]
    source: tuple[int, int]
    """Their numbers in the part."""
    chosen: bool
    """Whether somebody named the bars."""
    tempo: PartTempo | None
    swing: PartSwing | None
    fill_beats: int | None = None

    @property
    def times(self) -> int:
        """Four bars of what is short, twice at least."""
        if self.chosen:
            return 2 if len(self.bars) == 1 else 1
        return {1: 4, 2: 2}.get(len(self.bars), 1)

    @property
    def qpm(self) -> float:
        """What it is played at."""
        return self.tempo.quarters_per_minute if self.tempo else USUAL_QPM

    @cached_property
    def ternary(self) -> bool:
        """Whether its beats are cut in three, written so."""
        return any(
            stroke.at.denominator % 3 == 0 for bar in self.bars for stroke in bar.strokes
        )  # fmt: skip

    @property
    def swung_eighths(self) -> bool:
        """Whether nothing finer than eighths belongs into it."""
        return self.swing is not None and self.swing.unit == Fraction(1, 8)

    @cached_property
    def stream(self) -> frozenset[P]:
        """The pieces that keep time: of hats, ride, crashes the busiest; empty where none plays
        twice a bar."""
        counts = Counter(
            family
            for bar in self.bars
            for stroke in bar.strokes
            for family in _STREAMS
            if stroke.piece in family
        )
        if not counts:
            return frozenset()
        family, count = max(counts.items(), key=lambda one: (one[1], -_STREAMS.index(one[0])))
        return family if count >= 2 * len(self.bars) else frozenset()

    def line(self, index: int) -> Fraction:
        """Of a bar by index, from the first."""
        return sum((bar.length for bar in self.bars[:index]), Fraction(0))

    def part(
        self,
        bars: Sequence[Strokes] | None = None,
        *,
        title: str = "",
        tempos: Sequence[tuple[int, float]] = (),
        remark: str = "",
    ) -> Part:
        """These strokes in its meters, over and over; its own where none are given."""
        frames = [self.bars[nth % len(self.bars)] for nth in range(len(bars or self.bars))]
        written = bars if bars is not None else [bar.strokes for bar in self.bars]
        marks: tuple[PartTempo, ...] = (replace(self.tempo, bar=1, beat=1),) if self.tempo else ()
        if tempos:
            marks = tuple(PartTempo(bar, bpm) for bar, bpm in tempos)
        return Part(
            title=title or self.title,
            bars=tuple(
                PartBar(nth, frame.meter, ordered(strokes))
                for nth, (frame, strokes) in enumerate(zip(frames, written, strict=True), 1)
            ),
            tempos=marks,
            swing=(replace(self.swing, bar=1),) if self.swing else (),
            kit=self.kit,
            remark=remark,
        )

    def each(self, make: Callable[[PartBar], Iterable[Stroke]]) -> tuple[Strokes, ...]:
        """Every bar changed, as often as the exercise plays it; equal bars change alike."""
        made: dict[tuple[object, ...], Strokes] = {}
        changed = []
        for bar in self.bars:
            key = content_of(bar)
            if key not in made:
                made[key] = ordered(list(make(bar)))
            changed.append(made[key])
        return tuple(changed) * self.times


def backbeats(bar: PartBar) -> list[Stroke]:
    """Loud snares: those on beats after the first; where there are none, all."""
    loud = [one for one in bar.strokes if one.piece in SNARES and not is_ghost(one)]
    unit = max(bar.meter.beat_unit, Fraction(1, 4)) if bar.meter.denominator <= 4 else (
        bar.meter.beat_unit
    )  # fmt: skip
    return [one for one in loud if one.at and one.at % unit == 0] or loud


def excerpt_of(
    part: Part, bars: tuple[int, int] | None = None, fill_beats: int | None = None
) -> Excerpt:
    """The named bars, or the most typical; CannotVary where there is nothing to play."""
    if bars:
        usable = [bar for bar in part.bars if bars[0] <= bar.number <= bars[1] and _is_whole(bar)]
        if not usable:
            raise CannotVary("no-bars", f"The part has no whole bars from {bars[0]} to {bars[1]}.")
        if len(usable) > MAX_BARS:
            raise CannotVary("too-long", f"A variation has at most {MAX_BARS} bars.")
        if not any(bar.strokes for bar in usable):
            raise CannotVary("silent", "Nothing is struck in these bars.")
    else:
        usable = _typical([bar for bar in part.bars if _is_whole(bar)])
        if not usable:
            raise CannotVary("silent", "Nothing is struck in any whole bar.")
    first, last = usable[0].number, usable[-1].number
    swing = part.swing_at(first)
    tempo = None
    if part.tempos:
        last_mark = next((mark for mark in reversed(part.tempos) if (mark.bar, mark.beat)
                          <= (first, 1)), part.tempos[0])  # fmt: skip
        tempo = replace(last_mark, bar=1, beat=1)
    cleaned = tuple(
        PartBar(nth, bar.meter, _cleaned(bar.strokes)) for nth, bar in enumerate(usable, 1)
    )
    excerpt = Excerpt(
        part.title.strip() or "Groove", part.kit, cleaned, (first, last), bars is not None, tempo,
        swing, fill_beats,
    )  # fmt: skip
    return _mended(excerpt)


def _is_whole(bar: PartBar) -> bool:
    return bar.length == bar.meter.length


def _cleaned(strokes: Iterable[Stroke]) -> Strokes:
    kept: dict[tuple[Fraction, P], Stroke] = {}
    for stroke in sorted(strokes, key=lambda one: one.velocity):
        kept[stroke.at, stroke.piece] = written_plainly(stroke)
    return ordered(list(kept.values()))


def _mended(excerpt: Excerpt) -> Excerpt:
    """Without what nobody can play: a score that was heard has such places."""
    for _ in range(4):
        wrong = {(one.bar, one.at) for one in problems(excerpt.part())}
        if not wrong:
            return excerpt
        bars = []
        for bar in excerpt.bars:
            strokes = list(bar.strokes)
            for at in {at for number, at in wrong if number == bar.number}:
                here = [one for one in strokes if one.at == at]
                # What is softest was most likely not meant.
                strokes.remove(min(here, key=lambda one: (one.velocity, one.piece)))
            bars.append(replace(bar, strokes=tuple(strokes)))
        excerpt = replace(excerpt, bars=tuple(bars))
    raise CannotVary("unplayable", "Too much in these bars cannot be played by one drummer.")


def _typical(bars: Sequence[PartBar]) -> list[PartBar]:
    """One bar where it makes up a third of the part, else the most repeated two, else the first
    four that follow each other with something in them."""
    struck = [bar for bar in bars if bar.strokes]
    if not struck:
        return []
    contents = [content_of(bar) for bar in bars]
    counts = Counter(key for key, bar in zip(contents, bars, strict=True) if bar.strokes)
    (common, count), *_ = counts.most_common(1)
    if count >= 2 and 3 * count >= len(struck):
        return [bars[contents.index(common)]]
    pairs = Counter(
        pair for pair in pairwise(contents)
        if counts.get(pair[0]) and counts.get(pair[1])
    )  # fmt: skip
    if pairs:
        (pair, count), *_ = pairs.most_common(1)
        if count >= 2:
            nth = list(pairwise(contents)).index(pair)
            return list(bars[nth : nth + 2])
    start = bars.index(struck[0])
    run = []
    for bar in bars[start : start + 4]:
        if not bar.strokes:
            break
        run.append(bar)
    return run
