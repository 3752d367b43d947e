{{
    config(
        incremental_strategy='delete+insert',
        unique_key=['customer_id', 'entity_type', 'entity_id'],
        indexes=[
            {'columns': ['customer_id', 'entity_type', 'entity_id'], 'unique': true},
            {'columns': ['run_id']},
        ],
        post_hook=["{{ mark_built() }}"],
    )
}}

{{ spans_of_withdrawals('hidden', 'newest.is_deleted') }}
