{# Steps of int_leads_touched and int_opportunities_touched, the last one `account_reasons`: records whose account is known
   otherwise, or whose tenant's norms are. They stand on the step `seen`. Contacts name their account, before and after a move.
   What is summed up by days reaches a record from the next day on. In a first build everything is touched anyway. -#}
{% macro touched_by_accounts(entity) -%}
    unseen_accounts as (

        select
            account_changes.customer_id,
            account_changes.account_id,
            account_changes.recorded_at as changed_from
        from {{ ref('int_accounts_changed') }} as account_changes
        cross join seen
        where {{ is_unseen('account_changes', 'seen') }} and seen.run_id > 0

        union all

        select
            answers.customer_id,
            answers.account_id,
            answers.recorded_at as changed_from
        from {{ ref('int_accounts_enriched') }} as answers
        cross join seen
        where {{ is_unseen('answers', 'seen') }} and seen.run_id > 0

        union all

        select
            account_links.customer_id,
            account_links.account_id,
            contact_changes.recorded_at as changed_from
        from {{ ref('int_contacts_changed') }} as contact_changes
        cross join seen
        inner join {{ ref('int_accounts_linked') }} as account_links
            on
                contact_changes.customer_id = account_links.customer_id
                and account_links.entity_type = 'contact'
                and contact_changes.contact_id = account_links.entity_id
        where {{ is_unseen('contact_changes', 'seen') }} and seen.run_id > 0

        union all

        select
            account_links.customer_id,
            account_links.account_id,
            {{ day_start('account_activities.known_at') }} + interval '1 day' as changed_from
        from {{ ref('int_activities_linked') }} as account_activities
        cross join seen
        inner join {{ ref('int_accounts_linked') }} as account_links
            on
                account_activities.customer_id = account_links.customer_id
                and account_activities.entity_type = account_links.entity_type
                and account_activities.entity_id = account_links.entity_id
        where
            account_activities.entity_type in ('account', 'contact')
            and {{ is_unseen('account_activities', 'seen', 'known_at') }}
            and seen.run_id > 0

    ),

    -- Norms of months that were computed with before.
    unseen_norms as (

        select
            due.customer_id,
            min(due.as_of_day)::timestamp at time zone 'UTC' as changed_from
        from {{ ref('int_norms_due') }} as due
        cross join seen
        where
            seen.run_id > 0
            and extract(day from due.as_of_day) = 1
            and due.as_of_day::timestamp at time zone 'UTC' <= seen.now_from
        group by due.customer_id

    ),

    account_reasons as (

        select
            unseen_accounts.customer_id,
            account_links.entity_id as {{ entity }}_id,
            unseen_accounts.changed_from
        from unseen_accounts
        inner join {{ ref('int_accounts_linked') }} as account_links
            on
                unseen_accounts.customer_id = account_links.customer_id
                and unseen_accounts.account_id = account_links.account_id
                and account_links.entity_type = '{{ entity }}'
        where unseen_accounts.changed_from <= {{ now_at() }}

        union all

        select
            starts.customer_id,
            starts.{{ entity }}_id,
            unseen_norms.changed_from
        from unseen_norms
        inner join {{ ref('int_leads_created' if entity == 'lead' else 'int_opportunities_opened') }} as starts
            on unseen_norms.customer_id = starts.customer_id

    ),
{%- endmacro %}
