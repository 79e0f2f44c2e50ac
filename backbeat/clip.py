"""A demo video made from nothing: a rock groove, and a drum kit that lights up as it is struck."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from backbeat.drumsounds import SAMPLE_RATE, Samples, play
from libs.common.drums import Beat, DrumPiece, Hit
from libs.common.performance import Performance

Pixels = NDArray[np.uint8]

LEAD_S: Final = 0.6
TAIL_S: Final = 2.2
_GLOW_S: Final = 0.16

# Drawn for 1280 x 720, from the drummer's audience.
_BACKDROP: Final = ((22, 25, 38), (50, 38, 58))
_SHELL: Final = (164, 40, 52)
_SHELL_DARK: Final = (96, 20, 32)
_SKIN: Final = (236, 232, 222)
_CHROME: Final = (196, 202, 212)
_BRASS: Final = (214, 172, 84)
_BRASS_DARK: Final = (150, 112, 44)
_GLOW: Final = (255, 226, 140)


@dataclass(frozen=True, slots=True)
class _Part:
    """An ellipse that lights up: centre, half axes, tilt in degrees."""

    x: float
    y: float
    rx: float
    ry: float
    tilt: float = 0.0


_KICK: Final = _Part(640, 500, 138, 138)
_SNARE: Final = _Part(828, 478, 92, 26)
_TOM_HIGH: Final = _Part(728, 268, 80, 27, -7)
_TOM_MID: Final = _Part(552, 268, 86, 29, 7)
_TOM_FLOOR: Final = _Part(420, 452, 108, 32)
_HAT: Final = _Part(975, 372, 92, 17)
_CRASH: Final = _Part(886, 176, 128, 23, 11)
_RIDE: Final = _Part(362, 200, 148, 27, -11)

_PARTS: Final[dict[DrumPiece, _Part]] = {
    DrumPiece.KICK: _KICK,
    DrumPiece.SNARE: _SNARE,
    DrumPiece.TOM_HIGH: _TOM_HIGH,
    DrumPiece.TOM_MID: _TOM_MID,
    DrumPiece.TOM_FLOOR: _TOM_FLOOR,
    DrumPiece.HAT_CLOSED: _HAT,
    DrumPiece.HAT_OPEN: _HAT,
    DrumPiece.CRASH: _CRASH,
    DrumPiece.RIDE: _RIDE,
}


def render_clip(
    path: Path,
    seed: int = 1,
    bars: int = 8,
    tempo_bpm: float = 100.0,
    *,
    size: tuple[int, int] = (1280, 720),
    frames_per_s: int = 25,
) -> Performance:
    """Write an MP4 (H.264, AAC stereo) to `path`; returns what is truly played in it.

    The same arguments play the same strokes. Takes about as long as the clip lasts.
    """
    truth = compose(seed, bars, tempo_bpm)
    mono = play(truth.hits, truth.duration_s, seed)
    frames = _pictures(truth, size, frames_per_s)
    _encode(path, mono, frames, size, frames_per_s)
    return truth


def compose(seed: int = 1, bars: int = 8, tempo_bpm: float = 100.0) -> Performance:
    """The groove alone: hats, then ride; ghosts, an open hat every other bar, a fill at each
    fourth bar's end, a crash after it, and a last crash one beat past the last bar."""
    rng = np.random.default_rng(seed)
    beat_s = 60 / tempo_bpm
    hits: list[Hit] = []
    for bar in range(bars):
        hits += _bar(bar, bars)
    hits += [Hit(4.0 * bars, DrumPiece.CRASH, 118), Hit(4.0 * bars, DrumPiece.KICK, 116)]
    played = [
        replace(
            hit,
            onset_s=LEAD_S
            + hit.onset_s * beat_s
            + float(np.clip(rng.normal(0, 0.004), -0.01, 0.01)),
            velocity=int(np.clip(hit.velocity + rng.normal(0, 4), 12, 127)),
        )
        for hit in hits
    ]
    played.sort()
    beats = tuple(Beat(LEAD_S + n * beat_s, n % 4 + 1) for n in range(4 * bars + 1))
    return Performance(
        duration_s=round((beats[-1].time_s + TAIL_S) * SAMPLE_RATE) / SAMPLE_RATE,
        hits=tuple(
            replace(hit, id=f"ev-{number:06d}") for number, hit in enumerate(played, start=1)
        ),
        beats=beats,
        tempo_bpm=tempo_bpm,
        tempo_confidence=1.0,
        model_version="truth",
    )


