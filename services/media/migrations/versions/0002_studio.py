"""What the studio needs: resumable uploads, play tickets, shared videos, codecs."""

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
NEW_ID = sa.func.gen_random_uuid()


def upgrade() -> None:
    """Forward."""
    op.add_column("videos", sa.Column("video_codec", sa.String))
    op.add_column("videos", sa.Column("audio_codec", sa.String))
    op.create_table(
        "uploads",
        sa.Column("id", sa.Uuid, primary_key=True, server_default=NEW_ID),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("filename", sa.String, nullable=False),
        sa.Column("filetype", sa.String, nullable=False),
        sa.Column("process", sa.Boolean, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("received_bytes", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("state", sa.String, nullable=False, server_default="receiving"),
        sa.Column("writer", sa.Uuid),
        sa.Column("lease", sa.Uuid),
        sa.Column("lease_until", MOMENT),
        sa.Column("video_id", sa.Uuid),
        sa.Column("problem", JSONB),
        sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
        sa.Column("expires_at", MOMENT, nullable=False, index=True),
    )
    op.create_index("ix_uploads_user_id_created_at_id", "uploads", ["user_id", "created_at", "id"])
    op.create_table(
        "upload_pieces",
        sa.Column(
            "upload_id",
            sa.Uuid,
            sa.ForeignKey("uploads.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("start_byte", sa.BigInteger, primary_key=True),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("storage_path", sa.String, nullable=False),
    )
    op.create_table(
        "play_tickets",
        sa.Column("token_hash", sa.String, primary_key=True),
        sa.Column(
            "video_id",
            sa.Uuid,
            sa.ForeignKey("videos.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
        sa.Column("expires_at", MOMENT, nullable=False, index=True),
    )
    op.create_table(
        "shared_videos",
        sa.Column("share_id", sa.Uuid, primary_key=True),
        sa.Column("token_hash", sa.String, unique=True),
        sa.Column("video_id", sa.Uuid, nullable=False),
        sa.Column("notation_id", sa.Uuid, nullable=False, index=True),
        sa.Column("expires_at", MOMENT),
        sa.Column("with_video", sa.Boolean, nullable=False, server_default="false"),
        sa.Column("revoked_at", MOMENT),
    )
    op.create_table(
        "deleted_notations",
        sa.Column("notation_id", sa.Uuid, primary_key=True),
        sa.Column("deleted_at", MOMENT, nullable=False, server_default=NOW),
    )


def downgrade() -> None:
    """Back."""
    for table in (
        "deleted_notations",
        "shared_videos",
        "play_tickets",
        "upload_pieces",
        "uploads",
    ):
        op.drop_table(table)
    op.drop_column("videos", "audio_codec")
    op.drop_column("videos", "video_codec")
