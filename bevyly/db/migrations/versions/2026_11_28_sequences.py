"""Sequences: steps, who goes through them, what was done; addresses never to write to; and what the API reads of it.

A narrowed reader sees the enrolments of the people they see, and what was done for those. The app, which reads nothing
of queued mails, may look at whether one still waits, and withdraw it: that is how a reply stops a mail on its way out.
"""

from alembic import op

from bevyly.db.rls import APP_ROLE, PIPELINE_ROLE, narrow_where, protect

revision = "2026_11_28_sequences"
down_revision = "2026_11_28_privacy"
branch_labels = None
depends_on = None

NAMES = ("sequences", "sequence_enrolments", "sequence_step_runs", "sequence_mailboxes", "suppressions")
TABLES = [
    """
create table sequences (
    name varchar(255) not null,
    description varchar(1000),
    status varchar(50) default 'draft' not null,
    owner_id varchar(36) not null,
    steps jsonb default '[]' not null,
    send_window jsonb,
    version integer default '1' not null,
    deleted_at timestamp with time zone,
    created_at timestamp with time zone default now() not null,
    updated_at timestamp with time zone default now() not null,
    customer_id varchar(36) not null,
    id varchar(36) not null,
    constraint pk_sequences primary key (customer_id, id),
    constraint fk_sequences_customer_id_owner_id foreign key(customer_id, owner_id) references users (customer_id, id),
    constraint ck_sequences_status check (status in ('draft','active','paused')),
    constraint fk_sequences_customer_id foreign key(customer_id) references customers (id)
)
    """,
    "create index ix_sequences_list on sequences (customer_id, created_at desc, id desc)",
    """
create table sequence_enrolments (
    sequence_id varchar(36) not null,
    contact_id varchar(36),
    lead_id varchar(36),
    sender_id varchar(36) not null,
    enrolled_by varchar(36) not null,
    address varchar(255) not null,
    status varchar(50) default 'active' not null,
    reason varchar(50),
    step_id varchar(36),
    next_kind varchar(50),
    next_at timestamp with time zone,
    waiting_for varchar(36),
    ended_at timestamp with time zone,
    version integer default '1' not null,
    created_at timestamp with time zone default now() not null,
    updated_at timestamp with time zone default now() not null,
    customer_id varchar(36) not null,
    id varchar(36) not null,
    constraint pk_sequence_enrolments primary key (customer_id, id),
    constraint fk_sequence_enrolments_customer_id_sequence_id foreign key(customer_id, sequence_id) references sequences (customer_id, id),
    constraint fk_sequence_enrolments_customer_id_contact_id foreign key(customer_id, contact_id) references contacts (customer_id, id),
    constraint fk_sequence_enrolments_customer_id_lead_id foreign key(customer_id, lead_id) references leads (customer_id, id),
    constraint fk_sequence_enrolments_customer_id_sender_id foreign key(customer_id, sender_id) references users (customer_id, id),
    constraint fk_sequence_enrolments_customer_id_enrolled_by foreign key(customer_id, enrolled_by) references users (customer_id, id),
    constraint fk_sequence_enrolments_customer_id_waiting_for foreign key(customer_id, waiting_for) references activities (customer_id, id),
    constraint ck_sequence_enrolments_status check (status in ('active','paused','stopped','finished')),
    constraint ck_sequence_enrolments_person check (num_nonnulls(contact_id, lead_id) > 0),
    constraint ck_sequence_enrolments_ended_at check ((status in ('active','paused')) = (ended_at is null)),
    constraint fk_sequence_enrolments_customer_id foreign key(customer_id) references customers (id)
)
    """,
    "create index ix_sequence_enrolments_address on sequence_enrolments (customer_id, address) where status in ('active','paused')",
    "create index ix_sequence_enrolments_contact on sequence_enrolments (customer_id, contact_id, id)",
    "create index ix_sequence_enrolments_emails on sequence_enrolments (customer_id, sender_id, next_at, id) where status = 'active' and next_kind = 'email'",
    "create index ix_sequence_enrolments_others on sequence_enrolments (customer_id, next_at, id) where status = 'active' and next_kind <> 'email'",
    "create index ix_sequence_enrolments_lead on sequence_enrolments (customer_id, lead_id, id)",
    "create index ix_sequence_enrolments_list on sequence_enrolments (customer_id, created_at desc, id desc)",
    "create index ix_sequence_enrolments_sequence on sequence_enrolments (customer_id, sequence_id, created_at desc, id desc)",
    "create index ix_sequence_enrolments_waiting on sequence_enrolments (customer_id, waiting_for) where status in ('active','paused')",
    "create unique index uq_sequence_enrolments_contact on sequence_enrolments (customer_id, sequence_id, contact_id) where status in ('active','paused')",
    "create unique index uq_sequence_enrolments_lead on sequence_enrolments (customer_id, sequence_id, lead_id) where status in ('active','paused')",
    """
create table sequence_step_runs (
    enrolment_id varchar(36) not null,
    step_id varchar(36) not null,
    kind varchar(50) not null,
    outcome varchar(50) not null,
    activity_id varchar(36) not null,
    mail_id varchar(36),
    message_id varchar(998),
    address varchar(255),
    unsubscribe_hash varchar(64),
    executed_at timestamp with time zone not null,
    settled_at timestamp with time zone,
    customer_id varchar(36) not null,
    id varchar(36) not null,
    constraint pk_sequence_step_runs primary key (customer_id, id),
    constraint fk_sequence_step_runs_customer_id_enrolment_id foreign key(customer_id, enrolment_id) references sequence_enrolments (customer_id, id) on delete cascade,
    constraint fk_sequence_step_runs_customer_id_activity_id foreign key(customer_id, activity_id) references activities (customer_id, id),
    constraint uq_sequence_step_runs_customer_id_enrolment_id_step_id unique (customer_id, enrolment_id, step_id),
    constraint ck_sequence_step_runs_outcome check (outcome in ('queued','sent','bounced','failed','withdrawn','open','completed','skipped')),
    constraint fk_sequence_step_runs_customer_id foreign key(customer_id) references customers (id)
)
    """,
    "create index ix_sequence_step_runs_activity on sequence_step_runs (customer_id, activity_id)",
    "create index ix_sequence_step_runs_message on sequence_step_runs (customer_id, message_id)",
    "create index ix_sequence_step_runs_queued on sequence_step_runs (customer_id, mail_id) where outcome = 'queued'",
    "create unique index uq_sequence_step_runs_unsubscribe on sequence_step_runs (customer_id, unsubscribe_hash) where unsubscribe_hash is not null",
    """
create table sequence_mailboxes (
    customer_id varchar(36) not null,
    user_id varchar(36) not null,
    daily_cap integer default '100' not null,
    spacing_seconds integer default '60' not null,
    sent_on date,
    sent_count integer default '0' not null,
    free_at timestamp with time zone,
    version integer default '1' not null,
    constraint pk_sequence_mailboxes primary key (customer_id, user_id),
    constraint fk_sequence_mailboxes_customer_id foreign key(customer_id) references customers (id),
    constraint fk_sequence_mailboxes_customer_id_user_id foreign key(customer_id, user_id) references users (customer_id, id),
    constraint ck_sequence_mailboxes_limits check (daily_cap >= 0 and spacing_seconds >= 0)
)
    """,
    """
create table suppressions (
    email varchar(255) not null,
    reason varchar(50) not null,
    enrolment_id varchar(36),
    created_at timestamp with time zone default now() not null,
    customer_id varchar(36) not null,
    id varchar(36) not null,
    constraint pk_suppressions primary key (customer_id, id),
    constraint uq_suppressions_customer_id_email unique (customer_id, email),
    constraint ck_suppressions_reason check (reason in ('unsubscribed','bounced','complained','manual')),
    constraint ck_suppressions_email_lower check (email = lower(email)),
    constraint fk_suppressions_customer_id foreign key(customer_id) references customers (id)
)
    """,
    "create index ix_suppressions_list on suppressions (customer_id, created_at desc, id desc)",
    "comment on column sequences.send_window is 'days, start, end, timezone; null means the working hours of the tenant'",
    "comment on column sequence_enrolments.address is 'where the last email went, in lower case'",
    "comment on column sequence_enrolments.reason is 'why it was paused or stopped'",
    "comment on column sequence_step_runs.settled_at is 'when the mail had left or failed, or the task was done'",
    "comment on column sequence_mailboxes.sent_on is 'the day at the tenant that sent_count counts'",
    "comment on column sequence_mailboxes.free_at is 'no email leaves before'",
    "comment on column suppressions.enrolment_id is 'where it came from'",
]
GRANTS = [
    f"grant select, insert, update on {', '.join(NAMES)} to {APP_ROLE}",
    f"grant delete on suppressions, sequence_enrolments, sequence_step_runs to {APP_ROLE}",
    f"grant select, insert, update, delete on {', '.join(NAMES)} to {PIPELINE_ROLE}",
    f"grant select (customer_id, id, status), update (status, body, last_error, finished_at) on mails to {APP_ROLE}",
]

