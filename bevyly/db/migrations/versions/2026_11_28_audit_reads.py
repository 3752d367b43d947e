"""What the API reads of the audit, with an index for the question what somebody did."""

from alembic import op

from bevyly.db.rls import APP_ROLE

revision = "2026_11_28_audit_reads"
down_revision = "2026_11_28_preferences"
branch_labels = None
depends_on = None

FILTERS = {
    "entity_type": "r.entity_type = %s",
    "entity_id": "r.entity_id = %s",
    "actor_id": "r.actor_id = %s",
    "action": "(r.action = %s or (right(%s, 1) = '.' and starts_with(r.action, %s)))",
    "since": "r.occurred_at >= %s::timestamptz",
    "until": "r.occurred_at <= %s::timestamptz",
}
GIVEN = ", ".join(f"${5 + index}" for index in range(len(FILTERS)))
ADDED = "\n".join(
    f"  if ${5 + index} is not null then filters := filters || $f$ and {text.replace('%s', f'${5 + index}')}$f$; end if;"
    for index, text in enumerate(FILTERS.values())
)
FUNCTION = f"""
create function api_list_audit(
  tenant text, before timestamptz, before_id text, row_limit int, {", ".join(f"{name} text" for name in FILTERS)},
  out body text, out next_at timestamptz, out next_id text
) language plpgsql stable as $function$
declare
  filters text := '';
  documents text[];
  times timestamptz[];
  ids text[];
begin
{ADDED}
  execute replace($f$
    select array_agg(row_to_json(page)::text), array_agg(page.occurred_at), array_agg(page.id)
    from (
      select r.id, r.occurred_at, r.actor_type, r.actor_id, r.action, r.entity_type, r.entity_id, r.before, r.after,
        r.recommendation_id, r.request_id
      from audit r where r.customer_id = $1 and (r.occurred_at, r.id) < ($2, $3)<filters>
      order by r.occurred_at desc, r.id desc limit $4 + 1
    ) page$f$, '<filters>', filters)
    into documents, times, ids using $1, $2, $3, $4, {GIVEN};
  body := coalesce(array_to_string(documents[1:$4], ','), '');
  if array_length(ids, 1) > $4 then
    next_at := times[$4];
    next_id := ids[$4];
  end if;
end $function$"""
SIGNATURE = f"api_list_audit(text, timestamptz, text, int, {', '.join(['text'] * len(FILTERS))})"


def upgrade() -> None:
    op.execute("create index ix_audit_actor on audit (customer_id, actor_id, occurred_at, id)")
    op.execute(FUNCTION)
    op.execute(f"revoke all on function {SIGNATURE} from public")
    op.execute(f"grant execute on function {SIGNATURE} to {APP_ROLE}")


def downgrade() -> None:
    op.execute(f"drop function {SIGNATURE}")
    op.execute("drop index ix_audit_actor")
