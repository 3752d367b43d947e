{{
    config(
        incremental_strategy='delete+insert',
        unique_key=['customer_id', 'lead_id'],
        indexes=[
            {'columns': ['customer_id', 'lead_id'], 'unique': true},
            {'columns': ['started_at']},
        ],
        post_hook=["{{ mark_built() }}"],
    )
}}

with

changes as not materialized (

    select * from {{ ref('int_leads_changed') }}

),

seen as (

    {{ watermark([this.name]) }}

),

new_keys as (

    select distinct
        changes.customer_id,
        changes.lead_id
    from changes
    cross join seen
    where
        changes.event_type = 'lead.created'
        {% if is_incremental() %} and {{ is_loaded_since('changes', 'seen') }} {% endif %}

),

-- A second creation of the same record is a replay at best: the first version holds.
starts as (

    select distinct on (changes.customer_id, changes.lead_id)
        changes.customer_id,
        changes.lead_id,
        changes.event_id,
        changes.occurred_at as started_at,
        changes.recorded_at

    from new_keys
    inner join changes
        on new_keys.customer_id = changes.customer_id and new_keys.lead_id = changes.lead_id

    where changes.event_type = 'lead.created'

    order by changes.customer_id asc, changes.lead_id asc, {{ version_order('changes') }}

)

select * from starts
