{{
    config(
        incremental_strategy='delete+insert',
        unique_key=['customer_id', 'owner_id'],
        indexes=[{'columns': ['customer_id', 'owner_id', 'as_of_day'], 'unique': true}],
        post_hook=["{{ mark_built() }}"],
    )
}}

{{ decisions_credited('lead', 'leads', 'known_at') }}
