{# Columns that every staged event carries. `version` orders the events of one record. -#}
{% macro event_columns(events) -%}
        cast({{ events }}.customer_id as text) as customer_id,
        cast({{ events }}.event_id as text) as event_id,
        {{ events }}.seq,
        cast({{ events }}.type as text) as event_type,
        coalesce({{ events }}.sequence, 0) as version,
        {{ events }}.occurred_at,
        {{ events }}.recorded_at,
{%- endmacro %}

{# What an event of a record sets: all of `data` when created, the changed fields when updated. -#}
{% macro patch(events, entity) -%}
    case
        when {{ events }}.type = '{{ entity }}.created' then {{ safe_object(events ~ '.data') }} - '{{ entity }}_id'
        else {{ safe_object(events ~ ".data -> 'after'") }}
    end
{%- endmacro %}
