"""Raw events take rows by COPY: the pipeline owns the table, and its policy of `true` no longer stands in the way.

COPY refuses a table whose row-level security applies to the role. The app's policy stays as it was.
"""

from alembic import op

from bevyly.db.rls import PIPELINE_ROLE

revision = "2026_11_25_raw_copy"
down_revision = "2026_11_25_webhooks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table raw.events no force row level security")
    op.execute(f"alter table raw.events owner to {PIPELINE_ROLE}")


def downgrade() -> None:
    op.execute("alter table raw.events owner to current_user")
    op.execute(f"grant select, insert, update, delete on raw.events to {PIPELINE_ROLE}")
    op.execute("alter table raw.events force row level security")
