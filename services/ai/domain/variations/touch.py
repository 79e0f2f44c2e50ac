"""The same rhythm, touched otherwise: ghosts, other drums, the other hand leading."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial
from random import Random
from typing import Final

from libs.common.drums import FEET, Hand
from libs.common.drums import DrumPiece as P
from libs.common.part import PartBar, Stroke
from services.ai.domain.difficulty import is_ghost
from services.ai.domain.variations.excerpt import (
    CRASHES,
    HATS,
    RIDES,
    SNARES,
    Excerpt,
    accent,
    backbeats,
    ghost,
    plain,
    unstuck,
)
from services.ai.domain.variations.kinds import CannotVary, Draft
from services.ai.domain.variations.reduce import stream_name


def grid_of(excerpt: Excerpt, bar: PartBar) -> Fraction:
    """The finest step that suits what the bar already plays."""
    if bar.meter.is_compound:
        return Fraction(1, 16)
    if excerpt.ternary:
        return Fraction(1, 12)
    return Fraction(1, 8) if excerpt.swung_eighths else Fraction(1, 16)


def add_ghosts(excerpt: Excerpt, random: Random) -> Iterator[Draft]:
    """Two to six soft snares a bar, off the beat, where a hand is free."""
    counts = [2, 3, 4, 5, 6]
    random.shuffle(counts)
    for count in [*counts, 8, 1]:
        chance = random.random()
        bars = excerpt.each(partial(_haunted, excerpt, count, chance))
        added = [
            len(bar) - len(excerpt.bars[nth % len(excerpt.bars)].strokes)
            for nth, bar in enumerate(bars)
        ]
        if not any(added):
            continue
        most = max(added)
        yield Draft(
            label="with ghost notes",
            change=f"Up to {most} ghost note{'s' * (most > 1)} a bar on the snare, between the "
            "backbeats, which stay as loud as they were.",
            why="Ghost notes give the groove its flow, and teach one hand two loudnesses.",
            steps=(
                "Play the snare line alone: ghosts from 3 cm, backbeats from the shoulder.",
                "Add the hi-hat hand, then the kick, each when the last is even.",
                "Record it: a ghost you can count from the next room is too loud.",
            ),
            bars=bars,
        )


def _haunted(excerpt: Excerpt, count: int, chance: float, bar: PartBar) -> list[Stroke]:
    step = grid_of(excerpt, bar)
    unit = bar.meter.beat_unit
    struck: dict[Fraction, list[Stroke]] = {}
    for one in bar.strokes:
        if one.piece not in FEET:
            struck.setdefault(one.at, []).append(one)
    loud = {one.at for one in backbeats(bar)}
    free = []
    for nth in range(int(bar.length / step)):
        at = nth * step
        here = struck.get(at, [])
        # On a beat it would blur the pulse, right before a backbeat it weakens that.
        if at % unit == 0 or len(here) > 1 or at + step in loud:
            continue
        if any(one.piece not in excerpt.stream or one.graces for one in here):
            continue
        # The hand that keeps time is elsewhere now, so the other is free.
        free.append((bool(here), nth, at))
    # Its own luck, so that equal bars are haunted alike.
    order = Random(f"{chance}:{len(free)}:{bar.meter}")
    free.sort(key=lambda one: (one[0], order.random()))
    return unstuck(bar.strokes) + [ghost(at) for _, _, at in free[:count]]


_ROUND: Final = (P.HAT_CLOSED, P.TOM_HIGH, P.RIDE, P.TOM_FLOOR)


def orchestrate(excerpt: Excerpt, random: Random) -> Iterator[Draft]:
    """The rhythm stays, some of it moves to other drums."""
    name = stream_name(excerpt)
    ways: list[tuple[str, Callable[[PartBar], list[Stroke]]]] = [
        ("the last backbeat of each bar moves to high and floor tom at once", _to_two_toms),
        ("crashes mark the kicks on the beat", lambda bar: _crashed(excerpt, bar)),
    ]
    if any(is_ghost(one) for bar in excerpt.bars for one in bar.strokes):
        ways.append(("the ghost notes move to the toms", _ghosts_to_toms))
    if excerpt.stream:
        moved = P.HAT_CLOSED if excerpt.stream <= RIDES else P.RIDE
        ways += [
            (
                f"the {name} hand moves beat by beat to hi-hat, high tom, ride and floor tom",
                lambda bar: _mapped(excerpt, bar, lambda at: _ROUND[_beat(bar, at) % 4]),
            ),
            (
                f"the {name} hand plays the ride, its bell on the beats",
                lambda bar: _mapped(
                    excerpt, bar, lambda at: P.RIDE if at % bar.meter.beat_unit else P.RIDE_BELL
                ),
            ),
            (
                f"the {name} moves to the {'hi-hat' if moved in HATS else 'ride'} and the foot "
                "steps the hi-hat with the backbeat",
                lambda bar: _stepped(_mapped(excerpt, bar, lambda at: moved), bar),
            ),
            (
                f"the {name} moves to the floor tom",
                lambda bar: _mapped(excerpt, bar, lambda at: P.TOM_FLOOR),
            ),
        ]
    random.shuffle(ways)
    for phrase, make in ways:
        yield Draft(
            label="around the kit",
            change=f"{phrase[0].upper()}{phrase[1:]}.",
            why="The rhythm is known, so all attention goes to moving without losing time.",
            steps=(
                "Walk the moves slowly without sound: look first, then move.",
                "Play it at half tempo, every drum as loud as the next.",
                "At tempo, change every four bars between the original and this.",
            ),
            bars=excerpt.each(make),
        )


def _beat(bar: PartBar, at: Fraction) -> int:
    return int(at // bar.meter.beat_unit)


def _mapped(excerpt: Excerpt, bar: PartBar, piece: Callable[[Fraction], P]) -> list[Stroke]:
    moved = {}
    for one in unstuck(bar.strokes):
        to = piece(one.at) if one.piece in excerpt.stream else one.piece
        moved[one.at, to] = replace(one, piece=to)
    return list(moved.values())


def _stepped(strokes: list[Stroke], bar: PartBar) -> list[Stroke]:
    kept = [one for one in strokes if one.piece is not P.HAT_PEDAL]
    loud = sorted({one.at for one in backbeats(bar)})
    return kept + [plain(at, P.HAT_PEDAL) for at in loud]


def _to_two_toms(bar: PartBar) -> list[Stroke]:
    loud = backbeats(bar)
    if not loud:
        return list(bar.strokes)
    last = loud[-1].at
    # Both hands are on the toms then, so nothing else is struck by a hand.
    kept = [one for one in unstuck(bar.strokes) if one.at != last or one.piece in FEET]
    return kept + [accent(last, piece) for piece in (P.TOM_HIGH, P.TOM_FLOOR)]


def _crashed(excerpt: Excerpt, bar: PartBar) -> list[Stroke]:
    unit = bar.meter.beat_unit
    kicks = {one.at for one in bar.strokes if one.piece is P.KICK and one.at % unit == 0}
    kept = [
        one
        for one in unstuck(bar.strokes)
        if one.at not in kicks or (one.piece not in excerpt.stream and one.piece not in CRASHES)
    ]
    return kept + [accent(at, P.CRASH) for at in kicks]


def _ghosts_to_toms(bar: PartBar) -> list[Stroke]:
    toms = (P.TOM_HIGH, P.TOM_FLOOR)
    moved = []
    nth = 0
    for one in unstuck(bar.strokes):
        if is_ghost(one) and one.piece in SNARES:
            moved.append(plain(one.at, toms[nth % 2]))
            nth += 1
        else:
            moved.append(one)
    return moved


def open_handed(excerpt: Excerpt, random: Random) -> Iterator[Draft]:
    """The left hand keeps time on the hi-hat, the right is free for all else."""
    if not excerpt.stream:
        raise CannotVary("no-stream", "No hand keeps time here that the other could take over.")
    drafts = []
    for step, phrase in (
        (None, ""),
        (Fraction(1, 8), ", in eighths, as one hand must do what two did"),
        (Fraction(1, 4), ", in quarters, as it has to be done by one hand"),
    ):
        bars = excerpt.each(partial(_opened, excerpt, step))
        drafts.append(
            Draft(
                label="open-handed",
                change=f"The left hand leads on the hi-hat{phrase}; the right plays snare and "
                "toms.",
                why="Arms no longer cross, the right hand is free for the whole kit, and the "
                "weaker hand learns to keep time.",
                steps=(
                    "Left hand alone with the metronome until it is as even as the right was.",
                    "Add the kick, then the right hand's backbeat.",
                    "Lead left for a whole song that you know well.",
                ),
                bars=bars,
            )
        )
    # A stream of 16ths may be too much for one hand, so what is thinner comes after.
    if random.random() < 0.3:
        drafts[0], drafts[1] = drafts[1], drafts[0]
    yield from drafts


def _opened(excerpt: Excerpt, step: Fraction | None, bar: PartBar) -> list[Stroke]:
    made = {}
    for one in bar.strokes:
        if one.piece in FEET:
            made[one.at, one.piece] = one
        elif one.piece in excerpt.stream:
            if step and one.at % step:
                continue
            piece = one.piece if one.piece in HATS else P.HAT_CLOSED
            made[one.at, piece] = replace(one, piece=piece, hand=Hand.LEFT)
        else:
            made[one.at, one.piece] = replace(one, hand=Hand.RIGHT)
    return list(made.values())
