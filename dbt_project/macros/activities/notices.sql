{# Steps of int_activities_linked, the last one `linked_notices`: withdrawals, changes and merges, for each record that the activity
   counts for. They stand on its steps `linked`, `activities`, `withdrawals`, `merged_records` and `new_merges`. -#}
{% macro notices_of_activities() -%}
    notices as (

        select
            customer_id,
            entity_id as activity_id,
            event_id,
            event_type,
            occurred_at,
            recorded_at
        from withdrawals

        union all

        select
            customer_id,
            activity_id,
            event_id,
            event_type,
            occurred_at,
            recorded_at
        from activities
        where event_type = 'activity.updated'

    ),

    -- A withdrawal or a change is known wherever its activity is or was, and counts nowhere itself.
    linked_notices as (

        select
            linked.customer_id,
            linked.entity_type,
            linked.entity_id,
            linked.activity_id,
            notices.event_id,
            notices.event_type,
            notices.occurred_at,
            notices.recorded_at,
            min(linked.linked_via) as linked_via,
            greatest(notices.recorded_at, min(linked.known_at)) as known_at

        from linked
        inner join notices
            on linked.customer_id = notices.customer_id and linked.activity_id = notices.activity_id

        group by
            linked.customer_id, linked.entity_type, linked.entity_id, linked.activity_id,
            notices.event_id, notices.event_type, notices.occurred_at, notices.recorded_at

        union all

        -- So is what merged a record, or released it, with whoever stood for it.
        select
            merged_records.customer_id,
            merged_records.entity_type,
            merged_records.survivor_id as entity_id,
            null as activity_id,
            record_withdrawals.event_id,
            record_withdrawals.event_type,
            record_withdrawals.occurred_at,
            record_withdrawals.recorded_at,
            'merge' as linked_via,
            record_withdrawals.recorded_at as known_at

        from {{ 'new_merges' if is_incremental() else 'merged_records' }} as merged_records
        inner join {{ ref('int_records_withdrawn') }} as record_withdrawals
            on
                merged_records.customer_id = record_withdrawals.customer_id
                and merged_records.entity_type = record_withdrawals.entity_type
                and merged_records.entity_id = record_withdrawals.entity_id

    ),
{%- endmacro %}
