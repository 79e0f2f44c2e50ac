"""What the teacher answers: the words and figures that a user reads, and that a language model is
asked to fill in (structured outputs). Whoever wrote them, the figures are the facts'."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from libs.common.teaching import EnhancementType

Level = Literal["beginner", "intermediate", "advanced", "expert"]
DensityLevel = Literal["low", "medium", "high"]
UNKNOWN_GENRE: Final = "Not sure"
MAX_TEXT: Final = 1200
MAX_ITEM: Final = 300
MAX_ITEMS: Final = 8


class PatternAnalysis(BaseModel):
    """The patterns, and how hard they are."""

    model_config = ConfigDict(extra="forbid")

    complexity: Level | None = Field(description="Null for a silent score.")
    key_patterns: list[str] = Field(description="What a drummer would call what is played.")
    tempo_consistency: float | None = Field(
        description="1 less ten times the spread of the bars' tempos; 0.92 is bars 0.8 % apart. "
        "Null where nobody played: a score that was written, not heard."
    )
    rhythmic_density: DensityLevel | None = Field(
        description="low below 4 strokes a second, high from 9 on."
    )
    summary: str = Field(description="A few sentences on groove, variations, fills and form.")


class StyleClassification(BaseModel):
    """What it sounds like."""

    model_config = ConfigDict(extra="forbid")

    primary_genre: str = Field(description='The nearest; "Not sure" where none is near.')
    confidence: float = Field(
        description="0 to 1; below about 0.64 nothing stands out, and characteristics say so."
    )
    characteristics: str = Field(description="What speaks for it, in a sentence or two.")


class PracticeInstructions(BaseModel):
    """What to do about it."""

    model_config = ConfigDict(extra="forbid")

    difficulty: Level | None = Field(description="Null for a silent score.")
    focus_areas: list[str] = Field(description="What to work on, the most pressing first.")
    exercises: list[str] = Field(description="What to play, one sentence each.")


class FullAnalysis(BaseModel):
    """All three."""

    model_config = ConfigDict(extra="forbid")

    pattern_analysis: PatternAnalysis
    style_classification: StyleClassification
    practice_instructions: PracticeInstructions


class OnlyPatterns(BaseModel):
    """The patterns."""

    model_config = ConfigDict(extra="forbid")

    pattern_analysis: PatternAnalysis


class OnlyStyle(BaseModel):
    """The style."""

    model_config = ConfigDict(extra="forbid")

    style_classification: StyleClassification


class OnlyPractice(BaseModel):
    """The instructions."""

    model_config = ConfigDict(extra="forbid")

    practice_instructions: PracticeInstructions


Answer = FullAnalysis | OnlyPatterns | OnlyStyle | OnlyPractice

ANSWERS: Final[dict[EnhancementType, type[Answer]]] = {
    EnhancementType.FULL_ANALYSIS: FullAnalysis,
    EnhancementType.PATTERN_ANALYSIS: OnlyPatterns,
    EnhancementType.STYLE_CLASSIFICATION: OnlyStyle,
    EnhancementType.PRACTICE_INSTRUCTIONS: OnlyPractice,
}
