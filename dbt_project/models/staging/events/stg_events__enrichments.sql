with

source as (

    select * from {{ source('raw', 'events') }}

),

answers as (

    select
        {{ event_columns('source') }}
        {{ safe_text("source.data ->> 'entity_id'") }} as account_id,
        {{ safe_text("source.data ->> 'provider'") }} as provider,
        {{ safe_bigint("source.data -> 'fields' ->> 'employee_count'") }} as employee_count,
        {{ safe_bigint("source.data -> 'fields' ->> 'annual_revenue_minor'") }} as annual_revenue_minor

    from source

    where
        source.type = 'enrichment.completed'
        and source.data ->> 'entity_type' = 'account'
        and source.data ->> 'status' = 'matched'

)

select * from answers

where account_id is not null
