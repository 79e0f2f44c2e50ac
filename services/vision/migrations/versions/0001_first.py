"""Sources, hearings, analyses, strokes, regions."""

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
        "sources",
        sa.Column("video_id", sa.Uuid, primary_key=True),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("storage_key", sa.String, nullable=False),
        sa.Column("deleted_at", MOMENT),
    )
    op.create_table(
        "hearings",
        sa.Column("video_id", sa.Uuid, primary_key=True),
        sa.Column("audio_id", sa.Uuid, nullable=False),
        sa.Column("hits_key", sa.String, nullable=False),
        sa.Column("told_at", MOMENT, nullable=False),
    )
    op.create_table(
        "video_analyses",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("video_id", sa.Uuid, nullable=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("hits_key", sa.String, nullable=False),
        sa.Column("options", JSONB, nullable=False),
        sa.Column("usable", sa.Boolean, nullable=False),
        sa.Column("reason", sa.String),
        sa.Column("words", sa.String, nullable=False),
        sa.Column("offset_seconds", sa.Float),
        sa.Column("offset_significance", sa.Float),
        sa.Column("offset_source", sa.String),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("fps", sa.Float, nullable=False),
        sa.Column("duration_seconds", sa.Float, nullable=False),
        sa.Column("frames", sa.Integer, nullable=False),
        sa.Column("decode_errors", sa.Integer, nullable=False),
        sa.Column("mirrored", sa.Boolean),
        sa.Column("handed", sa.String),
        sa.Column("layout", sa.String),
        sa.Column("missing", JSONB, nullable=False),
        sa.Column("model_version", sa.String, nullable=False),
        sa.Column("shots", JSONB, nullable=False),
        sa.Column("opinions", JSONB, nullable=False),
        sa.Column("stroke_count", sa.Integer, nullable=False),
        sa.Column("marked_count", sa.Integer, nullable=False),
        sa.Column("sight_key", sa.String, nullable=False),
        sa.Column("watched_key", sa.String, nullable=False),
        sa.Column("clip_key", sa.String),
        sa.Column("still_keys", JSONB, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
        sa.Column("asked_at", MOMENT, nullable=False, server_default=NOW),
    )
    op.create_index(
        "ix_video_analyses_video_id_asked_at", "video_analyses", ["video_id", "asked_at"]
    )
    op.create_table(
        "strokes",
        sa.Column(
            "analysis_id",
            sa.Uuid,
            sa.ForeignKey("video_analyses.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("time_seconds", sa.Float, nullable=False),
        sa.Column("picture_seconds", sa.Float),
        sa.Column("instrument", sa.String, nullable=False),
        sa.Column("hand", sa.String),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("shot", sa.Integer),
        sa.Column("x", sa.Float),
        sa.Column("y", sa.Float),
    )
    op.create_table(
        "regions",
        sa.Column(
            "analysis_id",
            sa.Uuid,
            sa.ForeignKey("video_analyses.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("shot", sa.Integer, nullable=False),
        sa.Column("instrument", sa.String),
        sa.Column("x", sa.Float, nullable=False),
        sa.Column("y", sa.Float, nullable=False),
        sa.Column("rx", sa.Float, nullable=False),
        sa.Column("ry", sa.Float, nullable=False),
        sa.Column("angle_deg", sa.Float, nullable=False),
        sa.Column("strokes", sa.Integer, nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
    )


def downgrade() -> None:
    """Back."""
    for table in ("regions", "strokes", "video_analyses", "hearings", "sources"):
        op.drop_table(table)
    drop_common_tables()
