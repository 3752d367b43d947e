{{
    config(
        incremental_strategy='delete+insert',
        unique_key=['customer_id', 'lead_id'],
        indexes=[
            {'columns': ['customer_id', 'lead_id']},
            {'columns': ['customer_id', 'owner_id', 'known_at']},
            {'columns': ['run_id']},
        ],
        post_hook=["{{ mark_built() }}"],
    )
}}

with

changes as not materialized (

    select * from {{ ref('int_leads_changed') }}

),

links as not materialized (

    select * from {{ ref('int_leads_linked') }}

),

opportunity_decisions as not materialized (

    select * from {{ ref('int_opportunities_decided') }}

),

{% if is_incremental() %}
    seen as not materialized (

        {{ watermark([this.name]) }}

    ),

    touched as (

        select
            changes.customer_id,
            changes.lead_id
        from changes
        cross join seen
        where {{ is_loaded_since('changes', 'seen') }}

        union

        select
            links.customer_id,
            links.lead_id
        from links
        cross join seen
        where {{ is_loaded_since('links', 'seen') }}

        union

        select
            links.customer_id,
            links.lead_id
        from opportunity_decisions as decisions
        cross join seen
        inner join links
            on decisions.customer_id = links.customer_id and decisions.opportunity_id = links.opportunity_id
        where {{ is_loaded_since('decisions', 'seen') }}

    ),
{% else %}
    touched as (

        select distinct
            customer_id,
            lead_id
        from changes

    ),
{% endif %}

decisions as (

    select
        changes.customer_id,
        changes.lead_id,
        changes.event_id,
        changes.status = 'converted' as is_won,
        changes.occurred_at as decided_at,
        changes.recorded_at as known_at,
        null::tstzmultirange as hidden_opportunity
    from touched
    inner join changes
        on touched.customer_id = changes.customer_id and touched.lead_id = changes.lead_id
    where
        changes.status = 'disqualified'
        or (changes.event_type = 'lead.converted' and changes.opportunity_id is null)

    union all

    select
        links.customer_id,
        links.lead_id,
        opportunity_decisions.event_id,
        opportunity_decisions.is_won,
        opportunity_decisions.decided_at,
        greatest(opportunity_decisions.recorded_at, links.linked_at) as known_at,
        opportunity_decisions.hidden as hidden_opportunity
    from touched
    inner join links
        on touched.customer_id = links.customer_id and touched.lead_id = links.lead_id
    inner join opportunity_decisions
        on
            links.customer_id = opportunity_decisions.customer_id
            and links.opportunity_id = opportunity_decisions.opportunity_id

),

with_owner as (

    select
        decisions.customer_id,
        decisions.lead_id,
        decisions.event_id,
        decisions.is_won,
        decisions.decided_at,
        decisions.known_at,
        owners.owner_id,
        coalesce(decisions.hidden_opportunity + hidden_records.hidden, decisions.hidden_opportunity, hidden_records.hidden)
            as hidden,
        {{ current_run_id() }} as run_id

    from decisions

    left join {{ ref('int_records_hidden') }} as hidden_records
        on
            decisions.customer_id = hidden_records.customer_id
            and hidden_records.entity_type = 'lead'
            and decisions.lead_id = hidden_records.entity_id

    left join lateral (
        select changes.owner_id
        from changes
        where
            changes.customer_id = decisions.customer_id
            and changes.lead_id = decisions.lead_id
            and changes.owner_id is not null
            and changes.recorded_at <= decisions.known_at
        order by {{ version_order('changes', 'desc') }}
        limit 1
    ) as owners on true

)

select * from with_owner
