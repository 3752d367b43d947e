{{
    config(
        unique_key=['customer_id', 'opportunity_id'],
        indexes=[{'columns': ['customer_id', 'opportunity_id'], 'unique': true}],
        pre_hook=["{{ forget_touched(ref('int_opportunities_touched'), ['customer_id', 'opportunity_id']) }}"],
        post_hook=["{{ mark_built(seen_through='int_opportunities_touched') }}"],
    )
}}

with

starts as not materialized (

    select * from {{ ref('int_opportunities_opened') }}

),

touched as not materialized (

    select * from {{ ref('int_opportunities_touched') }}

),

candidates as (

    {% if is_incremental() %}
        select
            customer_id,
            opportunity_id
        from touched

        union

        -- A new briefing day moves the instant of every row.
        select
            stored.customer_id,
            stored.opportunity_id
        from {{ this }} as stored
        cross join ({{ watermark([this.name]) }}) as seen
        where seen.briefing_day is distinct from {{ briefing_day() }}
    {% else %}
        select
            customer_id,
            opportunity_id
        from starts
    {% endif %}

),

instants as (

    select
        candidates.customer_id,
        candidates.opportunity_id,
        greatest({{ briefing_day_start() }}, last_events.recorded_at) as as_of,
        'current' as moment

    from candidates
    inner join starts
        on
            candidates.customer_id = starts.customer_id
            and candidates.opportunity_id = starts.opportunity_id
            and starts.recorded_at <= {{ now_at() }}
    cross join lateral (
        select max(events.recorded_at) as recorded_at
        from (
            select changes.recorded_at
            from {{ ref('int_opportunities_changed') }} as changes
            where
                changes.customer_id = candidates.customer_id
                and changes.opportunity_id = candidates.opportunity_id

            union all

            select activities.known_at
            from {{ ref('int_activities_linked') }} as activities
            where
                activities.customer_id = candidates.customer_id
                and activities.entity_type = 'opportunity'
                and activities.entity_id = candidates.opportunity_id

            union all

            select links.linked_at
            from {{ ref('int_leads_linked') }} as links
            where
                links.customer_id = candidates.customer_id
                and links.opportunity_id = candidates.opportunity_id

            union all

            select account_changes.recorded_at
            from {{ ref('int_accounts_linked') }} as account_links
            inner join {{ ref('int_accounts_changed') }} as account_changes
                on
                    account_links.customer_id = account_changes.customer_id
                    and account_links.account_id = account_changes.account_id
            where
                account_links.customer_id = candidates.customer_id
                and account_links.entity_type = 'opportunity'
                and account_links.entity_id = candidates.opportunity_id
        ) as events
        where events.recorded_at <= {{ now_at() }}
    ) as last_events

),

features as (

    {{ opportunity_features_as_of('instants') }}

)

select * from features
