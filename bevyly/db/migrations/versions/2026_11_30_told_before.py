"""Streams look up what was told of a deal's date and amount, or of a company's size, before."""

from alembic import op

revision = "2026_11_30_told_before"
down_revision = "2026_11_30_briefing_backlog"
branch_labels = None
depends_on = None

INDEX = """
create index ix_events_told_before on raw.events (customer_id, coalesce(data ->> 'entity_id', subject_id))
where type in ('opportunity.created', 'opportunity.updated', 'account.updated', 'enrichment.completed')
"""


def upgrade() -> None:
    op.execute(INDEX)


def downgrade() -> None:
    op.execute("drop index raw.ix_events_told_before")
