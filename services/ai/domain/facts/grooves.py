"""What a drummer would call a groove: names whose every condition is checked on the bar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from libs.common.drums import Articulation, DrumPiece
from libs.common.part import PartBar, PartSwing, Stroke
from services.ai.domain.facts.timing import LIMB_OF

_Q: Final = Fraction(1, 4)
_E: Final = Fraction(1, 8)
SWUNG: Final = 1.3
"""From this ratio on, written eighths are heard as the outer thirds of a triplet."""


@dataclass(frozen=True, slots=True)
class Places:
    """A bar by limb: where each strikes; the snare's ghosts apart."""

    hat: frozenset[Fraction]
    ride: frozenset[Fraction]
    crash: frozenset[Fraction]
    kick: frozenset[Fraction]
    snare: frozenset[Fraction]
    cross: frozenset[Fraction]
    ghosts: frozenset[Fraction]
    toms: frozenset[Fraction]
    pedal: frozenset[Fraction]
    open_hat: frozenset[Fraction]

    @property
    def lead(self) -> frozenset[Fraction]:
        """What keeps time: a crash on the one takes the place of its first stroke."""
        return max(self.hat, self.ride, self.crash, key=len) | self.crash

    @property
    def back(self) -> frozenset[Fraction]:
        return self.snare | self.cross


def _places(bar: PartBar, swing: PartSwing | None) -> Places:
    def sounds(at: Fraction) -> Fraction:
        swung = swing is not None and swing.unit == _E and swing.ratio >= SWUNG
        return at + Fraction(1, 24) if swung and at % _Q == _E else at

    def of(test: Callable[[Stroke], bool]) -> frozenset[Fraction]:
        return frozenset(sounds(stroke.at) for stroke in bar.strokes if test(stroke))

    def limb(name: str) -> frozenset[Fraction]:
        return of(lambda stroke: LIMB_OF[stroke.piece] == name)

    def ghost(stroke: Stroke) -> bool:
        return Articulation.GHOST in stroke.marks

    snares = (DrumPiece.SNARE, DrumPiece.RIMSHOT)
    return Places(
        hat=limb("hi-hat"),
        ride=limb("ride"),
        crash=limb("crashes"),
        kick=limb("kick"),
        snare=of(lambda stroke: stroke.piece in snares and not ghost(stroke)),
        cross=of(lambda stroke: stroke.piece is DrumPiece.CROSS_STICK and not ghost(stroke)),
        ghosts=of(lambda stroke: LIMB_OF[stroke.piece] == "snare" and ghost(stroke)),
        toms=limb("toms"),
        pedal=limb("hat foot"),
        open_hat=of(lambda stroke: stroke.piece is DrumPiece.HAT_OPEN),
    )


def _at(*quarters: float) -> frozenset[Fraction]:
    """Places of a bar, in quarters from its line."""
    return frozenset(Fraction(quarter).limit_denominator(12) / 4 for quarter in quarters)


_BEATS: Final = _at(0, 1, 2, 3)
_EIGHTHS: Final = _at(*(i / 2 for i in range(8)))
_OFFBEATS: Final = _EIGHTHS - _BEATS
_BACKBEAT: Final = _at(1, 3)
_THIRDS: Final = _at(*(i + 2 / 3 for i in range(4)))
_SPANG: Final = _at(0, 1, 2, 3) | _at(1 + 2 / 3, 3 + 2 / 3)
_TRESILLO: Final = _at(0, 1.5, 3)


def groove_names(bar: PartBar, swing: PartSwing | None = None) -> tuple[str, ...]:
    """The most telling first; none for a bar that nothing here describes. `swing` is what holds in
    the bar: swung eighths are thirds, as they sound."""
    if bar.length != bar.meter.length:
        return ()
    if bar.meter.is_compound:
        names = _COMPOUND.get((bar.meter.numerator, bar.meter.denominator), ())
    elif bar.meter.beat_unit == _Q:
        names = _NAMES if bar.meter.length == 1 else _THREE if bar.meter.numerator == 3 else ()
    else:
        names = ()
    found = _places(bar, swing)
    return tuple(name for name, holds in names if holds(found))


def rank(name: str) -> int:
    """How telling a name is; 0 is the most."""
    return _ORDER.index(name)


def _eighths(found: Places) -> bool:
    """Whether hat or ride plays them, all but one at least, and little else."""
    return len(found.lead & _EIGHTHS) >= 7 and len(found.lead) <= 9 and not found.lead & _THIRDS


def _shuffled(found: Places) -> bool:
    return len(found.lead & _THIRDS) >= 3 and len(found.lead & _BEATS) >= 3


