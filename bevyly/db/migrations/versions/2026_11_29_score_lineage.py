"""Scores can be traced and made again: their inputs, the code and the artefact behind them, the events behind those.

The app may see which events there are and where they are on Kafka, never what is in them.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from bevyly.db.rls import APP_ROLE, PIPELINE_ROLE, narrow_where, protect

revision = "2026_11_29_score_lineage"
down_revision = "2026_11_29_suppression_marks"
branch_labels = None
depends_on = None

OF_AN_ENTITY = "sees_record(customer_id, entity_type, entity_id)"
ADDRESS = (
    "customer_id",
    "event_id",
    "type",
    "occurred_at",
    "recorded_at",
    "topic",
    "partition",
    '"offset"',
    "ingested_at",
)
READ = (
    *("int_leads_changed", "int_opportunities_changed", "int_accounts_changed", "int_contacts_changed"),
    *("int_leads_linked", "int_activities_linked", "int_leads_decided", "int_opportunities_decided"),
    "int_contacts_placed",
)
# dbt makes these tables and gives the rights to them
_IS_READABLE = f"""(
    select count(*) = {len(READ)} from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'intermediate' and c.relname in ({", ".join(f"'{name}'" for name in READ)})
      and has_schema_privilege(n.oid, 'usage') and has_any_column_privilege(c.oid, 'select')
  )"""
COLUMNS: dict[str, list[sa.Column[Any]]] = {
    "model_versions": [
        sa.Column("artefact_sha256", sa.String(64)),
        sa.Column(
            "made_with",
            postgresql.JSONB(),
            comment="version of the model, instant, seed, feature contract, horizon, versions of libraries",
        ),
    ],
    "recommendations": [sa.Column("score_id", sa.String(36), comment="the score that `probability` is of")],
    "leads": [sa.Column("score_id_at_conversion", sa.String(36))],
}
_NEWEST = "order by c.version desc, c.occurred_at desc, c.recorded_at desc, c.event_id desc limit 1"


def _latest(column: str, kind: str, table: str) -> str:
    """What a field of the record was, as known at `moment`."""
    return f"""
    select c.{column} into {column.removesuffix("_id")} from intermediate.{table} c
    where c.customer_id = tenant and c.{kind}_id = entity and c.{column} is not null and c.recorded_at <= moment {_NEWEST};"""


def _owner_record(table: str, known_at: str) -> str:
    """Decisions that the owner's record counts: of whole days, like the features."""
    return f"""
    select d.event_id, 'owner_record', d.{known_at} from intermediate.{table} d
    where of_owner and d.customer_id = tenant and d.owner_id = owner
      and d.{known_at} < day and d.{known_at} >= day - interval '180 days'
      and d.decided_at < day and d.decided_at >= day - interval '180 days'
      and (d.hidden is null or not d.hidden @> (day - interval '1 microsecond'))"""


def _touches(kind: str) -> str:
    return f"""
    select touch.event_id, 'activity', a.known_at
    from intermediate.int_activities_linked a,
      lateral (values (a.event_id), (a.revision_id)) as touch (event_id)
    where a.customer_id = tenant and a.entity_type = '{kind}' and a.entity_id = entity
      and a.known_at <= moment and a.occurred_at <= moment and (a.hidden is null or not a.hidden @> moment)"""


ACCOUNT = """
    select c.event_id, 'account', c.recorded_at from intermediate.int_accounts_changed c
    where c.customer_id = tenant and c.account_id = account and c.recorded_at <= moment
    union all
    select c.event_id, 'contact', c.recorded_at from intermediate.int_contacts_changed c
    where c.customer_id = tenant and c.account_id = account and c.recorded_at <= moment
    union all
    select touch.event_id, 'account_activity', a.known_at
    from (
      select 'account' as kind, account as id
      union all
      select 'contact', p.contact_id from intermediate.int_contacts_placed p
      where p.customer_id = tenant and p.account_id = account and p.placed @> (day - interval '1 microsecond')
    ) there
    join intermediate.int_activities_linked a
      on a.customer_id = tenant and a.entity_type = there.kind and a.entity_id = there.id,
      lateral (values (a.event_id), (a.revision_id)) as touch (event_id)
    where a.known_at < day and a.occurred_at < day and a.occurred_at >= day - interval '90 days'
      and (a.hidden is null or not a.hidden @> (day - interval '1 microsecond'))"""
