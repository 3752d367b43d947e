{{
    config(
        unique_key=['customer_id', 'opportunity_id', 'as_of'],
        indexes=[
            {'columns': ['customer_id', 'opportunity_id', 'as_of'], 'unique': true},
            {'columns': ['as_of']},
        ],
        pre_hook=[
            "{{ forget_touched(ref('int_opportunities_touched'), ['customer_id', 'opportunity_id']) }}",
            "{{ forget_later_than(now_at() ~ \" - interval '7 days'\") }}",
        ],
        post_hook=["{{ mark_built(seen_through='int_opportunities_touched') }}"],
    )
}}

{{ next_actions_of('opportunity', 'opportunities') }}
