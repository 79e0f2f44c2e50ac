"""Where the parts of scores lie; scores from before this tell of themselves once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# As ScoreKept travels, see libs/common/events/notation.py: the scores that are there already have
# their parts published like new ones.
TELL = """
INSERT INTO outbox (id, type, source, subject, time, body, headers)
SELECT
    told.id, 'notation.score-kept.v1', '/backbeat/notation', told.notation_id::text, now(),
    convert_to(
        json_build_object(
            'event_id', told.id, 'occurred_at', now(), 'notation_id', told.notation_id,
            'user_id', told.user_id, 'version', told.version
        )::text,
        'UTF8'
    ),
    '{}'
FROM (
    SELECT gen_random_uuid() AS id, notations.id AS notation_id, user_id, version FROM notations
) AS told
"""


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "published_parts",
        sa.Column("notation_id", sa.Uuid, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("part_key", sa.String, nullable=False),
    )
    op.execute(TELL)


def downgrade() -> None:
    """Back."""
    op.drop_table("published_parts")
