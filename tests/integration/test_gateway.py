"""The gateway before a small service of the test's own, both served for real."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partialmethod
from io import BytesIO
from typing import Any
from uuid import uuid4

import aiohttp
import jwt
import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.requests import ClientDisconnect
from yarl import URL

from libs.common.service import Running, bind, serving
from libs.common.settings import ServiceSettings, load
from libs.common.tokens import AUDIENCE, ISSUER
from services.gateway.settings import GatewaySettings
from services.gateway.wiring import build

KEY = Ed25519PrivateKey.generate()
PIECE = bytes(range(256)) * 256


def token(key: Ed25519PrivateKey = KEY, *, lives_s: int = 600, **claims: Any) -> str:
    now = int(time.time())
    body = {"sub": str(uuid4()), "iss": ISSUER, "aud": AUDIENCE, "iat": now, "use": "access"}
    body |= {"exp": now + lives_s, "jti": uuid4().hex, "roles": ["user"], **claims}
    return jwt.encode(body, key, algorithm="EdDSA", headers={"kid": "k1"})


def signed_in(**claims: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(**claims)}"}


@dataclass
class Upstream:
    url: str = ""
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    received_bytes: int = 0


def upstream_app(seen: Upstream) -> FastAPI:
    app = FastAPI()

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        return {}

    @app.get("/auth/jwks")
    async def jwks() -> dict[str, Any]:
        public = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(KEY.public_key()))
        return {"keys": [public | {"kid": "k1", "alg": "EdDSA"}]}

    @app.post("/media/videos/")
    async def upload(request: Request) -> Response:
        if "refuse" in request.query_params:
            return JSONResponse({"code": "too-large"}, status_code=413)
        digest = hashlib.sha256()
        try:
            async for piece in request.stream():
                seen.received_bytes += len(piece)
                digest.update(piece)
        except ClientDisconnect:
            seen.left.set()
            raise
        return JSONResponse({"sha256": digest.hexdigest()}, status_code=201)

    @app.get("/media/events")
    async def events() -> StreamingResponse:
        async def stream() -> AsyncIterator[bytes]:
            try:
                yield b"data: one\n\n"
                await seen.go_on.wait()
                yield b"data: two\n\n"
                await asyncio.Event().wait()
            finally:
                seen.left.set()

        return StreamingResponse(stream(), media_type="text/event-stream")

    @app.get("/media/slow")
    async def slow() -> None:
        await asyncio.sleep(3)

    @app.get("/media/broken")
    async def broken() -> StreamingResponse:
        async def stream() -> AsyncIterator[bytes]:
            yield b"half"
            await asyncio.sleep(3)

        return StreamingResponse(stream(), headers={"Content-Length": "8"})

    @app.get("/media/content")
    async def content(request: Request) -> Response:
        if request.headers.get("range") == "bytes=2-4":
            return Response(b"cde", 206, {"Content-Range": "bytes 2-4/26"}, "video/mp4")
        return Response(b"abcdefghijklmnopqrstuvwxyz", media_type="video/mp4")

    @app.get("/media/moved")
    async def moved() -> Response:
        return Response(status_code=307, headers={"Location": "/media/content"})

    @app.get("/media/zipped")
    async def zipped() -> Response:
        return Response(b"not unzipped on the way", headers={"Content-Encoding": "gzip"})

    @app.api_route("/{path:path}", methods=["GET", "POST", "PUT", "PATCH"], include_in_schema=False)
    async def echo(request: Request) -> JSONResponse:
        raw_path = request.scope["raw_path"].decode()
        query = request.scope["query_string"].decode()
        body = await request.body()
        headers = [[k.decode(), v.decode()] for k, v in request.scope["headers"]]
        told = {"path": raw_path, "query": query, "headers": headers, "length": len(body)}
        return JSONResponse(told, headers={"Keep-Alive": "timeout=5", "X-Kept": "yes"})

    return app


@asynccontextmanager
async def served(running: Running) -> AsyncIterator[str]:
    listening = bind("127.0.0.1", 0)
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    async with serving(running, listening):
        yield address


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    seen = Upstream()
    settings = load(ServiceSettings, _env_file=None, stop_grace_s=1)
    async with served(Running("upstream", upstream_app(seen), settings)) as seen.url:
        yield seen


@asynccontextmanager
async def gateway(upstream: Upstream, **given: Any) -> AsyncIterator[str]:
    urls = {f"{name}_url": upstream.url for name in ("auth", "media", "audio", "notation")}
    settings = load(GatewaySettings, _env_file=None, **({"stop_grace_s": 1} | urls | given))
    async with served(await build(settings)) as address:
        yield address


class Client:
    """Reads answers to their end, so that none is left open; streams are `session`'s."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def request(self, method: str, url: Any, **given: Any) -> aiohttp.ClientResponse:
        async with self.session.request(method, url, **given) as answer:
            await answer.read()
            return answer

    get = partialmethod(request, "GET")
    post = partialmethod(request, "POST")
    options = partialmethod(request, "OPTIONS")


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        yield Client(session)


