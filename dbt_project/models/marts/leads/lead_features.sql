{{
    config(
        unique_key=['customer_id', 'lead_id'],
        indexes=[
            {'columns': ['customer_id', 'lead_id'], 'unique': true},
            {'columns': ['customer_id', 'lead_id', 'feature_hash']},
        ],
        pre_hook=["{{ forget_touched(ref('int_leads_touched'), ['customer_id', 'lead_id']) }}"],
        post_hook=["{{ mark_built(seen_through='int_leads_touched') }}"],
    )
}}

with

starts as not materialized (

    select * from {{ ref('int_leads_created') }}

),

touched as not materialized (

    select * from {{ ref('int_leads_touched') }}

),

candidates as (

    {% if is_incremental() %}
        select
            customer_id,
            lead_id
        from touched

        union

        -- A new briefing day moves the instant of every row.
        select
            stored.customer_id,
            stored.lead_id
        from {{ this }} as stored
        cross join ({{ watermark([this.name]) }}) as seen
        where seen.briefing_day is distinct from {{ briefing_day() }}
    {% else %}
        select
            customer_id,
            lead_id
        from starts
    {% endif %}

),

recorded as (

    select
        candidates.customer_id,
        candidates.lead_id,
        changes.recorded_at
    from candidates
    inner join {{ ref('int_leads_changed') }} as changes
        on candidates.customer_id = changes.customer_id and candidates.lead_id = changes.lead_id

    union all

    select
        candidates.customer_id,
        candidates.lead_id,
        activities.known_at as recorded_at
    from candidates
    inner join {{ ref('int_activities_linked') }} as activities
        on
            candidates.customer_id = activities.customer_id
            and activities.entity_type = 'lead'
            and candidates.lead_id = activities.entity_id

    union all

    select
        candidates.customer_id,
        candidates.lead_id,
        greatest(opportunity_changes.recorded_at, links.linked_at) as recorded_at
    from candidates
    inner join {{ ref('int_leads_linked') }} as links
        on candidates.customer_id = links.customer_id and candidates.lead_id = links.lead_id
    inner join {{ ref('int_opportunities_changed') }} as opportunity_changes
        on
            links.customer_id = opportunity_changes.customer_id
            and links.opportunity_id = opportunity_changes.opportunity_id

    union all

    select
        candidates.customer_id,
        candidates.lead_id,
        account_changes.recorded_at
    from candidates
    inner join {{ ref('int_accounts_linked') }} as account_links
        on
            candidates.customer_id = account_links.customer_id
            and account_links.entity_type = 'lead'
            and candidates.lead_id = account_links.entity_id
            and account_links.linked_at <= {{ now_at() }}
    inner join {{ ref('int_accounts_changed') }} as account_changes
        on
            account_links.customer_id = account_changes.customer_id
            and account_links.account_id = account_changes.account_id

),

instants as materialized (

    select
        recorded.customer_id,
        recorded.lead_id,
        greatest({{ briefing_day_start() }}, max(recorded.recorded_at)) as as_of,
        'current' as moment

    from recorded
    inner join starts
        on
            recorded.customer_id = starts.customer_id
            and recorded.lead_id = starts.lead_id
            and starts.recorded_at <= {{ now_at() }}

    where recorded.recorded_at <= {{ now_at() }}

    group by recorded.customer_id, recorded.lead_id

),

features as (

    {{ lead_features_as_of('instants') }}

)

select * from features
