"""What may be chosen for a step, as far as domains read it themselves: no framework."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Options(BaseModel):
    """Base: unknown options are refused, so that a typing error does not pass for a default."""

    model_config = ConfigDict(extra="forbid")

    def chosen(self) -> dict[str, Any]:
        """As it travels in events and rows."""
        return self.model_dump(mode="json")


class VisionOptions(Options):
    """How the picture is looked at."""

    mirrored: bool | None = Field(
        None, description="Whether the picture is a mirror's, as of a selfie camera. Null: found."
    )
    handed: Literal["right", "left"] | None = Field(
        None,
        description="right: the right hand leads and the hi-hat stands on the left. Null: found.",
    )
    offset_s: float | None = Field(
        None,
        ge=-1,
        le=1,
        allow_inf_nan=False,
        description="How far the sound lies after the picture, in seconds. Null: measured.",
    )
