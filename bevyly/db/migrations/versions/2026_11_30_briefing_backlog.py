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
DIFF = """
create function api_get_kept_briefing_diff(
  tenant text, reader text, since timestamptz, until timestamptz,
  out before text, out after text, out facts text, out not_kept timestamptz
) language plpgsql stable as $function$
begin
  not_kept := case when api_briefing_thinned($1, $2, $3) then $3 when api_briefing_thinned($1, $2, $4) then $4 end;
  if not_kept is null then
    select d.before, d.after, d.facts into before, after, facts from api_get_briefing_diff($1, $2, $3, $4) d;
  end if;
end $function$"""
FUNCTIONS = {
    "api_briefing_thinned(text, text, timestamptz)": THINNED,
    "api_get_kept_briefing_diff(text, text, timestamptz, timestamptz)": DIFF,
}

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
    ):
        op.execute(statement)
    for signature, function in FUNCTIONS.items():
        op.execute(function)
        op.execute(f"revoke all on function {signature} from public")
        op.execute(f"grant execute on function {signature} to {APP_ROLE}, {PIPELINE_ROLE}")


def downgrade() -> None:
    for signature in reversed(FUNCTIONS):
        op.execute(f"drop function {signature}")
    op.execute("drop index ix_signals_good_entity")
    op.drop_table("briefing_backlog")
