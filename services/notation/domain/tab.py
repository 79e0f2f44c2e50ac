"""ASCII drum tab, as drummers pass it around: a row for each drum, a column for each step.

There is no standard; letters follow what tab sites agree on (wikipedia.org/wiki/Drum_tablature).
Each beat has as many columns as its strokes ask for, so that a triplet is three and 16ths are
four; the line above the rows counts them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from textwrap import wrap
from typing import Final

from libs.common.drums import Articulation, DrumPiece
from services.notation.domain import engrave
from services.notation.domain.directions import feels
from services.notation.domain.document import ScoreDocument
from services.notation.domain.kit import Kit, kit_called
from services.notation.domain.score import Bar, Note, ScoreError, value_of
from services.notation.domain.sticking import as_shown, letters

WIDTH: Final = 80
MIN_WIDTH: Final = 40
MAX_WIDTH: Final = 400


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of the tab: what it is called, and how each of its pieces is written there."""

    label: str
    name: str
    signs: dict[DrumPiece, str]


P = DrumPiece
_ROWS: Final = (
    _Row("CH", "China", {P.CHINA: "x"}),
    _Row("SP", "Splash", {P.SPLASH: "x"}),
    _Row("C2", "Crash 2", {P.CRASH_2: "x"}),
    _Row("CC", "Crash", {P.CRASH: "x"}),
    _Row("RD", "Ride", {P.RIDE: "x", P.RIDE_BELL: "b"}),
    _Row("HH", "Hi-hat", {P.HAT_CLOSED: "x", P.HAT_OPEN: "o", P.HAT_HALF_OPEN: "h"}),
    _Row("CB", "Cowbell", {P.COWBELL: "x"}),
    _Row("TA", "Tambourine", {P.TAMBOURINE: "x"}),
    _Row("T1", "High tom", {P.TOM_HIGH: "o"}),
    _Row("T2", "Mid tom", {P.TOM_MID: "o"}),
    _Row("SN", "Snare", {P.SNARE: "o", P.CROSS_STICK: "s", P.RIMSHOT: "r"}),
    _Row("FT", "Floor tom", {P.TOM_FLOOR: "o"}),
    _Row("BD", "Bass drum", {P.KICK: "o"}),
    _Row("HF", "Hi-hat foot", {P.HAT_PEDAL: "x"}),
)
_ROW_OF: Final = {piece: row for row in _ROWS for piece in row.signs}
# What is told of a stroke beyond its drum; the first that it has.
_STROKES: Final = (
    (Articulation.CHOKE, "#", "choke"),
    (Articulation.FLAM, "f", "flam"),
    (Articulation.DRAG, "d", "drag"),
    (Articulation.BUZZ, "z", "buzz roll"),
    (Articulation.GHOST, "g", "ghost"),
)
_SIGN_NAMES: Final = {
    P.HAT_OPEN: "open hat", P.HAT_HALF_OPEN: "half-open hat", P.RIDE_BELL: "ride bell",
    P.CROSS_STICK: "cross-stick", P.RIMSHOT: "rimshot",
}  # fmt: skip
_ACCENTS: Final = frozenset({Articulation.ACCENT, Articulation.STRONG_ACCENT})
_COUNTS: Final = {1: "{n}", 2: "{n}&", 3: "{n}tl", 4: "{n}e&a", 6: "{n}.t.l.", 8: "{n}.e.&.a."}


@dataclass(frozen=True, slots=True)
class _Grid:
    """The columns of one bar: for each its place; and what is counted above them."""

    columns: tuple[Fraction, ...]
    count: str


def to_tab(document: ScoreDocument, kit: Kit | None = None, *, width: int = WIDTH) -> bytes:
    """UTF-8 text, lines at most `width` (40 to 400) characters where a bar fits in one."""
    kit = kit or kit_called(document.score.kit)
    document = as_shown(document)
    bars = document.score.bars
    used = {note.piece for _, _, note in document.score.notes()}
    rows = [row for row in _ROWS if used & row.signs.keys()]
    if not MIN_WIDTH <= width <= MAX_WIDTH:
        raise ScoreError("width", f"must be {MIN_WIDTH} to {MAX_WIDTH}")
    lines = [*_top(document, kit, rows, used, width), ""]
    for system in _systems(bars, width):
        lines += _system(document, kit, system, rows, width)
        lines.append("")
    return "\n".join(lines).encode()


def _top(
    document: ScoreDocument, kit: Kit, rows: Iterable[_Row], used: set[DrumPiece], width: int
) -> Iterable[str]:
    score = document.score
    if score.title:
        yield score.title
        yield "=" * len(score.title)
    if score.remark:
        yield from wrap(score.remark, width)
    facts = [str(mark.meter) for mark in document.timeline.meters[:1]]
    for tempo in document.timeline.tempo_map[:1]:
        name, dots = value_of(tempo.unit) or ("quarter", 0)
        facts.append(f"{'dotted ' * dots}{name} = {tempo.bpm:.0f}")
    facts += [words for mark, words in feels(document.timeline.swing) if mark.bar <= 1]
    if facts:
        yield ", ".join(facts)
    yield ""
    yield from _wrapped([f"{row.label} {row.name}" for row in rows], width)
    notes = [note for _, _, note in score.notes()]
    signs = ["x o stroke"]
    if any(_ACCENTS & set(note.articulations) for note in notes):
        signs.append("X O accent")
    signs += [
        f"{sign} {_SIGN_NAMES[piece]}"
        for row in rows
        for piece, sign in row.signs.items()
        if piece in used and piece in _SIGN_NAMES
    ]
    signs += [
        f"{sign} {name}"
        for mark, sign, name in _STROKES
        if any(mark in note.articulations for note in notes)
    ]
    if any(note.sticking for note in notes):
        signs.append(f"R L B sticking{' (left-handed)' if kit.mirrored else ''}")
    yield from _wrapped(signs, width)


