"""Fields of a tenant's own: their definitions, what the API reads of them, and their values by type.

`custom_…(custom, key)` is the value under a key, or null where it is not of the type: a text that is no date never ends
a query. Filters, sorts, facets and files all read values through them. `pg_input_is_valid` is of PostgreSQL 16.
"""

from alembic import op

from bevyly.db.rls import APP_ROLE, PIPELINE_ROLE, protect

revision = "2026_11_28_custom_fields"
down_revision = "2026_11_28_sure_duplicates"
branch_labels = None
depends_on = None

TABLE = [
    """
create table custom_fields (
    object varchar(50) not null,
    key varchar(50) not null,
    label varchar(100) not null,
    description varchar(1000),
    type varchar(50) not null,
    options jsonb default '[]' not null,
    max_length integer,
    minimum double precision,
    maximum double precision,
    archived boolean default 'false' not null,
    version integer default '1' not null,
    created_at timestamp with time zone default now() not null,
    updated_at timestamp with time zone not null,
    customer_id varchar(36) not null,
    id varchar(36) not null,
    constraint pk_custom_fields primary key (customer_id, id),
    constraint uq_custom_fields_customer_id_object_key unique (customer_id, object, key),
    constraint ck_custom_fields_object check (object in ('account','contact','lead','opportunity','activity')),
    constraint ck_custom_fields_type check (
        type in ('text','number','boolean','date','datetime','select','multi_select','url','email')),
    constraint ck_custom_fields_key check (key ~ '^[a-z][a-z0-9_]{0,49}$'),
    constraint fk_custom_fields_customer_id foreign key(customer_id) references customers (id)
)
    """,
    "create index ix_custom_fields_list on custom_fields (customer_id, created_at desc, id desc)",
]
GRANTS = [f"grant select, insert, update, delete on custom_fields to {APP_ROLE}, {PIPELINE_ROLE}"]

SHOWN = """
    r.id, r.object, r.key, r.label, r.description, r.type, r.options, r.max_length, r.minimum, r.maximum, r.archived,
    r.version, r.created_at, r.updated_at"""
FUNCTIONS = [
    f"""
create function api_list_custom_fields(
  tenant text, before timestamptz, before_id text, row_limit int, of_object text, is_archived text,
  out body text, out next_at timestamptz, out next_id text
) language plpgsql stable as $$
declare
  documents text[];
  times timestamptz[];
  ids text[];
begin
  select array_agg(row_to_json(page)::text), array_agg(page.created_at), array_agg(page.id) into documents, times, ids
  from (
    select {SHOWN} from custom_fields r
    where r.customer_id = $1 and (r.created_at, r.id) < ($2, $3)
      and ($5 is null or r.object = $5) and ($6 is null or r.archived = ($6 = 'true'))
    order by r.created_at desc, r.id desc limit $4 + 1
  ) page;
  body := coalesce(array_to_string(documents[1:$4], ','), '');
  if array_length(ids, 1) > $4 then
    next_at := times[$4];
    next_id := ids[$4];
  end if;
end $$""",
    f"""
create function api_get_custom_field(tenant text, row_id text, out body text, out version int) language plpgsql stable as $$
begin
  select row_to_json(one)::text, one.version into body, version
  from (select {SHOWN} from custom_fields r where r.customer_id = $1 and r.id = $2) one;
end $$""",
    """
create function api_find_custom_fields(tenant text, of_object text, keys text[], out fields jsonb) language plpgsql stable as $$
begin
  select coalesce(jsonb_agg(jsonb_build_object(
    'object', f.object, 'key', f.key, 'label', f.label, 'type', f.type, 'options', f.options, 'archived', f.archived
  ) order by f.key, f.object), '[]') into fields
  from custom_fields f
  where f.customer_id = $1 and ($2 is null or f.object = $2) and ($3 is null or f.key = any($3));
end $$""",
    """
create function custom_text(custom jsonb, key text) returns text language sql immutable parallel safe
return case when jsonb_typeof(custom -> key) = 'string' then custom ->> key end""",
    """
create function custom_number(custom jsonb, key text) returns numeric language sql immutable parallel safe
return case when jsonb_typeof(custom -> key) = 'number' then (custom -> key)::numeric end""",
    """
create function custom_boolean(custom jsonb, key text) returns boolean language sql immutable parallel safe
return case when jsonb_typeof(custom -> key) = 'boolean' then (custom -> key)::boolean end""",
    """
create function custom_date(custom jsonb, key text) returns date language sql stable parallel safe
return case
  when custom ->> key ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' and pg_input_is_valid(custom ->> key, 'date')
  then (custom ->> key)::date end""",
    """
create function custom_instant(custom jsonb, key text) returns timestamptz language sql stable parallel safe
return case
  when custom ->> key ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]+)$'
    and pg_input_is_valid(custom ->> key, 'timestamptz')
  then (custom ->> key)::timestamptz end""",
    """
create function custom_list(custom jsonb, key text) returns jsonb language sql immutable parallel safe
return case when jsonb_typeof(custom -> key) = 'array' then custom -> key end""",
]
SIGNATURES = (
    "api_list_custom_fields(text, timestamptz, text, int, text, text)",
    "api_get_custom_field(text, text)",
    "api_find_custom_fields(text, text, text[])",
    *(f"custom_{kind}(jsonb, text)" for kind in ("text", "number", "boolean", "date", "instant", "list")),
)


def upgrade() -> None:
    for statement in (*TABLE, *protect("custom_fields"), *GRANTS, *FUNCTIONS):
        op.execute(statement)
    for function in SIGNATURES:
        op.execute(f"revoke all on function {function} from public")
        op.execute(f"grant execute on function {function} to {APP_ROLE}, {PIPELINE_ROLE}")


def downgrade() -> None:
    for function in SIGNATURES:
        op.execute(f"drop function {function}")
    op.execute("drop table custom_fields")
