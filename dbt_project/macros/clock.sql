{# The two instants that a build is computed for, both constant throughout a run. -#}
{% macro now_at() -%}
    {%- set given = var('now') or run_started_at.isoformat() -%}
    cast('{{ modules.datetime.datetime.fromisoformat(given | string).isoformat() }}' as timestamptz)
{%- endmacro %}

{% macro briefing_day() -%}
    {%- set given = var('briefing_day') or (var('now') or run_started_at.isoformat()) -%}
    {%- set instant = modules.datetime.datetime.fromisoformat(given | string) -%}
    {%- if instant.tzinfo -%}
        {%- set instant = instant.astimezone(modules.pytz.utc) -%}
    {%- endif -%}
    cast('{{ instant.date().isoformat() }}' as date)
{%- endmacro %}

{# Midnight UTC that starts the briefing day, whatever time zone the session has. -#}
{% macro briefing_day_start() -%}
    ({{ briefing_day() }}::timestamp at time zone 'UTC')
{%- endmacro %}

{# Midnight UTC that starts the day of an instant. -#}
{% macro day_start(instant) -%}
    (date_trunc('day', {{ instant }} at time zone 'UTC') at time zone 'UTC')
{%- endmacro %}

{% macro days_between(later, earlier) -%}
    (cast(extract(epoch from ({{ later }} - {{ earlier }})) as double precision) / 86400.0)
{%- endmacro %}
