"""What was seen of the hits that scores were written from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# A score of the pipeline was written from what was heard last before it; scores of somebody's own
# events were not.
WRITTEN_FROM = """
UPDATE notations SET hits_key = (
    SELECT heard.hits_key FROM heard
    WHERE heard.video_id = notations.video_id AND heard.created_at <= notations.created_at
    ORDER BY heard.created_at DESC, heard.id LIMIT 1
)
WHERE video_id IS NOT NULL
AND notation_json -> 'performance' ->> 'model_version' IS DISTINCT FROM 'given'
"""


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "looks",
        sa.Column("video_id", sa.Uuid, primary_key=True),
        sa.Column("hits_key", sa.String, primary_key=True),
        sa.Column("look_id", sa.Uuid, nullable=False),
        sa.Column("analysis_id", sa.Uuid, nullable=False),
        sa.Column("sight_key", sa.String, nullable=False),
        sa.Column("usable", sa.Boolean, nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.add_column("notations", sa.Column("hits_key", sa.String))
    op.add_column("notations", sa.Column("look_id", sa.Uuid))
    op.add_column(
        "notation_versions",
        sa.Column("author", sa.String, nullable=False, server_default="user"),
    )
    op.execute(WRITTEN_FROM)


def downgrade() -> None:
    """Back."""
    op.drop_column("notation_versions", "author")
    op.drop_column("notations", "look_id")
    op.drop_column("notations", "hits_key")
    op.drop_table("looks")
