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

)

select
    account_links.customer_id,
    account_links.account_id
from unseen_entities
inner join account_links
    on
        unseen_entities.customer_id = account_links.customer_id
        and unseen_entities.entity_type = account_links.entity_type
        and unseen_entities.entity_id = account_links.entity_id

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
