"""What each version was made from, for undo and redo; users' own kit tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NOW = sa.func.now()
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Forward."""
    op.add_column("notation_versions", sa.Column("before", sa.Integer))
    op.add_column("notation_versions", sa.Column("source", sa.Integer))
    op.add_column(
        "notation_versions", sa.Column("redo", JSONB, nullable=False, server_default="[]")
    )
    op.create_table(
        "user_kits",
        sa.Column("user_id", sa.Uuid, primary_key=True),
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("table", JSONB, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
        sa.Column("updated_at", MOMENT, nullable=False, server_default=NOW),
    )


def downgrade() -> None:
    """Back."""
    op.drop_table("user_kits")
    for column in ("redo", "source", "before"):
        op.drop_column("notation_versions", column)
