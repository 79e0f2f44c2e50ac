"""The tables: each line is measured in the same run as what it is held against."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.seeing.films import Case
from libs.common.drums import FEET, DrumPiece, Hand, Hit
from libs.common.options import VisionOptions
from libs.common.performance import Performance
from libs.common.sight import Sight
from services.vision.domain import sync
from services.vision.domain.judging import judge
from services.vision.domain.pose import JOINTS
from services.vision.domain.watched import Watched
from services.vision.domain.watching import watch

USUAL: Final = ("good", "above")
_TOMS: Final = (DrumPiece.TOM_HIGH, DrumPiece.TOM_MID, DrumPiece.TOM_FLOOR)


def print_all(cases: Sequence[Case], weights: Path | None, workers: int) -> None:
    """Watch every film once, and print."""
    with ProcessPoolExecutor(workers) as pool:
        watched = list(pool.map(_watch, cases, [weights] * len(cases)))
    pairs = list(zip(cases, watched, strict=True))
    print(f"{len(pairs)} rendered films, 8 to 11 s, 480x270, 24 to 60 frames a second\n")
    _sync(pairs)
    _sticking(pairs, weights)
    _views(pairs, weights)
    _cuts(pairs)
    _opinions(pairs)


def performance(hits: Sequence[Hit]) -> Performance:
    """As the ear would hand them over."""
    return Performance(
        duration_s=hits[-1].onset_s + 1 if hits else 0.0,
        hits=tuple(hits),
        beats=(),
        tempo_bpm=None,
        tempo_confidence=0.0,
        model_version="truth",
    )


def with_wrists(case: Case, watched: Watched, seed: int = 0) -> Watched:
    """The truth's joints in place of a network's, as roughly as one finds them: trembling by 1.8 %
    of the shoulders' distance, wild in 2 % of frames, lost in 5 %, swapped in 1 %."""
    rng = np.random.default_rng([seed, len(watched)])
    nearest = np.searchsorted(case.times_s, watched.times_s - 1e-4)
    joints = case.joints[np.clip(nearest, 0, len(case.joints) - 1)]
    size = np.array([watched.width, watched.height])
    across = np.linalg.norm((joints[:, 1] - joints[:, 2]) * size, axis=1)
    unit = max(float(np.median(across)), 40.0) / size
    count = len(watched)
    poses = np.ones((count, len(JOINTS), 3), np.float32)
    poses[..., :2] = joints + rng.normal(0, 0.018, joints.shape) * unit
    wrists = [JOINTS.index("left-wrist"), JOINTS.index("right-wrist")]
    wild = rng.random(count) < 0.02
    poses[np.ix_(wild, wrists, [0, 1])] += rng.normal(0, 0.3, (int(wild.sum()), 2, 2)) * unit
    swapped = np.flatnonzero(rng.random(count) < 0.01)
    poses[np.ix_(swapped, wrists)] = poses[np.ix_(swapped, wrists[::-1])]
    for wrist in wrists:
        poses[rng.random(count) < 0.05, wrist, 2] = 0.1
    bodies = np.where(np.arange(count) % 60 == 0, 1, np.nan).astype(np.float32)
    return replace(watched, poses=poses, looked=np.ones(count, bool), bodies=bodies)


def _watch(case: Case, weights: Path | None) -> Watched:
    onsets_s = [stroke.hit.onset_s for stroke in case.strokes]
    return watch(
        case.path, onsets_s, weights=weights, max_duration_s=3600, progress=lambda part: None
    )


def _hits(case: Case) -> list[Hit]:
    return [stroke.hit for stroke in case.strokes]


def _link(watched: Watched, hits: Sequence[Hit]) -> sync.Link | None:
    turned = np.asarray(watched.turned, np.float64).reshape(len(watched), -1)
    return sync.link(watched.times_s, turned, hits)


def _plain_offset(watched: Watched, hits: Sequence[Hit]) -> float:
    """The plain way: all that turns back in the picture, against all strokes."""
    total = np.asarray(watched.turned, np.float64).sum(axis=(1, 2))
    total -= total.mean()
    tried = np.arange(sync.EARLIEST_S, sync.LATEST_S, 0.005)
    onsets = np.array([hit.onset_s for hit in hits])
    sums = [np.interp(onsets - offset, watched.times_s, total).sum() for offset in tried]
    return float(tried[int(np.argmax(sums))])


def _sync(pairs: Sequence[tuple[Case, Watched]]) -> None:
    print("## Sync: how far the sound lies after the picture\n")
    print(
        "| films | accepted | error: median, 90 % (ms) | within 15 ms | plain sum: within 15 ms |"
    )
    print("| --- | --- | --- | --- | --- |")
    for kind in USUAL:
        errors: list[float] = []
        plain: list[float] = []
        mine = [(case, watched) for case, watched in pairs if case.kind == kind]
        for case, watched in mine:
            link = _link(watched, _hits(case))
            plain.append(abs(_plain_offset(watched, _hits(case)) - case.offset_s))
            if link is not None and link.believed:
                errors.append(abs(link.offset_s - case.offset_s))
        off = 1000 * np.array(errors)
        print(
            f"| {kind} | {len(errors)} of {len(mine)} | {np.median(off):.0f}, "
            f"{np.percentile(off, 90):.0f} | {np.mean(off <= 15):.2f} "
            f"| {np.mean(np.array(plain) <= 0.015):.2f} |"
        )
    wrong = tried = 0
    usual = [(case, watched) for case, watched in pairs if case.kind in USUAL]
    for number, (_, watched) in enumerate(usual):
        for step in range(1, 9):
            other, _ = usual[(number + 7 * step) % len(usual)]
            link = _link(watched, _hits(other))
            tried += 1
            wrong += link is not None and link.believed
    print(f"\nAnother film's sound: {wrong} of {tried} accepted.\n")


