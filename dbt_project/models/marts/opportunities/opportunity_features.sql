{{
    config(
        unique_key=['customer_id', 'opportunity_id'],
        indexes=[
            {'columns': ['customer_id', 'opportunity_id'], 'unique': true},
            {'columns': ['customer_id', 'opportunity_id', 'feature_hash']},
        ],
        pre_hook=["{{ forget_touched(ref('int_opportunities_touched'), ['customer_id', 'opportunity_id']) }}"],
        post_hook=["{{ mark_built(seen_through='int_opportunities_touched') }}"],
    )
}}

with

starts as not materialized (

    select * from {{ ref('int_opportunities_opened') }}

),

touched as not materialized (

    select * from {{ ref('int_opportunities_touched') }}

),

candidates as (

    {% if is_incremental() %}
        select
            customer_id,
            opportunity_id
        from touched

        union

        -- A new briefing day moves the instant of every row.
        select
            stored.customer_id,
            stored.opportunity_id
        from {{ this }} as stored
        cross join ({{ watermark([this.name]) }}) as seen
        where seen.briefing_day is distinct from {{ briefing_day() }}
    {% else %}
        select
            customer_id,
            opportunity_id
        from starts
    {% endif %}

),

account_links as (

    select
        candidates.customer_id,
        candidates.opportunity_id,
        account_links.account_id
    from candidates
    inner join {{ ref('int_accounts_linked') }} as account_links
        on
            candidates.customer_id = account_links.customer_id
            and account_links.entity_type = 'opportunity'
            and candidates.opportunity_id = account_links.entity_id
            and account_links.linked_at <= {{ now_at() }}

),

recorded as (

    select
        candidates.customer_id,
        candidates.opportunity_id,
        changes.recorded_at
    from candidates
    inner join {{ ref('int_opportunities_changed') }} as changes
        on
            candidates.customer_id = changes.customer_id
            and candidates.opportunity_id = changes.opportunity_id

    union all

    select
        candidates.customer_id,
        candidates.opportunity_id,
        activities.known_at as recorded_at
    from candidates
    inner join {{ ref('int_activities_linked') }} as activities
        on
            candidates.customer_id = activities.customer_id
            and activities.entity_type = 'opportunity'
            and candidates.opportunity_id = activities.entity_id

    union all

    select
        candidates.customer_id,
        candidates.opportunity_id,
        links.linked_at as recorded_at
    from candidates
    inner join {{ ref('int_leads_linked') }} as links
        on
            candidates.customer_id = links.customer_id
            and candidates.opportunity_id = links.opportunity_id

    union all

    select
        account_links.customer_id,
        account_links.opportunity_id,
        account_changes.recorded_at
    from account_links
    inner join {{ ref('int_accounts_changed') }} as account_changes
        on
            account_links.customer_id = account_changes.customer_id
            and account_links.account_id = account_changes.account_id

    union all

    select
        account_links.customer_id,
        account_links.opportunity_id,
        answers.recorded_at
    from account_links
    inner join {{ ref('int_accounts_enriched') }} as answers
        on
            account_links.customer_id = answers.customer_id
            and account_links.account_id = answers.account_id

    union all

    select
        account_links.customer_id,
        account_links.opportunity_id,
        contact_changes.recorded_at
    from account_links
    inner join {{ ref('int_accounts_linked') }} as people_links
        on
            account_links.customer_id = people_links.customer_id
            and account_links.account_id = people_links.account_id
            and people_links.entity_type = 'contact'
            and people_links.linked_at <= {{ now_at() }}
    inner join {{ ref('int_contacts_changed') }} as contact_changes
        on
            people_links.customer_id = contact_changes.customer_id
            and people_links.entity_id = contact_changes.contact_id

    union all

    select
        candidates.customer_id,
        candidates.opportunity_id,
        contact_changes.recorded_at
    from candidates
    inner join {{ ref('int_activities_linked') }} as of_deals
        on
            candidates.customer_id = of_deals.customer_id
            and of_deals.entity_type = 'opportunity'
            and candidates.opportunity_id = of_deals.entity_id
            and of_deals.known_at <= {{ now_at() }}
    inner join {{ ref('int_activities_linked') }} as of_people
        on
            of_deals.customer_id = of_people.customer_id
            and of_deals.activity_id = of_people.activity_id
            and of_people.entity_type = 'contact'
            and of_people.known_at <= {{ now_at() }}
    inner join {{ ref('int_contacts_changed') }} as contact_changes
        on
            of_people.customer_id = contact_changes.customer_id
            and of_people.entity_id = contact_changes.contact_id

),

instants as materialized (

    select
        recorded.customer_id,
        recorded.opportunity_id,
        greatest({{ briefing_day_start() }}, max(recorded.recorded_at)) as as_of,
        'current' as moment

    from recorded
    inner join starts
        on
            recorded.customer_id = starts.customer_id
            and recorded.opportunity_id = starts.opportunity_id
            and starts.recorded_at <= {{ now_at() }}

    where recorded.recorded_at <= {{ now_at() }}

    group by recorded.customer_id, recorded.opportunity_id

),

features as (

    {{ opportunity_features_as_of('instants') }}

)

select * from features
