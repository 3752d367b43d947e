"""Runs of agents cost something, why they ended badly has a name, and one that is queued can be cancelled."""

from alembic import op

from bevyly.db.rls import APP_ROLE

revision = "2026_11_29_agent_costs"
down_revision = "2026_11_29_approval_policies"
branch_labels = None
depends_on = None

STATUSES = "'queued','running','waiting','succeeded','failed','refused'"
CHANGES = [
    "alter table agent_configs add column run_cost_minor bigint default '0' not null",
    "alter table agent_configs add constraint ck_agent_configs_cost_has_currency "
    "check (run_cost_minor = 0 or currency is not null)",
    "comment on column agent_configs.run_cost_minor is 'what one run is taken to cost, in the currency of the cap'",
    "alter table agent_runs add column reason varchar(50)",
    "alter table agent_runs add column cost_minor bigint",
    "alter table agent_runs add column currency char(3)",
    "alter table agent_runs add constraint ck_agent_runs_cost_has_currency "
    "check ((cost_minor is null) or (currency is not null))",
    "comment on column agent_runs.reason is 'why it was refused'",
    "comment on column agent_runs.cost_minor is 'what it is taken to cost; null where it costs nothing'",
    f"grant update (status, reason, cost_minor, completed_at) on agent_runs to {APP_ROLE}",
]

RUN = """
    r.id, r.agent_type, r.command_id, r.status,{more} r.input, r.output, r.error, r.started_at, r.completed_at"""
COSTS = " r.reason, r.cost_minor, r.currency,"


def _statuses(more: str) -> list[str]:
    return [
        "alter table agent_runs drop constraint ck_agent_runs_status",
        f"alter table agent_runs add constraint ck_agent_runs_status check (status in ({STATUSES}{more}))",
    ]


def _functions(run: str, agent: str) -> list[str]:
    """What the API reads, with more columns of runs and of agents."""
    columns = RUN.format(more=run)
    return [
        f"""
create or replace function api_list_agent_runs(
  tenant text, before timestamptz, before_id text, row_limit int, wanted_type text, wanted_status text, command text,
  out body text, out next_at timestamptz, out next_id text
) language plpgsql stable as $$
declare
  documents text[];
  times timestamptz[];
  ids text[];
begin
  select array_agg(row_to_json(page)::text), array_agg(page.started_at), array_agg(page.id) into documents, times, ids
  from (
    select {columns} from agent_runs r
    where r.customer_id = $1 and (r.started_at, r.id) < ($2, $3) and ($5 is null or r.agent_type = $5)
      and ($6 is null or r.status = $6) and ($7 is null or r.command_id = $7)
    order by r.started_at desc, r.id desc limit $4 + 1) page;
  body := coalesce(array_to_string(documents[1:$4], ','), '');
  if array_length(ids, 1) > $4 then
    next_at := times[$4];
    next_id := ids[$4];
  end if;
end $$""",
        f"""
create or replace function api_get_agent_run(tenant text, row_id text, out body text) language plpgsql stable as $$
begin
  select row_to_json(one)::text into body
  from (select {columns} from agent_runs r where r.customer_id = $1 and r.id = $2) one;
end $$""",
        f"""
create or replace function api_get_agents(tenant text, wanted text, out body text, out version int)
language plpgsql stable as $$
begin
  select string_agg(row_to_json(one)::text, ','), max(one.version) into body, version
  from (
    select a.type, coalesce(c.enabled, false) as enabled, c.sponsor_id, c.cost_cap_minor,{agent} c.currency,
      coalesce(c.config, '{{}}') as defaults, coalesce(c.version, 0) as version, c.updated_at
    from unnest(array['lead_source', 'enrichment', 'email', 'voice']) with ordinality a(type, place)
    left join agent_configs c on c.customer_id = $1 and c.agent_type = a.type
    where $2 is null or a.type = $2 order by a.place
  ) one;
end $$""",
    ]


def upgrade() -> None:
    for statement in (
        *CHANGES,
        *_statuses(",'cancelled'"),
        *_functions(COSTS, " coalesce(c.run_cost_minor, 0) as run_cost_minor,"),
    ):
        op.execute(statement)


def downgrade() -> None:
    for statement in (*_functions("", ""), "update agent_runs set status = 'failed' where status = 'cancelled'"):
        op.execute(statement)
    for statement in _statuses(""):
        op.execute(statement)
    op.execute("alter table agent_configs drop column run_cost_minor")
    op.execute(f"revoke update (status, reason, cost_minor, completed_at) on agent_runs from {APP_ROLE}")
    for name in ("reason", "cost_minor", "currency"):
        op.execute(f"alter table agent_runs drop column {name}")
