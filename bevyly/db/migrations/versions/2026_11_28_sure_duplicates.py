"""Duplicates that a write is refused for: found by their strong keys alone, in turn, on one round trip.

What only sounds alike is never refused, so a write need not look at it (`api_find_duplicates_…` does, for people).
"""

from alembic import op

from bevyly.db.rls import APP_ROLE

revision = "2026_11_28_sure_duplicates"
down_revision = "2026_11_28_folded_text"
branch_labels = None
depends_on = None

# kind: its table, the key that others wait for, what is surely the same, which rows are looked at
KINDS = {
    "account": (
        "accounts",
        "match_domain",
        "o.match_domain = r.match_domain or (o.match_name = r.match_name and match_text(o.city) = match_text(r.city))",
        "",
    ),
    "contact": ("contacts", "match_email", "o.match_email = r.match_email or o.match_phone = r.match_phone", ""),
    "lead": (
        "leads",
        "match_email",
        "o.match_email = r.match_email or o.match_phone = r.match_phone",
        " and {0}.status <> 'converted'",
    ),
}


def sure_function(kind: str) -> str:
    """`api_has_sure_duplicates_<kind>(tenant, id)`: whether a living row shares a strong key with a stored one.

    Volatile, so that what is looked for is what those left that were waited for, not what was there before the wait.
    """
    table, key, same, only = KINDS[kind]
    return f"""
create function api_has_sure_duplicates_{kind}(tenant text, row_id text, out sure boolean) language plpgsql volatile as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('{kind}:' || $1 || ':' || r.{key}, 0))
    from {table} r where r.customer_id = $1 and r.id = $2 and r.{key} is not null;
  sure := exists (
    select from {table} r join {table} o on o.customer_id = $1 and o.id <> r.id and ({same})
    where r.customer_id = $1 and r.id = $2 and r.deleted_at is null{only.format("r")} and o.deleted_at is null{only.format("o")}
  );
end $$"""


def upgrade() -> None:
    for kind in KINDS:
        op.execute(sure_function(kind))
        op.execute(f"revoke all on function api_has_sure_duplicates_{kind}(text, text) from public")
        op.execute(f"grant execute on function api_has_sure_duplicates_{kind}(text, text) to {APP_ROLE}")


def downgrade() -> None:
    for kind in KINDS:
        op.execute(f"drop function api_has_sure_duplicates_{kind}(text, text)")
