{{
    config(
        unique_key=['customer_id', 'as_of_day', 'stage'],
        indexes=[{'columns': ['customer_id', 'stage', 'as_of_day'], 'unique': true}],
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

recent_wins as materialized (

    select
        due.customer_id,
        due.as_of_day,
        due.as_of,
        wins.opportunity_id,
        max(wins.decided_at) as won_at

    from due
    inner join {{ ref('int_opportunities_decided') }} as wins
        on
            due.customer_id = wins.customer_id
            and wins.is_won
            and wins.recorded_at < due.as_of
            and wins.decided_at < due.as_of
            and {{ is_in_force('wins', "due.as_of - interval '1 microsecond'") }}

    group by due.customer_id, due.as_of_day, due.as_of, wins.opportunity_id

    having max(wins.decided_at) >= due.as_of - interval '365 days'

),

-- How the deal went through its stages, as far as it was recorded by that day.
stages as materialized (

    select
        recent_wins.customer_id,
        recent_wins.as_of_day,
        recent_wins.opportunity_id,
        recent_wins.won_at,
        changes.stage,
        changes.status,
        changes.occurred_at as valid_from,
        lead(changes.occurred_at) over in_turn as valid_to

    from recent_wins
    inner join {{ ref('int_opportunities_changed') }} as changes
        on
            recent_wins.customer_id = changes.customer_id
            and recent_wins.opportunity_id = changes.opportunity_id
            and changes.recorded_at < recent_wins.as_of

    where
        changes.stage is not null
        and (changes.event_type = 'opportunity.created' or changes.is_stage_change)

    window in_turn as (
        partition by recent_wins.customer_id, recent_wins.as_of_day, recent_wins.opportunity_id
        order by changes.occurred_at, changes.version, changes.recorded_at, changes.event_id
    )

),

spells as (

    select
        customer_id,
        opportunity_id,
        as_of_day,
        stage,
        cast(
            extract(epoch from sum(least(coalesce(valid_to, won_at), won_at) - valid_from)) as double precision
        ) / 86400 as days_in_stage,
        {{ days_between('max(won_at)', 'min(valid_from)') }} as days_to_close

    from stages

    where status = 'open' and valid_from < won_at

    group by customer_id, opportunity_id, as_of_day, stage

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
