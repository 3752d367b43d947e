"""What the API reads of a calendar: people with their hours, and what they have planned."""

from alembic import op

from bevyly.db.rls import APP_ROLE

revision = "2026_11_28_calendar"
down_revision = "2026_11_28_timeline"
branch_labels = None
depends_on = None

# A meeting without a time to come is one that was. Without a duration a meeting takes half an hour and a call a quarter;
# nothing takes more than a day, so that whatever reaches into a window starts at most a day before it. Preferences of a
# user are read by name out of the row as JSON: a user may have none.
CALENDAR = """
create function api_calendar(
  tenant text, starts timestamptz, ends timestamptz, person text, moment timestamptz, most int,
  out window_start timestamptz, out window_end timestamptz, out people text, out entries text
) language plpgsql stable as $function$
declare
  zone text;
  hours jsonb;
  until timestamptz;
begin
  select c.timezone, c.settings -> 'working_hours' into zone, hours from customers c where c.id = $1;
  window_start := coalesce($2, date_trunc('day', $5 at time zone zone) at time zone zone);
  window_end := coalesce($3, ((window_start at time zone zone) + interval '7 days') at time zone zone);
  until := least(window_end, window_start + interval '63 days');
  select coalesce(json_agg(one order by one.name, one.id), '[]')::text into people from (
    select u.id, coalesce(u.name, u.email) as name, coalesce(to_jsonb(u) ->> 'timezone', zone) as timezone,
      coalesce(nullif(to_jsonb(u) -> 'working_hours', 'null'), nullif(hours, 'null')) as working_hours
    from users u where u.customer_id = $1 and ($4 is null or u.id = $4)
  ) one;
  select coalesce(json_agg(one order by one.start, one.id), '[]')::text into entries from (
    select a.id, a.kind, a.subject, a.start, case when a.kind <> 'task' then a.start + a.takes end as end, a.completed_at,
      a.owner_id, a.account_id, a.contact_id, a.opportunity_id, a.lead_id, w.attendees
    from (
      select planned.*, planned.due_at as start from activities planned
      where planned.customer_id = $1 and planned.due_at >= window_start - interval '1 day' and planned.due_at < until
        and (planned.kind = 'meeting' or planned.kind in ('call', 'task') and planned.completed_at is null)
      union all
      select held.*, held.occurred_at from activities held
      where held.customer_id = $1 and held.occurred_at >= window_start - interval '1 day' and held.occurred_at < until
        and held.due_at is null and held.kind = 'meeting'
    ) r
    cross join lateral (select r.*, least(
      make_interval(secs => coalesce(r.duration_seconds, case r.kind when 'meeting' then 1800 else 900 end)), interval '1 day'
    ) as takes) a
    cross join lateral (select array(
      select a.owner_id where a.owner_id is not null
      union
      select p.user_id from activity_participants p
      where p.customer_id = $1 and p.activity_id = a.id and p.user_id is not null and p.response is distinct from 'declined'
      order by 1
    ) as attendees) w
    where a.deleted_at is null and ($4 is null or $4 = any(w.attendees))
      and case a.kind when 'task' then a.start >= window_start else a.start + a.takes > window_start end
    order by a.start, a.id limit $6
  ) one;
end $function$"""
SIGNATURE = "api_calendar(text, timestamptz, timestamptz, text, timestamptz, int)"


def upgrade() -> None:
    op.execute(CALENDAR)
    op.execute(f"revoke all on function {SIGNATURE} from public")
    op.execute(f"grant execute on function {SIGNATURE} to {APP_ROLE}")


def downgrade() -> None:
    op.execute(f"drop function {SIGNATURE}")
