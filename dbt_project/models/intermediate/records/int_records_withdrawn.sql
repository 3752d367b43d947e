{{
    config(
        incremental_strategy='append',
        indexes=[
            {'columns': ['customer_id', 'event_id'], 'unique': true},
            {'columns': ['customer_id', 'entity_type', 'entity_id']},
            {'columns': ['run_id']},
        ],
        post_hook=["{{ mark_built() }}"],
    )
}}

with

withdrawals as not materialized (

    select * from {{ ref('stg_events__withdrawals') }}

),

new_events as (

    select
        *,
        {{ current_run_id() }} as run_id

    from withdrawals

    {% if is_incremental() %}
        where {{ is_not_loaded('withdrawals') }}
    {% endif %}

)

select * from new_events
