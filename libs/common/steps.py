"""What may be chosen for each step of the pipeline: the same options at the step's own route, at
`POST /jobs/`, and in the events between services."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID, uuid5

from pydantic import AfterValidator, Field, ValidationError, model_validator

from libs.common.errors import Invalid
from libs.common.options import Options, VisionOptions
from libs.common.teaching import EnhancementType

PIPELINE = ("extraction", "onset", "notation")
"""The automatic steps, in their order."""
SEEN_AFTER = ("extraction", "onset")
"""What the automatic look at the hands waits for; it goes on beside the rest, and a score without
hands is a score all the same."""

_IDS = UUID("6f6d1c5e-2f5b-4b7e-9a55-0e6f4e0c7b1d")


class JobType(StrEnum):
    """What a job does."""

    EXTRACTION = "extraction"
    ONSET = "onset"
    CLASSIFICATION = "classification"
    SEPARATION = "separation"
    ENHANCEMENT = "enhancement"
    NOTATION = "notation"
    ENRICHMENT = "enrichment"
    VISION = "vision"


class ExtractionOptions(Options):
    """How the sound is kept."""

    sample_rate: int = Field(44_100, ge=8_000, le=96_000, description="Hz.")
    channels: Literal[1, 2] | None = Field(None, description="Null: as the source, at most two.")


class HearingOptions(Options):
    """How the drums are heard."""

    model: str | None = Field(None, max_length=64, description="See GET /audio/models.")
    sensitivity: float = Field(
        0.5, ge=0, le=1, description="0 keeps only sure hits, 1 keeps all that may be one."
    )
    source: Literal["mix", "drums"] = Field(
        "mix",
        description="mix: the sound as it is; drums: its newest drum stem, which "
        "POST /audio/separate-sources makes with Demucs.",
    )

    def chosen(self) -> dict[str, Any]:
        """Without the usual source: what was heard before there were stems keeps its name."""
        chosen = super().chosen()
        if self.source == "mix":
            del chosen["source"]
        return chosen


class SeparationOptions(Options):
    """How a sound is taken apart."""

    method: Literal["auto", "demucs", "hpss"] = Field(
        "auto",
        description="demucs is a network, and needs weights that are configured; hpss tells what "
        "is struck from what sustains, which is no drum stem. auto takes demucs where it can.",
    )
    stems: Literal["drums", "all"] = Field(
        "drums",
        description="drums: only the drums (hpss: only the percussive part); all: every stem that "
        "the method has.",
    )


DrumGroup = Literal["kick", "snare", "hats", "toms", "cymbals"]


class EnhancementOptions(Options):
    """How a sound is made clearer. Each part can be switched off, not all of them."""

    denoise: bool = Field(True, description="Lower what does not rise above the steady noise.")
    reduction_db: float = Field(
        15.0, ge=3, le=40, description="How far noise is lowered at the most."
    )
    emphasis: list[DrumGroup] = Field(
        default_factory=list, max_length=5, description="Pieces to bring forward when they strike."
    )
    emphasis_db: float = Field(6.0, ge=1, le=12, description="How far they are lifted at the most.")
    loudness_lufs: float | None = Field(
        -16.0,
        ge=-40,
        le=-8,
        description="The loudness to reach (ITU-R BS.1770-4), as far as a true-peak limit at "
        "-1 dBTP allows without crushing the strokes; null leaves it as it is.",
    )

    @model_validator(mode="after")
    def _does_something(self) -> EnhancementOptions:
        if not self.denoise and not self.emphasis and self.loudness_lufs is None:
            raise ValueError("nothing is left to do: denoise, emphasise, or set a loudness")
        # Asked for in another order, it is the same.
        self.emphasis = sorted(set(self.emphasis))
        return self


def meter(value: str) -> str:
    """A time signature such as 4/4: 1 to 32 over a power of two up to 32."""
    match = re.fullmatch(r"([0-9]{1,2})/([0-9]{1,2})", value)
    if not match or not 1 <= int(match[1]) <= 32 or int(match[2]) not in (1, 2, 4, 8, 16, 32):
        raise ValueError("must be like 4/4: 1 to 32 beats over 1, 2, 4, 8, 16 or 32")
    return f"{int(match[1])}/{int(match[2])}"


TimeSignature = Annotated[str, AfterValidator(meter)]
Tempo = Annotated[float, Field(ge=20, le=400, allow_inf_nan=False, description="Beats a minute.")]


Grid = Literal["auto", "straight", "triplet", "1", "2", "3", "4", "5", "6", "7", "8", "12"]
GRID_HELP = (
    "auto chooses for each beat; a number is so many places to the beat, everywhere. The beat of "
    "6/8 is its dotted quarter, which straight and triplet both cut in three."
)
SWING_HELP = "auto writes swung eighths plain, under a swing mark; written, as triplets."
DETAIL_HELP = "teaching leaves ghosts and graces out."


class NotationOptions(Options):
    """How the score is written."""

    tempo: Tempo | None = Field(None, description="Null: as heard.")
    time_signature: TimeSignature | None = Field(None, description="Null: as heard.")
    grid: Grid = Field("auto", description=GRID_HELP)
    swing: Literal["auto", "written"] = Field("auto", description=SWING_HELP)
    detail: Literal["full", "teaching"] = Field("full", description=DETAIL_HELP)
    title: str | None = Field(None, max_length=200)


class EnrichmentOptions(Options):
    """What the teacher says of a video's newest score."""

    enhancement_type: EnhancementType = EnhancementType.FULL_ANALYSIS


OPTIONS: dict[JobType, type[Options]] = {
    JobType.EXTRACTION: ExtractionOptions,
    JobType.ONSET: HearingOptions,
    JobType.CLASSIFICATION: HearingOptions,
    JobType.SEPARATION: SeparationOptions,
    JobType.ENHANCEMENT: EnhancementOptions,
    JobType.NOTATION: NotationOptions,
    JobType.ENRICHMENT: EnrichmentOptions,
    JobType.VISION: VisionOptions,
}


def read_options(job_type: JobType, options: dict[str, Any], field: str) -> dict[str, Any]:
    """Checked and completed options; Invalid names what is wrong."""
    try:
        return OPTIONS[job_type].model_validate(options).chosen()
    except ValidationError as error:
        fault = error.errors()[0]
        path = ".".join([field, *(str(part) for part in fault["loc"])])
        raise Invalid(f"{path}: {fault['msg']}", field=path) from error


def step_id(*parts: object) -> UUID:
    """The same id for the same step with the same options: asked for twice, it is one thing."""
    return uuid5(_IDS, "/".join(str(part) for part in parts))
