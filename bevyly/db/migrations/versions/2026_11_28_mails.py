"""Mails that are to leave: queued by the API with their cause, read and sent by the pipeline alone."""

from alembic import op

from bevyly.db.rls import APP_ROLE, PIPELINE_ROLE, protect

revision = "2026_11_28_mails"
down_revision = "2026_11_28_search"
branch_labels = None
depends_on = None

STATEMENTS = [
    """
create table mails (
    kind varchar(50) not null,
    recipient varchar(255) not null,
    body text,
    status varchar(50) default 'pending' not null,
    tries integer default '0' not null,
    next_attempt_at timestamp with time zone not null,
    expires_at timestamp with time zone,
    last_error varchar(100),
    finished_at timestamp with time zone,
    created_at timestamp with time zone default now() not null,
    customer_id varchar(36) not null,
    id varchar(36) not null,
    constraint pk_mails primary key (customer_id, id),
    constraint ck_mails_status check (status in ('pending','sent','failed')),
    constraint fk_mails_customer_id foreign key(customer_id) references customers (id)
)
    """,
    "create index ix_mails_due on mails (next_attempt_at) where status = 'pending'",
    "create index ix_mails_created_at on mails using brin (created_at)",
    "comment on column mails.body is 'sealed subject, text and HTML; null once it has left or failed'",
    *protect("mails"),
    f"grant insert on mails to {APP_ROLE}",
    f"grant select, insert, update, delete on mails to {PIPELINE_ROLE}",
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop table mails")
