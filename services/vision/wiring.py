"""How vision is put together, for its own process and for the embedded system."""

from __future__ import annotations

import os

from fastapi import FastAPI

from libs.common.backend import Backend
from libs.common.events import VisionWorkFailed, VisionWorkStarted
from libs.common.messaging.transport import Transport
from libs.common.service import BackgroundTask, Running, make_app
from libs.common.work import EventAnnouncer, Worker
from services.vision import api
from services.vision.consumers import consumers
from services.vision.settings import VisionSettings
from services.vision.watch import Watcher


def make_vision_app() -> FastAPI:
    """The app with its routes, not yet attached to anything."""
    app = make_app("vision", "Backbeat: seeing")
    app.include_router(api.router)
    return app


async def build(settings: VisionSettings, transport: Transport | None = None) -> Running:
    """Vision, ready to serve. Without weights it runs, too, and says what is missing."""
    # For the child processes: idle OpenMP threads that spin slow the working ones down.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    backend = Backend.open("vision", settings, transport)
    app = make_vision_app()
    watcher = Watcher(settings, backend.sessions, backend.storage, backend.transport)
    worker = Worker(
        "vision",
        backend.sessions,
        watcher.handlers(),
        EventAnnouncer(VisionWorkStarted, VisionWorkFailed),
        concurrency=settings.workers,
        grace_s=settings.stop_grace_s,
    )

    async def stop_children() -> None:
        watcher.close()

    bound = consumers.bind(sessions=backend.sessions, storage=backend.storage, settings=settings)
    work: tuple[BackgroundTask, ...] = (worker.run,) if settings.workers else ()
    return backend.running(app, bound, *work, on_close=(stop_children,))
