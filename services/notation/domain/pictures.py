"""Pages: Verovio engraves MusicXML to SVG, Typst turns that into PNG and PDF.

Every note in the SVG keeps its id, so a page can follow the video. Verovio's toolkit is not
thread-safe: each call makes its own, one at a time.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import typst
import verovio
from lxml import etree

from services.notation.domain.musicxml import to_musicxml
from services.notation.domain.score import ScoreDocument, ScoreError

MAX_WIDTH_PX: Final = 6000
MAX_BARS: Final = 3000
_FONT: Final = "Leipzig"
_SVG: Final = "{http://www.w3.org/2000/svg}"
_TEMPO_SCALE: Final = 0.85
_LOCK: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class Paper:
    """A page in tenths of a millimetre."""

    width: int = 2100
    height: int = 2970
    cut_to_music: bool = False
    """Whether the page ends where its music does, as suits a screen."""


SCREEN: Final = Paper(cut_to_music=True)
PRINT: Final = Paper()


def to_svg_pages(document: ScoreDocument, paper: Paper = SCREEN) -> list[str]:
    """All pages as SVG."""
    with _LOCK:
        toolkit = _engrave(document, paper)
        return [_render(toolkit, page) for page in range(1, toolkit.getPageCount() + 1)]


def to_svg(document: ScoreDocument, page: int = 1, paper: Paper = SCREEN) -> str:
    """One page as SVG, counted from 1; ScoreError("page") where there is none."""
    with _LOCK:
        toolkit = _engrave(document, paper)
        pages = toolkit.getPageCount()
        if not 1 <= page <= pages:
            raise ScoreError("page", f"must be 1 to {pages}")
        return _render(toolkit, page)


def to_png(document: ScoreDocument, page: int = 1, width_px: int = 1600) -> bytes:
    """One page on white, `width_px` (200 to 6000) wide."""
    if not 200 <= width_px <= MAX_WIDTH_PX:
        raise ScoreError("width_px", f"must be 200 to {MAX_WIDTH_PX}")
    pixels_per_inch = width_px * 254 / SCREEN.width
    return _typeset([to_svg(document, page)], "auto", "png", pixels_per_inch)


def to_pdf(document: ScoreDocument) -> bytes:
    """All pages, A4."""
    return _typeset(to_svg_pages(document, PRINT), f"{PRINT.height / 10:g}mm", "pdf", None)


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


def _engrave(document: ScoreDocument, paper: Paper) -> Any:
    if len(document.score.bars) > MAX_BARS:
        raise ScoreError("score.bars", f"more than {MAX_BARS} are not drawn")
    verovio.enableLog(verovio.LOG_OFF)
    toolkit = verovio.toolkit()
    toolkit.setOptions(
        {
            "adjustPageHeight": paper.cut_to_music,
            "breaks": "line",
            "footer": "none",
            "font": _FONT,
            "pageHeight": paper.height,
            "pageWidth": paper.width,
            "scale": 40,
            "smuflTextFont": "none",
            "spacingSystem": 8,
            "xmlIdSeed": 1,
        }
    )
    if not toolkit.loadData(to_musicxml(document).decode()):
        raise ScoreError("score", "could not be engraved")
    return toolkit


def _render(toolkit: Any, page: int) -> str:
    root = etree.fromstring(toolkit.renderToSVG(page).encode())
    for text in root.iter(f"{_SVG}text"):
        _draw_glyphs(text)
    return etree.tostring(root, encoding="unicode")


def _draw_glyphs(text: etree._Element) -> None:
    """Draw the notes of a tempo mark as paths: their font is on few machines.

    They stand before the words, which move right by what the glyphs take.
    """
    glyphs = [
        (span, char)
        for span in text.iter(f"{_SVG}tspan")
        if span.get("font-family") == _FONT
        for char in span.text or ""
    ]
    parent = text.getparent()
    if not glyphs or parent is None:
        return
    x, y = float(text.get("x", "0")), float(text.get("y", "0"))
    for span in text.iter(f"{_SVG}tspan"):
        # Verovio measures in Times; where another face stands in, words run into the first beam.
        if size := span.get("font-size"):
            span.set("font-size", f"{_TEMPO_SCALE * float(size.removesuffix('px')):g}px")
    for span, char in glyphs:
        scale = float((span.get("font-size") or "720px").removesuffix("px")) / 1000
        path = _glyph(f"{ord(char):04X}")
        if path is None:
            continue
        outline, advance = path
        drawn = etree.Element(f"{_SVG}path", d=outline)
        drawn.set("transform", f"translate({x:g}, {y:g}) scale({scale:g}, {-scale:g})")
        parent.insert(parent.index(text), drawn)
        x += advance * scale
        span.text = (span.text or "").replace(char, "", 1)
    text.set("x", f"{x:g}")
    words = next((span for span in text.iter(f"{_SVG}tspan") if (span.text or "").strip()), None)
    if words is not None:
        # The text itself has no font size, and some readers then forget its place.
        words.set("x", f"{x:g}")
        words.set("y", f"{y:g}")


def _glyph(code: str) -> tuple[str, float] | None:
    """Outline (y upwards) and width, in thousandths of the font size, from Verovio's own data."""
    data = Path(verovio.__file__).parent / "data"
    file = data / _FONT / f"{code}.xml"
    if not file.exists():
        return None
    path = etree.parse(file).getroot().find("{*}path")
    if path is None:
        return None
    for glyph in etree.parse(data / f"{_FONT}.xml").getroot():
        if glyph.get("c") == code:
            width = float(glyph.get("h-a-x") or glyph.get("w") or 0)
            return path.get("d", ""), width
    return path.get("d", ""), 400.0
