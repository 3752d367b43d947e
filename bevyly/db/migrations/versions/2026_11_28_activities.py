"""Activities that change, tasks in due order, emails in threads: columns, indexes, and what the API reads of them."""

from alembic import op

from bevyly.db.rls import APP_ROLE

revision = "2026_11_28_activities"
down_revision = "2026_11_28_duplicates"
branch_labels = None
depends_on = None

DUE = "coalesce(due_at, '9999-12-31 00:00:00+00'::timestamptz)"
OPEN_TASK = "kind = 'task' and completed_at is null and deleted_at is null"
EMAIL = "thread_id is not null and deleted_at is null"
CHANGES = [
    """
alter table activities
  add column thread_id varchar(36), add column message_id varchar(998), add column in_reply_to varchar(998),
  add column subject_key varchar(500)
    """,
    """
alter table activity_participants
  add column response varchar(50),
  add constraint ck_activity_participants_response check (response in ('accepted','declined','tentative'))
    """,
    "comment on column activity_participants.response is 'what an invited person answered'",
]
# name of an index: what follows the tenant, and which rows it has
INDEXES = {
    "ix_activities_tasks": (f"{DUE}, id", OPEN_TASK),
    "ix_activities_owner_tasks": (f"owner_id, {DUE}, id", OPEN_TASK),
    "ix_activities_due": ("due_at", "due_at is not null"),
    "ix_activities_emails": ("occurred_at desc, id desc", EMAIL),
    "ix_activities_thread": ("thread_id, occurred_at desc, id desc", EMAIL),
    "ix_activities_message": ("message_id", "message_id is not null"),
    "ix_activities_reply": ("in_reply_to", "in_reply_to is not null"),
    "ix_activities_subject": ("subject_key, occurred_at", EMAIL),
}

BEFORE = (
    "r.id, r.kind, r.direction, r.subject, r.body, r.occurred_at, r.recorded_at, r.due_at, r.completed_at, "
    "r.duration_seconds, r.account_id, r.contact_id, r.opportunity_id, r.lead_id, r.owner_id, "
    "coalesce((select json_agg(json_build_object('contact_id', p.contact_id, 'user_id', p.user_id, 'email', p.email, "
    "'role', p.role) order by p.id) from activity_participants p "
    "where p.customer_id = r.customer_id and p.activity_id = r.id), '[]') as participants, "
    "r.version, r.external_id, r.custom, r.created_at, r.updated_at"
)
ACTIVITY = BEFORE.replace("'role', p.role", "'role', p.role, 'response', p.response").replace(
    "r.owner_id, ", "r.owner_id, r.thread_id, r.message_id, r.in_reply_to, "
)
FILTERS = ("owner_id", "account_id", "contact_id", "opportunity_id", "lead_id", "kind")


def list_activities(columns: str) -> str:
    """`api_list_activities` with these columns; with filters it is planned with exactly those."""
    page = f"""
        select array_agg(row_to_json(page)::text), array_agg(page.occurred_at), array_agg(page.id)
        %s from (
          select {columns} from activities r
          where r.customer_id = $1 and (r.occurred_at, r.id) < ($2, $3) and r.deleted_at is null<filters>
          order by r.occurred_at desc, r.id desc limit $4 + 1
        ) page"""
    given = ", ".join(f"${n}" for n, _ in enumerate(FILTERS, 5))
    added = "\n".join(
        f"    if ${n} is not null then filters := filters || ' and r.{name} = ${n}'; end if;"
        for n, name in enumerate(FILTERS, 5)
    )
    return f"""
create or replace function api_list_activities(
  tenant text, before timestamptz, before_id text, row_limit int, {", ".join(f"{name} text" for name in FILTERS)},
  out body text, out next_at timestamptz, out next_id text
) language plpgsql stable as $function$
declare
  filters text := '';
  documents text[];
  times timestamptz[];
  ids text[];
begin
  if num_nonnulls({given}) = 0 then
    {(page % "into documents, times, ids").replace("<filters>", "")};
  else
{added}
    execute replace($f${page % ""}$f$, '<filters>', filters) into documents, times, ids using $1, $2, $3, $4, {given};
  end if;
  body := coalesce(array_to_string(documents[1:$4], ','), '');
  if array_length(ids, 1) > $4 then
    next_at := times[$4];
    next_id := ids[$4];
  end if;
end $function$"""