@pytest.fixture
async def home(upstream: Upstream) -> AsyncIterator[str]:
    async with gateway(upstream) as address:
        yield address


async def problem(answer: aiohttp.ClientResponse) -> tuple[int, str]:
    document = await answer.json(content_type=None)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert document["request_id"] == answer.headers["X-Request-Id"]
    return answer.status, document["type"].rpartition("/")[2]


async def test_an_upload_passes_whole_and_in_constant_memory(home, upstream, client):
    pieces = 200 * 16
    digest = hashlib.sha256()
    process = psutil.Process()
    before = peak = process.memory_info().rss

    async def body() -> AsyncIterator[bytes]:
        nonlocal peak
        for n in range(pieces):
            if n % 100 == 0:
                peak = max(peak, process.memory_info().rss)
            digest.update(PIECE)
            yield PIECE

    answer = await client.post(f"{home}/media/videos/", data=body(), headers=signed_in())
    assert (answer.status, await answer.json()) == (201, {"sha256": digest.hexdigest()})
    assert upstream.received_bytes == pieces * len(PIECE) == 209_715_200
    assert peak - before < 60_000_000


async def test_an_early_refusal_reaches_a_client_that_still_sends(home, client):
    async def body() -> AsyncIterator[bytes]:
        for _ in range(800):
            yield PIECE

    address = f"{home}/media/videos/?refuse"
    answer = await client.post(address, data=body(), headers=signed_in())
    assert (answer.status, await answer.json()) == (413, {"code": "too-large"})


async def test_a_refusal_reaches_a_client_that_waits_to_be_asked_for_its_body(home):
    host, port = home.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /media/videos/ HTTP/1.1\r\nHost: x\r\nContent-Length: 900000000\r\n"
        b"Expect: 100-continue\r\n\r\n"
    )
    assert await asyncio.wait_for(reader.readline(), 5) == b"HTTP/1.1 401 Unauthorized\r\n"
    writer.close()
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /media/videos/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
        b"Authorization: Bearer " + token().encode() + b"\r\nExpect: 100-continue\r\n\r\n"
    )
    assert await asyncio.wait_for(reader.readline(), 5) == b"HTTP/1.1 100 Continue\r\n"
    writer.write(b"hello")
    await reader.readline()
    assert await asyncio.wait_for(reader.readline(), 5) == b"HTTP/1.1 201 Created\r\n"
    writer.close()


@pytest.mark.parametrize("framing", [b"Content-Length: 900000", b"Transfer-Encoding: chunked"])
async def test_an_upload_that_breaks_off_is_broken_off_upstream(home, upstream, framing):
    host, port = home.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = b"POST /media/videos/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
    writer.write(head + token().encode() + b"\r\n" + framing + b"\r\n\r\n5\r\nhello\r\n")
    await writer.drain()
    async with asyncio.timeout(5):
        while not upstream.received_bytes:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        writer.close()
        await upstream.left.wait()


