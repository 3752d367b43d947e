{{
    config(
        unique_key=['customer_id', 'lead_id'],
        indexes=[{'columns': ['customer_id', 'lead_id'], 'unique': true}],
        pre_hook=["{{ forget_touched(ref('int_leads_touched'), ['customer_id', 'lead_id']) }}"],
        post_hook=["{{ mark_built(seen_through='int_leads_touched') }}"],
    )
}}

with

created as not materialized (

    select * from {{ ref('int_leads_created') }}

),

changes as not materialized (

    select * from {{ ref('int_leads_changed') }}

),

links as not materialized (

    select * from {{ ref('int_leads_linked') }}

),

opportunity_outcomes as not materialized (

    select * from {{ ref('opportunity_outcomes') }}

),

touched as not materialized (

    select * from {{ ref('int_leads_touched') }}

),

-- Of several opportunities, one won is enough, and all must be lost. A change that is read once for each of them counts once:
-- none of these aggregates knows repeats.
merged as (

    select
        created.customer_id,
        created.lead_id,
        created.started_at as created_at,
        intermediate.jsonb_merge(changes.fields order by {{ version_order('changes') }}) as state,
        min(changes.occurred_at) filter (where changes.event_type = 'lead.converted') as converted_at,
        (
            array_agg(changes.occurred_at order by {{ version_order('changes', 'desc') }})
            filter (where changes.is_status_change)
        )[1] as status_since,
        bool_or(opportunity_outcomes.opportunity_id is not null) as has_opportunity,
        bool_or(opportunity_outcomes.outcome = 'won') as is_any_won,
        bool_and(opportunity_outcomes.outcome = 'lost') as is_every_lost,
        min(opportunity_outcomes.decided_at) filter (where opportunity_outcomes.outcome = 'won') as won_at,
        max(opportunity_outcomes.decided_at) filter (where opportunity_outcomes.outcome = 'lost') as lost_at

    from created
    {% if is_incremental() %}
        inner join touched
            on created.customer_id = touched.customer_id and created.lead_id = touched.lead_id
    {% endif %}
    inner join changes
        on created.customer_id = changes.customer_id and created.lead_id = changes.lead_id
    left join links
        on
            created.customer_id = links.customer_id
            and created.lead_id = links.lead_id
            and links.linked_at <= {{ now_at() }}
    left join opportunity_outcomes
        on
            links.customer_id = opportunity_outcomes.customer_id
            and links.opportunity_id = opportunity_outcomes.opportunity_id

    where created.recorded_at <= {{ now_at() }} and changes.recorded_at <= {{ now_at() }}

    group by created.customer_id, created.lead_id, created.started_at

),

outcomes as (

    select
        customer_id,
        lead_id,
        created_at,
        case
            when is_any_won then 'won'
            when is_every_lost then 'lost'
            when has_opportunity then 'open'
            when converted_at is not null and state ->> 'opportunity_id' is null then 'won'
            when converted_at is not null then 'open'
            when state ->> 'status' = 'disqualified' then 'lost'
            else 'open'
        end as outcome,
        case
            when is_any_won then won_at
            when is_every_lost then lost_at
            when has_opportunity then null
            when converted_at is not null and state ->> 'opportunity_id' is null then converted_at
            when converted_at is not null then null
            when state ->> 'status' = 'disqualified' then coalesce(status_since, created_at)
        end as decided_at

    from merged

    where not {{ is_deleted('state') }}

)

select * from outcomes
