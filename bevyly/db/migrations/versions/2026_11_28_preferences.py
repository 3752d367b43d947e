"""Preferences of tenants and of users, and what the API reads of them."""

from alembic import op

from bevyly.db.rls import APP_ROLE

revision = "2026_11_28_preferences"
down_revision = "2026_11_28_row_scope"
branch_labels = None
depends_on = None

COLUMNS = [
    "alter table customers add column version integer default '1' not null",
    """alter table users
         add column timezone varchar(64), add column locale varchar(50), add column working_hours jsonb,
         add column notifications jsonb default '{}' not null, add column attention_budget integer""",
]
FUNCTIONS = [
    """
create function api_get_settings(tenant text, row_id text, out body text, out version int) language plpgsql stable as $$
begin
  select row_to_json(one)::text, one.version into body, version
  from (
    select r.name, r.domain, r.currency, r.timezone, r.settings -> 'working_hours' as working_hours,
      coalesce((r.settings ->> 'fiscal_year_start_month')::int, 1) as fiscal_year_start_month, r.record_visibility,
      coalesce((r.settings ->> 'strict_custom_fields')::boolean, false) as strict_custom_fields,
      (r.settings ->> 'attention_budget')::int as attention_budget,
      coalesce(r.settings -> 'signals', '{}') as signal_thresholds, r.pooling, r.version
    from customers r where r.id = $1 and r.id = $2
  ) one;
end $$""",
    """
create function api_get_profile(tenant text, row_id text, out body text, out version int) language plpgsql stable as $$
begin
  select row_to_json(one)::text, one.version into body, version
  from (
    select r.id as user_id, r.email, r.name, r.role, r.timezone, r.locale, r.working_hours, r.notifications,
      r.attention_budget, r.version
    from users r where r.customer_id = $1 and r.id = $2
  ) one;
end $$""",
]
SIGNATURES = ("api_get_settings(text, text)", "api_get_profile(text, text)")


def upgrade() -> None:
    for statement in (*COLUMNS, *FUNCTIONS):
        op.execute(statement)
    for function in SIGNATURES:
        op.execute(f"revoke all on function {function} from public")
        op.execute(f"grant execute on function {function} to {APP_ROLE}")


def downgrade() -> None:
    for function in SIGNATURES:
        op.execute(f"drop function {function}")
    op.execute(
        "alter table users drop column timezone, drop column locale, drop column working_hours, "
        "drop column notifications, drop column attention_budget"
    )
    op.execute("alter table customers drop column version")
