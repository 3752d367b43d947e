"""What is put off while somebody else is at work on a tenant's briefings, and which briefings are no longer kept."""

from alembic import op

from bevyly.db.rls import APP_ROLE, PIPELINE_ROLE, protect

revision = "2026_11_30_briefing_backlog"
down_revision = "2026_11_30_words"
branch_labels = None
depends_on = None

TABLE = """
create table briefing_backlog (
    id bigint generated always as identity,
    customer_id varchar(36) not null,
    touched jsonb default '{}' not null,
    due_at timestamp with time zone not null,
    constraint pk_briefing_backlog primary key (id),
    constraint fk_briefing_backlog_customer_id foreign key(customer_id) references customers (id)
)"""
# What is thinned out leaves a gap before the last version of its day; nothing else does.
THINNED = """
create function api_briefing_thinned(tenant text, reader text, moment timestamptz, out thinned boolean)
language plpgsql stable as $function$
declare
  known int;
  since timestamptz;
begin
  select b.version, b.as_of into known, since from briefings b
  where b.customer_id = $1 and b.user_id = $2 and b.as_of <= $3 order by b.as_of desc, b.version desc limit 1;
  select n.version > coalesce(known, 0) + 1 and since is distinct from $3 and (n.as_of at time zone 'UTC')::date = ($3 at time zone 'UTC')::date
  into thinned from briefings n
  where n.customer_id = $1 and n.user_id = $2 and n.as_of > $3 order by n.as_of, n.version limit 1;
  thinned := coalesce(thinned, false);
end $function$"""
SIGNATURE = "api_briefing_thinned(text, text, timestamptz)"


INDEX = """
create index ix_signals_good_entity on signals (customer_id, entity_id) where closed_at is null and polarity = '+'
"""


def upgrade() -> None:
    for statement in (
        TABLE,
        "comment on column briefing_backlog.touched is 'entities, counters and users, by what is to be looked at'",
        "create index ix_briefing_backlog_customer_id_id on briefing_backlog (customer_id, id)",
        *protect("briefing_backlog"),
        f"grant select, insert, update, delete on briefing_backlog to {PIPELINE_ROLE}",
        INDEX,
        THINNED,
        f"revoke all on function {SIGNATURE} from public",
        f"grant execute on function {SIGNATURE} to {APP_ROLE}, {PIPELINE_ROLE}",
    ):
        op.execute(statement)


def downgrade() -> None:
    op.execute(f"drop function {SIGNATURE}")
    op.execute("drop index ix_signals_good_entity")
    op.drop_table("briefing_backlog")