async def test_an_upload_that_stalls_is_told_so(upstream):
    async with gateway(upstream, stall_timeout_s=0.3) as home:
        host, port = home.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = b"POST /media/videos/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
        writer.write(head + token().encode() + b"\r\nContent-Length: 900000\r\n\r\n")
        for _ in range(4):
            await asyncio.sleep(0.15)
            writer.write(b"still here")
        assert await asyncio.wait_for(reader.readline(), 5) == b"HTTP/1.1 408 Request Timeout\r\n"
        assert upstream.received_bytes == 40
        writer.close()


async def test_a_part_of_an_upload_may_be_long_and_take_its_time(upstream, client):
    async def body() -> AsyncIterator[bytes]:
        for _ in range(6):
            await asyncio.sleep(0.1)
            yield PIECE * 40

    async with gateway(upstream, request_timeout_s=0.3, stall_timeout_s=5) as home:
        path = f"{home}/media/uploads/{uuid4()}"
        answer = await client.request("PATCH", path, data=body(), headers=signed_in())
        assert (answer.status, (await answer.json())["length"]) == (200, 6 * 40 * len(PIECE))
        other = await client.request("PATCH", f"{path}/x", data=body(), headers=signed_in())
        assert other.status in (408, 413, 504)


async def test_events_pass_one_by_one_and_end_upstream_when_the_client_leaves(upstream, client):
    async with gateway(upstream, stall_timeout_s=0.2, request_timeout_s=0.5) as home:
        answer = await client.session.get(f"{home}/media/events", headers=signed_in())
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert await answer.content.readany() == b"data: one\n\n"
        await asyncio.sleep(0.7)
        upstream.go_on.set()
        assert await answer.content.readany() == b"data: two\n\n"
        assert not upstream.left.is_set()
        answer.close()
        await asyncio.wait_for(upstream.left.wait(), 2)


async def test_a_stop_ends_event_streams_whole_and_at_once(upstream, client):
    async with gateway(upstream, stop_grace_s=20) as home:
        answer = await client.session.get(f"{home}/media/events", headers=signed_in())
        assert await answer.content.readany() == b"data: one\n\n"
        began = time.monotonic()
    assert await answer.content.read() == b""
    assert time.monotonic() - began < 5


async def test_a_service_that_is_down_is_unavailable_for_a_moment(upstream, client):
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
    async with gateway(upstream, media_url=f"http://127.0.0.1:{port}") as home:
        answer = await client.get(f"{home}/media/videos/", headers=signed_in())
        assert await problem(answer) == (503, "service-unavailable")
        assert answer.headers["Retry-After"] == "2"
        # The other services' routes must not go with it.
        ready = await client.get(f"{home}/readyz")
        assert (ready.status, (await ready.json())["checks"]) == (200, {"auth": True})
        document = await (await client.get(f"{home}/openapi.json")).json()
        assert document["x-unavailable"] == ["media"]


async def test_the_gateway_is_not_ready_without_auth(upstream, client):
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
    async with gateway(upstream, auth_url=f"http://127.0.0.1:{port}") as home:
        ready = await client.get(f"{home}/readyz")
        assert (ready.status, (await ready.json())["checks"]) == (503, {"auth": False})


async def test_a_service_that_is_not_installed_is_said_to_be_so(home, client):
    for path in ("/vision/analysis/1", f"/notation/{uuid4()}/enhance"):
        answer = await client.get(home + path, headers=signed_in())
        assert await problem(answer) == (503, "service-not-installed")


async def test_a_slow_service_times_out(upstream, client):
    async with gateway(upstream, request_timeout_s=0.2) as home:
        answer = await client.get(f"{home}/media/slow", headers=signed_in())
        assert await problem(answer) == (504, "timeout")


async def test_an_answer_that_breaks_off_is_not_taken_for_whole(upstream, client):
    async with gateway(upstream, stall_timeout_s=0.2) as home:
        answer = await client.session.get(f"{home}/media/broken", headers=signed_in())
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()


