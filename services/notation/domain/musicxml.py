"""MusicXML 4.0, plain and compressed, as five readers were found to draw and play it right.

The rules that look odd here (heads written out, one instrument to a head, `open-string` for an
open hat) each answer a reader's fault; NOTATION.md lists them. The text is put together as
strings, a note to a line: a tree of elements took six times as long.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import lcm
from typing import Final, Literal
from xml.sax.saxutils import escape, quoteattr

from libs.common.drums import GM_NOTE, Articulation
from services.notation.domain import engrave
from services.notation.domain.directions import Direction, directions
from services.notation.domain.document import ScoreDocument
from services.notation.domain.kit import Kit, KitEntry, kit_called
from services.notation.domain.layout import A4, Room, doubled_rests, line_breaks
from services.notation.domain.score import (
    Bar,
    Note,
    Score,
    ScoreError,
    Tuplet,
    TupletPart,
    Voice,
    VoiceEvent,
    value_of,
)
from services.notation.domain.sticking import as_shown, letters, repeats_alike

Repeats = Literal["written", "signs"]
Schema = Literal["4.0", "3.1"]

PART: Final = "P1"

# `dynamics` is a percentage of this velocity.
_FORTE: Final = 90
_ARTICULATIONS: Final[Mapping[Articulation, str]] = {
    Articulation.ACCENT: "accent",
    Articulation.STRONG_ACCENT: "strong-accent",
    Articulation.CHOKE: "staccatissimo",
}
_HEAD: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML {schema} Partwise//EN" '
    '"http://www.musicxml.org/dtds/partwise.dtd">\n'
    '<score-partwise version="{schema}">'
)


def to_musicxml(
    document: ScoreDocument,
    kit: Kit | None = None,
    *,
    repeats: Repeats = "written",
    legend: bool = False,
    schema: Schema = "4.0",
) -> bytes:
    """A `score-partwise` document in UTF-8.

    `repeats="signs"` draws bars that are repeats as a sign, without their notes; `legend` says in
    words on the first page which piece stands where; `schema="3.1"` leaves out that swing sounds,
    which MuseScore 3 would warn of.
    """
    if schema not in ("4.0", "3.1"):
        raise ScoreError("schema", "must be 4.0 or 3.1")
    if repeats not in ("written", "signs"):
        raise ScoreError("repeats", "must be written or signs")
    kit = kit or kit_called(document.score.kit)
    document = as_shown(document)
    head_words = [*_title(document.score), *(_legend(document.score, kit) if legend else ())]
    return _joined(document, kit, head_words, repeated_bars(document.score, repeats), schema)


def for_engraving(
    document: ScoreDocument, kit: Kit, signs: Mapping[int, int], head_lines: int, room: Room = A4
) -> str:
    """What Verovio draws: `head_lines` lines are left free above the first staff, and so are the
    bars whose sign stands for several, for it has no such sign."""
    document = as_shown(document)
    words = '<credit-words justify="center" valign="top">\u00a0</credit-words>'
    head_words = [f'<credit page="1">{words * head_lines}</credit>'] if head_lines else []
    return _joined(document, kit, head_words, signs, room=room, for_verovio=True).decode()


def bar_id(number: int) -> str:
    """What its measure is called in the MusicXML and in the picture."""
    return f"{PART}-bar-{number}"


def to_mxl(
    document: ScoreDocument,
    kit: Kit | None = None,
    *,
    repeats: Repeats = "written",
    legend: bool = False,
    schema: Schema = "4.0",
) -> bytes:
    """The same, zipped as MusicXML's container asks; equal scores give equal bytes."""
    container = (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<container><rootfiles><rootfile full-path="score.musicxml" '
        b'media-type="application/vnd.recordare.musicxml+xml"/></rootfiles></container>\n'
    )
    plain = to_musicxml(document, kit, repeats=repeats, legend=legend, schema=schema)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        # The media type lies first and bare, so that it can be read without unpacking.
        for name, data, method in (
            ("mimetype", b"application/vnd.recordare.musicxml", zipfile.ZIP_STORED),
            ("META-INF/container.xml", container, zipfile.ZIP_DEFLATED),
            ("score.musicxml", plain, zipfile.ZIP_DEFLATED),
        ):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, data, compress_type=method)
    return packed.getvalue()


