"""The heavy parts, as functions for the worker process: bytes in, bytes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from libs.common.performance import Performance
from services.notation.domain.exports import Export, export
from services.notation.domain.quantise import Options, quantise
from services.notation.domain.score import ScoreDocument

Progress = Callable[[float], None]


def write_score(performance: bytes, options: Options, *, progress: Progress) -> bytes:
    """A performance file to a score document; ScoreError when there is nothing to write."""
    del progress
    return quantise(Performance.from_json(performance), options).to_json()


def make_export(
    document: bytes,
    format: str,  # noqa: A002 - the word of the route
    options: dict[str, Any],
    *,
    progress: Progress,
) -> Export:
    """A score document to a file; ScoreError for a format that is not there."""
    del progress
    return export(ScoreDocument.from_json(document), format, **options)


def performance_in(document: ScoreDocument) -> Performance:
    """The performance that a score was written from, to write it anew. Its beats keep their
    place in the bar, so that only what is chosen otherwise changes."""
    from libs.common.drums import Beat, Hit

    played = document.performance
    return Performance(
        duration_s=played.duration_s,
        hits=tuple(Hit(e.onset_s, e.piece, e.velocity, e.confidence, e.id) for e in played.events),
        beats=tuple(Beat(beat.time_s, beat.beat) for beat in document.timeline.beats),
        model_version=played.model_version,
    )
