{{
    config(
        incremental_strategy='delete+insert',
        unique_key=['customer_id', 'entity_type', 'entity_id', 'survivor_id'],
        indexes=[
            {'columns': ['customer_id', 'entity_type', 'entity_id', 'survivor_id'], 'unique': true},
            {'columns': ['run_id']},
        ],
        post_hook=["{{ mark_built() }}"],
    )
}}

{{ spans_of_withdrawals(
    'merged', 'newest.is_deleted and coalesce(newest.merged_into = pairs.survivor_id, false)', by_survivor=true
) }}
