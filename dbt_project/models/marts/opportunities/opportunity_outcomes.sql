{{
    config(
        unique_key=['customer_id', 'opportunity_id'],
        indexes=[{'columns': ['customer_id', 'opportunity_id'], 'unique': true}],
        pre_hook=["{{ forget_touched(ref('int_opportunities_touched'), ['customer_id', 'opportunity_id']) }}"],
        post_hook=["{{ mark_built(seen_through='int_opportunities_touched') }}"],
    )
}}

with

opened as not materialized (

    select * from {{ ref('int_opportunities_opened') }}

),

changes as not materialized (

    select * from {{ ref('int_opportunities_changed') }}

),

touched as not materialized (

    select * from {{ ref('int_opportunities_touched') }}

),

merged as (

    select
        opened.customer_id,
        opened.opportunity_id,
        opened.started_at as opened_at,
        intermediate.jsonb_merge(changes.fields order by {{ version_order('changes') }}) as state,
        (
            array_agg(changes.occurred_at order by {{ version_order('changes', 'desc') }})
            filter (where changes.status is not null)
        )[1] as status_since

    from opened
    {% if is_incremental() %}
        inner join touched
            on opened.customer_id = touched.customer_id and opened.opportunity_id = touched.opportunity_id
    {% endif %}
    inner join changes
        on opened.customer_id = changes.customer_id and opened.opportunity_id = changes.opportunity_id

    where opened.recorded_at <= {{ now_at() }} and changes.recorded_at <= {{ now_at() }}

    group by opened.customer_id, opened.opportunity_id, opened.started_at

),

outcomes as (

    select
        customer_id,
        opportunity_id,
        opened_at,
        coalesce({{ safe_text("state ->> 'status'") }}, 'open') as outcome,
        case when state ->> 'status' in ('won', 'lost') then status_since end as decided_at,
        {{ safe_bigint("state ->> 'value_minor'") }} as value_minor,
        {{ safe_text("state ->> 'currency'") }} as currency

    from merged

    where not {{ is_deleted('state') }}

)

select * from outcomes
