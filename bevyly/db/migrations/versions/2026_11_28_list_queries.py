"""Queries of lists: the function that runs a composed statement for one tenant, and indexes in the order of pages.

`api_query` adds nothing to what the app's login may do anyway: it runs with its rights, behind row-level security, on
connections that cannot write. It exists so that tenant, statement and arguments travel in one round trip.
"""

from alembic import op

from bevyly.db.rls import APP_ROLE

revision = "2026_11_28_list_queries"
down_revision = "2026_11_28_identity"
branch_labels = None
depends_on = None

SIGNATURE = "api_query(text, text, text[])"
FUNCTION = """
create function api_query(
  tenant text, statement text, arguments text[], out body text, out place text, out total bigint, out facets text
) language plpgsql stable set max_parallel_workers_per_gather = 0 as $$
begin
  execute statement into body, place, total, facets using tenant, arguments;
end $$"""

LIVE = "where deleted_at is null"
INDEXES = {
    "ix_accounts_updated": ("accounts", "customer_id, updated_at, id"),
    "ix_accounts_revenue": ("accounts", "customer_id, annual_revenue_minor, id"),
    "ix_contacts_updated": ("contacts", "customer_id, updated_at, id"),
    "ix_contacts_last_name": ("contacts", "customer_id, lower(last_name), id"),
    "ix_opportunities_updated": ("opportunities", "customer_id, updated_at, id"),
    "ix_opportunities_name": ("opportunities", "customer_id, lower(name), id"),
    "ix_opportunities_value": ("opportunities", "customer_id, value, id"),
    "ix_opportunities_close_date": ("opportunities", "customer_id, expected_close_date, id"),
    "ix_opportunities_stage": ("opportunities", "customer_id, stage, created_at, id"),
    "ix_opportunities_board": ("opportunities", "customer_id, status, created_at, id"),
    "ix_leads_updated": ("leads", "customer_id, updated_at, id"),
    "ix_leads_company_name": ("leads", "customer_id, lower(company_name), id"),
    "ix_leads_value": ("leads", "customer_id, value, id"),
    "ix_leads_board": ("leads", "customer_id, status, created_at, id"),
    "ix_activities_updated": ("activities", "customer_id, updated_at, id"),
    "ix_activities_due_order": ("activities", "customer_id, due_at, id"),
    "ix_activities_kind": ("activities", "customer_id, kind, occurred_at, id"),
}
RANKED = {
    "ix_recommendations_rank": "customer_id, rank, id",
    "ix_recommendations_value": "customer_id, expected_value_minor, id",
    "ix_recommendations_owner": "customer_id, owner_id, created_at, id",
}


def upgrade() -> None:
    for name, (table, columns) in INDEXES.items():
        op.execute(f"create index {name} on {table} ({columns}) {LIVE}")
    for name, columns in RANKED.items():
        op.execute(f"create index {name} on recommendations ({columns})")
    op.execute(FUNCTION)
    op.execute(f"revoke all on function {SIGNATURE} from public")
    op.execute(f"grant execute on function {SIGNATURE} to {APP_ROLE}")


def downgrade() -> None:
    op.execute(f"drop function {SIGNATURE}")
    for name in (*INDEXES, *RANKED):
        op.execute(f"drop index {name}")
