"""The decision log: who decided what, resting on what, in a chain of hashes for each tenant.

Triggers note, so that no way of writing can forget to. What a transaction notes is chained when it commits: the lock
on the head of the log is the last one taken, so it is short, and nobody waits for it while holding what others want.
"""

from alembic import op

from bevyly.db.rls import APP_ROLE, PIPELINE_ROLE, narrow_where, protect

revision = "2026_11_29_decisions"
down_revision = "2026_11_29_forecasts"
branch_labels = None
depends_on = None

TABLES = [
    """
create table decisions (
    sequence bigint not null,
    kind varchar(50) not null,
    recommendation_id varchar(36),
    subject_type varchar(50) not null,
    subject_id varchar(36),
    grounds jsonb default '{}' not null,
    occurred_at timestamp with time zone not null,
    noted_at timestamp with time zone not null,
    details_hash varchar(64),
    previous varchar(64) not null,
    hash varchar(64) not null,
    customer_id varchar(36) not null,
    id varchar(36) not null,
    constraint pk_decisions primary key (customer_id, id),
    constraint uq_decisions_customer_id_sequence unique (customer_id, sequence),
    constraint fk_decisions_customer_id foreign key(customer_id) references customers (id)
)
    """,
    "create index ix_decisions_list on decisions (customer_id, noted_at, id)",
    "create index ix_decisions_recommendation on decisions (customer_id, recommendation_id, noted_at, id)",
    "create index ix_decisions_kind on decisions (customer_id, kind, noted_at, id)",
    "comment on column decisions.subject_id is 'the row that it is about; null where that is a person'",
    "comment on column decisions.grounds is 'ids and hashes of what it rests on, all of them texts'",
    "comment on column decisions.occurred_at is 'when it happened, as the row says that it is about'",
    "comment on column decisions.details_hash is 'SHA-256 of the salt and the details'",
    """
create table decision_details (
    customer_id varchar(36) not null,
    sequence bigint not null,
    salt varchar(32) not null,
    document text not null,
    noted_at timestamp with time zone not null,
    constraint pk_decision_details primary key (customer_id, sequence),
    constraint fk_decision_details_customer_id foreign key(customer_id) references customers (id),
    constraint fk_decision_details_customer_id_sequence foreign key(customer_id, sequence)
        references decisions (customer_id, sequence)
)
    """,
    "create index ix_decision_details_noted_at on decision_details (noted_at)",
    "comment on column decision_details.document is 'JSON text'",
    """
create table decision_heads (
    customer_id varchar(36) not null,
    sequence bigint not null,
    hash varchar(64) not null,
    noted_at timestamp with time zone not null,
    constraint pk_decision_heads primary key (customer_id),
    constraint fk_decision_heads_customer_id foreign key(customer_id) references customers (id)
)
    """,
    """
create table decisions_pending (
    customer_id varchar(36) not null,
    id bigint generated always as identity,
    transaction bigint not null,
    entries jsonb not null,
    constraint pk_decisions_pending primary key (customer_id, id),
    constraint fk_decisions_pending_customer_id foreign key(customer_id) references customers (id)
)
    """,
    "create index ix_decisions_pending_transaction on decisions_pending (transaction)",
]
NAMES = ("decisions", "decision_details", "decision_heads", "decisions_pending")
SEEN = """exists (
  select from recommendations r where r.customer_id = decisions.customer_id and r.id = decisions.recommendation_id
)"""
SEEN_DETAILS = """exists (
  select from decisions d where d.customer_id = decision_details.customer_id and d.sequence = decision_details.sequence
)"""
GRANTS = [
    f"grant select on decisions, decision_details to {APP_ROLE}",
    f"grant select, insert on decisions to {PIPELINE_ROLE}",
    # whoever purges locks rows, for which PostgreSQL asks a right to change some column; the trigger refuses all changes
    f"grant select, insert, delete, update (noted_at) on decision_details to {PIPELINE_ROLE}",
    f"grant select, insert, update on decision_heads to {PIPELINE_ROLE}",
    f"grant select, insert, delete on decisions_pending to {PIPELINE_ROLE}",
]
_AS_PIPELINE = "security definer set search_path = public, pg_temp"
_INSTANT = """to_char({} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""

# in the order in which they need each other; bodies as texts, so that columns of the tables can still be altered
FUNCTIONS = {
    "decision_link(text, text, text)": """
create function decision_link(link text, first text, document text) returns text language sql immutable
return encode(sha256(convert_to(coalesce(link, first) || E'\\n' || document, 'UTF8')), 'hex')""",
    "decision(text, timestamptz, text, text, text, jsonb, jsonb)": """