def _bar(bar: int, bars: int) -> list[Hit]:
    """One bar's strokes; `onset_s` holds beats from the start of the piece."""
    riding = bar % 8 >= 4
    fill = bar % 4 == 3
    start = 4.0 * bar
    strokes: list[tuple[float, DrumPiece, int]] = [
        (0, DrumPiece.KICK, 112),
        (1.5 if bar % 2 else 2.5, DrumPiece.KICK, 92),
        (2, DrumPiece.KICK, 104),
        (1, DrumPiece.SNARE, 110),
    ]
    if not fill:
        strokes += [
            (3, DrumPiece.SNARE, 112),
            (1.75, DrumPiece.SNARE, 34),
            (2.25, DrumPiece.SNARE, 30),
        ]
    cymbal = DrumPiece.RIDE if riding else DrumPiece.HAT_CLOSED
    opened = bar % 2 == 1 and not riding and not fill
    for eighth in range(6 if fill else 8):
        if bar % 4 == 0 and eighth == 0:
            strokes.append((0, DrumPiece.CRASH, 116))
        elif opened and eighth == 7:
            strokes.append((3.5, DrumPiece.HAT_OPEN, 96))
        else:
            strokes.append((eighth / 2, cymbal, 88 if eighth % 2 == 0 else 66))
    if fill:
        around = (
            *(DrumPiece.SNARE,) * 2,
            *(DrumPiece.TOM_HIGH,) * 2,
            *(DrumPiece.TOM_MID,) * 2,
            *(DrumPiece.TOM_FLOOR,) * 2,
        )
        last = bar == bars - 1
        for number, piece in enumerate(around if last else around[::2]):
            at = 2 + number / 4 if last else 3 + number / 4
            strokes.append((at, piece, 96 + 3 * number))
        if last:
            strokes = [each for each in strokes if each[0] < 2 or each[1] not in (cymbal,)]
    return [Hit(start + at, piece, velocity) for at, piece, velocity in strokes]


def _pictures(truth: Performance, size: tuple[int, int], frames_per_s: int) -> Iterator[Pixels]:
    kit = np.asarray(_kit(truth.tempo_bpm or 0, size), np.float32)
    glows = {part: np.asarray(_glow(part, size), np.float32) / 255 for part in _PARTS.values()}
    colour = np.array(_GLOW, np.float32)
    for number in range(math.ceil(truth.duration_s * frames_per_s)):
        at_s = number / frames_per_s
        lit: dict[_Part, float] = {}
        for hit in truth.hits:
            # A picture shows what happens until the next one.
            since_s = at_s + 0.5 / frames_per_s - hit.onset_s
            if 0 <= since_s < 5 * _GLOW_S:
                part = _PARTS[hit.piece]
                shine = (0.35 + 0.65 * hit.velocity / 127) * math.exp(-since_s / _GLOW_S)
                lit[part] = max(lit.get(part, 0.0), shine)
        picture = kit.copy()
        for part, shine in lit.items():
            rows, columns = _box(part, size)
            alpha = (glows[part][rows, columns] * shine)[..., None]
            region = picture[rows, columns]
            picture[rows, columns] = region + (colour - region) * alpha
        yield picture.astype(np.uint8)


