{# Casts of text from event payloads: a malformed value becomes null, never a failed run.
   PostgreSQL 15 has no try-cast, hence the guards. -#}
{% macro safe_text(text) -%}
    nullif(btrim({{ text }}), '')
{%- endmacro %}

{% macro safe_bigint(text) -%}
    case
        when {{ text }} ~ '^-?[0-9]{1,18}([.][0-9]{1,18})?$'
            then cast(round(cast({{ text }} as numeric)) as bigint)
    end
{%- endmacro %}

{% macro safe_double(text) -%}
    case
        when {{ text }} ~ '^-?[0-9]{1,18}([.][0-9]{1,18})?$'
            then cast({{ text }} as double precision)
    end
{%- endmacro %}

{# True where the first ten characters are a day that the calendar has (no 30 February). -#}
{% macro is_calendar_day(text) -%}
    case
        when {{ text }} ~ '^[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])'
            then cast(substr({{ text }}, 9, 2) as integer) <= extract(
                day from cast(substr({{ text }}, 1, 7) || '-01' as date) + interval '1 month - 1 day'
            )
        else false
    end
{%- endmacro %}

{% macro safe_date(text) -%}
    case when {{ is_calendar_day(text) }} then cast(substr({{ text }}, 1, 10) as date) end
{%- endmacro %}

{# An offset is required: a time without one names no instant. -#}
{% macro safe_timestamp(text) -%}
    case
        when
            {{ is_calendar_day(text) }}
            and substr({{ text }}, 11) ~ '^[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,9})?)?(Z|[+-](0[0-9]|1[0-4]):?[0-5][0-9])$'
            then cast({{ text }} as timestamptz)
    end
{%- endmacro %}

{% macro safe_object(json) -%}
    case when jsonb_typeof({{ json }}) = 'object' then {{ json }} else '{}'::jsonb end
{%- endmacro %}

{% macro safe_array(json) -%}
    case when jsonb_typeof({{ json }}) = 'array' then {{ json }} else '[]'::jsonb end
{%- endmacro %}
