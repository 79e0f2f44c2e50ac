"""A service's own PostgreSQL schema: engine, sessions, and the tables that messaging needs.

The connection's `search_path` is the service's schema, so that models name none and the same
code serves one shared database (embedded) and one per service (a cluster).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from fastapi import Request
from sqlalchemy import DateTime, MetaData, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase

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


def new_id() -> UUID:
    """A fresh random id."""
    return uuid4()
