"""What the teacher says of a score: by rules at once, by a model where there is one."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from prometheus_client import Counter
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.database import SessionMaker
from libs.common.errors import NotFound
from libs.common.events import NotationEnriched
from libs.common.messaging import announce
from libs.common.messaging.event import utc_now
from libs.common.teaching import EnhancementType
from services.ai import budgets, known
from services.ai.domain import prompts
from services.ai.domain import study as studying
from services.ai.domain.answers import ANSWERS
from services.ai.domain.hold import VERSION as CLAIMS_VERSION
from services.ai.domain.hold import Held, hold
from services.ai.domain.study import Study
from services.ai.model import Model, ModelAway
from services.ai.models import Enrichment, KnownScore, Question
from services.ai.scholar import Scholar
from services.ai.settings import AiSettings

log = logging.getLogger(__name__)

ANSWERED = Counter("backbeat_ai_answers_total", "Answers given.", ["type", "source", "cached"])
REFUSED = Counter("backbeat_ai_claims_refused_total", "Claims that the facts do not bear.")

POLL_S: Final = 0.2
LEASE_SLACK_S: Final = 10.0
KEPT_REFUSALS: Final = 20
LONGEST_REFUSED: Final = 300

Roles = frozenset[str]


@dataclass(frozen=True, slots=True)
class Said:
    """An answer, and whether it was there already."""

    row: Enrichment
    cached: bool = False
    pending: bool = False
    """Whether the model is still writing; the rules speak meanwhile."""


@dataclass(frozen=True, slots=True)
class Asking:
    """A question to the model about one score."""

    score: KnownScore
    study: Study
    kind: EnhancementType
    system: str
    user: str
    prompt_hash: str
    roles: Roles

    @property
    def key(self) -> tuple[UUID, str]:
        return self.score.notation_id, self.prompt_hash


@dataclass
class Teacher:
    """The use cases, on the running service's database, child process and model."""

    settings: AiSettings
    sessions: SessionMaker
    scholar: Scholar
    model: Model | None
    _running: dict[tuple[UUID, str], asyncio.Task[Enrichment]] = field(default_factory=dict)

    async def explain(
        self,
        score: KnownScore,
        kind: EnhancementType,
        roles: Roles,
        *,
        wait_s: float,
        anew: bool = False,
    ) -> Said:
        """The model's answer where there is a model that gives a true one in time, and else the
        rules'. With `anew` a kept answer does not count. NotFound for a score that goes
        meanwhile."""
        study = await self.scholar.study(score.part_key)
        if self.model is None:
            row, cached = await self._by_rules(score, study, kind, None)
            return _told(Said(row, cached))
        asking = self._question(score, study, kind, roles)
        if not anew and (found := await self._kept(asking)) is not None:
            return _told(Said(found, cached=True))
        task = self._running.get(asking.key)
        if task is None:
            # Not the request's own: who hangs up does not stop what others wait for.
            task = asyncio.create_task(self._ask(asking, anew=anew))
            self._running[asking.key] = task
            task.add_done_callback(lambda done: self._ended(asking, done))
        done, _ = await asyncio.wait({task}, timeout=wait_s)
        if not done:
            row, cached = await self._by_rules(
                score, study, kind, "The language model is still writing; these are the rules."
            )
            return _told(Said(row, cached, pending=True))
        try:
            return _told(Said(task.result()))
        except ModelAway as away:
            row, cached = await self._by_rules(
                score, study, kind, f"{away.message} These are the rules."
            )
            return _told(Said(row, cached))

    def _ended(self, asking: Asking, task: asyncio.Task[Enrichment]) -> None:
        self._running.pop(asking.key, None)
        # Read here, since whoever asked may have gone: expected ends are told at the next question.
        fault = None if task.cancelled() else task.exception()
        if fault is not None and not isinstance(fault, (ModelAway, NotFound)):
            log.error("a question to the model failed", exc_info=fault)

    def _question(
        self, score: KnownScore, study: Study, kind: EnhancementType, roles: Roles
    ) -> Asking:
        assert self.model is not None
        user = prompts.question(study.ledger, study.answer(kind), kind)
        settings = self.settings
        prompt_hash = _hash(
            prompts.VERSION,
            CLAIMS_VERSION,
            settings.openai_base_url,
            self.model.name,
            settings.openai_max_tokens,
            settings.openai_temperature,
            prompts.SYSTEM,
            user,
        )
        return Asking(score, study, kind, prompts.SYSTEM, user, prompt_hash, roles)

    async def _kept(self, asking: Asking, since: datetime | None = None) -> Enrichment | None:
        """The answer to the same question, given after `since`: about this score, or, since equal
        questions hold nothing of whose they are, about one just like it."""
        async with self.sessions.begin() as session:
            rows = await session.scalars(
                select(Enrichment)
                .where(Enrichment.prompt_hash == asking.prompt_hash, Enrichment.source == "model")
                .order_by(
                    (Enrichment.notation_id == asking.score.notation_id).desc(),
                    Enrichment.created_at.desc(),
                )
                .limit(1)
            )
            found = rows.one_or_none()
            if found is None or not newer_than(found, since):
                return None
            same = found.notation_id == asking.score.notation_id
            if same and found.version == asking.score.version:
                return found
            # Said of a score, or a version, whose strokes are the same.
            return await _keep(
                session,
                asking.score,
                asking.kind,
                prompt_hash=asking.prompt_hash,
                model=found.model,
                source="model",
                note=found.note,
                asked=found.input_json,
                answer=found.output_json,
            )

    async def _by_rules(
        self, score: KnownScore, study: Study, kind: EnhancementType, note: str | None
    ) -> tuple[Enrichment, bool]:
        """What the rules say, and whether they have said it before."""
        prompt_hash = _hash(studying.VERSION, score.part_key, kind)
        async with self.sessions.begin() as session:
            found = await session.scalar(
                select(Enrichment).where(
                    Enrichment.notation_id == score.notation_id,
                    Enrichment.prompt_hash == prompt_hash,
                    Enrichment.note.is_not_distinct_from(note),
                )
            )
            if found is not None:
                return found, True
            row = await _keep(
                session,
                score,
                kind,
                prompt_hash=prompt_hash,
                model=studying.VERSION,
                source="rules",
                note=note,
                asked={"part": score.part_key},
                answer=study.answer(kind).model_dump(),
            )
        return row, False

    # The model

    async def _ask(self, asking: Asking, *, anew: bool) -> Enrichment:
        """Put the question, unless some other process is at it: then wait for its answer."""
        since = utc_now() if anew else None
        asker = uuid4()
        while not await self._take(asking, asker):
            await asyncio.sleep(POLL_S)
            if (found := await self._kept(asking, since)) is not None:
                return found
        try:
            # It may have been answered between the look and the taking.
            if (found := await self._kept(asking, since)) is not None:
                return found
            return await self._answer(asking)
        finally:
            await asyncio.shield(self._let_go(asking, asker))

    async def _take(self, asking: Asking, asker: UUID) -> bool:
        # Two questions at most, each within its limit, turns included.
        lease = func.now() + timedelta(seconds=2 * self.settings.time_limit_s + LEASE_SLACK_S)
        async with self.sessions.begin() as session:
            taken = await session.execute(
                insert(Question)
                .values(prompt_hash=asking.prompt_hash, asker=asker, lease_until=lease)
                .on_conflict_do_update(
                    index_elements=[Question.prompt_hash],
                    set_={"asker": asker, "lease_until": lease},
                    where=Question.lease_until < func.now(),
                )
                .returning(Question.prompt_hash)
            )
            return taken.first() is not None

    async def _let_go(self, asking: Asking, asker: UUID) -> None:
        async with self.sessions.begin() as session:
            await session.execute(
                delete(Question).where(
                    Question.prompt_hash == asking.prompt_hash, Question.asker == asker
                )
            )

    async def _answer(self, asking: Asking) -> Enrichment:
        """Ask, hold to the facts, ask once more where that left holes, and keep what is true."""
        rules = asking.study.answer(asking.kind)
        best, used = await self._held(asking, rules, asking.user)
        if best.replaced:
            told = [(plain(one.sentence), one.why) for one in best.refused]
            try:
                second, more = await self._held(asking, rules, prompts.again(asking.user, told))
            except ModelAway as away:
                if not best.words:
                    raise
                log.info("the model was not asked again", extra={"code": away.code})
            else:
                used = (used[0] + more[0], used[1] + more[1])
                best = max(best, second, key=lambda held: held.words)
        if not best.words:
            raise ModelAway("model-untrue", "The language model said nothing that the facts bear.")
        async with self.sessions.begin() as session:
            return await _keep(
                session,
                asking.score,
                asking.kind,
                prompt_hash=asking.prompt_hash,
                model=self.settings.openai_model,
                source="model",
                note=_note(best),
                asked={
                    "system": asking.system,
                    "user": json.loads(asking.user),
                    "refused": [
                        [plain(one.sentence), plain(one.why)]
                        for one in best.refused[:KEPT_REFUSALS]
                    ],
                },
                answer=best.answer.model_dump(),
                tokens=used,
            )

    async def _held(self, asking: Asking, rules: Any, user: str) -> tuple[Held, tuple[int, int]]:
        asked = await self.paid(
            asking.score.user_id,
            asking.roles,
            (asking.system, user),
            lambda model: model.ask(asking.system, user, ANSWERS[asking.kind]),
        )
        # Beside the event loop: every sentence goes through a few dozen expressions.
        held = await asyncio.to_thread(hold, asked.answer, rules, asking.study.ledger)
        REFUSED.inc(len(held.refused))
        return held, (asked.prompt_tokens, asked.completion_tokens)

    async def paid(
        self,
        user_id: UUID,
        roles: Roles,
        texts: Sequence[str],
        ask: Callable[[Model], Awaitable[Any]],
    ) -> Any:
        """A question within the user's budget; ModelAway where that is used up."""
        assert self.model is not None
        day, reserved = budgets.today(), self.model.tokens_at_most(*texts)
        limit = budgets.limit_of(self.settings, roles)
        if not await budgets.reserve(self.sessions, user_id, day, reserved, limit):
            raise ModelAway(
                "budget-used-up",
                "Your share of the language model is used up for today, or in use.",
            )
        used = 0
        try:
            asked = await ask(self.model)
            # A server that does not tell is believed the estimate.
            used = asked.prompt_tokens + asked.completion_tokens or reserved
            return asked
        except ModelAway as away:
            used = away.tokens
            raise
        except asyncio.CancelledError:
            # The server may go on, and bill.
            used = reserved
            raise
        finally:
            await asyncio.shield(budgets.settle(self.sessions, user_id, day, reserved, used))

    async def close(self) -> None:
        """Stop asking."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        if self.model is not None:
            await self.model.close()


def newer_than(row: Enrichment, since: datetime | None) -> bool:
    """Whether it was kept after that."""
    return since is None or row.created_at >= since


def plain(text: str) -> str:
    """A model's words as they may be stored: printable, and not too many."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)[:LONGEST_REFUSED]


