"""Passing requests on and answers back, as they come, a piece at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final

import aiohttp
from fastapi import Request
from multidict import CIMultiDict
from opentelemetry.propagate import inject
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send
from yarl import URL

from libs.common.errors import GatewayTimeout, NotFound, Problem, Unavailable
from services.gateway.limits import client_address, is_trusted
from services.gateway.routes import IS_UPLOAD, SeenRoutes, bare
from services.gateway.settings import GatewaySettings

log = logging.getLogger(__name__)

RawHeaders = Iterable[tuple[bytes, bytes]]

HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
OURS: Final = frozenset(
    {
        b"host",
        # Answered by the server in front, once the body is asked for.
        b"expect",
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
        b"x-forwarded-port",
        b"x-real-ip",
        b"x-request-id",
        b"traceparent",
        b"tracestate",
        b"baggage",
    }
)
"""Request headers that only the gateway writes."""
NOT_ANSWERED: Final = frozenset({b"date", b"server"})
"""Answer headers that the server in front writes itself."""


class ClientTooSlow(Problem):
    """The client stopped sending in the middle of its body."""

    status = 408
    code = "request-timeout"


class ClientGone(Exception):
    """The client has closed the connection."""


def end_to_end(headers: RawHeaders, dropped: frozenset[bytes]) -> list[tuple[bytes, bytes]]:
    """The headers without `dropped` and those for this hop only (RFC 9110, 7.6.1)."""
    pairs = [(name.lower(), value) for name, value in headers]
    named = {
        token.strip().lower()
        for name, value in pairs
        if name == b"connection"
        for token in value.split(b",")
    }
    gone = HOP_BY_HOP | dropped | named
    return [(name, value) for name, value in pairs if name not in gone]


def answer_headers(headers: RawHeaders) -> list[tuple[bytes, bytes]]:
    """An upstream's headers as the client gets them. CORS is the gateway's alone."""
    return [
        (name, value)
        for name, value in end_to_end(headers, NOT_ANSWERED)
        if not name.startswith(b"access-control-")
    ]


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def request_headers(scope: Scope, settings: GatewaySettings) -> CIMultiDict[str]:
    """A client's headers as the upstream gets them."""
    given = Headers(scope=scope)
    sent: CIMultiDict[str] = CIMultiDict()
    for name, value in end_to_end(scope["headers"], OURS):
        sent.add(name.decode("latin-1"), _text(value))
    peer = scope["client"][0] if scope.get("client") else ""
    forwarded_for = ",".join(given.getlist("x-forwarded-for"))
    believed = is_trusted(peer, settings.proxies)
    # One address and no chain: whichever end a service reads, it is the one vouched for here.
    sent["X-Forwarded-For"] = client_address(peer, forwarded_for, settings.proxies)
    proto = given.get("x-forwarded-proto", "") if believed else ""
    sent["X-Forwarded-Proto"] = proto if proto in ("http", "https") else scope["scheme"]
    host = given.get("x-forwarded-host") if believed else None
    sent["X-Forwarded-Host"] = host or given.get("host", "")
    request_id = scope.get("state", {}).get("request_id")
    if request_id:
        sent["X-Request-Id"] = request_id
    trace: dict[str, str] = {}
    inject(trace)
    sent.update(trace)
    return sent


class ClientBody:
    """A request's body, read once, and whether its sender is still there."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ended = asyncio.Event()
        self.gone = False
        self.waiting = False
        """For the client, that is, and not for the upstream to take what has come."""
        self.failure: Problem | None = None
        self.on_progress: Callable[[], None] | None = None

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body. ClientGone when it breaks off."""
        more = True
        while more:
            self.waiting = True
            try:
                message = await self._receive()
            except Problem as problem:
                self.failure = problem
                raise
            finally:
                self.waiting = False
            if message["type"] == "http.disconnect":
                self.gone = True
                self._ended.set()
                raise ClientGone
            more = message.get("more_body", False)
            if self.on_progress is not None:
                self.on_progress()
            if message.get("body"):
                yield message["body"]
        self._ended.set()

    def nothing(self) -> None:
        """There is no body to read."""
        self._ended.set()

    async def until_gone(self) -> None:
        """Wait, once the body is read, until the client leaves."""
        await self._ended.wait()
        while not self.gone:
            message = await self._receive()
            self.gone = message["type"] == "http.disconnect"


def has_body(headers: Headers) -> bool:
    """Whether the client sends one."""
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


