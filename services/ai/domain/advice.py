"""What a teacher says after a take, from its figures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from services.ai.domain.takes import Comparison, LimbResult

_OFF_TEMPO: Final = 0.03
_BEHIND_MS: Final = 10.0
_LOOSE_MS: Final = 20.0
_OFTEN: Final = 0.15


def advice(found: Comparison) -> Iterable[str]:
    """The most pressing first; at least a sentence."""
    said = [*_tempo(found), *_misses(found), *_limbs(found)]
    if not said:
        said.append("Clean and in time. Take the next tempo of the ladder.")
    return said[:6]


def _tempo(found: Comparison) -> Iterable[str]:
    if found.target_bpm and abs(found.take_bpm / found.target_bpm - 1) > _OFF_TEMPO:
        way = "slower" if found.take_bpm < found.target_bpm else "faster"
        yield f"You played at {found.take_bpm:g} bpm, {way} than the written {found.target_bpm:g}."


def _misses(found: Comparison) -> Iterable[str]:
    if found.missed:
        verb = "is" if found.missed == 1 else "are"
        told = f"{found.missed} of {found.strokes} strokes {verb} missing"
        worst = max(found.bars, key=lambda bar: bar.strokes - bar.hit)
        where = f"bar {worst.bar}" if worst.bar > 0 else "the pickup"
        if len(found.bars) == 1:
            yield f"{told}."
        elif worst.strokes - worst.hit == found.missed:
            yield f"{told}, in {where}: loop that on its own."
        else:
            yield f"{told}, most often in {where}: loop that on its own."
    if found.extra > _OFTEN * found.strokes:
        verb = "stroke is" if found.extra == 1 else "strokes are"
        yield f"{found.extra} {verb} not in the score: play less, and what is written."


def _limbs(found: Comparison) -> Iterable[str]:
    ranked = sorted(
        (limb for limb in found.limbs if limb.mean_ms is not None),
        key=lambda limb: -(abs(limb.mean_ms or 0) + (limb.spread_ms or 0)),
    )
    for limb in ranked[:3]:
        yield from _limb(limb)


def _limb(limb: LimbResult) -> Iterable[str]:
    name, verb = limb.limb, "are" if limb.limb in _PLURALS else "is"
    if limb.mean_ms is not None and abs(limb.mean_ms) > _BEHIND_MS:
        side, mend = ("late", "lean forward") if limb.mean_ms > 0 else ("early", "lay back")
        yield f"Your {name} {verb} {abs(limb.mean_ms):g} ms {side} on average: {mend} a little."
    elif limb.spread_ms is not None and limb.spread_ms > _LOOSE_MS:
        wander, it = ("wander", "they sit") if name in _PLURALS else ("wanders", "it sits")
        yield f"Your {name} {wander} by {limb.spread_ms:g} ms: slow down until {it}."
    for count, how in ((limb.too_loud, "loud"), (limb.too_soft, "soft")):
        if count > _OFTEN * limb.strokes:
            yield f"Your {name} {verb} too {how} in {count} of {limb.strokes} strokes."


_PLURALS: Final = frozenset({"toms", "crashes"})
