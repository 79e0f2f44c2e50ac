"""A service's frame: the app with health, metrics and problems; its background tasks; its life.

`Running` is one service in one process. The embedded system runs several of them in one event
loop, `python -m services.<name>` runs one; the code is the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import uvicorn
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from libs.common.errors import ProblemDocument, install_problem_handlers
from libs.common.heads import BoundedHeads
from libs.common.routing import BodyLimit, SlashTolerant
from libs.common.settings import ServiceSettings, SettingsProblem
from libs.common.telemetry import RequestTelemetry, configure_logging

if TYPE_CHECKING:
    # Not while running: it brings SQLAlchemy, which the gateway does without.
    from libs.common.messaging.consumers import Consumers

log = logging.getLogger(__name__)

Check = Callable[[], Awaitable[bool]]
BackgroundTask = Callable[[], Coroutine[Any, Any, None]]


@dataclass
class Running:
    """A wired service: its app, what must go on beside it, and how it ends."""

    name: str
    app: FastAPI
    settings: ServiceSettings
    background: Sequence[BackgroundTask] = ()
    checks: dict[str, Check] = field(default_factory=dict)
    consumers: Consumers | None = None
    """Bound handlers, for whoever runs the transport's consumer loop."""
    on_close: Sequence[Callable[[], Awaitable[None]]] = ()


def route_id(route: APIRoute) -> str:
    """Operation ids that make good client method names: `media_upload_video`."""
    tag = str(route.tags[0]) if route.tags else "backbeat"
    return f"{tag}_{route.name}"


MAX_BODY_BYTES = 10_000_000


def make_app(
    service: str, title: str, *, unlimited: frozenset[tuple[str, str]] = frozenset()
) -> FastAPI:
    """An app with problems, metrics, slash-tolerant routes and bounded bodies. `unlimited`
    routes (method, path with `{…}` for one segment) bound their bodies themselves."""
    app = FastAPI(
        title=title,
        version="0.1.0",
        redirect_slashes=False,
        generate_unique_id_function=route_id,
        docs_url=None,
        redoc_url=None,
    )
    app.state.checks = {}
    install_problem_handlers(app)
    app.add_middleware(BodyLimit, max_bytes=MAX_BODY_BYTES, unlimited=unlimited)

    @cache
    def collections() -> frozenset[str]:
        # Included routers keep their routes to themselves; the document lists them all.
        return frozenset(path for path in app.openapi()["paths"] if path.endswith("/"))

    app.add_middleware(SlashTolerant, collections=collections)
    app.add_middleware(RequestTelemetry, service=service)

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        checks: dict[str, Check] = app.state.checks
        results = {}
        for name, check in checks.items():
            try:
                results[name] = await asyncio.wait_for(check(), timeout=3)
            except Exception as error:
                log.warning("not ready", extra={"check": name}, exc_info=error)
                results[name] = False
        ready = all(results.values())
        return JSONResponse(
            {"status": "ready" if ready else "not ready", "checks": results},
            status_code=200 if ready else 503,
        )

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    add_problem_schema(app)
    return app


def add_problem_schema(app: FastAPI) -> None:
    """Put the problem document among the schemas and in place of FastAPI's own 422."""
    build = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        document = build()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        problem = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= problem.pop("$defs", {})
        schemas["ProblemDocument"] = problem
        schemas.pop("HTTPValidationError", None)
        schemas.pop("ValidationError", None)
        reference = {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}
        }
        for operations in document["paths"].values():
            for operation in operations.values():
                operation["responses"]["default"] = {
                    "description": "A problem (RFC 9457)",
                    "content": reference,
                }
                if "422" in operation["responses"]:
                    operation["responses"]["422"]["content"] = reference
        app.openapi_schema = document
        return document

    app.openapi = openapi  # type: ignore[method-assign]


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: several servers share one process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. SettingsProblem when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise SettingsProblem(
            f"cannot listen on {host}:{port} ({error.strerror}). Is something else running "
            "there? Choose another port."
        ) from error
    listening.listen(2048)
    listening.setblocking(False)
    return listening


@contextlib.asynccontextmanager
async def serving(running: Running, listening: socket.socket) -> AsyncIterator[None]:
    """Serve and work until the block ends, then stop in order: take no more, finish, let go."""
    running.app.state.checks = running.checks
    config = uvicorn.Config(
        running.app,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=int(running.settings.stop_grace_s),
        timeout_keep_alive=75,
        http=BoundedHeads,
        server_header=False,
        # It would believe any local client; the gateway and auth read the header themselves.
        proxy_headers=False,
    )
    server = _Server(config)
    tasks = [
        asyncio.create_task(work(), name=f"{running.name}:{getattr(work, '__name__', 'task')}")
        for work in running.background
    ]
    serve = asyncio.create_task(server.serve(sockets=[listening]), name=f"{running.name}:http")
    # uvicorn has a flag and no event.
    while not server.started and not serve.done():  # noqa: ASYNC110
        await asyncio.sleep(0.01)

    async def watch() -> None:
        # A background task that ends by itself is a fault that must not go unseen: the process
        # stops, and whoever runs it starts it anew.
        if tasks:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if not task.cancelled() and task.exception() is not None:
                    log.critical("background task died", exc_info=task.exception())
                    signal.raise_signal(signal.SIGTERM)

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        server.should_exit = True
        for task in tasks:
            task.cancel()
        await asyncio.gather(serve, watching, *tasks, return_exceptions=True)
        for close in running.on_close:
            await close()


async def until_stopped() -> None:
    """Wait for SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    await stop.wait()


def run_service(name: str, build: Callable[[], Awaitable[Running]]) -> None:
    """`python -m services.<name>`: build, serve, stop. Bad settings end with a sentence."""

    async def main() -> None:
        running = await build()
        configure_logging(name, running.settings.log_level)
        listening = bind(running.settings.host, running.settings.port)
        async with serving(running, listening):
            log.info("serving", extra={"address": str(listening.getsockname())})
            await until_stopped()

    try:
        asyncio.run(main())
    except SettingsProblem as problem:
        sys.stderr.write(f"{name} cannot start: {problem}\n")
        raise SystemExit(2) from None
