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
    seen as not materialized (

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

{{ told_of_activities() }}

{{ links_of_activities() }}

{{ notices_of_activities() }}

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
