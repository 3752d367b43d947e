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
        )[1] as status_since

    from created
    {% if is_incremental() %}
        inner join touched
            on created.customer_id = touched.customer_id and created.lead_id = touched.lead_id
    {% endif %}
    inner join changes
        on created.customer_id = changes.customer_id and created.lead_id = changes.lead_id

    where created.recorded_at <= {{ now_at() }} and changes.recorded_at <= {{ now_at() }}

    group by created.customer_id, created.lead_id, created.started_at

),

-- Of several opportunities, one won is enough, and all must be lost.
opportunities as (

    select
        merged.customer_id,
        merged.lead_id,
        bool_or(opportunity_outcomes.outcome = 'won') as is_any_won,
        bool_and(opportunity_outcomes.outcome = 'lost') as is_every_lost,
        min(opportunity_outcomes.decided_at) filter (where opportunity_outcomes.outcome = 'won') as won_at,
        max(opportunity_outcomes.decided_at) filter (where opportunity_outcomes.outcome = 'lost') as lost_at

    from merged
    inner join links
        on
            merged.customer_id = links.customer_id
            and merged.lead_id = links.lead_id
            and links.linked_at <= {{ now_at() }}
    inner join opportunity_outcomes
        on
            links.customer_id = opportunity_outcomes.customer_id
            and links.opportunity_id = opportunity_outcomes.opportunity_id

    group by merged.customer_id, merged.lead_id

),

outcomes as (

    select
        merged.customer_id,
        merged.lead_id,
        merged.created_at,
        case
            when opportunities.is_any_won then 'won'
            when opportunities.is_every_lost then 'lost'
            when opportunities.lead_id is not null then 'open'
            when merged.converted_at is not null and merged.state ->> 'opportunity_id' is null then 'won'
            when merged.converted_at is not null then 'open'
            when merged.state ->> 'status' = 'disqualified' then 'lost'
            else 'open'
        end as outcome,
        case
            when opportunities.is_any_won then opportunities.won_at
            when opportunities.is_every_lost then opportunities.lost_at
            when opportunities.lead_id is not null then null
            when merged.converted_at is not null and merged.state ->> 'opportunity_id' is null then merged.converted_at
            when merged.converted_at is not null then null
            when merged.state ->> 'status' = 'disqualified' then coalesce(merged.status_since, merged.created_at)
        end as decided_at

    from merged
    left join opportunities
        on merged.customer_id = opportunities.customer_id and merged.lead_id = opportunities.lead_id

    where not {{ is_deleted('merged.state') }}

)

select * from outcomes
