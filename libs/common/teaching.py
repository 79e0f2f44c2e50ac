"""What the teacher can be asked; the words of its routes, of jobs and of events."""

from __future__ import annotations

from enum import StrEnum


class EnhancementType(StrEnum):
    """What the teacher is asked to say of a score."""

    FULL_ANALYSIS = "full_analysis"
    PATTERN_ANALYSIS = "pattern_analysis"
    STYLE_CLASSIFICATION = "style_classification"
    PRACTICE_INSTRUCTIONS = "practice_instructions"
