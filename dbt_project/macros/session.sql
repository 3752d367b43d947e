{# dbt sets the role when it connects, inside a transaction that may be rolled back: set it again in each one that writes.
   Just-in-time compilation costs more than it saves here; day boundaries and text forms of timestamps are UTC. -#}
{% macro session_settings() -%}
    {%- if target.role %}set local role {{ target.role }};{% endif %}
    set local jit = off;
    set local work_mem = '64MB';
    set local timezone = 'UTC'
{%- endmacro %}

{# Steps of a query have no statistics, so the planner takes joins of them to be small: it would merge on the tenant alone, or
   loop over everything. Merges are never right here; loops over an index are, but only while few entities are computed, which
   is not so in a full build and on a new briefing day. Joins are done in the order in which they are written, from what is asked
   for to what is known of it: in another order everything of a tenant would be joined with everything of it. -#}
{% macro planner_settings() -%}
    set local enable_mergejoin = off;
    set local join_collapse_limit = 1;
    {% if not is_incremental() -%}
        set local enable_nestloop = off
    {%- elif model.name.endswith('_features') -%}
        select set_config(
            'enable_nestloop',
            case when seen.briefing_day is distinct from {{ briefing_day() }} then 'off' else 'on' end,
            true
        )
        from ({{ watermark([this.name]) }}) as seen
    {%- else -%}
        set local enable_nestloop = on
    {%- endif -%}
{%- endmacro %}
