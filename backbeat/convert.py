"""`backbeat convert`: MusicXML, MIDI, Backbeat's JSON, hits, sounds and videos into any format."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from libs.common.drums import DrumPiece, Hit
from libs.common.performance import Performance
from services.notation.domain import imports
from services.notation.domain.document import ScoreDocument
from services.notation.domain.exports import FORMATS, Export, Option, export
from services.notation.domain.kit import KITS, Kit, kit_called
from services.notation.domain.quantise import Options, quantise
from services.notation.domain.score import ScoreError

# Endings that people use beside the formats' own.
_ENDINGS: Mapping[str, str] = {"xml": "musicxml", "midi": "midi", "txt": "tab"}


def read_kit(name: str) -> Kit:
    """A table by its id, or from a JSON file; ScoreError where there is none."""
    if name in KITS:
        return KITS[name]
    path = Path(name)
    if path.suffix == ".json" and path.exists():
        try:
            return Kit.from_dict(json.loads(path.read_text()))
        except ValueError as error:
            raise ScoreError("kit", f"{name}: {error}") from error
    return kit_called(name)


def read_source(path: Path, kit: Kit, title: str | None) -> ScoreDocument:
    """A score from a file: as it is written there, or heard, where it is a sound or a video."""
    data = path.read_bytes()
    hits = _hits(data)
    if hits is not None:
        document = quantise(hits, Options(title=title or path.stem))
    else:
        try:
            document = imports.read(data, file_name=path.name, kit=kit)
        except ScoreError as error:
            if error.field != "format" or data[:1] in (b"<", b"{") or data.startswith(b"PK"):
                raise
            document = quantise(_heard(path), Options(title=title or path.stem))
    if title is not None:
        document = replace(document, score=replace(document.score, title=title))
    return document


def _hits(data: bytes) -> Performance | None:
    """A performance file of the pipeline's, or the one recording of `backbeat hear`'s JSON."""
    if data.lstrip()[:1] != b"{":
        return None
    try:
        found = json.loads(data)
    except ValueError:
        return None
    if found.get("format") == 1:
        return Performance.from_json(data)
    if len(found) == 1 and "hits" in (only := next(iter(found.values()))):
        from libs.common.drums import Beat

        return Performance(
            duration_s=max((row[0] for row in only["hits"]), default=0.0),
            hits=[
                Hit(onset_s, DrumPiece(piece), velocity, confidence)
                for onset_s, _, velocity, piece, confidence in only["hits"]
            ],
            beats=[Beat(time_s, position) for time_s, position in only["beats"]],
            model_version="hits",
        )
    return None


def _heard(path: Path) -> Performance:
    from backbeat.hear import hear_file

    return hear_file(path, lambda _done: None)


def format_of(target: Path, given: str | None) -> str:
    """The format asked for, or the one that the file's ending says; ScoreError for neither."""
    if given is not None:
        return given
    name = target.name.lower()
    for kind in FORMATS.values():
        if name.endswith(f".{kind.ending}") and kind.name not in ("timemap", "tab"):
            return kind.name
    ending = target.suffix.lower().lstrip(".")
    if ending in _ENDINGS:
        return _ENDINGS[ending]
    known = ", ".join(sorted({f".{kind.ending}" for kind in FORMATS.values()}))
    raise ScoreError("format", f"{target.name} tells of no format; endings are {known}")


def read_options(kind: str, given: Sequence[str]) -> dict[str, Any]:
    """`["page=2", "click=true"]` -> `{"page": 2, "click": True}`, by what the format takes."""
    if kind not in FORMATS:
        raise ScoreError("format", f"unknown; there are {', '.join(FORMATS)}")
    options: dict[str, Any] = {}
    for each in given:
        name, _, text = each.partition("=")
        option = FORMATS[kind].options.get(name)
        options[name] = text if option is None else _value(option, text)
    return options


def _value(option: Option, text: str) -> str | int | bool:
    if option.kind == "boolean":
        return {"true": True, "yes": True, "": True, "false": False, "no": False}.get(text, text)
    return int(text) if option.kind == "integer" and text.lstrip("-").isdecimal() else text


def convert(document: ScoreDocument, kind: str, kit: Kit, options: Mapping[str, Any]) -> Export:
    """The file to write."""
    return export(document, kind, kit, **options)
