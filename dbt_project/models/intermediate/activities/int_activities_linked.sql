{{
    config(
        incremental_strategy='delete+insert',
        unique_key=['customer_id', 'entity_type', 'entity_id', 'event_id'],
        indexes=[
            {'columns': ['customer_id', 'entity_type', 'entity_id', 'event_id'], 'unique': true},
            {'columns': ['run_id']},
            {'columns': ['known_at']},
        ],
        post_hook=["{{ mark_built() }}"],
    )
}}

with

activities as not materialized (

    select * from {{ ref('int_activities_recorded') }}

),

links as not materialized (

    select * from {{ ref('int_leads_linked') }}

),

{% if is_incremental() %}
    seen as (

        {{ watermark([this.name]) }}

    ),

    new_links as (

        select links.*
        from links
        cross join seen
        where {{ is_loaded_since('links', 'seen') }}

    ),

    -- A new link brings the activities of before it along.
    unlinked_events as (

        select
            activities.customer_id,
            activities.event_id
        from activities
        cross join seen
        where {{ is_loaded_since('activities', 'seen') }}

        union

        select
            activities.customer_id,
            activities.event_id
        from new_links
        inner join activities
            on new_links.customer_id = activities.customer_id and new_links.lead_id = activities.lead_id

        union

        select
            activities.customer_id,
            activities.event_id
        from new_links
        inner join activities
            on new_links.customer_id = activities.customer_id and new_links.opportunity_id = activities.opportunity_id

    ),

    unlinked as (

        select activities.*
        from activities
        inner join unlinked_events
            on activities.customer_id = unlinked_events.customer_id and activities.event_id = unlinked_events.event_id

    ),
{% else %}
    unlinked as (

        select * from activities

    ),
{% endif %}

linked as (

    select
        'opportunity' as entity_type,
        unlinked.opportunity_id as entity_id,
        'itself' as linked_via,
        unlinked.recorded_at as known_at,
        unlinked.*
    from unlinked
    where unlinked.opportunity_id is not null

    union all

    select
        'opportunity' as entity_type,
        links.opportunity_id as entity_id,
        'lead' as linked_via,
        greatest(unlinked.recorded_at, links.linked_at) as known_at,
        unlinked.*
    from unlinked
    inner join links
        on unlinked.customer_id = links.customer_id and unlinked.lead_id = links.lead_id
    where unlinked.opportunity_id is null

    union all

    select
        'lead' as entity_type,
        unlinked.lead_id as entity_id,
        'itself' as linked_via,
        unlinked.recorded_at as known_at,
        unlinked.*
    from unlinked
    where unlinked.lead_id is not null

    union all

    select
        'lead' as entity_type,
        links.lead_id as entity_id,
        'opportunity' as linked_via,
        greatest(unlinked.recorded_at, links.linked_at) as known_at,
        unlinked.*
    from unlinked
    inner join links
        on unlinked.customer_id = links.customer_id and unlinked.opportunity_id = links.opportunity_id
    where unlinked.lead_id is distinct from links.lead_id

    union all

    select
        'account' as entity_type,
        unlinked.account_id as entity_id,
        'itself' as linked_via,
        unlinked.recorded_at as known_at,
        unlinked.*
    from unlinked
    where unlinked.account_id is not null

    union all

    select
        'contact' as entity_type,
        participants.contact_id as entity_id,
        'itself' as linked_via,
        unlinked.recorded_at as known_at,
        unlinked.*
    from unlinked
    cross join unnest(unlinked.contact_ids) as participants (contact_id)

),

final as (

    select
        customer_id,
        entity_type,
        entity_id,
        event_id,
        linked_via,
        known_at,
        event_type,
        activity_id,
        occurred_at,
        recorded_at,
        is_inbound,
        is_outbound,
        owner_id,
        contact_ids,
        duration_seconds,
        due_at,
        {{ current_run_id() }} as run_id

    from linked

)

select * from final