def _box(part: _Part, size: tuple[int, int]) -> tuple[slice, slice]:
    """The pixels that a part's glow can reach."""
    scale = size[0] / 1280
    reach_x, reach_y = part.rx + 60, max(part.ry, part.rx * 0.3) + 60
    return (
        slice(max(0, int((part.y - reach_y) * scale)), int((part.y + reach_y) * scale)),
        slice(max(0, int((part.x - reach_x) * scale)), int((part.x + reach_x) * scale)),
    )


def _glow(part: _Part, size: tuple[int, int]) -> Image.Image:
    layer = Image.new("L", (1280, 720), 0)
    _ellipse(layer, part, 235)
    halo = layer.filter(ImageFilter.GaussianBlur(16))
    both = Image.fromarray(np.maximum(np.asarray(layer) * 0.78, np.asarray(halo)).astype(np.uint8))
    return both.resize(size, Image.Resampling.LANCZOS)


def _ellipse(image: Image.Image, part: _Part, fill: int | tuple[int, int, int]) -> None:
    """A tilted ellipse, as a polygon: Pillow's own are upright."""
    turn = math.radians(part.tilt)
    points = []
    for step in range(120):
        angle = 2 * math.pi * step / 120
        x, y = part.rx * math.cos(angle), part.ry * math.sin(angle)
        points.append(
            (
                part.x + x * math.cos(turn) - y * math.sin(turn),
                part.y + x * math.sin(turn) + y * math.cos(turn),
            )
        )
    ImageDraw.Draw(image).polygon(points, fill=fill)


