"""A camera and what it draws: the player, the kit and a room, with motion blur and noise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.seeing.drummer.body import Drummer, Point, Skeleton, point
from libs.common.drums import DrumPiece

Image = NDArray[np.uint8]

_VIEWS: Final[dict[str, tuple[tuple[float, float, float], tuple[float, float, float], float]]] = {
    # Where it stands, where it looks, and how wide (focal length over picture width).
    "front": ((0.1, 3.0, 1.75), (0.0, 0.3, 0.95), 1.1),
    "front-high": ((-0.6, 2.4, 2.2), (0.0, 0.35, 0.9), 1.0),
    "side-right": ((2.5, 0.9, 1.5), (0.1, 0.4, 0.9), 1.1),
    "side-left": ((-2.4, 1.2, 1.6), (0.0, 0.4, 0.9), 1.1),
    "above": ((0.0, 0.75, 3.0), (0.0, 0.44, 0.8), 1.05),
    "far": ((0.5, 9.0, 2.2), (0.0, 0.3, 1.0), 1.0),
    "rear": ((0.4, -2.4, 2.0), (0.0, 0.6, 0.9), 1.1),
    "pov": ((0.0, 0.12, 1.42), (0.0, 0.75, 0.75), 0.7),
}
VIEWS: Final = tuple(_VIEWS)
_DRUMS: Final = {
    # Radius of the head, depth of the shell, tilt of the head towards the player, colour (RGB).
    DrumPiece.SNARE: (0.18, 0.14, 0.05, (190, 190, 195)),
    DrumPiece.TOM_HIGH: (0.14, 0.20, 0.25, (150, 30, 35)),
    DrumPiece.TOM_MID: (0.16, 0.22, 0.25, (150, 30, 35)),
    DrumPiece.TOM_FLOOR: (0.21, 0.36, 0.05, (150, 30, 35)),
}
_CYMBALS: Final = {
    DrumPiece.HAT_CLOSED: (0.18, 0.02),
    DrumPiece.CRASH: (0.22, 0.30),
    DrumPiece.RIDE: (0.26, 0.22),
}
_CIRCLE: Final = np.stack(
    [np.cos(np.linspace(0, 2 * np.pi, 28)), np.sin(np.linspace(0, 2 * np.pi, 28))], axis=1
)
_SKIN: Final = (205, 160, 130)
_SHIRT: Final = (60, 75, 120)
_HAIR: Final = (50, 35, 25)
_SLEEVE: Final = (85, 105, 160)
_STICK: Final = (225, 200, 150)


@dataclass
class Camera:
    """Where it stands and how it looks. `handheld_m` moves it about."""

    view: str
    width: int
    height: int
    rng: np.random.Generator
    handheld_m: float = 0.0
    mirrored: bool = False
    noise: float = 4.0
    """Standard deviation of the sensor's noise, of 255."""
    occluded: bool = False
    """Somebody's back, or a post, before the left half of the kit."""
    backdrop: Image = field(init=False)
    _stands: tuple[float, Point, NDArray[np.float64]] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        position, target, self.focal = _VIEWS[self.view]
        self.position = np.array(position) + self.rng.normal(0, 0.08, 3)
        self.target = np.array(target) + self.rng.normal(0, 0.03, 3)
        self.backdrop = _room(self.rng, self.width + 80, self.height + 80)
        self._shake = self.rng.uniform(0, 2 * np.pi, (3, 4))
        self._grain = self.rng.normal(0, self.noise, (8, self.height, self.width, 1))

    def pose(self, time_s: float) -> tuple[Point, NDArray[np.float64]]:
        """Where it stands, and its axes (right, down, forward) as rows."""
        when = time_s if self.handheld_m else 0.0
        if self._stands is None or self._stands[0] != when:
            self._stands = (when, *self._pose(when))
        return self._stands[1:]

    def _pose(self, time_s: float) -> tuple[Point, NDArray[np.float64]]:
        speeds = np.array([0.9, 2.1, 3.7, 6.3])
        weights = np.array([1.0, 0.6, 0.35, 0.2])
        sway = self.handheld_m * (np.sin(speeds * time_s + self._shake) @ weights)
        position = self.position + sway
        forward = self.target + 0.4 * sway[::-1] - position
        forward /= np.linalg.norm(forward)
        up = np.array([0.0, 0.0, 1.0]) if abs(forward[2]) < 0.95 else np.array([0.0, 1.0, 0.0])
        # From above, the player is at the lower edge of the picture and looks up in it.
        right = np.cross(forward, up)
        right /= np.linalg.norm(right)
        return position, np.stack([right, np.cross(forward, right), forward])

    def project(self, points: NDArray[np.float64], time_s: float) -> NDArray[np.float64]:
        """(n, 3) places to (n, 3): x and y in pixels, and depth in metres."""
        position, axes = self.pose(time_s)
        seen = (points - position) @ axes.T
        depth = np.maximum(seen[:, 2], 0.05)
        scale = self.focal * self.width / depth
        x = self.width / 2 + scale * seen[:, 0]
        if self.mirrored:
            x = self.width - 1 - x
        return np.stack([x, self.height / 2 + scale * seen[:, 1], seen[:, 2]], axis=1)

    def frame(self, drummer: Drummer, time_s: float, exposure_s: float, number: int) -> Image:
        """One picture, RGB, exposed around `time_s`."""
        moments = time_s + exposure_s * np.array([-0.33, 0.0, 0.33])
        total = np.zeros((self.height, self.width, 3), np.float32)
        for moment in moments:
            total += self._sharp(drummer.at(float(moment)), drummer, float(moment))
        grain = self._grain[number % len(self._grain)]
        return np.clip(total / len(moments) + grain, 0, 255).astype(np.uint8)

    def _sharp(self, body: Skeleton, drummer: Drummer, time_s: float) -> Image:
        image = self._background(time_s)
        things: list[tuple[float, int]] = []
        draw = _Draw(image, self, time_s)
        for piece, (radius, depth, tilt, colour) in _DRUMS.items():
            centre = drummer.place(piece)
            things.append(
                (
                    draw.distance(centre),
                    draw.later(draw.drum, centre, radius, depth, tilt, colour, body.shake[piece]),
                )
            )
        kick = drummer.place(DrumPiece.KICK)
        things.append((draw.distance(kick), draw.later(draw.kick, kick)))
        for piece, (radius, tilt) in _CYMBALS.items():
            centre = drummer.place(piece)
            swing = 0.12 * body.shake[piece] * np.sin(22 * time_s)
            if piece is DrumPiece.HAT_CLOSED:
                swing = (
                    0.04
                    * max(body.shake[piece], body.shake[DrumPiece.HAT_OPEN])
                    * np.sin(22 * time_s)
                )
            things.append(
                (draw.distance(centre), draw.later(draw.cymbal, centre, radius, tilt + swing))
            )
        j = body.joints
        middle = 0.5 * (j["left-shoulder"] + j["right-shoulder"])
        hips = 0.5 * (j["left-hip"] + j["right-hip"])
        things.append((draw.distance(0.5 * (middle + hips)), draw.later(draw.torso, j)))
        things.append((draw.distance(j["nose"]), draw.later(draw.head, j["nose"])))
        for side in ("left", "right"):
            for a, b, width_m, colour in (
                ("hip", "knee", 0.15, (45, 45, 55)),
                ("knee", "foot", 0.11, (45, 45, 55)),
                ("shoulder", "elbow", 0.11, _SLEEVE),
                ("elbow", "wrist", 0.075, _SKIN),
                ("wrist", "index", 0.085, _SKIN),
                ("index", "tip", 0.02, _STICK),
            ):
                first, second = j[f"{side}-{a}"], j[f"{side}-{b}"]
                near = 0.5 * (draw.distance(first) + draw.distance(second)) - 0.02
                things.append((near, draw.later(draw.limb, first, second, width_m, colour)))
        for _, index in sorted(things, key=lambda thing: -thing[0]):
            draw.do(index)
        if self.occluded:
            edge = int(self.width * 0.62)
            cv2.rectangle(image, (edge, 0), (self.width, self.height), (35, 38, 42), -1)
        return image

    def _background(self, time_s: float) -> Image:
        if not self.handheld_m:
            return self.backdrop[40 : 40 + self.height, 40 : 40 + self.width].copy()
        # The wall stands some metres behind: it moves in the picture as the camera turns.
        seen = self.project(np.array([[0.0, -1.5, 1.0]]), time_s)[0]
        home = self.focal * self.width
        dx = int(np.clip(seen[0] - self.width / 2, -40, 39))
        dy = int(np.clip(seen[1] - self.height * 0.45, -40, 39)) if home else 0
        return self.backdrop[40 - dy : 40 - dy + self.height, 40 - dx : 40 - dx + self.width].copy()


