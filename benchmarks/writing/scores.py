"""A written score beside the true one: what is right, what is missing, what is false."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import mir_eval
import numpy as np

from benchmarks.hearing.truth import SAME
from benchmarks.writing.truth import Note, Truth, families
from libs.common.drums import Articulation, DrumPiece, Hit
from services.notation.domain.score import Bar

if TYPE_CHECKING:
    from services.notation.domain.document import ScoreDocument

BEAT: Final = Fraction(1, 4)
SWING_NEAR: Final = 1 / 24 / 4
"""Of a whole note: how far a swung offbeat may sound from its true place."""
DOWNBEAT_NEAR_S: Final = 0.07
RIGHT: Final = 0.9
HEARD_NEAR_S: Final = 0.05
_FLOAT_SLACK: Final = 1e-9


@dataclass(slots=True)
class Tally:
    right: int = 0
    said: int = 0
    wanted: int = 0

    def add(self, right: int, said: int, wanted: int) -> None:
        self.right += right
        self.said += said
        self.wanted += wanted

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.right + other.right, self.said + other.said, self.wanted + other.wanted)

    @property
    def f(self) -> float | None:
        """None of nothing."""
        both = self.said + self.wanted
        return 2 * self.right / both if both else None

    @property
    def precision(self) -> float | None:
        return self.right / self.said if self.said else None

    @property
    def recall(self) -> float | None:
        return self.right / self.wanted if self.wanted else None


@dataclass(frozen=True, slots=True)
class Written:
    """A note as the document has it."""

    hit: str
    bar: int | None
    """The true bar that its bar is; None where no true bar begins there."""
    place: Fraction
    """As printed, in whole notes from the bar line."""
    sounds: float | None
    """Where the swing mark puts it, if it does."""
    piece: DrumPiece
    ghost: bool
    accent: bool
    graces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mistake:
    """A true note that is not there, or a written one that should not be; None is nothing."""

    piece: DrumPiece
    true: tuple[int, Fraction] | None
    """Bar, and place in beats."""
    written: tuple[int | None, Fraction] | None
    swung: bool = False
    """A swing mark moves it."""


@dataclass(slots=True)
class Scored:
    """Of one take, or of all pooled."""

    name: str = ""
    style: str = ""
    kind: str = "beat"
    notes: Tally = field(default_factory=Tally)
    ternary: Tally = field(default_factory=Tally)
    beats: Tally = field(default_factory=Tally)
    """Beats with more than their first place: whose family is right, of how many."""
    ghosts: Tally = field(default_factory=Tally)
    accents: Tally = field(default_factory=Tally)
    graces: Tally = field(default_factory=Tally)
    meter: bool = False
    downbeats: bool = False
    left_out: int = 0
    played: int = 0
    heard: Tally = field(default_factory=Tally)
    """Hits, of takes from sound."""
    mistakes: list[Mistake] = field(default_factory=list)
    mv2h: Mapping[str, float] | None = None


def swing_at(document: ScoreDocument, bar: int) -> tuple[Fraction, float] | None:
    """(unit in whole notes, long to short) of the swing mark in force in this bar."""
    swing: Any = document.timeline.swing
    marks: Sequence[Any]
    if swing is None:
        return None
    marks = swing if isinstance(swing, Sequence) else (swing,)
    # A mark without a bar is the whole piece's.
    marks = [mark for mark in marks if getattr(mark, "bar", bar) <= bar]
    if not marks or marks[-1].ratio <= 1:
        return None
    return marks[-1].unit, float(marks[-1].ratio)


def bar_lines(document: ScoreDocument) -> dict[int, float]:
    """When each written bar begins, in seconds; a pickup's is where its whole bar would."""
    beats = document.timeline.beats
    lines: dict[int, float] = {}
    for index, beat in enumerate(beats):
        if beat.bar in lines:
            continue
        after = index + 1 if index + 1 < len(beats) else index
        period_s = beats[after].time_s - beats[after - 1].time_s if after else 0.0
        lines[beat.bar] = beat.time_s - (beat.beat - 1) * period_s
    return lines