create function decision(
  kind text, at timestamptz, recommendation_id text, subject_type text, subject_id text, grounds jsonb, details jsonb
) returns jsonb language sql stable
return jsonb_build_object(
  'kind', kind, 'at', at, 'recommendation_id', recommendation_id, 'subject_type', subject_type,
  'subject_id', subject_id, 'grounds', jsonb_strip_nulls(grounds), 'details', jsonb_strip_nulls(details))""",
    "score_hash(scores)": """
create function score_hash(s scores) returns text language sql stable as $$
select encode(sha256(
  convert_to(concat_ws('|', s.id, s.entity_type, s.entity_id, s.score_type, extract(epoch from s.as_of), s.points,
    s.model_version_id, s.feature_hash), 'UTF8')
  || float8send(s.probability) || float8send(s.probability_low) || float8send(s.probability_high)
  || float8send(s.logit) || float8send(s.baseline_logit)), 'hex') $$""",
    "recommendation_decisions(recommendations, text, boolean)": """
create function recommendation_decisions(r recommendations, kind text, scored boolean) returns setof jsonb
language sql stable as $$
  select decision('score.used', r.updated_at, r.id, 'score', s.id, jsonb_build_object(
      'score_sha256', score_hash(s), 'model_version_id', s.model_version_id, 'feature_hash', s.feature_hash), null)
  from scores s where scored and s.customer_id = r.customer_id and s.id = r.score_id
  union all
  select decision(kind, r.updated_at, r.id, 'recommendation', r.id,
    jsonb_build_object('score_id', r.score_id, 'model_version_id', r.model_version_id, 'signal_id', r.signal_id,
      'pattern_id', r.pattern_id, 'superseded_by', r.superseded_by),
    jsonb_build_object('entity_type', r.entity_type, 'entity_id', r.entity_id, 'action_type', r.action_type)
    || case when kind in ('recommendation.made', 'recommendation.revised') then jsonb_build_object(
      'title', r.title, 'owner_id', r.owner_id, 'payload', r.payload, 'priority', r.priority,
      'probability', r.probability, 'probability_with_action', r.probability_with_action, 'rank', r.rank,
      'amount_minor', r.amount_minor, 'currency', r.currency, 'basis', r.basis,
      'expected_value_minor', r.expected_value_minor, 'expected_value_low_minor', r.expected_value_low_minor,
      'expected_value_high_minor', r.expected_value_high_minor,
      'content_sha256', encode(sha256(convert_to(
        concat_ws(E'\\n', r.rationale, r.reasons, r.evidence), 'UTF8')), 'hex'))
    else jsonb_build_object('user_id', case when r.status not in ('superseded', 'expired') then r.acted_by end,
      'feedback', r.feedback, 'snoozed_until', r.snoozed_until) end)
  where kind is not null
$$""",
    "note_recommendations()": f"""
create function note_recommendations() returns trigger language plpgsql {_AS_PIPELINE} as $$
begin
  if tg_op = 'INSERT' then
    insert into decisions_pending (customer_id, transaction, entries)
    select n.customer_id, pg_current_xact_id()::text::bigint, jsonb_agg(e.entry order by n.rank, n.id, e.place)
    from new_rows n,
      recommendation_decisions(n::recommendations, 'recommendation.made', true) with ordinality e(entry, place)
    group by 1 order by 1;
  else
    insert into decisions_pending (customer_id, transaction, entries)
    select n.customer_id, pg_current_xact_id()::text::bigint, jsonb_agg(e.entry order by n.rank, n.id, e.place)
    from old_rows o join new_rows n on n.customer_id = o.customer_id and n.id = o.id,
      recommendation_decisions(n::recommendations,
        case
          when n.status <> o.status or n.acted_at is distinct from o.acted_at
            then 'recommendation.' || case n.status when 'pending' then 'reopened' else n.status end
          when (n.entity_id, n.owner_id, n.pattern_id, n.signal_id, n.payload, n.priority, n.title, n.probability,
              n.probability_with_action, n.amount_minor, n.currency, n.expected_value_minor,
              n.expected_value_low_minor, n.expected_value_high_minor, n.basis, n.model_version_id, n.score_id)
            is distinct from (o.entity_id, o.owner_id, o.pattern_id, o.signal_id, o.payload, o.priority, o.title,
              o.probability, o.probability_with_action, o.amount_minor, o.currency, o.expected_value_minor,
              o.expected_value_low_minor, o.expected_value_high_minor, o.basis, o.model_version_id, o.score_id)
            then 'recommendation.revised'
        end, n.score_id is distinct from o.score_id) with ordinality e(entry, place)
    group by 1 order by 1;
  end if;
  return null;
