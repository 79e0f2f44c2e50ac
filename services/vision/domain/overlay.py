"""What the machine saw, drawn over the pictures: wrists, regions, strokes and hands."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from libs.common.drums import Hand
from libs.common.sight import Sight, Stroke
from services.vision.domain import views
from services.vision.domain.errors import SeeingError
from services.vision.domain.frames import Film, Frame, Image, read_frames
from services.vision.domain.watched import Watched

CLIP_S: Final = 8.0
STILLS: Final = 3
_LONG_SIDE_PX: Final = 640
_FLASH_S: Final = 0.13
_LANE_S: Final = 1.5
_TICKS: Final = 90_000
# Okabe and Ito's palette, which colour-blind people tell apart; blue and amber as in the studio.
_COLOURS: Final = {Hand.RIGHT: (86, 180, 233), Hand.LEFT: (230, 159, 0), Hand.BOTH: (0, 158, 115)}
_GREY: Final = (150, 150, 150)
_HEAD: Final = (240, 228, 66)
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True, slots=True)
class Overlay:
    """The files that were made."""

    clip: Path | None
    stills: tuple[Path, ...]


def draw_overlay(video: Path | BinaryIO, watched: Watched, sight: Sight, folder: Path) -> Overlay:
    """`clip.mp4` of the some seconds with the most hands, and stills at strokes of it; for a video
    without a usable view stills alone, which show what was found and say why it is not enough."""
    start_s = _best_start(sight)
    pen = _Pen(watched, sight)
    wanted = _moments(sight, start_s)
    clip = folder / "clip.mp4" if sight.usable else None
    writer: _Writer | None = None
    stills: list[Path] = []
    try:
        for frame in read_frames(video, Film(), start_s=start_s, until_s=start_s + CLIP_S):
            picture = pen.draw(frame)
            if clip is not None:
                writer = writer or _Writer(clip, picture)
                writer.write(picture, frame.time_s - start_s)
            if wanted and frame.time_s >= wanted[0]:
                del wanted[0]
                stills.append(folder / f"still-{len(stills) + 1}.jpg")
                _save(stills[-1], picture)
    except (SeeingError, av.FFmpegError):
        # What was seen stands without a picture of it: this part of the file cannot be read twice.
        return Overlay(None, tuple(stills))
    finally:
        if writer is not None:
            writer.close()
    return Overlay(clip if writer is not None else None, tuple(stills))


def _picture_s(sight: Sight, stroke: Stroke) -> float:
    """When a stroke is seen: picture time."""
    shot = sight.shots[stroke.shot] if stroke.shot is not None else None
    sync = (shot.sync if shot else None) or sight.sync
    return stroke.onset_s - (sync.offset_s if sync else 0.0)


def _best_start(sight: Sight) -> float:
    """Where the clip with the most told hands begins."""
    times = np.array([_picture_s(sight, s) for s in sight.strokes if s.hand is not None])
    if not times.size:
        shot = max(sight.shots, key=lambda s: s.end_s - s.start_s, default=None)
        return shot.start_s if shot else 0.0
    ends = np.searchsorted(times, times + CLIP_S)
    best = int(np.argmax(ends - np.arange(len(times))))
    return max(0.0, float(times[best]) - 0.3)


def _moments(sight: Sight, start_s: float) -> list[float]:
    """At which strokes stills are taken."""
    times = [
        at
        for at in (_picture_s(sight, s) for s in sight.strokes if s.hand is not None)
        if start_s <= at < start_s + CLIP_S - 0.2
    ]
    if not times:
        return [start_s + 0.2, start_s + 1.2, start_s + 2.2][: STILLS if sight.frames > 90 else 1]
    step = max(1, len(times) // STILLS)
    return times[::step][:STILLS]


class _Pen:
    """Draws over one picture after the other."""

    def __init__(self, watched: Watched, sight: Sight) -> None:
        self.watched, self.sight = watched, sight
        self.strokes = sorted(
            ((_picture_s(sight, s), s) for s in sight.strokes), key=lambda pair: pair[0]
        )
        self.times = np.array([at for at, _ in self.strokes])

    def draw(self, frame: Frame) -> Image:
        height, width = frame.image.shape[:2]
        scale = min(1.0, _LONG_SIDE_PX / max(height, width))
        # H.264 with halved colours wants even sides.
        size = (max(2, round(width * scale) // 2 * 2), max(2, round(height * scale) // 2 * 2))
        image = np.asarray(cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA), np.uint8)
        shot = self._shot(frame.time_s)
        self._regions(image, shot)
        self._arms(image, frame.time_s)
        self._flashes(image, frame.time_s)
        self._lane(image, frame.time_s)
        self._words(image, shot)
        return image

    def _shot(self, time_s: float) -> int:
        starts = [shot.start_s for shot in self.sight.shots]
        return max(0, int(np.searchsorted(starts, time_s, side="right")) - 1)

    def _regions(self, image: Image, shot: int) -> None:
        for region in self.sight.regions:
            if region.shot != shot:
                continue
            centre = _pixel(image, region.x, region.y)
            axes = (
                max(2, int(region.rx * image.shape[1])),
                max(2, int(region.ry * image.shape[0])),
            )
            colour = _HEAD if region.kind == "head" else (255, 255, 255)
            cv2.ellipse(image, centre, axes, region.angle_deg, 0, 360, colour, 1, cv2.LINE_AA)
            if region.piece is not None:
                _text(image, str(region.piece), (centre[0] + axes[0] + 2, centre[1]), 0.35, colour)

    def _arms(self, image: Image, time_s: float) -> None:
        at = int(np.argmin(np.abs(self.watched.times_s - time_s)))
        if not np.isfinite(self.watched.poses[at, 0, 0]):
            return
        for side, hand in (("right", Hand.RIGHT), ("left", Hand.LEFT)):
            told = self._told(hand)
            points = [self.watched.joint(f"{side}-{j}")[at] for j in ("shoulder", "elbow", "wrist")]
            pixels = [_pixel(image, float(p[0]), float(p[1])) for p in points]
            for a, b in itertools.pairwise(pixels):
                cv2.line(image, a, b, _COLOURS[told], 1, cv2.LINE_AA)
            sure = float(points[-1][2]) >= views.SEEN
            cv2.circle(image, pixels[-1], 5, _COLOURS[told], -1 if sure else 1, cv2.LINE_AA)

    def _told(self, hand: Hand) -> Hand:
        """As the user is told: a mirror's right is the player's left."""
        if not self.sight.mirrored:
            return hand
        return Hand.LEFT if hand is Hand.RIGHT else Hand.RIGHT

    def _flashes(self, image: Image, time_s: float) -> None:
        first, last = np.searchsorted(self.times, [time_s - _FLASH_S, time_s + 0.02])
        for _, stroke in self.strokes[first:last]:
            if stroke.hand is None or stroke.x is None or stroke.y is None:
                continue
            x, y = _pixel(image, stroke.x, stroke.y)
            cv2.circle(image, (x, y), 13, _COLOURS[stroke.hand], 2, cv2.LINE_AA)
            _text(image, stroke.hand.value, (x + 14, y - 8), 0.8, _COLOURS[stroke.hand])

    def _lane(self, image: Image, time_s: float) -> None:
        """Strokes that come and went, along the lower edge; the line is now."""
        height, width = image.shape[:2]
        top = height - 34
        image[top:] = (image[top:] * 0.35).astype(np.uint8)
        first, last = np.searchsorted(self.times, [time_s - _LANE_S, time_s + _LANE_S])
        for at, stroke in self.strokes[first:last]:
            x = int(width / 2 + (at - time_s) / _LANE_S * width / 2)
            y = top + (9 if stroke.hand is Hand.RIGHT else 26 if stroke.hand is Hand.LEFT else 17)
            colour = _COLOURS[stroke.hand] if stroke.hand else _GREY
            cv2.circle(image, (x, y), 5 if stroke.hand else 2, colour, -1, cv2.LINE_AA)
        cv2.line(image, (width // 2, top), (width // 2, height), (255, 255, 255), 1)
        _text(image, "R", (3, top + 14), 0.4, _COLOURS[Hand.RIGHT])
        _text(image, "L", (3, top + 31), 0.4, _COLOURS[Hand.LEFT])

    def _words(self, image: Image, shot: int) -> None:
        """Why a shot is not usable, where it is not."""
        if shot < len(self.sight.shots) and not self.sight.shots[shot].usable:
            reasons = self.sight.shots[shot].reasons
            _text(image, ", ".join(reasons).replace("-", " "), (6, 16), 0.45, (255, 255, 255))


class _Writer:
    """An H.264 film of pictures at their times."""

    def __init__(self, path: Path, first: Image) -> None:
        self._container = av.open(str(path), "w", options={"movflags": "+faststart"})
        self._stream = self._container.add_stream("libx264", rate=30)
        self._stream.height, self._stream.width = first.shape[:2]
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = {"preset": "veryfast", "crf": "26"}
        self._stream.time_base = Fraction(1, _TICKS)
        self._stream.codec_context.time_base = Fraction(1, _TICKS)
        self._last = -1

    def write(self, image: Image, time_s: float) -> None:
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        self._last = max(self._last + 1, round(time_s * _TICKS))
        frame.pts, frame.time_base = self._last, Fraction(1, _TICKS)
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        self._container.mux(self._stream.encode())
        self._container.close()


def _pixel(image: NDArray[np.uint8], x: float, y: float) -> tuple[int, int]:
    height, width = image.shape[:2]
    return (
        int(np.clip(np.nan_to_num(x), -1, 2) * width),
        int(np.clip(np.nan_to_num(y), -1, 2) * height),
    )


def _text(
    image: Image, text: str, at: Sequence[int], size: float, colour: tuple[int, int, int]
) -> None:
    where = (int(at[0]), int(at[1]))
    cv2.putText(image, text, where, _FONT, size, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.putText(image, text, where, _FONT, size, colour, 1, cv2.LINE_AA)


def _save(path: Path, image: Image) -> None:
    whole, data = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85]
    )
    if not whole:
        raise OSError(f"{path.name} could not be encoded")
    path.write_bytes(data.tobytes())
