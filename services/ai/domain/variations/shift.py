"""The same strokes at other times: displaced, re-read, at rising tempos."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from random import Random
from typing import Final

from libs.common.drums import DrumPiece as P
from libs.common.part import Stroke, ordered
from services.ai.domain.variations.excerpt import Excerpt, Strokes
from services.ai.domain.variations.kinds import MAX_BARS, CannotVary, Draft, whole
from services.ai.domain.variations.reduce import stream_name

F = Fraction


def displace(excerpt: Excerpt, random: Random) -> Iterator[Draft]:
    """Everything, or all but the time-keeping hand, comes later and goes round at the end."""
    unit = excerpt.bars[0].meter.beat_unit
    shifts = [F(1, 8), unit, unit * 2]
    if excerpt.ternary:
        shifts = [F(1, 12), unit, F(1, 6), unit * 2]
    elif not excerpt.swung_eighths:
        shifts.append(F(1, 16))
    ways = [(shift, stays) for shift in shifts for stays in (True, False)]
    random.shuffle(ways)
    for shift, stays in ways:
        if stays and not excerpt.stream:
            continue
        name = stream_name(excerpt)
        far = whole(shift)
        what = f"Kick, snare and toms come {far} later; the {name} stays" if stays else (
            f"The whole groove comes {far} later"
        )  # fmt: skip
        yield Draft(
            label=f"displaced by {far}",
            change=f"{what}, and what falls off the end comes round to the beginning.",
            why="It sounds like the groove with the one in another place: you learn to hear the "
            "true one against it.",
            steps=(
                "Count the beats aloud all the time; the count must not move with the groove.",
                "Four bars of the original, four displaced, and back, without a stumble.",
                "Tap only the beats with the left foot while you play it.",
            ),
            bars=_shifted(excerpt, shift, stays=stays) * excerpt.times,
        )


def _shifted(excerpt: Excerpt, shift: Fraction, *, stays: bool) -> tuple[Strokes, ...]:
    total = excerpt.line(len(excerpt.bars))
    lines = [excerpt.line(nth) for nth in range(len(excerpt.bars))]
    bars: list[list[Stroke]] = [[] for _ in excerpt.bars]
    for nth, bar in enumerate(excerpt.bars):
        for one in bar.strokes:
            if stays and (one.piece in excerpt.stream or one.piece is P.HAT_PEDAL):
                bars[nth].append(replace(one, hand=None))
                continue
            place = (lines[nth] + one.at + shift) % total
            to = max(index for index, line in enumerate(lines) if line <= place)
            hand = None if stays else one.hand
            bars[to].append(replace(one, at=place - lines[to], hand=hand))
    return tuple(ordered(bar) for bar in bars)


_MODULATIONS: Final = (
    (F(4, 3), "the old dotted eighth is the new quarter", "dotted eighths"),
    (F(3, 2), "the old quarter-note triplet is the new quarter", "quarter-note triplets"),
    (F(2, 3), "the old dotted quarter is the new quarter", "dotted quarters"),
    (F(3, 4), "four old triplet eighths make the new quarter", "groups of four triplet eighths"),
)
_SLOWEST: Final = 30
_FASTEST: Final = 300


def metric_modulation(excerpt: Excerpt, random: Random) -> Iterator[Draft]:
    """Into another tempo by a note that both share, or in double or half time."""
    drafts = []
    own = tuple(bar.strokes for bar in excerpt.bars)
    rounds = own * (2 if len(own) == 1 else 1)
    for ratio, phrase, pulse in _MODULATIONS:
        qpm = excerpt.qpm * ratio
        if not _SLOWEST <= qpm <= _FASTEST or 2 * len(rounds) > MAX_BARS:
            continue
        new = round(float(qpm), 1)
        steps = (
            f"Over the groove, clap {pulse} until you can hear them as a pulse.",
            "Change to the new tempo on that pulse, on the bar line, without a gap.",
            "Go back the same way; check with the metronome that you arrive where you began.",
        )
        why = "You learn to hear two tempos at once, and to change between them exactly."
        start = round(excerpt.qpm, 1)
        drafts += [
            Draft(
                "metric modulation",
                f"From bar {len(rounds) + 1} on {phrase}: {start:g} becomes {new:g} quarters a "
                "minute, and the groove goes on in it.",
                why, steps, rounds * 2, ((1, start), (len(rounds) + 1, new)),
            ),
            Draft(
                "metric modulation",
                f"The whole groove at {new:g} quarters a minute, where {phrase}.",
                why, steps, own * excerpt.times, ((1, new),),
            ),
        ]  # fmt: skip
    drafts += _feels(excerpt)
    if not drafts:
        raise CannotVary("no-room", "Every other tempo is too fast, too slow, or too long.")
    random.shuffle(drafts)
    # To hear the change is the point, where the difficulty asked for leaves room for it.
    drafts.sort(key=lambda draft: len(draft.tempos) == 1)
    yield from drafts


def _feels(excerpt: Excerpt) -> list[Draft]:
    """Double and half time, where bars of one meter can be squeezed or spread: kick and snare
    move, the hand that keeps time goes on."""
    if len({bar.meter for bar in excerpt.bars}) > 1 or excerpt.swing:
        return []
    length = excerpt.bars[0].length
    keeping = [
        [replace(one, hand=None) for one in bar.strokes if _keeps_time(excerpt, one)]
        for bar in excerpt.bars
    ]
    moving = [
        [replace(one, hand=None) for one in bar.strokes if not _keeps_time(excerpt, one)]
        for bar in excerpt.bars
    ]
    name = stream_name(excerpt)
    goes_on = f" while the {name} goes on as before" if excerpt.stream else ""
    found = []
    if all((one.at / 2).denominator <= _FINEST for bar in moving for one in bar):
        double: list[Strokes] = []
        for nth in range(0, 2 * len(moving) if len(moving) % 2 else len(moving), 2):
            a, b = moving[nth % len(moving)], moving[(nth + 1) % len(moving)]
            squeezed = [replace(one, at=one.at / 2) for one in a]
            squeezed += [replace(one, at=(one.at + length) / 2) for one in b]
            double.append(ordered([*keeping[len(double) % len(keeping)], *squeezed]))
        found.append(
            Draft(
                "double-time feel",
                f"Kick and snare come twice as fast at the same tempo{goes_on}.",
                "The pulse stays and the groove runs twice as fast over it: time is kept by the "
                "beats, not by the snare.",
                (
                    "Keep the metronome on the old beats.",
                    "Four bars of the original, four of double time; the metronome never changes.",
                ),
                tuple(double) * (4 if len(double) == 1 else 1),
            )
        )
    if 2 * len(moving) <= MAX_BARS:
        half: list[Strokes] = []
        for kept, bar in zip(keeping, moving, strict=True):
            far = [replace(one, at=one.at * 2) for one in bar]
            early = [one for one in far if one.at < length]
            late = [replace(one, at=one.at - length) for one in far if one.at >= length]
            half += [ordered([*kept, *early]), ordered([*kept, *late])]
        found.append(
            Draft(
                "half-time feel",
                f"Kick and snare come half as fast at the same tempo{goes_on}, so that one bar "
                "becomes two.",
                "So much room between the backbeats shows whether the time is kept inside.",
                (
                    "Count the eighths aloud through the gaps.",
                    "Four bars of the original, eight of half time; the metronome never changes.",
                ),
                tuple(half) * (2 if len(half) == 2 else 1),
            )
        )
    return found


_FINEST: Final = 32


def _keeps_time(excerpt: Excerpt, stroke: Stroke) -> bool:
    return stroke.piece in excerpt.stream or stroke.piece is P.HAT_PEDAL


_LADDERS: Final = (
    ((60, 70, 80, 90, 100), "up to the tempo of the original"),
    ((70, 80, 90, 100), "up to the tempo of the original"),
    ((85, 90, 95, 100), "up to the tempo of the original"),
    ((50, 60, 70, 80), "up to four fifths of the original tempo"),
    ((60, 65, 70, 75), "up to three quarters of the original tempo"),
    ((80, 90, 100, 110), "to a tenth faster than the original"),
    ((90, 100, 110, 120), "to a fifth faster than the original"),
)


def tempo_ladder(excerpt: Excerpt, random: Random) -> Iterator[Draft]:
    """The same bars again and again, each round faster."""
    ladders = list(_LADDERS)
    random.shuffle(ladders)
    own = tuple(bar.strokes for bar in excerpt.bars)
    repeats = 2 if len(own) == 1 else 1
    for percents, phrase in ladders:
        block = own * repeats
        tempos = [max(20, round(excerpt.qpm * percent / 100)) for percent in percents]
        if len(block) * len(percents) > MAX_BARS or len(set(tempos)) < len(tempos):
            continue
        yield Draft(
            label="tempo ladder",
            change=f"The same {len(block)} bars at {', '.join(map(str, tempos))} quarters a "
            f"minute, {phrase}.",
            why="Each tempo is only a little faster than one that is already secure.",
            steps=(
                "Stay on each step until it is clean three times in a row.",
                "When a step fails, go back one, not to the beginning.",
                "Stop on a tempo that is relaxed; tomorrow begin two steps below it.",
            ),
            bars=block * len(percents),
            tempos=tuple(
                (1 + nth * len(block), float(bpm)) for nth, bpm in enumerate(tempos)
            ),
        )  # fmt: skip
    if len(own) * repeats * 4 > MAX_BARS:
        raise CannotVary("too-long", "Four rounds of so many bars are too long for a ladder.")
