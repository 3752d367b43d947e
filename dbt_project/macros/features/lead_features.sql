{# Leads as they were known at given instants. `instants` has customer_id, lead_id, as_of, moment; a row comes back for each
   instant at which the lead was known and undecided. A converted lead stays undecided as long as its opportunity does.
   Training and serving both read this macro: only rows with recorded_at <= as_of count, whatever happened since. Each step is materialized:
   inlined, the planner would repeat it for every row of a join that it takes to be small. -#}
{% macro lead_features_as_of(instants) -%}

with

numbered as materialized (

    {{ numbered_instants(instants) }}

),

changes as (

    select
        numbered.instant_id,
        numbered.as_of,
        numbered.moment,
        changes.*
    from numbered
    inner join {{ ref('int_leads_changed') }} as changes
        on
            numbered.customer_id = changes.customer_id
            and numbered.lead_id = changes.lead_id
            and changes.recorded_at <= numbered.as_of

),

merged as materialized (

    select
        changes.instant_id,
        changes.customer_id,
        changes.lead_id,
        changes.as_of,
        changes.moment,
        intermediate.jsonb_merge(changes.fields order by {{ version_order('changes') }}) as state,
        intermediate.jsonb_merge({{ safe_object("changes.fields -> 'custom'") }} order by {{ version_order('changes') }})
            as attributes,
        min(changes.occurred_at) filter (where changes.event_type = 'lead.created') as created_at,
        min(changes.event_id) filter (where changes.event_type = 'lead.created') as created_event_id,
        min(changes.occurred_at) filter (where changes.event_type = 'lead.converted') as converted_at,
        max(changes.recorded_at) as last_change_at,
        count(*) filter (where changes.is_status_change) as status_changes,
        (
            array_agg(changes.occurred_at order by {{ version_order('changes', 'desc') }})
            filter (where changes.is_status_change or changes.event_type = 'lead.created')
        )[1] as status_since,
        (
            array_agg(changes.event_id order by {{ version_order('changes', 'desc') }})
            filter (where changes.is_status_change or changes.event_type = 'lead.created')
        )[1] as status_event_id,
        array_agg(distinct changes.owner_id) filter (where changes.owner_id is not null) as owner_ids

    from changes

    group by changes.instant_id, changes.customer_id, changes.lead_id, changes.as_of, changes.moment

),

-- The state of each opportunity of the lead, as known.
opportunities as materialized (

    select
        merged.instant_id,
        links.opportunity_id,
        intermediate.jsonb_merge(opportunity_changes.fields order by {{ version_order('opportunity_changes') }}) as state,
        min(opportunity_changes.occurred_at) as opened_at,
        max(opportunity_changes.recorded_at) as last_change_at

    from merged
    inner join {{ ref('int_leads_linked') }} as links
        on
            merged.customer_id = links.customer_id
            and merged.lead_id = links.lead_id
            and links.linked_at <= merged.as_of
    inner join {{ ref('int_opportunities_changed') }} as opportunity_changes
        on
            links.customer_id = opportunity_changes.customer_id
            and links.opportunity_id = opportunity_changes.opportunity_id
            and opportunity_changes.recorded_at <= merged.as_of

    group by merged.instant_id, links.opportunity_id

),

-- Deleted opportunities decide nothing; a lead that became nothing else has nothing left to be decided.
conversions as materialized (

    select
        instant_id,
        min(opportunity_id) filter (where not {{ is_deleted('state') }}) as opportunity_id,
        min(opened_at) filter (where not {{ is_deleted('state') }}) as opened_at,
        max(last_change_at) as last_change_at,
        max({{ safe_text("state ->> 'stage'") }}) filter (where not {{ is_deleted('state') }}) as opportunity_stage,
        coalesce(
            bool_or(coalesce(state ->> 'status', 'open') = 'won') filter (where not {{ is_deleted('state') }}), false
        ) as is_any_won,
        bool_and(coalesce(state ->> 'status', 'open') = 'lost') filter (where not {{ is_deleted('state') }})
            as is_every_lost,
        bool_and({{ is_deleted('state') }}) as is_every_deleted

    from opportunities

    group by instant_id

),

records as materialized (

    select
        merged.*,
        conversions.opened_at,
        conversions.last_change_at as opportunity_last_change_at,
        conversions.opportunity_stage,
        coalesce({{ safe_text("merged.state ->> 'opportunity_id'") }}, conversions.opportunity_id) as opportunity_id,
        {{ safe_text("merged.state ->> 'company_name'") }} as company_name,
        {{ safe_text("merged.state ->> 'contact_name'") }} as contact_name,
        {{ safe_text("merged.state ->> 'contact_email'") }} as contact_email,
        {{ safe_text("merged.state ->> 'account_id'") }} as account_id,
        {{ safe_text("merged.state ->> 'contact_id'") }} as contact_id,
        {{ safe_text("merged.state ->> 'owner_id'") }} as owner_id,
        {{ safe_text("merged.state ->> 'source'") }} as source,
        {{ safe_text("merged.state ->> 'status'") }} as status,
        {{ safe_bigint("merged.state ->> 'value_minor'") }} as value_minor,
        {{ safe_text("merged.state ->> 'currency'") }} as currency

    from merged
    {{ taken_for_many('merged') }}
    left join conversions on merged.instant_id = conversions.instant_id

    where
        merged.created_at is not null
        and not {{ is_deleted('merged.state') }}
        and case
            when not conversions.is_every_deleted then not conversions.is_any_won and not conversions.is_every_lost
            when conversions.is_every_deleted and merged.converted_at is not null then false
            when merged.converted_at is not null and merged.state ->> 'opportunity_id' is null then false
            when merged.converted_at is not null then true
            else coalesce(merged.state ->> 'status', 'new') <> 'disqualified'
        end

),

touches as materialized (

    select
        records.instant_id,
        records.as_of,
        {{ touch_columns() }}

    from records
    inner join {{ ref('int_activities_linked') }} as activities
        on
            records.customer_id = activities.customer_id
            and activities.entity_type = 'lead'
            and records.lead_id = activities.entity_id
            and activities.known_at <= records.as_of
            and activities.occurred_at <= records.as_of
            and {{ is_in_force('activities', 'records.as_of') }}

),

touch_summaries as materialized (

    {{ summarize_touches('touches', intent=var('intent_actions')['lead']) }}

),

next_steps as materialized (

    {{ summarize_next_steps('touches') }}

),

touch_contacts as materialized (

    {{ summarize_contacts('touches') }}

),

accounts as materialized (

    {{ summarize_accounts('records') }}

),

account_days as materialized (

    {{ summarize_account_days('records') }}

),

owner_records as materialized (

    {{ summarize_owner_records('records', ref('int_leads_credited')) }}

),

features as (

    select
        records.customer_id,
        records.lead_id,
        records.as_of,
        records.moment,
        coalesce(records.company_name, records.contact_name) as name,
        records.contact_name,
        records.contact_email,
        records.account_id,
        records.contact_id,
        records.opportunity_id,
        records.owner_id,
        records.source,
        records.status,
        records.value_minor,
        records.currency,
        records.created_at,
        greatest(records.last_change_at, records.opportunity_last_change_at, touch_summaries.last_activity_at)
            as last_event_at,
        {{ days_between('records.as_of', 'records.created_at') }} as age_days,
        {{ days_between('records.as_of', 'records.status_since') }} as days_in_status,
        {{ as_count('records.status_changes') }} as status_changes,
        records.opportunity_stage,
        {{ days_between('records.as_of', 'records.opened_at') }} as days_since_opened,
        {{ as_count('touch_summaries.activities_total') }} as activities_total,
        {{ as_count('touch_summaries.outbound_total') }} as outbound_total,
        {{ as_count('touch_summaries.inbound_total') }} as inbound_total,
        {{ as_count('touch_summaries.outbound_7d') }} as outbound_7d,
        {{ as_count('touch_summaries.inbound_7d') }} as inbound_7d,
        {{ as_count('touch_summaries.calls_total') }} as calls_total,
        {{ as_count('touch_summaries.calls_7d') }} as calls_7d,
        {{ as_count('touch_summaries.call_seconds_total') }} as call_seconds_total,
        {{ as_count('touch_summaries.call_seconds_7d') }} as call_seconds_7d,
        {{ as_measure('touch_summaries.call_seconds_longest') }} as call_seconds_longest,
        {{ as_measure('touch_summaries.call_seconds_last') }} as call_seconds_last,
        {{ days_between('records.as_of', 'touch_summaries.last_call_at') }} as days_since_last_call,
        {{ as_count('touch_summaries.emails_total') }} as emails_total,
        {{ as_count('touch_summaries.emails_sent') }} as emails_sent,
        {{ as_count('touch_summaries.forms_total') }} as forms_total,
        {{ as_count('touch_summaries.pages_total') }} as pages_total,
        {{ as_count('touch_summaries.meetings_total') }} as meetings_total,
        {{ as_count('touch_summaries.proposals_sent') }} as proposals_sent,
        {{ as_count('touch_summaries.proposals_replied') }} as proposals_replied,
        {{ days_between('records.as_of', 'touch_summaries.last_proposal_sent_at') }} as days_since_last_proposal,
        {{ days_between('records.as_of', 'touch_summaries.last_proposal_replied_at') }} as days_since_last_proposal_reply,
        {{ as_count('touch_summaries.notes_total') }} as notes_total,
        {{ as_count('touch_summaries.notes_7d') }} as notes_7d,
        {{ days_between('records.as_of', 'touch_summaries.last_note_at') }} as days_since_last_note,
        {{ as_count('touch_summaries.active_days') }} as active_days,
        {{ days_between('records.as_of', 'touch_summaries.last_activity_at') }} as days_since_last_activity,
        {{ days_between('records.as_of', 'touch_summaries.last_inbound_at') }} as days_since_last_inbound,
        {{ days_between('records.as_of', 'touch_summaries.last_outbound_at') }} as days_since_last_outbound,
        {{ as_count('touch_summaries.outbound_since_last_inbound') }} as outbound_since_last_inbound,
        {{ as_count('touch_summaries.calls_since_last_inbound') }} as calls_since_last_inbound,
        {{ days_between('records.as_of', 'touch_summaries.last_contact_at') }} as days_since_contact,
        {{ as_count('touch_summaries.attempts_since_contact') }} as attempts_since_contact,
        {{ days_between('records.as_of', 'touch_summaries.unanswered_since') }} as unanswered_days,
        touch_summaries.intent_action,
        {{ days_between('records.as_of', 'touch_summaries.last_intent_at') }} as days_since_intent,
        {{ as_count('touch_summaries.engagement_decayed') }} as engagement_decayed,
        {{ as_count('touch_summaries.engagement_week') }} as engagement_week,
        {{ as_count('touch_summaries.engagement_prior_week_mean') }} as engagement_prior_week_mean,
        {{ engagement_surge('touch_summaries') }} as engagement_surge,
        {{ as_count('touch_contacts.contacts_engaged_30d') }} as contacts_engaged_30d,
        {{ as_count('account_days.account_engagement_decayed') }} as account_engagement_decayed,
        {{ as_count('account_days.account_contacts_engaged_30d') }} as account_contacts_engaged_30d,
        {{ as_measure('touch_summaries.median_reply_hours') }} as median_reply_hours,
        {{ as_measure('touch_summaries.median_response_hours') }} as median_response_hours,
        cast(cardinality(array(
            select distinct people.owner_id
            from unnest(records.owner_ids || touch_summaries.owner_ids) as people (owner_id)
        )) as double precision) as owners_distinct,
        {{ days_between('touch_summaries.first_outbound_at', 'records.created_at') }} * 24 as first_touch_hours,
        case when next_steps.next_step_at is null then 0.0 else 1.0 end::double precision as has_next_step,
        {{ days_between('next_steps.next_step_at', 'records.as_of') }} as next_step_in_days,
        cast(extract(hour from records.created_at at time zone 'UTC') as double precision) as created_hour,
        cast(extract(isodow from records.created_at at time zone 'UTC') as double precision) as created_dow,
        {{ as_measure('owner_records.owner_decided_180d') }} as owner_decided_180d,
        {{ as_measure('owner_records.owner_won_180d') }} as owner_won_180d,
        {{ owner_win_rate('owner_records', 'profiles', 'lead') }} as owner_win_rate_180d,
        accounts.industry,
        cast(accounts.employee_count as double precision) as employee_count,
        cast(accounts.annual_revenue_minor as double precision) as annual_revenue_minor,
        accounts.country,
        cast(
            num_nulls(accounts.industry, accounts.employee_count, accounts.annual_revenue_minor, accounts.country)
            as double precision
        ) as missing_fields,
        {{ icp_distance('accounts', 'profiles') }} as icp_distance,
        records.attributes,
        touch_summaries.last_activity_event_id,
        touch_summaries.last_inbound_event_id,
        touch_summaries.last_outbound_event_id,
        touch_summaries.unanswered_event_id,
        touch_summaries.intent_event_id,
        records.created_event_id,
        records.status_event_id

    from records
    left join touch_summaries on records.instant_id = touch_summaries.instant_id
    left join next_steps on records.instant_id = next_steps.instant_id
    left join touch_contacts on records.instant_id = touch_contacts.instant_id
    left join accounts on records.instant_id = accounts.instant_id
    left join account_days
        on
            records.customer_id = account_days.customer_id
            and records.account_id = account_days.account_id
            and {{ day_start('records.as_of') }} = account_days.as_of_day
    left join {{ ref('int_tenants_profiled') }} as profiles
        on records.customer_id = profiles.customer_id and {{ month_of('records.as_of') }} = profiles.as_of_day
    left join owner_records
        on
            records.customer_id = owner_records.customer_id
            and records.owner_id = owner_records.owner_id
            and {{ day_start('records.as_of') }} = owner_records.as_of_day

    -- computed once: the hash would compute every column again
    offset 0

)

select
    features.*,
    {{ feature_hash('features') }} as feature_hash

from features

{%- endmacro %}
