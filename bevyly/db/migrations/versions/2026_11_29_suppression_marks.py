"""Somebody who was erased and had objected to mails is still not written to: marks of addresses, which name nobody."""

from alembic import op

from bevyly.db.rls import APP_ROLE, PIPELINE_ROLE, protect

revision = "2026_11_29_suppression_marks"
down_revision = "2026_11_29_agent_costs"
branch_labels = None
depends_on = None

TABLE = """
create table suppression_marks (
    customer_id varchar(36) not null,
    mark varchar(64) not null,
    reason varchar(50) not null,
    created_at timestamp with time zone not null,
    constraint pk_suppression_marks primary key (customer_id, mark),
    constraint ck_suppression_marks_reason check (reason in ('unsubscribed','bounced','complained','manual'))
)
"""
GRANTS = (
    f"grant select, delete on suppression_marks to {APP_ROLE}",
    f"grant select, insert, update, delete on suppression_marks to {PIPELINE_ROLE}",
)


def upgrade() -> None:
    for statement in (TABLE, *protect("suppression_marks"), *GRANTS):
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop table suppression_marks")
