{# Accounts as they were known at given instants. `instants` has customer_id, account_id, as_of. What happens with the contacts,
   leads and opportunities of an account happens with the account; of a contact who moved, only from the account where they
   are. Only rows with recorded_at <= as_of count. Each step is materialized:
   inlined, the planner would repeat it for every row of a join that it takes to be small. -#}
{% macro account_features_as_of(instants) -%}

with

numbered as materialized (

    {{ numbered_instants(instants) }}

),

merged as materialized (

    select
        numbered.instant_id,
        numbered.customer_id,
        numbered.account_id,
        numbered.as_of,
        intermediate.jsonb_merge(changes.fields order by {{ version_order('changes') }}) as state,
        intermediate.jsonb_merge({{ safe_object("changes.fields -> 'custom'") }} order by {{ version_order('changes') }})
            as attributes,
        min(changes.event_id) filter (where changes.event_type = 'account.created') as created_event_id

    from numbered
    inner join {{ ref('int_accounts_changed') }} as changes
        on
            numbered.customer_id = changes.customer_id
            and numbered.account_id = changes.account_id
            and changes.recorded_at <= numbered.as_of

    group by numbered.instant_id, numbered.customer_id, numbered.account_id, numbered.as_of

),

records as materialized (

    select
        facts.*,
        {{ sizes_of('facts') }}

    from (
        select
            merged.*,
            {{ safe_text("merged.state ->> 'name'") }} as name,
            {{ safe_text("merged.state ->> 'domain'") }} as domain,
            {{ safe_text("merged.state ->> 'industry'") }} as industry,
            {{ safe_bigint("merged.state ->> 'employee_count'") }} as employee_count,
            {{ safe_bigint("merged.state ->> 'annual_revenue_minor'") }} as annual_revenue_minor,
            {{ safe_text("merged.state ->> 'country'") }} as country,
            {{ safe_text("merged.state ->> 'owner_id'") }} as owner_id

        from merged
        {{ taken_for_many('merged') }}

        where merged.created_event_id is not null and not {{ is_deleted('merged.state') }}
    ) as facts

),

{%- set members = {
    'contact': ref('int_contacts_changed'),
    'lead': ref('int_leads_changed'),
    'opportunity': ref('int_opportunities_changed'),
} %}

members as materialized (

    {% for entity, changes_of_entity in members.items() %}
    select
        records.instant_id,
        records.customer_id,
        records.account_id,
        records.as_of,
        '{{ entity }}' as entity_type,
        changes.{{ entity }}_id as entity_id,
        intermediate.jsonb_merge(changes.fields order by {{ version_order('changes') }}) as state,
        bool_or(changes.event_type = '{{ entity }}.created') as is_created
    from records
    inner join {{ ref('int_accounts_linked') }} as account_links
        on
            records.customer_id = account_links.customer_id
            and records.account_id = account_links.account_id
            and account_links.entity_type = '{{ entity }}'
    inner join {{ changes_of_entity }} as changes
        on
            account_links.customer_id = changes.customer_id
            and account_links.entity_id = changes.{{ entity }}_id
            and changes.recorded_at <= records.as_of
    group by
        records.instant_id, records.customer_id, records.account_id, records.as_of, changes.{{ entity }}_id

    union all
    {% endfor %}

    select
        instant_id,
        customer_id,
        account_id,
        as_of,
        'account' as entity_type,
        account_id as entity_id,
        jsonb_build_object('account_id', account_id) as state,
        true as is_created
    from records

),

current_members as materialized (

    select * from members

    where coalesce(state ->> 'account_id' = account_id, false) and not {{ is_deleted('state') }}

),

member_counts as materialized (

    select
        instant_id,
        count(*) filter (where entity_type = 'contact' and is_created) as contacts_total,
        count(*) filter (where entity_type = 'opportunity' and is_created) as opportunities_total,
        count(*) filter (
            where
            entity_type = 'opportunity'
            and is_created
            and coalesce(state ->> 'status', 'open') not in ('won', 'lost')
        ) as open_opportunities,
        count(*) filter (where entity_type = 'opportunity' and is_created and state ->> 'status' = 'won')
            as won_opportunities,
        count(*) filter (where entity_type = 'opportunity' and is_created and state ->> 'status' = 'lost')
            as lost_opportunities

    from current_members

    group by instant_id

),

-- One activity may reach the account by several ways: it counts once.
touches as materialized (

    select distinct on (members.instant_id, activities.event_id)
        members.instant_id,
        members.as_of,
        {{ touch_columns() }}

    from current_members as members
    inner join {{ ref('int_activities_linked') }} as activities
        on
            members.customer_id = activities.customer_id
            and members.entity_type = activities.entity_type
            and members.entity_id = activities.entity_id
            and activities.known_at <= members.as_of
            and activities.occurred_at <= members.as_of
            and {{ is_in_force('activities', 'members.as_of') }}

    order by members.instant_id, activities.event_id, activities.linked_via

),

touch_summaries as materialized (

    {{ summarize_touches('touches') }}

),

touch_contacts as materialized (

    {{ summarize_contacts('touches') }}

),

{{ summarize_arrivals() }}

account_changes as materialized (

    {{ summarize_account_changes('records') }}

),

features as (

    select
        records.customer_id,
        records.account_id,
        records.as_of,
        records.name,
        records.domain,
        records.industry,
        cast(records.employee_count as double precision) as employee_count,
        cast(records.annual_revenue_minor as double precision) as annual_revenue_minor,
        records.country,
        records.owner_id,
        {{ as_count('member_counts.contacts_total') }} as contacts_total,
        {{ as_count('member_counts.opportunities_total') }} as opportunities_total,
        {{ as_count('member_counts.open_opportunities') }} as open_opportunities,
        {{ as_count('member_counts.won_opportunities') }} as won_opportunities,
        {{ as_count('member_counts.lost_opportunities') }} as lost_opportunities,
        {{ as_count('touch_summaries.engagement_decayed') }} as engagement_decayed,
        {{ as_count('touch_summaries.engagement_week') }} as engagement_week,
        {{ as_count('touch_summaries.engagement_prior_week_mean') }} as engagement_prior_week_mean,
        {{ engagement_surge('touch_summaries') }} as engagement_surge,
        {{ as_count('touch_contacts.contacts_engaged_30d') }} as active_contacts_30d,
        {{ days_between('records.as_of', 'touch_summaries.last_activity_at') }} as days_since_last_activity,
        cast(
            num_nulls(
                records.domain, records.industry, records.employee_count, records.annual_revenue_minor, records.country
            ) as double precision
        ) as missing_fields,
        {{ icp_distance('records', 'profiles') }} as icp_distance,
        past_champions.contact_id as past_champion_contact_id,
        past_champions.days as past_champion_days,
        account_changes.kind as account_change_kind,
        account_changes.change as account_change,
        account_changes.days as account_change_days,
        records.attributes,
        touch_summaries.last_activity_event_id,
        past_champions.event_id as past_champion_event_id,
        account_changes.event_id as account_change_event_id,
        records.created_event_id

    from records
    left join member_counts on records.instant_id = member_counts.instant_id
    left join touch_summaries on records.instant_id = touch_summaries.instant_id
    left join {{ ref('int_tenants_profiled') }} as profiles
        on records.customer_id = profiles.customer_id and {{ month_of('records.as_of') }} = profiles.as_of_day
    left join touch_contacts on records.instant_id = touch_contacts.instant_id
    left join past_champions on records.instant_id = past_champions.instant_id
    left join account_changes on records.instant_id = account_changes.instant_id

    -- computed once: the hash would compute every column again
    offset 0

)

select
    features.*,
    {{ feature_hash('features') }} as feature_hash

from features

{%- endmacro %}
