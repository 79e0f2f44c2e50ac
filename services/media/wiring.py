"""How media is put together, for its own process and for the embedded system."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from fastapi import FastAPI

from libs.common.backend import Backend
from libs.common.messaging.transport import Transport
from libs.common.offload import Offload
from libs.common.service import Running, make_app
from services.media import api, api_play, ingest, links, tus
from services.media.consumers import consumers
from services.media.feed import JobFeed
from services.media.settings import MediaSettings
from services.media.uploads import Uploads

log = logging.getLogger(__name__)

SWEEP_EVERY_S = 3600
FINISH_EVERY_S = 60


def make_media_app() -> FastAPI:
    """The app with its routes, not yet attached to anything."""
    app = make_app("media", "Backbeat: videos and jobs", unlimited=UNLIMITED)
    app.include_router(api.media)
    app.include_router(api_play.play)
    app.include_router(api_play.shared)
    app.include_router(tus.tus)
    app.include_router(api.job_routes)
    return app


UNLIMITED = frozenset(
    {
        ("POST", "/media/videos/"),
        ("POST", "/media/videos"),
        ("PATCH", "/media/uploads/{upload_id}"),
    }
)
"""Uploads bound themselves, by their own setting."""


async def build(settings: MediaSettings, transport: Transport | None = None) -> Running:
    """Media, ready to serve."""
    backend = Backend.open("media", settings, transport)
    app = make_media_app()
    app.state.offload = offload = Offload()
    # A process of its own: a stranger's file that takes its time must not hold up uploads.
    app.state.thumbnailer = thumbnailer = Offload()
    app.state.feed = feed = JobFeed(settings.database_url)
    uploads = Uploads(backend.sessions, backend.storage, offload, settings)

    async def every(pause_s: float, *tidying: Callable[[], Awaitable[object]]) -> None:
        while True:
            for tidy in tidying:
                try:
                    await tidy()
                except Exception as error:
                    # Tidying must not stop the service; what it missed it finds the next time.
                    log.warning("sweep failed", exc_info=error)
            await asyncio.sleep(pause_s)

    async def sweep() -> None:
        await every(
            SWEEP_EVERY_S,
            lambda: ingest.sweep(backend.sessions, backend.storage),
            uploads.sweep,
            lambda: links.sweep(backend.sessions),
        )

    async def finish_uploads() -> None:
        await every(FINISH_EVERY_S, uploads.finish)

    async def stop_children() -> None:
        offload.kill()
        thumbnailer.kill()

    bound = consumers.bind(sessions=backend.sessions, storage=backend.storage)
    return backend.running(app, bound, feed.run, sweep, finish_uploads, on_close=(stop_children,))
