"""Invitations by mail, and what the API reads of them."""

from alembic import op

from bevyly.db.rls import APP_ROLE, PIPELINE_ROLE, protect

revision = "2026_11_28_invitations"
down_revision = "2026_11_28_pipelines"
branch_labels = None
depends_on = None

TABLE = [
    """
create table invitations (
    email varchar(255) not null,
    role varchar(50) not null,
    team_id varchar(36),
    token_hash varchar(64) not null,
    invited_by varchar(36) not null,
    sent_at timestamp with time zone not null,
    expires_at timestamp with time zone not null,
    accepted_at timestamp with time zone,
    revoked_at timestamp with time zone,
    user_id varchar(36),
    created_at timestamp with time zone default now() not null,
    customer_id varchar(36) not null,
    id varchar(36) not null,
    constraint pk_invitations primary key (customer_id, id),
    constraint fk_invitations_customer_id_team_id foreign key(customer_id, team_id) references teams (customer_id, id) on delete set null (team_id),
    constraint fk_invitations_customer_id_invited_by foreign key(customer_id, invited_by) references users (customer_id, id),
    constraint fk_invitations_customer_id_user_id foreign key(customer_id, user_id) references users (customer_id, id),
    constraint uq_invitations_customer_id_token_hash unique (customer_id, token_hash),
    constraint ck_invitations_role check (role in ('owner','admin','member','viewer')),
    constraint ck_invitations_email_lower check (email = lower(email)),
    constraint fk_invitations_customer_id foreign key(customer_id) references customers (id)
)
    """,
    "create index ix_invitations_list on invitations (customer_id, created_at desc, id desc)",
    "create unique index uq_invitations_pending on invitations (customer_id, email) where accepted_at is null and revoked_at is null",
    "comment on column invitations.user_id is 'who it made a user'",
    *protect("invitations"),
    f"grant select, insert, update on invitations to {APP_ROLE}",
    f"grant select, insert, update, delete on invitations to {PIPELINE_ROLE}",
]
INVITATION = """
    r.id, r.email, r.role, r.team_id, r.invited_by, r.sent_at, r.expires_at, r.accepted_at, r.revoked_at, r.user_id, r.created_at"""
FUNCTIONS = [
    f"""
create function api_list_invitations(
  tenant text, before timestamptz, before_id text, row_limit int, pending text,
  out body text, out next_at timestamptz, out next_id text
) language plpgsql stable as $$
declare
  documents text[];
  times timestamptz[];
  ids text[];
begin
  select array_agg(row_to_json(page)::text), array_agg(page.created_at), array_agg(page.id) into documents, times, ids
  from (
    select {INVITATION} from invitations r
    where r.customer_id = $1 and (r.created_at, r.id) < ($2, $3)
      and ($5 is null or (r.accepted_at is null and r.revoked_at is null) = ($5 = 'true'))
    order by r.created_at desc, r.id desc limit $4 + 1
  ) page;
  body := coalesce(array_to_string(documents[1:$4], ','), '');
  if array_length(ids, 1) > $4 then
    next_at := times[$4];
    next_id := ids[$4];
  end if;
end $$""",
    f"""
create function api_get_invitation(tenant text, row_id text, out body text) language plpgsql stable as $$
begin
  select row_to_json(one)::text into body
  from (select {INVITATION} from invitations r where r.customer_id = $1 and r.id = $2) one;
end $$""",
]
SIGNATURES = ("api_list_invitations(text, timestamptz, text, int, text)", "api_get_invitation(text, text)")


def upgrade() -> None:
    for statement in (*TABLE, *FUNCTIONS):
        op.execute(statement)
    for function in SIGNATURES:
        op.execute(f"revoke all on function {function} from public")
        op.execute(f"grant execute on function {function} to {APP_ROLE}")


def downgrade() -> None:
    for function in SIGNATURES:
        op.execute(f"drop function {function}")
    op.execute("drop table invitations")
