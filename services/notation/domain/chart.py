"""Clone Hero's and Moonscraper's `.chart`: `[ExpertDrums]`, four lanes with cymbals ("Pro").

Numbers and sections as documented at github.com/TheNathannator/GuitarGame_ChartFormats
(.chart: Core Infrastructure, Drums). Notes lie on the score's grid; the tempo track is the
recording's own, a tempo to a beat, so that the chart plays along with it from second 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise
from typing import Final

from libs.common.drums import Articulation, DrumPiece
from libs.common.meter import Meter
from services.notation.domain.clock import Clock, sounding_start
from services.notation.domain.document import ScoreDocument
from services.notation.domain.kit import Kit
from services.notation.domain.score import Note

RESOLUTION: Final = 192  # ticks to the quarter
KICK: Final = 0
RED: Final = 1
YELLOW: Final = 2
BLUE: Final = 3
GREEN: Final = 4
_ACCENT: Final = 33  # + lane: 34 red to 37 green
_GHOST: Final = 39
_CYMBAL: Final = 64  # 66 yellow to 68 green
_CYMBAL_LANES: Final = (YELLOW, BLUE, GREEN)

P = DrumPiece
LANES: Final[dict[DrumPiece, tuple[int, bool]]] = {
    P.KICK: (KICK, False),
    P.SNARE: (RED, False), P.CROSS_STICK: (RED, False), P.RIMSHOT: (RED, False),
    P.HAT_CLOSED: (YELLOW, True), P.HAT_HALF_OPEN: (YELLOW, True), P.HAT_OPEN: (YELLOW, True),
    P.TOM_HIGH: (YELLOW, False), P.TOM_MID: (BLUE, False), P.TOM_FLOOR: (GREEN, False),
    P.RIDE: (BLUE, True), P.RIDE_BELL: (BLUE, True), P.COWBELL: (BLUE, True),
    P.SPLASH: (BLUE, True), P.TAMBOURINE: (YELLOW, True),
    P.CRASH: (GREEN, True), P.CRASH_2: (GREEN, True), P.CHINA: (GREEN, True),
}  # fmt: skip
"""Lane, and whether it is a cymbal. The foot's hat has no lane and is left out."""


def to_chart(document: ScoreDocument, kit: Kit | None = None) -> bytes:
    """UTF-8; the kit matters not, lanes stand for drums."""
    del kit
    clock = Clock(document)
    bars = document.score.bars
    first_s = max(0.0, clock.times_s[0]) if clock.runs else 0.0
    # The silence before the first beat is one bar, however long it is.
    lead = bars[0].meter.length if bars and first_s else Fraction(0)
    shift = lead - (clock.places[0] if clock.runs else Fraction(0))
    sections = [
        ("Song", _song(document)),
        ("SyncTrack", _sync(document, clock, lead, shift, first_s)),
        ("Events", _events(document, clock, shift)),
        ("ExpertDrums", _drums(document, clock, shift)),
    ]
    lines = []
    for name, entries in sections:
        lines += [f"[{name}]", "{", *(f"  {entry}" for entry in entries), "}"]
    return "\r\n".join([*lines, ""]).encode()


def _plain(text: str) -> str:
    """A string has no way to hold its own quotation mark."""
    return text.replace('"', "'")


def _song(document: ScoreDocument) -> Iterable[str]:
    yield f'Name = "{_plain(document.score.title) or "Untitled"}"'
    yield 'Artist = "Unknown"'
    yield 'Charter = "Backbeat"'
    yield "Offset = 0"
    yield f"Resolution = {RESOLUTION}"
    yield "Difficulty = 0"


def _tick(place: Fraction) -> int:
    return max(0, round(place * 4 * RESOLUTION))


def _sync(
    document: ScoreDocument, clock: Clock, lead: Fraction, shift: Fraction, first_s: float
) -> Iterable[str]:
    marks: list[tuple[int, int, str]] = []
    before: Meter | None = None
    if lead:
        before = document.score.bars[0].meter
        marks.append((0, 0, _signature(before)))
    for bar, start in zip(document.score.bars, clock.starts, strict=False):
        # A pickup is a short bar of its own, so that the next one begins a bar there, too.
        meter = Meter(bar.length.numerator, bar.length.denominator) if bar.missing else bar.meter
        if meter != before and meter.denominator & (meter.denominator - 1) == 0:
            marks.append((_tick(start + shift), 0, _signature(meter)))
        before = meter
    if lead:
        marks.append((0, 1, _tempo(float(lead) * 240 / first_s)))
    points = list(zip(clock.places, clock.times_s, strict=True))
    for (place, time_s), (after, after_s) in pairwise(points):
        bpm = float(after - place) * 240 / (after_s - time_s)
        marks.append((_tick(place + shift), 1, _tempo(bpm)))
    if not clock.runs:
        first = document.timeline.tempo_map[:1]
        marks += [(0, 1, _tempo(mark.quarters_per_minute)) for mark in first]
    if not any(order for _, order, _ in marks):
        marks.append((0, 1, _tempo(120)))
    last = ""
    for tick, order, words in sorted(marks):
        if order and words == last:
            continue
        last = words if order else last
        yield f"{tick} = {words}"


def _signature(meter: Meter) -> str:
    return f"TS {meter.numerator} {meter.denominator.bit_length() - 1}"


def _tempo(bpm: float) -> str:
    return f"B {max(1, round(bpm * 1000))}"


def _events(document: ScoreDocument, clock: Clock, shift: Fraction) -> Iterable[str]:
    for part in document.score.sections:
        tick = _tick(clock.start_of(part.bar) + shift)
        yield f'{tick} = E "section {_plain(part.name)}"'


def _drums(document: ScoreDocument, clock: Clock, shift: Fraction) -> Iterable[str]:
    by_tick: dict[int, list[Note]] = {}
    for bar, event, note in document.score.notes():
        place = clock.start_of(bar.number) + sounding_start(bar, event, document.timeline)
        by_tick.setdefault(_tick(place + shift), []).append(note)
    for tick in sorted(by_tick):
        yield from (f"{tick} = N {number} 0" for number in _numbers(by_tick[tick]))


def _numbers(notes: Iterable[Note]) -> list[int]:
    """Of what is struck at once. A lane holds a tom or a cymbal, not both: the cymbal moves."""
    taken: dict[int, tuple[bool, Note]] = {}
    # Toms first: they have no other lane.
    for note in sorted(notes, key=lambda note: LANES.get(note.piece, (0, True))[1]):
        lane, cymbal = LANES.get(note.piece, (None, False))
        if lane is None:
            continue
        if cymbal and lane in taken and not taken[lane][0]:
            lane = next((free for free in _CYMBAL_LANES if free not in taken), lane)
        taken.setdefault(lane, (cymbal, note))
    numbers = []
    for lane, (cymbal, note) in sorted(taken.items(), key=lambda item: item[0]):
        numbers.append(lane)
        marks = set(note.articulations)
        if lane != KICK and marks & {Articulation.ACCENT, Articulation.STRONG_ACCENT}:
            numbers.append(_ACCENT + lane)
        if lane != KICK and Articulation.GHOST in marks:
            numbers.append(_GHOST + lane)
        if cymbal:
            numbers.append(_CYMBAL + lane)
    return numbers
