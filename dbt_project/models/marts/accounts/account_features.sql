{{
    config(
        unique_key=['customer_id', 'account_id'],
        indexes=[{'columns': ['customer_id', 'account_id'], 'unique': true}],
        pre_hook=["{{ forget_touched(ref('int_accounts_touched'), ['customer_id', 'account_id']) }}"],
        post_hook=["{{ mark_built(seen_through='int_accounts_touched') }}"],
    )
}}

with

touched as not materialized (

    select * from {{ ref('int_accounts_touched') }}

),

account_links as not materialized (

    select * from {{ ref('int_accounts_linked') }}

    where linked_at <= {{ now_at() }}

),

candidates as (

    {% if is_incremental() %}
        select
            customer_id,
            account_id
        from touched

        union

        -- A new briefing day moves the instant of every row.
        select
            stored.customer_id,
            stored.account_id
        from {{ this }} as stored
        cross join ({{ watermark([this.name]) }}) as seen
        where seen.briefing_day is distinct from {{ briefing_day() }}
    {% else %}
        select distinct
            customer_id,
            account_id
        from {{ ref('int_accounts_changed') }}
    {% endif %}

),

{%- set sources = {
    'account': ref('int_accounts_changed'),
    'contact': ref('int_contacts_changed'),
    'lead': ref('int_leads_changed'),
    'opportunity': ref('int_opportunities_changed'),
} %}

-- What is recorded of any member is recorded of the account.
recorded as (

    {% for entity, changes_of_entity in sources.items() %}
        select
            candidates.customer_id,
            candidates.account_id,
            changes.recorded_at
        from candidates
        inner join account_links
            on
                candidates.customer_id = account_links.customer_id
                and candidates.account_id = account_links.account_id
                and account_links.entity_type = '{{ entity }}'
        inner join {{ changes_of_entity }} as changes
            on
                account_links.customer_id = changes.customer_id
                and account_links.entity_id = changes.{{ entity }}_id

        union all
    {% endfor %}

    select
        candidates.customer_id,
        candidates.account_id,
        answers.recorded_at
    from candidates
    inner join {{ ref('int_accounts_enriched') }} as answers
        on candidates.customer_id = answers.customer_id and candidates.account_id = answers.account_id

    union all

    select
        candidates.customer_id,
        candidates.account_id,
        activities.known_at as recorded_at
    from candidates
    inner join account_links
        on
            candidates.customer_id = account_links.customer_id
            and candidates.account_id = account_links.account_id
    inner join {{ ref('int_activities_linked') }} as activities
        on
            account_links.customer_id = activities.customer_id
            and account_links.entity_type = activities.entity_type
            and account_links.entity_id = activities.entity_id

),

instants as materialized (

    select
        customer_id,
        account_id,
        greatest({{ briefing_day_start() }}, max(recorded_at)) as as_of

    from recorded

    where recorded_at <= {{ now_at() }}

    group by customer_id, account_id

),

features as (

    {{ account_features_as_of('instants') }}

)

select * from features
