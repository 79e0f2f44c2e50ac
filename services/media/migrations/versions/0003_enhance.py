"""What the teacher is to say of an upload's score."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.add_column("uploads", sa.Column("enhance", sa.String))


def downgrade() -> None:
    """Back."""
    op.drop_column("uploads", "enhance")
