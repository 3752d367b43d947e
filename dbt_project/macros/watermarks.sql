{# The oldest watermark of the models named, read once, so that the statements of a model hold constants: of what a subquery
   will give the planner knows nothing, and reads whole tables for the few rows that are new. Before the first build,
   everything is new. -#}
{% macro seen_by(models) -%}
    {%- set oldest -%}
        {{ session_settings() }};
        select concat_ws('|', seen.run_id, seen.seq_high, seen.now_from, seen.now_to, seen.briefing_day) as seen
        from (
            select
                min(runs.run_id) as run_id,
                min(runs.seq_high) as seq_high,
                min(runs.now_at) as now_from,
                greatest(max(runs.now_at), {{ now_at() }}) as now_to,
                min(runs.briefing_day) as briefing_day
            from {{ source('build', 'build_runs') }} as runs
            inner join {{ source('build', 'build_watermarks') }} as marks on runs.run_id = marks.run_id
            where marks.model in ('{{ models | join("', '") }}')
            having count(*) = {{ models | length }}
        ) as seen
    {%- endset -%}
    {%- set rows = run_query(oldest).rows if execute else [] -%}
    {%- set found = rows[0][0].split('|') if rows | length else ['0', '0', '-infinity', '-infinity', none] -%}
    {{ return({
        'run_id': found[0],
        'seq_high': found[1],
        'now_from': "cast('" ~ found[2] ~ "' as timestamptz)",
        'now_to': "cast('" ~ found[3] ~ "' as timestamptz)" if rows | length else now_at(),
        'briefing_day': "cast('" ~ found[4] ~ "' as date)" if found[4] else 'cast(null as date)',
    }) }}
{%- endmacro %}

{# The same as a query of one row. -#}
{% macro watermark(models) -%}
    {%- set seen = seen_by(models) -%}
    select
        cast({{ seen.run_id }} as bigint) as run_id,
        cast({{ seen.seq_high }} as bigint) as seq_high,
        {{ seen.now_from }} as now_from,
        {{ seen.now_to }} as now_to,
        {{ seen.briefing_day }} as briefing_day
{%- endmacro %}
