"""The drum part of a MusicXML file (partwise, 1.0 to 4.0) as a score.

What a note is struck on follows from its instrument's `midi-unpitched`, else from where it stands
and which head it has, by the kit tables. Simple repeats and endings are written out; jumps (D.C.,
D.S.) are not followed. Text, layout and whatever else our score has no word for is left out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final

from lxml import etree

from libs.common.drums import FEET, Articulation, DrumPiece, Hand
from libs.common.meter import Meter
from services.notation.domain.assemble import Tempo, TempoMap, anchors_of, assemble, played_exactly
from services.notation.domain.document import ScoreDocument
from services.notation.domain.kit import KITS, Kit
from services.notation.domain.score import (
    MAX_BARS,
    MAX_EVENTS,
    REMARK_LENGTH,
    VALUES,
    Dynamic,
    DynamicMark,
    Grace,
    Hairpin,
    HairpinKind,
    Note,
    ScoreError,
    Swing,
    TempoMark,
    read_meter,
)
from services.notation.domain.sheet import Frame

_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}", re.ASCII)
_FORTE: Final = 90
_VELOCITY: Final = 80
_LOUDER: Final[Mapping[Articulation, int]] = {
    Articulation.STRONG_ACCENT: 120,
    Articulation.ACCENT: 108,
    Articulation.GHOST: 28,
}
_LENGTHS: Final[Mapping[str, Fraction]] = {name: length for length, name in VALUES.items()}
_MARKS: Final[Mapping[str, Articulation]] = {
    "accent": Articulation.ACCENT,
    "strong-accent": Articulation.STRONG_ACCENT,
    "staccatissimo": Articulation.CHOKE,
}
_OPEN_SIGNS: Final = frozenset({"open-string", "open", "harmonic"})
_HALF_OPEN_WORDS: Final = frozenset("øØ∅⌀")
_HATS: Final = frozenset({DrumPiece.HAT_CLOSED, DrumPiece.HAT_OPEN, DrumPiece.HAT_HALF_OPEN})
_QUARTER: Final = Fraction(1, 4)
_MAX_MARKUP: Final = 1_500_000
"""Tags, attributes and entities: each takes a hundred bytes and more as a node, however short."""
_MAX_DIGITS: Final = 12
_MAX_GRACES: Final = 64
_MAX_DENOMINATOR_BITS: Final = 256


def parse_xml(data: bytes) -> etree._Element:
    """The root of a document; ScoreError("format") for what is no XML, or has more tags than any
    score. Nothing is fetched, and no entity is expanded."""
    if data.count(b"<") + data.count(b"=") + data.count(b"&") > _MAX_MARKUP:
        raise ScoreError("format", f"this XML has more than {_MAX_MARKUP} tags and attributes")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    try:
        return etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ScoreError("format", f"this XML is broken: {error}"[:300]) from error


@dataclass(slots=True)
class _Strokes:
    """What one bar of the file holds; places in whole notes from its bar line."""

    meter: Meter
    length: Fraction
    is_implicit: bool
    notes: list[tuple[Fraction, Note]] = field(default_factory=list)
    tempos: list[tuple[Fraction, TempoMark]] = field(default_factory=list)
    swings: list[Swing] = field(default_factory=list)
    section: str = ""
    dynamics: list[tuple[Fraction, DynamicMark]] = field(default_factory=list)
    wedges: list[tuple[Fraction, str, str]] = field(default_factory=list)
    """Place, type and number."""
    forward: bool = False
    times: int = 0
    """How often the part that ends here is played; 0 where none ends."""
    ending: tuple[int, ...] = ()
    half_open: set[Fraction] = field(default_factory=set)
    """Where the sign for a half-open hat stands above the staff."""
    copies: int = 0
    """How many bars back the bar lies that this one repeats by a sign."""

    @property
    def size(self) -> int:
        """How much there is to write, each time that the bar is played."""
        return len(self.notes) + len(self.tempos) + len(self.dynamics) + len(self.wedges)


def read_musicxml(data: bytes, *, title: str, kit: Kit) -> ScoreDocument:
    """A document of the file's first drum part; ScoreError where it has none, or is broken."""
    root = parse_xml(data)
    _bare_names(root)
    if root.tag == "score-timewise":
        raise ScoreError("format", "this is a timewise score; export it partwise")
    if root.tag != "score-partwise":
        raise ScoreError("format", f"this XML is no MusicXML: its root is {root.tag!r}"[:200])
    part = _drum_part(root)
    measures = _Reader(root, part, kit).read()
    if not any(measure.notes for measure in measures):
        raise ScoreError("notes", "the part holds no drums that the kit knows")
    return _document(_unfolded(measures), _title(root) or title, _remark(root), kit)


