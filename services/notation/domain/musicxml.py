"""MusicXML 4.0, plain and compressed, as five readers were found to draw and play it right.

The rules that look odd here (heads written out, one instrument to a head, `open-string` for an
open hat) each answer a reader's fault; NOTATION.md lists them.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping
from fractions import Fraction
from math import lcm
from typing import Final

from lxml import etree

from services.notation.domain import engrave
from services.notation.domain.kit import Kit, KitEntry, kit_called
from services.notation.domain.score import (
    Articulation,
    Bar,
    Note,
    ScoreDocument,
    TempoMark,
    TupletPart,
    Voice,
    VoiceEvent,
    value_of,
)

PART: Final = "P1"
BARS_A_LINE: Final = 4
# More columns than this do not fit on a line of A4 without crowding.
COLUMNS_A_LINE: Final = 56

# `dynamics` is a percentage of this velocity.
_FORTE: Final = 90
_ARTICULATIONS: Final[Mapping[Articulation, str]] = {
    Articulation.ACCENT: "accent",
    Articulation.STRONG_ACCENT: "strong-accent",
    Articulation.CHOKE: "staccatissimo",
}


def to_musicxml(document: ScoreDocument) -> bytes:
    """A `score-partwise` document in UTF-8."""
    kit = kit_called(document.score.kit)
    root = etree.Element("score-partwise", version="4.0")
    _head(root, document, kit)
    part = _add(root, "part", id=PART)
    divisions = _divisions(document.score.bars)
    breaks = line_breaks(document.score.bars)
    tempos: dict[int, list[TempoMark]] = {}
    for mark in document.timeline.tempo_map:
        tempos.setdefault(mark.bar, []).append(mark)
    for index, bar in enumerate(document.score.bars):
        measure = _add(part, "measure", number=str(bar.number))
        if bar.missing:
            measure.set("implicit", "yes")
        if index in breaks:
            _add(measure, "print", **{"new-system": "yes"})
        before = document.score.bars[index - 1] if index else None
        _attributes(measure, bar, before, divisions)
        for mark in tempos.get(bar.number, ()):
            _tempo(measure, mark, bar, divisions)
        for voice in bar.voices:
            if voice.number == engrave.FEET:
                backup = _add(measure, "backup")
                _add(backup, "duration", str(_ticks(bar.length, divisions)))
            _voice(measure, bar, voice, kit, divisions)
        if index == len(document.score.bars) - 1:
            barline = _add(measure, "barline", location="right")
            _add(barline, "bar-style", "light-heavy")
    return etree.tostring(
        root,
        xml_declaration=True,
        encoding="UTF-8",
        pretty_print=True,
        doctype='<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" '
        '"http://www.musicxml.org/dtds/partwise.dtd">',
    )


def to_mxl(document: ScoreDocument) -> bytes:
    """The same, zipped as MusicXML's container asks; equal scores give equal bytes."""
    container = (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<container><rootfiles><rootfile full-path="score.musicxml" '
        b'media-type="application/vnd.recordare.musicxml+xml"/></rootfiles></container>\n'
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        # The media type lies first and bare, so that it can be read without unpacking.
        for name, data, method in (
            ("mimetype", b"application/vnd.recordare.musicxml", zipfile.ZIP_STORED),
            ("META-INF/container.xml", container, zipfile.ZIP_DEFLATED),
            ("score.musicxml", to_musicxml(document), zipfile.ZIP_DEFLATED),
        ):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, data, compress_type=method)
    return packed.getvalue()


def line_breaks(bars: Iterable[Bar]) -> set[int]:
    """Indices of bars that begin a line: four to a line where they fit, else two, else one.

    A pickup shares the first line with four more.
    """
    columns = []
    breaks = set()
    begin = 0
    for bar in bars:
        columns.append(max(4, len({e.start for v in bar.voices for e in v.events})))
    while begin < len(columns):
        size = BARS_A_LINE + (1 if begin == 0 and _has_pickup(bars) else 0)
        while size > 1 and sum(columns[begin : begin + size]) > COLUMNS_A_LINE:
            size = 2 if size > 2 else 1
        if begin:
            breaks.add(begin)
        begin += size
    return breaks


def _has_pickup(bars: Iterable[Bar]) -> bool:
    return next(iter(bars)).missing > 0


def _add(
    parent: etree._Element, name: str, text: str | None = None, **marks: str
) -> etree._Element:
    element = etree.SubElement(parent, name, marks)
    element.text = text
    return element


def _divisions(bars: Iterable[Bar]) -> int:
    """Ticks to the quarter, so that every start and duration is whole."""
    denominators = {1}
    for bar in bars:
        denominators.add(bar.length.denominator)
        denominators.update(e.duration.denominator for v in bar.voices for e in v.events)
    whole = lcm(*denominators, 4)
    return whole // 4


def _ticks(length: Fraction, divisions: int) -> int:
    return int(length * divisions * 4)


