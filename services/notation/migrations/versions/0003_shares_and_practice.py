"""Links by which a score is shared; what was practised of it."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NOW = sa.func.now()
MOMENT = sa.DateTime(timezone=True)


def of_a_notation(*, primary_key: bool = False) -> sa.Column[UUID]:
    """Goes with it."""
    return sa.Column(
        "notation_id",
        sa.Uuid,
        sa.ForeignKey("notations.id", ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=False,
    )


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "share_links",
        sa.Column("id", sa.Uuid, primary_key=True),
        of_a_notation(),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("token_hash", sa.String, nullable=False, unique=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("with_video", sa.Boolean, nullable=False),
        sa.Column("views", sa.Integer, nullable=False, server_default="0"),
        sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT),
        sa.Column("last_seen_at", MOMENT),
    )
    op.create_index(
        "ix_share_links_notation_id_created_at_id",
        "share_links",
        ["notation_id", "created_at", "id"],
    )
    op.create_table(
        "practice_sessions",
        of_a_notation(primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("from_bar", sa.Integer, nullable=False),
        sa.Column("to_bar", sa.Integer, nullable=False),
        sa.Column("speed", sa.Float, nullable=False),
        sa.Column("loops", sa.Integer, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    )
    op.create_index(
        "ix_practice_sessions_notation_id_created_at_id",
        "practice_sessions",
        ["notation_id", "created_at", "id"],
    )


def downgrade() -> None:
    """Back."""
    op.drop_table("practice_sessions")
    op.drop_table("share_links")
