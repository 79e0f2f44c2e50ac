"""A chart made by hand, with one of everything that can stand on a page."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import count

from libs.common.drums import Articulation, DrumPiece, Hand
from libs.common.meter import Meter
from services.notation.domain.document import ScoreDocument, check
from services.notation.domain.engrave import write_bar
from services.notation.domain.score import (
    Bar,
    Dynamic,
    DynamicMark,
    Grace,
    Hairpin,
    HairpinKind,
    MeterMark,
    Note,
    PerformanceLayer,
    PlayedEvent,
    Repeat,
    Score,
    Section,
    Source,
    Swing,
    TempoMark,
    Timeline,
    TimelineBeat,
)

FOUR = Meter(4, 4)
SIX = Meter(6, 8)
P = DrumPiece
A = Articulation
F = Fraction

Stroke = tuple[Fraction, Note]


class Pen:
    """Writes notes with ids of their own, in the order of writing."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def _id(self) -> str:
        return f"ev-{next(self._numbers):06d}"

    def note(
        self,
        at: Fraction | int,
        piece: DrumPiece,
        *marks: Articulation,
        velocity: int = 90,
        hand: Hand | None = None,
        ring: Fraction | None = None,
    ) -> Stroke:
        graces = {A.FLAM: 1, A.DRAG: 2}
        number = next((graces[mark] for mark in marks if mark in graces), 0)
        before = tuple(Grace(self._id(), 45) for _ in range(number))
        if A.GHOST in marks:
            velocity = 30
        if A.ACCENT in marks:
            velocity = 115
        return Fraction(at), Note(self._id(), piece, velocity, marks, before, hand, ring)


def rock_bar(pen: Pen, number: int) -> Bar:
    """Eighths on the hat with an open one, kick and snare in turn, ghosts."""
    eighth = F(1, 8)
    strokes = [pen.note(i * eighth, P.HAT_CLOSED) for i in range(7)]
    strokes.append(pen.note(7 * eighth, P.HAT_OPEN, ring=eighth))
    strokes += [pen.note(place, P.KICK, velocity=100) for place in (0, F(1, 2), F(5, 8))]
    strokes += [pen.note(place, P.SNARE, A.ACCENT) for place in (F(1, 4), F(3, 4))]
    strokes += [pen.note(place, P.SNARE, A.GHOST) for place in (F(7, 16), F(9, 16))]
    return write_bar(number, FOUR, strokes)


def fill_bar(pen: Pen, number: int) -> Bar:
    """Flam, 16ths down the toms with stickings, a drag, a triplet, a choked crash."""
    step = F(1, 16)
    strokes = [pen.note(0, P.SNARE, A.FLAM, hand=Hand.RIGHT)]
    down = (P.SNARE, P.TOM_HIGH, P.TOM_HIGH, P.TOM_MID, P.TOM_MID)
    strokes += [
        pen.note((3 + i) * step, piece, hand=(Hand.LEFT, Hand.RIGHT)[i % 2])
        for i, piece in enumerate(down)
    ]
    strokes += [
        pen.note(F(1, 2) + F(i, 12), P.TOM_FLOOR, hand=(Hand.RIGHT, Hand.LEFT)[i % 2])
        for i in range(3)
    ]
    strokes.append(pen.note(F(3, 4), P.SNARE, A.DRAG))
    strokes.append(pen.note(F(7, 8), P.CRASH, A.CHOKE, A.ACCENT, hand=Hand.BOTH))
    strokes += [pen.note(0, P.KICK), pen.note(F(7, 8), P.KICK)]
    return write_bar(number, FOUR, strokes)


def shuffle_bar(pen: Pen, number: int) -> Bar:
    """Ride in swung eighths, bell on 4, foot hat on 2 and 4, cross-stick, half-open hat."""
    eighth = F(1, 8)
    strokes = [pen.note(i * eighth, P.RIDE_BELL if i == 6 else P.RIDE) for i in range(7)]
    strokes.append(pen.note(7 * eighth, P.HAT_HALF_OPEN))
    strokes += [pen.note(place, P.HAT_PEDAL) for place in (F(1, 4), F(3, 4))]
    strokes += [pen.note(0, P.KICK), pen.note(F(3, 8), P.KICK)]
    strokes += [pen.note(F(1, 4), P.CROSS_STICK), pen.note(F(3, 4), P.RIMSHOT)]
    return write_bar(number, FOUR, strokes)


def jig_bar(pen: Pen, number: int) -> Bar:
    """6/8 with a buzz roll, splash and china, cowbell."""
    eighth = F(1, 8)
    strokes = [pen.note(i * eighth, P.HAT_CLOSED) for i in (0, 1, 2, 4)]
    strokes += [pen.note(3 * eighth, P.SNARE, A.BUZZ), pen.note(0, P.KICK)]
    strokes += [pen.note(3 * eighth, P.SPLASH), pen.note(5 * eighth, P.CHINA)]
    strokes.append(pen.note(5 * eighth, P.COWBELL, A.STRONG_ACCENT))
    return write_bar(number, SIX, strokes)


