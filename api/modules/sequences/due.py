"""Statements that find what is to be done, over all tenants and for one of them.

What a mailbox may not send yet is not due: it costs nothing while it waits, and stands in nobody's way.
"""

BATCH = 50
"""Enrolments of one tenant in one transaction; then it is the next tenant's turn."""

_FREE = """(m.free_at is null or m.free_at <= %(now)s) and m.daily_cap > case
    when m.sent_on = (%(now)s at time zone c.timezone)::date then m.sent_count else 0 end"""
_DUE = "e.customer_id = c.id and e.status = 'active' and e.next_at <= %(now)s"
_ACTIVE = """exists (
    select from sequences q
    where q.customer_id = e.customer_id and q.id = e.sequence_id and (q.status = 'active' or q.deleted_at is not null)
  )"""
_OTHERS = f"select e.id from sequence_enrolments e where {_DUE} and e.next_kind <> 'email' and {_ACTIVE}"
_EMAILS = f"""
  select e.id from sequence_enrolments e
  where {_DUE} and e.next_kind = 'email' and e.sender_id = m.user_id and {_ACTIVE}"""
# A sequence that was deleted is left by everybody, at whatever time their next step would be.
_LEFT = """
  select e.id from sequences q
  join sequence_enrolments e on e.customer_id = q.customer_id and e.sequence_id = q.id
    and e.status in ('active', 'paused')
  where q.customer_id = c.id and q.deleted_at is not null"""
TENANTS = f"""
select c.id from customers c
where exists ({_OTHERS}) or exists ({_LEFT})
  or exists (select from sequence_mailboxes m where m.customer_id = c.id and {_FREE} and exists ({_EMAILS}))
order by random()
"""
"""Tenants with something to do, in no order, so that none is always the last."""
ENROLMENTS = f"""
with c as (select * from customers where id = %(tenant)s)
(select found.id from c cross join lateral ({_OTHERS} order by e.next_at, e.id limit {BATCH}) found)
union
(select found.id from c cross join lateral ({_LEFT} limit {BATCH}) found)
union
(
  select found.id from c join sequence_mailboxes m on m.customer_id = c.id and {_FREE}
  cross join lateral (
    {_EMAILS} order by e.next_at, e.id limit case when m.spacing_seconds > 0 then 1 else {BATCH} end
  ) found
  limit {BATCH}
)
"""
"""Enrolments of one tenant that something may be done for now; of each mailbox no more than it may send."""
SETTLED = """
select s.customer_id, s.id, m.status, m.last_error, m.finished_at
from sequence_step_runs s join mails m on m.customer_id = s.customer_id and m.id = s.mail_id
where s.outcome = 'queued' and m.status <> 'pending'
order by s.customer_id, s.id limit 500
"""
"""Emails that left, or failed to, since their step was done."""
