{{
    config(
        incremental_strategy='delete+insert',
        unique_key=['customer_id', 'entity_type', 'entity_id', 'event_id', 'revision_id'],
        indexes=[
            {'columns': ['customer_id', 'entity_type', 'entity_id', 'event_id', 'revision_id'], 'unique': true},
            {'columns': ['customer_id', 'activity_id']},
            {'columns': ['run_id']},
            {'columns': ['known_at']},
        ],
        pre_hook=["{{ forget_touched(
            ref('int_activities_recorded'), ['customer_id', 'activity_id'], since=is_loaded_since_this('touched')
        ) }}"],
        post_hook=["{{ mark_built() }}"],
    )
}}

with

recorded as not materialized (

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

    new_merges as (

        select merged_records.*
        from merged_records
        cross join seen
        where {{ is_loaded_since('merged_records', 'seen') }}

    ),

    {{ reached_activities() }}

    activities as (

        select recorded.*
        from reached
        inner join recorded
            on reached.customer_id = recorded.customer_id and reached.activity_id = recorded.activity_id

    ),

    revisions as (

        select revised.*
        from reached
        inner join {{ ref('int_activities_revised') }} as revised
            on reached.customer_id = revised.customer_id and reached.activity_id = revised.activity_id

    ),
{% else %}
    activities as not materialized (

        select * from recorded

    ),

    revisions as not materialized (

        select * from {{ ref('int_activities_revised') }}

    ),
{% endif %}

first_revisions as (

    select
        customer_id,
        event_id,
        min(known_from) as known_from
    from revisions
    group by customer_id, event_id

),

{%- set told = [
    'customer_id', 'event_id', 'event_type', 'activity_id', 'occurred_at', 'recorded_at', 'is_inbound', 'is_outbound',
    'account_id', 'lead_id', 'opportunity_id', 'owner_id', 'duration_seconds', 'due_at', 'contact_ids',
] %}

-- What was told of an activity at first, and what it was as of each change that was told later.
unlinked as (

    select
        activities.{{ told | join(', activities.') }},
        activities.event_id as revision_id,
        activities.recorded_at as known_from,
        case
            when first_revisions.known_from is null then '{}'::tstzmultirange
            else tstzmultirange(tstzrange(first_revisions.known_from, null))
        end as superseded

    from activities
    left join first_revisions
        on activities.customer_id = first_revisions.customer_id and activities.event_id = first_revisions.event_id

    where activities.event_type <> 'activity.updated'

    union all

    select
        {{ told | join(', ') }},
        revision_id,
        known_from,
        superseded

    from revisions

),

linked_itself as (

    select
        'opportunity' as entity_type,
        unlinked.opportunity_id as entity_id,
        'itself' as linked_via,
        unlinked.known_from as known_at,
        unlinked.*
    from unlinked
    where unlinked.opportunity_id is not null

    union all

    select
        'opportunity' as entity_type,
        links.opportunity_id as entity_id,
        'lead' as linked_via,
        greatest(unlinked.known_from, links.linked_at) as known_at,
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
        unlinked.known_from as known_at,
        unlinked.*
    from unlinked
    where unlinked.lead_id is not null

    union all

    select
        'lead' as entity_type,
        links.lead_id as entity_id,
        'opportunity' as linked_via,
        greatest(unlinked.known_from, links.linked_at) as known_at,
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
        unlinked.known_from as known_at,
        unlinked.*
    from unlinked
    where unlinked.account_id is not null

    union all

    select
        'contact' as entity_type,
        participants.contact_id as entity_id,
        'itself' as linked_via,
        unlinked.known_from as known_at,
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
        linked_itself.revision_id,
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
                and own.revision_id = linked_itself.revision_id
        )

    group by
        linked_itself.customer_id,
        linked_itself.entity_type,
        merged_records.survivor_id,
        linked_itself.event_id,
        linked_itself.revision_id

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
            and linked_by_merge.revision_id = unlinked.revision_id

),

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

final as (

    select
        linked.customer_id,
        linked.entity_type,
        linked.entity_id,
        linked.event_id,
        linked.revision_id,
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
        nullif(linked.hidden + linked.superseded + coalesce(hidden_records.hidden, '{}'), '{}') as hidden,
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
        event_id as revision_id,
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

    from linked_notices

)

select * from final
