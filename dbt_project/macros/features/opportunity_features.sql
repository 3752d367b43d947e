{# Opportunities as they were known at given instants. `instants` has customer_id, opportunity_id, as_of, moment; a row comes
   back for each instant at which the opportunity was known and undecided. Training and serving both read this macro: only
   rows with recorded_at <= as_of count, whatever happened since. Each step is materialized:
   inlined, the planner would repeat it for every row of a join that it takes to be small. -#}
{% macro opportunity_features_as_of(instants) -%}

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
    inner join {{ ref('int_opportunities_changed') }} as changes
        on
            numbered.customer_id = changes.customer_id
            and numbered.opportunity_id = changes.opportunity_id
            and changes.recorded_at <= numbered.as_of

),

merged as materialized (

    select
        changes.instant_id,
        changes.customer_id,
        changes.opportunity_id,
        changes.as_of,
        changes.moment,
        intermediate.jsonb_merge(changes.fields order by {{ version_order('changes') }}) as state,
        intermediate.jsonb_merge({{ safe_object("changes.fields -> 'custom'") }} order by {{ version_order('changes') }})
            as attributes,
        min(changes.occurred_at) filter (where changes.event_type = 'opportunity.created') as opened_at,
        min(changes.event_id) filter (where changes.event_type = 'opportunity.created') as created_event_id,
        (
            array_agg(
                case when changes.value_minor_before > 0 then changes.value_minor_before else changes.value_minor end
                order by {{ version_order('changes') }}
            )
            filter (
                where
                changes.event_type in ('opportunity.created', 'opportunity.updated')
                and (changes.value_minor_before > 0 or changes.value_minor > 0)
            )
        )[1] as first_value_minor,
        max(changes.recorded_at) as last_change_at,
        count(*) filter (where changes.is_stage_change) as stage_changes,
        (
            array_agg(changes.occurred_at order by {{ version_order('changes', 'desc') }})
            filter (where changes.is_stage_change or changes.event_type = 'opportunity.created')
        )[1] as stage_entered_at,
        (
            array_agg(changes.event_id order by {{ version_order('changes', 'desc') }})
            filter (where changes.is_stage_change or changes.event_type = 'opportunity.created')
        )[1] as stage_event_id,
        count(*) filter (where changes.expected_close_date > changes.expected_close_date_before) as close_date_slips,
        sum(changes.expected_close_date - changes.expected_close_date_before)
            filter (where changes.expected_close_date > changes.expected_close_date_before) as close_date_slip_days,
        (
            array_agg(changes.event_id order by {{ version_order('changes', 'desc') }})
            filter (where changes.expected_close_date > changes.expected_close_date_before)
        )[1] as close_date_slip_event_id,
        (
            array_agg(changes.event_id order by {{ version_order('changes', 'desc') }})
            filter (where changes.expected_close_date is distinct from changes.expected_close_date_before)
        )[1] as close_date_event_id,
        (
            array_agg(
                changes.expected_close_date_before - changes.expected_close_date
                order by {{ version_order('changes', 'desc') }}
            )
            filter (where changes.expected_close_date is distinct from changes.expected_close_date_before)
        )[1] as close_date_earlier_days,
        (
            array_agg(changes.occurred_at order by {{ version_order('changes', 'desc') }})
            filter (where changes.expected_close_date is distinct from changes.expected_close_date_before)
        )[1] as close_date_changed_at,
        count(*) filter (
            where
            changes.event_type = 'opportunity.updated'
            and changes.fields ? 'value_minor'
            and changes.value_minor is distinct from changes.value_minor_before
        ) as amount_changes,
        (
            array_agg(changes.event_id order by {{ version_order('changes', 'desc') }})
            filter (
                where
                changes.event_type = 'opportunity.updated'
                and changes.fields ? 'value_minor'
                and changes.value_minor is distinct from changes.value_minor_before
            )
        )[1] as amount_event_id,
        array_agg(distinct changes.owner_id) filter (where changes.owner_id is not null) as owner_ids

    from changes

    group by changes.instant_id, changes.customer_id, changes.opportunity_id, changes.as_of, changes.moment

),

