"""Every format that a score can be fetched in, each a pure function of the document."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.notation.domain import midi, musicxml, pictures
from services.notation.domain.score import ScoreDocument, ScoreError


@dataclass(frozen=True, slots=True)
class Export:
    """A file to hand out."""

    data: bytes
    media_type: str
    file_name: str


@dataclass(frozen=True, slots=True)
class _Format:
    media_type: str
    ending: str
    write: Callable[..., bytes]
    options: tuple[str, ...] = ()


def _svg(document: ScoreDocument, page: int = 1) -> bytes:
    return pictures.to_svg(document, page).encode()


def _csv(document: ScoreDocument) -> bytes:
    """A row for every hit, also those that are not written, in order of time."""
    places: dict[str, tuple[object, ...]] = {}
    for bar, event, note in document.score.notes():
        marks = " ".join(note.articulations)
        places[note.id] = (bar.number, event.start, event.duration, marks)
        for grace in note.graces:
            places[grace.id] = (bar.number, event.start, "", "grace")
    for lost in document.performance.dropped:
        places[lost.id] = ("", "", "", "dropped")
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(
        ("id", "onset_s", "piece", "velocity", "confidence", "bar", "start", "duration", "marks")
    )
    for hit in document.performance.events:
        rows.writerow(
            (hit.id, f"{hit.onset_s:.4f}", hit.piece.value, hit.velocity, f"{hit.confidence:.3f}",
             *places.get(hit.id, ("", "", "", "")))
        )  # fmt: skip
    return text.getvalue().encode()


FORMATS: Final[Mapping[str, _Format]] = {
    "musicxml": _Format("application/vnd.recordare.musicxml+xml", "musicxml", musicxml.to_musicxml),
    "mxl": _Format("application/vnd.recordare.musicxml", "mxl", musicxml.to_mxl),
    "midi": _Format("audio/midi", "mid", midi.to_midi, ("mode",)),
    "json": _Format("application/json", "json", ScoreDocument.to_json),
    "svg": _Format("image/svg+xml", "svg", _svg, ("page",)),
    "png": _Format("image/png", "png", pictures.to_png, ("page", "width_px")),
    "pdf": _Format("application/pdf", "pdf", pictures.to_pdf),
    "csv": _Format("text/csv; charset=utf-8", "csv", _csv),
}


def export(document: ScoreDocument, format: str, **options: Any) -> Export:  # noqa: A002
    """The document in `format`; ScoreError for a format or an option that is not there.

    Options: `page` (svg, png; from 1), `width_px` (png), `mode` (midi: written or performed).
    """
    if format not in FORMATS:
        raise ScoreError("format", f"unknown; there are {', '.join(FORMATS)}")
    kind = FORMATS[format]
    for name in options:
        if name not in kind.options:
            there = ", ".join(kind.options) or "none"
            raise ScoreError(name, f"is no option of {format}; options: {there}")
    data = kind.write(document, **options)
    return Export(data, kind.media_type, f"{_file_stem(document.score.title)}.{kind.ending}")


def _file_stem(title: str) -> str:
    """Letters, digits and dashes only: it goes into a header and onto any disk."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-").lower()[:80] or "score"
