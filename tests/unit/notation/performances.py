"""Performances made in the test: places in beats, turned into seconds."""

from collections.abc import Iterable
from fractions import Fraction
from random import Random

from libs.common.drums import Beat, DrumPiece, Hit
from libs.common.performance import Performance

Stroke = tuple[float | Fraction, DrumPiece, int]
"""Place in beats from the first downbeat, piece, velocity."""


def played(
    strokes: Iterable[Stroke],
    *,
    bpm: float = 120,
    beats: int = 16,
    a_bar: int = 4,
    start_s: float = 1.0,
    jitter_s: float = 0.0,
    seed: int = 0,
    first_beat: int = 0,
) -> Performance:
    """Hits `ev-000001`... in the order given, and `beats` beats from `first_beat` on."""
    random = Random(seed)
    period_s = 60 / bpm
    hits = [
        Hit(
            start_s + float(place) * period_s + max(-0.03, min(0.03, random.gauss(0, jitter_s))),
            piece,
            velocity,
            id=f"ev-{number:06d}",
        )
        for number, (place, piece, velocity) in enumerate(strokes, start=1)
    ]
    pulse = [
        Beat(start_s + beat * period_s, beat % a_bar + 1)
        for beat in range(first_beat, first_beat + beats)
    ]
    return Performance(
        duration_s=start_s + (beats + a_bar) * period_s,
        hits=tuple(sorted(hits, key=lambda hit: hit.onset_s)),
        beats=tuple(pulse),
        model_version="made-in-a-test",
    )


def rock(bars: int = 4) -> list[Stroke]:
    """Eighths on the hat, kick on 1 and 3, snare on 2 and 4, a ghost after 2, an open hat."""
    strokes: list[Stroke] = []
    for bar in range(bars):
        at = 4 * bar
        strokes += [(at + i / 2, DrumPiece.HAT_CLOSED, 80) for i in range(7)]
        strokes.append((at + 3.5, DrumPiece.HAT_OPEN, 85))
        strokes += [(at, DrumPiece.KICK, 100), (at + 2, DrumPiece.KICK, 98)]
        strokes += [(at + 1, DrumPiece.SNARE, 105), (at + 3, DrumPiece.SNARE, 104)]
        strokes.append((at + 1.75, DrumPiece.SNARE, 30))
    return strokes


def shuffle(bars: int = 4) -> list[Stroke]:
    """Ride on 1 and the triplet's last, kick and snare in turn, the foot hat with the snare."""
    strokes: list[Stroke] = []
    for beat in range(4 * bars):
        strokes += [(beat, DrumPiece.RIDE, 85), (beat + Fraction(2, 3), DrumPiece.RIDE, 70)]
        strokes.append((beat, (DrumPiece.KICK, DrumPiece.SNARE)[beat % 2], 100))
        if beat % 2:
            strokes.append((beat, DrumPiece.HAT_PEDAL, 60))
    return strokes