def _bare_names(root: etree._Element) -> None:
    for element in root.iter():
        if isinstance(element.tag, str) and element.tag.startswith("{"):
            try:
                element.tag = etree.QName(element).localname
            except ValueError as error:
                raise ScoreError("format", f"this XML is broken: {error}"[:300]) from error


def _title(root: etree._Element) -> str:
    for path in ("work/work-title", "movement-title"):
        if text := (root.findtext(path) or "").strip():
            return _printable(text)[:200]
    return ""


def _remark(root: etree._Element) -> str:
    for credit in root.iter("credit"):
        if credit.findtext("credit-type") == "subtitle":
            words = " ".join(element.text or "" for element in credit.iter("credit-words"))
            return _printable(words)[:REMARK_LENGTH]
    return ""


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text).strip()


_NUMBER = re.compile(r"[+-]?\d{1,12}(\.\d{1,6})?", re.ASCII)


def _number(text: str) -> Fraction | None:
    """Of plain digits only: to `Fraction`, 1e999999999 is a number, too, and takes for ever."""
    plain = text.strip()
    return Fraction(plain) if _NUMBER.fullmatch(plain) else None


def _whole(text: str, path: str, what: str) -> int | None:
    """A count, None for what is no number; ScoreError for more digits than any has."""
    plain = text.strip()
    if not re.fullmatch(r"[+-]?\d+", plain, re.ASCII):
        return None
    if len(plain) > _MAX_DIGITS:
        raise ScoreError(path, f"{what} has {len(plain)} digits: {plain[:20]}...")
    return int(plain)


def _drum_part(root: etree._Element) -> etree._Element:
    """The first part with a percussion clef, unpitched notes or sounds on channel 10."""
    parts = root.findall("part")
    for part in parts:
        if part.find(".//note/unpitched") is not None:
            return part
    named = {p.get("id"): p for p in root.findall("part-list/score-part")}
    for part in parts:
        percussion = any(sign.text == "percussion" for sign in part.iterfind(".//clef/sign"))
        listed = named.get(part.get("id"))
        channels = () if listed is None else listed.iterfind("midi-instrument/midi-channel")
        if percussion or any(channel.text == "10" for channel in channels):
            return part
    raise ScoreError("part", "no part of this file is for drums")


_Before = tuple[DrumPiece | None, Grace]