end $$""",
    "note_approval()": f"""
create function note_approval() returns trigger language plpgsql {_AS_PIPELINE} as $$
begin
  insert into decisions_pending (customer_id, transaction, entries)
  values (new.customer_id, pg_current_xact_id()::text::bigint, jsonb_build_array(decision(
    'approval.' || case
      when tg_op = 'UPDATE' and new.status = old.status then 'edited'
      when new.status = 'pending' then 'asked'
      else new.status end,
    case when tg_op = 'INSERT' then new.created_at when new.status = old.status then new.edited_at
      else coalesce(new.reviewed_at, now()) end,
    left(new.content ->> 'recommendation_id', 36), 'approval', new.id,
    jsonb_build_object('agent_run_id', new.agent_run_id, 'content_sha256', new.content_hash,
      'policy_id', new.policy_id),
    jsonb_build_object('item_type', new.item_type, 'requested_by', new.requested_by, 'sponsor_id', new.sponsor_id,
      'requires', new.requires, 'user_id', case when tg_op = 'INSERT' then null
        when new.status = old.status then new.edited_by else new.reviewed_by end, 'reason', new.reason))));
  return null;
end $$""",
    "note_execution()": f"""
create function note_execution() returns trigger language plpgsql {_AS_PIPELINE} as $$
begin
  insert into decisions_pending (customer_id, transaction, entries)
  values (new.customer_id, pg_current_xact_id()::text::bigint, jsonb_build_array(decision(
    'execution.' || new.status,
    case when tg_op = 'INSERT' then new.started_at else coalesce(new.completed_at, now()) end,
    left(new.input ->> 'recommendation_id', 36), 'agent_run', new.id,
    jsonb_build_object('command_id', new.command_id, 'agent_type', new.agent_type, 'reason', new.reason),
    jsonb_build_object('input', new.input, 'output', new.output, 'error', new.error, 'cost_minor', new.cost_minor,
      'currency', new.currency))));
  return null;
end $$""",
    "note_outcome()": f"""
create function note_outcome() returns trigger language plpgsql {_AS_PIPELINE} as $$
declare
  kind text := tg_argv[0];
  now_over boolean := new.status in ('won', 'lost', 'converted', 'disqualified');
  details jsonb := jsonb_build_object('entity_type', kind, 'entity_id', new.id, 'version', new.version);
begin
  if kind = 'opportunity' then
    details := details || jsonb_build_object('amount_minor', new.value, 'currency', new.currency, 'stage', new.stage);
  end if;
  insert into decisions_pending (customer_id, transaction, entries)
  select new.customer_id, pg_current_xact_id()::text::bigint, jsonb_agg(decision(
    'outcome.' || case when now_over then new.status else 'reopened' end, new.updated_at, r.id, kind,
    case when kind = 'opportunity' then new.id end, '{{}}', details) order by r.created_at, r.id)
  from recommendations r
  where r.customer_id = new.customer_id and r.entity_type = kind and r.entity_id = new.id
    and r.status <> 'superseded' and r.created_at <= new.updated_at
  having count(*) > 0;
  return null;
end $$""",
    "note_erased_details()": f"""
create function note_erased_details() returns trigger language plpgsql {_AS_PIPELINE} as $$
begin
  insert into decisions_pending (customer_id, transaction, entries)
  select r.customer_id, pg_current_xact_id()::text::bigint, jsonb_build_array(decision(
    'details.erased', now(), null, 'decisions', null, jsonb_build_object('sequences', string_agg(
      case when r.first = r.last then r.first::text else r.first || '-' || r.last end, ',' order by r.first)), null))
  from (
    select g.customer_id, min(g.sequence) as first, max(g.sequence) as last
    from (
      select o.customer_id, o.sequence,
        o.sequence - row_number() over (partition by o.customer_id order by o.sequence) as run
      from old_rows o
    ) g group by g.customer_id, g.run
  ) r
  group by 1 order by 1;
  return null;
end $$""",
    "chain_decisions()": f"""
create function chain_decisions() returns trigger language plpgsql {_AS_PIPELINE} as $$
declare
  tenant text;
  head record;
  at timestamptz;
