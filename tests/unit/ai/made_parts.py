"""Parts as drummers play them: some fixed, others made by chance, each from its seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from math import ceil
from random import Random
from typing import Final

from libs.common.drums import Articulation, Hand
from libs.common.drums import DrumPiece as P
from libs.common.meter import Meter
from libs.common.part import Part, PartBar, PartSection, PartSwing, PartTempo, Stroke, ordered

F = Fraction
FOUR: Final = Meter(4, 4)
_LOUD = {P.HAT_CLOSED: 75, P.HAT_PEDAL: 70, P.RIDE: 78}

Bar = list[Stroke]


def stroke(at: Fraction | int | str, piece: P, hand: Hand | None = None) -> Stroke:
    """A plain one, as loud as its piece usually is."""
    return Stroke(Fraction(at), piece, _LOUD.get(piece, 88), hand=hand)


def ghost(at: Fraction | int | str) -> Stroke:
    return Stroke(Fraction(at), P.SNARE, 30, (Articulation.GHOST,))


def accent(at: Fraction | int | str, piece: P = P.SNARE) -> Stroke:
    return Stroke(Fraction(at), piece, 112, (Articulation.ACCENT,))


def flam(at: Fraction | int | str) -> Stroke:
    return Stroke(Fraction(at), P.SNARE, 100, (Articulation.FLAM,), (45,))


def part_of_bars(
    bars: Iterable[Bar],
    meter: Meter = FOUR,
    bpm: float | None = 90,
    *,
    title: str = "Made",
    swing: PartSwing | None = None,
) -> Part:
    """Whole bars, numbered from 1."""
    return Part(
        title,
        tuple(PartBar(nth, meter, ordered(bar)) for nth, bar in enumerate(bars, 1)),
        (PartTempo(1, bpm),) if bpm else (),
        (swing,) if swing else (),
    )


def row(piece: P, step: Fraction, length: Fraction) -> Bar:
    """One stroke every step."""
    return [stroke(nth * step, piece) for nth in range(ceil(length / step))]


def on(piece: P, *places: str) -> Bar:
    return [stroke(place, piece) for place in places]


def rock_bar() -> Bar:
    """What everybody learns first: eighths, kick on 1 and 3, snare on 2 and 4."""
    return [
        *row(P.HAT_CLOSED, F(1, 8), F(1)), *on(P.KICK, "0", "1/2"), *on(P.SNARE, "1/4", "3/4"),
    ]  # fmt: skip


def funk_bar() -> Bar:
    """16ths on the hat, syncopated kick, accents on 2 and 4, five ghosts."""
    return [
        *row(P.HAT_CLOSED, F(1, 8), F(1)),
        *on(P.KICK, "0", "3/16", "5/8", "11/16"),
        *[accent(place) for place in ("1/4", "3/4")],
        *[ghost(place) for place in ("5/16", "7/16", "9/16", "13/16", "15/16")],
    ]


def rock(bars: int = 4, bpm: float | None = 90) -> Part:
    return part_of_bars([rock_bar() for _ in range(bars)], bpm=bpm, title="Rock")


def funk(bars: int = 4, bpm: float | None = 100) -> Part:
    return part_of_bars([funk_bar() for _ in range(bars)], bpm=bpm, title="Funk")


def shuffle(bars: int = 4, bpm: float = 120) -> Part:
    """Triplets written out."""
    places = [beat * F(1, 4) + third for beat in range(4) for third in (F(0), F(1, 6))]
    bar = [stroke(place, P.HAT_CLOSED) for place in places]
    bar += [*on(P.KICK, "0", "1/2", "2/3"), *on(P.SNARE, "1/4", "3/4")]
    return part_of_bars([bar] * bars, bpm=bpm, title="Shuffle")


def half_time_shuffle(bpm: float = 90) -> Part:
    """Triplets with ghosts between, backbeat on 3."""
    bar = [stroke(b * F(1, 4) + t, P.HAT_CLOSED) for b in range(4) for t in (F(0), F(1, 6))]
    bar += [ghost(b * F(1, 4) + F(1, 12)) for b in range(4)]
    bar += [accent("1/2"), *on(P.KICK, "0", "5/12", "11/12")]
    return part_of_bars([bar] * 4, bpm=bpm, title="Half-time shuffle")


def swung(bpm: float = 140) -> Part:
    """Jazz ride in eighths under a swing mark, hat stepped on 2 and 4."""
    bar = on(P.RIDE, "0", "1/4", "3/8", "1/2", "3/4", "7/8") + on(P.HAT_PEDAL, "1/4", "3/4")
    comping = [ghost("3/8"), *on(P.KICK, "5/8")]
    return part_of_bars(
        [bar, bar + comping] * 2, bpm=bpm, title="Swing", swing=PartSwing(1, F(1, 8), 2.0)
    )


def double_kick(bpm: float = 200) -> Part:
    """16ths of both feet below a backbeat and a ride."""
    bar = row(P.KICK, F(1, 16), F(1)) + row(P.RIDE, F(1, 8), F(1)) + on(P.SNARE, "1/4", "3/4")
    return part_of_bars([bar] * 4, bpm=bpm, title="Double kick")


def linear(bpm: float = 200) -> Part:
    """16ths, one limb at a time, around the kit."""
    pattern = (
        P.KICK, P.HAT_CLOSED, P.SNARE, P.HAT_CLOSED, P.SNARE, P.KICK, P.KICK, P.TOM_HIGH,
        P.TOM_FLOOR, P.KICK, P.SNARE, P.HAT_OPEN, P.SNARE, P.HAT_CLOSED, P.KICK, P.TOM_FLOOR,
    )  # fmt: skip
    bar = [stroke(F(nth, 16), piece) for nth, piece in enumerate(pattern)]
    return part_of_bars([bar] * 4, bpm=bpm, title="Linear")


def silent() -> Part:
    return part_of_bars([[], []], title="Silent")


# By chance


def part_made(seed: int) -> Part:
    """Any of the kinds below; four to ten bars, often with a fill, a crash, a pickup."""
    random = Random(seed)
    kind = random.choice(_KINDS)
    meter, make_bar, tempos, swing = kind(random)
    typical = make_bar()
    bars = []
    for nth in range(1, random.randint(4, 10) + 1):
        bar = typical if random.random() < 0.75 else make_bar()
        if nth % 4 == 0 and random.random() < 0.6:
            bar = _with_fill(random, bar, meter)
        if nth > 1 and nth % 4 == 1 and random.random() < 0.6:
            rest = [one for one in bar if one.at or one.piece not in _STREAM]
            bar = [*rest, accent(0, P.CRASH)]
        bars.append(PartBar(nth, meter, ordered(bar)))
    if random.random() < 0.2:
        upbeat = meter.beat_unit
        bars.insert(0, PartBar(0, meter, (accent(0), stroke(upbeat / 2, P.TOM_FLOOR)), upbeat))
    bpm = float(round(random.uniform(*tempos)))
    first = bars[0].number
    return Part(
        title=f"Made {seed}",
        bars=tuple(bars),
        tempos=(PartTempo(first, bpm),) if random.random() < 0.85 else (),
        swing=(PartSwing(first, *swing),) if swing else (),
        sections=(PartSection(1, "Verse"),) if random.random() < 0.5 else (),
    )


_STREAM = (P.HAT_CLOSED, P.RIDE, P.HAT_OPEN, P.CRASH)
_Kind = tuple[
    Meter, Callable[[], Bar], tuple[float, float], tuple[Fraction, float] | None
]  # fmt: skip


def _with_fill(random: Random, bar: Bar, meter: Meter) -> Bar:
    """The last beats round the toms."""
    step = random.choice((F(1, 8), F(1, 16)))
    start = meter.length - random.choice((1, 2)) * meter.beat_unit
    round_ = (P.SNARE, P.TOM_HIGH, P.TOM_MID, P.TOM_FLOOR)
    count = int((meter.length - start) / step)
    fill = [stroke(start + nth * step, round_[nth * 4 // count]) for nth in range(count)]
    return [one for one in bar if one.at < start] + fill


def _chosen(random: Random, places: Iterable[str], chance: float) -> list[str]:
    return [place for place in places if random.random() < chance]


def _rock(random: Random) -> _Kind:
    stream = random.choice((P.HAT_CLOSED, P.HAT_CLOSED, P.RIDE))
    step = random.choice((F(1, 8), F(1, 8), F(1, 4)))

    def bar() -> Bar:
        kicks = ["0", *_chosen(random, ("3/8", "1/2", "5/8", "7/8", "11/16"), 0.4)]
        made = row(stream, step, F(1)) + on(P.KICK, *kicks) + [accent("1/4"), accent("3/4")]
        if random.random() < 0.3 and stream is P.HAT_CLOSED and step == F(1, 8):
            made = [one for one in made if (one.at, one.piece) != (F(7, 8), stream)]
            made += on(P.HAT_OPEN, "7/8")
        return made

    return FOUR, bar, (60, 170), None


def _shuffle(random: Random) -> _Kind:
    def bar() -> Bar:
        places = [b * F(1, 4) + t for b in range(4) for t in (F(0), F(1, 6))]
        kicks = ["0", *_chosen(random, ("5/12", "1/2", "2/3", "11/12"), 0.5)]
        made = [stroke(at, P.HAT_CLOSED) for at in places] + on(P.KICK, *kicks)
        made += on(P.SNARE, "1/4", "3/4")
        return made + [ghost(at) for at in _chosen(random, ("1/12", "7/12", "5/6"), 0.4)]

    return FOUR, bar, (70, 150), None


def _six_eight(random: Random) -> _Kind:
    def bar() -> Bar:
        kicks = ["0", *_chosen(random, ("1/4", "5/8", "1/2"), 0.4)]
        made = row(P.HAT_CLOSED, F(1, 8), F(3, 4)) + on(P.KICK, *kicks) + [accent("3/8")]
        return made + [ghost(at) for at in _chosen(random, ("5/16", "9/16", "11/16"), 0.3)]

    return Meter(6, 8), bar, (60, 160), None


def _funk(random: Random) -> _Kind:
    known = random.random() < 0.4
    step = random.choice((F(1, 8), F(1, 16)))

    def bar() -> Bar:
        kicks = ["0", *_chosen(random, ("3/16", "3/8", "7/16", "5/8", "11/16", "7/8"), 0.4)]
        ghosts = _chosen(random, ("1/16", "5/16", "7/16", "9/16", "13/16", "15/16"), 0.5)
        made = [*on(P.KICK, *kicks), accent("1/4"), accent("3/4")]
        if step == F(1, 8):
            made += [ghost(at) for at in ghosts]
            hats = row(P.HAT_CLOSED, step, F(1))
        else:
            hats = [one for one in row(P.HAT_CLOSED, step, F(1)) if one.at % F(1, 2) != F(1, 4)]
        if known:
            hats = [
                stroke(one.at, one.piece, Hand.LEFT if one.at % F(1, 8) else Hand.RIGHT)
                for one in hats
            ]
        return made + hats

    return FOUR, bar, (70, 120), (F(1, 16), 1.4) if random.random() < 0.2 else None


def _jazz(random: Random) -> _Kind:
    def bar() -> Bar:
        made = on(P.RIDE, "0", "1/4", "3/8", "1/2", "3/4", "7/8") + on(P.HAT_PEDAL, "1/4", "3/4")
        made += [ghost(at) for at in _chosen(random, ("1/8", "3/8", "5/8", "3/4"), 0.35)]
        return made + on(P.KICK, *_chosen(random, ("0", "3/8", "7/8"), 0.35))

    return FOUR, bar, (90, 220), (F(1, 8), random.choice((1.6, 2.0)))


def _punk(random: Random) -> _Kind:
    stream = random.choice((P.HAT_OPEN, P.RIDE, P.CRASH))

    def bar() -> Bar:
        kicks = ["0", "1/2", *_chosen(random, ("1/8", "3/8", "5/8", "7/8"), 0.4)]
        return row(stream, F(1, 4), F(1)) + on(P.KICK, *kicks) + on(P.SNARE, "1/4", "3/4")

    return FOUR, bar, (160, 220), None


def _half_time(random: Random) -> _Kind:
    def bar() -> Bar:
        kicks = ["0", *_chosen(random, ("3/16", "3/8", "5/8", "11/16", "7/8"), 0.35)]
        made = row(P.HAT_CLOSED, F(1, 8), F(1)) + on(P.KICK, *kicks)
        return [*made, flam("1/2") if random.random() < 0.3 else accent("1/2")]

    return FOUR, bar, (60, 150), None


def _linear(random: Random) -> _Kind:
    def bar() -> Bar:
        others = (P.HAT_CLOSED, P.KICK, P.SNARE, P.TOM_FLOOR)
        made: Bar = []
        for nth in range(16):
            at = F(nth, 16)
            if nth in (4, 12):
                made.append(accent(at))
            elif nth == 0:
                made.append(stroke(at, P.KICK))
            elif random.random() < 0.8:
                piece = random.choice(others)
                made.append(ghost(at) if piece is P.SNARE else stroke(at, piece))
        return made

    return FOUR, bar, (60, 120), None


def _odd(random: Random) -> _Kind:
    meter = random.choice((Meter(7, 8), Meter(5, 4), Meter(5, 8), Meter(3, 4)))
    backbeats = {
        "7/8": ("1/4", "5/8"), "5/4": ("1/4", "3/4"), "5/8": ("3/8",), "3/4": ("1/4", "1/2"),
    }[str(meter)]  # fmt: skip

    def bar() -> Bar:
        kicks = ["0", *_chosen(random, ("1/8", "3/8", "1/2"), 0.4)]
        made = row(P.HAT_CLOSED, F(1, 8), meter.length) + on(P.KICK, *kicks)
        return made + [accent(at) for at in backbeats]

    return meter, bar, (70, 150), None


_KINDS = (_rock, _shuffle, _six_eight, _funk, _jazz, _punk, _half_time, _linear, _odd)
