"""What a score holds, on one screen."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from libs.common.drums import DrumPiece
from services.notation.domain.document import ScoreDocument
from services.notation.domain.score import Articulation, Swing


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
