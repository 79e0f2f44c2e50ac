"""What a service with a database is wired from; `__main__` of each builds on it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.common.database import (
    SessionMaker,
    install_database_handlers,
    is_reachable,
    make_engine,
    make_sessions,
)
from libs.common.events import DURABLE, TRANSIENT
from libs.common.messaging.consumers import Consumers
from libs.common.messaging.relay import Relay
from libs.common.messaging.transport import Transport
from libs.common.service import BackgroundTask, Running
from libs.common.settings import BackendSettings
from libs.common.storage import Storage
from libs.common.tokens import TokenVerifier


@dataclass
class Backend:
    """Database, storage, messages and token checks of one service in one process."""

    name: str
    settings: BackendSettings
    engine: AsyncEngine
    sessions: SessionMaker
    storage: Storage
    transport: Transport
    verifier: TokenVerifier
    owns_transport: bool

    @staticmethod
    def open(name: str, settings: BackendSettings, transport: Transport | None = None) -> Backend:
        """Connects to nothing yet. Without `transport` the broker URL says which."""
        engine = make_engine(settings.database_url, name, pool_size=settings.database_pool)
        return Backend(
            name=name,
            settings=settings,
            engine=engine,
            sessions=make_sessions(engine),
            storage=Storage.open(settings.storage_url),
            transport=transport or open_transport(settings.broker_url, settings.broker_prefix),
            verifier=TokenVerifier.from_url(settings.jwks_url),
            owns_transport=transport is None,
        )

    def attach(self, app: FastAPI) -> None:
        """What routes find on `request.app.state`, and what a database's refusal becomes."""
        install_database_handlers(app)
        app.state.sessions = self.sessions
        app.state.storage = self.storage
        app.state.transport = self.transport
        app.state.verifier = self.verifier
        app.state.settings = self.settings

    def running(
        self,
        app: FastAPI,
        consumers: Consumers,
        *background: BackgroundTask,
        on_close: tuple[Callable[[], Awaitable[None]], ...] = (),
    ) -> Running:
        """The service, ready to be served. In the embedded system one consumer loop serves all
        services, so it is only begun here when the transport is this service's own."""
        self.attach(app)
        relay = Relay(self.name, self.sessions, self.transport)
        tasks = [relay.run, *background]
        closing = [*on_close, self.engine.dispose]
        if self.owns_transport:

            async def consume() -> None:
                await self.transport.start()
                await self.transport.consume([consumers])

            tasks.append(consume)
            closing.append(self.transport.close)

        async def database() -> bool:
            return await is_reachable(self.engine)

        return Running(
            name=self.name,
            app=app,
            settings=self.settings,
            background=tasks,
            checks={
                "database": database,
                "broker": self.transport.ready,
                "storage": self.storage.ready,
            },
            consumers=consumers,
            on_close=closing,
        )


def open_transport(url: str, prefix: str = "") -> Transport:
    """RabbitMQ for amqp://, PgQueuer for postgresql://."""
    if url.startswith(("amqp://", "amqps://")):
        from libs.common.messaging.rabbit import RabbitTransport

        return RabbitTransport(url, DURABLE, TRANSIENT, prefix=prefix)
    from libs.common.messaging.postgres import PostgresTransport

    return PostgresTransport(url, DURABLE)
