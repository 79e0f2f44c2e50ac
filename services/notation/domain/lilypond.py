r"""LilyPond 2.24: `\drummode`, two voices, LilyPond's own drum names placed by the kit.

Notation Reference 2.24, 2.5 "Percussion" and 5.4.x; beams, stems and tuplets are written out as
everywhere here. Marks over and under the staff are a third voice of spacers, so that they keep
their exact places. Each bar stands between bar checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Final

from libs.common.drums import Articulation, DrumPiece
from services.notation.domain import engrave
from services.notation.domain.clock import tempo_place
from services.notation.domain.directions import feels
from services.notation.domain.document import ScoreDocument
from services.notation.domain.kit import Kit, KitEntry, kit_called
from services.notation.domain.layout import doubled_rests
from services.notation.domain.score import (
    Bar,
    HairpinKind,
    Note,
    ScoreError,
    TupletPart,
    Voice,
    VoiceEvent,
    value_of,
)
from services.notation.domain.sticking import as_shown, letters, repeats_alike

NAMES: Final[Mapping[DrumPiece, str]] = {
    DrumPiece.KICK: "bassdrum",
    DrumPiece.SNARE: "snare",
    DrumPiece.CROSS_STICK: "sidestick",
    DrumPiece.RIMSHOT: "electricsnare",
    DrumPiece.HAT_CLOSED: "closedhihat",
    DrumPiece.HAT_HALF_OPEN: "halfopenhihat",
    DrumPiece.HAT_OPEN: "openhihat",
    DrumPiece.HAT_PEDAL: "pedalhihat",
    DrumPiece.TOM_HIGH: "hightom",
    DrumPiece.TOM_MID: "lowmidtom",
    DrumPiece.TOM_FLOOR: "highfloortom",
    DrumPiece.CRASH: "crashcymbala",
    DrumPiece.CRASH_2: "crashcymbalb",
    DrumPiece.SPLASH: "splashcymbal",
    DrumPiece.CHINA: "chinesecymbal",
    DrumPiece.RIDE: "ridecymbal",
    DrumPiece.RIDE_BELL: "ridebell",
    DrumPiece.COWBELL: "cowbell",
    DrumPiece.TAMBOURINE: "tambourine",
}
_HEADS: Final = {
    "normal": "()", "x": "cross", "circle-x": "xcircle", "cross": "cross", "diamond": "diamond",
    "triangle": "triangle", "inverted triangle": "fa", "square": "la", "slash": "slash",
    "slashed": "slash",
}  # fmt: skip
_SIGNS: Final = {"open-string": "open", "stopped": "stopped"}
_ACCENTS: Final = {
    Articulation.ACCENT: "->",
    Articulation.STRONG_ACCENT: "-^",
    Articulation.CHOKE: "-!",
}
_LAST: Final = Fraction(1, 128)


def to_lilypond(
    document: ScoreDocument, kit: Kit | None = None, *, repeats: str = "written"
) -> bytes:
    """A whole `.ly` file; `repeats="signs"` writes repeated bars as `\\repeat percent`."""
    if repeats not in ("written", "signs"):
        raise ScoreError("repeats", "must be written or signs")
    kit = kit or kit_called(document.score.kit)
    document = as_shown(document)
    lines = [
        '\\version "2.24.0"',
        f"\\header {{ title = {_string(document.score.title)}"
        + (f" subsubtitle = {_string(document.score.remark)}" if document.score.remark else "")
        + " tagline = ##f }",
        "#(define backbeat-kit '(",
        *(f"  {_style(piece, kit)}" for piece in kit.entries),
        "))",
        "marks = {",
        *_marks(document),
        "}",
        "beat = \\drummode {",
        *_bars(document, kit, signs=repeats == "signs"),
        "}",
        "\\score {",
        "  \\new DrumStaff \\with {",
        "    drumStyleTable = #(alist->hash-table backbeat-kit)",
        f"    \\override StaffSymbol.line-count = #{kit.staff_lines}",
        "  } << \\new DrumVoice { \\marks } \\new DrumVoice { \\beat } >>",
        "  \\layout { \\context { \\Score countPercentRepeats = ##t } }",
        "}",
        "",
    ]
    return "\n".join(lines).encode()


def _string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _style(piece: DrumPiece, kit: Kit) -> str:
    """Name, head, sign, staff steps above the middle line."""
    entry = kit.entries[piece]
    middle = 4 * 7 + 2 + (kit.staff_lines - 1)
    sign = _SIGNS.get(entry.mark, "#f")
    return f"({NAMES[piece]} {_HEADS[entry.head]} {sign} {entry.height - middle})"


def duration(length: Fraction) -> str:
    """`4.` for 3/8; what no note lasts is a multiplied whole."""
    value = value_of(length)
    if value is None:
        return f"1*{length.numerator}/{length.denominator}"
    base = length / (Fraction(2) - Fraction(1, 2 ** value[1]))
    return f"{base.denominator if base <= 1 else 1}{'.' * value[1]}"


def _bars(document: ScoreDocument, kit: Kit, *, signs: bool) -> Iterable[str]:
    """Bar by bar; those that a percent sign stands for go into their repeat."""
    bars = document.score.bars
    groups = repeats_alike(document.score) if signs else {}
    yield "  \\autoBeamOff"
    before = None
    index = 0
    while index < len(bars):
        bar = bars[index]
        if bar.meter != before:
            yield f"  \\time {bar.meter}"
            if bar.missing:
                yield f"  \\partial {duration(bar.length)}"
        before = bar.meter
        size, times = _repeated(bars, index, groups)
        if times > 1:
            yield f"  \\repeat percent {times} {{"
        yield from (_bar(one, kit) for one in bars[index : index + size])
        if times > 1:
            yield "  }"
        index += size * times
    yield '  \\bar "|."'


def _repeated(bars: Sequence[Bar], index: int, groups: Mapping[int, int]) -> tuple[int, int]:
    """How many bars from here on are played how often."""
    for size in (1, 2, 4):
        times = 1
        while (following := index + size * times) < len(bars) and groups.get(
            bars[following].number
        ) == size:
            times += 1
        if times > 1:
            return size, times
    return 1, 1


def _bar(bar: Bar, kit: Kit) -> str:
    voices = [_voice(bar, voice, kit) for voice in bar.voices]
    if len(voices) == 1:
        return f"  {{ \\voiceOne {voices[0]} \\oneVoice }} | % {bar.number}"
    return f"  << {{ {voices[0]} }} \\\\ {{ {voices[1]} }} >> | % {bar.number}"


def _voice(bar: Bar, voice: Voice, kit: Kit) -> str:
    if len(voice.events) == 1 and voice.events[0].is_rest:
        return f"R1*{bar.length.numerator}/{bar.length.denominator}"
    others = {
        event.start: sum(len(note.graces) for note in event.notes)
        for other in bar.voices
        if other is not voice
        for event in other.events
    }
    unseen = doubled_rests(bar) if voice.number == engrave.FEET else ()
    parts = []
    for event, beams in zip(voice.events, engrave.beams(bar, voice), strict=True):
        if event.start in unseen:
            parts.append(f"s{duration(event.written)}")
            continue
        if event.tuplet and event.tuplet.part is TupletPart.START:
            parts.append(f"\\tuplet {event.tuplet.actual}/{event.tuplet.normal} {{")
        parts.append(_event(event, beams, kit, others.get(event.start, 0)))
        if event.tuplet and event.tuplet.part is TupletPart.STOP:
            parts.append("}")
    return " ".join(parts)


def _event(event: VoiceEvent, beams: Sequence[str], kit: Kit, graces_beside: int) -> str:
    length = duration(event.written)
    # Voices whose graces do not match drift apart at a bar line.
    wait = {0: "", 1: "\\grace s8 ", 2: "\\grace { s16 s16 } "}[min(2, graces_beside)]
    if event.is_rest:
        return f"{wait}r{length}"
    notes = [_note(note) for note in event.notes]
    head = notes[0] if len(notes) == 1 else f"<{' '.join(notes)}>"
    beam = {"begin": "[", "end": "]"}.get(beams[0], "") if beams else ""
    marks = dict.fromkeys(
        _ACCENTS[mark] for note in event.notes for mark in note.articulations if mark in _ACCENTS
    )
    words = "".join(_above(kit.entries[note.piece]) for note in event.notes)
    graced = next((note for note in event.notes if note.graces), None)
    grace, slur = "", ""
    if graced:
        name = NAMES[graced.piece]
        grace = f"\\grace {{ {name}16[( {name}16] }} "
        if len(graced.graces) == 1:
            grace = f"\\slashedGrace {{ {name}8( }} "
        slur, wait = ")", ""
    roll = ""
    if any(Articulation.BUZZ in note.articulations for note in event.notes):
        value = value_of(event.written)
        roll = f":{32 << engrave.BEAMED.get(value[0], 0)}" if value else ""
    hands = " ".join(letter.text for letter in letters(event.notes, kit))
    sticking = f"_\\markup \\small \\column {{ {hands} }}" if hands else ""
    return f"{wait}{grace}{head}{length}{roll}{slur}{beam}{''.join(marks)}{words}{sticking}"


def _note(note: Note) -> str:
    brackets = "\\parenthesize " if Articulation.GHOST in note.articulations else ""
    return f"{brackets}{NAMES[note.piece]}"


def _above(entry: KitEntry) -> str:
    return f"^\\markup \\italic {_string(entry.words)}" if entry.words else ""


def _marks(document: ScoreDocument) -> Iterable[str]:
    """A line of spacers to a bar, cut where marks stand: `before` on no note, `after` on one."""
    bars = document.score.bars
    before, after = _placed(document)
    for bar in bars:
        if bar.missing:
            yield f"  \\partial {duration(bar.length)}"
        own = {at for number, at in (*before, *after) if number == bar.number}
        cuts = sorted({Fraction(0), *own, bar.length})
        parts = []
        for start, end in pairwise(cuts):
            length = end - start
            parts += before.get((bar.number, start), [])
            spacer = f"s1*{length.numerator}/{length.denominator}"
            parts.append(spacer + "".join(after.get((bar.number, start), [])))
        yield f"  {' '.join(parts)} |"


_Places = dict[tuple[int, Fraction], list[str]]


def _placed(document: ScoreDocument) -> tuple[_Places, _Places]:
    score, timeline = document.score, document.timeline
    bars = {bar.number: bar for bar in score.bars}
    before: _Places = {}
    after: _Places = {}
    for part in score.sections:
        mark = f"\\mark \\markup \\box {_string(part.name)}"
        before.setdefault((part.bar, Fraction(0)), []).append(mark)
    for tempo in timeline.tempo_map:
        if tempo.bar not in bars:
            continue
        at = min(tempo_place(tempo, bars[tempo.bar]), bars[tempo.bar].length - _LAST)
        text = f"{_string(tempo.text)} " if tempo.text else ""
        number = f"{duration(tempo.unit)} = {tempo.bpm:.0f}"
        # A hidden number still sounds; its text, if any, is all that is seen.
        parts = [f"\\tempo {text}{number}"]
        if tempo.hidden:
            parts = [f"\\once \\set Score.tempoHideNote = ##t \\tempo {text}{number}"]
        before.setdefault((tempo.bar, at), []).extend(parts)
    for swing, words in feels(timeline.swing):
        feel = f"^\\markup \\bold {_string(words)}"
        after.setdefault((swing.bar, Fraction(0)), []).append(feel)
    for pin in score.hairpins:
        sign = "\\<" if pin.kind is HairpinKind.CRESCENDO else "\\>"
        after.setdefault((pin.bar, pin.start), []).append(sign)
        bar, at = pin.end_bar, pin.end
        if at == bars[bar].length:
            bar, at = (bar + 1, Fraction(0)) if bar + 1 in bars else (bar, at - _LAST)
        after.setdefault((bar, at), []).insert(0, "\\!")
    for dynamic in score.dynamics:
        after.setdefault((dynamic.bar, dynamic.start), []).append(f"\\{dynamic.mark.value}")
    return before, after
