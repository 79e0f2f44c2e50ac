"""Audio's settings: `AUDIO_…`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from libs.common.settings import BackendSettings
from services.audio.domain.weights import default_cache


class AudioSettings(BackendSettings):
    """What audio takes."""

    model_config = SettingsConfigDict(
        env_prefix="AUDIO_", env_file=".env", extra="ignore", populate_by_name=True
    )

    workers: int = Field(1, ge=0, le=64, description="Recordings worked on at once; 0: none.")
    model: str = Field("ear-1", description="The hearer that is used when none is asked for.")
    max_duration_s: float = Field(4 * 3600, gt=0, description="Longest recording, in seconds.")
    time_limit_s: float = Field(3600, gt=0, description="Longest time for one step.")
    demucs_weights: str = Field(
        "",
        description="Path or http(s) address of Demucs' weights (.th or .safetensors); empty: "
        "none.",
    )
    demucs_sha256: str = Field(
        "",
        pattern=r"^([0-9a-fA-F]{8,64})?$",
        description="SHA-256 of the weights, or its beginning; empty: as their name says, if it "
        "does.",
    )
    weights_cache: Path = Field(
        default_factory=default_cache, description="Where fetched weights are kept."
    )
    separation_time_limit_s: float = Field(
        6 * 3600, gt=0, description="Longest time for separating one recording."
    )
    picture_timeout_s: float = Field(120, gt=0, description="Longest time to draw a picture.")
