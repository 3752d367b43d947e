{# What was normal for a tenant, as known at the start of the month of an instant: rows of all instants of a month share it, and
   what is decided during the month leaves them as they are. -#}
{% macro month_of(instant) -%}
    cast(date_trunc('month', {{ instant }} at time zone 'UTC') as date)
{%- endmacro %}

{# Pre-hook of norms: days that are computed again, days of the future after `now` moved back, and the last briefing day. -#}
{% macro forget_norms() -%}
    {%- if is_incremental() -%}
        delete from {{ this }} as stored
        where
            stored.as_of_day > {{ briefing_day() }}
            or (stored.as_of_day <> {{ briefing_day() }} and extract(day from stored.as_of_day) <> 1)
            or exists (
                select 1 from {{ ref('int_norms_due') }} as due
                where due.customer_id = stored.customer_id and due.as_of_day = stored.as_of_day
            )
    {%- else -%}
        select 1
    {%- endif -%}
{%- endmacro %}

{# Sizes are compared by their order of magnitude. Numeric, so that sums do not depend on the order of rows. -#}
{% macro size_of(count) -%}
    round(ln(1 + abs(cast({{ count }} as numeric))), 9)
{%- endmacro %}

{# The sizes that `icp_distance` compares, of facts that have the counts. -#}
{% macro sizes_of(facts) -%}
    cast({{ size_of(facts ~ '.employee_count') }} as double precision) as employees,
    cast({{ size_of(facts ~ '.annual_revenue_minor') }} as double precision) as revenue
{%- endmacro %}

{# How far an account is from those that the tenant won: 0 for the most usual industry, country and sizes, 1 for what never
   was; the mean over what is known. Null before `icp_least_accounts` are won. -#}
{% macro icp_distance(facts, profiles) -%}
    {%- set parts = [] -%}
    {%- for column, shares in {'industry': 'industries', 'country': 'countries'}.items() -%}
        {%- do parts.append(
            "case when " ~ facts ~ "." ~ column ~ " is not null and " ~ profiles ~ "." ~ shares ~ " is not null then 1 - coalesce(cast("
            ~ profiles ~ "." ~ shares ~ " ->> " ~ facts ~ "." ~ column ~ " as double precision), 0) end"
        ) -%}
    {%- endfor -%}
    {%- for size in ('employees', 'revenue') -%}
        {%- do parts.append(
            "least(abs(" ~ facts ~ "." ~ size ~ " - " ~ profiles ~ "." ~ size ~ "_mean) / (3 * "
            ~ profiles ~ "." ~ size ~ "_spread), case when " ~ facts ~ "." ~ size ~ " is not null and " ~ profiles ~ "." ~ size
            ~ "_mean is not null then 1.0 end)"
        ) -%}
    {%- endfor -%}
    case
        when {{ profiles }}.won_accounts >= {{ var('icp_least_accounts') | int }}
            then
                (coalesce({{ parts | join(', 0) + coalesce(') }}, 0))
                / nullif(num_nonnulls({{ parts | join(', ') }}), 0)
    end
{%- endmacro %}

{# One row per instant of a record that names an account: what is known of the account. -#}
{% macro summarize_accounts(records) -%}
    select
        facts.*,
        {{ sizes_of('facts') }}

    from (
        select
            states.instant_id,
            {{ safe_text("states.state ->> 'industry'") }} as industry,
            {{ safe_text("states.state ->> 'country'") }} as country,
            {{ safe_bigint("states.state ->> 'employee_count'") }} as employee_count,
            {{ safe_bigint("states.state ->> 'annual_revenue_minor'") }} as annual_revenue_minor

        from (
            select
                records.instant_id,
                intermediate.jsonb_merge(account_changes.fields order by {{ version_order('account_changes') }}) as state

            from {{ records }} as records
            inner join {{ ref('int_accounts_changed') }} as account_changes
                on
                    records.customer_id = account_changes.customer_id
                    and records.account_id = account_changes.account_id
                    and account_changes.recorded_at <= records.as_of

            group by records.instant_id
        ) as states

        where not {{ is_deleted('states.state') }}
    ) as facts
{%- endmacro %}

{# Contact → account: what came of the account and of the contacts that were known to be there. One row per account and day that
   records ask for, as known at the start of the day: its records share it, and a touch reaches them from the next day on. -#}
{% macro summarize_account_days(records) -%}
    select
        touches.customer_id,
        touches.account_id,
        touches.as_of_day,
        sum(touches.decayed_weight) as account_engagement_decayed,
        count(distinct touches.contact_id) filter (
            where touches.is_inbound and touches.occurred_at > touches.as_of_day - interval '30 days'
        ) as account_contacts_engaged_30d

    from (
        select
            reached.*,
            -- An activity with several contacts weighs once.
            case
                when row_number() over (
                    partition by reached.customer_id, reached.account_id, reached.as_of_day, reached.event_id
                    order by reached.contact_id nulls first
                ) = 1
                    then round(
                        cast(
                            {{ engagement_weight('reached') }}
                            * power(
                                0.5,
                                {{ days_between('reached.as_of_day', 'reached.occurred_at') }}
                                / {{ var('engagement_half_life_days') }}
                            ) as numeric
                        ), 9
                    )
                else 0
            end as decayed_weight

        from (
            {% for entity in ('account', 'contact') %}
            select
                account_days.customer_id,
                account_days.account_id,
                account_days.as_of_day,
                {{ "null" if entity == 'account' else "places.contact_id" }} as contact_id,
                activities.event_id,
                activities.event_type,
                activities.occurred_at,
                activities.is_inbound,
                activities.is_outbound

            from (
                select distinct
                    records.customer_id,
                    records.account_id,
                    {{ day_start('records.as_of') }} as as_of_day
                from {{ records }} as records
                where records.account_id is not null
            ) as account_days
            {% if entity == 'contact' %}
            inner join {{ ref('int_contacts_placed') }} as places
                on
                    account_days.customer_id = places.customer_id
                    and account_days.account_id = places.account_id
                    and places.placed @> (account_days.as_of_day - interval '1 microsecond')
            {% endif %}
            inner join {{ ref('int_activities_linked') }} as activities
                on
                    account_days.customer_id = activities.customer_id
                    and activities.entity_type = '{{ entity }}'
                    and {{ "account_days.account_id" if entity == 'account' else "places.contact_id" }} = activities.entity_id
                    and activities.known_at < account_days.as_of_day
                    and activities.occurred_at < account_days.as_of_day
                    and activities.occurred_at >= account_days.as_of_day - interval '90 days'
                    and {{ is_in_force('activities', "account_days.as_of_day - interval '1 microsecond'") }}

            {% if not loop.last %}union all{% endif %}
            {% endfor %}
        ) as reached
    ) as touches

    group by touches.customer_id, touches.account_id, touches.as_of_day
{%- endmacro %}
