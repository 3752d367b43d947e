{{
    config(
        incremental_strategy='delete+insert',
        unique_key=['customer_id', 'contact_id'],
        indexes=[
            {'columns': ['customer_id', 'account_id', 'contact_id'], 'unique': true},
            {'columns': ['customer_id', 'contact_id']},
        ],
        post_hook=["{{ mark_built() }}"],
    )
}}

with

changes as not materialized (

    select * from {{ ref('int_contacts_changed') }}

),

seen as not materialized (

    {{ watermark([this.name]) }}

),

touched as (

    select distinct
        changes.customer_id,
        changes.contact_id
    from changes
    cross join seen
    {% if is_incremental() %}
        where {{ is_loaded_since('changes', 'seen') }}
    {% endif %}

),

-- Whatever the order in which moves become known: of those known, the newest version holds.
steps as (

    select
        changes.customer_id,
        changes.contact_id,
        newest.account_id,
        changes.recorded_at as known_from,
        lead(changes.recorded_at) over (
            partition by changes.customer_id, changes.contact_id order by changes.recorded_at, changes.event_id
        ) as known_until

    from touched
    inner join changes
        on touched.customer_id = changes.customer_id and touched.contact_id = changes.contact_id and changes.sets_account
    cross join lateral (
        select known.account_id
        from changes as known
        where
            known.customer_id = changes.customer_id
            and known.contact_id = changes.contact_id
            and known.sets_account
            and known.recorded_at <= changes.recorded_at
        order by {{ version_order('known', 'desc') }}
        limit 1
    ) as newest

),

places as (

    select
        customer_id,
        contact_id,
        account_id,
        range_agg(tstzrange(known_from, known_until)) as placed

    from steps

    where account_id is not null

    group by customer_id, contact_id, account_id

)

select
    places.customer_id,
    places.contact_id,
    places.account_id,
    places.placed - coalesce(hidden_records.hidden, '{}') as placed

from places
left join {{ ref('int_records_hidden') }} as hidden_records
    on
        places.customer_id = hidden_records.customer_id
        and hidden_records.entity_type = 'contact'
        and places.contact_id = hidden_records.entity_id
