"""A service's own PostgreSQL schema: engine, sessions, and the tables that messaging needs.

The connection's `search_path` is the service's schema, so that models name none and the same
code serves one shared database (embedded) and one per service (a cluster).
"""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy import DateTime, MetaData, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase

from libs.common.errors import Invalid, Unavailable

log = logging.getLogger(__name__)

SessionMaker = async_sessionmaker[AsyncSession]

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

COLUMN_TYPES: dict[Any, Any] = {
    datetime: DateTime(timezone=True),
    dict[str, Any]: JSONB,
    list[Any]: JSONB,
}
"""For a Base's `type_annotation_map`: times carry their zone, documents are jsonb."""


DATABASE_AWAY = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
"""What a database that restarts raises: while connecting, asyncpg's own errors come through."""


class CommonBase(DeclarativeBase):
    """Base of the tables that every service has: outbox, inbox, work, kept answers."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = COLUMN_TYPES


def async_url(url: str) -> str:
    """The URL with asyncpg as driver, whichever PostgreSQL spelling came in."""
    for prefix in ("postgresql+asyncpg://", "postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+asyncpg://" + url.removeprefix(prefix)
    raise ValueError("the database URL must start with postgresql://")


def plain_url(url: str) -> str:
    """The URL as libpq and asyncpg read it."""
    return async_url(url).replace("postgresql+asyncpg://", "postgresql://", 1)


def make_engine(
    url: str, schema: str, *, pool_size: int = 5, max_overflow: int = 10
) -> AsyncEngine:
    """An engine on `schema`. Connections are tested when taken, so that a restarted database
    costs a reconnect and not an error."""
    return create_async_engine(
        async_url(url),
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_pre_ping=True,
        pool_timeout=15,
        # Parameters are people's data: they must not reach the log with an error.
        hide_parameters=True,
        connect_args={
            "timeout": 10,
            "command_timeout": 60,
            "server_settings": {"search_path": schema, "application_name": f"backbeat-{schema}"},
        },
    )


def make_sessions(engine: AsyncEngine) -> SessionMaker:
    """A session factory; rows stay readable after the commit."""
    return async_sessionmaker(engine, expire_on_commit=False)


async def open_session(request: Request) -> AsyncIterator[AsyncSession]:
    """A route's session: committed when the route returns, rolled back when it raises.

    Depend on it with scope="function"; FastAPI's default would commit after the answer.
    """
    sessions: SessionMaker = request.app.state.sessions
    async with sessions.begin() as session:
        yield session


async def is_reachable(engine: AsyncEngine) -> bool:
    """Whether the database answers and the schema has been migrated."""
    async with engine.connect() as connection:
        found = await connection.scalar(text("SELECT to_regclass('alembic_version')"))
    return found is not None


def _fits_no_column(error: DBAPIError) -> bool:
    """PostgreSQL's text takes no NUL, UTF-8 no lone surrogate, an integer column no huge number."""
    state = getattr(error.orig, "sqlstate", None)
    if state == "22000":  # asyncpg's own, before anything is sent
        return any(words in str(error.orig) for words in ("out of", "can't encode"))
    return state in ("22003", "22021", "22P05")


def _is_away(error: DBAPIError) -> bool:
    state = str(getattr(error.orig, "sqlstate", None) or "")
    # 40: it broke a deadlock by ending this transaction; asking again is all it takes.
    return error.connection_invalidated or state.startswith(("08", "40", "53", "57P"))


def install_database_handlers(app: FastAPI) -> None:
    """What the database refuses in the input is a 422, a database that is away a 503; the rest
    stays a 500."""
    away = Unavailable(
        "Database or storage do not answer. Try again in a moment.", headers={"Retry-After": "2"}
    )

    async def on_database(request: Request, error: Exception) -> JSONResponse:
        if isinstance(error, DBAPIError):
            if _fits_no_column(error):
                log.info("input fits no column", exc_info=error)
                return Invalid(
                    "A text or number in the request cannot be stored: it holds a NUL character "
                    "or half a character, or it is far too large."
                ).response(request)
            if not _is_away(error):
                raise error
        log.warning("database away", exc_info=error)
        return away.response(request)

    # Its name is not known (a container that is down), or nobody answers: no ConnectionError.
    for kind in (DBAPIError, PoolTimeout, ConnectionError, TimeoutError, socket.gaierror):
        app.add_exception_handler(kind, on_database)


def new_id() -> UUID:
    """A fresh random id."""
    return uuid4()
