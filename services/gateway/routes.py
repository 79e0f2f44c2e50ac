"""Which path goes to which service, and which need no token."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote

from libs.common.errors import Problem
from libs.common.routing import RouteSet
from services.gateway.studio import is_asset, is_view

SERVICES: Final = {
    "auth": "auth",
    "users": "auth",
    "roles": "auth",
    "media": "media",
    "jobs": "media",
    "audio": "audio",
    "notation": "notation",
    "shared": "notation",
    "vision": "vision",
    "ai": "ai",
}
OF_SHARED_VIDEO: Final = frozenset({"video", "thumbnail"})
"""`/shared/{token}/…` that media answers."""
OF_AI: Final = frozenset(
    {
        "analysis",
        "enhance",
        "with-enhancements",
        "variations",
        "practice-plan",
        "compare",
        "comparisons",
    }
)
"""`/notation/{id}/…` that ai answers."""

PUBLIC: Final = frozenset(
    {
        ("POST", "/auth/register"),
        ("POST", "/auth/login"),
        ("POST", "/auth/refresh"),
        ("POST", "/auth/logout"),
        ("GET", "/auth/jwks"),
        # What is spoken there is no secret, and a client asks before it signs in.
        ("OPTIONS", "/media/uploads"),
    }
)
TICKETS: Final = RouteSet([("GET", "/media/play/{token}")])
"""Public, too: the token in the path is what admits."""
SIGNING_IN: Final = frozenset({("POST", "/auth/login"), ("POST", "/auth/register")})
OWN: Final = frozenset({"/", "/docs", "/openapi.json"})
OPERATIONS: Final = frozenset({"/healthz", "/readyz", "/metrics"})
UPLOADS: Final = frozenset({("POST", "/media/videos"), ("PATCH", "/media/uploads/{id}")})
"""Bodies of any length that may take their time; `{id}` stands for one segment."""
IS_UPLOAD: Final = RouteSet(UPLOADS)

MALFORMED: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
REFUSED: Final = re.compile(r"%2f|%5c|\\", re.IGNORECASE)
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
SAFE: Final = "/:@!$&'()*+,;=~%-._"


class BadPath(Problem):
    """A path that two servers might read in two ways."""

    code = "bad-path"


def checked_path(raw: bytes) -> str:
    """The path as to be sent on: still encoded, one meaning only. BadPath for anything else."""
    path = raw.decode("latin-1")
    decoded = unquote(path)
    if (
        not path.startswith("/")
        or MALFORMED.search(path)
        or REFUSED.search(path)
        or CONTROL.search(decoded)
        or any(segment in (".", "..") for segment in decoded.split("/"))
    ):
        raise BadPath(
            "The path holds an encoded slash, a backslash, a control character or a `.` or `..` "
            "segment. Write the address without."
        )
    return quote(path, safe=SAFE)


def bare(path: str) -> str:
    """The decoded path without slashes at its end; services serve both spellings."""
    return unquote(path).rstrip("/") or "/"


def service_for(path: str) -> str | None:
    """The service that answers a bare path, or None when no one does."""
    _, first, *rest = path.split("/")
    if first == "notation" and len(rest) == 2 and rest[1] in OF_AI:
        return "ai"
    if first == "shared" and len(rest) == 2 and rest[1] in OF_SHARED_VIDEO:
        return "media"
    return SERVICES.get(first)


def is_own(path: str) -> bool:
    """Whether the gateway itself answers a bare path."""
    return path in OWN or path.startswith("/docs/") or is_view(path) or is_asset(path)


def is_public(method: str, path: str) -> bool:
    """Whether a bare path is answered without a token."""
    return (
        (method, path) in PUBLIC
        or (method, path) in TICKETS
        or path.startswith("/shared/")
        or is_own(path)
    )


WORD: Final = re.compile(r"[a-z]+(-[a-z]+)*")
MAX_WORD: Final = 24
MAX_DEPTH: Final = 8


def template(path: str) -> str:
    """A bare path with `{id}` for everything that is not a short lower-case word.

    >>> template("/media/videos/0b0e7a9c-6f0e-4d43-9d9f-0d7f6b8d7a11/content")
    '/media/videos/{id}/content'
    """
    _, first, *rest = path.split("/")
    kept = [
        segment if len(segment) <= MAX_WORD and WORD.fullmatch(segment) else "{id}"
        for segment in rest[:MAX_DEPTH]
    ]
    return "/".join(["", first, *kept])


class SeenRoutes:
    """Route names for metrics, at most `limit` however a client makes up paths: a template
    counts once a service has answered it with success; until then it is `/<first>/…`."""

    def __init__(self, limit: int = 500) -> None:
        self.limit = limit
        self._seen: set[str] = set()

    def name(self, path: str, status: int = 404) -> str:
        """The name of a bare path that was answered with `status`."""
        found = template(path)
        if found in self._seen:
            return found
        if status < 400 and len(self._seen) < self.limit:
            self._seen.add(found)
            return found
        return f"/{path.split('/')[1]}/…"
