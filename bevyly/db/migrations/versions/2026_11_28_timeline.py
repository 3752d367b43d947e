"""One timeline for each account, contact, opportunity and lead: what the API reads of it, and indexes for conversions."""

from alembic import op

from bevyly.db.rls import APP_ROLE

revision = "2026_11_28_timeline"
down_revision = "2026_11_28_activities"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_leads_converted_account": "account_id",
    "ix_leads_converted_contact": "contact_id",
}

# Each source gives at most a page for each entity, in the order of its index where it has one; the page is the newest of
# those. An item that is reached twice, such as a call with a contact of the account about its deal, is shown once.
_PAGE = "order by {at} desc, {id} desc limit $4 + 1"


def activities(kind: str) -> str:
    """The activities that name an entity of this kind."""
    return f"""
      select s.entity_type, s.entity_id, found.* from scope s cross join lateral (
        select r.* from activities r
        where r.customer_id = $1 and r.{kind}_id = s.entity_id and (r.occurred_at, r.id) < ($2, $3) and r.deleted_at is null
        {_PAGE.format(at="r.occurred_at", id="r.id")}
      ) found where s.entity_type = '{kind}'"""


# Somebody may have taken part in an activity that is filed under somebody else.
TAKEN_PART_IN = f"""
      select s.entity_type, s.entity_id, found.* from scope s cross join lateral (
        select r.* from activities r
        where r.customer_id = $1 and (r.occurred_at, r.id) < ($2, $3) and r.deleted_at is null and r.id in (
          select p.activity_id from activity_participants p where p.customer_id = $1 and p.contact_id = s.entity_id
        )
        {_PAGE.format(at="r.occurred_at", id="r.id")}
      ) found where s.entity_type = 'contact'"""
ENTITIES = ("account", "contact", "opportunity", "lead")
ACTIVITIES = f"""
    select a.id, 'activity' as kind, a.occurred_at as at, a.entity_type, a.entity_id, jsonb_build_object(
      'kind', a.kind, 'direction', a.direction, 'subject', a.subject, 'due_at', a.due_at, 'completed_at', a.completed_at,
      'duration_seconds', a.duration_seconds, 'owner_id', a.owner_id, 'thread_id', a.thread_id, 'participants', coalesce((
        select jsonb_agg(jsonb_build_object('contact_id', p.contact_id, 'user_id', p.user_id, 'email', p.email, 'role', p.role,
          'response', p.response) order by p.id)
        from activity_participants p where p.customer_id = a.customer_id and p.activity_id = a.id
      ), '[]')) as data
    from (
      select distinct on (every.occurred_at, every.id) every.*
      from ({" union all ".join([*map(activities, ENTITIES), TAKEN_PART_IN])}) every
      order by every.occurred_at desc, every.id desc, every.entity_type limit $4 + 1
    ) a
    where $5 is null or 'activity' = any(wanted)"""

# The first value that a field had is no change.
CHANGES = f"""
    select c.id, c.kind, c.at, s.entity_type, s.entity_id, jsonb_build_object('from', c.old_value, 'to', c.new_value) as data
    from scope s cross join lateral (
      select h.id, h.valid_from as at, h.old_value, h.new_value,
        case h.field when 'stage' then 'stage_changed' when 'value' then 'amount_changed' else 'close_date_changed' end as kind
      from opportunity_history h
      where h.customer_id = $1 and h.opportunity_id = s.entity_id and (h.valid_from, h.id) < ($2, $3)
        and exists (
          select from opportunity_history earlier where earlier.customer_id = $1 and earlier.opportunity_id = h.opportunity_id
            and earlier.field = h.field and (earlier.valid_from, earlier.id) < (h.valid_from, h.id)
        )
        and ($5 is null or case h.field when 'stage' then 'stage_changed' when 'value' then 'amount_changed'
          else 'close_date_changed' end = any(wanted))
      {_PAGE.format(at="h.valid_from", id="h.id")}
    ) c
    where s.entity_type = 'opportunity'"""

# A signal is two items with one row, so that its end has an id that is derived of it.
SIGNALS = """
    select e.id, e.kind, e.at, g.entity_type, g.entity_id, jsonb_strip_nulls(jsonb_build_object(
      'signal_id', g.id, 'signal_type', g.signal_type, 'title', g.title, 'severity', g.severity, 'polarity', g.polarity,
      'reason', e.reason)) as data
    from scope s
    join signals g on g.customer_id = $1 and g.entity_type = s.entity_type and g.entity_id = s.entity_id
    cross join lateral (values
      ('signal_raised', g.first_seen_at, g.id, null),
      ('signal_closed', g.closed_at, md5(g.id || ' closed')::uuid::text, g.close_reason)
    ) e (kind, at, id, reason)
    where (e.at, e.id) < ($2, $3) and ($5 is null or e.kind = any(wanted))"""
RECOMMENDATIONS = """
    select n.id, 'recommendation_acted', n.acted_at, n.entity_type, n.entity_id, jsonb_build_object(
      'action_type', n.action_type, 'title', n.title, 'status', n.status, 'acted_by', n.acted_by)
    from scope s
    join recommendations n on n.customer_id = $1 and n.entity_type = s.entity_type and n.entity_id = s.entity_id
    where (n.acted_at, n.id) < ($2, $3) and ($5 is null or 'recommendation_acted' = any(wanted))"""


