with

source as (

    select * from {{ source('raw', 'events') }}

),

opportunity_events as (

    select
        {{ event_columns('source') }}
        {{ safe_text("source.data ->> 'opportunity_id'") }} as opportunity_id,
        {{ safe_text("source.data ->> 'from_stage'") }} as from_stage,
        {{ safe_text("source.data ->> 'status'") }} as given_status,
        {{ safe_object("source.data -> 'before'") }} as fields_before,
        case
            when source.type = 'opportunity.stage_changed'
                then
                    jsonb_strip_nulls(jsonb_build_object(
                        'stage', source.data -> 'to_stage',
                        'value_minor', source.data -> 'value_minor',
                        'currency', source.data -> 'currency'
                    ))
            else {{ patch('source', 'opportunity') }}
        end as fields

    from source

    where
        source.type in (
            'opportunity.created', 'opportunity.updated', 'opportunity.stage_changed',
            'opportunity.deleted', 'opportunity.restored'
        )

),

typed as (

    select
        customer_id,
        event_id,
        seq,
        event_type,
        version,
        occurred_at,
        recorded_at,
        opportunity_id,
        coalesce(from_stage, {{ safe_text("fields_before ->> 'stage'") }}) as stage_before,
        {{ safe_text("fields ->> 'stage'") }} as stage,
        given_status,
        {{ safe_text("fields ->> 'owner_id'") }} as owner_id,
        {{ safe_text("fields ->> 'account_id'") }} as account_id,
        {{ safe_text("fields ->> 'lead_id'") }} as lead_id,
        {{ safe_bigint("fields ->> 'value_minor'") }} as value_minor,
        {{ safe_bigint("fields_before ->> 'value_minor'") }} as value_minor_before,
        {{ safe_date("fields ->> 'expected_close_date'") }} as expected_close_date,
        {{ safe_date("fields_before ->> 'expected_close_date'") }} as expected_close_date_before,
        fields

    from opportunity_events

    where opportunity_id is not null

),

with_status as (

    select
        *,
        case
            when event_type = 'opportunity.stage_changed' and given_status in ('open', 'won', 'lost') then given_status
            when stage in ('won', 'lost') then stage
            when stage is not null then 'open'
        end as status

    from typed

)

select
    customer_id,
    event_id,
    seq,
    event_type,
    version,
    occurred_at,
    recorded_at,
    opportunity_id,
    stage_before,
    stage,
    (
        event_type <> 'opportunity.created'
        and stage is not null
        and (stage is distinct from stage_before)
    ) as is_stage_change,
    status,
    owner_id,
    account_id,
    lead_id,
    value_minor,
    value_minor_before,
    expected_close_date,
    expected_close_date_before,
    case
        when status is null then fields
        else fields || jsonb_build_object('status', status)
    end as fields

from with_status
