"""The teacher's routes: what it says of a score."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.database import SessionMaker, open_session
from libs.common.errors import (
    Conflict,
    NotFound,
    Unauthorized,
    Unavailable,
    problem_responses,
)
from libs.common.teaching import EnhancementType
from libs.common.tokens import CurrentCaller
from services.ai import budgets, known, teach
from services.ai.domain import study as studying
from services.ai.domain.answers import (
    PatternAnalysis,
    PracticeInstructions,
    StyleClassification,
)
from services.ai.domain.facts import Facts
from services.ai.domain.words import sounds_like
from services.ai.models import Enrichment, KnownScore
from services.ai.scholar import Scholar
from services.ai.settings import AiSettings
from services.ai.teach import Said, Teacher

router = APIRouter(tags=["ai"])

Session = Annotated[AsyncSession, Depends(open_session, scope="function")]


def session_maker(request: Request) -> SessionMaker:
    """For routes whose slow part must not hold a database connection."""
    sessions: SessionMaker = request.app.state.sessions
    return sessions


def teacher_of(request: Request) -> Teacher:
    """The running service's."""
    teacher: Teacher = request.app.state.teacher
    return teacher


Sessions = Annotated[SessionMaker, Depends(session_maker)]
TheTeacher = Annotated[Teacher, Depends(teacher_of)]


def scholar_of(teacher: TheTeacher) -> Scholar:
    """The running service's."""
    return teacher.scholar


TheScholar = Annotated[Scholar, Depends(scholar_of)]
VERSION_HELP = (
    "Of the score, as its ETag says: an edit made just before is waited for. Null: the newest "
    "that is known."
)
Version = Annotated[int | None, Query(ge=1, description=VERSION_HELP)]


class BarRange(BaseModel):
    """Some of a score's bars, by their numbers, or none named."""

    model_config = ConfigDict(extra="forbid")

    from_bar: int | None = Field(None, ge=0)
    to_bar: int | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        if (self.from_bar is None) != (self.to_bar is None):
            raise ValueError("give from_bar and to_bar, or neither")
        if self.bars is not None and self.bars[1] < self.bars[0]:
            raise ValueError("to_bar comes before from_bar")
        return self

    @property
    def bars(self) -> tuple[int, int] | None:
        """First and last; None where none are named."""
        if self.from_bar is None or self.to_bar is None:
            return None
        return self.from_bar, self.to_bar


