"""What a score holds, on one screen; and how it was played."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median, quantiles
from typing import Any, Final

from libs.common.drums import Articulation, DrumPiece, Hand
from services.notation.domain.document import ScoreDocument
from services.notation.domain.doubt import is_unsure
from services.notation.domain.kit import HANDS
from services.notation.domain.score import Swing
from services.notation.domain.timemap import note_times


@dataclass(frozen=True, slots=True)
class Summary:
    """`tempo_bpm` counts `tempo_unit` notes, "1/4" a quarter; None where nothing says."""

    title: str
    tempo_bpm: float | None
    tempo_unit: str
    tempo_changes: int
    meter: str
    meter_changes: int
    swing: Swing | None
    """At the start."""
    bars: int
    """Without the pickup."""
    duration_s: float
    """From the first hit to the last."""
    notes: int
    graces: int
    dropped: int
    by_piece: dict[DrumPiece, int]
    """Most struck first."""
    by_articulation: dict[Articulation, int]
    notes_per_bar: float
    hits_per_second: float


def summary(document: ScoreDocument) -> Summary:
    """Linear in the notes."""
    score, timeline, played = document.score, document.timeline, document.performance
    notes = [note for _, _, note in score.notes()]
    meters = Counter(str(bar.meter) for bar in score.bars)
    bars = sum(1 for bar in score.bars if bar.number > 0)
    tempo = timeline.tempo_map[0] if timeline.tempo_map else None
    duration_s = played.events[-1].onset_s - played.events[0].onset_s if played.events else 0.0
    return Summary(
        title=score.title,
        tempo_bpm=tempo.bpm if tempo else None,
        tempo_unit=str(tempo.unit) if tempo else "1/4",
        tempo_changes=max(0, len(timeline.tempo_map) - 1),
        meter=meters.most_common(1)[0][0] if meters else "4/4",
        meter_changes=max(0, len(timeline.meters) - 1),
        swing=timeline.swing_at(score.bars[0].number) if score.bars else None,
        bars=bars,
        duration_s=round(duration_s, 3),
        notes=len(notes),
        graces=sum(len(note.graces) for note in notes),
        dropped=len(played.dropped),
        by_piece=dict(Counter(note.piece for note in notes).most_common()),
        by_articulation=dict(
            Counter(mark for note in notes for mark in note.articulations).most_common()
        ),
        notes_per_bar=round(len(notes) / bars, 2) if bars else 0.0,
        hits_per_second=round(len(played.events) / duration_s, 2) if duration_s else 0.0,
    )


TIGHT_MS: Final = 10.0
WORST: Final = 10


@dataclass(frozen=True, slots=True)
class Timing:
    """How far from their written places notes were played, in milliseconds: above 0 behind the
    beat. Graces are not asked, and notes that nobody played neither."""

    notes: int
    mean_ms: float
    median_ms: float
    spread_ms: float
    """How far the middle half of the notes lies apart."""
    mean_off_ms: float
    """Early or late alike."""
    early: int
    """More than 10 ms before their place."""
    late: int


@dataclass(frozen=True, slots=True)
class PieceStatistics:
    """One piece's notes; its graces are counted apart."""

    piece: DrumPiece
    notes: int
    ghosts: int
    accents: int
    flams: int
    drags: int
    graces: int
    mean_velocity: float
    unsure: int
    timing: Timing | None


@dataclass(frozen=True, slots=True)
class Limbs:
    """Strokes, graces among them, by voice; those of the hands by sticking as well."""

    hands: int
    feet: int
    right: int
    left: int
    both: int
    untold: int


@dataclass(frozen=True, slots=True)
class BarDensity:
    """Strokes in a bar, graces among them."""

    bar: int
    strokes: int


@dataclass(frozen=True, slots=True)
class Deviation:
    """One note that was played far from its place."""

    id: str
    bar: int
    start: str
    piece: DrumPiece
    off_ms: float


