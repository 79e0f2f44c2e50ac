"""What stands above the first staff: title, remark, and the legend of the kit on a small staff."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Final

from lxml import etree

from services.notation.domain.glyphs import EM_SPACES, glyph, head
from services.notation.domain.kit import Kit, KitEntry

SVG: Final = "{http://www.w3.org/2000/svg}"
COLUMNS: Final = 12

_TITLE: Final = 640.0
_REMARK: Final = 300.0
_REMARK_LETTER: Final = 0.48  # of an em, in italics
_NAME: Final = 230.0
_COLUMN: Final = 1480.0
_SPACE: Final = 130.0  # between two lines of the legend's staff
_LOWEST_LINE: Final = 4 * 7 + 2  # E4
_UNDER_TITLE: Final = 160.0
_LETTER: Final = 0.55  # of an em, a wide average
_ROW_HEIGHT: Final = 1900.0
_BELOW: Final = 250.0
_ABOVE: Final = 560.0  # from a row's top to its staff's top line
_SIGNS: Final = {"open-string": "E5E7", "stopped": "E5E5"}


def height(title: str, remark: str, legend: Sequence[KitEntry], width: float) -> float:
    """How much it takes, in SVG units (hundredths of a millimetre)."""
    rows = len(_rows(legend, width))
    head = _title_height(title, width) + _remark_height(remark, width)
    return head + (rows * _ROW_HEIGHT + _BELOW if rows else 0.0)


def page_head(
    title: str, remark: str, legend: Sequence[KitEntry], kit: Kit, width: float
) -> etree._Element:
    """A group that is drawn from (0, 0) rightwards and down."""
    group = etree.Element(f"{SVG}g", {"class": "pgHead"})
    lines, size = _title(title, width)
    for number, line in enumerate(lines, start=1):
        _text(group, line, width / 2, size * (1.15 * number - 0.35), size)
    top = _title_height(title, width)
    for number, line in enumerate(_remark(remark, width), start=1):
        _text(group, line, width / 2, top + _REMARK * (1.3 * number - 0.3), _REMARK, style="italic")
    top += _remark_height(remark, width)
    for entries in _rows(legend, width):
        row = etree.SubElement(group, f"{SVG}g", {"class": "legend"})
        _row(row, entries, kit, width, top)
        top += _ROW_HEIGHT
    return group


def _title(title: str, width: float) -> tuple[list[str], float]:
    """Its lines and their size: what is too long goes on two, and what is longer still shrinks."""
    lines = [title] if title else []
    if _LETTER * _TITLE * len(title) > width:
        lines = _halves(title)
    longest = max((len(line) for line in lines), default=1)
    return lines, min(_TITLE, width / (_LETTER * longest))


def _title_height(title: str, width: float) -> float:
    lines, size = _title(title, width)
    return len(lines) * 1.15 * size + _UNDER_TITLE if lines else 0.0


def _remark(remark: str, width: float) -> list[str]:
    """Its lines."""
    return wrap(remark, max(20, int(width / (_REMARK * _REMARK_LETTER))))


def _remark_height(remark: str, width: float) -> float:
    lines = _remark(remark, width)
    return len(lines) * 1.3 * _REMARK + _UNDER_TITLE if lines else 0.0


def _rows(legend: Sequence[KitEntry], width: float) -> list[Sequence[KitEntry]]:
    """As few as they can be, and about equally long."""
    count = -(-len(legend) // max(1, min(COLUMNS, int(width / _COLUMN))))
    size = -(-len(legend) // max(1, count))
    return [legend[begin : begin + size] for begin in range(0, len(legend), max(1, size))]


def _row(
    group: etree._Element, entries: Sequence[KitEntry], kit: Kit, width: float, top: float
) -> None:
    """A staff as long as its pieces ask for, in the middle of the page."""
    left = (width - _COLUMN * len(entries)) / 2
    right = left + _COLUMN * len(entries)
    bottom_line = top + _ABOVE + 4 * _SPACE
    for line in range(kit.staff_lines):
        _line(group, left, right, bottom_line - line * _SPACE)
    for index, entry in enumerate(entries):
        _entry(group, entry, kit, left + _COLUMN * (index + 0.5), bottom_line)


def _entry(
    group: etree._Element, entry: KitEntry, kit: Kit, middle: float, bottom_line: float
) -> None:
    steps = entry.height - _LOWEST_LINE
    y = bottom_line - steps * _SPACE / 2
    shape = head(entry.head, stem=False)
    scale = _SPACE * EM_SPACES / 1000
    top = 2 * (kit.staff_lines - 1)
    for ledger in (*range(top + 2, steps + 1, 2), *range(-2, steps - 1, -2)):
        at = bottom_line - ledger * _SPACE / 2
        _line(group, middle - _SPACE, middle + _SPACE, at)
    group.append(shape.drawn(middle - shape.width * scale / 2, y, scale))
    above = min(y, bottom_line - top * _SPACE / 2) - _SPACE
    sign = glyph(_SIGNS[entry.mark]) if entry.mark in _SIGNS else None
    if sign:
        group.append(sign.drawn(middle - sign.width * scale / 2, above, scale))
    elif entry.words:
        _text(group, entry.words, middle, above, _NAME, style="italic")
    names = bottom_line + max(0.0, -steps * _SPACE / 2) + 2.9 * _SPACE
    for number, line in enumerate(_halves(entry.name)):
        _text(group, line, middle, names + number * _NAME * 1.1, _NAME)


def _halves(name: str) -> list[str]:
    """On two lines where it is of several words, as evenly as they fall."""
    words = name.split()
    cuts = [(" ".join(words[:cut]), " ".join(words[cut:])) for cut in range(1, len(words))]
    if not cuts:
        return [name]
    best = min(cuts, key=lambda cut: max(len(cut[0]), len(cut[1])))
    return list(best)


def _line(group: etree._Element, left: float, right: float, y: float) -> None:
    path = f"M{left:g} {y:g} L{right:g} {y:g}"
    etree.SubElement(
        group, f"{SVG}path", {"d": path, "stroke": "currentColor", "stroke-width": "10"}
    )


def _text(
    group: etree._Element, words: str, x: float, y: float, size: float, style: str = ""
) -> None:
    marks = {"x": f"{x:g}", "y": f"{y:g}", "font-size": f"{size:g}px", "text-anchor": "middle"}
    if style:
        marks["font-style"] = style
    etree.SubElement(group, f"{SVG}text", marks).text = words
