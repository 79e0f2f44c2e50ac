"""The frame around routing: slashes forgiven, bodies bounded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.common.errors import TooLarge, send_problem

PLACEHOLDER: Final = re.compile(r"\{\w+\}")


class RouteSet:
    """Routes by method and path, a few; `{…}` in a path stands for any one segment."""

    def __init__(self, routes: Iterable[tuple[str, str]]) -> None:
        self._patterns = [
            (method, re.compile("[^/]+".join(map(re.escape, PLACEHOLDER.split(path)))))
            for method, path in routes
        ]

    def __contains__(self, route: tuple[str, str]) -> bool:
        asked, path = route
        return any(
            method == asked and pattern.fullmatch(path) for method, pattern in self._patterns
        )


class SlashTolerant:
    """Serves `/jobs` as `/jobs/` where the app has the latter, and drops slashes elsewhere.

    A redirect would name an inner host and make clients send uploads twice.
    """

    def __init__(self, app: ASGIApp, collections: Callable[[], frozenset[str]]) -> None:
        self.app = app
        self.collections = collections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http":
            bare = scope["path"].rstrip("/")
            path = bare + "/" if bare + "/" in self.collections() else bare or "/"
            scope["path"] = path
        await self.app(scope, receive, send)


class BodyLimit:
    """Answers 413 to a body over the limit, by its declared length or once it has come."""

    def __init__(self, app: ASGIApp, max_bytes: int, unlimited: frozenset[tuple[str, str]]) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.unlimited = RouteSet(unlimited)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or (scope["method"], scope["path"]) in self.unlimited:
            await self.app(scope, receive, send)
            return
        too_large = TooLarge(
            f"The body is over the limit of {self.max_bytes // 1_000_000} MB for this route."
        )
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > self.max_bytes:
                await send_problem(scope, receive, send, too_large)
                return
        came_bytes = 0
        answered = False

        async def bounded() -> Message:
            nonlocal came_bytes
            message = await receive()
            if message["type"] == "http.request":
                came_bytes += len(message.get("body", b""))
                if came_bytes > self.max_bytes:
                    raise too_large
            return message

        async def guarded(message: Message) -> None:
            nonlocal answered
            if came_bytes > self.max_bytes and not answered:
                # The framework takes what `bounded` raises for a body that cannot be parsed.
                raise too_large
            answered = True
            await send(message)

        try:
            await self.app(scope, bounded, guarded)
        except Exception:
            if came_bytes <= self.max_bytes or answered:
                raise
            await send_problem(scope, receive, send, too_large)
