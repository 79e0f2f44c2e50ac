"""Vision's settings: `VISION_…`."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import AliasChoices, Field
from pydantic_settings import SettingsConfigDict

from libs.common.settings import BackendSettings


def default_models() -> Path:
    """The user's own cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "backbeat" / "models"


class VisionSettings(BackendSettings):
    """What vision takes."""

    model_config = SettingsConfigDict(
        env_prefix="VISION_", env_file=".env", extra="ignore", populate_by_name=True
    )

    workers: int = Field(1, ge=0, le=64, description="Videos looked at at once; 0: none.")
    threads: int = Field(1, ge=1, le=64, description="Threads for each of them.")
    models: Path = Field(
        default_factory=default_models,
        validation_alias=AliasChoices("VISION_MODELS", "BACKBEAT_MODELS"),
        description="Where `backbeat models fetch` put the pose networks; without them views and "
        "sync are told, and no hands.",
    )
    max_duration_s: float = Field(4 * 3600, gt=0, description="Longest video, in seconds.")
    time_limit_s: float = Field(2 * 3600, gt=0, description="Longest time for one video.")
