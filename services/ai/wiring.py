"""How ai is put together, for its own process and for the embedded system."""

from __future__ import annotations

from fastapi import FastAPI

from libs.common.backend import Backend
from libs.common.events import AiWorkFailed, AiWorkStarted
from libs.common.messaging.transport import Transport
from libs.common.service import BackgroundTask, Running, make_app
from libs.common.work import EventAnnouncer, Worker
from services.ai import api, api_practice, api_variations, steps
from services.ai.consumers import consumers
from services.ai.model import Model
from services.ai.scholar import Scholar
from services.ai.settings import AiSettings
from services.ai.teach import Teacher


def make_ai_app() -> FastAPI:
    """The app with its routes, not yet attached to anything."""
    app = make_app("ai", "Backbeat: the teacher")
    for part in (api, api_variations, api_practice):
        app.include_router(part.router)
    return app


async def build(settings: AiSettings, transport: Transport | None = None) -> Running:
    """The teacher, ready to serve."""
    backend = Backend.open("ai", settings, transport)
    app = make_ai_app()
    scholar = Scholar(settings, backend.storage)
    model = Model(settings) if settings.has_model else None
    app.state.teacher = teacher = Teacher(settings, backend.sessions, scholar, model)
    worker = Worker(
        "ai",
        backend.sessions,
        {steps.KIND: steps.Enricher(backend.sessions, teacher).enrich},
        EventAnnouncer(AiWorkStarted, AiWorkFailed),
        concurrency=settings.workers,
        grace_s=settings.stop_grace_s,
    )
    bound = consumers.bind(sessions=backend.sessions, storage=backend.storage)
    work: tuple[BackgroundTask, ...] = (worker.run,) if settings.workers else ()
    return backend.running(app, bound, *work, on_close=(teacher.close, scholar.close))
