{{
    config(
        materialized='table',
        indexes=[{'columns': ['customer_id', 'opportunity_id'], 'unique': true}],
        post_hook=["{{ mark_built() }}"],
    )
}}

with

changes as not materialized (

    select * from {{ ref('int_opportunities_changed') }}

),

lead_changes as not materialized (

    select * from {{ ref('int_leads_changed') }}

),

links as not materialized (

    select * from {{ ref('int_leads_linked') }}

),

activities as not materialized (

    select * from {{ ref('int_activities_linked') }}

),

decisions as not materialized (

    select * from {{ ref('int_opportunities_decided') }}

),

seen as not materialized (

    {{ watermark([
        'opportunity_features', 'opportunity_snapshots', 'opportunity_outcomes', 'opportunity_next_actions',
    ]) }}

),

unseen_changes as (

    select changes.*
    from changes
    cross join seen
    where {{ is_unseen('changes', 'seen') }}

),

unseen_links as (

    select links.*
    from links
    cross join seen
    where {{ is_unseen('links', 'seen', 'linked_at') }}

    union all

    select links.*
    from lead_changes
    cross join seen
    inner join links
        on lead_changes.customer_id = links.customer_id and lead_changes.lead_id = links.lead_id
    where {{ is_unseen('lead_changes', 'seen') }}

),

{{ touched_by_accounts('opportunity') }}

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
            and unseen_changes.opportunity_id = ownerships.opportunity_id
    where
        seen.run_id > 0
        and ownerships.owner_id is not null
        and exists (
            select 1 from decisions
            where
                decisions.customer_id = unseen_changes.customer_id
                and decisions.opportunity_id = unseen_changes.opportunity_id
        )
    group by ownerships.customer_id, ownerships.owner_id

),

-- People of a deal are those who took part in what was done for it, wherever they are.
unseen_people as (

    select distinct
        contact_changes.customer_id,
        of_deals.entity_id as opportunity_id,
        contact_changes.recorded_at as changed_from
    from {{ ref('int_contacts_changed') }} as contact_changes
    cross join seen
    inner join activities as of_people
        on
            contact_changes.customer_id = of_people.customer_id
            and of_people.entity_type = 'contact'
            and contact_changes.contact_id = of_people.entity_id
    inner join activities as of_deals
        on
            of_people.customer_id = of_deals.customer_id
            and of_people.activity_id = of_deals.activity_id
            and of_deals.entity_type = 'opportunity'
    where
        seen.run_id > 0
        and {{ is_unseen('contact_changes', 'seen') }}
        and contact_changes.recorded_at <= {{ now_at() }}

),

reasons as (

    select
        customer_id,
        opportunity_id,
        case when event_type = 'opportunity.created' then '-infinity'::timestamptz else recorded_at end as changed_from
    from unseen_changes

    union all

    select
        customer_id,
        opportunity_id,
        '-infinity'::timestamptz as changed_from
    from unseen_links

    union all

    select
        activities.customer_id,
        activities.entity_id as opportunity_id,
        activities.known_at as changed_from
    from activities
    cross join seen
    where
        activities.entity_type = 'opportunity'
        and {{ is_unseen('activities', 'seen', 'known_at') }}

    union all

    select
        customer_id,
        opportunity_id,
        changed_from
    from account_reasons

    union all

    select
        customer_id,
        opportunity_id,
        changed_from
    from unseen_people

    union all

    select
        changes.customer_id,
        changes.opportunity_id,
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
    opportunity_id,
    min(changed_from) as changed_from
from reasons
group by customer_id, opportunity_id