"""The account of an entity, and what came of it and of its contacts by the start of the day."""
LEAD = f"""
    select c.event_id, 'record', c.recorded_at from intermediate.int_leads_changed c
    where c.customer_id = tenant and c.lead_id = entity and c.recorded_at <= moment
    union all
    select c.event_id, 'opportunity', greatest(c.recorded_at, l.linked_at)
    from intermediate.int_leads_linked l
    join intermediate.int_opportunities_changed c
      on c.customer_id = l.customer_id and c.opportunity_id = l.opportunity_id and c.recorded_at <= moment
    where l.customer_id = tenant and l.lead_id = entity and l.linked_at <= moment
    union all {_touches("lead")}
    union all {ACCOUNT}
    union all {_owner_record("int_leads_decided", "known_at")}"""
OPPORTUNITY = f"""
    select c.event_id, 'record', c.recorded_at from intermediate.int_opportunities_changed c
    where c.customer_id = tenant and c.opportunity_id = entity and c.recorded_at <= moment
    union all
    select c.event_id, 'lead', greatest(c.recorded_at, l.linked_at)
    from intermediate.int_leads_linked l
    join intermediate.int_leads_changed c
      on c.customer_id = l.customer_id and c.lead_id = l.lead_id and c.recorded_at <= moment
      and (c.event_type = 'lead.created' or c.opportunity_id = entity)
    where l.customer_id = tenant and l.opportunity_id = entity and l.linked_at <= moment
    union all {ACCOUNT}
    union all {_touches("opportunity")}
    union all {_owner_record("int_opportunities_decided", "recorded_at")}"""


def _answer(found: str) -> str:
    return f"""
    return query
    with found (event_id, relation, known_at) as ({found}),
    once as (
      select f.event_id, min(f.known_at) as known_at,
        coalesce(min(f.relation) filter (where f.relation not in ('account_activity', 'owner_record')), min(f.relation)) as relation
      from found f group by f.event_id
    )
    select e.event_id::text, once.relation, once.known_at, e.type::text, e.occurred_at, e.recorded_at, e.topic::text,
      e.partition, e."offset", e.ingested_at
    from once join raw.events e on e.customer_id = tenant and e.event_id = once.event_id
    where e.ingested_at <= computed;"""