begin
  -- the first of the rows chains for all of them
  if not exists (select from decisions_pending p where p.customer_id = new.customer_id and p.id = new.id) then
    return null;
  end if;
  for tenant in
    select distinct p.customer_id from decisions_pending p where p.transaction = new.transaction order by 1
  loop
    insert into decision_heads (customer_id, sequence, hash, noted_at)
    values (tenant, 0, repeat('0', 64), clock_timestamp()) on conflict do nothing;
    select h.sequence, h.hash, h.noted_at into head from decision_heads h where h.customer_id = tenant for update;
    at := greatest(clock_timestamp(), head.noted_at);
    with taken as (
      delete from decisions_pending p where p.customer_id = tenant and p.transaction = new.transaction
      returning p.id, p.entries
    ), noted as materialized (
      select head.sequence + row_number() over (order by t.id, e.place) as sequence, e.entry,
        nullif(e.entry -> 'details', 'null')::text as details, replace(gen_random_uuid()::text, '-', '') as salt,
        (select '{{' || coalesce(string_agg(to_json(o.key) || ':' || o.value::text, ',' order by o.key collate "C"), '') || '}}'
         from jsonb_each(e.entry -> 'grounds') o)::json as grounds
      from taken t, jsonb_array_elements(t.entries) with ordinality e(entry, place)
    ), entries as materialized (
      select row_to_json(one)::text as document, one.*, n.details, n.salt
      from noted n, lateral (
        -- columns in alphabetical order: this is the canonical form
        select tenant as customer_id,
          case when n.details is not null
            then encode(sha256(convert_to(n.salt || n.details, 'UTF8')), 'hex') end as details_hash,
          n.grounds,
          '00000000-0000-8000-8000-' || lpad(to_hex(n.sequence), 12, '0') as id,
          n.entry ->> 'kind' as kind,
          {_INSTANT.format("at")} as noted_at,
          {_INSTANT.format("(n.entry ->> 'at')::timestamptz")} as occurred_at,
          n.entry ->> 'recommendation_id' as recommendation_id,
          n.sequence, n.entry ->> 'subject_id' as subject_id,
          n.entry ->> 'subject_type' as subject_type
      ) one
    ), linked as materialized (
      select e.*, decision_chain(head.hash, e.document) over (order by e.sequence) as hash from entries e
    ), kept as (
      insert into decisions (customer_id, id, sequence, kind, recommendation_id, subject_type, subject_id,
        grounds, occurred_at, noted_at, details_hash, previous, hash)
      select l.customer_id, l.id, l.sequence, l.kind, l.recommendation_id, l.subject_type, l.subject_id,
        l.grounds::jsonb, l.occurred_at::timestamptz, l.noted_at::timestamptz, l.details_hash,
        coalesce(lag(l.hash) over (order by l.sequence), head.hash), l.hash
      from linked l
    ), detailed as (
      insert into decision_details (customer_id, sequence, salt, document, noted_at)
      select l.customer_id, l.sequence, l.salt, l.details, l.noted_at::timestamptz from linked l
      where l.details is not null
    )
    update decision_heads h set sequence = l.sequence, hash = l.hash, noted_at = at
    from linked l
    where h.customer_id = tenant and l.sequence = (select max(x.sequence) from linked x);
  end loop;
  return null;
end $$""",
    "refuse_change()": """
create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'the decision log only grows' using errcode = 'insufficient_privilege';
end $$""",
}
AGGREGATE = "create aggregate decision_chain(text, text) (sfunc = decision_link, stype = text)"
TRIGGERS = {
    "decisions_made": """after insert on recommendations referencing new table as new_rows
for each statement execute function note_recommendations()""",
    "decisions_changed": """after update on recommendations referencing old table as old_rows new table as new_rows
for each statement execute function note_recommendations()""",
    "decision_asked": "after insert on approval_items for each row execute function note_approval()",
    "decision_reviewed": """after update on approval_items for each row
when (old.status is distinct from new.status or old.content_hash is distinct from new.content_hash)
execute function note_approval()""",
    "decision_commanded": "after insert on agent_runs for each row execute function note_execution()",
    "decision_executed": """after update on agent_runs for each row when (old.status is distinct from new.status)
execute function note_execution()""",
    "decision_closed": """after update on opportunities for each row when (old.status is distinct from new.status)
execute function note_outcome('opportunity')""",
    "decision_ended": """after update on leads for each row when (old.status is distinct from new.status and
  (old.status in ('converted', 'disqualified') or new.status in ('converted', 'disqualified')))
execute function note_outcome('lead')""",
    "decisions_erased": """after delete on decision_details referencing old table as old_rows
