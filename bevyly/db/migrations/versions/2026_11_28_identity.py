"""Sessions that show where they are used, verified addresses, one-time tokens, keys that follow one another."""

from alembic import op

from bevyly.db.rls import APP_ROLE, PIPELINE_ROLE, protect

revision = "2026_11_28_identity"
down_revision = "2026_11_28_mails"
branch_labels = None
depends_on = None

TABLES = [
    "alter table users add email_verified_at timestamp with time zone",
    "alter table api_keys add rotated_to varchar(36)",
    "comment on column api_keys.rotated_to is 'the key that follows this one'",
    "alter table refresh_tokens add started_at timestamp with time zone default now() not null",
    "alter table refresh_tokens add user_agent varchar(255)",
    "alter table refresh_tokens add address varchar(45)",
    """
update refresh_tokens r set started_at = f.began
from (select customer_id, family_id, min(created_at) as began from refresh_tokens group by 1, 2) f
where r.customer_id = f.customer_id and r.family_id = f.family_id
    """,
    "create index ix_refresh_tokens_sessions on refresh_tokens (customer_id, user_id, started_at desc, family_id desc) "
    "where used_at is null and revoked_at is null",
    """
create table one_time_tokens (
    user_id varchar(36) not null,
    purpose varchar(50) not null,
    token_hash varchar(64) not null,
    email varchar(255) not null,
    expires_at timestamp with time zone not null,
    used_at timestamp with time zone,
    created_at timestamp with time zone default now() not null,
    customer_id varchar(36) not null,
    id varchar(36) not null,
    constraint pk_one_time_tokens primary key (customer_id, id),
    constraint fk_one_time_tokens_customer_id_user_id foreign key(customer_id, user_id) references users (customer_id, id) on delete cascade,
    constraint uq_one_time_tokens_customer_id_token_hash unique (customer_id, token_hash),
    constraint ck_one_time_tokens_purpose check (purpose in ('verify_email','reset_password','change_email')),
    constraint fk_one_time_tokens_customer_id foreign key(customer_id) references customers (id)
)
    """,
    "create index ix_one_time_tokens_user on one_time_tokens (customer_id, user_id, purpose)",
    *protect("one_time_tokens"),
    f"grant select, insert, update, delete on one_time_tokens to {APP_ROLE}, {PIPELINE_ROLE}",
]

DROPPED = [
    "drop function api_get_user(text, text)",
    "drop function api_list_api_keys(text, timestamptz, text, int, text)",
]


def list_keys(columns: str) -> str:
    """A page of API keys; those of one user, where one is named."""
    return f"""
create function api_list_api_keys(
  tenant text, before timestamptz, before_id text, row_limit int, owner text, out body text, out next_at timestamptz, out next_id text
) language plpgsql stable as $function$
declare
  documents text[];
  times timestamptz[];
  ids text[];
begin
  select array_agg(row_to_json(page)::text), array_agg(page.created_at), array_agg(page.id) into documents, times, ids
  from (
    select {columns} from api_keys r
    where r.customer_id = $1 and (r.created_at, r.id) < ($2, $3) and ($5 is null or r.user_id = $5)
    order by r.created_at desc, r.id desc limit $4 + 1
  ) page;
  body := coalesce(array_to_string(documents[1:$4], ','), '');
  if array_length(ids, 1) > $4 then
    next_at := times[$4];
    next_id := ids[$4];
  end if;
end $function$"""


KEY = "r.id, r.name, r.prefix, r.scopes, r.user_id, r.expires_at, r.last_used_at, r.revoked_at, r.created_at"
FUNCTIONS = {
    "api_list_api_keys(text, timestamptz, text, int, text)": list_keys(f"{KEY}, r.rotated_to"),
    "api_get_user(text, text, text)": """
create function api_get_user(
  tenant text, reader text, session text, out email text, out name text, out role text, out token_version int,
  out disabled boolean, out customer text, out verified boolean, out session_over boolean
) language plpgsql stable as $function$
begin
  select u.email, u.name, u.role, u.token_version, u.disabled_at is not null, c.name, u.email_verified_at is not null,
    $3 is not null and not exists (
      select from refresh_tokens t
      where t.customer_id = $1 and t.family_id = $3 and t.user_id = $2 and t.revoked_at is null
    )
  into email, name, role, token_version, disabled, customer, verified, session_over
  from users u join customers c on c.id = u.customer_id
  where u.customer_id = $1 and u.id = $2;
end $function$""",
    "api_list_sessions(text, timestamptz, text, int, text, text)": """
create function api_list_sessions(
  tenant text, before timestamptz, before_id text, row_limit int, reader text, present text,
  out body text, out next_at timestamptz, out next_id text
) language plpgsql stable as $function$
declare
  documents text[];
  times timestamptz[];
  ids text[];
begin
  select array_agg(row_to_json(page)::text), array_agg(page.created_at), array_agg(page.id) into documents, times, ids
  from (
    select r.family_id as id, r.user_agent, r.address, r.started_at as created_at, r.created_at as last_used_at,
      r.expires_at, coalesce(r.family_id = $6, false) as current
    from refresh_tokens r
    where r.customer_id = $1 and r.user_id = $5 and (r.started_at, r.family_id) < ($2, $3)
      and r.used_at is null and r.revoked_at is null and r.expires_at > now()
    order by r.started_at desc, r.family_id desc limit $4 + 1
  ) page;
  body := coalesce(array_to_string(documents[1:$4], ','), '');
  if array_length(ids, 1) > $4 then
    next_at := times[$4];
    next_id := ids[$4];
  end if;
end $function$""",
}
BEFORE = """
create function api_get_user(
  tenant text, reader text, out email text, out name text, out role text, out token_version int, out disabled boolean, out customer text
) language plpgsql stable as $function$
begin
  select u.email, u.name, u.role, u.token_version, u.disabled_at is not null, c.name
  into email, name, role, token_version, disabled, customer
  from users u join customers c on c.id = u.customer_id
  where u.customer_id = $1 and u.id = $2;
end $function$"""


def upgrade() -> None:
    for statement in (*TABLES, *DROPPED, *FUNCTIONS.values()):
        op.execute(statement)
    for function in FUNCTIONS:
        _for_the_app(function)


def downgrade() -> None:
    for function in FUNCTIONS:
        op.execute(f"drop function {function}")
    op.execute(BEFORE)
    op.execute(list_keys(KEY))
    _for_the_app("api_get_user(text, text)")
    _for_the_app("api_list_api_keys(text, timestamptz, text, int, text)")
    op.execute("drop table one_time_tokens")
    op.execute("alter table refresh_tokens drop started_at, drop user_agent, drop address")
    op.execute("alter table api_keys drop rotated_to")
    op.execute("alter table users drop email_verified_at")


def _for_the_app(function: str) -> None:
    op.execute(f"revoke all on function {function} from public")
    op.execute(f"grant execute on function {function} to {APP_ROLE}")
