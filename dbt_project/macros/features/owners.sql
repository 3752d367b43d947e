{# Decisions of an owner's records in the 180 days before a day. Whole days, so that what is decided during a day leaves the rows
   of that day as they are. -#}

{# The whole of a model: for each owner the days from which on another number of records counts, with that number; `entity` in
   the singular and in the plural. A decision counts from the day after it is known until 180 days are over, but for the time
   in which its record was known to be deleted; several decisions of a record count once. Sums over the days, instead of
   looking at each decision again for each day. -#}
{% macro decisions_credited(entity, entities, known_at) -%}
with

decisions as not materialized (

    select * from {{ ref('int_' ~ entities ~ '_decided') }}

),

changes as not materialized (

    select * from {{ ref('int_' ~ entities ~ '_changed') }}

),

seen as not materialized (

    {{ watermark([this.name]) }}

),

touched as (

    {% if is_incremental() %}
        -- Whoever owned the record when, the decision may have been theirs before.
        select distinct
            changes.customer_id,
            changes.owner_id
        from decisions
        cross join seen
        inner join changes
            on
                decisions.customer_id = changes.customer_id
                and decisions.{{ entity }}_id = changes.{{ entity }}_id
        where {{ is_loaded_since('decisions', 'seen') }} and changes.owner_id is not null
    {% else %}
        select distinct
            customer_id,
            owner_id
        from decisions
        where owner_id is not null
    {% endif %}

),

-- When the last microsecond before a day lies in one of these, the record counts on that day.
counted as (

    select
        spans.customer_id,
        spans.owner_id,
        spans.{{ entity }}_id,
        range_agg(spans.counts) as decided,
        range_agg(spans.counts) filter (where spans.is_won) as won

    from (
        select
            decisions.customer_id,
            decisions.owner_id,
            decisions.{{ entity }}_id,
            decisions.is_won,
            tstzmultirange(tstzrange(
                greatest(decisions.{{ known_at }}, decisions.decided_at),
                greatest(
                    decisions.{{ known_at }},
                    decisions.decided_at,
                    least(decisions.{{ known_at }}, decisions.decided_at) + interval '180 days'
                )
            )) - coalesce(decisions.hidden, '{}') as counts
        from touched
        inner join decisions on touched.customer_id = decisions.customer_id and touched.owner_id = decisions.owner_id
    ) as spans

    group by spans.customer_id, spans.owner_id, spans.{{ entity }}_id

),

steps as (

    {% for outcome in ('decided', 'won') %}
        {% for bound, step in {'lower': 1, 'upper': -1}.items() %}
            select
                counted.customer_id,
                counted.owner_id,
                {{ day_start(bound ~ '(spells.spell)') }} + interval '1 day' as as_of_day,
                {{ step if outcome == 'decided' else 0 }} as decided,
                {{ step if outcome == 'won' else 0 }} as won
            from counted
            cross join unnest(counted.{{ outcome }}) as spells (spell)

            union all
        {% endfor %}
    {% endfor %}

    -- One whose decisions are another's now has none.
    select
        customer_id,
        owner_id,
        '-infinity'::timestamptz as as_of_day,
        0 as decided,
        0 as won
    from touched

),

credited as (

    select
        customer_id,
        owner_id,
        as_of_day,
        cast(sum(sum(decided)) over in_turn as bigint) as owner_decided_180d,
        cast(sum(sum(won)) over in_turn as bigint) as owner_won_180d

    from steps

    group by customer_id, owner_id, as_of_day

    window in_turn as (partition by customer_id, owner_id order by as_of_day)

)

select * from credited
{%- endmacro %}

{# The counts for each owner and day of `records`. -#}
{% macro summarize_owner_records(records, credited) -%}
    select
        owner_days.customer_id,
        owner_days.owner_id,
        owner_days.as_of_day,
        coalesce(latest.owner_decided_180d, 0) as owner_decided_180d,
        coalesce(latest.owner_won_180d, 0) as owner_won_180d

    from (
        select distinct
            records.customer_id,
            records.owner_id,
            {{ day_start('records.as_of') }} as as_of_day
        from {{ records }} as records
        where records.owner_id is not null
    ) as owner_days

    left join lateral (
        select
            credited.owner_decided_180d,
            credited.owner_won_180d
        from {{ credited }} as credited
        where
            credited.customer_id = owner_days.customer_id
            and credited.owner_id = owner_days.owner_id
            and credited.as_of_day <= owner_days.as_of_day
        order by credited.as_of_day desc
        limit 1
    ) as latest on true
{%- endmacro %}

{# The owner's share won, drawn towards the tenant's by as many decisions as `owner_prior` says. -#}
{% macro owner_win_rate(owner_records, profiles, entity) -%}
    (
        {{ owner_records }}.owner_won_180d
        + {{ var('owner_prior') }} * coalesce({{ profiles }}.{{ entity }}_win_rate, 0.5)
    ) / ({{ owner_records }}.owner_decided_180d + {{ var('owner_prior') }})::double precision
{%- endmacro %}
