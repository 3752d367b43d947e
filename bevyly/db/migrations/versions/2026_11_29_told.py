"""A new record is stored, compared and shown on one round trip: functions that are called beside its INSERT.

They are volatile, so that what they look at is what is there when they are called.
"""

from alembic import op

from bevyly.db.rls import APP_ROLE

revision = "2026_11_29_told"
down_revision = "2026_11_28_sequences"
branch_labels = None
depends_on = None

COMPARED = ("account", "contact", "lead")
KINDS = (*COMPARED, "opportunity", "activity")


def told_function(kind: str) -> str:
    """`api_tell_<kind>(tenant, id, compared)`: the record as reads answer it.

    `sure` where it is to be compared and a strong key of it is another one's too; then nobody needs to see it.
    """
    compare = f"sure := compared and api_has_sure_duplicates_{kind}($1, $2);" if kind in COMPARED else "sure := false;"
    return f"""
create function api_tell_{kind}(tenant text, row_id text, compared boolean, out sure boolean, out body text)
language plpgsql volatile as $$
begin
  {compare}
  select found.body into body from api_get_{kind}($1, $2) found;
end $$"""


def upgrade() -> None:
    for kind in KINDS:
        op.execute(told_function(kind))
        op.execute(f"revoke all on function api_tell_{kind}(text, text, boolean) from public")
        op.execute(f"grant execute on function api_tell_{kind}(text, text, boolean) to {APP_ROLE}")


def downgrade() -> None:
    for kind in KINDS:
        op.execute(f"drop function api_tell_{kind}(text, text, boolean)")