def get_activity(columns: str) -> str:
    """`api_get_activity` with these columns."""
    return f"""
create or replace function api_get_activity(tenant text, row_id text, out body text, out version int)
language plpgsql stable as $function$
begin
  select row_to_json(one)::text, one.version into body, version
  from (select {columns} from activities r where r.customer_id = $1 and r.id = $2 and r.deleted_at is null) one;
end $function$"""


# Days are those of the tenant: what is due today ends at its midnight.
LIST_TASKS = f"""
create function api_list_tasks(
  tenant text, after timestamptz, after_id text, row_limit int, due text, owner text, moment timestamptz,
  out body text, out next_at timestamptz, out next_id text
) language plpgsql stable as $function$
declare
  zone text := (select c.timezone from customers c where c.id = $1);
  today timestamp := date_trunc('day', $7 at time zone zone);
  earliest timestamptz := case when $5 in ('today', 'week') then today at time zone zone end;
  latest timestamptz := case $5 when 'overdue' then $7 when 'today' then (today + interval '1 day') at time zone zone
    when 'week' then (today + interval '7 days') at time zone zone end;
  documents text[];
  times timestamptz[];
  ids text[];
begin
  execute format($f$
    select array_agg(row_to_json(page)::text), array_agg(coalesce(page.due_at, '9999-12-31 00:00:00+00')), array_agg(page.id)
    from (
      select {ACTIVITY} from activities r
      where r.customer_id = $1 and ({DUE.replace("due_at", "r.due_at")}, r.id) > ($2, $3)
        and r.kind = 'task' and r.completed_at is null and r.deleted_at is null %s %s %s
      order by {DUE.replace("due_at", "r.due_at")}, r.id limit $4 + 1
    ) page$f$,
    case when $6 is not null then 'and r.owner_id = $5' end,
    case when earliest is not null then 'and {DUE.replace("due_at", "r.due_at").replace("'", "''")} >= $6' end,
    case when latest is not null then 'and {DUE.replace("due_at", "r.due_at").replace("'", "''")} < $7' end)
    into documents, times, ids using $1, $2, $3, $4, $6, earliest, latest;
  body := coalesce(array_to_string(documents[1:$4], ','), '');
  if array_length(ids, 1) > $4 then
    next_at := times[$4];
    next_id := ids[$4];
  end if;
end $function$"""

# One row for each thread: its latest email, found in the order of the page, with what all its emails say together.
THREAD = """
    select r.thread_id as id, first.subject, s.message_count, s.inbound_count, s.outbound_count, first.occurred_at as first_at,
      r.occurred_at as last_at, r.id as last_activity_id, r.direction as last_direction,
      case r.direction when 'inbound' then 'us' when 'outbound' then 'them' end as awaiting_reply_from,
      s.account_id, s.contact_id, s.opportunity_id, s.lead_id, s.owner_id, (
        select coalesce(json_agg(json_build_object('contact_id', who.contact_id, 'user_id', who.user_id, 'email', who.email)
          order by who.email, who.contact_id, who.user_id), '[]')
        from (
          select distinct p.contact_id, p.user_id, lower(p.email) as email
          from activities m join activity_participants p on p.customer_id = m.customer_id and p.activity_id = m.id
          where m.customer_id = r.customer_id and m.thread_id = r.thread_id and m.deleted_at is null
          limit 200
        ) who
      ) as participants
    from activities r
    cross join lateral (
      select count(*) as message_count, count(*) filter (where m.direction = 'inbound') as inbound_count,
        count(*) filter (where m.direction = 'outbound') as outbound_count,
        (array_agg(m.account_id order by m.occurred_at desc, m.id desc) filter (where m.account_id is not null))[1] as account_id,
        (array_agg(m.contact_id order by m.occurred_at desc, m.id desc) filter (where m.contact_id is not null))[1] as contact_id,
        (array_agg(m.opportunity_id order by m.occurred_at desc, m.id desc) filter (where m.opportunity_id is not null))[1]
          as opportunity_id,
        (array_agg(m.lead_id order by m.occurred_at desc, m.id desc) filter (where m.lead_id is not null))[1] as lead_id,
        (array_agg(m.owner_id order by m.occurred_at desc, m.id desc) filter (where m.owner_id is not null))[1] as owner_id
      from activities m where m.customer_id = r.customer_id and m.thread_id = r.thread_id and m.deleted_at is null
    ) s
    cross join lateral (
      select m.subject, m.occurred_at from activities m
      where m.customer_id = r.customer_id and m.thread_id = r.thread_id and m.deleted_at is null
      order by m.occurred_at, m.id limit 1
    ) first
    where r.customer_id = $1 and r.thread_id is not null and r.deleted_at is null"""