def legend_of(score: Score, kit: Kit) -> list[KitEntry]:
    """The pieces that occur, from the top of the staff to its bottom."""
    used = {note.piece for _, _, note in score.notes()}
    return sorted(
        (entry for piece, entry in kit.entries.items() if piece in used),
        key=lambda entry: -entry.height,
    )


def repeated_bars(score: Score, repeats: Repeats, room: Room = A4) -> dict[int, int]:
    """Numbers of the bars that a sign stands for, and for how many one sign stands.

    A sign for several bars needs them on one line; where they are not, they are written out, and
    so are bars under which other letters stand than under those that the sign points at.
    """
    if repeats == "written":
        return {}
    groups = repeats_alike(score)
    while True:
        signs = {bar + i: size for bar, size in groups.items() for i in range(size)}
        breaks = {score.bars[index].number for index in line_breaks(score.bars, signs, room)}
        torn = [bar for bar, size in groups.items() if breaks & set(range(bar + 1, bar + size))]
        if not torn:
            return signs
        for bar in torn:
            del groups[bar]


def _joined(
    document: ScoreDocument,
    kit: Kit,
    head_words: Sequence[str],
    signs: Mapping[int, int],
    schema: Schema = "4.0",
    *,
    room: Room = A4,
    for_verovio: bool = False,
) -> bytes:
    lines = [
        _HEAD.format(schema=schema),
        *_head(document.score, kit, head_words),
        f'<part id="{PART}">',
    ]
    marks = directions(document, swing_sounds=schema == "4.0")
    lines += _measures(document, kit, signs, marks, room, for_verovio=for_verovio)
    lines.append("</part>\n</score-partwise>\n")
    return "\n".join(lines).encode()


def _divisions(bars: Iterable[Bar]) -> int:
    """Ticks to the quarter, so that every start and duration is whole."""
    denominators = {1}
    for bar in bars:
        denominators.add(bar.length.denominator)
        denominators.update(e.duration.denominator for v in bar.voices for e in v.events)
    whole = lcm(*denominators, 4)
    return whole // 4


def _title(score: Score) -> Iterable[str]:
    if score.title:
        yield (
            '<credit page="1"><credit-type>title</credit-type>'
            '<credit-words justify="center" valign="top" font-size="22">'
            f"{escape(score.title)}</credit-words></credit>"
        )
    if score.remark:
        yield (
            '<credit page="1"><credit-type>subtitle</credit-type>'
            '<credit-words justify="center" valign="top" font-size="10" font-style="italic">'
            f"{escape(score.remark)}</credit-words></credit>"
        )


def _legend(score: Score, kit: Kit) -> Iterable[str]:
    entries = legend_of(score, kit)
    if entries:
        words = " · ".join(escape(_place_in_words(entry, kit)) for entry in entries)
        yield (
            '<credit page="1"><credit-type>legend</credit-type>'
            f'<credit-words justify="center" valign="bottom" font-size="8">{words}</credit-words>'
            "</credit>"
        )


def _head(score: Score, kit: Kit, head_words: Sequence[str]) -> Iterable[str]:
    if score.title:
        yield f"<work><work-title>{escape(score.title)}</work-title></work>"
    yield (
        "<identification><encoding><software>Backbeat</software>"
        '<supports element="beam" type="yes"/><supports element="stem" type="yes"/>'
        '<supports element="print" attribute="new-system" type="yes" value="yes"/>'
        "</encoding></identification>"
    )
    yield from head_words
    used = {note.piece for _, _, note in score.notes()}
    pieces = [piece for piece in kit.entries if piece in used]
    yield f'<part-list><score-part id="{PART}">'
    yield f'<part-name print-object="no">{escape(kit.name)}</part-name>'
    for piece in pieces:
        yield (
            f'<score-instrument id="{kit.instrument_id(piece)}"><instrument-name>'
            f"{escape(kit.entries[piece].name)}</instrument-name></score-instrument>"
        )
    for piece in pieces:
        # General MIDI's key and not the kit's own: it is what a reader's sounds know.
        yield (
            f'<midi-instrument id="{kit.instrument_id(piece)}"><midi-channel>10</midi-channel>'
            f"<midi-program>1</midi-program><midi-unpitched>{GM_NOTE[piece] + 1}</midi-unpitched>"
            "</midi-instrument>"
        )
    yield "</score-part></part-list>"


