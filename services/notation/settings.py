"""Notation's settings: `NOTATION_…`."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from libs.common.settings import BackendSettings


class NotationSettings(BackendSettings):
    """What notation takes."""

    model_config = SettingsConfigDict(
        env_prefix="NOTATION_", env_file=".env", extra="ignore", populate_by_name=True
    )

    time_limit_s: float = Field(120, gt=0, description="Longest time to write or draw a score.")
    edit_limit_s: float = Field(30, gt=0, description="Longest time to edit or read in a score.")