SEES_ENROLMENT = """
create function sees_enrolment(tenant text, row_id text) returns boolean language plpgsql stable as $$
begin
  return exists (select from sequence_enrolments r where r.customer_id = tenant and r.id = row_id);
end $$"""
OF_A_PERSON = (
    "(contact_id is not null and sees_record(customer_id, 'contact', contact_id)) "
    "or (contact_id is null and sees_record(customer_id, 'lead', lead_id))"
)

SEQUENCE = """
    r.id, r.name, r.description, r.status, r.owner_id, r.steps, r.send_window, r.version, r.created_at, r.updated_at"""
ENROLMENT = """
    r.id, r.sequence_id, r.contact_id, r.lead_id, r.sender_id, r.enrolled_by, r.address, r.status, r.reason, r.step_id,
    r.next_kind, r.next_at, r.waiting_for, r.ended_at, r.version, r.created_at, r.updated_at"""
SUPPRESSION = "r.id, r.email, r.reason, r.enrolment_id, r.created_at"


def listing(name: str, columns: str, table: str, filters: tuple[str, ...], *, live: str = "true") -> str:
    """A page of `table`, newest first, narrowed by equality; with filters it is planned with exactly those."""
    arguments = "".join(f", {one} text" for one in filters)
    given = "".join(
        f"  if ${n} is not null then filters := filters || ' and r.{one} = ${n}'; end if;\n"
        for n, one in enumerate(filters, 5)
    )
    using = "".join(f", ${n}" for n, _ in enumerate(filters, 5))
    return f"""
create function {name}(
  tenant text, before timestamptz, before_id text, row_limit int{arguments},
  out body text, out next_at timestamptz, out next_id text
) language plpgsql stable as $function$
declare
  filters text := '';
  documents text[];
  times timestamptz[];
  ids text[];
begin
{given}
  execute replace($f$
    select array_agg(row_to_json(page)::text), array_agg(page.created_at), array_agg(page.id)
    from (
      select {columns} from {table} r
      where r.customer_id = $1 and (r.created_at, r.id) < ($2, $3) and {live}<filters>
      order by r.created_at desc, r.id desc limit $4 + 1
    ) page$f$, '<filters>', filters) into documents, times, ids using $1, $2, $3, $4{using};
  body := coalesce(array_to_string(documents[1:$4], ','), '');
  if array_length(ids, 1) > $4 then
    next_at := times[$4];
    next_id := ids[$4];
  end if;
end $function$"""


