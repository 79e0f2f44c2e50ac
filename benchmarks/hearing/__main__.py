"""Score a hearer: `python -m benchmarks.hearing /path/to/real [--model dsp-1] [--mix]`.

The folder is laid out as MDB Drums: NAME.flac (drums), NAME.mix.flac (with music),
NAME_class.txt, NAME_subclass.txt, NAME_MIX.beats. Prints Markdown. Evaluation only: nothing here
may be fitted to.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import mir_eval
import numpy as np
from numpy.typing import NDArray

from libs.common.drums import DrumPiece
from libs.common.performance import Performance
from services.audio.domain.hear import MODEL_VERSION, hear_performance, hearers

FIVE = {
    DrumPiece.KICK: "KD", DrumPiece.SNARE: "SD", DrumPiece.RIMSHOT: "SD",
    DrumPiece.HAT_CLOSED: "HH", DrumPiece.HAT_HALF_OPEN: "HH", DrumPiece.HAT_OPEN: "HH",
    DrumPiece.HAT_PEDAL: "HH", DrumPiece.TOM_HIGH: "TT", DrumPiece.TOM_MID: "TT",
    DrumPiece.TOM_FLOOR: "TT", DrumPiece.CRASH: "CY", DrumPiece.CRASH_2: "CY",
    DrumPiece.SPLASH: "CY", DrumPiece.CHINA: "CY", DrumPiece.RIDE: "CY", DrumPiece.RIDE_BELL: "CY",
    DrumPiece.CROSS_STICK: "OT", DrumPiece.COWBELL: "OT", DrumPiece.TAMBOURINE: "OT",
}  # fmt: skip
CLASSES = ("KD", "SD", "HH", "TT", "CY")
FINE = {
    "KD": "kick", "SD": "snare", "SDG": "snare", "SDF": "snare", "SDD": "snare", "SDNS": "snare",
    "SDB": "snare", "CHH": "hat-closed", "OHH": "hat-open", "PHH": "hat-pedal", "HIT": "tom-high",
    "MHT": "tom-mid", "HFT": "tom-floor", "LFT": "tom-floor", "RDC": "ride", "RDB": "ride-bell",
    "CRC": "crash", "CHC": "crash", "SPC": "crash", "SST": "cross-stick",
}  # fmt: skip


@dataclass
class Tally:
    right: int = 0
    said: int = 0
    wanted: int = 0

    def add(self, truth: NDArray[np.float64], heard: NDArray[np.float64], near_s: float) -> None:
        self.right += len(mir_eval.util.match_events(truth, heard, near_s))
        self.said += len(heard)
        self.wanted += len(truth)

    @property
    def f(self) -> float:
        return 2 * self.right / max(1, self.said + self.wanted)

    def __str__(self) -> str:
        return f"{self.f:.3f}".lstrip("0") if self.said + self.wanted else "-"


@dataclass
class Track:
    name: str
    classes: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    tight: Tally = field(default_factory=Tally)
    moved: Tally = field(default_factory=Tally)
    offset_ms: float = 0.0
    beats_f: float = 0.0
    downbeats_f: float = 0.0
    tempo_bpm: float | None = None
    true_bpm: float = 0.0


def annotations(path: Path) -> dict[str, NDArray[np.float64]]:
    """Onsets in seconds per label, sorted."""
    onsets: dict[str, list[float]] = defaultdict(list)
    for line in path.read_text().splitlines():
        if line.strip():
            at, label = line.split()
            onsets[label].append(float(at))
    return {label: np.sort(times) for label, times in onsets.items()}


def score(
    folder: Path, name: str, heard: Performance, fine: dict[str, Tally], total: Track
) -> Track:
    track = Track(name)
    truth = annotations(folder / f"{name}_class.txt")
    lags: list[float] = []
    pairs = []
    for label in CLASSES:
        wanted = truth.get(label, np.array([]))
        said = np.array([hit.onset_s for hit in heard.hits if FIVE[hit.piece] == label])
        pairs.append((wanted, said))
        lags += [said[b] - wanted[a] for a, b in mir_eval.util.match_events(wanted, said, 0.05)]
        for each in (track, total):
            each.classes[label].add(wanted, said, 0.05)
            each.tight.add(wanted, said, 0.02)
    offset_s = float(np.median(lags)) if lags else 0.0
    track.offset_ms = offset_s * 1000
    for wanted, said in pairs:
        for each in (track, total):
            each.moved.add(wanted, said - offset_s, 0.02)
    by_piece: dict[str, list[float]] = defaultdict(list)
    for label, times in annotations(folder / f"{name}_subclass.txt").items():
        if label in FINE:
            by_piece[FINE[label]] += list(times)
    said_by_piece: dict[str, list[float]] = defaultdict(list)
    for hit in heard.hits:
        said_by_piece[str(hit.piece)].append(hit.onset_s)
    for piece in sorted(set(by_piece) | set(said_by_piece)):
        fine[piece].add(np.sort(by_piece[piece]), np.array(said_by_piece[piece]), 0.05)
    beats_path = folder / f"{name}_MIX.beats"
    if beats_path.exists():
        rows = np.loadtxt(beats_path, ndmin=2)
        said_beats = np.array([beat.time_s for beat in heard.beats])
        said_downs = np.array([beat.time_s for beat in heard.beats if beat.position == 1])
        track.beats_f = mir_eval.beat.f_measure(rows[:, 0], said_beats)
        track.downbeats_f = mir_eval.beat.f_measure(rows[rows[:, 1] == 1, 0], said_downs)
        track.true_bpm = 60 / float(np.median(np.diff(rows[:, 0])))
        track.tempo_bpm = heard.tempo_bpm
    return track


def pooled(tallies: list[Tally]) -> Tally:
    return Tally(*(sum(getattr(tally, part) for tally in tallies)
                   for part in ("right", "said", "wanted")))  # fmt: skip


def row(track: Track) -> str:
    tempo = f"{track.tempo_bpm:.1f}" if track.tempo_bpm else "none"
    cells = [
        track.name,
        str(pooled([track.classes[label] for label in CLASSES])),
        str(pooled([track.classes[label] for label in CLASSES[:3]])),
        *(str(track.classes[label]) for label in CLASSES),
        str(track.tight),
        str(track.moved),
        f"{track.offset_ms:+.0f}" if track.offset_ms else "",
        f"{track.beats_f:.2f}",
        f"{track.downbeats_f:.2f}",
        f"{tempo} / {track.true_bpm:.1f}" if track.true_bpm else "",
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.hearing", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default=MODEL_VERSION, choices=sorted(hearers()))
    parser.add_argument("--mix", action="store_true", help="hear the mixes with music")
    parser.add_argument("--sensitivity", type=float, default=0.5)
    options = parser.parse_args()
    names = sorted(path.name.removesuffix("_class.txt")
                   for path in options.folder.glob("*_class.txt"))  # fmt: skip
    if not names:
        parser.error(f"no NAME_class.txt in {options.folder}")
    total, fine = Track("all"), defaultdict(Tally)
    audio_s = 0.0
    tracks = []
    started_s = time.process_time()
    for name in names:
        path = options.folder / f"{name}{'.mix' if options.mix else ''}.flac"
        heard = hear_performance(path, model=options.model, sensitivity=options.sensitivity)
        audio_s += heard.duration_s
        tracks.append(score(options.folder, name, heard, fine, total))
    spent_s = time.process_time() - started_s
    total.beats_f = float(np.mean([track.beats_f for track in tracks]))
    total.downbeats_f = float(np.mean([track.downbeats_f for track in tracks]))
    print(
        f"{options.model}, {'mixes' if options.mix else 'drum stems'}: micro F at ±50 ms; "
        "5 and 3 classes, each class, then ±20 ms, and that less the track's median offset\n"
    )
    print(
        "| track | 5 | 3 | kick | snare | hat | tom | cymbal | ±20 | ±20 moved | offset ms "
        "| beats | downbeats | bpm / true |"
    )
    print("|" + " --- |" * 14)
    for track in (*tracks, total):
        print(row(track))
    fine_total = pooled(list(fine.values()))
    print(
        f"\nvoices: {fine_total} ("
        + ", ".join(f"{piece} {tally} of {tally.wanted}" for piece, tally in sorted(fine.items()))
        + ")"
    )
    print(f"speed: {audio_s / spent_s:.0f} seconds of sound a CPU second")


if __name__ == "__main__":
    main()
