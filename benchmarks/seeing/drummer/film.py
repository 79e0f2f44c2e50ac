"""The file: H.264 and AAC with the sound a chosen time after the picture, and the truth beside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

from benchmarks.seeing.drummer.body import Drummer
from benchmarks.seeing.drummer.camera import Camera, Image
from benchmarks.seeing.drummer.playing import Played
from libs.common.drums import DrumPiece

SAMPLE_RATE: Final = 44_100
_TICKS: Final = 90_000


@dataclass(frozen=True, slots=True)
class Take:
    """One camera from a time on; the next take's start ends it."""

    camera: Camera
    start_s: float = 0.0


@dataclass(frozen=True)
class Film:
    """What is to be filmed. Stroke times are the sound's; the picture shows them `offset_s`
    earlier."""

    strokes: Sequence[Played]
    drummer: Drummer
    takes: Sequence[Take]
    duration_s: float
    fps: float = 30.0
    offset_s: float = 0.0
    exposure: float = 0.5
    """Part of a frame's time in which light falls in."""
    jitter_s: float = 0.0
    """Variable frame rate: how irregular the frames' times are."""
    times_s: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        count = int(self.duration_s * self.fps)
        times = np.arange(count) / self.fps
        if self.jitter_s:
            wobble = np.random.default_rng(count).uniform(-1, 1, count) * self.jitter_s
            times = np.maximum.accumulate(np.maximum(times + wobble, 0))
            times = np.round(times * _TICKS) / _TICKS
            times += np.arange(count) * 2 / _TICKS
        object.__setattr__(self, "times_s", times)

    def take_at(self, time_s: float) -> Take:
        """Who films at a picture time."""
        return [take for take in self.takes if take.start_s <= time_s + 1e-9][-1]

    def cuts_s(self) -> list[float]:
        """Picture times at which another camera takes over."""
        return [take.start_s for take in self.takes if 0 < take.start_s < self.duration_s]

    def frames(self) -> Iterator[tuple[float, Image]]:
        """Picture time and picture."""
        for number, time_s in enumerate(self.times_s):
            camera = self.take_at(time_s).camera
            # What is heard at t + offset is seen at t.
            played_s = float(time_s) + self.offset_s
            yield (
                float(time_s),
                camera.frame(self.drummer, played_s, self.exposure / self.fps, number),
            )

    def joints(self, names: Sequence[str]) -> NDArray[np.float64]:
        """(frames, names, 2): where each joint is in the picture, as fractions of it."""
        out = np.empty((len(self.times_s), len(names), 2))
        for number, time_s in enumerate(self.times_s):
            camera = self.take_at(time_s).camera
            played_s = float(time_s) + self.offset_s
            body = self.drummer.at(played_s)
            seen = camera.project(np.stack([body.joints[name] for name in names]), played_s)
            out[number] = seen[:, :2] / [camera.width, camera.height]
        return out


def write(film: Film, target: Path, *, sound: bool = True, crf: int = 24) -> None:
    """Film it into an MP4 (or what the name ends in)."""
    first = film.takes[0].camera
    with av.open(str(target), "w") as container:
        video = container.add_stream("libx264", rate=Fraction(film.fps).limit_denominator(1001))
        video.width, video.height, video.pix_fmt = first.width, first.height, "yuv420p"
        video.options = {"crf": str(crf), "preset": "veryfast"}
        video.time_base = Fraction(1, _TICKS)
        video.codec_context.time_base = Fraction(1, _TICKS)
        audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono") if sound else None
        for time_s, image in film.frames():
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = round(time_s * _TICKS)
            frame.time_base = Fraction(1, _TICKS)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if audio is not None:
            samples = sound_of(film.strokes, film.duration_s)
            for start in range(0, len(samples), 1024):
                block = av.AudioFrame.from_ndarray(
                    samples[None, start : start + 1024], format="flt", layout="mono"
                )
                block.sample_rate, block.pts = SAMPLE_RATE, start
                block.time_base = Fraction(1, SAMPLE_RATE)
                container.mux(audio.encode(block))
            container.mux(audio.encode())


def sound_of(strokes: Sequence[Played], duration_s: float) -> NDArray[np.float32]:
    """Plain drums: a falling sine for the kick, noise for the rest, each with its own fall."""
    rng = np.random.default_rng(5)
    out = np.zeros(int(duration_s * SAMPLE_RATE) + SAMPLE_RATE, np.float32)
    time_s = np.arange(int(0.35 * SAMPLE_RATE)) / SAMPLE_RATE
    for stroke in strokes:
        piece = stroke.hit.piece
        if piece is DrumPiece.KICK:
            tone = np.sin(2 * np.pi * (50 * time_s + 6 * (1 - np.exp(-time_s / 0.02))))
            sound = tone * np.exp(-time_s / 0.12)
        else:
            fall_s = 0.03 if "hat" in piece else 0.3 if piece in ("crash", "ride") else 0.1
            noise = rng.normal(0, 0.5, len(time_s)) * np.exp(-time_s / fall_s)
            bright = np.diff(noise, prepend=0.0)
            tone = np.sin(2 * np.pi * 180 * time_s) * np.exp(-time_s / 0.1)
            dull = piece in (DrumPiece.SNARE, *_TOMS)
            sound = 0.5 * noise + 0.6 * tone if dull else bright
        start = int(stroke.hit.onset_s * SAMPLE_RATE)
        gain = 0.4 * (stroke.hit.velocity / 127) ** 1.5
        room = out[start : start + len(sound)]
        room += (gain * sound[: len(room)]).astype(np.float32)
    return np.clip(out[: int(duration_s * SAMPLE_RATE)], -1, 1)


_TOMS: Final = (DrumPiece.TOM_HIGH, DrumPiece.TOM_MID, DrumPiece.TOM_FLOOR)
