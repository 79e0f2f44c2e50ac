"""Audio's settings: `AUDIO_…`."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from libs.common.settings import BackendSettings


class AudioSettings(BackendSettings):
    """What audio takes."""

    model_config = SettingsConfigDict(
        env_prefix="AUDIO_", env_file=".env", extra="ignore", populate_by_name=True
    )

    workers: int = Field(1, ge=0, le=64, description="Recordings worked on at once; 0: none.")
    model: str = Field("dsp-1", description="The hearer that is used when none is asked for.")
    max_duration_s: float = Field(4 * 3600, gt=0, description="Longest recording, in seconds.")
    time_limit_s: float = Field(3600, gt=0, description="Longest time for one step.")
    picture_timeout_s: float = Field(120, gt=0, description="Longest time to draw a picture.")