def align_bars(truth: Truth, document: ScoreDocument) -> dict[int, int]:
    """The true bar of each written one that begins within half a beat of it."""
    best: dict[int, tuple[float, int]] = {}
    for number, at_s in bar_lines(document).items():
        bar = round((at_s - truth.start_s) / truth.bar_s)
        away_s = abs(at_s - truth.start_s - bar * truth.bar_s)
        if away_s < truth.period_s / 2 and (bar not in best or away_s < best[bar][0]):
            best[bar] = (away_s, number)
    return {number: bar for bar, (_, number) in best.items()}


def read_written(truth: Truth, document: ScoreDocument) -> list[Written]:
    """Every note of the document."""
    bars = align_bars(truth, document)
    return [
        Written(
            hit=note.id,
            bar=bars.get(bar.number),
            place=event.start + bar.missing,
            sounds=_sounds(document, bar, event.start + bar.missing),
            piece=SAME.get(note.piece, note.piece),
            ghost=Articulation.GHOST in note.articulations,
            accent=bool({Articulation.ACCENT, Articulation.STRONG_ACCENT} & {*note.articulations}),
            graces=tuple(grace.id for grace in note.graces),
        )
        for bar, event, note in document.score.notes()
    ]


def _sounds(document: ScoreDocument, bar: Bar, place: Fraction) -> float | None:
    swing = swing_at(document, bar.number)
    if swing is None:
        return None
    unit, ratio = swing
    pairs, inside = divmod(place, 2 * unit)
    if inside != unit:
        return None
    return float(2 * unit) * (pairs + ratio / (1 + ratio))


def who_is_who(truth: Truth, hits: Iterable[Hit]) -> dict[str, str]:
    """For heard hits the id of the true one that each is: on the same piece within 50 ms."""
    ours: dict[DrumPiece, list[Hit]] = defaultdict(list)
    theirs: dict[DrumPiece, list[Hit]] = defaultdict(list)
    for hit in truth.hits:
        theirs[SAME.get(hit.piece, hit.piece)].append(hit)
    for hit in hits:
        ours[SAME.get(hit.piece, hit.piece)].append(hit)
    found: dict[str, str] = {}
    for piece, own in ours.items():
        own.sort(key=lambda hit: hit.onset_s)
        true = sorted(theirs[piece], key=lambda hit: hit.onset_s)
        if true:
            pairs = mir_eval.util.match_events(
                np.array([hit.onset_s for hit in true]),
                np.array([hit.onset_s for hit in own]),
                HEARD_NEAR_S,
            )
            found |= {own[b].id: true[a].id for a, b in pairs}
    return found


def compare(truth: Truth, document: ScoreDocument, who: Mapping[str, str] | None = None) -> Scored:
    """`who` names the true hit that each of the document's is; without it they share their ids."""
    scored = Scored(truth.name, truth.style, truth.kind)
    true_ids = {hit.id for hit in truth.hits}
    who = {name: name for name in true_ids} if who is None else who
    written = read_written(truth, document)
    # A grace that is written as a note is counted with the graces, not among false notes.
    main_of = {grace: note for note in truth.notes for grace in note.graces}
    notes = {note.hit: note for note in truth.notes}
    silent = {name for name, note in notes.items() if not note.asked} | main_of.keys()
    asked = [note for note in truth.notes if note.asked]
    judged = [each for each in written if who.get(each.hit) not in silent]
    pairs = match_places(asked, judged)
    scored.notes.add(len(pairs), len(judged), len(asked))
    scored.played, scored.left_out = len(truth.notes), len(truth.notes) - len(asked)
    _tell_ternary(scored, asked, judged, pairs)
    _tell_beats(scored, asked, judged, pairs)
    _tell_marks(scored, truth, written, who)
    lines = bar_lines(document)
    meters = Counter(str(bar.meter) for bar in document.score.bars if not bar.missing)
    scored.meter = bool(meters) and meters.most_common(1)[0][0] == f"{truth.meter}/4"
    scored.downbeats = _downbeats_right(truth, list(lines.values()))
    scored.mistakes = _mistakes(asked, judged, pairs, who)
    return scored