def unsigned() -> str:
    claims = {"sub": str(uuid4()), "exp": int(time.time()) + 60, "iss": ISSUER, "aud": AUDIENCE}
    return jwt.encode(claims, None, algorithm="none", headers={"kid": "k1"})


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (lambda: "", "unauthorized"),
        (lambda: "Basic eDp5", "unauthorized"),
        (lambda: "Bearer nonsense", "unauthorized"),
        (lambda: f"Bearer {token(Ed25519PrivateKey.generate())}", "unauthorized"),
        (lambda: f"Bearer {token(lives_s=-60)}", "token-expired"),
        (lambda: f"Bearer {token(use='refresh')}", "unauthorized"),
        (lambda: f"Bearer {unsigned()}", "unauthorized"),
    ],
)
async def test_without_a_valid_token_nothing_passes(home, client, authorization, code):
    # Made now: one that is made while tests are collected has expired when a slow run gets here.
    given = authorization()
    headers = {"Authorization": given} if given else {}
    answer = await client.get(f"{home}/media/content", headers=headers)
    assert await problem(answer) == (401, code)
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_public_routes_need_no_token(home, client):
    assert (await client.get(f"{home}/auth/jwks")).status == 200
    assert (await client.post(f"{home}/auth/login", json={})).status == 200
    assert (await client.get(f"{home}/shared/abc")).status == 200
    assert (await client.get(f"{home}/healthz")).status == 200
    assert (await client.get(f"{home}/auth/me")).status == 401


async def test_unknown_addresses_are_not_found(home, client):
    for path in ("/nothing", "/media-x", "/docs/nothing"):
        assert await problem(await client.get(home + path)) == (404, "not-found")


async def test_users_and_addresses_are_limited_apart(upstream, client):
    given = {"rate_limit_user": "2/minute", "rate_limit_address": "3/minute"}
    async with gateway(upstream, **given) as home:
        me, other = signed_in(), signed_in()
        left = []
        for _ in range(2):
            answer = await client.get(f"{home}/media/content", headers=me)
            left.append(answer.headers["RateLimit-Remaining"])
        assert left == ["1", "0"]
        answer = await client.get(f"{home}/media/content", headers=me)
        assert await problem(answer) == (429, "too-many-requests")
        assert answer.headers["RateLimit-Limit"] == "2"
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert (await client.get(f"{home}/media/content", headers=other)).status == 200
        forged = [{"X-Forwarded-For": f"198.51.100.{n}"} for n in range(4)]
        statuses = [(await client.get(f"{home}/media/x", headers=h)).status for h in forged]
        assert statuses == [401, 401, 401, 429]


async def test_signing_in_has_a_limit_of_its_own_and_empty_means_none(upstream, client):
    given = {"rate_limit_login": "1/minute", "rate_limit_address": "", "rate_limit_user": ""}
    async with gateway(upstream, **given) as home:
        statuses = [(await client.post(f"{home}/auth/login", json={})).status for _ in range(2)]
        assert statuses == [200, 429]
        answer = await client.get(f"{home}/media/content", headers=signed_in())
        assert "RateLimit-Limit" not in answer.headers


async def test_behind_a_trusted_proxy_each_client_has_its_own_limit(upstream, client):
    given = {"rate_limit_address": "1/minute", "trusted_proxies": "127.0.0.1"}
    async with gateway(upstream, **given) as home:
        clients = ["198.51.100.1", "198.51.100.2", "6.6.6.6, 198.51.100.1"]
        statuses = [
            (await client.get(f"{home}/shared/a", headers={"X-Forwarded-For": c})).status
            for c in clients
        ]
        assert statuses == [200, 200, 429]


