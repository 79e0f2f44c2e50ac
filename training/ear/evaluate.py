"""Thresholds, confidence and scores of an exported network.

Thresholds are chosen on rendered takes of kits and performances that were held out of training and
on the development recordings, confidence is fitted on the latter; scores on them are therefore a
little selected.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import mir_eval
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from benchmarks.hearing.truth import FIVE, GM, read_folder
from libs.common.drums import DrumPiece
from services.audio.domain.network import Activations, Calibration, Card, activations, listen
from services.audio.domain.peaks import Peak, Picker, hits_from, logit
from services.audio.domain.vocabulary import FAMILIES, FAMILY_OF, ONSET_OUTPUTS, PIECES
from training.ear.pool import FLOOR_DB, FRAMES, QUANTUM_DB, Shards

NEAR_S = 0.05
THRESHOLDS = np.round(np.arange(0.08, 0.86, 0.02), 2)


@dataclass(frozen=True, slots=True)
class Piece:
    """Something that was listened to: its peaks, and what was really struck."""

    name: str
    peaks: list[Peak]
    truth: dict[str, NDArray[np.float64]]
    """Onsets in seconds by family; families without an entry are not judged."""
    rows: NDArray[np.float64]
    """(second, piece, velocity); of recordings the velocity is not known, and an open hat may be
    half open."""


def open_card(
    families: dict[str, Calibration] | None = None, lag_s: float = 0.0,
    velocities: dict[str, list[tuple[float, float]]] | None = None,
) -> Card:  # fmt: skip
    """A card that decides nothing yet."""
    plain = Calibration(threshold=0.3, again_threshold=0.4, slope=1.0, offset=0.0)
    return Card(
        version="draft", about="", data=[], command="", seed=0, trained_hours=0, parameters=0,
        licence="", scores={}, limits=[], lag_s=lag_s,
        families=families or dict.fromkeys(FAMILIES, plain), second_piece=0.5, together=0.7,
        velocities=velocities or {},
    )  # fmt: skip


def rendered(held_out: Path, weights: Path, most: int) -> list[Piece]:
    """The held-out takes, heard."""
    shards = Shards(held_out)
    found = []
    for number, (levels, rows) in enumerate(shards.all()):
        if number >= most:
            break
        out = activations(
            levels.astype(np.float32) * np.float32(QUANTUM_DB) + np.float32(FLOOR_DB), weights
        )
        picker = Picker(open_card())
        picker.take(Activations(0, out[:ONSET_OUTPUTS], out[ONSET_OUTPUTS:]))
        picker.finish()
        # What lies at the edge has no room to be right in.
        inside = (rows[:, 0] >= 5) & (rows[:, 0] < FRAMES - 5)
        peaks = [peak for peak in picker.peaks if 0.05 <= peak.at_s < (FRAMES - 5) / 100]
        kept = rows[inside].astype(float)
        kept[:, 0] /= 100
        truth = {
            family: np.sort([row[0] for row in kept if FAMILY_OF[PIECES[int(row[1])]] == family])
            for family in FAMILIES
        }
        found.append(Piece(f"rendered {number}", peaks, truth, kept))
    return found


def recorded(folder: Path, weights: Path, mix: bool) -> list[Piece]:
    """The development recordings, heard."""
    found = []
    for take in read_folder(folder, mix, GM):
        assert take.sound is not None
        picker = Picker(open_card())
        for heard in listen(take.sound, "draft", lambda done: None, weights):
            picker.take(heard)
        picker.finish()
        # Cross-stick and tambourine are no classes of the field, but annotated.
        truth = {label: take.classes[label] for label in FIVE}
        truth |= {
            FAMILY_OF[piece]: take.voices.get(piece, np.array([]))
            for piece in (DrumPiece.CROSS_STICK, DrumPiece.TAMBOURINE)
        }
        rows = [
            (at_s, PIECES.index(piece), 0.0)
            for piece, times in take.voices.items()
            for at_s in times
        ]
        found.append(Piece(take.name, picker.peaks, truth, np.array(sorted(rows))))
    return found


def tally(pieces: list[Piece], card: Card, near_s: float = NEAR_S) -> dict[str, NDArray[np.int64]]:
    """(right, said, wanted) by family."""
    sums = {family: np.zeros(3, int) for family in FAMILIES}
    for piece in pieces:
        hits = hits_from(piece.peaks, card, 1e9)
        for family, truth in piece.truth.items():
            said = np.array([hit.onset_s for hit in hits if FAMILY_OF[hit.piece] == family])
            right = len(mir_eval.util.match_events(truth, said, near_s)) if len(said) else 0
            sums[family] += (right, len(said), len(truth))
    return sums


def f(counts: NDArray[np.int64]) -> float:
    return float(2 * counts[0] / max(1, counts[1] + counts[2]))


def lag(pieces: list[Piece], card: Card) -> float:
    """Median of heard less true onset."""
    lags = []
    for piece in pieces:
        hits = hits_from(piece.peaks, card, 1e9)
        for family, truth in piece.truth.items():
            said = np.array([hit.onset_s for hit in hits if FAMILY_OF[hit.piece] == family])
            lags += [said[b] - truth[a] for a, b in mir_eval.util.match_events(truth, said, NEAR_S)]
    return float(np.median(lags)) if lags else 0.0


def spread_velocities(pieces: list[Piece]) -> dict[str, list[tuple[float, float]]]:
    """What the network's velocities stand for: quantiles of what it says of strokes that it heard,
    against the same quantiles of how hard they were struck."""
    spread = {}
    for family in FAMILIES:
        said, struck = [], []
        for piece in pieces:
            rows = [row for row in piece.rows if FAMILY_OF[PIECES[int(row[1])]] == family]
            rows.sort(key=lambda row: row[0])
            peaks = sorted(
                (p for p in piece.peaks if p.family == family and p.chance > 0.4),
                key=lambda peak: peak.at_s,
            )
            if not rows or not peaks:
                continue
            times = np.array([peak.at_s for peak in peaks])
            for a, b in mir_eval.util.match_events(np.array([r[0] for r in rows]), times, NEAR_S):
                said.append(peaks[b].velocity)
                struck.append(127 * rows[a][2])
        if len(said) >= 50:
            at = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
            pairs = list(zip(np.quantile(said, at), np.quantile(struck, at), strict=True))
            spread[family] = [
                (0.0, 1.0),
                *((round(float(a), 3), round(float(b), 1)) for a, b in pairs),
                (1.0, 127.0),
            ]
    return spread


def choose(sets: list[tuple[float, list[Piece]]]) -> dict[str, Calibration]:
    """Thresholds that make the weighted mean of the sets' F the best, family by family."""
    chosen = {}
    for family in FAMILIES:
        scores = []
        judged = [
            (weight, pieces) for weight, pieces in sets if any(family in p.truth for p in pieces)
        ]
        for threshold in THRESHOLDS:
            card = _only(family, float(threshold), float(threshold))
            scores.append(sum(weight * f(tally(pieces, card)[family]) for weight, pieces in judged))
        # The middle of all that is as good as the best.
        good = np.flatnonzero(np.array(scores) >= max(scores) - 0.002)
        threshold = float(THRESHOLDS[good[len(good) // 2]])
        again = []
        for higher in (0.1, 0.2, 0.3, 0.4):
            card = _only(family, threshold, min(0.95, threshold + higher))
            again.append((sum(w * f(tally(p, card)[family]) for w, p in judged), -higher, higher))
        chosen[family] = Calibration(
            threshold=threshold, again_threshold=min(0.95, threshold + max(again)[2]),
            slope=1.0, offset=0.0,
        )  # fmt: skip
    return chosen


def _only(family: str, threshold: float, again: float) -> Card:
    never = Calibration(threshold=0.999999, again_threshold=1, slope=1, offset=0)
    one = Calibration(threshold=threshold, again_threshold=again, slope=1, offset=0)
    return open_card({name: one if name == family else never for name in FAMILIES})


def calibrate(recordings: list[Piece], practice: list[Piece], card: Card) -> dict[str, Calibration]:
    """The card's families with confidences fitted to how often hits are there and on the piece
    that is told: on recordings, and on practice where they have too few hits of a family."""
    fitted = {}
    for family, rule in card.families.items():
        rows = _told(recordings, family, card)
        if len(rows) < 60:
            rows += _told(practice, family, card)
        right = [good for _, good in rows]
        if len(set(right)) < 2:
            fitted[family] = rule
            continue
        model = LogisticRegression(C=10.0).fit([[logit(chance)] for chance, _ in rows], right)
        fitted[family] = rule.model_copy(
            update={
                "slope": round(float(model.coef_[0, 0]), 3),
                "offset": round(float(model.intercept_[0]), 3),
            }
        )
    return fitted


def _told(pieces: list[Piece], family: str, card: Card) -> list[tuple[float, bool]]:
    """(chance, was it right) of every hit that the card makes of a family, before calibration."""
    told = []
    for piece in pieces:
        hits = [h for h in hits_from(piece.peaks, card, 1e9) if FAMILY_OF[h.piece] == family]
        for member in FAMILIES[family]:
            own = [hit for hit in hits if _heard_as(hit.piece) is _heard_as(member)]
            if _heard_as(member) is not member or not own:
                continue
            truth = np.sort(
                [row[0] for row in piece.rows if _heard_as(PIECES[int(row[1])]) is member]
            )
            said = np.array([hit.onset_s for hit in own])
            pairs = mir_eval.util.match_events(truth, said, NEAR_S) if len(truth) else []
            good = {b for _, b in pairs}
            told += [(hit.confidence, index in good) for index, hit in enumerate(own)]
    return told


def _heard_as(piece: DrumPiece) -> DrumPiece:
    """Recordings are annotated with open hats, however open."""
    return DrumPiece.HAT_OPEN if piece is DrumPiece.HAT_HALF_OPEN else piece


def confusion(pieces: list[Piece], card: Card) -> NDArray[np.int64]:
    """[true piece or nothing, heard piece or nothing]."""
    size = len(PIECES)
    table = np.zeros((size + 1, size + 1), int)
    for piece in pieces:
        hits = hits_from(piece.peaks, card, 1e9)
        said = np.array([hit.onset_s for hit in hits])
        # Matched within a family first, so that a hit is not another's by nearness alone.
        used: set[int] = set()
        left = []
        for row in piece.rows:
            family = FAMILY_OF[PIECES[int(row[1])]]
            options = [
                (abs(said[i] - row[0]), i) for i in np.flatnonzero(np.abs(said - row[0]) <= NEAR_S)
                if i not in used and FAMILY_OF[hits[i].piece] == family
            ] if len(said) else []  # fmt: skip
            if options:
                best = min(options)[1]
                used.add(best)
                table[int(row[1]), PIECES.index(hits[best].piece)] += 1
            else:
                left.append(row)
        for row in left:
            table[int(row[1]), size] += 1
        for i, hit in enumerate(hits):
            if i not in used:
                table[size, PIECES.index(hit.piece)] += 1
    return table


def report(name: str, pieces: list[Piece], card: Card) -> dict[str, float]:
    """Print and return F by family and pooled over the five classes of the field."""
    sums = tally(pieces, card)
    tight = tally(pieces, card, 0.02)
    five = [sums[family] for family in FIVE]
    scores = {family: round(f(sums[family]), 3) for family in FAMILIES if sums[family][2]}
    scores["5 classes"] = round(f(np.sum(five, axis=0)), 3)
    scores["5 classes, 20 ms"] = round(f(np.sum([tight[family] for family in FIVE], axis=0)), 3)
    print(name, scores, flush=True)
    return scores
