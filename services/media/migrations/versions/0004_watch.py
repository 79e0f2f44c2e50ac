"""Whether the hands of an upload are watched."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.add_column("uploads", sa.Column("watch", sa.Boolean))


def downgrade() -> None:
    """Back."""
    op.drop_column("uploads", "watch")
