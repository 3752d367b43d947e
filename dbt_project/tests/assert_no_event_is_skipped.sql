{{ config(meta={'dagster': {'ref': {'name': 'int_activities_recorded'}}}) }}

-- Sequence numbers are given before a transaction commits, so an event may appear behind the watermark. Those that were
-- committed late must still arrive: of the latest events, every activity is there. Looks back as far as runs do.
with

latest as (

    select coalesce(max(seq_high), 0) as seq_high from {{ source('build', 'build_runs') }}

)

select
    activities.customer_id,
    activities.event_id
from {{ ref('stg_events__activities') }} as activities
cross join latest
where
    activities.seq > latest.seq_high - {{ var('late_commit_window') | int }}
    and activities.seq <= latest.seq_high
    and not exists (
        select 1 from {{ ref('int_activities_recorded') }} as recorded
        where recorded.customer_id = activities.customer_id and recorded.event_id = activities.event_id
    )