def match_places(asked: Sequence[Note], judged: Sequence[Written]) -> dict[int, int]:
    """Index of the true note -> of the written one in its place: exactly, or swung near it."""
    true: dict[tuple[int, DrumPiece], list[int]] = defaultdict(list)
    for index, note in enumerate(asked):
        true[note.bar, SAME.get(note.piece, note.piece)].append(index)
    own: dict[tuple[int | None, DrumPiece], list[int]] = defaultdict(list)
    for index, each in enumerate(judged):
        own[each.bar, each.piece].append(index)
    pairs: dict[int, int] = {}
    for key, wanted in true.items():
        offered = own.get(key, [])
        used: set[int] = set()
        for swung in (False, True):
            for a in wanted:
                if a in pairs:
                    continue
                for b in offered:
                    if (judged[b].sounds is not None) != swung or b in used:
                        continue
                    if is_there(asked[a].place, judged[b]):
                        pairs[a] = b
                        used.add(b)
                        break
    return pairs


def is_there(place: Fraction, written: Written) -> bool:
    """Whether the written note sounds in this place."""
    if written.sounds is None:
        return written.place == place
    return abs(written.sounds - float(place)) <= SWING_NEAR + _FLOAT_SLACK


def _is_ternary(place: Fraction) -> bool:
    return (place / BEAT).denominator % 3 == 0


def _sounds_ternary(each: Written) -> bool:
    """A swung eighth sounds on the triplet."""
    if each.sounds is None:
        return _is_ternary(each.place)
    near = Fraction(round(each.sounds * 24), 24)
    return _is_ternary(near) and abs(each.sounds - float(near)) <= SWING_NEAR + _FLOAT_SLACK


def _tell_ternary(
    scored: Scored, asked: Sequence[Note], judged: Sequence[Written], pairs: Mapping[int, int]
) -> None:
    wanted = [index for index, note in enumerate(asked) if _is_ternary(note.place)]
    said = sum(_sounds_ternary(each) for each in judged)
    scored.ternary.add(
        sum(index in pairs and _sounds_ternary(judged[pairs[index]]) for index in wanted),
        said,
        len(wanted),
    )


