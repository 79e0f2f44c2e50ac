"""MV2H (McLeod and Steedman, ISMIR 2018) of a written score, by pyMV2H.

Both sides hold the notes that are asked, at the times at which their *written* places come, so that
multi-pitch tells whether a note is written within 50 ms of its true place; what was played is in
both the same and would tell nothing. Voices are hands and feet. Drums have no duration: a note's
value lasts to the next in its voice, and at most to the end of its beat, on both sides. There is no
harmony, so the joint score is the mean of the other four. Compared over the first bars only, as it
takes time with the square of the notes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING, Final

from pyMV2H.metrics.mv2h import mv2h
from pyMV2H.utils.music import Music
from pyMV2H.utils.pojos import HIERARCHY, NOTE, TATUM

from benchmarks.hearing.truth import SAME
from benchmarks.writing.scores import bar_lines
from benchmarks.writing.truth import Truth
from libs.common.drums import GM_NOTE, DrumPiece

if TYPE_CHECKING:
    from services.notation.domain.document import ScoreDocument

BARS: Final = 8
PARTS: Final = ("multi-pitch", "voice", "meter", "value")
_FEET: Final = (DrumPiece.KICK, DrumPiece.HAT_PEDAL)


def score(truth: Truth, document: ScoreDocument, who: Mapping[str, str] | None) -> dict[str, float]:
    """The four parts and `joint`, 0 to 1."""
    asked = [note for note in truth.notes if note.asked]
    if not asked:
        return dict.fromkeys((*PARTS, "joint"), 0.0)
    first = min(note.bar for note in asked)
    start_s = truth.start_s + first * truth.bar_s
    bars_asked = min(BARS, max(note.bar for note in truth.notes) + 1 - first)
    end_s = start_s + bars_asked * truth.bar_s
    names = {hit.id: hit.id for hit in truth.hits} if who is None else who
    silent = {n.hit for n in truth.notes if not n.asked} | {
        g for n in truth.notes for g in n.graces
    }
    line_s = [truth.start_s + (first + bar) * truth.bar_s for bar in range(bars_asked + 1)]
    true = _music(
        [
            (truth.time_s(note), note.piece)
            for note in asked
            if truth.time_s(note) < end_s - truth.period_s / 16
        ],
        [(at_s, truth.meter, 2) for at_s in line_s],
    )
    lines = sorted(bar_lines(document).items())
    if not lines or not document.score.bars:
        return dict.fromkeys((*PARTS, "joint"), 0.0)
    said = []
    starts = dict(lines)
    numbers = [number for number, _ in lines]
    lengths = {a: later - at_s for (a, at_s), (_, later) in pairwise(lines)}
    lengths[numbers[-1]] = lengths[numbers[-2]] if len(numbers) > 1 else truth.bar_s
    bars = {bar.number: bar for bar in document.score.bars}
    for bar, event, note in document.score.notes():
        inside = float((event.start + bar.missing) / bar.meter.length)
        at_s = starts[bar.number] + inside * lengths[bar.number]
        if names.get(note.id) not in silent and at_s < end_s - truth.period_s / 16:
            said.append((at_s, note.piece))
    meters = []
    for number, at_s in lines:
        meter = bars[number].meter
        beats = int(meter.length / meter.beat_unit)
        if at_s <= end_s + truth.period_s / 2:
            meters.append((at_s, beats, 3 if meter.is_compound else 2))
    if len(meters) == len(lines):
        last = meters[-1]
        meters.append((last[0] + lengths[numbers[-1]], last[1], last[2]))
    if not said or len(meters) < 2:
        return dict.fromkeys((*PARTS, "joint"), 0.0)
    try:
        result = mv2h(true, _music(said, meters))
    except ZeroDivisionError:  # pyMV2H of nothing that matches
        return dict.fromkeys((*PARTS, "joint"), 0.0)
    parts = (result.multi_pitch, result.voice, result.meter, result.note_value)
    return {**dict(zip(PARTS, parts, strict=True)), "joint": fmean(parts)}


def _music(
    notes: Sequence[tuple[float, DrumPiece]], lines: Sequence[tuple[float, int, int]]
) -> Music:
    """`lines` are (second, beats, parts of a beat) of each bar, and the end of the last."""
    tatums: list[float] = []
    beats_s: list[float] = []
    hierarchies = []
    before = None
    for (at_s, beats, parts), (end_s, _, _) in pairwise(lines):
        steps = beats * parts
        if (beats, parts) != before:
            # A millisecond later: pyMV2H begins a hierarchy with the last tatum before its time.
            hierarchies.append(HIERARCHY(beats, parts, 1, 0, _ms(at_s) + 1 if before else 0))
            before = (beats, parts)
        tatums += [at_s + step * (end_s - at_s) / steps for step in range(steps)]
        beats_s += [at_s + beat * (end_s - at_s) / beats for beat in range(beats)]
    tatums.append(lines[-1][0])
    beats_s.append(lines[-1][0])
    struck: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for at_s, piece in sorted(notes):
        struck[int(piece in _FEET)].append((at_s, GM_NOTE[SAME.get(piece, piece)]))
    written = []
    for voice, own in struck.items():
        times_s = sorted({at_s for at_s, _ in own})
        for at_s, pitch in own:
            after = bisect_right(times_s, at_s + 0.002)
            beat = bisect_right(beats_s, at_s + 0.002)
            ends_s = [beats_s[beat] if beat < len(beats_s) else at_s + 0.5]
            ends_s += times_s[after : after + 1]
            on = _ms(at_s)
            written.append(NOTE(pitch, on, on, max(on + 1, _ms(min(ends_s))), voice))
    return Music([TATUM(_ms(at_s)) for at_s in tatums], [], written, hierarchies)


def _ms(at_s: float) -> int:
    return round(at_s * 1000)