IS_LATEST = """not exists (
        select from activities later where later.customer_id = r.customer_id and later.thread_id = r.thread_id
          and later.deleted_at is null and (later.occurred_at, later.id) > (r.occurred_at, r.id)
      )"""
THREAD_FILTERS = ("owner_id", "account_id", "contact_id", "opportunity_id", "lead_id")
_SOME_EMAIL = (
    "exists (select from activities m where m.customer_id = r.customer_id and m.thread_id = r.thread_id "
    "and m.deleted_at is null and m.{name} = ${n})"
)
_GIVEN = "\n".join(
    f"  if ${n} is not null then filters := filters || ' and {_SOME_EMAIL.format(name=name, n=n)}'; end if;"
    for n, name in enumerate(THREAD_FILTERS, 5)
)
LIST_THREADS = f"""
create function api_list_email_threads(
  tenant text, before timestamptz, before_id text, row_limit int, {", ".join(f"{name} text" for name in THREAD_FILTERS)},
  awaiting text, out body text, out next_at timestamptz, out next_id text
) language plpgsql stable as $function$
declare
  filters text := '';
  documents text[];
  times timestamptz[];
  ids text[];
begin
{_GIVEN}
  if $10 is not null then
    filters := filters || $f$ and r.direction = case $10 when 'us' then 'inbound' else 'outbound' end$f$;
  end if;
  execute replace($f$
    select array_agg(row_to_json(page)::text), array_agg(page.last_at), array_agg(page.last_activity_id)
    from (
      {THREAD} and (r.occurred_at, r.id) < ($2, $3) and {IS_LATEST}<filters>
      order by r.occurred_at desc, r.id desc limit $4 + 1
    ) page$f$, '<filters>', filters)
    into documents, times, ids using $1, $2, $3, $4, $5, $6, $7, $8, $9, $10;
  body := coalesce(array_to_string(documents[1:$4], ','), '');
  if array_length(ids, 1) > $4 then
    next_at := times[$4];
    next_id := ids[$4];
  end if;
end $function$"""
GET_THREAD = f"""
create function api_get_email_thread(tenant text, thread text, out body text, out version int)
language plpgsql stable as $function$
begin
  select row_to_json(one)::text, one.message_count into body, version
  from (
    select summary.*, (
      select json_agg(row_to_json(email) order by email.occurred_at, email.id)
      from (
        select {ACTIVITY} from activities r where r.customer_id = $1 and r.thread_id = $2 and r.deleted_at is null
        order by r.occurred_at desc, r.id desc limit 200
      ) email
    ) as messages
    from ({THREAD} and r.thread_id = $2 order by r.occurred_at desc, r.id desc limit 1) summary
  ) one;
end $function$"""
FUNCTIONS = (LIST_TASKS, LIST_THREADS, GET_THREAD)
SIGNATURES = (
    "api_list_tasks(text, timestamptz, text, int, text, text, timestamptz)",
    "api_list_email_threads(text, timestamptz, text, int, text, text, text, text, text, text)",
    "api_get_email_thread(text, text)",
)


def upgrade() -> None:
    for statement in (*CHANGES, list_activities(ACTIVITY), get_activity(ACTIVITY), *FUNCTIONS):
        op.execute(statement)
    for name, (columns, condition) in INDEXES.items():
        op.execute(f"create index {name} on activities (customer_id, {columns}) where {condition}")
    for function in SIGNATURES:
        op.execute(f"revoke all on function {function} from public")
        op.execute(f"grant execute on function {function} to {APP_ROLE}")


def downgrade() -> None:
    for function in SIGNATURES:
        op.execute(f"drop function {function}")
    for statement in (list_activities(BEFORE), get_activity(BEFORE)):
        op.execute(statement)
    for name in INDEXES:
        op.execute(f"drop index {name}")
    op.execute("alter table activity_participants drop column response")
    op.execute(
        "alter table activities drop column thread_id, drop column message_id, drop column in_reply_to, drop column subject_key"
    )
