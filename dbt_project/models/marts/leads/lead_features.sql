{{
    config(
        unique_key=['customer_id', 'lead_id'],
        indexes=[{'columns': ['customer_id', 'lead_id'], 'unique': true}],
        pre_hook=["{{ forget_touched(ref('int_leads_touched'), ['customer_id', 'lead_id']) }}"],
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

candidates as (

    {% if is_incremental() %}
        select
            customer_id,
            lead_id
        from touched

        union

        -- A new briefing day moves the instant of every row.
        select
            stored.customer_id,
            stored.lead_id
        from {{ this }} as stored
        cross join ({{ watermark([this.name]) }}) as seen
        where seen.briefing_day is distinct from {{ briefing_day() }}
    {% else %}
        select
            customer_id,
            lead_id
        from starts
    {% endif %}

),

instants as (

    select
        candidates.customer_id,
        candidates.lead_id,
        greatest({{ briefing_day_start() }}, last_events.recorded_at) as as_of,
        'current' as moment

    from candidates
    inner join starts
        on
            candidates.customer_id = starts.customer_id
            and candidates.lead_id = starts.lead_id
            and starts.recorded_at <= {{ now_at() }}
    cross join lateral (
        select max(events.recorded_at) as recorded_at
        from (
            select changes.recorded_at
            from {{ ref('int_leads_changed') }} as changes
            where
                changes.customer_id = candidates.customer_id
                and changes.lead_id = candidates.lead_id

            union all

            select activities.known_at
            from {{ ref('int_activities_linked') }} as activities
            where
                activities.customer_id = candidates.customer_id
                and activities.entity_type = 'lead'
                and activities.entity_id = candidates.lead_id

            union all

            select greatest(opportunity_changes.recorded_at, links.linked_at)
            from {{ ref('int_leads_linked') }} as links
            inner join {{ ref('int_opportunities_changed') }} as opportunity_changes
                on
                    links.customer_id = opportunity_changes.customer_id
                    and links.opportunity_id = opportunity_changes.opportunity_id
            where
                links.customer_id = candidates.customer_id
                and links.lead_id = candidates.lead_id
        ) as events
        where events.recorded_at <= {{ now_at() }}
    ) as last_events

),

features as (

    {{ lead_features_as_of('instants') }}

)

select * from features
