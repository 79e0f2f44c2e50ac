"""How likely each moment is a beat, and each beat a downbeat: two small networks over the hits.

The first sees six rows, a family of pieces each, at 50 frames a second, and through dilated
convolutions some ten seconds before and after every frame. The second sees what is struck where
inside each beat, whatever the tempo, some sixty beats to either side; it also says whether these
are the beats that a drummer would count, and not their halves, doubles or offbeats. Together they
are `pulse-1`; `training.pulse` trains them on the same rows, docs/models/pulse-1.md says on what.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from libs.common.drums import DrumPiece, Hit

Values = NDArray[np.float64]
Rows = NDArray[np.float32]

FRAMES_PER_S: Final = 50.0
FAMILIES: Final[tuple[frozenset[DrumPiece], ...]] = (
    frozenset({DrumPiece.KICK}),
    frozenset({DrumPiece.SNARE, DrumPiece.CROSS_STICK, DrumPiece.RIMSHOT}),
    frozenset(
        {
            DrumPiece.HAT_CLOSED,
            DrumPiece.HAT_HALF_OPEN,
            DrumPiece.HAT_OPEN,
            DrumPiece.HAT_PEDAL,
        }
    ),
    frozenset({DrumPiece.TOM_HIGH, DrumPiece.TOM_MID, DrumPiece.TOM_FLOOR}),
    frozenset({DrumPiece.CRASH, DrumPiece.CRASH_2, DrumPiece.SPLASH, DrumPiece.CHINA}),
    frozenset({DrumPiece.RIDE, DrumPiece.RIDE_BELL, DrumPiece.COWBELL, DrumPiece.TAMBOURINE}),
)
FAMILY: Final[dict[DrumPiece, int]] = {
    piece: row for row, pieces in enumerate(FAMILIES) for piece in pieces
}
CONTEXT_FRAMES: Final = 512
"""The network sees no further than this to either side."""

_CHUNK_FRAMES: Final = 6000
_NETWORKS: Final = Path(__file__).parent / "networks"

PLACES: Final = 12
"""Of a beat: thirds and quarters both fall on one."""
BAR_ROWS: Final = PLACES * len(FAMILIES) + 1
_USUAL_BPM: Final = 110.0


def loudness(velocities: Values) -> Values:
    """A velocity of 1 to 127 as a strength: a ghost counts for something, an accent for 1."""
    return 0.2 + 0.8 * velocities / 127


def rasterise(
    onsets_s: Values, families: NDArray[np.int64], strengths: Values, frames: int
) -> Rows:
    """(6, frames): each hit shared by the two frames around it; onsets outside are left out."""
    rows = np.zeros((len(FAMILIES), frames), np.float32)
    places = onsets_s * FRAMES_PER_S
    first = np.floor(places).astype(np.int64)
    for near, share in ((first, 1 - (places - first)), (first + 1, places - first)):
        inside = (near >= 0) & (near < frames)
        np.add.at(rows, (families[inside], near[inside]), (share * strengths)[inside])
    return np.minimum(rows, 1.0, out=rows)


def by_beat(
    onsets_s: Values, families: NDArray[np.int64], strengths: Values, beats_s: Values
) -> Rows:
    """(73, beats): each hit shared by the two places of its beat around it, and the tempo."""
    count = len(beats_s)
    ends_s = np.append(beats_s, 2 * beats_s[-1] - beats_s[-2])
    # A hit just before the first beat is meant for it.
    ahead_s = 2 * beats_s[0] - beats_s[1]
    index = np.arange(-1, count + 1)
    place = np.interp(onsets_s, np.concatenate([[ahead_s], ends_s]), index, -9, 2 * count + 9)
    place = place * PLACES
    first = np.floor(place).astype(np.int64)
    rows = np.zeros((len(FAMILIES), count * PLACES), np.float32)
    for near, share in ((first, 1 - (place - first)), (first + 1, place - first)):
        inside = (near >= 0) & (near < count * PLACES)
        np.add.at(rows, (families[inside], near[inside]), (share * strengths)[inside])
    np.minimum(rows, 1.0, out=rows)
    rows = rows.reshape(len(FAMILIES), count, PLACES).transpose(0, 2, 1).reshape(-1, count)
    bpm = 60 / np.maximum(np.diff(ends_s), 0.05)
    return np.concatenate([rows, np.log2(bpm / _USUAL_BPM)[None].astype(np.float32)])


@dataclass(frozen=True, slots=True)
class Strokes:
    """Hits as arrays: when, of what family, and strength as confidence times loudness."""

    onsets_s: Values
    families: NDArray[np.int64]
    strengths: Values

    @staticmethod
    def of(hits: Sequence[Hit]) -> Strokes:
        return Strokes(
            np.array([hit.onset_s for hit in hits]),
            np.array([FAMILY[hit.piece] for hit in hits], np.int64),
            np.array([hit.confidence for hit in hits])
            * loudness(np.array([hit.velocity for hit in hits], np.float64)),
        )


def beat_chances(strokes: Strokes, start_s: float, frames: int) -> Values:
    """Of a beat at each frame from `start_s` on."""
    rows = rasterise(strokes.onsets_s - start_s, strokes.families, strokes.strengths, frames)
    return np.asarray(run_frames(rows)[0], np.float64)


def run_frames(rows: Rows, chunk_frames: int = _CHUNK_FRAMES) -> Rows:
    """(2, frames) chances from (6, frames); the same for every `chunk_frames`."""
    frames = rows.shape[1]
    out = np.empty((2, frames), np.float32)
    for first in range(0, frames, chunk_frames):
        past = min(first + chunk_frames, frames)
        # Only the true ends are padded, as in training; inside, neighbours stand on both sides.
        left, right = max(0, first - CONTEXT_FRAMES), min(frames, past + CONTEXT_FRAMES)
        seen = _session("pulse-1.onnx").run(None, {"rows": rows[None, :, left:right]})[0][0]
        out[:, first:past] = seen[:, first - left : past - left]
    return out


def bar_logits(strokes: Strokes, beats_s: Values) -> tuple[Values, Values]:
    """Of each beat: to be a downbeat, and to be of the pulse that a drummer would count."""
    rows = by_beat(strokes.onsets_s, strokes.families, strokes.strengths, beats_s)
    ones, right = run_beats(rows)
    return ones.astype(np.float64), right.astype(np.float64)


def run_beats(rows: Rows) -> Rows:
    """(2, beats) logits from (73, beats)."""
    return np.asarray(_session("pulse-1-bars.onnx").run(None, {"rows": rows[None]})[0][0])


@cache
def _session(name: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        str(_NETWORKS / name), sess_options=options, providers=["CPUExecutionProvider"]
    )