def _told(said: Said) -> Said:
    ANSWERED.labels(said.row.enhancement_type, said.row.source, str(said.cached).lower()).inc()
    return said


def _note(held: Held) -> str | None:
    if not held.refused:
        return None
    count = len(held.refused)
    left = f"{count} claim{'s' if count > 1 else ''} that the facts do not bear left out"
    if held.replaced:
        return f"{left}; {', '.join(held.replaced)} by the rules."
    return f"{left}."


def _hash(*parts: object) -> str:
    return hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()


async def _keep(
    session: AsyncSession,
    score: KnownScore,
    kind: EnhancementType,
    *,
    prompt_hash: str,
    model: str,
    source: str,
    note: str | None,
    asked: dict[str, Any],
    answer: dict[str, Any],
    tokens: tuple[int, int] = (0, 0),
) -> Enrichment:
    """Keep an answer in place of an earlier one to the same question, and tell. NotFound
    where there is nobody left to tell it of."""
    await known.still_there(session, score.notation_id)
    values = {
        "user_id": score.user_id,
        "version": score.version,
        "enhancement_type": kind.value,
        "model": model,
        "source": source,
        "note": note,
        "input_json": asked,
        "output_json": answer,
        "prompt_tokens": tokens[0],
        "completion_tokens": tokens[1],
        "created_at": func.now(),
    }
    row = await session.scalar(
        insert(Enrichment)
        .values(notation_id=score.notation_id, prompt_hash=prompt_hash, **values)
        .on_conflict_do_update(
            index_elements=[Enrichment.notation_id, Enrichment.prompt_hash], set_=values
        )
        .returning(Enrichment)
        .execution_options(populate_existing=True)
    )
    assert row is not None
    announce(
        session,
        NotationEnriched(
            notation_id=score.notation_id,
            user_id=score.user_id,
            version=score.version,
            enhancement_type=kind.value,
            source=source,
            video_id=score.video_id,
        ),
    )
    return row


async def told_of(
    session: AsyncSession, notation_id: UUID, version: int
) -> dict[EnhancementType, Enrichment]:
    """The best answer of each kind to this version: a model's before the rules', newest first."""
    rows = await session.scalars(
        select(Enrichment)
        .where(Enrichment.notation_id == notation_id, Enrichment.version == version)
        .order_by((Enrichment.source == "model").desc(), Enrichment.created_at.desc())
    )
    found: dict[EnhancementType, Enrichment] = {}
    for row in rows:
        found.setdefault(EnhancementType(row.enhancement_type), row)
    return found


async def was_told_before(session: AsyncSession, notation_id: UUID) -> bool:
    """Whether anything was said of any version."""
    found = await session.scalar(
        select(Enrichment.id).where(Enrichment.notation_id == notation_id).limit(1)
    )
    return found is not None