def _score(case: Case, sight: Sight) -> tuple[int, int, int]:
    truth = {stroke.hit.id: stroke.hand for stroke in case.strokes}
    marked = [stroke for stroke in sight.strokes if stroke.hand is not None]
    right = sum(stroke.hand == truth[stroke.hit] for stroke in marked)
    return len(sight.strokes), len(marked), right


def _plain_hands(case: Case, watched: Watched) -> tuple[int, int]:
    """The plain way: at the true offset, the wrist that moves down the faster."""
    right = total = 0
    size = watched.height
    paths = {
        Hand.RIGHT: watched.joint("right-wrist")[:, 1] * size,
        Hand.LEFT: watched.joint("left-wrist")[:, 1] * size,
    }
    for stroke in case.strokes:
        if stroke.hit.piece in FEET:
            continue
        at_s = stroke.hit.onset_s - case.offset_s
        fall = {
            hand: float(np.subtract(*np.interp([at_s, at_s - 0.1], watched.times_s, path)))
            for hand, path in paths.items()
        }
        total += 1
        right += max(fall, key=lambda hand: fall[hand]) == stroke.hand
    return right, total


def _sticking(pairs: Sequence[tuple[Case, Watched]], weights: Path | None) -> None:
    print("## Sticking in usable views, offset found by the system\n")
    print("| wrists | view | usable | marked | right of the marked | plain fall: right of all |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in ("injected", "network"):
        if name == "network" and weights is None:
            continue
        for view in ("front", "front-high", "side-right", "side-left"):
            mine = [(c, w) for c, w in pairs if c.kind == "good" and c.view == view]
            usable = strokes = marked = right = plain = total = 0
            for case, seen in mine:
                watched = with_wrists(case, seen) if name == "injected" else seen
                sight = judge(watched, performance(_hits(case)), VisionOptions(), weights=True)
                if not sight.usable:
                    continue
                usable += 1
                a, b, c = _score(case, sight)
                strokes, marked, right = strokes + a, marked + b, right + c
                good, all_of_them = _plain_hands(case, watched)
                plain, total = plain + good, total + all_of_them
            print(
                f"| {name} | {view} | {usable} of {len(mine)} | {marked / max(strokes, 1):.2f} "
                f"| {right / max(marked, 1):.3f} | {plain / max(total, 1):.2f} |"
            )
    print()


def _views(pairs: Sequence[tuple[Case, Watched]], weights: Path | None) -> None:
    print("## Views\n")
    print("| films | wrists | named unusable | reasons |")
    print("| --- | --- | --- | --- |")
    for kind in ("good", "above", "handheld", "pov", "rear", "far"):
        wrists = "injected" if kind in ("good", "handheld") else "network"
        if wrists == "network" and weights is None:
            continue
        reasons: dict[str, int] = {}
        mine = [(case, watched) for case, watched in pairs if case.kind == kind]
        for case, seen in mine:
            watched = with_wrists(case, seen) if wrists == "injected" else seen
            sight = judge(watched, performance(_hits(case)), VisionOptions(), weights=True)
            if not sight.usable:
                reasons[str(sight.reason)] = reasons.get(str(sight.reason), 0) + 1
        told = ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items()))
        print(f"| {kind} | {wrists} | {sum(reasons.values())} of {len(mine)} | {told} |")
    print()


def _cuts(pairs: Sequence[tuple[Case, Watched]]) -> None:
    found = wanted = false = 0
    frames = 0
    for case, watched in pairs:
        told = watched.times_s[watched.cuts]
        truth = [float(watched.times_s[np.searchsorted(watched.times_s, t)]) for t in case.cuts_s]
        near = [any(abs(t - u) < 0.05 for u in told) for t in truth]
        wanted, found = wanted + len(truth), found + sum(near)
        false += sum(all(abs(t - u) >= 0.05 for t in truth) for u in told)
        frames += len(watched)
    print("## Cuts\n")
    print(f"{found} of {wanted} found, {false} false in {frames} frames.\n")


def _opinions(pairs: Sequence[tuple[Case, Watched]]) -> None:
    """Half of the toms are heard with doubt, and half of those as another tom: what does the place
    of the stroke say?"""
    mended = broken = wrong_before = unsure = 0
    for case, seen in pairs:
        if case.kind != "good":
            continue
        rng = np.random.default_rng(len(case.strokes))
        truth = {stroke.hit.id: stroke.hit.piece for stroke in case.strokes}
        heard = [_doubted(hit, rng) for hit in _hits(case)]
        sight = judge(with_wrists(case, seen), performance(heard), VisionOptions(), weights=True)
        doubtful = {hit.id: hit for hit in heard if hit.confidence < 0.6}
        unsure += len(doubtful)
        wrong_before += sum(hit.piece is not truth[name] for name, hit in doubtful.items())
        for opinion in sight.opinions:
            mended += opinion.seen is truth[opinion.hit]
            broken += opinion.heard is truth[opinion.hit]
    print("## A second opinion where the ear is unsure of a tom\n")
    print(
        f"{unsure} doubtful toms, {wrong_before} wrong as heard; the place mends {mended} and "
        f"breaks {broken}.\n"
    )


def _doubted(hit: Hit, rng: np.random.Generator) -> Hit:
    if hit.piece not in _TOMS or rng.random() > 0.5:
        return replace(hit, confidence=0.9)
    wrong = rng.random() < 0.5
    others = [piece for piece in _TOMS if piece is not hit.piece]
    piece = others[int(rng.integers(2))] if wrong else hit.piece
    return replace(hit, piece=piece, confidence=0.45)