def silent_bar(pen: Pen, number: int) -> Bar:
    """The hands and feet play together on 1, then both rest."""
    return write_bar(number, FOUR, [pen.note(0, P.CRASH, A.ACCENT), pen.note(0, P.KICK)])


def chart(title: str = "Night Drive", kit: str = "backbeat-standard") -> ScoreDocument:
    """Pickup, two parts, a fill, a bar of rest, swing with a ritardando, 6/8."""
    pen = Pen()
    pickup = write_bar(
        0,
        FOUR,
        [
            pen.note(0, P.SNARE, hand=Hand.RIGHT),
            pen.note(F(1, 8), P.SNARE, hand=Hand.LEFT),
            pen.note(F(3, 16), P.SNARE, hand=Hand.RIGHT),
        ],
        F(1, 4),
    )
    bars = [pickup]
    bars += [rock_bar(pen, number) for number in range(1, 8)]
    bars.append(fill_bar(pen, 8))
    bars += [shuffle_bar(pen, number) for number in range(9, 13)]
    bars.append(silent_bar(pen, 13))
    bars += [jig_bar(pen, number) for number in range(14, 18)]
    return document_of(
        bars,
        title=title,
        kit=kit,
        tempos=(
            TempoMark(0, 104.0, beat=4),
            TempoMark(12, 96.0, beat=3, text="rit.", hidden=True),
            TempoMark(12, 88.0, beat=4, hidden=True),
            TempoMark(14, 60.0, unit=F(3, 8), text="a tempo"),
        ),
        swing=(Swing(9, F(1, 8), 2.0), Swing(13, F(1, 8), 1.0)),
        sections=(Section(1, "Verse"), Section(9, "Swing part"), Section(14, "Jig & end")),
        dynamics=(
            Dynamic(1, F(0), DynamicMark.MF),
            Dynamic(8, F(7, 8), DynamicMark.FF),
            Dynamic(9, F(0), DynamicMark.P),
            Dynamic(14, F(0), DynamicMark.F),
        ),
        hairpins=(
            Hairpin(8, F(0), 8, F(3, 4), HairpinKind.CRESCENDO),
            Hairpin(16, F(0), 17, F(3, 4), HairpinKind.DIMINUENDO),
        ),
        repeats=(Repeat(2, 1), Repeat(3, 1), Repeat(5, 2), Repeat(10, 1), Repeat(16, 1)),
    )


def document_of(
    bars: Iterable[Bar],
    *,
    title: str = "",
    kit: str = "backbeat-standard",
    bpm: float = 104.0,
    tempos: tuple[TempoMark, ...] = (),
    swing: tuple[Swing, ...] = (),
    sections: tuple[Section, ...] = (),
    dynamics: tuple[Dynamic, ...] = (),
    hairpins: tuple[Hairpin, ...] = (),
    repeats: tuple[Repeat, ...] = (),
) -> ScoreDocument:
    """The bars played exactly as written and swung, at an even tempo, from second 2 on."""
    bars = tuple(bars)
    tempos = tempos or (TempoMark(bars[0].number, bpm),)
    timeline = Timeline(tempo_map=tempos, swing=swing)
    beats, meters, events = [], [], []
    now_s = 2.0
    second = 240 / bpm  # of a whole note
    for index, bar in enumerate(bars):
        unit = bar.meter.beat_unit
        first = int(bar.missing / unit)
        for beat in range(int(bar.length / unit)):
            at = round(now_s + float(beat * unit) * second, 6)
            beats.append(TimelineBeat(at, bar.number, first + beat + 1))
        if not index or bars[index - 1].meter != bar.meter:
            meters.append(MeterMark(bar.number, bar.meter))
        bend = timeline.swing_at(bar.number)
        for voice in bar.voices:
            for event in voice.events:
                place = event.start
                if bend and event.tuplet is None:
                    place = bend.sounding(place)
                onset_s = now_s + float(place) * second
                for note in event.notes:
                    for back, grace in enumerate(reversed(note.graces), start=1):
                        at = round(onset_s - 0.03 * back, 6)
                        events.append(
                            PlayedEvent(grace.id, note.piece, at, grace.velocity, 1.0, Source.SCORE)
                        )
                    events.append(
                        PlayedEvent(
                            note.id, note.piece, round(onset_s, 6), note.velocity, 1.0, Source.SCORE
                        )
                    )
        now_s += float(bar.length) * second
    events.sort(key=lambda event: event.onset_s)
    return check(
        ScoreDocument(
            PerformanceLayer(now_s + 1, tuple(events), (), "made-in-a-test"),
            Timeline(tuple(beats), tuple(meters), tempos, swing),
            Score(title, kit, bars, sections, dynamics, hairpins, repeats),
        )
    )
