with

source as (

    select * from {{ source('raw', 'events') }}

),

account_events as (

    select
        {{ event_columns('source') }}
        {{ safe_text("source.data ->> 'account_id'") }} as account_id,
        {{ patch('source', 'account') }} as fields

    from source

    where
        source.type in (
            'account.created', 'account.updated', 'account.deleted', 'account.restored', 'account.merged', 'account.unmerged'
        )

)

select * from account_events

where account_id is not null