def _head(root: etree._Element, document: ScoreDocument, kit: Kit) -> None:
    if document.score.title:
        _add(_add(root, "work"), "work-title", document.score.title)
    identification = _add(root, "identification")
    encoding = _add(identification, "encoding")
    _add(encoding, "software", "Backbeat")
    for name in ("beam", "stem"):
        _add(encoding, "supports", element=name, type="yes")
    _add(encoding, "supports", element="print", attribute="new-system", type="yes", value="yes")
    if document.score.title:
        credit = _add(root, "credit", page="1")
        _add(credit, "credit-type", "title")
        _add(
            credit, "credit-words", document.score.title, justify="center", valign="top",
            **{"font-size": "22"},
        )  # fmt: skip
    part = _add(_add(root, "part-list"), "score-part", id=PART)
    _add(part, "part-name", kit.name, **{"print-object": "no"})
    used = {note.piece for _, _, note in document.score.notes()}
    entries = [(piece, entry) for piece, entry in kit.entries.items() if piece in used]
    for piece, entry in entries:
        instrument = _add(part, "score-instrument", id=kit.instrument_id(piece))
        _add(instrument, "instrument-name", entry.name)
    for piece, entry in entries:
        sound = _add(part, "midi-instrument", id=kit.instrument_id(piece))
        _add(sound, "midi-channel", "10")
        _add(sound, "midi-program", "1")
        _add(sound, "midi-unpitched", str(entry.gm_note + 1))


def _attributes(measure: etree._Element, bar: Bar, before: Bar | None, divisions: int) -> None:
    if before and before.meter == bar.meter:
        return
    attributes = _add(measure, "attributes")
    if before is None:
        _add(attributes, "divisions", str(divisions))
        _add(_add(attributes, "key"), "fifths", "0")
    time = _add(attributes, "time")
    _add(time, "beats", str(bar.meter.numerator))
    _add(time, "beat-type", str(bar.meter.denominator))
    if before is None:
        clef = _add(attributes, "clef")
        _add(clef, "sign", "percussion")
        _add(clef, "line", "2")
        _add(_add(attributes, "staff-details"), "staff-lines", "5")


def _tempo(measure: etree._Element, mark: TempoMark, bar: Bar, divisions: int) -> None:
    direction = _add(measure, "direction", placement="above")
    metronome = _add(_add(direction, "direction-type"), "metronome", parentheses="no")
    name, dots = value_of(mark.unit) or ("quarter", 0)
    _add(metronome, "beat-unit", name)
    for _ in range(dots):
        _add(metronome, "beat-unit-dot")
    _add(metronome, "per-minute", f"{mark.bpm:.0f}")
    at = (mark.beat - 1) * bar.meter.beat_unit - bar.missing
    if 0 < at < bar.length:
        _add(direction, "offset", str(_ticks(at, divisions)), sound="yes")
    _add(direction, "sound", tempo=f"{mark.quarters_per_minute:.2f}")


def _voice(measure: etree._Element, bar: Bar, voice: Voice, kit: Kit, divisions: int) -> None:
    beams = engrave.beams(bar, voice)
    brackets = _bracketed(voice, beams)
    stem = "up" if voice.number == engrave.HANDS else "down"
    for index, event in enumerate(voice.events):
        if event.is_rest:
            _rest(measure, bar, voice, event, divisions)
            if event.tuplet:
                _tuplet(_notations(measure[-1]), event, brackets)
            continue
        ordered = sorted(event.notes, key=lambda note: kit.entries[note.piece].height)
        _words(measure, ordered, kit)
        _graces(measure, ordered, kit, voice.number, stem)
        shown: set[Articulation] = set()
        for place, note in enumerate(ordered):
            _struck(measure, event, note, kit, voice.number, divisions, stem, in_chord=place > 0)
            element = measure[-1]
            if not place:
                for level, beam in enumerate(beams[index], start=1):
                    _add(element, "beam", beam, number=str(level))
            _marks(element, event, note, kit, brackets if not place else None, shown)


def _bracketed(voice: Voice, beams: list[tuple[str, ...]]) -> set[Fraction]:
    """Starts of the tuplets that no single beam holds together from first to last."""
    result = set()
    members: list[int] = []
    for index, event in enumerate(voice.events):
        if event.tuplet is None:
            continue
        members.append(index)
        if event.tuplet.part is TupletPart.STOP:
            outer = [beams[member][:1] for member in members]
            whole = [("begin",), *[("continue",)] * (len(outer) - 2), ("end",)]
            if outer != whole:
                result.add(voice.events[members[0]].start)
            members = []
    return result


def _rest(
    measure: etree._Element, bar: Bar, voice: Voice, event: VoiceEvent, divisions: int
) -> None:
    note = _add(measure, "note")
    if event.duration == bar.length and len(voice.events) == 1:
        _add(note, "rest", measure="yes")
        _add(note, "duration", str(_ticks(event.duration, divisions)))
        _add(note, "voice", str(voice.number))
        return
    _add(note, "rest")
    _add(note, "duration", str(_ticks(event.duration, divisions)))
    _add(note, "voice", str(voice.number))
    _value(note, event)


