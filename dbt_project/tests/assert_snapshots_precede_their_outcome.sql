{{ config(meta={'dagster': {'ref': {'name': 'opportunity_snapshots'}}}) }}

-- A snapshot of something already decided would hand the answer to the model that learns from it. Decisions that were
-- recorded late may precede a snapshot that could not know of them; what was recorded in time may not.
select
    snapshots.customer_id,
    snapshots.opportunity_id,
    snapshots.moment
from {{ ref('opportunity_snapshots') }} as snapshots
inner join {{ ref('opportunity_outcomes') }} as outcomes
    on
        snapshots.customer_id = outcomes.customer_id
        and snapshots.opportunity_id = outcomes.opportunity_id
where
    outcomes.decided_at <= snapshots.as_of
    and not exists (
        select 1 from {{ ref('int_opportunities_changed') }} as changes
        where
            changes.customer_id = snapshots.customer_id
            and changes.opportunity_id = snapshots.opportunity_id
            and changes.recorded_at > snapshots.as_of
    )
