"""Dead letters where a person can see and redrive them, and streams that stopped because of them."""

from alembic import op

from bevyly.db.rls import PIPELINE_ROLE, protect

revision = "2026_11_25_dead_letters"
down_revision = "2026_11_25_event_journal"
branch_labels = None
depends_on = None

DEAD_LETTERS = """
create table raw.dead_letters (
  id varchar(36) not null,
  position bigint generated always as identity,
  consumer varchar(100) not null,
  topic varchar(100) not null,
  partition integer not null,
  "offset" bigint not null,
  customer_id varchar(36),
  event_id varchar(36),
  type varchar(100),
  subject varchar(87),
  code varchar(50) not null,
  reason text not null,
  tries integer not null,
  payload bytea not null,
  key bytea,
  headers jsonb not null default '[]',
  created_at timestamptz not null default now(),
  status varchar(50) not null default 'open',
  resolved_at timestamptz,
  resolution text,
  constraint pk_dead_letters primary key (id),
  constraint uq_dead_letters_consumer_topic_partition_offset unique (consumer, topic, partition, "offset"),
  constraint ck_dead_letters_status check (status in ('open','redriven','discarded'))
)
"""
COMMENTS = {
    "position": "order of recording",
    "code": "`parked`: healthy, and behind an open letter of its subject",
    "headers": "pairs of name and value, as they came",
    "resolution": "how it was resolved, and why",
}
INDEXES = """
create index ix_dead_letters_open on raw.dead_letters (consumer, customer_id, subject) where status = 'open';
create index ix_dead_letters_tenant on raw.dead_letters (customer_id, created_at)
"""
HALTS = """
create table raw.consumer_halts (
  consumer varchar(100) not null,
  since timestamptz not null,
  reason text not null,
  released_at timestamptz,
  constraint pk_consumer_halts primary key (consumer, since)
);
create unique index uq_consumer_halts_standing on raw.consumer_halts (consumer) where released_at is null
"""


def upgrade() -> None:
    op.execute(DEAD_LETTERS)
    for column, comment in COMMENTS.items():
        op.execute(f"comment on column raw.dead_letters.{column} is '{comment}'")
    op.execute(INDEXES)
    op.execute(HALTS)
    for statement in protect("raw.dead_letters"):
        op.execute(statement)
    op.execute(f"grant select, insert, update, delete on raw.dead_letters, raw.consumer_halts to {PIPELINE_ROLE}")


def downgrade() -> None:
    op.execute("drop table raw.consumer_halts, raw.dead_letters")
