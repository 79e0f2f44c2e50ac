"""The heavy parts, as functions for the worker process: bytes in, bytes out."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from libs.common.drums import FEET, Beat, Hit
from libs.common.part import Part
from libs.common.performance import Performance
from libs.common.sight import Sight
from services.notation.domain import edits, imports
from services.notation.domain.document import ScoreDocument, check, read_text
from services.notation.domain.exports import Export, export
from services.notation.domain.fusion import UNSEEN, fuse, keep_seen
from services.notation.domain.kit import Kit
from services.notation.domain.musicxml import Repeats
from services.notation.domain.parts import document_of, part_of
from services.notation.domain.pictures import Look
from services.notation.domain.quantise import Options, quantise
from services.notation.domain.rewrite import rewrite
from services.notation.domain.score import TITLE_LENGTH, ScoreError
from services.notation.domain.stats import statistics
from services.notation.domain.view import to_view
from services.notation.domain.written import Recent, Written

Progress = Callable[[float], None]


def write_score(
    performance: bytes, options: Options, sight: bytes | None = None, *, progress: Progress
) -> bytes:
    """A performance file to a score document, with the hands of a sight file of the same hits;
    ScoreError when there is nothing to write."""
    del progress
    document = quantise(Performance.from_json(performance), options)
    if sight is not None:
        document = fuse(document, Sight.from_json(sight))
    return document.to_json()


@dataclass(frozen=True, slots=True)
class Fused:
    """A score with what was seen."""

    now: Written
    marked: int
    """Notes with a hand, of those that hands play."""
    strokes: int


def check_sight(sight: bytes, hits_key: str, *, progress: Progress) -> None:
    """ScoreError where a file is no sight, or one of other hits than was told."""
    del progress
    try:
        told = Sight.from_json(sight).hits_key
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise ScoreError("sight", f"this is no sight file: {error}"[:300]) from error
    if told != hits_key:
        raise ScoreError("sight", f"one of {told!r}, announced as one of {hits_key!r}")


def fuse_score(document: bytes, sight: bytes | None, *, progress: Progress) -> Fused | None:
    """A score document with the hands of a sight file, or without those of an earlier one; None
    where it stays as it is."""
    del progress
    before = ScoreDocument.from_json(document)
    score = fuse(before, Sight.from_json(sight) if sight is not None else UNSEEN)
    if score is before:
        return None
    struck = [note for _, _, note in score.score.notes() if note.piece not in FEET]
    marked = sum(note.sticking is not None for note in struck)
    return Fused(Written.of(score), marked, len(struck))


def publish_part(document: bytes, *, progress: Progress) -> bytes:
    """A score document to its part."""
    del progress
    return part_of(ScoreDocument.from_json(document)).to_json()


def write_part(part: bytes, *, progress: Progress) -> bytes:
    """A composed part to a score document; ScoreError where it breaks a rule."""
    del progress
    return document_of(Part.from_json(part)).to_json()


class NotKnown(Exception):
    """This process has not, or no more, the document that is meant."""


@dataclass(frozen=True, slots=True)
class Known:
    """A document that `change_score` has made, by its digest."""

    digest: str


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of a score."""

    now: Written
    what: str
    """What was done, in words."""
    kit_before: str


_RECENT: Final = Recent()


def change_score(document: bytes | Known, change: dict[str, Any], *, progress: Progress) -> Changed:
    """A changed score. `change` is the body of the PUT. Who corrects note by note changes what came
    of the last change: that is kept, and named; NotKnown where it has to be sent after all."""
    del progress
    engraved = False
    if isinstance(document, bytes):
        before = ScoreDocument.from_json(document)
    else:
        found = _RECENT.get(document.digest)
        if found is None:
            raise NotKnown
        before, engraved = found
    score, what = changed(before, change, engraved=engraved)
    now = Written.of(score)
    engraved = change.get("operations") is not None or (engraved and what == RENAMED)
    _RECENT.keep(now, score, engraved=engraved)
    return Changed(now, what, before.score.kit)


RENAMED: Final = "Renamed"


