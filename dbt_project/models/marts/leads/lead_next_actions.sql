{{
    config(
        unique_key=['customer_id', 'lead_id', 'as_of'],
        indexes=[{'columns': ['customer_id', 'lead_id', 'as_of'], 'unique': true}],
        pre_hook=[
            "{{ forget_touched(ref('int_leads_touched'), ['customer_id', 'lead_id']) }}",
            "{{ forget_later_than(now_at() ~ \" - interval '7 days'\") }}",
        ],
        post_hook=["{{ mark_built(seen_through='int_leads_touched') }}"],
    )
}}

with

snapshots as not materialized (

    select * from {{ ref('lead_snapshots') }}

),

activities as not materialized (

    select * from {{ ref('int_activities_linked') }}

),

touched as not materialized (

    select * from {{ ref('int_leads_touched') }}

),

{% if is_incremental() %}
    seen as (

        {{ watermark([this.name]) }}

    ),

    due as (

        select
            snapshots.customer_id,
            snapshots.lead_id,
            snapshots.as_of
        from touched
        inner join snapshots
            on touched.customer_id = snapshots.customer_id and touched.lead_id = snapshots.lead_id

        union

        select
            snapshots.customer_id,
            snapshots.lead_id,
            snapshots.as_of
        from seen
        inner join snapshots on snapshots.as_of > seen.now_from - interval '7 days'

    ),
{% else %}
    due as (

        select
            customer_id,
            lead_id,
            as_of
        from snapshots

    ),
{% endif %}

actions as (

    select
        due.customer_id,
        due.lead_id,
        due.as_of,
        coalesce(bool_or(activities.event_type = 'call.completed'), false) as call_7d,
        coalesce(bool_or(activities.event_type = 'email.sent'), false) as email_7d,
        coalesce(bool_or(activities.event_type in ('meeting.scheduled', 'meeting.completed')), false) as meeting_7d,
        coalesce(bool_or(activities.event_type = 'task.completed'), false) as task_7d,
        coalesce(bool_or(activities.event_type = 'proposal.sent'), false) as proposal_7d

    from due
    left join activities
        on
            due.customer_id = activities.customer_id
            and activities.entity_type = 'lead'
            and due.lead_id = activities.entity_id
            and activities.occurred_at > due.as_of
            and activities.occurred_at <= due.as_of + interval '7 days'
            and activities.known_at <= {{ now_at() }}
            and {{ is_in_force('activities', now_at()) }}

    where due.as_of <= {{ now_at() }} - interval '7 days'

    group by due.customer_id, due.lead_id, due.as_of

)

select * from actions