for each statement execute function note_erased_details()""",
    "decisions_kept": """before update or delete or truncate on decisions
for each statement execute function refuse_change()""",
    "details_kept": """before update or truncate on decision_details
for each statement execute function refuse_change()""",
}
CHAIN = """
create constraint trigger decisions_chained after insert on decisions_pending deferrable initially deferred
for each row execute function chain_decisions()"""

_ROW = """
    d.id, d.sequence, d.kind, d.recommendation_id, d.subject_type, d.subject_id, d.grounds, x.document::json as details,
    d.details_hash is not null and x.document is null as details_erased, d.occurred_at, d.noted_at, d.details_hash,
    d.previous, d.hash"""
_DETAILED = "left join decision_details x on x.customer_id = d.customer_id and x.sequence = d.sequence"


def _page(name: str, arguments: str, columns: str, where: str, order: str) -> str:
    sign = "<" if order == "desc" else ">"
    return f"""
create function {name}(
  tenant text, before timestamptz, before_id text, row_limit int, {arguments},
  out body text, out next_at timestamptz, out next_id text
) language plpgsql stable as $function$
declare
  documents text[];
  times timestamptz[];
  ids text[];
begin
  select array_agg(row_to_json(page)::text), array_agg(page.noted_at), array_agg(page.id) into documents, times, ids
  from (
    select {columns} from decisions d {_DETAILED}
    where d.customer_id = $1 and (d.noted_at, d.id) {sign} ($2, $3) and {where}
    order by d.noted_at {order}, d.id {order} limit $4 + 1
  ) page;
  body := coalesce(array_to_string(documents[1:$4], ','), '');
  if array_length(ids, 1) > $4 then
    next_at := times[$4];
    next_id := ids[$4];
  end if;
end $function$"""


_SCORE = """, case when d.kind = 'score.used' then (
      select json_build_object('id', s.id, 'score_type', s.score_type, 'as_of', s.as_of, 'probability', s.probability,
        'probability_low', s.probability_low, 'probability_high', s.probability_high, 'points', s.points,
        'band', s.band, 'reasons', s.reasons, 'model_version_id', s.model_version_id)
      from scores s where s.customer_id = d.customer_id and s.id = d.subject_id) end as score"""
READS = {
    "api_list_decisions(text, timestamptz, text, int, text, text)": _page(
        "api_list_decisions",
        "wanted_kind text, recommendation text",
        _ROW,
        "($5 is null or d.kind = $5) and ($6 is null or d.recommendation_id = $6)",
        "desc",
    ),
    "api_list_recommendation_decisions(text, timestamptz, text, int, text)": _page(
        "api_list_recommendation_decisions",
        "recommendation text",
        _ROW + _SCORE,
        "d.recommendation_id = $5",
        "asc",
    ).replace(
        "begin\n",
        "begin\n  if not exists (select from recommendations r where r.customer_id = $1 and r.id = $5) then\n"
        "    return;\n  end if;\n",
        1,
    ),
}


def upgrade() -> None:
    for statement in (*TABLES, *(one for name in NAMES for one in protect(name)), *GRANTS):
        op.execute(statement)
    for table, seen in {"decisions": SEEN, "decision_details": SEEN_DETAILS}.items():
        for statement in narrow_where(table, seen):
            op.execute(statement)
    for name, function in FUNCTIONS.items():
        op.execute(function)
        if name == "decision_link(text, text, text)":
            op.execute(AGGREGATE)
        if _AS_PIPELINE in function:
            op.execute(f"alter function {name} owner to {PIPELINE_ROLE}")
            op.execute(f"revoke all on function {name} from public")
    for name, trigger in TRIGGERS.items():
        op.execute(f"create trigger {name} {trigger}")
    op.execute(CHAIN)
    for name, function in READS.items():
        op.execute(function)
        op.execute(f"revoke all on function {name} from public")
        op.execute(f"grant execute on function {name} to {APP_ROLE}")


def downgrade() -> None:
    for name in READS:
        op.execute(f"drop function {name}")
    for name, trigger in TRIGGERS.items():
        op.execute(f"drop trigger {name} on {trigger.split(' on ', 1)[1].split()[0]}")
    op.execute("drop trigger decisions_chained on decisions_pending")
    for name in reversed(FUNCTIONS):
        if name == "decision_link(text, text, text)":
            op.execute("drop aggregate decision_chain(text, text)")
        op.execute(f"drop function {name}")
    for name in reversed(NAMES):
        op.execute(f"drop table {name}")
