"""The OpenAI client against a server that misbehaves in every way that servers do."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from prometheus_client import REGISTRY

from services.ai.domain.answers import OnlyStyle
from services.ai.model import Asked, Model, ModelAway
from services.ai.settings import AiSettings
from tests import fake_openai as fake
from tests.fake_openai import KEY, FakeOpenAI, Manner

DRAFT = {
    "style_classification": {
        "primary_genre": "Rock",
        "confidence": 0.8,
        "characteristics": "Backbeat.",
    }
}
QUESTION = json.dumps({"draft": DRAFT})


def settings(url: str, **other: Any) -> AiSettings:
    given = {
        "database_url": "postgresql://nowhere/none",
        "broker_url": "postgresql://nowhere/none",
        "storage_url": ".",
        "jwks_url": "http://nowhere",
        "openai_api_key": KEY,
        "openai_base_url": url,
        "retry_pause_s": 0.001,
        "attempt_limit_s": 5,
    }
    return AiSettings(**(given | other))


@asynccontextmanager
async def model_at(server: FakeOpenAI, **other: Any) -> AsyncIterator[Model]:
    model = Model(settings(server.url, **other))
    yield model
    await model.close()


async def ask(model: Model) -> Asked:
    return await model.ask("Be a teacher.", QUESTION, OnlyStyle)


async def refusal(model: Model) -> str:
    with pytest.raises(ModelAway) as away:
        await ask(model)
    return away.value.code


async def test_an_answer_comes_in_the_shape_that_was_asked_for():
    async with fake.serving(fake.good) as server, model_at(server) as model:
        asked = await ask(model)
    assert asked.answer == OnlyStyle.model_validate(DRAFT)
    assert (asked.prompt_tokens, asked.completion_tokens) == (900, 300)
    [sent] = server.asked
    assert (sent["model"], sent["max_tokens"], sent["temperature"]) == ("gpt-4", 1500, 0.7)
    schema = sent["response_format"]["json_schema"]
    assert schema["strict"] is True
    # What strict structured outputs ask of a schema.
    for shape in (schema["schema"], *schema["schema"]["$defs"].values()):
        assert shape["additionalProperties"] is False
        assert set(shape["required"]) == set(shape["properties"])


@pytest.mark.parametrize(
    "first",
    [
        fake.refused(429, "rate_limit_exceeded"),
        fake.refused(429, "rate_limit_exceeded", headers={"retry-after-ms": "5"}),
        fake.refused(500),
        fake.refused(503),
        fake.cut,
    ],
)
async def test_what_may_heal_is_asked_again(first: Manner):
    async with fake.serving(first, fake.good) as server, model_at(server) as model:
        assert (await ask(model)).answer == OnlyStyle.model_validate(DRAFT)
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("manner", "code", "tries"),
    [
        (fake.refused(429, "rate_limit_exceeded"), "model-busy", 3),
        (fake.refused(429, "insufficient_quota"), "model-quota", 1),
        (fake.refused(500), "model-away", 3),
        (fake.cut, "model-away", 3),
        (fake.refused(401, "invalid_api_key"), "model-refused-request", 1),
        (fake.refused(404, "model_not_found"), "model-refused-request", 1),
        (fake.refusing, "model-refused", 1),
        (fake.wordy, "model-cut-off", 1),
        (fake.written("I would say it is rock."), "model-not-understood", 1),
        (fake.written('{"style": "rock"}'), "model-not-understood", 1),
        (fake.written('{"style_classification": '), "model-not-understood", 1),
        (fake.written(""), "model-not-understood", 1),
    ],
)
async def test_what_does_not_heal_has_a_reason(manner: Manner, code: str, tries: int):
    async with fake.serving(manner) as server, model_at(server) as model:
        assert await refusal(model) == code
    assert len(server.asked) == tries


async def test_an_answer_that_takes_too_long_is_given_up():
    async with fake.serving(fake.slow) as server, model_at(server, time_limit_s=0.2) as model:
        assert await refusal(model) == "model-too-slow"
        server.waiting.set()


async def test_a_try_that_takes_too_long_is_made_again():
    async with (
        fake.serving(fake.slow, fake.good) as server,
        model_at(server, attempt_limit_s=0.2) as model,
    ):
        assert (await ask(model)).answer == OnlyStyle.model_validate(DRAFT)
        server.waiting.set()


@pytest.mark.parametrize(("manner", "questions"), [(fake.plain, [2, 1]), (fake.modern, [3, 1])])
async def test_what_a_server_takes_is_found_out_once(manner: Manner, questions: list[int]):
    async with fake.serving(manner) as server, model_at(server) as model:
        for count in questions:
            server.asked.clear()
            assert (await ask(model)).answer == OnlyStyle.model_validate(DRAFT)
            assert len(server.asked) == count


async def test_after_failures_in_a_row_nobody_asks_until_one_try_succeeds():
    async with (
        fake.serving(fake.refused(500)) as server,
        model_at(server, attempts=1, breaker_failures=2, breaker_pause_s=0.3) as model,
    ):
        assert [await refusal(model) for _ in range(4)] == [
            "model-away",
            "model-away",
            "model-resting",
            "model-resting",
        ]
        assert len(server.asked) == 2
        await asyncio.sleep(0.35)
        # One tries, and fails: the pause begins anew.
        assert [await refusal(model) for _ in range(2)] == ["model-away", "model-resting"]
        await asyncio.sleep(0.35)
        server.manners = [fake.good]
        assert (await ask(model)).answer == OnlyStyle.model_validate(DRAFT)
        assert not model.breaker.is_open


async def test_a_refusal_to_answer_does_not_rest_the_model():
    async with (
        fake.serving(fake.refusing) as server,
        model_at(server, breaker_failures=2) as model,
    ):
        assert [await refusal(model) for _ in range(4)] == ["model-refused"] * 4


async def test_tokens_and_cost_are_counted():
    def counted(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, {"model": "priced", **labels}) or 0.0

    async with (
        fake.serving(fake.good) as server,
        model_at(server, openai_model="priced", price_input=30, price_output=60) as model,
    ):
        await ask(model)
    assert counted("backbeat_ai_tokens_total", kind="prompt") == 900
    assert counted("backbeat_ai_tokens_total", kind="completion") == 300
    assert counted("backbeat_ai_cost_dollars_total") == pytest.approx(0.045)
    assert counted("backbeat_ai_questions_total", outcome="answered") == 1


async def test_the_key_is_neither_logged_nor_shown(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    bad = fake.refused(401, "invalid_api_key")
    async with fake.serving(bad) as server, model_at(server) as model:
        assert await refusal(model) == "model-refused-request"
        shown = repr(model.settings) + repr(model.breaker)
    logged = caplog.text + "".join(str(record.__dict__) for record in caplog.records)
    assert KEY not in logged + shown


def test_a_key_from_an_example_is_none():
    assert not settings("", openai_api_key="sk-your-openai-api-key-here").has_model
    assert not settings("", openai_api_key="  ").has_model
    assert settings("", openai_api_key=KEY).has_model
