with

source as (

    select * from {{ source('raw', 'events') }}

),

lead_events as (

    select
        {{ event_columns('source') }}
        {{ safe_text("source.data ->> 'lead_id'") }} as lead_id,
        {{ safe_text("source.data -> 'before' ->> 'status'") }} as status_before,
        case
            when source.type = 'lead.converted'
                then
                    jsonb_strip_nulls(jsonb_build_object(
                        'account_id', source.data -> 'account_id',
                        'contact_id', source.data -> 'contact_id',
                        'opportunity_id', source.data -> 'opportunity_id'
                    )) || '{"status": "converted"}'
            else {{ patch('source', 'lead') }}
        end as fields

    from source

    where
        source.type in (
            'lead.created', 'lead.updated', 'lead.converted', 'lead.deleted', 'lead.erased',
            'lead.restored', 'lead.merged', 'lead.unmerged'
        )

),

typed as (

    select
        *,
        {{ safe_text("fields ->> 'status'") }} as status,
        {{ safe_text("fields ->> 'owner_id'") }} as owner_id,
        {{ safe_text("fields ->> 'account_id'") }} as account_id,
        case
            when event_type = 'lead.converted' then {{ safe_text("fields ->> 'opportunity_id'") }}
        end as opportunity_id

    from lead_events

)

select
    *,
    (
        event_type <> 'lead.created'
        and status is not null
        and (status is distinct from status_before)
    ) as is_status_change

from typed

where lead_id is not null
