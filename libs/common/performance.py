"""The performance file: hits and beats in seconds, the artifact between hearing and writing.

Kept in object storage as JSON, format 1: `{"format": 1, "model_version", "duration_s",
"hits": [{"id", "onset_s", "piece", "velocity", "confidence"}], "beats": [{"time_s",
"position"}], "tempo_bpm", "tempo_confidence", "meter", "beat_unit", "swing_ratio", "tempo_map":
[[time_s, bpm]]}`; hits and beats in order of time. The last four came later: a file without them
says nothing of them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

from libs.common.drums import Beat, DrumPiece, Hit

FORMAT = 1

BeatUnit = Literal["quarter", "dotted-quarter"]


@dataclass(frozen=True, slots=True)
class Performance:
    """What was played, in seconds from the start of the recording."""

    duration_s: float
    hits: Sequence[Hit]
    beats: Sequence[Beat] = field(default_factory=tuple)
    tempo_bpm: float | None = None
    """The steady or middle tempo; None when no pulse was found."""
    tempo_confidence: float = 0.0
    model_version: str = ""
    meter: str | None = None
    """Of most bars, as written: "4/4", "6/8"; None when it is not known."""
    beat_unit: BeatUnit = "quarter"
    """What one of `beats` is as a note, and what `tempo_bpm` and `tempo_map` count."""
    swing_ratio: float | None = None
    """Long to short of a beat's eighths, 1 when straight; None when it is not known."""
    tempo_map: Sequence[tuple[float, float]] = field(default_factory=tuple)
    """(from when in seconds, bpm): a point where the tempo changes, not one for every beat."""

    def to_json(self) -> bytes:
        """The file's bytes; seconds are rounded to a tenth of a millisecond."""
        document = {
            "format": FORMAT,
            "model_version": self.model_version,
            "duration_s": round(self.duration_s, 4),
            "tempo_bpm": self.tempo_bpm,
            "tempo_confidence": self.tempo_confidence,
            "meter": self.meter,
            "beat_unit": self.beat_unit,
            "swing_ratio": self.swing_ratio,
            "tempo_map": [(round(time_s, 4), bpm) for time_s, bpm in self.tempo_map],
            "hits": [
                asdict(hit)
                | {"onset_s": round(hit.onset_s, 4), "confidence": round(hit.confidence, 4)}
                for hit in self.hits
            ],
            "beats": [asdict(beat) | {"time_s": round(beat.time_s, 4)} for beat in self.beats],
        }
        return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()

    @staticmethod
    def from_json(data: bytes) -> Performance:
        """Read the file back; ValueError for another format or a number that is none."""
        document = json.loads(data)
        if document.get("format") != FORMAT:
            raise ValueError(f"performance format {document.get('format')!r}, expected {FORMAT}")
        hits = tuple(Hit(**hit | {"piece": DrumPiece(hit["piece"])}) for hit in document["hits"])
        if not all(math.isfinite(hit.onset_s) for hit in hits):
            raise ValueError("an onset is not a finite number")
        return Performance(
            duration_s=document["duration_s"],
            hits=hits,
            beats=tuple(Beat(**beat) for beat in document["beats"]),
            tempo_bpm=document["tempo_bpm"],
            tempo_confidence=document["tempo_confidence"],
            model_version=document["model_version"],
            meter=document.get("meter"),
            beat_unit=document.get("beat_unit", "quarter"),
            swing_ratio=document.get("swing_ratio"),
            tempo_map=tuple((time_s, bpm) for time_s, bpm in document.get("tempo_map", ())),
        )