async def test_headers_for_one_hop_stay_and_the_rest_passes(home, client):
    headers = signed_in() | {
        "Connection": "keep-alive, X-Secret",
        "X-Secret": "1",
        "TE": "trailers",
        "X-Forwarded-For": "10.1.1.1",
        "X-Request-Id": "request-0001",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "If-Match": '"3"',
    }
    answer = await client.get(
        URL(f"{home}/media/some%20thing/?a=%2F&b=c+d", encoded=True), headers=headers
    )
    told = await answer.json()
    sent = dict(told["headers"])
    assert (told["path"], told["query"]) == ("/media/some%20thing/", "a=%2F&b=c+d")
    assert {"connection", "x-secret", "te"} & set(sent) <= {"connection"}
    assert sent.get("connection", "") == ""
    assert sent["x-forwarded-for"] == "127.0.0.1"
    assert "http://" + sent["x-forwarded-host"] == home != "http://" + sent["host"]
    assert sent["x-request-id"] == answer.headers["X-Request-Id"] == "request-0001"
    assert sent["traceparent"] == headers["traceparent"]
    assert (sent["if-match"], sent["authorization"]) == ('"3"', headers["Authorization"])
    assert answer.headers["X-Kept"] == "yes"
    assert "Keep-Alive" not in answer.headers
    assert len(answer.headers.getall("Date")) == 1


async def test_ranges_redirects_and_encodings_pass_untouched(home, client):
    headers = signed_in()
    part = await client.get(f"{home}/media/content", headers=headers | {"Range": "bytes=2-4"})
    assert (part.status, await part.text()) == (206, "cde")
    assert part.headers["Content-Range"] == "bytes 2-4/26"
    assert part.headers["Content-Length"] == "3"
    moved = await client.get(f"{home}/media/moved", headers=headers, allow_redirects=False)
    assert (moved.status, moved.headers["Location"]) == (307, "/media/content")
    async with aiohttp.ClientSession(auto_decompress=False) as plain:
        zipped = await plain.get(f"{home}/media/zipped", headers=headers)
        assert await zipped.read() == b"not unzipped on the way"


@pytest.mark.parametrize("path", ["/media/../auth/jwks", "/media/%2e%2e/x", "/media/a%2Fb"])
async def test_paths_that_climb_are_refused(home, path):
    host, port = home.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await asyncio.wait_for(reader.read(), 5)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["type"].endswith("/bad-path")
    writer.close()


async def test_an_ordinary_body_over_the_limit_is_refused(home, client):
    async def body() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield PIECE

    for data in (BytesIO(bytes(10_000_001)), body()):
        answer = await client.post(f"{home}/jobs/", data=data, headers=signed_in())
        assert await problem(answer) == (413, "too-large")
    fits = await client.post(f"{home}/jobs/", data=BytesIO(bytes(9_000_000)), headers=signed_in())
    assert (await fits.json())["length"] == 9_000_000


async def test_allowed_origins_may_call_and_others_not(upstream, client):
    async with gateway(upstream, cors_origins="https://studio.example") as home:
        asked = {
            "Origin": "https://studio.example",
            "Access-Control-Request-Method": "PUT",
            "Access-Control-Request-Headers": "authorization, if-match, idempotency-key",
        }
        preflight = await client.options(f"{home}/notation/1", headers=asked)
        assert preflight.status == 200
        assert preflight.headers["Access-Control-Allow-Origin"] == "https://studio.example"
        refused = await client.get(f"{home}/media/x", headers={"Origin": asked["Origin"]})
        assert refused.status == 401
        assert "RateLimit-Remaining" in refused.headers["Access-Control-Expose-Headers"]
        foreign = await client.get(f"{home}/shared/x", headers={"Origin": "https://evil.example"})
        assert "Access-Control-Allow-Origin" not in foreign.headers


async def test_one_document_and_its_page_come_from_here_alone(home, client):
    document = await (await client.get(f"{home}/openapi.json")).json()
    assert document["info"]["title"] == "Backbeat"
    assert "/media/videos/" in document["paths"]
    assert list(document["components"]["securitySchemes"]) == ["bearer"]
    page = await client.get(f"{home}/docs")
    assert page.headers["X-Frame-Options"] == "DENY"
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; ")
    assert "//" not in (await page.text()).replace("<!DOCTYPE html>", "")
    script = await client.get(f"{home}/docs/swagger-ui-bundle.js")
    assert "SwaggerUIBundle" in await script.text()
    welcome = await (await client.get(f"{home}/")).json()
    assert (welcome["name"], welcome["links"]["docs"]) == ("Backbeat", "/docs")