def _place_in_words(entry: KitEntry, kit: Kit) -> str:
    """ "Snare: 3rd space"; lines and spaces are counted from the bottom, as players do."""
    above = entry.height - 4 * 7 - 2  # steps above E4, the lowest line
    number, on_space = above // 2 + 1, above % 2
    head = "" if entry.head == "normal" else f" ({entry.head})"
    top = 2 * (kit.staff_lines - 1)
    if above < 0:
        place = "below the staff"
    elif above > top:
        place = "above the staff" if above == top + 1 else f"{(above - top) // 2} ledger above"
    else:
        ordinal = {1: "1st", 2: "2nd", 3: "3rd"}.get(number, f"{number}th")
        place = f"{ordinal} {'space' if on_space else 'line'}"
    return f"{entry.name}: {place}{head}"


def _measures(
    document: ScoreDocument,
    kit: Kit,
    signs: Mapping[int, int],
    marks: Mapping[int, Sequence[Direction]],
    room: Room,
    *,
    for_verovio: bool,
) -> Iterable[str]:
    bars = document.score.bars
    divisions = _divisions(bars)
    breaks = line_breaks(bars, signs, room)
    writer = _VoiceWriter(kit, divisions, gathers=for_verovio)
    for index, bar in enumerate(bars):
        implicit = ' implicit="yes"' if bar.missing else ""
        yield f'<measure number="{bar.number}" id="{bar_id(bar.number)}"{implicit}>'
        if index in breaks:
            yield '<print new-system="yes"/>'
        before = bars[index - 1] if index else None
        shown = {n: size for n, size in signs.items() if size == 1} if for_verovio else signs
        yield from _attributes(bar, before, divisions, kit, shown)
        above = marks.get(bar.number, ())
        if bar.number in signs:
            yield from writer.sign(bar, above, drawn=bar.number in shown)
        else:
            yield from writer.bar(bar, above)
        if index == len(bars) - 1:
            yield '<barline location="right"><bar-style>light-heavy</bar-style></barline>'
        yield "</measure>"


def _attributes(
    bar: Bar, before: Bar | None, divisions: int, kit: Kit, signs: Mapping[int, int]
) -> Iterable[str]:
    parts = []
    first = before is None
    if first:
        parts.append(f"<divisions>{divisions}</divisions><key><fifths>0</fifths></key>")
    if before is None or before.meter != bar.meter:
        parts.append(
            f"<time><beats>{bar.meter.numerator}</beats>"
            f"<beat-type>{bar.meter.denominator}</beat-type></time>"
        )
    if first:
        parts.append(
            f"<clef><sign>{kit.clef}</sign><line>2</line></clef>"
            f"<staff-details><staff-lines>{kit.staff_lines}</staff-lines></staff-details>"
        )
    span, span_before = signs.get(bar.number), signs.get(bar.number - 1)
    if span != span_before:
        if span_before:
            parts.append(
                '<measure-style><measure-repeat type="stop"></measure-repeat></measure-style>'
            )
        if span:
            parts.append(
                f'<measure-style><measure-repeat type="start" slashes="{span}">{span}'
                "</measure-repeat></measure-style>"
            )
    if parts:
        yield f"<attributes>{''.join(parts)}</attributes>"


@dataclass(frozen=True, slots=True)
class _Look:
    """What every note of one piece has in common, as XML."""

    height: int
    unpitched: str
    instrument: str
    head: str
    ghost_head: str
    technical: str
    words: str


