"""The whole of Backbeat in one process: its own PostgreSQL in a data folder, events carried by
it, files beside it. For a laptop, a demo, and most tests. See docs/adr/0002.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from backbeat import postgres
from libs.common.database import async_url
from libs.common.events import DURABLE
from libs.common.messaging.postgres import PostgresTransport
from libs.common.messaging.transport import Transport
from libs.common.migrate import BACKENDS, migrate
from libs.common.service import Running, bind, serving
from libs.common.settings import SettingsProblem, load

log = logging.getLogger(__name__)

DATABASE = "backbeat"


def default_data_folder() -> Path:
    """BACKBEAT_DATA, or the user's own data folder."""
    given = os.environ.get("BACKBEAT_DATA")
    if given:
        return Path(given)
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "backbeat"


@dataclass(frozen=True, slots=True)
class Embedded:
    """A running system."""

    url: str
    """Of the gateway."""
    database_url: str
    services: dict[str, str]
    """Addresses by service."""
    transport: Transport


@contextlib.contextmanager
def sole_use(folder: Path) -> Iterator[None]:
    """Nobody else runs on this folder meanwhile; SettingsProblem when somebody does."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsProblem(
                f"Backbeat is running on {folder} already. Stop that one, or choose another "
                "folder with --data."
            ) from None
        yield


def secret_key(folder: Path) -> str:
    """Made at the first start and kept, readable by the owner alone."""
    path = folder / "secrets.json"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(json.dumps({"auth_secret_key": secrets.token_urlsafe(48)}))
    kept: dict[str, str] = json.loads(path.read_text())
    return kept["auth_secret_key"]


async def ensure_database(admin_url: str) -> None:
    """Create our database when it is missing."""
    engine = create_async_engine(async_url(admin_url), isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            there = await connection.scalar(
                text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": DATABASE}
            )
            if not there:
                await connection.execute(text(f'CREATE DATABASE "{DATABASE}"'))
    finally:
        await engine.dispose()


@contextlib.asynccontextmanager
async def running(
    folder: Path, host: str, port: int, *, first_user_is_admin: bool = True
) -> AsyncIterator[Embedded]:
    """Start everything on `folder`; `port` 0 takes a free one. Ends in order when the block
    does."""
    folder = folder.absolute()
    with sole_use(folder):
        gateway_socket = bind(host, port)
        server = await asyncio.to_thread(postgres.start, folder / "postgres")
        try:
            await ensure_database(server.get_uri())
            async with on_postgres(
                folder,
                server.get_uri(DATABASE),
                gateway_socket,
                first_user_is_admin=first_user_is_admin,
            ) as system:
                yield system
        finally:
            gateway_socket.close()
            await asyncio.to_thread(server.cleanup)


@contextlib.asynccontextmanager
async def on_postgres(
    folder: Path,
    database_url: str,
    gateway_socket: Any,
    transport: Transport | None = None,
    *,
    first_user_is_admin: bool = True,
) -> AsyncIterator[Embedded]:
    """All services on an existing database, in this process. Without `transport` events go
    through the database."""
    for name in BACKENDS:
        await migrate(database_url, name)
    transport = transport or PostgresTransport(database_url, DURABLE)
    await transport.start()
    sockets = {name: bind("127.0.0.1", 0) for name in BACKENDS}
    addresses = {
        name: f"http://127.0.0.1:{listening.getsockname()[1]}"
        for name, listening in sockets.items()
    }
    built = await build_all(
        folder, database_url, addresses, transport, first_user_is_admin=first_user_is_admin
    )
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(transport.close)
        hearing = [service.consumers for service in built.values() if service.consumers]
        for name in BACKENDS:
            await stack.enter_async_context(serving(built[name], sockets[name]))
        consuming = asyncio.create_task(transport.consume(hearing))
        stack.push_async_callback(stop_task, consuming)
        await stack.enter_async_context(serving(built["gateway"], gateway_socket))
        host, port = gateway_socket.getsockname()[:2]
        yield Embedded(
            url=f"http://{'localhost' if host in ('127.0.0.1', '::1') else host}:{port}",
            database_url=database_url,
            services=addresses,
            transport=transport,
        )


async def stop_task(task: asyncio.Task[None]) -> None:
    """Cancel and wait."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def build_all(
    folder: Path,
    database_url: str,
    addresses: dict[str, str],
    transport: Transport,
    *,
    first_user_is_admin: bool,
) -> dict[str, Running]:
    """Every service, wired for one process. Settings of the environment count, but for the ones
    that make it one system."""
    from services.ai.settings import AiSettings
    from services.ai.wiring import build as build_ai
    from services.audio.settings import AudioSettings
    from services.audio.wiring import build as build_audio
    from services.auth.settings import AuthSettings
    from services.auth.wiring import build as build_auth
    from services.gateway.settings import GatewaySettings
    from services.gateway.wiring import build as build_gateway
    from services.media.settings import MediaSettings
    from services.media.wiring import build as build_media
    from services.notation.settings import NotationSettings
    from services.notation.wiring import build as build_notation
    from services.vision.settings import VisionSettings
    from services.vision.wiring import build as build_vision

    # UPLOAD_DIR is the name of the user's own description for where files lie.
    files = Path(os.environ.get("UPLOAD_DIR") or folder / "files").absolute()
    shared: dict[str, Any] = {
        "database_url": database_url,
        "broker_url": database_url,
        "storage_url": files.as_uri(),
        "jwks_url": addresses["auth"] + "/auth/jwks",
        "stop_grace_s": 10.0,
    }
    auth = load(
        AuthSettings,
        **shared,
        secret_key=os.environ.get("AUTH_SECRET_KEY")
        or os.environ.get("SECRET_KEY")
        or secret_key(folder),
        first_user_is_admin=first_user_is_admin,
    )
    gateway = load(
        GatewaySettings,
        **{f"{name}_url": address for name, address in addresses.items()},
        jwks_url=shared["jwks_url"],
        stop_grace_s=10.0,
    )
    return {
        "auth": await build_auth(auth, transport),
        "media": await build_media(load(MediaSettings, **shared), transport),
        "audio": await build_audio(load(AudioSettings, **shared), transport),
        "notation": await build_notation(load(NotationSettings, **shared), transport),
        "ai": await build_ai(load(AiSettings, **shared), transport),
        "vision": await build_vision(load(VisionSettings, **shared), transport),
        "gateway": await build_gateway(gateway),
    }