def _wrapped(items: Iterable[str], width: int) -> Iterable[str]:
    line = ""
    for item in items:
        if line and len(line) + 2 + len(item) > width:
            yield line
            line = ""
        line += f"  {item}" if line else item
    yield line


def grid(bar: Bar) -> _Grid:
    """Columns of equal length inside each beat; 16ths where nothing asks for more."""
    starts = {e.start for v in bar.voices for e in v.events if not e.is_rest}
    columns: list[Fraction] = []
    count = ""
    eighths = 0
    for number, (start, length) in enumerate(engrave.beat_spans(bar), start=1):
        inside = [at - start for at in starts if start <= at < start + length]
        asked = lcm(1, *((at / length).denominator for at in inside))
        dotted = length.numerator % 3 == 0
        base = 3 if dotted else int(length * 16) or 1
        is_tuplet = not dotted and asked & (asked - 1)
        slots = asked if is_tuplet else lcm(asked, base)
        columns += [start + length * slot / slots for slot in range(slots)]
        if dotted:
            each = slots // 3
            count += "".join(f"{eighths + i + 1:<{each}}"[:each] for i in range(3))
            eighths += 3
        else:
            words = _COUNTS.get(slots, "{n}").format(n=number % 10)
            count += f"{words:.<{slots}}"[:slots]
    return _Grid(tuple(columns), count)


def _systems(bars: Sequence[Bar], width: int) -> Iterable[list[tuple[Bar, _Grid]]]:
    """As many bars to a line as fit, at most four."""
    line: list[tuple[Bar, _Grid]] = []
    taken = 3
    for bar in bars:
        bar_grid = grid(bar)
        wide = len(bar_grid.columns) + 1
        if line and (taken + wide > width or len(line) == 4):
            yield line
            line, taken = [], 3
        line.append((bar, bar_grid))
        taken += wide
    if line:
        yield line


def _system(
    document: ScoreDocument,
    kit: Kit,
    system: Sequence[tuple[Bar, _Grid]],
    rows: Iterable[_Row],
    width: int,
) -> Iterable[str]:
    """Bar numbers and marks, the count, then a row for each drum that plays here."""
    names = {part.bar: f"[{part.name}]" for part in document.score.sections}
    feel = {mark.bar: words for mark, words in feels(document.timeline.swing)}
    loud: dict[int, list[str]] = {}
    for mark in document.score.dynamics:
        loud.setdefault(mark.bar, []).append(mark.mark.value)
    said: list[tuple[int, str]] = []
    numbers = ""
    column = 3
    before = None
    for bar, bar_grid in system:
        words = [
            *([str(bar.meter)] if before and before != bar.meter else []),
            *([names[bar.number]] if bar.number in names else []),
            *([feel[bar.number]] if bar.number in feel else []),
            *loud.get(bar.number, []),
        ]
        if words:
            said.append((column, " ".join(words)))
        numbers = f"{numbers.ljust(column)}{bar.number} "
        column += len(bar_grid.columns) + 1
        before = bar.meter
    yield from _labels(said, width)
    yield numbers.rstrip()
    yield "   " + " ".join(bar_grid.count for _, bar_grid in system)
    playing = {note.piece for bar, _ in system for note in _notes(bar)}
    for row in rows:
        if playing & row.signs.keys():
            cells = (_cells(bar, bar_grid, row) for bar, bar_grid in system)
            yield f"{row.label}|{'|'.join(cells)}|"
    # Two hands at once stand under each other, the upper drum's first.
    for line in range(max(_stickings(bar, kit) for bar, _ in system)):
        hands = " ".join(_sticking(bar, bar_grid, kit, line) for bar, bar_grid in system)
        yield f"   {hands}".rstrip()


def _labels(labels: Iterable[tuple[int, str]], width: int) -> list[str]:
    """Each over its column, on as many lines as it takes not to overlap."""
    lines: list[str] = []
    for column, text in labels:
        at = max(0, min(column, width - len(text)))
        free = next((i for i, line in enumerate(lines) if len(line) < at), len(lines))
        if free == len(lines):
            lines.append("")
        lines[free] = lines[free].ljust(at) + text
    return lines


def _notes(bar: Bar) -> Iterable[Note]:
    return (note for voice in bar.voices for event in voice.events for note in event.notes)


def _cells(bar: Bar, bar_grid: _Grid, row: _Row) -> str:
    cells = dict.fromkeys(bar_grid.columns, "-")
    for voice in bar.voices:
        for event in voice.events:
            for note in event.notes:
                if note.piece in row.signs:
                    cells[event.start] = sign_of(note)
    return "".join(cells.values())


def sign_of(note: Note) -> str:
    """One character; what is played specially goes before how loud it is."""
    for mark, sign, _ in _STROKES:
        if mark in note.articulations:
            return sign
    sign = _ROW_OF[note.piece].signs[note.piece]
    return sign.upper() if _ACCENTS & set(note.articulations) else sign


def _stickings(bar: Bar, kit: Kit) -> int:
    """How many letters stand under each other at most."""
    chords = (event.notes for voice in bar.voices for event in voice.events)
    return max((len(letters(notes, kit)) for notes in chords), default=0)


def _sticking(bar: Bar, bar_grid: _Grid, kit: Kit, line: int) -> str:
    cells = dict.fromkeys(bar_grid.columns, " ")
    for voice in bar.voices:
        for event in voice.events:
            hands = letters(event.notes, kit)
            if line < len(hands):
                cells[event.start] = hands[line].text
    return "".join(cells.values())
