{# Whole models that leads and opportunities have alike, `entity` in the singular and in the plural, `started` how it begins. -#}

{# When each record began, from the events that created it. -#}
{% macro starts_of(entity, entities) -%}
with

changes as not materialized (

    select * from {{ ref('int_' ~ entities ~ '_changed') }}

),

seen as not materialized (

    {{ watermark([this.name]) }}

),

new_keys as (

    select distinct
        changes.customer_id,
        changes.{{ entity }}_id
    from changes
    cross join seen
    where
        changes.event_type = '{{ entity }}.created'
        {% if is_incremental() %} and {{ is_loaded_since('changes', 'seen') }} {% endif %}

),

-- A second creation of the same record is a replay at best: the first version holds.
starts as (

    select distinct on (changes.customer_id, changes.{{ entity }}_id)
        changes.customer_id,
        changes.{{ entity }}_id,
        changes.event_id,
        changes.occurred_at as started_at,
        changes.recorded_at

    from new_keys
    inner join changes
        on new_keys.customer_id = changes.customer_id and new_keys.{{ entity }}_id = changes.{{ entity }}_id

    where changes.event_type = '{{ entity }}.created'

    order by changes.customer_id asc, changes.{{ entity }}_id asc, {{ version_order('changes') }}

)

select * from starts
{%- endmacro %}

{# The features as of each moment of a record, which the caller computes for the step `instants`. -#}
{% macro snapshots_of(entity, entities, started) -%}
with

starts as not materialized (

    select * from {{ ref('int_' ~ entities ~ '_' ~ started) }}

),

touched as not materialized (

    select * from {{ ref('int_' ~ entities ~ '_touched') }}

),

{% if is_incremental() %}
    seen as not materialized (

        {{ watermark([this.name]) }}

    ),

    -- What changed behind instants of the past, and the instants that came up since.
    instants as (

        select
            starts.customer_id,
            starts.{{ entity }}_id,
            {{ instant_of('starts') }} as as_of,
            moments.moment
        from touched
        inner join starts
            on touched.customer_id = starts.customer_id and touched.{{ entity }}_id = starts.{{ entity }}_id
        cross join {{ moments(entity, started) }}
        where
            {{ is_instant_known('starts') }}
            and {{ instant_of('starts') }} >= touched.changed_from

        union

        select
            starts.customer_id,
            starts.{{ entity }}_id,
            {{ instant_of('starts') }} as as_of,
            moments.moment
        from seen
        cross join {{ moments(entity, started) }}
        inner join starts
            on
                starts.started_at > seen.now_from - moments.since_start - interval '1 day'
                and starts.started_at <= {{ now_at() }} - moments.since_start
        where
            {{ is_instant_known('starts') }}
            and {{ instant_of('starts') }} > seen.now_from

    ),
{% else %}
    instants as (

        select
            starts.customer_id,
            starts.{{ entity }}_id,
            {{ instant_of('starts') }} as as_of,
            moments.moment
        from starts
        cross join {{ moments(entity, started) }}
        where {{ is_instant_known('starts') }}

    ),
{% endif %}

snapshots as (

    {{ caller() }}

)

select * from snapshots
{%- endmacro %}

{# What was done within a week of each snapshot. -#}
{% macro next_actions_of(entity, entities) -%}
with

snapshots as not materialized (

    select * from {{ ref(entity ~ '_snapshots') }}

),

activities as not materialized (

    select * from {{ ref('int_activities_linked') }}

),

touched as not materialized (

    select * from {{ ref('int_' ~ entities ~ '_touched') }}

),

{% if is_incremental() %}
    seen as not materialized (

        {{ watermark([this.name]) }}

    ),

    due as (

        select
            snapshots.customer_id,
            snapshots.{{ entity }}_id,
            snapshots.as_of
        from touched
        inner join snapshots
            on touched.customer_id = snapshots.customer_id and touched.{{ entity }}_id = snapshots.{{ entity }}_id

        union

        select
            snapshots.customer_id,
            snapshots.{{ entity }}_id,
            snapshots.as_of
        from seen
        inner join snapshots on snapshots.as_of > seen.now_from - interval '7 days'

    ),
{% else %}
    due as (

        select
            customer_id,
            {{ entity }}_id,
            as_of
        from snapshots

    ),
{% endif %}

actions as (

    select
        due.customer_id,
        due.{{ entity }}_id,
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
            and activities.entity_type = '{{ entity }}'
            and due.{{ entity }}_id = activities.entity_id
            and activities.occurred_at > due.as_of
            and activities.occurred_at <= due.as_of + interval '7 days'
            and activities.known_at <= {{ now_at() }}
            and {{ is_in_force('activities', now_at()) }}

    where due.as_of <= {{ now_at() }} - interval '7 days'

    group by due.customer_id, due.{{ entity }}_id, due.as_of

)

select * from actions
{%- endmacro %}
