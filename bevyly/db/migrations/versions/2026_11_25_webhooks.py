"""Webhooks out: endpoints, what is delivered to them, attempts; and what the API reads of it, as in the API's other reads."""

from alembic import op

from bevyly.db.rls import APP_ROLE, PIPELINE_ROLE, protect

revision = "2026_11_25_webhooks"
down_revision = "2026_11_25_inbound_events"
branch_labels = None
depends_on = None

NAMES = ("webhook_endpoints", "webhook_events", "webhook_deliveries", "webhook_attempts")
TABLES = [
    """
create table webhook_endpoints (
    url varchar(2048) not null,
    description varchar(255),
    event_types text[] not null,
    filters jsonb default '[]' not null,
    secrets jsonb default '[]' not null,
    enabled boolean default 'true' not null,
    disabled_reason varchar(50),
    disabled_at timestamp with time zone,
    failing_since timestamp with time zone,
    failures integer default '0' not null,
    version integer default '1' not null,
    deleted_at timestamp with time zone,
    created_at timestamp with time zone default now() not null,
    updated_at timestamp with time zone default now() not null,
    customer_id varchar(36) not null,
    id varchar(36) not null,
    constraint pk_webhook_endpoints primary key (customer_id, id),
    constraint fk_webhook_endpoints_customer_id foreign key(customer_id) references customers (id)
)
    """,
    "create index ix_webhook_endpoints_list on webhook_endpoints (customer_id, created_at desc, id desc)",
    """
create table webhook_events (
    customer_id varchar(36) not null,
    event_id varchar(36) not null,
    type varchar(100) not null,
    envelope text not null,
    created_at timestamp with time zone default now() not null,
    constraint pk_webhook_events primary key (customer_id, event_id)
)
    """,
    "create index ix_webhook_events_created_at on webhook_events using brin (created_at)",
    """
create table webhook_deliveries (
    endpoint_id varchar(36) not null,
    event_id varchar(36) not null,
    event_type varchar(100) not null,
    status varchar(50) default 'pending' not null,
    tries integer default '0' not null,
    next_attempt_at timestamp with time zone,
    leased_until timestamp with time zone,
    lease varchar(36),
    last_error varchar(50),
    finished_at timestamp with time zone,
    created_at timestamp with time zone default now() not null,
    customer_id varchar(36) not null,
    id varchar(36) not null,
    constraint pk_webhook_deliveries primary key (customer_id, id),
    constraint fk_webhook_deliveries_customer_id_endpoint_id foreign key(customer_id, endpoint_id) references webhook_endpoints (customer_id, id) on delete cascade,
    constraint fk_webhook_deliveries_customer_id_event_id foreign key(customer_id, event_id) references webhook_events (customer_id, event_id) on delete cascade,
    constraint uq_webhook_deliveries_customer_id_endpoint_id_event_id unique (customer_id, endpoint_id, event_id),
    constraint ck_webhook_deliveries_status check (status in ('pending','delivered','failed')),
    constraint fk_webhook_deliveries_customer_id foreign key(customer_id) references customers (id)
)
    """,
    "create index ix_webhook_deliveries_created_at on webhook_deliveries using brin (created_at)",
    "create index ix_webhook_deliveries_due on webhook_deliveries (customer_id, endpoint_id, next_attempt_at) where status = 'pending'",
    "create index ix_webhook_deliveries_event on webhook_deliveries (customer_id, event_id)",
    "create index ix_webhook_deliveries_list on webhook_deliveries (customer_id, endpoint_id, created_at desc, id desc)",
    """
create table webhook_attempts (
    delivery_id varchar(36) not null,
    started_at timestamp with time zone not null,
    latency_ms integer not null,
    status_code integer,
    error varchar(50),
    address varchar(45),
    response_body text,
    customer_id varchar(36) not null,
    id varchar(36) not null,
    constraint pk_webhook_attempts primary key (customer_id, id),
    constraint fk_webhook_attempts_customer_id_delivery_id foreign key(customer_id, delivery_id) references webhook_deliveries (customer_id, id) on delete cascade,
    constraint fk_webhook_attempts_customer_id foreign key(customer_id) references customers (id)
)
    """,
    "create index ix_webhook_attempts_delivery on webhook_attempts (customer_id, delivery_id, started_at)",
    "comment on column webhook_endpoints.secrets is 'sealed, the newest first; the others sign along until they expire'",
    "comment on column webhook_endpoints.failing_since is 'start of the first failure after the last success'",
]
GRANTS = [
    f"grant select, insert, update on webhook_endpoints, webhook_deliveries to {APP_ROLE}",
    f"grant select, insert on webhook_events to {APP_ROLE}",
    f"grant select on webhook_attempts to {APP_ROLE}",
    f"grant select, insert, update, delete on {', '.join(NAMES)} to {PIPELINE_ROLE}",
]

