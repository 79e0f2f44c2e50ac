"""Pages: Verovio engraves MusicXML to SVG, Typst turns that into PNG and PDF.

Every note in the SVG keeps its id, so a page can follow the video, and so does every bar
(`musicxml.bar_id`). Verovio's toolkit is not thread-safe: each call makes its own, one at a time.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, Final, Literal

import typst
import verovio
from lxml import etree

from services.notation.domain import page_head, retouch
from services.notation.domain.document import ScoreDocument
from services.notation.domain.glyphs import FONT, UNDRAWN
from services.notation.domain.kit import Kit, kit_called
from services.notation.domain.layout import A4, Room, room_on
from services.notation.domain.musicxml import (
    Repeats,
    bar_id,
    for_engraving,
    legend_of,
    repeated_bars,
)
from services.notation.domain.page_head import SVG
from services.notation.domain.score import ScoreError
from services.notation.domain.sticking import as_shown

MAX_WIDTH_PX: Final = 6000
MAX_BARS: Final = 3000
# Verovio's head of a page: one line, then each further one; in SVG units.
_FIRST_LINE: Final = 465.0
_LINE: Final = 285.0
_LOCK: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class Paper:
    """A page in tenths of a millimetre."""

    width: int = 2100
    height: int = 2970
    margin: int = 150
    cut_to_music: bool = False
    """Whether the page ends where its music does, as suits a screen."""
    room: Room = A4
    """What a line takes."""


SCREEN: Final = Paper(margin=80, cut_to_music=True)
PRINT: Final = Paper()
_LEAST_HEIGHT: Final = 100
_LINE_MARGIN: Final = 20


def one_line(width_mm: int) -> Paper:
    """So low that a page takes one line of music."""
    width = width_mm * 10
    room = room_on((width - 2 * _LINE_MARGIN) / 10)
    return Paper(width, _LEAST_HEIGHT, _LINE_MARGIN, cut_to_music=True, room=room)


@dataclass(frozen=True, slots=True)
class Look:
    """How a score is to be drawn; the kit is the document's own where none is given."""

    kit: Kit | None = None
    repeats: Repeats = "written"
    legend: bool = True


def to_svg_pages(document: ScoreDocument, paper: Paper = SCREEN, look: Look = Look()) -> list[str]:
    """All pages as SVG."""
    with _LOCK:
        engraving = _Engraving(document, paper, look)
        return [engraving.page(number) for number in range(1, engraving.pages + 1)]


def to_lines(document: ScoreDocument, width_mm: int, look: Look = Look()) -> list[etree._Element]:
    """A picture of each line of music, for `inline` to make fit for a page."""
    with _LOCK:
        engraving = _Engraving(document, one_line(width_mm), look)
        return [engraving.root(number) for number in range(1, engraving.pages + 1)]


def to_svg(
    document: ScoreDocument, page: int = 1, paper: Paper = SCREEN, look: Look = Look()
) -> str:
    """One page as SVG, counted from 1; ScoreError("page") where there is none."""
    with _LOCK:
        engraving = _Engraving(document, paper, look)
        if not 1 <= page <= engraving.pages:
            raise ScoreError("page", f"must be 1 to {engraving.pages}")
        return engraving.page(page)


def to_png(
    document: ScoreDocument, page: int = 1, width_px: int = 1600, look: Look = Look()
) -> bytes:
    """One page on white, `width_px` (200 to 6000) wide."""
    if not 200 <= width_px <= MAX_WIDTH_PX:
        raise ScoreError("width_px", f"must be 200 to {MAX_WIDTH_PX}")
    pixels_per_inch = width_px * 254 / SCREEN.width
    return _typeset([to_svg(document, page, look=look)], "auto", "png", pixels_per_inch)


def to_pdf(document: ScoreDocument, look: Look = Look()) -> bytes:
    """All pages, A4."""
    return _typeset(to_svg_pages(document, PRINT, look), f"{PRINT.height / 10:g}mm", "pdf", None)


