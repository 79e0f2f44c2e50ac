"""Known videos, heard performances, notations and their versions."""

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


def upgrade() -> None:
    """Forward."""
    create_common_tables()
    op.create_table(
        "known_videos",
        sa.Column("video_id", sa.Uuid, primary_key=True),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("deleted_at", MOMENT),
    )
    op.create_table(
        "heard",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("video_id", sa.Uuid, nullable=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("audio_id", sa.Uuid, nullable=False),
        sa.Column("hits_key", sa.String, nullable=False),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    )
    op.create_index("ix_heard_video_id_created_at", "heard", ["video_id", "created_at"])
    op.create_table(
        "notations",
        sa.Column("id", sa.Uuid, primary_key=True, server_default=sa.func.gen_random_uuid()),
        sa.Column("video_id", sa.Uuid),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("tempo", sa.Integer),
        sa.Column("time_signature", sa.String),
        sa.Column("bar_count", sa.Integer, nullable=False),
        sa.Column("note_count", sa.Integer, nullable=False),
        sa.Column("options", JSONB, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("notation_json", JSONB, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
        sa.Column("updated_at", MOMENT, nullable=False, server_default=NOW),
    )
    op.create_index(
        "ix_notations_user_id_created_at_id", "notations", ["user_id", "created_at", "id"]
    )
    op.create_index("ix_notations_video_id", "notations", ["video_id"])
    op.create_table(
        "notation_versions",
        sa.Column(
            "notation_id",
            sa.Uuid,
            sa.ForeignKey("notations.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("notation_json", JSONB, nullable=False),
        sa.Column("changed_by", sa.Uuid, nullable=False),
        sa.Column("change", sa.String, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    )


def downgrade() -> None:
    """Back."""
    for table in ("notation_versions", "notations", "heard", "known_videos"):
        op.drop_table(table)
    drop_common_tables()
