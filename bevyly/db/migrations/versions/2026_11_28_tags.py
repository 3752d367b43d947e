"""Tags of accounts, contacts, opportunities and leads: the column, what shows it, and how often each is used.

The functions that read these records gain the column where they name the columns that all records share.
"""

from alembic import op

from bevyly.db.rls import APP_ROLE

revision = "2026_11_28_tags"
down_revision = "2026_11_28_invitations"
branch_labels = None
depends_on = None

TABLES = {"account": "accounts", "contact": "contacts", "opportunity": "opportunities", "lead": "leads"}
SHARED, WITH_TAGS = "r.version, r.external_id", "r.tags, r.version, r.external_id"

COUNTS = f"""
create function api_list_tags(tenant text, kinds text[], out body text) language plpgsql stable as $$
begin
  select coalesce(string_agg(row_to_json(one)::text, ','), '') into body
  from (
    select used.tag, sum(used.count)::int as total, json_object_agg(used.kind, used.count order by used.kind) as kinds
    from (
      {" union all ".join(f"select '{kind}' as kind, tag, count(*) as count from {table} r, unnest(r.tags) tag where '{kind}' = any (kinds) and r.customer_id = tenant and r.tags <> '{{}}' and r.deleted_at is null group by tag" for kind, table in TABLES.items())}
    ) used
    group by used.tag order by total desc, used.tag limit 1000
  ) one;
end $$"""


def upgrade() -> None:
    for table in TABLES.values():
        op.execute(f"alter table {table} add column tags text[] default '{{}}' not null")
        op.execute(f"create index ix_{table}_tagged on {table} (customer_id, id) where tags <> '{{}}'")
    _replace(SHARED, WITH_TAGS)
    op.execute(COUNTS)
    op.execute("revoke all on function api_list_tags(text, text[]) from public")
    op.execute(f"grant execute on function api_list_tags(text, text[]) to {APP_ROLE}")


def _replace(old: str, new: str) -> None:
    names = ", ".join(f"'api_list_{table}', 'api_get_{kind}'" for kind, table in TABLES.items())
    op.execute(
        f"""do $do$ begin execute (
          select string_agg(replace(pg_get_functiondef(p.oid), '{old}', '{new}'), ';') from pg_proc p
          where p.proname in ({names}) and p.pronamespace = 'public'::regnamespace
        ); end $do$"""
    )


def downgrade() -> None:
    op.execute("drop function api_list_tags(text, text[])")
    _replace(WITH_TAGS, SHARED)
    for table in TABLES.values():
        op.execute(f"alter table {table} drop column tags")