class _Reader:
    """Reads one part, bar after bar."""

    def __init__(self, root: etree._Element, part: etree._Element, kit: Kit) -> None:
        self.part = part
        self.kit = kit
        self.divisions = Fraction(1)
        self.meter = Meter(4, 4)
        self.ids: set[str] = set()
        self.count = 0
        self.named = 0
        self.sounds: dict[str, int] = {}
        self.simile = 0
        self.half_open: set[str] = set()
        for listed in root.iterfind("part-list/score-part"):
            if listed.get("id") == part.get("id"):
                self._instruments(listed)
        self.looks = _looks(kit)

    def _instruments(self, listed: etree._Element) -> None:
        for sound in listed.iterfind("midi-instrument"):
            note = sound.findtext("midi-unpitched")
            if note and re.fullmatch(r"\s*\d{1,3}\s*", note, re.ASCII):
                self.sounds[sound.get("id", "")] = int(note) - 1
        # General MIDI has one key for both open hats; the instrument's name tells them apart.
        for named in listed.iterfind("score-instrument"):
            if "half" in (named.findtext("instrument-name") or "").lower():
                self.half_open.add(named.get("id", ""))

    def read(self) -> list[_Strokes]:
        # Those that no piece stands for take their time, too.
        if sum(1 for _ in self.part.iter("note")) > MAX_EVENTS:
            raise ScoreError("notes", f"more than {MAX_EVENTS} notes")
        measures = []
        for element in self.part.findall("measure"):
            measures.append(self._measure(element))
            if len(measures) > MAX_BARS:
                raise ScoreError("score.bars", f"more than {MAX_BARS}")
        return measures

    def _measure(self, element: etree._Element) -> _Strokes:
        number = element.get("number", "")
        path = f"measure {number}"[:40]
        bar = _Strokes(self.meter, Fraction(0), element.get("implicit") == "yes")
        at = furthest = Fraction(0)
        chord_at = Fraction(0)
        graces: list[_Before] = []
        chords: list[list[tuple[int, list[_Lyric]]]] = []
        """For each chord the places in `bar.notes` of its notes, and the letters under each."""
        for child in element:
            if child.tag == "note":
                if child.find("grace") is not None:
                    graces += self._grace(child)
                    del graces[:-_MAX_GRACES]
                    continue
                own, graces = self._own_graces(child, graces)
                length = self._duration(child, path)
                if child.find("chord") is None:
                    chord_at = at
                    at += length
                    chords.append([])
                note = self._note(child, own)
                if note is not None:
                    if chords:
                        chords[-1].append((len(bar.notes), _lyrics(child)))
                    bar.notes.append((chord_at, note))
            elif child.tag in ("backup", "forward"):
                length = self._duration(child, path)
                at += length if child.tag == "forward" else -length
            else:
                self._other(child, bar, at, path)
            if at < 0:
                raise ScoreError(path, "goes back before its bar line")
            if at.denominator.bit_length() > _MAX_DENOMINATOR_BITS:
                raise ScoreError(path, "its divisions have no common beat")
            furthest = max(furthest, at)
        for chord in chords:
            self._stick(bar, chord)
        bar.notes = [
            (place, replace(note, piece=DrumPiece.HAT_HALF_OPEN))
            if place in bar.half_open and note.piece in _HATS
            else (place, note)
            for place, note in bar.notes
        ]
        bar.meter = self.meter
        whole = self.meter.length
        # Software writes too little or too much; only a pickup, or a bar that says so, is short.
        bar.length = furthest if bar.is_implicit and 0 < furthest < whole else whole
        if furthest > whole:
            raise ScoreError(path, f"holds {furthest}, more than its meter {self.meter}")
        bar.copies = self.simile
        return bar

    def _other(self, child: etree._Element, bar: _Strokes, at: Fraction, path: str) -> None:
        if child.tag == "attributes":
            self._attributes(child, path)
        elif child.tag == "direction":
            offset = self._length(child.findtext("offset"), path, signed=True)
            self._direction(child, bar, max(Fraction(0), at + offset), path)
        elif child.tag == "sound":
            self._sound(child, bar, at, path)
        elif child.tag == "barline":
            self._barline(child, bar, path)

    def _length(self, text: str | None, path: str, *, signed: bool = False) -> Fraction:
        ticks = _number(text or "0")
        if ticks is None:
            raise ScoreError(path, f"{text!r} is no duration"[:100])
        if ticks < 0 and not signed:
            raise ScoreError(path, "a duration is negative")
        return ticks / self.divisions / 4

    def _duration(self, element: etree._Element, path: str) -> Fraction:
        return self._length(element.findtext("duration"), path)

    def _attributes(self, element: etree._Element, path: str) -> None:
        if text := element.findtext("divisions"):
            divisions = _number(text)
            if divisions is None or divisions <= 0:
                raise ScoreError(path, f"{text!r} divisions to the quarter"[:100])
            self.divisions = divisions
        time = element.find("time")
        if time is not None and time.find("beats") is not None:
            beats = (time.findtext("beats") or "").replace(" ", "")
            if re.fullmatch(r"\d{1,3}(\+\d{1,3}){1,31}", beats):
                beats = str(sum(int(each) for each in beats.split("+")))
            self.meter = read_meter(f"{beats}/{(time.findtext('beat-type') or '').strip()}", path)
        sign = element.find("measure-style/measure-repeat")
        if sign is not None:
            stop = sign.get("type") == "stop"
            bars = None if stop else _whole(sign.text or "1", path, "measure-repeat")
            self.simile = 0 if stop else bars if bars is not None and 0 < bars < 9 else 1

    def _barline(self, element: etree._Element, bar: _Strokes, path: str) -> None:
        repeat = element.find("repeat")
        if repeat is not None:
            if repeat.get("direction") == "forward":
                bar.forward = True
            else:
                times = _whole(repeat.get("times", "2"), path, "repeat times")
                bar.times = 2 if times is None or times < 0 else min(16, times)
        ending = element.find("ending")
        if ending is not None and ending.get("type") == "start":
            numbers = re.findall(r"\d{1,2}", ending.get("number", ""))
            bar.ending = tuple(int(number) for number in numbers)

    def _direction(self, element: etree._Element, bar: _Strokes, at: Fraction, path: str) -> None:
        words = " ".join(
            (each.text or "").strip() for each in element.iterfind("direction-type/words")
        )
        if words.strip() in _HALF_OPEN_WORDS:
            bar.half_open.add(at)
            return
        rehearsal = element.findtext("direction-type/rehearsal")
        if rehearsal and rehearsal.strip():
            bar.section = _printable(rehearsal)[:60]
        for mark in element.iterfind("direction-type/dynamics/*"):
            if mark.tag in {each.value for each in DynamicMark}:
                bar.dynamics.append((at, DynamicMark(mark.tag)))
        for wedge in element.iterfind("direction-type/wedge"):
            bar.wedges.append((at, wedge.get("type", ""), wedge.get("number", "1").strip()))
        metronome = element.find("direction-type/metronome")
        mark_given: TempoMark | None = None
        if metronome is not None:
            mark_given = _metronome(metronome)
        sound = element.find("sound")
        if sound is not None:
            self._sound(sound, bar, at, path, mark_given, words)
        elif mark_given is not None:
            bar.tempos.append((at, replace(mark_given, text=_tempo_words(words))))

    def _sound(
        self,
        element: etree._Element,
        bar: _Strokes,
        at: Fraction,
        path: str,
        mark: TempoMark | None = None,
        words: str = "",
    ) -> None:
        swing = element.find("swing")
        if swing is not None:
            bar.swings.append(_swing(swing, path))
        try:
            tempo = float(element.get("tempo", "0"))
        except ValueError:
            tempo = 0.0
        if not 4 <= tempo <= 2000:
            tempo = 0.0
        if mark is not None and tempo:
            # The number that is shown is rounded.
            exact = round(tempo / float(mark.unit * 4), 2)
            mark = replace(mark, bpm=exact) if abs(exact - mark.bpm) <= 0.51 else mark
        if mark is None and tempo:
            mark = TempoMark(0, tempo, 1, _QUARTER, hidden=True)
        if mark is not None:
            bar.tempos.append((at, replace(mark, text=_tempo_words(words))))

    # Notes

    def _piece(self, element: etree._Element) -> DrumPiece | None:
        instrument = element.find("instrument")
        note = self.sounds.get(instrument.get("id", "")) if instrument is not None else None
        if note is None and len(self.sounds) == 1:
            note = None  # One sound for all: the place on the staff tells more.
        spot = element.find("unpitched")
        step = octave = None
        if spot is not None:
            step, octave = spot.findtext("display-step"), spot.findtext("display-octave")
        elif (pitch := element.find("pitch")) is not None:
            step, octave = pitch.findtext("step"), pitch.findtext("octave")
        head = (element.findtext("notehead") or "normal").strip()
        look = (step, octave, _plain_head(head))
        shown = self.looks.get(look)
        piece = None if note is None else self.kit.piece_of(note, None, 64)
        if piece is None:
            piece = shown
        signs = {sign.tag for sign in element.iterfind("notations/technical/*")}
        signs |= {sign.tag for sign in element.iterfind("notations/articulations/*")}
        if piece in _HATS and instrument is not None and instrument.get("id", "") in self.half_open:
            return DrumPiece.HAT_HALF_OPEN
        if piece in _HATS and signs & _OPEN_SIGNS:
            return DrumPiece.HAT_HALF_OPEN if shown is DrumPiece.HAT_HALF_OPEN else _opened(piece)
        return piece

    def _own_graces(
        self, element: etree._Element, graces: Sequence[_Before]
    ) -> tuple[list[Grace], list[_Before]]:
        """Of the graces before a chord those that lead to this note of it, and the others: its own
        piece's, and for the last note whatever is left."""
        if not graces or self._is_silent(element):
            return [], list(graces)
        following = element.getnext()
        while following is not None and following.find("chord") is None:
            following = None if following.tag == "note" else following.getnext()
        if following is None:
            return [grace for _, grace in graces], []
        piece = self._piece(element)
        own = [grace for struck, grace in graces if struck is piece]
        return own, [each for each in graces if each[0] is not piece]

    @staticmethod
    def _is_silent(element: etree._Element) -> bool:
        tied = {tie.get("type") for tie in element.iterfind("tie")}
        silent = element.find("rest") is not None or element.find("cue") is not None
        return silent or "stop" in tied

    def _note(self, element: etree._Element, graces: Sequence[Grace]) -> Note | None:
        if self._is_silent(element):
            return None
        piece = self._piece(element)
        if piece is None:
            return None
        marks = [
            _MARKS[str(sign.tag)]
            for sign in element.iterfind("notations/articulations/*")
            if sign.tag in _MARKS
        ]
        head = element.find("notehead")
        small = element.find("type[@size='cue']") is not None
        if (head is not None and head.get("parentheses") == "yes") or small:
            marks.append(Articulation.GHOST)
        if element.find("notations/ornaments/tremolo") is not None:
            marks.append(Articulation.BUZZ)
        own = list(graces)[-2:]
        if own:
            marks.append(Articulation.FLAM if len(own) == 1 else Articulation.DRAG)
            marks = [mark for mark in marks if mark is not Articulation.BUZZ]
        self.count += 1
        if self.count > MAX_EVENTS:
            raise ScoreError("notes", f"more than {MAX_EVENTS} notes")
        return Note(
            id=self._id(element),
            piece=piece,
            velocity=_velocity(element, marks),
            articulations=tuple(dict.fromkeys(marks)),
            graces=tuple(own),
        )

    def _stick(self, bar: _Strokes, chord: Sequence[tuple[int, Sequence[_Lyric]]]) -> None:
        """Give the letters under a chord to its notes. Who wrote the file may say whose they are;
        else a letter is that of the note that bears it, and several under one note are the hands'
        from the upper note down. What could mean either of two notes is left out."""
        if not any(lyrics for _, lyrics in chord):
            return
        hands: dict[int, Hand] = {}
        by_id = {bar.notes[index][1].id: index for index, _ in chord}
        struck = [index for index, _ in chord if bar.notes[index][1].piece not in FEET]
        bearing = [(index, lyrics) for index, lyrics in chord if lyrics]
        if all(by_id.keys() >= lyric.names for _, lyrics in bearing for lyric in lyrics) and any(
            lyric.names for _, lyrics in bearing for lyric in lyrics
        ):
            hands = {
                by_id[name]: lyric.hands[0]
                for _, lyrics in bearing
                for lyric in lyrics
                for name in lyric.names
            }
        elif len(bearing) == 1:
            bearer, lyrics = bearing[0]
            told = [hand for lyric in lyrics for hand in lyric.hands]
            if len(struck) == 1:
                bearer = struck[0]
            if len(told) == 1 and not (told[0] is Hand.BOTH and len(struck) > 1):
                hands = {bearer: told[0]}
            elif len(told) == len(struck):
                struck.sort(key=lambda index: -self.kit.entries[bar.notes[index][1].piece].height)
                hands = dict(zip(struck, told, strict=True))
        else:
            hands = {index: lyrics[0].hands[0] for index, lyrics in bearing}
        for index, hand in hands.items():
            place, note = bar.notes[index]
            bar.notes[index] = (place, replace(note, sticking=hand))

    def _grace(self, element: etree._Element) -> list[_Before]:
        if element.find("rest") is not None or element.find("chord") is not None:
            return []
        return [(self._piece(element), Grace(self._id(element), _velocity(element, (), 45)))]

    def _id(self, element: etree._Element) -> str:
        given = element.get("id", "")
        if _ID.fullmatch(given) and given not in self.ids:
            self.ids.add(given)
            return given
        self.named = max(self.named, len(self.ids)) + 1
        while f"n-{self.named:06d}" in self.ids:
            self.named += 1
        name = f"n-{self.named:06d}"
        self.ids.add(name)
        return name