def _kit(tempo_bpm: float, size: tuple[int, int]) -> Image.Image:
    """The kit at rest, with the title."""
    shade = np.linspace(0, 1, 720)[:, None, None]
    top, bottom = (np.array(each, np.float64) for each in _BACKDROP)
    backdrop = np.broadcast_to(top + (bottom - top) * shade, (720, 1280, 3))
    image = Image.fromarray(backdrop.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.ellipse((150, 560, 1130, 716), fill=(34, 28, 40))
    draw.ellipse((190, 574, 1090, 702), fill=(62, 46, 56))

    def stand(x: float, y: float, foot_y: float = 640) -> None:
        draw.line((x, y, x, foot_y), fill=_CHROME, width=7)
        draw.line((x, foot_y - 60, x - 38, foot_y + 8), fill=_CHROME, width=5)
        draw.line((x, foot_y - 60, x + 38, foot_y + 8), fill=_CHROME, width=5)

    stand(_RIDE.x - 40, _RIDE.y, 620)
    stand(_CRASH.x + 60, _CRASH.y, 600)
    stand(_HAT.x, _HAT.y - 36, 642)
    stand(_SNARE.x + 10, _SNARE.y + 60, 640)
    for foot in (-84, 0, 84):
        draw.line(
            (_TOM_FLOOR.x + foot, _TOM_FLOOR.y + 40, _TOM_FLOOR.x + foot * 1.08, 640),
            fill=_CHROME,
            width=6,
        )
    draw.line((_KICK.x, _KICK.y - 130, _KICK.x, _TOM_HIGH.y + 30), fill=_CHROME, width=12)
    draw.line((_TOM_MID.x, _TOM_MID.y + 40, _KICK.x, _KICK.y - 150), fill=_CHROME, width=9)
    draw.line((_TOM_HIGH.x, _TOM_HIGH.y + 40, _KICK.x, _KICK.y - 150), fill=_CHROME, width=9)
    for side in (-1, 1):
        draw.line(
            (_KICK.x + side * 118, _KICK.y + 74, _KICK.x + side * 168, 656), fill=_CHROME, width=8
        )

    _shell(image, _TOM_FLOOR, 128)
    _shell(image, _SNARE, 54)
    _ellipse(image, replace(_KICK, rx=_KICK.rx + 14, ry=_KICK.ry + 14), _SHELL_DARK)
    _ellipse(image, replace(_KICK, rx=_KICK.rx + 9, ry=_KICK.ry + 9), _SHELL)
    _ellipse(image, replace(_KICK, rx=_KICK.rx + 1, ry=_KICK.ry + 1), _CHROME)
    _ellipse(image, replace(_KICK, rx=_KICK.rx - 4, ry=_KICK.ry - 4), _SKIN)
    _shell(image, _TOM_MID, 84)
    _shell(image, _TOM_HIGH, 78)
    _ellipse(image, replace(_HAT, y=_HAT.y + 10), _BRASS_DARK)
    for cymbal in (_HAT, _CRASH, _RIDE):
        _ellipse(image, replace(cymbal, y=cymbal.y + 3), _BRASS_DARK)
        _ellipse(image, cymbal, _BRASS)
        _ellipse(image, replace(cymbal, rx=cymbal.rx * 0.7, ry=cymbal.ry * 0.68), (222, 184, 102))
        bell = replace(cymbal, y=cymbal.y - 4, rx=cymbal.rx * 0.2, ry=cymbal.ry * 0.42)
        _ellipse(image, bell, (238, 206, 130))
    draw.text((_KICK.x, _KICK.y), "Backbeat", font=_font(50), fill=(92, 28, 38), anchor="mm")
    draw.text((48, 40), "Rock groove", font=_font(44), fill=(240, 236, 228))
    draw.text((50, 96), f"{tempo_bpm:.0f} bpm, 4/4", font=_font(26), fill=(196, 188, 190))
    return image.resize(size, Image.Resampling.LANCZOS)


def _shell(image: Image.Image, part: _Part, depth: float) -> None:
    """A drum seen from a little above: its side, its hoop, its skin."""
    turn = math.radians(part.tilt)
    down = (-depth * math.sin(turn), depth * math.cos(turn))
    wide = (part.rx * math.cos(turn), part.rx * math.sin(turn))
    foot = replace(part, x=part.x + down[0], y=part.y + down[1])
    _ellipse(image, foot, _SHELL_DARK)
    left, right = (part.x - wide[0], part.y - wide[1]), (part.x + wide[0], part.y + wide[1])
    draw = ImageDraw.Draw(image)
    draw.polygon(
        (
            left,
            right,
            (right[0] + down[0], right[1] + down[1]),
            (left[0] + down[0], left[1] + down[1]),
        ),
        fill=_SHELL,
    )
    shaded = (part.x + wide[0] * 0.45, part.y + wide[1] * 0.45)
    draw.polygon(
        (
            shaded,
            right,
            (right[0] + down[0], right[1] + down[1]),
            (shaded[0] + down[0], shaded[1] + down[1]),
        ),
        fill=(138, 30, 44),
    )
    _ellipse(image, replace(part, rx=part.rx + 5, ry=part.ry + 4), _CHROME)
    _ellipse(image, part, _SKIN)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _encode(
    path: Path, mono: Samples, pictures: Iterator[Pixels], size: tuple[int, int], frames_per_s: int
) -> None:
    # The whole of the picture is known to be still but for a few lights: it packs well.
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=frames_per_s)
        video.width, video.height = size
        video.pix_fmt = "yuv420p"
        video.options = {"crf": "21", "preset": "veryfast"}
        audio = container.add_stream("aac", rate=SAMPLE_RATE)
        audio.layout = "stereo"
        audio.bit_rate = 160_000
        fed = 0
        for number, pixels in enumerate(pictures):
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            picture.pts = number
            picture.time_base = Fraction(1, frames_per_s)
            container.mux(video.encode(picture))
            until = min(len(mono), round((number + 1) * SAMPLE_RATE / frames_per_s))
            for first in range(fed, until, 1024):
                part = mono[first : min(first + 1024, until)]
                sound = av.AudioFrame.from_ndarray(
                    np.stack([part, part]).astype(np.float32), format="fltp", layout="stereo"
                )
                sound.sample_rate = SAMPLE_RATE
                sound.pts = first
                sound.time_base = Fraction(1, SAMPLE_RATE)
                container.mux(audio.encode(sound))
            fed = until
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
