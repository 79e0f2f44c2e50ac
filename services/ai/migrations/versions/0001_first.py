"""Known scores, what was said of them, variations, budgets."""

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
        "known_scores",
        sa.Column("notation_id", sa.Uuid, primary_key=True),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("video_id", sa.Uuid),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("part_key", sa.String, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
        sa.Column("removed_at", MOMENT),
    )
    op.create_index("ix_known_scores_user_id", "known_scores", ["user_id"])
    op.create_index("ix_known_scores_video_id", "known_scores", ["video_id"])
    op.create_table(
        "openai_enrichments",
        sa.Column("id", sa.Uuid, primary_key=True, server_default=sa.func.gen_random_uuid()),
        sa.Column("notation_id", sa.Uuid, nullable=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("enhancement_type", sa.String, nullable=False),
        sa.Column("prompt_hash", sa.String, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("note", sa.String),
        sa.Column("input_json", JSONB, nullable=False),
        sa.Column("output_json", JSONB, nullable=False),
        sa.Column("prompt_tokens", sa.Integer, nullable=False, server_default="0"),
        sa.Column("completion_tokens", sa.Integer, nullable=False, server_default="0"),
        sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    )
    op.create_index("ix_openai_enrichments_user_id", "openai_enrichments", ["user_id"])
    op.create_index(
        "ix_openai_enrichments_notation_id_created_at",
        "openai_enrichments",
        ["notation_id", "created_at"],
    )
    op.create_index("ix_openai_enrichments_prompt_hash", "openai_enrichments", ["prompt_hash"])
    op.create_index(
        "uq_openai_enrichments_notation_id_prompt_hash",
        "openai_enrichments",
        ["notation_id", "prompt_hash"],
        unique=True,
    )
    op.create_table(
        "questions",
        sa.Column("prompt_hash", sa.String, primary_key=True),
        sa.Column("asker", sa.Uuid, nullable=False),
        sa.Column("lease_until", MOMENT, nullable=False),
    )
    op.create_table(
        "spendings",
        sa.Column("user_id", sa.Uuid, primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("tokens", sa.BigInteger, nullable=False),
        sa.Column("questions", sa.Integer, nullable=False),
    )
    op.create_table(
        "wanted",
        sa.Column("job_id", sa.Uuid, primary_key=True),
        sa.Column("video_id", sa.Uuid, nullable=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("enhancement_type", sa.String, nullable=False),
    )
    op.create_index("ix_wanted_video_id", "wanted", ["video_id"])
    op.create_table(
        "variations",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("of_notation_id", sa.Uuid, nullable=False),
        sa.Column("of_version", sa.Integer, nullable=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("change", sa.String, nullable=False),
        sa.Column("why", sa.String, nullable=False),
        sa.Column("steps", JSONB, nullable=False),
        sa.Column("direction", sa.String, nullable=False),
        sa.Column("difficulty_before", sa.Float, nullable=False),
        sa.Column("difficulty_after", sa.Float, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("written_at", MOMENT),
        sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    )
    op.create_index("ix_variations_user_id", "variations", ["user_id"])
    op.create_index(
        "ix_variations_of_notation_id_created_at_id",
        "variations",
        ["of_notation_id", "created_at", "id"],
    )
    op.create_table(
        "comparisons",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("notation_id", sa.Uuid, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("take_id", sa.Uuid, nullable=False),
        sa.Column("take_title", sa.String, nullable=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("from_bar", sa.Integer),
        sa.Column("to_bar", sa.Integer),
        sa.Column("result", JSONB, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    )
    op.create_index("ix_comparisons_user_id", "comparisons", ["user_id"])
    op.create_index("ix_comparisons_take_id", "comparisons", ["take_id"])
    op.create_index(
        "ix_comparisons_notation_id_created_at_id",
        "comparisons",
        ["notation_id", "created_at", "id"],
    )


def downgrade() -> None:
    """Back."""
    for table in (
        "comparisons",
        "variations",
        "wanted",
        "spendings",
        "questions",
        "openai_enrichments",
        "known_scores",
    ):
        op.drop_table(table)
    drop_common_tables()
