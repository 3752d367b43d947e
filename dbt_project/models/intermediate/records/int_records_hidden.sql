{{
    config(
        incremental_strategy='delete+insert',
        unique_key=['customer_id', 'entity_type', 'entity_id'],
        indexes=[
            {'columns': ['customer_id', 'entity_type', 'entity_id'], 'unique': true},
            {'columns': ['run_id']},
        ],
        post_hook=["{{ mark_built() }}"],
    )
}}

with

withdrawals as not materialized (

    select * from {{ ref('int_records_withdrawn') }}

),

seen as (

    {{ watermark([this.name]) }}

),

touched as (

    select distinct
        withdrawals.customer_id,
        withdrawals.entity_type,
        withdrawals.entity_id
    from withdrawals
    cross join seen
    {% if is_incremental() %}
        where {{ is_loaded_since('withdrawals', 'seen') }}
    {% endif %}

),

-- Whatever the order in which deletions and restorations become known: of those known, the newest version holds.
steps as (

    select
        withdrawals.customer_id,
        withdrawals.entity_type,
        withdrawals.entity_id,
        withdrawals.recorded_at as known_from,
        newest.is_deleted as is_hidden,
        lead(withdrawals.recorded_at) over (
            partition by withdrawals.customer_id, withdrawals.entity_type, withdrawals.entity_id
            order by withdrawals.recorded_at, withdrawals.event_id
        ) as known_until

    from touched
    inner join withdrawals
        on
            touched.customer_id = withdrawals.customer_id
            and touched.entity_type = withdrawals.entity_type
            and touched.entity_id = withdrawals.entity_id
    cross join lateral (
        select known.is_deleted
        from withdrawals as known
        where
            known.customer_id = withdrawals.customer_id
            and known.entity_type = withdrawals.entity_type
            and known.entity_id = withdrawals.entity_id
            and known.recorded_at <= withdrawals.recorded_at
        order by {{ version_order('known', 'desc') }}
        limit 1
    ) as newest

),

hidden as (

    select
        customer_id,
        entity_type,
        entity_id,
        coalesce(
            range_agg(tstzrange(known_from, known_until)) filter (where is_hidden), '{}'::tstzmultirange
        ) as hidden,
        {{ current_run_id() }} as run_id

    from steps

    group by customer_id, entity_type, entity_id

)

select * from hidden
