"""Scores made by chance, each from its seed: any meter, grid, piece, mark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from random import Random

from libs.common.drums import Articulation, DrumPiece, Hand
from libs.common.meter import Meter
from services.notation.domain.document import ScoreDocument
from services.notation.domain.engrave import Placed, beat_spans, write_bar
from services.notation.domain.score import (
    Bar,
    Dynamic,
    DynamicMark,
    Hairpin,
    HairpinKind,
    Note,
    Section,
    Swing,
    TempoMark,
    VoiceEvent,
    read_meter,
)
from tests.unit.notation.charts import Pen, document_of

METERS = ("4/4", "3/4", "2/4", "5/4", "7/4", "6/8", "9/8", "12/8", "7/8", "5/8", "2/2", "3/8")
CUTS = (1, 1, 2, 2, 3, 4, 4, 6, 8)
"""So many places to a beat; the usual ones oftener."""
_FLAMMED = (
    DrumPiece.SNARE, DrumPiece.RIMSHOT, DrumPiece.TOM_HIGH, DrumPiece.TOM_MID, DrumPiece.TOM_FLOOR,
)  # fmt: skip
_MARKED = (Articulation.ACCENT, Articulation.STRONG_ACCENT, Articulation.GHOST)
_CYMBALS = (DrumPiece.CRASH, DrumPiece.CRASH_2, DrumPiece.SPLASH, DrumPiece.CHINA)
_HATS = (
    DrumPiece.HAT_CLOSED, DrumPiece.HAT_HALF_OPEN, DrumPiece.HAT_OPEN, DrumPiece.HAT_PEDAL,
)  # fmt: skip
_NAMES = ("Verse", "A & B", "<Fill>", "Straße", "Solo “long”", "Çok güzel 太鼓")


def score_of(
    seed: int, *, cuts: Sequence[int] = CUTS, words: bool = True, pickup: bool | None = None
) -> ScoreDocument:
    """Three to eight bars, the last and first with a stroke on 1; `words` adds what only a score
    has: stickings, dynamics, hairpins, sections, tempo and swing marks."""
    random = Random(seed)
    pen = Pen()
    meter = read_meter(random.choice(METERS))
    bars = []
    has_pickup = random.random() < 0.3 if pickup is None else pickup
    if has_pickup and meter.length > 2 * meter.beat_unit:
        length = meter.beat_unit
        upbeat = write_bar(0, meter, [pen.note(0, DrumPiece.SNARE)], length)
        bars.append(upbeat)
    for number in range(1, random.randint(4, 9)):
        if random.random() < 0.15:
            meter = read_meter(random.choice(METERS))
        bars.append(_bar(random, pen, number, meter, cuts, words=words))
    made = document_of(bars, title=random.choice(_NAMES), bpm=random.uniform(60, 160))
    if not words:
        return made
    timeline = replace(
        made.timeline,
        tempo_map=_tempos(random, bars),
        swing=(Swing(1, Fraction(1, 8), 1.5), Swing(bars[-1].number, Fraction(1, 8), 1.0))
        if random.random() < 0.3
        else (),
    )
    score = replace(
        made.score,
        sections=tuple(Section(bar.number, random.choice(_NAMES)) for bar in bars[1::3]),
        dynamics=tuple(_dynamics(random, bars)),
        hairpins=tuple(_hairpins(random, bars)),
    )
    return replace(made, timeline=timeline, score=score)


def _bar(
    random: Random, pen: Pen, number: int, meter: Meter, cuts: Sequence[int], *, words: bool
) -> Bar:
    empty = Bar(number, meter, ())
    strokes: list[Placed] = [pen.note(0, random.choice(_CYMBALS), velocity=random.randint(60, 127))]
    taken = {(strokes[0][0], strokes[0][1].piece)}
    for start, length in beat_spans(empty):
        cut = random.choice(cuts)
        for slot in range(cut):
            at = start + length * slot / cut
            for _ in range(random.choice((0, 1, 1, 2, 3))):
                piece = random.choice(tuple(DrumPiece))
                drum = DrumPiece.HAT_CLOSED if piece in _HATS else piece
                if (at, drum) not in taken:
                    taken.add((at, drum))
                    strokes.append((at, _note(random, pen, piece, roomy=cut <= 2, words=words)))
    return _single_letters(write_bar(number, meter, strokes))


def _note(random: Random, pen: Pen, piece: DrumPiece, *, roomy: bool, words: bool) -> Note:
    marks: list[Articulation] = []
    velocity = random.randint(50, 127)
    if words and random.random() < 0.3:
        marks.append(random.choice(_MARKED))
    if piece in _FLAMMED and roomy and random.random() < 0.2:
        marks.append(random.choice((Articulation.FLAM, Articulation.DRAG)))
    elif words and piece in _FLAMMED and random.random() < 0.1:
        marks.append(Articulation.BUZZ)
    elif words and piece in _CYMBALS and random.random() < 0.2:
        marks.append(Articulation.CHOKE)
    hand = random.choice((None, *Hand)) if words else None
    _, note = pen.note(0, piece, *marks, hand=hand)
    return replace(note, velocity=velocity)


def _single_letters(bar: Bar) -> Bar:
    """A chord's letter hangs on its lowest note, the only one that shows it."""
    step = {piece: place for place, piece in enumerate(DrumPiece)}

    def told(event: VoiceEvent) -> VoiceEvent:
        notes = sorted(event.notes, key=lambda note: step[note.piece])
        return replace(
            event,
            notes=tuple(
                replace(note, sticking=note.sticking if len(notes) == 1 else None) for note in notes
            ),
        )

    return replace(
        bar,
        voices=tuple(replace(voice, events=tuple(map(told, voice.events))) for voice in bar.voices),
    )


def _tempos(random: Random, bars: Sequence[Bar]) -> tuple[TempoMark, ...]:
    first = bars[0]
    beat = 1 + int(first.missing / first.meter.beat_unit)
    marks = [
        TempoMark(first.number, round(random.uniform(40, 200), 2), beat, first.meter.beat_unit)
    ]
    for bar in bars[2::2]:
        beats = int(bar.length / bar.meter.beat_unit)
        marks.append(
            TempoMark(
                bar.number,
                round(random.uniform(40, 200), 2),
                random.randint(1, max(1, beats)),
                random.choice((Fraction(1, 4), Fraction(1, 2), Fraction(3, 8), Fraction(1, 8))),
                text=random.choice(("", "a tempo", "più mosso")),
            )
        )
        if random.random() < 0.3 and beats > 2:
            last = marks.pop()
            marks.append(replace(last, beat=1))
            marks.append(
                TempoMark(bar.number, 66.5, beats, Fraction(1, 4), text="rit.", hidden=True)
            )
    return tuple(marks)


def _dynamics(random: Random, bars: Sequence[Bar]) -> list[Dynamic]:
    return [
        Dynamic(
            bar.number,
            Fraction(random.randrange(int(bar.length * 8)), 8),
            random.choice(tuple(DynamicMark)),
        )
        for bar in bars
        if random.random() < 0.5
    ]


def _hairpins(random: Random, bars: Sequence[Bar]) -> list[Hairpin]:
    """One in each second bar, so that none begins before another ends."""
    found = []
    for bar in bars[1::2]:
        eighths = int(bar.length * 8)
        start = random.randrange(eighths)
        end = random.randint(start + 1, eighths)
        kind = random.choice(tuple(HairpinKind))
        found.append(Hairpin(bar.number, Fraction(start, 8), bar.number, Fraction(end, 8), kind))
    return found
