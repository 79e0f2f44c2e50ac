"""Every format that a score can be fetched in, each a pure function of document and kit."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from services.notation.domain import (
    abc_notation,
    chart,
    hit_table,
    lilypond,
    midi,
    musicxml,
    note_names,
    pictures,
    tab,
    timemap,
)
from services.notation.domain.document import ScoreDocument
from services.notation.domain.kit import Kit
from services.notation.domain.score import ScoreError


@dataclass(frozen=True, slots=True)
class Export:
    """A file to hand out."""

    data: bytes
    media_type: str
    file_name: str


@dataclass(frozen=True, slots=True)
class Option:
    """One of a format's own wishes: one of `choices`, or a whole number from `low` to `high`, or,
    where it has neither, true or false."""

    description: str
    default: str | int | bool
    choices: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None

    @property
    def kind(self) -> Literal["choice", "integer", "boolean"]:
        """`choice`, `integer` or `boolean`."""
        return "choice" if self.choices else "boolean" if self.low is None else "integer"

    def check(self, name: str, value: object) -> None:
        """ScoreError naming the option where the value is none of those it takes."""
        if self.kind == "choice":
            if value not in self.choices:
                raise ScoreError(name, f"must be {' or '.join(self.choices)}")
        elif self.kind == "boolean":
            if not isinstance(value, bool):
                raise ScoreError(name, "must be true or false")
        else:
            low, high = self.low, self.high
            is_integer = isinstance(value, int) and not isinstance(value, bool)
            if not is_integer or not low <= value <= high:  # type: ignore[operator]
                raise ScoreError(name, f"must be {low} to {high}")


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file, told so that a client can offer it."""

    name: str
    description: str
    media_type: str
    ending: str
    write: Callable[..., bytes]
    options: Mapping[str, Option] = field(default_factory=dict)
    uses_kit: bool = True
    """Whether another kit changes what is in the file."""


def _json(document: ScoreDocument, kit: Kit | None) -> bytes:
    del kit
    return document.to_json()


def _svg(document: ScoreDocument, kit: Kit | None, *, page: int = 1, **look: Any) -> bytes:
    return pictures.to_svg(document, page, look=pictures.Look(kit, **look)).encode()


def _png(
    document: ScoreDocument, kit: Kit | None, *, page: int = 1, width_px: int = 1600, **look: Any
) -> bytes:
    return pictures.to_png(document, page, width_px, pictures.Look(kit, **look))


def _pdf(document: ScoreDocument, kit: Kit | None, **look: Any) -> bytes:
    return pictures.to_pdf(document, pictures.Look(kit, **look))


_REPEATS = "Repeated bars written out, or as repeat signs"
_LEGEND = "Say on the first page which piece stands where"
_FILES: Final = {
    "repeats": Option(_REPEATS, "written", ("written", "signs")),
    "legend": Option(_LEGEND, default=False),
    "schema": Option("3.1 where MuseScore 3 is to open it unasked", "4.0", ("4.0", "3.1")),
}
_DRAWN: Final = {
    "repeats": Option(
        f"{_REPEATS}; notes behind a sign are not drawn", "written", ("written", "signs")
    ),
    "legend": Option(_LEGEND, default=True),
}
_PAGE: Final = {"page": Option("Which page, from 1", 1, low=1, high=10_000)}
_WIDTH = Option("Width of the picture in pixels", 1600, low=200, high=pictures.MAX_WIDTH_PX)

FORMATS: Final[Mapping[str, Format]] = {
    kind.name: kind
    for kind in (
        Format(
            "musicxml", "MusicXML 4.0, for MuseScore, Sibelius, Dorico, Finale and most others",
            "application/vnd.recordare.musicxml+xml", "musicxml", musicxml.to_musicxml, _FILES,
        ),
        Format(
            "mxl", "MusicXML 4.0, compressed",
            "application/vnd.recordare.musicxml", "mxl", musicxml.to_mxl, _FILES,
        ),
        Format(
            "midi", "Standard MIDI file, notes by the kit's map",
            "audio/midi", "mid", midi.to_midi,
            {
                "mode": Option("As written or as played", "written", ("written", "performed")),
                "click": Option("With a metronome's track", default=False),
            },
        ),
        Format(
            "json", "The score document, all that Backbeat knows of it",
            "application/json", "json", _json, uses_kit=False,
        ),
        Format("svg", "One page to show on a screen; notes and bars have ids",
               "image/svg+xml", "svg", _svg, _PAGE | _DRAWN),
        Format("png", "One page as a picture",
               "image/png", "png", _png, _PAGE | {"width_px": _WIDTH} | _DRAWN),
        Format("pdf", "All pages to print, A4", "application/pdf", "pdf", _pdf, _DRAWN),
        Format(
            "csv", "A row for every hit, with when it was played and when it is written",
            "text/csv; charset=utf-8", "csv", hit_table.to_csv, uses_kit=False,
        ),
        Format(
            "lilypond", "LilyPond 2.24 source", "text/x-lilypond; charset=utf-8", "ly",
            lilypond.to_lilypond, {"repeats": _FILES["repeats"]},
        ),
        Format("abc", "ABC 2.1", "text/vnd.abc; charset=utf-8", "abc", abc_notation.to_abc),
        Format(
            "tab", "Drum tab in plain text", "text/plain; charset=utf-8", "txt", tab.to_tab,
            {
                "width": Option(
                    "Characters to a line", tab.WIDTH, low=tab.MIN_WIDTH, high=tab.MAX_WIDTH
                )
            },
        ),
        Format(
            "chart", "Clone Hero / Moonscraper chart, expert pro drums, in time with the recording",
            "text/plain; charset=utf-8", "chart", chart.to_chart, uses_kit=False,
        ),
        Format(
            "timemap", "JSON: the second of the recording for every written note and bar",
            "application/json", "timemap.json", timemap.to_timemap, uses_kit=False,
        ),
        Format(
            "reaper", "The kit's note names for Reaper's piano roll",
            "text/plain; charset=utf-8", "reaper.txt", note_names.to_reaper,
        ),
        Format(
            "cubase", "The kit as a Cubase drum map",
            "application/xml", "drm", note_names.to_cubase,
        ),
    )
}  # fmt: skip


def export(
    document: ScoreDocument,
    format: str,  # noqa: A002 - the word that callers use
    kit: Kit | None = None,
    **options: Any,
) -> Export:
    """The document in `format`, drawn and played by `kit` or by the one that it names.

    ScoreError for a format or an option that is not there; `FORMATS` tells them.
    """
    if format not in FORMATS:
        raise ScoreError("format", f"unknown; there are {', '.join(FORMATS)}")
    kind = FORMATS[format]
    for name, value in options.items():
        if name not in kind.options:
            there = ", ".join(kind.options) or "none"
            raise ScoreError(name, f"is no option of {format}; options: {there}")
        kind.options[name].check(name, value)
    data = kind.write(document, kit, **options)
    return Export(data, kind.media_type, f"{_file_stem(document.score.title)}.{kind.ending}")


def _file_stem(title: str) -> str:
    """Letters, digits and dashes only: it goes into a header and onto any disk."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-").lower()[:80] or "score"