def getting(name: str, select: str, *, version: str = "one.version") -> str:
    """One row as JSON, with its version."""
    return f"""
create function {name}(tenant text, row_id text, out body text, out version int) language plpgsql stable as $function$
begin
  select row_to_json(one)::text, {version} into body, version from ({select}) one;
end $function$"""


HISTORY = """
    coalesce((
      select json_agg(json_build_object(
        'step_id', s.step_id, 'kind', s.kind, 'outcome', s.outcome, 'activity_id', s.activity_id,
        'message_id', s.message_id, 'address', s.address, 'executed_at', s.executed_at, 'settled_at', s.settled_at
      ) order by s.executed_at, s.id)
      from sequence_step_runs s where s.customer_id = r.customer_id and s.enrolment_id = r.id
    ), '[]') as history"""
# What was done is counted by step; what stopped somebody is counted with the last step that was done for them.
STATISTICS = """
    select q.id as sequence_id, q.version, total.*, coalesce((
      select json_agg(json_build_object(
        'step_id', step.value ->> 'id', 'kind', step.value ->> 'kind', 'executed', coalesce(done.executed, 0),
        'sent', coalesce(done.sent, 0), 'bounced', coalesce(done.bounced, 0), 'failed', coalesce(done.failed, 0),
        'completed', coalesce(done.completed, 0), 'replied', coalesce(done.replied, 0),
        'meeting', coalesce(done.meeting, 0), 'unsubscribed', coalesce(done.unsubscribed, 0)
      ) order by step.ordinality)
      from jsonb_array_elements(q.steps) with ordinality step
      left join (
        select run.step_id, count(*) as executed, count(*) filter (where run.outcome = 'sent') as sent,
          count(*) filter (where run.outcome = 'bounced') as bounced,
          count(*) filter (where run.outcome in ('failed', 'withdrawn')) as failed,
          count(*) filter (where run.outcome = 'completed') as completed,
          count(*) filter (where run.latest and run.reason = 'replied') as replied,
          count(*) filter (where run.latest and run.reason = 'meeting') as meeting,
          count(*) filter (where run.latest and run.reason = 'unsubscribed') as unsubscribed
        from (
          select s.step_id, s.outcome, e.reason,
            row_number() over (partition by s.enrolment_id order by s.executed_at desc, s.id desc) = 1 as latest
          from sequence_enrolments e
          join sequence_step_runs s on s.customer_id = e.customer_id and s.enrolment_id = e.id
          where e.customer_id = q.customer_id and e.sequence_id = q.id
        ) run
        group by run.step_id
      ) done on done.step_id = step.value ->> 'id'
    ), '[]') as steps
    from sequences q cross join lateral (
      select count(*) as enrolled, count(*) filter (where e.status = 'active') as active,
        count(*) filter (where e.status = 'paused') as paused, count(*) filter (where e.status = 'finished') as finished,
        count(*) filter (where e.status = 'stopped') as stopped,
        count(*) filter (where e.status = 'stopped' and e.reason = 'replied') as replied,
        count(*) filter (where e.status = 'stopped' and e.reason = 'meeting') as meeting,
        count(*) filter (where e.status = 'stopped' and e.reason = 'bounced') as bounced,
        count(*) filter (where e.status = 'stopped' and e.reason = 'unsubscribed') as unsubscribed
      from sequence_enrolments e where e.customer_id = q.customer_id and e.sequence_id = q.id
    ) total
    where q.customer_id = $1 and q.id = $2 and q.deleted_at is null"""
