"""Sound made in the test: clicks, grooves, tones. Mono float32 at SAMPLE_RATE."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from backbeat.drumsounds import SAMPLE_RATE, play
from libs.common.drums import DrumPiece, Hit

Samples = NDArray[np.float32]

KICK, SNARE = DrumPiece.KICK, DrumPiece.SNARE
HAT, OPEN = DrumPiece.HAT_CLOSED, DrumPiece.HAT_OPEN


def clicks(*onsets_s: float, duration_s: float | None = None, level: float = 0.8) -> Samples:
    """Bursts of noise of 5 ms, dying away."""
    length_s = duration_s if duration_s is not None else max(onsets_s, default=0.0) + 1
    out = np.zeros(round(length_s * SAMPLE_RATE), np.float32)
    rng = np.random.default_rng(3)
    count = round(0.02 * SAMPLE_RATE)
    burst = rng.uniform(-1, 1, count) * np.exp(-np.arange(count) / (0.003 * SAMPLE_RATE))
    for at in onsets_s:
        first = round(at * SAMPLE_RATE)
        out[first : first + count] += (level * burst[: len(out) - first]).astype(np.float32)
    return out


def tone(hz: float = 440.0, duration_s: float = 5.0, level: float = 0.5) -> Samples:
    """A sustained sine that fades in and out over 100 ms."""
    time_s = np.arange(round(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
    fade = np.clip(np.minimum(time_s, duration_s - time_s) / 0.1, 0, 1)
    return (level * np.sin(2 * np.pi * hz * time_s) * fade).astype(np.float32)


def rock_bar(start_s: float, beat_s: float, fill: bool = False) -> list[Hit]:
    """Kick on one and three, snare on two and four, eighths on the hat; or a fill on the toms."""
    hits = [Hit(start_s, KICK, 110), Hit(start_s + 2 * beat_s, KICK, 100)]
    hits += [Hit(start_s + beat_s, SNARE, 110)]
    if fill:
        toms = (SNARE, DrumPiece.TOM_HIGH, DrumPiece.TOM_MID, DrumPiece.TOM_FLOOR)
        hits += [Hit(start_s + (3 + n / 4) * beat_s, tom, 100) for n, tom in enumerate(toms)]
    else:
        hits += [Hit(start_s + 3 * beat_s, SNARE, 112)]
    eighths = 6 if fill else 8
    hits += [Hit(start_s + n * beat_s / 2, HAT, 90 if n % 2 == 0 else 70) for n in range(eighths)]
    return sorted(hits)


def groove(
    bars: int = 4, tempo_bpm: float = 100.0, start_s: float = 0.5
) -> tuple[Samples, list[Hit]]:
    """A steady rock groove and its truth."""
    beat_s = 60 / tempo_bpm
    hits = [hit for bar in range(bars) for hit in rock_bar(start_s + 4 * bar * beat_s, beat_s)]
    return play(hits, start_s + 4 * bars * beat_s + 0.5), hits


def write(path: Path, samples: Samples, sample_rate: int = SAMPLE_RATE) -> Path:
    """The samples as a WAV of 16 bits."""
    soundfile.write(path, samples, sample_rate, subtype="PCM_16")
    return path