records as materialized (

    select
        merged.*,
        {{ safe_text("merged.state ->> 'name'") }} as name,
        {{ safe_text("merged.state ->> 'account_id'") }} as account_id,
        {{ safe_text("merged.state ->> 'contact_id'") }} as contact_id,
        {{ safe_text("merged.state ->> 'lead_id'") }} as lead_id,
        {{ safe_text("merged.state ->> 'owner_id'") }} as owner_id,
        {{ safe_text("merged.state ->> 'stage'") }} as stage,
        {{ safe_bigint("merged.state ->> 'value_minor'") }} as value_minor,
        {{ safe_text("merged.state ->> 'currency'") }} as currency,
        {{ safe_date("merged.state ->> 'expected_close_date'") }} as expected_close_date

    from merged
    {{ taken_for_many('merged') }}

    where
        merged.opened_at is not null
        and not {{ is_deleted('merged.state') }}
        and coalesce(merged.state ->> 'status', 'open') not in ('won', 'lost')

),

leads as materialized (

    select
        records.instant_id,
        min(links.lead_id) as lead_id,
        min(lead_changes.occurred_at) as lead_created_at

    from records
    inner join {{ ref('int_leads_linked') }} as links
        on
            records.customer_id = links.customer_id
            and records.opportunity_id = links.opportunity_id
            and links.linked_at <= records.as_of
    left join {{ ref('int_leads_changed') }} as lead_changes
        on
            links.customer_id = lead_changes.customer_id
            and links.lead_id = lead_changes.lead_id
            and lead_changes.event_type = 'lead.created'
            and lead_changes.recorded_at <= records.as_of

    group by records.instant_id

),

activities as materialized (

    select
        records.instant_id,
        records.customer_id,
        records.as_of,
        activities.linked_via = 'lead' and activities.occurred_at < records.opened_at as is_before_opening,
        {{ touch_columns() }}

    from records
    inner join {{ ref('int_activities_linked') }} as activities
        on
            records.customer_id = activities.customer_id
            and activities.entity_type = 'opportunity'
            and records.opportunity_id = activities.entity_id
            and activities.known_at <= records.as_of
            and activities.occurred_at <= records.as_of
            and {{ is_in_force('activities', 'records.as_of') }}

),

-- The work on the lead before the opportunity opened stays apart from the work on the opportunity.
lead_activities as materialized (

    select
        instant_id,
        count(*) filter (where is_outbound) as lead_outbound_total,
        count(*) filter (where is_inbound) as lead_inbound_total,
        count(*) filter (where event_type = 'call.completed') as lead_calls_total,
        round(cast(sum(duration_seconds) filter (where event_type = 'call.completed') as numeric), 3)
            as lead_call_seconds_total,
        count(*) filter (where event_type = 'note.created') as lead_notes_total,
        max(occurred_at) as lead_last_activity_at

    from activities

    where is_before_opening

    group by instant_id

),

touches as (

    select * from activities

    where not is_before_opening

),

touch_summaries as materialized (

    {{ summarize_touches('touches', intent=var('intent_actions')['opportunity']) }}

),

next_steps as materialized (

    {{ summarize_next_steps('touches') }}

),

{{ people_of('activities') }}

{{ summarize_people('records') }}