def _looks(kit: Kit) -> dict[tuple[str | None, str | None, str], DrumPiece]:
    """What stands where, with which head: the given kit's word first, then MuseScore's."""
    found: dict[tuple[str | None, str | None, str], DrumPiece] = {}
    for table in (kit, *KITS.values()):
        # Where open and half-open hats look alike, the usual one is meant.
        for piece in sorted(table.entries, key=lambda piece: piece is DrumPiece.HAT_HALF_OPEN):
            entry = table.entries[piece]
            found.setdefault((entry.step, str(entry.octave), _plain_head(entry.head)), piece)
    return found


def _plain_head(head: str) -> str:
    """`cross` and `x` are one, to a drummer."""
    return "x" if head == "cross" else head


def _opened(piece: DrumPiece) -> DrumPiece:
    return DrumPiece.HAT_HALF_OPEN if piece is DrumPiece.HAT_HALF_OPEN else DrumPiece.HAT_OPEN


def _velocity(
    element: etree._Element, marks: Iterable[Articulation], usual: int = _VELOCITY
) -> int:
    try:
        share = float(element.get("dynamics", ""))
    except ValueError:
        return next((_LOUDER[mark] for mark in _LOUDER if mark in marks), usual)
    # Clamped before it is rounded: the product of a finite number may be infinite.
    return round(max(1.0, min(127.0, share * _FORTE / 100))) if math.isfinite(share) else usual


