{{
    config(
        incremental_strategy='delete+insert',
        unique_key=['customer_id', 'opportunity_id'],
        indexes=[
            {'columns': ['customer_id', 'opportunity_id']},
            {'columns': ['customer_id', 'status', 'valid_from']},
        ],
        pre_hook=["{{ forget_touched(ref('int_opportunities_touched'), ['customer_id', 'opportunity_id']) }}"],
        post_hook=["{{ mark_built(seen_through='int_opportunities_touched') }}"],
    )
}}

with

changes as not materialized (

    select * from {{ ref('int_opportunities_changed') }}

),

touched as not materialized (

    select * from {{ ref('int_opportunities_touched') }}

),

stage_entries as (

    select
        changes.customer_id,
        changes.opportunity_id,
        changes.event_id,
        changes.stage,
        changes.status,
        changes.occurred_at as valid_from,
        lead(changes.occurred_at) over stages as valid_to

    from changes
    {% if is_incremental() %}
        inner join touched
            on changes.customer_id = touched.customer_id and changes.opportunity_id = touched.opportunity_id
    {% endif %}

    where
        changes.stage is not null
        and (changes.event_type = 'opportunity.created' or changes.is_stage_change)
        and changes.recorded_at <= {{ now_at() }}

    window stages as (
        partition by changes.customer_id, changes.opportunity_id
        order by changes.occurred_at, changes.version, changes.recorded_at, changes.event_id
    )

)

select * from stage_entries
