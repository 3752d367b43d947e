with

source as (

    select * from {{ source('raw', 'events') }}

),

withdrawals as (

    select
        {{ event_columns('source') }}
        split_part(source.type, '.', 1) as entity_type,
        {{ safe_text("source.data ->> (split_part(source.type, '.', 1) || '_id')") }} as entity_id,
        case
            when source.type like '%.deleted' or source.type like '%.erased' then true
            when source.type like '%.restored' then false
            else source.data -> 'after' ->> 'deleted_at' is not null
        end as is_deleted,
        case
            when source.type like '%.deleted' then nullif({{ safe_text("source.data ->> 'merged_into'") }}, '')
        end as merged_into

    from source

    where
        source.type in (
            'account.deleted', 'contact.deleted', 'lead.deleted', 'opportunity.deleted', 'activity.deleted',
            'contact.erased', 'lead.erased',
            'account.restored', 'contact.restored', 'lead.restored', 'opportunity.restored', 'activity.restored'
        )
        -- Once, deletions were told as updates.
        or (
            source.type in ('account.updated', 'contact.updated', 'lead.updated', 'opportunity.updated')
            and {{ safe_object("source.data -> 'after'") }} ? 'deleted_at'
        )

)

select * from withdrawals

where entity_id is not null
