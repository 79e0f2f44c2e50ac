"""What comes before every answer: a readable path, a valid token, a limit that is not reached."""

from __future__ import annotations

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.common.errors import NotFound, Problem, Unauthorized, send_problem
from libs.common.tokens import Caller, TokenVerifier
from services.gateway.limits import Limits, client_address
from services.gateway.routes import (
    OPERATIONS,
    bare,
    checked_path,
    is_own,
    is_public,
    service_for,
)
from services.gateway.settings import GatewaySettings
from services.gateway.studio import is_asset


class Admission:
    """Checks a request, counts it, and leaves in its scope's state what the proxy needs: `path`
    (encoded), `service`, `client_address`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["path"] in OPERATIONS:
            await self.app(scope, receive, send)
            return
        told: dict[str, str] = {}

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(told)
            await send(message)

        try:
            told |= await self._admit(scope)
        except Problem as problem:
            await send_problem(scope, receive, telling, problem)
            return
        await self.app(scope, receive, telling)

    async def _admit(self, scope: Scope) -> dict[str, str]:
        state = Request(scope).app.state
        settings: GatewaySettings = state.settings
        limits: Limits = state.limits
        verifier: TokenVerifier = state.verifier
        headers = Headers(scope=scope)
        scope["metric_route"] = "unmatched"
        here = scope.setdefault("state", {})
        peer = scope["client"][0] if scope.get("client") else ""
        here["client_address"] = address = client_address(
            peer, ",".join(headers.getlist("x-forwarded-for")), settings.proxies
        )
        here["path"] = checked_path(scope.get("raw_path") or scope["path"].encode())
        path = bare(here["path"])
        method: str = scope["method"]
        here["service"] = service = service_for(path)
        caller: Caller | None = None
        refused: Problem | None = None
        if is_own(path):
            # The frame finds the route's name by itself.
            del scope["metric_route"]
        elif service is None:
            refused = NotFound("There is nothing at this address. /docs lists what there is.")
        elif not is_public(method, path):
            try:
                caller = await self._caller(headers, verifier)
            except Problem as problem:
                refused = problem
        # One page is dozens of files, which lie in memory: they count as nothing.
        told = {} if is_asset(path) else await limits.admit(method, path, caller, address)
        if refused is not None:
            refused.headers |= told
            raise refused
        return told

    @staticmethod
    async def _caller(headers: Headers, verifier: TokenVerifier) -> Caller:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthorized(
                "Sign in first: send the access token as `Authorization: Bearer …`.",
            )
        return await verifier.verify(token.strip())


class SecurityHeaders:
    """Says on every answer that its type is not to be guessed nor its address to be told."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Referrer-Policy", "no-referrer")
            await send(message)

        await self.app(scope, receive, guarded)
