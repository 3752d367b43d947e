{{
    config(
        incremental_strategy='append',
        indexes=[
            {'columns': ['customer_id', 'event_id'], 'unique': true},
            {'columns': ['customer_id', 'opportunity_id']},
            {'columns': ['customer_id', 'lead_id']},
            {'columns': ['customer_id', 'activity_id']},
            {'columns': ['customer_id', 'account_id']},
            {'columns': ['contact_ids'], 'type': 'gin'},
            {'columns': ['run_id']},
            {'columns': ['recorded_at']},
        ],
        post_hook=["{{ mark_built() }}"],
    )
}}

with

activity_events as not materialized (

    select * from {{ ref('stg_events__activities') }}

),

new_events as (

    select
        *,
        {{ current_run_id() }} as run_id

    from activity_events

    {% if is_incremental() %}
        where {{ is_not_loaded('activity_events') }}
    {% endif %}

)

select * from new_events
