{{
    config(
        materialized='table',
        indexes=[{'columns': ['customer_id', 'as_of_day'], 'unique': true}],
        post_hook=["{{ mark_built() }}"],
    )
}}

with

opportunity_changes as not materialized (

    select * from {{ ref('int_opportunities_changed') }}

),

lead_changes as not materialized (

    select * from {{ ref('int_leads_changed') }}

),

links as not materialized (

    select * from {{ ref('int_leads_linked') }}

),

account_changes as not materialized (

    select * from {{ ref('int_accounts_changed') }}

),

opportunity_decisions as not materialized (

    select * from {{ ref('int_opportunities_decided') }}

),

lead_decisions as not materialized (

    select * from {{ ref('int_leads_decided') }}

),

seen as not materialized (

    {% if flags.FULL_REFRESH %}
        select
            0 as run_id,
            null::date as briefing_day
    {% else %}
        {{ watermark([
            'stage_norms', 'int_tenants_profiled', 'account_features', 'lead_features', 'lead_snapshots',
            'opportunity_features', 'opportunity_snapshots',
        ]) }}
    {% endif %}

),

tenants as (

    select
        customer_id,
        min(known_at) as known_from
    from (
        select
            customer_id,
            recorded_at as known_at
        from opportunity_decisions

        union all

        select
            customer_id,
            known_at
        from lead_decisions
    ) as decisions
    group by customer_id

),

-- The first of each month and the briefing day: enough to tell what was normal at any day since.
days as (

    select
        tenants.customer_id,
        cast(months.month_start as date) as as_of_day
    from tenants
    cross join
        generate_series(
            date_trunc('month', tenants.known_from at time zone 'UTC') + interval '1 month',
            cast({{ briefing_day() }} as timestamp),
            interval '1 month'
        ) as months (month_start)

    union

    select
        customer_id,
        {{ briefing_day() }} as as_of_day
    from tenants

),

-- What came in since of records that were decided, or of their accounts. It changes the days after its recording.
unseen as (

    select
        changes.customer_id,
        changes.recorded_at
    from opportunity_changes as changes
    cross join seen
    where
        {{ is_loaded_since('changes', 'seen') }}
        and exists (
            select 1 from opportunity_decisions as decisions
            where
                decisions.customer_id = changes.customer_id
                and decisions.opportunity_id = changes.opportunity_id
        )

    union all

    select
        changes.customer_id,
        changes.recorded_at
    from lead_changes as changes
    cross join seen
    where
        {{ is_loaded_since('changes', 'seen') }}
        and exists (
            select 1 from lead_decisions as decisions
            where decisions.customer_id = changes.customer_id and decisions.lead_id = changes.lead_id
        )

    union all

    select
        links.customer_id,
        links.linked_at as recorded_at
    from links
    cross join seen
    where
        {{ is_loaded_since('links', 'seen') }}
        and exists (
            select 1 from lead_decisions as decisions
            where decisions.customer_id = links.customer_id and decisions.lead_id = links.lead_id
        )

    union all

    select
        changes.customer_id,
        changes.recorded_at
    from account_changes as changes
    cross join seen
    where
        {{ is_loaded_since('changes', 'seen') }}
        and exists (
            select 1
            from {{ ref('int_accounts_linked') }} as account_links
            inner join opportunity_decisions as decisions
                on
                    account_links.customer_id = decisions.customer_id
                    and account_links.entity_id = decisions.opportunity_id
                    and decisions.is_won
            where
                account_links.customer_id = changes.customer_id
                and account_links.account_id = changes.account_id
                and account_links.entity_type = 'opportunity'
        )

),

changed as (

    select
        customer_id,
        min(recorded_at) as changed_from
    from unseen
    group by customer_id

)

select
    days.customer_id,
    days.as_of_day
from days
cross join seen
left join changed on days.customer_id = changed.customer_id
where
    seen.run_id = 0
    or days.as_of_day > seen.briefing_day
    or (days.as_of_day = {{ briefing_day() }} and days.as_of_day <> seen.briefing_day)
    or days.as_of_day::timestamp at time zone 'UTC' > changed.changed_from
