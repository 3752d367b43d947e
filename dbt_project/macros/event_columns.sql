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

{# What an event of a record sets: all of `data` when created, the changed fields when updated or merged. A record that is
   restored is what it was before: its chain of patches says it. Deletions were once told as updates of `deleted_at`. -#}
{% macro patch(events, entity) -%}
    case
        when {{ events }}.type = '{{ entity }}.created' then {{ safe_object(events ~ '.data') }} - '{{ entity }}_id'
        when {{ events }}.type in ('{{ entity }}.deleted', '{{ entity }}.erased') then jsonb_build_object('deleted_at', {{ events }}.occurred_at)
        when {{ events }}.type = '{{ entity }}.restored' then '{"deleted_at": null}'::jsonb
        else {{ safe_object(events ~ ".data -> 'after'") }}
    end
{%- endmacro %}

{# True where a merged state is that of a deleted record. -#}
{% macro is_deleted(state) -%}
    ({{ state }} ->> 'deleted_at' is not null)
{%- endmacro %}

{# True where a row still counted at an instant. `hidden` holds the times at which its record was known to be deleted. -#}
{% macro is_in_force(rows, instant) -%}
    ({{ rows }}.hidden is null or not {{ rows }}.hidden @> {{ instant }})
{%- endmacro %}
