"""Whether a score is due is said by the index of current ones alone, without reading scores."""

from alembic import op

revision = "2026_11_30_due_scores"
down_revision = "2026_11_29_live_briefing"
branch_labels = None
depends_on = None

KEY = "scores (customer_id, entity_type, entity_id, score_type)"


def _made_again(definition: str) -> None:
    op.execute("drop index uq_scores_current")
    op.execute(f"create unique index uq_scores_current on {definition} where is_current")


def upgrade() -> None:
    _made_again(f"{KEY} include (feature_hash, model_version_id)")


def downgrade() -> None:
    _made_again(KEY)
