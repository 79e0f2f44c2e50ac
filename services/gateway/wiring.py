"""How the gateway is put together, for its own process and for the embedded system."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from libs.common.service import Running, make_app
from libs.common.tokens import TokenVerifier
from services.gateway import openapi, studio
from services.gateway.admission import Admission, SecurityHeaders
from services.gateway.limits import Limits
from services.gateway.proxy import Proxy
from services.gateway.routes import UPLOADS
from services.gateway.settings import GatewaySettings

REQUIRED: Final = ("auth",)
"""Without these the gateway is not ready. One service that is away must not take the others' routes
with it: those answer 503 for themselves."""
METHODS: Final = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
ASKED_HEADERS: Final = [
    "Authorization",
    "Content-Type",
    "If-Match",
    "Idempotency-Key",
    "Range",
    "Last-Event-ID",
    "Tus-Resumable",
    "Upload-Length",
    "Upload-Metadata",
    "Upload-Offset",
]
TOLD_HEADERS: Final = [
    "Location",
    "ETag",
    "Link",
    "Retry-After",
    "X-Request-Id",
    "Content-Range",
    "Tus-Resumable",
    "Tus-Version",
    "Tus-Extension",
    "Tus-Max-Size",
    "Upload-Offset",
    "Upload-Length",
    "Upload-Metadata",
    "Upload-Expires",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
]


class PassOn:
    """The route for all that the gateway does not answer itself."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        proxy: Proxy = scope["app"].state.proxy
        await proxy(scope, receive, send)


def make_gateway_app() -> FastAPI:
    """The app with its routes, not yet attached to anything."""
    app = make_app("gateway", "Backbeat", unlimited=UPLOADS)
    # The frame's own document knows nothing of the services'.
    own = [route for route in app.router.routes if getattr(route, "path", "") != app.openapi_url]
    app.router.routes[:] = own
    app.include_router(openapi.router)
    app.include_router(studio.router)
    app.router.routes.append(
        Route("/{path:path}", PassOn(), methods=METHODS, include_in_schema=False)
    )
    # Innermost, so that refusals too have request ids, metrics and a log line.
    app.user_middleware.append(Middleware(Admission))
    return app


async def build(settings: GatewaySettings) -> Running:
    """The gateway, ready to be served. Connects to nothing yet."""
    app = make_gateway_app()
    proxy = Proxy(settings)
    app.state.settings = settings
    app.state.proxy = proxy
    app.state.limits = Limits(settings)
    app.state.documents = openapi.Documents(lambda: proxy.session, settings.upstreams)
    app.state.verifier = TokenVerifier.from_url(
        settings.jwks_url or f"{settings.auth_url}/auth/jwks"
    )
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=METHODS,
            allow_headers=ASKED_HEADERS,
            expose_headers=TOLD_HEADERS,
            max_age=600,
        )
    app.add_middleware(SecurityHeaders)

    def health_of(url: str) -> Callable[[], Awaitable[bool]]:
        async def check() -> bool:
            timeout = aiohttp.ClientTimeout(total=2)
            async with proxy.session.get(f"{url}/healthz", timeout=timeout) as answer:
                return answer.status == 200

        return check

    return Running(
        name="gateway",
        app=app,
        settings=settings,
        background=[proxy.end_streams_at_stop],
        checks={
            service: health_of(url)
            for service, url in settings.upstreams.items()
            if service in REQUIRED and url
        },
        on_close=[proxy.close],
    )