class Proxy:
    """The gateway's catch-all route, as plain ASGI."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.settings = settings
        self.seen = SeenRoutes()
        self._session: aiohttp.ClientSession | None = None
        self._event_streams: set[aiohttp.ClientResponse] = set()
        self._stopping = False

    @property
    def session(self) -> aiohttp.ClientSession:
        """One for the process, made in the loop that uses it."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # As many as there are clients: a pool's limit would let streams starve the rest.
                connector=aiohttp.TCPConnector(limit=0),
                # A jar would hand one user's cookies to the next.
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=self.settings.connect_timeout_s
                ),
                auto_decompress=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            )
        return self._session

    async def close(self) -> None:
        """Let go of all connections."""
        if self._session is not None:
            await self._session.close()

    async def end_streams_at_stop(self) -> None:
        """Sleep until the service stops; then end the event streams, which never end by
        themselves and would hold up the stop. Their clients connect anew, elsewhere."""
        try:
            await asyncio.Event().wait()
        finally:
            self._stopping = True
            for stream in list(self._event_streams):
                stream.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on. Problems are raised while no answer has begun."""
        state = scope["state"]
        service = state["service"]
        if service is None:
            raise NotFound("There is nothing at this address. /docs lists what there is.")
        scope["metric_route"] = self.seen.name(bare(state["path"]))
        if not self.settings.upstreams[service]:
            raise Unavailable(
                f"This Backbeat runs without the {service} service, which would answer here.",
                code="service-not-installed",
            )
        body = ClientBody(receive)
        exchange = asyncio.create_task(self._exchange(scope, body, send, service))
        leaving = asyncio.create_task(body.until_gone())
        try:
            await asyncio.wait({exchange, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if exchange.done():
                await exchange
        finally:
            exchange.cancel()
            leaving.cancel()
            await asyncio.gather(exchange, leaving, return_exceptions=True)

    async def _exchange(self, scope: Scope, body: ClientBody, send: Send, service: str) -> None:
        response = await self._ask(scope, body, service)
        if response is None:
            return
        scope["metric_route"] = self.seen.name(bare(scope["state"]["path"]), response.status)
        try:
            await self._answer(scope, response, send)
        except (aiohttp.ClientError, OSError) as error:
            # Half an answer has gone out: what is left is to break the connection, so that the
            # client does not take it for whole. Returning unfinished makes the server do so.
            log.warning("answer broken off", extra={"upstream": service}, exc_info=error)
        finally:
            self._event_streams.discard(response)
            response.close()

    async def _ask(
        self, scope: Scope, body: ClientBody, service: str
    ) -> aiohttp.ClientResponse | None:
        """The upstream's answer as soon as its head is there, while the body may still be on
        its way; None when the client has left."""
        settings = self.settings
        address = settings.upstreams[service] + scope["state"]["path"]
        query = scope["query_string"].decode("latin-1")
        if query:
            address += "?" + "".join(c if "!" <= c <= "~" else f"%{ord(c):02X}" for c in query)
        sends = has_body(Headers(scope=scope))
        if not sends:
            body.nothing()
        upload = (scope["method"], bare(scope["state"]["path"])) in IS_UPLOAD
        loop = asyncio.get_running_loop()
        stall_s = settings.stall_timeout_s
        try:
            async with asyncio.timeout(stall_s if upload else settings.request_timeout_s) as clock:
                if upload:
                    body.on_progress = lambda: clock.reschedule(loop.time() + stall_s)
                try:
                    return await self.session.request(
                        scope["method"],
                        URL(address, encoded=True),
                        headers=request_headers(scope, settings),
                        data=body.pieces() if sends else None,
                        allow_redirects=False,
                    )
                finally:
                    body.on_progress = None
        except (aiohttp.ClientError, OSError) as error:
            if body.failure is not None:
                raise body.failure from error
            if body.gone:
                return None
            if clock.expired() and body.waiting:
                raise ClientTooSlow(
                    "The request's body stopped coming. Send it again.",
                    headers={"Connection": "close"},
                ) from error
            if clock.expired():
                raise GatewayTimeout(
                    f"The {service} service took too long to answer. Try again later."
                ) from error
            log.warning("upstream away", extra={"upstream": service}, exc_info=error)
            raise Unavailable(
                f"The {service} service does not answer. Try again in a moment.",
                code="service-unavailable",
                headers={"Retry-After": "2"},
            ) from error

    async def _answer(self, scope: Scope, response: aiohttp.ClientResponse, send: Send) -> None:
        events = response.content_type == "text/event-stream"
        if events:
            self._event_streams.add(response)
        endless = events or "text/event-stream" in Request(scope).headers.get("accept", "")
        await send(
            {
                "type": "http.response.start",
                "status": response.status,
                "headers": answer_headers(response.raw_headers),
            }
        )
        while True:
            try:
                async with asyncio.timeout(None if endless else self.settings.stall_timeout_s):
                    piece = await response.content.readany()
            except aiohttp.ClientError:
                if not (events and self._stopping):
                    raise
                piece = b""
            if not piece:
                break
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
