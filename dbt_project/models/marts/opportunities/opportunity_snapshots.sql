{{
    config(
        unique_key=['customer_id', 'opportunity_id', 'moment'],
        indexes=[
            {'columns': ['customer_id', 'opportunity_id', 'moment'], 'unique': true},
            {'columns': ['as_of']},
        ],
        pre_hook=[
            "{{ forget_touched(ref('int_opportunities_touched'), ['customer_id', 'opportunity_id'], since='stored.as_of >= touched.changed_from') }}",
            "{{ forget_later_than(now_at()) }}",
        ],
        post_hook=["{{ mark_built(seen_through='int_opportunities_touched') }}"],
    )
}}

{% call snapshots_of('opportunity', 'opportunities', 'opened') %}{{ opportunity_features_as_of('instants') }}{% endcall %}
