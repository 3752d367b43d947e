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

answers as not materialized (

    select * from {{ ref('stg_events__enrichments') }}

),

new_events as (

    select
        *,
        {{ current_run_id() }} as run_id

    from answers

    {% if is_incremental() %}
        where {{ is_not_loaded('answers') }}
    {% endif %}

)

select * from new_events
