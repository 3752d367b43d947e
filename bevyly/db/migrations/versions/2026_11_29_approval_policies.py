"""What a person must allow is the tenant's to say: policies, and which of them an approval comes from."""

from alembic import op

from bevyly.db.rls import APP_ROLE, PIPELINE_ROLE, protect

revision = "2026_11_29_approval_policies"
down_revision = "2026_11_29_told"
branch_labels = None
depends_on = None

TABLE = [
    """
create table approval_policies (
    requires varchar(50) not null,
    action varchar(50),
    audience varchar(50),
    amount_minor bigint,
    currency char(3),
    created_by varchar(36) not null,
    created_at timestamp with time zone default now() not null,
    ended_at timestamp with time zone,
    version integer default '1' not null,
    customer_id varchar(36) not null,
    id varchar(36) not null,
    constraint pk_approval_policies primary key (customer_id, id),
    constraint fk_approval_policies_customer_id foreign key(customer_id) references customers (id),
    constraint fk_approval_policies_customer_id_created_by foreign key(customer_id, created_by)
        references users (customer_id, id),
    constraint ck_approval_policies_requires check (requires in ('nothing','approval','manager')),
    constraint ck_approval_policies_audience check (audience in ('lead','prospect','customer')),
    constraint ck_approval_policies_amount_has_currency check ((amount_minor is null) = (currency is null))
)
    """,
    "create index ix_approval_policies_list on approval_policies (customer_id, created_at desc, id desc)",
    "comment on column approval_policies.action is 'what an agent does; null is anything'",
    "comment on column approval_policies.audience is 'whom it is about; null is anybody'",
    "comment on column approval_policies.amount_minor is 'nothing is required below it, the rest from it on'",
    f"grant select, insert, update on approval_policies to {APP_ROLE}",
    f"grant select, insert, update, delete on approval_policies to {PIPELINE_ROLE}",
]
ITEMS = [
    "alter table approval_items add column requires varchar(50) default 'approval' not null",
    "alter table approval_items add constraint ck_approval_items_requires "
    "check (requires in ('nothing','approval','manager'))",
    "alter table approval_items add column policy_id varchar(36)",
    "alter table approval_items add constraint fk_approval_items_customer_id_policy_id "
    "foreign key (customer_id, policy_id) references approval_policies (customer_id, id)",
    "comment on column approval_items.policy_id is 'which policy required that; null where none did'",
]

POLICY = """
    r.id, r.requires, r.action, r.audience, r.amount_minor, r.currency, r.created_by, r.created_at, r.ended_at,
    r.version"""
ITEM = """
    r.id, r.agent_run_id, r.item_type, r.content, r.content_hash,
    case when r.status = 'pending' and r.expires_at <= moment then 'expired' else r.status end as status,
    r.requested_by, r.sponsor_id,{more} r.edited_by, r.edited_at, r.reviewed_by, r.reviewed_at, r.reason, r.expires_at,
    r.version, r.created_at"""
REQUIRED = " r.requires, r.policy_id,"


def _page(name: str, parameters: str, rows: str) -> str:
    """A function that answers one page of `rows`, newest first."""
    return f"""
create or replace function {name}(
  tenant text, before timestamptz, before_id text, row_limit int, {parameters},
  out body text, out next_at timestamptz, out next_id text
) language plpgsql stable as $$
declare
  documents text[];
  times timestamptz[];
  ids text[];
begin
  select array_agg(row_to_json(page)::text), array_agg(page.created_at), array_agg(page.id) into documents, times, ids
  from ({rows}
    order by r.created_at desc, r.id desc limit $4 + 1) page;
  body := coalesce(array_to_string(documents[1:$4], ','), '');
  if array_length(ids, 1) > $4 then
    next_at := times[$4];
    next_id := ids[$4];
  end if;
end $$"""


POLICIES = [
    _page(
        "api_list_approval_policies",
        "in_force text",
        f"""
    select {POLICY} from approval_policies r
    where r.customer_id = $1 and (r.created_at, r.id) < ($2, $3)
      and ($5 is null or (r.ended_at is null) = ($5 = 'true'))""",
    ),
    f"""
create function api_get_approval_policy(tenant text, row_id text, out body text, out version int)
language plpgsql stable as $$
begin
  select row_to_json(one)::text, one.version into body, version
  from (select {POLICY} from approval_policies r where r.customer_id = $1 and r.id = $2) one;
end $$""",
]
SIGNATURES = (
    "api_list_approval_policies(text, timestamptz, text, int, text)",
    "api_get_approval_policy(text, text)",
)


def _items(more: str) -> list[str]:
    """The functions that answer approvals, with `more` columns."""
    item = ITEM.format(more=more)
    return [
        _page(
            "api_list_approvals",
            "wanted_status text, wanted_type text, run text, moment timestamptz",
            f"""
    select {item} from approval_items r
    where r.customer_id = $1 and (r.created_at, r.id) < ($2, $3)
      and ($5 is null or $5 = case when r.status = 'pending' and r.expires_at <= $8 then 'expired' else r.status end)
      and ($6 is null or r.item_type = $6) and ($7 is null or r.agent_run_id = $7)""",
        ),
        f"""
create or replace function api_get_approval(
  tenant text, row_id text, moment timestamptz, out body text, out version int
) language plpgsql stable as $$
begin
  select row_to_json(one)::text, one.version into body, version
  from (select {item} from approval_items r where r.customer_id = $1 and r.id = $2) one;
end $$""",
    ]


def upgrade() -> None:
    for statement in (*TABLE, *protect("approval_policies"), *ITEMS, *POLICIES, *_items(REQUIRED)):
        op.execute(statement)
    for function in SIGNATURES:
        op.execute(f"revoke all on function {function} from public")
        op.execute(f"grant execute on function {function} to {APP_ROLE}")


def downgrade() -> None:
    for function in SIGNATURES:
        op.execute(f"drop function {function}")
    for statement in _items(""):
        op.execute(statement)
    for name in ("requires", "policy_id"):
        op.execute(f"alter table approval_items drop column {name}")
    op.execute("drop table approval_policies")