MAILBOX = """
    select u.id as user_id, coalesce(m.daily_cap, 100) as daily_cap, coalesce(m.spacing_seconds, 60) as spacing_seconds,
      m.sent_on, coalesce(m.sent_count, 0) as sent_count, m.free_at, coalesce(m.version, 0) as version
    from users u left join sequence_mailboxes m on m.customer_id = u.customer_id and m.user_id = u.id
    where u.customer_id = $1 and u.id = $2"""
ENROLMENT_FILTERS = ("sequence_id", "contact_id", "lead_id", "sender_id", "status")
FUNCTIONS = [
    listing("api_list_sequences", SEQUENCE, "sequences", ("status", "owner_id"), live="r.deleted_at is null"),
    getting(
        "api_get_sequence",
        f"select {SEQUENCE} from sequences r where r.customer_id = $1 and r.id = $2 and r.deleted_at is null",
    ),
    # they change without the sequence
    getting("api_get_sequence_statistics", STATISTICS, version="hashtext(row_to_json(one)::text)"),
    listing("api_list_sequence_enrolments", ENROLMENT, "sequence_enrolments", ENROLMENT_FILTERS),
    getting(
        "api_get_sequence_enrolment",
        f"select {ENROLMENT}, {HISTORY} from sequence_enrolments r where r.customer_id = $1 and r.id = $2",
    ),
    listing("api_list_suppressions", SUPPRESSION, "suppressions", ("email", "reason")),
    getting(
        "api_get_suppression",
        f"select {SUPPRESSION} from suppressions r where r.customer_id = $1 and r.id = $2",
        version="1",
    ),
    getting("api_get_mailbox", MAILBOX),
]
SIGNATURES = (
    "sees_enrolment(text, text)",
    "api_list_sequences(text, timestamptz, text, int, text, text)",
    "api_get_sequence(text, text)",
    "api_get_sequence_statistics(text, text)",
    "api_list_sequence_enrolments(text, timestamptz, text, int, text, text, text, text, text)",
    "api_get_sequence_enrolment(text, text)",
    "api_list_suppressions(text, timestamptz, text, int, text, text)",
    "api_get_suppression(text, text)",
    "api_get_mailbox(text, text)",
)


def upgrade() -> None:
    protections = [one for name in NAMES for one in protect(name)]
    narrowed = [
        *narrow_where("sequence_enrolments", OF_A_PERSON),
        *narrow_where("sequence_step_runs", "sees_enrolment(customer_id, enrolment_id)"),
    ]
    for statement in (*TABLES, *protections, *GRANTS, SEES_ENROLMENT, *narrowed, *FUNCTIONS):
        op.execute(statement)
    for function in SIGNATURES:
        op.execute(f"revoke all on function {function} from public")
        op.execute(f"grant execute on function {function} to {APP_ROLE}")


def downgrade() -> None:
    op.execute(
        f"revoke select (customer_id, id, status), update (status, body, last_error, finished_at) on mails from {APP_ROLE}"
    )
    for function in SIGNATURES[1:]:
        op.execute(f"drop function {function}")
    op.execute("drop policy narrowed on sequence_step_runs")
    op.execute(f"drop function {SIGNATURES[0]}")
    for name in reversed(NAMES):
        op.execute(f"drop table {name}")
