{# Steps over `current_members`, the last one `past_champions`: one row per instant of an account to which somebody came within
   `arrival_days` who was the champion of a deal that was won at the account where they were before. -#}
{% macro summarize_arrivals() -%}
arrivals as materialized (

    select
        members.instant_id,
        members.customer_id,
        members.as_of,
        members.entity_id as contact_id,
        here.arrived_at,
        there.account_id as former_account_id

    from current_members as members
    inner join {{ ref('int_contacts_placed') }} as there
        on
            members.customer_id = there.customer_id
            and members.entity_id = there.contact_id
            and members.account_id <> there.account_id
    cross join lateral (
        select max(lower(spans.span)) as arrived_at
        from {{ ref('int_contacts_placed') }} as places
        cross join unnest(places.placed) as spans (span)
        where
            places.customer_id = members.customer_id
            and places.contact_id = members.entity_id
            and places.account_id = members.account_id
            and spans.span @> members.as_of
    ) as here

    where
        members.entity_type = 'contact'
        and here.arrived_at > members.as_of - interval '{{ var("arrival_days") | int }} days'
        and lower(there.placed) < here.arrived_at

),

won_deals as materialized (

    select
        arrivals.*,
        links.entity_id as opportunity_id,
        row_number() over () as instant_id_of_deal

    from arrivals
    inner join {{ ref('int_accounts_linked') }} as links
        on
            arrivals.customer_id = links.customer_id
            and arrivals.former_account_id = links.account_id
            and links.entity_type = 'opportunity'
    cross join lateral (
        select intermediate.jsonb_merge(changes.fields order by {{ version_order('changes') }}) as state
        from {{ ref('int_opportunities_changed') }} as changes
        where
            changes.customer_id = links.customer_id
            and changes.opportunity_id = links.entity_id
            and changes.recorded_at <= arrivals.as_of
    ) as deals

    where
        deals.state ->> 'status' = 'won'
        and deals.state ->> 'account_id' = arrivals.former_account_id
        and not {{ is_deleted('deals.state') }}

),

won_activities as materialized (

    select
        won_deals.instant_id_of_deal as instant_id,
        won_deals.customer_id,
        won_deals.as_of,
        {{ touch_columns() }}

    from won_deals
    inner join {{ ref('int_activities_linked') }} as activities
        on
            won_deals.customer_id = activities.customer_id
            and activities.entity_type = 'opportunity'
            and won_deals.opportunity_id = activities.entity_id
            and activities.known_at <= won_deals.as_of
            and activities.occurred_at <= won_deals.as_of
            and {{ is_in_force('activities', 'won_deals.as_of') }}

),

{{ people_of('won_activities', 'won_') }}

past_champions as materialized (

    select distinct on (won_deals.instant_id)
        won_deals.instant_id,
        won_deals.contact_id,
        {{ days_between('won_deals.as_of', 'won_deals.arrived_at') }} as days,
        (
            select min(moves.event_id) from {{ ref('int_contacts_changed') }} as moves
            where
                moves.customer_id = won_deals.customer_id
                and moves.contact_id = won_deals.contact_id
                and moves.sets_account
                and moves.recorded_at = won_deals.arrived_at
        ) as event_id

    from won_deals
    inner join won_people as people
        on
            won_deals.instant_id_of_deal = people.instant_id
            and won_deals.contact_id = people.contact_id
            and people.champion_rank = 1

    order by won_deals.instant_id asc, won_deals.arrived_at desc, won_deals.contact_id asc

),
{%- endmacro %}