async def test_the_studio_is_served_packed_and_to_be_kept(home, client):
    asks = {"Accept": "text/html", "Accept-Encoding": "gzip"}
    page = await client.get(f"{home}/", headers=asks)
    assert page.content_type == "text/html"
    assert page.headers["Content-Encoding"] == "gzip"
    assert page.headers["Cache-Control"] == "no-cache"
    again = await client.get(f"{home}/", headers=asks | {"If-None-Match": page.headers["ETag"]})
    assert again.status == 304
    scripts = re.findall(r'src="(/assets/[^"]+)"', await page.text())
    assert scripts
    for address in scripts:
        script = await client.get(home + address, headers={"Accept-Encoding": "gzip"})
        assert script.content_type == "text/javascript"
        assert script.headers["Content-Encoding"] == "gzip"
        assert "immutable" in script.headers["Cache-Control"]
        assert "RateLimit-Limit" not in script.headers
    for address in ("/scores/abc", "/videos/abc/", "/demo", "/sign-in", "/s/token"):
        view = await client.get(home + address)
        assert (view.status, view.content_type) == (200, "text/html"), address
        assert view.headers["X-Frame-Options"] == "DENY"
    unpacked = await client.get(home + scripts[0], headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in unpacked.headers
    assert "import" in await unpacked.text()


async def test_only_the_embedded_player_may_stand_in_other_pages(home, client):
    policies = {}
    for address in ("/", "/s/token", "/embed/token"):
        answer = await client.get(home + address, headers={"Accept": "text/html"})
        policies[address] = answer.headers["Content-Security-Policy"]
        assert "unsafe" not in policies[address]
        assert "default-src 'none'" in policies[address]
        assert ("X-Frame-Options" in answer.headers) == (address != "/embed/token")
    assert policies["/s/token"].endswith("frame-ancestors 'none'")
    assert policies["/embed/token"].endswith("frame-ancestors *")


async def test_a_file_of_another_release_is_answered_with_this_ones_and_not_kept(home, client):
    page = await (await client.get(f"{home}/", headers={"Accept": "text/html"})).text()
    address = re.findall(r'src="(/assets/[^"]+)"', page)[0]
    _, _, digest, name = address.split("/", 3)
    stale = await client.get(f"{home}/assets/{'0' * len(digest)}/{name}")
    assert (stale.status, stale.headers["cache-control"]) == (200, "no-store")
    served = await stale.text()
    kept = await client.get(f"{home}{address}")
    assert served == await kept.text()
    assert kept.headers["cache-control"].endswith("immutable")
    unknown = await client.get(f"{home}/assets/{'0' * len(digest)}/nothing.js")
    assert await problem(unknown) == (404, "asset-not-found")
    for outside in ("../studio.py", "%2e%2e/studio.py", "nothing.js", ""):
        assert (await client.get(f"{home}/assets/{digest}/{outside}")).status in (404, 422)


async def test_the_demos_clip_can_be_sought_in(home, client):
    page = await (await client.get(f"{home}/", headers={"Accept": "text/html"})).text()
    digest = re.findall(r'src="/assets/([^/]+)/', page)[0]
    part = await client.get(
        f"{home}/assets/{digest}/demo/demo.mp4", headers={"Range": "bytes=4-11"}
    )
    assert part.status == 206
    assert (await part.text(encoding="latin-1"))[:4] == "ftyp"


async def test_metrics_name_routes_and_never_ids(home, client):
    video = uuid4()
    await client.get(f"{home}/media/videos/{video}/content", headers=signed_in())
    metrics = await (await client.get(f"{home}/metrics")).text()
    assert 'route="/media/videos/{id}/content",service="gateway",status="200"' in metrics
    assert str(video) not in metrics
