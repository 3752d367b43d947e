{{
    config(
        materialized='table',
        indexes=[{'columns': ['customer_id', 'stage', 'as_of_day'], 'unique': true}],
    )
}}

with

stages as not materialized (

    select * from {{ ref('int_opportunities_staged') }}

),

wins as (

    select
        customer_id,
        opportunity_id,
        hidden,
        max(decided_at) as won_at,
        max(recorded_at) as recorded_at

    from {{ ref('int_opportunities_decided') }}

    where is_won

    group by customer_id, opportunity_id, hidden

),

-- The first of each month and the briefing day: enough to tell what was normal at any day since.
days as (

    select distinct calendar.as_of_day
    from (
        select {{ briefing_day() }} as as_of_day

        union all

        select cast(months.month_start as date)
        from
            generate_series(
                (select date_trunc('month', min(recorded_at) at time zone 'UTC') + interval '1 month' from wins),
                cast({{ briefing_day() }} as timestamp),
                interval '1 month'
            ) as months (month_start)
    ) as calendar

),

recent_wins as (

    select
        days.as_of_day,
        wins.customer_id,
        wins.opportunity_id,
        wins.won_at

    from days
    inner join wins
        on
            wins.recorded_at < days.as_of_day::timestamp at time zone 'UTC'
            and wins.won_at < days.as_of_day::timestamp at time zone 'UTC'
            and wins.won_at >= (days.as_of_day - 365)::timestamp at time zone 'UTC'
            and {{ is_in_force('wins', "days.as_of_day::timestamp at time zone 'UTC' - interval '1 microsecond'") }}

),

spells as (

    select
        recent_wins.customer_id,
        recent_wins.opportunity_id,
        recent_wins.as_of_day,
        stages.stage,
        cast(
            extract(
                epoch from sum(least(coalesce(stages.valid_to, recent_wins.won_at), recent_wins.won_at) - stages.valid_from)
            ) as double precision
        ) / 86400 as days_in_stage,
        {{ days_between('max(recent_wins.won_at)', 'min(stages.valid_from)') }} as days_to_close

    from recent_wins
    inner join stages
        on
            recent_wins.customer_id = stages.customer_id
            and recent_wins.opportunity_id = stages.opportunity_id
            and stages.valid_from < recent_wins.won_at

    where stages.status = 'open'

    group by recent_wins.customer_id, recent_wins.opportunity_id, recent_wins.as_of_day, stages.stage

),

norms as (

    select
        customer_id,
        stage,
        as_of_day,
        count(*) as won_count,
        percentile_cont(0.5) within group (order by days_in_stage) as median_days_won,
        percentile_cont(0.25) within group (order by days_to_close) as p25_days_to_close

    from spells

    group by customer_id, stage, as_of_day

)

select * from norms
