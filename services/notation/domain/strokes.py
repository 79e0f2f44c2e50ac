"""What strokes become on the page: graces, ghosts, accents, hats that ring, what is left out."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from libs.common.drums import Articulation, DrumPiece, Hit
from services.notation.domain.score import Dropped, Grace, Note

FLAM_S: Final = (0.012, 0.080)
# So close together, strokes are graces on any grid; up to 80 ms only if the grid has no room.
GRACE_S: Final = 0.045
# What two sticks play on one skin: nobody flams with one foot, or on a cymbal's edge.
_DRUMS: Final[Mapping[DrumPiece, DrumPiece]] = {
    DrumPiece.SNARE: DrumPiece.SNARE,
    DrumPiece.RIMSHOT: DrumPiece.SNARE,
    DrumPiece.TOM_HIGH: DrumPiece.TOM_HIGH,
    DrumPiece.TOM_MID: DrumPiece.TOM_MID,
    DrumPiece.TOM_FLOOR: DrumPiece.TOM_FLOOR,
}


def graces(hits: Sequence[Hit]) -> dict[int, int]:
    """For each hit that is a grace on any grid the note that it leads to, both as indices."""
    mains: dict[int, int] = {}
    runs: dict[DrumPiece, list[int]] = {}

    def close(run: list[int]) -> None:
        # Longer runs are rolls, which have a rhythm of their own.
        if 2 <= len(run) <= 3 and all(hits[i].velocity <= hits[run[-1]].velocity + 8 for i in run):
            mains.update(dict.fromkeys(run[:-1], run[-1]))

    for index, hit in enumerate(hits):
        drum = _DRUMS.get(hit.piece)
        if drum is None:
            continue
        run = runs.setdefault(drum, [])
        if run and FLAM_S[0] <= hit.onset_s - hits[run[-1]].onset_s <= GRACE_S:
            run.append(index)
            continue
        close(run)
        runs[drum] = [index]
    for run in runs.values():
        close(run)
    return mains


Groups = dict[tuple[Fraction, DrumPiece], list[Hit]]
"""For each place and piece the stroke, preceded by at most two graces."""


def group(
    hits: Sequence[Hit], mains: Mapping[int, int], places: Sequence[Fraction]
) -> tuple[Groups, list[Dropped]]:
    """Strokes that share a place, and what found no room there."""
    groups: Groups = {}
    dropped = []
    ahead: dict[int, list[Hit]] = defaultdict(list)
    for grace, main in mains.items():
        ahead[main].append(hits[grace])
    for index, (hit, place) in enumerate(zip(hits, places, strict=True)):
        if index in mains:
            continue
        arrived = [*ahead.get(index, ()), hit]
        strokes = groups.setdefault((place, hit.piece), [])
        if not strokes:
            strokes += arrived
            continue
        if len(arrived) + len(strokes) <= 3 and _is_flam(strokes[-1], hit):
            strokes += arrived
            continue
        kept, lost = strokes, arrived
        if hit.velocity > strokes[-1].velocity:
            kept, lost = arrived, strokes
            groups[place, hit.piece] = arrived
        for stroke in lost:
            apart_ms = abs(stroke.onset_s - kept[-1].onset_s) * 1000
            reason = f"{apart_ms:.0f} ms from {kept[-1].id}, louder on the same piece and place"
            dropped.append(Dropped(stroke.id, reason))
    return groups, dropped


def _is_flam(first: Hit, second: Hit) -> bool:
    apart_s = abs(second.onset_s - first.onset_s)
    return second.piece in _DRUMS and FLAM_S[0] <= apart_s <= FLAM_S[1]


# Loudness


_PASSAGE_S: Final = 16.0
"""Loud and soft are told among a piece's strokes so far before and after."""
_GHOST_PIECES: Final = frozenset({DrumPiece.SNARE})
_GHOST_SHARE: Final = 0.45
"""Of the passage's loud strokes; softer than this part of them is a ghost."""
_GHOST_MOST: Final = 32.0
"""Louder is none: Groove MIDI's authors, and its drummers' own gap, put the line at 30."""
_ACCENT: Final = (1.12, 14.0)
"""By so large a part, and by so many steps of velocity, an accent stands out of its passage."""
_ACCENT_LEAST: Final = 60
_STRONG_LEAST: Final = 120
"""A strong accent stands out by twice as much, and is about as loud as a stroke can be."""
_ACCENT_SHARE: Final = 0.5
"""Where more of a passage's strokes stand out, none does."""


def loudness_marks(hits: Sequence[Hit]) -> dict[str, Articulation]:
    """For ids of hits: ghost or accent, told among the same piece's strokes of the passage."""
    marks: dict[str, Articulation] = {}
    by_piece: dict[DrumPiece, list[Hit]] = defaultdict(list)
    for hit in hits:
        by_piece[hit.piece].append(hit)
    for piece, strokes in by_piece.items():
        marks |= _marks_of(piece, strokes)
    return marks


