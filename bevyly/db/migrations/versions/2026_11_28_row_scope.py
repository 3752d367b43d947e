"""Whose records a member sees: policies that narrow the app to visible owners, and the question who these are.

Where nothing is narrowed the policies cost one look at a setting for each statement. What a record makes visible is
asked in a function, so that statements are not planned with subqueries that nearly none of them needs.
"""

from alembic import op

from bevyly.db.rls import APP_ROLE, OWNERS_SETTING, TENANT_SETTING, narrow, narrow_where

revision = "2026_11_28_row_scope"
down_revision = "2026_11_28_people"
branch_labels = None
depends_on = None

FUNCTIONS = [
    f"""
create function enter_tenant(tenant text, owners text) returns text language plpgsql as $$
begin
  perform set_config('{OWNERS_SETTING}', owners, true);
  return set_config('{TENANT_SETTING}', tenant, true);
end $$""",
    """
create function sees_record(tenant text, kind text, row_id text) returns boolean language plpgsql stable as $$
begin
  case kind
    when 'account' then return exists (select from accounts r where r.customer_id = tenant and r.id = row_id);
    when 'contact' then return exists (select from contacts r where r.customer_id = tenant and r.id = row_id);
    when 'opportunity' then return exists (select from opportunities r where r.customer_id = tenant and r.id = row_id);
    when 'activity' then return exists (select from activities r where r.customer_id = tenant and r.id = row_id);
    when 'lead' then return exists (select from leads r where r.customer_id = tenant and r.id = row_id);
    else return false;
  end case;
end $$""",
    """
create function api_get_visible_owners(tenant text, reader text, out owners text) language plpgsql stable as $$
begin
  select case
    when c.record_visibility = 'everyone' or u.role in ('owner', 'admin') then ''
    else concat_ws(',', u.id, case when c.record_visibility = 'team' then '-' end, (
      select string_agg(distinct other.user_id, ',')
      from team_members own
      join team_members other on other.customer_id = own.customer_id and other.team_id = own.team_id
      where own.customer_id = $1 and own.user_id = u.id and (own.lead or c.record_visibility = 'team')))
    end into owners
  from users u join customers c on c.id = u.customer_id
  where u.customer_id = $1 and u.id = $2;
end $$""",
]
SIGNATURES = (
    "enter_tenant(text, text)",
    "sees_record(text, text, text)",
    "api_get_visible_owners(text, text)",
)
OF_AN_ENTITY = "sees_record(customer_id, entity_type, entity_id)"
OF_A_LINK = " or ".join(
    f"({kind}_id is not null and sees_record(customer_id, '{kind}', {kind}_id))"
    for kind in ("account", "opportunity", "lead")
)
OWNED = ("accounts", "opportunities", "leads")
DERIVED = ("signals", "patterns", "recommendations", "scores")


def upgrade() -> None:
    for statement in FUNCTIONS:
        op.execute(statement)
    for function in SIGNATURES:
        op.execute(f"revoke all on function {function} from public")
        op.execute(f"grant execute on function {function} to {APP_ROLE}")
    policies = [
        *(one for table in OWNED for one in narrow(table)),
        *narrow("contacts", seen="(account_id is not null and sees_record(customer_id, 'account', account_id))"),
        *narrow("activities", seen=OF_A_LINK),
        *(one for table in DERIVED for one in narrow_where(table, OF_AN_ENTITY)),
        *narrow_where("search_entries", "sees_record(customer_id, kind, id)"),
    ]
    for statement in policies:
        op.execute(statement)


def downgrade() -> None:
    for table in (*OWNED, "contacts", "activities", *DERIVED, "search_entries"):
        op.execute(f"drop policy narrowed on {table}")
    for function in SIGNATURES:
        op.execute(f"drop function {function}")
