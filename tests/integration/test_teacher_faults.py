"""What goes wrong around the teacher: odd servers, deletions, events in another order."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from sqlalchemy import select

from libs.common.database import SessionMaker
from libs.common.drums import DrumPiece
from libs.common.events import JobRequested, VideoUploaded
from libs.common.part import Part
from libs.common.storage import Storage
from libs.common.work import Cancelled, Control, WorkItem
from services.ai import budgets, known, steps, teach, vary
from services.ai.domain.variations import VariationKind, VariationRequest
from services.ai.models import KnownScore, Variation
from tests import fake_openai as fake
from tests.conftest import SessionsOf
from tests.fake_openai import FakeOpenAI, Manner
from tests.integration.test_model_client import ask, model_at, refusal
from tests.integration.test_teacher import (
    BEAT,
    FULL,
    HATS,
    groove,
    known_score,
    proposal,
    removal,
    rows_of,
    school_at,
    work_items,
)
from tests.integration.waiting import until


@pytest.fixture
def ai(sessions: SessionsOf) -> SessionMaker:
    return sessions("ai")


# Servers


def answering(body: Any, content_type: str = "application/json") -> Manner:
    async def manner(_: FakeOpenAI, __: dict[str, Any]) -> web.StreamResponse:
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(text=text, content_type=content_type)

    return manner


def choice(message: Any, **usage: Any) -> dict[str, Any]:
    return {
        "id": "x", "object": "chat.completion", "created": 1, "model": "gpt-4",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": usage or None,
    }  # fmt: skip


ODD = [
    answering("<html>Sign in to the hotel's network</html>", "text/html"),
    answering('{"choices": [', "application/json"),
    answering("", "application/json"),
    answering([1, 2]),
    answering(None),
    answering({}),
    answering(choice(None)),
    answering(choice({"role": "assistant", "content": [{"type": "text", "text": "rock"}]})),
    answering(choice({"role": "assistant", "content": None})),
    answering(choice({"role": "assistant", "content": "{}"}, prompt_tokens=None)),
    answering(choice({"role": "assistant", "content": "{}"}, prompt_tokens=-5, total_tokens="x")),
]


@pytest.mark.parametrize("manner", ODD, ids=range(len(ODD)))
async def test_what_only_calls_itself_an_answer_leaves_it_to_the_rules(
    ai: SessionMaker, storage: Storage, manner: Manner
) -> None:
    async with fake.serving(manner) as server, school_at(ai, storage, server.url) as school:
        said = await school.explain()
        assert said.row.source == "rules"
        assert said.row.note is not None
        async with ai() as session:
            tokens, _ = await budgets.spent(session, school.score.user_id)
    assert tokens >= 0


async def test_a_servers_ways_are_learnt_by_all_questions_at_once() -> None:
    async with (
        fake.serving(fake.modern) as server,
        model_at(server, concurrency=4, breaker_failures=2) as model,
    ):
        answers = await asyncio.gather(*(ask(model) for _ in range(4)))
    assert len(answers) == 4
    assert not model.breaker.is_open


async def test_questions_that_wait_are_not_put_to_a_server_that_has_failed() -> None:
    async with (
        fake.serving(fake.refused(500)) as server,
        model_at(server, attempts=1, concurrency=2, breaker_failures=2) as model,
    ):
        codes = await asyncio.gather(*(refusal(model) for _ in range(10)))
    assert codes.count("model-resting") >= 6
    assert len(server.asked) <= 4


async def test_the_wait_for_a_turn_counts_against_the_time_limit() -> None:
    async with (
        fake.serving(fake.slow) as server,
        model_at(server, concurrency=1, time_limit_s=0.3) as model,
    ):
        assert await asyncio.gather(*(refusal(model) for _ in range(3))) == ["model-too-slow"] * 3
        assert len(server.asked) == 1


async def test_a_question_that_is_refused_for_itself_does_not_rest_the_model() -> None:
    too_long = fake.refused(400, "context_length_exceeded")
    async with fake.serving(too_long) as server, model_at(server, breaker_failures=1) as model:
        assert [await refusal(model) for _ in range(2)] == ["model-refused-question"] * 2


async def test_answers_that_are_of_no_use_are_charged_as_they_are_billed(
    ai: SessionMaker, storage: Storage
) -> None:
    async with fake.serving(fake.wordy) as server, school_at(ai, storage, server.url) as school:
        for _ in range(2):
            assert (await school.explain()).row.source == "rules"
        async with ai() as session:
            assert await budgets.spent(session, school.score.user_id) == (2400, 2)


async def test_words_that_cannot_be_stored_are_left_out(ai: SessionMaker, storage: Storage) -> None:
    def lie(draft: dict[str, Any]) -> None:
        draft["pattern_analysis"]["summary"] = "A steady\u0000 groove of \ud83e\udd41. It breathes."

    async with (
        fake.serving(fake.saying(lie)) as server,
        school_at(ai, storage, server.url) as school,
    ):
        said = await school.explain()
    assert said.row.source == "model"
    assert said.row.output_json["pattern_analysis"]["summary"] == "It breathes."


# Versions and deletions


async def test_a_later_version_with_equal_strokes_has_the_answer_as_its_own(
    ai: SessionMaker, storage: Storage
) -> None:
    async with fake.serving(fake.good) as server, school_at(ai, storage, server.url) as school:
        await school.explain()
        later = await known_score(
            ai, storage, groove(), version=2, notation_id=school.score.notation_id,
            user_id=school.score.user_id, video_id=school.score.video_id,
        )  # fmt: skip
        said = await school.teacher.explain(later, FULL, frozenset(), wait_s=20)
        async with ai() as session:
            told = await teach.told_of(session, later.notation_id, 2)
    assert (said.row.version, said.row.source) == (2, "model")
    assert told[FULL].id == said.row.id
    assert len(server.asked) == 1


async def test_nothing_is_kept_of_a_score_that_goes_while_the_model_writes(
    ai: SessionMaker, storage: Storage
) -> None:
    async with fake.serving(fake.slow) as server, school_at(ai, storage, server.url) as school:
        asking = asyncio.create_task(school.explain())
        await until(lambda: bool(server.asked))
        await known.removed(ai, storage, removal(school.score))
        server.waiting.set()
        with pytest.raises(Exception, match="There is no such notation"):
            await asking
    assert await rows_of(ai) == []


async def test_anew_waits_for_a_new_answer_of_whoever_is_at_it(
    ai: SessionMaker, storage: Storage
) -> None:
    async with fake.serving(fake.good) as server, school_at(ai, storage, server.url) as school:
        first = (await school.explain()).row.created_at
        again = await school.explain(anew=True)
    assert again.row.created_at > first
    assert len(server.asked) == 2


async def test_a_deleted_variation_leaves_no_file(ai: SessionMaker, storage: Storage) -> None:
    async with school_at(ai, storage, None) as school:
        made = await vary.make(
            school.teacher, school.score, VariationRequest(), by="rules", roles=frozenset()
        )
        ids = await vary.store(storage, made.made)
        async with ai.begin() as session:
            vary.keep(session, school.score, ids, made.made)
        async with ai() as session:
            one = await session.get_one(Variation, ids[0])
        gone = KnownScore(notation_id=one.id, user_id=one.user_id)
        await known.removed(ai, storage, removal(gone))
    assert await storage.keys("variations/") == []


# Events in another order


def uploaded(**other: Any) -> VideoUploaded:
    return VideoUploaded(filename="a.mp4", storage_key="a", size_bytes=1, **other)


async def test_a_score_that_comes_before_its_upload_is_explained_all_the_same(
    ai: SessionMaker, storage: Storage
) -> None:
    about: dict[str, Any] = {"video_id": uuid4(), "user_id": uuid4()}
    job_id = uuid4()
    await known_score(ai, storage, groove(), **about)
    async with ai.begin() as session:
        await steps.uploaded(session, uploaded(jobs={"enrichment": job_id}, **about))
    assert [item.id for item in await work_items(ai)] == [job_id]


async def test_an_edit_of_the_old_score_does_not_take_what_the_new_one_is_wanted_for(
    ai: SessionMaker, storage: Storage
) -> None:
    about: dict[str, Any] = {"video_id": uuid4(), "user_id": uuid4()}
    old = await known_score(ai, storage, groove(), **about)
    again = JobRequested(
        job_id=uuid4(), job_type="onset", generation=2, jobs={"enrichment": uuid4()}, **about
    )
    async with ai.begin() as session:
        await steps.requested(session, again)
    await known_score(ai, storage, groove(), version=2, notation_id=old.notation_id, **about)
    assert await work_items(ai) == []
    new = await known_score(ai, storage, groove(), **about)
    [item] = await work_items(ai)
    assert (item.params["notation_id"], item.generation) == (str(new.notation_id), 2)


async def test_the_upload_itself_told_late_does_not_undo_a_retry(ai: SessionMaker) -> None:
    about: dict[str, Any] = {"video_id": uuid4(), "user_id": uuid4()}
    jobs = {"enrichment": uuid4()}
    retry = JobRequested(job_id=uuid4(), job_type="notation", generation=2, jobs=jobs, **about)
    async with ai.begin() as session:
        await steps.requested(session, retry)
        await steps.uploaded(session, uploaded(jobs=jobs, **about))
        generations = await session.scalars(select(steps.Wanted.generation))
        assert generations.all() == [2]


async def test_a_job_that_is_cancelled_lets_its_worker_go_at_once(
    ai: SessionMaker, storage: Storage
) -> None:
    async with fake.serving(fake.slow) as server, school_at(ai, storage, server.url) as school:
        item = WorkItem(
            id=uuid4(), video_id=uuid4(), user_id=school.score.user_id, generation=1,
            params={"notation_id": str(school.score.notation_id), "enhancement_type": FULL},
        )  # fmt: skip
        control = Control()
        working = asyncio.create_task(steps.Enricher(ai, school.teacher).enrich(item, control))
        await until(lambda: bool(server.asked))
        control.cancelled.set()
        with pytest.raises(Cancelled):
            await asyncio.wait_for(working, 20)
        assert not server.waiting.is_set()


# What a model proposes


async def proposals(
    ai: SessionMaker, storage: Storage, said: list[dict[str, Any]], request: VariationRequest
) -> vary.Composed:
    written = fake.written(json.dumps({"variations": said}))
    async with fake.serving(written) as server, school_at(ai, storage, server.url) as school:
        return await vary.make(school.teacher, school.score, request, by="model", roles=frozenset())


@pytest.mark.parametrize("at", ["1e99999999", "visit https://evil.example, 999 bpm", "-1/4", "1/0"])
async def test_a_place_that_is_none_is_refused_without_being_repeated(
    ai: SessionMaker, storage: Storage, at: str
) -> None:
    made = await proposals(
        ai, storage, [proposal(*BEAT, (at, "kick", "normal"))], VariationRequest()
    )
    assert [one.source for one in made.made] == ["rules"]
    assert made.left_out[0].reason == "A stroke of bar 1 stands at no place in it."


@pytest.mark.parametrize(
    "kind", [VariationKind.LINEAR, VariationKind.SIMPLIFY, VariationKind.THIN_HATS]
)
async def test_what_a_model_calls_by_a_kind_must_be_of_it(
    ai: SessionMaker, storage: Storage, kind: VariationKind
) -> None:
    """Hats with the kick, and more strokes than the groove has."""
    busy = (*BEAT, ("3/8", "kick", "normal"), ("5/8", "kick", "normal"), ("7/8", "kick", "normal"))
    made = await proposals(ai, storage, [proposal(*busy)], VariationRequest(kind))
    assert [one.source for one in made.made] == ["rules"]
    assert f"It is no “{kind.value.replace('-', ' ')}”." in made.left_out[0].reason


async def test_a_linear_proposal_is_taken_as_one(ai: SessionMaker, storage: Storage) -> None:
    line = [(at, piece, touch) for at, piece, touch in HATS if at not in ("0/8", "2/8", "6/8")]
    line += [("0", "kick", "normal"), ("1/4", "snare", "accent"), ("3/4", "snare", "accent"),
             ("7/16", "kick", "normal"), ("15/16", "kick", "normal")]  # fmt: skip
    made = await proposals(ai, storage, [proposal(*line)], VariationRequest(VariationKind.LINEAR))
    [one] = made.made
    assert (one.source, one.kind) == ("model", "linear")
    struck = [s.piece for _, s in Part.from_json(one.part).strokes()]
    assert struck.count(DrumPiece.KICK) == 3


async def test_a_kind_that_cannot_be_told_is_not_asked_of_a_model(
    ai: SessionMaker, storage: Storage
) -> None:
    with pytest.raises(Exception, match="only these kinds can be checked"):
        await proposals(ai, storage, [], VariationRequest(VariationKind.PARADIDDLE))


async def test_long_words_are_not_kept(ai: SessionMaker, storage: Storage) -> None:
    good = (*BEAT, ("3/8", "kick", "normal"), ("5/8", "kick", "normal"))
    wordy = proposal(*good) | {"change": "The kick answers the snare. " * 400}
    made = await proposals(ai, storage, [wordy], VariationRequest())
    assert [one.source for one in made.made] == ["model"]
    assert made.made[0].change == "The groove is varied by a language model."


async def test_equal_studies_at_once_are_made_once(ai: SessionMaker, storage: Storage) -> None:
    async with school_at(ai, storage, None) as school:
        scholar = school.teacher.scholar
        found = await asyncio.gather(*(scholar.study(school.score.part_key) for _ in range(5)))
    assert all(one is found[0] for one in found)