class _VoiceWriter:
    """Writes voices; remembers what notes of a piece and of a length share."""

    def __init__(self, kit: Kit, divisions: int, *, gathers: bool) -> None:
        """`gathers`: a chord's first note bears the signs of all; Verovio loses others' rolls."""
        self._kit = kit
        self._gathers = gathers
        self._whole = divisions * 4
        self._looks = {piece: _look(kit, entry, kit.instrument_id(piece))
                       for piece, entry in kit.entries.items()}  # fmt: skip
        self._duration: Callable[[Fraction], str] = cache(self._write_duration)
        self._value: Callable[[Fraction, Tuplet | None], str] = cache(_write_value)

    def ticks(self, length: Fraction) -> int:
        return int(length * self._whole)

    def _write_duration(self, length: Fraction) -> str:
        return f"<duration>{self.ticks(length)}</duration>"

    def bar(self, bar: Bar, marks: Sequence[Direction]) -> Iterable[str]:
        """Its voices, the marks among the first one's events."""
        for voice in bar.voices:
            if voice.number == engrave.FEET:
                yield f"<backup>{self._duration(bar.length)}</backup>"
            yield from self._voice(bar, voice, marks if voice.number == engrave.HANDS else ())

    def sign(self, bar: Bar, marks: Sequence[Direction], *, drawn: bool) -> Iterable[str]:
        """A bar that a sign stands for; not `drawn` where whoever asks draws it."""
        rest = VoiceEvent(Fraction(0), bar.length)
        yield from (mark.xml(self.ticks(mark.at)) for mark in marks)
        yield self._rest(bar, Voice(engrave.HANDS, (rest,)), rest, set(), hidden=not drawn)

    def _voice(self, bar: Bar, voice: Voice, marks: Sequence[Direction]) -> Iterable[str]:
        """Events in order, each after the marks that stand before it."""
        beams = engrave.beams(bar, voice)
        brackets = _bracketed(voice, beams)
        unseen = doubled_rests(bar) if voice.number == engrave.FEET else frozenset()
        waiting = list(marks)
        for event, beam in zip(voice.events, beams, strict=True):
            while waiting and waiting[0].at < event.end:
                mark = waiting.pop(0)
                yield mark.xml(self.ticks(mark.at - event.start))
            if event.is_rest:
                yield self._rest(bar, voice, event, brackets, hidden=event.start in unseen)
            else:
                yield from self._chord(voice, event, beam, brackets)
        yield from (mark.xml() for mark in waiting)

    def _rest(
        self, bar: Bar, voice: Voice, event: VoiceEvent, brackets: set[Fraction], *, hidden: bool
    ) -> str:
        note = '<note print-object="no">' if hidden else "<note>"
        whole = event.duration == bar.length and len(voice.events) == 1
        kind = '<rest measure="yes"/>' if whole else "<rest/>"
        value = "" if whole else self._value(event.written, event.tuplet)
        notations = _notations(_tuplet(event, brackets))
        return (
            f"{note}{kind}{self._duration(event.duration)}"
            f"<voice>{voice.number}</voice>{value}{notations}</note>"
        )

    def _chord(
        self, voice: Voice, event: VoiceEvent, beam: Sequence[str], brackets: set[Fraction]
    ) -> Iterable[str]:
        looks = self._looks
        notes = event.notes
        if len(notes) > 1:
            notes = tuple(sorted(notes, key=lambda note: looks[note.piece].height))
        number, stem = voice.number, "up" if voice.number == engrave.HANDS else "down"
        for note in notes:
            if look_words := looks[note.piece].words:
                yield look_words
        for note in notes:
            if note.graces:
                yield from _graces(note, looks[note.piece], number, stem)
        duration = self._duration(event.duration)
        value = self._value(event.written, event.tuplet)
        beams = "".join(
            f'<beam number="{level}">{kind}</beam>' for level, kind in enumerate(beam, start=1)
        )
        # What the chord shows already: a second accent above the first says no more.
        shown: set[Articulation] = set()
        for place, note in enumerate(notes):
            look = looks[note.piece]
            head = look.ghost_head if Articulation.GHOST in note.articulations else look.head
            bearers = [note]
            if self._gathers:
                bearers = [] if place else list(notes)
            signs = dict.fromkeys(mark for one in bearers for mark in one.articulations)
            technical = dict.fromkeys(looks[one.piece].technical for one in bearers)
            marks = _marks(note, "".join(technical), signs.keys() - shown, number)
            shown.update(signs)
            if not place:
                marks = _tuplet(event, brackets) + marks
            yield (
                f'<note id="{note.id}" dynamics="{note.velocity / _FORTE * 100:.2f}">'
                f"{'<chord/>' if place else ''}{look.unpitched}{duration}{look.instrument}"
                f"<voice>{number}</voice>{value}<stem>{stem}</stem>{head}"
                f"{'' if place else beams}{_notations(marks)}"
                f"{'' if place else self._sticking(notes)}</note>"
            )

    def _sticking(self, notes: Sequence[Note]) -> str:
        """Under a chord its letters, the upper note's first. Readers look for them at its first
        note; whose they are says `name`, which none of them shows."""
        written = ""
        for verse, letter in enumerate(letters(notes, self._kit), start=1):
            names = " ".join(note.id for note in letter.notes)
            name = f' name="{names}"' if len(notes) > 1 and not self._gathers else ""
            written += (
                f'<lyric number="{verse}"{name}><syllabic>single</syllabic>'
                f"<text>{letter.text}</text></lyric>"
            )
        return written


