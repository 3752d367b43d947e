{{
    config(
        incremental_strategy='delete+insert',
        unique_key=['customer_id', 'opportunity_id'],
        indexes=[
            {'columns': ['customer_id', 'opportunity_id']},
            {'columns': ['customer_id', 'owner_id', 'recorded_at']},
            {'columns': ['run_id']},
        ],
        post_hook=["{{ mark_built() }}"],
    )
}}

with

changes as not materialized (

    select * from {{ ref('int_opportunities_changed') }}

),

{% if is_incremental() %}
    seen as not materialized (

        {{ watermark([this.name]) }}

    ),

    touched as (

        select distinct
            changes.customer_id,
            changes.opportunity_id
        from changes
        cross join seen
        where {{ is_loaded_since('changes', 'seen') }}

    ),
{% endif %}

decisions as (

    select changes.*
    from changes
    {% if is_incremental() %}
        inner join touched
            on changes.customer_id = touched.customer_id and changes.opportunity_id = touched.opportunity_id
    {% endif %}
    where changes.status in ('won', 'lost')

),

with_owner as (

    select
        decisions.customer_id,
        decisions.opportunity_id,
        decisions.event_id,
        decisions.status = 'won' as is_won,
        decisions.occurred_at as decided_at,
        decisions.recorded_at,
        owners.owner_id,
        hidden_records.hidden,
        {{ current_run_id() }} as run_id

    from decisions

    left join {{ ref('int_records_hidden') }} as hidden_records
        on
            decisions.customer_id = hidden_records.customer_id
            and hidden_records.entity_type = 'opportunity'
            and decisions.opportunity_id = hidden_records.entity_id

    left join lateral (
        select changes.owner_id
        from changes
        where
            changes.customer_id = decisions.customer_id
            and changes.opportunity_id = decisions.opportunity_id
            and changes.owner_id is not null
            and changes.recorded_at <= decisions.recorded_at
        order by {{ version_order('changes', 'desc') }}
        limit 1
    ) as owners on true

)

select * from with_owner