class EnhanceIn(BaseModel):
    """What to say of a score."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"enhancement_type": "full_analysis"}]}
    )

    enhancement_type: EnhancementType = EnhancementType.FULL_ANALYSIS
    version: int | None = Field(None, ge=1, description=VERSION_HELP)
    anew: bool = Field(False, description="Ask the model again where it has answered already.")


class StyleNear(BaseModel):
    """A style, and what speaks for it and against."""

    style: str
    probability: float = Field(description="0 to 1, over all styles together.")
    speaks_for: list[str]
    speaks_against: list[str]


class Enhanced(BaseModel):
    """What the teacher says. Parts that were not asked for are null."""

    notation_id: UUID
    version: int = Field(description="Of the score that this is about.")
    enhancement_type: EnhancementType
    source: Literal["rules", "model"]
    model: str = Field(description="The rules' version, where the rules speak.")
    status: Literal["complete", "pending"] = Field(
        description="pending: the model is still writing; ask for the same again, or read "
        "`with-enhancements`."
    )
    cached: bool
    note: str | None = Field(
        description="Why the rules speak although there is a model, or what was left out."
    )
    created_at: datetime
    pattern_analysis: PatternAnalysis | None = None
    style_classification: StyleClassification | None = None
    practice_instructions: PracticeInstructions | None = None
    styles: list[StyleNear] = Field(
        default_factory=list, description="The three nearest, the likeliest first."
    )


class Enhancement(BaseModel):
    """Who said a part, when, and of which version."""

    source: Literal["rules", "model"]
    model: str
    version: int
    note: str | None
    created_at: datetime


class Enhancements(BaseModel):
    """The best that was said of each; null where it was not asked for."""

    pattern_analysis: PatternAnalysis | None = None
    style_classification: StyleClassification | None = None
    practice_instructions: PracticeInstructions | None = None


class WithEnhancements(BaseModel):
    """A score in a few figures, with what was said of it."""

    notation_id: UUID
    version: int
    title: str
    video_id: UUID | None
    tempo: float | None = Field(description="As written at the start, in the meter's beats.")
    time_signature: str
    bars: int
    enhancements: Enhancements
    told: dict[str, Enhancement] = Field(description="Of each part that is there.")
    outdated: bool = Field(
        description="Whether the score has changed since anything was said of it: ask anew."
    )
    links: dict[str, str]


PROBLEMS = problem_responses(Unauthorized, NotFound, Conflict, Unavailable)


@router.post(
    "/notation/{notation_id}/enhance",
    response_model=Enhanced,
    responses=PROBLEMS | {202: {"model": Enhanced, "description": "The model is still writing"}},
)
async def enhance(
    notation_id: UUID,
    caller: CurrentCaller,
    sessions: Sessions,
    teacher: TheTeacher,
    response: Response,
    body: EnhanceIn | None = None,
) -> dict[str, Any]:
    """Have a score explained. Without a model the rules answer at once; with one it writes the
    words from the measured facts, and what they do not bear is left out."""
    asked = body or EnhanceIn()
    score = await known.find(sessions, caller.user_id, notation_id, asked.version)
    said = await teacher.explain(
        score,
        asked.enhancement_type,
        caller.roles,
        wait_s=teacher.settings.wait_s,
        anew=asked.anew,
    )
    if said.pending:
        response.status_code = 202
        response.headers["Retry-After"] = "5"
    study = await teacher.scholar.study(score.part_key)
    return _enhanced(said, study.facts)


def _enhanced(said: Said, facts: Facts) -> dict[str, Any]:
    row = said.row
    shows_style = "style_classification" in row.output_json
    return {
        "notation_id": row.notation_id,
        "version": row.version,
        "enhancement_type": row.enhancement_type,
        "source": row.source,
        "model": row.model,
        "status": "pending" if said.pending else "complete",
        "cached": said.cached,
        "note": row.note,
        "created_at": row.created_at,
        **row.output_json,
        "styles": _near(facts) if shows_style else [],
    }


def _near(facts: Facts) -> list[dict[str, Any]]:
    return [
        {
            "style": match.style.label,
            "probability": round(match.probability, 3),
            "speaks_for": [one.sentence(match.style) for one in match.speaks_for],
            "speaks_against": [one.sentence(match.style) for one in match.speaks_against],
        }
        for match in facts.styles[:3]
    ]


@router.get(
    "/notation/{notation_id}/with-enhancements",
    response_model=WithEnhancements,
    responses=PROBLEMS,
)
async def with_enhancements(
    notation_id: UUID,
    caller: CurrentCaller,
    sessions: Sessions,
    scholar: TheScholar,
    version: Version = None,
) -> dict[str, Any]:
    """A score with what was said of it: a model's words before the rules'."""
    score = await known.find(sessions, caller.user_id, notation_id, version, field="query.version")
    study = await scholar.study(score.part_key)
    async with sessions() as session:
        told = await teach.told_of(session, notation_id, score.version)
        outdated = not told and await teach.was_told_before(session, notation_id)
    return _with(score, study.facts, told, outdated=outdated)


_PARTS: dict[str, EnhancementType] = {
    "pattern_analysis": EnhancementType.PATTERN_ANALYSIS,
    "style_classification": EnhancementType.STYLE_CLASSIFICATION,
    "practice_instructions": EnhancementType.PRACTICE_INSTRUCTIONS,
}


def _with(
    score: KnownScore, facts: Facts, told: dict[EnhancementType, Enrichment], *, outdated: bool
) -> dict[str, Any]:
    parts, sources = {}, {}
    for name, kind in _PARTS.items():
        rows = [row for row in (told.get(kind), told.get(EnhancementType.FULL_ANALYSIS)) if row]
        if rows:
            # Asked alone or among all: a model's before the rules', then the newer.
            row = max(rows, key=lambda row: (row.source == "model", row.created_at))
            parts[name] = row.output_json[name]
            sources[name] = {
                "source": row.source,
                "model": row.model,
                "version": row.version,
                "note": row.note,
                "created_at": row.created_at,
            }
    base = f"/notation/{score.notation_id}"
    return {
        "notation_id": score.notation_id,
        "version": score.version,
        "title": score.title,
        "video_id": score.video_id,
        "tempo": facts.written_bpm,
        "time_signature": facts.meter,
        "bars": facts.bars,
        "enhancements": parts,
        "told": sources,
        "outdated": outdated,
        "links": {
            "notation": base,
            "enhance": f"{base}/enhance",
            "analysis": f"{base}/analysis",
            "variations": f"{base}/variations",
            "practice_plan": f"{base}/practice-plan",
        },
    }


class Analysis(BaseModel):
    """The facts that all words rest on; `docs/teaching.md` says what each figure means."""

    notation_id: UUID
    version: int
    facts_version: str
    sounds_like: list[str] = Field(description="Styles that may be named; empty: not sure.")
    facts: dict[str, Any]


@router.get("/notation/{notation_id}/analysis", response_model=Analysis, responses=PROBLEMS)
async def analysis(
    notation_id: UUID,
    caller: CurrentCaller,
    sessions: Sessions,
    scholar: TheScholar,
    version: Version = None,
) -> dict[str, Any]:
    """What was measured in a score and its performance."""
    score = await known.find(sessions, caller.user_id, notation_id, version, field="query.version")
    study = await scholar.study(score.part_key)
    return {
        "notation_id": notation_id,
        "version": score.version,
        "facts_version": studying.VERSION,
        "sounds_like": list(sounds_like(study.facts)),
        "facts": study.facts.to_dict(),
    }


class Usage(BaseModel):
    """Today's share of the language model, in UTC."""

    tokens_used: int
    tokens_a_day: int
    questions: int


class Status(BaseModel):
    """Who speaks."""

    source: Literal["rules", "model"] = Field(description="Who would answer now.")
    model: str | None = Field(description="The language model, where one is configured.")
    resting: bool = Field(description="Whether it is left alone after failures.")
    rules: str = Field(description="The rules' version.")
    usage: Usage


@router.get("/ai/status", response_model=Status, responses=problem_responses(Unauthorized))
async def status(caller: CurrentCaller, session: Session, teacher: TheTeacher) -> dict[str, Any]:
    """Whether a language model speaks, and how much of it you have used today."""
    settings: AiSettings = teacher.settings
    tokens, questions = await budgets.spent(session, caller.user_id)
    resting = teacher.model is not None and teacher.model.breaker.is_open
    return {
        "source": "model" if teacher.model is not None and not resting else "rules",
        "model": teacher.model.name if teacher.model else None,
        "resting": resting,
        "rules": studying.VERSION,
        "usage": {
            "tokens_used": tokens,
            "tokens_a_day": budgets.limit_of(settings, caller.roles),
            "questions": questions,
        },
    }
