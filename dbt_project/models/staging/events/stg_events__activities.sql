with

source as (

    select * from {{ source('raw', 'events') }}

),

activity_events as (

    select
        {{ event_columns('source') }}
        {{ safe_text("source.data ->> 'activity_id'") }} as activity_id,
        {{ safe_text("source.data ->> 'direction'") }} as given_direction,
        {{ safe_text("source.data ->> 'account_id'") }} as account_id,
        {{ safe_text("source.data ->> 'contact_id'") }} as contact_id,
        {{ safe_text("source.data ->> 'lead_id'") }} as lead_id,
        {{ safe_text("source.data ->> 'opportunity_id'") }} as opportunity_id,
        {{ safe_text("source.data ->> 'owner_id'") }} as owner_id,
        {{ safe_double("source.data ->> 'duration_seconds'") }} as duration_seconds,
        {{ safe_timestamp("source.data ->> 'due_at'") }} as due_at,
        {{ participants_of('source.data') }} as participants,
        case
            when source.type = 'activity.updated' then {{ safe_object("source.data -> 'after'") }}
        end as fields

    from source

    where
        source.type in (
            'email.sent', 'email.received', 'email.opened', 'email.clicked',
            'meeting.scheduled', 'meeting.completed', 'call.scheduled', 'call.completed',
            'task.created', 'task.completed', 'note.created',
            'form.submitted', 'page.viewed', 'proposal.sent', 'proposal.replied', 'activity.updated'
        )

),

directed as (

    select
        *,
        case
            when given_direction in ('inbound', 'outbound', 'internal') then given_direction
            when
                event_type in (
                    'email.received', 'email.opened', 'email.clicked',
                    'form.submitted', 'page.viewed', 'proposal.replied'
                )
                then 'inbound'
            when event_type in ('task.created', 'task.completed', 'note.created') then 'internal'
            else 'outbound'
        end as direction

    from activity_events

)

select
    customer_id,
    event_id,
    seq,
    event_type,
    version,
    occurred_at,
    recorded_at,
    activity_id,
    direction,
    -- A call that is planned is no touch yet.
    event_type <> 'call.scheduled' and (direction = 'inbound' or event_type = 'meeting.completed') as is_inbound,
    event_type <> 'call.scheduled' and (direction = 'outbound' or event_type = 'meeting.completed') as is_outbound,
    account_id,
    contact_id,
    lead_id,
    opportunity_id,
    owner_id,
    duration_seconds,
    due_at,
    participants,
    {{ contact_ids_of('contact_id', 'participants') }} as contact_ids,
    fields

from directed

where activity_id is not null
