{{
    config(
        materialized='table',
        indexes=[{'columns': ['customer_id', 'account_id'], 'unique': true}],
        post_hook=["{{ mark_built() }}"],
    )
}}

with

account_links as not materialized (

    select * from {{ ref('int_accounts_linked') }}

),

seen as not materialized (

    {{ watermark(['account_features']) }}

),

{%- set sources = {
    'account': 'int_accounts_changed',
    'contact': 'int_contacts_changed',
    'lead': 'int_leads_changed',
    'opportunity': 'int_opportunities_changed',
} %}

unseen_entities as (

    {% for entity, model in sources.items() %}
        select
            changes.customer_id,
            '{{ entity }}' as entity_type,
            changes.{{ entity }}_id as entity_id
        from {{ ref(model) }} as changes
        cross join seen
        where {{ is_unseen('changes', 'seen') }}

        union
    {% endfor %}

    select
        activities.customer_id,
        activities.entity_type,
        activities.entity_id
    from {{ ref('int_activities_linked') }} as activities
    cross join seen
    where {{ is_unseen('activities', 'seen', 'known_at') }}

),

unseen_accounts as (

    select distinct
        account_links.customer_id,
        account_links.account_id
    from unseen_entities
    inner join account_links
        on
            unseen_entities.customer_id = account_links.customer_id
            and unseen_entities.entity_type = account_links.entity_type
            and unseen_entities.entity_id = account_links.entity_id

    union

    select
        answers.customer_id,
        answers.account_id
    from {{ ref('int_accounts_enriched') }} as answers
    cross join seen
    where {{ is_unseen('answers', 'seen') }}

),

-- Accounts of somebody's deals, of whom a role or a name may have changed.
unseen_people as (

    select distinct
        account_links.customer_id,
        account_links.account_id
    from unseen_entities
    inner join {{ ref('int_activities_linked') }} as of_people
        on
            unseen_entities.customer_id = of_people.customer_id
            and unseen_entities.entity_type = of_people.entity_type
            and unseen_entities.entity_id = of_people.entity_id
    inner join {{ ref('int_activities_linked') }} as of_deals
        on
            of_people.customer_id = of_deals.customer_id
            and of_people.activity_id = of_deals.activity_id
            and of_deals.entity_type = 'opportunity'
    inner join account_links
        on
            of_deals.customer_id = account_links.customer_id
            and of_deals.entity_type = account_links.entity_type
            and of_deals.entity_id = account_links.entity_id
    where unseen_entities.entity_type = 'contact'

)

select
    customer_id,
    account_id
from unseen_accounts

union

-- Who came from an account brings along what is known of its deals.
select
    arrived.customer_id,
    arrived.account_id
from (
    select * from unseen_accounts
    union
    select * from unseen_people
) as former
inner join account_links as people
    on
        former.customer_id = people.customer_id
        and former.account_id = people.account_id
        and people.entity_type = 'contact'
inner join account_links as arrived
    on
        people.customer_id = arrived.customer_id
        and people.entity_id = arrived.entity_id
        and arrived.entity_type = 'contact'

union

-- Norms that were computed with before.
select
    account_links.customer_id,
    account_links.account_id
from {{ ref('int_norms_due') }} as due
cross join seen
inner join account_links on due.customer_id = account_links.customer_id and account_links.entity_type = 'account'
where
    seen.run_id > 0
    and extract(day from due.as_of_day) = 1
    and due.as_of_day::timestamp at time zone 'UTC' <= seen.now_from
