"""Where members do not see every record, an import is for who started it and for those who see everything.

A file and its refused rows hold records of anybody. What belongs to an import, and what the live stream tells of it,
is seen with it.
"""

from alembic import op

from bevyly.db.rls import narrow_where, only_reader

revision = "2026_11_28_import_scope"
down_revision = "2026_11_28_agents_and_approvals"
branch_labels = None
depends_on = None

SEES_RECORD = """
create or replace function sees_record(tenant text, kind text, row_id text) returns boolean language plpgsql stable as $$
begin
  case kind
    when 'account' then return exists (select from accounts r where r.customer_id = tenant and r.id = row_id);
    when 'contact' then return exists (select from contacts r where r.customer_id = tenant and r.id = row_id);
    when 'opportunity' then return exists (select from opportunities r where r.customer_id = tenant and r.id = row_id);
    when 'activity' then return exists (select from activities r where r.customer_id = tenant and r.id = row_id);
    when 'lead' then return exists (select from leads r where r.customer_id = tenant and r.id = row_id);{more}
    else return false;
  end case;
end $$"""
AND_IMPORTS = """
    when 'import' then return exists (select from imports r where r.customer_id = tenant and r.id = row_id);"""
OF_IMPORTS = ("import_chunks", "import_errors", "import_effects")
OF_AN_ENTITY = (
    "topic not in ('signals', 'recommendations') or sees_record(customer_id, "
    "envelope::json #>> '{data,entity_type}', envelope::json #>> '{data,entity_id}')"
)
OR_AN_IMPORT = (
    f"case when topic = 'imports' then sees_record(customer_id, 'import', envelope::json #>> '{{data,import_id}}') "
    f"else {OF_AN_ENTITY} end"
)


def upgrade() -> None:
    op.execute(SEES_RECORD.format(more=AND_IMPORTS))
    op.execute("drop policy narrowed on live_events")
    for statement in (
        *narrow_where("imports", only_reader("created_by")),
        *(one for table in OF_IMPORTS for one in narrow_where(table, "sees_record(customer_id, 'import', import_id)")),
        *narrow_where("live_events", OR_AN_IMPORT),
    ):
        op.execute(statement)


def downgrade() -> None:
    for table in ("imports", *OF_IMPORTS, "live_events"):
        op.execute(f"drop policy narrowed on {table}")
    for statement in narrow_where("live_events", OF_AN_ENTITY):
        op.execute(statement)
    op.execute(SEES_RECORD.format(more=""))
