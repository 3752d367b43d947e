{{
    config(
        incremental_strategy='delete+insert',
        unique_key=['customer_id', 'opportunity_id'],
        indexes=[
            {'columns': ['customer_id', 'opportunity_id'], 'unique': true},
            {'columns': ['started_at']},
        ],
        post_hook=["{{ mark_built() }}"],
    )
}}

{{ starts_of('opportunity', 'opportunities') }}
