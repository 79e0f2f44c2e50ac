"""What the audio service tells, apart from how its work goes (work.py)."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import Field

from libs.common.events.work import WorkEvent


class AudioExtracted(WorkEvent):
    """The video's sound lies in storage as FLAC; its time zero is the video's."""

    type: ClassVar[str] = "audio.audio-extracted.v1"

    audio_id: UUID
    audio_key: str
    sample_rate: int
    channels: int
    duration_s: float
    title: str = ""
    jobs: dict[str, UUID] = Field(default_factory=dict)
    """The pipeline's jobs by type; empty when only this step was asked for."""


class EventsDetected(WorkEvent):
    """Hits and beats lie in storage as a performance file (libs/common/performance.py)."""

    type: ClassVar[str] = "audio.events-detected.v1"

    audio_id: UUID
    hits_key: str
    hit_count: int
    beat_count: int
    duration_s: float
    tempo_bpm: float | None = None
    model_version: str
    title: str = ""
    jobs: dict[str, UUID] = Field(default_factory=dict)


class StemsSeparated(WorkEvent):
    """A sound's stems lie in storage as FLAC; time zero is the sound's."""

    type: ClassVar[str] = "audio.stems-separated.v1"

    audio_id: UUID
    method: str
    """demucs, or hpss, whose stems are percussive and harmonic and no drum stem."""
    model_version: str
    stems: dict[str, str]
    """Storage keys by name."""
    sample_rate: int
    duration_s: float


class AudioEnhanced(WorkEvent):
    """An enhanced copy of a sound lies in storage as FLAC; time zero is the sound's."""

    type: ClassVar[str] = "audio.audio-enhanced.v1"

    audio_id: UUID
    enhancement_id: UUID
    audio_key: str
    loudness_before_lufs: float | None = None
    loudness_after_lufs: float | None = None
    """None when there is nothing to measure, as in silence."""
