"""The one OpenAPI document, fetched from the services, and the page that shows it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from importlib.resources import files
from typing import Any, Final

import aiohttp
from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse

from libs.common.errors import NotFound
from services.gateway import studio
from services.gateway.domain.openapi import INFO, Document, merge

log = logging.getLogger(__name__)

FRESH_S: Final = 60.0
INCOMPLETE_FRESH_S: Final = 5.0
"""A service that was away for a moment is looked for again soon."""


class Documents:
    """Fetches, merges and keeps the document."""

    def __init__(
        self, session: Callable[[], aiohttp.ClientSession], upstreams: dict[str, str]
    ) -> None:
        self._session = session
        self._upstreams = {service: url for service, url in upstreams.items() if url}
        self._lock = asyncio.Lock()
        self._merged: Document = {}
        self._until = 0.0

    async def get(self) -> Document:
        """The merged document, at most a minute old."""
        async with self._lock:
            if time.monotonic() >= self._until:
                await self._refresh()
            return self._merged

    async def _refresh(self) -> None:
        fetched = await asyncio.gather(*(self._fetch(url) for url in self._upstreams.values()))
        answers = dict(zip(self._upstreams, fetched, strict=True))
        documents = {service: found for service, found in answers.items() if found is not None}
        away = tuple(service for service, found in answers.items() if found is None)
        self._merged = merge(documents, away)
        self._until = time.monotonic() + (INCOMPLETE_FRESH_S if away else FRESH_S)

    async def _fetch(self, url: str) -> Document | None:
        try:
            async with asyncio.timeout(5):
                async with self._session().get(f"{url}/openapi.json") as answer:
                    answer.raise_for_status()
                    document: Any = await answer.json()
            return document if isinstance(document, dict) else None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            log.warning("no OpenAPI document", extra={"upstream": url}, exc_info=error)
            return None


PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Backbeat: the API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" href="data:,">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
START: Final = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: false,
  displayRequestDuration: true,
  docExpansion: "none",
  filter: true,
  validatorUrl: null,
});
"""
PAGE_HEADERS: Final = {
    # Swagger UI sets styles on elements and draws its icons from data: addresses.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
}
ASSETS: Final = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
}

router = APIRouter(include_in_schema=False)


@router.get("/")
async def welcome(request: Request) -> Response:
    """The studio for browsers, where one is for programs."""
    if "text/html" in request.headers.get("accept", ""):
        return studio.shell(request, "/")
    links = {"docs": "/docs", "openapi": "/openapi.json", "health": "/healthz", "ready": "/readyz"}
    return JSONResponse(
        {"name": INFO["title"], "version": INFO["version"], "links": links},
        headers={"Vary": "Accept"},
    )


@router.get("/openapi.json")
async def document(request: Request) -> Response:
    """All services' routes as one OpenAPI document."""
    documents: Documents = request.app.state.documents
    return JSONResponse(await documents.get())


@router.get("/docs")
async def docs() -> Response:
    """Swagger UI, from here alone."""
    return HTMLResponse(PAGE, headers=PAGE_HEADERS)


@router.get("/docs/{name}")
async def asset(name: str) -> Response:
    """What the page is made of."""
    headers = PAGE_HEADERS | {"Cache-Control": "public, max-age=3600"}
    if name == "start.js":
        return Response(START, media_type="text/javascript", headers=headers)
    if name not in ASSETS:
        raise NotFound("The documentation has no such file.")
    path = files("fastapi_offline") / "static" / name
    return FileResponse(str(path), media_type=ASSETS[name], headers=headers)