FUNCTIONS = {
    "score_evidence(text, text, text, timestamptz, timestamptz, boolean)": f"""
create function score_evidence(
  tenant text, kind text, entity text, moment timestamptz, computed timestamptz, of_owner boolean
) returns table (
  event_id text, relation text, known_at timestamptz, type text, occurred_at timestamptz, recorded_at timestamptz,
  topic text, partition_number int, offset_number bigint, ingested_at timestamptz
) language plpgsql stable as $$
#variable_conflict use_column
declare
  account text;
  owner text;
  day timestamptz := date_trunc('day', moment at time zone 'UTC') at time zone 'UTC';
begin
  if not {_IS_READABLE} then return; end if;
  if kind = 'lead' then
    {_latest("owner_id", "lead", "int_leads_changed")}
    {_latest("account_id", "lead", "int_leads_changed")}
    {_answer(LEAD)}
  elsif kind = 'opportunity' then
    {_latest("owner_id", "opportunity", "int_opportunities_changed")}
    {_latest("account_id", "opportunity", "int_opportunities_changed")}
    {_answer(OPPORTUNITY)}
  end if;
end $$""",
    "api_list_score_events(text, timestamptz, text, int, text)": """
create function api_list_score_events(
  tenant text, before timestamptz, before_id text, row_limit int, score text,
  out body text, out next_at timestamptz, out next_id text
) language plpgsql stable as $$
declare
  documents text[];
  times timestamptz[];
  ids text[];
begin
  select array_agg(row_to_json(page)::text), array_agg(page.recorded_at), array_agg(page.event_id)
  into documents, times, ids
  from (
    select e.event_id, e.relation, e.type, e.occurred_at, e.recorded_at, e.topic, e.partition_number as partition,
      e.offset_number as offset
    from scores s
    left join score_inputs i
      on i.customer_id = s.customer_id and i.entity_id = s.entity_id and i.feature_hash = s.feature_hash,
      lateral score_evidence(
        $1, s.entity_type, s.entity_id, s.as_of, s.computed_at, i.document is null or i.document ~ '"owner_decided_180d"'
      ) e
    where s.customer_id = $1 and s.id = $5 and (e.recorded_at, e.event_id) < ($2, $3)
    order by e.recorded_at desc, e.event_id desc limit $4 + 1
  ) page;
  body := coalesce(array_to_string(documents[1:$4], ','), '');
  if array_length(ids, 1) > $4 then
    next_at := times[$4];
    next_id := ids[$4];
  end if;
end $$""",
    "api_get_score_lineage(text, text)": """
create function api_get_score_lineage(tenant text, score text, out body text) language plpgsql stable as $$
begin
  select json_build_object(
    'score', json_build_object(
      'id', s.id, 'entity_type', s.entity_type, 'entity_id', s.entity_id, 'score_type', s.score_type, 'as_of', s.as_of,
      'computed_at', s.computed_at, 'is_current', s.is_current, 'probability', s.probability, 'logit', s.logit,
      'points', s.points, 'feature_hash', s.feature_hash),
    'model', json_build_object(
      'id', m.id, 'status', m.status, 'display', m.display, 'artefact', m.artefact,
      'artefact_sha256', m.artefact_sha256, 'trained_from', m.trained_from, 'trained_to', m.trained_to,
      'rows', m.n_rows, 'outcomes', m.n_outcomes, 'made_with', m.made_with),
    'inputs', case when i.feature_hash is not null then json_build_object(
      'kept_at', i.kept_at, 'sha256', encode(sha256(convert_to(i.document, 'UTF8')), 'hex'),
      'features', i.document::json) end,
    'dbt', case when c.code is not null then json_build_object(
      'project', c.code, 'model', s.entity_type || '_features', 'built', c.marts -> (s.entity_type || '_features')) end
  )::text into body
  from scores s
  join model_versions m on m.id = s.model_version_id
  left join score_inputs i
    on i.customer_id = s.customer_id and i.entity_id = s.entity_id and i.feature_hash = s.feature_hash
  left join feature_code c on c.code = i.code
  where s.customer_id = $1 and s.id = $2;
end $$""",
    "api_get_stored_score(text, text)": """
create function api_get_stored_score(tenant text, score text, out body text) language plpgsql stable as $$
begin
  select row_to_json(one)::text into body
  from (
    select s.*, m.artefact, m.artefact_sha256, i.document
    from scores s
    join model_versions m on m.id = s.model_version_id
    left join score_inputs i
      on i.customer_id = s.customer_id and i.entity_id = s.entity_id and i.feature_hash = s.feature_hash
    where s.customer_id = $1 and s.id = $2
  ) one;
end $$""",
    "api_list_score_history(text, timestamptz, text, int, text, text, text)": """
create function api_list_score_history(
  tenant text, before timestamptz, before_id text, row_limit int, wanted text, kind text, entity text,
  out body text, out next_at timestamptz, out next_id text
) language plpgsql stable as $$
declare
  documents text[];
  times timestamptz[];
  ids text[];
begin
  if not exists (select from scores s where s.customer_id = $1 and s.entity_type = $6 and s.entity_id = $7) then
    return;
  end if;
  select array_agg(row_to_json(page)::text), array_agg(page.as_of), array_agg(page.id) into documents, times, ids
  from (
    select s.*, m.artefact, m.artefact_sha256, m.display, i.document, i.code, row_to_json(p) as previous, coalesce(e.events, '[]') as events
    from scores s
    join model_versions m on m.id = s.model_version_id
    left join score_inputs i
      on i.customer_id = s.customer_id and i.entity_id = s.entity_id and i.feature_hash = s.feature_hash
    left join lateral (
      select o.id, o.as_of, o.computed_at, o.logit, o.points, o.model_version_id, o.feature_hash, oi.document, oi.code
      from scores o
      left join score_inputs oi
        on oi.customer_id = o.customer_id and oi.entity_id = o.entity_id and oi.feature_hash = o.feature_hash
      where o.customer_id = s.customer_id and o.entity_type = s.entity_type and o.entity_id = s.entity_id
        and o.score_type = s.score_type and (o.as_of, o.id) < (s.as_of, s.id)
      order by o.as_of desc, o.id desc limit 1
    ) p on true
    left join lateral (
      select json_agg(json_build_object(
          'event_id', v.event_id, 'type', v.type, 'occurred_at', v.occurred_at, 'recorded_at', v.recorded_at)
        order by v.recorded_at desc, v.event_id desc) as events
      from score_evidence($1, s.entity_type, s.entity_id, s.as_of, s.computed_at, false) v
      where p.id is not null and not (v.known_at <= p.as_of and v.ingested_at <= p.computed_at)
    ) e on true
    where s.customer_id = $1 and s.entity_type = $6 and s.entity_id = $7 and ($5 is null or s.score_type = $5)
      and (s.as_of, s.id) < ($2, $3)
    order by s.as_of desc, s.id desc limit $4 + 1
  ) page;
  body := coalesce(array_to_string(documents[1:$4], ','), '');
  if array_length(ids, 1) > $4 then
    next_at := times[$4];
    next_id := ids[$4];
  end if;
end $$""",
}


