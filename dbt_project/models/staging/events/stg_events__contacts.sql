with

source as (

    select * from {{ source('raw', 'events') }}

),

contact_events as (

    select
        {{ event_columns('source') }}
        {{ safe_text("source.data ->> 'contact_id'") }} as contact_id,
        {{ patch('source', 'contact') }} as fields

    from source

    where
        source.type in (
            'contact.created', 'contact.updated', 'contact.deleted', 'contact.erased',
            'contact.restored', 'contact.merged', 'contact.unmerged'
        )

),

typed as (

    select
        *,
        {{ safe_text("fields ->> 'account_id'") }} as account_id,
        coalesce(fields ? 'account_id', false) as sets_account

    from contact_events

)

select * from typed

where contact_id is not null
