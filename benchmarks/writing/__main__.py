"""Score how well performances become scores, on human takes whose click is known.

DATA holds groove_midi and, for sound, oneshots and rir. The test split is written down in three
ways: *beats*, exact hits and the click's beats; *hits*, exact hits and the beats that the audio
service finds in them; *sound*, takes rendered on kits held out of the ear's training (at most 60 s
each, no other music), heard by our ear. Two truths: *as played*, the likeliest score of the take,
what is unclear left out (with the click as it was, and moved by the take's own lag); *borrowed
hands*, that score as exact truth, played with another take's timing, nothing left out: the
headline. `benchmarks/writing/truth.py` tells both in full.

P, R and F pool all notes by bar, exact place and piece (half-open hats count as open); bars are
those that begin at the same time (half a beat), whatever their number. A swung offbeat counts where
it sounds, to 1/24 of a beat. Mean F and F ≥ .9 are of takes; "bars right" is F of the takes whose
downbeats are. Tuplets: the notes that are on a ternary place. Beats' family: of the beats with more
than their first place, those that are straight or ternary as they should be. Meter, downbeats:
shares of takes; downbeats within 70 ms in 90 % of the bars, none too many. Ghosts, accents and
graces are of asked notes, wherever they are written.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.writing import mv2h, tables
from benchmarks.writing.readings import Recorder, with_click, with_found_beats
from benchmarks.writing.scores import Scored, compare, pool, side_by_side, who_is_who
from benchmarks.writing.truth import Truth, as_played, borrow_hands, choose_hands, read_takes
from libs.common.performance import Performance
from services.audio.domain.errors import NoDrumsHeard, SilentAudio
from services.notation.domain.quantise import quantise
from services.notation.domain.score import ScoreError

if TYPE_CHECKING:
    from services.notation.domain.document import ScoreDocument

EXCERPT_S = 60.0
Reading = Callable[[Truth], Performance]
READINGS: Mapping[str, Reading] = {"beats": with_click, "hits": with_found_beats}
NAMES = {
    "beats": "exact hits and given beats",
    "hits": "exact hits alone",
    "sound": "from sound",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.writing",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--only", choices=tuple(NAMES), help="one way alone")
    parser.add_argument(
        "--takes", type=int, metavar="N",
        help="so many takes, spread over all (sound: 20; the others: all, and fills)",
    )  # fmt: skip
    parser.add_argument("--split", default="test", choices=("train", "validation", "test"))
    parser.add_argument("--seed", type=int, default=1, help="of borrowed hands and of sounds")
    parser.add_argument("--worst", type=int, default=0, metavar="K", help="show the K worst takes")
    parser.add_argument("--no-mv2h", action="store_true", help="leave out MV2H, which is slow")
    parser.add_argument("--show", metavar="TAKE", help="bars beside the true ones, nothing else")
    parser.add_argument("--borrowed", action="store_true", help="--show it with borrowed hands")
    parser.add_argument(
        "--work", type=Path, default=Path(tempfile.gettempdir()) / "backbeat-writing",
        help="where decoded samples are kept (1 GB; %(default)s)",
    )  # fmt: skip
    options = parser.parse_args()
    truths = [as_played(take) for take in read_takes(options.data / "groove_midi", options.split)]
    if options.show:
        if not any(options.show in truth.name for truth in truths):
            parser.error(f"no take is called {options.show}")
        show(truths, options)
        return
    unused = [truth.name for truth in truths if not truth.to_click]
    truths = [truth for truth in truths if truth.to_click]
    print(f"{len(truths)} takes; not played to their click: {', '.join(unused) or 'none'}\n")
    ways = (options.only,) if options.only else tuple(NAMES)
    rows, mv2h_rows, details = [], [], []
    for way in ways:
        for truth_name, own in scores_of(way, truths, options):
            name = f"{NAMES[way]}, {truth_name}"
            rows += tables.by_kind(name, own)
            if any(take.mv2h for take in own):
                mv2h_rows.append(tables.mv2h_row(name, own))
            if way == "sound":
                hits = pool(own).heard
                details.append(
                    f"{name}: hits heard within 50 ms on the right piece: P "
                    f"{tables.share(hits.precision)}, R {tables.share(hits.recall)}, F "
                    f"{tables.share(hits.f)}\n"
                )
            if way == "beats":
                details.append(f"{name}: by style\n\n{tables.by_style(own)}")
            details.append(
                f"{name}: usual mistakes of takes whose downbeats are right\n\n"
                f"{tables.usual_mistakes([take for take in own if take.downbeats], 10)}"
            )
            if options.worst:
                details.append(f"{name}: worst takes\n\n{tables.worst(own, options.worst)}")
    print(tables.table(tables.HEADS, rows))
    if mv2h_rows:
        print(f"MV2H of the first {mv2h.BARS} bars, means of takes (harmony does not apply)\n")
        print(tables.table(["", "takes", *mv2h.PARTS, "joint", "our F, whole takes"], mv2h_rows))
    for each in details:
        print(each)


def scores_of(
    way: str, truths: Sequence[Truth], options: argparse.Namespace
) -> Iterable[tuple[str, list[Scored]]]:
    """(truth's name, takes)."""
    started_s = time.monotonic()
    if way == "sound":
        chosen = spread([t for t in truths if t.kind == "beat"], options.takes or 20)
        recorder = Recorder(options.data, options.work, options.seed)
        own = []
        for number, truth in enumerate(chosen):
            heard, performance = listen(recorder, truth.until(EXCERPT_S), number)
            who = None if performance is None else who_is_who(heard, performance.hits)
            own.append(judge(heard, performance, options, who))
            if performance and who is not None:
                own[-1].heard.add(len(who), len(performance.hits), len(heard.hits))
            told(way, len(own), len(chosen), started_s)
        yield "as played", own
        return
    for truth_name, asked in (
        ("as played", list(truths)),
        # The ear's beats sit on the hits, not on a click that the drummer is ahead of.
        *(
            [("as played, lag off", [replace(t, click_s=t.start_s) for t in truths])]
            if way == "beats"
            else []
        ),
        ("borrowed hands", [borrowed(truths, index, options.seed) for index in range(len(truths))]),
    ):
        chosen = spread(asked, options.takes) if options.takes else asked
        own = []
        for truth in chosen:
            own.append(judge(truth, READINGS[way](truth), options, None))
            told(f"{way}, {truth_name}", len(own), len(chosen), started_s)
        yield truth_name, own


def listen(recorder: Recorder, truth: Truth, number: int) -> tuple[Truth, Performance | None]:
    try:
        return recorder.hear(truth, number)
    except (NoDrumsHeard, SilentAudio):
        return truth, None


def borrowed(truths: Sequence[Truth], index: int, seed: int) -> Truth:
    """The take with another's hands; which, and from where on, are the seed's and its number's."""
    rng = np.random.default_rng([seed, index])
    return borrow_hands(truths[index], choose_hands(truths, index, rng), rng)


def write(performance: Performance | None) -> ScoreDocument | None:
    if performance is None:
        return None
    try:
        return quantise(performance)
    except ScoreError as error:
        print(f"not written: {error}", file=sys.stderr)
        return None


def judge(
    truth: Truth, performance: Performance | None, options: argparse.Namespace,
    who: Mapping[str, str] | None,
) -> Scored:  # fmt: skip
    document = write(performance)
    if document is None:
        nothing = Scored(truth.name, truth.style, truth.kind)
        nothing.notes.wanted = sum(note.asked for note in truth.notes)
        nothing.played = len(truth.notes)
        nothing.left_out = nothing.played - nothing.notes.wanted
        return nothing
    scored = compare(truth, document, who)
    if not options.no_mv2h and truth.kind == "beat":
        scored.mv2h = mv2h.score(truth, document, who)
    return scored


def spread(truths: Sequence[Truth], count: int) -> list[Truth]:
    """So many, evenly from first to last."""
    count = min(count, len(truths))
    return [truths[index * len(truths) // count] for index in range(count)]


def told(what: str, done: int, of: int, started_s: float) -> None:
    """On a terminal at every take, in a log at the end."""
    spent_s = time.monotonic() - started_s
    if sys.stderr.isatty() or done == of:
        start, end = ("\r", "\n" if done == of else "") if sys.stderr.isatty() else ("", "\n")
        told = f"{start}{what}: {done} of {of}, {spent_s:.0f} s"
        print(told, end=end, file=sys.stderr, flush=True)


def show(truths: Sequence[Truth], options: argparse.Namespace) -> None:
    for index, truth in enumerate(truths):
        if options.show not in truth.name:
            continue
        asked = borrowed(truths, index, options.seed) if options.borrowed else truth
        who = None
        performance: Performance | None
        if options.only == "sound":
            recorder = Recorder(options.data, options.work, options.seed)
            asked, performance = listen(recorder, asked.until(EXCERPT_S), 0)
            who = who_is_who(asked, performance.hits) if performance else None
        else:
            performance = READINGS[options.only or "beats"](asked)
        document = write(performance)
        if document is None:
            print(f"{truth.name}: not written")
            continue
        scored = compare(asked, document, who)
        print(
            f"{truth.name}: F {tables.share(scored.notes.f)}, {60 / truth.period_s:g} bpm, swing "
            f"{document.timeline.swing}"
        )
        print("\n".join(side_by_side(asked, document)))


if __name__ == "__main__":
    main()