@dataclass(frozen=True, slots=True)
class _Lyric:
    """Letters that stand under a chord, and the ids of the notes they are for, where told."""

    hands: tuple[Hand, ...]
    names: frozenset[str]


_LETTERS = re.compile(r"[RLB](?:[\s/,+&|]*[RLB])?", re.ASCII)


def _lyrics(element: etree._Element) -> list[_Lyric]:
    """From the top down; what is no sticking is left out."""
    found = []
    for lyric in element.iterfind("lyric"):
        text = (lyric.findtext("text") or "").strip().upper()
        if len(text) <= 8 and _LETTERS.fullmatch(text):
            hands = tuple(Hand(letter) for letter in text if letter.isalpha())
            found.append(_Lyric(hands, frozenset(lyric.get("name", "").split())))
    return found


def _tempo_words(words: str) -> str:
    plain = _printable(words)
    return "" if plain.lower() in ("swing", "straight") else plain[:60]


def _metronome(element: etree._Element) -> TempoMark | None:
    length = _LENGTHS.get((element.findtext("beat-unit") or "").strip())
    text = re.search(r"\d+(\.\d+)?", element.findtext("per-minute") or "")
    if length is None or text is None:
        return None
    dots = len(element.findall("beat-unit-dot"))
    unit = length * (2 - Fraction(1, 2**dots)) if dots <= 2 else length
    bpm = float(text[0])
    return TempoMark(0, bpm, 1, unit) if 4 <= bpm <= 1000 else None


