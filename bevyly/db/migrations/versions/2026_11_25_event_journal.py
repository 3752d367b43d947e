"""What was published, kept for replay and reconciliation, and which tenants are spread by entity.

Partitions, one a day in UTC, live in a schema of their own that no role may use: whoever reads or writes the journal
goes through its parent, and the parent's policies. Making and dropping them is the owner's, behind one function, which
waits for locks so briefly that nobody notices and leaves for later what it did not get.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from bevyly.db.rls import PIPELINE_ROLE, protect

revision = "2026_11_25_event_journal"
down_revision = "2026_11_24_api_reads"
branch_labels = None
depends_on = None

# Attached, not created as a partition: that takes no lock which readers or the relay would notice. What the default
# partition holds of that day moves along, because an attachment is refused while it holds any.
MAKE_PARTITION = """
create function journal.make_partition(day date) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '100ms'
as $$
declare
  name text := 'event_journal_' || to_char(day, 'YYYY_MM_DD');
  since timestamptz := day::timestamp at time zone 'UTC';
  upto timestamptz := (day + 1)::timestamp at time zone 'UTC';
begin
  execute format('create table journal.%I (like public.event_journal including defaults including constraints)', name);
  execute format(
    'alter table journal.%I add primary key (published_at, position), '
    'add constraint within check (published_at >= %L and published_at < %L)', name, since, upto);
  if exists (select from journal.event_journal_default where published_at >= since and published_at < upto) then
    execute format(
      'with strays as (delete from journal.event_journal_default where published_at >= %L and published_at < %L '
      'returning *) insert into journal.%I select * from strays', since, upto, name);
  end if;
  execute format(
    'alter table public.event_journal attach partition journal.%I for values from (%L) to (%L)', name, since, upto);
  execute format('alter table journal.%I drop constraint within', name);
  execute format('alter table journal.%I enable row level security', name);
end $$
"""

PARTITIONS = """
create function journal.partitions() returns table (name text, day date)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select c.relname::text, to_date(right(c.relname, 10), 'YYYY_MM_DD')
  from pg_inherits i join pg_class c on c.oid = i.inhrelid
  where i.inhparent = 'public.event_journal'::regclass and c.relname ~ '^event_journal_[0-9]{4}_[0-9]{2}_[0-9]{2}$'
$$
"""

MAINTAIN = """
create function maintain_event_journal(
  days_kept int, today date default (now() at time zone 'UTC')::date, days_ahead int default 3,
  out made int, out dropped int, out postponed int
)
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '100ms'
as $$
declare
  one record;
begin
  made := 0; dropped := 0; postponed := 0;
  for one in
    select (today + ahead) as day from generate_series(0, days_ahead) as ahead
    except select p.day from journal.partitions() p
    order by day
  loop
    begin
      perform journal.make_partition(one.day);
      made := made + 1;
    exception when lock_not_available then
      postponed := postponed + 1;
    end;
  end loop;
  for one in select p.name from journal.partitions() p where p.day < today - greatest(days_kept, 1) order by p.day loop
    begin
      execute format('drop table journal.%I', one.name);
      dropped := dropped + 1;
    exception when lock_not_available then
      postponed := postponed + 1;
    end;
    exit when postponed > 0;
  end loop;
end $$
"""

FUNCTIONS = ["journal.make_partition(date)", "journal.partitions()", "maintain_event_journal(int, date, int)"]


def upgrade() -> None:
    _journal()
    _spreads()
    for table in ("event_journal", "tenant_spreads"):
        for statement in protect(table):
            op.execute(statement)
    op.execute(f"grant select, insert on event_journal to {PIPELINE_ROLE}")
    op.execute(f"grant select, insert, update, delete on tenant_spreads to {PIPELINE_ROLE}")


def _journal() -> None:
    op.create_table(
        "event_journal",
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("topic", sa.String(length=100), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("envelope", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("published_at", "position", name="pk_event_journal"),
        postgresql_partition_by="RANGE (published_at)",
    )
    op.execute("create schema journal")
    op.execute("create table journal.event_journal_default partition of event_journal default")
    op.execute("alter table journal.event_journal_default enable row level security")
    for statement in (MAKE_PARTITION, PARTITIONS, MAINTAIN):
        op.execute(statement)
    for function in FUNCTIONS:
        op.execute(f"revoke all on function {function} from public")
    op.execute(f"grant execute on function maintain_event_journal(int, date, int) to {PIPELINE_ROLE}")
    op.execute("select maintain_event_journal(1)")


def _spreads() -> None:
    op.create_table(
        "tenant_spreads",
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("barrier", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("active_since", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("customer_id", name="pk_tenant_spreads"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_tenant_spreads_customer_id"),
    )


def downgrade() -> None:
    op.drop_table("tenant_spreads")
    op.execute("drop function maintain_event_journal(int, date, int)")
    op.execute("drop schema journal cascade")
    op.drop_table("event_journal")
