"""Files that people import: the file in parts, refused rows, what was done to records; and what the API reads of it."""

from alembic import op

from bevyly.db.rls import APP_ROLE, PIPELINE_ROLE, protect

revision = "2026_11_28_imports"
down_revision = "2026_11_28_calendar"
branch_labels = None
depends_on = None

NAMES = ("imports", "import_chunks", "import_errors", "import_effects")
TABLES = [
    """
create table imports (
    kind varchar(50) not null,
    filename varchar(255),
    status varchar(50) default 'uploaded' not null,
    dry_run boolean default 'false' not null,
    size_bytes integer not null,
    encoding varchar(50) not null,
    delimiter varchar(1) not null,
    has_header boolean not null,
    columns jsonb default '[]' not null,
    mapping jsonb default '{}' not null,
    rows_total integer,
    rows_done integer default '0' not null,
    counts jsonb default '{}' not null,
    reverted jsonb default '{}' not null,
    error varchar(1000),
    created_by varchar(36) not null,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    told_at timestamp with time zone,
    leased_until timestamp with time zone,
    lease varchar(36),
    attempts integer default '0' not null,
    version integer default '1' not null,
    created_at timestamp with time zone default now() not null,
    updated_at timestamp with time zone default now() not null,
    customer_id varchar(36) not null,
    id varchar(36) not null,
    constraint pk_imports primary key (customer_id, id),
    constraint fk_imports_customer_id_created_by foreign key(customer_id, created_by) references users (customer_id, id),
    constraint ck_imports_kind check (kind in ('account','contact','lead','opportunity')),
    constraint ck_imports_status check (status in ('uploaded','mapped','queued','running','checked','done','failed','cancelled','reverting','reverted')),
    constraint fk_imports_customer_id foreign key(customer_id) references customers (id)
)
    """,
    "create index ix_imports_active on imports (updated_at) where status in ('queued','running','reverting')",
    "create index ix_imports_list on imports (customer_id, created_at desc, id desc)",
    """
create table import_chunks (
    customer_id varchar(36) not null,
    import_id varchar(36) not null,
    number integer not null,
    content bytea not null,
    constraint pk_import_chunks primary key (customer_id, import_id, number),
    constraint fk_import_chunks_customer_id_import_id foreign key(customer_id, import_id) references imports (customer_id, id) on delete cascade
)
    """,
    """
create table import_errors (
    customer_id varchar(36) not null,
    import_id varchar(36) not null,
    row_number integer not null,
    column_name varchar(255),
    code varchar(50) not null,
    message text not null,
    cells jsonb default '[]' not null,
    constraint pk_import_errors primary key (customer_id, import_id, row_number),
    constraint fk_import_errors_customer_id_import_id foreign key(customer_id, import_id) references imports (customer_id, id) on delete cascade
)
    """,
    """
create table import_effects (
    customer_id varchar(36) not null,
    import_id varchar(36) not null,
    record_id varchar(36) not null,
    row_number integer not null,
    action varchar(50) not null,
    version integer not null,
    before jsonb not null,
    after jsonb not null,
    outcome varchar(50),
    constraint pk_import_effects primary key (customer_id, import_id, record_id),
    constraint fk_import_effects_customer_id_import_id foreign key(customer_id, import_id) references imports (customer_id, id) on delete cascade,
    constraint ck_import_effects_action check (action in ('created','updated'))
)
    """,
    "create index ix_import_effects_rows on import_effects (customer_id, import_id, row_number)",
    "comment on column imports.counts is 'rows by what became of them'",
    "comment on column imports.reverted is 'records by what became of them when the import was taken back'",
    "comment on column imports.told_at is 'when its progress was last an event'",
]
GRANTS = [
    f"grant select, insert, update, delete on {', '.join(NAMES)} to {APP_ROLE}",
    f"grant select, insert, update, delete on {', '.join(NAMES)} to {PIPELINE_ROLE}",
]

SECONDS = "greatest(extract(epoch from coalesce(r.finished_at, r.updated_at) - r.started_at), 0.001)"
IMPORT = f"""
    r.id, r.kind, r.filename, r.status, r.dry_run, r.size_bytes, r.encoding, r.delimiter, r.has_header, r.columns,
    nullif(r.mapping, '{{}}') as mapping, r.rows_total, r.rows_done, r.counts, r.reverted, r.error, r.created_by,
    r.started_at, r.finished_at,
    case when r.rows_done > 0 then round(r.rows_done / {SECONDS}, 1)::float end as rows_per_second,
    case when r.status = 'running' and r.rows_done > 0
      then ceil((r.rows_total - r.rows_done) * {SECONDS} / r.rows_done)::int end as seconds_left,
    r.version, r.created_at, r.updated_at"""

FUNCTIONS = [
    f"""
create function api_list_imports(
  tenant text, before timestamptz, before_id text, row_limit int, status text, out body text, out next_at timestamptz, out next_id text
) language plpgsql stable as $$
declare
  documents text[];
  times timestamptz[];
  ids text[];
begin
  select array_agg(row_to_json(page)::text), array_agg(page.created_at), array_agg(page.id) into documents, times, ids
  from (
    select {IMPORT} from imports r
    where r.customer_id = $1 and (r.created_at, r.id) < ($2, $3) and ($5 is null or r.status = $5)
    order by r.created_at desc, r.id desc limit $4 + 1
  ) page;
  body := coalesce(array_to_string(documents[1:$4], ','), '');
  if array_length(ids, 1) > $4 then
    next_at := times[$4];
    next_id := ids[$4];
  end if;
end $$""",
    f"""
create function api_get_import(tenant text, row_id text, out body text, out version int) language plpgsql stable as $$
begin
  select row_to_json(one)::text, one.version into body, version
  from (
    select {IMPORT}, coalesce((
      select json_agg(json_build_object('record_id', e.record_id, 'row', e.row_number, 'outcome', e.outcome) order by e.row_number)
      from (
        select * from import_effects f
        where f.customer_id = r.customer_id and f.import_id = r.id and f.outcome in ('conflict', 'partly')
        order by f.row_number limit 100
      ) e
    ), '[]') as conflicts
    from imports r where r.customer_id = $1 and r.id = $2
  ) one;
end $$""",
    """
create function api_get_import_head(
  tenant text, row_id text, out kind text, out encoding text, out delimiter text, out has_header boolean, out columns text, out content bytea
) language plpgsql stable as $$
begin
  select r.kind, r.encoding, r.delimiter, r.has_header, r.columns::text, c.content
  into kind, encoding, delimiter, has_header, columns, content
  from imports r left join import_chunks c on c.customer_id = r.customer_id and c.import_id = r.id and c.number = 0
  where r.customer_id = $1 and r.id = $2;
end $$""",
]
SIGNATURES = (
    "api_list_imports(text, timestamptz, text, int, text)",
    "api_get_import(text, text)",
    "api_get_import_head(text, text)",
)


def upgrade() -> None:
    for statement in (*TABLES, *(one for name in NAMES for one in protect(name)), *GRANTS, *FUNCTIONS):
        op.execute(statement)
    for function in SIGNATURES:
        op.execute(f"revoke all on function {function} from public")
        op.execute(f"grant execute on function {function} to {APP_ROLE}")


def downgrade() -> None:
    for function in SIGNATURES:
        op.execute(f"drop function {function}")
    for name in reversed(NAMES):
        op.execute(f"drop table {name}")