def _marks_of(piece: DrumPiece, strokes: Sequence[Hit]) -> dict[str, Articulation]:
    marks: dict[str, Articulation] = {}
    everything = sorted(hit.velocity for hit in strokes)
    loud_of_all = everything[int(0.9 * (len(everything) - 1))]
    window: list[int] = []
    first = last = 0
    for hit in strokes:
        while last < len(strokes) and strokes[last].onset_s <= hit.onset_s + _PASSAGE_S:
            insort(window, strokes[last].velocity)
            last += 1
        while strokes[first].onset_s < hit.onset_s - _PASSAGE_S:
            del window[bisect_left(window, strokes[first].velocity)]
            first += 1
        loud = window[int(0.9 * (len(window) - 1))]
        if piece in _GHOST_PIECES:
            # A passage of ghosts alone, say under a cross-stick, is still one beside the rest.
            loud = max(loud, round(0.7 * loud_of_all))
            ghost_below = min(_GHOST_SHARE * loud, _GHOST_MOST)
        else:
            ghost_below = 0.0
        if hit.velocity < ghost_below:
            marks[hit.id] = Articulation.GHOST
            continue
        full = bisect_left(window, ghost_below)
        usual = window[full + (len(window) - 1 - full) // 2]
        factor, more = _ACCENT
        above = max(factor * usual, usual + more, _ACCENT_LEAST)
        if hit.velocity < above:
            continue
        standing_out = len(window) - bisect_right(window, math.ceil(above) - 1)
        if standing_out <= _ACCENT_SHARE * (len(window) - full):
            strong = hit.velocity >= max(_STRONG_LEAST, usual + 2 * more)
            marks[hit.id] = Articulation.STRONG_ACCENT if strong else Articulation.ACCENT
    return marks


def note_of(strokes: Sequence[Hit], marks: Mapping[str, Articulation]) -> Note:
    """A written note, from its graces and itself."""
    *before, main = strokes
    shown = [marks[main.id]] if main.id in marks else []
    if before:
        shown.append(Articulation.FLAM if len(before) == 1 else Articulation.DRAG)
    return Note(
        id=main.id,
        piece=main.piece,
        velocity=main.velocity,
        articulations=tuple(shown),
        graces=tuple(Grace(grace.id, grace.velocity) for grace in before),
    )


# Hats

_OPEN: Final = frozenset({DrumPiece.HAT_OPEN, DrumPiece.HAT_HALF_OPEN})
_HATS: Final = _OPEN | {DrumPiece.HAT_CLOSED, DrumPiece.HAT_PEDAL}


def rings(groups: Groups, most: Fraction) -> dict[str, Fraction]:
    """For open hats, how long until the hat is struck again or closed; `most` at most."""
    hats = sorted(
        ((place, strokes[-1]) for (place, piece), strokes in groups.items() if piece in _HATS),
        key=lambda item: item[0],
    )
    found: dict[str, Fraction] = {}
    closed: Fraction | None = None
    here: Fraction | None = None
    for place, stroke in reversed(hats):
        if here is not None and place < here:
            closed = here
        here = place
        if stroke.piece in _OPEN and closed is not None and closed - place <= most:
            found[stroke.id] = closed - place
    return found


LEFT_OUT: Final = "left out of the teaching version"


def simplify(groups: Groups, marks: Mapping[str, Articulation]) -> tuple[Groups, list[Dropped]]:
    """The teaching version: no ghosts, no graces. Everything stays in the performance."""
    kept: Groups = {}
    dropped = []
    for key, strokes in groups.items():
        *before, main = strokes
        ghost = marks.get(main.id) is Articulation.GHOST
        for grace in before:
            dropped.append(Dropped(grace.id, f"a grace, {LEFT_OUT}"))
        if ghost:
            dropped.append(Dropped(main.id, f"a ghost, {LEFT_OUT}"))
        else:
            kept[key] = [main]
    return kept, dropped


@dataclass(frozen=True, slots=True)
class Written:
    """Notes with their places, and what is not written."""

    notes: list[tuple[Fraction, Note]]
    """In the unit that the hits' places were given in."""
    dropped: list[Dropped]


def notes_of(
    hits: Sequence[Hit],
    mains: Mapping[int, int],
    places: Sequence[Fraction],
    *,
    ring_most: Fraction,
    teaching: bool = False,
) -> Written:
    """Hits whose places are known, as notes with their graces and marks; `mains` as of `graces`.

    An open hat rings until the next hat, if that comes within `ring_most`; that and the rings are
    in the unit of the places.
    """
    groups, dropped = group(hits, mains, places)
    marks = loudness_marks(hits)
    if teaching:
        groups, left_out = simplify(groups, marks)
        dropped += left_out
    ringing = rings(groups, ring_most)
    notes = []
    for (place, _), struck in groups.items():
        note = note_of(struck, marks)
        notes.append((place, replace(note, ring=ringing.get(note.id))))
    return Written(notes, dropped)
