{{
    config(
        incremental_strategy='append',
        indexes=[
            {'columns': ['customer_id', 'event_id'], 'unique': true},
            {'columns': ['customer_id', 'account_id']},
            {'columns': ['run_id']},
            {'columns': ['recorded_at']},
        ],
        post_hook=["{{ mark_built() }}"],
    )
}}

with

account_events as not materialized (

    select * from {{ ref('stg_events__accounts') }}

),

new_events as (

    select
        *,
        {{ current_run_id() }} as run_id

    from account_events

    {% if is_incremental() %}
        where {{ is_not_loaded('account_events') }}
    {% endif %}

)

select * from new_events
