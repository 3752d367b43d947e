"""Which version of the briefing a person has seen last."""

from alembic import op

from bevyly.db.rls import APP_ROLE, PIPELINE_ROLE, protect

revision = "2026_11_29_briefing_seen"
down_revision = "2026_11_29_briefing_diff"
branch_labels = None
depends_on = None

TABLE = """
create table briefing_seen (
    customer_id varchar(36) not null,
    user_id varchar(36) not null,
    version integer not null,
    as_of timestamp with time zone not null,
    seen_at timestamp with time zone not null,
    constraint pk_briefing_seen primary key (customer_id, user_id),
    constraint fk_briefing_seen_customer_id foreign key(customer_id) references customers (id),
    constraint fk_briefing_seen_customer_id_user_id foreign key(customer_id, user_id) references users (customer_id, id)
)
"""
FUNCTION = """
create function api_get_briefing_seen(tenant text, reader text, out version int, out as_of timestamptz)
language plpgsql stable as $function$
#variable_conflict use_column
begin
  select s.version, s.as_of into version, as_of from briefing_seen s where s.customer_id = $1 and s.user_id = $2;
end $function$"""


def upgrade() -> None:
    for statement in (
        TABLE,
        "comment on column briefing_seen.as_of is 'the instant that the version is of'",
        *protect("briefing_seen"),
        f"grant select, insert, update on briefing_seen to {APP_ROLE}",
        f"grant select, insert, update, delete on briefing_seen to {PIPELINE_ROLE}",
        FUNCTION,
        "revoke all on function api_get_briefing_seen(text, text) from public",
        f"grant execute on function api_get_briefing_seen(text, text) to {APP_ROLE}",
    ):
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop function api_get_briefing_seen(text, text)")
    op.drop_table("briefing_seen")
