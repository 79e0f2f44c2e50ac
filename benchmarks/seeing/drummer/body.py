"""Limbs that play: where shoulders, elbows, wrists and stick tips are at any time.

Metres in the player's own frame: x to the player's right, y forward to the kit, z up; the stool
stands at the origin. A stroke is a lift, a fall that quickens over about a tenth of a second, the
contact at the hit's time and a rebound; the wrist leads the tip and moves a third as far, as films
of drummers show (Dahl 2004, "Playing the accent": preparation heights 0.05 to 0.5 m).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from benchmarks.seeing.drummer.playing import Played
from libs.common.drums import DrumPiece, Hand

Point = NDArray[np.float64]

KIT: Final[dict[DrumPiece, tuple[float, float, float]]] = {
    DrumPiece.KICK: (0.05, 0.95, 0.30),
    DrumPiece.HAT_PEDAL: (-0.45, 0.50, 0.10),
    DrumPiece.SNARE: (-0.05, 0.42, 0.68),
    DrumPiece.HAT_CLOSED: (-0.43, 0.48, 0.88),
    DrumPiece.HAT_OPEN: (-0.43, 0.48, 0.88),
    DrumPiece.TOM_HIGH: (-0.15, 0.72, 0.90),
    DrumPiece.TOM_MID: (0.20, 0.72, 0.90),
    DrumPiece.TOM_FLOOR: (0.52, 0.38, 0.66),
    DrumPiece.CRASH: (-0.50, 0.80, 1.22),
    DrumPiece.RIDE: (0.58, 0.72, 1.02),
}
UPPER_ARM_M: Final = 0.30
FOREARM_M: Final = 0.27
STICK_M: Final = 0.42
_SHOULDER: Final = np.array([0.19, 0.0, 1.08])
_HEAD: Final = np.array([0.0, 0.06, 1.29])


def point(x: float, y: float, z: float) -> Point:
    """A place, or a way to one."""
    return np.array([x, y, z], np.float64)


@dataclass(frozen=True, slots=True)
class Skeleton:
    """Where everything is at one time."""

    joints: dict[str, Point]
    """As JOINTS of the pose network name them, and left-tip, right-tip, knees and feet."""
    shake: dict[DrumPiece, float]
    """How much a cymbal or a head still moves, 0 to 1."""


@dataclass
class Drummer:
    """A player of one performance. `mirrored_kit` stands the kit the other way round, as
    left-handed players have it."""

    strokes: list[Played]
    rng: np.random.Generator
    mirrored_kit: bool = False
    wrist_lead_s: float = 0.018
    """How much earlier the wrist is lowest than the tip."""
    wrist_share: float = 0.35
    """How far the wrist moves when the tip moves one."""
    height_m: float = 0.34
    """Of the tip before a stroke of full velocity."""
    _tips: dict[Hand, PchipInterpolator] = field(init=False)
    _wrists: dict[Hand, PchipInterpolator] = field(init=False)

    def __post_init__(self) -> None:
        self._tips, self._wrists = {}, {}
        for hand in (Hand.RIGHT, Hand.LEFT):
            mine = [s for s in self.strokes if s.hand in (hand, Hand.BOTH)]
            self._tips[hand], self._wrists[hand] = self._paths(hand, mine)
        self._feet = {
            piece: np.array([s.hit.onset_s for s in self.strokes if s.hit.piece is piece])
            for piece in (DrumPiece.KICK, DrumPiece.HAT_PEDAL)
        }
        self._struck: dict[DrumPiece, NDArray[np.float64]] = {
            piece: np.array([s.hit.onset_s for s in self.strokes if s.hit.piece is piece])
            for piece in KIT
        }
        self._sway = self.rng.uniform(0, 2 * np.pi, 4)

    def place(self, piece: DrumPiece) -> Point:
        """Where a piece is struck."""
        x, y, z = KIT[piece]
        return np.array([-x if self.mirrored_kit else x, y, z])

    def at(self, time_s: float) -> Skeleton:
        """The player at a time."""
        a, b, c, d = self._sway
        lean = np.array([0.012 * np.sin(1.7 * time_s + a), 0.01 * np.sin(1.1 * time_s + b), 0.0])
        beat = self._feet[DrumPiece.KICK]
        nod = 0.015 * self._decay(beat, time_s, 0.15)
        joints: dict[str, Point] = {
            "nose": _HEAD + 1.6 * lean + [0.0, 0.1, 0.02 * np.sin(2.3 * time_s + c) - nod]
        }
        for hand, side, sign in ((Hand.RIGHT, "right", 1.0), (Hand.LEFT, "left", -1.0)):
            shoulder = _SHOULDER * [sign, 1, 1] + lean
            tip, wrist = self._tips[hand](time_s), self._wrists[hand](time_s)
            wrist = _within(wrist, shoulder, UPPER_ARM_M + FOREARM_M - 0.01)
            joints[f"{side}-shoulder"] = shoulder
            joints[f"{side}-elbow"] = _elbow(shoulder, wrist, sign)
            joints[f"{side}-wrist"] = wrist
            joints[f"{side}-tip"] = tip
            joints[f"{side}-index"] = wrist + 0.25 * (tip - wrist)
            joints[f"{side}-hip"] = np.array([0.12 * sign, 0.0, 0.58])
            foot = DrumPiece.KICK if sign > 0 else DrumPiece.HAT_PEDAL
            lift = 0.05 * self._before(self._feet[foot], time_s)
            knee_x = (0.2 if sign > 0 else -0.28) * (1 - 2 * self.mirrored_kit)
            joints[f"{side}-knee"] = np.array([knee_x, 0.42, 0.56 + lift + 0.004 * np.sin(d)])
            joints[f"{side}-foot"] = np.array([knee_x, 0.62, 0.1 + lift])
        shake = {p: self._decay(times, time_s, 0.25) for p, times in self._struck.items()}
        return Skeleton(joints, shake)

    def _paths(self, hand: Hand, mine: list[Played]) -> tuple[PchipInterpolator, PchipInterpolator]:
        """Knots of the tip's and the wrist's path."""
        sign = 1.0 if hand is Hand.RIGHT else -1.0
        shoulder = _SHOULDER * [sign, 1, 1]
        home = self.place(DrumPiece.SNARE) + point(0.08 * sign, -0.05, 0.0)
        tips: list[tuple[float, Point]] = [(-1.0, home + point(0, 0, 0.06))]
        wrists: list[tuple[float, Point]] = [(-1.0, self._wrist_of(home, shoulder, 0.04))]
        here, here_s = home, -1.0
        for number, stroke in enumerate(mine):
            at_s = stroke.hit.onset_s
            gap_s = at_s - here_s
            there = self.place(stroke.hit.piece) + self.rng.normal(0, [0.02, 0.02, 0.0])
            fall_s = min(0.11, 0.45 * gap_s)
            lift_s = min(0.25, 0.35 * gap_s)
            height = self.height_m * (0.15 + 0.85 * (stroke.hit.velocity / 127) ** 1.3)
            height *= min(1.0, 0.35 + gap_s / 0.4) * float(self.rng.uniform(0.85, 1.15))
            lead = self.wrist_lead_s * float(self.rng.uniform(0.6, 1.4))
            steps: list[tuple[float, Point, float]] = []
            if gap_s > fall_s + lift_s + 0.12:
                steps.append((at_s - fall_s - lift_s, 0.5 * (here + there), 0.07))
            steps += [
                (at_s - fall_s, there, height),
                (at_s - 0.5 * fall_s, there, 0.72 * height),
                (at_s, there, 0.0),
            ]
            rest_s = mine[number + 1].hit.onset_s - at_s if number + 1 < len(mine) else 2.0
            steps.append((at_s + min(0.09, 0.35 * rest_s), there, 0.3 * height))
            for step_s, where, up in steps:
                tips.append((step_s, where + point(0, 0, up)))
                drop = self.wrist_share * up
                wrists.append((step_s - lead, self._wrist_of(where, shoulder, drop)))
            here, here_s = there, at_s
        end_s = here_s + 3.0
        tips.append((end_s, home + point(0, 0, 0.06)))
        wrists.append((end_s, self._wrist_of(home, shoulder, 0.04)))
        return _path(tips), _path(wrists)

    def _wrist_of(self, target: Point, shoulder: Point, up: float) -> Point:
        away = target - shoulder
        flat = away * [1, 1, 0]
        return target - STICK_M * flat / np.linalg.norm(flat) + [0, 0, 0.07 + up]

    @staticmethod
    def _decay(times: NDArray[np.float64], time_s: float, fade_s: float) -> float:
        past = time_s - times[times <= time_s]
        return float(np.exp(-past.min() / fade_s)) if past.size else 0.0

    @staticmethod
    def _before(times: NDArray[np.float64], time_s: float) -> float:
        """A foot lifts in the tenth of a second before it treads."""
        ahead = times[times > time_s] - time_s
        nearest = ahead.min() if ahead.size else 1.0
        return float(np.sin(np.pi * np.clip(nearest / 0.16, 0, 1)))


def _path(knots: list[tuple[float, Point]]) -> PchipInterpolator:
    knots.sort(key=lambda knot: knot[0])
    times = np.array([time_s for time_s, _ in knots])
    keep = np.concatenate([[True], np.diff(times) > 1e-3])
    return PchipInterpolator(times[keep], np.array([p for _, p in knots])[keep], extrapolate=True)


def _within(point: Point, centre: Point, reach: float) -> Point:
    away = point - centre
    length = float(np.linalg.norm(away))
    return centre + away * min(1.0, reach / length)


def _elbow(shoulder: Point, wrist: Point, sign: float) -> Point:
    """Two links that meet: the elbow hangs outward, down and a little back."""
    away = wrist - shoulder
    length = float(np.linalg.norm(away))
    along = away / length
    pole = np.array([0.7 * sign, -0.45, -0.6])
    pole = pole - along * float(pole @ along)
    pole /= np.linalg.norm(pole)
    near = (length**2 + UPPER_ARM_M**2 - FOREARM_M**2) / (2 * length)
    off = np.sqrt(max(UPPER_ARM_M**2 - near**2, 0.0))
    return shoulder + near * along + off * pole