ENDPOINT = """
    r.id, r.url, r.description, r.event_types, r.filters, r.enabled, r.disabled_reason, r.disabled_at, r.failing_since,
    r.failures as failed_deliveries,
    (select coalesce(json_agg((s ->> 'expires_at')::timestamptz order by n), '[]')
     from jsonb_array_elements(r.secrets) with ordinality as held (s, n) where n > 1) as earlier_secrets_expire_at,
    r.version, r.created_at, r.updated_at"""
DELIVERY = """
    r.id, r.endpoint_id, r.event_id, r.event_type, r.status, r.tries, r.next_attempt_at, r.last_error, r.finished_at, r.created_at,
    coalesce((
      select json_agg(json_build_object(
        'started_at', a.started_at, 'latency_ms', a.latency_ms, 'status_code', a.status_code, 'error', a.error,
        'address', a.address, 'response_body', a.response_body) order by a.started_at)
      from (select * from webhook_attempts w where w.customer_id = r.customer_id and w.delivery_id = r.id
            order by w.started_at desc limit 20) a
    ), '[]') as attempts"""


def page_function(name: str, parameters: str, rows: str) -> str:
    """`name(tenant, before, before id, limit, …)`: the rows of a page, newest first, and where it ends if more follow."""
    return f"""
create function {name}(
  tenant text, before timestamptz, before_id text, row_limit int{parameters}, out body text, out next_at timestamptz, out next_id text
) language plpgsql stable as $$
declare
  documents text[];
  times timestamptz[];
  ids text[];
begin
  select array_agg(row_to_json(page)::text), array_agg(page.created_at), array_agg(page.id) into documents, times, ids
  from ({rows} order by r.created_at desc, r.id desc limit $4 + 1) page;
  body := coalesce(array_to_string(documents[1:$4], ','), '');
  if array_length(ids, 1) > $4 then
    next_at := times[$4];
    next_id := ids[$4];
  end if;
end $$"""


FUNCTIONS = [
    page_function(
        "api_list_webhooks",
        "",
        f"""select {ENDPOINT} from webhook_endpoints r
        where r.customer_id = $1 and (r.created_at, r.id) < ($2, $3) and r.deleted_at is null""",
    ),
    page_function(
        "api_list_webhook_deliveries",
        ", status text, endpoint text",
        f"""select {DELIVERY} from webhook_deliveries r
        where r.customer_id = $1 and (r.created_at, r.id) < ($2, $3) and r.endpoint_id = $6 and ($5 is null or r.status = $5)""",
    ),
    f"""
create function api_get_webhook(tenant text, row_id text, out body text, out version int) language plpgsql stable as $$
begin
  select row_to_json(one)::text, one.version into body, version
  from (select {ENDPOINT} from webhook_endpoints r where r.customer_id = $1 and r.id = $2 and r.deleted_at is null) one;
end $$""",
    f"""
create function api_get_webhook_delivery(tenant text, row_id text, endpoint text, out body text) language plpgsql stable as $$
begin
  select row_to_json(one)::text into body
  from (
    select {DELIVERY}, (
      select e.envelope::json from webhook_events e where e.customer_id = r.customer_id and e.event_id = r.event_id
    ) as event
    from webhook_deliveries r
    join webhook_endpoints p on p.customer_id = r.customer_id and p.id = r.endpoint_id and p.deleted_at is null
    where r.customer_id = $1 and r.id = $2 and r.endpoint_id = $3
  ) one;
end $$""",
]
SIGNATURES = (
    "api_list_webhooks(text, timestamptz, text, int)",
    "api_list_webhook_deliveries(text, timestamptz, text, int, text, text)",
    "api_get_webhook(text, text)",
    "api_get_webhook_delivery(text, text, text)",
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
