"""ABC 2.1 (abcnotation.com/wiki/abc:standard:v2.1): a voice for the hands, one for the feet.

A piece is a note on its place of the staff; pieces that share a place are told apart by an
accidental. `%%MIDI drummap` (abc2midi) says which key each plays, `%%map` (abcm2ps, abc2svg) with
which head it is drawn, without its accidental.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Final

from libs.common.drums import Articulation, DrumPiece
from services.notation.domain import engrave
from services.notation.domain.clock import tempo_place
from services.notation.domain.directions import feels
from services.notation.domain.document import ScoreDocument
from services.notation.domain.kit import Kit, kit_called
from services.notation.domain.layout import doubled_rests, line_breaks
from services.notation.domain.score import (
    Bar,
    HairpinKind,
    Note,
    TempoMark,
    Tuplet,
    TupletPart,
    Voice,
    VoiceEvent,
)
from services.notation.domain.sticking import as_shown, letters

UNIT: Final = Fraction(1, 16)
"""The header's L: what a note without a number lasts."""
_ACCIDENTALS: Final = ("", "^", "_", "=", "^^", "__")
_HEADS: Final = {
    "x": "x-head", "circle-x": "circle-x-head", "cross": "+-head", "diamond": "diamond-head",
    "triangle": "triangle-head", "slash": "slash-head",
}  # fmt: skip
_SIGNS: Final = {"open-string": "!open!", "stopped": "!plus!"}
_MARKS: Final = {
    Articulation.ACCENT: "!accent!",
    Articulation.STRONG_ACCENT: '"^^"',
    Articulation.CHOKE: "!wedge!",
    Articulation.BUZZ: "!///!",
}


def to_abc(document: ScoreDocument, kit: Kit | None = None) -> bytes:
    """One tune, UTF-8; repeats are written out."""
    kit = kit or kit_called(document.score.kit)
    document = as_shown(document)
    bars = document.score.bars
    tokens = tokens_of(document, kit)
    has_feet = any(len(bar.voices) > 1 for bar in bars)
    lines = ["%abc-2.1", "X:1", f"T:{_text(document.score.title) or 'Untitled'}"]
    lines.append(f"M:{bars[0].meter if bars else '4/4'}")
    lines.append(f"L:{UNIT}")
    tempos = {tempo.bar: tempo for tempo in reversed(document.timeline.tempo_map)}
    if bars and (first := tempos.get(bars[0].number)):
        lines.append(f"Q:{_tempo(first)}")
    # Otherwise an accidental would change the notes after it.
    lines += ["I:propagate-accidentals not", "%%MIDI channel 10"]
    for piece, token in tokens.items():
        lines.append(f"%%MIDI drummap {token} {kit.entries[piece].midi_note}")
    lines += [line for piece, token in tokens.items() for line in _map(piece, token, kit)]
    lines.append(f"%%score ({'H F' if has_feet else 'H'})")
    lines.append(f"K:none clef=perc stafflines={kit.staff_lines}")
    lines += ["V:H stem=up", "%%voicemap drums"]
    if has_feet:
        lines += ["V:F stem=down", "%%voicemap drums"]
    breaks = sorted(line_breaks(bars))
    for begin, end in zip([0, *breaks], [*breaks, len(bars)], strict=True):
        if begin == end:
            continue
        for number, name in ((engrave.HANDS, "H"), (engrave.FEET, "F"))[: 1 + has_feet]:
            words = " | ".join(
                _bar(document, index, number, kit, tokens) for index in range(begin, end)
            )
            lines.append(f"[V:{name}] {words} {'|]' if end == len(bars) else '|'}")
    return "\n".join([*lines, ""]).encode()


