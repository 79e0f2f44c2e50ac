"""Users, roles, refresh tokens, signing keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from libs.common.migrate import create_common_tables, drop_common_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NOW = sa.func.now()
MOMENT = sa.DateTime(timezone=True)
NEW_ID = sa.func.gen_random_uuid()


def upgrade() -> None:
    """Forward."""
    create_common_tables()
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid, primary_key=True, server_default=NEW_ID),
        sa.Column("email", sa.String, nullable=False),
        sa.Column("password_hash", sa.String, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
        sa.Column("updated_at", MOMENT, nullable=False, server_default=NOW),
        sa.Column("deleted_at", MOMENT),
    )
    op.create_index(
        "uq_users_email_live",
        "users",
        ["email"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index("ix_users_created_at_id", "users", ["created_at", "id"])
    roles = op.create_table(
        "roles",
        sa.Column("id", sa.Uuid, primary_key=True, server_default=NEW_ID),
        sa.Column("name", sa.String, nullable=False, unique=True),
        sa.Column("description", sa.String),
        sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    )
    op.bulk_insert(
        roles,
        [
            {"name": "user", "description": "Uploads videos and keeps scores."},
            {"name": "premium", "description": "A user with larger limits."},
            {"name": "admin", "description": "Manages users and sees the system's state."},
        ],
    )
    op.create_table(
        "user_roles",
        sa.Column(
            "user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column(
            "role_id", sa.Uuid, sa.ForeignKey("roles.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("assigned_at", MOMENT, nullable=False, server_default=NOW),
    )
    op.create_table(
        "refresh_tokens",
        sa.Column("id", sa.Uuid, primary_key=True, server_default=NEW_ID),
        sa.Column("family_id", sa.Uuid, nullable=False, index=True),
        sa.Column(
            "user_id",
            sa.Uuid,
            sa.ForeignKey("users.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column("token_hash", sa.String, nullable=False, unique=True),
        sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
        sa.Column("expires_at", MOMENT, nullable=False, index=True),
        sa.Column("used_at", MOMENT),
        sa.Column("revoked_at", MOMENT),
    )
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.String, primary_key=True),
        sa.Column("algorithm", sa.String, nullable=False),
        sa.Column("public_jwk", JSONB, nullable=False),
        sa.Column("private_encrypted", sa.String, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
        sa.Column("retired_at", MOMENT),
    )
    op.create_table(
        "failed_logins",
        sa.Column("id", sa.Uuid, primary_key=True, server_default=NEW_ID),
        sa.Column("email", sa.String, nullable=False),
        sa.Column("address", sa.String, nullable=False),
        sa.Column("at", MOMENT, nullable=False, server_default=NOW),
    )
    op.create_index("ix_failed_logins_email_at", "failed_logins", ["email", "at"])


def downgrade() -> None:
    """Back."""
    for table in (
        "failed_logins",
        "signing_keys",
        "refresh_tokens",
        "user_roles",
        "roles",
        "users",
    ):
        op.drop_table(table)
    drop_common_tables()
