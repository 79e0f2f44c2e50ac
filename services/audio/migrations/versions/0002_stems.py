"""Stems and enhanced copies."""

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
    op.create_table(
        "stems",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("separation_id", sa.Uuid, nullable=False),
        sa.Column(
            "audio_file_id",
            sa.Uuid,
            sa.ForeignKey("sounds.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("video_id", sa.Uuid, nullable=False, index=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("method", sa.String, nullable=False),
        sa.Column("model_version", sa.String, nullable=False),
        sa.Column("audio_key", sa.String, nullable=False),
        sa.Column("sample_rate", sa.Integer, nullable=False),
        sa.Column("channels", sa.Integer, nullable=False),
        sa.Column("duration_s", sa.Float, nullable=False),
        sa.Column("peak", sa.Float, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
        sa.UniqueConstraint("separation_id", "name"),
    )
    op.create_index("ix_stems_audio_file_id_created_at", "stems", ["audio_file_id", "created_at"])
    op.create_table(
        "enhancements",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column(
            "audio_file_id",
            sa.Uuid,
            sa.ForeignKey("sounds.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("video_id", sa.Uuid, nullable=False, index=True),
        sa.Column("options", JSONB, nullable=False),
        sa.Column("audio_key", sa.String, nullable=False),
        sa.Column("sample_rate", sa.Integer, nullable=False),
        sa.Column("channels", sa.Integer, nullable=False),
        sa.Column("duration_s", sa.Float, nullable=False),
        sa.Column("loudness_before_lufs", sa.Float),
        sa.Column("loudness_after_lufs", sa.Float),
        sa.Column("true_peak_before_dbtp", sa.Float),
        sa.Column("true_peak_after_dbtp", sa.Float),
        sa.Column("noise_floor_dbfs", sa.Float),
        sa.Column("gain_db", sa.Float, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    )
    op.create_index(
        "ix_enhancements_audio_file_id_created_at",
        "enhancements",
        ["audio_file_id", "created_at"],
    )


def downgrade() -> None:
    """Back."""
    op.drop_table("enhancements")
    op.drop_table("stems")
