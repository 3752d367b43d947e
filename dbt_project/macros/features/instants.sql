{# Instants that rows are computed for. `entities` has customer_id, the id, started_at and recorded_at of the event that made
   the entity known. An instant is moved to that recording when it came up to a day late, and left out when it came later. -#}
{% macro snapshot_days(entity) -%}
    {{ return([0, 1, 3, 7, 14, 28] if entity == 'lead' else [0, 7, 14] + range(28, 365, 28) | list) }}
{%- endmacro %}

{% macro moments(entity, verb) -%}
    (values
        {%- for days in snapshot_days(entity) %}
        ('{{ verb }}+{{ days }}d', interval '{{ days }} days'){{ ',' if not loop.last }}
        {%- endfor %}
    ) as moments (moment, since_start)
{%- endmacro %}

{% macro instant_of(starts, moments='moments') -%}
    greatest({{ starts }}.started_at + {{ moments }}.since_start, {{ starts }}.recorded_at)
{%- endmacro %}

{% macro is_instant_known(starts, moments='moments') -%}
    {{ starts }}.recorded_at < {{ starts }}.started_at + {{ moments }}.since_start + interval '1 day'
    and {{ instant_of(starts, moments) }} <= {{ now_at() }}
{%- endmacro %}

{# Instants with a number each, which the steps of a computation carry instead of customer, entity and time: they sort and join
   by it. -#}
{% macro numbered_instants(instants) -%}
    select
        instants.*,
        row_number() over () as instant_id
    from {{ instants }} as instants
{%- endmacro %}

{# One row for each of a step, which the planner takes for a thousand. It takes what is left of a step for a row or two, and would
   read the whole of each further step for every row of this one, which a refresh of many entities has no time for. -#}
{% macro taken_for_many(step) -%}
    cross join lateral generate_series(1, least(1, {{ step }}.instant_id)) as rows_of_one
{%- endmacro %}
