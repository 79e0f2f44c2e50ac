"""Verovio's pictures made fit to stand inside a web page: no style sheet, no style attribute, no
ids but those of notes and bars, each sign drawn once for all, in the page's own colour."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from lxml import etree

from services.notation.domain.page_head import SVG
from services.notation.domain.retouch import lowest_mark

GLYPH: Final = "glyph-"
"""What the ids of signs begin with; the rest is SMuFL's code."""
_HREF: Final = "{http://www.w3.org/1999/xlink}href"
_NAMESPACE: Final = "http://www.w3.org/2000/svg"
_ELEMENTS: Final[Mapping[object, str]] = {
    f"{SVG}{name}": name
    for name in ("svg", "g", "path", "use", "polygon", "polyline", "ellipse", "rect", "text",
                 "tspan")
}  # fmt: skip
_ATTRIBUTES: Final = frozenset(
    ("class", "cx", "cy", "d", "fill", "fill-opacity", "font-family", "font-size", "font-style",
     "font-weight", "height", "points", "rx", "ry", "stroke", "stroke-dasharray", "stroke-linecap",
     "stroke-linejoin", "stroke-width", "text-anchor", "transform", "width", "x", "y")
)  # fmt: skip
_EMPHASIS: Final[Mapping[str, tuple[str, str]]] = {
    "ending": ("font-weight", "bold"),
    "fing": ("font-weight", "bold"),
    "reh": ("font-weight", "bold"),
    "tempo": ("font-weight", "bold"),
    "dir": ("font-style", "italic"),
    "dynam": ("font-style", "italic"),
    "mNum": ("font-style", "italic"),
}
"""What Verovio's own style sheet says."""
_SPECIAL: Final = re.compile(r'[&<>"\t\n\r]')
_BREATH: Final = 100.0
"""Above and below, in SVG units, hundredths of a millimetre."""


@dataclass(frozen=True, slots=True)
class Stroke:
    """What a drawn note tells of itself; without a piece it is a bar."""

    piece: str = ""
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One line of music; sizes in millimetres."""

    svg: str
    width: float
    height: float
    bars: Sequence[str]
    """The ids of its bars."""


class Inliner:
    """Makes lines of one score fit, and gathers the signs that they use."""

    def __init__(self, known: Mapping[str, Stroke]) -> None:
        self._known = known
        self._glyphs: dict[str, etree._Element] = {}

    @property
    def glyphs(self) -> str:
        """An SVG of no size with every sign that the lines use."""
        root = etree.Element(
            f"{SVG}svg", {"width": "0", "height": "0", "aria-hidden": "true"}, {None: _NAMESPACE}
        )
        defs = etree.SubElement(root, f"{SVG}defs")
        defs.extend(self._glyphs[name] for name in sorted(self._glyphs))
        return etree.tostring(root, encoding="unicode")

    def line(self, drawn: etree._Element) -> Line:
        """One of Verovio's pages."""
        self._gather(drawn)
        inner = drawn.find(f"{SVG}svg[@class='definition-scale']")
        assert inner is not None
        _, _, width, height = (float(number) for number in inner.get("viewBox", "").split())
        # Verovio forgets some of what hangs under the staff, and knows nothing of what was moved.
        height = max(height, lowest_mark(inner) + _BREATH) + 2 * _BREATH
        bars: list[str] = []
        written = [
            f'<svg xmlns="{_NAMESPACE}" class="music-line"'
            f' viewBox="0 {-_BREATH:g} {width:g} {height:g}"'
            ' fill="currentColor" stroke="currentColor" font-family="Times, serif">'
        ]
        for child in inner:
            self._write(child, written, bars)
        written.append("</svg>")
        return Line("".join(written), width / 100, round(height / 100, 2), bars)

    def _gather(self, drawn: etree._Element) -> None:
        for glyph in drawn.iterfind(f"{SVG}defs/{SVG}g"):
            name = GLYPH + glyph.get("id", "").partition("-")[0]
            path = glyph.find(f"{SVG}path")
            if name not in self._glyphs and path is not None:
                self._glyphs[name] = etree.Element(f"{SVG}path", {"id": name, **path.attrib})

    def _write(self, given: etree._Element, written: list[str], bars: list[str]) -> None:
        """Everything that is drawn, and nothing else. As text at once: a second tree of tens of
        thousands of elements takes twice as long."""
        tag = _ELEMENTS.get(given.tag)
        if tag is None:
            return
        had = dict(given.items())
        classes = had.get("class", "").split()
        if "placeholder" in classes:
            return
        attributes = {name: value for name, value in had.items() if name in _ATTRIBUTES}
        if href := had.get(_HREF):
            attributes["href"] = f"#{GLYPH}{href.lstrip('#').partition('-')[0]}"
        if tag == "text":
            attributes["stroke"] = "none"
        if classes and classes[0] in _EMPHASIS:
            attributes |= (_EMPHASIS[classes[0]],)
        name = had.get("id", "")
        known = name in self._known and ("note" in classes or "measure" in classes)
        if known:
            attributes |= {"id": name} | self._named(self._known[name], classes)
            if "measure" in classes:
                bars.append(name)
        begin = len(written)
        written.append("")
        for child in given:
            self._write(child, written, bars)
        empty = len(written) == begin + 1
        if empty and tag == "g" and not known:
            written.pop()
            return
        head = "".join([f"<{tag}", *[f' {key}="{_safe(attributes[key])}"' for key in attributes]])
        if empty and given.text is None:
            written[begin] = f"{head}/>"
        else:
            written[begin] = f"{head}>{_safe(given.text or '')}"
            written.append(f"</{tag}>")

    @staticmethod
    def _named(stroke: Stroke, classes: Sequence[str]) -> dict[str, str]:
        if not stroke.piece:
            return {}
        unsure = ["unsure"] if stroke.unsure else []
        return {
            "class": " ".join([*classes, f"piece-{stroke.piece}", *unsure]),
            "data-piece": stroke.piece,
        }


def _safe(text: str) -> str:
    """For an element or a quoted attribute."""
    if _SPECIAL.search(text):
        return escape(text, {'"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"})
    return text