def conversions(condition: str) -> str:
    """The conversions of the leads that `condition` ties to an entity of the timeline."""
    return f"""
    select l.id, 'lead_converted', l.converted_at, 'lead', l.id, jsonb_build_object(
      'company_name', l.company_name, 'contact_name', l.contact_name, 'account_id', l.account_id, 'contact_id', l.contact_id,
      'opportunity_id', l.opportunity_id)
    from scope s join leads l on l.customer_id = $1 and {condition}
    where l.converted_at is not null and (l.converted_at, l.id) < ($2, $3) and l.deleted_at is null
      and ($5 is null or 'lead_converted' = any(wanted))"""


CONVERSIONS = " union ".join(
    conversions(condition)
    for condition in (
        "s.entity_type = 'lead' and l.id = s.entity_id",
        "s.entity_type = 'account' and l.account_id = s.entity_id",
        "s.entity_type = 'contact' and l.contact_id = s.entity_id",
        "s.entity_type = 'opportunity' and l.id = (select o.lead_id from opportunities o where o.customer_id = $1 and o.id = s.entity_id)",
    )
)
AUDIT = f"""
    select c.id, c.kind, c.at, s.entity_type, s.entity_id, jsonb_strip_nulls(jsonb_build_object(
      'actor_type', c.actor_type, 'actor_id', c.actor_id, 'from', c.before -> 'owner_id', 'to', c.after -> 'owner_id'))
    from scope s cross join lateral (
      select u.id, u.occurred_at as at, u.actor_type, u.actor_id, named.kind,
        case named.kind when 'owner_changed' then u.before end as before,
        case named.kind when 'owner_changed' then u.after end as after
      from audit u
      cross join lateral (select case
        when u.action = s.entity_type || '.updated' and u.before ? 'owner_id' then 'owner_changed'
        when u.action in (s.entity_type || '.created', s.entity_type || '.deleted', s.entity_type || '.restored',
          s.entity_type || '.merged', s.entity_type || '.unmerged') then split_part(u.action, '.', 2)
      end) named (kind)
      where u.customer_id = $1 and u.entity_type = s.entity_type and u.entity_id = s.entity_id
        and (u.occurred_at, u.id) < ($2, $3) and named.kind is not null and ($5 is null or named.kind = any(wanted))
      {_PAGE.format(at="u.occurred_at", id="u.id")}
    ) c"""
SOURCES = (ACTIVITIES, CHANGES, SIGNALS, RECOMMENDATIONS, CONVERSIONS, AUDIT)

TIMELINE = f"""
create function api_timeline(
  tenant text, before timestamptz, before_id text, row_limit int, kinds text, kind text, entity text,
  out body text, out next_at timestamptz, out next_id text
) language plpgsql stable set plan_cache_mode = force_custom_plan as $function$
declare
  wanted text[] := string_to_array($5, ',');
  documents text[];
  times timestamptz[];
  ids text[];
begin
  if not (case $6
    when 'account' then exists (select from accounts x where x.customer_id = $1 and x.id = $7 and x.deleted_at is null)
    when 'contact' then exists (select from contacts x where x.customer_id = $1 and x.id = $7 and x.deleted_at is null)
    when 'opportunity' then exists (select from opportunities x where x.customer_id = $1 and x.id = $7 and x.deleted_at is null)
    else exists (select from leads x where x.customer_id = $1 and x.id = $7 and x.deleted_at is null)
  end) then
    return;
  end if;
  with scope (entity_type, entity_id) as materialized (
    select $6, $7
    union all
    select 'contact', c.id from contacts c where $6 = 'account' and c.customer_id = $1 and c.account_id = $7 and c.deleted_at is null
    union all
    select 'opportunity', o.id from opportunities o
    where $6 = 'account' and o.customer_id = $1 and o.account_id = $7 and o.deleted_at is null
  )
  select array_agg(row_to_json(page)::text), array_agg(page.at), array_agg(page.id) into documents, times, ids
  from (
    select items.* from ({" union all ".join(f"({source})" for source in SOURCES)}) items
    order by items.at desc, items.id desc limit $4 + 1
  ) page;
  body := coalesce(array_to_string(documents[1:$4], ','), '');
  if array_length(ids, 1) > $4 then
    next_at := times[$4];
    next_id := ids[$4];
  end if;
end $function$"""
SIGNATURE = "api_timeline(text, timestamptz, text, int, text, text, text)"


def upgrade() -> None:
    for name, column in INDEXES.items():
        op.execute(f"create index {name} on leads (customer_id, {column}) where converted_at is not null")
    op.execute(TIMELINE)
    op.execute(f"revoke all on function {SIGNATURE} from public")
    op.execute(f"grant execute on function {SIGNATURE} to {APP_ROLE}")


def downgrade() -> None:
    op.execute(f"drop function {SIGNATURE}")
    for name in INDEXES:
        op.execute(f"drop index {name}")
