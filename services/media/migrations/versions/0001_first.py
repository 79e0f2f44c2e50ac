"""Videos, audio files, processing jobs."""

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
        "videos",
        sa.Column("id", sa.Uuid, primary_key=True, server_default=NEW_ID),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("filename", sa.String, nullable=False),
        sa.Column("storage_path", sa.String, nullable=False),
        sa.Column("content_type", sa.String, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String, nullable=False),
        sa.Column("duration_seconds", sa.Float),
        sa.Column("container", sa.String),
        sa.Column("has_video", sa.Boolean, nullable=False),
        sa.Column("has_audio", sa.Boolean, nullable=False),
        sa.Column("width", sa.Integer),
        sa.Column("height", sa.Integer),
        sa.Column("frame_rate", sa.Float),
        sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
        sa.Column("deleted_at", MOMENT),
    )
    op.create_index("ix_videos_user_id_created_at_id", "videos", ["user_id", "created_at", "id"])
    op.create_table(
        "audio_files",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column(
            "video_id",
            sa.Uuid,
            sa.ForeignKey("videos.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("sample_rate", sa.Integer, nullable=False),
        sa.Column("channels", sa.Integer, nullable=False),
        sa.Column("duration_seconds", sa.Float),
        sa.Column("storage_path", sa.String, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    )
    op.create_index(
        "ix_audio_files_user_id_created_at_id", "audio_files", ["user_id", "created_at", "id"]
    )
    op.execute(sa.schema.CreateSequence(sa.Sequence("job_revisions")))
    op.create_table(
        "processing_jobs",
        sa.Column("id", sa.Uuid, primary_key=True, server_default=NEW_ID),
        sa.Column(
            "video_id", sa.Uuid, sa.ForeignKey("videos.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("run_id", sa.Uuid, nullable=False, index=True),
        sa.Column("position", sa.Integer, nullable=False, server_default="0"),
        sa.Column("job_type", sa.String, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False, server_default="1"),
        sa.Column("options", JSONB, nullable=False),
        sa.Column(
            "status",
            sa.Enum("pending", "running", "completed", "failed", "cancelled", name="job_status"),
            nullable=False,
            server_default="pending",
        ),
        sa.Column("progress", sa.Float, nullable=False, server_default="0"),
        sa.Column("message", sa.String),
        sa.Column("error_code", sa.String),
        sa.Column("error_message", sa.String),
        sa.Column("retryable", sa.Boolean, nullable=False, server_default="false"),
        sa.Column("result", JSONB, nullable=False),
        sa.Column(
            "revision",
            sa.BigInteger,
            nullable=False,
            server_default=sa.text("nextval('job_revisions')"),
        ),
        sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
        sa.Column("started_at", MOMENT),
        sa.Column("finished_at", MOMENT),
        sa.Column("updated_at", MOMENT, nullable=False, server_default=NOW),
    )
    op.create_index(
        "ix_processing_jobs_user_id_created_at_id",
        "processing_jobs",
        ["user_id", "created_at", "id"],
    )
    op.create_index(
        "ix_processing_jobs_video_id_revision", "processing_jobs", ["video_id", "revision"]
    )


def downgrade() -> None:
    """Back."""
    for table in ("processing_jobs", "audio_files", "videos"):
        op.drop_table(table)
    op.execute("DROP SEQUENCE job_revisions")
    op.execute("DROP TYPE job_status")
    drop_common_tables()
