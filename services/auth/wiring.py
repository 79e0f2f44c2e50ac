"""How auth is put together, for its own process and for the embedded system."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from fastapi import FastAPI

from libs.common.backend import Backend
from libs.common.database import DATABASE_AWAY
from libs.common.messaging.transport import Transport
from libs.common.service import Running, make_app
from libs.common.tokens import TokenVerifier
from services.auth import accounts, api, keys, tokens
from services.auth.consumers import consumers
from services.auth.settings import AuthSettings

log = logging.getLogger(__name__)

PURGE_EVERY_S = 6 * 3600


def make_auth_app() -> FastAPI:
    """The app with its routes, not yet attached to anything."""
    app = make_app("auth", "Backbeat: accounts")
    for router in (api.router, api.users, api.roles):
        app.include_router(router)
    return app


async def build(settings: AuthSettings, transport: Transport | None = None) -> Running:
    """Auth, ready to serve; SettingsProblem when the secret does not open the kept keys."""
    backend = Backend.open("auth", settings, transport)
    try:
        async with backend.sessions.begin() as session:
            key = await keys.signing_key(session, settings.secret_key, settings.algorithm)
            keys.private_key(key, settings.secret_key)
        await accounts.ensure_admin(backend.sessions, settings)
    except BaseException:
        await backend.engine.dispose()
        raise

    async def own_keys() -> dict[str, Any]:
        async with backend.sessions() as session:
            return await keys.jwks(session)

    backend.verifier = TokenVerifier(own_keys)

    async def purge() -> None:
        while True:
            try:
                await tokens.purge(backend.sessions)
            except DATABASE_AWAY as error:
                # Tidying must not stop the service; what it missed it finds the next time.
                log.warning("purge failed", exc_info=error)
            await asyncio.sleep(PURGE_EVERY_S)

    return backend.running(make_auth_app(), consumers.bind(), purge)