class _Draw:
    """Draws things at one moment; those before the camera's lens are left out."""

    def __init__(self, image: Image, camera: Camera, time_s: float) -> None:
        self.image, self.camera, self.time_s = image, camera, time_s
        self.position, _ = camera.pose(time_s)
        self._queue: list[tuple[object, tuple[object, ...]]] = []

    def distance(self, point: Point) -> float:
        return float(np.linalg.norm(point - self.position))

    def later(self, what: object, *args: object) -> int:
        self._queue.append((what, args))
        return len(self._queue) - 1

    def do(self, index: int) -> None:
        what, args = self._queue[index]
        what(*args)  # type: ignore[operator]

    def _fill(self, points: NDArray[np.float64], colour: tuple[int, int, int]) -> None:
        seen = self.camera.project(points, self.time_s)
        if seen[:, 2].min() > 0.1:
            flat = np.round(seen[:, :2] * 16).astype(np.int32)
            cv2.fillPoly(self.image, [flat], colour, cv2.LINE_AA, 4)

    def _ring(self, centre: Point, radius: float, tilt: float) -> NDArray[np.float64]:
        x, y = radius * _CIRCLE[:, 0], radius * _CIRCLE[:, 1]
        # Tilted towards the player: the far edge is higher.
        return centre + np.stack([x, y * np.cos(tilt), y * np.sin(tilt)], axis=1)

    def drum(
        self,
        centre: Point,
        radius: float,
        depth: float,
        tilt: float,
        colour: tuple[int, int, int],
        shake: float,
    ) -> None:
        top = self._ring(centre, radius, tilt)
        bottom = self._ring(centre - [0, 0, depth], radius, tilt)
        self._fill(bottom, colour)
        for start in range(0, 28, 3):
            n = (start + 3) % 28
            shade = tuple(int(c * (0.6 + 0.4 * abs(_CIRCLE[start, 0]))) for c in colour)
            self._fill(np.stack([top[start], top[n], bottom[n], bottom[start]]), shade)  # type: ignore[arg-type]
        self._fill(top, (90, 90, 95))
        white = 225 - int(18 * shake)
        self._fill(self._ring(centre, radius * 0.93, tilt), (white, white, white - 8))

    def kick(self, centre: Point) -> None:
        for radius, colour in ((0.28, (70, 15, 18)), (0.26, (215, 215, 205))):
            ring = centre + np.stack(
                [radius * _CIRCLE[:, 0], np.full(28, 0.2), radius * _CIRCLE[:, 1]], axis=1
            )
            self._fill(ring, colour)

    def cymbal(self, centre: Point, radius: float, tilt: float) -> None:
        foot = centre * [1, 1, 0] + [0, 0.05, 0]
        self.limb(foot, centre, 0.025, (120, 120, 125))
        self._fill(self._ring(centre, radius, tilt), (190, 155, 60))
        self._fill(self._ring(centre, radius * 0.6, tilt), (205, 172, 80))
        self._fill(self._ring(centre + point(0, 0, 0.015), radius * 0.2, tilt), (225, 195, 110))

    def torso(self, joints: dict[str, Point]) -> None:
        corners = np.stack(
            [
                joints["left-shoulder"] + [-0.03, 0, 0.03],
                joints["right-shoulder"] + [0.03, 0, 0.03],
                joints["right-hip"] + [0.05, 0, 0],
                joints["left-hip"] + [-0.05, 0, 0],
            ]
        )
        self._fill(corners, _SHIRT)
        for part in (0.25, 0.5, 0.75):
            left = corners[0] + part * (corners[3] - corners[0])
            right = corners[1] + part * (corners[2] - corners[1])
            self.limb(left, right, 0.02, (90, 105, 150))

    def head(self, nose: Point) -> None:
        """A skull with hair, and a face on the side that looks at the kit: networks tell front from
        back, and so left from right, by it."""
        self.limb(nose + point(0, -0.1, -0.2), nose + point(0, -0.08, -0.08), 0.1, _SKIN)
        middle = nose + point(0, -0.1, 0.02)
        seen = self.camera.project(np.stack([middle, middle + point(0, 0, 0.12)]), self.time_s)
        if seen[0, 2] <= 0.15:
            return
        away = self.position - middle
        facing = float(away[1] / np.linalg.norm(away))
        above = float(away[2] / np.linalg.norm(away))
        turn = (self._across() * 1.0)[:, None]
        rim = np.stack([0.085 * _CIRCLE[:, 0], np.zeros(28), 0.12 * _CIRCLE[:, 1]], axis=1)
        side = middle + rim[:, :1] * turn[:, 0] + rim * [0, 0, 1]
        self._fill(side, _HAIR if facing < -0.2 or above > 0.85 else _SKIN)
        if facing < -0.2 or above > 0.85:
            return
        upper = (
            middle
            + np.stack(
                [0.088 * _CIRCLE[:, 0], np.zeros(28), 0.125 * np.maximum(_CIRCLE[:, 1], 0.38)],
                axis=1,
            )[:, :1]
            * turn[:, 0]
            + np.stack(
                [np.zeros(28), np.zeros(28), 0.125 * np.maximum(_CIRCLE[:, 1], 0.38)], axis=1
            )
        )
        self._fill(upper, _HAIR)
        for sign in (-1, 1):
            eye = middle + point(0.035 * sign, 0.085, 0.02)
            if not self._shows(eye, middle):
                continue
            self.limb(eye - [0.014, 0, 0], eye + point(0.014, 0, 0), 0.016, (240, 240, 240))
            self.limb(eye - [0.004, 0, 0], eye + point(0.004, 0, 0), 0.013, (35, 25, 20))
            brow = eye + point(0, 0, 0.025)
            self.limb(brow - [0.018, 0, 0], brow + point(0.018, 0, 0), 0.008, _HAIR)
        ridge, tip = middle + point(0, 0.1, 0.015), middle + point(0, 0.115, -0.025)
        if self._shows(tip, middle):
            self.limb(ridge, tip, 0.014, (180, 130, 105))
            mouth = middle + point(0, 0.09, -0.06)
            self.limb(mouth - [0.028, 0, 0], mouth + point(0.028, 0, 0), 0.012, (150, 70, 70))

    def _across(self) -> Point:
        """The level direction across the line of sight."""
        _, axes = self.camera.pose(self.time_s)
        across = axes[0] * [1, 1, 0]
        return across / np.linalg.norm(across)

    def _shows(self, point: Point, middle: Point) -> bool:
        out = point - middle
        return float(out @ (self.position - middle)) > 0.15 * float(np.linalg.norm(out)) * float(
            np.linalg.norm(self.position - middle)
        )

    def limb(self, a: Point, b: Point, width_m: float, colour: tuple[int, int, int]) -> None:
        seen = self.camera.project(np.stack([a, b]), self.time_s)
        if seen[:, 2].min() < 0.12:
            return
        width = self.camera.focal * self.camera.width * width_m / float(seen[:, 2].mean())
        ends = np.clip(np.round(seen[:, :2] * 8), -30_000, 30_000).astype(int)
        a_px, b_px = tuple(ends[0]), tuple(ends[1])
        if width > 4:
            # A darker rim keeps an arm apart from what is behind it.
            rim = tuple(int(c * 0.55) for c in colour)
            cv2.line(self.image, a_px, b_px, rim, max(1, round(width)), cv2.LINE_AA, 3)
        cv2.line(self.image, a_px, b_px, colour, max(1, round(width * 0.8)), cv2.LINE_AA, 3)


def _room(rng: np.random.Generator, width: int, height: int) -> Image:
    """A wall with posters and a floor."""
    base = rng.uniform(60, 150, 3)
    rough = cv2.resize(rng.normal(0, 1, (height // 24 + 2, width // 24 + 2)), (width, height))
    fine = rng.normal(0, 3, (height, width))
    image = base + (14 * rough + fine)[..., None]
    floor = int(height * 0.72)
    image[floor:] = rng.uniform(50, 110, 3) + 10 * rough[floor:, :, None] + fine[floor:, :, None]
    for _ in range(int(rng.integers(3, 8))):
        x, y = int(rng.integers(0, width - 60)), int(rng.integers(0, floor - 40))
        w, h = int(rng.integers(30, width // 5)), int(rng.integers(25, height // 4))
        patch = image[y : y + h, x : x + w]
        patch[:] = rng.uniform(30, 230, 3) + rng.normal(0, 8, (*patch.shape[:2], 1))
    return np.clip(image, 0, 255).astype(np.uint8)