SHOWN = {
    "lead": ("r.score_at_conversion,", "r.score_at_conversion, r.score_id_at_conversion,"),
    "recommendation": ("r.model_version_id,", "r.model_version_id, r.score_id,"),
}


def _replace(kind: str, old: str, new: str) -> None:
    """Have the reads of a record answer one column more, or less."""
    op.execute(
        f"""do $do$ begin execute (
          select string_agg(replace(pg_get_functiondef(p.oid), '{old}', '{new}'), ';') from pg_proc p
          where p.proname in ('api_get_{kind}', 'api_list_{kind}s') and p.pronamespace = 'public'::regnamespace
        ); end $do$"""
    )


def upgrade() -> None:
    for table, columns in COLUMNS.items():
        for column in columns:
            op.add_column(table, column)
    for kind, (before, after) in SHOWN.items():
        _replace(kind, before, after)
    op.create_table(
        "score_inputs",
        sa.Column("customer_id", sa.String(36), sa.ForeignKey("customers.id"), primary_key=True),
        sa.Column("entity_id", sa.String(36), primary_key=True),
        sa.Column("feature_hash", sa.String(64), primary_key=True),
        sa.Column("entity_type", sa.String(50), nullable=False),
        sa.Column("document", sa.Text(), nullable=False, comment="JSON text; see models.inputs"),
        sa.Column("code", sa.String(64)),
        sa.Column("kept_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    op.create_table(
        "feature_code",
        sa.Column("code", sa.String(64), primary_key=True),
        sa.Column("marts", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    for statement in (
        *protect("score_inputs"),
        *narrow_where("score_inputs", OF_AN_ENTITY),
        f"grant select on score_inputs, feature_code to {APP_ROLE}",
        f"grant select, insert on feature_code to {PIPELINE_ROLE}",
        # whoever purges locks rows, for which PostgreSQL asks a right to change some column of them
        f"grant select, insert, delete, update (kept_at) on score_inputs to {PIPELINE_ROLE}",
        f"grant usage on schema raw to {APP_ROLE}",
        f"grant select ({', '.join(ADDRESS)}) on raw.events to {APP_ROLE}",
        *FUNCTIONS.values(),
    ):
        op.execute(statement)
    for function in FUNCTIONS:
        op.execute(f"revoke all on function {function} from public")
        op.execute(f"grant execute on function {function} to {APP_ROLE}")
    op.execute(f"grant execute on function api_get_stored_score(text, text) to {PIPELINE_ROLE}")


def downgrade() -> None:
    for function in reversed(FUNCTIONS):
        op.execute(f"drop function {function}")
    for kind, (before, after) in SHOWN.items():
        _replace(kind, after, before)
    op.execute(f"revoke select ({', '.join(ADDRESS)}) on raw.events from {APP_ROLE}")
    op.drop_table("feature_code")
    op.drop_table("score_inputs")
    for table, columns in COLUMNS.items():
        for column in columns:
            op.drop_column(table, column.name)
