"""A server that speaks the OpenAI protocol and is as good, or as bad, as a test wants.

Each question is answered by the next of `manners`, the last of which stays. What it was asked lies
in `asked`; keys are checked, since no other would be.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

KEY = "sk-test-never-logged-4f1d2c3b"

Manner = Callable[["FakeOpenAI", dict[str, Any]], Awaitable[web.StreamResponse]]


@dataclass
class FakeOpenAI:
    """The running server."""

    url: str = ""
    manners: list[Manner] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by a test that lets `slow` answers go on."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return problem(401, "invalid_api_key", "Incorrect API key provided.")
        self.asked.append(body)
        manner = self.manners.pop(0) if len(self.manners) > 1 else self.manners[0]
        return await manner(self, body)


def question_of(body: dict[str, Any]) -> dict[str, Any]:
    """The facts that were sent."""
    sent: dict[str, Any] = json.loads(body["messages"][1]["content"])
    return sent


def completion(content: str | None, **other: Any) -> web.Response:
    """What OpenAI answers with."""
    message = {"role": "assistant", "content": content, "refusal": other.pop("refusal", None)}
    choice = {"index": 0, "finish_reason": other.pop("finish_reason", "stop"), "message": message}
    return web.json_response(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "gpt-4",
            "choices": [choice],
            "usage": {"prompt_tokens": 900, "completion_tokens": 300, "total_tokens": 1200},
        }
        | other
    )


def problem(status: int, code: str, message: str, *, param: str | None = None,
            headers: dict[str, str] | None = None) -> web.Response:  # fmt: skip
    """An error in OpenAI's shape."""
    error = {"message": message, "type": "error", "param": param, "code": code}
    return web.json_response({"error": error}, status=status, headers=headers)


def saying(change: Callable[[dict[str, Any]], Any]) -> Manner:
    """The draft, changed."""

    async def manner(_: FakeOpenAI, body: dict[str, Any]) -> web.StreamResponse:
        draft = question_of(body)["draft"]
        changed = change(draft)
        return completion(json.dumps(draft if changed is None else changed))

    return manner


def _kindly(draft: dict[str, Any]) -> None:
    if "pattern_analysis" in draft:
        draft["pattern_analysis"]["summary"] = (
            "What a steady hand you have. " + (draft["pattern_analysis"]["summary"])
        )
    if "practice_instructions" in draft:
        draft["practice_instructions"]["focus_areas"] = ["breathing while you play"]


good = saying(_kindly)
"""True, and in words of its own."""


def written(text: str) -> Manner:
    """Whatever the text is."""

    async def manner(_: FakeOpenAI, __: dict[str, Any]) -> web.StreamResponse:
        return completion(text)

    return manner


def refused(status: int, code: str = "server_error", **other: Any) -> Manner:
    """An error."""

    async def manner(_: FakeOpenAI, __: dict[str, Any]) -> web.StreamResponse:
        return problem(status, code, f"{code}, sorry", **other)

    return manner


async def slow(server: FakeOpenAI, body: dict[str, Any]) -> web.StreamResponse:
    """Good, once it is let go on."""
    await server.waiting.wait()
    return await good(server, body)


async def cut(_: FakeOpenAI, __: dict[str, Any]) -> web.StreamResponse:
    """A connection that ends in the middle of a word."""
    raise ConnectionResetError


async def refusing(_: FakeOpenAI, __: dict[str, Any]) -> web.StreamResponse:
    """A model that would rather not."""
    return completion(None, refusal="I cannot help with drums.")


async def wordy(_: FakeOpenAI, __: dict[str, Any]) -> web.StreamResponse:
    """A model that does not come to an end."""
    return completion('{"pattern_analysis": {"summ', finish_reason="length")


async def plain(server: FakeOpenAI, body: dict[str, Any]) -> web.StreamResponse:
    """A server that knows no structured outputs, and a model that fences its JSON."""
    if "response_format" in body:
        return problem(400, "invalid_request_error", "json_schema is not supported",
                       param="response_format")  # fmt: skip
    draft = question_of(body)["draft"]
    _kindly(draft)
    return completion(f"Here you are:\n```json\n{json.dumps(draft)}\n```")


async def modern(server: FakeOpenAI, body: dict[str, Any]) -> web.StreamResponse:
    """A model that wants `max_completion_tokens` and no temperature."""
    if "max_tokens" in body:
        return problem(400, "unsupported_parameter",
                       "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
                       param="max_tokens")  # fmt: skip
    if "temperature" in body:
        return problem(400, "unsupported_value", "Only the default temperature is supported.",
                       param="temperature")  # fmt: skip
    return await good(server, body)


@contextlib.asynccontextmanager
async def serving(*manners: Manner) -> AsyncIterator[FakeOpenAI]:
    """The server, on a free port."""
    server = FakeOpenAI(manners=list(manners))
    app = web.Application(client_max_size=10_000_000)
    app.router.add_post("/v1/chat/completions", server.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}/v1"
    try:
        yield server
    finally:
        server.waiting.set()
        await runner.cleanup()
