"""Rights of people: requests, files of exports, marks of who was erased; and the one way to forget in the journal.

The journal stays append-only for every role. Its entries are emptied by a function that does nothing else, for one
tenant, partition by partition: an entry keeps its place and its event id, so that the books still balance.
"""

from alembic import op

from bevyly.db.rls import APP_ROLE, PIPELINE_ROLE, protect

revision = "2026_11_28_privacy"
down_revision = "2026_11_28_import_scope"
branch_labels = None
depends_on = None

TABLES = [
    """
create table privacy_requests (
    kind varchar(50) not null,
    status varchar(50) default 'queued' not null,
    mark varchar(64) not null,
    subject text,
    found jsonb default '{}' not null,
    counts jsonb default '{}' not null,
    error varchar(1000),
    size_bytes bigint,
    requested_by varchar(36) not null,
    confirmed_by varchar(36),
    attempts integer default '0' not null,
    settles_at timestamp with time zone,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    expires_at timestamp with time zone,
    version integer default '1' not null,
    created_at timestamp with time zone default now() not null,
    updated_at timestamp with time zone default now() not null,
    customer_id varchar(36) not null,
    id varchar(36) not null,
    constraint pk_privacy_requests primary key (customer_id, id),
    constraint fk_privacy_requests_customer_id_requested_by foreign key(customer_id, requested_by) references users (customer_id, id),
    constraint fk_privacy_requests_customer_id_confirmed_by foreign key(customer_id, confirmed_by) references users (customer_id, id),
    constraint ck_privacy_requests_kind check (kind in ('export','erasure')),
    constraint ck_privacy_requests_status check (status in ('queued','previewed','confirmed','settling','done','expired','failed','cancelled')),
    constraint fk_privacy_requests_customer_id foreign key(customer_id) references customers (id)
)
    """,
    "create index ix_privacy_requests_list on privacy_requests (customer_id, created_at desc, id desc)",
    "create unique index uq_privacy_requests_open on privacy_requests (customer_id, kind, mark) "
    "where status in ('queued','previewed','confirmed')",
    "create index ix_privacy_requests_active on privacy_requests (created_at) "
    "where status in ('queued','confirmed','settling')",
    "comment on column privacy_requests.subject is 'sealed JSON; null once the request has ended'",
    "comment on column privacy_requests.found is 'ids of the records that are the person, by kind'",
    "comment on column privacy_requests.counts is 'rows by table'",
    "comment on column privacy_requests.settles_at is 'when what was under way has arrived'",
    "comment on column privacy_requests.expires_at is 'when the file of an export goes'",
    """
create table privacy_files (
    customer_id varchar(36) not null,
    request_id varchar(36) not null,
    number integer not null,
    content bytea not null,
    constraint pk_privacy_files primary key (customer_id, request_id, number),
    constraint fk_privacy_files_customer_id_request_id foreign key(customer_id, request_id) references privacy_requests (customer_id, id) on delete cascade
)
    """,
    """
create table erased_marks (
    customer_id varchar(36) not null,
    mark varchar(64) not null,
    erased_at timestamp with time zone not null,
    constraint pk_erased_marks primary key (customer_id, mark)
)
    """,
]
NAMES = ("privacy_requests", "privacy_files", "erased_marks")
GRANTS = [
    f"grant select, insert, update on privacy_requests to {APP_ROLE}",
    f"grant select on privacy_files to {APP_ROLE}",
    f"grant select, insert, update, delete on {', '.join(NAMES)} to {PIPELINE_ROLE}",
]

REQUEST = """
    r.id, r.kind, r.status, r.found, r.counts, r.error, r.size_bytes, r.requested_by, r.confirmed_by,
    r.started_at, r.settles_at, r.finished_at, r.expires_at, r.version, r.created_at, r.updated_at"""
FUNCTIONS = [
    f"""
create function api_list_privacy_requests(
  tenant text, before timestamptz, before_id text, row_limit int, kind text, status text,
  out body text, out next_at timestamptz, out next_id text
) language plpgsql stable as $$
declare
  documents text[];
  times timestamptz[];
  ids text[];
begin
  select array_agg(row_to_json(page)::text), array_agg(page.created_at), array_agg(page.id) into documents, times, ids
  from (
    select {REQUEST} from privacy_requests r
    where r.customer_id = $1 and (r.created_at, r.id) < ($2, $3)
      and ($5 is null or r.kind = $5) and ($6 is null or r.status = $6)
    order by r.created_at desc, r.id desc limit $4 + 1
  ) page;
  body := coalesce(array_to_string(documents[1:$4], ','), '');
  if array_length(ids, 1) > $4 then
    next_at := times[$4];
    next_id := ids[$4];
  end if;
end $$""",
    f"""
create function api_get_privacy_request(tenant text, row_id text, out body text, out version int) language plpgsql stable as $$
begin
  select row_to_json(one)::text, one.version into body, version
  from (select {REQUEST} from privacy_requests r where r.customer_id = $1 and r.id = $2) one;
end $$""",
]
SIGNATURES = (
    "api_list_privacy_requests(text, timestamptz, text, int, text, text)",
    "api_get_privacy_request(text, text)",
)

ERASE_FROM_JOURNAL = """
create function erase_from_journal(tenant text, pattern text, hints text[]) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  part regclass;
  touched bigint;
  total bigint := 0;
begin
  if coalesce(tenant, '') = '' or coalesce(pattern, '') = '' then
    raise exception 'a tenant and a pattern are needed';
  end if;
  for part in select i.inhrelid::regclass from pg_inherits i where i.inhparent = 'public.event_journal'::regclass loop
    execute format(
      'update %s set envelope = %L where customer_id = $1 '
      'and case when lower(envelope collate "C") like any($3) then envelope ~* $2 and envelope !~ %L else false end',
      part, '{"erased": true}', '"type":"(contact|lead)[.]erased"'
    ) using tenant, pattern, hints;
    get diagnostics touched = row_count;
    total := total + touched;
  end loop;
  return total;
end $$
"""


def upgrade() -> None:
    for statement in (*TABLES, *(one for name in NAMES for one in protect(name)), *GRANTS, *FUNCTIONS):
        op.execute(statement)
    for function in SIGNATURES:
        op.execute(f"revoke all on function {function} from public")
        op.execute(f"grant execute on function {function} to {APP_ROLE}")
    op.execute(ERASE_FROM_JOURNAL)
    op.execute("revoke all on function erase_from_journal(text, text, text[]) from public")
    op.execute(f"grant execute on function erase_from_journal(text, text, text[]) to {PIPELINE_ROLE}")


def downgrade() -> None:
    op.execute("drop function erase_from_journal(text, text, text[])")
    for function in SIGNATURES:
        op.execute(f"drop function {function}")
    for name in reversed(NAMES):
        op.execute(f"drop table {name}")
