"""What is put right in a page that Verovio drew: tempo marks, heads and repeat signs that it has
not, stickings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from lxml import etree

from services.notation.domain.glyphs import FONT, UNDRAWN, glyph, head
from services.notation.domain.page_head import SVG

_TEMPO_SCALE: Final = 0.85
# Of an em, for the words before a tempo's note: more than any letter of Times takes on average.
_LETTER: Final = 0.52
_HEAD_SCALE: Final = 0.72
_PLACE: Final = re.compile(r"translate\((-?[\d.]+), ?(-?[\d.]+)\)")
_UPRIGHT: Final = re.compile(r"M(-?[\d.]+) (-?[\d.]+) L(-?[\d.]+) (-?[\d.]+)")
_LONG_SIGNS: Final = {2: "E501", 4: "E502"}


def redraw_tempos(root: etree._Element, width: float) -> None:
    """Draw the notes of tempo marks as paths: their font is on few machines. A mark that would
    leave the page on its right moves left."""
    for text in root.iter(f"{SVG}text"):
        if any(span.get("font-family") == FONT for span in text.iter(f"{SVG}tspan")):
            parent = text.getparent()
            over = _draw_glyphs(text) - width
            if over > 0 and parent is not None and parent.get("class") == "tempo":
                parent.set("transform", f"translate({-over:g}, 0)")


def _draw_glyphs(text: etree._Element) -> float:
    """Glyphs become paths, and the words behind each begin where it ends; where the last ends."""
    parent = text.getparent()
    if parent is None:
        return 0.0
    x, y = float(text.get("x", "0")), float(text.get("y", "0"))
    behind_glyph = False
    for span in text.iter(f"{SVG}tspan"):
        words = span.text or ""
        if not words.strip(" \n\t") or not (size_px := span.get("font-size")):
            continue
        size = float(size_px.removesuffix("px"))
        if span.get("font-family") != FONT:
            # Verovio measures in Times; where another face stands in, words run into the beam.
            size *= _TEMPO_SCALE
            span.set("font-size", f"{size:g}px")
            if behind_glyph:
                # The text itself has no font size, and some readers then forget its place.
                span.set("x", f"{x:g}")
                span.set("y", f"{y:g}")
            behind_glyph = False
            x += (len(words) + 0.5) * _LETTER * size
            continue
        scale = _TEMPO_SCALE * size / 1000
        for char in words:
            shape = glyph(f"{ord(char):04X}")
            if shape is not None:
                parent.insert(parent.index(text), shape.drawn(x, y, scale))
                x += shape.width * scale
        span.text = ""
        behind_glyph = True
    return x


def redraw_heads(root: etree._Element, heads: Mapping[str, str]) -> None:
    """Give notes, by id, the head that Verovio has not drawn."""
    missing = {note_id: name for note_id, name in heads.items() if name in UNDRAWN}
    if not missing:
        return
    for group in root.iter(f"{SVG}g"):
        name = missing.get(group.get("id", ""))
        used = group.find(f"{SVG}g[@class='notehead']/{SVG}use") if name else None
        place = _PLACE.search(used.get("transform", "")) if used is not None else None
        if name and used is not None and place:
            parent = used.getparent()
            assert parent is not None
            shape = head(name, stem=True)
            parent.replace(used, shape.drawn(float(place[1]), float(place[2]), _HEAD_SCALE))


def draw_long_repeats(root: etree._Element, groups: Iterable[tuple[str, int]]) -> None:
    """The sign for 2 or 4 bars, on the bar line in their middle; that bar by its id."""
    sizes = dict(groups)
    if not sizes:
        return
    for measure in root.iter(f"{SVG}g"):
        size = sizes.get(measure.get("id", ""))
        shape = glyph(_LONG_SIGNS[size]) if size else None
        path = measure.find(f"{SVG}g[@class='barLine']/{SVG}path") if shape else None
        line = _UPRIGHT.search(path.get("d", "")) if path is not None else None
        if not size or not shape or not line:
            continue
        x, top, _, bottom = (float(number) for number in line.groups())
        group = etree.SubElement(measure, f"{SVG}g", {"class": "mRpt"})
        middle = (top + bottom) / 2
        group.append(shape.drawn(x - shape.width * _HEAD_SCALE / 2, middle, _HEAD_SCALE))
        number = etree.SubElement(
            group,
            f"{SVG}text",
            {"x": f"{x:g}", "y": f"{top - 180:g}", "font-size": "405px", "font-style": "italic",
             "font-weight": "bold", "text-anchor": "middle"},
        )  # fmt: skip
        number.text = str(size)


# In SVG units, hundredths of a millimetre: what letters and signs take up and down, and gaps.
_LETTER_UP: Final = 230.0
_LETTER_DOWN: Final = 60.0
_DYNAMIC_UP: Final = 290.0
_DYNAMIC_DOWN: Final = 110.0
_NOTE_DOWN: Final = 95.0
_REST_DOWN: Final = 290.0
_GAP: Final = 110.0
_HEAD_MIDDLE: Final = 104.0
_HEADS: Final = re.compile("#E0[A-E]")
_HREF: Final = "{http://www.w3.org/1999/xlink}href"
_NUMBER: Final = re.compile(r"-?[\d.]+")


def lift_stickings(root: etree._Element) -> None:
    """Stickings go between the notes and the dynamics; Verovio puts what is sung below those."""
    for system in root.iter(f"{SVG}g"):
        if system.get("class") != "system":
            continue
        groups: dict[str, list[etree._Element]] = {}
        for group in system.iter(f"{SVG}g"):
            groups.setdefault(group.get("class", ""), []).append(group)
        letters = groups.get("verse", [])
        dynamics = [*groups.get("dynam", []), *groups.get("hairpin", [])]
        if letters and dynamics:
            _swap(letters, dynamics, _lowest(groups))


def centre_stickings(root: etree._Element) -> None:
    """Each letter under its note's head; Verovio begins what is sung left of it."""
    for verse in root.iter(f"{SVG}g"):
        parent = verse.getparent()
        if verse.get("class") != "verse" or parent is None:
            continue
        heads = [
            float(place[1])
            for group in parent.iter(f"{SVG}g")
            if group.get("class") == "notehead"
            for used in group.iter(f"{SVG}use")
            # Not the parentheses of a ghost.
            if _HEADS.match(used.get(_HREF, ""))
            and (place := _PLACE.search(used.get("transform", "")))
        ]
        for text in verse.iter(f"{SVG}text") if heads else ():
            text.set("x", f"{min(heads) + _HEAD_MIDDLE:g}")
            text.set("text-anchor", "middle")


