"""How media is put together, for its own process and for the embedded system."""

from __future__ import annotations

import asyncio
import logging

from fastapi import FastAPI

from libs.common.backend import Backend
from libs.common.messaging.transport import Transport
from libs.common.offload import Offload
from libs.common.service import Running, make_app
from services.media import api, ingest
from services.media.consumers import consumers
from services.media.feed import JobFeed
from services.media.settings import MediaSettings

log = logging.getLogger(__name__)

SWEEP_EVERY_S = 3600


def make_media_app() -> FastAPI:
    """The app with its routes, not yet attached to anything."""
    app = make_app("media", "Backbeat: videos and jobs", unlimited=UNLIMITED)
    app.include_router(api.media)
    app.include_router(api.job_routes)
    return app


UNLIMITED = frozenset({("POST", "/media/videos/"), ("POST", "/media/videos")})
"""The upload bounds itself, by its own setting."""


async def build(settings: MediaSettings, transport: Transport | None = None) -> Running:
    """Media, ready to serve."""
    backend = Backend.open("media", settings, transport)
    app = make_media_app()
    app.state.offload = offload = Offload()
    app.state.feed = feed = JobFeed(settings.database_url)

    async def sweep() -> None:
        while True:
            try:
                await ingest.sweep(backend.sessions, backend.storage)
            except Exception as error:
                # Tidying must not stop the service; what it missed it finds the next time.
                log.warning("sweep failed", exc_info=error)
            await asyncio.sleep(SWEEP_EVERY_S)

    async def stop_child() -> None:
        offload.kill()

    bound = consumers.bind(sessions=backend.sessions, storage=backend.storage)
    return backend.running(app, bound, feed.run, sweep, on_close=(stop_child,))
