"""A score's performance written anew in its own bars: another grid, another feel, fewer ornaments.

Bars, meters, tempos and the words over them stay as they are, so that only what is asked for
changes; notes that somebody added, and edits of notes but for their hands, do not survive.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from services.notation.domain import grids, strokes
from services.notation.domain.clock import bar_starts
from services.notation.domain.document import ScoreDocument
from services.notation.domain.edits import hits_of
from services.notation.domain.pulse import Pulse
from services.notation.domain.quantise import Options
from services.notation.domain.score import Dropped, ScoreError
from services.notation.domain.sheet import Sheet


def rewrite(document: ScoreDocument, options: Options) -> ScoreDocument:
    """By the options' grid, swing and detail; ScoreError where nothing was played, or it is not
    known when the bars fell."""
    sheet = Sheet.of(document)
    hits = hits_of(sheet)
    if not hits:
        raise ScoreError("no-hits", "nothing was played, so there is nothing to write anew")
    if len(sheet.anchors) < 2:
        raise ScoreError("timeline.beats", "nothing says when the bars fell; give a tempo")
    pulse, origin = _pulse(sheet)
    mains = strokes.graces(hits)
    placed = grids.place(hits, mains, pulse, options.grid, swing=options.swing == "auto")
    written = strokes.notes_of(
        hits,
        mains,
        placed.places,
        ring_most=Fraction(1) / pulse.unit,
        teaching=options.detail == "teaching",
    )
    sheet.notes = {}
    sheet.dropped = written.dropped
    for place, note in written.notes:
        at = origin + place * pulse.unit
        if at < 0:
            lost = (*(grace.id for grace in note.graces), note.id)
            sheet.dropped += [Dropped(stroke, "lies before the first bar") for stroke in lost]
            continue
        sheet.notes[note.id] = (at, replace(note, ring=note.ring and note.ring * pulse.unit))
    swing = placed.swing_mark(pulse.unit, 0)
    sheet.swings = [(Fraction(0), swing)] if swing else []
    return sheet.document()


def _pulse(sheet: Sheet) -> tuple[Pulse, Fraction]:
    """The bars' beats, in the longest unit that all of them are made of; and where beat 0 lies."""
    frames = sheet.frames
    missing = frames[0].meter.length - frames[0].length
    lengths = [frame.meter.length for frame in frames]
    meters = {frame.meter for frame in frames}
    if all(meter.is_compound for meter in meters):
        unit = min(meter.beat_unit for meter in meters)
    else:
        unit = next(
            unit
            for unit in (Fraction(1, 4), Fraction(1, 8), Fraction(1, 16), Fraction(1, 32))
            if all(length % unit == 0 for length in lengths)
        )
    line = sheet.line()
    starts = bar_starts(frame.meter for frame in frames)
    times_s = [line.time_s(unit * beat - missing) for beat in range(int(starts[-1] / unit) + 2)]
    downbeats = [int(start / unit) for start in starts[:-1] if start % unit == 0]
    return Pulse(times_s, downbeats, unit, frames[-1].meter), -missing