def _look(kit: Kit, entry: KitEntry, instrument: str) -> _Look:
    words = ""
    if entry.words:
        words = (
            '<direction placement="above"><direction-type>'
            f"<words>{escape(entry.words)}</words></direction-type></direction>"
        )
    sign = entry.mark if entry.mark and not entry.words else ""
    return _Look(
        height=entry.height,
        unpitched=f"<unpitched><display-step>{entry.step}</display-step>"
        f"<display-octave>{entry.octave}</display-octave></unpitched>",
        instrument=f"<instrument id={quoteattr(instrument)}/>",
        head=f"<notehead>{entry.head}</notehead>",
        ghost_head=f'<notehead parentheses="yes">{entry.head}</notehead>',
        technical=f'<technical><{sign} placement="above"/></technical>' if sign else "",
        words=words,
    )


def _write_value(written: Fraction, tuplet: Tuplet | None) -> str:
    name, dots = value_of(written) or ("quarter", 0)
    value = f"<type>{name}</type>{'<dot/>' * dots}"
    if tuplet:
        value += (
            f"<time-modification><actual-notes>{tuplet.actual}</actual-notes>"
            f"<normal-notes>{tuplet.normal}</normal-notes></time-modification>"
        )
    return value


def _bracketed(voice: Voice, beams: Sequence[Sequence[str]]) -> set[Fraction]:
    """Starts of the tuplets that no single beam holds together from first to last."""
    result = set()
    members: list[int] = []
    for index, event in enumerate(voice.events):
        if event.tuplet is None:
            continue
        members.append(index)
        if event.tuplet.part is TupletPart.STOP:
            outer = [tuple(beams[member][:1]) for member in members]
            whole = [("begin",), *[("continue",)] * (len(outer) - 2), ("end",)]
            if outer != whole:
                result.add(voice.events[members[0]].start)
            members = []
    return result


def _notations(marks: str) -> str:
    return f"<notations>{marks}</notations>" if marks else ""


def _tuplet(event: VoiceEvent, brackets: set[Fraction]) -> str:
    if event.tuplet is None or event.tuplet.part is TupletPart.MIDDLE:
        return ""
    if event.tuplet.part is TupletPart.STOP:
        return '<tuplet type="stop" number="1"/>'
    bracket = "yes" if event.start in brackets else "no"
    return f'<tuplet type="start" number="1" bracket="{bracket}"/>'


def _marks(note: Note, technical: str, signs: Collection[Articulation], voice: int) -> str:
    """What hangs on a note: slur from its graces, its piece's sign, strokes' signs.

    Accents stand at the stem's end, so that those of the feet are not taken for the hands'.
    """
    marks = '<slur type="stop" number="1"/>' if note.graces else ""
    if Articulation.BUZZ in signs:
        marks += '<ornaments><tremolo type="single">3</tremolo></ornaments>'
    marks += technical
    if signs:
        side = "above" if voice == engrave.HANDS else "below"
        accents = "".join(
            f'<{name} placement="{side}"/>'
            for sign, name in _ARTICULATIONS.items()
            if sign in signs
        )
        marks += f"<articulations>{accents}</articulations>" if accents else ""
    return marks


def _graces(note: Note, look: _Look, voice: int, stem: str) -> Iterable[str]:
    """A flam is one slashed eighth, a drag two beamed 16ths; a slur leads to the note."""
    drag = len(note.graces) > 1
    for index, grace in enumerate(note.graces):
        sign = "<grace/>" if drag else '<grace slash="yes"/>'
        beams = ""
        if drag:
            kind = "end" if index else "begin"
            beams = f'<beam number="1">{kind}</beam><beam number="2">{kind}</beam>'
        slur = "" if index else '<slur type="start" number="1" placement="below"/>'
        yield (
            f'<note id="{grace.id}" dynamics="{grace.velocity / _FORTE * 100:.2f}">'
            f"{sign}{look.unpitched}{look.instrument}<voice>{voice}</voice>"
            f"<type>{'16th' if drag else 'eighth'}</type><stem>{stem}</stem>{look.head}"
            f"{beams}{_notations(slur)}</note>"
        )