def _typeset(
    pages: list[str], height: str, kind: Literal["png", "pdf"], pixels_per_inch: float | None
) -> bytes:
    """SVG pages as one file. Typst brings its renderer and fonts along, so that no system library
    is wanted; the machine's own fonts serve for scripts that those have not."""
    width = f"{SCREEN.width / 10:g}mm"
    main = [f"#set page(width: {width}, height: {height}, margin: 0mm, fill: white)"]
    main += [f'#image("{number}.svg", width: 100%)' for number in range(len(pages))]
    files = {f"{number}.svg": svg.encode() for number, svg in enumerate(pages)}
    made = typst.compile(  # type: ignore[call-overload]  # its stubs know no dict of files
        {"main": "\n".join(main).encode(), **files},
        format=kind,
        ppi=pixels_per_inch,
    )
    assert isinstance(made, bytes)
    return made


def _drawable(kit: Kit) -> Kit:
    """With normal heads where Verovio has none, so that stems stand where they will be right."""
    entries = {
        piece: replace(entry, head="normal") if entry.head in UNDRAWN else entry
        for piece, entry in kit.entries.items()
    }
    return replace(kit, entries=entries)


class _Engraving:
    """A score laid out on pages."""

    def __init__(self, document: ScoreDocument, paper: Paper, look: Look) -> None:
        document = as_shown(document)
        score = document.score
        if len(score.bars) > MAX_BARS:
            raise ScoreError("score.bars", f"more than {MAX_BARS} are not drawn")
        self._kit = kit = look.kit or kit_called(score.kit)
        self._title, self._remark = score.title, score.remark
        self._legend = legend_of(score, kit) if look.legend else []
        self._width = (paper.width - 2 * paper.margin) * 10.0
        self._heads = {
            stroke: kit.entries[note.piece].head
            for _, _, note in score.notes()
            for stroke in (note.id, *(grace.id for grace in note.graces))
        }
        signs = repeated_bars(score, look.repeats, paper.room)
        self._long_repeats = [
            (bar_id(again.bar + again.bars // 2 - 1), again.bars)
            for again in score.repeats
            if again.bars > 1 and again.bar in signs
        ]
        space = page_head.height(self._title, self._remark, self._legend, self._width)
        lines = 1 + max(0, ceil((space - _FIRST_LINE) / _LINE)) if space else 0
        verovio.enableLog(verovio.LOG_OFF)
        self._toolkit: Any = verovio.toolkit()
        self._toolkit.setOptions(
            {
                "adjustPageHeight": paper.cut_to_music,
                "breaks": "line",
                "footer": "none",
                "font": FONT,
                "header": "encoded",
                "lyricSize": 3.6,
                "pageHeight": paper.height,
                "pageMarginBottom": paper.margin,
                "pageMarginLeft": paper.margin,
                "pageMarginRight": paper.margin,
                "pageMarginTop": paper.margin,
                "pageWidth": paper.width,
                "scale": 40,
                "smuflTextFont": "none",
                "spacingSystem": 8,
                "svgFormatRaw": True,
                "xmlIdSeed": 1,
            }
        )
        drawn = for_engraving(document, _drawable(kit), signs, lines, paper.room)
        if not self._toolkit.loadData(drawn):
            raise ScoreError("score", "could not be engraved")

    @property
    def pages(self) -> int:
        return int(self._toolkit.getPageCount())

    def page(self, number: int) -> str:
        return etree.tostring(self.root(number), encoding="unicode")

    def root(self, number: int) -> etree._Element:
        root = etree.fromstring(self._toolkit.renderToSVG(number).encode())
        retouch.redraw_tempos(root, self._width)
        retouch.centre_stickings(root)
        retouch.redraw_heads(root, self._heads)
        retouch.draw_long_repeats(root, self._long_repeats)
        retouch.lift_stickings(root)
        if number == 1:
            self._draw_head(root)
        return root

    def _draw_head(self, root: etree._Element) -> None:
        reserved = root.find(f".//{SVG}g[@class='pgHead']")
        if reserved is not None and (parent := reserved.getparent()) is not None:
            parent.replace(
                reserved,
                page_head.page_head(
                    self._title, self._remark, self._legend, self._kit, self._width
                ),
            )
