"""What a ranking left out is kept beside whether its briefings were published; indexes of a briefing that is read alone."""

from alembic import op

from bevyly.db.rls import PIPELINE_ROLE, protect

revision = "2026_11_29_live_briefing"
down_revision = "2026_11_29_detectors"
branch_labels = None
depends_on = None

TABLE = """
create table rankings (
    customer_id varchar(36) not null,
    as_of timestamp with time zone not null,
    left_out jsonb default '[]' not null,
    published_at timestamp with time zone,
    constraint pk_rankings primary key (customer_id),
    constraint fk_rankings_customer_id foreign key(customer_id) references customers (id)
)"""
COMMENTS = [
    "comment on column rankings.left_out is 'owner_id, reason and count of what was called for and not recommended'",
    "comment on column rankings.published_at is 'null: its recommendations have not passed their checks'",
]
INDEXES = {
    "ix_opportunities_holdings": "opportunities (customer_id, owner_id, currency) include (value)"
    " where status = 'open' and deleted_at is null",
    "ix_leads_holdings": "leads (customer_id, owner_id)"
    " where status in ('new', 'working', 'qualified') and deleted_at is null",
    "ix_leads_account": "leads (customer_id, account_id) where account_id is not null",
    "ix_recommendations_best": "recommendations (customer_id, action_type, rank, dedupe_key, owner_id)"
    " where status = 'pending'",
    "ix_recommendations_own_best": "recommendations (customer_id, owner_id, action_type, rank, dedupe_key)"
    " where status = 'pending'",
    "ix_recommendations_in_hand": "recommendations (customer_id, owner_id) where status in ('accepted', 'snoozed')",
    "ix_signals_open": "signals (customer_id, entity_id) where closed_at is null",
    "ix_signals_good": "signals (customer_id, (signal_type <> 'high_intent_action'), (strength::float8) desc, dedupe_key)"
    " where closed_at is null and polarity = '+'",
}


def upgrade() -> None:
    for statement in (TABLE, *COMMENTS, *protect("rankings")):
        op.execute(statement)
    op.execute(f"grant select, insert, update, delete on rankings to {PIPELINE_ROLE}")
    for name, definition in INDEXES.items():
        op.execute(f"create index {name} on {definition}")


def downgrade() -> None:
    for name in INDEXES:
        op.execute(f"drop index {name}")
    op.execute("drop table rankings")
