"""The API's document is kept, served, complete, and true of what answers."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
)

from backbeat.cli import openapi_document
from libs.common.asyncapi import asyncapi_document
from libs.common.migrate import ROOT
from tests.e2e.conftest import System, Transcribed, User

# tus has its own name for bytes.
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")

EXAMPLES = 10
"""Requests for each operation and kind (as the document says, and not)."""
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]

KEPT = json.loads((ROOT / "docs" / "openapi.json").read_text())
METHODS = ("get", "put", "post", "delete", "patch")
OPERATIONS = [
    (method.upper(), path)
    for path, item in sorted(KEPT["paths"].items())
    for method in METHODS
    if method in item
]

SEED_ROUTES = [
    ("POST", "/auth/register"),
    ("POST", "/auth/login"),
    ("GET", "/auth/me"),
    ("GET", "/users/"),
    ("PUT", "/users/{user_id}"),
    ("DELETE", "/users/{user_id}"),
    ("POST", "/media/videos/"),
    ("GET", "/media/videos/"),
    ("GET", "/media/videos/{video_id}"),
    ("DELETE", "/media/videos/{video_id}"),
    ("GET", "/media/audio-files/"),
    ("POST", "/jobs/"),
    ("GET", "/jobs/"),
    ("GET", "/jobs/{job_id}"),
    ("DELETE", "/jobs/{job_id}"),
    ("POST", "/audio/extract/{video_id}"),
    ("POST", "/audio/detect-onsets/{audio_id}"),
    ("POST", "/audio/classify-drums/{audio_id}"),
    ("POST", "/audio/separate-sources/{audio_id}"),
    ("POST", "/audio/enhance/{audio_id}"),
    ("GET", "/audio/analysis/{audio_id}"),
    ("POST", "/notation/from-events"),
    ("GET", "/notation/{notation_id}"),
    ("PUT", "/notation/{notation_id}"),
    ("GET", "/notation/{notation_id}/export"),
    ("GET", "/notation/stats/overview"),
    ("POST", "/notation/{notation_id}/enhance"),
    ("GET", "/notation/{notation_id}/with-enhancements"),
    ("POST", "/notation/{notation_id}/variations"),
]
"""The project's description names these."""
PARAMETERS = ("user_id", "video_id", "audio_id", "job_id", "notation_id")
NOBODY = UUID("00000000-0000-4000-8000-000000000000")


@pytest.fixture(scope="module")
async def visitor(embedded_system: System) -> AsyncIterator[User]:
    one = await embedded_system.user()
    yield one
    await one.http.aclose()


@pytest.fixture(scope="module")
async def visited(visitor: User, groove_video: Path) -> Transcribed:
    """A finished score, for requests that get past `not found`."""
    return await visitor.transcribed(groove_video, watch=True)


@pytest.mark.parametrize(
    ("name", "built"), [("openapi.json", openapi_document), ("asyncapi.json", asyncapi_document)]
)
def test_the_kept_documents_are_those_that_the_code_makes(name: str, built: Any) -> None:
    kept = json.loads((ROOT / "docs" / name).read_text())
    assert kept == json.loads(json.dumps(built())), f"docs/{name} is old: run `make openapi`"


async def test_the_gateway_serves_the_kept_document(embedded_system: System) -> None:
    async with httpx.AsyncClient(base_url=embedded_system.url) as anonymous:
        served = (await anonymous.get("/openapi.json")).json()
    assert served == KEPT


def test_every_operation_has_a_name_a_summary_and_problems() -> None:
    operations = [KEPT["paths"][path][method.lower()] for method, path in OPERATIONS]
    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids)
    for operation in operations:
        assert operation["description"], operation["operationId"]
        assert "application/problem+json" in operation["responses"]["default"]["content"]


@pytest.mark.parametrize(("method", "path"), SEED_ROUTES)
async def test_every_described_route_answers_with_and_without_a_slash(
    visitor: User, method: str, path: str
) -> None:
    assert (method, path) in OPERATIONS
    for spelling in (path.rstrip("/"), path.rstrip("/") + "/"):
        asked = spelling.format_map(dict.fromkeys(PARAMETERS, NOBODY))
        answer = await visitor.http.request(method, asked)
        # The route is there, and says what it misses; it does not redirect.
        assert answer.status_code in (200, 403, 404, 422, 428), (spelling, answer.text)
        if answer.status_code == 404:
            assert not answer.json()["type"].endswith("/not-found"), spelling


@pytest.mark.filterwarnings(
    "ignore:Do not use the `random` module inside strategies"  # Schemathesis does
)
@pytest.mark.parametrize(
    ("method", "path"), OPERATIONS, ids=[f"{method} {path}" for method, path in OPERATIONS]
)
async def test_no_request_brings_a_server_error_and_every_answer_is_as_documented(
    visitor: User, visited: Transcribed, method: str, path: str
) -> None:
    ids = {
        "user_id": visitor.id,
        "video_id": visited.video_id,
        "audio_id": visited.audio_id,
        "job_id": visited.jobs["notation"]["id"],
        "notation_id": visited.notation_id,
    }
    # What is deleted is missing in the tests after this one.
    known = {} if method == "DELETE" else ids
    token = visitor.http.headers["Authorization"]
    url = str(visitor.http.base_url)
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        await asyncio.to_thread(fuzz, url, token, method, path, known, mode)


def fuzz(
    url: str, token: str, method: str, path: str, ids: dict[str, str], mode: GenerationMode
) -> None:
    """Send requests made from the document; the checks raise. Every other one names what is
    really there."""
    schema = schemathesis.openapi.from_dict(KEPT)
    operation = schema[path][method]
    numbers = count()

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        headers = {"Authorization": token}
        if next(numbers) % 2 and ids:
            named = set(case.path_parameters or {}) & set(ids)
            case.path_parameters = dict(case.path_parameters or {}) | {n: ids[n] for n in named}
            if "notation_id" in named and method != "GET":
                there = httpx.get(f"{url}/notation/{ids['notation_id']}", headers=headers)
                headers["If-Match"] = there.headers["ETag"]
        case.call_and_validate(base_url=url, headers=headers, checks=CHECKS, timeout=30)

    # An operation without input cannot be asked wrongly.
    with contextlib.suppress(Unsatisfiable):
        ask()
