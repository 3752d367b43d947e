{# Features of the activities of any entity. A touch is an activity that goes out to or comes in from the customer;
   notes and tasks are none. `touches` has one row per `instant_id` and activity known by its as_of. -#}
{% macro touch_columns() -%}
    activities.event_id,
    activities.event_type,
    activities.activity_id,
    activities.occurred_at,
    activities.is_inbound,
    activities.is_outbound,
    activities.owner_id,
    activities.contact_ids,
    activities.duration_seconds,
    activities.due_at,
    activities.linked_via
{%- endmacro %}

{# Outbound volume is not intent: what is only sent weighs nothing. -#}
{% macro engagement_weight(touches) -%}
    case
    {%- for direction, weights in var('engagement_weights').items() %}
    {%- for event_type, weight in weights.items() %}
        when {{ touches }}.is_{{ direction }} and {{ touches }}.event_type = '{{ event_type }}' then {{ weight }}
    {%- endfor %}
    {%- endfor %}
        else 0
    end
{%- endmacro %}

{# A call that was long enough to talk, whoever made it; not one among ourselves. -#}
{% macro is_conversation(touches) -%}
    (
        {{ touches }}.event_type = 'call.completed'
        and ({{ touches }}.is_inbound or {{ touches }}.is_outbound)
        and {{ touches }}.duration_seconds >= {{ var('conversation_seconds') }}
    ) is true
{%- endmacro %}

{# One row per instant that has any activity; `intent`: types of events that show that the customer means to buy. Sums of floating
   point numbers depend on the order of rows: weights are summed as numeric, so that an incremental run equals a full one to the last
   bit. -#}
{% macro summarize_touches(touches, intent=[]) -%}
    select
        touches.instant_id,
        count(*) as activities_total,
        count(*) filter (where touches.is_outbound) as outbound_total,
        count(*) filter (where touches.is_inbound) as inbound_total,
        count(*) filter (where touches.is_outbound and touches.age_days < 7) as outbound_7d,
        count(*) filter (where touches.is_inbound and touches.age_days < 7) as inbound_7d,
        count(*) filter (where touches.is_outbound and touches.age_days < 30) as outbound_30d,
        count(*) filter (where touches.is_inbound and touches.age_days < 30) as inbound_30d,
        count(*) filter (where touches.event_type = 'call.completed') as calls_total,
        count(*) filter (where touches.event_type = 'call.completed' and touches.age_days < 7) as calls_7d,
        round(cast(sum(touches.duration_seconds) filter (where touches.event_type = 'call.completed') as numeric), 3)
            as call_seconds_total,
        round(
            cast(
                sum(touches.duration_seconds) filter (
                    where touches.event_type = 'call.completed' and touches.age_days < 7
                ) as numeric
            ), 3
        ) as call_seconds_7d,
        max(touches.duration_seconds) filter (where touches.event_type = 'call.completed') as call_seconds_longest,
        (
            array_agg(touches.duration_seconds order by touches.occurred_at desc, touches.event_id desc)
            filter (where touches.event_type = 'call.completed')
        )[1] as call_seconds_last,
        max(touches.occurred_at) filter (where touches.event_type = 'call.completed') as last_call_at,
        count(*) filter (where touches.event_type in ('email.sent', 'email.received')) as emails_total,
        count(*) filter (where touches.event_type = 'email.sent') as emails_sent,
        count(*) filter (where touches.event_type = 'meeting.completed') as meetings_total,
        count(*) filter (where touches.event_type = 'meeting.completed' and touches.age_days < 30) as meetings_30d,
        count(*) filter (where touches.event_type = 'note.created') as notes_total,
        count(*) filter (where touches.event_type = 'note.created' and touches.age_days < 7) as notes_7d,
        max(touches.occurred_at) filter (where touches.event_type = 'note.created') as last_note_at,
        count(*) filter (where touches.event_type = 'form.submitted') as forms_total,
        count(*) filter (where touches.event_type = 'page.viewed') as pages_total,
        count(*) filter (where touches.event_type = 'proposal.sent') as proposals_sent,
        count(*) filter (where touches.event_type = 'proposal.replied') as proposals_replied,
        max(touches.occurred_at) filter (where touches.event_type = 'proposal.sent') as last_proposal_sent_at,
        max(touches.occurred_at) filter (where touches.event_type = 'proposal.replied') as last_proposal_replied_at,
        min(touches.occurred_at) filter (where touches.is_outbound) as first_outbound_at,
        max(touches.occurred_at) filter (where touches.is_outbound) as last_outbound_at,
        max(touches.occurred_at) filter (where touches.is_inbound) as last_inbound_at,
        max(touches.occurred_at) filter (where touches.is_inbound or touches.is_outbound) as last_activity_at,
        count(distinct date_trunc('day', touches.occurred_at at time zone 'UTC'))
            filter (where touches.is_inbound or touches.is_outbound) as active_days,
        count(*) filter (
            where
            touches.is_outbound
            and touches.occurred_at > coalesce(touches.last_inbound_at, '-infinity'::timestamptz)
        ) as outbound_since_last_inbound,
        count(*) filter (
            where
            touches.event_type = 'call.completed'
            and touches.occurred_at > coalesce(touches.last_inbound_at, '-infinity'::timestamptz)
        ) as calls_since_last_inbound,
        max(touches.last_contact_at) as last_contact_at,
        count(*) filter (
            where touches.is_outbound and touches.occurred_at > coalesce(touches.last_contact_at, '-infinity'::timestamptz)
        ) as attempts_since_contact,
        min(touches.occurred_at) filter (where touches.is_unanswered) as unanswered_since,
        (
            array_agg(touches.event_id order by touches.occurred_at, touches.event_id)
            filter (where touches.is_unanswered)
        )[1] as unanswered_event_id,
        {%- if intent %}
        max(touches.occurred_at) filter (where touches.is_intent) as last_intent_at,
        (
            array_agg(touches.event_id order by touches.occurred_at desc, touches.event_id desc)
            filter (where touches.is_intent)
        )[1] as intent_event_id,
        (
            array_agg(touches.event_type order by touches.occurred_at desc, touches.event_id desc)
            filter (where touches.is_intent)
        )[1] as intent_action,
        {%- endif %}
        sum(touches.decayed_weight) as engagement_decayed,
        sum(touches.weight) filter (where touches.age_days < 7) as engagement_week,
        coalesce(sum(touches.weight) filter (where touches.age_days >= 7 and touches.age_days < 28), 0) / 3
            as engagement_prior_week_mean,
        percentile_cont(0.5) within group (order by touches.reply_hours) as median_reply_hours,
        percentile_cont(0.5) within group (order by touches.response_hours) as median_response_hours,
        array_agg(distinct touches.owner_id) filter (where touches.owner_id is not null) as owner_ids,
        (
            array_agg(touches.event_id order by touches.occurred_at desc, touches.event_id desc)
            filter (where touches.is_inbound or touches.is_outbound)
        )[1] as last_activity_event_id,
        (
            array_agg(touches.event_id order by touches.occurred_at desc, touches.event_id desc)
            filter (where touches.is_inbound)
        )[1] as last_inbound_event_id,
        (
            array_agg(touches.event_id order by touches.occurred_at desc, touches.event_id desc)
            filter (where touches.is_outbound)
        )[1] as last_outbound_event_id

    from (
        select
            turns.*,
            round(
                cast(
                    turns.weight * power(0.5, turns.age_days / {{ var('engagement_half_life_days') }}) as numeric
                ), 9
            ) as decayed_weight,
            -- Nobody has been in touch since they wrote.
            turns.is_inbound
            and turns.event_type in ('email.received', 'form.submitted')
            and turns.occurred_at > coalesce(turns.last_reached_at, '-infinity'::timestamptz) as is_unanswered,
            {%- if intent %}
            turns.is_inbound and turns.event_type in ('{{ intent | join("', '") }}') as is_intent,
            {%- endif %}
            case
                when
                    turns.is_inbound
                    and not turns.is_outbound
                    and turns.event_type in ('email.received', 'proposal.replied', 'call.completed', 'form.submitted')
                    and turns.is_outbound_before
                    then extract(epoch from turns.occurred_at - turns.occurred_before) / 3600
            end as reply_hours,
            case
                when turns.is_outbound and not turns.is_inbound and turns.is_inbound_before
                    then extract(epoch from turns.occurred_at - turns.occurred_before) / 3600
            end as response_hours

        from (
            select
                touches.*,
                {{ days_between('touches.as_of', 'touches.occurred_at') }} as age_days,
                cast({{ engagement_weight('touches') }} as numeric) as weight,
                max(case when touches.is_inbound then touches.occurred_at end) over (
                    partition by touches.instant_id
                ) as last_inbound_at,
                max(case when touches.is_outbound or {{ is_conversation('touches') }} then touches.occurred_at end) over (
                    partition by touches.instant_id
                ) as last_reached_at,
                max(case when touches.is_inbound or {{ is_conversation('touches') }} then touches.occurred_at end) over (
                    partition by touches.instant_id
                ) as last_contact_at,
                lag(touches.is_inbound) over in_turn as is_inbound_before,
                lag(touches.is_outbound) over in_turn as is_outbound_before,
                lag(touches.occurred_at) over in_turn as occurred_before

            from {{ touches }} as touches

            window in_turn as (
                partition by touches.instant_id, touches.is_inbound or touches.is_outbound
                order by touches.occurred_at, touches.event_id
            )
        ) as turns
    ) as touches

    group by touches.instant_id
{%- endmacro %}

{# Meetings, calls and tasks that lie ahead of as_of and were neither completed nor planned anew by then. -#}
{% macro summarize_next_steps(touches) -%}
    select
        planned.instant_id,
        min(planned.due_at) as next_step_at

    from {{ touches }} as planned

    where
        planned.event_type in ('meeting.scheduled', 'call.scheduled', 'task.created')
        and planned.due_at > planned.as_of
        and not exists (
            select 1 from {{ touches }} as later
            where
                later.instant_id = planned.instant_id
                and later.activity_id = planned.activity_id
                and (
                    later.event_type in ('meeting.completed', 'call.completed', 'task.completed')
                    or (
                        later.event_type = planned.event_type
                        and (later.occurred_at, later.event_id) > (planned.occurred_at, planned.event_id)
                    )
                )
        )

    group by planned.instant_id
{%- endmacro %}

{# Contacts who came back to us in the last 30 days. -#}
{% macro summarize_contacts(touches) -%}
    select
        touches.instant_id,
        array_agg(distinct people.contact_id) as contact_ids,
        count(distinct people.contact_id) filter (
            where touches.is_inbound and touches.occurred_at > touches.as_of - interval '30 days'
        ) as contacts_engaged_30d

    from {{ touches }} as touches
    cross join unnest(touches.contact_ids) as people (contact_id)

    group by touches.instant_id
{%- endmacro %}

{# Engagement of the last week against a week of the three before. One more touch on either side keeps it from jumping where
   little happens. -#}
{% macro engagement_surge(summaries) -%}
    cast(
        (coalesce({{ summaries }}.engagement_week, 0) + 1) / (coalesce({{ summaries }}.engagement_prior_week_mean, 0) + 1)
        as double precision
    )
{%- endmacro %}

{# Columns of marts that every entity has from its touches. Counts of nothing are 0, measures of nothing are null. -#}
{% macro as_count(column) -%}
    cast(coalesce({{ column }}, 0) as double precision)
{%- endmacro %}

{% macro as_measure(column) -%}
    cast({{ column }} as double precision)
{%- endmacro %}

{# What scorers compare to skip unchanged rows: every column but the instants themselves, of which the day counts. The columns are
   those of the contract. -#}
{% macro feature_hash(features) -%}
    {%- set counted = model.columns.keys() | reject('in', ['as_of', 'last_event_at', 'feature_hash']) | list -%}
    md5(
        cast(row({% for column in counted %}{{ features }}.{{ column }}{{ ', ' if not loop.last }}{% endfor %}) as text)
        || to_char({{ features }}.as_of at time zone 'UTC', 'YYYY-MM-DD')
    )
{%- endmacro %}
