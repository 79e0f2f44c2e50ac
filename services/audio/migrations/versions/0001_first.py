"""Sources, sounds, analyses, drum events."""

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
        sa.Column("filename", sa.String, nullable=False),
        sa.Column("deleted_at", MOMENT),
    )
    op.create_table(
        "sounds",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("video_id", sa.Uuid, nullable=False, index=True),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("audio_key", sa.String, nullable=False),
        sa.Column("options", JSONB, nullable=False),
        sa.Column("sample_rate", sa.Integer, nullable=False),
        sa.Column("channels", sa.Integer, nullable=False),
        sa.Column("duration_s", sa.Float, nullable=False),
        sa.Column("peak", sa.Float, nullable=False),
        sa.Column("decode_errors", sa.Integer, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    )
    op.create_table(
        "audio_analyses",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column(
            "audio_file_id",
            sa.Uuid,
            sa.ForeignKey("sounds.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("video_id", sa.Uuid, nullable=False, index=True),
        sa.Column("options", JSONB, nullable=False),
        sa.Column("model_version", sa.String, nullable=False),
        sa.Column("hits_key", sa.String, nullable=False),
        sa.Column("hit_count", sa.Integer, nullable=False),
        sa.Column("beat_count", sa.Integer, nullable=False),
        sa.Column("tempo_bpm", sa.Float),
        sa.Column("tempo_confidence", sa.Float, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    )
    op.create_index(
        "ix_audio_analyses_audio_file_id_created_at",
        "audio_analyses",
        ["audio_file_id", "created_at"],
    )
    op.create_table(
        "drum_events",
        sa.Column("id", sa.Uuid, primary_key=True, server_default=sa.func.gen_random_uuid()),
        sa.Column(
            "analysis_id",
            sa.Uuid,
            sa.ForeignKey("audio_analyses.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("audio_file_id", sa.Uuid, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("time_seconds", sa.Float, nullable=False),
        sa.Column("instrument", sa.String, nullable=False),
        sa.Column("velocity", sa.Float),
        sa.Column("confidence", sa.Float),
        sa.Column("model_version", sa.String),
        sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    )
    op.create_index(
        "ix_drum_events_analysis_id_time_seconds", "drum_events", ["analysis_id", "time_seconds"]
    )


def downgrade() -> None:
    """Back."""
    for table in ("drum_events", "audio_analyses", "sounds", "sources"):
        op.drop_table(table)
    drop_common_tables()
