-- Statements of benchmarks/scale.py, in braces what it fills in: tenants, leads, their events (five random numbers of the lead decide;
-- a fifth of the leads is of an account and becomes a deal), raw events in order of recording; the last: new ones, dealt to the
-- leads of the last 60 days, to each of them one before any gets a second.
select setseed(0.5);

insert into customers (id, name) select 'tenant-' || t, 'Tenant ' || t from generate_series(0, {tenants} - 1) t;

create unlogged table seeds as
select i, 'tenant-' || i % {tenants} as tenant, i / {tenants} % 5 = 0 as converts,
       {now}::timestamptz - interval '365 days' * (1 - i / {leads}::float8) as at,
       array[random(), random(), random(), random(), random()] as r
from generate_series(0, {leads} - 1) i;

create unlogged table made as
select tenant, type, kind, subject, version, told.at, data from seeds s, lateral (select case when r[2] + r[3] > 1.1 then 'won' else 'lost' end w) o,
lateral (values
  ('lead.created', 'lead', 'l' || i, 1, s.at, jsonb_build_object('lead_id', 'l' || i, 'status', 'new',
     'owner_id', 'o' || (r[1] * 10)::int, 'value_minor', (r[2] * 1e6)::bigint,
     'source', (array['web', 'fair', 'referral'])[1 + (r[3] * 2.99)::int], 'company_name', 'Company ' || i,
     'account_id', case when converts then 'a' || i end)),
  ('lead.updated', 'lead', 'l' || i, 2, s.at + r[3] * interval '2 days', jsonb_build_object('lead_id', 'l' || i,
     'before', '{{"status": "new"}}'::jsonb, 'after', '{{"status": "working"}}'::jsonb)),
  ('account.created', 'account', 'a' || i, 1, s.at, case when converts then jsonb_build_object('account_id', 'a' || i,
     'name', 'Company ' || i, 'industry', (array['tools', 'food', 'law', 'media'])[1 + (r[4] * 3.99)::int],
     'employee_count', (exp(r[5] * 8))::int, 'country', (array['DE', 'FR', 'IT'])[1 + (r[2] * 2.99)::int]) end),
  ('contact.created', 'contact', 'c' || i, 1, s.at, case when converts then
     jsonb_build_object('contact_id', 'c' || i, 'account_id', 'a' || i) end),
  ('lead.converted', 'lead', 'l' || i, 3, s.at + interval '5 days', case when converts then
     jsonb_build_object('lead_id', 'l' || i, 'account_id', 'a' || i, 'contact_id', 'c' || i, 'opportunity_id', 'd' || i) end),
  ('opportunity.created', 'opportunity', 'd' || i, 1, s.at + interval '5 days', case when converts then
     jsonb_build_object('opportunity_id', 'd' || i, 'lead_id', 'l' || i, 'account_id', 'a' || i, 'name', 'Deal ' || i,
       'stage', 'prospecting', 'value_minor', (r[2] * 1e7)::bigint, 'currency', 'EUR', 'owner_id', 'o' || (r[1] * 10)::int,
       'expected_close_date', (s.at + interval '60 days')::date) end),
  ('opportunity.stage_changed', 'opportunity', 'd' || i, 2, s.at + interval '5 days' + r[4] * interval '20 days',
     case when converts then jsonb_build_object('opportunity_id', 'd' || i, 'from_stage', 'prospecting',
       'to_stage', 'proposal', 'status', 'open') end),
  ('opportunity.stage_changed', 'opportunity', 'd' || i, 3, s.at + interval '25 days' + r[5] * interval '60 days',
     case when converts then jsonb_build_object('opportunity_id', 'd' || i, 'from_stage', 'proposal', 'to_stage', w, 'status', w)
       end),
  ('lead.updated', 'lead', 'l' || i, 3, s.at + interval '10 days' + r[5] * interval '50 days',
     case when not converts and r[4] < 0.7 then jsonb_build_object('lead_id', 'l' || i, 'before', '{{"status": "working"}}'::jsonb,
       'after', '{{"status": "disqualified"}}'::jsonb) end)
) as told (type, kind, subject, version, at, data)
where data is not null and told.at < {now}
union all
select tenant, type, 'activity', 'v' || i || '-' || n, 1, done_at, jsonb_build_object('activity_id', 'v' || i || '-' || n,
  'lead_id', 'l' || i, 'contact_id', case when converts then 'c' || i end, 'owner_id', 'o' || (r[1] * 10)::int,
  'duration_seconds', (x * 600)::int)
from (
  select s.*, n, x, (array['email.sent', 'email.sent', 'call.completed', 'email.received', 'page.viewed', 'note.created',
    'meeting.completed'])[1 + (x * (3.5 + r[2] + r[3]))::int] as type, s.at + power(n / 9.0, 2) * interval '40 days' * (0.5 + r[5]) as done_at
  from (select * from seeds) s cross join generate_series(1, 7) n cross join lateral (select random() * (n > 0)::int x) d
) a where done_at < {now};

insert into raw.events (customer_id, event_id, type, schema_version, subject_type, subject_id, sequence, occurred_at, recorded_at,
                        data, source, topic, partition, "offset")
select tenant, subject || '/' || version || '/' || type, type, 1, kind, subject, version, at, at, data, 'benchmark', 'bevyly.domain', 0, 0
from made order by at;

insert into raw.events (customer_id, event_id, type, schema_version, subject_type, subject_id, sequence, occurred_at, recorded_at,
                        data, source, topic, partition, "offset")
select tenant, 'n' || {round} || '-' || n, 'email.received', 1, 'activity', 'n' || {round} || '-' || n, 1, at, at,
       jsonb_build_object('activity_id', 'n' || {round} || '-' || n, 'lead_id', 'l' || i), 'benchmark', 'bevyly.domain', 0, 0
from (select i, tenant, row_number() over (order by i) - 1 as place, count(*) over () as leads from seeds
      where at > {now}::timestamptz - interval '60 days') recent
join (select n, {now}::timestamptz - random() * interval '9 minutes' as at from generate_series(1, {new}) n) new
  on place = n * 7919::bigint % leads;
