{{
    config(
        incremental_strategy='delete+insert',
        unique_key=['customer_id', 'entity_type', 'entity_id', 'survivor_id'],
        indexes=[
            {'columns': ['customer_id', 'entity_type', 'entity_id', 'survivor_id'], 'unique': true},
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

-- All records that ever stood for it, whenever it is known.
pairs as (

    select distinct
        withdrawals.customer_id,
        withdrawals.entity_type,
        withdrawals.entity_id,
        withdrawals.merged_into as survivor_id
    from touched
    inner join withdrawals
        on
            touched.customer_id = withdrawals.customer_id
            and touched.entity_type = withdrawals.entity_type
            and touched.entity_id = withdrawals.entity_id
    where withdrawals.merged_into is not null and withdrawals.merged_into <> withdrawals.entity_id

),

-- As for what is hidden: of the withdrawals known at a time, the newest version holds.
steps as (

    select
        pairs.customer_id,
        pairs.entity_type,
        pairs.entity_id,
        pairs.survivor_id,
        withdrawals.recorded_at as known_from,
        newest.is_deleted and coalesce(newest.merged_into = pairs.survivor_id, false) as is_merged,
        lead(withdrawals.recorded_at) over (
            partition by pairs.customer_id, pairs.entity_type, pairs.entity_id, pairs.survivor_id
            order by withdrawals.recorded_at, withdrawals.event_id
        ) as known_until

    from pairs
    inner join withdrawals
        on
            pairs.customer_id = withdrawals.customer_id
            and pairs.entity_type = withdrawals.entity_type
            and pairs.entity_id = withdrawals.entity_id
    cross join lateral (
        select
            known.is_deleted,
            known.merged_into
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

merged_records as (

    select
        customer_id,
        entity_type,
        entity_id,
        survivor_id,
        coalesce(
            range_agg(tstzrange(known_from, known_until)) filter (where is_merged), '{}'::tstzmultirange
        ) as merged,
        {{ current_run_id() }} as run_id

    from steps

    group by customer_id, entity_type, entity_id, survivor_id

)

select * from merged_records