def tokens_of(document: ScoreDocument, kit: Kit) -> dict[DrumPiece, str]:
    """What each piece that occurs is written as; no two alike."""
    used = {note.piece for _, _, note in document.score.notes()}
    tokens: dict[DrumPiece, str] = {}
    for piece in kit.entries:
        if piece not in used:
            continue
        entry = kit.entries[piece]
        spare = (
            accidental + _pitch(step, octave)
            for step, octave in (
                (entry.step, entry.octave),
                *(("CDEFGAB"[height % 7], height // 7) for height in range(56, 63)),
            )
            for accidental in _ACCIDENTALS
        )
        tokens[piece] = next(token for token in spare if token not in tokens.values())
    return tokens


def _pitch(step: str, octave: int) -> str:
    """C4 is `C`, C5 `c`, C6 `c'`."""
    if octave >= 5:
        return step.lower() + "'" * (octave - 5)
    return step + "," * (4 - octave)


def _map(piece: DrumPiece, token: str, kit: Kit) -> Iterable[str]:
    entry = kit.entries[piece]
    place = _pitch(entry.step, entry.octave)
    head = _HEADS.get(entry.head)
    if head or token != place:
        yield f"%%map drums {token} print={place}{f' heads={head}' if head else ''}"


def _text(text: str) -> str:
    """A percent sign begins a comment, a quotation mark ends what is quoted."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace('"', "'")


def _tempo(mark: TempoMark) -> str:
    words = f'"{_text(mark.text)}" ' if mark.text else ""
    return f"{words}{mark.unit}={mark.bpm:.0f}"


def _bar(
    document: ScoreDocument,
    index: int,
    number: int,
    kit: Kit,
    tokens: Mapping[DrumPiece, str],
) -> str:
    bars = document.score.bars
    bar = bars[index]
    head = ""
    if index and bars[index - 1].meter != bar.meter:
        head += f"[M:{bar.meter}]"
    voice = next((voice for voice in bar.voices if voice.number == number), None)
    if voice is None:
        # Seen by nobody: the hands' voice says it all.
        return f"{head}{_length('x', bar.length)}"
    marks = list(_marks(document, bar, first=not index)) if number == engrave.HANDS else []
    unseen = doubled_rests(bar) if number == engrave.FEET else frozenset()
    parts = []
    for place, (event, beams) in enumerate(
        zip(voice.events, engrave.beams(bar, voice), strict=True)
    ):
        space = "" if beams[:1] in (("continue",), ("end",)) else " "
        last = place == len(voice.events) - 1
        here = [words for at, words in marks if event.start <= at and (at < event.end or last)]
        # Fields stand before everything; signs belong to the note, behind its graces.
        fields = "".join(words for words in here if words.startswith("["))
        signs = "".join(words for words in here if not words.startswith("["))
        rest = "x" if event.start in unseen else "z"
        parts.append(space + fields + _event(voice, event, kit, tokens, signs, rest))
    return head + "".join(parts).strip()


def _marks(document: ScoreDocument, bar: Bar, *, first: bool) -> Iterable[tuple[Fraction, str]]:
    """Fields and signs with their places; ABC knows no place between two events."""
    score, timeline = document.score, document.timeline
    number, start = bar.number, Fraction(0)
    yield from ((start, f"[P:{_text(part.name)}]") for part in score.sections if part.bar == number)
    for tempo in timeline.tempo_map:
        # The very first stands in the tune's header.
        if tempo.bar == number and not (first and tempo is timeline.tempo_map[0]):
            yield tempo_place(tempo, bar), _tempo_change(tempo)
    yield from ((start, f'"^{feel}"') for mark, feel in feels(timeline.swing) if mark.bar == number)
    for pin in score.hairpins:
        sign = "<" if pin.kind is HairpinKind.CRESCENDO else ">"
        if pin.bar == number:
            yield pin.start, f"!{sign}(!"
        if pin.end_bar == number:
            yield pin.end, f"!{sign})!"
    yield from (
        (mark.start, f"!{mark.mark.value}!") for mark in score.dynamics if mark.bar == number
    )


def _tempo_change(mark: TempoMark) -> str:
    if not mark.hidden:
        return f"[Q:{_tempo(mark)}]"
    return f'"^{_text(mark.text)}"' if mark.text else ""


def _event(
    voice: Voice,
    event: VoiceEvent,
    kit: Kit,
    tokens: Mapping[DrumPiece, str],
    signs: str,
    rest: str,
) -> str:
    tuplet = ""
    if event.tuplet and event.tuplet.part is TupletPart.START:
        tuplet = f"({event.tuplet.actual}:{event.tuplet.normal}:{_members(voice, event)}"
    if event.is_rest:
        return tuplet + signs + _length(rest, event.written)
    marks = dict.fromkeys(
        _MARKS[mark] for note in event.notes for mark in note.articulations if mark in _MARKS
    )
    above = dict.fromkeys(sign for note in event.notes if (sign := _above(note, kit)))
    # Parentheses to the left and right of the head.
    ghost = any(Articulation.GHOST in note.articulations for note in event.notes)
    around = '"<("">)"' if ghost else ""
    under = "".join(f'"_{letter.text}"' for letter in letters(event.notes, kit))
    graces = "".join(_graces(note, tokens) for note in event.notes if note.graces)
    names = [tokens[note.piece] for note in event.notes]
    head = names[0] if len(names) == 1 else f"[{''.join(names)}]"
    before = "".join([around, under, signs, *marks, *above])
    return f"{tuplet}{graces}{before}{_length(head, event.written)}"


def _above(note: Note, kit: Kit) -> str:
    entry = kit.entries[note.piece]
    return f'"^{_text(entry.words)}"' if entry.words else _SIGNS.get(entry.mark, "")


def _graces(note: Note, tokens: Mapping[DrumPiece, str]) -> str:
    slash = "/" if len(note.graces) == 1 else ""
    return f"{{{slash}{tokens[note.piece] * len(note.graces)}}}"


def _members(voice: Voice, first: VoiceEvent) -> int:
    """How many events the tuplet that begins here has."""
    after: Sequence[VoiceEvent] = voice.events[voice.events.index(first) :]
    last = next(
        index
        for index, event in enumerate(after)
        if isinstance(event.tuplet, Tuplet) and event.tuplet.part is TupletPart.STOP
    )
    return last + 1


def _length(note: str, written: Fraction) -> str:
    """`c3/2`; 1 goes without saying."""
    units = written / UNIT
    if units == 1:
        return note
    return f"{note}{units.numerator if units.numerator != 1 else ''}" + (
        f"/{units.denominator}" if units.denominator != 1 else ""
    )