def _value(note: etree._Element, event: VoiceEvent) -> None:
    name, dots = value_of(event.written) or ("quarter", 0)
    _add(note, "type", name)
    for _ in range(dots):
        _add(note, "dot")
    if event.tuplet:
        modification = _add(note, "time-modification")
        _add(modification, "actual-notes", str(event.tuplet.actual))
        _add(modification, "normal-notes", str(event.tuplet.normal))


def _unpitched(note: etree._Element, entry: KitEntry) -> None:
    unpitched = _add(note, "unpitched")
    _add(unpitched, "display-step", entry.step)
    _add(unpitched, "display-octave", str(entry.octave))


def _struck(
    measure: etree._Element,
    event: VoiceEvent,
    note: Note,
    kit: Kit,
    voice: int,
    divisions: int,
    stem: str,
    *,
    in_chord: bool,
) -> None:
    entry = kit.entries[note.piece]
    element = _add(measure, "note", id=note.id, dynamics=f"{note.velocity / _FORTE * 100:.2f}")
    if in_chord:
        _add(element, "chord")
    _unpitched(element, entry)
    _add(element, "duration", str(_ticks(event.duration, divisions)))
    _add(element, "instrument", id=kit.instrument_id(note.piece))
    _add(element, "voice", str(voice))
    _value(element, event)
    _add(element, "stem", stem)
    head = _add(element, "notehead", entry.head)
    if Articulation.GHOST in note.articulations:
        head.set("parentheses", "yes")


def _notations(note: etree._Element) -> etree._Element:
    found = note.find("notations")
    return _add(note, "notations") if found is None else found


def _tuplet(notations: etree._Element, event: VoiceEvent, brackets: set[Fraction]) -> None:
    if event.tuplet and event.tuplet.part is not TupletPart.MIDDLE:
        kind = event.tuplet.part.value
        tuplet = _add(notations, "tuplet", type=kind, number="1")
        if kind == "start":
            tuplet.set("bracket", "yes" if event.start in brackets else "no")
    if not len(notations):
        notations.getparent().remove(notations)  # type: ignore[union-attr]


def _marks(
    element: etree._Element,
    event: VoiceEvent,
    note: Note,
    kit: Kit,
    brackets: set[Fraction] | None,
    shown: set[Articulation],
) -> None:
    """What hangs on a note: tuplet (on a chord's first), slur from its graces, strokes' signs.

    `shown` is what the chord shows already: a second accent above the first says no more.
    """
    notations = _notations(element)
    if note.graces:
        _add(notations, "slur", type="stop", number="1")
    if Articulation.BUZZ in note.articulations:
        _add(_add(notations, "ornaments"), "tremolo", "3", type="single")
    if kit.entries[note.piece].mark == "open-string":
        _add(_add(notations, "technical"), "open-string", placement="above")
    signs = [
        _ARTICULATIONS[mark]
        for mark in note.articulations
        if mark in _ARTICULATIONS and mark not in shown
    ]
    shown.update(note.articulations)
    if signs:
        articulations = _add(notations, "articulations")
        for sign in signs:
            _add(articulations, sign, placement="above")
    _tuplet(notations, event if brackets is not None else _no_tuplet(event), brackets or set())


def _no_tuplet(event: VoiceEvent) -> VoiceEvent:
    return VoiceEvent(event.start, event.duration, event.notes)


def _words(measure: etree._Element, notes: Iterable[Note], kit: Kit) -> None:
    for note in notes:
        kind, _, text = kit.entries[note.piece].mark.partition(":")
        if kind == "words":
            direction = _add(measure, "direction", placement="above")
            _add(_add(direction, "direction-type"), "words", text)


def _graces(
    measure: etree._Element, notes: Iterable[Note], kit: Kit, voice: int, stem: str
) -> None:
    """A flam is one slashed eighth, a drag two beamed 16ths; a slur leads to the note."""
    for note in notes:
        entry = kit.entries[note.piece]
        for index, grace in enumerate(note.graces):
            element = _add(
                measure, "note", id=grace.id, dynamics=f"{grace.velocity / _FORTE * 100:.2f}"
            )
            drag = len(note.graces) > 1
            sign = _add(element, "grace")
            if not drag:
                sign.set("slash", "yes")
            _unpitched(element, entry)
            _add(element, "instrument", id=kit.instrument_id(note.piece))
            _add(element, "voice", str(voice))
            _add(element, "type", "16th" if drag else "eighth")
            _add(element, "stem", stem)
            _add(element, "notehead", entry.head)
            if drag:
                for level in ("1", "2"):
                    _add(element, "beam", "end" if index else "begin", number=level)
            if not index:
                _add(_notations(element), "slur", type="start", number="1", placement="below")
