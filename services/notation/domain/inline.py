"""Verovio's pictures made fit to stand inside a web page: no style sheet, no style attribute, no
ids but those of notes and bars, each sign drawn once for all, in the page's own colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lxml import etree

from services.notation.domain.page_head import SVG
from services.notation.domain.retouch import lowest_mark

GLYPH: Final = "glyph-"
"""What the ids of signs begin with; the rest is SMuFL's code."""
_HREF: Final = "{http://www.w3.org/1999/xlink}href"
_NAMESPACE: Final = "http://www.w3.org/2000/svg"
_ELEMENTS: Final = frozenset(
    f"{SVG}{name}"
    for name in ("svg", "g", "path", "use", "polygon", "polyline", "ellipse", "rect", "text",
                 "tspan")
)  # fmt: skip
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
        root = etree.Element(
            f"{SVG}svg",
            {
                "class": "music-line",
                "viewBox": f"0 {-_BREATH:g} {width:g} {height:g}",
                "fill": "currentColor",
                "stroke": "currentColor",
                "font-family": "Times, serif",
            },
            {None: _NAMESPACE},
        )
        bars: list[str] = []
        for child in inner:
            self._copy(child, root, bars)
        svg = etree.tostring(root, encoding="unicode")
        return Line(svg, width / 100, round(height / 100, 2), bars)

    def _gather(self, drawn: etree._Element) -> None:
        for glyph in drawn.iterfind(f"{SVG}defs/{SVG}g"):
            name = GLYPH + glyph.get("id", "").partition("-")[0]
            path = glyph.find(f"{SVG}path")
            if name not in self._glyphs and path is not None:
                self._glyphs[name] = etree.Element(f"{SVG}path", {"id": name, **path.attrib})

    def _copy(self, given: etree._Element, parent: etree._Element, bars: list[str]) -> None:
        """Everything that is drawn, and nothing else."""
        classes = given.get("class", "").split()
        if given.tag not in _ELEMENTS or "placeholder" in classes:
            return
        made = etree.SubElement(
            parent, given.tag, {k: v for k, v in given.attrib.items() if k in _ATTRIBUTES}
        )
        made.text = given.text
        if href := given.get(_HREF):
            made.set("href", f"#{GLYPH}{href.lstrip('#').partition('-')[0]}")
        if given.tag == f"{SVG}text":
            made.set("stroke", "none")
        if classes and classes[0] in _EMPHASIS:
            made.set(*_EMPHASIS[classes[0]])
        name = given.get("id", "")
        if name in self._known and ("note" in classes or "measure" in classes):
            made.set("id", name)
            self._name(made, self._known[name], classes)
            if "measure" in classes:
                bars.append(name)
        for child in given:
            self._copy(child, made, bars)
        if len(made) == 0 and made.tag == f"{SVG}g" and "id" not in made.attrib:
            parent.remove(made)

    @staticmethod
    def _name(made: etree._Element, stroke: Stroke, classes: Sequence[str]) -> None:
        if stroke.piece:
            unsure = ["unsure"] if stroke.unsure else []
            made.set("class", " ".join([*classes, f"piece-{stroke.piece}", *unsure]))
            made.set("data-piece", stroke.piece)
