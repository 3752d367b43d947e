"""What people are told as it happens, for a day: written by the relay, read by the streams of the API."""

from alembic import op

from bevyly.db.rls import APP_ROLE, PIPELINE_ROLE, protect

revision = "2026_11_28_live_events"
down_revision = "2026_11_28_list_queries"
branch_labels = None
depends_on = None

TABLE = [
    """
create table live_events (
    customer_id varchar(36) not null,
    seq bigint generated always as identity,
    event_id varchar(36) not null,
    topic varchar(50) not null,
    type varchar(100) not null,
    user_id varchar(36),
    envelope text not null,
    created_at timestamp with time zone default now() not null,
    constraint pk_live_events primary key (customer_id, seq),
    constraint uq_live_events_customer_id_event_id unique (customer_id, event_id)
)
    """,
    "create index ix_live_events_created_at on live_events (created_at)",
    "comment on column live_events.user_id is 'the one person who may know of it; null: whoever may read the topic'",
]
GRANTS = [
    f"grant select on live_events to {APP_ROLE}",
    f"grant select, insert, delete on live_events to {PIPELINE_ROLE}",
]
# `as_of` is when the statement began, so before its snapshot: what is missing here became visible after it.
FUNCTIONS = {
    "api_live_events(text, bigint, int)": """
create function api_live_events(
  tenant text, after bigint, row_limit int,
  out seqs bigint[], out topics text[], out types text[], out users text[], out envelopes text[], out times bigint[],
  out as_of bigint
) language plpgsql stable as $$
begin
  as_of := floor(extract(epoch from statement_timestamp()));
  select array_agg(e.seq), array_agg(e.topic), array_agg(e.type), array_agg(e.user_id), array_agg(e.envelope),
         array_agg(floor(extract(epoch from e.created_at))::bigint)
  into seqs, topics, types, users, envelopes, times
  from (
    select * from live_events l where l.customer_id = $1 and l.seq > $2 order by l.seq limit $3
  ) e;
end $$""",
    "api_live_position(text)": """
create function api_live_position(tenant text, out newest bigint, out as_of bigint) language plpgsql stable as $$
begin
  as_of := floor(extract(epoch from statement_timestamp()));
  newest := (select coalesce(max(l.seq), 0) from live_events l where l.customer_id = $1);
end $$""",
}


def upgrade() -> None:
    for statement in (*TABLE, *protect("live_events"), *GRANTS, *FUNCTIONS.values()):
        op.execute(statement)
    for function in FUNCTIONS:
        op.execute(f"revoke all on function {function} from public")
        op.execute(f"grant execute on function {function} to {APP_ROLE}")


def downgrade() -> None:
    for function in FUNCTIONS:
        op.execute(f"drop function {function}")
    op.execute("drop table live_events")