def _lowest(groups: Mapping[str, list[etree._Element]]) -> float:
    """How far down staff, notes and rests reach."""
    depths = [0.0]
    depths += [_NOTE_DOWN + y for head in groups.get("notehead", []) for y in _heights(head)]
    depths += [_REST_DOWN + y for rest in groups.get("rest", []) for y in _heights(rest)]
    for name in ("stem", "barLine"):
        depths += [y for group in groups.get(name, []) for y in _heights(group)]
    return max(depths)


def _heights(group: etree._Element) -> list[float]:
    """The y of each path's, line's or sign's points."""
    found: list[float] = []
    for element in group:
        place = _PLACE.search(element.get("transform", ""))
        line = _UPRIGHT.search(element.get("d", ""))
        if place:
            found.append(float(place[2]))
        elif line:
            found += [float(line[2]), float(line[4])]
        elif points := element.get("points"):
            found += [float(number) for number in _NUMBER.findall(points)[1::2]]
    return found


def lowest_mark(root: etree._Element) -> float:
    """How far down the page stickings, dynamics and hairpins reach."""
    margin = root.find(f"{SVG}g[@class='page-margin']")
    top = _shift(margin) if margin is not None else 0.0
    depths = [0.0]
    for group in root.iter(f"{SVG}g"):
        kind = group.get("class")
        if kind in ("dynam", "hairpin"):
            depths += [y + _shift(group) + _DYNAMIC_DOWN for y in _heights(group)]
        elif kind == "verse":
            rows = [float(text.get("y", "0")) for text in group.iter(f"{SVG}text")]
            depths += [y + _shift(group) + _LETTER_DOWN for y in rows]
    return top + max(depths)


def _shift(group: etree._Element) -> float:
    place = _PLACE.search(group.get("transform", ""))
    return float(place[2]) if place else 0.0


def _swap(letters: list[etree._Element], dynamics: list[etree._Element], lowest: float) -> None:
    rows = [float(text.get("y", "0")) for verse in letters for text in verse.iter(f"{SVG}text")]
    tops = [
        y - (_DYNAMIC_UP if group.get("class") == "dynam" else 0.0)
        for group in dynamics
        for y in _heights(group)
    ]
    if not rows or not tops:
        return
    up = min(rows) - _LETTER_UP - _GAP - lowest
    if up <= _GAP:
        return
    down = max(rows) - up + _LETTER_DOWN + _GAP - min(tops)
    for verse in letters:
        verse.set("transform", f"translate(0, {-up:g})")
    if down > 0:
        for group in dynamics:
            group.set("transform", f"translate(0, {down:g})")