def changed(
    document: ScoreDocument, change: dict[str, Any], *, engraved: bool = False
) -> tuple[ScoreDocument, str]:
    """Replace a document, do small operations, or write its performance anew; then its title.
    `engraved` as in `edits.apply`."""
    what = RENAMED
    title = change.get("title")
    anew = {
        name: change[name]
        for name in ("tempo", "time_signature", "grid", "swing", "detail")
        if change.get(name) is not None
    }
    if change.get("notation_json") is not None:
        document, what = ScoreDocument.from_dict(change["notation_json"]), "Replaced"
    elif change.get("operations") is not None:
        document = edits.apply(document, change["operations"], engraved=engraved)
        what = edits.describe(change["operations"])
    elif anew:
        options = Options(
            title=title or document.score.title,
            tempo_bpm=anew.get("tempo"),
            time_signature=anew.get("time_signature"),
            grid=anew.get("grid", "auto"),
            swing=anew.get("swing", "auto"),
            detail=anew.get("detail", "full"),
            kit=document.score.kit,
        )
        if options.tempo_bpm is None and options.time_signature is None:
            document = keep_seen(document, rewrite(document, options))
        else:
            document = keep_seen(document, quantise(performance_in(document), options))
        what = "Written anew: " + ", ".join(f"{k} {v}" for k, v in anew.items())
    if title is not None:
        # All else has been checked where it was made.
        title = read_text(title, "score.title", TITLE_LENGTH)
        document = replace(document, score=replace(document.score, title=title))
    return document, what


def make_export(
    document: bytes,
    format: str,  # noqa: A002 - the word of the route
    kit: dict[str, Any],
    options: dict[str, Any],
    *,
    progress: Progress,
) -> Export:
    """A score document to a file; ScoreError for a format that is not there."""
    del progress
    return export(ScoreDocument.from_json(document), format, Kit.from_dict(kit), **options)


@dataclass(frozen=True, slots=True)
class Drawing:
    """How a view is wished; `about` goes into it as it is."""

    width_mm: int
    repeats: Repeats
    legend: bool
    kit: dict[str, Any]
    about: dict[str, Any]


def draw_view(document: bytes, drawing: Drawing, *, progress: Progress) -> bytes:
    """A score document to its view, zipped, for that is a twentieth to send and to keep."""
    del progress
    look = Look(Kit.from_dict(drawing.kit), drawing.repeats, drawing.legend)
    made = to_view(
        ScoreDocument.from_json(document),
        width_mm=drawing.width_mm,
        look=look,
        about=drawing.about,
    )
    return gzip.compress(made, 6, mtime=0)


def count_strokes(document: bytes, *, progress: Progress) -> dict[str, Any]:
    """A score document to its statistics, in JSON's own types."""
    del progress
    return statistics(ScoreDocument.from_json(document)).to_dict()


@dataclass(frozen=True, slots=True)
class Source:
    """What is known of a file that comes in."""

    file_name: str
    title: str
    kit: dict[str, Any]
    """The table by which its MIDI notes are read."""


def read_file(data: bytes, source: Source, *, progress: Progress) -> bytes:
    """A file of another program to a score document; ScoreError where it cannot be read."""
    del progress
    kit = Kit.from_dict(source.kit)
    try:
        document = imports.read(data, file_name=source.file_name, kit=kit)
        if source.title:
            document = replace(document, score=replace(document.score, title=source.title))
        return check(document).to_json()
    except ScoreError:
        raise
    except (ValueError, ArithmeticError, LookupError) as error:
        # A reader that trips over a file is ours to mend; to who sent it, the file is unreadable.
        message = f"this file could not be read: {error}"
        raise ScoreError("format", message[:300]) from error


def performance_in(document: ScoreDocument) -> Performance:
    """The performance that a score was written from, to write it at another tempo or in another
    meter. Its beats keep their place in the bar."""
    played = document.performance
    return Performance(
        duration_s=played.duration_s,
        hits=tuple(Hit(e.onset_s, e.piece, e.velocity, e.confidence, e.id) for e in played.events),
        beats=tuple(Beat(beat.time_s, beat.beat) for beat in document.timeline.beats),
        model_version=played.model_version,
        meter=str(document.score.bars[-1].meter) if document.score.bars else None,
    )