def _tell_beats(
    scored: Scored, asked: Sequence[Note], judged: Sequence[Written], pairs: Mapping[int, int]
) -> None:
    truth: dict[tuple[int, int], list[Fraction]] = defaultdict(list)
    ours: dict[tuple[int | None, int], list[Fraction]] = defaultdict(list)
    for note in asked:
        truth[note.bar, int(note.place // BEAT)].append(note.place / BEAT)
    heard_at = {b: asked[a].place for a, b in pairs.items()}
    for index, each in enumerate(judged):
        # What is right counts as where it should be, so that swing needs no rounding here.
        place = heard_at.get(index)
        if place is None:
            place = each.place if each.sounds is None else Fraction(round(each.sounds * 24), 24)
        ours[each.bar, int(place // BEAT)].append(place / BEAT)
    for key, places in truth.items():
        family = families(places)
        if family:
            scored.beats.add(family == families(ours.get(key, ())), 1, 1)


def _tell_marks(
    scored: Scored, truth: Truth, written: Sequence[Written], who: Mapping[str, str]
) -> None:
    """Of notes wherever they are written."""
    notes = {note.hit: note for note in truth.notes if note.asked}
    seen = {who[each.hit]: each for each in written if who.get(each.hit) in notes}
    false = [each for each in written if each.hit not in who]
    for tally, is_true, is_said in (
        (scored.ghosts, lambda note: note.ghost, lambda each: each.ghost),
        (scored.accents, lambda note: note.accent, lambda each: each.accent),
        (scored.graces, lambda note: bool(note.graces), lambda each: bool(each.graces)),
    ):
        tally.add(
            sum(is_true(notes[name]) and is_said(each) for name, each in seen.items()),
            sum(map(is_said, seen.values())) + sum(map(is_said, false)),
            sum(map(is_true, notes.values())),
        )


def _downbeats_right(truth: Truth, lines: Sequence[float]) -> bool:
    """Both ways for 90 % of the bars that are asked: no line is missing, none is too many."""
    bars = [note.bar for note in truth.notes if note.asked]
    if not bars or not lines:
        return False
    first, last = min(bars), max(bars)
    wanted = np.array([truth.start_s + bar * truth.bar_s for bar in range(first, last + 1)])
    ours = np.sort(np.array(lines))
    right = len(mir_eval.util.match_events(wanted, ours, DOWNBEAT_NEAR_S))
    return right >= RIGHT * len(wanted) and right >= RIGHT * (len(ours) - 1)


def _mistakes(
    asked: Sequence[Note], judged: Sequence[Written], pairs: Mapping[int, int],
    who: Mapping[str, str],
) -> list[Mistake]:  # fmt: skip
    left = {
        who.get(each.hit, ""): each
        for index, each in enumerate(judged)
        if index not in set(pairs.values())
    }
    found = []
    told = set()
    for index, note in enumerate(asked):
        if index in pairs:
            continue
        each = left.get(note.hit)
        where = (each.bar, each.place / BEAT) if each else None
        found.append(
            Mistake(
                SAME.get(note.piece, note.piece),
                (note.bar, note.place / BEAT),
                where,
                swung=each is not None and each.sounds is not None,
            )
        )
        if each:
            told.add(each.hit)
    taken = set(pairs.values())
    found += [
        Mistake(each.piece, None, (each.bar, each.place / BEAT), each.sounds is not None)
        for index, each in enumerate(judged)
        if index not in taken and each.hit not in told
    ]
    return found


def label(place: Fraction) -> str:
    """A place in beats as drummers count: 2 is the second beat, 2+1/3 a third of a beat later."""
    beat, inside = divmod(place, 1)
    return f"{int(beat) + 1}" + (f"+{inside}" if inside else "")


def common(mistakes: Iterable[Mistake], *, in_beat: bool = False) -> Counter[str]:
    """How often each kind is made; `in_beat` forgets which beat it is in."""
    kinds: Counter[str] = Counter()
    for each in mistakes:
        if each.true is None:
            true = "nothing"
        else:
            true = f"+{each.true[1] % 1}" if in_beat else label(each.true[1])
        written = _where(each.true, each.written, in_beat) + (" swung" if each.swung else "")
        kinds[f"{each.piece.value}: {true} -> {written}"] += 1
    return kinds


def _where(
    true: tuple[int, Fraction] | None, written: tuple[int | None, Fraction] | None, in_beat: bool
) -> str:
    if written is None:
        return "nothing"
    bar, place = written
    if bar is None:
        return "a bar that begins elsewhere"
    if true is not None and bar != true[0]:
        return f"{label(place)} of the {'next' if bar > true[0] else 'last'} bar"
    if in_beat and true is not None and place // 1 != true[1] // 1:
        return f"+{place % 1} of the {'next' if place > true[1] else 'last'} beat"
    return f"+{place % 1}" if in_beat else label(place)


def side_by_side(truth: Truth, document: ScoreDocument) -> list[str]:
    """Bars as text, a line for every piece that differs; `?` is not asked."""
    written = read_written(truth, document)
    ours: dict[int | None, dict[DrumPiece, list[str]]] = defaultdict(lambda: defaultdict(list))
    theirs: dict[int, dict[DrumPiece, list[str]]] = defaultdict(lambda: defaultdict(list))
    for each in sorted(written, key=lambda each: each.place):
        sound = "" if each.sounds is None else "~"
        ours[each.bar][each.piece].append(f"{label(each.place / BEAT)}{sound}")
    for note in sorted(truth.notes, key=lambda note: note.place):
        piece = SAME.get(note.piece, note.piece)
        theirs[note.bar][piece].append(label(note.place / BEAT) + ("" if note.asked else "?"))
    lines = []
    for bar in sorted({*theirs, *(bar for bar in ours if bar is not None)}):
        pieces = [p for p in DrumPiece if theirs[bar][p] != ours[bar][p]]
        if not pieces:
            lines.append(f"{bar + 1:4} as it should be")
        for piece in pieces:
            lines.append(
                f"{bar + 1:4} {piece.value:12} true {' '.join(theirs[bar][piece]) or '-'}\n"
                f"{'':13} written {' '.join(ours[bar][piece]) or '-'}"
            )
    if ours[None]:
        count = sum(map(len, ours[None].values()))
        lines.append(f"{count} notes in bars that begin where no true bar does")
    return lines


def pool(takes: Iterable[Scored], name: str = "") -> Scored:
    """Sums of what can be summed."""
    total = Scored(name)
    for take in takes:
        for each in ("notes", "ternary", "beats", "ghosts", "accents", "graces", "heard"):
            setattr(total, each, getattr(total, each) + getattr(take, each))
        total.left_out += take.left_out
        total.played += take.played
    return total
