"""A CSV row for every hit, also those that are not written, in order of time."""

from __future__ import annotations

import csv
import io

from services.notation.domain.document import ScoreDocument
from services.notation.domain.kit import Kit
from services.notation.domain.timemap import note_times

COLUMNS = (
    "id", "onset_s", "piece", "velocity", "confidence", "bar", "start", "duration", "marks",
    "written_s", "deviation_ms",
)  # fmt: skip


def to_csv(document: ScoreDocument, kit: Kit | None = None) -> bytes:
    """`deviation_ms` is played minus written: above 0 behind the beat. Graces have none: they
    are meant to come before."""
    del kit
    places: dict[str, tuple[object, ...]] = {}
    for bar, event, note in document.score.notes():
        marks = " ".join(note.articulations)
        places[note.id] = (bar.number, event.start, event.duration, marks)
        for grace in note.graces:
            places[grace.id] = (bar.number, event.start, "", "grace")
    for lost in document.performance.dropped:
        places[lost.id] = ("", "", "", "dropped")
    written = {time.id: time for time in note_times(document)}
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    for hit in document.performance.events:
        time = written.get(hit.id)
        times = ("", "")
        if time:
            apart_ms = (
                "" if time.grace else f"{round((hit.onset_s - time.written_s) * 1000, 1) + 0:.1f}"
            )
            times = (f"{time.written_s:.4f}", apart_ms)
        rows.writerow(
            (hit.id, f"{hit.onset_s:.4f}", hit.piece.value, hit.velocity, f"{hit.confidence:.3f}",
             *places.get(hit.id, ("", "", "", "")), *times)
        )  # fmt: skip
    return text.getvalue().encode()
