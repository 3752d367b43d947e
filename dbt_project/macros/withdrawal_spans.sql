{# The whole of a model: records that withdrawals came in for since it was built, each with the times at which `holds` was known
   to be so of the newest withdrawal; `by_survivor` a row for each record that ever stood for it, as `pairs` in `holds`. -#}
{% macro spans_of_withdrawals(column, holds, by_survivor=false) -%}
{%- set keys = ['customer_id', 'entity_type', 'entity_id'] + (['survivor_id'] if by_survivor else []) -%}
with

withdrawals as not materialized (

    select * from {{ ref('int_records_withdrawn') }}

),

seen as not materialized (

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

{% if by_survivor %}
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
{% else %}
    pairs as (

        select * from touched

    ),
{% endif %}

-- Whatever the order in which deletions and restorations become known: of those known, the newest version holds.
steps as (

    select
        pairs.{{ keys | join(', pairs.') }},
        withdrawals.recorded_at as known_from,
        {{ holds }} as holds,
        lead(withdrawals.recorded_at) over (
            partition by pairs.{{ keys | join(', pairs.') }}
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

spans as (

    select
        {{ keys | join(', ') }},
        coalesce(
            range_agg(tstzrange(known_from, known_until)) filter (where holds), '{}'::tstzmultirange
        ) as {{ column }},
        {{ current_run_id() }} as run_id

    from steps

    group by {{ keys | join(', ') }}

)

select * from spans
{%- endmacro %}
