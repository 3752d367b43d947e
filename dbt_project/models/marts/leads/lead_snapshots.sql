{{
    config(
        unique_key=['customer_id', 'lead_id', 'moment'],
        indexes=[
            {'columns': ['customer_id', 'lead_id', 'moment'], 'unique': true},
            {'columns': ['as_of']},
        ],
        pre_hook=[
            "{{ forget_touched(ref('int_leads_touched'), ['customer_id', 'lead_id'], since='stored.as_of >= touched.changed_from') }}",
            "{{ forget_later_than(now_at()) }}",
        ],
        post_hook=["{{ mark_built(seen_through='int_leads_touched') }}"],
    )
}}

{% call snapshots_of('lead', 'leads', 'created') %}{{ lead_features_as_of('instants') }}{% endcall %}