def _swing(element: etree._Element, path: str) -> Swing:
    unit = Fraction(1, 16) if (element.findtext("swing-type") or "") == "16th" else Fraction(1, 8)
    first, second = element.findtext("first"), element.findtext("second")
    if element.find("straight") is not None or not first or not second:
        return Swing(0, unit, 1.0)
    long, short = _whole(first, path, "swing first"), _whole(second, path, "swing second")
    ratio = 2.0 if long is None or not short else long / short
    return Swing(0, unit, round(min(4.0, max(1.0, ratio)), 3))


# Repeats


def _unfolded(bars: Sequence[_Strokes]) -> list[_Strokes]:
    """As it is played: repeats with their endings, and bars that are only a sign."""
    filled: list[_Strokes] = []
    for index, bar in enumerate(bars):
        if bar.copies and index >= bar.copies and not bar.notes:
            model = filled[index - bar.copies]
            filled.append(replace(bar, notes=model.notes, meter=model.meter, length=model.length))
        else:
            filled.append(bar)
    played: list[_Strokes] = []
    size = 0
    start = 0
    turn = 1
    index = 0
    while index < len(filled):
        bar = filled[index]
        if bar.forward and index != start:
            start, turn = index, 1
        if bar.ending and turn not in bar.ending:
            # Another time's ending: on to the next, or past the last.
            index += 1
            while index < len(filled) and not filled[index].ending and not filled[index - 1].times:
                index += 1
            continue
        played.append(bar)
        if len(played) > MAX_BARS:
            raise ScoreError("score.bars", f"more than {MAX_BARS}, repeats written out")
        size += bar.size
        if size > MAX_EVENTS:
            raise ScoreError("notes", f"more than {MAX_EVENTS} notes, repeats written out")
        if bar.times and turn < bar.times:
            turn += 1
            index = start
            continue
        if bar.times:
            start, turn = index + 1, 1
        index += 1
    return played


