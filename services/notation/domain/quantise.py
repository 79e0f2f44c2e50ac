"""From seconds to bars: hits and beats become a score of exact fractions.

1. `pulse`: the beats, as heard, as asked for, or found.
2. `grids`: each beat gets a grid, each hit a place; swing is told from triplets.
3. `strokes`: graces, ghosts, accents, open hats, and what finds no room.
4. `bars`: bar lines, pickup, meters, tempo marks. `engrave` writes each bar.
5. `form`: sections, dynamics and exact repeats of what is written.

Linear in hits and beats.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final, Literal, get_args

from libs.common.drums import Hit
from libs.common.meter import Meter
from libs.common.performance import Performance
from services.notation.domain import bars, engrave, form, grids, kit, strokes
from services.notation.domain.document import ScoreDocument, read_id, read_text
from services.notation.domain.pulse import find_pulse
from services.notation.domain.score import (
    MAX_BPM,
    MAX_DURATION_S,
    MAX_EVENTS,
    MIN_BPM,
    TITLE_LENGTH,
    PerformanceLayer,
    PlayedEvent,
    Score,
    ScoreError,
    Source,
    read_meter,
)

GridChoice = grids.Choice
_LISTENED_S: Final = 7200.0
"""Longer takes that come without beats get a plainer pulse, so that they end in time."""
_RING_MOST: Final = Fraction(4)
"""In beats: later, nothing says when an open hat was closed."""
Detail = Literal["full", "teaching"]
SwingChoice = Literal["auto", "written"]


@dataclass(frozen=True, slots=True)
class Options:
    """What the user knows better than the ear, and how it is to be written."""

    title: str = ""
    tempo_bpm: float | None = None
    """Beats a minute, 20 to 400; the beat is the meter's (a dotted quarter in 6/8)."""
    time_signature: str | None = None
    grid: GridChoice = "auto"
    swing: SwingChoice = "auto"
    """"auto" writes swung eighths plain under a swing mark, "written" as triplets."""
    detail: Detail = "full"
    """"teaching" leaves ghosts and graces out."""
    kit: str = kit.STANDARD.id
    source: Source = Source.AUDIO


def quantise(performance: Performance, options: Options | None = None) -> ScoreDocument:
    """Write a performance down; ScoreError for hostile input, or none at all ("no-hits")."""
    options = options or Options()
    meter = _check_options(options)
    hits = checked_hits(performance)
    if not performance.beats and hits[-1].onset_s - hits[0].onset_s <= _LISTENED_S:
        performance = _with_beats(replace(performance, hits=hits))
    pulse = find_pulse(performance, hits, options.tempo_bpm, meter)
    mains = strokes.graces(hits)
    placed = grids.place(hits, mains, pulse, options.grid, swing=options.swing == "auto")
    found = strokes.notes_of(
        hits, mains, placed.places, ring_most=_RING_MOST, teaching=options.detail == "teaching"
    )
    layout = bars.lay_bars(pulse, placed.places)
    by_bar: dict[int, list[engrave.Placed]] = defaultdict(list)
    for place, note in found.notes:
        number, start = layout.locate(place)
        by_bar[number].append((start, replace(note, ring=note.ring and note.ring * pulse.unit)))
    written = tuple(
        engrave.write_bar(number, meter, by_bar.get(number, ()), length)
        for number, meter, length in layout.bars
    )
    swing = placed.swing_mark(pulse.unit, written[0].number)
    look = form.find(written)
    return ScoreDocument(
        performance=PerformanceLayer(
            duration_s=float(max(performance.duration_s, hits[-1].onset_s)),
            events=tuple(
                PlayedEvent(h.id, h.piece, h.onset_s, h.velocity, h.confidence, options.source)
                for h in hits
            ),
            dropped=tuple(found.dropped),
            model_version=performance.model_version,
        ),
        timeline=bars.timeline_of(layout, written, [swing] if swing else []),
        score=Score(
            title=options.title,
            kit=options.kit,
            bars=written,
            sections=look.sections,
            dynamics=look.dynamics,
            hairpins=look.hairpins,
            repeats=look.repeats,
        ),
    )


def _with_beats(performance: Performance) -> Performance:
    # It brings numpy and a network, which nothing else here needs.
    from libs.common.pulse.beats import with_beats

    return with_beats(performance)


# Input


def _check_options(options: Options) -> Meter | None:
    tempo = options.tempo_bpm
    if tempo is not None and not (math.isfinite(tempo) and MIN_BPM <= tempo <= MAX_BPM):
        raise ScoreError("tempo", f"must be {MIN_BPM:g} to {MAX_BPM:g} beats a minute")
    if options.grid not in get_args(grids.Choice):
        raise ScoreError("grid", f"must be one of {', '.join(get_args(grids.Choice))}")
    if options.swing not in ("auto", "written"):
        raise ScoreError("swing", "must be auto or written")
    if options.detail not in ("full", "teaching"):
        raise ScoreError("detail", "must be full or teaching")
    read_text(options.title, "title", TITLE_LENGTH)
    read_id(options.kit, "kit")
    return None if options.time_signature is None else read_meter(options.time_signature)


def checked_hits(performance: Performance) -> list[Hit]:
    """In order of time, each with an id; ScoreError for what is no hit."""
    if not performance.hits:
        raise ScoreError("no-hits", "nothing was heard, so there is nothing to write")
    if len(performance.hits) > MAX_EVENTS:
        raise ScoreError("hits", f"more than {MAX_EVENTS} hits")
    if not 0 <= performance.duration_s <= MAX_DURATION_S:
        raise ScoreError("duration_s", f"must be 0 to {MAX_DURATION_S:g} seconds")
    taken: set[str] = set()
    for index, hit in enumerate(performance.hits):
        path = f"hits[{index}]"
        if not 0 <= hit.onset_s <= MAX_DURATION_S:
            raise ScoreError(f"{path}.onset_s", f"must be 0 to {MAX_DURATION_S:g} seconds")
        if not isinstance(hit.velocity, int) or not 1 <= hit.velocity <= 127:
            raise ScoreError(f"{path}.velocity", "must be 1 to 127")
        if not 0 <= hit.confidence <= 1:
            raise ScoreError(f"{path}.confidence", "must be 0 to 1")
        if hit.id:
            read_id(hit.id, f"{path}.id")
            if hit.id in taken:
                raise ScoreError(f"{path}.id", f"{hit.id} is there twice")
            taken.add(hit.id)
    return sorted(_named(performance.hits, taken), key=lambda hit: hit.onset_s)


def _named(hits: Sequence[Hit], taken: set[str]) -> Iterable[Hit]:
    """Hits without an id are called by their place, `ev-000001` the first."""
    for number, hit in enumerate(hits, start=1):
        if hit.id:
            yield hit
            continue
        name = f"ev-{number:06d}"
        while name in taken:
            name += "b"
        taken.add(name)
        yield replace(hit, id=name)
