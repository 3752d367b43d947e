{{
    config(
        incremental_strategy='delete+insert',
        unique_key=['customer_id', 'event_id', 'revision_id'],
        indexes=[
            {'columns': ['customer_id', 'event_id', 'revision_id'], 'unique': true},
            {'columns': ['customer_id', 'activity_id']},
            {'columns': ['customer_id', 'opportunity_id']},
            {'columns': ['customer_id', 'lead_id']},
            {'columns': ['customer_id', 'account_id']},
            {'columns': ['contact_ids'], 'type': 'gin'},
        ],
        post_hook=["{{ mark_built() }}"],
    )
}}

with

activities as not materialized (

    select * from {{ ref('int_activities_recorded') }}

),

seen as not materialized (

    {{ watermark([this.name]) }}

),

touched as (

    select distinct
        activities.customer_id,
        activities.activity_id
    from activities
    cross join seen
    {% if is_incremental() %}
        where {{ is_loaded_since('activities', 'seen') }}
    {% else %}
        where activities.event_type = 'activity.updated'
    {% endif %}

),

-- A change concerns what was told of the activity before it.
changed_events as materialized (

    select
        events.customer_id,
        events.event_id,
        changes.event_id as revision_id,
        changes.fields,
        greatest(events.recorded_at, changes.recorded_at) as known_from,
        row({{ version_order('changes', '') }}) as place

    from touched
    inner join activities as changes
        on
            touched.customer_id = changes.customer_id
            and touched.activity_id = changes.activity_id
            and changes.event_type = 'activity.updated'
    inner join activities as events
        on
            touched.customer_id = events.customer_id
            and touched.activity_id = events.activity_id
            and events.event_type <> 'activity.updated'

    where row({{ version_order('changes', '') }}) > row({{ version_order('events', '') }})

),

-- Whatever the order in which changes become known: of those known, the newest version of a field holds.
states as (

    select
        changed_events.customer_id,
        changed_events.event_id,
        changed_events.revision_id,
        changed_events.known_from,
        lead(changed_events.known_from) over (
            partition by changed_events.customer_id, changed_events.event_id
            order by changed_events.known_from, changed_events.revision_id
        ) as known_until,
        intermediate.jsonb_merge(known.fields order by known.place) as state

    from changed_events
    inner join changed_events as known
        on
            changed_events.customer_id = known.customer_id
            and changed_events.event_id = known.event_id
            and changed_events.known_from >= known.known_from

    group by
        changed_events.customer_id, changed_events.event_id, changed_events.revision_id, changed_events.known_from

),

patched as (

    select
        events.customer_id,
        events.event_id,
        states.revision_id,
        events.event_type,
        events.activity_id,
        events.occurred_at,
        events.recorded_at,
        states.known_from,
        -- What was done is not done where the activity was opened again; a later completion is an event of its own.
        case
            when
                events.event_type in ('meeting.completed', 'call.completed', 'task.completed')
                and states.state -> 'completed_at' = 'null'
                then '{(,)}'::tstzmultirange
            when states.known_until is null then '{}'::tstzmultirange
            else tstzmultirange(tstzrange(states.known_until, null))
        end as superseded,
        events.is_inbound,
        events.is_outbound,
        {% for field in ('account_id', 'contact_id', 'lead_id', 'opportunity_id', 'owner_id') %}
            case
                when states.state ? '{{ field }}' then {{ safe_text("states.state ->> '" ~ field ~ "'") }}
                else events.{{ field }}
            end as {{ field }},
        {% endfor %}
        events.duration_seconds,
        case
            when states.state ? 'due_at' then {{ safe_timestamp("states.state ->> 'due_at'") }} else events.due_at
        end as due_at,
        case
            when states.state ? 'participants' then {{ participants_of('states.state') }} else events.participants
        end as participants

    from states
    inner join activities as events on states.customer_id = events.customer_id and states.event_id = events.event_id

)

select
    *,
    {{ contact_ids_of('contact_id', 'participants') }} as contact_ids
from patched
