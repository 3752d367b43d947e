{{
    config(
        materialized='table',
        indexes=[{'columns': ['customer_id', 'lead_id'], 'unique': true}],
        post_hook=["{{ mark_built() }}"],
    )
}}

with

changes as not materialized (

    select * from {{ ref('int_leads_changed') }}

),

opportunity_changes as not materialized (

    select * from {{ ref('int_opportunities_changed') }}

),

links as not materialized (

    select * from {{ ref('int_leads_linked') }}

),

activities as not materialized (

    select * from {{ ref('int_activities_linked') }}

),

decisions as not materialized (

    select * from {{ ref('int_leads_decided') }}

),

seen as not materialized (

    {{ watermark(['lead_features', 'lead_snapshots', 'lead_outcomes', 'lead_next_actions']) }}

),

-- A lead is decided by its own events and by those of its opportunities.
unseen_changes as (

    select
        changes.customer_id,
        changes.lead_id,
        changes.recorded_at,
        case
            when changes.event_type = 'lead.created' then '-infinity'::timestamptz else changes.recorded_at
        end as changed_from
    from changes
    cross join seen
    where {{ is_unseen('changes', 'seen') }}

    union all

    select
        links.customer_id,
        links.lead_id,
        opportunity_changes.recorded_at,
        opportunity_changes.recorded_at as changed_from
    from opportunity_changes
    cross join seen
    inner join links
        on
            opportunity_changes.customer_id = links.customer_id
            and opportunity_changes.opportunity_id = links.opportunity_id
    where {{ is_unseen('opportunity_changes', 'seen') }}

    union all

    select
        links.customer_id,
        links.lead_id,
        links.linked_at as recorded_at,
        '-infinity'::timestamptz as changed_from
    from links
    cross join seen
    where {{ is_unseen('links', 'seen', 'linked_at') }}

),

{{ touched_by_accounts('lead') }}

-- Owner records count whole days: a decision changes them from the next day on. In a first build everything is touched anyway.
unseen_owner_records as (

    select
        ownerships.customer_id,
        ownerships.owner_id,
        min({{ day_start('unseen_changes.recorded_at') }} + interval '1 day') as changed_from
    from unseen_changes
    cross join seen
    inner join changes as ownerships
        on
            unseen_changes.customer_id = ownerships.customer_id
            and unseen_changes.lead_id = ownerships.lead_id
    where
        seen.run_id > 0
        and ownerships.owner_id is not null
        and exists (
            select 1 from decisions
            where
                decisions.customer_id = unseen_changes.customer_id
                and decisions.lead_id = unseen_changes.lead_id
        )
    group by ownerships.customer_id, ownerships.owner_id

),

reasons as (

    select
        customer_id,
        lead_id,
        changed_from
    from unseen_changes

    union all

    select
        activities.customer_id,
        activities.entity_id as lead_id,
        activities.known_at as changed_from
    from activities
    cross join seen
    where
        activities.entity_type = 'lead'
        and {{ is_unseen('activities', 'seen', 'known_at') }}

    union all

    select
        customer_id,
        lead_id,
        changed_from
    from account_reasons

    union all

    select
        changes.customer_id,
        changes.lead_id,
        unseen_owner_records.changed_from
    from unseen_owner_records
    inner join changes
        on
            unseen_owner_records.customer_id = changes.customer_id
            and unseen_owner_records.owner_id = changes.owner_id
    where unseen_owner_records.changed_from <= {{ now_at() }}

)

select
    customer_id,
    lead_id,
    min(changed_from) as changed_from
from reasons
group by customer_id, lead_id
