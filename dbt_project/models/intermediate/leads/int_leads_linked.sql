{{
    config(
        incremental_strategy='delete+insert',
        unique_key=['customer_id', 'lead_id', 'opportunity_id'],
        indexes=[
            {'columns': ['customer_id', 'lead_id', 'opportunity_id'], 'unique': true},
            {'columns': ['customer_id', 'opportunity_id']},
            {'columns': ['run_id']},
            {'columns': ['linked_at']},
        ],
        post_hook=["{{ mark_built() }}"],
    )
}}

with

lead_changes as not materialized (

    select * from {{ ref('int_leads_changed') }}

),

opportunity_changes as not materialized (

    select * from {{ ref('int_opportunities_changed') }}

),

seen as not materialized (

    {{ watermark([this.name]) }}

),

-- Either side may name the other: the conversion of the lead, or the opportunity that came of it.
new_pairs as (

    select
        changes.customer_id,
        changes.lead_id,
        changes.opportunity_id
    from lead_changes as changes
    cross join seen
    where
        changes.opportunity_id is not null
        {% if is_incremental() %} and {{ is_loaded_since('changes', 'seen') }} {% endif %}

    union

    select
        changes.customer_id,
        changes.lead_id,
        changes.opportunity_id
    from opportunity_changes as changes
    cross join seen
    where
        changes.lead_id is not null
        {% if is_incremental() %} and {{ is_loaded_since('changes', 'seen') }} {% endif %}

),

namings as (

    select
        pairs.customer_id,
        pairs.lead_id,
        pairs.opportunity_id,
        changes.recorded_at
    from new_pairs as pairs
    inner join lead_changes as changes
        on
            pairs.customer_id = changes.customer_id
            and pairs.opportunity_id = changes.opportunity_id
            and pairs.lead_id = changes.lead_id

    union all

    select
        pairs.customer_id,
        pairs.lead_id,
        pairs.opportunity_id,
        changes.recorded_at
    from new_pairs as pairs
    inner join opportunity_changes as changes
        on
            pairs.customer_id = changes.customer_id
            and pairs.lead_id = changes.lead_id
            and pairs.opportunity_id = changes.opportunity_id

),

links as (

    select
        customer_id,
        lead_id,
        opportunity_id,
        min(recorded_at) as linked_at,
        {{ current_run_id() }} as run_id

    from namings

    group by customer_id, lead_id, opportunity_id

)

select * from links
