"""People: a version of users, teams, whose records they may see; and what the API reads of it."""

from alembic import op

from bevyly.db.rls import APP_ROLE, PIPELINE_ROLE, protect

revision = "2026_11_28_people"
down_revision = "2026_11_28_live_events"
branch_labels = None
depends_on = None

NAMES = ("teams", "team_members")
TABLES = [
    "alter table users add column version integer default '1' not null",
    "alter table customers add column record_visibility varchar(50) default 'everyone' not null",
    "alter table customers add constraint ck_customers_record_visibility check (record_visibility in ('everyone','team','own'))",
    "comment on column customers.record_visibility is 'whose records members and viewers see'",
    "create index ix_users_list on users (customer_id, created_at desc, id desc)",
    """
create table teams (
    name varchar(255) not null,
    version integer default '1' not null,
    created_at timestamp with time zone default now() not null,
    updated_at timestamp with time zone not null,
    customer_id varchar(36) not null,
    id varchar(36) not null,
    constraint pk_teams primary key (customer_id, id),
    constraint fk_teams_customer_id foreign key(customer_id) references customers (id)
)
    """,
    "create unique index uq_teams_name on teams (customer_id, lower(name))",
    "create index ix_teams_list on teams (customer_id, created_at desc, id desc)",
    """
create table team_members (
    customer_id varchar(36) not null,
    team_id varchar(36) not null,
    user_id varchar(36) not null,
    lead boolean default 'false' not null,
    constraint pk_team_members primary key (customer_id, team_id, user_id),
    constraint fk_team_members_customer_id_team_id foreign key(customer_id, team_id) references teams (customer_id, id) on delete cascade,
    constraint fk_team_members_customer_id_user_id foreign key(customer_id, user_id) references users (customer_id, id),
    constraint fk_team_members_customer_id foreign key(customer_id) references customers (id)
)
    """,
    "create index ix_team_members_user on team_members (customer_id, user_id, team_id)",
]
GRANTS = [
    f"grant select, insert, update, delete on teams, team_members to {APP_ROLE}",
    f"grant select, insert, update, delete on teams, team_members to {PIPELINE_ROLE}",
]

USER = """
    r.id, r.email, r.name, r.role, r.disabled_at, r.password_hash is not null as can_log_in,
    coalesce((
      select json_agg(json_build_object('team_id', m.team_id, 'lead', m.lead) order by m.team_id)
      from team_members m where m.customer_id = r.customer_id and m.user_id = r.id
    ), '[]') as teams,
    r.version, r.created_at"""
TEAM = """
    r.id, r.name,
    coalesce((
      select json_agg(json_build_object('user_id', m.user_id, 'lead', m.lead) order by m.user_id)
      from team_members m where m.customer_id = r.customer_id and m.team_id = r.id
    ), '[]') as members,
    r.version, r.created_at, r.updated_at"""


def page_function(name: str, parameters: str, rows: str) -> str:
    """`name(tenant, before, before id, limit, …)`: the rows of a page, newest first, and where it ends if more follow."""
    return f"""
create function {name}(
  tenant text, before timestamptz, before_id text, row_limit int{parameters}, out body text, out next_at timestamptz, out next_id text
) language plpgsql stable as $$
declare
  documents text[];
  times timestamptz[];
  ids text[];
begin
  select array_agg(row_to_json(page)::text), array_agg(page.created_at), array_agg(page.id) into documents, times, ids
  from ({rows} order by r.created_at desc, r.id desc limit $4 + 1) page;
  body := coalesce(array_to_string(documents[1:$4], ','), '');
  if array_length(ids, 1) > $4 then
    next_at := times[$4];
    next_id := ids[$4];
  end if;
end $$"""


def one_function(name: str, table: str, columns: str) -> str:
    """`name(tenant, id)`: the row as in its list, and its version."""
    return f"""
create function {name}(tenant text, row_id text, out body text, out version int) language plpgsql stable as $$
begin
  select row_to_json(one)::text, one.version into body, version
  from (select {columns} from {table} r where r.customer_id = $1 and r.id = $2) one;
end $$"""


FUNCTIONS = [
    page_function(
        "api_list_users",
        ", role text, disabled text, team text",
        f"""select {USER} from users r
        where r.customer_id = $1 and (r.created_at, r.id) < ($2, $3)
          and ($5 is null or r.role = $5) and ($6 is null or (r.disabled_at is not null) = ($6 = 'true'))
          and ($7 is null or exists (
            select from team_members m where m.customer_id = $1 and m.user_id = r.id and m.team_id = $7))""",
    ),
    one_function("api_get_colleague", "users", USER),
    page_function(
        "api_list_teams",
        "",
        f"select {TEAM} from teams r where r.customer_id = $1 and (r.created_at, r.id) < ($2, $3)",
    ),
    one_function("api_get_team", "teams", TEAM),
]
SIGNATURES = (
    "api_list_users(text, timestamptz, text, int, text, text, text)",
    "api_get_colleague(text, text)",
    "api_list_teams(text, timestamptz, text, int)",
    "api_get_team(text, text)",
)


def upgrade() -> None:
    for statement in (*TABLES, *(one for name in NAMES for one in protect(name)), *GRANTS, *FUNCTIONS):
        op.execute(statement)
    for function in SIGNATURES:
        op.execute(f"revoke all on function {function} from public")
        op.execute(f"grant execute on function {function} to {APP_ROLE}")


def downgrade() -> None:
    for function in SIGNATURES:
        op.execute(f"drop function {function}")
    for name in reversed(NAMES):
        op.execute(f"drop table {name}")
    op.execute("drop index ix_users_list")
    op.execute("alter table customers drop column record_visibility")
    op.execute("alter table users drop column version")
