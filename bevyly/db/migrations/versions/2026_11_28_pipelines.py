"""Pipelines and stages; each tenant has a default one, with every stage that its deals are in."""

from alembic import op

from bevyly.db.rls import APP_ROLE, PIPELINE_ROLE, protect

revision = "2026_11_28_pipelines"
down_revision = "2026_11_28_audit_reads"
branch_labels = None
depends_on = None

NAMES = ("pipelines", "pipeline_stages")
TABLES = [
    """
create table pipelines (
    name varchar(255) not null,
    is_default boolean default 'false' not null,
    version integer default '1' not null,
    archived_at timestamp with time zone,
    created_at timestamp with time zone default now() not null,
    updated_at timestamp with time zone not null,
    customer_id varchar(36) not null,
    id varchar(36) not null,
    constraint pk_pipelines primary key (customer_id, id),
    constraint fk_pipelines_customer_id foreign key(customer_id) references customers (id)
)
    """,
    "create index ix_pipelines_list on pipelines (customer_id, created_at desc, id desc)",
    "create unique index uq_pipelines_default on pipelines (customer_id) where is_default",
    """
create table pipeline_stages (
    pipeline_id varchar(36) not null,
    key varchar(50) not null,
    name varchar(100) not null,
    position integer not null,
    probability double precision not null,
    kind varchar(50) not null,
    archived_at timestamp with time zone,
    customer_id varchar(36) not null,
    id varchar(36) not null,
    constraint pk_pipeline_stages primary key (customer_id, id),
    constraint fk_pipeline_stages_customer_id_pipeline_id foreign key(customer_id, pipeline_id) references pipelines (customer_id, id),
    constraint uq_pipeline_stages_customer_id_key unique (customer_id, key),
    constraint ck_pipeline_stages_kind check (kind in ('open','won','lost')),
    constraint ck_pipeline_stages_probability check (probability between 0 and 1),
    constraint fk_pipeline_stages_customer_id foreign key(customer_id) references customers (id)
)
    """,
    "create index ix_pipeline_stages_pipeline on pipeline_stages (customer_id, pipeline_id, position)",
]
GRANTS = [
    f"grant select, insert, update on pipelines, pipeline_stages to {APP_ROLE}",
    f"grant select, insert, update, delete on pipelines, pipeline_stages to {PIPELINE_ROLE}",
]

# The chances are the rules of thumb that rankings start from where no model is usable.
DEFAULTS = """
  values ('prospecting', 1, 0.10, 'open'), ('qualification', 2, 0.20, 'open'), ('proposal', 3, 0.35, 'open'),
         ('negotiation', 4, 0.55, 'open'), ('won', 5, 1, 'won'), ('lost', 6, 0, 'lost')"""
MAKE_DEFAULT = f"""
create function default_pipeline() returns trigger language plpgsql as $$
declare
  made text := gen_random_uuid()::text;
begin
  insert into pipelines (customer_id, id, name, is_default, created_at, updated_at)
  values (new.id, made, 'Sales', true, new.created_at, new.created_at);
  insert into pipeline_stages (customer_id, id, pipeline_id, key, name, position, probability, kind)
  select new.id, gen_random_uuid()::text, made, s.key, initcap(s.key), s.position, s.probability, s.kind
  from ({DEFAULTS}) s (key, position, probability, kind);
  return new;
end $$"""
EXISTING = [
    f"set local role {PIPELINE_ROLE}",
    """
insert into pipelines (customer_id, id, name, is_default, created_at, updated_at)
select c.id, gen_random_uuid()::text, 'Sales', true, c.created_at, c.created_at from customers c""",
    f"""
insert into pipeline_stages (customer_id, id, pipeline_id, key, name, position, probability, kind)
select p.customer_id, gen_random_uuid()::text, p.id, s.key, initcap(s.key), s.position, s.probability, s.kind
from pipelines p, ({DEFAULTS}) s (key, position, probability, kind)""",
    """
insert into pipeline_stages (customer_id, id, pipeline_id, key, name, position, probability, kind)
select p.customer_id, gen_random_uuid()::text, p.id, o.stage, initcap(replace(o.stage, '_', ' ')),
  6 + row_number() over (partition by o.customer_id order by o.stage), 0.15, min(o.status)
from opportunities o join pipelines p on p.customer_id = o.customer_id
where not exists (select from pipeline_stages s where s.customer_id = o.customer_id and s.key = o.stage)
group by p.customer_id, p.id, o.customer_id, o.stage""",
    "reset role",
]
TRIGGER = "create trigger default_pipeline after insert on customers for each row execute function default_pipeline()"

PIPELINE = """
    r.id, r.name, r.is_default,
    (select json_agg(json_build_object('id', s.id, 'key', s.key, 'name', s.name, 'probability', s.probability,
       'kind', s.kind, 'archived_at', s.archived_at) order by s.archived_at is not null, s.kind <> 'open', s.position, s.key)
     from pipeline_stages s where s.customer_id = r.customer_id and s.pipeline_id = r.id) as stages,
    r.version, r.archived_at, r.created_at, r.updated_at"""
FUNCTIONS = [
    f"""
create function api_list_pipelines(
  tenant text, before timestamptz, before_id text, row_limit int, out body text, out next_at timestamptz, out next_id text
) language plpgsql stable as $$
declare
  documents text[];
  times timestamptz[];
  ids text[];
begin
  select array_agg(row_to_json(page)::text), array_agg(page.created_at), array_agg(page.id) into documents, times, ids
  from (
    select {PIPELINE} from pipelines r where r.customer_id = $1 and (r.created_at, r.id) < ($2, $3)
    order by r.created_at desc, r.id desc limit $4 + 1
  ) page;
  body := coalesce(array_to_string(documents[1:$4], ','), '');
  if array_length(ids, 1) > $4 then
    next_at := times[$4];
    next_id := ids[$4];
  end if;
end $$""",
    f"""
create function api_get_pipeline(tenant text, row_id text, out body text, out version int) language plpgsql stable as $$
begin
  select row_to_json(one)::text, one.version into body, version
  from (select {PIPELINE} from pipelines r where r.customer_id = $1 and r.id = $2) one;
end $$""",
]
SIGNATURES = ("api_list_pipelines(text, timestamptz, text, int)", "api_get_pipeline(text, text)")


def upgrade() -> None:
    protection = (one for name in NAMES for one in protect(name))
    for statement in (*TABLES, *protection, *GRANTS, *EXISTING, MAKE_DEFAULT, TRIGGER, *FUNCTIONS):
        op.execute(statement)
    for function in SIGNATURES:
        op.execute(f"revoke all on function {function} from public")
        op.execute(f"grant execute on function {function} to {APP_ROLE}")


def downgrade() -> None:
    for function in SIGNATURES:
        op.execute(f"drop function {function}")
    op.execute("drop trigger default_pipeline on customers")
    op.execute("drop function default_pipeline()")
    for name in reversed(NAMES):
        op.execute(f"drop table {name}")
