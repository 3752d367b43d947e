"""Agents have sponsors and caps, approvals a review; both show no record that is out of sight. What the API reads."""

from alembic import op

from bevyly.db.rls import APP_ROLE, narrow_where

revision = "2026_11_28_agents_and_approvals"
down_revision = "2026_11_28_custom_fields"
branch_labels = None
depends_on = None

COLUMNS = {
    "agent_configs": {
        "sponsor_id": "varchar(36)",
        "cost_cap_minor": "bigint",
        "currency": "char(3)",
        "version": "integer default 1 not null",
        "updated_at": "timestamp with time zone default now() not null",
    },
    "approval_items": {
        "requested_by": "varchar(36)",
        "sponsor_id": "varchar(36)",
        "edited_by": "varchar(36)",
        "edited_at": "timestamp with time zone",
        "reason": "text",
        "version": "integer default 1 not null",
    },
}
COMMENTS = {
    "agent_configs.sponsor_id": "the user whose rights the agent never exceeds",
    "agent_configs.cost_cap_minor": "what its runs may cost in a calendar month",
    "approval_items.requested_by": "the person who asked, as the command says",
    "approval_items.sponsor_id": "the sponsor of the agent when it was made",
}
PEOPLE = {"agent_configs": ("sponsor_id",), "approval_items": ("edited_by", "sponsor_id")}
CAP = "ck_agent_configs_cap_has_currency check ((cost_cap_minor is null) = (currency is null))"
TIME = "ix_approval_items_time on approval_items (customer_id, created_at desc, id desc)"


def _seen(column: str) -> str:
    """Every record that a JSON column names is in sight."""
    return " and ".join(
        f"({column} ->> '{kind}_id' is null or sees_record(customer_id, '{kind}', {column} ->> '{kind}_id'))"
        for kind in ("account", "contact", "lead", "opportunity")
    )


RUN = """
    r.id, r.agent_type, r.command_id, r.status, r.input, r.output, r.error, r.started_at, r.completed_at"""
ITEM = """
    r.id, r.agent_run_id, r.item_type, r.content, r.content_hash,
    case when r.status = 'pending' and r.expires_at <= moment then 'expired' else r.status end as status,
    r.requested_by, r.sponsor_id, r.edited_by, r.edited_at, r.reviewed_by, r.reviewed_at, r.reason, r.expires_at,
    r.version, r.created_at"""


def _page(name: str, parameters: str, rows: str, time: str) -> str:
    """A function that answers one page of `rows`, which are in the order of `time` and then of ids."""
    return f"""
create function {name}(
  tenant text, before timestamptz, before_id text, row_limit int, {parameters},
  out body text, out next_at timestamptz, out next_id text
) language plpgsql stable as $$
declare
  documents text[];
  times timestamptz[];
  ids text[];
begin
  select array_agg(row_to_json(page)::text), array_agg(page.{time}), array_agg(page.id) into documents, times, ids
  from ({rows}) page;
  body := coalesce(array_to_string(documents[1:$4], ','), '');
  if array_length(ids, 1) > $4 then
    next_at := times[$4];
    next_id := ids[$4];
  end if;
end $$"""


FUNCTIONS = [
    _page(
        "api_list_agent_runs",
        "wanted_type text, wanted_status text, command text",
        f"""
    select {RUN} from agent_runs r
    where r.customer_id = $1 and (r.started_at, r.id) < ($2, $3) and ($5 is null or r.agent_type = $5)
      and ($6 is null or r.status = $6) and ($7 is null or r.command_id = $7)
    order by r.started_at desc, r.id desc limit $4 + 1""",
        "started_at",
    ),
    _page(
        "api_list_approvals",
        "wanted_status text, wanted_type text, run text, moment timestamptz",
        f"""
    select {ITEM} from approval_items r
    where r.customer_id = $1 and (r.created_at, r.id) < ($2, $3)
      and ($5 is null or $5 = case when r.status = 'pending' and r.expires_at <= $8 then 'expired' else r.status end)
      and ($6 is null or r.item_type = $6) and ($7 is null or r.agent_run_id = $7)
    order by r.created_at desc, r.id desc limit $4 + 1""",
        "created_at",
    ),
    f"""
create function api_get_agent_run(tenant text, row_id text, out body text) language plpgsql stable as $$
begin
  select row_to_json(one)::text into body
  from (select {RUN} from agent_runs r where r.customer_id = $1 and r.id = $2) one;
end $$""",
    f"""
create function api_get_approval(tenant text, row_id text, moment timestamptz, out body text, out version int)
language plpgsql stable as $$
begin
  select row_to_json(one)::text, one.version into body, version
  from (select {ITEM} from approval_items r where r.customer_id = $1 and r.id = $2) one;
end $$""",
    """
create function api_get_agents(tenant text, wanted text, out body text, out version int) language plpgsql stable as $$
begin
  select string_agg(row_to_json(one)::text, ','), max(one.version) into body, version
  from (
    select a.type, coalesce(c.enabled, false) as enabled, c.sponsor_id, c.cost_cap_minor, c.currency,
      coalesce(c.config, '{}') as defaults, coalesce(c.version, 0) as version, c.updated_at
    from unnest(array['lead_source', 'enrichment', 'email', 'voice']) with ordinality a(type, place)
    left join agent_configs c on c.customer_id = $1 and c.agent_type = a.type
    where $2 is null or a.type = $2 order by a.place
  ) one;
end $$""",
]
SIGNATURES = (
    "api_list_agent_runs(text, timestamptz, text, int, text, text, text)",
    "api_list_approvals(text, timestamptz, text, int, text, text, text, timestamptz)",
    "api_get_agent_run(text, text)",
    "api_get_approval(text, text, timestamptz)",
    "api_get_agents(text, text)",
)


def upgrade() -> None:
    for table, columns in COLUMNS.items():
        for name, kind in columns.items():
            op.execute(f"alter table {table} add column {name} {kind}")
        for name in PEOPLE[table]:
            op.execute(
                f"alter table {table} add constraint fk_{table}_customer_id_{name} "
                f"foreign key (customer_id, {name}) references users (customer_id, id)"
            )
    for column, text in COMMENTS.items():
        op.execute(f"comment on column {column} is '{text}'")
    op.execute(f"alter table agent_configs add constraint {CAP}")
    op.execute(f"create index {TIME}")
    # each table has one writer of new rows, and the runs one writer at all
    op.execute(f"revoke insert, update, delete on agent_runs from {APP_ROLE}")
    op.execute(f"revoke insert, delete on approval_items from {APP_ROLE}")
    policies = [*narrow_where("agent_runs", _seen("input")), *narrow_where("approval_items", _seen("content"))]
    for statement in (*policies, *FUNCTIONS):
        op.execute(statement)
    for function in SIGNATURES:
        op.execute(f"revoke all on function {function} from public")
        op.execute(f"grant execute on function {function} to {APP_ROLE}")


def downgrade() -> None:
    for function in SIGNATURES:
        op.execute(f"drop function {function}")
    for table in ("agent_runs", "approval_items"):
        op.execute(f"drop policy narrowed on {table}")
    op.execute(f"grant insert, update, delete on agent_runs to {APP_ROLE}")
    op.execute(f"grant insert, delete on approval_items to {APP_ROLE}")
    op.execute("drop index ix_approval_items_time")
    for table, columns in COLUMNS.items():
        for name in columns:
            op.execute(f"alter table {table} drop column {name}")
