"""Practice versions: composed, held to the rules, and handed to notation to be written down."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.database import SessionMaker, new_id
from libs.common.drums import Articulation, DrumPiece
from libs.common.errors import Invalid
from libs.common.events import ComposedPart, VariationsCreated
from libs.common.eventual import eventually
from libs.common.messaging import announce
from libs.common.paging import page_of
from libs.common.part import Part, PartBar, PartTempo, Stroke, ordered
from libs.common.storage import Storage
from services.ai.domain.answers import MAX_TEXT
from services.ai.domain.claims import kept
from services.ai.domain.difficulty import difficulty
from services.ai.domain.ledger import Ledger
from services.ai.domain.variations import (
    MAX_BARS,
    CannotVary,
    VariationKind,
    VariationRequest,
    conforms,
    propose_all,
)
from services.ai.domain.variations.checks import CHECKED_KINDS, direction_of
from services.ai.domain.variations.excerpt import excerpt_of, titled
from services.ai.known import composed_key
from services.ai.model import Asked, ModelAway
from services.ai.models import KnownScore, Variation
from services.ai.scholar import Progress
from services.ai.teach import Roles, Teacher

WRITTEN_WITHIN_S: Final = 10.0
"""Notation writes eight bars in milliseconds; after that the answer does not wait for it."""
MAX_MODEL_STROKES: Final = 400
LONGEST_WORDS: Final = 240
FINEST: Final = 96
_PLACE: Final = re.compile(r"\d{1,3}(/[1-9]\d{0,2})?", re.ASCII)


class LeftOut(BaseModel):
    """What could not be made, and why."""

    kind: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Made:
    """A variation on its way into storage."""

    part: bytes
    title: str
    kind: str
    change: str
    why: str
    steps: tuple[str, ...]
    direction: str
    before: float
    after: float
    source: Literal["rules", "model"] = "rules"


def compose(
    data: bytes, request: VariationRequest, *, progress: Progress
) -> tuple[list[Made], list[LeftOut]] | LeftOut:
    """For the child process. A refusal where the bars that are asked for give nothing at all."""
    del progress
    try:
        made, left_out = propose_all(Part.from_json(data), request)
    except CannotVary as reason:
        return LeftOut(kind=str(request.kind or ""), code=reason.code, reason=reason.sentence)
    return (
        [
            Made(
                part=one.part.to_json(),
                title=one.part.title,
                kind=one.kind.value,
                change=one.change,
                why=one.why,
                steps=one.steps,
                direction=one.direction.value,
                before=one.before,
                after=one.after,
            )
            for one in made
        ],
        [LeftOut(kind=one.kind.value, code=one.code, reason=one.sentence) for one in left_out],
    )


# What a model may propose


class ModelStroke(BaseModel):
    """One stroke."""

    model_config = ConfigDict(extra="forbid")

    at: str = Field(description='From the bar line, in whole notes: "0", "1/8", "5/16".')
    piece: DrumPiece
    touch: Literal["ghost", "normal", "accent"]


class ModelBar(BaseModel):
    """One bar."""

    model_config = ConfigDict(extra="forbid")

    strokes: list[ModelStroke]


class ModelVariation(BaseModel):
    """One exercise."""

    model_config = ConfigDict(extra="forbid")

    label: str = Field(description="Two or three words.")
    change: str = Field(description="What is different, in a sentence without figures.")
    why: str = Field(description="What it is good for, in a sentence without figures.")
    bars: list[ModelBar]


class ModelVariations(BaseModel):
    """Exercises."""

    model_config = ConfigDict(extra="forbid")

    variations: list[ModelVariation]


SYSTEM: Final = """\
You are a drum teacher. You make exercises out of a groove that is given as strokes. Keep the \
meter and the tempo. Two hands and two feet must be able to play it: at most two hand strokes at \
once, no drum struck twice at once. Each exercise is one to eight bars and differs from the groove \
and from the others. Write change and why in plain English, without figures, markup or names of \
people."""

_VELOCITY: Final = {"ghost": 30, "normal": 85, "accent": 112}
_MARKS: Final = {"ghost": (Articulation.GHOST,), "normal": (), "accent": (Articulation.ACCENT,)}


def ask_for(data: bytes, request: VariationRequest, *, progress: Progress) -> str | LeftOut:
    """The question to the model. Holds strokes and nothing of whose they are."""
    del progress
    try:
        base = excerpt_of(Part.from_json(data), request.bars).part()
    except CannotVary as reason:
        return LeftOut(kind=str(request.kind or ""), code=reason.code, reason=reason.sentence)
    bars = [
        ModelBar(
            strokes=[
                ModelStroke(at=str(stroke.at), piece=stroke.piece, touch=_touch(stroke))
                for stroke in bar.strokes
            ]
        ).model_dump(mode="json")
        for bar in base.bars
    ]
    wish = {
        "kind": request.kind.value if request.kind else "any",
        "difficulty": request.difficulty.value if request.difficulty else "any",
        "count": request.count,
        "meter": str(base.bars[0].meter),
        "quarters_per_minute": base.quarters_per_minute(1),
        "groove": bars,
    }
    return json.dumps(wish, separators=(",", ":"))


def _touch(stroke: Stroke) -> Literal["ghost", "normal", "accent"]:
    if Articulation.GHOST in stroke.marks:
        return "ghost"
    return "accent" if Articulation.ACCENT in stroke.marks else "normal"


def hold_to_rules(
    data: bytes,
    request: VariationRequest,
    proposed: ModelVariations,
    ledger: Ledger,
    *,
    progress: Progress,
) -> tuple[list[Made], list[LeftOut]]:
    """For the child process: the model's exercises that keep every promise, and why others do
    not. Its words are kept where the facts bear them."""
    del progress
    original = Part.from_json(data)
    base = excerpt_of(original, request.bars).part()
    before = difficulty(base).value
    made: list[Made] = []
    refused: list[LeftOut] = []
    seen: set[tuple[Any, ...]] = set()
    for one in proposed.variations[: 2 * request.count]:
        kind = request.kind.value if request.kind else "free"
        try:
            part = _part_of(one, base)
        except ValueError as fault:
            refused.append(LeftOut(kind=kind, code="not-a-part", reason=str(fault)))
            continue
        content = tuple((bar.number, bar.strokes) for bar in part.bars)
        faults = conforms(original, part, request)
        if request.kind and not CHECKED_KINDS[request.kind](base, part):
            faults.append(f"It is no “{request.kind.value.replace('-', ' ')}”.")
        if content in seen:
            faults.append("It is like another one.")
        if faults:
            refused.append(LeftOut(kind=kind, code="breaks-a-rule", reason=" ".join(faults)))
            continue
        seen.add(content)
        change = _words(one.change, ledger) or "The groove is varied by a language model."
        why = _words(one.why, ledger) or "Play it slowly, and listen for what has changed."
        label = _words(one.label, ledger)[:40].rstrip(" .") or "variation"
        after = difficulty(part).value
        title = titled(base.title, label)
        made.append(
            Made(
                part=replace(part, title=title, remark=f"{change} {why}").to_json(),
                title=title,
                kind=kind,
                change=change,
                why=why,
                steps=(),
                direction=direction_of(before, after).value,
                before=before,
                after=after,
                source="model",
            )
        )
    return made[: request.count], refused


def _words(text: str, ledger: Ledger) -> str:
    """What the facts bear of it, at most a few sentences."""
    good = kept(text[:MAX_TEXT], ledger)[0]
    return good if len(good) <= LONGEST_WORDS else ""


def _part_of(one: ModelVariation, base: Part) -> Part:
    """ValueError where it is none."""
    if not 1 <= len(one.bars) <= MAX_BARS:
        raise ValueError("It has too many bars, or none.")
    if sum(len(bar.strokes) for bar in one.bars) > MAX_MODEL_STROKES:
        raise ValueError("It has too many strokes.")
    meter = base.bars[0].meter
    bars = []
    for number, bar in enumerate(one.bars, start=1):
        strokes = []
        for stroke in bar.strokes:
            # Before it is reckoned with: an exponent would take the process with it.
            if not _PLACE.fullmatch(stroke.at):
                raise ValueError(f"A stroke of bar {number} stands at no place in it.")
            at = Fraction(stroke.at)
            if at.denominator > FINEST:
                raise ValueError(f"A stroke of bar {number} stands at no place that is written.")
            strokes.append(Stroke(at, stroke.piece, _VELOCITY[stroke.touch], _MARKS[stroke.touch]))
        bars.append(PartBar(number, meter, ordered(strokes)))
    qpm = base.quarters_per_minute(1)
    tempos = base.tempos[:1] or ((PartTempo(1, qpm),) if qpm else ())
    return Part(base.title, tuple(bars), tempos=tempos, swing=base.swing[:1], kit=base.kit)


# The use case


@dataclass(frozen=True, slots=True)
class Composed:
    """What was made for a request."""

    made: list[Made]
    left_out: list[LeftOut]
    note: str | None = None


async def make(
    teacher: Teacher,
    score: KnownScore,
    request: VariationRequest,
    *,
    by: Literal["rules", "model"],
    roles: Roles,
) -> Composed:
    """Exercises; Invalid where not one can be made. What a model's proposals leave open, the rules
    fill."""
    if request.fill_beats is not None and request.kind not in (None, VariationKind.FILL):
        raise Invalid(
            "Only a fill has a length in beats.", code="cannot-vary", field="body.fill_beats"
        )
    if by == "model" and request.kind is not None and request.kind not in CHECKED_KINDS:
        raise Invalid(
            "Of a model's proposals only these kinds can be checked: "
            f"{', '.join(CHECKED_KINDS)}. Leave the kind out, or have it made by rules.",
            code="cannot-vary",
            field="body.kind",
        )
    data = await teacher.scholar.part(score.part_key)
    made: list[Made] = []
    left_out: list[LeftOut] = []
    note = None
    if by == "model":
        made, left_out, note = await _by_model(teacher, score, data, request, roles)
    if len(made) < request.count:
        rest = replace(request, count=request.count - len(made))
        found = await teacher.scholar.run(compose, data, rest)
        if isinstance(found, LeftOut):
            found = ([], [found])
        made += found[0]
        left_out += found[1]
    if not made:
        raise _invalid(left_out)
    return Composed(made, left_out, note)


_FIELDS: Final = {
    "no-bars": "body.from_bar",
    "too-long": "body.to_bar",
    "silent": "body.from_bar",
    "no-such-difficulty": "body.difficulty",
    "fill-length": "body.fill_beats",
}


def _invalid(left_out: Sequence[LeftOut]) -> Invalid:
    first = left_out[0]
    return Invalid(first.reason, code="cannot-vary", field=_FIELDS.get(first.code, "body.kind"))


async def _by_model(
    teacher: Teacher,
    score: KnownScore,
    data: bytes,
    request: VariationRequest,
    roles: Roles,
) -> tuple[list[Made], list[LeftOut], str | None]:
    if teacher.model is None:
        return [], [], "No language model is configured; these are by rules."
    question = await teacher.scholar.run(ask_for, data, request)
    if isinstance(question, LeftOut):
        raise _invalid([question])
    try:
        async with asyncio.timeout(teacher.settings.wait_s):
            asked: Asked = await teacher.paid(
                score.user_id,
                roles,
                (SYSTEM, question),
                lambda model: model.ask(SYSTEM, question, ModelVariations),
            )
    except ModelAway as away:
        return [], [], f"{away.message} These are by rules."
    except TimeoutError:
        return [], [], "The language model took too long. These are by rules."
    study = await teacher.scholar.study(score.part_key)
    made, refused = await teacher.scholar.run(
        hold_to_rules, data, request, asked.answer, study.ledger
    )
    note = None
    if len(made) < request.count:
        note = f"Of the model's proposals {len(made)} kept to the rules; the others here are ours."
    return made, refused, note


async def store(storage: Storage, composed: Sequence[Made]) -> list[UUID]:
    """Parts into storage, before there is a transaction; the ids of what they will be."""
    ids = [new_id() for _ in composed]
    for notation_id, one in zip(ids, composed, strict=True):
        await storage.write(composed_key(notation_id), one.part)
    return ids


async def forget(storage: Storage, ids: Sequence[UUID]) -> None:
    """Take them out again."""
    for notation_id in ids:
        await storage.delete(composed_key(notation_id))


def keep(
    session: AsyncSession, score: KnownScore, ids: Sequence[UUID], composed: Sequence[Made]
) -> None:
    """Rows and the event into the transaction."""
    told = []
    for notation_id, one in zip(ids, composed, strict=True):
        session.add(
            Variation(
                id=notation_id,
                of_notation_id=score.notation_id,
                of_version=score.version,
                user_id=score.user_id,
                title=one.title,
                kind=one.kind,
                change=one.change,
                why=one.why,
                steps=list(one.steps),
                direction=one.direction,
                difficulty_before=one.before,
                difficulty_after=one.after,
                source=one.source,
            )
        )
        told.append(
            ComposedPart(
                notation_id=notation_id,
                part_key=composed_key(notation_id),
                title=one.title,
                kind=one.kind,
                change=one.change,
            )
        )
    announce(
        session,
        VariationsCreated(
            notation_id=score.notation_id,
            user_id=score.user_id,
            version=score.version,
            variations=tuple(told),
        ),
    )


async def written(sessions: SessionMaker, ids: Sequence[UUID]) -> list[Variation]:
    """The rows in order, once notation has written all of them, or after a while as they are."""

    async def rows() -> list[Variation]:
        async with sessions() as session:
            found = await session.scalars(select(Variation).where(Variation.id.in_(ids)))
            by_id = {row.id: row for row in found}
        return [by_id[one] for one in ids if one in by_id]

    async def all_written() -> list[Variation] | None:
        found = await rows()
        return found if all(row.written_at for row in found) else None

    done = await eventually(all_written, within_s=WRITTEN_WITHIN_S)
    return done if done is not None else await rows()


async def page(
    session: AsyncSession, user_id: UUID, notation_id: UUID, limit: int, cursor: str | None
) -> tuple[list[Variation], str | None]:
    """A score's variations, newest first."""
    rows = select(Variation).where(
        Variation.of_notation_id == notation_id, Variation.user_id == user_id
    )
    return await page_of(
        session, rows, Variation.created_at, Variation.id, limit=limit, cursor=cursor
    )
