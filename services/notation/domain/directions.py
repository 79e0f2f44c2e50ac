"""What stands over and under the staff in MusicXML: parts of the song, tempo, feel, loudness."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final
from xml.sax.saxutils import escape

from services.notation.domain.clock import tempo_place
from services.notation.domain.document import ScoreDocument
from services.notation.domain.score import Bar, Hairpin, Swing, TempoMark, value_of

_BOLD: Final = ' font-weight="bold"'


@dataclass(frozen=True, slots=True)
class Direction:
    """One mark at its place in whole notes from the bar line; `types` and `sound` are XML."""

    at: Fraction
    placement: str
    types: str
    sound: str = ""

    def xml(self, offset_ticks: int = 0) -> str:
        """As it stands before an event, or `offset_ticks` after the event's start."""
        offset = f'<offset sound="yes">{offset_ticks}</offset>' if offset_ticks else ""
        return (
            f'<direction placement="{self.placement}">{self.types}{offset}{self.sound}</direction>'
        )


def directions(
    document: ScoreDocument, *, swing_sounds: bool = True
) -> Mapping[int, Sequence[Direction]]:
    """Of each bar that has any, by number, in order of place. MusicXML 3 knows no sounding swing,
    only its words."""
    score, timeline = document.score, document.timeline
    bars = {bar.number: bar for bar in score.bars}
    found: dict[int, list[Direction]] = defaultdict(list)
    for part in score.sections:
        # Verovio centres it on the bar line otherwise, half of it off the page.
        mark = f'<rehearsal halign="left">{escape(part.name)}</rehearsal>'
        found[part.bar].append(Direction(Fraction(0), "above", _typed(mark)))
    for tempo in timeline.tempo_map:
        if tempo.bar in bars:
            found[tempo.bar].append(_tempo(tempo, bars[tempo.bar]))
    for swing, words in feels(timeline.swing):
        found[swing.bar].append(_swing(swing, words, sounds=swing_sounds))
    for dynamic in score.dynamics:
        loud = f"<dynamics><{dynamic.mark.value}/></dynamics>"
        found[dynamic.bar].append(Direction(dynamic.start, "below", _typed(loud)))
    for number, pin in enumerate(score.hairpins):
        for bar, direction in _hairpin(pin, number % 6 + 1):
            found[bar].append(direction)
    for marks in found.values():
        marks.sort(key=lambda direction: direction.at)
    return found


def feels(swing: Iterable[Swing]) -> Iterable[tuple[Swing, str]]:
    """Each change of feel and its words; straight is not said where nothing swung before."""
    swung = False
    for mark in swing:
        if mark.ratio != 1 or swung:
            yield mark, feel(mark)
        swung = mark.ratio != 1


def feel(swing: Swing) -> str:
    """A triplet's swing goes without saying how much."""
    if swing.ratio == 1:
        return "Straight"
    notes = "8ths" if swing.unit == Fraction(1, 8) else "16ths"
    by = "" if abs(swing.ratio - 2) < 0.05 else f" ({swing.ratio:.2g} : 1)"
    return f"Swing {notes}{by}"


def _typed(content: str) -> str:
    return f"<direction-type>{content}</direction-type>"


def _words(text: str, style: str = _BOLD) -> str:
    return _typed(f"<words{style}>{escape(text)}</words>")


def _tempo(mark: TempoMark, bar: Bar) -> Direction:
    types = ""
    if mark.text or mark.hidden:
        # A tempo without any words, be they empty, MuseScore shows as a number.
        types = _words(mark.text, ' font-style="italic"')
    if not mark.hidden:
        name, dots = value_of(mark.unit) or ("quarter", 0)
        unit = f"<beat-unit>{name}</beat-unit>{'<beat-unit-dot/>' * dots}"
        number = f"<per-minute>{mark.bpm:.0f}</per-minute>"
        types += _typed(f'<metronome parentheses="no">{unit}{number}</metronome>')
    at = tempo_place(mark, bar)
    return Direction(
        at if at < bar.length else Fraction(0),
        "above",
        types,
        f'<sound tempo="{mark.quarters_per_minute:.4f}"/>',
    )


def _swing(mark: Swing, words: str, *, sounds: bool) -> Direction:
    ratio = Fraction(mark.ratio).limit_denominator(20)
    parts = "<straight/>"
    if ratio != 1:
        unit = "eighth" if mark.unit == Fraction(1, 8) else "16th"
        parts = (
            f"<first>{ratio.numerator}</first><second>{ratio.denominator}</second>"
            f"<swing-type>{unit}</swing-type>"
        )
    sound = f"<sound><swing>{parts}</swing></sound>" if sounds else ""
    return Direction(Fraction(0), "above", _words(words), sound)


def _hairpin(pin: Hairpin, number: int) -> Iterable[tuple[int, Direction]]:
    begin = f'<wedge type="{pin.kind.value}" number="{number}"/>'
    yield pin.bar, Direction(pin.start, "below", _typed(begin))
    stop = f'<wedge type="stop" number="{number}"/>'
    yield pin.end_bar, Direction(pin.end, "below", _typed(stop))
