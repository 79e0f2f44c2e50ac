"""Media's settings: `MEDIA_…`."""

from __future__ import annotations

from pydantic import AliasChoices, Field
from pydantic_settings import SettingsConfigDict

from libs.common.settings import BackendSettings


class MediaSettings(BackendSettings):
    """What media takes."""

    model_config = SettingsConfigDict(
        env_prefix="MEDIA_", env_file=".env", extra="ignore", populate_by_name=True
    )

    max_file_size: int = Field(
        100_000_000,
        ge=1,
        validation_alias=AliasChoices("MEDIA_MAX_FILE_SIZE", "MAX_FILE_SIZE"),
        description="Largest upload, in bytes.",
    )
    max_dimension: int = Field(8_192, ge=16, description="Longest side of a picture, in pixels.")
    max_duration_s: float = Field(4 * 3600, gt=0, description="Longest recording, in seconds.")
    probe_timeout_s: float = Field(30, gt=0, description="Time to look into an uploaded file.")
    upload_keep_days: float = Field(
        3, gt=0, description="An unfinished upload is kept this long after its last piece, in days."
    )
    ticket_lifetime_s: float = Field(
        12 * 3600, gt=0, description="How long a play ticket plays, in seconds."
    )
    watch: bool = Field(
        True, description="Have the hands of a new video watched where its upload does not say."
    )
    thumbnail_timeout_s: float = Field(
        10, gt=0, description="Time to draw a thumbnail, in seconds."
    )
