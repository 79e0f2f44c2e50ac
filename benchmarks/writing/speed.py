"""Time writing: hits and beats to MusicXML and to SVG pages, beside music21's MusicXML writer.

A made performance of about 16 hits to the bar, its beats given. Best of three, in this process,
nothing else loaded meanwhile. music21 gets the places that we found, as a stream of its own notes,
which it lays into measures and writes; it makes no pages. The last column is how much longer a
thousand bars take than a hundred: 10 is linear.

A second table has what somebody waits for who corrects a score note by note: a small edit, the
first and the next ones, and the view after it, as multiples of the MusicXML export of the same
score in the same run. Prints Markdown.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.writing.tables import table
from libs.common.drums import Beat, Hit
from libs.common.drums import DrumPiece as P
from libs.common.performance import Performance
from services.notation import writing
from services.notation.domain.kit import kit_called
from services.notation.domain.musicxml import to_musicxml
from services.notation.domain.pictures import to_svg_pages
from services.notation.domain.quantise import quantise

if TYPE_CHECKING:
    from services.notation.domain.document import ScoreDocument

BPM = 104.0
BARS = (100, 1000)
EDITED_BARS = (100, 300)


def make_performance(bars: int, seed: int) -> Performance:
    """Eighths on the hat, kicks and a backbeat that vary, ghosts, and in every eighth bar a fill,
    some of them in triplets; hands spread by 8 ms."""
    rng = np.random.default_rng(seed)
    strokes: list[tuple[float, P, float]] = []
    for bar in range(bars):
        start = 4.0 * bar
        filled = bar % 8 == 7
        played = np.arange(0, 2 if filled else 4, 0.5)
        strokes += [(start + at, P.HAT_CLOSED, 95 if at % 1 == 0 else 70) for at in played]
        strokes += [(start + at, P.KICK, 100) for at in (0.0, 2.5) if not filled or at < 2]
        strokes += [(start + at, P.KICK, 90) for at in (0.75, 1.5, 1.75) if rng.random() < 0.45]
        strokes += [(start + at, P.SNARE, 108) for at in (1, 3) if not filled or at < 2]
        strokes += [
            (start + at, P.SNARE, 25)
            for at in (0.25, 0.5, 1.25, 1.75, 2.25, 2.75, 3.75)
            if rng.random() < 0.4 and (not filled or at < 2)
        ]
        if filled:
            step = float(rng.choice([1 / 3, 0.25]))
            toms = (P.SNARE, P.TOM_HIGH, P.TOM_MID, P.TOM_FLOOR)
            places = np.arange(2, 4 - 0.01, step)
            strokes += [
                (start + at, toms[int((at - 2) * 2)], 85 + 30 * rng.random()) for at in places
            ]
        if bar % 8 == 0:
            strokes.append((start, P.CRASH, 115))
    hits = sorted(
        Hit(
            max(0.0, 1.0 + at * 60 / BPM + float(rng.normal(0, 0.008))),
            piece,
            int(np.clip(velocity + rng.normal(0, 6), 1, 127)),
        )
        for at, piece, velocity in strokes
    )
    beats = tuple(Beat(1.0 + beat * 60 / BPM, beat % 4 + 1) for beat in range(4 * bars + 1))
    return Performance(
        duration_s=beats[-1].time_s + 1, hits=tuple(hits), beats=beats, tempo_bpm=BPM,
        tempo_confidence=1.0, meter="4/4",
    )  # fmt: skip


def best_s(what: Callable[[], object], times: int) -> float:
    spent = []
    for _ in range(times):
        started_s = time.perf_counter()
        what()
        spent.append(time.perf_counter() - started_s)
    return min(spent)


def write_with_music21(document: ScoreDocument) -> bytes:
    """The same places, pieces and meters, in one part."""
    from music21 import clef, meter, note, percussion, stream
    from music21.musicxml.m21ToXml import GeneralObjectExporter

    struck: dict[Fraction, list[note.Unpitched]] = defaultdict(list)
    at = Fraction(0)
    starts = {}
    for bar in document.score.bars:
        starts[bar.number] = at
        at += bar.length
    lengths: dict[Fraction, Fraction] = {}
    for bar, event, each in document.score.notes():
        place = (starts[bar.number] + event.start) * 4
        # One voice: a chord lasts as long as its shortest.
        lengths[place] = min(lengths.get(place, event.duration * 4), event.duration * 4)
        struck[place].append(note.Unpitched(displayName="C5" if each.piece is P.SNARE else "G5"))
    part = stream.Part()
    part.insert(0, clef.PercussionClef())
    part.insert(0, meter.TimeSignature(str(document.score.bars[0].meter)))
    for place, notes in sorted(struck.items()):
        chord = notes[0] if len(notes) == 1 else percussion.PercussionChord(notes)
        chord.quarterLength = lengths[place]
        part.insert(place, chord)
    score = stream.Score([part])
    return bytes(GeneralObjectExporter(score).parse())


def editing(bars: int, seed: int) -> list[list[str]]:
    """What the service does for one small edit, and for the view after it."""
    document = quantise(make_performance(bars, seed))
    notes = document.score.notes()
    snare = next(note.id for _, _, note in notes[len(notes) // 2 :] if note.piece is P.SNARE)
    kept = document.to_json()
    change = {"operations": [{"op": "set-piece", "ids": [snare], "piece": P.CROSS_STICK.value}]}
    back = {"operations": [{"op": "set-piece", "ids": [snare], "piece": P.SNARE.value}]}
    edited = writing.change_score(kept, change, progress=_untold).now
    drawing = writing.Drawing(210, "written", True, kit_called(edited.kit).to_dict(), {})
    ways: dict[str, Callable[[], object]] = {
        "MusicXML": lambda: to_musicxml(document),
        "one small edit, the first": lambda: writing.change_score(kept, change, progress=_untold),
        "one small edit, the next": lambda: writing.change_score(
            writing.Known(edited.digest), back, progress=_untold
        ),
        "view": lambda: writing.draw_view(edited.document, drawing, progress=_untold),
    }
    spent = {name: best_s(way, 5) for name, way in ways.items()}
    return [
        [f"{name}, {bars} bars", f"{spent_s / spent['MusicXML']:.2f}"]
        for name, spent_s in spent.items()
        if name != "MusicXML"
    ]


def _untold(_fraction: float) -> None:
    pass


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.writing.speed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--long", action="store_true", help="music21 for 1,000 bars too")
    options = parser.parse_args()
    ways: dict[str, Callable[[Performance], object]] = {
        "hits to score": quantise,
        "hits to MusicXML": lambda performance: to_musicxml(quantise(performance)),
        "hits to SVG pages": lambda performance: to_svg_pages(quantise(performance)),
        "music21, score to MusicXML": lambda performance: write_with_music21(
            documents[len(performance.hits)]
        ),
    }
    performances = {bars: make_performance(bars, options.seed) for bars in BARS}
    documents = {len(each.hits): quantise(each) for each in performances.values()}
    write_with_music21(quantise(make_performance(1, options.seed)))  # loaded, and not counted
    spent: dict[tuple[str, int], float] = {}
    for name, way in ways.items():
        for bars, performance in performances.items():
            if name.startswith("music21") and bars > BARS[0] and not options.long:
                continue
            print(f"{name}, {bars} bars", file=sys.stderr, flush=True)
            spent[name, bars] = best_s(lambda way=way, given=performance: way(given), 3)  # type: ignore[misc]
    theirs_s = spent["music21, score to MusicXML", BARS[0]]
    rows = []
    for name in ways:
        short_s, long_s = spent[name, BARS[0]], spent.get((name, BARS[1]))
        rows.append(
            [
                name,
                f"{short_s:.3f} s",
                "–" if long_s is None else f"{long_s * BARS[0] / BARS[1]:.3f} s",
                f"{short_s / theirs_s:.3f}",
                "–" if long_s is None else f"{long_s / short_s:.1f}",
            ]
        )
    per_bar = len(performances[BARS[0]].hits) / BARS[0]
    print(f"{per_bar:.1f} hits to the bar, seed {options.seed}\n")
    heads = ["", "100 bars", "100 of 1,000 bars", "of music21's time", "1,000 to 100"]
    print(table(heads, rows))
    print("\nof the time that the same score's MusicXML takes\n")
    edits = [row for bars in EDITED_BARS for row in editing(bars, options.seed)]
    print(table(["", "times"], edits))


if __name__ == "__main__":
    main()
