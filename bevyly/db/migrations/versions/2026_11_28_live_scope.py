"""The live stream tells of signals and recommendations only to those who may see the record that they are about."""

from alembic import op

from bevyly.db.rls import narrow_where

revision = "2026_11_28_live_scope"
down_revision = "2026_11_28_imports"
branch_labels = None
depends_on = None

# what is about no record is for one user, or for whoever may read its topic
OF_AN_ENTITY = (
    "topic not in ('signals', 'recommendations') or sees_record(customer_id, "
    "envelope::json #>> '{data,entity_type}', envelope::json #>> '{data,entity_id}')"
)


def upgrade() -> None:
    for statement in narrow_where("live_events", OF_AN_ENTITY):
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop policy narrowed on live_events")
