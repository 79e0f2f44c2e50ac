"""How notation is put together, for its own process and for the embedded system."""

from __future__ import annotations

from fastapi import FastAPI

from libs.common.backend import Backend
from libs.common.messaging.transport import Transport
from libs.common.service import Running, make_app
from services.notation import (
    api,
    api_edits,
    api_exports,
    api_imports,
    api_kits,
    api_practice,
    api_shares,
    api_views,
)
from services.notation.consumers import consumers
from services.notation.latest import Latest
from services.notation.scribe import Scribe
from services.notation.settings import NotationSettings
from services.notation.views import Views


def make_notation_app() -> FastAPI:
    """The app with its routes, not yet attached to anything."""
    app = make_app("notation", "Backbeat: scores")
    # Fixed words before `/notation/{notation_id}`.
    parts = (
        api_kits,
        api_imports,
        api_exports,
        api_edits,
        api_views,
        api_shares,
        api_practice,
        api,
    )
    for part in parts:
        app.include_router(part.router)
    app.include_router(api_shares.public)
    app.state.views = Views()
    app.state.latest = Latest()
    return app


async def build(settings: NotationSettings, transport: Transport | None = None) -> Running:
    """Notation, ready to serve."""
    backend = Backend.open("notation", settings, transport)
    app = make_notation_app()
    app.state.scribe = scribe = Scribe(settings)
    bound = consumers.bind(sessions=backend.sessions, storage=backend.storage, scribe=scribe)
    return backend.running(app, bound, on_close=(scribe.close,))