# The document


def _document(bars: Sequence[_Strokes], title: str, remark: str, kit: Kit) -> ScoreDocument:
    frames = [Frame(bar.meter, bar.length) for bar in bars]
    frames = [
        frame if index == 0 or frame.length == frame.meter.length else _own_meter(frame)
        for index, frame in enumerate(frames)
    ]
    notes: dict[str, tuple[Fraction, Note]] = {}
    tempos: dict[Fraction, Tempo] = {}
    swings: dict[Fraction, Swing] = {}
    sections: list[tuple[Fraction, str]] = []
    dynamics: dict[Fraction, Dynamic] = {}
    wedges: list[tuple[Fraction, str, str]] = []
    struck: set[tuple[Fraction, DrumPiece]] = set()
    start = Fraction(0)
    for bar, frame in zip(bars, frames, strict=True):
        for at, note in bar.notes:
            place = start + at
            if at >= frame.length or (place, note.piece) in struck:
                continue
            struck.add((place, note.piece))
            own = _renamed(note, notes)
            notes[own.id] = (place, own)
        for at, mark in bar.tempos:
            if at < frame.length:
                tempos[start + at] = Tempo(start + at, mark.quarters_per_minute, mark)
        for swing in bar.swings:
            swings[start] = swing
        if bar.section:
            sections.append((start, bar.section))
        for at, loud in bar.dynamics:
            if at < frame.length:
                dynamics[start + at] = Dynamic(0, Fraction(0), loud)
        for at, kind, number in bar.wedges:
            wedges.append((start + min(at, frame.length), kind, number))
        start += frame.length
    if Fraction(0) not in tempos:
        first = next((tempos[at] for at in sorted(tempos)), None)
        qpm = first.quarters_per_minute if first and first.at < frames[0].length else 120.0
        tempos[Fraction(0)] = Tempo(Fraction(0), qpm, TempoMark(0, qpm, 1, _QUARTER, hidden=True))
    ordered = [tempos[at] for at in sorted(tempos)]
    clock = TempoMap(ordered)
    swung = sorted(swings.items(), key=lambda item: item[0])
    return assemble(
        title=title,
        remark=remark,
        kit=kit.id,
        events=list(played_exactly(notes, clock, swung, frames)),
        dropped=(),
        frames=frames,
        notes=notes,
        tempos=ordered,
        anchors=anchors_of(frames, clock.time_s),
        swings=swung,
        sections=sections,
        dynamics=sorted(dynamics.items(), key=lambda item: item[0]),
        hairpins=list(_hairpins(wedges)),
        source="musicxml",
    )


def _hairpins(
    wedges: Iterable[tuple[Fraction, str, str]],
) -> Iterable[tuple[Fraction, Fraction, Hairpin]]:
    """Those that overlap are told apart by their number."""
    opened: dict[str, tuple[Fraction, HairpinKind]] = {}
    for place, kind, number in wedges:
        if kind in {each.value for each in HairpinKind}:
            opened[number] = (place, HairpinKind(kind))
        elif kind == "stop" and number in opened and opened[number][0] < place:
            begin, shape = opened.pop(number)
            yield begin, place, Hairpin(0, Fraction(0), 0, Fraction(0), shape)


def _own_meter(frame: Frame) -> Frame:
    """A short bar in the middle, as its own meter."""
    denominator = max(4, frame.length.denominator)
    if denominator > 32 or frame.length * denominator > 32:
        return Frame(frame.meter, frame.meter.length)
    return Frame(Meter(int(frame.length * denominator), denominator), frame.length)


def _renamed(note: Note, notes: Mapping[str, tuple[Fraction, Note]]) -> Note:
    """A bar that is played twice is written twice, under other names."""
    if note.id not in notes:
        return note
    turn = 2
    while f"{note.id[:56]}-t{turn}" in notes:
        turn += 1
    graces = tuple(replace(grace, id=f"{grace.id[:56]}-t{turn}") for grace in note.graces)
    return replace(note, id=f"{note.id[:56]}-t{turn}", graces=graces)
