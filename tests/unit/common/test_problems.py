from __future__ import annotations

import socket
from typing import Annotated

import httpx
import pytest
from fastapi import Query, Request
from pydantic import BaseModel, ConfigDict

from libs.common.database import install_database_handlers
from libs.common.errors import Conflict, NotFound, TooManyRequests
from libs.common.service import make_app

app = make_app("test", "Test")
install_database_handlers(app)
INNARDS = "the table of passwords"


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    tempo: float


@app.get("/missing")
async def missing() -> None:
    raise NotFound("There is no such score.", code="score-not-found")


@app.get("/busy")
async def busy() -> None:
    raise TooManyRequests("Wait.", headers={"Retry-After": "7"})


@app.get("/taken")
async def taken() -> None:
    raise Conflict("Taken.", field="body.name", current_version=3)


@app.get("/broken")
async def broken() -> None:
    raise RuntimeError(INNARDS)


AWAY = {
    "refused": ConnectionRefusedError(111, "Connect call failed"),
    "silent": TimeoutError(),
    "nameless": socket.gaierror(-2, "Name or service not known"),
}


@app.get("/away/{how}")
async def away(how: str) -> None:
    raise AWAY[how]


@app.get("/things/")
async def things(limit: Annotated[int, Query(ge=1)] = 5) -> int:
    return limit


@app.get("/things/{thing_id}")
async def thing(thing_id: str) -> str:
    return thing_id


@app.post("/things/")
async def make_thing(body: Body) -> float:
    return body.tempo


@app.post("/raw")
async def raw(request: Request) -> int:
    return len(await request.body())


async def ask(method: str, url: str, **given: object) -> httpx.Response:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(method, url, **given)  # type: ignore[arg-type]


async def test_a_problem_says_what_is_wrong_and_under_which_request() -> None:
    answer = await ask("GET", "/missing", headers={"X-Request-Id": "request-0001"})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == "request-0001"
    assert answer.json() == {
        "type": "https://backbeat.dev/problems/score-not-found",
        "title": "Not Found",
        "status": 404,
        "detail": "There is no such score.",
        "instance": "/missing",
        "request_id": "request-0001",
    }


async def test_a_problem_carries_its_headers_field_and_extras() -> None:
    assert (await ask("GET", "/busy")).headers["retry-after"] == "7"
    problem = (await ask("GET", "/taken")).json()
    assert problem["errors"] == [{"field": "body.name", "message": "Taken."}]
    assert problem["current_version"] == 3


async def test_a_fault_of_ours_is_a_problem_without_innards() -> None:
    answer = await ask("GET", "/broken")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "https://backbeat.dev/problems/internal-error"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert INNARDS not in answer.text


@pytest.mark.parametrize("given", ["short", "has space inside", "x" * 65, "new\tline-----"])
async def test_a_request_id_that_could_forge_a_log_line_is_replaced(given: str) -> None:
    answer = await ask("GET", "/missing", headers={"X-Request-Id": given})
    assert len(answer.headers["x-request-id"]) == 32


async def test_addresses_and_methods_that_are_not_there_are_problems() -> None:
    nowhere = await ask("GET", "/nowhere")
    assert (nowhere.status_code, nowhere.json()["type"][-9:]) == (404, "not-found")
    method = await ask("DELETE", "/things/")
    assert method.status_code == 405
    assert method.json()["type"].endswith("/method-not-allowed")
    assert "GET" in method.headers["allow"] or "POST" in method.headers["allow"]


async def test_wrong_input_names_its_fields() -> None:
    answer = await ask("GET", "/things/?limit=0")
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["query.limit"]


@pytest.mark.parametrize(
    "content",
    [b'{"tempo": 1, "\\ud800": 2}', b'{"tempo": "\\ud800"}', b'{"tempo": NaN, "a": 1}', b"{", b""],
)
async def test_wrong_bodies_are_problems_whatever_they_hold(content: bytes) -> None:
    answer = await ask(
        "POST", "/things/", content=content, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_missing_or_extra_slash_is_served_and_not_redirected() -> None:
    for url in ("/things", "/things/", "/things//"):
        answer = await ask("GET", url)
        assert (answer.status_code, answer.text) == (200, "5"), url
    for url in ("/things/7", "/things/7/"):
        assert (await ask("GET", url)).text == '"7"'
    assert (await ask("POST", "/things", json={"tempo": 2})).text == "2.0"


async def test_a_body_over_the_limit_is_refused_however_it_comes() -> None:
    async def pieces():  # type: ignore[no-untyped-def]
        for _ in range(11):
            yield bytes(1_000_000)

    declared = await ask("POST", "/raw", content=bytes(10_000_001))
    chunked = await ask("POST", "/raw", content=pieces())
    for answer in (declared, chunked):
        assert answer.status_code == 413
        assert answer.json()["type"] == "https://backbeat.dev/problems/too-large"
    assert (await ask("POST", "/raw", content=bytes(10_000_000))).text == "10000000"


async def test_the_openapi_document_describes_problems() -> None:
    document = app.openapi()
    assert "ProblemDocument" in document["components"]["schemas"]
    assert "HTTPValidationError" not in document["components"]["schemas"]
    responses = document["paths"]["/things/"]["post"]["responses"]
    for status in ("422", "default"):
        assert list(responses[status]["content"]) == ["application/problem+json"]


async def test_readiness_tells_which_check_fails() -> None:
    async def fine() -> bool:
        return True

    async def away() -> bool:
        raise ConnectionError

    app.state.checks = {"database": fine, "broker": away}
    answer = await ask("GET", "/readyz")
    app.state.checks = {}
    assert (answer.status_code, answer.json()["checks"]) == (
        503,
        {"database": True, "broker": False},
    )


@pytest.mark.parametrize("how", list(AWAY))
async def test_a_database_that_is_away_is_a_503_however_it_shows(how: str) -> None:
    answer = await ask("GET", f"/away/{how}")
    assert answer.status_code == 503
    assert answer.json()["type"] == "https://backbeat.dev/problems/unavailable"
    assert answer.headers["retry-after"] == "2"
