"""Every schema's Alembic history against its models."""

from __future__ import annotations

import importlib
from typing import Any

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

import libs.common.idempotency
import libs.common.messaging.inbox
import libs.common.messaging.outbox
import libs.common.work  # noqa: F401 - each brings its table
from libs.common.database import CommonBase, make_engine
from libs.common.migrate import BACKENDS, downgrade, joined, migrate


async def tables(url: str, service: str) -> set[str]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = $1", service
        )
        return {row["tablename"] for row in rows}
    finally:
        await connection.close()


async def differences(engine: AsyncEngine, service: str) -> list[Any]:
    models = importlib.import_module(f"services.{service}.models")

    def compare(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        return list(compare_metadata(context, joined(CommonBase.metadata, models.Base.metadata)))

    async with engine.connect() as connection:
        return await connection.run_sync(compare)


@pytest.mark.parametrize("service", BACKENDS)
async def test_the_migrated_schema_is_what_the_models_say(
    empty_database_url: str, service: str
) -> None:
    await migrate(empty_database_url, service)
    engine = make_engine(empty_database_url, service)
    try:
        assert await differences(engine, service) == []
    finally:
        await engine.dispose()


@pytest.mark.parametrize("service", BACKENDS)
async def test_a_schema_goes_back_to_nothing_and_up_again(
    empty_database_url: str, service: str
) -> None:
    await migrate(empty_database_url, service)
    up = await tables(empty_database_url, service)
    assert {"outbox", "inbox", "work", "idempotent_answers"} <= up
    # A second time changes nothing.
    await migrate(empty_database_url, service)
    assert await tables(empty_database_url, service) == up
    await downgrade(empty_database_url, service)
    assert await tables(empty_database_url, service) == {"alembic_version"}
    await migrate(empty_database_url, service)
    assert await tables(empty_database_url, service) == up


async def test_all_schemas_live_in_one_database_and_leave_public_alone(database_url: str) -> None:
    for service in BACKENDS:
        assert "alembic_version" in await tables(database_url, service)
    assert await tables(database_url, "public") == set()
