{# The two instants that a build is computed for, both constant throughout a run.
   The variable of the environment is read only when statements run: what is read while parsing makes dbt parse anew. -#}
{% macro given_now() -%}
    {{- var('now') or (env_var('BEVYLY_NOW', '') if execute else '') or run_started_at.isoformat() -}}
{%- endmacro %}

{% macro now_at() -%}
    cast('{{ modules.datetime.datetime.fromisoformat(given_now()).isoformat() }}' as timestamptz)
{%- endmacro %}

{% macro briefing_day() -%}
    {%- set instant = modules.datetime.datetime.fromisoformat(var('briefing_day') or given_now()) -%}
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
