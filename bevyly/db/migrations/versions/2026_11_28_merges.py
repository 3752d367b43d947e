"""Merges: tombstones that name the record which took their place, and what taking a merge back needs."""

from alembic import op

from bevyly.db.rls import APP_ROLE, PIPELINE_ROLE, protect

revision = "2026_11_28_merges"
down_revision = "2026_11_28_tags"
branch_labels = None
depends_on = None

MERGEABLE = ("accounts", "contacts", "leads")
TABLES = [
    """
create table merges (
    kind varchar(50) not null,
    survivor_id varchar(36) not null,
    absorbed_ids varchar(36)[] not null,
    before jsonb default '{}' not null,
    after jsonb default '{}' not null,
    moved jsonb not null,
    merged_by varchar(36) not null,
    undone_at timestamp with time zone,
    undone_by varchar(36),
    created_at timestamp with time zone default now() not null,
    customer_id varchar(36) not null,
    id varchar(36) not null,
    constraint pk_merges primary key (customer_id, id),
    constraint ck_merges_kind check (kind in ('account','contact','lead')),
    constraint fk_merges_customer_id foreign key(customer_id) references customers (id)
)
    """,
    "create index ix_merges_list on merges (customer_id, created_at desc, id desc)",
    "create index ix_merges_survivor on merges (customer_id, survivor_id, created_at desc, id desc)",
    "comment on column merges.merged_by is 'the user or key that asked for it'",
]
GRANTS = [
    f"grant select, insert on merges to {APP_ROLE}",
    f"grant update (undone_at, undone_by) on merges to {APP_ROLE}",
    f"grant select, insert, update, delete on merges to {PIPELINE_ROLE}",
]
FUNCTIONS = [
    """
create function api_list_merges(
  tenant text, before timestamptz, before_id text, row_limit int, wanted_kind text, survivor text,
  out body text, out next_at timestamptz, out next_id text
) language plpgsql stable as $$
declare
  documents text[];
  times timestamptz[];
  ids text[];
begin
  select array_agg(row_to_json(page)::text), array_agg(page.created_at), array_agg(page.id) into documents, times, ids
  from (
    select r.id, r.kind, r.survivor_id, r.absorbed_ids, r.before, r.after, r.merged_by, r.undone_at, r.undone_by, r.created_at
    from merges r
    where r.customer_id = $1 and (r.created_at, r.id) < ($2, $3)
      and ($5 is null or r.kind = $5) and ($6 is null or r.survivor_id = $6)
    order by r.created_at desc, r.id desc limit $4 + 1
  ) page;
  body := coalesce(array_to_string(documents[1:$4], ','), '');
  if array_length(ids, 1) > $4 then
    next_at := times[$4];
    next_id := ids[$4];
  end if;
end $$""",
    """
create function api_get_survivor(tenant text, kind text, row_id text, out survivor text) language plpgsql stable as $$
begin
  case $2
    when 'account' then select r.merged_into into survivor from accounts r where r.customer_id = $1 and r.id = $3;
    when 'contact' then select r.merged_into into survivor from contacts r where r.customer_id = $1 and r.id = $3;
    when 'lead' then select r.merged_into into survivor from leads r where r.customer_id = $1 and r.id = $3;
  end case;
end $$""",
]
SIGNATURES = (
    "api_list_merges(text, timestamptz, text, int, text, text)",
    "api_get_survivor(text, text, text)",
)


def upgrade() -> None:
    for table in MERGEABLE:
        op.execute(f"alter table {table} add column merged_into varchar(36)")
        op.execute(
            f"alter table {table} add constraint fk_{table}_customer_id_merged_into "
            f"foreign key (customer_id, merged_into) references {table} (customer_id, id)"
        )
        op.execute(
            f"alter table {table} add constraint ck_{table}_merged_into "
            "check ((merged_into is null) or (deleted_at is not null))"
        )
        op.execute(
            f"create index ix_{table}_merged_into on {table} (customer_id, merged_into) where merged_into is not null"
        )
    for statement in (*TABLES, *protect("merges"), *GRANTS, *FUNCTIONS):
        op.execute(statement)
    for function in SIGNATURES:
        op.execute(f"revoke all on function {function} from public")
        op.execute(f"grant execute on function {function} to {APP_ROLE}")


def downgrade() -> None:
    for function in SIGNATURES:
        op.execute(f"drop function {function}")
    op.execute("drop table merges")
    for table in MERGEABLE:
        op.execute(f"alter table {table} drop column merged_into")