account_changes as materialized (

    {{ summarize_account_changes('records') }}

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

account_contacts as materialized (

    select
        records.instant_id,
        array_agg(distinct contact_changes.contact_id) as contact_ids

    from records
    inner join {{ ref('int_contacts_changed') }} as contact_changes
        on
            records.customer_id = contact_changes.customer_id
            and records.account_id = contact_changes.account_id
            and contact_changes.recorded_at <= records.as_of
    left join {{ ref('int_records_hidden') }} as hidden_contacts
        on
            contact_changes.customer_id = hidden_contacts.customer_id
            and hidden_contacts.entity_type = 'contact'
            and contact_changes.contact_id = hidden_contacts.entity_id

    where {{ is_in_force('hidden_contacts', 'records.as_of') }}

    group by records.instant_id

),

owner_records as materialized (

    {{ summarize_owner_records('records', ref('int_opportunities_credited')) }}

),

features as (

    select
        records.customer_id,
        records.opportunity_id,
        records.as_of,
        records.moment,
        records.name,
        records.account_id,
        records.contact_id,
        coalesce(records.lead_id, leads.lead_id) as lead_id,
        records.owner_id,
        records.stage,
        records.value_minor,
        records.currency,
        records.expected_close_date,
        records.opened_at,
        greatest(records.last_change_at, touch_summaries.last_activity_at) as last_event_at,
        {{ days_between('records.as_of', 'records.opened_at') }} as age_days,
        {{ days_between('records.as_of', 'records.stage_entered_at') }} as days_in_stage,
        case
            when norms.median_days_won is not null
                then {{ days_between('records.as_of', 'records.stage_entered_at') }} / greatest(norms.median_days_won, 1)
        end as stage_time_ratio,
        {{ as_count('records.stage_changes') }} as stage_changes,
        {{ as_count('records.close_date_slips') }} as close_date_slips,
        {{ as_count('records.close_date_slip_days') }} as close_date_slip_days,
        cast(records.expected_close_date - cast(records.as_of at time zone 'UTC' as date) as double precision)
            as days_to_close,
        cast(greatest(records.close_date_earlier_days, 0) as double precision) as close_date_pulled_in_days,
        {{ days_between('records.as_of', 'records.close_date_changed_at') }} as close_date_changed_days,
        {{ as_count('records.amount_changes') }} as amount_changes,
        cast(records.value_minor as double precision) / records.first_value_minor as amount_change_ratio,
        {{ as_count('touch_summaries.activities_total') }} as activities_total,
        {{ as_count('touch_summaries.outbound_total') }} as outbound_total,
        {{ as_count('touch_summaries.inbound_total') }} as inbound_total,
        {{ as_count('touch_summaries.outbound_7d') }} as outbound_7d,
        {{ as_count('touch_summaries.inbound_7d') }} as inbound_7d,
        {{ as_count('touch_summaries.outbound_30d') }} as outbound_30d,
        {{ as_count('touch_summaries.inbound_30d') }} as inbound_30d,
        {{ as_count('touch_summaries.calls_total') }} as calls_total,
        {{ as_count('touch_summaries.calls_7d') }} as calls_7d,
        {{ as_count('touch_summaries.call_seconds_total') }} as call_seconds_total,
        {{ as_count('touch_summaries.call_seconds_7d') }} as call_seconds_7d,
        {{ as_measure('touch_summaries.call_seconds_longest') }} as call_seconds_longest,
        {{ as_measure('touch_summaries.call_seconds_last') }} as call_seconds_last,
        {{ days_between('records.as_of', 'touch_summaries.last_call_at') }} as days_since_last_call,
        {{ as_count('touch_summaries.emails_total') }} as emails_total,
        {{ as_count('touch_summaries.emails_sent') }} as emails_sent,
        {{ as_count('touch_summaries.meetings_total') }} as meetings_total,
        {{ as_count('touch_summaries.meetings_30d') }} as meetings_30d,
        {{ as_count('touch_summaries.proposals_sent') }} as proposals_sent,
        {{ as_count('touch_summaries.proposals_replied') }} as proposals_replied,
        {{ days_between('records.as_of', 'touch_summaries.last_proposal_sent_at') }} as days_since_last_proposal,
        {{ days_between('records.as_of', 'touch_summaries.last_proposal_replied_at') }} as days_since_last_proposal_reply,
        {{ as_count('touch_summaries.notes_total') }} as notes_total,
        {{ as_count('touch_summaries.notes_7d') }} as notes_7d,
        {{ days_between('records.as_of', 'touch_summaries.last_note_at') }} as days_since_last_note,
        {{ as_count('touch_summaries.active_days') }} as active_days,
        {{ days_between('records.as_of', 'touch_summaries.last_activity_at') }} as days_since_last_activity,
        {{ days_between('records.as_of', 'touch_summaries.last_outbound_at') }} as days_since_last_outbound,
        {{ days_between('records.as_of', 'touch_summaries.last_inbound_at') }} as days_since_last_inbound,
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
        {{ as_count('account_days.account_engagement_decayed') }} as account_engagement_decayed,
        {{ as_count('account_days.account_contacts_engaged_30d') }} as account_contacts_engaged_30d,
        {{ as_count('touch_contacts.contacts_engaged_30d') }} as contacts_engaged_30d,
        people_summaries.champion_contact_id,
        people_summaries.champion_silent_days,
        {{ as_count('people_summaries.champion_outbound_since') }} as champion_outbound_since,
        people_summaries.champion_left_days,
        people_summaries.newcomer_contact_id,
        people_summaries.newcomer_days,
        people_summaries.executive_contact_id,
        people_summaries.executive_days,
        {{ as_count('people_summaries.people_told') }} as people_told,
        {{ as_count('people_summaries.power_engaged') }} as power_engaged,
        {{ as_count('people_summaries.contacts_engaged_14d') }} as contacts_engaged_14d,
        {{ as_count('people_summaries.contacts_engaged_before') }} as contacts_engaged_before,
        account_changes.kind as account_change_kind,
        account_changes.change as account_change,
        account_changes.days as account_change_days,
        cast(cardinality(array(
            select distinct people.contact_id
            from unnest(
                account_contacts.contact_ids || touch_contacts.contact_ids || array[records.contact_id]
            ) as people (contact_id)
            where people.contact_id is not null
        )) as double precision) as contacts_total,
        cast(cardinality(array(
            select distinct people.owner_id
            from unnest(records.owner_ids || touch_summaries.owner_ids) as people (owner_id)
        )) as double precision) as owners_distinct,
        case when next_steps.next_step_at is null then 0.0 else 1.0 end::double precision as has_next_step,
        {{ days_between('next_steps.next_step_at', 'records.as_of') }} as next_step_in_days,
        {{ as_measure('touch_summaries.median_reply_hours') }} as median_reply_hours,
        {{ as_measure('touch_summaries.median_response_hours') }} as median_response_hours,
        {{ days_between('records.opened_at', 'leads.lead_created_at') }} as lead_age_at_open_days,
        {{ as_count('lead_activities.lead_outbound_total') }} as lead_outbound_total,
        {{ as_count('lead_activities.lead_inbound_total') }} as lead_inbound_total,
        {{ as_count('lead_activities.lead_calls_total') }} as lead_calls_total,
        {{ as_count('lead_activities.lead_call_seconds_total') }} as lead_call_seconds_total,
        {{ as_count('lead_activities.lead_notes_total') }} as lead_notes_total,
        {{ days_between('records.opened_at', 'lead_activities.lead_last_activity_at') }} as lead_idle_days_at_open,
        cast(extract(hour from records.opened_at at time zone 'UTC') as double precision) as opened_hour,
        cast(extract(isodow from records.opened_at at time zone 'UTC') as double precision) as opened_dow,
        {{ as_measure('owner_records.owner_decided_180d') }} as owner_decided_180d,
        {{ as_measure('owner_records.owner_won_180d') }} as owner_won_180d,
        {{ owner_win_rate('owner_records', 'profiles', 'opportunity') }} as owner_win_rate_180d,
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
        records.stage_event_id,
        records.close_date_event_id,
        records.close_date_slip_event_id,
        records.amount_event_id,
        people_summaries.champion_inbound_event_id,
        people_summaries.champion_outbound_event_id,
        people_summaries.champion_left_event_id,
        people_summaries.newcomer_event_id,
        people_summaries.executive_event_id,
        account_changes.event_id as account_change_event_id,
        records.created_event_id

    from records
    left join leads on records.instant_id = leads.instant_id
    left join touch_summaries on records.instant_id = touch_summaries.instant_id
    left join next_steps on records.instant_id = next_steps.instant_id
    left join touch_contacts on records.instant_id = touch_contacts.instant_id
    left join lead_activities on records.instant_id = lead_activities.instant_id
    left join people_summaries on records.instant_id = people_summaries.instant_id
    left join account_changes on records.instant_id = account_changes.instant_id
    left join accounts on records.instant_id = accounts.instant_id
    left join account_days
        on
            records.customer_id = account_days.customer_id
            and records.account_id = account_days.account_id
            and {{ day_start('records.as_of') }} = account_days.as_of_day
    left join {{ ref('int_tenants_profiled') }} as profiles
        on records.customer_id = profiles.customer_id and {{ month_of('records.as_of') }} = profiles.as_of_day
    left join {{ ref('stage_norms') }} as norms
        on
            records.customer_id = norms.customer_id
            and records.stage = norms.stage
            and {{ month_of('records.as_of') }} = norms.as_of_day
            and norms.won_count >= {{ var('stage_least_wins') }}
    left join account_contacts on records.instant_id = account_contacts.instant_id
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
