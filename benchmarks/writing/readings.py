"""The three ways from a performance to a score."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.writing.truth import Truth
from libs.common.drums import Beat, Hit
from libs.common.performance import Performance
from libs.common.pulse.beats import with_beats
from services.audio.domain.hear import hear_performance

if TYPE_CHECKING:
    from training.ear.strokes import Stroke
    from training.ear.studio import Studio

RATE = 44_100


def with_click(truth: Truth) -> Performance:
    """Exact hits, and the click's beats from the first bar to the end of the last."""
    last = max(note.bar for note in truth.notes) + 1
    first = min(0, *(note.bar for note in truth.notes))
    return Performance(
        duration_s=_duration_s(truth),
        hits=truth.hits,
        beats=tuple(
            Beat(truth.click_s + beat * truth.period_s, beat % truth.meter + 1)
            for beat in range(first * truth.meter, last * truth.meter + 1)
        ),
        tempo_bpm=60 / truth.period_s,
        tempo_confidence=1.0,
        meter=f"{truth.meter}/4",
    )


def with_found_beats(truth: Truth) -> Performance:
    """Exact hits, and the beats that the audio service would send along with them."""
    return with_beats(Performance(duration_s=_duration_s(truth), hits=truth.hits))


def _duration_s(truth: Truth) -> float:
    return truth.hits[-1].onset_s + 1.0


class Recorder:
    """Renders hits on kits that the ear was not trained on, in a room, through a microphone and
    perhaps a codec, without other music; then our ear hears them."""

    def __init__(self, data: Path, work: Path, seed: int) -> None:
        from training.ear.kits import Shelf

        work.mkdir(parents=True, exist_ok=True)
        self._data, self._seed = data, seed
        self._shelf = Shelf(data, work, held_out=True)

    def hear(self, truth: Truth, number: int) -> tuple[Truth, Performance]:
        """What of the truth can be heard (a kit may lack a piece), and what was."""
        import soundfile

        rng = np.random.default_rng([self._seed, number])
        take = _studio(self._data, self._shelf, _Reader(truth.hits), rng).take(_duration_s(truth))
        while not take.strokes:  # one in twenty is music without drums
            take = _studio(self._data, self._shelf, _Reader(truth.hits), rng).take(
                _duration_s(truth)
            )
        truth = truth.only({stroke.piece for stroke in take.strokes})
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "take.wav"
            soundfile.write(path, take.samples, RATE)
            return truth, hear_performance(path)


class _Reader:
    """Stands where the studio expects a player, and plays what is written."""

    def __init__(self, hits: Sequence[Hit]) -> None:
        self._hits = hits

    def play(self, seconds: float) -> list[Stroke]:
        from training.ear.strokes import Stroke
        from training.ear.studio import BEFORE_S

        strokes = [Stroke(h.onset_s + BEFORE_S, h.piece, h.velocity / 127) for h in self._hits]
        return [stroke for stroke in strokes if stroke.at_s < seconds]


def _studio(data: Path, shelf: object, reader: _Reader, rng: np.random.Generator) -> Studio:
    from training.ear import studio

    class Dry(studio.Studio):
        def _under_music(self, drums: studio.Samples, alone: bool) -> studio.Samples:
            return drums

    return Dry(data, shelf, reader, rng, music=(0.0, 0.0))  # type: ignore[arg-type]
