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

with

starts as not materialized (

    select * from {{ ref('int_leads_created') }}

),

touched as not materialized (

    select * from {{ ref('int_leads_touched') }}

),

{% if is_incremental() %}
    seen as (

        {{ watermark([this.name]) }}

    ),

    -- What changed behind instants of the past, and the instants that came up since.
    instants as (

        select
            starts.customer_id,
            starts.lead_id,
            {{ instant_of('starts') }} as as_of,
            moments.moment
        from touched
        inner join starts
            on touched.customer_id = starts.customer_id and touched.lead_id = starts.lead_id
        cross join {{ moments('lead', 'created') }}
        where
            {{ is_instant_known('starts') }}
            and {{ instant_of('starts') }} >= touched.changed_from

        union

        select
            starts.customer_id,
            starts.lead_id,
            {{ instant_of('starts') }} as as_of,
            moments.moment
        from seen
        cross join {{ moments('lead', 'created') }}
        inner join starts
            on
                starts.started_at > seen.now_from - moments.since_start - interval '1 day'
                and starts.started_at <= {{ now_at() }} - moments.since_start
        where
            {{ is_instant_known('starts') }}
            and {{ instant_of('starts') }} > seen.now_from

    ),
{% else %}
    instants as (

        select
            starts.customer_id,
            starts.lead_id,
            {{ instant_of('starts') }} as as_of,
            moments.moment
        from starts
        cross join {{ moments('lead', 'created') }}
        where {{ is_instant_known('starts') }}

    ),
{% endif %}

snapshots as (

    {{ lead_features_as_of('instants') }}

)

select * from snapshots