@dataclass(frozen=True, slots=True)
class Statistics:
    """A score in numbers."""

    notes: int
    graces: int
    unwritten: int
    unsure: int
    articulations: dict[Articulation, int]
    limbs: Limbs
    by_piece: tuple[PieceStatistics, ...]
    """Most struck first."""
    timing: Timing | None
    """Of all; None where nothing is known of when it was played."""
    worst: tuple[Deviation, ...]
    """The ten farthest from their places, farthest first."""
    bars: tuple[BarDensity, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON's own types."""
        return asdict(self)


def statistics(document: ScoreDocument) -> Statistics:
    """Linear in the notes, but for sorting."""
    written = document.score.notes()
    played = {event.id: event for event in document.performance.events}
    off_ms = {
        time.id: round((played[time.id].onset_s - time.written_s) * 1000, 2)
        for time in note_times(document)
        if time.id in played and not time.grace
    }
    places = [(bar, event, note) for bar, event, note in written if note.id in off_ms]
    places.sort(key=lambda place: (-abs(off_ms[place[2].id]), place[2].id))
    on_page = {name for _, event, _ in written for name in event.stroke_ids()}
    pieces = _by_piece(document, off_ms)
    density = Counter({bar.number: 0 for bar in document.score.bars})
    for bar, _, note in written:
        density[bar.number] += 1 + len(note.graces)
    return Statistics(
        notes=len(written),
        graces=sum(len(note.graces) for _, _, note in written),
        unwritten=len(played.keys() - on_page),
        unsure=sum(piece.unsure for piece in pieces),
        articulations=dict(
            Counter(mark for _, _, note in written for mark in note.articulations).most_common()
        ),
        limbs=_limbs(document),
        by_piece=pieces,
        timing=_timing(list(off_ms.values())),
        worst=tuple(
            Deviation(note.id, bar.number, str(event.start), note.piece, off_ms[note.id])
            for bar, event, note in places[:WORST]
        ),
        bars=tuple(BarDensity(bar, strokes) for bar, strokes in density.items()),
    )


def _by_piece(document: ScoreDocument, off_ms: dict[str, float]) -> tuple[PieceStatistics, ...]:
    played = {event.id: event for event in document.performance.events}
    notes = defaultdict(list)
    for _, _, note in document.score.notes():
        notes[note.piece].append(note)
    found = []
    for piece, own in notes.items():
        marks = Counter(mark for note in own for mark in note.articulations)
        strokes = [(note, name) for note in own
                   for name in (note.id, *(grace.id for grace in note.graces))]  # fmt: skip
        found.append(
            PieceStatistics(
                piece=piece,
                notes=len(own),
                ghosts=marks[Articulation.GHOST],
                accents=marks[Articulation.ACCENT] + marks[Articulation.STRONG_ACCENT],
                flams=marks[Articulation.FLAM],
                drags=marks[Articulation.DRAG],
                graces=sum(len(note.graces) for note in own),
                mean_velocity=round(fmean(note.velocity for note in own), 1),
                unsure=sum(is_unsure(note, played.get(name)) for note, name in strokes),
                timing=_timing([off_ms[note.id] for note in own if note.id in off_ms]),
            )
        )
    return tuple(sorted(found, key=lambda one: (-one.notes, one.piece)))


def _timing(off_ms: Sequence[float]) -> Timing | None:
    if not off_ms:
        return None
    low, _, high = (
        quantiles(off_ms, n=4, method="inclusive") if len(off_ms) > 1 else [off_ms[0]] * 3
    )
    return Timing(
        notes=len(off_ms),
        mean_ms=round(fmean(off_ms), 2),
        median_ms=round(median(off_ms), 2),
        spread_ms=round(high - low, 2),
        mean_off_ms=round(fmean(map(abs, off_ms)), 2),
        early=sum(off < -TIGHT_MS for off in off_ms),
        late=sum(off > TIGHT_MS for off in off_ms),
    )


def _limbs(document: ScoreDocument) -> Limbs:
    strokes: Counter[int] = Counter()
    hands: Counter[Hand | None] = Counter()
    for bar in document.score.bars:
        for voice in bar.voices:
            for note in (note for event in voice.events for note in event.notes):
                strokes[voice.number] += 1 + len(note.graces)
                if voice.number == HANDS:
                    hands[note.sticking] += 1
                    # Whose the graces are is not written.
                    hands[None] += len(note.graces)
    return Limbs(
        hands=strokes[HANDS],
        feet=sum(strokes.values()) - strokes[HANDS],
        right=hands[Hand.RIGHT],
        left=hands[Hand.LEFT],
        both=hands[Hand.BOTH],
        untold=hands[None],
    )
