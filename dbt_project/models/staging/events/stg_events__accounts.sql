with

source as (

    select * from {{ source('raw', 'events') }}

),

account_events as (

    select
        {{ event_columns('source') }}
        {{ safe_text("source.data ->> 'account_id'") }} as account_id,
        {{ safe_object("source.data -> 'before'") }} as fields_before,
        {{ patch('source', 'account') }} as fields

    from source

    where
        source.type in (
            'account.created', 'account.updated', 'account.deleted', 'account.restored', 'account.merged', 'account.unmerged'
        )

)

select
    customer_id,
    event_id,
    seq,
    event_type,
    version,
    occurred_at,
    recorded_at,
    account_id,
    {{ safe_bigint("fields ->> 'employee_count'") }} as employee_count,
    {{ safe_bigint("fields_before ->> 'employee_count'") }} as employee_count_before,
    {{ safe_bigint("fields ->> 'annual_revenue_minor'") }} as annual_revenue_minor,
    {{ safe_bigint("fields_before ->> 'annual_revenue_minor'") }} as annual_revenue_minor_before,
    fields

from account_events

where account_id is not null
