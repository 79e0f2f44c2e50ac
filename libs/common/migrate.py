"""Alembic, once per service schema. `backbeat migrate` and the embedded start call `migrate`;
`python -m libs.common.migrate auth` upgrades one schema, at AUTH_DATABASE_URL.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import command, context
from alembic import op as alembic_op
from alembic.config import Config
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import create_async_engine

from libs.common.database import NAMING, async_url

ROOT = Path(__file__).resolve().parents[2]
BACKENDS = ("auth", "media", "audio", "notation", "ai", "vision")
"""Services with a schema of their own."""


def config_for(service: str) -> Config:
    """Alembic's settings for one service."""
    config = Config()
    config.set_main_option("script_location", str(ROOT / "services" / service / "migrations"))
    config.attributes["service"] = service
    return config


async def migrate(url: str, service: str, revision: str = "head") -> None:
    """Bring the schema of `service` up to `revision`, creating it first where it is missing.
    Two at once take turns."""
    await _with_alembic(url, service, lambda config: command.upgrade(config, revision))


async def downgrade(url: str, service: str, revision: str = "base") -> None:
    """Take the schema of `service` back to `revision`. What the left tables held is lost."""
    await _with_alembic(url, service, lambda config: command.downgrade(config, revision))


async def _with_alembic(url: str, service: str, do: Callable[[Config], None]) -> None:
    engine = create_async_engine(async_url(url))
    try:
        async with engine.begin() as connection:
            await connection.execute(
                text("SELECT pg_advisory_xact_lock(hashtext('backbeat:migrate'))")
            )
            # Looked for first: IF NOT EXISTS asks for the right to create schemas even where
            # there is nothing to create, and a service's own role need not have it.
            there = await connection.scalar(
                text("SELECT 1 FROM pg_namespace WHERE nspname = :name"), {"name": service}
            )
            if not there:
                await connection.execute(text(f'CREATE SCHEMA "{service}"'))
            await connection.execute(text(f'SET LOCAL search_path TO "{service}"'))

            def run(sync: Connection) -> None:
                config = config_for(service)
                config.attributes["connection"] = sync
                do(config)

            await connection.run_sync(run)
    finally:
        await engine.dispose()


def joined(*metadata: MetaData) -> MetaData:
    """All tables in one, under the naming convention. Given several, Alembic forgets it, and
    constraints get PostgreSQL's names and not those of the models."""
    together = MetaData(naming_convention=NAMING)
    for part in metadata:
        for table in part.sorted_tables:
            table.to_metadata(together)
    return together


def run_env(*metadata: MetaData) -> None:
    """The body of every service's `migrations/env.py`."""
    service = context.config.attributes["service"]
    connection: Connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=joined(*metadata),
        version_table_schema=service,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def create_common_tables() -> None:
    """Outbox, inbox, work and kept answers, as of the first migration of every service. Later
    changes are migrations of their own."""
    now = sa.func.now()
    moment = sa.DateTime(timezone=True)
    alembic_op.create_table(
        "outbox",
        sa.Column("position", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("id", sa.Uuid, nullable=False, unique=True),
        sa.Column("type", sa.String, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("time", moment, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("headers", JSONB, nullable=False),
        sa.Column("created_at", moment, nullable=False, server_default=now),
        sa.Column("published_at", moment),
    )
    alembic_op.create_index(
        "ix_outbox_waiting",
        "outbox",
        ["position"],
        postgresql_where=sa.text("published_at IS NULL"),
    )
    alembic_op.create_table(
        "inbox",
        sa.Column("event_id", sa.Uuid, primary_key=True),
        sa.Column("consumer", sa.String, primary_key=True),
        sa.Column("handled_at", moment, nullable=False, server_default=now),
    )
    alembic_op.create_index("ix_inbox_handled_at", "inbox", ["handled_at"])
    alembic_op.create_table(
        "idempotent_answers",
        sa.Column("user_id", sa.Uuid, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("fingerprint", sa.String, nullable=False),
        sa.Column("answer", JSONB, nullable=False),
        sa.Column("created_at", moment, nullable=False, server_default=now),
    )
    alembic_op.create_index(
        "ix_idempotent_answers_created_at", "idempotent_answers", ["created_at"]
    )
    alembic_op.create_table(
        "work",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("video_id", sa.Uuid, nullable=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("params", JSONB, nullable=False),
        sa.Column("dedupe_key", sa.String, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False, server_default="1"),
        sa.Column("state", sa.String, nullable=False, server_default="queued"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("not_before", moment, nullable=False, server_default=now),
        sa.Column("lease_until", moment),
        sa.Column("worker", sa.Uuid),
        sa.Column("created_at", moment, nullable=False, server_default=now),
        sa.Column("started_at", moment),
        sa.Column("finished_at", moment),
    )
    alembic_op.create_index("ix_work_video_id", "work", ["video_id"])
    alembic_op.create_index("ix_work_turns", "work", ["user_id", "started_at"])
    alembic_op.create_index(
        "ix_work_claimable", "work", ["created_at"], postgresql_where=sa.text("state = 'queued'")
    )
    alembic_op.create_index(
        "ix_work_leases", "work", ["lease_until"], postgresql_where=sa.text("state = 'running'")
    )
    alembic_op.create_index(
        "uq_work_dedupe_key",
        "work",
        ["dedupe_key"],
        unique=True,
        postgresql_where=sa.text("state IN ('queued', 'running', 'done')"),
    )


def drop_common_tables() -> None:
    """The reverse."""
    for table in ("work", "idempotent_answers", "inbox", "outbox"):
        alembic_op.drop_table(table)


def main(arguments: Sequence[str]) -> int:
    """One service's schema, as its container does before the service starts."""
    if len(arguments) != 1 or arguments[0] not in BACKENDS:
        sys.stderr.write(f"usage: python -m libs.common.migrate {{{','.join(BACKENDS)}}}\n")
        return 2
    (service,) = arguments
    name = f"{service.upper()}_DATABASE_URL"
    url = os.environ.get(name)
    if not url:
        sys.stderr.write(f"{name} is missing (postgresql://user:pass@host/database).\n")
        return 2
    asyncio.run(migrate(url, service))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
