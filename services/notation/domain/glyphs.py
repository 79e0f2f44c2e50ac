"""Outlines of music signs as SVG paths, from the fonts that Verovio carries.

As paths they need no font, which few machines have.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import verovio
from lxml import etree

FONT: Final = "Leipzig"
EM_SPACES: Final = 4
"""Staff spaces to the em."""


@dataclass(frozen=True, slots=True)
class Glyph:
    """Outline (y upwards) and width, in thousandths of an em."""

    outline: str
    width: float

    def drawn(self, x: float, y: float, scale: float) -> etree._Element:
        """A path with its origin at (x, y); `scale` is SVG units to a thousandth."""
        path = etree.Element("{http://www.w3.org/2000/svg}path", d=self.outline)
        path.set("transform", f"translate({x:g}, {y:g}) scale({scale:g}, {-scale:g})")
        return path


HEADS: Final = {
    "normal": "E0A4", "x": "E0A9", "circle-x": "E0B3", "cross": "E0AF", "diamond": "E0DB",
    "slash": "E101", "slashed": "E0CF", "square": "E0B9",
}  # fmt: skip
"""SMuFL's code for each of MusicXML's heads, black."""

# The font has no triangles.
_TRIANGLES: Final = {
    "triangle": Glyph("M0 -125L150 140L300 -125Z", 300),
    "inverted triangle": Glyph("M0 125L150 -140L300 125Z", 300),
}
_TO_STEM: Final = "M277 -125L277 60L302 60L302 -125Z"
UNDRAWN: Final = frozenset({"triangle", "inverted triangle", "square", "slashed"})
"""Heads for which Verovio draws another."""


def head(name: str, *, stem: bool) -> Glyph:
    """A black note head by MusicXML's word; with a `stem`, it reaches up to where that begins."""
    shape = _TRIANGLES.get(name) or glyph(HEADS[name]) or Glyph("", 0)
    if stem and name == "triangle":
        return Glyph(shape.outline + _TO_STEM, shape.width)
    return shape


@cache
def glyph(code: str) -> Glyph | None:
    """By SMuFL's code in hexadecimal; None where the font has none."""
    data = Path(verovio.__file__).parent / "data"
    file = data / FONT / f"{code}.xml"
    if not file.exists():
        return None
    path = etree.parse(file).getroot().find("{*}path")
    return None if path is None else Glyph(path.get("d", ""), _widths().get(code, 400.0))


@cache
def _widths() -> dict[str, float]:
    data = Path(verovio.__file__).parent / "data"
    return {
        glyph.get("c", ""): float(glyph.get("h-a-x") or glyph.get("w") or 0)
        for glyph in etree.parse(data / f"{FONT}.xml").getroot()
    }
