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

withdrawals as not materialized (

    select * from {{ ref('int_records_withdrawn') }}

    where entity_type = 'activity'

),

hidden_records as not materialized (

    select * from {{ ref('int_records_hidden') }}

    where entity_type = 'activity'

),

merged_records as not materialized (

    select * from {{ ref('int_records_merged') }}

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

    new_merges as (

        select merged_records.*
        from merged_records
        cross join seen
        where {{ is_loaded_since('merged_records', 'seen') }}

    ),

    -- A new link brings the activities of before it along; so does a merge, and one that is taken back.
    reached_events as (

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
        from withdrawals
        cross join seen
        inner join activities
            on
                withdrawals.customer_id = activities.customer_id
                and withdrawals.entity_id = activities.activity_id
        where {{ is_loaded_since('withdrawals', 'seen') }}

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

        union

        select
            activities.customer_id,
            activities.event_id
        from new_merges
        inner join activities
            on new_merges.customer_id = activities.customer_id and new_merges.entity_id = activities.lead_id
        where new_merges.entity_type = 'lead'

        union

        select
            activities.customer_id,
            activities.event_id
        from new_merges
        inner join links
            on new_merges.customer_id = links.customer_id and new_merges.entity_id = links.lead_id
        inner join activities
            on links.customer_id = activities.customer_id and links.opportunity_id = activities.opportunity_id
        where new_merges.entity_type = 'lead'

        union

        select
            activities.customer_id,
            activities.event_id
        from new_merges
        inner join activities
            on new_merges.customer_id = activities.customer_id and new_merges.entity_id = activities.account_id
        where new_merges.entity_type = 'account'

        union

        select
            activities.customer_id,
            activities.event_id
        from new_merges
        inner join activities
            on
                new_merges.customer_id = activities.customer_id
                and activities.contact_ids @> array[new_merges.entity_id]
        where new_merges.entity_type = 'contact'

    ),

    -- The events of an activity that was ever withdrawn go together.
    unlinked_events as (

        select * from reached_events

        union

        select
            siblings.customer_id,
            siblings.event_id
        from reached_events
        inner join activities
            on
                reached_events.customer_id = activities.customer_id
                and reached_events.event_id = activities.event_id
        inner join hidden_records
            on
                activities.customer_id = hidden_records.customer_id
                and activities.activity_id = hidden_records.entity_id
        inner join activities as siblings
            on
                activities.customer_id = siblings.customer_id
                and activities.activity_id = siblings.activity_id

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

linked_itself as (

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

-- What was recorded of a record that was merged counts for the one that stands for it, while it does.
linked_by_merge as (

    select
        linked_itself.customer_id,
        linked_itself.entity_type,
        merged_records.survivor_id as entity_id,
        linked_itself.event_id,
        min(greatest(linked_itself.known_at, lower(merged_records.merged))) as known_at,
        '{(,)}'::tstzmultirange - range_agg(merged_records.merged) as hidden

    from linked_itself
    inner join merged_records
        on
            linked_itself.customer_id = merged_records.customer_id
            and linked_itself.entity_type = merged_records.entity_type
            and linked_itself.entity_id = merged_records.entity_id

    where
        not exists (
            select 1 from linked_itself as own
            where
                own.customer_id = linked_itself.customer_id
                and own.entity_type = linked_itself.entity_type
                and own.entity_id = merged_records.survivor_id
                and own.event_id = linked_itself.event_id
        )

    group by
        linked_itself.customer_id, linked_itself.entity_type, merged_records.survivor_id, linked_itself.event_id

),

linked as (

    select
        *,
        '{}'::tstzmultirange as hidden
    from linked_itself

    union all

    select
        linked_by_merge.entity_type,
        linked_by_merge.entity_id,
        'merge' as linked_via,
        linked_by_merge.known_at,
        unlinked.*,
        linked_by_merge.hidden
    from linked_by_merge
    inner join unlinked
        on
            linked_by_merge.customer_id = unlinked.customer_id
            and linked_by_merge.event_id = unlinked.event_id

),

-- A withdrawal is known wherever its activity is, and counts nowhere itself.
linked_withdrawals as (

    select
        linked.customer_id,
        linked.entity_type,
        linked.entity_id,
        linked.activity_id,
        withdrawals.event_id,
        withdrawals.event_type,
        withdrawals.occurred_at,
        withdrawals.recorded_at,
        min(linked.linked_via) as linked_via,
        greatest(withdrawals.recorded_at, min(linked.known_at)) as known_at

    from linked
    inner join withdrawals
        on linked.customer_id = withdrawals.customer_id and linked.activity_id = withdrawals.entity_id

    group by
        linked.customer_id, linked.entity_type, linked.entity_id, linked.activity_id,
        withdrawals.event_id, withdrawals.event_type, withdrawals.occurred_at, withdrawals.recorded_at

),

-- So is what merged a record, or released it, with whoever stood for it.
merge_steps as (

    select
        merged_records.customer_id,
        merged_records.entity_type,
        merged_records.survivor_id as entity_id,
        record_withdrawals.event_id,
        record_withdrawals.event_type,
        record_withdrawals.occurred_at,
        record_withdrawals.recorded_at

    from {{ 'new_merges' if is_incremental() else 'merged_records' }} as merged_records
    inner join {{ ref('int_records_withdrawn') }} as record_withdrawals
        on
            merged_records.customer_id = record_withdrawals.customer_id
            and merged_records.entity_type = record_withdrawals.entity_type
            and merged_records.entity_id = record_withdrawals.entity_id

),

final as (

    select
        linked.customer_id,
        linked.entity_type,
        linked.entity_id,
        linked.event_id,
        linked.linked_via,
        linked.known_at,
        linked.event_type,
        linked.activity_id,
        linked.occurred_at,
        linked.recorded_at,
        linked.is_inbound,
        linked.is_outbound,
        linked.owner_id,
        linked.contact_ids,
        linked.duration_seconds,
        linked.due_at,
        nullif(linked.hidden + coalesce(hidden_records.hidden, '{}'), '{}') as hidden,
        {{ current_run_id() }} as run_id

    from linked
    left join hidden_records
        on linked.customer_id = hidden_records.customer_id and linked.activity_id = hidden_records.entity_id

    union all

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
        false as is_inbound,
        false as is_outbound,
        null as owner_id,
        array[]::text[] as contact_ids,
        null as duration_seconds,
        null as due_at,
        '{(,)}'::tstzmultirange as hidden,
        {{ current_run_id() }} as run_id

    from linked_withdrawals

    union all

    select
        customer_id,
        entity_type,
        entity_id,
        event_id,
        'merge' as linked_via,
        recorded_at as known_at,
        event_type,
        null as activity_id,
        occurred_at,
        recorded_at,
        false as is_inbound,
        false as is_outbound,
        null as owner_id,
        array[]::text[] as contact_ids,
        null as duration_seconds,
        null as due_at,
        '{(,)}'::tstzmultirange as hidden,
        {{ current_run_id() }} as run_id

    from merge_steps

)

select * from final
