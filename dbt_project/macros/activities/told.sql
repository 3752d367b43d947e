{# Steps of int_activities_linked, the last one `unlinked`: what was told of an activity at first, and what it was as of each change
   that was told later. They stand on its steps `activities` and `revisions`. -#}
{% macro told_of_activities() -%}
    first_revisions as (

        select
            customer_id,
            event_id,
            min(known_from) as known_from
        from revisions
        group by customer_id, event_id

    ),

    {%- set told = [
        'customer_id', 'event_id', 'event_type', 'activity_id', 'occurred_at', 'recorded_at', 'is_inbound', 'is_outbound',
        'account_id', 'lead_id', 'opportunity_id', 'owner_id', 'duration_seconds', 'due_at', 'contact_ids',
    ] %}

    -- What was told of an activity at first, and what it was as of each change that was told later.
    unlinked as (

        select
            activities.{{ told | join(', activities.') }},
            activities.event_id as revision_id,
            activities.recorded_at as known_from,
            case
                when first_revisions.known_from is null then '{}'::tstzmultirange
                else tstzmultirange(tstzrange(first_revisions.known_from, null))
            end as superseded

        from activities
        left join first_revisions
            on activities.customer_id = first_revisions.customer_id and activities.event_id = first_revisions.event_id

        where activities.event_type <> 'activity.updated'

        union all

        select
            {{ told | join(', ') }},
            revision_id,
            known_from,
            superseded

        from revisions

    ),
{%- endmacro %}