_Names = tuple[tuple[str, Callable[[Places], bool]], ...]

_NAMES: Final[_Names] = (
    ("blast beat", lambda p: len(p.snare) >= 8 and len(p.kick) >= 8),
    (
        "jazz ride pattern",
        lambda p: p.ride >= _SPANG and not (p.ride - _SPANG - _THIRDS),
    ),
    ("half-time shuffle", lambda p: _shuffled(p) and p.back == _at(2) and len(p.ghosts) >= 2),
    ("shuffle", lambda p: _shuffled(p) and p.back >= _BACKBEAT),
    (
        "one drop",
        lambda p: Fraction(1, 2) in p.kick and Fraction(0) not in p.kick
        and Fraction(1, 2) in p.back and len(p.back) <= 2,
    ),
    (
        "train beat",
        lambda p: len(p.snare | p.ghosts) >= 12 and len(p.ghosts) >= 4 and not p.toms
        and len(p.kick & _BEATS) >= 2,
    ),
    (
        "linear groove",
        lambda p: len(p.hat | p.ride | p.kick | p.snare | p.ghosts | p.toms) >= 8
        and 2 * len(p.lead) <= len(p.hat | p.ride | p.kick | p.snare | p.ghosts | p.toms)
        and not (p.kick & (p.snare | p.ghosts | p.hat | p.ride | p.toms))
        and not ((p.hat | p.ride) & (p.snare | p.ghosts | p.toms)),
    ),
    (
        "bossa nova with cross-stick",
        lambda p: bool(p.cross) and p.lead >= _EIGHTHS
        and _at(0, 1.5, 2, 3.5) <= p.kick,
    ),
    ("four on the floor", lambda p: p.kick >= _BEATS and len(p.kick) <= 5),
    (
        "offbeat open hats",
        lambda p: len(p.open_hat & _OFFBEATS) >= 3 and not p.open_hat & _BEATS,
    ),
    (
        "double-time beat",
        lambda p: p.back == _OFFBEATS and len(p.kick & _BEATS) >= 3,
    ),
    (
        "half-time groove",
        lambda p: p.back == _at(2) and Fraction(0) in p.kick and not _shuffled(p),
    ),
    (
        "eighth-note rock beat",
        lambda p: p.back >= _BACKBEAT and _eighths(p) and p.kick <= _EIGHTHS
        and not p.ghosts and not (p.kick >= _BEATS),
    ),
    (
        "eighth-note groove",
        lambda p: p.back >= _BACKBEAT and _eighths(p)
        and (bool(p.ghosts) or not p.kick <= _EIGHTHS) and not (p.kick >= _BEATS),
    ),
    (
        "sixteenth-note groove",
        lambda p: p.back >= _BACKBEAT and len(p.lead) >= 12 and not (p.lead & _THIRDS),
    ),
    (
        "quarter-note groove",
        lambda p: p.back >= _BACKBEAT and p.lead == _BEATS,
    ),
    (
        "tom groove",
        lambda p: len(p.toms) >= 6 and len(p.lead) <= 4,
    ),
    ("tresillo in the kick", lambda p: p.kick == _TRESILLO),
    ("ghost notes around the backbeat", lambda p: len(p.ghosts) >= 2 and p.back >= _BACKBEAT),
    ("backbeat on 2 and 4", lambda p: p.back == _BACKBEAT),
    ("kick on 1 and 3", lambda p: p.kick == _at(0, 2)),
    ("hat foot on 2 and 4", lambda p: p.pedal == _BACKBEAT),
)  # fmt: skip
_SIX: Final = frozenset(i * _E for i in range(6))
_TWELVE: Final = frozenset(i * _E for i in range(12))
_COMPOUND: Final[dict[tuple[int, int], _Names]] = {
    (6, 8): (
        (
            "6/8 groove with the backbeat on 2",
            lambda p: p.lead >= _SIX and p.back == frozenset({3 * _E}),
        ),
    ),
    (12, 8): (
        (
            "12/8 groove with the backbeat on 2 and 4",
            lambda p: p.lead >= _TWELVE and p.back == frozenset({3 * _E, 9 * _E}),
        ),
    ),
}
_THREE: Final[_Names] = (
    (
        "kick on 1, snare on 2 and 3",
        lambda p: p.back == _at(1, 2) and Fraction(0) in p.kick and not p.kick & p.back,
    ),
    ("backbeat on 3", lambda p: p.back == _at(2) and Fraction(0) in p.kick),
    ("backbeat on 2", lambda p: p.back == _at(1) and Fraction(0) in p.kick),
)
_ORDER: Final = tuple(name for names in (_NAMES, *_COMPOUND.values(), _THREE) for name, _ in names)
