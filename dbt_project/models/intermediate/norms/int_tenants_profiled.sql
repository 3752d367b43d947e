{{
    config(
        incremental_strategy='delete+insert',
        unique_key=['customer_id', 'as_of_day'],
        indexes=[{'columns': ['customer_id', 'as_of_day'], 'unique': true}],
        pre_hook=["{{ forget_norms() }}"],
        post_hook=["{{ mark_built(seen_through='int_norms_due') }}"],
    )
}}

with

due as not materialized (

    select
        customer_id,
        as_of_day,
        as_of_day::timestamp at time zone 'UTC' as as_of
    from {{ ref('int_norms_due') }}

),

opportunity_decisions as not materialized (

    select * from {{ ref('int_opportunities_decided') }}

),

lead_decisions as not materialized (

    select * from {{ ref('int_leads_decided') }}

),

-- A deal that was won once may be open again by then: its state as known says.
won_opportunities as materialized (

    select
        due.customer_id,
        due.as_of_day,
        due.as_of,
        decisions.opportunity_id

    from due
    inner join opportunity_decisions as decisions
        on
            due.customer_id = decisions.customer_id
            and decisions.is_won
            and decisions.recorded_at < due.as_of
            and decisions.decided_at < due.as_of
            and decisions.decided_at >= due.as_of - interval '730 days'

    group by due.customer_id, due.as_of_day, due.as_of, decisions.opportunity_id

),

opportunity_states as materialized (

    select
        won_opportunities.customer_id,
        won_opportunities.as_of_day,
        won_opportunities.as_of,
        intermediate.jsonb_merge(changes.fields order by {{ version_order('changes') }}) as state

    from won_opportunities
    inner join {{ ref('int_opportunities_changed') }} as changes
        on
            won_opportunities.customer_id = changes.customer_id
            and won_opportunities.opportunity_id = changes.opportunity_id
            and changes.recorded_at < won_opportunities.as_of

    group by
        won_opportunities.customer_id, won_opportunities.as_of_day, won_opportunities.as_of, won_opportunities.opportunity_id

),

won_accounts as materialized (

    select distinct
        customer_id,
        as_of_day,
        as_of,
        {{ safe_text("state ->> 'account_id'") }} as account_id

    from opportunity_states

    where state ->> 'status' = 'won' and not {{ is_deleted('state') }}

),

account_states as materialized (

    select
        won_accounts.customer_id,
        won_accounts.as_of_day,
        intermediate.jsonb_merge(changes.fields order by {{ version_order('changes') }}) as state

    from won_accounts
    inner join {{ ref('int_accounts_changed') }} as changes
        on
            won_accounts.customer_id = changes.customer_id
            and won_accounts.account_id = changes.account_id
            and changes.recorded_at < won_accounts.as_of

    group by won_accounts.customer_id, won_accounts.as_of_day, won_accounts.account_id

),

-- Numeric, so that the order of rows does not show in the last bit.
firmographics as materialized (

    select
        customer_id,
        as_of_day,
        {{ safe_text("state ->> 'industry'") }} as industry,
        {{ safe_text("state ->> 'country'") }} as country,
        {{ size_of(safe_bigint("state ->> 'employee_count'")) }} as employees,
        {{ size_of(safe_bigint("state ->> 'annual_revenue_minor'")) }} as revenue

    from account_states

    where not {{ is_deleted('state') }}

),

sizes as (

    select
        customer_id,
        as_of_day,
        count(*) as won_accounts,
        round(avg(employees), 9) as employees_mean,
        round(greatest(stddev_samp(employees), 0.5), 9) as employees_spread,
        round(avg(revenue), 9) as revenue_mean,
        round(greatest(stddev_samp(revenue), 0.5), 9) as revenue_spread

    from firmographics

    group by customer_id, as_of_day

),

{% for values, column in {'industries': 'industry', 'countries': 'country'}.items() %}
    {{ values }} as (

        select
            customer_id,
            as_of_day,
            jsonb_object_agg({{ column }}, round(accounts / most, 9)) as {{ values }}

        from (
            select
                customer_id,
                as_of_day,
                {{ column }},
                cast(count(*) as numeric) as accounts,
                max(count(*)) over (partition by customer_id, as_of_day) as most
            from firmographics
            where {{ column }} is not null
            group by customer_id, as_of_day, {{ column }}
        ) as counted

        group by customer_id, as_of_day

    ),
{% endfor %}

-- One decided before the other: of a tenant without decisions, half is won.
{% for entity, known_at in {'lead': 'known_at', 'opportunity': 'recorded_at'}.items() %}
    {{ entity }}_rates as (

        select
            due.customer_id,
            due.as_of_day,
            cast(count(distinct decisions.{{ entity }}_id) filter (where decisions.is_won) + 1 as double precision)
            / (count(distinct decisions.{{ entity }}_id) + 2) as win_rate

        from due
        left join {{ entity }}_decisions as decisions
            on
                due.customer_id = decisions.customer_id
                and decisions.{{ known_at }} < due.as_of
                and decisions.{{ known_at }} >= due.as_of - interval '180 days'
                and decisions.decided_at < due.as_of
                and decisions.decided_at >= due.as_of - interval '180 days'
                and {{ is_in_force('decisions', "due.as_of - interval '1 microsecond'") }}

        group by due.customer_id, due.as_of_day

    ),
{% endfor %}

profiles as (

    select
        due.customer_id,
        due.as_of_day,
        coalesce(sizes.won_accounts, 0) as won_accounts,
        industries.industries,
        countries.countries,
        cast(sizes.employees_mean as double precision) as employees_mean,
        cast(sizes.employees_spread as double precision) as employees_spread,
        cast(sizes.revenue_mean as double precision) as revenue_mean,
        cast(sizes.revenue_spread as double precision) as revenue_spread,
        lead_rates.win_rate as lead_win_rate,
        opportunity_rates.win_rate as opportunity_win_rate

    from due
    left join sizes on due.customer_id = sizes.customer_id and due.as_of_day = sizes.as_of_day
    left join industries on due.customer_id = industries.customer_id and due.as_of_day = industries.as_of_day
    left join countries on due.customer_id = countries.customer_id and due.as_of_day = countries.as_of_day
    left join lead_rates on due.customer_id = lead_rates.customer_id and due.as_of_day = lead_rates.as_of_day
    left join opportunity_rates
        on due.customer_id = opportunity_rates.customer_id and due.as_of_day = opportunity_rates.as_of_day

)

select * from profiles
