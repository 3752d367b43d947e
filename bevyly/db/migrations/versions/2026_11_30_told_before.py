"""What was told of a deal's date and amount, or of a company's size, before: streams look it up where it is stored, and
keep it themselves until it is.
"""

from alembic import op

from bevyly.db.rls import PIPELINE_ROLE, protect

revision = "2026_11_30_told_before"
down_revision = "2026_11_30_briefing_backlog"
branch_labels = None
depends_on = None

INDEX = """
create index ix_events_told_before on raw.events (customer_id, coalesce(data ->> 'entity_id', subject_id))
where type in ('opportunity.created', 'opportunity.updated', 'account.updated', 'enrichment.completed')
"""
TABLE = """
create table recent_changes (
    customer_id varchar(36) not null,
    event_id varchar(36) not null,
    record_id varchar(36) not null,
    type varchar(100) not null,
    sequence bigint not null,
    occurred_at timestamp with time zone not null,
    recorded_at timestamp with time zone not null,
    data jsonb not null,
    constraint pk_recent_changes primary key (customer_id, event_id),
    constraint fk_recent_changes_customer_id foreign key(customer_id) references customers (id)
)"""


def upgrade() -> None:
    for statement in (
        INDEX,
        TABLE,
        "comment on column recent_changes.record_id is 'the deal or the account'",
        "comment on column recent_changes.data is 'as the event has it: dates, amounts and sizes alone'",
        "create index ix_recent_changes_record on recent_changes (customer_id, record_id)",
        *protect("recent_changes"),
        f"grant select, insert, update, delete on recent_changes to {PIPELINE_ROLE}",
    ):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("recent_changes")
    op.execute("drop index raw.ix_events_told_before")
