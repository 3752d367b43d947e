"""What is known of the time between two briefings: decisions, signals, and the scores whose difference is a cause."""

from alembic import op

from bevyly.db.rls import APP_ROLE

revision = "2026_11_29_briefing_diff"
down_revision = "2026_11_29_decisions"
branch_labels = None
depends_on = None

_AT = """to_char({} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
_STATES = """('recommendation.made', 'recommendation.reopened', 'recommendation.accepted', 'recommendation.dismissed',
    'recommendation.snoozed', 'recommendation.completed', 'recommendation.superseded', 'recommendation.expired')"""
_STORED = """
    select s.*, m.artefact, m.artefact_sha256, i.document
    from scores s
    join model_versions m on m.id = s.model_version_id
    left join score_inputs i
      on i.customer_id = s.customer_id and i.entity_id = s.entity_id and i.feature_hash = s.feature_hash
    where s.customer_id = $1 and s.id = """
FUNCTION = f"""
create function api_get_briefing_diff(
  tenant text, reader text, since timestamptz, until timestamptz, out before text, out after text, out facts text
) language plpgsql stable as $function$
#variable_conflict use_column
declare
  first timestamptz;
  last timestamptz;
  shown text[];
  successors text[];
begin
  select b.document, b.as_of into before, first from briefings b
  where b.customer_id = $1 and b.user_id = $2 and b.as_of <= $3 order by b.as_of desc, b.version desc limit 1;
  select b.document, b.as_of into after, last from briefings b
  where b.customer_id = $1 and b.user_id = $2 and b.as_of <= $4 order by b.as_of desc, b.version desc limit 1;
  if after is null then
    return;
  end if;
  first := coalesce(first, '-infinity');
  select array_agg(distinct i.item ->> 'recommendation_id') into shown
  from (select json_array_elements(after::json -> 'items') union all
        select json_array_elements(before::json -> 'items')) i(item);
  select array_agg(distinct d.grounds ->> 'superseded_by') into successors from decisions d
  where d.customer_id = $1 and d.recommendation_id = any(shown) and d.kind = 'recommendation.superseded';
  select json_build_object(
    'since', coalesce({_AT.format("first")}, ''), 'until', {_AT.format("last")},
    'decisions', (
      select coalesce(json_agg(json_build_object('sequence', d.sequence, 'kind', d.kind,
        'recommendation_id', d.recommendation_id, 'occurred_at', {_AT.format("d.occurred_at")}, 'grounds', d.grounds,
        'details', x.document::json) order by d.sequence), '[]')
      from decisions d
      left join decision_details x on x.customer_id = d.customer_id and x.sequence = d.sequence
      where d.customer_id = $1 and d.occurred_at > first and d.occurred_at <= last and (d.recommendation_id = any(shown)
        or (d.kind = 'recommendation.superseded' and d.grounds ->> 'superseded_by' = any(shown)))),
    'recommendations', (
      select coalesce(json_object_agg(r.id, json_build_object('title', r.title, 'signal_id', r.signal_id,
        'before', was.document::json, 'state', state.kind)), '{{}}')
      from recommendations r
      left join lateral (
        select x.document from decisions d
        join decision_details x on x.customer_id = d.customer_id and x.sequence = d.sequence
        where d.customer_id = r.customer_id and d.recommendation_id = r.id and d.occurred_at <= first
          and d.kind in ('recommendation.made', 'recommendation.revised') order by d.sequence desc limit 1) was on true
      left join lateral (
        select d.kind from decisions d
        where d.customer_id = r.customer_id and d.recommendation_id = r.id and d.occurred_at <= last
          and d.kind in {_STATES} order by d.sequence desc limit 1) state on true
      where r.customer_id = $1 and (r.id = any(shown) or r.id = any(successors) or r.id in (
        select d.recommendation_id from decisions d where d.customer_id = $1 and d.kind = 'recommendation.superseded'
          and d.grounds ->> 'superseded_by' = any(shown) and d.occurred_at > first and d.occurred_at <= last))),
    'signals', (
      select coalesce(json_object_agg(g.id, json_build_object('title', g.title, 'evidence', g.evidence,
        'first_seen_at', {_AT.format("g.first_seen_at")}, 'closed_at', {_AT.format("g.closed_at")},
        'close_reason', g.close_reason)), '{{}}')
      from signals g where g.customer_id = $1 and g.id in (
        select r.signal_id from recommendations r where r.customer_id = $1 and r.id = any(shown))),
    'scores', (
      select coalesce(json_agg(json_build_object('recommendation_id', p.id, 'newer', row_to_json(newer),
        'older', row_to_json(older), 'events', coalesce(e.events, '[]'))), '[]')
      from (
        select b.item ->> 'recommendation_id' as id, a.item -> 'probability' ->> 'score_id' as older_id,
          b.item -> 'probability' ->> 'score_id' as newer_id
        from json_array_elements(before::json -> 'items') a(item)
        join json_array_elements(after::json -> 'items') b(item)
          on b.item ->> 'recommendation_id' = a.item ->> 'recommendation_id'
      ) p
      join lateral ({_STORED}p.newer_id) newer on true
      join lateral ({_STORED}p.older_id) older on true
      left join lateral (
        select json_agg(json_build_object('event_id', v.event_id, 'type', v.type)
          order by v.recorded_at desc, v.event_id desc) as events
        from score_evidence($1, newer.entity_type, newer.entity_id, newer.as_of, newer.computed_at, false) v
        where not (v.known_at <= older.as_of and v.ingested_at <= older.computed_at)
      ) e on true
      where p.newer_id <> p.older_id)
  )::text into facts;
end $function$"""
SIGNATURE = "api_get_briefing_diff(text, text, timestamptz, timestamptz)"


def upgrade() -> None:
    op.execute(FUNCTION)
    op.execute(f"revoke all on function {SIGNATURE} from public")
    op.execute(f"grant execute on function {SIGNATURE} to {APP_ROLE}")


def downgrade() -> None:
    op.execute(f"drop function {SIGNATURE}")
